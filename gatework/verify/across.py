"""Where people had a hand in values that go from run to run: what one run knows of that, the other is held to.

Runs are walked once more, with what was cut off of them, each with what those that started it, and that it started,
know of the values between them: no plan's rule approves what people gave in another run, and nobody approves what they
gave there. Section 5.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from gatework.plan.expr import Const
from gatework.plan.plan import Call, Plan
from gatework.proof.certificate import RunLedger
from gatework.proof.ledger import GENESIS, Entry
from gatework.run.state import Receipt
from gatework.verify import walk
from gatework.verify.children import child_of
from gatework.verify.onward import taken_along
from gatework.verify.refusal import Place, Refused
from gatework.verify.state import Held, State
from gatework.verify.ties import under_way
from gatework.verify.values import Disclosed

MOST_DEEP = 50
"""How deep in each other runs are looked at."""

MOST_WALKS = 8
"""How often each run is walked, in the mean: once for all that is known of its inputs where others start it."""

Given = Mapping[str, Held]

Started = dict[tuple[str, int], Given]
"""Node and number of child runs → what each was given."""

Mark = tuple[State, Started]
"""Where a run stands, and what it has started so far."""


class Run(Protocol):
    """A run of a certificate that holds by itself."""

    @property
    def ledger(self) -> RunLedger: ...
    @property
    def start(self) -> Plan: ...


def check(runs: Sequence[Run], known: Disclosed, going_on: Mapping[tuple[int, str, int], int]) -> None:
    """Raise `Refused` where a run does not hold with what others know of its values.

    `going_on`: run, node and number of child runs that are under way → which run each is.
    """
    _Across(runs, known, going_on).gone(0, {}, 0)


class _Across:
    def __init__(self, runs: Sequence[Run], known: Disclosed, going_on: Mapping[tuple[int, str, int], int]) -> None:
        self.runs, self.known, self.going_on = runs, known, going_on
        self.ids = {run.ledger.run_id: number for number, run in enumerate(runs)}
        self._walked: dict[tuple[int, frozenset[tuple[str, Held]]], Held | None] = {}
        self._left = MOST_WALKS * len(runs)

    def gone(self, number: int, given: Given, deep: int) -> Held | None:
        """What a run gave, with all whose hands were in it; None where it gave nothing, or is not looked at."""
        asked = number, frozenset(given.items())
        if asked not in self._walked:
            if deep > MOST_DEEP or not self._left:
                self.known.unchecked("values given by hand in runs that lie too deep in each other, or in too many")
                return None
            self._left -= 1
            self._walked[asked] = _Walk(self, number, given, deep).gone()
        return self._walked[asked]


class _Walk:
    """The walk through one run: its ledger, then what was cut off of it, each from where it follows on."""

    def __init__(self, across: _Across, number: int, given: Given, deep: int) -> None:
        self._across, self._number, self._deep = across, number, deep
        self._run, self._gave = across.runs[number], dict[str, Held]()
        self._known = replace(across.known, given=given, gave=self._gave, not_checked={})
        self._wanted = {cut.entries[0].before for cut in self._run.ledger.superseded}
        self._marks: dict[str, Mark] = {GENESIS: (walk.start(self._run.start), {})}

    def gone(self) -> Held | None:
        """What it gave. Raises `Refused` where it does not hold."""
        state, started = self._through(self._run.ledger.entries, GENESIS, 0)
        for node, child, _ in under_way(state):
            there = self._across.going_on.get((self._number, node.name, child))
            if there is not None:
                self._across.gone(there, started.get((node.name, child), {}), self._deep + 1)
        for leg, cut in enumerate(self._run.ledger.superseded, start=1):
            self._through(cut.entries, cut.entries[0].before, leg)
        return taken_along(state, state.plan.result) if state.outcome == "completed" else None

    def _through(self, entries: Sequence[Entry], behind: str, leg: int) -> Mark:
        state, before = self._marks[behind]
        started = dict(before)
        for entry in entries:
            receipt, place = entry.receipt, Place(run=self._number, leg=leg, entry=entry.sequence)
            if receipt.kind == "called":
                started[receipt.node, receipt.how["child"]] = _given(state, receipt)
            elif receipt.kind == "returned":
                self._returned(receipt, started)
            try:
                state = walk.step(self._known, state, receipt)
            except Refused as refused:
                raise refused.at(place) from None
            if entry.digest in self._wanted:
                self._marks[entry.digest] = state, dict(started)
        return state, started

    def _returned(self, receipt: Receipt, started: Started) -> None:
        id_ = str(receipt.how.get("run", ""))
        if id_ in self._across.ids:
            given = started.get((receipt.node, receipt.how["child"]), {})
            found = self._across.gone(self._across.ids[id_], given, self._deep + 1)
            if found is not None:
                self._gave[id_] = found


def _given(state: State, called: Receipt) -> Given:
    """The inputs of a child run, as the run holds them that starts it."""
    node = state.plan.node(called.node)
    assert isinstance(node, Call)
    child = child_of(node, int(called.how["child"]))
    sources = {param.name: param.source.node for param in child.params if not isinstance(param.source, Const)}
    return {name: taken_along(state, source) for name, source in sources.items()}
