"""What differs in what a node reads, input by input."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from gatework.plan.changes import words
from gatework.plan.changes.bearing import Bearing
from gatework.plan.changes.pair import Pair, Rules, Said, by_field
from gatework.plan.expr import Const, Ref, Source
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Param, Plan, Work

_WEAKENS, _STRENGTHENS, _NEITHER, _UNCLEAR = Bearing

_RANK = {Label.UNTRUSTED: 0, Label.ENDORSED: 1, Label.APPROVED: 2}
"""How much a label vouches for; plain is not comparable."""


def lowered(old: Label, new: Label) -> bool:
    """Whether a label was taken away, or vouches for less."""
    return old in _RANK and (new not in _RANK or _RANK[new] < _RANK[old])


def params(pair: Pair, old: Work, new: Work) -> Said:
    """What a node reads."""
    of = words.name(new.name)
    again = param_names(pair, old, new)
    was = {again[param.name]: param for param in old.params if param.name in again}
    for param in old.params:
        if param.name not in again:
            yield f"{of} no longer reads {_source(pair.renamed(param.source))}", _UNCLEAR
    for param in new.params:
        if param.name not in was:
            label = label_at(pair.new, param.source)
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
        before, after = label_at(pair.old, old.source), label_at(pair.new, new.source)
        less = lowered(before, after)
        yield said + (f", which is {after} and not {before}" if less else ""), _WEAKENS if less else _UNCLEAR

    return {"name": name, "label": label, "contract": contract, "source": source}


def _approval_of(plan: Plan, source: Source) -> Approval | None:
    """The approval that a whole value comes from."""
    if not isinstance(source, Ref) or source.path or source.node not in plan.index:
        return None
    node = plan.node(source.node)
    return node if isinstance(node, Approval) else None


def label_at(plan: Plan, source: Source) -> Label:
    """The label of what is read; plain for a constant."""
    return label_of(plan, source.node) if isinstance(source, Ref) else Label.PLAIN


def label_of(plan: Plan, name: str) -> Label:
    """The label of the input or of a node's output; plain where there is no such node."""
    return plan.label(name) if name in plan.index or name in plan.starts else Label.PLAIN


def _source(source: Source) -> str:
    return words.value(source.data) if isinstance(source, Const) else words.field(source)
