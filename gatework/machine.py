"""The order itself: a pure function from plan, state and event to the next state.

Everything that says what may happen next is here and nowhere else. No I/O, no clock, no randomness:
the Temporal interpreter, the in-memory driver of the tests and the verifier drive the same two functions.

`due` says what a run waits for: one attempt of a node (`Run`), one call that an attempt asked for (`Act`), a person
(`Gate`), or nothing more (`Outcome`).
`step` takes the event that answers it and returns the next state with the receipts of what was accepted.
An event that does not answer what is due raises `OrderError`, a person's raises `DecisionError`;
then nothing has changed.

The rules that hold in every reachable state:

1. A node runs only when every node before it holds a value, and a value is held only for a receipt.
2. A result counts only for the plan, node, attempt, inputs and contract that it was asked for,
   and only when each guard of the sealed plan gave its verdict on exactly that output; a result of work only when
   each guard on inputs passed exactly these inputs, or a person let exactly these in.
3. A decision counts only at the gate that waits. What lets an output or a call on, or may repeat an effect, needs the
   number of the evidence shown there.
4. What was computed from a value that a person changed is dropped, and with it every approval.
5. Labels are computed here: untrusted data reaches no effect, and what is private leaves through nothing that outside
   text can steer.
6. What matters is called apart from the stage that asks for it, within its grant and its budget, and an effect once.
   `gatework.calls` says how.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from gatework import calls, identity
from gatework.admission import (
    admitted,
    allowance,
    asked_before,
    charged,
    check_evidence,
    check_let_run,
    check_order,
    one_of,
    said_by,
)
from gatework.errors import DecisionError, OrderError
from gatework.events import (
    Acted,
    Begun,
    Cancelled,
    Decided,
    Event,
    Expired,
    Failed,
    Finished,
    Result,
    Stopped,
    Suspended,
)
from gatework.gates import fixed, in_doubt, repeats
from gatework.onward import again, ask, end, enter, hold, start
from gatework.plan import Approval, Budget, Plan, Work
from gatework.state import (
    ALLOWED,
    Act,
    Done,
    Due,
    Gate,
    GateKind,
    Held,
    Outcome,
    Receipt,
    Run,
    State,
    Step,
    Vote,
    by_hand,
    inputs_digest,
)

# -- the two functions -----------------------------------------------------------------------------


def new(plan: Plan) -> State:
    """The state of a run that has not begun."""
    return State(plan=plan.digest)


def due(plan: Plan, state: State) -> Due:
    """What the run waits for. Raises `OrderError` where the state is none of this plan."""
    if state.plan != plan.digest:
        raise OrderError("The state belongs to another plan.")
    if not state.begun:
        raise OrderError("The run has not begun.")
    if state.outcome is not None:
        return state.outcome
    if state.gate is not None:
        return state.gate
    node = plan.nodes[state.at]
    if not isinstance(node, Work):
        raise OrderError(f"{node.name} waits for a person, and no gate is open.")
    for earlier in plan.nodes[: state.at]:
        if earlier.name not in state.values:
            raise OrderError(f"{node.name} may not start: {earlier.name} holds no receipt.")
    if state.pending:
        return calls.due(plan, state, node)
    run = Run(
        plan=state.plan,
        node=node.name,
        attempt=state.attempts[node.name],
        inputs=admitted(plan, node, state),
        feedback=state.feedback,
        edited=state.edited,
        journal=state.journal,
        limits={ref.node: state.values[ref.node].sealed for use in node.tools for ref in use.reads},
        # The guards of a person's value look at it, whatever the stage has left.
        allowance=allowance(plan, node, state) if state.edited is None else Budget(),
    )
    return replace(run, let_in=True) if state.let_in == run.inputs_digest else run


def step(plan: Plan, state: State, event: Event) -> Step:
    """The state after an event, with receipts. Raises `OrderError` or `DecisionError`, and then nothing changed."""
    refusal = DecisionError if isinstance(event, Decided) else OrderError
    if state.plan != plan.digest:
        raise refusal("The state belongs to another plan.")
    if state.outcome is not None:
        raise refusal(f"The run has ended ({state.outcome.kind}); nothing more can be done in it.")
    if not state.begun and not isinstance(event, Begun):
        raise refusal("The run has not begun.")
    match event:
        case Begun():
            return _begin(plan, state, event)
        case Finished():
            return _finish(plan, state, event)
        case Stopped():
            return _stop(plan, state, event)
        case Failed():
            return _fail(plan, state, event)
        case Suspended():
            return _suspend(plan, state, event)
        case Acted():
            return _act(plan, state, event)
        case Decided():
            return _decide(plan, state, event)
        case Expired():
            return _expire(plan, state, event)
        case Cancelled():
            return end(state, Outcome(kind="cancelled", reason=event.reason))
        case _:
            assert_never(event)


# -- one function for each event -------------------------------------------------------------------


def _begin(plan: Plan, state: State, event: Begun) -> Step:
    if state.begun:
        raise OrderError("The run has begun already.")
    if event.plan != state.plan:
        raise OrderError("The input is for another plan.")
    check_order(plan)
    if not event.input.intact:
        raise OrderError("The digest of the input is not that of its data.")
    held = Held(sealed=event.input, label=plan.input.label)
    receipt = Receipt(kind="begun", node=plan.input.name, output=event.input.digest, label=held.label)
    return enter(plan, replace(state, begun=True, values={plan.input.name: held}), 0, (receipt,))


def _finish(plan: Plan, state: State, event: Finished) -> Step:
    node, run = _answered(plan, state, event)
    if event.contract != node.contract:
        raise OrderError(f"The output of {node.name} was validated against another contract.")
    if not event.output.intact:
        raise OrderError(f"The digest of the output of {node.name} is not that of its data.")
    if run.edited is not None and event.output.digest != run.edited.digest:
        raise OrderError(f"The guards of {node.name} looked at another value than the person gave.")
    size = allowance(plan, node, state).output_bytes
    if run.edited is None and size is not None and len(event.output.opened()) > size:
        raise OrderError(f"The output of {node.name} is larger than the {size} bytes of its budget.")
    check_let_run(node, run, event.before)
    check_evidence(node, event)
    said = said_by(node, node.guards, event.verdicts, event.output.digest, "output")
    receipt = Receipt(
        kind="output",
        node=node.name,
        attempt=event.attempt,
        inputs=event.inputs,
        output=event.output.digest,
        label=node.label,
        verdicts=(*event.before, *event.verdicts),
        how=event.evidence,
    )
    state = charged(state, node, event.spent)
    if (said["block"] or said["retry"]) and repeats(node, state):
        return ask(plan, state, node, "unknown", said["block"] or said["retry"], (receipt,), candidate=event.output)
    if said["block"]:
        return ask(plan, state, node, "blocked", said["block"], (receipt,), candidate=event.output)
    if said["retry"]:
        return again(plan, state, node, said["retry"], receipt, event.output)
    if said["escalate"]:
        return ask(plan, state, node, "escalated", said["escalate"], (receipt,), candidate=event.output)
    return hold(plan, state, event.output, receipt)


def _stop(plan: Plan, state: State, event: Stopped) -> Step:
    node, run = _answered(plan, state, event)
    said = said_by(node, asked_before(node, run), event.verdicts, event.inputs, "input")
    if not (said["block"] or said["retry"] or said["escalate"]):
        raise OrderError(f"Every guard let {node.name} run on these inputs, and it did not.")
    receipt = Receipt(
        kind="stopped", node=node.name, attempt=event.attempt, inputs=event.inputs, verdicts=event.verdicts
    )
    reasons = (*said["block"], *said["retry"], *said["escalate"])
    if said["retry"]:
        reasons = (*reasons, "a retry runs it on the same inputs")
    kind: GateKind = "blocked" if said["block"] or said["retry"] else "escalated"
    return ask(plan, state, node, kind, reasons, (receipt,), before=True)


def _fail(plan: Plan, state: State, event: Failed) -> Step:
    node, _ = _answered(plan, state, event)
    check_evidence(node, event)
    receipt = Receipt(
        kind="refused" if event.failure in ("contract", "refused", "block") else "failed",
        node=node.name,
        attempt=event.attempt,
        inputs=event.inputs,
        reason=event.reason,
        action=event.failure,
        how=event.evidence,
    )
    reasons = (event.reason,)
    state = charged(state, node, event.spent)
    if repeats(node, state):
        return ask(plan, state, node, "unknown", reasons, (receipt,))
    if event.failure in ("contract", "refused", "timeout"):
        return again(plan, state, node, reasons, receipt)
    return ask(plan, state, node, "blocked" if event.failure == "block" else "failed", reasons, (receipt,))


def _suspend(plan: Plan, state: State, event: Suspended) -> Step:
    node, run = _answered(plan, state, event)
    if run.edited is not None:
        raise OrderError(f"{node.name} does not work where a person gave its value.")
    check_let_run(node, run, event.before)
    step = calls.suspend(plan, state, node, event)
    return replace(step, state=charged(step.state, node, event.spent))


def _act(plan: Plan, state: State, event: Acted) -> Step:
    wanted = None if state.gate else due(plan, state)
    if not isinstance(wanted, Act):
        raise OrderError("No call of a tool is due.")
    if (event.plan, event.node, event.attempt) != (wanted.plan, wanted.node, wanted.attempt):
        raise OrderError(f"The result is of a call of another attempt; one of {wanted.node} is due.")
    if event.call != wanted.call.id:
        raise OrderError(f"The result is of another call; one of {wanted.call.tool} is due.")
    node = plan.nodes[state.at]
    assert isinstance(node, Work)
    return calls.act(plan, state, node, event)


def _decide(plan: Plan, state: State, event: Decided) -> Step:
    gate = state.gate
    if gate is None:
        raise DecisionError("Nothing waits for a decision now.")
    if event.action not in ALLOWED[gate.kind]:
        raise DecisionError(f"{event.action} does not answer this; send {one_of(ALLOWED[gate.kind])}.")
    if event.number and event.number not in (gate.number, gate.full_number):
        raise DecisionError("That is not the number on the panel as it stands now; reload it and read it again.")
    if event.action == "approve" and not event.number and not gate.click:
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
        how=event.proof,
        reason=event.note,
        output=event.value.digest if event.value is not None else "",
    )
    match event.action:
        case "approve":
            return _approve(plan, state, gate, event, receipt)
        case "reject" if gate.kind == "call":
            return _refuse(plan, state, gate, event.note, receipt)
        case "reject":
            return end(state, Outcome(kind="rejected", node=gate.node, reason=event.note, by=event.by), receipt)
        case "abort":
            return end(state, Outcome(kind="aborted", node=gate.node, reason=event.note, by=event.by), receipt)
        case "retry":
            work = plan.nodes[state.at]
            assert isinstance(work, Work)
            feedback = (*state.feedback, event.note) if event.note else state.feedback
            again_ = gate.call.key if gate.call is not None and gate.kind == "unknown" else ""
            fresh = replace(state, edited=None, editor=())
            return start(plan, fresh, work, feedback, (receipt,), fresh=True, let_again=again_)
        case "edit":
            return _edit(plan, state, gate, event, receipt)


def _expire(plan: Plan, state: State, event: Expired) -> Step:
    gate = state.gate
    if gate is None or gate.id != event.gate:
        raise OrderError("The gate that expired does not wait.")
    nobody = f"{'not enough' if gate.votes else 'nobody'} of {gate.role} answered in time"
    node = plan.nodes[state.at]
    if isinstance(node, Approval) and node.otherwise is not None and not gate.handed_on:
        return ask(plan, state, node, "approval", (*gate.reasons, nobody), (), handed_on=True)
    return end(state, Outcome(kind="expired", node=gate.node, reason=nobody))


# -- what a person decided -------------------------------------------------------------------------


def _approve(plan: Plan, state: State, gate: Gate, event: Decided, receipt: Receipt) -> Step:
    votes = (*gate.votes, Vote(by=event.by, identity=event.identity))
    if gate.by.quorum > 1:
        receipt = replace(receipt, how={**receipt.how, "approvals": len(votes), "quorum": gate.by.quorum})
    if len(votes) < gate.by.quorum:
        return Step(state=replace(state, gate=replace(gate, votes=votes)), receipts=(receipt,))
    by = tuple(vote.by for vote in votes if vote.by)
    node = plan.nodes[state.at]
    if isinstance(node, Approval):
        approved = state.values[node.value.node].sealed
        return hold(plan, state, approved, replace(receipt, output=approved.digest, label=node.label), by=by)
    if gate.kind == "call":
        return calls.let(plan, state, node, receipt)
    if gate.candidate is not None:
        receipt = replace(receipt, output=gate.candidate.digest, label=node.label)
        return hold(plan, state, gate.candidate, receipt, by=by)
    # A guard asked before the node ran: it runs now, on what the guard looked at, and on nothing else.
    let_in = inputs_digest(admitted(plan, node, state))
    receipt = replace(receipt, inputs=let_in)
    return start(plan, replace(state, let_in=let_in), node, state.feedback, (receipt,), fresh=True)


def _refuse(plan: Plan, state: State, gate: Gate, note: str, receipt: Receipt) -> Step:
    node = plan.nodes[state.at]
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
    node = None if position < 0 else plan.nodes[position]
    assert not isinstance(node, Approval)
    who = (event.by,) if event.by else ()
    receipt = replace(receipt, node=place)
    kept = {name: held for name, held in state.values.items() if plan.index.get(name, -1) < position}
    if node is None:
        kept[place] = replace(state.values[place], sealed=event.value, by_hand=True, editor=who)
        return enter(plan, replace(state, values=kept), 0, (receipt,))
    state = replace(state, values=kept, at=position, let_in="", edited=event.value, editor=who)
    if node.effects:
        # What a person writes for an effect says that it has happened.
        written = Done(node=place, tool="", arguments="", outcome="done")
        state = replace(state, acts={**state.acts, by_hand(place): written})
    if not node.guards:
        return hold(plan, state, event.value, receipt)
    return start(plan, state, node, (), (receipt,))


# -- checks ----------------------------------------------------------------------------------------


def _answered(plan: Plan, state: State, event: Result) -> tuple[Work, Run]:
    """The node that an event answers, with the attempt that is due; `OrderError` unless it answers that one."""
    if state.gate is not None:
        raise OrderError(f"The run waits for a person at {state.gate.node}; no result is due.")
    wanted = due(plan, state)
    if not isinstance(wanted, Run):
        raise OrderError(f"The run waits for a call that {plan.nodes[state.at].name} asked for; no result is due.")
    node = plan.nodes[state.at]
    assert isinstance(node, Work)
    if event.plan != state.plan:
        raise OrderError(f"The result is for another plan than the one of this run; {node.name} is due.")
    if event.node != node.name:
        raise OrderError(f"The result is for another stage; {node.name} is due.")
    if event.attempt != wanted.attempt:
        raise OrderError(f"The result is for another attempt; attempt {wanted.attempt} of {node.name} is due.")
    if event.inputs != wanted.inputs_digest:
        raise OrderError(f"The result was computed from other inputs than those of {node.name}.")
    return node, wanted
