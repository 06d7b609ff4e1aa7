"""What follows in a run, as a verifier walks: arriving at nodes, attempts, values that are held, undoing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gatework.plan.plan import Call, Node, Part, Pause, Work
from gatework.verify.state import Ask, Held, State, Undoable


def passed_over(state: State, node: Node) -> bool:
    """Whether a node stands in a way that is not taken."""
    return node.arm is not None and state.marks.get(node.arm.choice) != node.arm.way


def anew(state: State) -> State:
    """The state without what belongs to one attempt."""
    return replace(
        state, pending=(), answered=frozenset(), told=0, let_call="", let_again="", tried=0, again=None, ask=None,
        ends=None, gate=None,
    )  # fmt: skip


def arrive(state: State, at: int) -> State:
    """The state at a position, or behind the ways there that are not taken."""
    nodes = state.plan.nodes
    while at < len(nodes) and passed_over(state, nodes[at]):
        at += 1
    state = replace(anew(state), phase="at", at=at, let_in="", let_in_by=(), edited="", editor=())
    if at == len(nodes):
        return replace(state, phase="behind")  # the undos stand there, and none of them is due
    if not isinstance(nodes[at], Part):
        state = replace(state, branches={}, running=frozenset())
    match nodes[at]:
        case Work():
            return attempt(state, fresh=True)
        case Call():
            return counted(state)
        case _:
            return state


def settled(state: State) -> bool:
    """Whether the run waits for something outside of it, so that anything may come that nobody foresees."""
    if state.phase == "gate":
        return True
    return state.phase in ("at", "works", "sent") and isinstance(state.here, Work | Pause | Call)


def counted(state: State, by: int = 1) -> State:
    """The state with one more attempt of the node at the position."""
    name = state.plan.steps[state.at].name
    return replace(state, attempts={**state.attempts, name: state.attempts.get(name, 0) + by})


def attempt(state: State, *, fresh: bool = False, let_again: str = "", again: Ask | None = None) -> State:
    """Another attempt of the work at the position is to come; a fresh one starts the count of them anew."""
    node = state.plan.steps[state.at]
    assert isinstance(node, Work)
    state = counted(replace(anew(state), phase="at", let_again=let_again, again=again))
    if not fresh:
        return state
    account = replace(state.account, renewed=state.account.of(node.name))
    return replace(state, limit=state.attempts[node.name] + node.attempts - 1, account=account)


def unstarted(state: State) -> State:
    """The state where the attempt that was to come does not: a person is asked in its place, or the run ends."""
    return counted(state, -1) if state.phase == "at" and isinstance(state.here, Work) else state


def back_to(state: State, position: int) -> State:
    """The state in which nothing at a position, or behind it, has come to anything yet."""
    index = state.plan.index
    return replace(
        state,
        at=position,
        held={name: held for name, held in state.held.items() if index.get(name, -1) < position},
        marks={name: mark for name, mark in state.marks.items() if index[name] < position},
    )


def hold(state: State, output: str, *, by: tuple[str, ...] = (), over: tuple[str, ...] = ()) -> State:
    """The state behind the node at the position, which holds a value. `by`: who approved it; `over`: who overrode."""
    node = state.plan.steps[state.at]
    edited = bool(state.edited)
    label = str(state.plan.label(node.name))
    held = Held(digest=output, label=label, by_hand=edited, by=by, editor=state.editor if edited else ())
    if isinstance(node, Work) and node.until and not edited:
        held = replace(state.held[node.reads[0].node], digest=output, label=label)
    if over := (*over, *state.let_in_by):
        held = replace(held, by_hand=True, editor=(*_hands(held), *over))
    return hold_as(state, node, held)


def _hands(held: Held) -> tuple[str, ...]:
    """Whoever had a hand in a value; an empty name for somebody who did not say who they are."""
    return held.editor or (("",) if held.by_hand else ())


def with_hands(held: Held, of: Iterable[Held | None]) -> Held:
    """A value that comes from other runs, with all whose hands were in it there, as far as that is known."""
    known = [one for one in of if one is not None]
    names = tuple(dict.fromkeys(name for one in known for name in _hands(one)))
    return replace(held, by_hand=any(one.by_hand for one in known), editor=names)


def hold_as(state: State, node: Node, held: Held) -> State:
    """As `hold`, where more is known of the value."""
    state = replace(state, held={**state.held, node.name: held})
    if state.ending:
        return undoing(replace(state, undoable=state.undoable[:-1]))
    if isinstance(node, Work) and node.undo:
        read = {ref.node: state.held[ref.node] for ref in state.plan.node(node.undo).reads}
        state = replace(state, undoable=(*state.undoable, Undoable(undo=node.undo, values=read)))
    return arrive(state, state.at + 1)


def undoing(state: State) -> State:
    """The state in which what was done last is to be undone, or in which the run ends."""
    state = replace(anew(state), let_in="", let_in_by=(), edited="", editor=())
    if not state.undoable:
        return replace(state, phase="end")
    last = state.undoable[-1]
    position = state.plan.index[last.undo]
    state = replace(state, at=position, phase="at", held={**state.held, **last.values})
    if isinstance(state.plan.steps[position], Call):
        return counted(replace(state, branches={}, running=frozenset({last.child})))
    return attempt(state, fresh=True)


def by_hand(state: State) -> set[str]:
    """The nodes whose values people gave, and those of what was made of these.

    It ends at an endorser, and at what a person approved or answered.
    """
    found = {name for name, held in state.held.items() if held.by_hand}
    for node in state.plan.steps[: state.at] if found else ():
        there = node.name in state.held or node.name in state.marks
        if there and node.kind not in ("endorse", "approve", "ask") and not found.isdisjoint(_rests_on(state, node)):
            found.add(node.name)
    return found


def _rests_on(state: State, node: Node) -> set[str]:
    if node.kind == "part":
        return {node.call}
    read = {ref.node for ref in node.reads}
    return read | {ref.node for ref in state.plan.node(node.choice).reads} if node.kind == "join" else read


def editors(state: State) -> tuple[str, ...]:
    """Whoever gave a value that still stands; an empty name for somebody who did not say who they are."""
    names = (name for held in state.held.values() for name in _hands(held))
    return tuple(dict.fromkeys(names))


def taken_along(state: State, name: str) -> Held:
    """A value as it goes into another round."""
    return replace(state.held[name], by_hand=name in by_hand(state), editor=editors(state))
