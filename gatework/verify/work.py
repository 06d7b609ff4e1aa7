"""Attempts of work: their inputs, the verdicts of their guards, and what follows. Sections 5.2 of the specification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gatework.plan.expr import Const
from gatework.plan.plan import GuardUse, Param, Work
from gatework.run.events import Given
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.verify.entries import says
from gatework.verify.onward import attempt, hold
from gatework.verify.refusal import Refused, must
from gatework.verify.state import Ask, State
from gatework.verify.values import Disclosed
from gatework.verify.ways import another_round


def output(known: Disclosed, state: State, receipt: Receipt) -> State:
    """An attempt gave an output."""
    node = answered(known, state, receipt)
    must(says(receipt, "attempt", "inputs", "output", "label", "verdicts", "action", "reason"), "order",
         "The output says more than it may.")  # fmt: skip
    must(bool(receipt.output), "order", "The output of an attempt is missing.")
    must(receipt.label == node.label, "order", "The output has not the label of the plan.")
    if given := given_value(known, state, node):
        must(receipt.output == given, "order", "The guards looked at another value than the one in question.")
    before = asked_before(state, node)
    first, then = receipt.verdicts[: len(before)], receipt.verdicts[len(before) :]
    said(before, first, receipt.inputs, every="pass")
    words = said(node.guards, then, receipt.output)
    known.contract(node.contract, receipt.output)
    state = replace(state, pending=())
    if node.until is not None and "retry" in words and "block" not in words and not state.edited:
        return _next_round(state, node, receipt)
    _says_no_more(receipt)
    for word, kind in (("block", "blocked"), ("retry", "exhausted")):
        if word in words and repeats(state, node):
            return _asks(state, "unknown", receipt)
        if word == "block" and word in words:
            return _asks(state, kind, receipt)
        if word == "retry" and word in words:
            return again(state, receipt)
    if "escalate" in words:
        return _asks(state, "escalated", receipt)
    return hold(state, receipt.output)


def _next_round(state: State, node: Work, receipt: Receipt) -> State:
    assert node.until is not None
    if state.marks[node.until.loop] % node.until.rounds != 0:
        _says_no_more(receipt)
        return another_round(state, node)
    if node.until.spent == "ask":
        _says_no_more(receipt)
        return _asks(state, "spent", receipt)
    must(receipt.action == "accepted", "order", "The rounds of a loop are spent, and its end does not say so.")
    return hold(state, receipt.output)


def _says_no_more(receipt: Receipt) -> None:
    """Raise `Refused` where an output is said to have been accepted, or gives a reason for nothing."""
    must(receipt.action == "", "order", "An output was accepted, and there was nothing to pass over.")
    must(receipt.reason == "", "turn", "An output gives a reason.")


def stopped(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A guard on inputs did not let an attempt run."""
    node = answered(known, state, receipt)
    must(says(receipt, "attempt", "inputs", "verdicts"), "order", "It says more than it may.")
    words = said(asked_before(state, node), receipt.verdicts, receipt.inputs)
    must(bool(words - {"pass"}), "guards", "Every guard let the attempt run, and it was stopped.")
    kind = "blocked" if words & {"block", "retry"} else "escalated"
    return _asks(state, kind, receipt, before=True)


_FAILURES = {"refused": ("contract", "refused", "block"), "failed": ("timeout", "error")}


def failed(known: Disclosed, state: State, receipt: Receipt) -> State:
    """An attempt gave nothing."""
    node = answered(known, state, receipt)
    must(says(receipt, "attempt", "inputs", "action", "reason"), "order", "It says more than it may.")
    must(receipt.action in _FAILURES[receipt.kind], "turn", "An attempt failed in a way that there is not.")
    if let_on := receipt.how.get("before"):
        passed = [(use.name, receipt.inputs, "pass") for use in asked_before(state, node)]
        same = [(one["guard"], one["on"], one["verdict"]) for one in let_on] == passed
        must(same, "guards", "An attempt failed, and its guards on inputs did not all let it.")
    state = replace(state, pending=())
    if repeats(state, node):
        return _asks(state, "unknown", receipt)
    if receipt.action in ("contract", "refused", "timeout"):
        return again(state, receipt)
    return _asks(state, "blocked" if receipt.action == "block" else "failed", receipt)


# -- what is asked of each attempt -----------------------------------------------------------------


def answered(known: Disclosed, state: State, receipt: Receipt) -> Work:
    """The work at the position, of which an attempt is due. Raises `Refused` unless the receipt is of that one."""
    node = state.here
    due = state.phase in ("at", "works") and isinstance(node, Work) and not state.pending
    must(due, "order", "No attempt is due.")
    assert isinstance(node, Work)
    must(receipt.node == node.name, "order", "The attempt is of another node than the one that is due.")
    must(receipt.attempt == state.attempts[node.name], "order", "The number of the attempt is not the one that is due.")
    _inputs(known, state, node, receipt.inputs)
    return node


def _inputs(known: Disclosed, state: State, node: Work, digest: str) -> None:
    own = inputs(known, state, node)
    if own is None:
        must(bool(digest), "order", "An attempt does not say what it was given.")
        known.unchecked("inputs of attempts that are fields of withheld values")
    else:
        must(digest == own, "order", "The attempt was given other inputs than those that hold a receipt.")


def inputs(known: Disclosed, state: State, node: Work) -> str | None:
    """The digest of what an attempt is given; None where a withheld value leaves it unknown."""
    digests = {param.name: given(known, state, param) for param in node.params}
    if None in digests.values():
        return None
    must("" not in digests.values(), "order", "An attempt was given a field that there is not.")
    return canonical.digest("inputs", digests)


def given(known: Disclosed, state: State, param: Param) -> str | None:
    """The digest of one input; empty where there is no such field, None where a withheld value leaves it unknown."""
    if isinstance(param.source, Const):
        return canonical.digest("value", param.source.data)
    held = state.held.get(param.source.node)
    if held is None:
        raise Refused("order", "An attempt was given a value that holds no receipt.")
    return known.field(held.digest, param.source) if param.source.path else held.digest


def given_value(known: Disclosed, state: State, node: Work) -> str | None:
    """The value at which only the guards look, where somebody gave it, or where it is the end of a loop."""
    if state.edited:
        return state.edited
    return given(known, state, node.params[0]) if node.until else None


def asked_before(state: State, node: Work) -> tuple[GuardUse, ...]:
    """The guards that look at the inputs of the attempt that is due."""
    return () if state.let_in or state.edited or node.until else node.before


def said(guards: Sequence[GuardUse], verdicts: Sequence[Given], on: str, *, every: str = "") -> set[str]:
    """The words of verdicts. Raises `Refused` unless they are one of each guard, on this digest; all `every`."""
    own = [one.guard for one in verdicts] == [use.name for use in guards]
    must(own, "guards", "The verdicts are not those of the guards of the plan.")
    must(all(one.on == on for one in verdicts), "guards", "A guard looked at something else.")
    words: set[str] = {one.verdict for one in verdicts}
    must(not every or words <= {every}, "guards", "An attempt ran, and its guards on inputs did not all let it.")
    return words


def repeats(state: State, node: Work) -> bool:
    """Whether the work could do again what a person says has been done, and nothing would tell."""
    return bool(state.edited) and not all(use.probe for use in node.effects)


def again(state: State, receipt: Receipt) -> State:
    """Another attempt, or a person where there are no more."""
    node = state.plan.steps[state.at]
    exhausted = _asks(state, "exhausted", receipt)
    if state.edited or state.attempts[node.name] >= state.limit:
        return exhausted
    return attempt(state, again=exhausted.ask)


def _asks(state: State, kind: str, receipt: Receipt, *, before: bool = False) -> State:
    """A person is asked about an attempt: about its inputs, or about its output, where there is one."""
    against = tuple(given for given in receipt.verdicts if given.verdict != "pass")
    return replace(state, phase="ask", ask=Ask(kinds=(kind,), candidate=receipt.output, before=before, against=against))
