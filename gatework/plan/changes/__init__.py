"""What differs between two plans, in words, and whether it weakens the plan.

A change weakens a plan where a run may get past something that would have stopped it, bounded it, or asked a person
before. What cannot be told counts as weakening: nothing here fails open. A node that has only another name is found
again; every other node that is gone is removed, and every other that has come is added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from gatework.plan.changes import approval, control, words, work
from gatework.plan.changes.bearing import Bearing, Change
from gatework.plan.changes.inputs import label_of, lowered
from gatework.plan.changes.pair import Pair, Rules, Said, by_field, renamed
from gatework.plan.expr import Ref
from gatework.plan.labels import Label
from gatework.plan.plan import (
    Approval,
    Budget,
    Call,
    Choice,
    Input,
    Join,
    Loop,
    Node,
    Part,
    Pause,
    Plan,
    Question,
    Work,
)

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing


def changes(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Every difference between two plans, in the order of the newer plan. Empty only where they are the same plan."""
    pair = Pair(old, new, _found_again(old, new))
    found = tuple(_said(pair))
    if not found and old.digest != new.digest:
        return (Change(where="", what="the plans differ in what has no words here", bearing=_UNCLEAR),)
    return found


def weakens(found: Iterable[Change]) -> bool:
    """Whether changes weaken a plan, or cannot be told not to."""
    return any(change.weakens for change in found)


def _said(pair: Pair) -> Iterator[Change]:
    yield from _at("", by_field(pair, pair.old, pair.new, _PLAN, words.name(pair.new.name)))
    yield from _inputs(pair)
    again = {new: old for old, new in pair.names.items()}
    for node in pair.old.steps:
        if node.name not in pair.names:
            yield from _at(node.name, _removed(pair, node))
    for node in pair.new.steps:
        if node.name not in again:
            yield from _at(node.name, _added(pair, node))
        else:
            before = pair.old.node(again[node.name])
            yield from _at(node.name, by_field(pair, before, node, _rules(node), words.name(node.name)))
    yield from _order(pair)
    yield from control.in_parts(pair, changes)
    yield from _unreferenced(pair)


def _rules(node: Node) -> Rules:
    return next(rules for kind, rules in _RULES.items() if isinstance(node, kind))


_RULES: Mapping[type, Rules] = {
    Work: work.RULES,
    Approval: approval.RULES,
    Question: approval.QUESTION,
    Pause: control.PAUSE,
    Choice: control.CHOICE,
    Join: control.JOIN,
    Loop: control.LOOP,
    Call: control.CALL,
    Part: control.PART,
}


def _inputs(pair: Pair) -> Iterator[Change]:
    if len(pair.old.inputs) != len(pair.new.inputs):
        yield Change(where="", what="a run starts from another number of values", bearing=_UNCLEAR)
    for old, new in zip(pair.old.inputs, pair.new.inputs, strict=False):
        yield from _at(new.name, by_field(pair, old, new, _INPUT, "the input"))


def _at(where: str, said: Said) -> Iterator[Change]:
    for what, bearing in said:
        yield Change(where=where, what=what, bearing=bearing)


# -- which node is which ---------------------------------------------------------------------------


def _found_again(old: Plan, new: Plan) -> dict[str, str]:
    """Node of the older plan → the same in the newer: of that name, or alike in all but the name. And the input."""
    names = {was.name: now.name for was, now in zip(old.inputs, new.inputs, strict=False)}
    # What undoes is known by what it undoes, which may have another name: the undos come first.
    rows: tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...] = ((old.undos, new.undos), (old.nodes, new.nodes))
    for ours, theirs in rows:
        there = {node.name: node for node in theirs}
        names |= {node.name: node.name for node in ours if type(node) is type(there.get(node.name))}
    for ours, theirs in reversed(rows):
        free = [node for node in theirs if node.name not in old.index]
        for node in ours:
            if node.name in new.index or node.name in new.starts:
                continue
            for other in free:
                if _alike(node, other, names):
                    names[node.name] = other.name
                    free.remove(other)
                    break
    return names


def _alike(old: Node, new: Node, names: Mapping[str, str]) -> bool:
    """Whether a node is another but for its own name, and those that follow from it."""
    there: Node = dataclasses.replace(renamed(old, names), name=new.name)
    if isinstance(there, Work) and isinstance(new, Work) and there.undo and new.undo:
        there = dataclasses.replace(there, undo=new.undo)
    if isinstance(there, Call) and isinstance(new, Call) and len(there.children) == len(new.children):
        both = zip(there.children, new.children, strict=True)
        children = tuple(dataclasses.replace(a, workflow=b.workflow, plan=b.plan) for a, b in both)
        there = dataclasses.replace(there, children=children)
    return there == new


def _removed(pair: Pair, node: Node) -> Said:
    name = words.name(node.name)
    match node:
        case Approval():
            before = _before(pair.names.get(user, user) for user in _users(pair.old, node))
            yield f"approval {name} by {words.by(node.by)}{before} removed", _WEAKENS
        case Question():
            before = _before(pair.names.get(user, user) for user in _users(pair.old, node))
            yield f"question {name} to {words.by(node.by)}{before} removed", _WEAKENS
        case Pause():
            yield f"pause {name} of {words.time(node.seconds)} removed", _WEAKENS
        case Work() if node in pair.old.undos:
            if not any(isinstance(kept, Work) and kept.undo == node.name for kept in _kept(pair)):
                yield f"undo {name} removed", _WEAKENS
        case Work(kind="endorse"):
            yield f"{name} is not endorsed by our records any more: {words.name(node.runs)} removed", _WEAKENS
        case Work():
            checks = (*node.before, *node.guards)
            guards = f", with its guards {words.names(use.name for use in checks)}" if checks else ""
            # Without guards, too, a stage can refuse; whether this one did is in its code.
            yield f"{_WHAT[node.kind]} {name} removed{guards}", _WEAKENS if checks else _UNCLEAR
        case _:
            yield f"{_WHAT[node.kind]} {name} removed", _UNCLEAR


def _added(pair: Pair, node: Node) -> Said:
    name = words.name(node.name)
    match node:
        case Approval():
            yield f"approval {name} by {words.by(node.by)}{_before(_users(pair.new, node))} added", _STRENGTHENS
        case Question():
            yield f"question {name} to {words.by(node.by)}{_before(_users(pair.new, node))} added", _STRENGTHENS
        case Pause():
            yield f"pause {name} of {words.time(node.seconds)} added", _STRENGTHENS
        case Work(kind="endorse"):
            yield f"{name} is now endorsed by {words.name(node.runs)}", _WEAKENS
        case Work():
            said = f"{'undo' if node in pair.new.undos else _WHAT[node.kind]} {name} added"
            may = [f"call {words.names(use.name for use in node.tools)}"] if node.tools else []
            may += [f"spend {words.spending(node.budget)}"] if node.budget else []
            # By itself it takes nothing from the plan; what reads its output is said at the reader.
            bearing = _WEAKENS if may else _NEITHER
            may += [f"be overridden by {words.by(node.override)}"] if node.override else []
            yield f"{said}, which may {words.listed(may)}" if may else said, bearing
        case Call():
            runs = words.names(dict.fromkeys(child.workflow for child in node.children))
            tail = ", which may change the outside world" if node.effects else ""
            yield f"{_WHAT[node.kind]} {name} added: it runs {runs}{tail}", _WEAKENS if tail else _UNCLEAR
        case Choice():
            yield f"{_WHAT[node.kind]} {name} added", _UNCLEAR
        case _:
            yield f"{_WHAT[node.kind]} {name} added", _NEITHER


_WHAT = {
    "stage": "stage",
    "until": "end of a loop",
    "choose": "choice",
    "when": "choice",
    "join": "value of a choice",
    "loop": "loop",
    "call": "child run",
    "parallel": "runs side by side",
    "each": "runs for each item",
    "part": "value of a run side by side",
}


def _users(plan: Plan, node: Node) -> Iterator[str]:
    """The stages that wait for what a person decides or answers."""
    return (user.name for user in plan.nodes if isinstance(user, Work | Call) and Ref(node.name) in user.reads)


def _before(users: Iterable[str]) -> str:
    names = words.names(users)
    return f" before {names}" if names else ""


def _kept(pair: Pair) -> Iterator[Node]:
    return (node for node in pair.old.nodes if node.name in pair.names)


# -- the plan and its input ------------------------------------------------------------------------


def _plan_name(pair: Pair, old: Plan, new: Plan) -> Said:
    if old.name != new.name:
        yield f"the workflow is named {words.name(new.name)}, it was {words.name(old.name)}", _NEITHER


def _result(pair: Pair, old: Plan, new: Plan) -> Said:
    was = pair.names.get(old.result, old.result)
    if was != new.result:
        less = lowered(label_of(old, old.result), label_of(new, new.result))
        said = f"a run gives {words.name(new.result)} instead of {words.name(was)}"
        yield said, _WEAKENS if less else _UNCLEAR


def _acknowledged(pair: Pair, old: Plan, new: Plan) -> Said:
    was, now = [pair.names.get(name, name) for name in old.acknowledged], list(new.acknowledged)
    for name in now:
        if name not in was:
            yield f"the output of {words.name(name)} is left unused on purpose", _NEITHER
    for name in was:
        if name not in now:
            yield f"the output of {words.name(name)} is not left unused on purpose any more", _NEITHER
    if was != now and set(was) == set(now):
        yield "what is left unused on purpose stands in another order", _NEITHER


def _plan_budget(pair: Pair, old: Plan, new: Plan) -> Said:
    if old.budget != new.budget:
        yield from work.spending("budget of a run", old.budget or Budget(), new.budget or Budget())


def _undos(pair: Pair, old: Plan, new: Plan) -> Said:
    was = [pair.names[undo.name] for undo in old.undos if undo.name in pair.names]
    if was != [undo.name for undo in new.undos if undo.name in was]:
        yield "what undoes is listed in another order", _NEITHER


_PLAN: Rules = {
    "name": _plan_name,
    "inputs": None,
    "nodes": None,
    "undos": _undos,
    "parts": None,
    "result": _result,
    "contracts": None,
    "budget": _plan_budget,
    "acknowledged": _acknowledged,
    "format": None,
}


def _input_name(pair: Pair, old: Input, new: Input) -> Said:
    if old.name != new.name:
        yield f"what a run starts from is named {words.name(new.name)}, it was {words.name(old.name)}", _NEITHER


def _input_label(pair: Pair, old: Input, new: Input) -> Said:
    if old.label is not new.label:
        # Less trust is no gain where a run may now start from outside text, which it could not before.
        bearing = _WEAKENS if old.label is Label.UNTRUSTED or new.label is Label.PLAIN else _UNCLEAR
        yield f"what a run starts from counts as {new.label}, it counted as {old.label}", bearing


def _input_contract(pair: Pair, old: Input, new: Input) -> Said:
    yield from pair.contract(f"what a run starts from ({words.name(new.name)})", old.contract, new.contract)


def _input_private(pair: Pair, old: Input, new: Input) -> Said:
    if old.private != new.private:
        how = "must not leave" if new.private else "may leave now"
        yield f"what a run starts from ({words.name(new.name)}) {how}", _STRENGTHENS if new.private else _WEAKENS


_INPUT: Rules = {
    "name": _input_name,
    "label": _input_label,
    "contract": _input_contract,
    "private": _input_private,
}


def _unreferenced(pair: Pair) -> Iterator[Change]:
    """Contracts that no node names; they hold nobody to anything."""
    kept = [plan.contracts.keys() - set(_contracts(plan)) for plan in (pair.old, pair.new)]
    if kept[0] != kept[1]:
        yield Change(where="", what="contracts that nothing refers to have come or gone", bearing=_NEITHER)


def _contracts(plan: Plan) -> Iterator[str]:
    yield from (start.contract for start in plan.inputs)
    for node in plan.steps:
        yield plan.contract(node.name)
        if isinstance(node, Call):
            yield from (param.contract for child in node.children for param in child.params)
        if isinstance(node, Work):
            yield from (param.contract for param in node.params)
            yield from (digest for use in node.tools for digest in (use.arguments, use.result))


# -- the order -------------------------------------------------------------------------------------


def _order(pair: Pair) -> Iterator[Change]:
    """What now runs before something that it ran after."""
    was = [pair.names[node.name] for node in pair.old.nodes if node.name in pair.names]
    now = [node.name for node in pair.new.nodes if node.name in was]
    if was == now:
        return
    overtaking = False
    places = {name: place for place, name in enumerate(now)}
    for before, name in enumerate(was):
        node = pair.new.nodes[pair.new.index[name]]
        # Whatever it ran after could have stopped it: a guard, a refusal, a person.
        passed = [other for other in was[:before] if places[other] > places[name]]
        acts = [use.name for use in node.tools] if isinstance(node, Work) else []
        acts += [child.workflow for child in node.effects] if isinstance(node, Call) else []
        if passed and acts:
            overtaking = True
            tools = words.names(acts)
            said = f"{words.name(name)} runs before {words.names(passed)}, which could have stopped {tools}"
            yield Change(where=name, what=said, bearing=_WEAKENS)
    if not overtaking:
        said = f"nodes reordered: {words.names(now)}; it was {words.names(was)}"
        yield Change(where="", what=said, bearing=_reordering(pair, was, now))


def _reordering(pair: Pair, was: list[str], now: list[str]) -> Bearing:
    """How an order bears in which no effect has overtaken anything."""
    approvals = {node.name for node in pair.new.nodes if isinstance(node, Approval | Question)}
    places = {name: place for place, name in enumerate(now)}
    for before, name in enumerate(was):
        node = pair.new.nodes[pair.new.index[name]]
        if (isinstance(node, Work) and node.budget) or isinstance(node, Call):
            passed = {other for other in was[:before] if places[other] > places[name]}
            if passed & approvals:
                return _WEAKENS  # it spends before a person is asked
    return _NEITHER


__all__ = ["Bearing", "Change", "changes", "weakens"]
