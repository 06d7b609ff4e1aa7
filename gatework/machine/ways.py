"""Which way a run takes: choices, the rounds of loops, and what either gives. Pure, as the machine is."""

from __future__ import annotations

from dataclasses import replace

from gatework.errors import OrderError
from gatework.machine.hands import taken_along
from gatework.plan.expr import ExprError, holds, render, resolve
from gatework.plan.labels import Label
from gatework.plan.plan import Choice, Join, Loop, Node, Plan, Work
from gatework.run.changed import changed
from gatework.run.held import Held
from gatework.run.state import Receipt, State


def passed_over(state: State, node: Node) -> bool:
    """Whether a node stands in a way that was not taken."""
    return node.arm is not None and state.marks.get(node.arm.choice) != node.arm.way


def settled(state: State, node: Node) -> bool:
    """Whether nothing is left to do at a node: it holds a receipt, or stands in a way that was not taken."""
    return node.name in state.values or node.name in state.marks or passed_over(state, node)


def back_to(plan: Plan, state: State, position: int) -> State:
    """The state in which nothing at a position of the plan, or after it, has come to anything yet."""
    return changed(
        state,
        at=position,
        values={name: held for name, held in state.values.items() if plan.index.get(name, -1) < position},
        marks={name: mark for name, mark in state.marks.items() if plan.index[name] < position},
    )


# -- choices ---------------------------------------------------------------------------------------


def chosen(node: Choice, state: State) -> tuple[int, str]:
    """The way that a choice takes, with the reason. Raises `OrderError` where the value leads nowhere."""
    data = {ref.node: state.values[ref.node].sealed.data for ref in node.reads}
    try:
        if node.when is not None:
            met = holds(node.when, data.__getitem__)
            return (0 if met else 1), f"{'' if met else 'not: '}{render(node.when)}"
        assert node.on is not None
        value = resolve(node.on, data.__getitem__)
    except ExprError as error:
        raise OrderError(f"{node.name} cannot be decided: {error.message}.") from None
    tag = value.get(node.tag) if isinstance(value, dict) else None
    for way, tags in enumerate(node.ways):
        if tag in tags:
            return way, f"{node.tag} is {tag}"
    raise OrderError(f"{node.name} has no way for what {render(node.on)} is.")


def chose(node: Choice, way: int, reason: str) -> Receipt:
    """That a choice took a way."""
    return Receipt(kind="chose", node=node.name, action=str(way), reason=reason)


def joined(plan: Plan, node: Join, state: State) -> Held:
    """What the way gave that was taken. Raises `OrderError` where none was."""
    way = state.marks.get(node.choice, -1)
    if not 0 <= way < len(node.options) or node.options[way].node not in state.values:
        raise OrderError(f"{node.name} has nothing to give: no way was taken, or it gave nothing.")
    decided = [state.values[ref.node] for ref in plan.node(node.choice).reads]
    given = state.values[node.options[way].node]
    steered = any(held.label is Label.UNTRUSTED for held in decided)
    if not (Label.UNTRUSTED if steered else given.label).covers(node.label):
        raise OrderError(f"{node.name} is to give {node.label} data, and the way that was taken gave other.")
    private = given.private or any(held.private for held in decided)
    by = given.by if node.label is Label.APPROVED else ()
    return replace(given, label=node.label, private=private, by=by)


# -- loops -----------------------------------------------------------------------------------------


def first_round(node: Loop, state: State) -> Held:
    """What the first round starts from. Raises `OrderError` where the plan knows more of it than the run."""
    return _round_from(node, state.values[node.start.node])


def _round_from(node: Loop, held: Held) -> Held:
    if not held.label.covers(node.label):
        raise OrderError(f"A round of {node.name} starts from {node.label} data, and would from {held.label}.")
    return replace(held, label=node.label, by=())


def rounds_left(node: Work, state: State) -> bool:
    """Whether there may be another round before it is said that they are spent."""
    assert node.until is not None
    return state.marks[node.until.loop] % node.until.rounds != 0


def next_round(plan: Plan, state: State, node: Work) -> tuple[State, Receipt]:
    """The state at the beginning of another round, which starts from what the last one gave."""
    assert node.until is not None
    loop, number = node.until.loop, state.marks[node.until.loop] + 1
    given = taken_along(plan, state, node.reads[0].node)
    at = plan.index[loop]
    start = plan.nodes[at]
    assert isinstance(start, Loop)
    state = back_to(plan, state, at)
    held = _round_from(start, given)
    state = changed(state, values={**state.values, loop: held}, marks={**state.marks, loop: number})
    return state, rounded(start, held, number)


def rounded(node: Loop, held: Held, number: int) -> Receipt:
    """That a round of a loop began."""
    return Receipt(kind="round", node=node.name, output=held.sealed.digest, label=held.label, how={"round": number})
