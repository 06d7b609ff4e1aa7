"""Child runs: which are to be under way for a node, with what, and what they come to together. Pure.

Child runs do side by side what one run does not. Each is held to the plan that the node names by its digest, starts
from values that hold a receipt here, and answers with what it gave, or how else it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice

from gatework.errors import OrderError
from gatework.machine.admission import check_steering, private, read, run_budget
from gatework.machine.hands import taken_along
from gatework.plan.expr import Const
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, Call, Child, Param, Part, Plan
from gatework.run.branches import Branch, failed, with_one
from gatework.run.budget import left, lent, share, told, total, without
from gatework.run.changed import changed
from gatework.run.events import Overridden, Returned
from gatework.run.held import Held
from gatework.run.state import ChildRun, Done, Receipt, Spawn, State, Undoable
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed

MAX_CHILDREN = 20_000
"""Most child runs of one node."""

MAX_TOLD = 20
"""Of how many child runs that ended without a value a person is told one by one."""


def count(node: Call, state: State) -> int:
    """How many child runs a node has. Raises `OrderError` where what is to be a list is none, or too long."""
    if node.items is None:
        return len(node.children)
    items = state.values[node.items.node].sealed.data
    if not isinstance(items, list):
        raise OrderError(f"{node.name} takes a list, and {node.items.node} is none.")
    if len(items) > MAX_CHILDREN:
        raise OrderError(f"{node.name} takes up to {MAX_CHILDREN} items, and {node.items.node} has {len(items)}.")
    return len(items)


def spawned(plan: Plan, node: Call, state: State) -> Spawn:
    """The child runs that are to be under way: where the run is being undone, the one that takes itself back."""
    if state.ending is not None:
        return Spawn(plan=state.plan, node=node.name, attempt=state.attempts[node.name], runs=(_undoing(node, state),))
    running = () if stopping(node, state) else sorted(state.running.items())
    taken: dict[str, Held] = {}
    runs = tuple(_run(plan, node, state, child, room, taken) for child, room in running)
    return Spawn(plan=state.plan, node=node.name, attempt=state.attempts[node.name], runs=runs)


def stopping(node: Call, state: State) -> bool:
    """Whether a child run gave nothing and the others are to stop for it: those under way are to end, and are heard."""
    return node.failed == "stop" and failed(state.branches) > 0


def under_way(state: State) -> frozenset[int]:
    """The child runs of the node at `at` that may answer."""
    return frozenset(state.running) if state.ending is None else frozenset({state.undoable[-1].child})


def _run(plan: Plan, node: Call, state: State, number: int, room: Budget, taken: dict[str, Held]) -> ChildRun:
    child = _child(node, number)
    return ChildRun(
        child=number,
        workflow=child.workflow,
        plan=child.plan,
        inputs=_inputs(plan, node, child, number, state, taken),
        asks=state.asks and node.failed == "ask",
        allowance=room,
    )


def _undoing(node: Call, state: State) -> ChildRun:
    last = state.undoable[-1]
    child = _child(node, last.child)
    return ChildRun(
        child=last.child,
        workflow=child.workflow,
        plan=child.plan,
        inputs={},
        asks=True,
        allowance=Budget(),
        undoes=last.run,
    )


def _child(node: Call, number: int) -> Child:
    return node.children[0] if node.kind == "each" else node.children[number]


class _Inputs(Mapping[str, Held]):
    """What a child run is given. Its item is sealed when somebody asks: what is due is looked at whenever one of them
    has ended, and what all others were given was looked at before.
    """

    def __init__(self, node: Call, number: int, values: Mapping[str, Held]) -> None:
        self._node, self._number, self._values = node, number, values

    def __getitem__(self, name: str) -> Held:
        held = self._values[name]
        if name != self._node.item:
            return held
        items = held.sealed.data
        assert isinstance(items, list)
        salt = bytes.fromhex(canonical.digest("item", [held.sealed.salt, self._number]))[:16]
        return replace(held, sealed=Sealed.of(items[self._number], salt))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


def _inputs(
    plan: Plan, node: Call, child: Child, number: int, state: State, taken: dict[str, Held]
) -> Mapping[str, Held]:
    """The inputs of a child run. `taken`: the values that others of the node are given as well."""
    values = {param.name: _given(plan, param, node, state, taken) for param in child.params}
    for param in child.params:
        label = values[param.name].label
        if not label.meets(param.label):
            raise OrderError(f"{node.name} gives its runs a {param.label} {param.name} and would give {label}.")
    return _Inputs(node, number, values)


def _given(plan: Plan, param: Param, node: Call, state: State, taken: dict[str, Held]) -> Held:
    """One input of a child run, with all that is known of it, and of whose hands it has been in; all items of one."""
    if isinstance(param.source, Const):
        return Held(sealed=read(param, state)[0], label=Label.PLAIN)
    held = taken.get(param.source.node)
    if held is None:
        taken[param.source.node] = held = taken_along(plan, state, param.source.node)
    if param.source.path and param.name != node.item:
        return replace(held, sealed=read(param, state)[0])
    return held


# -- how many at once ------------------------------------------------------------------------------


def admitted(plan: Plan, node: Call, state: State) -> tuple[State, tuple[Receipt, ...]]:
    """The state with as many child runs under way as may be, in order. Raises `OrderError` for inputs that may not be.

    What a child run may spend is set aside here, so that all together never spend more than the run may.
    """
    check_steering(plan, node, state)
    free = list(islice(_waiting(count(node, state), state), max(0, node.at_most - len(state.running))))
    room = _room(plan, state)
    many, each = share(room, len(free)) if room is not None else (len(free), Budget())
    started = free[:many]
    taken: dict[str, Held] = {}
    receipts = tuple(_called(plan, node, state, number, each, taken) for number in started)
    return changed(state, running={**state.running, **dict.fromkeys(started, each)}), receipts


def _waiting(many: int, state: State) -> Iterator[int]:
    """The child runs that are still to be started. Of thousands all before the first of these have been, mostly."""
    begun = len(state.branches) + len(state.running)
    if begun == many:
        return
    for number in chain(range(begun, many), range(begun)):
        if number not in state.branches and number not in state.running:
            yield number


def _room(plan: Plan, state: State) -> Budget | None:
    """What the run has left beside what its child runs may spend; None where nothing limits it."""
    limit = run_budget(plan, state)
    if limit is None:
        return None
    room = left(limit, total(state.spent.values()))
    for reserved in state.running.values():
        room = without(room, reserved)
    return room


def _called(plan: Plan, node: Call, state: State, number: int, given: Budget, taken: dict[str, Held]) -> Receipt:
    child = _child(node, number)
    inputs = _inputs(plan, node, child, number, state, taken)
    return Receipt(
        kind="called",
        node=node.name,
        attempt=state.attempts[node.name],
        shown={name: held.sealed.digest for name, held in inputs.items()},
        how={"child": number, "workflow": child.workflow, "plan": child.plan, **lent(given)},
    )


# -- what they come to -----------------------------------------------------------------------------


def returned(node: Call, state: State, event: Returned) -> tuple[State, Receipt]:
    """The state with what a child run came to. Raises `OrderError` where that cannot be."""
    held = event.output
    if (held is not None) is not (event.outcome == "completed"):
        raise OrderError(f"A run of {node.name} says that it {event.outcome}, and has a value or lacks it.")
    if held is not None and not held.sealed.intact:
        raise OrderError(f"The digest of what a run of {node.name} gave is not that of its data.")
    acts = state.acts
    if event.acted:
        acts = {**acts, _act(node, event.child): Done(node=node.name, tool="", arguments="", outcome="done")}
    branch = Branch(outcome=event.outcome, held=held, reason=event.reason)
    receipt = receipt_of(event)
    running = {child: room for child, room in state.running.items() if child != event.child}
    undoable = state.undoable
    if held is not None and event.undoable:
        undoable = (*undoable, Undoable(undo=node.name, child=event.child, run=event.run))
    inner = tuple(replace(one, node=f"{_run_of(node, event.child)} {one.node}") for one in event.overridden)
    branches = with_one(state.branches, event.child, branch)
    overrides = (*state.overrides, *inner)
    state = changed(state, acts=acts, running=running, undoable=undoable, overrides=overrides, branches=branches)
    return state, receipt


def _run_of(node: Call, child: int) -> str:
    return node.name if node.kind == "call" else f"{node.name}/{child + 1}"


def in_doubt(plan: Plan, state: State) -> dict[str, Done]:
    """What has been done in a run, or may have been, where its child runs that are under way are left alone."""
    node = plan.steps[state.at] if state.at < len(plan.steps) else None
    acts = dict(state.acts)
    if isinstance(node, Call):
        for number in state.running:
            if _child(node, number).effects:
                acts.setdefault(_act(node, number), Done(node=node.name, tool="", arguments="", outcome="unknown"))
    return acts


def _act(node: Call, number: int) -> str:
    """Under what name `State.acts` has that a child run changed the outside world."""
    return f"run: {node.name} {number}"


def receipt_of(event: Returned) -> Receipt:
    """That a child run came to something."""
    held = event.output
    return Receipt(
        kind="returned",
        node=event.node,
        attempt=event.attempt,
        output=held.sealed.digest if held else "",
        label=held.label if held else "",
        action=event.outcome,
        reason=event.reason,
        how={
            "child": event.child,
            "run": event.run,
            "ledger": event.ledger,
            **told(event.spent),
            **({"acted": True} if event.acted else {}),
            **({"undoable": True} if held and event.undoable else {}),
            **_overridden(event.overridden),
        },
    )


def _overridden(overrides: tuple[Overridden, ...]) -> dict[str, Json]:
    """What a receipt says of what people overrode in a child run: the nodes, and how many more there were before."""
    more = sum(one.before for one in overrides)
    return {
        **({"overridden": [one.node for one in overrides]} if overrides else {}),
        **({"more": more} if more else {}),
    }


def failures(state: State) -> tuple[str, ...]:
    """Which child runs ended without a value, and how, in words."""
    if not failed(state.branches):
        return ()
    ended = sorted(number for number, branch in state.branches.items() if branch.held is None)
    told = tuple(f"run {number + 1} {_ended(state.branches[number])}" for number in ended[:MAX_TOLD])
    more = len(ended) - len(told)
    return (*told, f"and {more} more") if more else told


def _ended(branch: Branch) -> str:
    return _TOLD.get(branch.outcome, branch.outcome) + (f": {branch.reason}" if branch.reason else "")


_TOLD = {"rejected": "was rejected", "aborted": "was aborted", "cancelled": "was cancelled"}


def gathered(plan: Plan, node: Call, state: State) -> Held:
    """What all child runs gave together, in their order. Raises `OrderError` where one gave too little known of."""
    if node.kind == "call":
        given = state.branches[0].held
        assert given is not None
        return part_of(plan, node, given, state)
    assert node.items is not None
    values: list[Json] = []
    lost: list[Json] = []
    salts = [state.values[node.items.node].sealed.salt]
    by_hand, kept = False, private(plan, node, state)
    by: dict[str, None] = {}
    hands: dict[str, None] = {}
    # One by one: of thousands not all are had at once beside what they gave.
    for number in sorted(state.branches):
        branch = state.branches[number]
        held = branch.held
        if held is None:
            lost.append({"index": number, "reason": _told(node, branch)})
            continue
        _must_be_known(node, held)
        values.append(held.sealed.data)
        salts.append(held.sealed.salt)
        by_hand, kept = by_hand or held.by_hand, kept or held.private
        by |= dict.fromkeys(held.by)
        hands |= dict.fromkeys(held.hands)
    data: Json = {"values": values, "failed": lost} if node.failed == "collect" else values
    return Held(
        sealed=Sealed.of(data, bytes.fromhex(canonical.digest("gathered", salts))[:16]),
        label=node.label,
        by_hand=by_hand,
        private=kept,
        by=tuple(by) if node.label is Label.APPROVED else (),
        editor=tuple(hands),
    )


def _told(node: Call, branch: Branch) -> str:
    """Why a run gave nothing, in a value: outside text may have a hand in the words, and then in what has them."""
    return branch.reason or branch.outcome if node.label is Label.UNTRUSTED else branch.outcome


def part_of(plan: Plan, node: Call | Part, held: Held, state: State) -> Held:
    """What a node gives that gives on what one child run gave. Raises `OrderError`."""
    _must_be_known(node, held)
    kept = held.private or private(plan, node, state)
    return replace(held, label=node.label, private=kept, by=held.by if node.label is Label.APPROVED else ())


def given_by(plan: Plan, state: State) -> Held:
    """What a run gave that has completed, as it is for the run that started it: with all whose hands were in it."""
    return taken_along(plan, state, plan.result)


def _must_be_known(node: Call | Part, held: Held) -> None:
    """Raise `OrderError` where the plan knows more of a value than the run that gave it."""
    if not held.label.covers(node.label):
        raise OrderError(f"{node.name} is to give {node.label} data, and a run of it gave {held.label}.")


__all__ = [
    "MAX_CHILDREN",
    "admitted",
    "count",
    "failures",
    "gathered",
    "given_by",
    "in_doubt",
    "part_of",
    "receipt_of",
    "returned",
    "spawned",
    "stopping",
    "under_way",
]
