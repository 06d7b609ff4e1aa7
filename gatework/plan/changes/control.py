"""What differs at the nodes that choose, go round, wait, and start other runs, field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, get_args

from gatework.plan.changes import conditions, words
from gatework.plan.changes.bearing import Bearing, Change, grown
from gatework.plan.changes.inputs import lowered, params
from gatework.plan.changes.pair import MADE, Pair, Rule, Rules, Said, by_field
from gatework.plan.changes.work import arm, expires, name, operator, output_contract
from gatework.plan.expr import Condition, Ref
from gatework.plan.labels import Label
from gatework.plan.nodes import Child
from gatework.plan.plan import Approval, Call, Choice, Identity, Join, Part, Pause, Plan, Question, Work

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing


def _label(pair: Pair, old: Any, new: Any) -> Said:
    if old.label is not new.label:
        less = lowered(old.label, new.label)
        said = f"label of {words.name(new.name)} {'lowered' if less else 'raised'} from {old.label} to {new.label}"
        yield said, _WEAKENS if less else _UNCLEAR


def _refers(field: str, said: str) -> Rule:
    """The rule of a field that names another node or value. `said` has a place for each of the two."""

    def rule(pair: Pair, old: Any, new: Any) -> Said:
        was, now = getattr(pair.renamed(old), field), getattr(new, field)
        if was != now:
            yield f"{words.name(new.name)} {said.format(_named(now), _named(was))}", _UNCLEAR

    return rule


def _named(data: Any) -> str:
    return words.field(data) if isinstance(data, Ref) else words.name(data) if isinstance(data, str) else "nothing"


# -- choices ---------------------------------------------------------------------------------------


def _on(pair: Pair, old: Choice, new: Choice) -> Said:
    was = pair.renamed(old.on)
    if was != new.on:
        yield f"{words.name(new.name)} looks at {_named(new.on)}, it looked at {_named(was)}", _UNCLEAR


def _tag(pair: Pair, old: Choice, new: Choice) -> Said:
    if old.tag != new.tag:
        yield f"{words.name(new.name)} goes by the field {words.name(new.tag)}, it was {words.name(old.tag)}", _UNCLEAR


def _ways(pair: Pair, old: Choice, new: Choice) -> Said:
    at = words.name(new.name)
    was, now = ({tag: way for way, tags in enumerate(choice.ways) for tag in tags} for choice in (old, new))
    for tag in was:
        if tag not in now:
            # Whoever sends it is not let through any more: the run asks a person.
            yield f"way {words.name(tag)} of {at} removed; a value of that kind has none", _STRENGTHENS
    for tag in now:
        if tag not in was:
            yield f"way {words.name(tag)} of {at} added", _UNCLEAR
    for tags in new.ways:
        together = {frozenset(old.ways[was[tag]]).intersection(now) for tag in tags if tag in was}
        if together and together != {frozenset(tags).intersection(was)}:
            yield f"{words.names(tags)} take one way of {at}, which they did not", _UNCLEAR
    if len(was) == len(now) and was.keys() == now.keys() and list(was) != list(now):
        yield f"the ways of {at} stand in another order", _NEITHER
    elif old.ways != new.ways and sorted(map(sorted, old.ways)) == sorted(map(sorted, new.ways)):
        yield f"the ways of {at} are listed otherwise", _NEITHER
    elif old.ways != new.ways and was.keys() == now.keys():
        yield f"the ways of {at} are divided otherwise", _UNCLEAR


def _when(pair: Pair, old: Choice, new: Choice) -> Said:
    was: Condition | None = pair.renamed(old.when)
    at = words.name(new.name)
    if was == new.when:
        return
    if was is None:
        assert new.when is not None  # they differ
        yield f"{at} is decided by whether {words.condition(new.when)}", _UNCLEAR
        return
    if new.when is None:
        yield f"{at} is decided no longer by whether {words.condition(was)}", _UNCLEAR
        return
    bearing = conditions.asks(was, new.when, about="", field=pair.field)
    cases = {_WEAKENS: "in fewer cases", _STRENGTHENS: "in more cases", _NEITHER: "in the same cases"}
    tail = cases.get(bearing, "and whether that is in fewer cases cannot be told")
    said = f"{at} takes its first way when {words.condition(new.when)}, {tail}; it was when {words.condition(was)}"
    # The way that is taken more often may do without what the other holds.
    more, less = (1, 0) if bearing is _WEAKENS else (0, 1)
    decided = bearing in (_WEAKENS, _STRENGTHENS)
    weaker = decided and _people(pair.new, at, less) and not _people(pair.new, at, more)
    yield said, _NEITHER if bearing is _NEITHER else _WEAKENS if weaker else _UNCLEAR


def _people(plan: Plan, choice: str, way: int) -> bool:
    """Whether a person is asked in a way."""
    return any(
        isinstance(node, Approval | Question) and node.arm and (node.arm.choice, node.arm.way) == (choice, way)
        for node in plan.nodes
    )


def _decides(pair: Pair, old: Choice, new: Choice) -> Said:
    if old.kind != new.kind:
        now, was = ("by a condition" if one.kind == "when" else "by what a value is" for one in (new, old))
        yield f"{words.name(new.name)} is decided {now}, it was {was}", _UNCLEAR


CHOICE: Rules = {
    **MADE,
    "name": name,
    "on": _on,
    "tag": _tag,
    "ways": _ways,
    "when": _when,
    "arm": arm,
    "kind": _decides,
}


def _options(pair: Pair, old: Join, new: Join) -> Said:
    was = pair.renamed(old.options)
    if was != new.options:
        now, before = (words.listed([words.field(ref) for ref in refs], "or") for refs in (new.options, was))
        yield f"{words.name(new.name)} gives {now}, it gave {before}", _UNCLEAR


JOIN: Rules = {
    **MADE,
    "name": name,
    "choice": _refers("choice", "gives what {} comes to, it was {}"),
    "options": _options,
    "label": _label,
    "contract": output_contract,
    "arm": arm,
    "kind": None,
}


# -- loops and pauses ------------------------------------------------------------------------------

LOOP: Rules = {
    **MADE,
    "name": name,
    "start": _refers("start", "starts from {}, it started from {}"),
    "label": _label,
    "contract": output_contract,
    "arm": arm,
    "kind": None,
}


def _seconds(pair: Pair, old: Pause, new: Pause) -> Said:
    if old.seconds != new.seconds:
        said = f"{words.name(new.name)} waits {words.time(new.seconds)}, it waited {words.time(old.seconds)}"
        yield said, grown(new.seconds, old.seconds)  # a wait is there to hold a run up


PAUSE: Rules = {**MADE, "name": name, "seconds": _seconds, "arm": arm, "kind": None}


# -- child runs ------------------------------------------------------------------------------------


def _children(pair: Pair, old: Call, new: Call) -> Said:
    of = words.name(new.name)
    for number, (was, now) in enumerate(zip(old.children, new.children, strict=False), start=1):
        which = f"run {number} of {of}" if len(new.children) > 1 else f"each run of {of}"
        which = f"the run of {of}" if new.kind == "call" else which
        yield from by_field(pair, was, now, child_rules(old, new, which), which)
    for child in old.children[len(new.children) :]:
        yield f"{of} no longer runs {words.name(child.workflow)}", _UNCLEAR
    for child in new.children[len(old.children) :]:
        yield f"{of} runs {words.name(child.workflow)} too{_outside(child)}", _WEAKENS if child.effects else _UNCLEAR


def _outside(child: Child) -> str:
    return ", which may change the outside world" if child.effects else ""


def child_rules(before: Call, after: Call, which: str) -> Rules:
    """The rules of one child of a call."""

    def workflow(pair: Pair, old: Child, new: Child) -> Said:
        if old.workflow != new.workflow:
            parts = old.workflow in pair.old.parts and new.workflow in pair.new.parts
            said = f"{which} is one of {words.name(new.workflow)}, it was one of {words.name(old.workflow)}"
            yield said, _NEITHER if parts else _UNCLEAR  # a part is compared line by line

    def plan(pair: Pair, old: Child, new: Child) -> Said:
        both = old.workflow in pair.old.parts and new.workflow in pair.new.parts
        told = (
            both and old.plan == pair.old.parts[old.workflow].digest and new.plan == pair.new.parts[new.workflow].digest
        )
        if old.plan != new.plan and not told:
            said = f"{which} is held to plan {words.plain(new.plan[:12])} of {words.name(new.workflow)}"
            look = f"see `gatework plan history {words.name(new.workflow)}`"
            yield f"{said}, it was held to {words.plain(old.plan[:12])}; {look}", _UNCLEAR

    def inputs(pair: Pair, old: Child, new: Child) -> Said:
        yield from params(pair, _as_work(before, old), _as_work(after, new))

    def effects(pair: Pair, old: Child, new: Child) -> Said:
        if old.effects != new.effects:
            how = "may now" if new.effects else "may no longer"
            yield f"{which} {how} change the outside world", _WEAKENS if new.effects else _STRENGTHENS

    def private(pair: Pair, old: Child, new: Child) -> Said:
        if old.private != new.private:
            how = "must not leave any more" if new.private else "may leave now"
            yield f"what {which} gives {how}", _STRENGTHENS if new.private else _WEAKENS

    def identity(pair: Pair, old: Child, new: Child) -> Said:
        if old.identity != new.identity:
            known = get_args(Identity)
            less = new.identity not in known or known.index(new.identity) < known.index(old.identity)
            said = f"who edits what {which} starts from must be known as {new.identity}, it was {old.identity}"
            yield said, _WEAKENS if less else _STRENGTHENS

    return {
        "workflow": workflow,
        "plan": plan,
        "params": inputs,
        "effects": effects,
        "private": private,
        "identity": identity,
    }


def _as_work(call: Call, child: Child) -> Work:
    """What a child reads, as if the call were a stage."""
    return Work(name=call.name, runs=child.workflow, params=child.params, label=Label.PLAIN, contract="")


def _at_most(pair: Pair, old: Call, new: Call) -> Said:
    if old.at_most != new.at_most:
        said = f"{words.name(new.name)} has {words.count(new.at_most, 'run')} under way at once, it had {old.at_most}"
        yield said, grown(old.at_most, new.at_most)


_FAILED = {
    "ask": "waits for a person",
    "collect": "is written down, and nobody is asked",
    "stop": "stops the others, and a person is asked",
}


def _failed(pair: Pair, old: Call, new: Call) -> Said:
    if old.failed != new.failed:
        now, was = (_FAILED.get(one.failed, one.failed) for one in (new, old))
        bearing = _WEAKENS if new.failed == "collect" else _STRENGTHENS if old.failed == "collect" else _UNCLEAR
        yield f"a run of {words.name(new.name)} that fails {now}; before, it {was}", bearing


def _call_kind(pair: Pair, old: Call, new: Call) -> Said:
    if old.kind != new.kind:
        yield f"{words.name(new.name)} is {_A.get(new.kind, new.kind)}, it was {_A.get(old.kind, old.kind)}", _UNCLEAR


_A = {"call": "one run", "parallel": "several runs side by side", "each": "one run for each item"}

CALL: Rules = {
    **MADE,
    "name": name,
    "children": _children,
    "items": _refers("items", "takes its items from {}, it took them from {}"),
    "item": _refers("item", "gives each item as {}, it was {}"),
    "at_most": _at_most,
    "failed": _failed,
    "label": _label,
    "contract": output_contract,
    "operator": operator,
    "expires_seconds": expires,
    "arm": arm,
    "kind": _call_kind,
}


def _child(pair: Pair, old: Part, new: Part) -> Said:
    if old.child != new.child:
        said = f"{words.name(new.name)} is what run {new.child + 1} of {words.name(new.call)} gives"
        yield f"{said}, it was of run {old.child + 1}", _UNCLEAR


PART: Rules = {
    **MADE,
    "name": name,
    "call": _refers("call", "is what a run of {} gives, it was of {}"),
    "child": _child,
    "label": _label,
    "contract": output_contract,
    "arm": arm,
    "kind": None,
}


# -- parts -----------------------------------------------------------------------------------------

Changes = Callable[[Plan, Plan], tuple[Change, ...]]


def in_parts(pair: Pair, changes: Changes) -> Iterator[Change]:
    """What differs in the plans that are written in these: the part of a call beside that of the same call before."""
    told: set[tuple[str, str]] = set()
    for was, now in _beside(pair):
        ours, theirs = pair.old.parts.get(was), pair.new.parts.get(now)
        if ours is None or theirs is None or (was, now) in told:
            continue
        told.add((was, now))
        for change in changes(ours, theirs):
            if was != now and change.what == f"the workflow is named {words.name(now)}, it was {words.name(was)}":
                continue  # the call says it
            where = ".".join(filter(None, (now.partition(".")[2] or now, change.where)))
            yield dataclasses.replace(change, where=where, what=f"in {words.name(now)}: {change.what}")
    gone = pair.old.parts.keys() - {was for was, _ in told}
    come = pair.new.parts.keys() - {now for _, now in told}
    yield from _alone(pair, gone, come)


def _beside(pair: Pair) -> Iterator[tuple[str, str]]:
    for node in pair.new.nodes:
        before = next((old for old, new in pair.names.items() if new == node.name), "")
        old = pair.old.node(before) if before in pair.old.index else None
        if isinstance(node, Call) and isinstance(old, Call):
            yield from ((a.workflow, b.workflow) for a, b in zip(old.children, node.children, strict=False))


def _alone(pair: Pair, gone: set[str], come: set[str]) -> Iterator[Change]:
    """Parts that have nothing to be compared with: what holds them up, or lets them act, is new or gone as a whole."""
    for part in sorted(gone & come):
        if pair.old.parts[part].digest != pair.new.parts[part].digest:
            said = f"{words.name(part)} is another plan, which no run of the same node is held to"
            yield Change(where=part, what=said, bearing=_UNCLEAR)
    for part in sorted(gone - come):
        yield Change(where=part, what=f"the plan {words.name(part)} is not written here any more", bearing=_UNCLEAR)
    for part in sorted(come - gone):
        may = [use.name for node in pair.new.parts[part].steps if isinstance(node, Work) for use in node.tools]
        said = f"the plan {words.name(part)} is written here" + (
            f", which may call {words.names(dict.fromkeys(may))}" if may else ""
        )
        yield Change(where=part, what=said, bearing=_WEAKENS if may else _UNCLEAR)
