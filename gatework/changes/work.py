"""What differs at a stage, field by field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from gatework.changes import tools, words
from gatework.changes.bearing import Bearing, grown, people
from gatework.changes.pair import Pair, Rules, Said, by_field
from gatework.expr import Const, Ref, Source
from gatework.labels import Label, combined
from gatework.plan import DEFAULT_BUDGET, Approval, Budget, GuardUse, Node, Param, Plan, Work

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing

_RANK = {Label.UNTRUSTED: 0, Label.ENDORSED: 1, Label.APPROVED: 2}
"""How much a label vouches for; plain is not comparable."""


def lowered(old: Label, new: Label) -> bool:
    """Whether a label was taken away, or vouches for less."""
    return old in _RANK and (new not in _RANK or _RANK[new] < _RANK[old])


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


def expires(pair: Pair, old: Work | Approval, new: Work | Approval) -> Said:
    """How long a node waits for a person."""
    if old.expires_seconds != new.expires_seconds:
        said = f"{words.name(new.name)} waits {words.time(new.expires_seconds)} for a person"
        yield (
            f"{said}, it waited {words.time(old.expires_seconds)}",
            grown(old.expires_seconds, new.expires_seconds),
        )


def output_contract(pair: Pair, old: Work | Approval, new: Work | Approval) -> Said:
    """The contract of what a node gives."""
    yield from pair.contract(f"the output of {words.name(new.name)}", old.contract, new.contract)


def _runs(pair: Pair, old: Work, new: Work) -> Said:
    if old.runs != new.runs:
        yield f"{words.name(new.name)} runs {words.name(new.runs)}, it ran {words.name(old.runs)}", _UNCLEAR


def _kind(pair: Pair, old: Work, new: Work) -> Said:
    if old.kind != new.kind:
        now = "now endorsed" if new.kind == "endorse" else "not endorsed"
        ending = f"by {words.name(new.runs)}" if new.kind == "endorse" else "by our records any more"
        yield f"{words.name(new.name)} is {now} {ending}", _WEAKENS


def _output_label(pair: Pair, old: Work, new: Work) -> Said:
    if old.label is new.label:
        return
    less = lowered(old.label, new.label)
    sources = (param.source for param in new.params if isinstance(param.source, Ref))
    declared = combined(_label(pair.new, ref) for ref in sources) is Label.PLAIN
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


def _operator(pair: Pair, old: Work, new: Work) -> Said:
    if old.operator != new.operator:
        ours, theirs = words.by(old.operator), words.by(new.operator)
        at = words.name(new.name)
        others = f"{ours} is no longer asked where {at} waits, {theirs} is"
        said = words.instead(old.operator, new.operator, f"to answer where {at} waits", others)
        yield said, people(old.operator, new.operator)


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


# -- inputs ----------------------------------------------------------------------------------------


def _params(pair: Pair, old: Work, new: Work) -> Said:
    of = words.name(new.name)
    again = param_names(pair, old, new)
    was = {again[param.name]: param for param in old.params if param.name in again}
    for param in old.params:
        if param.name not in again:
            yield f"{of} no longer reads {_source(pair.renamed(param.source))}", _UNCLEAR
    for param in new.params:
        if param.name not in was:
            label = _label(pair.new, param.source)
            said = f"{of} reads {_source(param.source)} too, which is {label}"
            yield said, _WEAKENS if label is Label.UNTRUSTED else _UNCLEAR
        else:
            yield from by_field(pair, was[param.name], param, param_rules(new), f"{words.name(param.name)} of {of}")
    kept = [again[param.name] for param in old.params if param.name in again]
    if kept != [param.name for param in new.params if param.name in was]:
        yield f"inputs of {of} stand in another order", _NEITHER


def param_names(pair: Pair, old: Work, new: Work) -> Mapping[str, str]:
    """Input of a stage → the same input of the newer one, under its name there."""
    ours, theirs = ({param.name: param for param in node.params} for node in (old, new))
    found = {name: name for name in ours if name in theirs}
    for name in ours.keys() - found.keys():
        wanted = dataclasses.replace(pair.renamed(ours[name]), name="")
        alike = [other for other in theirs if dataclasses.replace(theirs[other], name="") == wanted]
        alike = [other for other in alike if other not in found.values()]
        if len(alike) == 1:
            found[name] = alike[0]
    return found


def param_rules(node: Work) -> Rules:
    """The rules of an input of a stage."""

    of = words.name(node.name)

    def name(pair: Pair, old: Param, new: Param) -> Said:
        if old.name != new.name:
            yield f"the input {words.name(old.name)} of {of} is now named {words.name(new.name)}", _NEITHER

    def label(pair: Pair, old: Param, new: Param) -> Said:
        if old.label is new.label:
            return
        less = lowered(old.label, new.label)
        bearing = _WEAKENS if less else _STRENGTHENS if old.label in _RANK else _UNCLEAR
        yield f"{of} asks for {new.label} {words.name(new.name)}, it asked for {old.label}", bearing

    def contract(pair: Pair, old: Param, new: Param) -> Said:
        yield from pair.contract(f"the input {words.name(new.name)} of {of}", old.contract, new.contract)

    def source(pair: Pair, old: Param, new: Param) -> Said:
        was: Source = pair.renamed(old.source)
        if was == new.source:
            return
        if isinstance(was, Const) and isinstance(new.source, Const):
            yield f"{words.name(new.name)} of {of} is {_source(new.source)}, it was {_source(was)}", _UNCLEAR
            return
        said = f"{of} reads {_source(new.source)} instead of {_source(was)}"
        approval = _approval_of(pair.new, new.source)
        if approval and approval.value == was:
            yield f"{said}, which {words.by(approval.by)} approves", _STRENGTHENS
            return
        passed = _approval_of(pair.old, old.source)
        if passed and pair.renamed(passed.value) == new.source:
            yield f"{said}, past the approval by {words.by(passed.by)}", _WEAKENS
            return
        before, after = _label(pair.old, old.source), _label(pair.new, new.source)
        less = lowered(before, after)
        yield said + (f", which is {after} and not {before}" if less else ""), _WEAKENS if less else _UNCLEAR

    return {"name": name, "label": label, "contract": contract, "source": source}


def _approval_of(plan: Plan, source: Source) -> Approval | None:
    """The approval that a whole value comes from."""
    if not isinstance(source, Ref) or source.path or source.node not in plan.index:
        return None
    node = plan.node(source.node)
    return node if isinstance(node, Approval) else None


def _label(plan: Plan, source: Source) -> Label:
    return label_of(plan, source.node) if isinstance(source, Ref) else Label.PLAIN


def label_of(plan: Plan, name: str) -> Label:
    """The label of the input or of a node's output; plain where there is no such node."""
    return plan.label(name) if name in plan.index or name in plan.starts else Label.PLAIN


def _source(source: Source) -> str:
    return words.value(source.data) if isinstance(source, Const) else words.field(source)


RULES: Rules = {
    "name": name,
    "runs": _runs,
    "params": _params,
    "label": _output_label,
    "contract": output_contract,
    "before": _before,
    "guards": _guards,
    "tools": _tools,
    "attempts": _attempts,
    "timeout_seconds": _timeout,
    "budget": _budget,
    "operator": _operator,
    "expires_seconds": expires,
    "queue": _queue,
    "kind": _kind,
}
