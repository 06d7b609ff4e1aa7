"""Where people had a hand in a run: the values that rest on what somebody gave, and who that was. Pure."""

from __future__ import annotations

from dataclasses import replace

from gatework.plan.plan import Join, Node, Part, Plan
from gatework.run.held import Held
from gatework.run.state import State


def by_hand(plan: Plan, state: State) -> set[str]:
    """The nodes whose values people gave, and those of what was made of these.

    It ends at an endorser, whose value comes from our own records, and at what a person approved or answered.
    """
    found = {name for name, held in state.values.items() if held.by_hand}
    for node in plan.steps[: state.at]:
        there = node.name in state.values or node.name in state.marks
        if there and node.kind not in ("endorse", "approve", "ask") and not found.isdisjoint(_rests_on(plan, node)):
            found.add(node.name)
    return found


def _rests_on(plan: Plan, node: Node) -> set[str]:
    """What a node is made of: what it reads, and what picked the way, or the run, from which it has its value."""
    read = {ref.node for ref in node.reads}
    match node:
        case Join():
            return read | {ref.node for ref in plan.node(node.choice).reads}
        case Part():
            return {node.call}
        case _:
            return read


def editors(state: State) -> tuple[str, ...]:
    """Whoever gave a value that still stands, or had a hand in one before it came here; `UNNAMED` for the nameless."""
    return tuple(dict.fromkeys(name for held in state.values.values() for name in held.hands))


def taken_along(plan: Plan, state: State, name: str) -> Held:
    """A value as it goes where what it rests on does not go along: into another round, or another run."""
    return replace(state.values[name], by_hand=name in by_hand(plan, state), editor=editors(state))
