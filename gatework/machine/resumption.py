"""Going on where a run has ended, or was reset: what is taken over, and when it may not be. Pure, as the machine is.

Taken over are the values of the nodes before the one from which it goes on, with the approvals among them, what was
spent, and every effect; everything after them runs anew, and an approval of anything else is void. What has happened
stays: a run is not taken back behind an effect. One that nobody has heard of since it was asked for is in doubt.

A run that was reset has forgotten what followed. It recalls the effects, so that the record answers for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gatework.errors import DecisionError, OrderError
from gatework.machine.children import in_doubt
from gatework.machine.gates import digest_of
from gatework.machine.onward import anew, call_again, end, enter, start, unwind
from gatework.machine.ways import back_to, passed_over
from gatework.plan.plan import Approval, Call, Part, Plan, Question, Work
from gatework.run.events import Recalled, Remembered, Resumed
from gatework.run.state import Done, Outcome, Receipt, State, Step


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What resuming a run from a place would do."""

    place: str
    kept: tuple[str, ...] = ()
    """The nodes whose values are taken over, in order."""
    again: tuple[str, ...] = ()
    """The nodes that ran and would run once more."""
    void: tuple[str, ...] = ()
    """The approvals that were given and would be asked for anew."""


def outlook(plan: Plan, state: State, place: str = "") -> Outlook:
    """What resuming would do. Raises `DecisionError` where it cannot be done, as `resume` does."""
    position = _position(plan, state, place)
    later = plan.steps[position:]
    return Outlook(
        place=plan.steps[position].name,
        kept=_kept(plan, state, position),
        again=tuple(node.name for node in later if isinstance(node, Work | Call) and node.name in state.attempts),
        void=tuple(node.name for node in later if isinstance(node, Approval | Question) and node.name in state.values),
    )


def _kept(plan: Plan, state: State, position: int) -> tuple[str, ...]:
    return tuple(node.name for node in plan.nodes[:position] if not passed_over(state, node))


def resume(plan: Plan, state: State, event: Resumed) -> Step:
    """Go on from the state in which a run ended. Raises `DecisionError` where that may not be, and changes nothing."""
    if event.plan != plan.digest:
        raise DecisionError("The run was held to another plan; look again.")
    position = _position(plan, state, event.place)
    node = plan.steps[position]
    taken = shed(plan, state, event.place)
    receipt = Receipt(
        kind="resumed",
        node=node.name,
        action=event.ended,
        by=event.by,
        reason=event.note,
        how={"run": event.run},
    )
    taken = replace(taken, outcome=None, at=position, acts=_in_doubt(taken.acts))
    if taken.ending is not None:
        return unwind(plan, taken, (receipt,))
    if taken.edited is not None and isinstance(node, Work):
        # A person's value, at which the guards have not looked yet: forgotten, what it records might be done again.
        return start(plan, taken, node, (), (receipt,), fresh=True)
    if isinstance(node, Call) and taken.branches:
        return call_again(plan, taken, node, (receipt,))
    return enter(plan, taken, position, (receipt,))


def undo(plan: Plan, state: State, event: Resumed) -> Step:
    """Take back what a run did that had completed. Raises `DecisionError` where there is nothing to take back."""
    if state.plan != plan.digest or event.plan != plan.digest:
        raise DecisionError("The run was held to another plan; look again.")
    if state.outcome is None or state.outcome.kind != "completed" or not state.undoable:
        raise DecisionError("The run did not complete, or nothing in it can be undone.")
    receipt = Receipt(kind="resumed", action="completed", by=event.by, reason=event.note, how={"run": event.run})
    ending = Outcome(kind="undone", reason=event.note, by=event.by)
    taken = replace(anew(state), outcome=None, acts=_in_doubt(state.acts))
    return end(plan, taken, ending, receipt)


def recall(plan: Plan, state: State, event: Recalled) -> Step:
    """The state of a run that was reset, with the effects of which it did not know. Nothing else is changed."""
    if state.plan != plan.digest or event.plan != plan.digest:
        raise OrderError("The state belongs to another plan.")
    acts, receipts = dict(state.acts), []
    for effect in event.effects:
        before = acts.get(effect.call.key)
        if before is not None and before.happened:
            continue
        done = Done(
            node=effect.node,
            tool=effect.call.tool,
            arguments=_arguments(plan, state, effect),
            outcome="unknown" if effect.result is None else "found",
            result=effect.result,
        )
        acts[effect.call.key] = done
        receipts.append(
            Receipt(
                kind="acted",
                node=effect.node,
                action=done.outcome,
                output=effect.result.digest if effect.result else "",
                how={
                    "tool": effect.call.tool,
                    "key": effect.call.key,
                    "call": effect.call.id,
                    "arguments": done.arguments,
                    "by_model": effect.call.by_model,
                    "recorded": True,
                    "run": effect.run,
                },
            )
        )
    return Step(state=replace(state, acts=acts), receipts=tuple(receipts))


def _arguments(plan: Plan, state: State, effect: Remembered) -> str:
    """The digest of the arguments, as the state has it; empty, and so that of no call, where the plan has no such."""
    node = plan.node(effect.node) if effect.node in plan.index else None
    use = node.tool(effect.call.tool) if isinstance(node, Work) else None
    return digest_of(plan, replace(state, at=plan.index[effect.node]), effect.call) if use else ""


def shed(plan: Plan, state: State, place: str = "") -> State:
    """The state without what a resumption from a place leaves behind, so that less is to be handed on.

    Resuming from it is the same as resuming from the whole. Raises `DecisionError` as `resume` does.
    """
    position = _position(plan, state, place)
    at = state.at
    acts = in_doubt(plan, state)
    state = replace(back_to(plan, anew(state), position), acts=acts, feedback=(), let_in="", gate=None, running={})
    state = replace(state, let_in_by=())
    return state if position == at else replace(state, edited=None, editor=(), branches={})


def _position(plan: Plan, state: State, place: str) -> int:
    """Where a run goes on: at a place of the plan, or where it ended."""
    if state.plan != plan.digest:
        raise DecisionError("The state belongs to another plan.")
    if not state.begun:
        raise DecisionError("The run ended before it began; start a new one.")
    if state.outcome is not None and state.outcome.kind in _FINAL:
        raise DecisionError(f"The run was {state.outcome.kind}{_FINAL[state.outcome.kind]}")
    if state.ending is not None:
        if state.outcome is not None:
            raise DecisionError("What the run did has been undone; start a new one.")
        if place:
            raise DecisionError("The run ended while its work was being undone; resume it without naming a place.")
        return state.at
    position = plan.index.get(place, -1) if place else state.at
    if not 0 <= position < len(plan.nodes):
        raise DecisionError(f"There is no stage of that name; the plan has {', '.join(plan.index)}.")
    while isinstance(plan.nodes[position], Part):
        # What the runs side by side gave is not kept beside its parts.
        position -= 1
    if passed_over(state, plan.nodes[position]):
        raise DecisionError(f"{place} is in a way that was not taken; resume the run from another place.")
    if position > state.at:
        at = plan.nodes[state.at].name
        raise DecisionError(f"The run did not come as far as {place}; resume it from {at}, where it ended, or before.")
    # The node at which it ended may run once more: the record of its effects answers for them, or they are in doubt.
    acted = {
        done.node: plan.index.get(done.node, len(plan.nodes))
        for done in in_doubt(plan, state).values()
        if done.happened
    }
    if position < state.at and any(at >= position for at in acted.values()):
        last = max(acted, key=lambda name: acted[name])
        after = plan.nodes[min(acted[last] + 1, state.at)].name
        raise DecisionError(
            f"The effect of {last} has happened, or may have, and would be done again; resume the run from {after}"
            f"{' or later' if acted[last] + 1 < state.at else ''}."
        )
    return position


_FINAL: Mapping[str, str] = {
    "completed": "; there is nothing to resume.",
    "rejected": ": a person said no, and that stands. Start a new run where it is to be asked again.",
}


def _in_doubt(acts: Mapping[str, Done]) -> dict[str, Done]:
    """What was asked for when the run ended was answered to nobody."""
    return {key: replace(done, outcome="unknown") if done.outcome == "asked" else done for key, done in acts.items()}
