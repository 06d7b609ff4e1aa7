"""Activities: one for each stage and endorser, for each tool that runs apart, and for each guard that is isolated."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from gatework import models
from gatework.define.adopted import CALLER
from gatework.errors import ConfigError, ContractError, OrderError
from gatework.logs import emit
from gatework.logs.onward import short_digest
from gatework.models.question import Model
from gatework.perform import acting
from gatework.perform.judging import Judges
from gatework.perform.perform import perform
from gatework.releases.library import Known, Library
from gatework.run.events import Failed, Finished, Result
from gatework.signing.signer import Attestor
from gatework.temporal.transport.heartbeat import beating
from gatework.temporal.transport.messages import Task, answered
from gatework.temporal.transport.payloads import UNREADY, application_error, data_of, raw
from gatework.temporal.transport.storing import has_store, most_in_value
from gatework.temporal.worker.threaded import threaded
from gatework.temporal.workflow import acting as asked_for
from gatework.temporal.workflow import attempt as attempted
from gatework.temporal.workflow import isolated
from gatework.temporal.workflow.acting import ActTask
from gatework.temporal.workflow.asking import TRIES
from gatework.temporal.workflow.isolated import GuardTask
from gatework.threads import Threads
from gatework.values import canonical, wire
from gatework.values.contract import Proven
from gatework.values.store import Store

KEPT_THREADS = 32
"""Threads that are kept for the next guards: starting one costs as much as the rest of an attempt."""


Activity = Callable[[RawValue], Any]


def activities(
    library: Library,
    *,
    model: Model | str | None,
    seed: int,
    store: Callable[[], Store] | None = None,
    attestor: Callable[[], Attestor | None] = lambda: None,
) -> Mapping[str, Activity]:
    """The activity for each stage, endorser, tool that runs apart and isolated guard, by its type."""

    @functools.cache
    def connected() -> Model:
        return models.connect(model) if model is None or isinstance(model, str) else model

    served = _Served(library, connected, seed, Threads(keep=KEPT_THREADS), Proven(), store, attestor)

    def serving(type_: str, work: Callable[[_Served, RawValue], Awaitable[bytes]]) -> Activity:
        async def serve(task: RawValue) -> RawValue:
            return raw(await work(served, task))

        return activity.defn(name=type_)(serve)

    stages = {attempted.activity_type(name): _attempt for name in library.definitions}
    tools = {asked_for.activity_type(name): _act for name in library.tools}
    guards = {isolated.activity_type(name): _judge for name in library.guards}
    return {type_: serving(type_, work) for type_, work in {**stages, **tools, **guards}.items()}


@dataclass(frozen=True)
class _Served:
    """What the activities of a worker share."""

    library: Library
    model: Callable[[], Model]
    seed: int
    threads: Threads
    proven: Proven
    store: Callable[[], Store] | None
    """Gives where documents lie; None where the worker has no store."""
    attestor: Callable[[], Attestor | None]
    """Gives what signs; None where the worker has no key."""


async def _attempt(served: _Served, task_: RawValue) -> bytes:
    info = _info()
    task: Task = _read(Task, task_)
    run = task.run
    CALLER.set(threaded)
    with emit.bound(_about(info, run.plan, run.node, run.attempt)):
        return answered(await _tried(served, info, task))


async def _tried(served: _Served, info: activity.Info, task: Task) -> Result:
    """One of Temporal's tries of an attempt."""
    known = _known(served, info, task.run.plan)
    try:
        lineage = task.whole(namespace=info.namespace, id=info.workflow_id or "")
    except ContractError as error:
        raise application_error(error.at("task")) from None
    runs, queue = known.runs(task.run.node)
    _must_be_asked_here(info, attempted.activity_type(runs), queue)
    code = known.code[runs]
    if emit.wanted(logging.INFO):
        emit.say("stage.started", {"digest": short_digest(task.run.inputs_digest), "try": info.attempt})
    if emit.VALUES.isEnabledFor(logging.INFO):
        for name, sealed in task.run.inputs.items():
            emit.say_value(f"input {name}", canonical.dumps(sealed.data).decode())
    with beating(info):
        event = await perform(
            task.run,
            known.plan,
            code,
            lineage=lineage,
            tries=info.attempt,
            waited=(info.current_attempt_scheduled_time - info.scheduled_time).total_seconds(),
            model=served.model,
            seed=served.seed,
            store=served.store,
            max_value_bytes=most_in_value(has_store(activity.client().data_converter)),
            threads=served.threads,
            proven=served.proven,
            digest=served.library.attempt_code(known, runs),
        )
        if attestor := served.attestor():
            event = await attestor.result(event, known.plan, run=lineage, answers=len(task.run.journal))
    if isinstance(event, Finished) and emit.VALUES.isEnabledFor(logging.INFO):
        emit.say_value("output", canonical.dumps(event.output.data).decode())
    if isinstance(event, Failed) and event.failure == "error" and info.attempt < TRIES:
        emit.say("try.failed", {"try": info.attempt, "reason": event.reason})
        raise application_error(ConfigError(event.reason), retryable=True)
    return event


async def _act(served: _Served, task_: RawValue) -> bytes:
    """One call of a tool. Whatever is raised here is raised before the call is made."""
    info = _info()
    task: ActTask = _read(ActTask, task_)
    act = task.act
    with emit.bound(_about(info, act.plan, act.node, act.attempt)):
        known = _known(served, info, act.plan)
        try:
            use, tool = known.tool(act.node, act.call, task.lineage)
        except ContractError as error:
            raise application_error(error) from None
        _must_be_asked_here(info, asked_for.activity_type(use.name), use.queue)
        attestor = served.attestor()
        with beating(info):
            acted = await acting.act(use, tool, act, store=served.store)
            event = dataclasses.replace(acted, code=served.library.tool_code(tool))
            if attestor:
                event = await attestor.call(event, act.call, effect=use.kind == "effect", run=task.lineage)
        return wire.brief(event)


async def _judge(served: _Served, task_: RawValue) -> bytes:
    """The verdict of one isolated guard. Whatever is raised here is a block."""
    info = _info()
    task: GuardTask = _read(GuardTask, task_)
    run = task.run
    with emit.bound(_about(info, run.plan, run.node, run.attempt)):
        known = _known(served, info, run.plan)
        try:
            node, use = known.guard(run.node, task.guard)
        except ContractError as error:
            raise application_error(error) from None
        _must_be_asked_here(info, isolated.activity_type(use.name), use.queue)
        code = known.code[node.runs]
        judges = Judges(run, node, code.definition.declared, code.guards, served.threads, served.store)
        attestor = served.attestor()
        if attestor and not task.lineage:
            raise application_error(OrderError(f"A verdict of {use.name} is asked for that names no run."))
        with beating(info):
            given = await judges.one(use, task.output)
            if attestor:
                given = await attestor.verdict(
                    given,
                    run=task.lineage,
                    plan=run.plan,
                    node=run.node,
                    attempt=run.attempt,
                    inputs=run.inputs_digest,
                )
            return wire.brief(given)


def _info() -> activity.Info:
    info = activity.info()
    if not info.workflow_type:
        raise application_error(OrderError("A stage runs only inside a run of its plan."))
    return info


def _read(kind: type, task: RawValue) -> Any:
    try:
        return wire.decode(kind, data_of(task) or b"", what="task")
    except ContractError as error:
        raise application_error(error) from None


def _about(info: activity.Info, plan: str, node: str, attempt: int) -> emit.Fields:
    return {
        "run": info.workflow_id or "",
        "run_id": info.workflow_run_id or "",
        "workflow": info.workflow_type or "",
        "plan": short_digest(plan),
        "stage": node,
        "attempt": attempt,
    }


def _known(served: _Served, info: activity.Info, plan: str) -> Known:
    known = served.library.find(info.workflow_type or "", plan)
    if known is None or known.problem:
        # Another worker of the queue may have a later or an earlier deploy, so this one may be tried again.
        reason = known.problem if known else "this worker does not know the plan"
        emit.say("try.failed", {"try": info.attempt, "reason": reason})
        raise ApplicationError(f"Plan {plan[:12]}: {reason}.", type=UNREADY)
    return known


def _must_be_asked_here(info: activity.Info, type_: str, queue: str) -> None:
    """Raise unless the plan has this worker do it: whoever reaches the server can put a task into any queue."""
    if type_ != info.activity_type or queue not in ("", info.task_queue):
        raise application_error(OrderError(f"The plan does not run {info.activity_type} where it was asked to."))
