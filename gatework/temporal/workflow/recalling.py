"""What a run that was reset hears of what had followed: the effects that other runs of its id were asked for.

A reset cuts a history off. The key of an effect outlives it, and so do the histories of the runs that are cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import ContractError
from gatework.run.events import Acted, Remembered
from gatework.run.state import Act
from gatework.temporal.transport.executions import ends, events_of
from gatework.temporal.transport.payloads import OURS, UNREADY, data_of, raw
from gatework.temporal.transport.storing import most_in_message
from gatework.temporal.workflow.acting import ActTask
from gatework.temporal.workflow.acting import activity_type as tool_type
from gatework.temporal.workflow.asking import is_cancelled
from gatework.values import canonical, wire
from gatework.values.canonical import Sealed

ACTIVITY = "gatework.recall"


@dataclass(frozen=True, kw_only=True)
class Past:
    """What had followed in the runs that were cut off."""

    run: str
    """The run that asked: what is reset once more asks once more."""
    effects: tuple[Remembered, ...]


async def past() -> Past:
    """Have a worker look. It is asked until it can: without the answer an effect could be done again."""
    try:
        answer = await workflow.execute_activity(
            ACTIVITY,
            result_type=RawValue,
            start_to_close_timeout=timedelta(minutes=2),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            summary="effects of the run that was reset",
        )
    except ActivityError as error:
        if not is_cancelled():
            raise
        raise asyncio.CancelledError from error
    found: Past = wire.decode(Past, data_of(answer) or b"", what="effects of other runs")
    return found


@activity.defn(name=ACTIVITY)
async def recall() -> RawValue:
    """The effects that other runs of this id were asked for, save those that are known not to have happened."""
    info = activity.info()
    id, mine = info.workflow_id or "", info.workflow_run_id or ""
    client = activity.client()
    described = await client.get_workflow_handle(id, run_id=mine).describe()
    source = Source(parent=described.parent_id, queue=info.task_queue) if described.parent_id else None
    effects = await effects_of(client, id, await ends(client, id, mine), source)
    message = wire.encode(Past(run=mine, effects=effects))
    if len(message) > most_in_message(client.data_converter):
        # Without their results a probe is asked what they came to, or a person.
        message = wire.encode(Past(run=mine, effects=tuple(replace(effect, result=None) for effect in effects)))
    return raw(message)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Whose child runs count: anybody may have started a run under the id that a child is to have."""

    parent: str
    queue: str


async def effects_of(
    client: Client, id: str, runs: Iterable[str], source: Source | None = None
) -> tuple[Remembered, ...]:
    """The effects that runs of an id were asked for, save those that are known not to have happened."""
    found: dict[str, Remembered] = {}
    for run in runs:
        for key, effect in (await _effects(client, id, run, source)).items():
            if key not in found or found[key].result is None:
                found[key] = effect
    return tuple(found.values())


async def _effects(client: Client, id: str, run: str, source: Source | None) -> Mapping[str, Remembered]:
    try:
        events = await events_of(client, id, run)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return {}
        raise
    started = events[0].workflow_execution_started_event_attributes
    by = Source(parent=started.parent_workflow_execution.workflow_id, queue=started.task_queue.name)
    if source is not None and by != source:
        return {}
    found: dict[str, Remembered] = {}
    for event in events:
        if event.activity_task_scheduled_event_attributes.activity_type.name.startswith(tool_type("")):
            act = await _asked(client, event)
            key, (outcome, result) = act.call.key, await _became(client, act, event.event_id, events)
            if outcome == "refused" and act.again:
                found.pop(key, None)  # its probe knew nothing of it, and then it said no
            elif key and outcome not in ("refused", "failed") and (key not in found or found[key].result is None):
                found[key] = Remembered(node=act.node, call=act.call, result=result, run=run)
    return found


async def _asked(client: Client, event: HistoryEvent) -> Act:
    payloads = event.activity_task_scheduled_event_attributes.input.payloads
    try:
        [value] = await _decoded(client, payloads)
        task: ActTask = wire.decode(ActTask, data_of(value) or b"", what="call", max_depth=canonical.MAX_DEPTH + 16)
    except (ContractError, ValueError):
        # Whether that was an effect cannot be told, so nothing goes on before somebody can.
        raise ApplicationError("A call in an earlier run cannot be read by this worker.", type=UNREADY) from None
    return task.act


async def _became(
    client: Client, act: Act, scheduled: int, events: Sequence[HistoryEvent]
) -> tuple[str, Sealed | None]:
    """What a call came to. One that was answered by nobody, or in words of others, is in doubt."""
    for event in events:
        if event.activity_task_completed_event_attributes.scheduled_event_id == scheduled:
            return await _answered(client, act, event)
        # As `asking.why` has it: what no worker has begun has not happened.
        failed = event.activity_task_failed_event_attributes
        if failed.scheduled_event_id == scheduled:
            kind = failed.failure.application_failure_info.type
            return "failed" if kind.startswith(OURS) or kind == "NotFoundError" else "unknown", None
        late = event.activity_task_timed_out_event_attributes
        if late.scheduled_event_id == scheduled:
            untaken = late.failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
            return "failed" if untaken else "unknown", None
        cancelled = event.activity_task_canceled_event_attributes
        if cancelled.scheduled_event_id == scheduled and not cancelled.started_event_id:
            return "failed", None
    return "unknown", None


async def _answered(client: Client, act: Act, event: HistoryEvent) -> tuple[str, Sealed | None]:
    try:
        [value] = await _decoded(client, event.activity_task_completed_event_attributes.result.payloads)
        ended: Acted = wire.decode(Acted, data_of(value) or b"", what="answer", max_depth=canonical.MAX_DEPTH)
    except (ContractError, ValueError):
        return "unknown", None
    sound = ended.call == act.call.id and (ended.result is None or ended.result.intact)
    return (ended.outcome, ended.result) if sound else ("unknown", None)


async def _decoded(client: Client, payloads: Sequence[object]) -> Sequence[RawValue]:
    return await client.data_converter.decode(payloads, [RawValue] * len(payloads))  # type: ignore[arg-type]
