"""Activities: one for each stage and endorser, each running one attempt of a node; and the look-up of a pin."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from temporalio import activity
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from gatework import models, wire
from gatework.errors import ConfigError, ContractError
from gatework.events import Failed, Finished
from gatework.library import Library
from gatework.models.question import Model
from gatework.perform import perform
from gatework.state import Run
from gatework.temporal.payloads import application_error, data_of, raw

_log = structlog.get_logger("gatework")

HEARTBEAT_SECONDS = 4.0
"""How often a running stage shows that its worker lives."""

PIN = "gatework.pin"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the workflow asks of a worker: one attempt."""

    lineage: str
    """What names the run across retries, continue-as-new and reset."""
    tries: int
    """How often Temporal tries again after an exception of the code."""
    run: Run


@dataclass(frozen=True, kw_only=True)
class PinQuery:
    """Which plan did the run start with that was reset into this one?"""

    workflow: str
    workflow_id: str
    run_id: str


def stage_activities(library: Library, *, model: Model | str | None, seed: int) -> Sequence[Callable[[RawValue], Any]]:
    """The activities that a worker serves for a library."""

    @functools.cache
    def connected() -> Model:
        return models.connect(model) if model is None or isinstance(model, str) else model

    def serving(name: str) -> Callable[[RawValue], Any]:
        async def attempt(task: RawValue) -> RawValue:
            return raw(wire.encode(await _attempt(library, task, connected, seed)))

        return activity.defn(name=name)(attempt)

    return [*(serving(name) for name in library.definitions), _pin]


async def _attempt(library: Library, task_: RawValue, model: Callable[[], Model], seed: int) -> Finished | Failed:
    try:
        task: Task = wire.decode(Task, data_of(task_) or b"", what="task")
    except ContractError as error:
        raise application_error(error) from None
    info = activity.info()
    known = library.find(info.workflow_type or "", task.run.plan)
    if known is None or known.problem:
        # Another worker of the queue may have a later or an earlier deploy, so this one may be tried again.
        reason = known.problem if known else "this worker does not know the plan"
        raise application_error(ConfigError(f"Plan {task.run.plan[:12]}: {reason}."), retryable=True)
    code = known.code[info.activity_type]
    log = _log.bind(run=info.workflow_id, plan=task.run.plan[:12], stage=task.run.node, attempt=task.run.attempt)
    log.info("stage started")
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(_heartbeat())
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


async def _heartbeat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


@activity.defn(name=PIN)
async def _pin(query_: RawValue) -> RawValue:
    query: PinQuery = wire.decode(PinQuery, data_of(query_) or b"", what="pin query")
    handle = activity.client().get_workflow_handle(query.workflow_id, run_id=query.run_id)
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return raw(b'""')
        raise
    versions = described.search_attributes.get("TemporalChangeVersion", [])
    plans = [str(version).removeprefix("plan-") for version in versions if str(version).startswith("plan-")]
    return raw(wire.encode(plans[0] if plans else ""))
