"""What differs where a person is asked, at an approval or for a value, field by field."""

from __future__ import annotations

from gatework.plan.changes import conditions, words
from gatework.plan.changes.bearing import Bearing, people
from gatework.plan.changes.pair import MADE, Pair, Rules, Said
from gatework.plan.changes.work import arm, expires, name, output_contract
from gatework.plan.expr import All, AnyOf, Compare, Condition, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Question

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing

People = Approval | Question


def _value(pair: Pair, old: Approval, new: Approval) -> Said:
    was: Ref = pair.renamed(old.value)
    if was != new.value:
        yield f"{words.name(new.name)} decides on {words.field(new.value)}, it decided on {words.field(was)}", _UNCLEAR


def _by(pair: Pair, old: People, new: People) -> Said:
    if old.by != new.by:
        ours, theirs = words.by(old.by), words.by(new.by)
        at = words.name(new.name)
        verb = "answer" if isinstance(new, Question) else "decide"
        others = f"{ours} no longer {verb}s at {at}, {theirs} does"
        yield words.instead(old.by, new.by, f"to {verb} at {at}", others), people(old.by, new.by)


def _not_by(pair: Pair, old: Approval, new: Approval) -> Said:
    was: tuple[Ref, ...] = pair.renamed(old.not_by)
    for ref in was:
        if ref not in new.not_by:
            yield f"whoever {words.field(ref)} names may now approve at {words.name(new.name)}", _WEAKENS
    for ref in new.not_by:
        if ref not in was:
            yield f"whoever {words.field(ref)} names may no longer approve at {words.name(new.name)}", _STRENGTHENS
    if set(was) == set(new.not_by) and was != new.not_by:
        yield f"those who may not approve at {words.name(new.name)} are listed otherwise", _NEITHER


def _otherwise(pair: Pair, old: People, new: People) -> Said:
    if old.otherwise == new.otherwise:
        return
    at = words.name(new.name)
    if new.otherwise is None:
        yield f"nobody else is asked any more once the time at {at} is up", _STRENGTHENS
    elif old.otherwise is None:
        yield f"once the time at {at} is up the question goes on to {words.by(new.otherwise)}", _WEAKENS
    else:
        ours, theirs = words.by(old.otherwise), words.by(new.otherwise)
        said = f"once the time at {at} is up the question goes on to {theirs}, it went to {ours}"
        yield said, people(old.otherwise, new.otherwise)


def _prompt(pair: Pair, old: Question, new: Question) -> Said:
    if old.prompt != new.prompt:
        yield f"{words.name(new.name)} asks {words.value(new.prompt)}, it asked {words.value(old.prompt)}", _UNCLEAR


def _title(pair: Pair, old: Approval, new: Approval) -> Said:
    if old.title != new.title:
        yield f"{words.name(new.name)} is headed {words.value(new.title)}, it was {words.value(old.title)}", _UNCLEAR


def _show(pair: Pair, old: People, new: People) -> Said:
    # The value, and what the rule looks at, are shown whether they are listed or not.
    at = words.name(new.name)
    was, now = ({ref.node: None for ref in refs} for refs in (pair.renamed(old).reads, new.reads))
    for shown in was:
        if shown not in now:
            yield f"{words.name(shown)} is no longer shown at {at}", _WEAKENS
    for shown in now:
        if shown not in was:
            yield f"{words.name(shown)} is now shown at {at}", _STRENGTHENS
    if was.keys() == now.keys() and pair.renamed(old.show) != new.show:
        yield f"what is shown at {at} is listed otherwise", _NEITHER


def _click(pair: Pair, old: Approval, new: Approval) -> Said:
    if old.click != new.click:
        how = "may now be given by a click, without the number" if new.click else "needs the number on the panel"
        yield f"{words.name(new.name)} {how}", _WEAKENS if new.click else _STRENGTHENS


def _label(pair: Pair, old: People, new: People) -> Said:
    if old.label is not new.label:
        bearing = _UNCLEAR if new.label is Label.APPROVED else _WEAKENS
        yield f"label of {words.name(new.name)} is {new.label}, it was {old.label}", bearing


def _when(pair: Pair, old: Approval, new: Approval) -> Said:
    was: Condition | None = pair.renamed(old.when)
    if was == new.when:
        return
    bearing = conditions.asks(was, new.when, about=new.value.node, field=pair.field)
    yield _asks(words.name(new.name), was, new.when, bearing), bearing


def _asks(at: str, old: Condition | None, new: Condition | None, bearing: Bearing) -> str:
    if new is None:
        return f"{at} always asks" + (f", it asked only when {words.condition(old)}" if old else "")
    if old is None:
        return f"{at} asks only when {words.condition(new)}, it always asked"
    cases = {_WEAKENS: "in fewer cases", _STRENGTHENS: "in more cases", _NEITHER: "in the same cases"}
    tail = cases.get(bearing, "and whether that is in fewer cases cannot be told")
    if said := _in_short(at, old, new, tail):
        return said
    return f"{at} asks only when {words.condition(new)}, {tail}; it was when {words.condition(old)}"


def _in_short(at: str, old: Condition, new: Condition, tail: str) -> str:
    """The change in few words, where it is a simple one."""
    if isinstance(old, Compare) and isinstance(new, Compare) and old.left == new.left and isinstance(old.left, Ref):
        was = words.condition(old).removeprefix(words.field(old.left)).strip()
        return f"{at} asks only when {words.condition(new)}, it was {was}"
    for group, word in ((AnyOf, "or"), (All, "and")):
        if not (isinstance(old, group) or isinstance(new, group)):
            continue
        ours, theirs = (part.parts if isinstance(part, group) else (part,) for part in (old, new))
        come = [words.condition(part) for part in theirs if part not in ours]
        gone = [words.condition(part) for part in ours if part not in theirs]
        if len(come) == len(gone) == 1 and isinstance(old, group) and isinstance(new, group):
            return f"{at} asks {'' if group is AnyOf else 'only '}when {come[0]} instead of {gone[0]}, {tail}"
        if come and gone:
            continue
        joined = f" {word} ".join(come or gone)
        if group is AnyOf:
            return f"{at} asks also when {joined}" if come else f"{at} no longer asks when {joined}" if gone else ""
        return f"{at} asks only when also {joined}" if come else f"{at} asks whether or not {joined}" if gone else ""
    return ""


RULES: Rules = {
    **MADE,
    "name": name,
    "value": _value,
    "contract": output_contract,
    "by": _by,
    "not_by": _not_by,
    "when": _when,
    "show": _show,
    "title": _title,
    "expires_seconds": expires,
    "otherwise": _otherwise,
    "click": _click,
    "label": _label,
    "arm": arm,
    "kind": None,
}

QUESTION: Rules = {
    **MADE,
    "name": name,
    "prompt": _prompt,
    "contract": output_contract,
    "by": _by,
    "show": _show,
    "expires_seconds": expires,
    "otherwise": _otherwise,
    "label": _label,
    "arm": arm,
    "kind": None,
}
