"""Moving a run to another plan of its workflow: what is kept, and when it may not be done. Pure, as the machine is.

Kept are the values of the other plan's first nodes, for as long as each is the same as in the plan of the run and
holds a value; everything after them runs anew, and an approval of anything else is void. What has happened stays: a
plan that would do an effect again, or does not know it, is refused.
"""

from __future__ import annotations

from dataclasses import replace

from gatework.errors import DecisionError, OrderError
from gatework.machine.admission import check_order
from gatework.machine.children import in_doubt
from gatework.machine.onward import enter
from gatework.machine.ways import back_to, settled
from gatework.plan.plan import Part, Plan
from gatework.run.events import Migrated
from gatework.run.state import Receipt, State, Step


def kept(plan: Plan, to: Plan, state: State) -> tuple[str, ...]:
    """The nodes whose values a run takes along to another plan, in order."""
    names = []
    for here, there in zip(plan.nodes, to.nodes, strict=False):
        if here != there or not settled(state, here):
            break
        names.append(here.name)
    # What the runs side by side gave is given on to all their parts, or to none.
    while isinstance(to.nodes[len(names)] if len(names) < len(to.nodes) else None, Part):
        names.pop()
    return tuple(names)


def move(plan: Plan, to: Plan, state: State, event: Migrated) -> Step:
    """The state on the other plan. Raises `DecisionError` where the run cannot be moved, and then nothing changed."""
    if state.plan != plan.digest or event.plan != plan.digest:
        raise DecisionError("The run is held to another plan by now; look again.")
    if event.to != to.digest or to.name != plan.name:
        raise DecisionError("That is not the plan to which the run was to be moved.")
    if not state.begun:
        raise DecisionError("The run has not begun yet; try again in a moment.")
    if state.outcome is not None:
        raise DecisionError(f"The run has ended ({state.outcome.kind}); nothing more can be done in it.")
    if to.digest == plan.digest:
        raise DecisionError("The run is held to that plan already.")
    if state.ending is not None:
        raise DecisionError("The run is being undone; finish that on its own plan.")
    if to.inputs != plan.inputs:
        raise DecisionError("The other plan starts from something else; start a new run on it.")
    try:
        check_order(to)
    except OrderError as error:
        raise DecisionError(error.message) from None
    taken = kept(plan, to, state)
    for done in in_doubt(plan, state).values():
        if done.happened and done.node not in taken:
            raise DecisionError(
                f"The effect of {done.node} has happened or may have, and the other plan would do it again or does not "
                "have it in that place; finish this run on its own plan."
            )
    receipt = Receipt(
        kind="migrated",
        shown={"from": plan.digest, "to": to.digest},
        by=event.by,
        reason=event.note,
        how={"kept": len(taken)},
    )
    kept_state = back_to(plan, state, len(taken))
    if any(undo not in to.index or to.node(undo) != plan.node(undo) for undo in {one.undo for one in state.undoable}):
        raise DecisionError("The other plan cannot undo what the run has done; finish this run on its own plan.")
    # An effect that is known not to have happened leaves nothing behind.
    acts = {key: done for key, done in in_doubt(plan, state).items() if done.happened}
    moved = replace(kept_state, plan=to.digest, acts=acts)
    return enter(to, moved, len(taken), (receipt,))
