"""One attempt of a node as one activity: what is asked of a worker, and what its answer, or its silence, means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from gatework import canonical, wire
from gatework.errors import ContractError
from gatework.events import Event, Failed, FailureKind, Finished, Result, Stopped
from gatework.library import Known
from gatework.plan import Work
from gatework.state import Run
from gatework.temporal.payloads import OURS, data_of, raw
from gatework.verdict import short

GRACE = timedelta(seconds=15)
"""What an attempt gets beyond its own timeout before Temporal gives it up."""

HEARTBEAT_TIMEOUT = timedelta(seconds=20)
"""How soon a dead worker is noticed, unless `GateworkPlugin(heartbeat_timeout=…)` says otherwise."""

HEARTBEATS = 5
"""How often in that time a running stage shows that its worker lives."""

TRIES = 4
"""How often Temporal runs an attempt whose code broke or whose worker died. An effect's attempt is run once."""

PATIENCE = timedelta(seconds=30)
"""How long a stage with a task queue of its own lies there before the run says so, at first; then twice as long."""

MOST_PATIENCE = timedelta(days=1)

UNREADY = f"{OURS}unready"
"""Type of the failure with which a worker gives back an attempt of a plan that it does not have."""

_MOST_VALUES = canonical.MAX_VALUES + 10_000
"""In a result: those of the output, and what is said of how it came about. Temporal lets no task think for 2 s."""

_LONGEST = timedelta(days=3650)
"""Temporal takes no time without end."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the workflow asks of a worker: one attempt."""

    lineage: str
    """What names the run across retries, continue-as-new and reset."""
    tries: int
    """How often Temporal tries again after an exception of the code."""
    run: Run


def activity_type(runs: str) -> str:
    """The activity type of a stage or endorser: never that of an activity which the same worker serves for others."""
    return f"stage.{runs}"


def span(seconds: float) -> timedelta:
    """A plan's time as Temporal takes it."""
    return timedelta(seconds=min(seconds, _LONGEST.total_seconds()))


async def performed(
    known: Known, due: Run, *, lineage: str, heartbeat_timeout: timedelta, idle: Callable[[str], None]
) -> Result:
    """Have a worker run an attempt. Whatever comes back, or does not, is an event for the machine to judge.

    `idle` is told in a sentence that no worker of the stage's own task queue takes it.
    """
    plan = known.plan
    position = plan.index[due.node]
    node = plan.nodes[position]
    assert isinstance(node, Work)
    tries = 1 if node.tools else TRIES
    task = wire.encode(Task(lineage=lineage, tries=tries, run=due))
    if len(task) > wire.MAX_MESSAGE_BYTES:
        reason = f"the inputs of {due.node} are {len(task)} bytes together, more than the {wire.MAX_MESSAGE_BYTES}"
        return failed(due, "error", f"{reason} that one stage can be given; pass on where they lie instead")
    tried, patience = 0, PATIENCE
    while True:
        tried += 1
        try:
            activity = workflow.start_activity(
                activity_type(node.runs),
                raw(task),
                result_type=RawValue,
                task_queue=node.queue or None,
                schedule_to_start_timeout=patience if node.queue else None,
                start_to_close_timeout=span(node.timeout_seconds) + GRACE,
                heartbeat_timeout=heartbeat_timeout,
                retry_policy=RetryPolicy(
                    maximum_attempts=tries,
                    maximum_interval=timedelta(seconds=30),
                    # The machine counts attempts that took too long; a dead worker's is Temporal's to repeat.
                    non_retryable_error_types=["TemporalTimeout:StartToClose"],
                ),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"stage {position + 1}/{len(plan.nodes)} {due.node}, attempt {due.attempt}",
            )
            answer = await _settled(activity)
            break
        except ActivityError as error:
            cancelled = workflow.cancellation_reason() is not None
            if node.queue and _not_taken(error) and not cancelled:
                seconds = f"{patience.total_seconds():.0f} s"
                idle(f"No worker of the task queue {node.queue} has taken {due.node} for {seconds}; start one there.")
                tried, patience = tried - 1, min(2 * patience, MOST_PATIENCE)
                continue
            # An effect that no worker has begun is in no doubt: deploys go from one version to the next in steps.
            if not (node.tools and _not_begun(error)) or cancelled or tried == TRIES:
                return failed(due, *_why(error, due.node, effect=bool(node.tools)))
        await workflow.sleep(timedelta(seconds=2**tried))
    try:
        sent = data_of(answer) or b""
        event: Result = wire.decode(Result, sent, what="result", max_values=_MOST_VALUES)
        if isinstance(event, Finished):
            known.check(due.node, event.output.data)
    except ContractError as error:
        return failed(due, "refused", str(error.at(f"result of {due.node}")), sent=bool(node.tools))
    return event


async def _settled(activity: workflow.ActivityHandle[RawValue]) -> RawValue:
    """What an activity came to, whether or not the run is cancelled meanwhile: its effect may have happened.

    Awaited as it is, an activity that ends in the same moment as the run is cancelled would be lost to us.
    """
    try:
        return await asyncio.shield(activity)
    except asyncio.CancelledError:
        if not activity.done():
            activity.cancel()
        return await activity


def ended_at(event: Event) -> datetime | None:
    """When an attempt ended, as its worker says; None where none does, or no calendar has such a moment.

    It is part of the result, so a ledger that is computed again has the same times. The clock of the workflow is that
    of the task which took the result, and a task that is done twice has two.
    """
    if not isinstance(event, Finished | Stopped | Failed) or event.ended_ms <= 0:
        return None
    try:
        return datetime.fromtimestamp(event.ended_ms / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def failed(due: Run, failure: FailureKind, reason: str, sent: bool = False) -> Failed:
    """An attempt that gave nothing the machine can take."""
    return Failed(
        plan=due.plan,
        node=due.node,
        attempt=due.attempt,
        inputs=due.inputs_digest,
        failure=failure,
        reason=short(reason),
        sent=sent,
    )


def _not_taken(error: ActivityError) -> bool:
    """Whether an attempt lay in its task queue for too long. Temporal gives it to nobody after that."""
    return isinstance(error.cause, ActivityTimeoutError) and error.cause.type is TimeoutType.SCHEDULE_TO_START


def _not_begun(error: ActivityError) -> bool:
    """Whether the worker that took an attempt has not this stage, or not this plan."""
    return isinstance(error.cause, ApplicationError) and error.cause.type in (UNREADY, "NotFoundError")


def _why(error: ActivityError, node: str, *, effect: bool) -> tuple[FailureKind, str, bool]:
    """What an attempt's failure on Temporal means: kind, reason, and whether an effect may have been sent."""
    cause = error.cause
    effect = effect and not (_not_begun(error) or _not_taken(error))
    late = isinstance(cause, ActivityTimeoutError) and cause.type is TimeoutType.START_TO_CLOSE
    if late:
        reason = f"{node} took longer than Temporal waits"
    elif isinstance(cause, ActivityTimeoutError):
        reason = f"the worker of {node} died or went silent"
    elif is_cancelled_exception(error):
        reason = f"{node} was cancelled"
        effect = effect and error.started_event_id != 0  # it may never have left its task queue
    elif isinstance(cause, ApplicationError) and (cause.type or "").startswith(OURS):
        return "error", cause.message, effect
    else:
        # Another worker's failure: its text is not ours, so only its kind is repeated.
        kind = (cause.type if isinstance(cause, ApplicationError) else type(cause).__name__) or ""
        reason = f"the activity of {node} failed" + (f" with {kind}" if kind.isidentifier() else "")
    return ("unknown" if effect else "timeout" if late else "error"), reason, effect
