"""A pause is a timer of the server: nothing shortens it, and nothing but a cancellation ends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from gatework import Endorsed, approve, pause, role, workflow
from tests.workflow.deployment import Deployments, events, time_skipped, until, waiting
from tests.workflow.plans import Note, Paper, copy, file, write


def _pausing(seconds: float, name: str = "paused") -> Any:
    def paused(note: Endorsed[Note]) -> Endorsed[Paper]:
        paper = write(note)
        pause(timedelta(seconds=3))
        return copy(paper)

    def long(note: Endorsed[Note]) -> Endorsed[Paper]:
        paper = write(note)
        pause(timedelta(days=3))
        return copy(paper)

    return workflow(paused if seconds == 3 else long)


PAUSED, LONG = _pausing(3), _pausing(0)


@workflow
def for_weeks(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Three weeks, a person who takes days, and two weeks more."""
    paper = write(note)
    pause(timedelta(weeks=3))
    agreed = approve(paper, by=role("boss"), within=timedelta(weeks=2))
    pause(timedelta(weeks=2))
    return file(agreed)


async def _timers(run: Any) -> list[Any]:
    return [e for e in await events(run) if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]


async def _rests(run: Any) -> None:
    async def rests() -> bool:
        return bool(await _timers(run))

    await until(rests, "the pause")


async def test_pause_is_a_timer_that_says_until_when(deployments: Deployments) -> None:
    """It stands in the timeline by its stage and the moment at which it ends, and leaves a receipt."""
    deployed = await deployments.serve(PAUSED)
    before = datetime.now(UTC)
    run = await deployed.start(PAUSED, Note(text="a"))
    assert (await run.result()).text == "a"
    assert datetime.now(UTC) - before >= timedelta(seconds=3)
    [timer] = await _timers(run)
    assert b"waits until " in timer.user_metadata.summary.data
    assert [entry.receipt.kind for entry in await run.ledger()] == ["begun", "output", "waited", "output", "ended"]


async def test_move_that_is_refused_does_not_prolong_a_pause(deployments: Deployments) -> None:
    """Neither one that is refused at once nor one that fails: the pause ends when it was to end."""
    deployed = await deployments.serve(PAUSED)
    run = await deployed.start(PAUSED, Note(text="a"))
    await _rests(run)
    started = (await _timers(run))[0].event_time.ToDatetime(UTC)
    await asyncio.sleep(1.5)
    with pytest.raises(Exception, match="held to that plan already"):
        await run.migrate(PAUSED.plan.digest)
    assert (await run.result()).text == "a"
    fired = [e for e in await events(run) if e.event_type == EventType.EVENT_TYPE_TIMER_FIRED][-1]
    assert fired.event_time.ToDatetime(UTC) - started < timedelta(seconds=4)


async def test_cancel_ends_a_pause(deployments: Deployments) -> None:
    """At once, however long it was to last."""
    deployed = await deployments.serve(LONG)
    run = await deployed.start(LONG, Note(text="a"))
    await _rests(run)
    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(run.result(), 20)
    assert isinstance(caught.value.cause, CancelledError)
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_pause_outlives_its_worker(deployments: Deployments) -> None:
    """The server keeps the time while no worker is there."""
    async with deployments.serving(PAUSED) as deployed:
        run = await deployed.start(PAUSED, Note(text="a"))
        await _rests(run)
    await asyncio.sleep(3)
    async with deployments.serving(PAUSED):
        assert (await asyncio.wait_for(run.result(), 30)).text == "a"
    assert len(await _timers(run)) == 1


async def test_run_of_weeks_costs_no_more_than_one_of_seconds(deployments: Deployments) -> None:
    """Time that passes leaves nothing in the history but its timer, and the run goes on where it was, in order."""
    deployed = await deployments.serve(for_weeks)
    run = await deployed.start(for_weeks, Note(text="a"))
    await _rests(run)
    await time_skipped(deployed.client, run)
    asked = await waiting(run)
    began, expires = (await events(run))[0].event_time.ToDatetime(UTC), datetime.fromisoformat(asked.expires)
    assert timedelta(weeks=5) <= expires - began < timedelta(weeks=5, hours=1)
    await run.approve(asked.number)
    await until(lambda: _second(run), "the second pause")
    await time_skipped(deployed.client, run)
    assert (await asyncio.wait_for(run.result(), 30)).text == "a"
    passed = (await events(run))[-1].event_time.ToDatetime(UTC) - began
    assert timedelta(weeks=5) <= passed < timedelta(weeks=5, hours=1)
    kinds = [entry.receipt.kind for entry in await run.ledger()]
    assert kinds == ["begun", "output", "waited", "asked", "decided", "waited", "output", "ended"]
    assert len(await events(run)) < 60


async def _second(run: Any) -> bool:
    """Whether the pause after the approval is under way."""
    timers = await _timers(run)
    return b"waits until " in timers[-1].user_metadata.summary.data and len(timers) == 3
