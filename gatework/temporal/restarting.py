"""Resuming a run that has ended, as an operator does it: looked at first, then started as a new run under its id."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import DecisionError
from gatework.temporal.asking import UNREADY
from gatework.temporal.captions import STOPPING
from gatework.temporal.client import input_of
from gatework.temporal.operate import Operated, answered, ended_as, find_run
from gatework.temporal.payloads import OURS, data_of, raw
from gatework.temporal.resuming import NOT_BEGUN, REFUSED, Request, activity_type, input_of_request
from gatework.values import canonical
from gatework.values.canonical import Json

_NOTHING = (REFUSED, f"{OURS}contract")
"""Types of the failures of runs that never began: refused what they were to resume, or their input."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@ -]*")

LIST_SECONDS = 20.0
"""How long the server's list of runs may be behind what has happened."""

BEGIN_SECONDS = 60.0
"""How long the new run may take to look at the old one."""


async def listed(client: Client, id: str) -> AsyncIterator[tuple[str, datetime | None]]:
    """The runs of an id as the server lists them, and when each ended; None for one that is open."""
    # An id is anybody's text. The query holds its plain beginning, and the rest is compared here.
    plain = id[
        : next((at for at, c in enumerate(id) if not (c.isascii() and (c.isalnum() or c in "-_.:/@ "))), len(id))
    ]
    query = f"WorkflowId = '{id}'" if plain == id else f"WorkflowId STARTS_WITH '{plain}'" if plain else ""
    async for run in client.list_workflows(query):
        if run.id == id:
            yield run.run_id, None if run.status is WorkflowExecutionStatus.RUNNING else run.close_time


async def ends(client: Client, id: str, mine: str) -> Mapping[str, datetime]:
    """When each other run of an id ended, once the server's list has the run that asks, and no other is open.

    Raises `ApplicationError`, to be tried again, where the list stays behind.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(LIST_SECONDS):
            while True:
                found = {run: ended async for run, ended in listed(client, id)}
                ended = {run: at for run, at in found.items() if at is not None and run != mine}
                if mine in found and len(ended) == len(found) - 1:
                    return ended
                await asyncio.sleep(0.2)
    raise ApplicationError("The server's list of runs is behind what happens; try again.", type=UNREADY)


async def events_of(client: Client, id: str, run_id: str) -> Sequence[HistoryEvent]:
    """The history of a run."""
    return (await client.get_workflow_handle(id, run_id=run_id).fetch_history()).events


def was_reset(event: HistoryEvent) -> bool:
    """Whether an event is the cut at which a run was reset: what is before it was copied from another run."""
    return (
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and event.workflow_task_failed_event_attributes.cause
        == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    )


def never_began(events: Sequence[HistoryEvent]) -> bool:
    """Whether a run ended before anything was done in it: nobody took it, or it was refused what it was to resume."""
    failure = events[-1].workflow_execution_failed_event_attributes.failure
    if failure.application_failure_info.type in _NOTHING:
        return True
    kinds = {event.event_type for event in events}
    if EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED not in kinds:
        return True
    type_ = activity_type(events[0].workflow_execution_started_event_attributes.workflow_type.name)
    looks = {
        event.event_id for event in events if event.activity_task_scheduled_event_attributes.activity_type.name == type_
    }
    took = any(event.activity_task_completed_event_attributes.scheduled_event_id in looks for event in events)
    return bool(looks) and not took


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that has ended and may go on, with what resuming it would do."""

    run: Operated
    status: str
    """As in `Listed`."""
    reason: str
    place: str
    """From where it was looked at, as it was asked; empty for where it ended."""
    told: Mapping[str, Json]
    """`plan`, `from`, `kept`, `again`, `void`, `note` and `refused`, as a worker says."""


async def look(client: Client, id: str, place: str = "") -> Ended:
    """What resuming the last run of an id would do. Raises `DecisionError` where there is none that has ended."""
    run = await _last(client, id)
    status, reason = await ended_as(client, run.described)
    if status == "running":
        raise DecisionError("The run has not ended; answer where it waits, or cancel it first.")
    sent = [raw(canonical.dumps({"from": place}))] if place else []
    try:
        answer = await answered(run.handle.query("resume", *sent, result_type=RawValue))
    except WorkflowQueryFailedError as error:
        raise DecisionError(error.message) from None
    except RPCError:
        if never_began(await events_of(client, run.id, run.described.run_id)):  # of which a server answers nothing
            raise DecisionError(NOT_BEGUN) from None
        raise
    told: Mapping[str, Json] = canonical.loads(data_of(answer) or b"")
    return Ended(run=run, status=status, reason=reason, place=place, told=told)


async def _last(client: Client, id: str) -> Operated:
    """The last run of an id that began; those that were refused at their beginning are no runs to resume."""
    found = await find_run(client, id)
    last: WorkflowExecutionDescription = await found.handle.describe()
    running = last.status is WorkflowExecutionStatus.RUNNING
    if running or not never_began(await events_of(client, found.id, last.run_id)):
        return found
    ended = [(at, run_id) async for run_id, at in listed(client, found.id) if at is not None]
    for _, run_id in sorted(ended, reverse=True):
        if not never_began(await events_of(client, found.id, run_id)):
            handle: WorkflowHandle[object, object] = client.get_workflow_handle(
                found.id, run_id=run_id, result_type=RawValue
            )
            return Operated(handle, await handle.describe())
    return found


async def resumed(client: Client, ended: Ended, *, by: str = "", note: str = "") -> Operated:
    """Start the run that goes on, and wait until it has begun. Raises `DecisionError` with the reason of a refusal."""
    run, described = ended.run, ended.run.described
    assert isinstance(described, WorkflowExecutionDescription)
    info = described.raw_description.workflow_execution_info
    request = Request(run=run.described.run_id, place=ended.place, by=by, note=note)
    try:
        started = await client.start_workflow(
            described.workflow_type,
            args=[raw(await _input(client, run, info.first_run_id)), raw(input_of_request(request))],
            id=run.id,
            task_queue=described.task_queue,
            # One run of an id at a time, and none after one that completed.
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            static_summary=await described.static_summary(),
            static_details=await described.static_details() or STOPPING,
        )
    except WorkflowAlreadyStartedError:
        raise DecisionError("Another run of that id goes on already, or has completed; look at it.") from None
    handle = client.get_workflow_handle(run.id, run_id=started.result_run_id, result_type=RawValue)
    new = Operated(handle, await handle.describe())
    return await _begun(client, new)


async def _input(client: Client, run: Operated, first: str) -> bytes:
    """What the run was started from, or what a worker has of it where the server has forgotten its beginning."""
    try:
        return await input_of(client, run.id, first or run.described.run_id)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    ledger, values = await answered(run.ledger()), await answered(run.values())
    return canonical.dumps(values.get(ledger[0].receipt.output))


async def _begun(client: Client, run: Operated) -> Operated:
    async with asyncio.timeout(BEGIN_SECONDS):
        while True:
            described = await run.handle.describe()
            status, reason = await ended_as(client, described)
            ended = status not in ("running", "completed")
            if ended and never_began(await events_of(client, run.id, described.run_id)):
                raise DecisionError(reason or "The new run was ended before it began; resume it again.")
            if status != "running" or (await answered(run.state())).plan:
                return Operated(run.handle, described)
            await asyncio.sleep(0.1)
