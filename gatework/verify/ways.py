"""Choices, loops, joins, pauses and the plan's own rules. Section 5.6 of the specification."""

from __future__ import annotations

from dataclasses import replace

from gatework.plan.expr import Condition, ExprError, holds, refs, resolve
from gatework.plan.plan import Approval, Choice, Join, Loop, Node, Part, Pause, Work
from gatework.run.state import Receipt
from gatework.verify.entries import says
from gatework.verify.onward import arrive, back_to, by_hand, hold_as, taken_along, with_hands
from gatework.verify.refusal import Refused, must
from gatework.verify.state import Held, State
from gatework.verify.values import Disclosed


def here(state: State, receipt: Receipt) -> Node:
    """The node at the position, at which nothing has happened yet. Raises `Refused` unless the receipt is of it."""
    node = state.here
    if state.phase != "at" or node is None or state.ending:
        raise Refused("order", "Something else is due.")
    must(receipt.node == node.name, "order", "The receipt is of another node than the one that is due.")
    return node


def chose(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A choice took a way."""
    node = here(state, receipt)
    must(isinstance(node, Choice) and says(receipt, "action", "reason"), "order", "No choice is due.")
    assert isinstance(node, Choice)
    many = 2 if node.when is not None else len(node.ways)
    must(receipt.action in [str(way) for way in range(many)], "rule", "A choice took a way that there is not.")
    way = int(receipt.action)
    found = _way(known, state, node)
    must(found in (None, way), "rule", "A choice took another way than its value says.")
    if found is None:
        known.unchecked("ways that withheld values chose")
    return arrive(replace(state, marks={**state.marks, node.name: way}), state.at + 1)


def _way(known: Disclosed, state: State, node: Choice) -> int | None:
    """The way that the value says; None where it is withheld, and -1 where it leads nowhere."""
    if node.when is not None:
        found = asks(known, state, node.when)
        return None if found is None else {"yes": 0, "no": 1, "": -1}[found]
    assert node.on is not None
    digest = state.held[node.on.node].digest
    if not known.has(digest):
        return None
    try:
        value = resolve(node.on, lambda _: known.data(digest))
    except ExprError:
        return -1
    tag = value.get(node.tag) if isinstance(value, dict) else None
    return next((way for way, tags in enumerate(node.ways) if isinstance(tag, str) and tag in tags), -1)


def asks(known: Disclosed, state: State, condition: Condition) -> str | None:
    """Whether a condition holds: `yes`, `no`, or empty where it cannot be answered; None where a value is withheld."""
    read = {ref.node: state.held[ref.node].digest for ref in refs(condition) if ref.node in state.held}
    if not all(map(known.has, read.values())):
        return None
    try:
        return "yes" if holds(condition, lambda name: known.data(read[name])) else "no"
    except (ExprError, ArithmeticError):
        return ""


def approved(known: Disclosed, state: State, receipt: Receipt) -> State:
    """The plan's own rule approved."""
    node = here(state, receipt)
    must(isinstance(node, Approval) and says(receipt, "output", "label", "action", "reason"), "order",
         "No approval is due.")  # fmt: skip
    assert isinstance(node, Approval)
    must(node.when is not None and receipt.action == "auto", "rule", "The plan asks a person here, always.")
    assert node.when is not None
    value = state.held[node.value.node]
    must((receipt.output, receipt.label) == (value.digest, node.label), "order", "Another value was approved.")
    looked_at = {node.value.node, *(ref.node for ref in refs(node.when))}
    outside = any(state.held[name].label == "untrusted" for name in looked_at)
    must(not outside, "rule", "Outside text had a say in whether a person is asked.")
    must(looked_at.isdisjoint(by_hand(state)), "rule", "A person changed what the rule looks at, and nobody was asked.")
    found = asks(known, state, node.when)
    must(found in (None, "no"), "rule", "The rule of the plan asks a person, and nobody was asked.")
    if found is None:
        known.unchecked("approvals by a rule over withheld values")
    return hold_as(state, node, Held(digest=value.digest, label=str(node.label)))


def waited(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A pause is over."""
    node = here(state, receipt)
    must(isinstance(node, Pause) and says(receipt), "order", "No pause is due.")
    return arrive(replace(state, marks={**state.marks, node.name: 1}), state.at + 1)


def joined(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A join gives on what its way gave, or a part what a child run gave."""
    node = here(state, receipt)
    must(isinstance(node, Join | Part) and says(receipt, "output", "label"), "order", "Nothing is to be joined here.")
    assert isinstance(node, Join | Part)
    if isinstance(node, Part):
        branch = state.branches.get(node.child)
        held = Held(digest=branch.output if branch else "", label=str(node.label))
        held = with_hands(held, [branch.held if branch else None])
        known.contract(node.contract, held.digest)
    else:
        way = state.marks.get(node.choice, -1)
        must(0 <= way < len(node.options) and node.options[way].node in state.held, "order", "The way gave nothing.")
        given = state.held[node.options[way].node]
        held = replace(given, label=str(node.label), by=given.by if node.label == "approved" else ())
    must(bool(held.digest) and receipt.output == held.digest, "order", "It gives on another value than was given.")
    must(receipt.label == node.label, "order", "The value has not the label of the plan.")
    return hold_as(state, node, held)


# -- loops -----------------------------------------------------------------------------------------


def rounded(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A round of a loop began."""
    node = here(state, receipt)
    must(isinstance(node, Loop) and says(receipt, "output", "label"), "order", "No round is due.")
    assert isinstance(node, Loop)
    number = state.marks.get(node.name, 0) + 1
    must(receipt.how.get("round") == number, "order", "The rounds of a loop are not counted one by one.")
    given = state.held[node.name if node.name in state.held else node.start.node]
    must(receipt.output == given.digest, "order", "The round starts from another value than was given.")
    must(receipt.label == node.label, "order", "The value has not the label of the plan.")
    known.contract(node.contract, given.digest)
    held = replace(given, label=str(node.label), by=())
    return hold_as(replace(state, marks={**state.marks, node.name: number}), node, held)


def another_round(state: State, node: Work) -> State:
    """The state at the beginning of another round: the loop holds what the last one gave, until `round` says so."""
    assert node.until is not None
    given = taken_along(state, node.reads[0].node)
    number = state.marks[node.until.loop]
    state = back_to(state, state.plan.index[node.until.loop])
    state = arrive(state, state.at)
    loop = node.until.loop
    return replace(state, held={**state.held, loop: given}, marks={**state.marks, loop: number})
