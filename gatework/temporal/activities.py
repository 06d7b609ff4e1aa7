"""Activities: one for each stage and endorser, each running one attempt of a node."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from gatework import canonical, models, wire
from gatework.adopted import CALLER
from gatework.errors import ConfigError, ContractError, OrderError
from gatework.events import Failed, Finished, Result
from gatework.library import Library
from gatework.logs import emit
from gatework.logs.story import short_digest
from gatework.models.question import Model
from gatework.perform import perform
from gatework.temporal.attempt import HEARTBEAT_TIMEOUT, HEARTBEATS, UNREADY, Task, activity_type
from gatework.temporal.payloads import application_error, data_of, raw
from gatework.temporal.threaded import threaded
from gatework.threads import Threads

KEPT_THREADS = 32
"""Threads that are kept for the next guards: starting one costs as much as the rest of an attempt."""


def stage_activities(
    library: Library, *, model: Model | str | None, seed: int
) -> Mapping[str, Callable[[RawValue], Any]]:
    """The activity for each stage and endorser of a library, by the name of what it runs."""

    @functools.cache
    def connected() -> Model:
        return models.connect(model) if model is None or isinstance(model, str) else model

    served = _Served(library, connected, seed, Threads(keep=KEPT_THREADS))

    def serving(name: str) -> Callable[[RawValue], Any]:
        async def attempt(task: RawValue) -> RawValue:
            return raw(wire.encode(await _attempt(served, task)))

        return activity.defn(name=activity_type(name))(attempt)

    return {name: serving(name) for name in library.definitions}


@dataclass(frozen=True)
class _Served:
    """What the activities of a worker share."""

    library: Library
    model: Callable[[], Model]
    seed: int
    threads: Threads


async def _attempt(served: _Served, task_: RawValue) -> Result:
    info = activity.info()
    if not info.workflow_type:
        raise application_error(OrderError("A stage runs only inside a run of its plan."))
    try:
        task: Task = wire.decode(Task, data_of(task_) or b"", what="task")
    except ContractError as error:
        raise application_error(error) from None
    run = task.run
    about: emit.Fields = {
        "run": info.workflow_id or "",
        "run_id": info.workflow_run_id or "",
        "workflow": info.workflow_type,
        "plan": short_digest(run.plan),
        "stage": run.node,
        "attempt": run.attempt,
    }
    CALLER.set(threaded)
    with emit.bound(about):
        return await _tried(served, info, task)


async def _tried(served: _Served, info: activity.Info, task: Task) -> Result:
    """One of Temporal's tries of an attempt."""
    assert info.workflow_type
    known = served.library.find(info.workflow_type, task.run.plan)
    if known is None or known.problem:
        # Another worker of the queue may have a later or an earlier deploy, so this one may be tried again.
        reason = known.problem if known else "this worker does not know the plan"
        emit.say("try.failed", {"try": info.attempt, "reason": reason})
        raise ApplicationError(f"Plan {task.run.plan[:12]}: {reason}.", type=UNREADY)
    runs, queue = known.runs(task.run.node)
    if activity_type(runs) != info.activity_type or queue not in ("", info.task_queue):
        raise application_error(OrderError(f"The plan does not run {info.activity_type} where it was asked to."))
    code = known.code[runs]
    if emit.wanted(logging.INFO):
        emit.say("stage.started", {"digest": short_digest(task.run.inputs_digest), "try": info.attempt})
    if emit.VALUES.isEnabledFor(logging.INFO):
        for name, sealed in task.run.inputs.items():
            emit.say_value(f"input {name}", canonical.dumps(sealed.data).decode())
    beating = _Heartbeat((info.heartbeat_timeout or HEARTBEAT_TIMEOUT).total_seconds() / HEARTBEATS)
    try:
        event = await perform(
            task.run,
            known.plan,
            code,
            lineage=task.lineage,
            model=served.model,
            seed=served.seed,
            threads=served.threads,
        )
    finally:
        beating.stop()
    if isinstance(event, Finished):
        if emit.VALUES.isEnabledFor(logging.INFO):
            emit.say_value("output", canonical.dumps(event.output.data).decode())
        return event
    if isinstance(event, Failed) and event.failure == "error" and not event.sent and info.attempt < task.tries:
        emit.say("try.failed", {"try": info.attempt, "reason": event.reason})
        raise application_error(ConfigError(event.reason), retryable=True)
    return event


class _Heartbeat:
    """Beats until it is stopped; a timer and no task, since most stages end before the first beat."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = self._after_a_while()

    def _after_a_while(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._seconds, self._beat)

    def _beat(self) -> None:
        activity.heartbeat()
        self._next = self._after_a_while()

    def stop(self) -> None:
        self._next.cancel()
