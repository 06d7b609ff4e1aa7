"""Cancel ends a run at the next moment it can and says what may have happened; Terminate runs nothing."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError, TerminatedError

from gatework import Endorsed, Pass, Untrusted, Verdict, endorse, guard, stage, workflow
from gatework.errors import DecisionError
from gatework.proof.ledger import Entry
from gatework.temporal import Execution
from tests.workflow.deployment import Deployments, until, waiting
from tests.workflow.plans import (
    Note,
    Paper,
    Receipt,
    Sum,
    hand_over,
    known_sum,
    refund,
    refund_cash,
    signed,
    single,
    world,
)

QUICK = {"heartbeat_timeout": timedelta(seconds=2)}
"""A stage hears of its cancellation with its heartbeats."""


@guard(timeout=timedelta(seconds=50))
async def slow(note: Note) -> Verdict:
    world.worked += 1
    await asyncio.sleep(40)
    return Pass()


@stage(before=[slow])
async def copied(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@workflow
def guarded(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A guard that takes its time."""
    return copied(note)


async def _cancelled(run: Execution[Any]) -> list[Entry]:
    """Cancel a run; its ledger, once it has ended as cancelled."""
    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(run.result(), 30)
    assert isinstance(caught.value.cause, CancelledError)
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (await run.state()).status == "cancelled"
    ledger = await run.ledger()
    assert (ledger[-1].receipt.kind, ledger[-1].receipt.action) == ("ended", "cancelled")
    return ledger


async def _begins(what: str) -> None:
    async def begun() -> bool:
        return bool(world.worked or world.paid)

    await until(begun, what)


async def _long() -> None:
    await asyncio.sleep(60)


async def test_cancel_during_a_stage_ends_the_run(deployments: Deployments) -> None:
    """A stage without effects is cut off; nothing is left to be said of it."""
    deployed = await deployments.serve(single, **QUICK)
    world.does = _long
    run = await deployed.start(single, Note(text="a"))
    await _begins("the stage")
    assert [entry.receipt.kind for entry in await _cancelled(run)] == ["begun", "ended"]
    assert (await run.state()).note == ""


async def test_cancel_during_a_guard_on_inputs_ends_the_run(deployments: Deployments) -> None:
    """The stage does not work after it."""
    deployed = await deployments.serve(guarded, **QUICK)
    run = await deployed.start(guarded, Note(text="a"))
    await _begins("the guard")
    assert [entry.receipt.kind for entry in await _cancelled(run)] == ["begun", "ended"]


async def test_cancel_during_an_endorsement_ends_the_run(deployments: Deployments) -> None:
    """A look at our own records is cut off like a stage."""

    async def looks(note: Note) -> Sum:
        world.worked += 1
        await _long()
        raise AssertionError

    @workflow
    def endorsing(note: Untrusted[Note]) -> Endorsed[Sum]:
        return endorse(note, by=looks)

    deployed = await deployments.serve(endorsing, **QUICK)
    run = await deployed.start(endorsing, Note(text="a"))
    await _begins("the endorser")
    assert [entry.receipt.kind for entry in await _cancelled(run)] == ["begun", "ended"]


async def test_cancel_of_a_run_that_waits_ends_it_at_once(deployments: Deployments) -> None:
    """Its gate takes no decision any more."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    assert [entry.receipt.kind for entry in await _cancelled(run)] == ["begun", "output", "asked", "ended"]
    with pytest.raises(DecisionError, match="has ended"):
        await run.approve(asked.number)


@pytest.mark.parametrize("plan", [refund, refund_cash], ids=["asked about", "cannot be asked about"])
async def test_cancel_during_an_effect_records_what_may_have_happened(deployments: Deployments, plan: Any) -> None:
    """Money has moved and nobody heard of it: the ledger has tool, key and arguments, and the panel says so."""
    deployed = await deployments.serve(plan, **QUICK)
    world.pays = _long
    run = await deployed.start(plan, Note(text="A-1"))
    await _begins("the effect")
    ledger = await _cancelled(run)
    [acted] = [entry.receipt for entry in ledger if entry.receipt.kind == "acted"]
    assert (acted.action, acted.how["key"]) == ("unknown", *world.paid)
    what = "transfer of pay" if plan is refund else "hand_over of pay_cash"
    assert (await run.state()).note == f"{what} may have happened: look there before it is done again."
    panel = (await run.handle.query("__temporal_workflow_metadata")).current_details
    assert f"{what} may have happened".replace("_", "\\_") in panel
    assert len(world.paid) == 1


async def test_cancel_after_an_effect_in_the_same_stage_records_it(deployments: Deployments) -> None:
    """The effect said that it was done before the stage was cut off; the receipt has it."""

    @stage(tools=[hand_over])
    async def pays_and_waits(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
        receipt = await hand_over(owed.value.order, owed.value.amount)
        world.worked += 1
        await _long()
        return Endorsed(receipt)

    @workflow
    def lingering(note: Untrusted[Note]) -> Endorsed[Receipt]:
        owed = endorse(note, by=known_sum)
        return pays_and_waits(owed)

    deployed = await deployments.serve(lingering, **QUICK)
    run = await deployed.start(lingering, Note(text="A-1"))

    async def lingers() -> bool:
        return world.worked > 0

    await until(lingers, "the wait after the effect")
    ledger = await _cancelled(run)
    [acted] = [entry.receipt for entry in ledger if entry.receipt.kind == "acted"]
    assert acted.action == "done"
    assert "hand_over of pays_and_waits has happened" in (await run.state()).note


async def test_cancel_before_any_worker_takes_an_effect_leaves_no_doubt(deployments: Deployments) -> None:
    """An effect that never left its task queue has not happened, and nothing says that it may have."""
    queue = f"nobody-{uuid.uuid4()}"

    @stage(tools=[hand_over], on=queue)
    async def pays_elsewhere(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
        raise AssertionError

    @workflow
    def unpaid(note: Untrusted[Note]) -> Endorsed[Receipt]:
        owed = endorse(note, by=known_sum)
        return pays_elsewhere(owed)

    deployed = await deployments.serve(unpaid)
    run = await deployed.start(unpaid, Note(text="A-1"))

    async def due() -> bool:
        return (await run.state()).nodes[-1].attempts == 1

    await until(due, "the effect is due")
    assert "failed" not in [entry.receipt.kind for entry in await _cancelled(run)]
    assert (await run.state()).note == ""


async def test_terminate_runs_nothing(deployments: Deployments) -> None:
    """Temporal ends the run; its ledger has no end, and what ran may still have done its work."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    await run.handle.terminate("enough")
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, TerminatedError)
    assert [entry.receipt.kind for entry in await run.ledger()] == ["begun", "output", "asked"]
    with pytest.raises(DecisionError, match="has ended"):
        await run.approve(asked.number)


async def test_run_says_beside_its_buttons_what_they_do(deployments: Deployments) -> None:
    """Cancel and Terminate stand side by side in the UI; the details of the run tell them apart."""
    deployed = await deployments.serve(single)
    run = await deployed.start(single, Note(text="a"))
    details = await (await run.handle.describe()).static_details()
    assert details is not None
    assert "Terminate stops it at once: nothing runs" in details
    await run.result()


async def test_run_that_waits_after_a_cancelled_effect_is_never_paid_twice(deployments: Deployments) -> None:
    """A person who aborts a run whose effect is in doubt is told the same."""
    deployed = await deployments.serve(refund_cash)
    world.pays = _raises
    run = await deployed.start(refund_cash, Note(text="A-1"))
    assert (await waiting(run)).kind == "unknown"
    await run.abort("Enough.")
    assert "may have happened" in (await run.state()).note


def _raises() -> None:
    raise ConnectionError
