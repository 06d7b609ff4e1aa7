"""What a run did is undone where it ends otherwise than it should: on abort, and on cancel, which comes once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from gatework import Endorsed, Untrusted, approve, endorse, role, workflow
from gatework.proof.ledger import broken_at
from gatework.temporal import Execution
from tests.workflow.deployment import Deployments, end, until, waiting
from tests.workflow.families import calls, child, part, started, undone
from tests.workflow.plans import Note, Paper, confirm, known_sum, pay, take_back, world


@workflow
def paid_back(note: Untrusted[Note]) -> Endorsed[Paper]:
    """Pay, ask, confirm; the payment can be taken back."""
    owed = endorse(note, by=known_sum)
    receipt = pay(owed)
    back = take_back(receipt)
    agreed = approve(receipt, by=role("boss"), show=[back])
    return confirm(agreed, owed)


TRIP = undone(paid_back, "receipt", "back")


async def _actions(run: Execution[Any]) -> list[tuple[str, str, str]]:
    """What the run's record has from the moment in which it began to undo."""
    entries = await run.ledger()
    assert broken_at(entries) is None
    told: list[tuple[str, str, str]] = [
        (entry.receipt.kind, entry.receipt.node, entry.receipt.action) for entry in entries
    ]
    return told[[kind for kind, _, _ in told].index("undoing") :]


async def _cancelled(run: Execution[Any]) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(run.handle.result(), 30)
    assert isinstance(caught.value.cause, CancelledError)
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_abort_undoes_what_was_done_and_then_ends_the_run(deployments: Deployments) -> None:
    """The run ends as aborted once the payment has been taken back, and its record says both."""
    deployed = await deployments.serve(TRIP)
    run, _ = await deployed.gate(TRIP, Note(text="A-1"))
    await run.abort("Not this one", by="Ana")
    failed = await end(run)
    assert (failed.type, world.back) == ("gatework.aborted", ["A-1"])
    assert failed.message == "The run was aborted by Ana at agreed: Not this one."
    told = await _actions(run)
    assert (told[0], told[-1]) == (("undoing", "agreed", "aborted"), ("ended", "agreed", "aborted"))
    assert ("acted", "back", "done") in told


async def test_cancel_undoes_what_was_done_and_then_ends_the_run(deployments: Deployments) -> None:
    """The undo is an activity after the cancellation, which does not touch it."""
    deployed = await deployments.serve(TRIP)
    run, _ = await deployed.gate(TRIP, Note(text="A-1"))
    await run.handle.cancel()
    await _cancelled(run)
    assert world.back == ["A-1"]
    assert (await run.state()).status == "cancelled"
    assert (await _actions(run))[-1][2] == "cancelled"


async def test_cancel_of_a_run_that_is_undoing_changes_nothing(deployments: Deployments) -> None:
    """What takes the payment back goes on to its end, is called once, and the run ends as it was to end."""
    deployed = await deployments.serve(TRIP)
    run, _ = await deployed.gate(TRIP, Note(text="A-1"))
    slow, begun = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        begun.set()
        await slow.wait()

    world.takes_back = waits
    await run.abort("Not this one.")
    await asyncio.wait_for(begun.wait(), 30)
    await run.handle.cancel()
    await asyncio.sleep(0.5)
    slow.set()
    assert (await end(run)).type == "gatework.aborted"
    assert world.back == ["A-1"]


async def test_undo_that_fails_asks_a_person_also_in_a_cancelled_run(deployments: Deployments) -> None:
    """It may be in doubt whether the money came back: a person says, and only then the run ends as cancelled."""
    deployed = await deployments.serve(TRIP)
    run, _ = await deployed.gate(TRIP, Note(text="A-1"))

    def breaks() -> None:
        raise ConnectionError

    world.takes_back = breaks
    await run.handle.cancel()
    asked = await waiting(run)
    assert (asked.node, asked.kind) == ("back", "unknown")
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    world.takes_back = None
    await run.retry(number=asked.number)
    await _cancelled(run)
    assert world.back == ["A-1"]


async def test_undo_that_is_aborted_is_left_and_said(deployments: Deployments) -> None:
    """`abort` at the gate of an undo leaves that one undone."""
    deployed = await deployments.serve(TRIP)
    run, _ = await deployed.gate(TRIP, Note(text="A-1"))

    def breaks() -> None:
        raise ConnectionError

    world.takes_back = breaks
    await run.abort("Not this one.")

    async def asks() -> bool:
        state = await run.state()
        return state.waiting is not None and state.waiting.node == "back"

    await until(asks, "the gate of the undo")
    await run.abort("Leave it.")
    assert (await end(run)).type == "gatework.aborted"
    assert world.back == []


async def test_children_undo_before_the_run_that_is_cancelled_ends(deployments: Deployments) -> None:
    """Each child run is cancelled, takes back what it did, and is heard of; then its parent ends."""
    inner = part(TRIP, "outer.found")
    outer = calls(inner, effects=True)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, [{"text": "A-1"}, {"text": "A-2"}])
    for n in (1, 2):
        await waiting(await child(run, f"found/{n}", inner))
    await run.handle.cancel()
    await _cancelled(run)
    assert sorted(world.back) == ["A-1", "A-2"]
    assert [entry.receipt.action for entry in await run.ledger()][-3:] == ["cancelled"] * 3


async def test_child_that_had_completed_takes_back_what_it_did(deployments: Deployments) -> None:
    """A run that is cancelled later has its child runs undo, each in another run of its id, the last one first."""
    inner = part(TRIP, "outer.found")
    outer = calls(inner, effects=True, pause=3600)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, [{"text": "A-1"}, {"text": "A-2"}])
    for n in (1, 2):
        one = await child(run, f"found/{n}", inner)
        await one.approve((await waiting(one)).number)

    async def rests() -> bool:
        return any(entry.receipt.kind == "gathered" for entry in await run.ledger())

    await until(rests, "the pause")
    assert world.back == []
    await run.handle.cancel()
    await _cancelled(run)
    assert sorted(world.back) == ["A-1", "A-2"]
    assert sorted(world.paid.values()) == ["A-1", "A-2"]
    one = await child(run, "found/1", inner)
    assert (await one.state()).status == "undone"
    told = [(entry.receipt.kind, entry.receipt.action) for entry in await run.ledger()]
    assert told.count(("returned", "undone")) == 2
    assert broken_at(await one.ledger()) is None
