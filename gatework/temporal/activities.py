"""Activities: one for each stage and endorser, each running one attempt of a node."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from gatework import models, wire
from gatework.errors import ConfigError, ContractError, OrderError
from gatework.events import Failed, Finished
from gatework.library import Library
from gatework.models.question import Model
from gatework.perform import perform
from gatework.temporal.attempt import HEARTBEAT_TIMEOUT, HEARTBEATS, UNREADY, Task
from gatework.temporal.payloads import application_error, data_of, raw

_log = structlog.get_logger("gatework")


def stage_activities(library: Library, *, model: Model | str | None, seed: int) -> Sequence[Callable[[RawValue], Any]]:
    """The activities that a worker serves for a library."""

    @functools.cache
    def connected() -> Model:
        return models.connect(model) if model is None or isinstance(model, str) else model

    def serving(name: str) -> Callable[[RawValue], Any]:
        async def attempt(task: RawValue) -> RawValue:
            return raw(wire.encode(await _attempt(library, task, connected, seed)))

        return activity.defn(name=name)(attempt)

    return [serving(name) for name in library.definitions]


async def _attempt(library: Library, task_: RawValue, model: Callable[[], Model], seed: int) -> Finished | Failed:
    info = activity.info()
    if not info.workflow_type:
        raise application_error(OrderError("A stage runs only inside a run of its plan."))
    try:
        task: Task = wire.decode(Task, data_of(task_) or b"", what="task")
    except ContractError as error:
        raise application_error(error) from None
    known = library.find(info.workflow_type, task.run.plan)
    if known is None or known.problem:
        # Another worker of the queue may have a later or an earlier deploy, so this one may be tried again.
        reason = known.problem if known else "this worker does not know the plan"
        raise ApplicationError(f"Plan {task.run.plan[:12]}: {reason}.", type=UNREADY)
    if known.runs(task.run.node) != info.activity_type:
        raise application_error(OrderError(f"The plan does not run {info.activity_type} where it was asked to."))
    code = known.code[info.activity_type]
    log = _log.bind(run=info.workflow_id, plan=task.run.plan[:12], stage=task.run.node, attempt=task.run.attempt)
    log.info("stage started")
    beating = asyncio.create_task(
        _heartbeat((info.heartbeat_timeout or HEARTBEAT_TIMEOUT).total_seconds() / HEARTBEATS)
    )
    try:
        event = await perform(task.run, known.plan, code, lineage=task.lineage, model=model, seed=seed)
    finally:
        beating.cancel()
    if isinstance(event, Finished):
        for given in event.verdicts:
            log.info("verdict", guard=given.guard, verdict=given.verdict, reason=given.reason)
        log.info("stage finished", output=event.output.digest[:12])
        return event
    log.warning("stage failed", failure=event.failure, reason=event.reason)
    if event.failure == "error" and not event.sent and info.attempt < task.tries:
        raise application_error(ConfigError(event.reason), retryable=True)
    return event


async def _heartbeat(seconds: float) -> None:
    # Most stages end before the first one, and each costs as much as a guard.
    while True:
        await asyncio.sleep(seconds)
        activity.heartbeat()
