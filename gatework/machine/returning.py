"""What a child run says of itself at its end, and what the run that started it makes of that. Pure.

The run that started it takes nobody's word but that of the run which the server names, and holds the value against the
contract of its own plan. Where a child run ended without a word, it counts for all that it may have done and spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gatework.machine.children import given_by
from gatework.plan.plan import Budget, Call, Part, Plan
from gatework.proof.ledger import Entry
from gatework.run.budget import Spent, minus, total
from gatework.run.events import OutcomeKind, Overridden, Returned
from gatework.run.held import Held
from gatework.run.state import ChildRun, Outcome, Spawn, State
from gatework.values.verdict import short

MOST_OVERRIDES = 9
"""How many overrides of a child run the run that started it is told of, the last ones, and how many there were
before; its own ledger has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a child run came to."""

    outcome: OutcomeKind
    output: Held | None = None
    """With `completed`."""
    reason: str = ""
    spent: Spent = field(default_factory=Spent)
    acted: bool = False
    """Whether it has changed the outside world, or may have."""
    undoable: bool = False
    """Whether something in it can be undone."""
    run: str = ""
    """The server's id of the run in which it ended."""
    ledger: str = ""
    """Digest of the last entry of its ledger."""
    overridden: tuple[Overridden, ...] = ()
    """What people overrode in it, as far as it is handed on."""


def report(plan: Plan, state: State, ledger: Sequence[Entry], *, run: str, before: Spent | None = None) -> Report:
    """What a run came to that has ended, or was ended. `before` is what had been spent when it took over."""
    outcome = state.outcome or Outcome(kind="failed")
    completed = outcome.kind == "completed"
    return Report(
        outcome=outcome.kind,
        output=given_by(plan, state) if completed else None,
        reason="" if completed else outcome.reason,
        spent=minus(total(state.spent.values()), before or Spent()),
        acted=any(done.happened for done in state.acts.values()),
        undoable=completed and bool(state.undoable),
        run=run,
        ledger=ledger[-1].digest if ledger else "",
        overridden=_handed_on(state.overrides),
    )


def _handed_on(overrides: tuple[Overridden, ...]) -> tuple[Overridden, ...]:
    """The last overrides of a run; the first of them says how many there were before."""
    kept = tuple(replace(one, reason=short(one.reason)) for one in overrides[-MOST_OVERRIDES:])
    left = sum(1 + one.before for one in overrides[:-MOST_OVERRIDES])
    return (replace(kept[0], before=kept[0].before + left), *kept[1:]) if left else kept


def unheard(node: Call, run: ChildRun, reason: str, *, outcome: OutcomeKind = "failed", began: bool = True) -> Report:
    """What counts of a child run that said nothing at its end: all that it may have spent and done, where it began."""
    if not began:
        return Report(outcome=outcome, reason=short(reason))
    child = node.children[0] if node.kind == "each" else node.children[run.child]
    return Report(outcome=outcome, reason=short(reason), spent=_all_of(run.allowance), acted=child.effects)


def _all_of(allowance: Budget) -> Spent:
    return Spent(
        model_calls=allowance.model_calls or 0,
        tokens=allowance.tokens or 0,
        money=allowance.money or "0",
        tool_calls=allowance.tool_calls,
        seconds=allowance.seconds or 0.0,
    )


def returned(due: Spawn, child: int, report: Report) -> Returned:
    """The machine's event for a child run that has ended."""
    return Returned(
        plan=due.plan,
        node=due.node,
        attempt=due.attempt,
        child=child,
        outcome=report.outcome,
        output=report.output,
        reason=report.reason,
        spent=report.spent,
        acted=report.acted,
        undoable=report.undoable,
        run=report.run,
        ledger=report.ledger,
        overridden=_handed_on(report.overridden),
    )


def broken(event: Returned, reason: str, *, charged: bool = True) -> Returned:
    """A child run whose value, or whose word, cannot be taken. What it has done it has done all the same."""
    outcome: OutcomeKind = "failed"
    spent = event.spent if charged else Spent()
    return replace(event, outcome=outcome, output=None, undoable=False, reason=short(reason), spent=spent)


def place_of(plan: Plan, node: Call, child: int) -> str:
    """The node whose contract holds what one child run gives; empty where the plan gives it on to nobody."""
    if node.kind != "parallel":
        return node.name
    parts = (other for other in plan.nodes if isinstance(other, Part))
    return next((part.name for part in parts if part.call == node.name and part.child == child), "")


def name_of(node: Call, child: int) -> str:
    """What names a child run among all of its run, whatever the attempt: `found/3`."""
    return node.name if node.kind == "call" else f"{node.name}/{child + 1}"
