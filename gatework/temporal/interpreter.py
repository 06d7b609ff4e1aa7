"""The interpreter: drives the machine inside a Temporal workflow.

It performs what is due and hands the machine what came of it. What may happen next is the machine's to say;
nothing here decides it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from gatework import canonical, machine, migration, wire
from gatework.canonical import Sealed
from gatework.errors import ContractError, DecisionError, OrderError, ResumeError
from gatework.events import Begun, Cancelled, Expired, Failed, Migrated
from gatework.ledger import Entry, extended
from gatework.library import Known
from gatework.logs import emit
from gatework.logs.vocabulary import LogEvent
from gatework.plan import Work
from gatework.state import Act, Gate, Outcome, Run, State
from gatework.temporal import movement, recalling, resuming
from gatework.temporal.acting import acted, ended
from gatework.temporal.answering import Answering
from gatework.temporal.asking import HEARTBEAT_TIMEOUT
from gatework.temporal.attempt import not_taken, performed
from gatework.temporal.captions import at_stage
from gatework.temporal.notify import Telling, notice_of
from gatework.temporal.payloads import OURS, application_error, data_of, raw
from gatework.temporal.pin import UnknownPlan, begun, continued, unfit
from gatework.temporal.salting import salt_of
from gatework.temporal.storing import may_carry, most_of_input
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
    lineage: str = ""
    """That of the run that was resumed, before this one or further back; empty where none was."""


class Interpreter(Answering):
    """One run of a plan. Subclasses, made by `workflow_class`, say of which workflow."""

    continue_after_events: ClassVar[int] = 4_000
    """Length of history at which the run continues as new."""
    heartbeat_timeout: ClassVar[timedelta] = HEARTBEAT_TIMEOUT
    """How long the worker of a stage may be silent before it counts as dead."""
    stores: ClassVar[bool] = False
    """Whether what is too large for the server goes into a store here."""
    notifies: ClassVar[bool] = False
    """Whether people are told of gates that open here."""

    def __init__(self) -> None:
        super().__init__()
        self._looked = 0
        self._telling = Telling()
        self._asked = 0
        self._measured = (-1, 0)
        self._recalled = ""

    async def _run(self, inputs: tuple[object, ...]) -> RawValue:
        started = workflow.info().workflow_start_time
        self._saying.look()
        try:
            if (wanted := resuming.requested(inputs)) is not None:
                await self._take_over(wanted)
            else:
                await self._from(self._given(inputs), inputs, started)
        except ContractError as error:
            raise application_error(error.at(f"input of {self.name}")) from None
        try:
            outcome = await self._to_the_end()
        except asyncio.CancelledError:
            self._take(Cancelled(reason=short(workflow.cancellation_reason() or "")))
            # Temporal cancels what runs here also where it only takes the run out of memory.
            if workflow.cancellation_reason() is not None:
                self._saying.say(self._now[0].plan, self._now[1])
                await self._telling.over()
            raise
        return self._result(outcome)

    # -- the beginning -----------------------------------------------------------------------------

    async def _from(self, given: bytes, inputs: tuple[object, ...], started: datetime) -> None:
        if self._continues:
            self._go_on(given)
            return
        # Where Temporal starts a run again, what was decided in the one before must not hold.
        secret = salt_of(*inputs) if workflow.info().attempt == 1 else ""
        self._begin(given, *await begun(self.library, self.name, secret=secret), started)

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
        value = canonical.loads(
            given, max_bytes=most_of_input(len(given), self.stores), max_values=canonical.MAX_VALUES
        )
        known.check(known.plan.input.name, value)
        self._known, self._state, self._secret = known, machine.new(known.plan), secret
        # The clock of a workflow task is another where the task is done again; that of the start is the same.
        self._take(Begun(plan=known.plan.digest, input=Sealed.of(value, self._salt("input"))), at)

    def _go_on(self, given: bytes) -> None:
        try:
            carried: Carried = wire.decode(Carried, given, what="carried state")
        except ContractError as error:
            raise UnknownPlan(f"This deploy cannot read what the run before handed on: {error.reason}.") from None
        self._carry(carried)

    async def _take_over(self, wanted: resuming.Wanted) -> None:
        """Go on where a run ended, as a worker finds it in the server's history of it."""
        taken = await resuming.taken(self.name, wanted)
        state, ledger = taken.state, taken.ledger
        self._carry(Carried(state=state, ledger=ledger, expires="", secret=taken.secret, lineage=taken.lineage))
        try:
            self._accept(resuming.went_on(self._now[0], taken), workflow.now())
        except DecisionError as error:  # which the worker was to look for
            raise application_error(ResumeError(error.message)) from None

    def _carry(self, carried: Carried) -> None:
        self._known = continued(self.library, self.name, carried.state.plan)
        self._state, self._ledger, self._secret = carried.state, carried.ledger, carried.secret
        self._first = carried.lineage
        self._expires = datetime.fromisoformat(carried.expires) if carried.expires else None
        # A gate may have been opened just before: a second click is not for it here, either.
        self._opened = workflow.info().workflow_start_time if carried.state.gate else None

    # -- from the first event to the last ----------------------------------------------------------

    async def _to_the_end(self) -> Outcome:
        while True:
            known, state = self._now
            due = machine.due(known.plan, state)
            self._saying.say(known.plan, state)
            if isinstance(due, Outcome):
                await self._telling.over()
                return due
            # A stage that swallows the cancellation ends well; the run is cancelled all the same.
            if workflow.cancellation_reason() is not None:
                raise asyncio.CancelledError
            if await self._recall(known):
                continue
            if self._moving is not None:
                await self._telling.over()
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
        known, now = self._now[0], workflow.now()
        self._telling.begin(
            notice_of(known.plan, gate, now, self._expires),
            wanted=self.notifies,
            left=self._expires - now,
            about=lambda: self._about(known.plan),
        )
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: not self._waits_at(gate) or self._moving is not None,
                timeout=max(self._expires - now, timedelta(milliseconds=1)),
                timeout_summary=at_stage(self._now[0].plan, gate.node, f"waits for {gate.role}"),
            )
        # An answer and the end of the time can come in one workflow task; the answer then stands.
        if self._waits_at(gate) and self._moving is None:
            self._take(Expired(gate=gate.id))
        if not self._waits_at(gate):
            self._telling.call_back()

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
        at = known.plan.nodes[self._now[1].at].name
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._moving is not None,
                timeout=LOOK_AGAIN,
                timeout_summary=at_stage(known.plan, at, "waits for a deploy that can run this plan"),
            )
        return True

    async def _recall(self, known: Known) -> bool:
        """Hear of the effects that had followed where the run was reset; False where there is nothing to hear."""
        if not any(node.effects for node in known.plan.nodes if isinstance(node, Work)):
            return False
        self._asked += 1
        # Who was reset, and when, is in no history that is read from a file; that it was looked up is.
        marker = f"gatework-recall-{self._asked}"
        info = workflow.info()
        cut = info.run_id not in (info.original_execution_run_id, self._recalled)
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else cut):
            return False
        workflow.patched(marker)
        found = await recalling.past()
        self._recalled = found.run
        step = resuming.recalled(known, self._now[1], found.effects)
        if step.receipts:
            self._accept(step, workflow.now())
        return True

    async def _attempt(self, due: Run) -> None:
        event = await performed(
            self._now[0],
            due,
            lineage=self._lineage,
            heartbeat_timeout=self.heartbeat_timeout,
            idle=self._note,
            stores=self.stores,
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
        at, times = self._measured
        self._measured = at, times = len(self._ledger), times + 1 if at == len(self._ledger) else 1
        # A ledger may be looked at more than once; Temporal answers for a marker as it did at first.
        marker = f"gatework-continued-{at}" + (f"-{times}" if times > 1 else "")
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else self._long):
            return
        carried = self._carried(self._now[1], self._ledger)
        # A longer history is better than a run that cannot go on.
        free = workflow.all_handlers_finished() and not self._telling.under_way
        # Where it did so before there was room for it.
        room = wire.MAX_STORED_BYTES if self.stores or workflow.unsafe.is_replaying() else wire.MAX_MESSAGE_BYTES
        if len(carried) <= room and free:
            if not workflow.unsafe.is_replaying():
                emit.write([LogEvent.of("run.continued", {})], self._about(self._now[0].plan))
            workflow.patched(marker)
            workflow.continue_as_new(raw(carried))

    def _carried(self, state: State, ledger: tuple[Entry, ...]) -> bytes:
        expires = self._expires.isoformat() if self._expires else ""
        return wire.encode(
            Carried(state=state, ledger=ledger, expires=expires, secret=self._secret, lineage=self._first)
        )

    def _move(self, event: Migrated) -> None:
        """Go on as new on another plan, so that the run's marker names it; or stay, and say why."""
        self._moving = None
        known, state = self._now
        to, now = movement.target(self.library, self.name, event), workflow.now()
        try:
            step = migration.move(known.plan, to.plan, state, event)
        except DecisionError as error:
            self._note(f"The run was not moved to plan {event.to[:12]}: {error.message}")
            return
        # Looked at first: what was accepted is told, and is not taken back.
        size = len(self._carried(step.state, extended(self._ledger, step.receipts, now)))
        if not may_carry(size, f"gatework-moved-stored-{len(self._ledger)}", self.stores):
            self._note(f"The run was not moved to plan {event.to[:12]}: what it holds is too large to be handed on.")
            return
        self._known = to
        self._accept(step, now)
        if step.state.outcome is None:
            workflow.continue_as_new(raw(self._carried(step.state, self._ledger)))

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
