"""What differs in the use of a tool at a stage, field by field."""

from __future__ import annotations

from gatework.plan.changes import words
from gatework.plan.changes.bearing import Bearing, grown, people
from gatework.plan.changes.pair import Pair, Rule, Rules, Said
from gatework.plan.expr import Compare, Const, ExprError, holds
from gatework.plan.plan import Limit, ToolUse
from gatework.values import canonical

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing


def _once(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.once != new.once:
        ours, theirs = words.name(old.once), words.name(new.once)
        yield f"{words.name(new.name)} happens once for each {theirs}, it was once for each {ours}", _UNCLEAR


def _probe(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.probe != new.probe:
        how = "can now" if new.probe else "can no longer"
        said = f"{words.name(new.name)} {how} be asked what became of a key"
        yield said, _STRENGTHENS if new.probe else _WEAKENS


def _kind(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.kind != new.kind:
        now = (
            "an effect, which changes the outside world" if new.kind == "effect" else "no effect, and may happen twice"
        )
        yield f"{words.name(new.name)} is now {now}", _WEAKENS


def _arguments(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    yield from pair.contract(f"the arguments of {words.name(new.name)}", old.arguments, new.arguments)


def _result(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    yield from pair.contract(f"the result of {words.name(new.name)}", old.result, new.result)


def _limits(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    """Limits add up, so one that is gone weakens and one that has come strengthens, whatever the others say."""
    was: tuple[Limit, ...] = pair.renamed(old.limits)
    gone = [limit for limit in was if limit not in new.limits]
    come = [limit for limit in new.limits if limit not in was]
    of = words.name(new.name)
    for limit in list(gone):
        other = next((one for one in come if (one.argument, one.rule) == (limit.argument, limit.rule)), None)
        if other is not None:
            gone.remove(limit)
            come.remove(other)
            yield f"{of} may be called with {words.limit(other)}, it was {words.limit(limit)}", _moved(limit, other)
    for limit in gone:
        yield f"{of} may be called with any {words.name(limit.argument)}, not only {words.limit(limit)}", _WEAKENS
    for limit in come:
        yield f"{of} may be called only with {words.limit(limit)}", _STRENGTHENS
    if not gone and not come and was != new.limits and set(map(repr, was)) == set(map(repr, new.limits)):
        yield f"limits of {of} are listed otherwise", _NEITHER


def _moved(old: Limit, new: Limit) -> Bearing:
    """How a limit bears of which only the value, or how it is compared, is another."""
    if old.kind != new.kind or not (isinstance(old.value, Const) and isinstance(new.value, Const)):
        return _UNCLEAR
    was, now = old.value.data, new.value.data
    if old.rule == "one_of" and isinstance(was, list) and isinstance(now, list):
        kept = [any(canonical.alike(one, other) for other in was) for one in now]
        if all(kept):
            return _STRENGTHENS if len(now) < len(was) else _UNCLEAR
        return _WEAKENS
    if old.rule in ("at_most", "at_least") and old.kind is not None:
        low, high = (old, new) if old.rule == "at_most" else (new, old)
        try:
            return (
                _WEAKENS
                if holds(Compare("gt", high.value, low.value, old.kind), lambda _: None)
                else _STRENGTHENS
                if holds(Compare("lt", high.value, low.value, old.kind), lambda _: None)
                else _NEITHER
            )
        except ExprError:
            return _UNCLEAR
    return _UNCLEAR


def _flag(name: str, loses: str, gains: str, gained: Bearing) -> Rule:
    """The rule of a mark that a tool has or has not: whatever loses it is held to less."""

    def rule(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
        if getattr(old, name) != getattr(new, name):
            said = gains if getattr(new, name) else loses
            yield f"{words.name(new.name)} {said}", gained if getattr(new, name) else _WEAKENS

    return rule


def _approver(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.approver == new.approver:
        return
    of = words.name(new.name)
    if old.approver and new.approver:
        ours, theirs = words.by(old.approver), words.by(new.approver)
        others = f"{ours} no longer approves each call of {of}, {theirs} does"
        said = words.instead(old.approver, new.approver, f"to approve each call of {of}", others)
        yield said, people(old.approver, new.approver)
    elif old.approver:
        yield f"{words.by(old.approver)} no longer approves each call of {of}", _WEAKENS
    elif new.approver:
        yield f"{words.by(new.approver)} approves each call of {of}", _STRENGTHENS


def _queue(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.queue != new.queue:
        now, was = (f"task queue {words.name(name)}" if name else "that of the run" for name in (new.queue, old.queue))
        yield f"{words.name(new.name)} runs on {now}, it ran on {was}", _UNCLEAR if new.queue else _WEAKENS


def _timeout(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.timeout_seconds != new.timeout_seconds:
        said = f"a call of {words.name(new.name)} may take {words.time(new.timeout_seconds)}"
        bearing = grown(old.timeout_seconds, new.timeout_seconds)
        yield f"{said}, it might take {words.time(old.timeout_seconds)}", bearing


def _descriptor(pair: Pair, old: ToolUse, new: ToolUse) -> Said:
    if old.descriptor != new.descriptor:
        yield f"what another program says of {words.name(new.name)} has changed", _UNCLEAR


RULES: Rules = {
    "name": None,
    "kind": _kind,
    "arguments": _arguments,
    "result": _result,
    "limits": _limits,
    "once": _once,
    "probe": _probe,
    "untrusted": _flag("untrusted", "no longer counts as giving outside text", "now gives outside text", _UNCLEAR),
    "private": _flag(
        "private", "no longer counts as giving what must not leave", "now gives what must not leave", _STRENGTHENS
    ),
    "egress": _flag("egress", "no longer counts as able to carry data out", "can now carry data out", _UNCLEAR),
    "approver": _approver,
    "queue": _queue,
    "timeout_seconds": _timeout,
    "descriptor": _descriptor,
    "apart": None,
}
