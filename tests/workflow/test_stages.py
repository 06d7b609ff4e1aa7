"""Stages on Temporal: one activity each, told why they are tried again, bounded in time and tries."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker

from gatework import Block, Endorsed, stage, workflow
from gatework.errors import DecisionError
from gatework.temporal import GateworkPlugin
from gatework.temporal.worker.activities import activities
from gatework.temporal.workflow import asking
from gatework.temporal.workflow.definition import workflow_class
from gatework.temporal.workflow.pin import begin
from tests.workflow.deployment import LONG, Deployed, Deployments, count, end, events, kinds, outside_payloads, waiting
from tests.workflow.plans import BLOCK, RETRY, Note, Paper, chain, refund, refund_cash, single, world

SOON = timedelta(seconds=2.5)
"""A heartbeat timeout at which a stage hears of its cancellation after half a second."""


async def test_stages_each_take_one_activity_and_six_events(deployments: Deployments) -> None:
    """An ordinary stage costs one activity and six events; a run costs seven besides, whatever its length."""
    deployed = await deployments.serve(single, chain)
    one = await deployed.start(single, Note(text="a"))
    five = await deployed.start(chain, Note(text="a"))
    await one.result()
    await five.result()
    assert await count(one, "ACTIVITY_TASK_SCHEDULED") == 1
    assert await count(five, "ACTIVITY_TASK_SCHEDULED") == 5
    lengths = len(await kinds(one)), len(await kinds(five))
    assert lengths == (7 + 6, 7 + 5 * 6)


async def test_retry_verdict_runs_another_activity_that_is_told_the_reason(deployments: Deployments) -> None:
    """A guard's retry is a new activity, seen in the history, and its reason reaches the next attempt."""
    deployed = await deployments.serve(single)
    world.verdicts = [RETRY, RETRY]
    run = await deployed.start(single, Note(text="a"))
    assert (await run.result()).text == "a"
    assert world.feedback == [(), (RETRY.reason,), (RETRY.reason, RETRY.reason)]
    scheduled = [e for e in await events(run) if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    summaries = [event.user_metadata.summary.data.decode() for event in scheduled]
    assert summaries == [f'"stage 1/1 work, attempt {n}"' for n in (1, 2, 3)]
    refused = [entry.receipt.verdicts[0].reason for entry in await run.ledger() if entry.receipt.verdicts]
    assert refused == [RETRY.reason, RETRY.reason, ""]


async def test_retry_verdicts_beyond_the_attempts_ask_a_person(deployments: Deployments) -> None:
    """After the last attempt a person is asked, and a retry goes on with the person's note."""
    deployed = await deployments.serve(single)
    world.verdicts = [RETRY] * 3
    run, asked = await deployed.gate(single, Note(text="a"))
    assert asked.kind == "exhausted"
    assert asked.reasons == (RETRY.reason,)
    await run.retry("Be brief.")
    await run.result()
    assert world.feedback[-1][-1] == "Be brief."


async def test_block_verdict_waits_and_retry_goes_on(deployments: Deployments) -> None:
    """A guard's block stops the run until a person retries."""
    deployed = await deployments.serve(single)
    world.verdicts = [BLOCK]
    run, asked = await deployed.gate(single, Note(text="a"))
    assert asked.kind == "blocked"
    await run.retry()
    assert (await run.result()).text == "a"


async def test_block_of_a_stage_waits_with_its_reason(deployments: Deployments) -> None:
    """A stage's own refusal stops the run like a guard's."""
    deployed = await deployments.serve(single)
    world.does = lambda: Block("Nothing to write.")
    _, asked = await deployed.gate(single, Note(text="a"))
    assert asked.kind == "blocked"
    assert asked.reasons == ("Nothing to write.",)


async def test_exception_is_tried_a_bounded_number_of_times_then_asks(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that breaks is tried TRIES times by Temporal; then a person is asked, and retry goes on after a fix."""
    monkeypatch.setattr(asking, "TRIES", 2)
    deployed = await deployments.serve(single)

    def broken() -> None:
        raise ValueError("MARKER-OF-THE-VALUE")

    world.does = broken
    run, asked = await deployed.gate(single, Note(text="a"))
    assert world.worked == 2
    assert asked.kind == "failed"
    assert asked.reasons[0].startswith("ValueError at ")
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 1
    assert "MARKER-OF-THE-VALUE" not in await outside_payloads(run)
    world.does = None
    await run.retry()
    assert (await run.result()).text == "a"


async def test_stage_beyond_its_timeout_is_tried_again_and_then_asks(deployments: Deployments) -> None:
    """A stage that takes too long is an attempt that failed: the next one is told, and then a person is asked."""

    @stage(attempts=2, timeout=timedelta(milliseconds=200))
    async def slow(note: Endorsed[Note]) -> Endorsed[Paper]:
        world.worked += 1
        await asyncio.sleep(30)
        return Endorsed(Paper(text=""))

    @workflow
    def waits(note: Endorsed[Note]) -> Endorsed[Paper]:
        return slow(note)

    deployed = await deployments.serve(waits)
    _, asked = await deployed.gate(waits, Note(text="a"))
    assert asked.kind == "exhausted"
    assert "took longer than 0.2 s" in asked.reasons[-1]
    assert world.worked == 2


async def test_stage_that_swallows_its_timeout_is_given_up_once(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that ignores its end is given up by Temporal, and the attempt counts once, not TRIES times."""
    monkeypatch.setattr(asking, "GRACE", timedelta(milliseconds=500))
    stop = threading.Event()

    @stage(timeout=timedelta(milliseconds=200))
    async def stubborn(note: Endorsed[Note]) -> Endorsed[Paper]:
        world.worked += 1
        while not stop.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue
        return Endorsed(Paper(text=""))

    @workflow
    def waits(note: Endorsed[Note]) -> Endorsed[Paper]:
        return stubborn(note)

    try:
        async with deployments.serving(waits) as deployed:
            _, asked = await deployed.gate(waits, Note(text="a"))
            assert asked.kind == "exhausted"
            assert "longer than Temporal waits" in asked.reasons[0]
            assert world.worked == 1
            stop.set()
    finally:
        stop.set()


# -- cancellation ----------------------------------------------------------------------------------


async def _begun() -> None:
    while not world.worked:
        await asyncio.sleep(0.02)


async def _cancelled(run: Any) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(run.result(), LONG.total_seconds())
    assert isinstance(caught.value.cause, CancelledError)
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_cancel_during_a_stage_stops_it_and_ends_the_run(deployments: Deployments) -> None:
    """A cancellation reaches the stage that runs, and the run ends as cancelled."""
    deployed = await deployments.serve(single, heartbeat_timeout=SOON)
    stopped = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(25)
        except asyncio.CancelledError:
            stopped.set()
            raise

    world.does = long
    run = await deployed.start(single, Note(text="a"))
    await _begun()
    await run.handle.cancel()
    await _cancelled(run)
    assert stopped.is_set()
    assert (await run.state()).status == "cancelled"


async def test_cancel_that_a_stage_swallows_still_ends_the_run(deployments: Deployments) -> None:
    """What a stage gives that swallows the cancellation and finishes counts for nothing; the run ends."""
    deployed = await deployments.serve(chain, heartbeat_timeout=SOON)

    async def stubborn() -> None:
        try:
            await asyncio.sleep(25)
        except asyncio.CancelledError:
            return

    world.does = stubborn
    run = await deployed.start(chain, Note(text="a"))
    await _begun()
    await run.handle.cancel()
    await _cancelled(run)
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 1
    said = [(entry.receipt.kind, entry.receipt.action) for entry in await run.ledger()]
    assert said == [("begun", ""), ("ended", "cancelled")]


async def test_cancel_at_a_gate_ends_the_run_as_cancelled(deployments: Deployments) -> None:
    """A run that waits for a person can be cancelled, and a decision after that is refused."""
    deployed = await deployments.serve(single)
    world.verdicts = [BLOCK]
    run, _ = await deployed.gate(single, Note(text="a"))
    await run.handle.cancel()
    await _cancelled(run)
    assert (await run.ledger())[-1].receipt.action == "cancelled"


@pytest.mark.parametrize("plan", [refund, refund_cash], ids=lambda plan: plan.name)
async def test_cancel_during_an_effect_leaves_its_doubt_in_the_ledger(deployments: Deployments, plan: Any) -> None:
    """An effect that was cancelled half-way may have happened; the ledger says so before the run ends."""
    deployed = await deployments.serve(plan, heartbeat_timeout=SOON)
    world.pays = lambda: asyncio.sleep(25)
    run = await deployed.start(plan, Note(text="A-1"))
    while not world.paid:
        await asyncio.sleep(0.02)
    await run.handle.cancel()
    await _cancelled(run)
    acted = [entry.receipt.action for entry in await run.ledger() if entry.receipt.kind == "acted"]
    assert acted == ["unknown"]


async def test_terminate_ends_the_run_at_once(deployments: Deployments) -> None:
    """Terminate is Temporal's: it runs nothing more, and a decision after it is refused."""
    deployed = await deployments.serve(single)
    world.verdicts = [BLOCK]
    run, _ = await deployed.gate(single, Note(text="a"))
    await run.handle.terminate("enough")
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    with pytest.raises(DecisionError, match="has ended"):
        await run.retry()


async def test_worker_that_stops_in_an_orderly_way_leaves_the_stage_to_the_next(deployments: Deployments) -> None:
    """A stage that a worker's end interrupts runs again on the next worker, as one attempt of the plan."""
    interrupted: list[bool] = []

    async def long() -> None:
        if not interrupted:
            interrupted.append(True)
            await asyncio.sleep(25)

    world.does = long
    async with deployments.serving(single) as deployed:
        run = await deployed.start(single, Note(text="a"))
        await _begun()
    async with deployments.serving(single):
        assert (await run.result()).text == "a"
        assert (await run.state()).nodes[0].attempts == 1
    assert world.worked == 2


async def test_effect_that_a_stopping_worker_interrupts_is_looked_up(deployments: Deployments) -> None:
    """An effect that was under way when its worker stopped is asked about, and not repeated."""
    world.pays = lambda: asyncio.sleep(25)
    async with deployments.serving(refund) as deployed:
        run = await deployed.start(refund, Note(text="A-1"))
        while not world.paid:
            await asyncio.sleep(0.02)
    world.pays = None
    async with deployments.serving(refund):
        assert (await run.result()).order == "A-1"
    assert len(world.paid) == 1


async def test_effect_without_a_probe_waits_for_a_person_when_in_doubt(deployments: Deployments) -> None:
    """An effect that cannot be asked about is never repeated without a person who takes it upon themselves."""
    world.pays = lambda: asyncio.sleep(25)
    async with deployments.serving(refund_cash) as deployed:
        run = await deployed.start(refund_cash, Note(text="A-1"))
        while not world.paid:
            await asyncio.sleep(0.02)
    async with deployments.serving(refund_cash):
        asked = await waiting(run)
        assert asked.kind == "unknown"
        await run.abort("It was paid by hand.")
        assert (await end(run)).type == "gatework.aborted"
    assert len(world.paid) == 1


async def test_effect_that_reaches_a_worker_without_it_waits_for_the_next(deployments: Deployments) -> None:
    """In the middle of a deploy an effect may reach a worker that has it not: it is no doubt, and nobody is asked."""
    plugin = GateworkPlugin(refund_cash)
    client = await deployments.client(plugin)
    bare = await deployments.client(data_converter=client.data_converter)
    library = plugin.library
    served = activities(library, model=None, seed=0)
    half = Worker(
        bare,
        task_queue=deployments.queue,
        workflows=[workflow_class("refund_cash", library)],
        activities=[
            begin,
            *(stage for name, stage in served.items() if name != "tool.hand_over"),
        ],
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    async with half:
        run = await Deployed(client, deployments.queue).start(refund_cash, Note(text="A-1"))
        while await count(run, "ACTIVITY_TASK_FAILED") < 1:
            await asyncio.sleep(0.05)
    async with deployments.serving(refund_cash):
        assert (await run.result()).order == "A-1"
        kept = [entry.receipt.kind for entry in await run.ledger()]
        assert kept == ["begun", "output", "suspended", "acting", "acted", "output", "ended"]
    assert len(world.paid) == 1
