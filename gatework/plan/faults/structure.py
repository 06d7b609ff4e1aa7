"""How the nodes of a plan stand: in order, each way behind its choice, each loop with its end, values in their scope.

Nothing else that is said of a plan makes sense before this holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gatework.plan.expr import Ref, render
from gatework.plan.flow import arms
from gatework.plan.plan import Arm, Call, Choice, Join, Loop, Node, Part, Pause, Plan, Work

Fault = tuple[str, str, str]
"""Node, what is wrong there, what to do."""

AGAIN = "Seal the plan again."


def structure_faults(plan: Plan) -> Iterator[Fault]:
    """What is wrong with how the nodes of a plan stand."""
    names = [*plan.starts, *(node.name for node in plan.steps)]
    for twice in dict.fromkeys(name for name in names if names.count(name) > 1) if len(set(names)) < len(names) else ():
        yield twice, f"two nodes are named {twice}.", "Rename the variable, or use stage.as_('other')(…)."
        return
    placed = _Placed(plan)
    yield from placed.faults()
    if placed.broken:
        return
    for node in plan.nodes:
        for ref in node.reads:
            yield from placed.unreadable(node, ref)
    yield from _undo_faults(plan, placed)
    result = plan.result
    if result not in plan.index or plan.index[result] >= len(plan.nodes) or not gives(plan.node(result)):
        yield result, "the result is not the output of a stage.", "Return what a stage gave."
    elif plan.node(result).arm is not None or placed.loops[result]:
        yield result, f"{result} is not there where its way is not taken.", "Return what choose, when or repeat gives."


def gives(node: Node) -> bool:
    """Whether a node gives a value."""
    return not isinstance(node, Pause | Choice) and not (isinstance(node, Call) and node.kind == "parallel")


def ways(choice: Choice) -> int:
    """How many ways a choice has."""
    return 2 if choice.kind == "when" else len(choice.ways)


class _Placed:
    """Where each node of a plan stands: in which ways, and in which loops."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.broken = False
        self.loops: dict[str, tuple[str, ...]] = {}
        """Node → the loops inside which it stands, the outermost first. The end of a loop stands behind it."""
        self._arms: dict[str, tuple[Arm, ...]] = {}

    def faults(self) -> Iterator[Fault]:
        for fault in self._nesting():
            self.broken = True
            yield fault

    def _nesting(self) -> Iterator[Fault]:
        """Walk the nodes once, with the ways and loops that are open at each."""
        open_arms: tuple[Arm, ...] = ()
        loops: tuple[str, ...] = ()
        before: Node | None = None
        latest: Choice | None = None
        seen: dict[str, Node] = {}
        joined: set[str] = set()
        for node in self._plan.nodes:
            if node.arm is not None and not isinstance(seen.get(node.arm.choice), Choice):
                yield node.name, f"{node.name} stands in a way of {node.arm.choice}, which is no choice.", AGAIN
                return
            inside = tuple(reversed(arms(self._plan, node)))
            if not _goes_on(open_arms, inside, latest):
                yield node.name, f"{node.name} stands in a way that has ended, or has not begun.", AGAIN
                return
            if any(arm.way not in range(ways(choice)) for arm, choice in _choices(inside, seen)):
                yield node.name, f"{node.name} stands in a way that its choice does not have.", AGAIN
                return
            # Nothing of a loop stands in another way than its beginning.
            if loops and (seen[loops[-1]].arm is not None) and seen[loops[-1]].arm not in inside:
                yield node.name, f"the way of {loops[-1]} ends before its loop does.", AGAIN
                return
            ended = _ended(open_arms, inside, latest, seen)
            if isinstance(node, Work) and node.until is not None:
                if not loops or loops[-1] != node.until.loop or seen[loops[-1]].arm != node.arm:
                    yield node.name, f"{node.name} is the end of a loop that has not begun.", AGAIN
                    return
                loops = loops[:-1]
            if isinstance(node, Join):
                if ended is None or ended.name != node.choice or node.choice in joined or node.arm != ended.arm:
                    yield node.name, f"{node.name} does not stand right behind the ways of {node.choice}.", AGAIN
                    return
                joined.add(node.choice)
            if isinstance(node, Part):
                yield from self._part(node, before)
            elif isinstance(before, Part | Call):
                yield from self._parts_end(before)
            self.loops[node.name] = loops
            self._arms[node.name] = inside
            if isinstance(node, Loop):
                loops = (*loops, node.name)
            open_arms, before, latest = inside, node, node if isinstance(node, Choice) else None
            seen[node.name] = node
        if loops:
            yield loops[-1], f"the loop {loops[-1]} has no end.", AGAIN
        if isinstance(before, Part | Call):
            yield from self._parts_end(before)

    def _part(self, node: Part, before: Node | None) -> Iterator[Fault]:
        call = self._plan.node(node.call) if node.call in self._plan.index else None
        right = (isinstance(before, Call) and before is call and before.kind == "parallel" and node.child == 0) or (
            isinstance(before, Part) and before.call == node.call and node.child == before.child + 1
        )
        many = len(call.children) if isinstance(call, Call) else 0
        if not right or node.child >= many or call is None or node.arm != call.arm:
            yield node.name, f"{node.name} does not stand right behind {node.call}, among its parts.", AGAIN

    def _parts_end(self, before: Part | Call) -> Iterator[Fault]:
        """Whether all parts of the call before were there."""
        if isinstance(before, Call) and before.kind != "parallel":
            return
        call = before if isinstance(before, Call) else self._plan.node(before.call)
        last = before.child if isinstance(before, Part) else -1
        if isinstance(call, Call) and last + 1 != len(call.children):
            yield call.name, f"{call.name} lacks a part for one of its branches.", AGAIN

    def unreadable(self, node: Node, ref: Ref, *, at: Node | None = None) -> Iterator[Fault]:
        """Why a node may not read a value. `at`: the node where it stands, in place of its own."""
        at = at or node
        plan = self._plan
        if ref.node in plan.starts:
            return
        source = plan.node(ref.node) if ref.node in plan.index else None
        position = plan.index.get(ref.node, len(plan.steps))
        if source is None or position > plan.index[at.name] or (source is at and at is node):
            yield node.name, f"{node.name} uses {ref.node}, which does not come before it.", "Order the calls."
        elif not gives(source):
            yield node.name, f"{node.name} uses {ref.node}, which gives no value.", "Use a value."
        elif not self._in_scope(node, ref, source, at):
            problem = f"{node.name} uses {render(ref)}, which stands in a way or a loop that {node.name} is not in."
            yield node.name, problem, "Use what choose, when or repeat gives."

    def _in_scope(self, node: Node, ref: Ref, source: Node, at: Node) -> bool:
        inside, loops = self._arms[at.name], self.loops[at.name]
        if isinstance(node, Join) and ref in node.options:
            ways_ = [way for way, option in enumerate(node.options) if option == ref]
            return self.loops[source.name] == loops[: len(self.loops[source.name])] and all(
                self._arms[source.name] in _prefixes((*inside, Arm(choice=node.choice, way=way))) for way in ways_
            )
        if isinstance(node, Work) and node.until is not None:
            loops = (*loops, node.until.loop)
        own = (*self.loops[source.name], *((source.name,) if isinstance(source, Loop) else ()))
        return own == loops[: len(own)] and self._arms[source.name] in _prefixes(inside)


def _choices(inside: tuple[Arm, ...], seen: Mapping[str, Node]) -> Iterator[tuple[Arm, Choice]]:
    for arm in inside:
        choice = seen[arm.choice]
        assert isinstance(choice, Choice)
        yield arm, choice


def _prefixes(inside: tuple[Arm, ...]) -> set[tuple[Arm, ...]]:
    return {inside[:length] for length in range(len(inside) + 1)}


def _goes_on(before: tuple[Arm, ...], inside: tuple[Arm, ...], latest: Choice | None) -> bool:
    """Whether a node may stand in these ways behind one that stands in those `before`.

    Ways are left freely. One is entered right behind its choice, or behind an earlier way of the same choice.
    """
    if inside in _prefixes(before):
        return True
    around, last = inside[:-1], inside[-1]
    if around not in _prefixes(before):
        return False
    if latest is not None and latest.name == last.choice:
        return around == before
    return (
        len(before) > len(around) and before[len(around)].choice == last.choice and (before[len(around)].way < last.way)
    )


def _ended(
    before: tuple[Arm, ...], inside: tuple[Arm, ...], latest: Choice | None, seen: Mapping[str, Node]
) -> Choice | None:
    """The choice whose ways end right before a node: of those that end there, the outermost; or an empty one."""
    if len(before) > len(inside) and before[: len(inside)] == inside:
        choice = seen[before[len(inside)].choice]
        return choice if isinstance(choice, Choice) else None
    return latest if before == inside else None


def _undo_faults(plan: Plan, placed: _Placed) -> Iterator[Fault]:
    named = [node for node in plan.nodes if isinstance(node, Work) and node.undo]
    undos = {undo.name: undo for undo in plan.undos}
    for node in named:
        undo = undos.get(node.undo)
        if undo is None:
            yield node.name, f"{node.name} is undone by {node.undo}, which is no undo of the plan.", AGAIN
            continue
        if sum(other.undo == node.undo for other in named) > 1:
            yield node.name, f"{node.undo} undoes more than one node.", AGAIN
        first = undo.params[0].source if undo.params else None
        if first != Ref(node.name):
            yield undo.name, f"{undo.name} does not take what {node.name} gave.", "Let it take the output first."
        for ref in undo.reads:
            yield from placed.unreadable(undo, ref, at=node)
    for undo in plan.undos:
        if undo.name not in {node.undo for node in named}:
            yield undo.name, f"{undo.name} undoes nothing.", AGAIN
        if undo.undo or undo.until is not None or undo.arm is not None or undo.kind != "stage":
            yield undo.name, f"{undo.name} is no undo: it is a stage by itself.", AGAIN
