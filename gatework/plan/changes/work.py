"""What differs at a stage, field by field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gatework.plan.changes import tools, words
from gatework.plan.changes.bearing import Bearing, grown, people
from gatework.plan.changes.inputs import label_at, lowered, param_names, params
from gatework.plan.changes.pair import MADE, Pair, Rules, Said, by_field
from gatework.plan.expr import Ref
from gatework.plan.labels import Label, combined
from gatework.plan.plan import DEFAULT_BUDGET, Approval, Budget, Call, GuardUse, Node, Question, Until, Work

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing

Asking = Work | Approval | Question | Call
"""The nodes that say how long they wait for a person."""


def name(pair: Pair, old: Node, new: Node) -> Said:
    """The name of a node."""
    if old.name == new.name:
        return
    said = f"{words.name(old.name)} is now named {words.name(new.name)}"
    if isinstance(new, Work) and new.effects:
        # The key of an effect holds the name of its node.
        yield f"{said}, and the keys of its effects with it: a run that is moved here may do them again", _UNCLEAR
    else:
        yield said, _NEITHER


def expires(pair: Pair, old: Asking, new: Asking) -> Said:
    """How long a node waits for a person."""
    if old.expires_seconds != new.expires_seconds:
        said = f"{words.name(new.name)} waits {words.time(new.expires_seconds)} for a person"
        yield (
            f"{said}, it waited {words.time(old.expires_seconds)}",
            grown(old.expires_seconds, new.expires_seconds),
        )


def output_contract(pair: Pair, old: Any, new: Any) -> Said:
    """The contract of what a node gives."""
    yield from pair.contract(f"the output of {words.name(new.name)}", old.contract, new.contract)


def _runs(pair: Pair, old: Work, new: Work) -> Said:
    if old.runs != new.runs:
        yield f"{words.name(new.name)} runs {words.name(new.runs)}, it ran {words.name(old.runs)}", _UNCLEAR


def _kind(pair: Pair, old: Work, new: Work) -> Said:
    if "until" in (old.kind, new.kind) and old.kind != new.kind:
        yield f"{words.name(new.name)} {'ends' if new.until else 'no longer ends'} a loop", _UNCLEAR
    elif old.kind != new.kind:
        now = "now endorsed" if new.kind == "endorse" else "not endorsed"
        ending = f"by {words.name(new.runs)}" if new.kind == "endorse" else "by our records any more"
        yield f"{words.name(new.name)} is {now} {ending}", _WEAKENS


def _output_label(pair: Pair, old: Work, new: Work) -> Said:
    if old.label is new.label:
        return
    less = lowered(old.label, new.label)
    sources = (param.source for param in new.params if isinstance(param.source, Ref))
    declared = combined(label_at(pair.new, ref) for ref in sources) is Label.PLAIN
    how = "lowered" if less else "raised"
    bearing = _WEAKENS if less or declared else _UNCLEAR
    yield f"label of {words.name(new.name)} {how} from {old.label} to {new.label}", bearing


def _timeout(pair: Pair, old: Work, new: Work) -> Said:
    if old.timeout_seconds != new.timeout_seconds:
        said = f"an attempt of {words.name(new.name)} may take {words.time(new.timeout_seconds)}"
        bearing = grown(old.timeout_seconds, new.timeout_seconds)
        yield f"{said}, it might take {words.time(old.timeout_seconds)}", bearing


def _attempts(pair: Pair, old: Work, new: Work) -> Said:
    if old.attempts != new.attempts:
        said = f"{words.name(new.name)} gets {words.count(new.attempts, 'attempt')}, it had {old.attempts}"
        yield said, grown(old.attempts, new.attempts)


def operator(pair: Pair, old: Work | Call, new: Work | Call) -> Said:
    """Who is asked where a node waits."""
    if old.operator != new.operator:
        ours, theirs = words.by(old.operator), words.by(new.operator)
        at = words.name(new.name)
        others = f"{ours} is no longer asked where {at} waits, {theirs} is"
        said = words.instead(old.operator, new.operator, f"to answer where {at} waits", others)
        yield said, people(old.operator, new.operator)


def _override(pair: Pair, old: Work, new: Work) -> Said:
    if old.override == new.override:
        return
    at = words.name(new.name)
    if new.override is None:
        yield f"nobody may override {at} any more", _STRENGTHENS
    elif old.override is None:
        yield f"{words.by(new.override)} may override {at}: let it past its guards, or skip it", _WEAKENS
    else:
        others = f"{words.by(new.override)} may override {at}, it was {words.by(old.override)}"
        said = words.instead(old.override, new.override, f"to override {at}", others)
        yield said, people(old.override, new.override)


def _budget(pair: Pair, old: Work, new: Work) -> Said:
    if old.budget != new.budget:
        yield from spending(f"budget of {words.name(new.name)}", _allowed(old), _allowed(new))


def _allowed(node: Work) -> Budget:
    """What a stage may spend over all its attempts."""
    if node.budget is not None:
        return node.budget
    calls, tokens = DEFAULT_BUDGET.model_calls, DEFAULT_BUDGET.tokens
    assert calls is not None
    assert tokens is not None
    return Budget(model_calls=calls * node.attempts, tokens=tokens * node.attempts)


def spending(what: str, was: Budget, now: Budget) -> Said:
    """How a budget changed. Every part of it is a limit, and one that is left out is none."""
    if was == now:
        yield f"{what} is written otherwise and is the same", _NEITHER
        return
    one, other = _amounts(was), _amounts(now)
    bearings = {grown(one.get(key, math.inf), other.get(key, math.inf)) for key in one.keys() | other.keys()}
    verb = "widened" if _WEAKENS in bearings else "narrowed" if _STRENGTHENS in bearings else "rewritten"
    bearing = _WEAKENS if _WEAKENS in bearings else _STRENGTHENS if _STRENGTHENS in bearings else _NEITHER
    yield f"{what} {verb} from {words.spending(was)} to {words.spending(now)}", bearing


def _amounts(budget: Budget) -> Mapping[str, float]:
    """Every limit of a budget as a number, whatever the plan says there."""
    fields = dataclasses.asdict(budget)
    calls = fields.pop("tool_calls")
    given = {**fields, **{f"calls of {tool}": calls[tool] for tool in calls}}
    found = {}
    for key, amount in given.items():
        if amount is not None:
            try:
                found[key] = float(amount)
            except ValueError:  # no number; taken for one that is as large as can be
                found[key] = math.inf
    return found


def _undo(pair: Pair, old: Work, new: Work) -> Said:
    was, now = pair.names.get(old.undo, old.undo), new.undo
    at = words.name(new.name)
    if was and not now:
        yield f"{at} is not undone any more where a run does not complete: {words.name(was)} removed", _WEAKENS
    elif now and not was:
        yield f"{at} is undone by {words.name(now)} where a run does not complete", _STRENGTHENS
    elif was != now:
        yield f"{at} is undone by {words.name(now)}, it was by {words.name(was)}", _UNCLEAR


def _until(pair: Pair, old: Work, new: Work) -> Said:
    if old.until and new.until:
        yield from by_field(pair, old.until, new.until, until_rules(new), f"the end of {words.name(new.name)}")
    elif old.until or new.until:
        loop = words.name((new.until or old.until or _NONE).loop)
        yield f"{words.name(new.name)} {'ends' if new.until else 'no longer ends'} the loop {loop}", _UNCLEAR


_NONE = Until(loop="", rounds=0)


def until_rules(node: Work) -> Rules:
    """The rules of what ends a loop."""
    of = words.name(node.name)

    def loop(pair: Pair, old: Until, new: Until) -> Said:
        was = pair.names.get(old.loop, old.loop)
        if was != new.loop:
            yield f"{of} ends the loop {words.name(new.loop)}, it ended {words.name(was)}", _UNCLEAR

    def rounds(pair: Pair, old: Until, new: Until) -> Said:
        if old.rounds != new.rounds:
            said = f"{words.name(new.loop)} goes {words.count(new.rounds, 'round')} at most, it was {old.rounds}"
            yield said, grown(old.rounds, new.rounds)

    def spent(pair: Pair, old: Until, new: Until) -> Said:
        if old.spent != new.spent:
            now, was = (_SPENT.get(one.spent, one.spent) for one in (new, old))
            said = f"once the rounds of {words.name(new.loop)} are spent {now}, where {was}"
            yield said, _WEAKENS if new.spent == "accept" else _STRENGTHENS

    return {"loop": loop, "rounds": rounds, "spent": spent}


_SPENT = {"ask": "a person is asked", "accept": "the last value is taken as it is"}


def arm(pair: Pair, old: Node, new: Node) -> Said:
    """The way in which a node stands: whether it runs in more cases, or in fewer."""
    was, now = pair.arm(old.arm), new.arm
    if was == now:
        return
    at = words.name(new.name)
    if now is None:
        assert was is not None
        # Whatever it does is now done in every run; what it checks, too.
        bearing = _WEAKENS if does(new) else _STRENGTHENS if checks(new) else _NEITHER
        yield f"{at} always runs, it stood {words.inside(pair.old.nodes, old.arm or was)}", bearing
        return
    tail = f"it stood {words.inside(pair.old.nodes, old.arm)}" if old.arm else "it always ran"
    bearing = _WEAKENS if old.arm is None and checks(new) else _UNCLEAR
    yield f"{at} runs only {words.inside(pair.new.nodes, now)}, {tail}", bearing


def checks(node: Node) -> bool:
    """Whether a node can stop a run, hold it, or ask a person."""
    if isinstance(node, Work):
        return bool(node.before or node.guards or node.kind != "stage")
    return node.kind in ("approve", "ask", "pause")


def does(node: Node) -> bool:
    """Whether a node may call something or spend something."""
    if isinstance(node, Work):
        return bool(node.tools or node.budget)
    return isinstance(node, Call)


def _guards(pair: Pair, old: Work, new: Work) -> Said:
    yield from _uses(pair, old, new, old.guards, new.guards, "guard", ["the output"])


def _before(pair: Pair, old: Work, new: Work) -> Said:
    yield from _uses(pair, old, new, old.before, new.before, "guard on inputs", [])


def _queue(pair: Pair, old: Work, new: Work) -> Said:
    if old.queue != new.queue:
        now, was = (f"task queue {words.name(name)}" if name else "that of the run" for name in (new.queue, old.queue))
        said = f"{words.name(new.name)} runs on {now}, it ran on {was}"
        # Whose credentials its workers hold is not in the plan; off a queue of its own, the run's workers need them.
        yield said, _UNCLEAR if new.queue else _WEAKENS


def _uses(
    pair: Pair,
    old: Work,
    new: Work,
    before: tuple[GuardUse, ...],
    after: tuple[GuardUse, ...],
    what: str,
    always: Sequence[str],
) -> Said:
    """The guards of a node, one by one."""
    of = words.name(new.name)
    was, now = ({use.name: use for use in uses} for uses in (before, after))
    for name in was:
        if name not in now:
            yield f"{what} {words.name(name)} of {of} removed", _WEAKENS
    for name, use in now.items():
        if name not in was:
            yield f"{what} {words.name(name)} of {of} added", _STRENGTHENS
            continue
        inputs = param_names(pair, old, new)
        translated = {key: inputs.get(place, place) for key, place in was[name].binds.items()}
        if translated != dict(use.binds):
            said = f"{what} {words.name(name)} of {of} looks at {_binds(use.binds, always)}"
            yield f"{said}, it looked at {_binds(translated, always)}", _UNCLEAR
        if was[name].timeout_seconds != use.timeout_seconds:
            said = f"{what} {words.name(name)} of {of} has {words.time(use.timeout_seconds)} for its verdict"
            bearing = grown(was[name].timeout_seconds, use.timeout_seconds)
            yield f"{said}, it had {words.time(was[name].timeout_seconds)}", bearing
        if was[name].queue != use.queue:
            where = f"is isolated on {words.name(use.queue)}" if use.queue else "is not isolated any more"
            yield f"{what} {words.name(name)} of {of} {where}", _isolation(was[name], use)
        yield from by_field(pair, was[name], use, GUARD, f"{what} {words.name(name)} of {of}")
    kept = [name for name in was if name in now]
    if kept != [name for name in now if name in was]:
        yield f"{what}s of {of} run in another order: {words.names(now)}", _NEITHER


def _binds(binds: Mapping[str, str], always: Sequence[str]) -> str:
    read = [words.name(a) if a == b else f"{words.name(b)} as {words.name(a)}" for a, b in sorted(binds.items())]
    return words.listed([*always, *read])


def _isolation(old: GuardUse, new: GuardUse) -> Bearing:
    """Beside the stage a guard can hold up its worker; which of two queues is the safer, the plan does not know."""
    if old.queue and new.queue:
        return _UNCLEAR
    return _STRENGTHENS if new.queue else _WEAKENS


GUARD: Rules = dict.fromkeys(("name", "binds", "timeout_seconds", "queue"))


def _tools(pair: Pair, old: Work, new: Work) -> Said:
    of = words.name(new.name)
    was, now = ({use.name: use for use in uses} for uses in (old.tools, new.tools))
    for name in was:
        if name not in now:
            yield f"grant of {of} narrowed: it may no longer call {words.name(name)}", _STRENGTHENS
    for name, use in now.items():
        if name not in was:
            yield f"grant of {of} widened: it may now call {words.name(name)}", _WEAKENS
        else:
            yield from by_field(pair, was[name], use, tools.RULES, f"{words.name(name)} of {of}")
    kept = [name for name in was if name in now]
    if kept != [name for name in now if name in was]:
        yield f"tools of {of} are listed in another order", _NEITHER


RULES: Rules = {
    **MADE,
    "name": name,
    "runs": _runs,
    "params": params,
    "label": _output_label,
    "contract": output_contract,
    "before": _before,
    "guards": _guards,
    "tools": _tools,
    "attempts": _attempts,
    "timeout_seconds": _timeout,
    "budget": _budget,
    "operator": operator,
    "override": _override,
    "expires_seconds": expires,
    "queue": _queue,
    "undo": _undo,
    "until": _until,
    "arm": arm,
    "kind": _kind,
}
