"""What people ask of a run and say to it: its queries, its panel, and their decisions."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue

from gatework.errors import ContractError, DecisionError, GateworkError
from gatework.machine import machine
from gatework.proof.ledger import handed_on
from gatework.releases.library import Known, Library
from gatework.run.events import Action, Decided, Migrated
from gatework.run.state import Gate, Run, Spawn, State
from gatework.temporal.page import evidence
from gatework.temporal.page.panel import panel
from gatework.temporal.page.progress import Progress, fitting, not_begun, progress
from gatework.temporal.transport import pages
from gatework.temporal.transport.payloads import data_of, raw, refusal
from gatework.temporal.workflow import deciding, movement, resuming
from gatework.temporal.workflow.decisions import Sent, answered, decided, must_be_held, taken, value_named
from gatework.temporal.workflow.pin import unfit
from gatework.temporal.workflow.principal import Asked, content_of, told
from gatework.temporal.workflow.record import Recorded
from gatework.temporal.workflow.updates import decision, heard, migration_update, question
from gatework.values import canonical, wire

T = TypeVar("T")

SETTLE = timedelta(seconds=2)
"""How long after a gate has opened behind another one a decision must say which it is meant for: a second click is not
for what its sender has not seen."""


class Answering(Recorded):
    """A run that people can ask, and that takes their decisions. Nothing here waits for anything."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = ""
        self._moving: Migrated | None = None
        self._found: dict[str, Decided] = {}
        """Update → the decision with what was found out when it came; for the moment until it is taken."""
        self._heard: dict[str, int] = {}
        """Signal → how many came in this run."""
        self._until: datetime | None = None
        """When the pause is over in which the run stands."""
        self._child = False
        """Whether another run of ours started this one, and is told what it comes to."""

    def _note(self, sentence: str) -> None:
        self._noted = sentence

    def panel(self) -> str:
        """What the UI shows of the run."""
        return panel(self._progress()) if self._state else ""

    def _progress(self) -> Progress:
        known, state = self._now
        shown = progress(known.plan, state, self._ledger, expires=self._expires, until=self._until)
        note = self._noted or (unfit(known) if state.outcome is None else "")
        shown = replace(shown, note=note or shown.note, lineage=self._lineage)
        return evidence.numbered(self._linked(shown), state.gate)

    def _linked(self, shown: Progress) -> Progress:
        """With the page that lists what else there is to do, from wherever the UI is."""
        namespace = workflow.info().namespace
        if shown.children_started:
            shown = replace(shown, children_link=pages.children(".", namespace, workflow.info().workflow_id))
        if not self._saying.findable:
            return replace(shown, link=pages.running(".", namespace), linked="All runs that have not ended")
        return replace(shown, link=pages.waiting(".", namespace), linked="All that waits for somebody")

    @workflow.query(description="Where the run stands, and what it waits for.")
    def state(self) -> RawValue:
        return raw(wire.encode(self._progress() if self._state else not_begun(self.name)))

    @question("All that you decide on, and at its end the number for it.")
    def evidence(self, *data: RawValue) -> RawValue:
        with _said_to_a_person():
            _, state = self._now
            if len(data) > 1:
                raise DecisionError("Send one JSON value, or nothing.")
            return raw(evidence.answer(self._progress(), state, value_named(data_of(data[0]) if data else None)))

    @workflow.query(description="The receipts of the run, chained; of very many, the last.")
    def ledger(self) -> RawValue:
        return raw(wire.encode(handed_on(self._ledger)))

    @workflow.query(description="Values by their digest, also of outputs that were refused.")
    def values(self) -> RawValue:
        values = self._state.values if self._state else {}
        held = {value.sealed.digest: value.sealed.data for value in values.values()}
        return raw(canonical.dumps(fitting({**held, **self._refused})))

    @question("What moving the run to another plan would change.")
    def move(self, *data: RawValue) -> RawValue:
        return raw(canonical.dumps(self._said(movement.preview, data)))

    @question("What resuming the run would do, once it has ended.")
    def resume(self, *data: RawValue) -> RawValue:
        return raw(canonical.dumps(resuming.preview(self._known, self._state, data, child=self._child)))

    def look_at_move(self, data: tuple[RawValue, ...]) -> Migrated:
        """The move that was asked for. Raises the refusal that the person is to read; changes nothing."""
        return self._said(movement.asked, data)

    def take_move(self, data: tuple[RawValue, ...]) -> str:
        """Keep a move for the next boundary between stages, or gates; what to say to the person."""
        self._moving = event = self._said(movement.taken, data)
        known, state = self._now
        due = machine.due(known.plan, state)
        when = f" once {due.node} has ended" if isinstance(due, Run) else ""
        if isinstance(due, Spawn):
            when = f" once the runs of {due.node} that are under way have ended"
        return f"migrate taken: the run goes on with plan {event.to[:12]}{when}."

    def _said(self, answer: Callable[[Library, Known, State, bytes | None], T], data: tuple[RawValue, ...]) -> T:
        with _said_to_a_person():
            known, state = self._now
            if len(data) > 1:
                raise DecisionError("Send one JSON value, or nothing.")
            if self._moving is not None:
                raise DecisionError("The run is being moved already; look again in a moment.")
            self._must_be_in_time()
            return answer(self.library, known, state, data_of(data[0]) if data else None)

    def look(self, action: Action, data: tuple[RawValue, ...]) -> None:
        """Refuse a new decision that cannot be taken, in the sentence that the person is to read; change nothing.

        Never asked at a replay: it may go by what the worker knows besides the history.
        """
        with _said_to_a_person():
            known, state = self._now
            _must_be_fit(known, action)
            sent = self._sent(action, data)
            if how := answered(self._ledger, sent.event.number, state.gate):
                raise DecisionError(f"That was decided already: {how}. Reload the panel, and read it again.")
            if state.gate is None:
                raise DecisionError("Nothing waits for a decision now.")
            self._must_be_meant(sent.event, state.gate)
            evidence.must_be_seen(self._progress(), state.gate, sent.event)
            event = deciding.found_out(
                sent, state.gate, roster=self.roster, lineage=self._lineage, plan=known.plan.digest, at=workflow.now()
            )
            machine.step(known.plan, state, event)
            self._found[_update_id()] = event

    def decide(self, action: Action, data: tuple[RawValue, ...]) -> str:
        """Take a decision; what to say to the person."""
        with _said_to_a_person():
            if workflow.unsafe.is_replaying():
                return self._decided(deciding.recorded(self._sent(action, data)))
            event = self._found.pop(_update_id(), None)
            if event is None:  # nothing is taken that was not looked at
                raise DecisionError("The decision was not looked at; send it again.")
            deciding.record(event)
            return self._decided(event)

    async def hear(self, action: Action, data: tuple[RawValue, ...]) -> None:
        """Take a decision that came as a signal, whose sender the server names; say on the panel what came of it."""
        if len(data) > 1:
            # Of these Temporal drops some without a word, so that they count neither here nor in the history.
            return
        self._heard[action] = number = self._heard.get(action, 0) + 1
        try:
            sent = self._sent(action, data).event
            known, state = self._now
            gate = state.gate
            if gate is None:
                raise DecisionError("Nothing waits for a decision now.")
            if not sent.number:
                raise DecisionError('A decision by signal names its gate: {"number": …, "note": "…"}.')
            # Nobody is looked up for what nobody could decide: a flood of signals costs no activities.
            machine.step(known.plan, state, replace(sent, by=sent.by or "?", identity="authenticated", member=True))
            # What a worker makes of its code and its panel is written down for one that makes something else of them.
            if not workflow.unsafe.is_replaying():
                _must_be_fit(known, action)
                evidence.must_be_seen(self._progress(), gate, sent)
            if not workflow.patched(f"gatework-heard-{action}-{number}"):
                raise DecisionError("It did not fit what was shown.")
            content = content_of(data[0] if data else None)
            found = await told(
                Asked(signal=action, number=number, content=content, typed=sent.by, role=gate.asked(action).role)
            )
            if found.refused:
                raise DecisionError(found.refused)
            self._must_be_in_time()
            if (now := self._now[1].gate) is None or now.id != gate.id:
                raise DecisionError("What it was about does not wait any more.")
            by_word = replace(sent, by=found.by, identity="authenticated", member=found.member, proof=found.proof)
            self._note(self._decided(by_word))
        except GateworkError as error:
            self._note(f"The {action} that came as a signal was not taken: {error.message}")

    def _sent(self, action: Action, data: tuple[RawValue, ...]) -> Sent:
        """The decision in what was sent. Raises `DecisionError` and `ContractError`."""
        known, state = self._now
        if len(data) > 1:
            raise DecisionError("Send one JSON value, or nothing.")
        self._must_be_in_time()
        typed = data_of(data[0]) if data else None
        sent = decided(action, typed, known, state.gate, self._salt(f"decision {self._length}"))
        must_be_held(sent.event, state, self._refused.values())
        return sent

    def _decided(self, event: Decided) -> str:
        known, state = self._now
        step = machine.step(known.plan, state, event)
        self._accept(step, workflow.now())
        return taken(step.receipts[0], state.gate)

    def _must_be_in_time(self) -> None:
        if self._expires is not None and workflow.now() >= self._expires:
            raise DecisionError("The time to answer is up.")

    def _must_be_meant(self, event: Decided, gate: Gate) -> None:
        """Refuse what its sender may have meant for the gate before: the panel does not reload itself."""
        if event.number or event.evidence or gate.id == 1 or self._opened is None:
            return
        if workflow.now() - self._opened < SETTLE:
            raise DecisionError("The run has gone on just now and asks something else; look at it, and send it again.")

    approve = decision("approve")
    answer = decision("answer")
    reject = decision("reject")
    retry = decision("retry")
    edit = decision("edit")
    abort = decision("abort")
    override = decision("override")
    approve_heard = heard("approve")
    answer_heard = heard("answer")
    reject_heard = heard("reject")
    retry_heard = heard("retry")
    edit_heard = heard("edit")
    abort_heard = heard("abort")
    override_heard = heard("override")
    migrate = migration_update()


@contextmanager
def _said_to_a_person() -> Generator[None]:
    """Turn our errors into refusals that a person reads."""
    try:
        yield
    except ContractError as error:
        raise refusal(f"What you sent cannot be read: {error.message}.") from None
    except GateworkError as error:
        raise refusal(error.message) from None


def _must_be_fit(known: Known, action: Action) -> None:
    """Refuse what would have a run go on whose plan cannot run here."""
    if (why := unfit(known)) and action not in ("reject", "abort"):
        raise DecisionError(f"{why} Deploy one that can, or move the run with `gatework migrate`.")


def _update_id() -> str:
    update = workflow.current_update_info()
    return update.id if update else ""
