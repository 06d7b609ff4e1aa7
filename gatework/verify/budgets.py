"""Budgets: what was spent against what the plan lets a stage, and a run, spend. Section 5.7 of the specification.

A question is paid for before it is known what it costs, so tokens, money and time may go beyond a budget by what was
under way. Calls are counted before they are made, and never do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TypeVar

from gatework.plan.plan import Budget, Call, Node, Work
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.verify.account import EXACT, Spent, milliseconds, spent_in
from gatework.verify.refusal import must
from gatework.verify.state import State
from gatework.verify.values import Disclosed

EACH_CALLS, EACH_TOKENS = 4, 64_000
"""What each attempt adds to the budget of work where the plan does not say what it may spend."""

Number = TypeVar("Number", int, Decimal)

ATTEMPTS = ("output", "stopped", "refused", "failed", "suspended")


def charged(state: State, receipt: Receipt) -> State:
    """The state with what a receipt says was spent. Raises `Refused` where that cannot have been."""
    account = state.account
    if receipt.kind == "resumed":
        account = replace(account, taken_over=account.whole)
    elif "spent" in receipt.how:
        account = account.charged(receipt.node, spent_in(receipt.how))
    return state if account is state.account else replace(state, account=account)


def keep(known: Disclosed, state: State, receipt: Receipt) -> None:
    """Raise `Refused` where something began of whose budget nothing was left, or used more than was left.

    `state` is the one before the receipt, which has its place there.
    """
    node = state.plan.steps[state.at] if state.at < len(state.plan.steps) else None
    if isinstance(node, Work) and receipt.kind in ATTEMPTS:
        _attempt(known, state, node, receipt)
    elif isinstance(node, Call) and receipt.kind == "called":
        room = of_run(state)
        must(room is None or not room.without_any, "budget", "A child run began, and the run had nothing left for it.")


def _attempt(known: Disclosed, state: State, node: Work, receipt: Receipt) -> None:
    spent = spent_in(receipt.how)
    granted = spent.tool_calls.keys() <= {use.name for use in node.tools}
    must(granted, "budget", "An attempt says that it called what the plan does not grant.")
    if state.edited:
        return
    left, so_far = of_work(state, node), state.account.of(node.name)
    if state.phase == "at":
        must(not left.gone(so_far), "budget", "An attempt began, and its stage or its run had nothing left to spend.")
    if receipt.kind in ("output", "suspended"):
        within = left.model_calls is None or spent.model_calls <= left.model_calls
        within = within and all(calls <= left.tool_calls.get(tool, calls) for tool, calls in spent.tool_calls.items())
        must(within, "budget", "An attempt called more than was left of its budget.")
    if receipt.kind == "suspended":
        answers = (one["tool"] for one in receipt.how["entries"] if one["outcome"] == "done")
        called = Counter([*answers, *(one["tool"] for one in receipt.how["calls"])])
        counted = all(calls <= spent.tool_calls.get(tool, 0) for tool, calls in called.items())
        must(counted, "budget", "An attempt called more than it says that it spent.")
    if receipt.kind == "output" and node.until is None and left.output_bytes is not None and known.has(receipt.output):
        size = len(canonical.dumps(known.data(receipt.output)))
        must(size <= left.output_bytes, "budget", "An output is larger than its budget lets it be.")


# -- what is left ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a budget, never less than nothing. What has no limit is None, or not in `tool_calls`."""

    model_calls: int | None
    tokens: int | None
    money: Decimal | None
    tool_calls: dict[str, int]
    milliseconds: int | None
    output_bytes: int | None

    @property
    def without_any(self) -> bool:
        """Whether nothing is left of some part."""
        parts = (self.model_calls, self.tokens, self.money, self.milliseconds, *self.tool_calls.values())
        return any(part == 0 for part in parts if part is not None)

    def gone(self, spent: Spent) -> bool:
        """Whether nothing is left of what is needed: of time, and of what somebody has spent of before."""
        used = (
            (self.model_calls, spent.model_calls), (self.tokens, spent.tokens), (self.money, spent.money),
            (self.milliseconds, 1),
        )  # fmt: skip
        return any(left == 0 and before for left, before in used if left is not None)


def of_work(state: State, node: Work) -> Left:
    """What the attempt of the work at the position may spend: the less of what is left to it and to the run."""
    budget = budget_of(node)
    assert budget is not None
    own = _left(budget, state.account.of(node.name) - state.account.renewed)
    whole = of_run(state)
    return own if whole is None else _less(own, whole)


def budget_of(node: Node) -> Budget | None:
    """What a node may spend with each fresh attempt; None for one that does no work itself."""
    if not isinstance(node, Work):
        return None
    return node.budget or Budget(model_calls=EACH_CALLS * node.attempts, tokens=EACH_TOKENS * node.attempts)


def budget_data(budget: Budget | None) -> dict[str, Json]:
    """The limits of a budget, as a receipt would say so much was spent."""
    return {} if budget is None else {name: value for name, value in asdict(budget).items() if value}


def of_run(state: State) -> Left | None:
    """What is left to the run by its own plan; None where that limits nothing, as while it is being undone."""
    budget = None if state.ending else state.plan.budget
    return None if budget is None else _left(budget, state.account.whole)


def _left(budget: Budget, spent: Spent) -> Left:
    return Left(
        model_calls=None if budget.model_calls is None else max(0, budget.model_calls - spent.model_calls),
        tokens=None if budget.tokens is None else max(0, budget.tokens - spent.tokens),
        money=None if budget.money is None else max(Decimal(0), EXACT.subtract(Decimal(budget.money), spent.money)),
        tool_calls={tool: max(0, calls - spent.tool_calls.get(tool, 0)) for tool, calls in budget.tool_calls.items()},
        milliseconds=None if budget.seconds is None else max(0, milliseconds(budget.seconds) - spent.milliseconds),
        output_bytes=budget.output_bytes,
    )


def _less(one: Left, other: Left) -> Left:
    tools = dict(one.tool_calls)
    for tool, calls in other.tool_calls.items():
        tools[tool] = min(calls, tools.get(tool, calls))
    return Left(
        model_calls=_smaller(one.model_calls, other.model_calls),
        tokens=_smaller(one.tokens, other.tokens),
        money=_smaller(one.money, other.money),
        tool_calls=tools,
        milliseconds=_smaller(one.milliseconds, other.milliseconds),
        output_bytes=_smaller(one.output_bytes, other.output_bytes),
    )


def _smaller(one: Number | None, other: Number | None) -> Number | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
