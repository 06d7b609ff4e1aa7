"""Resuming runs that have ended: a new run of the same id takes over what a worker finds in the server's history."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError
from temporalio.converter import DataConverter
from temporalio.service import RPCError
from temporalio.worker import Worker

from gatework import Approved, Endorsed, approve, role, stage, workflow
from gatework.errors import ConflictError, ContractError, DecisionError, GateworkError
from gatework.proof.ledger import broken_at
from gatework.releases.library import Library
from gatework.temporal import Execution, GateworkPlugin, find, start
from gatework.temporal.client.history import Leg, rebuilt
from gatework.temporal.client.operate import find_run
from gatework.temporal.client.restarting import look, resumed
from gatework.temporal.client.story import Story, Teller
from gatework.temporal.page.progress import Waiting
from gatework.temporal.transport.payloads import raw
from gatework.temporal.workflow.resuming import Request, input_of_request
from tests.workflow.conftest import Typed
from tests.workflow.deployment import (
    Deployed,
    Deployments,
    count,
    end,
    events,
    kinds,
    payload,
    task_after,
    until,
    waiting,
)
from tests.workflow.plans import (
    Note,
    Paper,
    file,
    hasty,
    heavy,
    refund,
    refund_cash,
    refund_signed,
    signed,
    single,
    twice,
    world,
    write,
)
from tests.workflow.project import Project
from tests.workflow.test_history import Backwards
from tests.workflow.test_reset import together

BY_COMMAND = {
    "MARKER_RECORDED",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
    "ACTIVITY_TASK_SCHEDULED",
    "TIMER_STARTED",
    "TIMER_CANCELED",
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
    "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
    "WORKFLOW_EXECUTION_COMPLETED",
}
NOWHERE = "00000000-0000-4000-8000-000000000000"


def text_of(note: Note) -> str:
    """A note is one run, however often it comes in."""
    return note.text


@workflow(key=text_of)
def keyed(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A run of a business key."""
    paper = write(note)
    agreed = approve(paper, by=role("boss"))
    return file(agreed)


async def again(deployed: Deployed, run: Execution[Any], place: str = "", **more: Any) -> Execution[Any]:
    """Resume a run; a handle on the last run of the id."""
    await resumed(deployed.client, await look(deployed.client, run.id, place), **more)
    return find(deployed.client, run._workflow, run.id)


async def why_not(deployed: Deployed, run: Execution[Any], place: str = "") -> str:
    """Why a run is not resumed: as a look at it says."""
    told = (await look(deployed.client, run.id, place)).told
    assert told["kept"] == told["again"] == told["void"] == []
    return str(told["refused"])


async def run_id(run: Execution[Any]) -> str:
    return str((await run.handle.describe()).run_id)


async def terminated(run: Execution[Any]) -> str:
    """Terminate a run; its id on the server."""
    found = await run_id(run)
    await run.handle.terminate("enough")
    return found


async def story(deployed: Deployed, run: Execution[Any], *workflows: Any) -> Story:
    teller = Teller(client=deployed.client, library=Library(workflows))
    return await teller.story(await find_run(deployed.client, run.id))


async def forged(
    deployed: Deployed, name: str, id: str, request: Any, given: bytes = b'{"text":"a"}', **more: Any
) -> Execution[Any]:
    """Start a run as somebody would who speaks to the server alone, once none is open."""
    data = request if isinstance(request, bytes) else input_of_request(request)
    await deployed.start_raw(name, payload(given), payload(data), id=id, workflow_id_reuse_policy=1, **more)
    return find(deployed.client, signed, id)


# -- goes on ---------------------------------------------------------------------------------------


async def test_terminated_run_goes_on_where_it_ended(deployments: Deployments) -> None:
    """Same id, same plan, one ledger: what came before stands, the gate is opened anew under another number."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    before = await run.ledger()
    old = await terminated(run)
    run = await again(deployed, run, by="Ada", note="Once more.")
    now = await waiting(run)
    assert await run_id(run) != old
    assert (now.gate, now.node, now.shown) == (asked.gate + 1, asked.node, asked.shown)
    assert now.number != asked.number
    with pytest.raises(DecisionError, match="not the number"):
        await run.approve(asked.number)
    await run.approve(now.number)
    assert (await run.result()).text == "a"
    ledger = await run.ledger()
    assert broken_at(ledger) is None
    assert ledger[: len(before)] == before
    [receipt] = [entry.receipt for entry in ledger if entry.receipt.kind == "resumed"]
    assert (receipt.node, receipt.action, receipt.by, receipt.reason) == ("agreed", "terminated", "Ada", "Once more.")
    assert receipt.how == {"run": old}
    assert (await kinds(run)).count("ACTIVITY_TASK_SCHEDULED") == 2  # the look at the old run, and `file`


async def test_run_that_timed_out_on_the_server_goes_on(deployments: Deployments) -> None:
    """A time that was set for the whole run, with a gate open."""
    deployed = await deployments.serve(signed)
    short = Duration(seconds=3)
    id = await deployed.start_raw("signed", payload(b'{"text":"a"}'), workflow_execution_timeout=short)
    run = find(deployed.client, signed, id)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    run = await again(deployed, run)
    await run.approve((await waiting(run)).number)
    assert (await run.result()).text == "a"
    assert [entry.receipt.action for entry in await run.ledger() if entry.receipt.kind == "resumed"] == ["timed_out"]


@pytest.mark.parametrize("how", ["cancelled", "expired", "aborted"])
async def test_run_that_ended_at_a_gate_is_asked_again(deployments: Deployments, how: str) -> None:
    """What nobody answered, or somebody stopped, waits once more; the end stays in the ledger."""
    deployed = await deployments.serve(hasty)
    run, asked = await deployed.gate(hasty, Note(text="a"))
    if how == "cancelled":
        await run.handle.cancel()
    elif how == "aborted":
        await run.abort("Not now.")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    run = await again(deployed, run)
    now = await waiting(run)
    await run.approve(now.number)
    assert now.number != asked.number
    assert (await run.result()).text == "a"
    said = [(entry.receipt.kind, entry.receipt.action) for entry in await run.ledger()]
    at = said.index(("ended", how))
    assert said[at + 1] == ("resumed", how)
    assert broken_at(await run.ledger()) is None


async def test_vote_of_a_quorum_that_was_not_complete_is_not_taken_over(deployments: Deployments) -> None:
    """Two people approve the gate that is opened anew; one who had approved the other one may be among them."""
    deployed = await deployments.serve(together)
    run, asked = await deployed.gate(together, Note(text="a"))
    await run.approve(asked.number, by="Ana")
    await terminated(run)
    run = await again(deployed, run)
    now = await waiting(run)
    await run.approve(now.number, by="Bo")
    assert (await run.state()).status == "waiting"
    await run.approve(now.number, by="Ana")
    assert (await run.result()).text == "a"


async def test_run_is_resumed_from_an_earlier_stage(deployments: Deployments) -> None:
    """What follows runs again; an approval after it is void, though it had been given."""
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    await run.approve(asked.number)
    await until(lambda: _at_gate(run, 2), "the second gate")
    await terminated(run)
    told = (await look(deployed.client, run.id, "one")).told
    assert (told["kept"], told["again"], told["void"], told["refused"]) == (["paper"], [], ["one"], "")
    run = await again(deployed, run, "one")
    one = await waiting(run)
    assert (one.gate, one.node) == (3, "one")
    await run.approve(one.number)
    await until(lambda: _at_gate(run, 4), "the second gate")
    await run.approve((await waiting(run)).number)
    assert (await run.result()).text == "aa"


async def _at_gate(run: Execution[Any], number: int) -> bool:
    asked = (await run.state()).waiting
    return asked is not None and asked.gate == number


async def test_stage_that_was_under_way_runs_again(deployments: Deployments) -> None:
    """As another attempt; what the first one comes to is nobody's."""
    deployed = await deployments.serve(single)
    held = asyncio.Event()
    world.does = held.wait
    run = await deployed.start(single, Note(text="a"))
    await until(lambda: _worked(1), "the stage works")
    await terminated(run)
    world.does = None
    run = await again(deployed, run)
    held.set()
    assert (await run.result()).text == "a"
    assert world.worked == 2
    assert [entry.receipt.attempt for entry in await run.ledger() if entry.receipt.kind == "output"] == [2]


async def _worked(times: int) -> bool:
    return world.worked >= times


# -- effects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [refund, refund_cash], ids=lambda plan: plan.name)
async def test_effect_under_way_at_a_termination_is_looked_up_or_asked_about(
    deployments: Deployments, plan: Any
) -> None:
    """It had happened, and the server never heard of it: the probe finds it, or a person is asked."""
    deployed = await deployments.serve(plan)
    held = asyncio.Event()
    world.pays = held.wait
    run = await deployed.start(plan, Note(text="A-1"))

    async def paid() -> bool:
        return bool(world.paid)

    await until(paid, "money has moved")
    await terminated(run)
    world.pays = None
    run = await again(deployed, run)
    held.set()
    [key] = world.paid
    if plan is refund_cash:
        asked = await waiting(run)
        assert asked.kind == "unknown"
        with pytest.raises(DecisionError, match="happen twice"):
            await run.retry()
        await run.edit({"payment": key[:8], "order": "A-1"})
    assert (await run.result()).payment == key[:8]
    assert list(world.paid) == [key]
    acted = [entry.receipt.action for entry in await run.ledger() if entry.receipt.kind in ("acting", "acted")]
    assert acted == (["call", "call again", "found"] if plan is refund else ["call"])


async def test_effect_that_happened_is_kept_and_not_gone_back_behind(deployments: Deployments) -> None:
    """The run is resumed after it, and from nowhere before; nobody pays again."""
    deployed = await deployments.serve(refund_signed)
    run, _ = await deployed.gate(refund_signed, Note(text="A-1"))
    await terminated(run)
    for place in ("owed", "receipt"):
        assert "The effect of receipt has happened" in await why_not(deployed, run, place)
        ended = await look(deployed.client, run.id)
        forced = replace(ended, place=place)
        with pytest.raises(DecisionError, match="The effect of receipt has happened"):
            await resumed(deployed.client, forced)
    run = await again(deployed, run)
    await run.approve((await waiting(run)).number)
    assert (await run.result()).text == "A-1"
    assert list(world.paid.values()) == ["A-1"]


async def test_keys_of_effects_outlive_resumption_reset_and_length(deployments: Deployments) -> None:
    """Resumed before the payment, continued as new, resumed once more, reset: the key is that of the first run."""
    deployed = await deployments.serve(refund_signed, continue_after_events=9)
    world.pays = _break
    run = await deployed.start(refund_signed, Note(text="A-1"))

    async def paid() -> bool:
        return bool(world.paid)

    await until(paid, "money has moved")
    first = await run_id(run)
    await terminated(run)
    world.pays = None
    for _ in range(2):
        run = await again(deployed, run)
        await until(partial(_settled, run), "it waits in its last leg")
        await terminated(run)
    run = await again(deployed, run)
    await until(partial(_settled, run), "it waits in its last leg")
    asked = await waiting(run)
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    now = await until(lambda: _waiting_again(run), "it waits after the reset")
    assert now.evidence == asked.evidence  # the same run was taken over, by another look at its history
    await until(lambda: _approved(run, now.number), "it takes the approval")
    assert (await run.result()).text == "A-1"
    assert len(world.paid) == 1
    ledger = await run.ledger()
    assert broken_at(ledger) is None
    links = [str(entry.receipt.how["run"]) for entry in ledger if entry.receipt.kind == "resumed"]
    assert len(set(links)) == 3
    assert links[0] == first


async def _break() -> None:
    await asyncio.sleep(2)


async def _settled(run: Execution[Any]) -> bool:
    """Whether it waits, and has gone on as new if its history was long."""
    return (await kinds(run))[-1] == "TIMER_STARTED"


async def _waiting_again(run: Execution[Any]) -> Waiting | None:
    with suppress(ContractError, RPCError):
        return (await run.state()).waiting
    return None


async def _approved(run: Execution[Any], number: str) -> bool:
    with suppress(DecisionError):  # which has not begun yet, as it has only just continued as new
        return bool(await run.approve(number))
    return False


# -- refused ---------------------------------------------------------------------------------------


async def test_run_that_completed_was_rejected_or_is_open_is_not_resumed(deployments: Deployments) -> None:
    """Each with its sentence, and nothing is started."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    with pytest.raises(DecisionError, match="has not ended"):
        await look(deployed.client, run.id)
    await run.approve(asked.number)
    await run.result()
    assert "nothing to resume" in await why_not(deployed, run)
    other, _ = await deployed.gate(signed, Note(text="b"))
    await other.reject("No.")
    await end(other)
    assert "a person said no, and that stands" in await why_not(deployed, other)
    for one in (run, other):
        old = await run_id(one)
        with pytest.raises(DecisionError):
            await resumed(deployed.client, await look(deployed.client, one.id))
        assert old in {await run_id(one), old}


async def test_run_that_no_worker_ever_took_is_not_resumed(deployments: Deployments) -> None:
    """There is nothing to take over; a run that is started all the same says the same."""
    calling = await deployments.calling()
    run = await calling.start(signed, Note(text="a"))
    old = await terminated(run)
    deployed = await deployments.serve(signed)
    with pytest.raises(DecisionError, match="ended before it began"):
        await look(deployed.client, run.id)
    failure = await end(await forged(deployed, "signed", run.id, Request(run=old)))
    assert "ended before it began" in failure.message


async def test_place_that_is_none_is_refused_without_repeating_it(deployments: Deployments) -> None:
    """What was typed is in no answer."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await terminated(run)
    for place in ("note", "elsewhere", "paper "):
        assert (
            await why_not(deployed, run, place) == "There is no stage of that name; the plan has paper, agreed, file."
        )
    assert "did not come as far as file" in await why_not(deployed, run, "file")
    with pytest.raises(DecisionError, match="Say from where"):
        await look(deployed.client, run.id, "\x1b[31m")


async def test_run_is_resumed_once_by_two_at_the_same_time(deployments: Deployments) -> None:
    """One run goes on; the other caller is told so."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await terminated(run)
    ended = await look(deployed.client, run.id)
    came = await asyncio.gather(*(resumed(deployed.client, ended) for _ in range(3)), return_exceptions=True)
    refused = [one for one in came if isinstance(one, DecisionError)]
    assert len(refused) == 2
    assert all("goes on already" in one.message for one in refused)


async def test_run_is_not_resumed_behind_one_that_went_on(deployments: Deployments) -> None:
    """Whoever looked before somebody else resumed and ended it goes behind nothing: a worker looks once more."""
    deployed = await deployments.serve(refund_cash, refund_signed)
    world.does = None
    run, _ = await deployed.gate(refund_signed, Note(text="A-1"))
    await terminated(run)
    before = await look(deployed.client, run.id)
    run = await again(deployed, run)
    await waiting(run)
    await terminated(run)
    with pytest.raises(DecisionError, match="Another run has gone on since then"):
        await resumed(deployed.client, before)
    # What was refused has done nothing, so the run that went on is still the last.
    run = await again(deployed, run)
    await run.approve((await waiting(run)).number)
    assert (await run.result()).text == "A-1"
    assert len(world.paid) == 1


async def test_forged_requests_are_refused_and_do_nothing(deployments: Deployments) -> None:
    """Whoever starts such a run is believed no input, no run of another id, no open one, no form of their own."""
    deployed = await deployments.serve(signed, single)
    run, asked = await deployed.gate(signed, Note(text="a"))
    other, _ = await deployed.gate(signed, Note(text="b"))
    elsewhere = await terminated(other)
    old = await terminated(run)
    data = json.loads(input_of_request(Request(run=old)))
    wrong: list[tuple[Any, bytes, dict[str, Any], str]] = [
        (Request(run=old), b'{"text":"b"}', {}, "started from other input"),
        (Request(run=old), b'{"text":"a","more":1}', {}, "started from other input"),
        (Request(run=elsewhere), b'{"text":"b"}', {}, "knows no such run of this id"),
        (Request(run=NOWHERE), b'{"text":"a"}', {}, "knows no such run of this id"),
        (Request(run="../" + old), b'{"text":"a"}', {}, "names no run"),
        (Request(run=old, place="nowhere"), b'{"text":"a"}', {}, "no stage of that name"),
        (Request(run=old, place="file"), b'{"text":"a"}', {}, "did not come as far"),
        (Request(run=old, note="\x1b[2J"), b'{"text":"a"}', {}, "printable text"),
        (Request(run=old, by="x" * 200), b'{"text":"a"}', {}, "printable text"),
        (b"[]", b'{"text":"a"}', {}, "input of signed"),
        (json.dumps({**data, "state": {}}).encode(), b'{"text":"a"}', {}, "input of signed"),
        (json.dumps({"resume": {**data["resume"], "lineage": "x"}}).encode(), b'{"text":"a"}', {}, "input of"),
    ]  # fmt: skip
    for request, given, more, said in wrong:
        found = await forged(deployed, "signed", run.id, request, given, **more)
        failure = await end(found)
        assert said in failure.message, (request, failure.message)
        assert len(failure.message) < 300
        assert await count(found, "ACTIVITY_TASK_SCHEDULED") <= 1
    failure = await end(await forged(deployed, "single", run.id, Request(run=old)))
    assert "none of single" in failure.message
    failure = await end(await forged(deployed, "signed", f"new-{uuid.uuid4()}", Request(run=old)))
    assert "knows no such run of this id" in failure.message
    # None of them counts: the run that ended is resumed all the same, and under its own state.
    run = await again(deployed, run)
    assert (await waiting(run)).shown == asked.shown


async def test_run_that_others_may_have_worked_on_is_not_resumed(deployments: Deployments) -> None:
    """A history that was written on a task queue of somebody's own is not taken over by the workers of another."""
    deployed = await deployments.serve(signed)
    id = f"signed-{uuid.uuid4()}"
    queue = f"{deployed.queue}-2"
    theirs = await deployed.client.start_workflow("signed", raw(b'{"text":"a"}'), id=id, task_queue=queue)
    await theirs.terminate()
    failure = await end(await forged(deployed, "signed", id, Request(run=theirs.result_run_id or "")))
    assert "another task queue" in failure.message


@stage()
async def digest(note: Endorsed[Note]) -> Endorsed[Note]:
    return Endorsed(Note(text=f"of {note.value.text}"))


@workflow
def digested(note: Endorsed[Note]) -> Approved[Note]:
    """Its values have names that do not come in the order in which they are made."""
    brief = digest(note)
    return approve(brief, by=role("boss"))


async def test_value_of_a_stage_is_not_taken_for_the_input(deployments: Deployments) -> None:
    """A run that was resumed, and has its state from another, is still resumed only beside its own input."""
    deployed = await deployments.serve(digested)
    run, _ = await deployed.gate(digested, Note(text="a"))
    await terminated(run)
    run = await again(deployed, run)
    await waiting(run)
    old = await terminated(run)
    failure = await end(await forged(deployed, "digested", run.id, Request(run=old), b'{"text":"of a"}'))
    assert "started from other input" in failure.message
    await waiting(await again(deployed, run))


async def test_request_of_a_run_to_resume_itself_is_refused(deployments: Deployments) -> None:
    """Its own id is known only once it runs; a reset could name it."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    await run.approve(asked.number)
    await run.result()
    failure = await end(await forged(deployed, "signed", run.id, Request(run=await run_id(run))))
    assert "completed; there is nothing to resume" in failure.message


async def test_request_with_a_cron_string_is_refused(deployments: Deployments) -> None:
    """It would be sent once more each time."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    old = await terminated(run)
    found = await forged(deployed, "signed", run.id, Request(run=old), cron_schedule="@every 1s")
    first = await run_id(found)

    async def went_on() -> bool:
        return await run_id(found) != first

    await until(went_on, "it was refused, and is to be started again")
    handle = deployed.client.get_workflow_handle(run.id, run_id=first)
    asked = [event.activity_task_scheduled_event_attributes async for event in handle.fetch_history_events()]
    assert not any(each.activity_type.name for each in asked)
    await found.handle.terminate("enough")


async def test_second_try_by_a_retry_policy_resumes_nothing(deployments: Deployments) -> None:
    """Where Temporal starts a run again by itself, nobody has looked at what the first one did."""
    deployed = await deployments.serve(refund_signed)
    run, _ = await deployed.gate(refund_signed, Note(text="A-1"))
    old = await terminated(run)
    more = {
        "retry_policy": RetryPolicy(maximum_attempts=3, initial_interval=Duration(seconds=1)),
        "workflow_run_timeout": Duration(seconds=3),
    }
    found = await forged(deployed, "refund_signed", run.id, Request(run=old), b'{"text":"A-1"}', **more)
    await waiting(found)
    failure = await end(found)
    assert "a run resumes another once" in failure.message
    assert len(world.paid) == 1


async def test_run_that_the_server_has_forgotten_is_not_guessed_at(deployments: Deployments) -> None:
    """Without its history there is nothing to take over: one sentence says so."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    old = await terminated(run)
    ended = await look(deployed.client, run.id)
    await deployed.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace="default", workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=old)
        )
    )

    async def gone() -> bool:
        try:
            await deployed.client.get_workflow_handle(run.id, run_id=old).fetch_history()
        except Exception:  # noqa: BLE001
            return True
        return False

    await until(gone, "the server has forgotten it")
    failure = await end(await forged(deployed, "signed", run.id, Request(run=old)))
    assert "has forgotten it" in failure.message
    assert ended.status == "terminated"


async def test_what_is_too_large_to_be_taken_over_is_refused_in_a_sentence(deployments: Deployments) -> None:
    """From an earlier stage, of which less is kept, the run goes on."""
    deployed = await deployments.serve(heavy)
    run = await deployed.start(heavy, Note(text="900000"))
    assert "can be given" in (await waiting(run)).reasons[0]
    await terminated(run)
    with pytest.raises(DecisionError, match=r"What the run holds is \d+ bytes, more than the 2000000"):
        await again(deployed, run)
    run = await again(deployed, run, "two")
    assert "can be given" in (await waiting(run)).reasons[0]


# -- across deploys, and with what else a run may be -----------------------------------------------


async def test_resumed_run_outlives_its_worker_and_replays(deployments: Deployments) -> None:
    """Another worker goes on with it, and whoever reads its history alone finds the same ledger."""
    async with deployments.serving(signed) as deployed:
        run, _ = await deployed.gate(signed, Note(text="a"))
        await terminated(run)
        run = await again(deployed, run)
        await waiting(run)
        before = await run.ledger()
    async with deployments.serving(signed) as later:
        assert await run.ledger() == before
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a"
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0
        found = await story(later, run, signed)
        assert found.ledger == await run.ledger()


async def test_story_goes_through_the_run_that_was_resumed(deployments: Deployments) -> None:
    """One story of both: how the first ended, and where the second took over."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    old = await terminated(run)
    run = await again(deployed, run, by="Ada")
    await run.approve((await waiting(run)).number)
    await run.result()
    found = await story(deployed, run, signed)
    names = [told.event.name for told in found.events]
    at = names.index("run.resumed")
    assert names[at - 1 : at + 2] == ["run.ended", "run.resumed", "gate.opened"]
    assert [told.about["run_id"] for told in found.events][at - 1 : at + 1] == [old, await run_id(run)]
    fields = found.events[at].event.fields
    assert (fields["from_run"], fields["outcome"], fields["stage"], fields["by"]) == (
        old,
        "terminated",
        "agreed",
        "Ada",
    )
    assert not found.forgotten


async def test_run_of_a_business_key_is_found_after_it_was_resumed(deployments: Deployments) -> None:
    """The id is the same, so the same key given again is the same run, and another input under an id is refused."""
    deployed = await deployments.serve(keyed, signed)
    key = f"k{uuid.uuid4().hex}"
    run, _ = await deployed.gate(keyed, Note(text=key))
    assert run.id == f"keyed-{key}" or key in run.id
    await terminated(run)
    await again(deployed, run)
    found = await start(deployed.client, keyed, Note(text=key), task_queue=deployed.queue)
    assert found.id == run.id
    await found.approve((await waiting(found)).number)
    assert (await found.result()).text == key
    assert (await start(deployed.client, keyed, Note(text=key), task_queue=deployed.queue)).id == run.id

    named, _ = await deployed.gate(signed, Note(text="a"), id=f"named-{key}")
    await terminated(named)
    await again(deployed, named)
    assert (await deployed.start(signed, Note(text="a"), id=named.id)).id == named.id
    with pytest.raises(ConflictError, match="started from other input"):
        await deployed.start(signed, Note(text="b"), id=named.id)


async def test_run_whose_plan_is_gone_is_resumed_by_a_deploy_that_has_it(
    deployments: Deployments, tmp_path: Path
) -> None:
    """Without the plan nothing is guessed: a look, and a run that was started all the same, say so."""
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    async with deployments.serving(v1) as deployed:
        run, _ = await deployed.gate(v1, v1.input.annotation(text="a"))
        await terminated(run)
        ended = await look(deployed.client, run.id)
    (folder / "letter.lock.json").unlink()
    v2 = project.loaded(last="stamp", hours=2)
    (folder / "letter.lock.json").unlink()
    v2 = project.loaded(last="stamp", hours=2)
    assert [known.plan.digest for known in Library([v2]).plans("letter")] == [v2.plan.digest]
    async with deployments.serving(v2) as later:
        with pytest.raises(GateworkError) as caught:
            await look(later.client, run.id)
        print(caught.value)
        with pytest.raises(DecisionError, match="is held to one that is not in the lock file"):
            await resumed(later.client, ended)
    async with deployments.serving(v1) as back:
        run = await again(back, run)
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a polished"


async def test_run_that_was_migrated_is_resumed_on_its_newer_plan(deployments: Deployments, tmp_path: Path) -> None:
    """And one that was resumed is migrated: each time the plan is the one that the run was held to at last."""
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    async with deployments.serving(v1) as deployed:
        run, _ = await deployed.gate(v1, v1.input.annotation(text="a"))
        await terminated(run)
        run = await again(deployed, run)
        await waiting(run)
    v2 = project.loaded(last="stamp", hours=2)
    async with deployments.serving(v2) as later:
        await run.migrate(v2.plan.digest)

        async def there() -> bool:
            return (await run.state()).plan == v2.plan.digest

        await until(there, "the run is on the newer plan")
        await waiting(run)
        await terminated(run)
        run = await again(later, run)
        assert (await run.state()).plan == v2.plan.digest
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a stamped"
        kinds_ = [entry.receipt.kind for entry in await run.ledger()]
        assert [kind for kind in kinds_ if kind in ("migrated", "resumed")] == ["resumed", "migrated", "resumed"]
        assert broken_at(await run.ledger()) is None


async def test_encrypted_run_is_resumed_by_workers_that_have_the_codec(deployments: Deployments) -> None:
    """The request is encrypted like any input, and the history is read by the worker's own client."""
    converter = dataclasses.replace(DataConverter.default, payload_codec=Backwards())
    client = await deployments.client(GateworkPlugin(signed), data_converter=converter)
    deployed = Deployed(client, deployments.queue)
    async with Worker(client, task_queue=deployments.queue):
        run, _ = await deployed.gate(signed, Note(text="a secret note"))
        await terminated(run)
        run = await again(deployed, run, note="a secret why")
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a secret note"
        for event in await events(run):
            assert b"secret" not in event.SerializeToString()
        assert "run.resumed" in [told.event.name for told in (await story(deployed, run, signed)).events]


# -- what is rebuilt -------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [refund, refund_cash, signed], ids=lambda plan: plan.name)
async def test_history_cut_anywhere_holds_every_effect_that_was_asked_for(deployments: Deployments, plan: Any) -> None:
    """Terminated at whatever event: no effect that a worker was asked for is missing, and none has ended well."""
    deployed = await deployments.serve(plan)
    run = await deployed.start(plan, Note(text="A-1"))
    if plan is signed:
        await run.approve((await waiting(run)).number)
    await run.result()
    whole = (await run.handle.fetch_history()).events
    begun = effects = 0
    for cut in range(4, len(whole)):
        if EventType.Name(whole[cut].event_type).removeprefix("EVENT_TYPE_") in BY_COMMAND:
            continue  # the server writes it together with the task before it, or not at all
        last = HistoryEvent(event_id=cut + 1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED)
        last.event_time.CopyFrom(whole[cut - 1].event_time)
        last.workflow_execution_terminated_event_attributes.reason = "cut"
        leg = Leg(id=run.id, run_id="run", events=[*whole[:cut], last])
        found = await rebuilt(leg, Library([plan]), deployed.client.data_converter)
        asked = {
            event.event_id
            for event in leg.events
            if event.activity_task_scheduled_event_attributes.activity_type.name.startswith("tool.")
        }
        state = found.state
        assert state is not None or not asked
        if state is None:
            continue
        begun += 1
        happened = [done for done in state.acts.values() if done.happened]
        assert len(happened) >= len(asked)
        effects += len(happened)
        assert state.outcome is None
        assert broken_at(found.ledger) is None
    assert begun > 3
    assert (effects > 0) is (plan is not signed)


async def test_run_that_was_reset_and_ended_before_it_recalled_is_resumed_with_what_had_happened(
    deployments: Deployments,
) -> None:
    """The effect is in none of its own events: it is found in the run that was reset, and not sent again."""
    async with deployments.serving(refund_cash) as deployed:
        run = await deployed.start(refund_cash, Note(text="A-1"))
        first = await run.result()
        point = await task_after(run, "ACTIVITY_TASK_COMPLETED")
    sent: list[str] = []
    world.pays = lambda: sent.append("again")
    await deployed.reset(run, point)
    await terminated(run)
    async with deployments.serving(refund_cash) as later:
        run = await again(later, run)
        assert await run.result() == first
    assert sent == []


# -- at the command line ---------------------------------------------------------------------------


async def test_resume_shows_asks_and_starts(deployments: Deployments, typed: Typed) -> None:
    """A dry run starts nothing; without a terminal nothing is resumed unasked; --yes does it, with who and why."""
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    opened = await typed("resume", run.id)
    assert (opened.exit_code, opened.stderr.count("\n")) == (1, 1)
    assert "has not ended" in opened.stderr
    await run.approve(asked.number)
    await until(lambda: _at_gate(run, 2), "the second gate")
    old = await terminated(run)
    dry = await typed("resume", run.id, "--from", "one", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert "goes on at one" in dry.stdout
    assert "kept       paper" in dry.stdout
    assert "void       approval one" in dry.stdout
    told = json.loads((await typed("resume", run.id, "--dry-run", "--json")).stdout)
    assert (told["run_id"], told["status"], told["from"]) == (old, "terminated", "other")
    unasked = await typed("resume", run.id)
    assert (unasked.exit_code, unasked.stderr.count("\n")) == (2, 1)
    nowhere = await typed("resume", run.id, "--from", EVIL, "--yes")
    assert (nowhere.exit_code, nowhere.stderr.count("\n")) == (1, 1)
    assert "\x1b" not in nowhere.stdout + nowhere.stderr
    assert await run_id(run) == old
    done = await typed("resume", run.id, "--yes", "--by", "ana", "--note", "wrong button")
    assert done.exit_code == 0, done.stderr
    assert f"{run.id} goes on at other" in done.stdout
    run = find(deployed.client, twice, run.id)
    shown = await typed("show", run.id)
    assert "resumed by ana (as claimed) from the terminated run" in shown.stdout
    assert old in shown.stdout
    logs = await typed("logs", run.id, "--code", "tests.workflow.plans:twice")
    assert "resumed from other by ana (as claimed) as a new run, after it was terminated: wrong button" in " ".join(
        logs.stdout.split()
    )
    twice_ = await typed("resume", run.id, "--yes")
    assert twice_.exit_code == 1
    await run.approve((await waiting(run)).number)
    await run.result()
    over = await typed("resume", run.id, "--yes", "--json")
    assert over.exit_code == 1
    assert json.loads(over.stderr)["message"] == "The run was completed; there is nothing to resume."


EVIL = "\x1b[2J\x1b]0;owned\x07 [bold]not bold[/bold] \u202e txt"
