"""Reset and continue-as-new: no decision opens another gate, no effect happens twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.common import RawValue
from temporalio.exceptions import CancelledError

from gatework import Endorsed, Untrusted, approve, endorse, role, stage, workflow
from gatework.errors import DecisionError
from gatework.proof.ledger import broken_at
from gatework.temporal import Execution, find
from tests.workflow.deployment import Deployments, count, events, kinds, task_after, until, waiting
from tests.workflow.plans import (
    Note,
    Paper,
    Sum,
    chain,
    clicked,
    confirm,
    file,
    gate_first,
    known_sum,
    pay_cash,
    refund,
    refund_cash,
    refund_signed,
    signed,
    twice,
    world,
    write,
)


@stage()
async def same(owed: Endorsed[Sum]) -> Endorsed[Sum]:
    return owed


@workflow
def together(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Two people approve."""
    paper = write(note)
    agreed = approve(paper, by=role("boss", quorum=2, identity="claimed"))
    return file(agreed)


@workflow
def cash_after(note: Untrusted[Note]) -> Endorsed[Paper]:
    """Some stages, then an effect that cannot be asked about, then some more."""
    owed = endorse(note, by=known_sum)
    one = same(owed)
    other = same(one)
    receipt = pay_cash(other)
    return confirm(receipt, other)


async def _lineage(run: Execution[Any]) -> str:
    first, *_ = await events(run)
    return first.workflow_execution_started_event_attributes.first_execution_run_id


async def _approved(run: Execution[Any], number: str) -> None:
    """Approve, again where the run has only just continued as new and says so."""
    try:
        await run.approve(number)
    except DecisionError as error:
        if "has not begun yet" not in error.message:
            raise
        await asyncio.sleep(2)
        await run.approve(number)


@pytest.mark.parametrize("plan", [signed, clicked, twice, gate_first], ids=lambda plan: plan.name)
async def test_reapplied_decisions_open_no_gate_that_was_not_seen(deployments: Deployments, plan: Any) -> None:
    """After a reset to the first task the server sends the decisions again; none is taken for the new evidence."""
    deployed = await deployments.serve(plan)
    run, asked = await deployed.gate(plan, Note(text="a"))
    seen = []
    while (progress := await run.waiting()).waiting:
        seen.append(progress.waiting.number)
        if plan is clicked:
            await run.handle.execute_update("approve")
        else:
            await run.approve(progress.waiting.number)
    await run.result()
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    again = await waiting(run)
    assert again.gate == 1
    assert again.number not in seen
    assert again.evidence != asked.evidence
    assert await count(run, "WORKFLOW_TASK_FAILED") == 1  # the reset itself


async def test_reset_to_a_gate_keeps_what_was_shown_there(deployments: Deployments) -> None:
    """A reset to a later task keeps values and plan; what was approved on the same evidence may stand again."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    await run.approve(asked.number)
    await run.result()
    await deployed.reset(run, await task_after(run, "ACTIVITY_TASK_COMPLETED"))
    if (progress := await run.waiting()).waiting:
        assert progress.waiting.evidence == asked.evidence
        await run.approve(asked.number)
    assert (await run.result()).text == "a"
    decided = [entry for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert [entry.receipt.evidence for entry in decided] == [asked.evidence]


@pytest.mark.parametrize("place", ["WORKFLOW_EXECUTION_STARTED", "ACTIVITY_TASK_COMPLETED"])
async def test_reset_after_an_effect_finds_it(deployments: Deployments, place: str) -> None:
    """The key of an effect outlives a reset: the probe finds it, and nothing is paid again."""
    deployed = await deployments.serve(refund)
    run = await deployed.start(refund, Note(text="A-1"))
    first = await run.result()
    lineage = await _lineage(run)
    await deployed.reset(run, await task_after(run, place))
    assert await run.result() == first
    assert await _lineage(run) == lineage
    assert list(world.paid.values()) == ["A-1"]
    # Recalled from the run that was reset, then answered by the record: nobody is asked, and nothing is sent.
    acted = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "acted"]
    assert [receipt.action for receipt in acted] == ["found", "found"]
    assert "ACTIVITY_TASK_SCHEDULED" in await kinds(run)
    assert "acting" not in [entry.receipt.kind for entry in await run.ledger()]


@pytest.mark.parametrize("place", ["WORKFLOW_EXECUTION_STARTED", "ACTIVITY_TASK_COMPLETED"])
async def test_reset_after_an_effect_that_cannot_be_asked_about_repeats_nothing(
    deployments: Deployments, place: str
) -> None:
    """What the runs before were asked for is recalled from their histories, however often it is reset."""
    deployed = await deployments.serve(refund_cash)
    run = await deployed.start(refund_cash, Note(text="A-1"))
    first = await run.result()
    sent: list[str] = []
    world.pays = lambda: sent.append("again")
    for _ in range(2):
        await deployed.reset(run, await task_after(run, place))
        assert await run.result() == first
    assert sent == []
    assert broken_at(await run.ledger()) is None


async def test_reset_while_an_effect_is_under_way_asks_a_person(deployments: Deployments) -> None:
    """Nobody knows what it came to, before the reset or after it: it is not sent once more unasked."""
    deployed = await deployments.serve(refund_cash)
    held = asyncio.Event()
    world.pays = held.wait
    run = await deployed.start(refund_cash, Note(text="A-1"))

    async def paid() -> bool:
        return bool(world.paid)

    await until(paid, "money has moved")
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    world.pays = None
    asked = await waiting(run)
    held.set()
    assert asked.kind == "unknown"
    assert len(world.paid) == 1
    await run.retry(number=asked.number)
    await run.result()
    assert len(world.paid) == 1  # under the same key
    assert await count(run, "WORKFLOW_TASK_FAILED") == 1  # the reset itself


async def test_reset_of_a_long_run_recalls_what_the_later_ones_did(deployments: Deployments) -> None:
    """The first of a chain is reset: an effect of a later one is known, on whichever worker."""
    async with deployments.serving(cash_after, continue_after_events=9) as deployed:
        run = await deployed.start(cash_after, Note(text="A-1"))
        first = await run.result()
        start = (await events(run))[0].workflow_execution_started_event_attributes.first_execution_run_id
        whole = find(deployed.client, cash_after, run.id)
        whole.handle = deployed.client.get_workflow_handle(run.id, run_id=start, result_type=RawValue)
        sent: list[str] = []
        world.pays = lambda: sent.append("again")
        await deployed.reset(whole, await task_after(whole, "WORKFLOW_EXECUTION_STARTED"))
        assert await run.result() == first
    async with deployments.serving(cash_after):
        ledger = await run.ledger()
        assert broken_at(ledger) is None
        told = [entry.receipt for entry in ledger if entry.receipt.kind != "begun"]
        recalled = [receipt for receipt in told if receipt.how.get("run")]
        assert [receipt.action for receipt in recalled] == ["found"]
    assert sent == []


async def test_votes_are_not_given_to_a_gate_that_was_not_seen(deployments: Deployments) -> None:
    """Approvals of a quorum that the server sends again after a reset count for the evidence that they were given."""
    deployed = await deployments.serve(together)
    run, asked = await deployed.gate(together, Note(text="a"))
    await run.approve(asked.number, by="Ana")
    await run.approve(asked.number, by="Bo")
    await run.result()
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    again = await waiting(run)
    assert again.evidence != asked.evidence
    assert again.gate == 1
    state = await run.state()
    assert state.status == "waiting"
    with pytest.raises(DecisionError, match="not the number"):
        await run.approve(asked.number, by="Cyd")
    await run.approve(again.number, by="Ana")
    with pytest.raises(DecisionError, match="another of boss must"):
        await run.approve(again.number, by="ana ")
    await run.approve(again.number, by="Bo")
    await run.result()


async def test_continued_run_keeps_the_keys_of_its_effects(deployments: Deployments) -> None:
    """The key of an effect outlives continue-as-new, and a reset of the continued run."""
    deployed = await deployments.serve(refund_signed, continue_after_events=9)
    run, asked = await deployed.gate(refund_signed, Note(text="A-1"))
    [key] = world.paid
    first, *_ = await events(run)
    assert first.workflow_execution_started_event_attributes.continued_execution_run_id
    await _approved(run, asked.number)
    assert (await run.result()).text == "A-1"
    assert list(world.paid) == [key]


async def test_long_run_continues_as_new_and_keeps_its_ledger(deployments: Deployments) -> None:
    """A run that continues again and again ends like any other, with one unbroken ledger."""
    deployed = await deployments.serve(chain, continue_after_events=6)
    run = await deployed.start(chain, Note(text="a"))
    assert (await run.result()).text == "a"
    ledger = await run.ledger()
    assert [entry.receipt.kind for entry in ledger] == ["begun", *["output"] * 5, "ended"]
    assert [entry.before for entry in ledger[1:]] == [entry.digest for entry in ledger[:-1]]
    assert "ACTIVITY_TASK_SCHEDULED" not in await kinds(run) or await count(run, "ACTIVITY_TASK_SCHEDULED") < 5


async def test_continued_run_answers_queries_and_cancels(deployments: Deployments) -> None:
    """A continued run that waits shows its state, and can be cancelled."""
    deployed = await deployments.serve(signed, continue_after_events=9)
    run, _ = await deployed.gate(signed, Note(text="a"))
    assert (await run.state()).status == "waiting"
    assert await run.values()
    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, CancelledError)


async def test_length_changed_by_a_deploy_leaves_runs_in_flight_where_they_are(deployments: Deployments) -> None:
    """A later deploy that continues sooner replays what an earlier one did, and continues from then on."""
    async with deployments.serving(signed) as deployed:
        run, asked = await deployed.gate(signed, Note(text="a"))
        started = (await run.handle.describe()).run_id
    await deployments.serve(signed, continue_after_events=6)
    await _approved(run, asked.number)
    assert (await run.result()).text == "a"
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    assert (await run.handle.describe()).run_id != started


async def test_length_changed_by_a_deploy_leaves_continued_runs_readable(deployments: Deployments) -> None:
    """A later deploy that continues later still shows what the runs before had come to."""
    async with deployments.serving(chain, continue_after_events=6) as deployed:
        run = await deployed.start(chain, Note(text="a"))
        first = (
            run.handle.first_execution_run_id
            or (await events(run))[0].workflow_execution_started_event_attributes.first_execution_run_id
        )
        await run.result()
    deployed = await deployments.serve(chain)
    before = find(deployed.client, chain, run.id)
    before.handle = deployed.client.get_workflow_handle(run.id, run_id=first, result_type=RawValue)
    assert [entry.receipt.kind for entry in await before.ledger()][:2] == ["begun", "output"]
