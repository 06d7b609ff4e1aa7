"""Expiry: a gate that nobody answers in time ends the run, whatever becomes of the worker meanwhile."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from gatework import Block, Endorsed, Untrusted, Verdict, endorse, role, stage, workflow
from gatework.errors import DecisionError
from gatework.temporal import GateworkPlugin, start
from tests.workflow.deployment import Deployments, count, end, events, waiting
from tests.workflow.plans import (
    BLOCK,
    ESCALATE,
    RETRY,
    Note,
    Paper,
    Receipt,
    Sum,
    hand_over,
    hasty,
    judged,
    known_sum,
    pay_cash,
    signed,
    world,
)


async def test_gate_that_nobody_answers_ends_the_run_as_expired(deployments: Deployments) -> None:
    """After `within=` the run ends as expired, and a decision after that is refused."""
    deployed = await deployments.serve(hasty)
    run, asked = await deployed.gate(hasty, Note(text="a"))
    failure = await end(run)
    assert failure.type == "gatework.expired"
    assert failure.message == "The run expired at agreed: nobody of boss answered in time."
    with pytest.raises(DecisionError, match="has ended"):
        await run.approve(asked.number)


async def test_expiry_outlives_the_worker(deployments: Deployments) -> None:
    """The time goes on while no worker is there."""
    async with deployments.serving(hasty) as deployed:
        run, _ = await deployed.gate(hasty, Note(text="a"))
    await asyncio.sleep(3.2)
    async with deployments.serving(hasty):
        assert (await end(run)).type == "gatework.expired"


async def test_decision_after_the_expiry_is_refused_in_the_same_task(deployments: Deployments) -> None:
    """A decision that comes too late is refused, even where a worker hears of both at once."""
    async with deployments.serving(hasty) as deployed:
        run, asked = await deployed.gate(hasty, Note(text="a"))
    await asyncio.sleep(3.2)
    late = asyncio.create_task(run.handle.execute_update("approve", int(asked.number)))
    await asyncio.sleep(0.3)
    async with deployments.serving(hasty):
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await late
        assert "time to answer is up" in str(caught.value.cause)
        assert (await end(run)).type == "gatework.expired"
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_answer_in_time_stops_the_clock(deployments: Deployments) -> None:
    """Once a gate is answered, its expiry means nothing any more."""
    deployed = await deployments.serve(hasty)
    run, asked = await deployed.gate(hasty, Note(text="a"))
    await run.approve(asked.number)
    assert (await run.result()).text == "a"
    assert await count(run, "TIMER_CANCELED") == 1


async def test_edit_gives_the_new_gate_a_time_of_its_own(deployments: Deployments) -> None:
    """What was edited is shown anew, and the time to look at it begins anew."""
    deployed = await deployments.serve(hasty)
    run, asked = await deployed.gate(hasty, Note(text="a"))
    first = datetime.now(UTC) + timedelta(seconds=3)  # when the time of the first gate is up at the latest
    await asyncio.sleep(1.6)
    await run.edit({"text": "b", "pages": 1})
    again = await waiting(run)
    assert again.expires > asked.expires
    await asyncio.sleep((first - datetime.now(UTC)).total_seconds())
    await run.approve(again.number)
    assert (await run.result()).text == "b"


async def test_hour_passes_on_a_server_that_skips_it() -> None:
    """The plan's own time is what Temporal counts: an hour, skipped by a server that can."""
    async with (
        await WorkflowEnvironment.start_time_skipping_v2(
            dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
            dev_server_extra_args=["--dynamic-config-value=frontend.WorkflowTimeSkippingEnabled=true"],
            plugins=[GateworkPlugin(signed)],
        ) as environment,
        Worker(environment.client, task_queue="skipping"),
    ):
        run = await start(environment.client, signed, Note(text="a"), task_queue="skipping")
        assert (await end(run)).type == "gatework.expired"
        first, *_, last = await events(run)
        assert last.event_time.ToDatetime() - first.event_time.ToDatetime() >= timedelta(hours=1)


SOON = timedelta(seconds=1)


def asks(note: Note) -> Verdict:
    return ESCALATE


def stops(note: Note) -> Verdict:
    return BLOCK


def _waiting_at(kind: str) -> Any:
    """A plan whose run waits for a person at once, for a second, at a gate of a kind."""

    async def does(note: Endorsed[Note]) -> Endorsed[Paper]:
        if kind == "failed":
            raise ValueError
        if kind == "timeout":
            await asyncio.sleep(9)
        return Endorsed(Paper(text=note.value.text))

    async def none(note: Note) -> Sum | Block:
        return BLOCK

    long = timedelta(seconds=1 if kind == "timeout" else 60)
    limits: Any = {"expires": SOON, "operator": role("ops"), "timeout": long}
    before: Any = {"before, escalated": [asks], "before, blocked": [stops]}.get(kind, [])
    guards: Any = [judged] if kind in ("escalated", "blocked", "exhausted") else []
    does_it: Any = stage(*guards, before=before, **limits)(does)
    pays: Any = stage(tools=[hand_over], **limits)(pay_cash.function)

    @workflow
    def brief(note: Endorsed[Note]) -> Endorsed[Paper]:
        paper: Endorsed[Paper] = does_it(note)
        return paper

    @workflow
    def endorsing(note: Untrusted[Note]) -> Endorsed[Sum]:
        return endorse(note, by=none, expires=SOON, operator=role("ops"))

    @workflow
    def paying(note: Untrusted[Note]) -> Endorsed[Receipt]:
        owed = endorse(note, by=known_sum)
        receipt: Endorsed[Receipt] = pays(owed)
        return receipt

    return {"endorsement": endorsing, "unknown": paying}.get(kind, brief)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("escalated", "escalated"),
        ("blocked", "blocked"),
        ("exhausted", "exhausted"),
        ("timeout", "exhausted"),
        ("failed", "failed"),
        ("unknown", "unknown"),
        ("before, escalated", "escalated"),
        ("before, blocked", "blocked"),
        ("endorsement", "blocked"),
    ],
)
async def test_every_way_to_wait_for_a_person_expires(deployments: Deployments, kind: str, asked: str) -> None:
    """Whatever a run asks, it does not ask for ever, and it never goes on for want of an answer."""
    world.verdicts = [{"escalated": ESCALATE, "blocked": BLOCK}.get(kind, RETRY)]
    world.pays = _broken
    plan = _waiting_at(kind)
    deployed = await deployments.serve(plan)
    run = await deployed.start(plan, Note(text="a"))
    failure = await end(run)
    assert failure.type == "gatework.expired"
    receipts = [entry.receipt for entry in await run.ledger()]
    assert [receipt.action for receipt in receipts if receipt.kind == "asked"] == [asked]
    role_asked = "ops"
    assert failure.message.endswith(f"nobody of {role_asked} answered in time.")
    note = (await run.state()).note
    assert ("may have happened" in note) is (kind == "unknown")


def _broken() -> None:
    raise ConnectionError
