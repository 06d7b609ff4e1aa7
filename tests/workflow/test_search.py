"""Search attributes: runs are found by them where they are registered, and go on as ever where they are not."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from gatework import Approved, Block, Endorsed, Untrusted, Verdict, approve, role, stage, workflow
from gatework.define.workflow import Workflow
from gatework.temporal import Execution, GateworkPlugin, find
from gatework.temporal.client import operate
from gatework.temporal.page.progress import Waiting
from gatework.temporal.transport import search
from gatework.temporal.transport.search import NAMES, NEEDS, PLAN, STAGE, STATUS, Registered, needing, register
from gatework.temporal.worker import checks
from tests.conftest import server_in
from tests.workflow.conftest import Typed, typed_at
from tests.workflow.deployment import Deployed, Deployments, count, end, events, task_after, until, waiting
from tests.workflow.plans import Note, Paper, chain, file, gate_first, hasty, signed, single, twice
from tests.workflow.project import Project

KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
TEXT = IndexedValueType.INDEXED_VALUE_TYPE_TEXT


@pytest.fixture(scope="module")
async def known(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server whose namespace has the attributes; its address."""
    async with await server_in(tmp_path_factory.mktemp("known")) as environment:
        assert await register(environment.client) is Registered.YES
        yield environment.client.service_client.config.target_host


@pytest.fixture
async def found(known: str, tmp_path: Path) -> AsyncIterator[Deployments]:
    """Workers on the server that has the attributes."""
    async with Deployments(known, tmp_path) as deployments:
        yield deployments


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Deployments]:
    """Workers on a server of the test's own that has none of them."""
    async with (
        await server_in(tmp_path) as environment,
        Deployments(environment.client.service_client.config.target_host, tmp_path) as deployments,
    ):
        yield deployments


async def attributes(run: Execution[Any]) -> dict[str, str]:
    """What the server was told of a run."""
    described = await run.handle.describe()
    return {name: str(value) for name in NAMES for value in described.search_attributes.get(name, ())}


async def upserts(run: Execution[Any]) -> list[list[str]]:
    """The names of our attributes in each event that sets some."""
    told = [
        sorted(event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields)
        for event in await events(run)
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
    ]
    return [names for names in told if names != ["TemporalChangeVersion"]]


async def ids(client: Client, query: str) -> set[str]:
    return {run.id async for run in client.list_workflows(query)}


async def listed(client: Client, run: Execution[Any], query: str) -> None:
    """Wait until a query finds a run: the server lists what has happened a moment later."""

    async def there() -> bool:
        return run.id in await ids(client, query)

    await until(there, f"{query} finds {run.id}", seconds=20)


def _of(plan: Workflow[Any, Any], **more: str) -> dict[str, str]:
    return {PLAN: f"{plan.name} {plan.plan.digest[:12]}", **more}


async def test_waiting_run_is_found_by_the_role_that_it_needs_until_it_is_answered(found: Deployments) -> None:
    """Gate and end are told in one event each; no stage is."""
    deployed = await found.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    assert await attributes(run) == _of(signed, **{STATUS: "waiting", STAGE: "agreed", NEEDS: "boss"})
    assert (await run.state()).link.endswith("?query=ExecutionStatus%3D%22Running%22+AND+GateworkNeeds+is+not+null")
    for query in (needing(), needing("boss"), f"{PLAN} STARTS_WITH 'signed '"):
        await listed(deployed.client, run, query)
    assert run.id not in await ids(deployed.client, needing("clerk"))
    await run.approve(asked.number)
    await run.result()
    assert await attributes(run) == _of(signed, **{STATUS: "completed"})
    await listed(deployed.client, run, f"{STATUS} = 'completed'")
    assert run.id not in await ids(deployed.client, f"{NEEDS} is not null")
    waits = [STAGE, STATUS, NEEDS]
    assert await upserts(run) == [sorted(NAMES), sorted(waits), sorted(waits), [STATUS]]


async def test_gate_right_after_a_gate_is_told_as_one_change(found: Deployments) -> None:
    """What did not last is not told: the role of the second gate takes the place of the first one's."""
    deployed = await found.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    assert (await attributes(run))[NEEDS] == "boss"
    await run.approve(asked.number)
    following = await waiting(run)
    assert await attributes(run) == _of(twice, **{STATUS: "waiting", STAGE: "other", NEEDS: "clerk"})
    assert (await upserts(run))[-1] == sorted([STAGE, NEEDS])
    await asyncio.sleep(2)  # a decision that comes right after the one before might mean that
    await run.approve(following.number)
    await run.result()


@pytest.mark.parametrize("ending", ["rejected", "aborted", "expired", "cancelled"])
async def test_end_other_than_well_is_told_with_its_stage(found: Deployments, ending: str) -> None:
    """To Temporal these have failed alike; a query tells them apart, and none needs a person any more."""
    plan: Workflow[Any, Any] = hasty if ending == "expired" else signed
    deployed = await found.serve(plan)
    run, _ = await deployed.gate(plan, Note(text="a"))
    if ending == "rejected":
        await run.reject("No.")
    elif ending == "aborted":
        await run.abort("No.")
    elif ending == "cancelled":
        await run.handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert await attributes(run) == _of(plan, **{STATUS: ending, STAGE: "agreed"})
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


def no(paper: Paper) -> Verdict:
    return Block("No.")


@stage(no, override=role("head", identity="claimed"))
async def pick(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@workflow
def overruled(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A stage that head may override, and an approval."""
    picked = pick(note)
    agreed = approve(picked, by=role("boss"))
    return file(agreed)


async def overridden(deployed: Deployed) -> tuple[Execution[Any], Waiting]:
    """A run in which a stage was overridden, and that waits at the approval behind it."""
    run, blocked = await deployed.gate(overruled, Note(text="a"))
    await run.override("It is fine", number=blocked.number, by="Hana")
    return run, await waiting(run)


async def told_to_who_may_override(deployed: Deployed, typed: Typed) -> None:
    """Both whom a stage waits for that is stopped, and who may override it, find the run; nobody else does."""
    run, _ = await deployed.gate(overruled, Note(text="a"))
    await listed(deployed.client, run, needing("operator"))
    for asked in ("head", "operator"):
        (one,) = json.loads((await typed("runs", "--role", asked, "--json")).stdout)
        assert (one["id"], one["needs"], one["overrides"]) == (run.id, "operator", "head")
        shown = " ".join((await typed("runs", "--role", asked)).stdout.split())
        assert "operator: picked is blocked (head may override)" in shown, shown
    assert (await typed("runs", "--role", "boss")).stdout == "No run waits for a person of the role boss.\n"
    await run.handle.terminate()


ENDINGS = ("completed", "rejected", "aborted", "cancelled", "terminated")


async def ended_so(run: Execution[Any], asked: Waiting, how: str) -> None:
    match how:
        case "completed":
            await run.approve(asked.number)
        case "rejected" | "aborted":
            await (run.reject("No.") if how == "rejected" else run.abort("No."))
        case _:
            await (run.handle.cancel() if how == "cancelled" else run.handle.terminate())
    with suppress(WorkflowFailureError):
        await run.result()


async def test_run_with_an_override_is_marked_for_good_however_it_ends(found: Deployments) -> None:
    """By a value that begins so while it waits, and at every end; the lists say it of each, and first."""
    deployed = await found.serve(overruled)
    for how in ENDINGS:
        run, asked = await overridden(deployed)
        waits = _of(overruled, **{STATUS: "waiting", STAGE: "overridden: picked; agreed", NEEDS: "boss"})
        assert await attributes(run) == waits
        await ended_so(run, asked, how)
        end = {STATUS: how, STAGE: f"overridden: picked{'' if how == 'completed' else '; agreed'}"}
        assert await attributes(run) == (waits if how == "terminated" else _of(overruled, **end))
        query = f"{STAGE} STARTS_WITH 'overridden'"
        await listed(deployed.client, run, f"{query} AND ExecutionStatus != 'Running'")
    typed = typed_at(found)
    shown = await typed("runs", "--all")
    assert shown.stdout.count("OVERRIDDEN") == len(ENDINGS), shown.stdout
    assert shown.stderr == ""
    told = json.loads((await typed("runs", "--all", "--json")).stdout)
    assert [run["overridden"] for run in told] == [True] * len(ENDINGS)
    await told_to_who_may_override(deployed, typed)


async def test_override_is_told_where_no_attribute_is_registered(bare: Deployments) -> None:
    """A worker tells of runs that have not ended; of others it is said that nobody knows."""
    deployed = await bare.serve(overruled)
    run, asked = await overridden(deployed)
    typed = typed_at(bare)
    shown = await typed("runs")
    assert "OVERRIDDEN boss: approve" in " ".join(shown.stdout.split())
    assert shown.stderr == ""
    await ended_so(run, asked, "rejected")

    async def gone() -> bool:
        return run.id not in await ids(deployed.client, "ExecutionStatus = 'Running'")

    await until(gone, "it is listed as ended", seconds=20)
    shown = await typed("runs", "--all")
    assert "OVERRIDDEN" not in shown.stdout
    assert "was not told of all of these whether anything was overridden; `gatework show` says it" in shown.stderr
    [told] = json.loads((await typed("runs", "--all", "--json")).stdout)
    assert told["overridden"] is None
    for command in ("show", "watch"):
        shown = await typed(command, run.id)
        first = " ".join(shown.stdout.splitlines()[0].split()).removeprefix(
            shown.stdout[:9] if command == "watch" else ""
        )
        assert first == "OVERRIDDEN picked: its output was let on past no, by Hana (claimed): It is fine"
    seen = json.loads((await typed("watch", run.id, "--json")).stdout.splitlines()[-1])
    assert [one["node"] for one in seen["overrides"]] == ["picked"]


async def test_run_that_was_terminated_is_not_found_by_the_link(found: Deployments) -> None:
    """Nothing of ours runs at its end, so its attributes stay; the link asks for runs that still run."""
    deployed = await found.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await listed(deployed.client, run, needing("boss"))
    await run.handle.terminate()

    async def gone() -> bool:
        return run.id not in await ids(deployed.client, needing())

    await until(gone, "it is not listed any more", seconds=20)
    assert (await attributes(run))[NEEDS] == "boss"


async def test_run_where_nothing_is_registered_costs_no_event(bare: Deployments) -> None:
    """One marker and one search attribute event for the plan, as without all this; and no trace of ours."""
    deployed = await bare.serve(single)
    run = await deployed.start(single, Note(text="a"))
    await run.result()
    assert (await run.state()).link.endswith("?query=ExecutionStatus%3D%22Running%22")
    names = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in await events(run)]
    assert (names.count("MARKER_RECORDED"), names.count("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"), len(names)) == (1, 1, 13)


async def test_run_from_before_the_attributes_is_found_from_its_next_gate_on(bare: Deployments) -> None:
    """What is registered while a run waits changes nothing of its history so far, and all from then on."""
    async with bare.serving(twice) as deployed:
        run, asked = await deployed.gate(twice, Note(text="a"))
        passing = await deployed.start(twice, Note(text="b"))
        passed = await waiting(passing)
    assert await register(deployed.client) is Registered.YES
    assert await attributes(run) == {}
    async with bare.serving(twice):
        await run.approve(asked.number)
        following = await waiting(run)
        assert await attributes(run) == _of(twice, **{STATUS: "waiting", STAGE: "other", NEEDS: "clerk"})
        await asyncio.sleep(2)
        await run.approve(following.number)
        await run.result()
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0
        assert (await attributes(run))[STATUS] == "completed"
    # A worker that finds none goes on with a run that has some, and with one that has none.
    async with bare.serving(twice, chain) as deployed:
        await passing.approve(passed.number)
        assert (await waiting(passing)).role == "clerk"
    await _replays(run, twice)
    await _replays(passing, twice)


@pytest.mark.parametrize("first", [True, False], ids=["found-first", "missing-first"])
async def test_run_goes_on_at_a_worker_that_was_told_otherwise(
    found: Deployments, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a run has attributes is what its history says, whatever its worker of the moment was told."""
    answers = [Registered.YES, Registered.UNKNOWN] if first else [Registered.UNKNOWN, Registered.YES]

    async def told(client: Client) -> Registered:
        return answers.pop(0)

    monkeypatch.setattr(search, "registered", told)
    async with found.serving(signed) as deployed:
        run, asked = await deployed.gate(signed, Note(text="a"))
    async with found.serving(signed):
        await run.state()
        await run.approve(asked.number)
        await run.result()
    assert answers == []
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    assert await attributes(run) == (_of(signed, **{STATUS: "completed"}) if first else {})
    await _replays(run, signed)


@pytest.mark.parametrize("plan", [single, signed, gate_first], ids=lambda plan: plan.name)
@pytest.mark.parametrize("known_at_first", [True, False], ids=["found-first", "missing-first"])
async def test_run_that_others_start_goes_on_at_another_worker(
    found: Deployments, plan: Workflow[Any, Any], known_at_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first task draws a salt by a local activity, behind which no marker is found at a replay."""
    answers = [Registered.YES if known_at_first else Registered.UNKNOWN, Registered.YES]

    async def told(client: Client) -> Registered:
        return answers.pop(0)

    monkeypatch.setattr(search, "registered", told)
    stranger = await found.client()
    id = f"{plan.name}-{uuid.uuid4()}"
    async with found.serving(plan) as deployed:
        await stranger.start_workflow(plan.name, {"text": "a"}, id=id, task_queue=found.queue)
        run = find(deployed.client, plan, id)
        await run.waiting()
    async with found.serving(plan) as deployed:
        run = find(deployed.client, plan, id)
        if (asked := (await run.state()).waiting) is not None:
            await run.approve(asked.number)
        await run.result()
    assert answers == []
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    assert await attributes(run) == (_of(plan, **{STATUS: "completed"}) if known_at_first else {})
    await _replays(run, plan)


async def _replays(run: Execution[Any], *plans: Workflow[Any, Any]) -> None:
    """A history replays where nothing is known of any server."""
    replayer = Replayer(workflows=[], plugins=[GateworkPlugin(*plans)])
    await replayer.replay_workflow(await run.handle.fetch_history())


async def test_attribute_of_another_type_leaves_runs_without(
    bare: Deployments, caplog: pytest.LogCaptureFixture
) -> None:
    """To set it would hold up every run. The worker says so in one line; `gatework setup` names it and its type."""
    client = await bare.client()
    request = AddSearchAttributesRequest(namespace="default", search_attributes={NEEDS: TEXT, STAGE: KEYWORD})
    await client.operator_service.add_search_attributes(request)
    said = await checks.search_attributes(client)
    assert (said.mark, said.said) == ("note", f"{NEEDS} is of type text, and not keyword")
    assert await register(client) is Registered.OTHER
    with caplog.at_level(logging.INFO, logger="gatework"):
        deployed = await bare.serve(signed)
        run, asked = await deployed.gate(signed, Note(text="a"))
    [missing] = [record.getMessage() for record in caplog.records if "search.missing" in record.getMessage()]
    assert "another type" in missing
    await run.approve(asked.number)
    await run.result()
    assert await attributes(run) == {}
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_worker_that_may_not_ask_serves_all_the_same(
    deployments: Deployments, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server does not say counts as absent."""

    async def refused(self: Client, *_: Any, **__: Any) -> Any:
        raise RPCError("no", RPCStatusCode.PERMISSION_DENIED, b"")

    monkeypatch.setattr(Client, "count_workflows", refused)
    with caplog.at_level(logging.INFO, logger="gatework"):
        deployed = await deployments.serve(single)
        await (await deployed.start(single, Note(text="a"))).result()
    assert [record.getMessage() for record in caplog.records if "search.missing" in record.getMessage()] == [
        f'search.missing reason="{Registered.UNKNOWN.reason}"'
    ]


async def test_namespaces_are_asked_one_by_one(known: str, tmp_path: Path) -> None:
    """Attributes are those of a namespace: another on the same server has none until they are registered there."""
    client = await Client.connect(known, namespace="apart")
    assert (await checks.namespace(client)).mark == "done"
    assert await search.registered(client) is Registered.NO
    told = await checks.search_attributes(client)
    assert (told.mark, NEEDS in told.said) == ("done", True)
    assert (await checks.search_attributes(client)).mark == "ok"


async def test_reset_run_tells_what_it_comes_to(found: Deployments) -> None:
    """A run that is reset to its first task, or to its gate, waits again, and is found again."""
    deployed = await found.serve(gate_first)
    run, asked = await deployed.gate(gate_first, Note(text="a"))
    await run.approve(asked.number)
    await run.result()
    assert (await attributes(run))[STATUS] == "completed"
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    again = await waiting(run)
    assert await attributes(run) == _of(gate_first, **{STATUS: "waiting", STAGE: again.node, NEEDS: "boss"})
    await run.approve(again.number)
    await run.result()
    assert await attributes(run) == _of(gate_first, **{STATUS: "completed"})
    assert await count(run, "WORKFLOW_TASK_FAILED") == 1  # the reset itself


async def test_continued_run_keeps_being_found(found: Deployments) -> None:
    """A run that goes on as new while it waits is found as before, and not once it has ended."""
    deployed = await found.serve(signed, continue_after_events=9)
    run, asked = await deployed.gate(signed, Note(text="a"))

    async def continued() -> bool:
        first, *_ = await events(run)
        return bool(first.workflow_execution_started_event_attributes.continued_execution_run_id)

    await until(continued, "it went on as new")
    await waiting(run)
    assert await attributes(run) == _of(signed, **{STATUS: "waiting", STAGE: "agreed", NEEDS: "boss"})
    await asyncio.sleep(2)
    await run.approve(asked.number)
    await run.result()
    assert await attributes(run) == _of(signed, **{STATUS: "completed"})
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_moved_run_is_found_by_its_new_plan(found: Deployments, tmp_path: Path) -> None:
    """Moving a run is going on as new: its plan is told with the rest."""
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    async with found.serving(v1) as deployed:
        run, _ = await deployed.gate(v1, v1.input.annotation(text="a"))
        assert (await attributes(run))[PLAN] == f"letter {v1.plan.digest[:12]}"
    v2 = project.loaded(last="stamp", hours=2)
    async with found.serving(v2):
        await run.migrate(v2.plan.digest)

        async def moved() -> bool:
            return (await attributes(run)).get(PLAN) == f"letter {v2.plan.digest[:12]}"

        await until(moved, "its plan is the new one")
        await waiting(run)
        assert (await attributes(run))[STATUS] == "waiting"
        await run.abort("test")
        assert (await end(run)).type == "gatework.aborted"
    assert await attributes(run) == _of(v2, **{STATUS: "aborted", STAGE: "agreed"})


async def test_runs_are_listed_by_the_role_that_they_wait_for(
    found: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server picks them, also by role; what began without attributes is listed as before, and what waits for
    nobody is not looked at."""
    typed = typed_at(found)
    async with found.serving(twice, signed, chain) as deployed:
        boss, asked = await deployed.gate(signed, Note(text="a"))
        clerk, first = await deployed.gate(twice, Note(text="a"))
        await clerk.approve(first.number)
        await waiting(clerk)
        alone = await deployed.start(chain, Note(text="a"))
        await alone.result()

    async def unasked(client: Client) -> Registered:
        return Registered.UNKNOWN

    monkeypatch.setattr(search, "registered", unasked)
    async with found.serving(twice, signed) as deployed:
        old, _ = await deployed.gate(signed, Note(text="a"))
        monkeypatch.undo()
        assert await attributes(old) == {}
        for run in (boss, clerk, old):
            await listed(deployed.client, run, f"TaskQueue = '{found.queue}'")

        async def runs(*arguments: str) -> set[str]:
            return {run["id"] for run in json.loads((await typed("runs", "--json", *arguments)).stdout)}

        assert await runs() == {boss.id, clerk.id, old.id}
        assert await runs("--role", "boss") == {boss.id, old.id}
        assert await runs("--role", "clerk") == {clerk.id}
        assert await runs("--role", "clerk", "--workflow", "signed") == set()
        assert (await typed("runs", "--role", "chief")).stdout == "No run waits for a person of the role chief.\n"
        refused = await typed("runs", "--role", 'x" OR ""="')
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
        assert "A role is named by letters" in refused.stderr
        await old.abort("test")

    # With no worker at hand the server still knows who is needed where.
    monkeypatch.setattr(operate, "ANSWER_TIMEOUT", timedelta(seconds=1))
    (one,) = json.loads((await typed("runs", "--role", "clerk", "--json")).stdout)
    assert (one["id"], one["status"], one["needs"]) == (clerk.id, "unknown", "clerk")
    assert "clerk: no worker answers" in (await typed("runs", "--role", "clerk")).stdout
    async with found.serving(twice, signed):
        await boss.approve(asked.number)
        await boss.result()
        await clerk.abort("test")


async def test_runs_by_role_are_found_where_nothing_is_registered(bare: Deployments) -> None:
    """Then each run is asked."""
    typed = typed_at(bare)
    deployed = await bare.serve(twice, signed)
    boss, _ = await deployed.gate(signed, Note(text="a"))
    clerk, first = await deployed.gate(twice, Note(text="a"))
    await clerk.approve(first.number)
    await waiting(clerk)
    for run in (boss, clerk):
        await listed(deployed.client, run, f"TaskQueue = '{bare.queue}'")
    (one,) = json.loads((await typed("runs", "--role", "clerk", "--json")).stdout)
    assert (one["id"], one["needs"]) == (clerk.id, "clerk")


async def test_run_whose_attributes_were_removed_goes_on_once_they_are_back(bare: Deployments) -> None:
    """Nobody should remove them; whoever did can mend it, and no run is lost."""
    client = await bare.client()
    assert await register(client) is Registered.YES
    deployed = await bare.serve(gate_first)
    run, asked = await deployed.gate(gate_first, Note(text="a"))
    await client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace="default", search_attributes=[NEEDS])
    )

    async def gone() -> bool:
        return await search.registered(client) is Registered.NO

    await until(gone, "the server knows it no more")
    with pytest.raises(RPCError, match="workflow task failure"):
        await run.approve(asked.number)
    assert (await run.state()).status == "waiting"
    assert await register(client) is Registered.YES
    await run.approve(asked.number)
    assert (await asyncio.wait_for(run.result(), 60)).text == "a"
    assert (await attributes(run))[STATUS] == "completed"


@workflow
def handed(note: Untrusted[Note]) -> Approved[Note]:
    """The clerk is asked; where nobody answers in time, the boss."""
    return approve(note, by=role("clerk"), within=timedelta(seconds=2), otherwise=role("boss", quorum=2))


async def test_approval_that_is_handed_on_needs_the_other_role(found: Deployments) -> None:
    """Those who did not answer are not asked any more; one approval of two changes nothing of whom it needs."""
    deployed = await found.serve(handed)
    run, asked = await deployed.gate(handed, Note(text="a"))
    assert (asked.role, (await attributes(run))[NEEDS]) == ("clerk", "clerk")

    async def on() -> bool:
        return (await attributes(run))[NEEDS] == "boss"

    await until(on, "the boss is asked")
    told = len(await upserts(run))
    assert (await waiting(run)).role == "boss"
    await run.abort("test", by="Ada")
    assert (await end(run)).type == "gatework.aborted"
    assert await upserts(run) == [sorted(NAMES), [NEEDS], sorted([STATUS, NEEDS])]
    assert told == 2
