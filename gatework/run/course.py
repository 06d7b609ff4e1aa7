"""How far a run is, as people count: by the stages that it passes, and not by what only says where it goes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from gatework.plan.plan import Approval, Call, Choice, Loop, Node, Pause, Plan, Question, Work
from gatework.run.state import State

_Key = tuple[str, int] | None
"""One way of a choice, or None for what always runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which stage of how many."""

    number: int
    """Of a node that nobody counts, that of the one before it; 0 before the first."""
    of: int
    most: bool = False
    """Whether there may be fewer: a choice is still to come whose ways are of different length."""


def is_stage(node: Node) -> bool:
    """Whether people count a node: something is done there, waited for, or asked."""
    if isinstance(node, Work):
        return node.until is None
    return isinstance(node, Approval | Question | Pause | Call)


def place(plan: Plan, name: str, state: State | None = None) -> Place:
    """Where a node stands on the way that a run takes; without a state, on the longest that leads by it.

    An undo stands on none: its number is 0.
    """
    node = plan.node(name)
    course = _Course(plan, state, _towards(plan, node))
    most, sure = course.length(None)
    number = course.number(None, node) if node in plan.nodes else 0
    return Place(number=number, of=most, most=not sure)


def depths(plan: Plan) -> Mapping[str, int]:
    """Node → how many ways and loops it stands inside."""
    found: dict[str, int] = {}
    within: dict[str, int] = {}
    open_loops: list[tuple[str, _Key]] = []
    for node in plan.nodes:
        key = (node.arm.choice, node.arm.way) if node.arm else None
        outer = within.get(node.arm.choice, 0) + 1 if node.arm else 0
        loops = sum(1 for _, of in open_loops if of == key)
        found[node.name] = outer + loops
        within[node.name] = outer + loops
        if isinstance(node, Loop):
            open_loops.append((node.name, key))
        elif isinstance(node, Work) and node.until is not None:
            open_loops = [one for one in open_loops if one[0] != node.until.loop]
    return found


def _towards(plan: Plan, node: Node) -> Mapping[str, int]:
    """Choice → the way that leads to a node, of all the ways inside which it stands."""
    found: dict[str, int] = {}
    while node.arm is not None and node.arm.choice not in found:
        found[node.arm.choice] = node.arm.way
        node = plan.node(node.arm.choice)
    return found


class _Course:
    """The nodes of a plan by the ways in which they stand."""

    def __init__(self, plan: Plan, state: State | None, towards: Mapping[str, int]) -> None:
        self._marks = {**(state.marks if state else {}), **towards}
        self._towards = towards
        self._rows: dict[_Key, list[Node]] = defaultdict(list)
        for node in plan.nodes:
            self._rows[(node.arm.choice, node.arm.way) if node.arm else None].append(node)

    def length(self, key: _Key) -> tuple[int, bool]:
        """How many stages a way has at the most, and whether it cannot be fewer."""
        sizes = [self._size(node) for node in self._rows[key]]
        return sum(size for size, _ in sizes), all(sure for _, sure in sizes)

    def number(self, key: _Key, wanted: Node) -> int:
        """How many stages there are up to a node, and with it."""
        passed = 0
        for node in self._rows[key]:
            if node.name == wanted.name:
                return passed + is_stage(node)
            if node.name in self._towards:
                return passed + self.number((node.name, self._towards[node.name]), wanted)
            passed += self._size(node)[0]
        return passed

    def _size(self, node: Node) -> tuple[int, bool]:
        if not isinstance(node, Choice):
            return int(is_stage(node)), True
        if node.name in self._marks:
            return self.length((node.name, self._marks[node.name]))
        lengths = [self.length((node.name, way)) for way in range(len(node.ways) or 2)]
        longest = max(size for size, _ in lengths)
        return longest, all(sure and size == longest for size, sure in lengths)
