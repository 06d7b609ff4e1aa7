"""What people decide at a gate, and what follows where nobody does. Pure, as the machine is, which hands it on."""

from __future__ import annotations

from dataclasses import replace

from gatework.errors import DecisionError, OrderError
from gatework.machine import calls, identity, overrides
from gatework.machine.admission import admitted, one_of
from gatework.machine.gates import fixed, in_doubt
from gatework.machine.onward import another_round, ask, call_again, counted, end, enter, hold, start, unwind
from gatework.machine.ways import back_to
from gatework.plan.plan import Approval, Call, Plan, Question, Work
from gatework.run.events import Decided, Expired
from gatework.run.state import Done, Gate, Outcome, Receipt, State, Step, Vote, by_hand, inputs_digest


def decide(plan: Plan, state: State, event: Decided) -> Step:
    """Take what a person decided. Raises `DecisionError`, and then nothing changed."""
    gate = state.gate
    if gate is None:
        raise DecisionError("Nothing waits for a decision now.")
    if event.action not in gate.allowed:
        raise DecisionError(f"{event.action} does not answer this; send {one_of(gate.allowed)}.")
    if event.number and event.number not in (gate.number, gate.full_number):
        raise DecisionError("That is not the number on the panel as it stands now; reload it and read it again.")
    if event.action in ("approve", "override") and not event.number and not gate.click:
        raise DecisionError("Send the four digits on the panel: they show that you saw this evidence.")
    if event.action == "retry" and not event.number and in_doubt(plan, gate):
        raise DecisionError('The effect may happen twice; if you are sure, send {"number": …} with the four digits.')
    if event.evidence and event.evidence != gate.evidence:
        raise DecisionError("The evidence has changed since you saw it; look at it again.")
    if why := identity.refused(gate, event):
        raise DecisionError(why)
    receipt = Receipt(
        kind="decided",
        node=gate.node,
        gate=gate.id,
        evidence=gate.evidence,
        action=event.action,
        by=event.by,
        identity=event.identity,
        how={**event.proof, **({"place": event.place} if event.place else {})},
        reason=event.note,
        output=event.value.digest if event.value is not None else "",
    )
    match event.action:
        case "approve":
            return _approve(plan, state, gate, event, receipt)
        case "reject" if gate.kind == "call":
            return _refuse(plan, state, gate, event.note, receipt)
        case "reject":
            return end(plan, state, Outcome(kind="rejected", node=gate.node, reason=event.note, by=event.by), receipt)
        case "abort":
            return end(plan, state, Outcome(kind="aborted", node=gate.node, reason=event.note, by=event.by), receipt)
        case "retry":
            return _retry(plan, state, gate, event.note, receipt)
        case "answer":
            return _answer(plan, state, event, receipt)
        case "edit":
            return _edit(plan, state, gate, event, receipt)
        case "override":
            return overrides.override(plan, state, gate, event, receipt)


def expire(plan: Plan, state: State, event: Expired) -> Step:
    """Go on where nobody answered in time. Raises `OrderError` where nothing waits for that."""
    gate = state.gate
    if gate is None or gate.id != event.gate:
        raise OrderError("The gate that expired does not wait.")
    voting = gate.asked("override") if gate.votes else gate.by
    nobody = f"{'not enough' if gate.votes else 'nobody'} of {voting.role} answered in time"
    node = plan.steps[state.at]
    if isinstance(node, Approval | Question) and node.otherwise is not None and not gate.handed_on:
        return ask(plan, state, node, gate.kind, (*gate.reasons, nobody), (), handed_on=True)
    ended = Outcome(kind="expired", node=gate.node, reason=nobody)
    # Where an undo waits it is left, and the run has ended already: no other receipt says so.
    left = Receipt(kind="undoing", node=gate.node, action="expired", reason=nobody)
    return end(plan, state, ended, *((left,) if state.ending is not None else ()))


# -- what a person decided -------------------------------------------------------------------------


def _approve(plan: Plan, state: State, gate: Gate, event: Decided, receipt: Receipt) -> Step:
    votes = (*gate.votes, Vote(by=event.by, identity=event.identity))
    if gate.by.quorum > 1:
        receipt = replace(receipt, how={**receipt.how, "approvals": len(votes), "quorum": gate.by.quorum})
    if len(votes) < gate.by.quorum:
        return Step(state=replace(state, gate=replace(gate, votes=votes)), receipts=(receipt,))
    by = tuple(vote.by for vote in votes if vote.by)
    node = plan.steps[state.at]
    if isinstance(node, Approval):
        approved = state.values[node.value.node].sealed
        return hold(plan, state, approved, replace(receipt, output=approved.digest, label=node.label), by=by)
    assert isinstance(node, Work)
    if gate.kind == "call":
        return calls.let(plan, state, node, receipt)
    if gate.candidate is not None:
        receipt = replace(receipt, output=gate.candidate.digest, label=node.label)
        return hold(plan, state, gate.candidate, receipt, by=by)
    # A guard asked before the node ran: it runs now, on what the guard looked at, and on nothing else.
    let_in = inputs_digest(admitted(plan, node, state))
    receipt = replace(receipt, inputs=let_in)
    return start(plan, replace(state, let_in=let_in, let_in_by=()), node, state.feedback, (receipt,), fresh=True)


def _retry(plan: Plan, state: State, gate: Gate, note: str, receipt: Receipt) -> Step:
    node = plan.steps[state.at]
    state = replace(state, edited=None, editor=(), gate=None)
    match node:
        case Work() if gate.kind == "spent":
            return another_round(plan, state, node, (note,) if note else (), (receipt,))
        case Work():
            feedback = (*state.feedback, note) if note else state.feedback
            let_again = gate.call.key if gate.call is not None and gate.kind == "unknown" else ""
            return start(plan, state, node, feedback, (receipt,), fresh=True, let_again=let_again)
        case Call() if state.ending is not None:
            return unwind(plan, state, (receipt,))
        case Call():
            return call_again(plan, state, node, (receipt,))
        case _:
            return enter(plan, state, state.at, (receipt,))


def _answer(plan: Plan, state: State, event: Decided, receipt: Receipt) -> Step:
    node = plan.steps[state.at]
    assert isinstance(node, Question)
    if event.place not in ("", node.name):
        raise DecisionError(f"{node.name} is what is asked here; send its value alone.")
    if event.value is None or not event.value.intact:
        raise DecisionError("Send the answer as JSON.")
    by = (event.by,) if event.by else ()
    return hold(plan, replace(state, gate=None), event.value, replace(receipt, label=node.label), by=by)


def _refuse(plan: Plan, state: State, gate: Gate, note: str, receipt: Receipt) -> Step:
    node = plan.steps[state.at]
    assert isinstance(node, Work)
    assert gate.call is not None
    reason = f"a person refused this call of {gate.call.tool}" + (f": {note}" if note else "")
    return calls.refuse(plan, state, node, reason, (receipt,))


def _edit(plan: Plan, state: State, gate: Gate, event: Decided, receipt: Receipt) -> Step:
    place = event.place or gate.place
    if event.value is None or not event.value.intact:
        raise DecisionError("Send the corrected value as JSON.")
    if why := fixed(plan, state, place):
        raise DecisionError(why)
    position = plan.index.get(place, -1)
    if why := identity.unsure(event, identity.to_edit(plan, position)):
        raise DecisionError(why)
    who = (event.by,) if event.by else ()
    receipt = replace(receipt, node=place)
    if position < 0:
        held = replace(state.values[place], sealed=event.value, by_hand=True, editor=who)
        state = back_to(plan, state, 0)
        return enter(plan, replace(state, values={**state.values, place: held}), 0, (receipt,))
    node = plan.steps[position]
    assert isinstance(node, Work | Call)
    state = replace(back_to(plan, state, position), let_in="", let_in_by=(), branches={}, running={})
    state = replace(state, edited=event.value, editor=who)
    if node.effects:
        # What a person writes for an effect says that it has happened.
        written = Done(node=place, tool="", arguments="", outcome="done")
        state = replace(state, acts={**state.acts, by_hand(place): written})
    if isinstance(node, Call):
        return hold(plan, counted(state, node), event.value, receipt)
    if not node.guards:
        return hold(plan, state, event.value, receipt)
    return start(plan, state, node, (), (receipt,))
