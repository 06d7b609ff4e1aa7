"""Where people had a hand in values that go from run to run: what one run knows of that, the other is held to.

Runs are walked once more, each with what those that started it, and that it started, know of the values between them:
no plan's rule approves what people gave in another run, and nobody approves what they gave there. Section 5.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from gatework.plan.expr import Const
from gatework.plan.plan import Call, Plan
from gatework.proof.certificate import RunLedger
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

Given = Mapping[str, Held]


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
        self._runs, self._known, self._going_on = runs, known, going_on
        self._ids = {run.ledger.run_id: number for number, run in enumerate(runs)}

    def gone(self, number: int, given: Given, deep: int) -> Held | None:
        """What a run gave, with all whose hands were in it; None where it gave nothing, or lies too deep."""
        if deep > MOST_DEEP:
            self._known.unchecked("values given by hand in runs that lie too deep in each other")
            return None
        run, gave = self._runs[number], dict[str, Held]()
        known = replace(self._known, given=given, gave=gave, not_checked={})
        state, started = walk.start(run.start), dict[tuple[str, int], Given]()
        for entry in run.ledger.entries:
            receipt, place = entry.receipt, Place(run=number, entry=entry.sequence)
            if receipt.kind == "called":
                started[receipt.node, receipt.how["child"]] = _given(state, receipt)
            elif receipt.kind == "returned" and (id_ := str(receipt.how.get("run", ""))) in self._ids:
                found = self.gone(self._ids[id_], started.get((receipt.node, receipt.how["child"]), {}), deep + 1)
                if found is not None:
                    gave[id_] = found
            try:
                state = walk.step(known, state, receipt)
            except Refused as refused:
                raise refused.at(place) from None
        for node, child, _ in under_way(state):
            there = self._going_on.get((number, node.name, child))
            if there is not None:
                self.gone(there, started.get((node.name, child), {}), deep + 1)
        return taken_along(state, state.plan.result) if state.outcome == "completed" else None


def _given(state: State, called: Receipt) -> Given:
    """The inputs of a child run, as the run holds them that starts it."""
    node = state.plan.node(called.node)
    assert isinstance(node, Call)
    child = child_of(node, int(called.how["child"]))
    sources = {param.name: param.source.node for param in child.params if not isinstance(param.source, Const)}
    if node.item and node.items is not None:
        sources[node.item] = node.items.node
    return {name: taken_along(state, source) for name, source in sources.items()}
