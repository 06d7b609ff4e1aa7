"""The interpreter: drives the machine inside a Temporal workflow.

It performs what is due and hands the machine what came of it. What may happen next is the machine's to say;
nothing here decides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from gatework.errors import ContractError, DecisionError, OrderError
from gatework.logs import emit
from gatework.logs.vocabulary import LogEvent
from gatework.machine import machine, migration
from gatework.machine.returning import report
from gatework.proof.ledger import extended
from gatework.releases.library import Known
from gatework.run.events import Cancelled, Elapsed, Expired, Failed, Migrated
from gatework.run.state import Act, Due, Gate, Outcome, Run, Spawn, Wait
from gatework.temporal.transport.captions import at_stage
from gatework.temporal.transport.heartbeat import HEARTBEAT_TIMEOUT
from gatework.temporal.transport.payloads import OURS, application_error, raw
from gatework.temporal.transport.storing import may_carry
from gatework.temporal.workflow import movement, recalling, resuming
from gatework.temporal.workflow.acting import acted, ended
from gatework.temporal.workflow.asking import span
from gatework.temporal.workflow.attempt import not_taken, performed
from gatework.temporal.workflow.beginning import Pausing
from gatework.temporal.workflow.notify import Telling, notice_of
from gatework.temporal.workflow.pin import unfit
from gatework.temporal.workflow.spawning import Spawning
from gatework.values import canonical, wire
from gatework.values.verdict import short

LOOK_AGAIN = timedelta(minutes=2)
"""How soon a run whose plan a deploy cannot run looks whether the next one can."""

LOOK_RARELY = timedelta(hours=1)
"""The same of a run without room, whose history each look makes longer."""

WEIGHED_AGAIN = 100
"""After so many receipts it is looked again whether a run can be handed on that was too large for it."""

NO_ROOM = (
    "The run holds more than can be handed on without a store, and its history has no room for the rest: "
    "start its workers with GATEWORK_STORE, and it goes on by itself; nothing of it is lost."
)


class Interpreter(Spawning):
    """One run of a plan. Subclasses, made by `workflow_class`, say of which workflow."""

    heartbeat_timeout: ClassVar[timedelta] = HEARTBEAT_TIMEOUT
    """How long the worker of a stage may be silent before it counts as dead."""
    notifies: ClassVar[bool] = False
    """Whether people are told of gates that open here."""

    def __init__(self) -> None:
        super().__init__()
        self._looked = 0
        self._telling = Telling()
        self._asked = 0
        self._measured = (-1, 0)
        self._weighed = 0
        """Length of the ledger at which it is looked again whether the run can be handed on."""
        self._squeezed = 0
        self._waited = 0
        """How often this run had no room, of the times that it was looked."""
        self._recalled = ""

    async def _run(self, inputs: tuple[object, ...]) -> RawValue:
        self._saying.look()
        try:
            await self._begun(inputs)
        except ContractError as error:
            raise application_error(error.at(f"input of {self.name}")) from None
        while True:
            try:
                return self._result(await self._to_the_end())
            except asyncio.CancelledError:
                # Temporal cancels what runs here also where it only takes the run out of memory.
                if workflow.cancellation_reason() is None:
                    raise
                _, state = self._now
                if state.outcome is not None and state.outcome.kind == "cancelled":
                    raise
            if self._is_to_end:
                await self._cancel()

    @property
    def _is_to_end(self) -> bool:
        """Whether the run was cancelled, and has still to take it. One that is ending already goes on to its end."""
        state = self._now[1]
        return workflow.cancellation_reason() is not None and state.ending is None and state.outcome is None

    async def _cancel(self) -> None:
        """Take that the run is cancelled, once its child runs have ended, whose undos come before its own."""
        await self._without_children()
        returned = [event for event in map(self._acceptable, self._come_in()) if event is not None]
        self._take(Cancelled(reason=short(workflow.cancellation_reason() or ""), returned=tuple(returned)))
        known, state = self._now
        self._saying.say(known.plan, state)
        self._telling.call_back()

    # -- from the first event to the last ----------------------------------------------------------

    async def _to_the_end(self) -> Outcome:
        while True:
            known, state = self._now
            due = machine.due(known.plan, state)
            self._saying.say(known.plan, state)
            if isinstance(due, Outcome):
                await self._telling.over()
                await self._without_children()
                return due
            # A stage that swallows the cancellation ends well; the run is cancelled all the same.
            if self._is_to_end:
                raise asyncio.CancelledError
            self._children.only(due if isinstance(due, Spawn) else None)
            doing = self._do(known, due)
            await (_undisturbed(doing) if self.undoing else doing)

    async def _do(self, known: Known, due: Run | Act | Wait | Spawn | Gate) -> None:
        """One thing: what is due, or what comes before it."""
        if await self._recall(known):
            return
        if self._moving is not None and not self._children.any:
            await self._telling.over()
            self._move(self._moving)
            return
        self._continue_as_new_if_long()
        if isinstance(due, Gate):
            await self._answer(due)
            return
        if await self._without_code(known) or await self._without_room(known, due):
            return
        match due:
            case Run():
                await self._attempt(due)
            case Act():
                await self._act(due)
            case Wait():
                await self._wait(due)
            case Spawn():
                await self._spawn(known, due)

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
        at = known.plan.steps[self._now[1].at].name
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._moving is not None,
                timeout=LOOK_AGAIN,
                timeout_summary=at_stage(known.plan, at, "waits for a deploy that can run this plan"),
            )
        return True

    async def _without_room(self, known: Known, due: Due) -> bool:
        """Wait for a worker with a store, where the run can neither be handed on nor go on as it is for long.

        Nothing is lost meanwhile; at the end of its history the server would end it. False where it has room.
        """
        self._squeezed += 1
        # What a worker without a store did is in the history, for one that has it.
        marker = f"gatework-without-room-{self._squeezed}"
        full = not workflow.unsafe.is_replaying() and not self._children.any and self._is_full(known, due)
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else full):
            return False
        workflow.patched(marker)
        self._note(NO_ROOM)
        self._waited += 1
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._moving is not None,
                timeout=min(LOOK_AGAIN * 2**self._waited, LOOK_RARELY),
                timeout_summary=at_stage(known.plan, known.plan.steps[self._now[1].at].name, "waits for a store"),
            )
        self._noted = ""
        return True

    async def _recall(self, known: Known) -> bool:
        """Hear of the effects of other runs of this lineage, such as had followed where the run was reset; False where
        there is nothing to hear.
        """
        if not known.plan.has_effects:
            return False
        self._asked += 1
        # Who was reset, and when, is in no history that is read from a file; that it was looked up is.
        marker = f"gatework-recall-{self._asked}"
        cut = (self._hears or self._was_reset) and workflow.info().run_id != self._recalled
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else cut):
            return False
        workflow.patched(marker)
        found = await recalling.past()
        self._recalled, self._hears = found.run, False
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
        if self._is_to_end and isinstance(event, Failed):
            return
        try:
            self._take(event)
        except OrderError as error:
            self._take(not_taken(self._now[0], due, event, error.message))

    async def _wait(self, due: Wait) -> None:
        """Let the time of a pause pass. A move to another plan is looked at meanwhile, and changes nothing of it."""
        known, now = self._now[0], workflow.now()
        began = self._pausing
        if began is None or (began.node, began.attempt) != (due.node, due.attempt):
            self._pausing = began = Pausing(node=due.node, attempt=due.attempt, since=now.isoformat())
        self._until = until = datetime.fromisoformat(began.since) + span(due.seconds)
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._moving is not None,
                timeout=max(until - now, timedelta(milliseconds=1)),
                timeout_summary=at_stage(known.plan, due.node, f"waits until {until:%Y-%m-%d %H:%M} UTC"),
            )
        if self._moving is None:
            self._pausing = self._until = None
            self._take(Elapsed(plan=due.plan, node=due.node, attempt=due.attempt))

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
        now = self._length
        self._measured = at, times = now, times + 1 if at == now else 1
        # A ledger may be looked at more than once; Temporal answers for a marker as it did at first.
        marker = f"gatework-continued-{at}" + (f"-{times}" if times > 1 else "")
        # A state of megabytes is not written down after each stage, to see each time that it is too large.
        light = self._long and not (self._too_large and now < self._weighed)
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else light):
            return
        if self._children.any or self._telling.under_way or not workflow.all_handlers_finished():
            return
        carried = self._carried(self._now[1], self._ledger)
        # A longer history is better than a run that cannot go on.
        # Where it did so before there was room for it.
        room = wire.MAX_STORED_BYTES if self.stores or workflow.unsafe.is_replaying() else wire.MAX_MESSAGE_BYTES
        self._too_large = len(carried) > room
        self._weighed = now + WEIGHED_AGAIN
        if not self._too_large:
            if not workflow.unsafe.is_replaying():
                emit.write([LogEvent.of("run.continued", {})], self._about(self._now[0].plan))
            workflow.patched(marker)
            workflow.continue_as_new(raw(carried))

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
        if not may_carry(size, f"gatework-moved-stored-{self._length}", self.stores):
            self._note(f"The run was not moved to plan {event.to[:12]}: what it holds is too large to be handed on.")
            return
        at = step.state.at
        self._known = to
        self._accept(step, now)
        began = self._pausing
        if began is not None and at < len(to.plan.nodes) and to.plan.nodes[at].name == began.node:
            # What has passed of a pause has passed, though the plan may say another time by now.
            self._pausing = replace(began, attempt=step.state.attempts[began.node])
        if step.state.outcome is None:
            workflow.continue_as_new(raw(self._carried(step.state, self._ledger)))

    def _result(self, outcome: Outcome) -> RawValue:
        known, state = self._now
        if outcome.kind in ("completed", "undone") and not self._child:
            return raw(canonical.dumps(state.values[known.plan.result].sealed.data))
        told = report(known.plan, state, self._ledger, run=workflow.info().run_id, before=self._before)
        if outcome.kind in ("completed", "undone"):
            return raw(wire.brief(told))
        if outcome.kind == "cancelled":
            raise asyncio.CancelledError
        ended = "The run expired" if outcome.kind == "expired" else f"The run {_TOLD[outcome.kind]}"
        by = f" by {outcome.by}" if outcome.by else ""
        at = f" at {outcome.node}" if outcome.node else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        details = (wire.data(told),) if self._child else ()
        raise ApplicationError(f"{ended}{by}{at}{reason}.", *details, type=f"{OURS}{outcome.kind}", non_retryable=True)


_TOLD = {"rejected": "was rejected", "aborted": "was aborted", "failed": "failed"}


async def _undisturbed(doing: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, though the run is cancelled meanwhile: what it did is undone all the same."""
    task = asyncio.create_task(doing)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None or task.cancelled():
                raise
