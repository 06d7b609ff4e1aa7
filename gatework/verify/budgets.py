"""Budgets: what was spent against what the plan lets a stage, and a run, spend. Section 5.7 of the specification.

A question is paid for before it is known what it costs, so tokens, money and time may go beyond a budget by what was
under way. Calls are counted before they are made, and never do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from decimal import Decimal
from typing import TypeVar

from gatework.plan.plan import Budget, Call, Node, Work
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.verify.account import EXACT, Left, Spent, lent_in, milliseconds, spent_in
from gatework.verify.refusal import must
from gatework.verify.state import State
from gatework.verify.values import Disclosed

EACH_CALLS, EACH_TOKENS = 4, 64_000
"""What each attempt adds to the budget of work where the plan does not say what it may spend."""

NO_LIMIT = Left(model_calls=None, tokens=None, money=None, tool_calls={}, milliseconds=None, output_bytes=None)

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
    node = state.here
    if isinstance(node, Work) and receipt.kind in ATTEMPTS:
        _attempt(known, state, node, receipt)
    elif isinstance(node, Call) and receipt.kind == "called":
        _called(state, receipt)


def used_up(state: State) -> bool:
    """Whether nothing is left to begin an attempt with, or a child run, at the position."""
    match state.here:
        case Work() as node:
            return of_work(state, node).gone(state.account.of(node.name))
        case Call():
            return _room(state).without_any
        case _:
            return False


def _room(state: State) -> Left:
    """What is left to the run beside what the child runs have that are under way."""
    return _left(of_run(state) or NO_LIMIT, state.reserved.whole)


def _called(state: State, receipt: Receipt) -> None:
    """A child run is given what is left to the run, or less of it, beside what those have that are under way."""
    given, room = lent_in(receipt.how) or NO_LIMIT, _room(state)
    must(not room.without_any, "budget", "A child run began, and the run had nothing left for it.")
    must(room.holds(given), "budget", "A child run was given something else of a budget than the run had left.")


def _attempt(known: Disclosed, state: State, node: Work, receipt: Receipt) -> None:
    spent = spent_in(receipt.how)
    granted = spent.tool_calls.keys() <= {use.name for use in node.tools}
    must(granted, "budget", "An attempt says that it called what the plan does not grant.")
    if state.edited:
        return
    left = of_work(state, node)
    if state.phase == "at":
        must(not used_up(state), "budget", "An attempt began, and its stage or its run had nothing left to spend.")
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


def of_work(state: State, node: Work) -> Left:
    """What the attempt of the work at the position may spend: the less of what is left to it and to the run."""
    budget = budget_of(node)
    assert budget is not None
    own = _left(_limits(budget), state.account.of(node.name) - state.account.renewed)
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
    """What is left to the run by its own plan, and of what it was given; None where neither limits it, as in undos."""
    if state.ending or (state.plan.budget is None and state.given is None):
        return None
    own = NO_LIMIT if state.plan.budget is None else _limits(state.plan.budget)
    return _left(own if state.given is None else _less(own, state.given), state.account.whole)


def _limits(budget: Budget) -> Left:
    return Left(
        model_calls=budget.model_calls,
        tokens=budget.tokens,
        money=None if budget.money is None else Decimal(budget.money),
        tool_calls=budget.tool_calls,
        milliseconds=None if budget.seconds is None else milliseconds(budget.seconds),
        output_bytes=budget.output_bytes,
    )


def _left(limits: Left, spent: Spent) -> Left:
    return Left(
        model_calls=None if limits.model_calls is None else max(0, limits.model_calls - spent.model_calls),
        tokens=None if limits.tokens is None else max(0, limits.tokens - spent.tokens),
        money=None if limits.money is None else max(Decimal(0), EXACT.subtract(limits.money, spent.money)),
        tool_calls={tool: max(0, calls - spent.tool_calls.get(tool, 0)) for tool, calls in limits.tool_calls.items()},
        milliseconds=None if limits.milliseconds is None else max(0, limits.milliseconds - spent.milliseconds),
        output_bytes=limits.output_bytes,
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
