"""Where each node of a plan stands in a run."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal

from gatework.errors import OrderError
from gatework.machine import children
from gatework.machine.ways import passed_over
from gatework.plan.plan import Call, Join, Loop, Node, Part, Plan, Work
from gatework.run import course
from gatework.run.branches import failed
from gatework.run.events import OutcomeKind
from gatework.run.state import State
from gatework.temporal.page.inbrief import result

NodeStatus = Literal["done", "running", "waiting", "skipped", "ahead"]


@dataclass(frozen=True, kw_only=True)
class NodeProgress:
    """Where one node of the plan stands."""

    name: str
    kind: str
    """That of the node: `stage`, `endorse`, `approve`, `ask`, `pause`, `choose`, `when`, `join`, `loop`, `until`,
    `call`, `parallel`, `each` or `part`; `undo` for what undoes."""
    status: NodeStatus
    attempts: int
    label: str
    by_hand: bool = False
    overridden: bool = False
    """Whether people let it past what had stopped it, or something in a child run of it; also where they did once."""
    calling: str = ""
    """The tool whose call it waits for."""
    result: str = ""
    """The beginning of what it came to: the first texts and numbers of its value, or who approved."""
    depth: int = 0
    """How many ways and loops it stands inside."""
    round: int = 0
    """Of the beginning of a loop, which round it is in."""
    children: ChildRuns | None = None
    """Of what starts child runs and is under way: what became of them."""
    quiet: bool = False
    """Whether it does nothing that a person need see: it only gives on what another gave."""


@dataclass(frozen=True, kw_only=True)
class ChildRuns:
    """What became of the child runs of a place so far."""

    total: int
    completed: int
    failed: int
    """How many ended without a value."""
    running: int


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """That a run is ending, and takes back what it did."""

    outcome: OutcomeKind
    """How it ends then."""
    reason: str
    by: str
    node: str
    """Where it was decided."""
    left: tuple[str, ...]
    """What is still to be undone, by the names of what undoes it; the first is under way."""


def node_progress(
    plan: Plan, state: State, position: int, by_rule: Container[str], depth: Mapping[str, int]
) -> NodeProgress:
    """Where the node at a position stands. `by_rule`: the approvals that the plan's own rule gave."""
    node = plan.steps[position]
    undo = position >= len(plan.nodes)
    # A join and a part only give on; a loop's guard is seen where it asks for another round.
    at_work = position == state.at and state.outcome is None
    quiet = isinstance(node, Join | Part) or (isinstance(node, Work) and node.until is not None and not at_work)
    return NodeProgress(
        name=node.name,
        kind="undo" if undo else node.kind,
        status=_status(plan, state, position),
        attempts=state.attempts.get(node.name, 0),
        label=plan.label(node.name),
        by_hand=node.name in state.values and state.values[node.name].by_hand,
        overridden=any(one.place == node.name for one in state.overrides),
        calling=state.pending[0].tool if state.pending and position == state.at else "",
        result=result(state, node, by_rule),
        depth=depth.get(node.name, 0),
        round=state.marks.get(node.name, 0) if isinstance(node, Loop) else 0,
        children=_children(node, state) if isinstance(node, Call) and at_work else None,
        quiet=quiet,
    )


def _children(node: Call, state: State) -> ChildRuns | None:
    try:
        total = children.count(node, state)
    except (KeyError, OrderError):
        return None
    without = failed(state.branches)
    return ChildRuns(total=total, completed=len(state.branches) - without, failed=without, running=len(state.running))


def undoing(state: State) -> Undoing | None:
    """What a run takes back before it ends; None where it does not."""
    ending = state.ending
    if ending is None or state.outcome is not None:
        return None
    left = tuple(work.undo for work in reversed(state.undoable))
    return Undoing(outcome=ending.kind, reason=ending.reason, by=ending.by, node=ending.node, left=left)


def _status(plan: Plan, state: State, position: int) -> NodeStatus:
    node = plan.steps[position]
    if node.name in state.values or node.name in state.marks:
        return "done"
    if position >= len(plan.nodes) and not _is_to_undo(state, node):
        return "skipped"
    if _left_aside(plan, state, node):
        return "skipped"
    if state.outcome is not None or position != state.at:
        return "ahead"
    return "waiting" if state.gate else "running"


def _is_to_undo(state: State, undo: Node) -> bool:
    return state.ending is not None and any(work.undo == undo.name for work in state.undoable)


def _left_aside(plan: Plan, state: State, node: Node) -> bool:
    """Whether a node stands in a way that was not taken, or in one of a choice that stands in such a way."""
    for _ in plan.nodes:
        if node.arm is None or node.arm.choice not in plan.index:
            return False
        if node.arm.choice in state.marks:
            return passed_over(state, node)
        node = plan.node(node.arm.choice)
    return False


def stage_of(plan: Plan, node: str, state: State | None = None) -> str:
    """Where a run stands, as people count: `stage 5 of 8`."""
    place = course.place(plan, node, state)
    if not place.number and node in (undo.name for undo in plan.undos):
        return "undoing"
    return f"stage {max(place.number, 1)} of {'at most ' if place.most else ''}{place.of}"
