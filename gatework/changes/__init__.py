"""What differs between two plans, in words, and whether it weakens the plan.

A change weakens a plan where a run may get past something that would have stopped it, bounded it, or asked a person
before. What cannot be told counts as weakening: nothing here fails open. A node that has only another name is found
again; every other node that is gone is removed, and every other that has come is added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from gatework.changes import approval, words, work
from gatework.changes.bearing import Bearing, Change
from gatework.changes.pair import Pair, Rules, Said, by_field, renamed
from gatework.expr import Ref
from gatework.labels import Label
from gatework.plan import Approval, Budget, Call, Input, Node, Plan, Work

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
    for node in pair.old.nodes:
        if node.name not in pair.names:
            yield from _at(node.name, _removed(pair, node))
    for node in pair.new.nodes:
        if node.name not in again:
            yield from _at(node.name, _added(pair, node))
        else:
            before = pair.old.nodes[pair.old.index[again[node.name]]]
            rules = approval.RULES if isinstance(node, Approval) else work.RULES if isinstance(node, Work) else _CONTROL
            yield from _at(node.name, by_field(pair, before, node, rules, words.name(node.name)))
    yield from _order(pair)
    yield from _unreferenced(pair)


def _inputs(pair: Pair) -> Iterator[Change]:
    if len(pair.old.inputs) != len(pair.new.inputs):
        yield Change(where="", what="a run starts from another number of values", bearing=_UNCLEAR)
    for old, new in zip(pair.old.inputs, pair.new.inputs, strict=False):
        yield from _at(new.name, by_field(pair, old, new, _INPUT, "the input"))


_CONTROL: Rules = {"name": work.name}
"""Of what chooses, repeats, waits or starts other runs, whatever differs is unclear."""


def _at(where: str, said: Said) -> Iterator[Change]:
    for what, bearing in said:
        yield Change(where=where, what=what, bearing=bearing)


# -- which node is which ---------------------------------------------------------------------------


def _found_again(old: Plan, new: Plan) -> dict[str, str]:
    """Node of the older plan → the same in the newer: of that name, or alike in all but the name. And the input."""
    names = {node.name: node.name for node in old.nodes if type(node) is type(_node(new, node.name))}
    names |= {was.name: now.name for was, now in zip(old.inputs, new.inputs, strict=False)}
    free = [node for node in new.nodes if node.name not in old.index]
    for node in old.nodes:
        if node.name in new.index or node.name in new.starts:
            continue
        there = renamed(node, names)
        for other in free:
            if dataclasses.replace(there, name=other.name) == other:
                names[node.name] = other.name
                free.remove(other)
                break
    return names


def _node(plan: Plan, name: str) -> Node | None:
    return plan.nodes[plan.index[name]] if name in plan.index else None


def _removed(pair: Pair, node: Node) -> Said:
    name = words.name(node.name)
    if isinstance(node, Approval):
        users = [user for user in pair.old.nodes if isinstance(user, Work) and Ref(node.name) in user.reads]
        before = f" before {words.names(pair.names.get(user.name, user.name) for user in users)}" if users else ""
        yield f"approval {name} by {words.by(node.by)}{before} removed", _WEAKENS
        return
    if not isinstance(node, Work):
        yield f"{node.kind} {name} removed", _UNCLEAR
        return
    if node.kind == "endorse":
        yield f"{name} is not endorsed by our records any more: {words.name(node.runs)} removed", _WEAKENS
        return
    checks = (*node.before, *node.guards)
    guards = f", with its guards {words.names(use.name for use in checks)}" if checks else ""
    # Without guards, too, a stage can refuse; whether this one did is in its code.
    yield f"stage {name} removed{guards}", _WEAKENS if checks else _UNCLEAR


def _added(pair: Pair, node: Node) -> Said:
    name = words.name(node.name)
    if isinstance(node, Approval):
        users = [user.name for user in pair.new.nodes if isinstance(user, Work) and Ref(node.name) in user.reads]
        before = f" before {words.names(users)}" if users else ""
        yield f"approval {name} by {words.by(node.by)}{before} added", _STRENGTHENS
        return
    if not isinstance(node, Work):
        yield f"{node.kind} {name} added", _UNCLEAR
        return
    if node.kind == "endorse":
        yield f"{name} is now endorsed by {words.name(node.runs)}", _WEAKENS
        return
    said = f"stage {name} added"
    may = [f"call {words.names(use.name for use in node.tools)}"] if node.tools else []
    may += [f"spend {words.spending(node.budget)}"] if node.budget else []
    # By itself it takes nothing from the plan; what reads its output is said at the reader.
    yield (f"{said}, which may {words.listed(may)}", _WEAKENS) if may else (said, _NEITHER)


# -- the plan and its input ------------------------------------------------------------------------


def _plan_name(pair: Pair, old: Plan, new: Plan) -> Said:
    if old.name != new.name:
        yield f"the workflow is named {words.name(new.name)}, it was {words.name(old.name)}", _NEITHER


def _result(pair: Pair, old: Plan, new: Plan) -> Said:
    was = pair.names.get(old.result, old.result)
    if was != new.result:
        lowered = work.lowered(work.label_of(old, old.result), work.label_of(new, new.result))
        said = f"a run gives {words.name(new.result)} instead of {words.name(was)}"
        yield said, _WEAKENS if lowered else _UNCLEAR


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


_PLAN: Rules = {
    "name": _plan_name,
    "inputs": None,
    "nodes": None,
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


_INPUT: Rules = {"name": _input_name, "label": _input_label, "contract": _input_contract}


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
        if passed and isinstance(node, Work) and node.tools:
            overtaking = True
            tools = words.names(use.name for use in node.tools)
            said = f"{words.name(name)} runs before {words.names(passed)}, which could have stopped {tools}"
            yield Change(where=name, what=said, bearing=_WEAKENS)
    if not overtaking:
        said = f"nodes reordered: {words.names(now)}; it was {words.names(was)}"
        yield Change(where="", what=said, bearing=_reordering(pair, was, now))


def _reordering(pair: Pair, was: list[str], now: list[str]) -> Bearing:
    """How an order bears in which no effect has overtaken anything."""
    approvals = {node.name for node in pair.new.nodes if isinstance(node, Approval)}
    places = {name: place for place, name in enumerate(now)}
    for before, name in enumerate(was):
        node = pair.new.nodes[pair.new.index[name]]
        if isinstance(node, Work) and node.budget:
            passed = {other for other in was[:before] if places[other] > places[name]}
            if passed & approvals:
                return _WEAKENS  # it spends before a person is asked
    return _NEITHER


__all__ = ["Bearing", "Change", "changes", "weakens"]
