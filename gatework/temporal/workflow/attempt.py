"""One attempt of a node as one activity: what is asked of a worker, and what its answer, or its silence, means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from gatework.errors import ContractError
from gatework.perform.judging import isolated
from gatework.plan.plan import Work
from gatework.proof.ledger import moment
from gatework.releases.library import Known
from gatework.run.budget import Spent, unsound
from gatework.run.events import Acted, Event, Failed, FailureKind, Finished, Result, Stopped, Suspended
from gatework.run.state import Run
from gatework.temporal.transport.captions import at_stage
from gatework.temporal.transport.messages import Task, result_in
from gatework.temporal.transport.payloads import data_of
from gatework.temporal.transport.storing import fits
from gatework.temporal.workflow.asking import Job, done, why
from gatework.temporal.workflow.isolated import judged
from gatework.values import wire
from gatework.values.verdict import short


def activity_type(runs: str) -> str:
    """The activity type of a stage or endorser: never that of an activity which the same worker serves for others."""
    return f"stage.{runs}"


async def performed(
    known: Known,
    due: Run,
    *,
    lineage: str,
    heartbeat_timeout: timedelta,
    idle: Callable[[str], None],
    stores: bool = False,
) -> Result:
    """Have a worker run an attempt. Whatever comes back, or does not, is an event for the machine to judge.

    `idle` is told in a sentence that no worker of the stage's own task queue takes it. `stores` says whether this
    worker has a store for what is too large for the server.
    """
    plan = known.plan
    node = plan.node(due.node)
    assert isinstance(node, Work)
    info = workflow.info()
    task = wire.brief(Task.of(due, lineage, namespace=info.namespace, id=info.workflow_id))
    marker = f"gatework-stored-{due.node}-{due.attempt}-{len(due.journal)}"
    if not fits(len(task), wire.MAX_MESSAGE_BYTES, wire.MAX_STORED_BYTES, marker, stores=stores):
        reason = f"the inputs of {due.node} are {len(task)} bytes together, more than the {wire.MAX_MESSAGE_BYTES}"
        return failed(due, "error", f"{reason} that one stage can be given; pass on where they lie instead")
    job = Job(
        type=activity_type(node.runs),
        what=due.node,
        message=task,
        queue=node.queue,
        timeout_seconds=node.timeout_seconds,
        once=False,
        summary=at_stage(plan, due.node, f"attempt {due.attempt}"),
    )
    try:
        answer = await done(job, heartbeat_timeout=heartbeat_timeout, idle=idle)
    except ActivityError as error:
        told = why(error, due.node)
        return failed(due, "timeout" if told.late else "error", told.reason)
    event: Result | None = None
    try:
        event = result_in(data_of(answer) or b"")
        if isinstance(event, Finished):
            known.check(due.node, event.output.data)
            if isolated(node):
                event = await judged(
                    known, due, event, lineage=lineage, heartbeat_timeout=heartbeat_timeout, idle=idle, stores=stores
                )
        if isinstance(event, Suspended):
            for call in event.calls:
                known.check_call(node, call)
    except ContractError as error:
        return failed(due, "refused", str(error.at(f"result of {due.node}")), spent=_reported(node, event))
    assert event is not None
    return event


def not_taken(known: Known, due: Run, event: Result, reason: str) -> Failed:
    """An attempt whose result the machine refuses. What it says that it spent is charged all the same."""
    node = known.plan.node(due.node)
    assert isinstance(node, Work)
    return failed(due, "refused", reason, spent=_reported(node, event))


def _reported(node: Work, event: Result | None) -> Spent:
    """What an attempt says that it spent; nothing where nothing can have been spent like that."""
    spent = Spent() if event is None or isinstance(event, Stopped) else event.spent
    spent = replace(spent, tool_calls={name: calls for name, calls in spent.tool_calls.items() if node.tool(name)})
    return Spent() if unsound(spent) else spent


def ended_at(event: Event) -> datetime | None:
    """When something ended, as its worker says; None where none does, or no calendar has such a moment.

    It is part of the result, so a ledger that is computed again has the same times. The clock of the workflow is that
    of the task which took the result, and a task that is done twice has two.
    """
    return moment(event.ended_ms) if isinstance(event, Finished | Stopped | Failed | Suspended | Acted) else None


def failed(due: Run, failure: FailureKind, reason: str, *, spent: Spent | None = None) -> Failed:
    """An attempt that gave nothing the machine can take."""
    return Failed(
        plan=due.plan,
        node=due.node,
        attempt=due.attempt,
        inputs=due.inputs_digest,
        failure=failure,
        reason=short(reason),
        spent=spent or Spent(),
    )
