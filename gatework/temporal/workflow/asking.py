"""Having a worker do one thing: an activity, what its task queue's silence means, and what its failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from gatework.temporal.transport.payloads import NOT_HAD, OURS, UNREADY, OwnPayloads, raw

GRACE = timedelta(seconds=15)
"""What an activity gets beyond its own timeout before Temporal gives it up."""

TRIES = 4
"""How often an activity is run whose code broke or whose worker died. An effect is sent once."""

PATIENCE = timedelta(seconds=30)
"""How long what has a task queue of its own lies there before the run says so, at first; then twice as long."""

MOST_PATIENCE = timedelta(days=1)

_LONGEST = timedelta(days=3650)
"""Temporal takes no time without end."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is asked to do."""

    type: str
    """The activity type."""
    what: str
    """What it is, in a few words: the name of a node or of a tool."""
    message: bytes
    queue: str
    """The task queue; empty for that of the run."""
    timeout_seconds: float
    once: bool
    """Whether it is never begun a second time: an effect."""
    summary: str
    """What the timeline of the UI shows."""


def span(seconds: float) -> timedelta:
    """A plan's time as Temporal takes it."""
    return timedelta(seconds=min(seconds, _LONGEST.total_seconds()))


async def done(job: Job, *, heartbeat_timeout: timedelta, idle: Callable[[str], None]) -> RawValue:
    """What a worker answers. Raises `ActivityError`, of which `why` knows what it means.

    `idle` is told in a sentence that no worker of the job's own task queue takes it.
    """
    tried, patience = 0, PATIENCE
    while True:
        tried += 1
        try:
            return await _settled(_started(job, heartbeat_timeout, patience))
        except ActivityError as error:
            cancelled = is_cancelled()
            if job.queue and _not_taken(error) and not cancelled:
                seconds = f"{patience.total_seconds():.0f} s"
                idle(f"No worker of the task queue {job.queue} has taken {job.what} for {seconds}; start one there.")
                tried, patience = tried - 1, min(2 * patience, MOST_PATIENCE)
                continue
            # An effect that no worker has begun is in no doubt: deploys go from one version to the next in steps.
            if not (job.once and _not_begun(error)) or cancelled or tried == TRIES:
                raise
        await workflow.sleep(timedelta(seconds=2**tried), summary=f"{job.summary}, again soon")


def is_cancelled() -> bool:
    """Whether the run is cancelled and ends what is under way. One that undoes what it did ends nothing."""
    run = workflow.instance()
    return workflow.cancellation_reason() is not None and not (isinstance(run, OwnPayloads) and run.undoing)


def _started(job: Job, heartbeat_timeout: timedelta, patience: timedelta) -> workflow.ActivityHandle[RawValue]:
    return workflow.start_activity(
        job.type,
        raw(job.message),
        result_type=RawValue,
        task_queue=job.queue or None,
        schedule_to_start_timeout=patience if job.queue else None,
        start_to_close_timeout=span(job.timeout_seconds) + GRACE,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=RetryPolicy(
            maximum_attempts=1 if job.once else TRIES,
            maximum_interval=timedelta(seconds=30),
            # The machine counts attempts that took too long; a dead worker's is Temporal's to repeat.
            non_retryable_error_types=["TemporalTimeout:StartToClose"],
        ),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=job.summary,
    )


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


@dataclass(frozen=True, kw_only=True)
class Why:
    """What it means that a worker gave no answer."""

    reason: str
    """In a few words of ours."""
    late: bool = False
    """Whether it took longer than it may."""
    begun: bool = True
    """Whether it may have begun; where not, nothing can have happened."""


def why(error: ActivityError, what: str) -> Why:
    """What the failure of an activity means."""
    cause = error.cause
    begun = not (_not_begun(error) or _not_taken(error))
    if isinstance(cause, ActivityTimeoutError) and cause.type is TimeoutType.START_TO_CLOSE:
        return Why(reason=f"{what} took longer than Temporal waits", late=True)
    if isinstance(cause, ActivityTimeoutError):
        return Why(reason=f"the worker of {what} died or went silent", begun=begun)
    if is_cancelled_exception(error):
        # It may never have left its task queue.
        return Why(reason=f"{what} was cancelled", begun=begun and error.started_event_id != 0)
    if isinstance(cause, ApplicationError) and (cause.type or "").startswith(OURS):
        # Our own activities raise before they begin, and answer after; but what they answer may find no store.
        return Why(reason=cause.message, begun=begun and cause.type == NOT_HAD)
    # Another worker's failure: its text is not ours, so only its kind is repeated.
    kind = (cause.type if isinstance(cause, ApplicationError) else type(cause).__name__) or ""
    return Why(reason=f"the activity of {what} failed" + (f" with {kind}" if kind.isidentifier() else ""), begun=begun)


def _not_taken(error: ActivityError) -> bool:
    """Whether it lay in its task queue for too long. Temporal gives it to nobody after that."""
    return isinstance(error.cause, ActivityTimeoutError) and error.cause.type is TimeoutType.SCHEDULE_TO_START


def _not_begun(error: ActivityError) -> bool:
    """Whether the worker that took it has not this code, or not this plan."""
    return isinstance(error.cause, ApplicationError) and error.cause.type in (UNREADY, "NotFoundError")
