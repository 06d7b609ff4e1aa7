"""Child runs on the server: started as the plan says, held to its plan, heard of whatever they come to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker

from gatework.errors import DecisionError
from gatework.temporal import GateworkPlugin
from tests.workflow.deployment import Deployments, count, end, events, payload, task_after, until, waiting
from tests.workflow.families import calls, child, part, result, started
from tests.workflow.plans import BLOCK, Note, refund, signed, single, world

NOTES: Any = [{"text": f"note {number}"} for number in range(1, 6)]


async def test_each_runs_one_child_for_each_item_and_keeps_their_order(deployments: Deployments) -> None:
    """Five items, five child runs with ids of their own, results in the order of the items."""
    inner = part(single, "outer.found")
    outer = calls(inner, at_most=2)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES)
    found = await result(run)
    assert [paper["text"] for paper in found] == [note["text"] for note in NOTES]
    assert await count(run, "START_CHILD_WORKFLOW_EXECUTION_INITIATED") == 5
    third = await child(run, "found/3", inner)
    described = await third.handle.describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED
    assert described.parent_id == run.id
    assert "run 3 for stage 1/1 found of outer" in str(await described.static_summary())
    ledgers = {
        entry.receipt.how["child"]: entry.receipt for entry in await run.ledger() if entry.receipt.kind == "returned"
    }
    assert ledgers[2].how["ledger"] == (await third.ledger())[-1].digest
    assert ledgers[2].how["run"] == described.run_id


async def test_called_workflow_has_gates_of_its_own(deployments: Deployments) -> None:
    """What a called workflow asks is decided in its run; the run that called it goes on by itself."""
    outer = calls(signed, kind="call")
    deployed = await deployments.serve(signed, outer)
    run = await started(deployed, outer, {"text": "a"})
    called = await child(run, "found", signed)
    asked = await waiting(called)
    assert (await run.state()).status == "running"
    await called.approve(asked.number, by="Ana")
    assert (await result(run))["text"] == "a"


# -- where a child run gives nothing ---------------------------------------------------------------


async def test_child_that_a_person_ends_makes_its_parent_ask_and_runs_once_more(deployments: Deployments) -> None:
    """What it came to is told at the gate; a retry runs that one again under the same id, and no other."""
    inner = part(signed, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES[:2])
    one, two = [await child(run, f"found/{n}", inner) for n in (1, 2)]
    await one.approve((await waiting(one)).number)
    await waiting(two)
    await two.abort("Too dear.", by="Ana")
    asked = await waiting(run)
    assert (asked.kind, asked.reasons) == ("failed", ("run 2 was aborted: Too dear.",))
    first = (await two.handle.describe()).run_id
    await run.retry()
    await until(lambda: _other_run(two, first), "the second run")
    again = await child(run, "found/2", inner)
    await again.approve((await waiting(again)).number)
    assert [paper["text"] for paper in await result(run)] == ["note 1", "note 2"]
    assert await count(run, "START_CHILD_WORKFLOW_EXECUTION_INITIATED") == 3


async def _other_run(run: Any, first: str) -> bool:
    return bool((await run.handle.describe()).run_id != first)


async def test_children_that_fail_are_collected(deployments: Deployments) -> None:
    """With `collect` nobody is asked: the child ends, and that it failed stands in the value.

    Of a value that is no outside text only that: outside text may have had a hand in the reason.
    """
    inner = part(single, "outer.found")
    outer = calls(inner, failed="collect", at_most=1)
    deployed = await deployments.serve(inner, outer)
    blocks = iter([None, BLOCK, None])
    world.does = lambda: next(blocks)
    found = await result(await started(deployed, outer, NOTES[:3]))
    assert [paper["text"] for paper in found["values"]] == ["note 1", "note 3"]
    [failed] = found["failed"]
    assert (failed["index"], failed["reason"]) == (1, "failed")


async def test_first_child_that_fails_stops_the_others(deployments: Deployments) -> None:
    """With `stop` the others are cancelled, and the gate opens when they have ended."""
    inner = part(signed, "outer.found")
    outer = calls(inner, failed="stop")
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES[:3])
    children = [await child(run, f"found/{n}", inner) for n in (1, 2, 3)]
    await children[0].approve((await waiting(children[0])).number)
    await waiting(children[2])
    await children[1].reject("No.", number=(await waiting(children[1])).number)
    asked = await waiting(run)
    assert asked.reasons == ("run 2 was rejected: No.", "run 3 was cancelled: another child run failed")
    assert (await children[2].handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (await children[2].state()).status == "cancelled"
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    await run.abort("Enough.")


async def test_child_whose_value_breaks_the_contract_gives_nothing(deployments: Deployments) -> None:
    """The contract that counts is that of the run that started it."""
    inner = part(single, "outer.found")
    contract: Any = {"type": "array", "items": {"type": "object", "properties": {"pages": {"const": 2}}}}
    outer = calls(inner, contract=contract)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES[:1])
    [reason] = (await waiting(run)).reasons
    assert reason.startswith("run 1 failed: result of found/1 field 0.pages")
    await run.abort("Enough.")


# -- how a child run ends from outside -------------------------------------------------------------


async def test_cancelling_a_run_cancels_its_children_and_waits_for_them(deployments: Deployments) -> None:
    """The record of the run has what each child came to, with its ledger; none is left under way."""
    inner = part(signed, "outer.found")
    outer = calls(inner, at_most=2)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES)
    for n in (1, 2):
        await waiting(await child(run, f"found/{n}", inner))
    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(run.handle.result(), 30)
    assert isinstance(caught.value.cause, CancelledError)
    one = await child(run, "found/1", inner)
    assert (await one.handle.describe()).status is WorkflowExecutionStatus.CANCELED
    receipts = [entry.receipt for entry in await run.ledger()]
    assert [(receipt.kind, receipt.action) for receipt in receipts[3:]] == [
        ("returned", "cancelled"),
        ("returned", "cancelled"),
        ("ended", "cancelled"),
    ]
    [told] = [receipt.how for receipt in receipts[3:5] if receipt.how["child"] == 0]
    assert told["ledger"] == (await one.ledger())[-1].digest
    assert await count(run, "START_CHILD_WORKFLOW_EXECUTION_INITIATED") == 2


async def test_terminating_a_run_terminates_its_children(deployments: Deployments) -> None:
    """Terminate runs nothing, in the run and in its children."""
    inner = part(signed, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES[:1])
    one = await child(run, "found/1", inner)
    await waiting(one)
    await run.handle.terminate("enough")

    async def ended() -> bool:
        return (await one.handle.describe()).status is WorkflowExecutionStatus.TERMINATED

    await until(ended, "the end of the child run")


async def test_child_that_was_terminated_pays_nothing_twice(deployments: Deployments) -> None:
    """Its parent asks; run once more it finds what the first run of it did."""
    inner = part(refund, "outer.found")
    outer = calls(inner, effects=True)
    deployed = await deployments.serve(inner, outer)
    held = asyncio.Event()
    world.pays = held.wait
    run = await started(deployed, outer, [{"text": "A-1"}])

    async def paid() -> bool:
        return bool(world.paid)

    await until(paid, "the payment")
    one = await child(run, "found/1", inner)
    await one.handle.terminate("enough")
    asked = await waiting(run)
    assert asked.reasons == ("run 1 failed: it was terminated",)
    with pytest.raises(DecisionError, match="cannot be edited"):
        await run.edit([{"text": "A-2"}], place="start")
    held.set()
    world.pays = None
    await run.retry(number=asked.number)
    [receipt] = await asyncio.wait_for(result(run), 60)
    assert receipt["order"] == "A-1"
    assert list(world.paid.values()) == ["A-1"]
    kinds_ = [(entry.receipt.kind, entry.receipt.action) for entry in await one.ledger()]
    assert ("acted", "unknown") in kinds_ or ("acted", "found") in kinds_


# -- what a child run believes ---------------------------------------------------------------------


async def test_part_of_a_workflow_is_started_by_nobody_else(deployments: Deployments) -> None:
    """A user who starts one is refused in one sentence, whatever they send."""
    inner = part(single, "outer.found")
    deployed = await deployments.serve(inner, calls(inner))
    id = await deployed.start_raw("outer.found", payload(b'{"text": "a"}'))
    failed = await end(await _run(deployed, id, inner))
    assert (
        failed.message == "input of outer.found: it is a part of another workflow, whose runs start it; start that one"
    )


async def test_message_to_a_child_counts_only_from_a_parent(deployments: Deployments) -> None:
    """Labels, allowances and lineages are not believed of whoever can start runs."""
    inner = part(single, "outer.found")
    deployed = await deployments.serve(inner, single, calls(inner))
    sent = Payload(metadata={"encoding": b"json/plain", "gatework-child": b"1"}, data=b"{}")
    for name in ("outer.found", "single"):
        id = await deployed.start_raw(name, sent)
        failed = await end(await _run(deployed, id, inner))
        assert failed.message == f"input of {name}: only a run starts a child run"


async def _run(deployed: Any, id: str, of: Any) -> Any:
    from gatework.temporal import Execution

    return Execution(deployed.client.get_workflow_handle(id, result_type=RawValue), of)


async def test_child_whose_id_is_taken_is_told_at_the_gate(deployments: Deployments) -> None:
    """Somebody has a run under the id that the child is to have: a sentence says so, and a retry starts it later."""
    inner = part(single, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer, signed)
    taken = await deployed.start(signed, Note(text="a"), id="mine-1/found/1")
    asked = await waiting(taken)
    run = await started(deployed, outer, NOTES[:1], id="mine-1")
    assert (await waiting(run)).reasons == ("run 1 failed: another run of its id is under way; end that, and retry",)
    await taken.approve(asked.number)
    await taken.result()
    await run.retry()
    assert len(await result(run)) == 1


async def test_child_that_cannot_be_started_is_told_at_the_gate(deployments: Deployments) -> None:
    """What the server would refuse again and again is not sent: an id too long, inputs too large."""
    inner = part(single, "outer.found")
    outer = calls(inner)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES[:1], id="x" * 995)
    assert "the id of found/1 would be longer than 1000 bytes" in (await waiting(run)).reasons[0]
    await run.abort("Enough.")
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


# -- long runs -------------------------------------------------------------------------------------


async def test_run_goes_on_as_new_between_its_children(deployments: Deployments) -> None:
    """No child run is lost or started twice; the order is kept, and the chain of receipts holds."""
    inner = part(single, "outer.found")
    outer = calls(inner, at_most=3)
    deployed = await deployments.serve(inner, outer, continue_after_events=40)
    run = await started(deployed, outer, [{"text": str(n)} for n in range(40)])
    first = (await run.handle.describe()).run_id
    assert [paper["text"] for paper in await result(run)] == [str(n) for n in range(40)]
    assert world.worked == 40
    described = await run.handle.describe()
    assert described.run_id != first
    ledger = await run.ledger()
    assert sum(entry.receipt.kind == "returned" for entry in ledger) == 40
    assert max([event.event_id for event in await events(run)]) < 120


# -- resuming and resetting ------------------------------------------------------------------------


async def test_resumed_run_starts_its_children_again_and_pays_nothing_twice(
    deployments: Deployments, typed: Any
) -> None:
    """A run that was terminated with a payment under way goes on; its child finds the payment."""
    inner = part(refund, "outer.found")
    outer = calls(inner, effects=True)
    deployed = await deployments.serve(inner, outer)
    held = asyncio.Event()
    world.pays = held.wait
    run = await started(deployed, outer, [{"text": "A-1"}, {"text": "A-2"}])

    async def paid() -> bool:
        return len(world.paid) == 2

    await until(paid, "the payments")
    await run.handle.terminate("enough")
    held.set()
    world.pays = None
    one = await child(run, "found/1", inner)

    async def ended() -> bool:
        return (await one.handle.describe()).status is WorkflowExecutionStatus.TERMINATED

    await until(ended, "the end of the child run")
    told = await typed("resume", one.id, "--yes")
    assert told.exit_code != 0
    assert "It is a child run" in told.output
    told = await typed("resume", run.id, "--yes")
    assert told.exit_code == 0, told.output
    again = await _run(deployed, run.id, outer)
    assert sorted(receipt["order"] for receipt in await asyncio.wait_for(result(again), 90)) == ["A-1", "A-2"]
    assert sorted(world.paid.values()) == ["A-1", "A-2"]


async def test_run_that_was_reset_before_its_children_starts_them_again(deployments: Deployments) -> None:
    """The children of the run that was cut off are heard of no more; what they did is found."""
    inner = part(refund, "outer.found")
    outer = calls(inner, effects=True)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, [{"text": "A-1"}])
    await result(run)
    await deployed.reset(run, await task_after(run, "WORKFLOW_TASK_STARTED"))
    again = await _run(deployed, run.id, outer)
    [receipt] = await asyncio.wait_for(result(again), 90)
    assert receipt["order"] == "A-1"
    assert len(world.paid) == 1


async def test_run_is_moved_once_its_children_under_way_have_ended(deployments: Deployments) -> None:
    """No other is started meanwhile; then it goes on as new on the other plan, whose children run anew."""
    inner = part(signed, "outer.found")
    before, after = calls(inner, at_most=1), calls(inner, at_most=1, pause=0.1)
    async with deployments.serving(inner, before) as deployed:
        run = await started(deployed, before, NOTES[:2])
        one = await child(run, "found/1", inner)
        asked = await waiting(one)
        first = (await one.handle.describe()).run_id
    plugin = GateworkPlugin(inner, after)
    [newest] = plugin.library.plans("outer")
    plugin.library._plans["outer"] = (newest, replace(newest, plan=before.plan))
    client = await deployments.client(plugin)
    async with Worker(client, task_queue=deployments.queue):
        said = await run.migrate(after.plan.digest)
        assert said.endswith("once the runs of found that are under way have ended.")
        await one.approve(asked.number)
        await until(lambda: _other_run(one, first), "the run on the other plan")
        assert (await run.state()).plan == after.plan.digest
        for n in (1, 2):
            each = await child(run, f"found/{n}", inner)
            await each.approve((await waiting(each)).number)
        assert [paper["text"] for paper in await result(run)] == ["note 1", "note 2"]
    assert [entry.receipt.kind for entry in await _ledger(deployments, run, inner, after)].count("migrated") == 1


async def _ledger(deployments: Deployments, run: Any, *workflows: Any) -> Any:
    async with deployments.serving(*workflows):
        return await run.ledger()
