"""The interpreter: drives the machine inside a Temporal workflow.

It performs what is due and hands the machine what came of it. What may happen next is the machine's to say;
nothing here decides it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from gatework import canonical, machine, migration, wire
from gatework.canonical import Json, Sealed
from gatework.errors import ContractError, DecisionError, GateworkError, OrderError
from gatework.events import Action, Begun, Cancelled, Event, Expired, Failed, Migrated
from gatework.ledger import Entry, extended
from gatework.library import Known, Library
from gatework.logs import emit
from gatework.logs.story import told
from gatework.logs.vocabulary import QUIET, LogEvent
from gatework.plan import Plan
from gatework.state import Act, Gate, Outcome, Run, State, Step
from gatework.temporal import movement
from gatework.temporal.acting import acted, ended
from gatework.temporal.asking import HEARTBEAT_TIMEOUT, span
from gatework.temporal.attempt import ended_at, not_taken, performed
from gatework.temporal.decisions import decided, taken
from gatework.temporal.panel import panel
from gatework.temporal.payloads import OURS, OwnPayloads, application_error, data_of, raw, refusal
from gatework.temporal.pin import UnknownPlan, begun, continued, unfit
from gatework.temporal.progress import NOT_BEGUN, Progress, fitting, not_begun, progress
from gatework.temporal.salting import salt_of
from gatework.temporal.updates import decision, migration_update
from gatework.verdict import short

T = TypeVar("T")


LOOK_AGAIN = timedelta(minutes=2)
"""How soon a run whose plan a deploy cannot run looks whether the next one can."""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a run hands to the run that continues it."""

    state: State
    ledger: tuple[Entry, ...]
    expires: str
    """When the open gate expires, as UTC in ISO 8601; empty without one."""
    secret: str
    """As in `Beginning`."""


class Interpreter(OwnPayloads):
    """One run of a plan. Subclasses, made by `workflow_class`, say of which workflow."""

    library: ClassVar[Library]
    name: ClassVar[str]
    continue_after_events: ClassVar[int] = 4_000
    """Length of history at which the run continues as new."""
    heartbeat_timeout: ClassVar[timedelta] = HEARTBEAT_TIMEOUT
    """How long the worker of a stage may be silent before it counts as dead."""

    def __init__(self) -> None:
        self._known: Known | None = None
        self._state: State | None = None
        self._ledger: tuple[Entry, ...] = ()
        self._refused: dict[str, Json] = {}
        self._expires: datetime | None = None
        self._secret = ""
        self._noted = ""
        self._moving: Migrated | None = None
        self._looked = 0

    async def _run(self, inputs: tuple[object, ...]) -> RawValue:
        started = workflow.info().workflow_start_time
        try:
            given = self._given(inputs)
            if self._continues:
                self._resume(given)
            else:
                # Where Temporal starts a run again, what was decided in the one before must not hold.
                secret = salt_of(*inputs) if workflow.info().attempt == 1 else ""
                self._begin(given, *await begun(self.library, self.name, secret=secret), started)
        except ContractError as error:
            raise application_error(error.at(f"input of {self.name}")) from None
        try:
            outcome = await self._to_the_end()
        except asyncio.CancelledError:
            self._take(Cancelled(reason=short(workflow.cancellation_reason() or "")))
            raise
        return self._result(outcome)

    # -- the beginning -----------------------------------------------------------------------------

    def _given(self, inputs: tuple[object, ...]) -> bytes:
        """The one JSON value that the run was started with. Raises `ContractError`."""
        if len(inputs) != 1 or not isinstance(inputs[0], RawValue):
            raise ContractError(f"start it with one JSON value; {len(inputs)} were given")
        if workflow.info().cron_schedule:
            raise ContractError("started with a cron string; use a Schedule")
        return data_of(inputs[0]) or b""

    @property
    def _continues(self) -> bool:
        """Whether the run before handed its state on to this one.

        A caller who sends such a state is not believed: the server alone names the run that is continued, and it
        names one for a retry and for a cron run, too, whose input is still the caller's.
        """
        info = workflow.info()
        return info.continued_run_id is not None and info.attempt == 1

    def _begin(self, given: bytes, known: Known, secret: str, at: datetime) -> None:
        value = canonical.loads(given, max_values=canonical.MAX_VALUES)
        known.check(known.plan.input.name, value)
        self._known, self._state, self._secret = known, machine.new(known.plan), secret
        # The clock of a workflow task is another where the task is done again; that of the start is the same.
        self._take(Begun(plan=known.plan.digest, input=Sealed.of(value, self._salt("input"))), at)

    def _resume(self, given: bytes) -> None:
        try:
            carried: Carried = wire.decode(Carried, given, what="carried state")
        except ContractError as error:
            raise UnknownPlan(f"This deploy cannot read what the run before handed on: {error.reason}.") from None
        self._known = continued(self.library, self.name, carried.state.plan)
        self._state, self._ledger, self._secret = carried.state, carried.ledger, carried.secret
        self._expires = datetime.fromisoformat(carried.expires) if carried.expires else None

    # -- from the first event to the last ----------------------------------------------------------

    async def _to_the_end(self) -> Outcome:
        while True:
            known, state = self._now
            due = machine.due(known.plan, state)
            if isinstance(due, Outcome):
                return due
            # A stage that swallows the cancellation ends well; the run is cancelled all the same.
            if workflow.cancellation_reason() is not None:
                raise asyncio.CancelledError
            if self._moving is not None:
                self._move(self._moving)
                continue
            self._continue_as_new_if_long()
            if isinstance(due, Gate):
                await self._answer(due)
                continue
            if await self._without_code(known):
                continue
            await (self._attempt(due) if isinstance(due, Run) else self._act(due))

    async def _answer(self, gate: Gate) -> None:
        """Wait until a person has answered the gate, or its time is up."""
        assert self._expires is not None
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: not self._waits_at(gate) or self._moving is not None,
                timeout=max(self._expires - workflow.now(), timedelta(milliseconds=1)),
                timeout_summary=f"{gate.node} waits for {gate.role}",
            )
        # An answer and the end of the time can come in one workflow task; the answer then stands.
        if self._waits_at(gate) and self._moving is None:
            self._take(Expired(gate=gate.id))

    def _waits_at(self, gate: Gate) -> bool:
        now = self._now[1].gate
        return now is not None and now.id == gate.id

    async def _without_code(self, known: Known) -> bool:
        """Wait for a deploy that can run the plan, or for a move to another; False where this one can."""
        self._looked += 1
        # What a worker without the code did is in the history, for one that has it.
        marker = f"gatework-without-code-{self._looked}"
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else unfit(known)):
            return False
        workflow.patched(marker)
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._moving is not None,
                timeout=LOOK_AGAIN,
                timeout_summary="no deploy that can run this plan",
            )
        return True

    async def _attempt(self, due: Run) -> None:
        event = await performed(
            self._now[0],
            due,
            lineage=self._lineage,
            heartbeat_timeout=self.heartbeat_timeout,
            idle=self._note,
        )
        self._noted = ""
        if workflow.cancellation_reason() is not None and isinstance(event, Failed):
            return
        try:
            self._take(event)
        except OrderError as error:
            self._take(not_taken(self._now[0], due, event, error.message))

    async def _act(self, due: Act) -> None:
        try:
            event = await acted(
                self._now[0],
                due,
                lineage=self._lineage,
                heartbeat_timeout=self.heartbeat_timeout,
                idle=self._note,
            )
        except asyncio.CancelledError:
            # What no worker had begun when the run was cancelled has not happened.
            event = ended(due, "failed", f"{due.call.tool} was cancelled before it began")
        self._noted = ""
        try:
            self._take(event)
        except OrderError as error:
            self._take(ended(due, "unknown", error.message))

    def _continue_as_new_if_long(self) -> None:
        # What was done once is in the history, whatever a later deploy thinks of its length.
        marker = f"gatework-continued-{len(self._ledger)}"
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else self._long):
            return
        carried = self._carried()
        # A longer history is better than a run that cannot go on.
        if len(carried) <= wire.MAX_MESSAGE_BYTES and workflow.all_handlers_finished():
            if not workflow.unsafe.is_replaying():
                emit.write([LogEvent.of("run.continued", {})], self._about(self._now[0].plan))
            workflow.patched(marker)
            workflow.continue_as_new(raw(carried))

    def _carried(self) -> bytes:
        _, state = self._now
        expires = self._expires.isoformat() if self._expires else ""
        return wire.encode(Carried(state=state, ledger=self._ledger, expires=expires, secret=self._secret))

    def _move(self, event: Migrated) -> None:
        """Go on as new on another plan, so that the run's marker names it; or stay, and say why."""
        self._moving = None
        known, state = self._now
        to = movement.target(self.library, self.name, event)
        stood = (self._known, self._state, self._ledger, self._expires)
        try:
            step = migration.move(known.plan, to.plan, state, event)
        except DecisionError as error:
            self._note(f"The run was not moved to plan {event.to[:12]}: {error.message}")
            return
        self._known = to
        self._accept(step, workflow.now())
        carried = self._carried()
        if len(carried) > wire.MAX_MESSAGE_BYTES:
            self._known, self._state, self._ledger, self._expires = stood
            self._note(f"The run was not moved to plan {event.to[:12]}: what it holds is too large to be handed on.")
            return
        if self._state is not None and self._state.outcome is None:
            workflow.continue_as_new(raw(carried))

    @property
    def _long(self) -> bool:
        info = workflow.info()
        return info.get_current_history_length() > self.continue_after_events or info.is_continue_as_new_suggested()

    def _result(self, outcome: Outcome) -> RawValue:
        known, state = self._now
        if outcome.kind == "completed":
            return raw(canonical.dumps(state.values[known.plan.result].sealed.data))
        ended = "The run expired" if outcome.kind == "expired" else f"The run was {outcome.kind}"
        by = f" by {outcome.by}" if outcome.by else ""
        at = f" at {outcome.node}" if outcome.node else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        raise ApplicationError(f"{ended}{by}{at}{reason}.", type=f"{OURS}{outcome.kind}", non_retryable=True)

    # -- what the machine accepted -----------------------------------------------------------------

    @property
    def _now(self) -> tuple[Known, State]:
        if self._known is None or self._state is None:
            raise DecisionError(NOT_BEGUN)
        return self._known, self._state

    def _take(self, event: Event, now: datetime | None = None) -> None:
        known, state = self._now
        now = now or workflow.now()
        self._accept(machine.step(known.plan, state, event), now, ended_at(event) or now)
        if event.kind == "finished" and event.node not in self._now[1].values:
            self._refused[event.output.digest] = event.output.data

    def _accept(self, step: Step, now: datetime, at: datetime | None = None) -> None:
        """Go on from a step. `at` is when it came about, where that is known apart from when it was accepted."""
        before, gate = self._now[1].gate, step.state.gate
        if gate is None:
            self._expires = None
        elif before is None or before.id != gate.id:
            self._expires = now + span(gate.expires_seconds)
        self._state = step.state
        said = len(self._ledger)
        self._ledger = extended(self._ledger, step.receipts, at or now)
        self._tell(self._ledger[said:])

    def _tell(self, entries: Sequence[Entry]) -> None:
        """Log what was accepted, unless this is a replay, which has been logged before."""
        if workflow.unsafe.is_replaying():
            return
        if emit.wanted(logging.INFO) or any(entry.receipt.kind not in QUIET for entry in entries):
            known, _ = self._now
            events = (event for event in told(entries, known.plan) if not event.live)
            emit.write(events, self._about(known.plan))

    def _about(self, plan: Plan) -> emit.Fields:
        info = workflow.info()
        return {"run": info.workflow_id, "run_id": info.run_id, "workflow": self.name, "plan": plan.digest[:12]}

    def _note(self, sentence: str) -> None:
        self._noted = sentence

    def panel(self) -> str:
        """What the UI shows of the run."""
        return panel(self._progress()) if self._state else ""

    @property
    def _lineage(self) -> str:
        info = workflow.info()
        return f"{info.namespace}/{info.workflow_id}/{info.first_execution_run_id}"

    # -- what people ask and say -------------------------------------------------------------------

    def _progress(self) -> Progress:
        known, state = self._now
        head = self._ledger[-1].digest if self._ledger else ""
        shown = progress(known.plan, state, receipts=len(self._ledger), head=head, expires=self._expires)
        note = self._noted or (unfit(known) if state.outcome is None else "")
        return replace(shown, note=note) if note else shown

    @workflow.query(description="Where the run stands, and what it waits for.")
    def state(self) -> RawValue:
        return raw(wire.encode(self._progress() if self._state else not_begun(self.name)))

    @workflow.query(description="The receipts of the run, chained.")
    def ledger(self) -> RawValue:
        return raw(wire.encode(self._ledger))

    @workflow.query(description="Values by their digest, also of outputs that were refused.")
    def values(self) -> RawValue:
        values = self._state.values if self._state else {}
        held = {value.sealed.digest: value.sealed.data for value in values.values()}
        return raw(canonical.dumps(fitting({**held, **self._refused})))

    @workflow.query(description="What moving the run to another plan would change.")
    def move(self, *data: RawValue) -> RawValue:
        return raw(canonical.dumps(self._said(movement.preview, data)))

    def look_at_move(self, data: tuple[RawValue, ...]) -> Migrated:
        """The move that was asked for. Raises the refusal that the person is to read; changes nothing."""
        return self._said(movement.asked, data)

    def take_move(self, data: tuple[RawValue, ...]) -> str:
        """Keep a move for the next boundary between stages, or gates; what to say to the person."""
        self._moving = event = self._said(movement.taken, data)
        known, state = self._now
        due = machine.due(known.plan, state)
        when = f" once {due.node} has ended" if isinstance(due, Run) else ""
        return f"migrate taken: the run goes on with plan {event.to[:12]}{when}."

    def _said(self, answer: Callable[[Library, Known, State, bytes | None], T], data: tuple[RawValue, ...]) -> T:
        try:
            known, state = self._now
            if len(data) > 1:
                raise DecisionError("Send one JSON value, or nothing.")
            if self._moving is not None:
                raise DecisionError("The run is being moved already; look again in a moment.")
            if self._expires is not None and workflow.now() >= self._expires:
                raise DecisionError("The time to answer is up.")
            return answer(self.library, known, state, data_of(data[0]) if data else None)
        except ContractError as error:
            raise refusal(f"What you sent cannot be read: {error.message}.") from None
        except DecisionError as error:
            raise refusal(error.message) from None

    def must_be_fit(self, action: Action) -> None:
        """Refuse what would have a run go on whose plan cannot run here. Asked of new decisions, and not at replay."""
        why = unfit(self._known) if self._known else ""
        if why and action not in ("reject", "abort"):
            raise refusal(f"{why} Deploy one that can, or move the run with `gatework migrate`.")

    def look(self, action: Action, data: tuple[RawValue, ...]) -> Step:
        """What a person's decision leads to. Raises the refusal that they are to read; changes nothing."""
        try:
            known, state = self._now
            if len(data) > 1:
                raise DecisionError("Send one JSON value, or nothing.")
            if self._expires is not None and workflow.now() >= self._expires:
                raise DecisionError("The time to answer is up.")
            sent = data_of(data[0]) if data else None
            salt = self._salt(f"decision {len(self._ledger)}")
            return machine.step(known.plan, state, decided(action, sent, known, state.gate, salt))
        except ContractError as error:
            raise refusal(f"What you sent cannot be read: {error.message}.") from None
        except GateworkError as error:
            raise refusal(error.message) from None

    def decide(self, action: Action, data: tuple[RawValue, ...]) -> str:
        gate = self._state.gate if self._state else None
        step = self.look(action, data)
        self._accept(step, workflow.now())
        return taken(step.receipts[0], gate)

    def _salt(self, of: str) -> bytes:
        """A salt that is the same for a decision and its check, and at each replay.

        Whoever started the run may know its secret, but not what the workers have drawn since.
        """
        drawn = [held.sealed.salt for held in self._state.values.values()] if self._state else []
        return bytes.fromhex(canonical.digest("salt", [self._secret, of, *drawn]))[:16]

    approve = decision("approve")
    reject = decision("reject")
    retry = decision("retry")
    edit = decision("edit")
    abort = decision("abort")
    migrate = migration_update()
