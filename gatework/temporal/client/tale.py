"""One leg of a run as log events: its receipts, and what only Temporal's history knows, by the order of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType, PendingActivityState, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import ActivityTaskStartedEventAttributes, HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from gatework.logs.onward import identity, short_digest
from gatework.logs.story import told
from gatework.logs.text import safe
from gatework.logs.vocabulary import LOUD, LogEvent, Value
from gatework.temporal.client.history import Leg, Rebuilt
from gatework.temporal.transport.executions import was_reset
from gatework.temporal.transport.payloads import OURS, UNREADY, data_of
from gatework.temporal.workflow import notify, pin, recalling, resuming
from gatework.values import canonical

Fields = Mapping[str, Value]
Try = ActivityTaskStartedEventAttributes | PendingActivityInfo
"""What Temporal knows of a try: its number, and how the one before it failed."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One event of a story."""

    event: LogEvent
    about: Fields
    """The fields that every event of the run has."""
    key: str
    """What names it, whenever the run is looked at; the same in a run that it was reset to."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What an activity was asked to do, as far as its input says."""

    place: Fields
    """Stage and attempt."""
    inputs: str = ""
    """Digest of the inputs."""
    at: str = ""
    """When it was asked."""
    tool: str = ""
    """The tool that was to be called; empty for an attempt of a stage."""
    notice: bool = False
    """Whether people were to be told of a gate."""


async def tasks(leg: Leg, converter: DataConverter) -> Mapping[int, Tried]:
    """The attempts that a leg asked workers for, by the event in which it did."""
    found: dict[int, Tried] = {}
    for event in leg.events:
        asked = event.activity_task_scheduled_event_attributes
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED and asked.activity_type.name not in (
            pin.ACTIVITY,
            recalling.ACTIVITY,
            resuming.activity_type(leg.workflow),
        ):
            at = iso(moment(event.event_time))
            try:
                [value] = await converter.decode(asked.input.payloads, [RawValue])
                found[event.event_id] = _tried(json.loads(data_of(value) or b""), at)
            except Exception:  # noqa: BLE001  # of a codec, which may raise anything, and of what is no task of ours
                # Encrypted for others, or of another version: what Temporal itself knows is its type.
                notice = asked.activity_type.name == notify.ACTIVITY
                place = {} if notice else {"stage": asked.activity_type.name}
                found[event.event_id] = Tried(place=place, at=at, notice=notice)
    return found


def _tried(task: dict[str, Any], at: str) -> Tried:
    if "expires" in task:
        stage, gate, role = task["stage"], task["gate"], task["role"]
        if (over := task.get("override")) and over["role"] != role:
            role = f"{role} and {over['role']}"
        if not (isinstance(stage, str) and isinstance(gate, int) and isinstance(role, str)):
            raise TypeError
        return Tried(place={"stage": stage, "gate": gate, "role": role}, at=at, notice=True)
    if "act" in task:
        act = task["act"]
        node, attempt, tool = act["node"], act["attempt"], act["call"]["tool"]
        if not (isinstance(node, str) and isinstance(attempt, int) and isinstance(tool, str)):
            raise TypeError
        return Tried(place={"stage": node, "attempt": attempt}, at=at, tool=tool)
    run = task["run"]
    node, attempt, inputs = run["node"], run["attempt"], run["inputs"]
    if not (isinstance(node, str) and isinstance(attempt, int) and isinstance(inputs, dict)):
        raise TypeError
    digests = {str(name): sealed["digest"] for name, sealed in inputs.items()}
    return Tried(place={"stage": node, "attempt": attempt}, inputs=canonical.digest("inputs", digests), at=at)


class Tale:
    """The events of one leg."""

    def __init__(self, leg: Leg, rebuilt: Rebuilt, tried: Mapping[int, Tried]) -> None:
        self._leg = leg
        self._rebuilt = rebuilt
        self._tried = tried
        self._plan = rebuilt.first_plan
        self._ended = any(entry.receipt.kind == "ended" for entry in rebuilt.ledger)

    def events(self) -> Iterator[Told]:
        """All that the history holds, oldest first."""
        steps = {step.event_id: step for step in self._rebuilt.steps}
        for event in self._leg.events:
            for key, said in self._beside(event):
                yield self._told(said, key)
            step = steps.get(event.event_id)
            if step is None:
                continue
            self._plan = step.plan.digest if step.plan else self._plan
            digests = {entry.sequence: entry.digest for entry in step.entries}
            for number, said in enumerate(told(step.entries, step.plan)):
                yield self._told(said, f"{digests[_sequence(said)]} {number}")

    def pending(self, activities: Iterable[PendingActivityInfo]) -> Iterator[Told]:
        """What workers do at this moment: the history has it only when they are done."""
        asked = {
            event.activity_task_scheduled_event_attributes.activity_id: event.event_id
            for event in self._leg.events
            if event.event_id in self._tried
        }
        for activity in activities:
            scheduled = asked.get(activity.activity_id)
            if scheduled is None:
                continue
            yield from self._all(self._failed(scheduled, activity.last_attempt_complete_time, activity))
            if activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
                yield from self._all(self._started(scheduled, activity.last_started_time, activity))

    def _all(self, events: Iterable[tuple[str, LogEvent]]) -> Iterator[Told]:
        return (self._told(said, key) for key, said in events)

    def _told(self, said: LogEvent, key: str) -> Told:
        about = {
            "run": self._leg.id,
            "run_id": self._leg.run_id,
            "workflow": self._leg.workflow,
            "plan": self._plan[:12],
        }
        return Told(event=said, about=about, key=key)

    # -- what only the history knows ---------------------------------------------------------------

    def _beside(self, event: HistoryEvent) -> Iterator[tuple[str, LogEvent]]:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            began = event.activity_task_started_event_attributes
            if began.scheduled_event_id in self._tried:
                yield from self._failed(began.scheduled_event_id, event.event_time, began)
                yield from self._started(began.scheduled_event_id, event.event_time, began)
            return
        found = self._alone(event)
        if found is not None:
            name, fields = found
            loud = LOUD if name == "run.ended" or fields.get("reason") == notify.IN_VAIN else 0
            at = iso(moment(event.event_time))
            yield f"event {event.event_id} {at}", LogEvent.of(name, fields, at=at, level=loud)

    def _alone(self, event: HistoryEvent) -> tuple[str, Fields] | None:
        if (told := self._people_told(event)) is not None:
            return told
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                # The machine never hears of a try that found no worker with the plan; of others a receipt tells.
                failed = event.activity_task_failed_event_attributes
                tried = self._tried.get(failed.scheduled_event_id)
                if tried and failed.failure.application_failure_info.type in (UNREADY, "NotFoundError"):
                    return "try.failed", {**tried.place, "reason": _reason(failed.failure)}
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED if was_reset(event):
                cut = event.workflow_task_failed_event_attributes
                return "run.reset", {"from_run": cut.base_run_id, "reason": cut.failure.message}
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                stuck = event.workflow_task_failed_event_attributes.failure
                kind = _name(stuck.application_failure_info.type)
                return "run.stuck", {"error": kind, "reason": _reason(stuck)}
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                cancel = event.workflow_execution_cancel_requested_event_attributes
                by = {"by": cancel.identity, "identity": identity(cancel.identity)}
                return "run.cancel_requested", {**by, "note": cancel.cause}
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                return "run.continued", {}
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                end = event.workflow_execution_terminated_event_attributes
                by = {"by": end.identity, "identity": identity(end.identity)}
                return "run.ended", {"outcome": "terminated", **by, "note": end.reason}
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
                return "run.ended", {"outcome": "timed_out"}
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED if not self._ended:
                failure = event.workflow_execution_failed_event_attributes.failure
                return "run.ended", {"outcome": "failed", "reason": _reason(failure)}
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED if not self._ended:
                return "run.ended", {"outcome": "cancelled"}
            case _:
                pass
        return None

    def _people_told(self, event: HistoryEvent) -> tuple[str, Fields] | None:
        """What became of telling people of a gate; None for an event that is about something else."""
        of = _ENDS.get(event.event_type)
        scheduled = getattr(event, of).scheduled_event_id if of else 0
        if scheduled not in self._tried or not self._tried[scheduled].notice:
            return None
        place = self._tried[scheduled].place
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                return "notice.delivered", place
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
                return "notice.given_up", {**place, "reason": notify.NEEDLESS}
            case _:
                return "notice.given_up", {**place, "reason": notify.IN_VAIN}

    def _failed(self, scheduled: int, time: Timestamp, now: Try) -> Iterator[tuple[str, LogEvent]]:
        """The try before the one that is under way, or is to come."""
        if now.attempt > 1:
            tried = self._tried[scheduled]
            fields = {**tried.place, "try": now.attempt - 1, "reason": _reason(now.last_failure)}
            said = LogEvent.of("notice.failed" if tried.notice else "try.failed", fields, at=iso(moment(time)))
            yield f"try {tried.at} {now.attempt - 1} failed", said

    def _started(self, scheduled: int, time: Timestamp, now: Try) -> Iterator[tuple[str, LogEvent]]:
        tried = self._tried[scheduled]
        if tried.tool or tried.notice:
            return  # the receipt that asks for a call tells of it, and of people what became of telling them
        fields = {**tried.place, "digest": short_digest(tried.inputs), "try": now.attempt}
        yield f"try {tried.at} {now.attempt}", LogEvent.of("stage.started", fields, at=iso(moment(time)))


_ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
}
"""Where it stands which activity has ended."""


def _reason(failure: Failure) -> str:
    """Why something failed on Temporal: our own words where they are ours, else of what kind it was."""
    kind = failure.application_failure_info.type
    if kind.startswith(OURS):
        return failure.message
    if failure.HasField("timeout_failure_info"):
        late = failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
        return "it took longer than Temporal waits" if late else "the worker died or went silent"
    if failure.HasField("application_failure_info"):
        return f"it failed with {_name(kind)}" if _name(kind) else "it failed"
    return "it was given back" if failure.ByteSize() else ""


def _sequence(said: LogEvent) -> int:
    receipt = said.fields["receipt"]
    assert isinstance(receipt, int)
    return receipt


def _name(kind: str) -> str:
    """The type of an error where it is one; a foreign worker may put anything there."""
    return safe(kind) if kind.replace(".", "").isidentifier() else ""


def moment(time: Timestamp) -> datetime:
    """A time of the server's, aware and UTC."""
    return time.ToDatetime(UTC)


def iso(time: datetime) -> str:
    """A time as the ledger has it."""
    return time.isoformat(timespec="milliseconds")
