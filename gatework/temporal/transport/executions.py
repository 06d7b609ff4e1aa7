"""The executions of one workflow id, as the server lists them, and the cut at which one was reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from gatework.temporal.transport.payloads import UNREADY

LIST_SECONDS = 20.0
"""How long the server's list of runs may be behind what has happened."""


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
