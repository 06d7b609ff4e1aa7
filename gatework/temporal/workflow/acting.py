"""One call of a tool that runs apart, as one activity: what is asked of a worker, and what its silence means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio.exceptions import ActivityError

from gatework.errors import ContractError
from gatework.plan.plan import ToolUse, Work
from gatework.releases.library import Known
from gatework.run.events import Acted, ActedOutcome
from gatework.run.state import Act
from gatework.temporal.transport.captions import at_stage
from gatework.temporal.transport.payloads import data_of
from gatework.temporal.workflow.asking import Job, done, why
from gatework.values import canonical, wire
from gatework.values.verdict import short


@dataclass(frozen=True, kw_only=True)
class ActTask:
    """What the workflow asks of a worker: one call of a tool."""

    lineage: str
    """What names the run across retries, continue-as-new and reset."""
    act: Act


def activity_type(tool: str) -> str:
    """The activity type of a tool: never that of an activity which the same worker serves for others."""
    return f"tool.{tool}"


async def acted(
    known: Known, due: Act, *, lineage: str, heartbeat_timeout: timedelta, idle: Callable[[str], None]
) -> Acted:
    """Have a worker make a call. Whatever comes back, or does not, is an event for the machine to judge.

    `idle` is told in a sentence that no worker of the tool's own task queue takes it.
    """
    plan = known.plan
    node = plan.node(due.node)
    assert isinstance(node, Work)
    use = node.tool(due.call.tool)
    assert use is not None  # the machine asks for no call that the plan does not grant
    job = Job(
        type=activity_type(use.name),
        what=use.name,
        message=wire.brief(ActTask(lineage=lineage, act=due)),
        queue=use.queue,
        timeout_seconds=use.timeout_seconds,
        once=use.kind == "effect",
        summary=at_stage(plan, due.node, use.name),
    )
    try:
        answer = await done(job, heartbeat_timeout=heartbeat_timeout, idle=idle)
    except ActivityError as error:
        told = why(error, use.name)
        doubt = use.kind == "effect" and told.begun
        return ended(due, "unknown" if doubt else "failed", told.reason)
    return _taken(known, use, due, data_of(answer) or b"")


def _taken(known: Known, use: ToolUse, due: Act, answer: bytes) -> Acted:
    """A worker's answer. One that is none says nothing of what became of an effect."""
    try:
        event: Acted = wire.decode(Acted, answer, what="answer", max_depth=canonical.MAX_DEPTH)
        if event.result is not None:
            known.check_contract(use.result, event.result.data)
    except ContractError as error:
        doubt: ActedOutcome = "unknown" if use.kind == "effect" else "failed"
        return ended(due, doubt, str(error.at(f"result of {use.name}")))
    return event


def ended(due: Act, outcome: ActedOutcome, reason: str) -> Acted:
    """A call without a result."""
    return Acted(
        plan=due.plan,
        node=due.node,
        attempt=due.attempt,
        call=due.call.id,
        outcome=outcome,
        reason=short(reason),
    )
