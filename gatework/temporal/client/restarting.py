"""Resuming a run that has ended, as an operator does it: looked at first, then started as a new run under its id."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import DecisionError
from gatework.temporal.client.client import input_of
from gatework.temporal.client.history import never_began
from gatework.temporal.client.operate import Operated, answered, ended_as, find_run
from gatework.temporal.transport.captions import STOPPING
from gatework.temporal.transport.executions import events_of, listed
from gatework.temporal.transport.payloads import data_of, raw
from gatework.temporal.workflow.resuming import NOT_BEGUN, Request, input_of_request
from gatework.values import canonical
from gatework.values.canonical import Json

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@ -]*")

BEGIN_SECONDS = 60.0
"""How long the new run may take to look at the old one."""


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
