"""What people ask of a run and say to it: its queries, its panel, and their decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue

from gatework import canonical, machine, wire
from gatework.errors import ContractError, DecisionError, GateworkError
from gatework.events import Action, Migrated
from gatework.library import Known, Library
from gatework.state import Run, State, Step
from gatework.temporal import movement
from gatework.temporal.decisions import decided, taken
from gatework.temporal.panel import panel
from gatework.temporal.payloads import data_of, raw, refusal
from gatework.temporal.pin import unfit
from gatework.temporal.progress import Progress, fitting, not_begun, progress
from gatework.temporal.record import Recorded
from gatework.temporal.updates import decision, migration_update

T = TypeVar("T")


class Answering(Recorded):
    """A run that people can ask, and that takes their decisions. Nothing here waits for anything."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = ""
        self._moving: Migrated | None = None

    def _note(self, sentence: str) -> None:
        self._noted = sentence

    def panel(self) -> str:
        """What the UI shows of the run."""
        return panel(self._progress()) if self._state else ""

    def _progress(self) -> Progress:
        known, state = self._now
        head = self._ledger[-1].digest if self._ledger else ""
        shown = progress(known.plan, state, receipts=len(self._ledger), head=head, expires=self._expires)
        note = self._noted or (unfit(known) if state.outcome is None else "")
        return replace(shown, note=note or shown.note, lineage=self._lineage)

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

    approve = decision("approve")
    reject = decision("reject")
    retry = decision("retry")
    edit = decision("edit")
    abort = decision("abort")
    migrate = migration_update()
