"""Executions as an operator meets them: found by what was typed, decided on without the code of their workflow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from gatework import canonical
from gatework.canonical import Json
from gatework.errors import ConfigError, DecisionError
from gatework.temporal.client import Execution
from gatework.temporal.connect import connect, task_queue
from gatework.temporal.payloads import data_of
from gatework.temporal.progress import Progress, Waiting

T = TypeVar("T")

ANSWER_TIMEOUT = timedelta(seconds=20)
"""How long a worker may take to answer an operator."""

_AT_ONCE = 8
"""Queries under way at a time: each may make a worker replay a history."""


class Operated(Execution[Json]):
    """A run whose workflow is not at hand: everything but the type of its result."""

    def __init__(self, handle: WorkflowHandle[Any, Any], described: WorkflowExecution) -> None:
        self.handle = handle
        self.described = described
        """What the server knows of it without a worker."""

    async def result(self) -> Json:
        return canonical.loads(data_of(await self.handle.result(follow_runs=True)) or b"null")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run in a list."""

    id: str
    run_id: str
    workflow: str
    status: str
    """Temporal's, in lower case; `waiting` where a person is asked; `unknown` where no worker could say."""
    started: datetime
    waiting: Waiting | None = None


@asynccontextmanager
async def operating() -> AsyncGenerator[Client]:
    """A client for an operator's commands. Raises `ConfigError` where no server or no worker answers."""
    client = await connect()
    try:
        yield client
    except RPCError as error:
        raise _explained(error, client) from None


async def find_run(client: Client, typed: str) -> Operated:
    """The run with this id, or the one whose id begins with it. Raises `DecisionError` where that is not one."""
    typed = typed.strip()
    if not typed:
        raise DecisionError("Name the run by its id, or the beginning of it; `gatework runs` lists them.")
    try:
        return await _described(client, typed)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    quoted = "".join(c for c in typed if c.isprintable() and c not in "'\"\\`")
    ids = [run.id async for run in client.list_workflows(f"WorkflowId STARTS_WITH '{quoted}'", limit=50)]
    match sorted(set(ids)):
        case [found] if quoted:
            return await _described(client, found)
        case [_, _, *_]:
            raise DecisionError(f"More than one run has an id that begins with {quoted}; type more of it.")
        case _:
            raise DecisionError(f"There is no run {quoted} at {address(client)}; `gatework runs --all` lists them.")


async def _described(client: Client, id: str) -> Operated:
    handle = client.get_workflow_handle(id, result_type=RawValue)
    described = await handle.describe()
    return Operated(client.get_workflow_handle(id, run_id=described.run_id, result_type=RawValue), described)


async def runs(client: Client, *, ended: bool = False, limit: int = 200) -> Sequence[Listed]:
    """The runs of this deployment's task queue, newest first; those that have ended only if asked for."""
    query = f"TaskQueue = '{task_queue()}'" + ("" if ended else " AND ExecutionStatus = 'Running'")
    found = [run async for run in client.list_workflows(query, limit=limit)]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def listed(run: WorkflowExecution) -> Listed | None:
        status = run.status.name.lower() if run.status else "unknown"
        waiting = None
        if status == "running":
            async with slots:
                try:
                    state = await answered(Operated(client.get_workflow_handle(run.id, run_id=run.run_id), run).state())
                    status, waiting = state.status, state.waiting
                except WorkflowQueryFailedError:
                    return None  # not one of ours
                except (ConfigError, RPCError):
                    status = "unknown"
        return Listed(
            id=run.id,
            run_id=run.run_id,
            workflow=run.workflow_type,
            status=status,
            started=run.start_time,
            waiting=waiting,
        )

    return [run for run in await asyncio.gather(*(listed(run) for run in found)) if run is not None]


async def answered(question: Awaitable[T]) -> T:
    """What a worker answers. Raises `ConfigError` where none does in time."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
            return await question
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise ConfigError(
            f"No worker answered within {ANSWER_TIMEOUT.total_seconds():.0f} s, so a decision may be taken later or "
            "not at all; start one with `python worker.py`, then look again with `gatework show`."
        ) from None
    except WorkflowQueryFailedError as error:
        if "unknown queryType" in str(error) or "not found" in str(error):
            raise DecisionError("That run is not one of Gatework's.") from None
        raise


async def progress_of(run: Execution[Any]) -> Progress:
    """Where a run stands, as a worker answers."""
    return await answered(run.state())


def address(client: Client) -> str:
    """Where the client's server is."""
    return client.service_client.config.target_host


def _explained(error: RPCError, client: Client) -> Exception:
    match error.status:
        case RPCStatusCode.UNAVAILABLE:
            return ConfigError(f"The Temporal server at {address(client)} does not answer any more.")
        case RPCStatusCode.FAILED_PRECONDITION | RPCStatusCode.DEADLINE_EXCEEDED:
            return ConfigError("No worker serves that run; start one with `python worker.py`.")
        case RPCStatusCode.NOT_FOUND:
            return DecisionError("The run has ended, or is not there any more.")
        case _:
            return ConfigError(f"Temporal refused: {error.message.rstrip('.')}.")


__all__ = ["Client", "Listed", "Operated", "address", "answered", "find_run", "operating", "progress_of", "runs"]
