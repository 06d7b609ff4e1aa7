"""The verifier's walk beside the machine: what the machine leaves, it accepts, from each state to the next.

A walk goes two ways at once: with every value disclosed, and with every value withheld.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gatework.machine.gates import arguments_of
from gatework.plan.plan import Plan
from gatework.run.state import Receipt, State
from gatework.values.canonical import Sealed
from gatework.verify import walk
from gatework.verify.refusal import Refused
from gatework.verify.state import State as Walked
from gatework.verify.values import Disclosed
from tests.explorer.rules import Broken

Pair = tuple[Walked, Walked]
"""Where a walk stands with every value disclosed, and with every value withheld."""


class Verifier:
    """The walk through the runs of one plan."""

    def __init__(self, plan: Plan, others: Iterable[Plan] = ()) -> None:
        plans = {one.digest: one for one in (plan, *others)}
        self._values: dict[str, Any] = {}
        self.open = Disclosed(plans=plans, values=self._values)
        self._shut = Disclosed(plans=plans)
        self.steps = 0

    def fresh(self, plan: Plan) -> Pair:
        """A run of which nothing is known."""
        return walk.start(plan), walk.start(plan)

    def walked(self, before: Pair, after: State, receipts: Iterable[Receipt]) -> Pair:
        """Where the walk stands after what the machine left. Raises `Broken` where it refuses that."""
        for held in after.values.values():
            self._disclose(held.sealed)
        for branch in after.branches.values():
            if branch.held is not None:
                self._disclose(branch.held.sealed)
        for sealed in (after.edited, after.gate.candidate if after.gate else None):
            if sealed is not None:
                self._disclose(sealed)
        for call in after.pending:
            self._disclose(arguments_of(self.open.plans[after.plan], after, call))
        with_values, without = before
        for receipt in receipts:
            try:
                with_values = walk.step(self.open, with_values, receipt)
                without = walk.step(self._shut, without, receipt)
            except Refused as refused:
                raise Broken(f"The verifier refuses ({refused.why}) {refused.message} {receipt}") from refused
            self.steps += 1
        return with_values, without

    def _disclose(self, sealed: Sealed) -> None:
        if sealed.digest not in self._values:
            self._values[sealed.digest] = (sealed.data, sealed.salt)
