"""Runs that go on where another ended, or are moved to another plan. Section 5.1 of the specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gatework.plan.plan import Call, Part, Plan, Work
from gatework.run.state import Receipt
from gatework.verify.children import in_doubt
from gatework.verify.decisions import call_again
from gatework.verify.entries import says
from gatework.verify.onward import anew, arrive, attempt, back_to, passed_over, settled, undoing
from gatework.verify.refusal import Code, Refused, must
from gatework.verify.state import Done, Ending, State
from gatework.verify.values import Disclosed


def resumed(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A run goes on where one has ended."""
    must(says(receipt, "action", "by", "reason"), "order", "It says more than it may.")
    must(state.phase == "over" or settled(state), _unsettled(state), "A run goes on where none can have ended.")
    must(bool(receipt.action), "order", "It does not say how the run ended.")
    if receipt.action == "completed":
        undoes = state.outcome == "completed" and bool(state.undoable) and not receipt.node
        must(undoes, "order", "Nothing is taken back of a run that did not complete, or cannot be undone.")
        ends = Ending(action="undone", by=receipt.by, reason=receipt.reason)
        return replace(anew(state), outcome="", phase="end", ends=ends, acts=_unanswered(state.acts))
    must(state.outcome not in ("completed", "rejected"), "order", "A run goes on that had come to its end.")
    must(not (state.outcome and state.ending), "order", "A run goes on whose work has been undone.")
    at, plan = state.at, state.plan
    position = plan.index.get(receipt.node, len(plan.steps))
    if state.ending:
        must(position == at, "order", "A run that is being undone goes on elsewhere.")
    else:
        _may_go_on(state, position)
    taken = replace(anew(state), acts=_unanswered(in_doubt(state)), let_in="", let_in_by=(), running=frozenset())
    taken = replace(back_to(taken, position), phase="at", outcome="")
    if position != at:
        taken = replace(taken, edited="", editor=(), branches={})
    node = plan.steps[position]
    if taken.ending:
        return undoing(taken)
    if taken.edited and isinstance(node, Work):
        return attempt(taken, fresh=True)
    if isinstance(node, Call) and taken.branches:
        return call_again(taken)
    return arrive(taken, position)


def _unsettled(state: State) -> Code:
    """The code where a run goes on, or is moved, and waits for nothing from outside: `turn` unless its end is due."""
    return "order" if state.here is None or state.phase in ("end", "over") else "turn"


def _may_go_on(state: State, position: int) -> None:
    """Raise `Refused` unless a run may go on from a position."""
    plan, at = state.plan, state.at
    must(position < len(plan.nodes) and position <= at, "order", "A run goes on from where it did not come.")
    there = plan.nodes[position]
    must(not isinstance(there, Part) and not passed_over(state, there), "order", "A run goes on from where none can.")
    acted = {plan.index.get(done.node, len(plan.nodes)) for done in in_doubt(state).values() if done.happened}
    again = position < at and any(one >= position for one in acted)
    must(not again, "effects", "A run goes on from before an effect that has happened, or may have.")


def _unanswered(acts: Mapping[str, Done]) -> dict[str, Done]:
    return {key: replace(done, outcome="unknown") if done.outcome == "asked" else done for key, done in acts.items()}


def migrated(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A run is moved to another plan."""
    must(says(receipt, "shown", "by", "reason") and not receipt.node, "order", "It says more than it may.")
    must(settled(state), _unsettled(state), "A run cannot be moved here.")
    must(not state.ending, "order", "A run is moved while it is being undone.")
    plan = state.plan
    shown = receipt.shown
    must(sorted(shown) == ["from", "to"] and shown["from"] == plan.digest, "order", "A run is moved from another plan.")
    to = known.plans.get(shown["to"])
    if to is None:
        raise Refused("plan", "The plan to which a run was moved is not in the certificate.")
    fits = to.name == plan.name and to.inputs == plan.inputs and to.digest != plan.digest
    must(fits, "order", "A run is moved to a plan of something else.")
    kept = _kept(plan, to, state)
    said = receipt.how.get("kept", -1)
    must(said == len(kept), "turn" if 0 <= said < len(kept) else "order", "It keeps other nodes than it can.")
    acts = {key: done for key, done in in_doubt(state).items() if done.happened}
    must(all(done.node in kept for done in acts.values()), "effects", "The other plan would do an effect again.")
    same = all(one.undo in to.index and to.node(one.undo) == plan.node(one.undo) for one in state.undoable)
    must(same, "order", "The other plan cannot undo what the run has done.")
    return arrive(replace(back_to(state, len(kept)), plan=to, acts=acts), len(kept))


def _kept(plan: Plan, to: Plan, state: State) -> list[str]:
    names: list[str] = []
    for here, there in zip(plan.nodes, to.nodes, strict=False):
        settled = here.name in state.held or here.name in state.marks or passed_over(state, here)
        if here != there or not settled:
            break
        names.append(here.name)
    while len(names) < len(to.nodes) and isinstance(to.nodes[len(names)], Part):
        names.pop()
    return names
