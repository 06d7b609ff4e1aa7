"""One isolated guard as one activity: what is asked of a worker, and that its silence is a block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio.exceptions import ActivityError

from gatework.errors import ContractError
from gatework.perform.judging import blocked, isolated, joined
from gatework.plan.plan import GuardUse, Work
from gatework.releases.library import Known
from gatework.run.events import Finished, Given
from gatework.run.state import Run
from gatework.temporal.transport.captions import at_stage
from gatework.temporal.transport.payloads import data_of
from gatework.temporal.transport.storing import fits
from gatework.temporal.workflow.asking import Job, done, why
from gatework.values import wire
from gatework.values.canonical import Sealed


@dataclass(frozen=True, kw_only=True)
class GuardTask:
    """What the workflow asks of a worker: the verdict of one guard."""

    guard: str
    run: Run
    output: Sealed
    lineage: str = ""
    """What names the run across retries, continue-as-new and reset; empty in tasks of an earlier release."""


def activity_type(guard: str) -> str:
    """The activity type of a guard: never that of an activity which the same worker serves for others."""
    return f"guard.{guard}"


async def judged(
    known: Known,
    due: Run,
    event: Finished,
    *,
    lineage: str,
    heartbeat_timeout: timedelta,
    idle: Callable[[str], None],
    stores: bool = False,
) -> Finished:
    """A result with the verdicts of the isolated guards, each asked where the plan says. One that gives none blocks."""
    node = known.plan.node(due.node)
    assert isinstance(node, Work)

    async def asked(use: GuardUse) -> Given:
        task = GuardTask(guard=use.name, run=due, output=event.output, lineage=lineage)
        job = Job(
            type=activity_type(use.name),
            what=f"the guard {use.name}",
            message=wire.brief(task),
            queue=use.queue,
            timeout_seconds=use.timeout_seconds,
            once=True,  # one that brings down its worker is not given the next
            summary=at_stage(known.plan, due.node, f"guard {use.name} of attempt {due.attempt}"),
        )
        marker = f"gatework-stored-{due.node}-{due.attempt}-{len(due.journal)}-{use.name}"
        if not fits(len(job.message), wire.MAX_MESSAGE_BYTES, wire.MAX_STORED_BYTES, marker, stores=stores):
            return blocked(use, event.output.digest, f"the guard {use.name} would be handed more than a message takes")
        try:
            answer = await done(job, heartbeat_timeout=heartbeat_timeout, idle=idle)
            given: Given = wire.decode(Given, data_of(answer) or b"", what=f"verdict of {use.name}")
        except ActivityError as error:
            return blocked(use, event.output.digest, why(error, f"the guard {use.name}").reason)
        except ContractError as error:
            return blocked(use, event.output.digest, str(error))
        if given.guard != use.name:
            return blocked(use, event.output.digest, f"the guard {use.name} was answered for by another")
        return given

    return joined(node, event, await asyncio.gather(*map(asked, isolated(node))))
