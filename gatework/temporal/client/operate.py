"""Executions as an operator meets them: found by what was typed, decided on without the code of their workflow."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
    WorkflowQueryFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from gatework.define.workflow import Workflow
from gatework.errors import ConfigError, ContractError, DecisionError, GateworkError
from gatework.run.events import Action
from gatework.temporal.client.client import Execution, started
from gatework.temporal.page.progress import Progress, Waiting
from gatework.temporal.transport import pages, search
from gatework.temporal.transport.connection import connect, task_queue
from gatework.temporal.transport.payloads import OURS, data_of, not_had
from gatework.temporal.transport.storing import has_store, most_in_value
from gatework.values import canonical
from gatework.values.canonical import Json

T = TypeVar("T")

ANSWER_TIMEOUT = timedelta(seconds=20)
"""How long a worker may take to answer an operator."""

MOST_LISTED = 200
"""How many runs a list holds."""

_AT_ONCE = 8
"""Queries under way at a time: each may make a worker replay a history."""


class Operated(Execution[Json]):
    """A run whose workflow is not at hand: everything but the type of its result."""

    def __init__(self, handle: WorkflowHandle[Any, Any], described: WorkflowExecution) -> None:
        self.handle = handle
        self.described = described
        """What the server knows of it without a worker."""

    async def result(self) -> Json:
        data = data_of(await self.handle.result(follow_runs=True)) or b"null"
        return canonical.loads(data, max_bytes=canonical.MAX_STORED_VALUE_BYTES)

    async def decide(self, action: Action, fields: Mapping[str, Json]) -> str:
        """Send a decision as it stands. Raises `DecisionError` with the reason of a refusal."""
        if self.described.status is not WorkflowExecutionStatus.RUNNING:
            raise DecisionError(f"{self.id} has ended; nothing is decided in it any more. `gatework show` says how.")
        return await self._decide(action, **fields)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run in a list."""

    id: str
    run_id: str
    workflow: str
    status: str
    """As the run itself says: `running`, `waiting`, `completed`, `rejected` and so on; `failed`, `terminated`,
    `timed_out` where it ended otherwise; `unknown` where it is running and no worker could say."""
    plan: str
    """The first 16 digits of the digest of its plan; empty for a run that has not begun."""
    started: datetime
    ended: datetime | None = None
    reason: str = ""
    """Of an end other than completion."""
    waiting: Waiting | None = None
    needs: str = ""
    """The role that a person must have who is needed; also where no worker answers, if the server was told."""
    overrides: str = ""
    """The role that may override what it waits for; empty where nobody may, or no worker answers."""
    parent: str = ""
    """The id of the run that started it; empty for one that none did."""
    overridden: bool | None = False
    """Whether people let something in it past what had stopped it. None where only the run itself could say: it has
    ended, or no worker answers, and the server was told nothing of it."""


_ENDED = re.compile(rf"{re.escape(OURS)}(rejected|aborted|expired)")
_STATUS = {"canceled": "cancelled"}
MARKER = "plan-"
"""What comes before a plan's digest in the marker of a run."""
MARKER_DIGITS = 16
"""How much of a plan's digest the marker in a run's history holds; see `pin`."""


async def start_run(
    client: Client, workflow: Workflow[Any, Any], data: bytes, *, id: str = "", queue: str = ""
) -> tuple[Operated, bool]:
    """Start a run on JSON that keeps to its contract, or find the one that is there; and whether it was started now.

    Raises `ContractError` and `ConflictError` as `start` does.
    """
    sent = workflow.input.accept(data, max_bytes=most_in_value(has_store(client.data_converter)))
    found, new = await started(client, workflow, sent, id=id, task_queue=queue)
    return await _described(client, found), new


@asynccontextmanager
async def operating() -> AsyncGenerator[Client]:
    """A client for an operator's commands. Raises `ConfigError` where no server or no worker answers."""
    client = await connect()
    try:
        yield client
    except (RPCError, RuntimeError) as error:
        raise explained(error, client) or error from None


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
    quoted = _quotable(typed)
    match await ids_beginning(client, typed):
        case [found] if quoted:
            return await _described(client, found)
        case [_, _, *_]:
            raise DecisionError(f"More than one run has an id that begins with {quoted}; type more of it.")
        case _:
            raise DecisionError(f"There is no run {quoted} at {address(client)}; `gatework runs --all` lists them.")


async def ids_beginning(client: Client, typed: str, *, limit: int = 50) -> list[str]:
    """The ids of runs that begin with what was typed."""
    query = f"WorkflowId STARTS_WITH '{_quotable(typed)}'" if typed else ""
    return sorted({run.id async for run in client.list_workflows(query, limit=limit)})


def _quotable(typed: str) -> str:
    return "".join(c for c in typed if c.isprintable() and c not in "'\"\\`")


async def _described(client: Client, id: str) -> Operated:
    handle = client.get_workflow_handle(id, result_type=RawValue)
    described = await handle.describe()
    return Operated(client.get_workflow_handle(id, run_id=described.run_id, result_type=RawValue), described)


async def runs(
    client: Client,
    *,
    ended: bool = False,
    waiting: bool = False,
    role: str = "",
    workflow: str = "",
    plan: str = "",
    limit: int = MOST_LISTED,
) -> tuple[Sequence[Listed], bool]:
    """The runs of this deployment's task queue, those that run before those that ended, newest first; and whether there
    are more than were looked at.

    Those that have ended are listed only if asked for. `waiting`: only those that wait for a person, and those of which
    nobody can say; `role`: only where one of that role is needed, or may override. `plan` is the beginning of a digest.
    Raises `DecisionError` where a filter cannot be one.
    """
    needed = search.whom(role)
    query = [f"TaskQueue = '{task_queue()}'"]
    query += [] if ended else ["ExecutionStatus = 'Running'"]
    if workflow:
        if not workflow.isidentifier():
            raise DecisionError("A workflow is named as its function; `gatework plan show` lists them.")
        query.append(f"WorkflowType = '{workflow}'")
    if plan:
        plan = plan.lower()
        if not re.fullmatch(r"[0-9a-f]{4,64}", plan):
            raise DecisionError("A plan is named by the beginning of its digest, at least four hex digits.")
        if len(plan) >= MARKER_DIGITS:
            query.append(f"TemporalChangeVersion = '{MARKER}{plan[:MARKER_DIGITS]}'")
    queries = [query]
    if (waiting or role) and await search.registered(client) is search.Registered.YES:
        # What a run that began without the attributes waits for, only a worker knows.
        queries = [[*query, f"({needed} OR {search.STATUS} is null)"]]
        # Nor was the server told who may override: of those that need others, their workers say it. They come behind,
        # so that however many they are, none is left out that needs this role.
        queries += [[*query, search.whom(), search.other_than(role)]] if role else []
    looked = [[run async for run in client.list_workflows(" AND ".join(one), limit=limit + 1)] for one in queries]
    found = [run for runs in looked for run in runs[:limit]]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def listed(run: WorkflowExecution) -> Listed | None:
        if not plan_of(run).startswith(plan[:MARKER_DIGITS]):
            return None
        async with slots:
            return await _listed(client, run)

    told = await asyncio.gather(*[listed(run) for run in found])
    kept = [
        run
        for run in told
        if run is not None
        and (not (waiting or role) or run.status in ("waiting", "unknown"))
        and (not role or role in (run.needs, run.overrides) or (run.status == "unknown" and not run.needs))
        # A child run is its parent's to show, unless it waits for a person, who must find it.
        and (ended or not run.parent or run.status in ("waiting", "unknown"))
    ]
    return kept, any(len(runs) > limit for runs in looked)


async def waiting_page(client: Client, role: str = "") -> str:
    """The page of the UI with the runs that wait for a person, or for one of a role; empty where there is none."""
    if await search.registered(client) is not search.Registered.YES:
        return ""
    return pages.waiting(await pages.ui_of(client), client.namespace, role)


async def _listed(client: Client, run: WorkflowExecution) -> Listed | None:
    """A run as a line of a list; None for one that is not ours, or is only a part of one."""
    waiting, plan, needs, overridden = None, plan_of(run), "", _overridden(run)
    status, reason = await ended_as(client, run)
    if status == "running":
        try:
            state = await answered(Operated(client.get_workflow_handle(run.id, run_id=run.run_id), run).state())
            status, waiting, plan = state.status, state.waiting, state.plan[:MARKER_DIGITS]
            needs, overridden = waiting.role if waiting else "", overridden or bool(state.overrides)
        except (WorkflowQueryFailedError, DecisionError):
            return None
        except (ConfigError, ContractError, RPCError):  # nobody answers, or in words of another version
            status, needs = "unknown", next(iter(map(str, run.search_attributes.get(search.NEEDS, ()))), "")
    elif status == "continued_as_new" or not (plan or reason):
        return None
    return Listed(
        id=run.id,
        run_id=run.run_id,
        workflow=run.workflow_type,
        status=status,
        plan=plan,
        started=run.start_time,
        ended=run.close_time,
        reason=reason,
        waiting=waiting,
        needs=needs,
        overrides=waiting.override.role if waiting and waiting.override else "",
        parent=run.parent_id or "",
        overridden=overridden,
    )


def _overridden(run: WorkflowExecution) -> bool | None:
    """Whether anything was overridden in a run, as far as the server was told."""
    if search.STATUS not in run.search_attributes:
        return None
    stage = next(iter(map(str, run.search_attributes.get(search.STAGE, ()))), "")
    return stage.startswith(search.OVERRIDDEN)


def plan_of(run: WorkflowExecution) -> str:
    """The first 16 digits of the plan that a run is held to, as the server knows it; empty where it does not yet."""
    markers = [str(version) for version in run.search_attributes.get("TemporalChangeVersion", ())]
    return next((marker.removeprefix(MARKER) for marker in markers if marker.startswith(MARKER)), "")


async def ended_as(client: Client, run: WorkflowExecution) -> tuple[str, str]:
    """How a run stands, and why it ended other than well, without asking a worker.

    To Temporal a run that was rejected has failed like one whose code broke; its last event tells them apart.
    """
    status = run.status.name.lower() if run.status else "unknown"
    if run.status is not WorkflowExecutionStatus.FAILED:
        return _STATUS.get(status, status), ""
    last = client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events(
        event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT
    )
    async for event in last:
        failure = event.workflow_execution_failed_event_attributes.failure
        error: BaseException = await client.data_converter.decode_failure(failure)
        kind = error.type or "" if isinstance(error, ApplicationError) else ""
        ours = _ENDED.fullmatch(kind)
        # Text of others may hold anything of a run; ours is written for people.
        reason = error.message if isinstance(error, FailureError) and kind.startswith(OURS) else kind
        return ours[1] if ours else status, reason
    return status, ""


async def answered(question: Awaitable[T]) -> T:
    """What a worker answers. Raises `ConfigError` where none does in time."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
            return await question
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise ConfigError(
            f"No worker answered within {ANSWER_TIMEOUT.total_seconds():.0f} s, so a decision may be taken later or "
            "not at all; start one with `gatework worker`, then look again with `gatework show`."
        ) from None
    except WorkflowQueryFailedError as error:
        if "unknown queryType" in str(error) or "not found" in str(error):
            raise DecisionError("That run is not one of Gatework's.") from None
        raise


async def progress_of(run: Execution[Any]) -> Progress:
    """Where a run stands, as a worker answers."""
    return await answered(run.state())


async def whole(run: Execution[Any], progress: Progress) -> Progress:
    """The progress with the values that were too large for one answer."""
    waiting = progress.waiting
    if waiting is None or not waiting.left_out:
        return progress
    shown = dict(waiting.shown)
    for name in waiting.left_out:
        shown |= (await run.evidence(name))["shown"]
    return replace(progress, waiting=replace(waiting, shown=shown, left_out=()))


def address(client: Client) -> str:
    """Where the client's server is."""
    return client.service_client.config.target_host


def explained(error: Exception, client: Client | None) -> GateworkError | None:
    """What the server's refusal means to an operator; None for an error that is none of the server's."""
    if (away := not_had(error)) is not None:
        return away
    if client is None or not isinstance(error, RPCError):
        return None
    match error.status:
        case RPCStatusCode.UNAVAILABLE:
            return ConfigError(f"The Temporal server at {address(client)} does not answer any more.")
        case RPCStatusCode.FAILED_PRECONDITION | RPCStatusCode.DEADLINE_EXCEEDED:
            return ConfigError("No worker serves that run; start one with `gatework worker`.")
        case RPCStatusCode.NOT_FOUND if "namespace" in error.message.lower():
            return ConfigError(
                f"There is no namespace {client.namespace} at {address(client)}: `gatework setup` makes it, or set "
                "TEMPORAL_NAMESPACE to another."
            )
        case RPCStatusCode.NOT_FOUND:
            return DecisionError("The run has ended, or is not there any more.")
        case RPCStatusCode.PERMISSION_DENIED | RPCStatusCode.UNAUTHENTICATED:
            return ConfigError(f"The server at {address(client)} does not let us: check the key and the namespace.")
        case _:
            return ConfigError(f"Temporal refused: {error.message.rstrip('.')}.")


__all__ = [
    "Client",
    "Listed",
    "Operated",
    "address",
    "answered",
    "ended_as",
    "explained",
    "find_run",
    "ids_beginning",
    "operating",
    "plan_of",
    "progress_of",
    "runs",
    "start_run",
    "waiting_page",
    "whole",
]
