"""Histories read without a worker: the chain of runs under one id, and the ledger that they rebuild.

The interpreter itself replays what Temporal wrote, so that the ledger is the run's own by construction: the same
function that a worker drives, on the same inputs, answers, decisions and times.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, WorkflowHistory
from temporalio.common import RawValue
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from gatework.errors import GateworkError
from gatework.plan.plan import Plan
from gatework.proof.ledger import Entry
from gatework.releases.library import Library
from gatework.run.events import Decided, Event
from gatework.run.state import Receipt, State
from gatework.temporal.client.gathering import Gathering
from gatework.temporal.transport.payloads import NOT_HAD, OURS, data_converter, data_of
from gatework.temporal.transport.storing import reading
from gatework.temporal.workflow.beginning import Carried
from gatework.temporal.workflow.definition import workflow_class
from gatework.temporal.workflow.interpreter import Interpreter
from gatework.temporal.workflow.resuming import REFUSED, activity_type, request_in

_NOTHING = (REFUSED, f"{OURS}contract")
"""Types of the failures of runs that never began: refused what they were to resume, or their input."""


class HistoryError(GateworkError):
    """A history from which the ledger cannot be rebuilt with the plans that are at hand."""

    code = "history"


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One run of a chain: a run goes on as the next when its history has become long."""

    id: str
    run_id: str
    events: Sequence[HistoryEvent]
    namespace: str = "default"
    """Temporal's, which its lineage names."""
    before: str = ""
    """The run that it continues or resumes; empty where it does neither, or nobody has looked."""

    @property
    def started(self) -> WorkflowExecutionStartedEventAttributes:
        """With what it was started, and by which run before it."""
        return self.events[0].workflow_execution_started_event_attributes

    @property
    def parent(self) -> str:
        """The id of the run that started it; empty for one that somebody else did."""
        return self.started.parent_workflow_execution.workflow_id

    @property
    def workflow(self) -> str:
        return self.started.workflow_type.name

    @property
    def closed(self) -> bool:
        return self.events[-1].event_type in _CLOSING


_CLOSING = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)


async def legs(client: Client, id: str, run_id: str, *, known: Mapping[str, Leg] | None = None) -> list[Leg]:
    """The runs that led to a run and it itself, oldest first; without those that the server has forgotten.

    A run leads to another that continues it, or that has taken over from it.

    `known` are legs that were read before, by their run ids; those that had closed are not read again.
    """
    chain: list[Leg] = []
    while run_id and run_id not in {leg.run_id for leg in chain}:
        leg = known.get(run_id) if known else None
        if leg is None or not leg.closed:
            try:
                history = await client.get_workflow_handle(id, run_id=run_id).fetch_history()
            except RPCError as error:
                if chain and error.status is RPCStatusCode.NOT_FOUND:
                    break
                raise
            leg = Leg(id=id, run_id=run_id, events=history.events, namespace=client.namespace)
            before = leg.started.continued_execution_run_id or await _resumed(client, leg)
            leg = replace(leg, before=before)
        chain.insert(0, leg)
        run_id = leg.before
    return chain


async def _resumed(client: Client, leg: Leg) -> str:
    """The run that a leg has taken over from; empty where it has not. What it was asked alone proves nothing."""
    payloads = leg.started.input.payloads
    if len(payloads) != 2 or never_began(leg.events):
        return ""
    try:
        values = await client.data_converter.decode(payloads, [RawValue] * len(payloads))
        return request_in(data_of(values[1]) or b"").run
    except Exception:  # noqa: BLE001  # of a codec, which may raise anything
        return ""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What the machine accepted in one step."""

    event_id: int
    """The event with which the workflow task began in which it was accepted."""
    plan: Plan | None
    """The plan that the run is held to after it; None where only a worker knows."""
    entries: Sequence[Entry]


@dataclass(kw_only=True)
class Rebuilt:
    """What one leg is found to have done."""

    steps: list[Accepted] = field(default_factory=list)
    carried: Sequence[Entry] = ()
    """The ledger that the leg before handed on."""
    first_plan: str = ""
    """Digest of the plan that the leg begins with; empty for one that came to none."""
    last_plan: str = ""
    """Digest of the plan that it ends with."""
    state: State | None = None
    """Where it stands at last; None for one that did not begin, and where a worker told its ledger."""
    lineage: str = ""
    """That of the run that was resumed, or which the run that started this one gave it; empty where there is none."""
    child: bool = False
    """Whether it is a child run."""

    @property
    def ledger(self) -> list[Entry]:
        """All entries, those that were handed on too."""
        return [*self.carried, *self.new]

    @property
    def new(self) -> list[Entry]:
        """The entries that came about in this leg."""
        return [entry for step in self.steps for entry in step.entries]

    @classmethod
    def answered(cls, leg: Leg, entries: Sequence[Entry], *, carried: Sequence[Entry], plan: str) -> Rebuilt:
        """The same of what a worker says: an entry was accepted in the first task that began after it came about."""
        begun = [
            (event.event_time.ToDatetime(UTC).isoformat(timespec="milliseconds"), event.event_id)
            for event in leg.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
        ]
        last = leg.events[-1].event_id
        placed: dict[int, list[Entry]] = {}
        earliest = 0
        for entry in entries:
            # By clocks of several machines; one that is behind must not put an entry before those ahead of it.
            earliest = max(earliest, next((event_id for at, event_id in begun if at >= entry.at), last))
            placed.setdefault(earliest, []).append(entry)
        steps = [Accepted(event_id=at, plan=None, entries=tuple(together)) for at, together in placed.items()]
        return cls(steps=steps, carried=carried, first_plan=plan, last_plan=plan)


async def rebuilt(leg: Leg, library: Library, converter: DataConverter, *, values: Gathering | None = None) -> Rebuilt:
    """Replay a leg with the plans of a library; with `converter` as the client has it.

    The values that the run has had come to `values`, where they are wanted. Raises `HistoryError` where the plan of the
    run is not in the library, or does not lead to this history.
    """
    if leg.workflow not in library.names:
        raise HistoryError(f"There is no workflow {leg.workflow} here.")
    found = Rebuilt()
    replayer = Replayer(
        workflows=[workflow_class(leg.workflow, library, base=_recording(found, values))],
        namespace=leg.namespace,
        data_converter=reading(data_converter(converter)),
        runtime=_silent(),
    )
    result = await replayer.replay_workflow(WorkflowHistory(leg.id, leg.events), raise_on_replay_failure=False)
    if result.replay_failure is not None:
        if f'type: "{NOT_HAD}"' in str(result.replay_failure):  # of which Temporal's core leaves only the words
            raise HistoryError(
                "The run holds values that lie in a store, and not all of them can be had here: set GATEWORK_STORE "
                "as its workers have it. Where one was erased there, the ledger cannot be rebuilt any more."
            )
        raise HistoryError(
            f"The plans of {leg.workflow} here do not lead to the history of the run: it is held to one that is not "
            "in the lock file, or was run by another version of Gatework."
        )
    return found


def _recording(found: Rebuilt, values: Gathering | None) -> type[Interpreter]:
    """An interpreter that keeps what it accepts, where the worker's logs it."""

    class Recording(Interpreter):
        def _take(self, event: Event, now: datetime | None = None) -> None:
            known, state = self._now
            super()._take(event, now)
            if values is not None:
                values.event(known.plan, state, event)

        def _decided(self, event: Decided) -> str:
            known, state = self._now
            said = super()._decided(event)
            if values is not None:
                values.event(known.plan, state, event)
            return said

        def _tell(self, receipts: Sequence[Receipt]) -> None:
            plan, found.state = self._now[0].plan, self._now[1]
            found.lineage, found.child = self._first, self._child
            found.first_plan, found.last_plan = found.first_plan or plan.digest, plan.digest
            event_id = workflow.info().get_current_history_length()
            found.steps.append(Accepted(event_id=event_id, plan=plan, entries=tuple(self._newest(len(receipts)))))
            if values is not None:
                values.state(plan, found.state)

        def _carry(self, carried: Carried) -> None:
            super()._carry(carried)
            found.carried, found.state, found.lineage = carried.ledger, carried.state, carried.lineage
            found.child = self._child
            found.first_plan = found.last_plan = carried.state.plan
            if values is not None:
                values.handed_on(self._now[0].plan, carried.state)

    return Recording


@functools.cache
def _silent() -> Runtime:
    """A runtime of its own: what the replay has to say of a history that does not fit is said by us."""
    return Runtime(telemetry=TelemetryConfig(logging=None))


def never_began(events: Sequence[HistoryEvent]) -> bool:
    """Whether a run ended before anything was done in it: nobody took it, or it was refused what it was to resume."""
    failure = events[-1].workflow_execution_failed_event_attributes.failure
    if failure.application_failure_info.type in _NOTHING:
        return True
    kinds = {event.event_type for event in events}
    if EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED not in kinds:
        return True
    type_ = activity_type(events[0].workflow_execution_started_event_attributes.workflow_type.name)
    looks = {
        event.event_id for event in events if event.activity_task_scheduled_event_attributes.activity_type.name == type_
    }
    took = any(event.activity_task_completed_event_attributes.scheduled_event_id in looks for event in events)
    return bool(looks) and not took
