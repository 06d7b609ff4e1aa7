"""What a run on Temporal has in hand: its state, its ledger, and the one way in which they change."""

from __future__ import annotations

import logging
from collections.abc import Container, Sequence
from datetime import datetime
from typing import ClassVar

from temporalio import workflow

from gatework.errors import DecisionError
from gatework.logs import emit
from gatework.logs.story import told
from gatework.logs.vocabulary import QUIET
from gatework.machine import machine
from gatework.plan.plan import Plan
from gatework.proof.ledger import Entry, Noted, length, written
from gatework.releases.library import Known, Library
from gatework.run.events import Event
from gatework.run.state import Receipt, State, Step
from gatework.signing.roster import Roster
from gatework.temporal.page.progress import NOT_BEGUN
from gatework.temporal.transport.messages import lineage
from gatework.temporal.transport.payloads import OwnPayloads
from gatework.temporal.workflow.asking import span
from gatework.temporal.workflow.attempt import ended_at
from gatework.temporal.workflow.saying import Saying
from gatework.values import canonical
from gatework.values.canonical import Json


class Recorded(OwnPayloads):
    """One run of a plan, as far as it has come."""

    library: ClassVar[Library]
    name: ClassVar[str]
    roster: ClassVar[Roster | None] = None
    """The list of people, where the worker has one. For what is new; a replay goes by what the history says."""
    findable_in: ClassVar[Container[str]] = ()
    """Namespaces in which the worker has found the search attributes."""
    stores: ClassVar[bool] = False
    """Whether what is too large for the server goes into a store here."""

    def __init__(self) -> None:
        self._known: Known | None = None
        self._state: State | None = None
        self._chained: list[Entry] = []
        self._unchained: list[tuple[Receipt, datetime]] = []
        """Receipts whose digests nobody has asked for yet."""
        self._refused: dict[str, Json] = {}
        self._expires: datetime | None = None
        self._opened: datetime | None = None
        """When the gate that waits was opened in this run, or this run began with it."""
        self._secret = ""
        self._first = ""
        """The lineage of the run that this one resumes; empty where it resumes none."""
        self._saying = Saying(self.findable_in)

    @property
    def undoing(self) -> bool:  # type: ignore[override]  # nobody sets it
        """Whether the run undoes what it did: it ends otherwise than it should."""
        return self._state is not None and self._state.ending is not None

    @property
    def _now(self) -> tuple[Known, State]:
        if self._known is None or self._state is None:
            raise DecisionError(NOT_BEGUN)
        return self._known, self._state

    @property
    def _ledger(self) -> Sequence[Entry]:
        """The receipts, chained. Most runs end before anybody asks for the digests, which cost much."""
        for receipt, at in self._unchained:
            self._chained.append(Entry.after(self._chained[-1] if self._chained else None, receipt, at))
        self._unchained.clear()
        return self._chained

    @_ledger.setter
    def _ledger(self, entries: Sequence[Entry]) -> None:
        self._chained, self._unchained = list(entries), []

    @property
    def _length(self) -> int:
        """How many entries the ledger has, with those that were not handed on."""
        return length(self._chained) + len(self._unchained)

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
            self._opened = now
        self._state = step.state
        self._unchained += ((receipt, at or now) for receipt in step.receipts)
        self._tell(step.receipts)

    def _tell(self, receipts: Sequence[Receipt]) -> None:
        """Log what was accepted, unless this is a replay, which has been logged before."""
        if workflow.unsafe.is_replaying():
            return
        if emit.wanted(logging.INFO) or any(receipt.kind not in QUIET for receipt in receipts):
            known, _ = self._now
            events = (event for event in told(self._just_taken(len(receipts)), known.plan) if not event.live)
            emit.write(events, self._about(known.plan))

    def _just_taken(self, many: int) -> Sequence[Noted]:
        """So many of the receipts that were taken just now: to tell of them they need no digests."""
        first = self._length - many + 1
        new = self._unchained[len(self._unchained) - many :]
        return [Noted(first + place, written(at), receipt) for place, (receipt, at) in enumerate(new)]

    def _newest(self, many: int) -> Sequence[Entry]:
        """So many of the last entries."""
        ledger = self._ledger
        return ledger[len(ledger) - many :]

    def _about(self, plan: Plan) -> emit.Fields:
        info = workflow.info()
        return {"run": info.workflow_id, "run_id": info.run_id, "workflow": self.name, "plan": plan.digest[:12]}

    @property
    def _lineage(self) -> str:
        info = workflow.info()
        return self._first or lineage(info.namespace, info.workflow_id, info.first_execution_run_id)

    def _salt(self, of: str) -> bytes:
        """A salt that is the same for a decision and its check, and at each replay.

        Whoever started the run may know its secret, but not what the workers have drawn since.
        """
        drawn = [held.sealed.salt for held in self._state.values.values()] if self._state else []
        return bytes.fromhex(canonical.digest("salt", [self._secret, of, *drawn]))[:16]
