"""Overrides: people let a node past what stopped it. Pure, as the machine is.

A plan says for each node who may, or nobody may. It is a decision of its own: with a reason, on exactly the evidence
that is shown, recorded with the verdicts that it passes over, and kept in the state for as long as the run is told of.
It is no approval: what it lets on has the label that the plan says, and counts as put there by those who overrode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

from gatework.errors import DecisionError
from gatework.machine import identity
from gatework.machine.admission import admitted
from gatework.machine.gates import fixed
from gatework.machine.onward import hold, start
from gatework.plan.plan import Identity, Plan, Work
from gatework.run.events import Decided, Overridden
from gatework.run.state import Done, Gate, Receipt, State, Step, Vote, by_hand, inputs_digest

NO_REASON = "Say why: an override is recorded with its reason, and every report of the run shows it."


def override(plan: Plan, state: State, gate: Gate, event: Decided, receipt: Receipt) -> Step:
    """Take an override by somebody who may. Raises `DecisionError`, and then nothing changed."""
    node = plan.steps[state.at]
    assert isinstance(node, Work)
    assert gate.override is not None
    quorum = gate.override.quorum
    lets = _lets(plan, state, node, gate, event, quorum)
    against = [
        {"guard": given.guard, "on": given.on, "verdict": given.verdict, "reason": given.reason}
        for given in gate.against
    ]
    receipt = replace(receipt, how={**receipt.how, "guards": against, **({"skipped": True} if lets == "value" else {})})
    votes = (*gate.votes, Vote(by=event.by, identity=event.identity))
    if quorum > 1:
        receipt = replace(receipt, how={**receipt.how, "approvals": len(votes), "quorum": quorum})
    if len(votes) < quorum:
        return Step(state=replace(state, gate=replace(gate, votes=votes)), receipts=(receipt,))
    by = tuple(vote.by for vote in votes)
    overridden = Overridden(
        node=node.name,
        gate=gate.id,
        lets=lets,
        guards=tuple(given.guard for given in gate.against),
        by=by,
        identity=_least(votes),
        reason=event.note,
    )
    state = replace(state, overrides=(*state.overrides, overridden))
    if lets == "inputs":
        let_in = inputs_digest(admitted(plan, node, state))
        state = replace(state, let_in=let_in, let_in_by=by)
        return start(plan, state, node, state.feedback, (replace(receipt, inputs=let_in),), fresh=True)
    if lets == "value":
        # What somebody wrote before, or was let in, has no part in this.
        state = replace(state, edited=None, let_in_by=())
        if node.effects:
            # What a person writes for an effect says that it has happened.
            written = Done(node=node.name, tool="", arguments="", outcome="done")
            state = replace(state, acts={**state.acts, by_hand(node.name): written})
    value = event.value if lets == "value" else gate.candidate
    assert value is not None
    return hold(plan, state, value, replace(receipt, output=value.digest, label=node.label), over=by)


def _lets(
    plan: Plan, state: State, node: Work, gate: Gate, event: Decided, quorum: int
) -> Literal["output", "inputs", "value"]:
    """What an override lets on. Raises `DecisionError` where it may not."""
    if not event.note.strip():
        raise DecisionError(NO_REASON)
    if event.place not in ("", node.name):
        raise DecisionError(f"An override is of {node.name}, which is what waits; send no place.")
    if why := identity.unsure(event, identity.to_edit(plan, state.at)):
        raise DecisionError(why)
    if event.value is not None:
        if not event.value.intact:
            raise DecisionError("Send the value as JSON.")
        if quorum > 1:
            raise DecisionError(
                f"It takes {quorum} of {gate.asked('override').role}, who must see one value: give it by `edit`, and "
                "override what stops it then."
            )
        if why := fixed(plan, state, node.name):
            raise DecisionError(why)
        return "value"
    if gate.candidate is not None:
        return "output"
    if gate.before:
        return "inputs"
    raise DecisionError(
        f"{node.name} gave nothing that could be let on; send the value that it is to have without its work: "
        '{"number": …, "note": "why", "value": …}.'
    )


def _least(votes: tuple[Vote, ...]) -> Identity:
    said = {vote.identity for vote in votes}
    return next(level for level in get_args(Identity) if level in said)


def said(one: Overridden, shown: Callable[[str, int], str]) -> str:
    """An override in a sentence, as every report has it; `shown` makes a text fit."""
    by, guards = _listed(one.by, shown), _listed(one.guards, shown)
    past = f"past {guards}" if guards else "past what stopped it"
    what = {
        "output": f"its output was let on {past}",
        "inputs": f"it was let run on its inputs {past}",
        "value": f"it was skipped {past}, and given a value by hand",
    }[one.lets]
    more = f" ({one.before} more there before it)" if one.before else ""
    return f"{shown(one.node, 60)}: {what}, by {by} ({one.identity}): {shown(one.reason, 300)}{more}"


_MOST_NAMED = 3


def _listed(names: tuple[str, ...], shown: Callable[[str, int], str]) -> str:
    """Names in a sentence that fits on a line, however many there are."""
    kept = names if len(names) <= _MOST_NAMED else names[: _MOST_NAMED - 1]
    left = [f"{len(names) - len(kept)} more"] if len(names) > len(kept) else []
    return " and ".join([*(shown(name, 60) for name in kept), *left])
