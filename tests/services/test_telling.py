"""Telling people of gates on a real server, with a real receiver that fails, hangs and dies."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from temporalio.client import WorkflowFailureError, WorkflowHistory
from temporalio.worker import Replayer, Worker

from gatework import Block, Endorsed, Verdict, approve, notify, role, stage, workflow
from gatework.cli.tell import words
from gatework.errors import ConfigError, DecisionError
from gatework.notice import Notice
from gatework.releases.library import Library
from gatework.temporal import Execution, GateworkPlugin, find
from gatework.temporal.client.operate import find_run
from gatework.temporal.client.story import Teller
from gatework.temporal.workflow import interpreter
from gatework.temporal.workflow import notify as telling
from tests.services.hooks import SECRET, Pager
from tests.workflow.deployment import Deployments, count, end, events, kinds, task_after, until, waiting
from tests.workflow.plans import Note, Paper, clicked, file, gate_first, hasty, signed, single, twice, write
from tests.workflow.project import Project
from tests.workflow.test_logs import Heard

VALUE = "VALUE-OF-A-CUSTOMER"
UI = "http://ui.example"


@workflow
def handed(note: Endorsed[Note]) -> Endorsed[Paper]:
    """An approval that is handed on while one looks."""
    paper = write(note)
    agreed = approve(paper, by=role("boss"), within=timedelta(seconds=2), otherwise=role("deputy", identity="claimed"))
    return file(agreed)


QUEUE = "apart-for-telling"


@stage(on=QUEUE)
async def elsewhere(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@workflow
def apart(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A stage with a task queue of its own, and an approval."""
    paper = elsewhere(note)
    agreed = approve(paper, by=role("boss"))
    return file(agreed)


@pytest.fixture(autouse=True)
def told_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret, a UI, and no long pauses."""
    monkeypatch.setenv(notify.SECRET, SECRET)
    monkeypatch.setenv("GATEWORK_UI", UI)
    monkeypatch.setattr(telling, "FIRST_PAUSE", timedelta(milliseconds=200))
    monkeypatch.setattr(telling, "LONGEST_PAUSE", timedelta(milliseconds=500))


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listens to the logger `gatework`."""
    logger, handler = logging.getLogger("gatework"), Heard()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


async def got(pager: Pager, mood: str, number: int = 1) -> list[dict[str, Any]]:
    """The messages, once there are so many."""

    async def there() -> bool:
        return len(pager.got(mood)) >= number

    await until(there, "messages")
    return pager.messages(mood)


def notices(heard: Heard, run: Execution[Any]) -> list[tuple[str, str]]:
    """What was logged of telling people: its name and level."""
    return [(record.event, record.levelname) for record in heard.of(run) if record.event.startswith("notice.")]


async def settled(heard: Heard, run: Execution[Any], name: str) -> None:
    """Wait until an event was logged."""

    async def there() -> bool:
        return name in [event for event, _ in notices(heard, run)]

    await until(there, name)


async def left_open(run: Execution[Any]) -> list[str]:
    """The activities of a run that its history sees begin and not end."""
    asked = {}
    for event in await events(run):
        if event.HasField("activity_task_scheduled_event_attributes"):
            asked[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        for ended in ("completed", "failed", "timed_out", "canceled"):
            if event.HasField(f"activity_task_{ended}_event_attributes"):  # type: ignore[arg-type]
                del asked[getattr(event, f"activity_task_{ended}_event_attributes").scheduled_event_id]
    return list(asked.values())


# -- what is said, and where ---------------------------------------------------------------------


async def test_gate_that_opens_is_told_once_beside_the_waiting(
    deployments: Deployments, pager: Pager, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed, with all that one needs to go there; one message for each gate, with an id of its own."""
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text=VALUE))
    [message] = await got(pager, "204")
    run_id = (await run.handle.describe()).run_id
    data = message["data"]
    assert (message["type"], data["run"], data["run_id"], data["workflow"]) == ("gate.opened", run.id, run_id, "twice")
    assert (data["gate"], data["asks"], data["stage"], data["role"]) == (1, "approval", "one", "boss")
    assert (data["position"], data["stages"], data["quorum"]) == (2, 4, 1)
    assert (data["expires"], data["plan"]) == (asked.expires, (await run.state()).plan)
    assert data["page"] == f"{UI}/namespaces/default/workflows/{run.id}/{run_id}/user-metadata"
    assert data["waiting"].startswith(f"{UI}/namespaces/default/workflows?query=ExecutionStatus%3D%22Running%22")
    assert message["text"] == "twice: boss is needed to approve one (stage 2 of 4)."
    await run.approve(asked.number)
    _, other = await got(pager, "204", 2)
    assert (other["data"]["gate"], other["data"]["role"]) == (2, "clerk")
    assert other["id"] != message["id"]
    await settled(heard, run, "notice.delivered")
    await run.approve((await waiting(run)).number)
    await run.result()
    assert len(pager.got()) == 2
    assert notices(heard, run) == [("notice.delivered", "INFO")] * 2
    [said, _] = [record for record in heard.of(run) if record.event == "notice.delivered"]
    assert (said.notice, said.stage, said.role, getattr(said, "try")) == (message["id"], "one", "boss", 1)


async def test_nothing_of_hook_and_run_is_where_it_must_not_be(
    deployments: Deployments, pager: Pager, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address and no secret in history and logs, no value of the run in messages; whatever comes of a try."""
    monkeypatch.setenv(notify.HOOK, f"{pager.at('flaky-2')}")
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text=VALUE))
    await got(pager, "flaky-2", 3)
    await settled(heard, run, "notice.delivered")
    described = await run.handle.describe()
    await run.approve(asked.number)
    await run.result()
    history = [MessageToJson(event) for event in await events(run)]
    logged = [repr(vars(record)) for record in heard.records]
    for text in (*history, *logged, MessageToJson(described.raw_description)):
        for hidden in (SECRET, SECRET.removeprefix("whsec_"), str(pager.port), "flaky"):
            assert hidden not in text
    [asked_for] = [
        event.activity_task_scheduled_event_attributes
        for event in await events(run)
        if event.activity_task_scheduled_event_attributes.activity_type.name == telling.ACTIVITY
    ]
    fields = set(Notice.__dataclass_fields__) - {"tool", "override"}  # there is none
    assert set(json.loads(asked_for.input.payloads[0].data)) == fields
    assert VALUE not in json.dumps(pager.got())


async def test_command_is_told_by_the_worker_too(
    deployments: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message on its standard input."""
    inbox = tmp_path / "inbox"
    monkeypatch.setenv(notify.HOOK, f"sh -c 'cat >> {inbox}'")
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))

    async def there() -> bool:
        return inbox.exists() and inbox.read_text().endswith("}")

    await until(there, "a message")
    assert json.loads(inbox.read_text())["data"]["run"] == run.id
    await run.approve(asked.number)
    await run.result()


async def test_those_to_whom_a_gate_is_handed_on_are_told(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate of its own, with its own message."""
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    deployed = await deployments.serve(handed)
    await deployed.gate(handed, Note(text="a"))
    first, second = await got(pager, "204", 2)
    assert [(m["data"]["role"], m["data"]["handed_on"]) for m in (first, second)] == [("boss", False), ("deputy", True)]
    assert second["data"]["identity"] == "claimed"


def no(paper: Paper) -> Verdict:
    return Block("No.")


@stage(no, override=role("head", identity="claimed"))
async def pick(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@workflow
def overruled(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A stage that is blocked, and that head may override."""
    return pick(note)


async def test_who_may_override_is_told_as_well_as_the_operator(
    deployments: Deployments, pager: Pager, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by a message of their own, of one activity; both until both were delivered, and the log says to whom."""
    monkeypatch.setenv(notify.HOOK, pager.at("flaky-1"))
    deployed = await deployments.serve(overruled)
    run, asked = await deployed.gate(overruled, Note(text=VALUE))

    async def both() -> bool:
        return [event for event, _ in notices(heard, run)].count("notice.delivered") >= 2

    await until(both, "two messages are delivered")
    await run.override("It is fine", number=asked.number, by="Hana")
    assert (await run.result()).text == VALUE
    told = {message["id"]: message["data"] for message in pager.messages("flaky-1")}
    assert {(data["role"], data["may"], data["identity"]) for data in told.values()} == {
        ("operator", "answer", "none"),
        ("head", "override", "claimed"),
    }
    assert {data["override"]["role"] for data in told.values()} == {"head"}
    delivered = {(r.role, r.notice) for r in heard.of(run) if r.event == "notice.delivered"}
    assert delivered == {(data["role"], id) for id, data in told.items()}
    assert (await kinds(run)).count("ACTIVITY_TASK_SCHEDULED") == 2  # the stage, and this
    teller = Teller(client=deployed.client, library=Library([overruled]))
    story = await teller.story(await find_run(deployed.client, run.id))
    [said] = [words(told.event) for told in story.events if told.event.name == "notice.delivered"]
    assert said == "operator and head told"


# -- at least once -------------------------------------------------------------------------------


async def test_message_is_tried_until_it_is_delivered_with_the_same_id(
    deployments: Deployments, pager: Pager, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries leave no events in the history; each that failed is logged, with why."""
    monkeypatch.setenv(notify.HOOK, pager.at("flaky-3"))
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    messages = await got(pager, "flaky-3", 4)
    assert len({message["id"] for message in messages}) == 1
    await settled(heard, run, "notice.delivered")
    assert notices(heard, run) == [("notice.failed", "WARNING")] * 3 + [("notice.delivered", "INFO")]
    assert [getattr(r, "try") for r in heard.of(run) if r.event.startswith("notice.")] == [1, 2, 3, 4]
    assert {r.reason for r in heard.of(run) if r.event == "notice.failed"} == {"the address answered 503"}
    await run.approve(asked.number)
    await run.result()
    assert len(pager.got()) == 4
    assert (await kinds(run)).count("ACTIVITY_TASK_SCHEDULED") == 3  # two stages, and this


async def test_receiver_that_dies_is_told_when_it_is_back(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same message, since nobody knows whether the first was read."""
    monkeypatch.setenv(notify.HOOK, pager.at("dies-2"))
    deployed = await deployments.serve(signed)
    await deployed.gate(signed, Note(text="a"))
    messages = await got(pager, "dies-2", 3)
    assert len({message["id"] for message in messages}) == 1
    assert pager.deaths == 2


async def test_worker_that_dies_while_it_tells_is_followed_by_another(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is sent again by the next worker, with the same id, once Temporal has noticed."""
    monkeypatch.setenv(notify.HOOK, pager.at("hangs-1"))
    calling = await deployments.calling()
    async with deployments.process(WORKER) as first:
        await first.says("ready")
        run, asked = await calling.gate(signed, Note(text="a"))
        await got(pager, "hangs-1")
        await first.kill()
    async with deployments.process(WORKER) as second:
        await second.says("ready")
        one, two = await got(pager, "hangs-1", 2)
        assert one["id"] == two["id"]
        await run.approve(asked.number)
        assert (await run.result()).text == "a"


async def test_worker_without_a_hook_leaves_it_to_one_that_has_one(
    deployments: Deployments, pager: Pager, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deploys go from one version to the next in steps; whoever opened the gate has said that people are told."""
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    deployed = await deployments.serve(signed)
    monkeypatch.delenv(notify.HOOK)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await settled(heard, run, "notice.failed")
    assert next(r.reason for r in heard.of(run) if r.event == "notice.failed") == "this worker has no GATEWORK_NOTIFY"
    assert pager.got() == []
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    await got(pager, "204")


# -- the run goes on -------------------------------------------------------------------------------

WORKER = """
import asyncio, sys
from datetime import timedelta
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin
from gatework.temporal.workflow import notify
from tests.workflow import plans

notify.FIRST_PAUSE = timedelta(milliseconds=200)
notify.HEARTBEAT_TIMEOUT = timedelta(seconds=3)

async def main():
    address, queue = sys.argv[1:]
    plugin = GateworkPlugin(plans.signed, plans.hasty)
    client = await Client.connect(address, plugins=[plugin])
    async with Worker(client, task_queue=queue, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1)):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("mood", "how"),
    [
        *(("hangs", how) for how in ("approved", "rejected", "cancelled", "expired", "terminated")),
        *(("503", how) for how in ("approved", "cancelled", "expired")),
    ],
)
async def test_run_ends_whatever_the_hook_does_and_leaves_no_warning(
    deployments: Deployments, pager: Pager, mood: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is taken at once, and the end comes within a heartbeat; Temporal has nothing to complain of."""
    monkeypatch.setenv(notify.HOOK, pager.at(mood))
    calling = await deployments.calling()
    async with deployments.process(WORKER) as worker:
        await worker.says("ready")
        plan = hasty if how == "expired" else signed
        run, asked = await calling.gate(plan, Note(text="a"))
        await got(pager, mood)
        began = time.monotonic()
        match how:
            case "approved":
                await run.approve(asked.number)
                assert time.monotonic() - began < 3
                assert (await run.result()).text == "a"
            case "rejected":
                await run.reject("No.")
                assert (await end(run)).type == "gatework.rejected"
            case "expired":
                assert (await end(run)).type == "gatework.expired"
            case _:
                await (run.handle.cancel() if how == "cancelled" else run.handle.terminate())
                with pytest.raises(WorkflowFailureError):
                    await run.result()
        assert time.monotonic() - began < 10
        # What is left open would find its run gone, and complain.
        assert await left_open(run) == ([telling.ACTIVITY] if how == "terminated" else [])
        tried = len(pager.got())
        await asyncio.sleep(4)  # longer than a heartbeat: a worker that was still at it would speak up
        assert len(pager.got()) <= tried + (how == "terminated")
        await worker.stop()
        assert worker.process.stdout is not None
    loud = [line for line in worker.said if re.search("WARN|ERROR|Traceback|exception|never retrieved", line)]
    assert loud == []


async def test_answer_before_the_first_try_leaves_nobody_to_be_told(
    deployments: Deployments, pager: Pager, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not delivered is called back, and said to be given up, which is no warning."""
    monkeypatch.setenv(notify.HOOK, pager.at("503"))
    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(telling, pause, timedelta(seconds=60))
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    await settled(heard, run, "notice.failed")
    await run.approve(asked.number)
    await run.result()
    assert notices(heard, run) == [("notice.failed", "WARNING"), ("notice.given_up", "INFO")]
    assert len(pager.got()) == 1


async def test_gate_that_was_answered_is_told_no_more_while_the_run_goes_on(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next gate the tries are of that one alone."""
    monkeypatch.setenv(notify.HOOK, pager.at("503"))
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    await got(pager, "503")
    await run.approve(asked.number)
    while pager.messages("503")[-1]["data"]["gate"] == 1:
        await asyncio.sleep(0.05)
    before = len(pager.got())
    late = (await got(pager, "503", before + 3))[before:]
    assert {message["data"]["gate"] for message in late} == {2}
    await run.approve((await waiting(run)).number)
    await run.result()


@pytest.mark.parametrize("mood", ["503", "hangs"])
async def test_gate_that_expires_untold_is_a_warning(
    deployments: Deployments, pager: Pager, heard: Heard, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody was asked, and never heard of it."""
    monkeypatch.setenv(notify.HOOK, pager.at(mood))
    deployed = await deployments.serve(hasty)
    run, _ = await deployed.gate(hasty, Note(text="a"))
    await end(run)
    await settled(heard, run, "notice.given_up")
    assert notices(heard, run)[-1] == ("notice.given_up", "WARNING")


async def test_hook_that_hangs_leaves_stages_their_places(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker tells a few at a time; others wait for their turn outside of it."""
    monkeypatch.setenv(notify.HOOK, pager.at("hangs"))
    places = {"max_concurrent_activities": telling.AT_ONCE + 1}
    async with deployments.serving(clicked, single, worker=places) as deployed:
        waiting_ones = [await deployed.gate(clicked, Note(text=str(number))) for number in range(telling.AT_ONCE + 3)]
        await got(pager, "hangs", telling.AT_ONCE)
        async with asyncio.timeout(8):
            run = await deployed.start(single, Note(text="b"))
            assert (await run.result()).text == "b"
        assert len(pager.got()) == telling.AT_ONCE
        for each, asked in waiting_ones:
            await each.approve(asked.number)
        await asyncio.gather(*[each.result() for each, _ in waiting_ones])


# -- what is decided once --------------------------------------------------------------------------


async def test_without_a_hook_a_run_costs_not_one_event_more(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is told."""
    monkeypatch.delenv(notify.SECRET)
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    await run.approve(asked.number)
    await run.result()
    assert (await kinds(run)).count("MARKER_RECORDED") == 1  # the plan's
    assert (await kinds(run)).count("ACTIVITY_TASK_SCHEDULED") == 2
    assert "notify" not in "".join(MessageToJson(event) for event in await events(run))


@pytest.mark.parametrize("first", ["with", "without"])
async def test_history_replays_with_a_hook_and_without_one(
    deployments: Deployments, pager: Pager, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open and ended, delivered and not, also where another worker goes on with it: the gate's own word counts."""
    hooks = {"with": pager.at("204"), "without": ""}
    other = next(name for name in hooks if name != first)
    monkeypatch.setenv(notify.HOOK, hooks[first])
    async with deployments.serving(twice) as deployed:
        run, asked = await deployed.gate(twice, Note(text="a"))
        if first == "with":
            await got(pager, "204")
        histories = [await run.handle.fetch_history()]
    monkeypatch.setenv(notify.HOOK, hooks[other])
    async with deployments.serving(twice):
        await run.approve(asked.number)
        asked = await waiting(run)
        assert asked.gate == 2
        if other == "with":
            [message] = await got(pager, "204")
            assert message["data"]["gate"] == 2
        await run.approve(asked.number)
        assert (await run.result()).text == "aa"
    assert len(pager.got()) == 1
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    histories.append(await run.handle.fetch_history())
    for hook in hooks.values():
        monkeypatch.setenv(notify.HOOK, hook)
        for history in histories:
            await Replayer(workflows=[], plugins=[GateworkPlugin(twice)]).replay_workflow(history)


async def test_history_of_a_message_called_back_replays(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its tasks, on a worker without a hook."""
    monkeypatch.setenv(notify.HOOK, pager.at("503"))
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    await got(pager, "503", 2)
    await run.approve(asked.number)
    await run.approve((await waiting(run)).number)
    await run.result()
    history = await run.handle.fetch_history()
    monkeypatch.delenv(notify.HOOK)
    begun = [number for number, kind in enumerate(await kinds(run), 1) if kind == "WORKFLOW_TASK_STARTED"]
    assert len(begun) > 4
    for cut in [*begun, len(history.events)]:
        part = WorkflowHistory(run.id, history.events[:cut])
        await Replayer(workflows=[], plugins=[GateworkPlugin(twice)]).replay_workflow(part)


async def test_gate_before_a_hook_was_set_stays_untold(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with a hook that takes over an open gate changes nothing of it."""
    async with deployments.serving(signed) as deployed:
        run, asked = await deployed.gate(signed, Note(text="a"))
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    async with deployments.serving(signed):
        assert (await waiting(run)).number == asked.number
        await run.approve(asked.number)
        await run.result()
    assert pager.got() == []


# -- a run that goes on elsewhere ------------------------------------------------------------------


async def test_run_that_was_reset_tells_people_anew(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits again, under another run id: a message with another id and another page."""
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await got(pager, "204")
    new = await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    first, second = await got(pager, "204", 2)
    assert first["id"] != second["id"]
    assert second["data"]["run_id"] == new
    assert new in second["data"]["page"]


async def test_message_under_way_at_a_reset_is_delivered_for_the_new_run_alone(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the run that is gone is not tried again."""
    monkeypatch.setenv(notify.HOOK, pager.at("503"))
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    [first, *_] = await got(pager, "503", 2)
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))

    async def of_the_new_run() -> bool:
        return {m["id"] for m in pager.messages("503")[-3:]} != {first["id"]} and len(pager.got()) > 4

    await until(of_the_new_run, "messages of the new run")
    await asyncio.sleep(1.5)
    before = len(pager.got())
    await asyncio.sleep(2)
    late = pager.messages("503")[before:]
    assert late
    assert first["id"] not in {message["id"] for message in late}


async def test_run_that_continues_as_new_tells_of_each_gate_once(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its runs a gate opens in."""
    monkeypatch.setenv(notify.HOOK, pager.at("204"))
    deployed = await deployments.serve(twice, continue_after_events=6)
    run, asked = await deployed.gate(twice, Note(text="a"))
    await got(pager, "204")
    await run.approve(asked.number)
    first, second = await got(pager, "204", 2)
    assert (first["data"]["gate"], second["data"]["gate"]) == (1, 2)
    assert first["data"]["run_id"] != second["data"]["run_id"]
    await run.approve((await waiting(run)).number)
    assert (await run.result()).text == "aa"
    assert len(pager.got()) == 2


async def test_run_does_not_continue_as_new_while_a_message_is_under_way(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on with its stages meanwhile, and continues at a later one."""
    monkeypatch.setenv(notify.HOOK, pager.at("hangs"))
    monkeypatch.setattr(telling, "HEARTBEAT_TIMEOUT", timedelta(seconds=3))
    deployed = await deployments.serve(twice, continue_after_events=10)
    run, asked = await deployed.gate(twice, Note(text="a"))
    await got(pager, "hangs")
    await run.approve(asked.number)
    asked = await waiting(run)
    await got(pager, "hangs", 2)
    first, second = pager.messages("hangs")
    assert first["data"]["run_id"] == second["data"]["run_id"]
    await run.approve(asked.number)
    assert (await run.result()).text == "aa"
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


@pytest.mark.parametrize("mood", ["503", "hangs", "204"])
async def test_run_that_is_moved_tells_anew(
    deployments: Deployments, pager: Pager, tmp_path: Path, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate is another, of another run id; the message of the one before is called back first."""
    monkeypatch.setenv(notify.HOOK, pager.at(mood))
    monkeypatch.setattr(telling, "HEARTBEAT_TIMEOUT", timedelta(seconds=3))
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    v2 = project.loaded(last="stamp", hours=2)
    async with deployments.serving(v2) as deployed:
        run, before = await deployed.gate(v2, v2.input.annotation(text="a"))
        [message, *_] = await got(pager, mood)
        await run.migrate(v1.plan.digest)

        async def of_the_other() -> bool:
            return bool(pager.messages(mood)[-1]["data"]["plan"] == v1.plan.digest)

        await until(of_the_other, "a message of the other plan")
        after = await waiting(run)
        assert after.gate == before.gate + 1
        old: Execution[Any] = Execution(
            deployed.client.get_workflow_handle(run.id, run_id=message["data"]["run_id"]), v2
        )
        assert (await kinds(old))[-1] == "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"
        assert await left_open(old) == []
        await run.approve(after.number)
        await run.result()
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    messages = pager.messages(mood)
    assert len({message["id"] for message in messages}) == 2
    assert len({message["data"]["run_id"] for message in messages}) == 2


@pytest.mark.parametrize("mood", ["503", "204"])
async def test_move_that_is_refused_after_all_changes_nothing_of_telling(
    deployments: Deployments, pager: Pager, tmp_path: Path, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had not been told is told on, with the same id; who had been is not told again."""
    monkeypatch.setenv(notify.HOOK, pager.at(mood))
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    v2 = project.loaded(last="stamp", hours=2)

    class Refusing:
        """Where the move itself is refused, which was not when it was asked for."""

        def move(self, *_: Any) -> Any:
            raise DecisionError("Not now.")

    async with deployments.serving(v2) as deployed:
        run, asked = await deployed.gate(v2, v2.input.annotation(text="a"))
        await got(pager, mood)
        monkeypatch.setattr(interpreter, "migration", Refusing())
        await run.migrate(v1.plan.digest)

        async def noted() -> bool:
            return "was not moved" in (await run.state()).note

        await until(noted, "the refusal")
        before = len(pager.got())
        if mood == "503":
            await got(pager, mood, before + 2)
        else:
            await asyncio.sleep(1)
            assert len(pager.got()) == 1
        await run.approve(asked.number)
        await run.result()
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0
        assert len({message["id"] for message in pager.messages(mood)}) == 1
        history = await run.handle.fetch_history()
    monkeypatch.delenv(notify.HOOK)
    await Replayer(workflows=[], plugins=[GateworkPlugin(v2)]).replay_workflow(history)


# -- who does it -----------------------------------------------------------------------------------


async def test_only_workers_that_serve_workflows_tell(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One on a queue of stages holds credentials for them: it has no business with the hook, nor needs it right."""
    monkeypatch.setenv(notify.HOOK, "true")
    served = {}
    for queue in (QUEUE, deployments.queue):
        client = await deployments.client(GateworkPlugin(apart))
        config = Worker(client, task_queue=queue).config(active_config=True)
        served[queue] = [one.__temporal_activity_definition.name for one in config.get("activities", ())]  # type: ignore[attr-defined]
    assert telling.ACTIVITY in served[deployments.queue]
    assert served[QUEUE] == ["stage.elsewhere"]
    monkeypatch.setenv(notify.HOOK, "no-such-program")
    client = await deployments.client(GateworkPlugin(apart))
    with pytest.raises(ConfigError, match="not here, or cannot be run"):
        Worker(client, task_queue=deployments.queue)
    async with Worker(client, task_queue=QUEUE):
        pass


async def test_story_of_a_run_tells_who_was_told(
    deployments: Deployments, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its history, without a worker: who, the try that failed, and that nobody needed to be told any more."""
    monkeypatch.setenv(notify.HOOK, pager.at("flaky-1"))
    async with deployments.serving(twice) as deployed:
        run, asked = await deployed.gate(twice, Note(text="a"))
        await got(pager, "flaky-1", 2)
        monkeypatch.setenv(notify.HOOK, pager.at("503"))
        await run.approve(asked.number)
        await got(pager, "503", 2)
        asked = await waiting(run)
        teller = Teller(client=deployed.client, library=Library([twice]))
        open_ = await teller.story(await find_run(deployed.client, run.id))
        await run.approve(asked.number)
        await run.result()
    story = await teller.story(await find_run(deployed.client, run.id))
    names = [told.event.name for told in story.events]
    said = [words(told.event) for told in story.events if told.event.name.startswith("notice.")]
    assert said == [
        "boss not told on try 1: the address answered 503",
        "boss told",
        "clerk not told: the gate was answered, or the run ended, before a message was delivered",
    ]
    assert [told.event.name for told in open_.events].count("notice.failed") == 2
    assert names.index("gate.opened") < names.index("notice.delivered") < names.index("decision.taken")
    assert not [told for told in story.events if str(told.event.fields.get("stage", "")).startswith("gatework.")]


async def test_run_that_others_start_at_a_gate_goes_on_at_another_worker(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its secret is drawn, and its gate opens, in its first task: that people are told is found by the next worker."""
    monkeypatch.setenv(notify.HOOK, "true")
    stranger, id = await deployments.client(), f"{deployments.queue}-others"
    async with deployments.serving(gate_first) as deployed:
        await stranger.start_workflow("gate_first", {"text": "a"}, id=id, task_queue=deployments.queue)
        run = find(deployed.client, gate_first, id)
        await waiting(run)
    async with deployments.serving(gate_first) as deployed:
        run = find(deployed.client, gate_first, id)
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a"
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    assert "gatework.notify" in {
        event.activity_task_scheduled_event_attributes.activity_type.name for event in await events(run)
    }
