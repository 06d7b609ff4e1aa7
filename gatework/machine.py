"""The order itself: a pure function from plan, state and event to the next state.

Everything that says what may happen next is here and nowhere else. No I/O, no clock, no randomness:
the Temporal interpreter, the in-memory driver of the tests and the verifier drive the same two functions.

`due` says what a run waits for: one attempt of a node (`Run`), a person (`Gate`), or nothing more (`Outcome`).
`step` takes the event that answers it and returns the next state with the receipts of what was accepted.
An event that does not answer what is due raises `OrderError`, a person's raises `DecisionError`;
then nothing has changed.

The rules that hold in every reachable state:

1. A node runs only when every node before it holds a value, and a value is held only for a receipt.
2. A result counts only for the plan, node, attempt, inputs and contract that it was asked for,
   and only when each guard of the sealed plan gave its verdict on exactly that output; a result of work only when
   each guard on inputs passed exactly these inputs, or a person let exactly these in.
3. A decision counts only at the gate that waits. What lets an output on, or may repeat an effect, needs the
   number of the evidence shown there.
4. What was computed from a value that a person changed is dropped, and with it every approval.
5. Labels are computed here: untrusted data reaches no effect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from gatework.admission import admitted, asked_before, check_order, one_of, reason_to_ask, said_by
from gatework.canonical import Sealed
from gatework.errors import DecisionError, OrderError
from gatework.events import Begun, Cancelled, Decided, Event, Expired, Failed, Finished, Result, Stopped
from gatework.expr import render
from gatework.gates import fixed, in_doubt, opened
from gatework.plan import Approval, Plan, Work
from gatework.state import ALLOWED, Due, Gate, GateKind, Held, Outcome, Receipt, Run, State, Step, inputs_digest

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
    run = Run(
        plan=state.plan,
        node=node.name,
        attempt=state.attempts[node.name],
        inputs=admitted(node, state),
        feedback=state.feedback,
        edited=state.edited,
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
        case Decided():
            return _decide(plan, state, event)
        case Expired():
            return _expire(state, event)
        case Cancelled():
            return _end(state, Outcome(kind="cancelled", reason=event.reason))
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
    let_on = said_by(node, asked_before(node, run), event.before, event.inputs, "input")
    if let_on["block"] or let_on["retry"] or let_on["escalate"]:
        raise OrderError(f"A guard did not let {node.name} run on these inputs, and it ran.")
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
    state = _acted(state, node, sent=True)
    if said["block"]:
        kind: GateKind = "unknown" if in_doubt(node, sent=True) else "blocked"
        return _ask(plan, state, node, kind, said["block"], (receipt,), candidate=event.output)
    if said["retry"]:
        return _again(plan, state, node, said["retry"], receipt, sent=bool(node.tools), output=event.output)
    if said["escalate"]:
        return _ask(plan, state, node, "escalated", said["escalate"], (receipt,), candidate=event.output)
    return _hold(plan, state, event.output, receipt)


def _stop(plan: Plan, state: State, event: Stopped) -> Step:
    node, run = _answered(plan, state, event)
    said = said_by(node, asked_before(node, run), event.verdicts, event.inputs, "input")
    if not (said["block"] or said["retry"] or said["escalate"]):
        raise OrderError(f"Every guard let {node.name} run on these inputs, and it did not.")
    receipt = Receipt(
        kind="stopped", node=node.name, attempt=event.attempt, inputs=event.inputs, verdicts=event.verdicts
    )
    sent = state.effects.get(node.name, False)
    reasons = (*said["block"], *said["retry"], *said["escalate"])
    if said["retry"]:
        reasons = (*reasons, "a retry runs it on the same inputs")
    if sent:
        reasons = (*reasons, "an earlier attempt may have done its effect")
    stops = said["block"] or said["retry"]
    kind: GateKind = "escalated" if not stops else "unknown" if sent else "blocked"
    return _ask(plan, state, node, kind, reasons, (receipt,), before=True)


def _fail(plan: Plan, state: State, event: Failed) -> Step:
    node, _ = _answered(plan, state, event)
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
    # A result that was not taken, and one that a person gave, may stand for an effect that happened.
    sent = event.sent or event.failure in ("refused", "unknown") or state.edited is not None
    state = _acted(state, node, sent=sent)
    if event.failure in ("contract", "refused", "timeout", "unknown"):
        # Asked again, an effect with a probe looks before it acts.
        return _again(plan, state, node, reasons, receipt, sent=sent)
    kind: GateKind = "blocked" if event.failure == "block" else "failed"
    return _ask(plan, state, node, "unknown" if in_doubt(node, sent=sent) else kind, reasons, (receipt,))


def _decide(plan: Plan, state: State, event: Decided) -> Step:
    gate = state.gate
    if gate is None:
        raise DecisionError("Nothing waits for a decision now.")
    if event.action not in ALLOWED[gate.kind]:
        raise DecisionError(f"{event.action} does not answer this; send {one_of(ALLOWED[gate.kind])}.")
    if event.number and event.number != gate.number:
        raise DecisionError("That is not the number on the panel as it stands now; reload it and read it again.")
    if event.action == "approve" and not event.number and not gate.click:
        raise DecisionError("Send the four digits on the panel: they show that you saw this evidence.")
    if event.action == "retry" and not event.number and gate.kind == "unknown":
        raise DecisionError('The effect may happen twice; if you are sure, send {"number": …} with the four digits.')
    if event.evidence and event.evidence != gate.evidence:
        raise DecisionError("The evidence has changed since you saw it; look at it again.")
    receipt = Receipt(
        kind="decided",
        node=gate.node,
        gate=gate.id,
        evidence=gate.evidence,
        action=event.action,
        by=event.by,
        reason=event.note,
        output=event.value.digest if event.value is not None else "",
    )
    match event.action:
        case "approve":
            return _approve(plan, state, gate, receipt)
        case "reject":
            return _end(state, Outcome(kind="rejected", node=gate.node, reason=event.note, by=event.by), receipt)
        case "abort":
            return _end(state, Outcome(kind="aborted", node=gate.node, reason=event.note, by=event.by), receipt)
        case "retry":
            work = plan.nodes[state.at]
            assert isinstance(work, Work)
            feedback = (*state.feedback, event.note) if event.note else state.feedback
            return _start(plan, replace(state, edited=None), work, feedback, (receipt,), fresh=True)
        case "edit":
            return _edit(plan, state, gate, event, receipt)


def _expire(state: State, event: Expired) -> Step:
    gate = state.gate
    if gate is None or gate.id != event.gate:
        raise OrderError("The gate that expired does not wait.")
    return _end(state, Outcome(kind="expired", node=gate.node, reason=f"nobody of {gate.role} answered in time"))


# -- what follows ----------------------------------------------------------------------------------


def _approve(plan: Plan, state: State, gate: Gate, receipt: Receipt) -> Step:
    node = plan.nodes[state.at]
    if isinstance(node, Approval):
        approved = state.values[node.value.node].sealed
        return _hold(plan, state, approved, replace(receipt, output=approved.digest, label=node.label))
    if gate.candidate is not None:
        return _hold(plan, state, gate.candidate, replace(receipt, output=gate.candidate.digest, label=node.label))
    # A guard asked before the node ran: it runs now, on what the guard looked at, and on nothing else.
    let_in = inputs_digest(admitted(node, state))
    receipt = replace(receipt, inputs=let_in)
    return _start(plan, replace(state, let_in=let_in), node, state.feedback, (receipt,), fresh=True)


def _edit(plan: Plan, state: State, gate: Gate, event: Decided, receipt: Receipt) -> Step:
    place = event.place or gate.place
    if event.value is None or not event.value.intact:
        raise DecisionError("Send the corrected value as JSON.")
    if why := fixed(plan, state, place):
        raise DecisionError(why)
    position = plan.index.get(place, -1)
    node = None if position < 0 else plan.nodes[position]
    assert not isinstance(node, Approval)
    receipt = replace(receipt, node=place)
    kept = {name: held for name, held in state.values.items() if plan.index.get(name, -1) < position}
    if node is None:
        kept[place] = Held(sealed=event.value, label=plan.input.label, by_hand=True)
        return enter(plan, replace(state, values=kept), 0, (receipt,))
    # What a person writes for an effect says that it has happened.
    state = _acted(replace(state, values=kept, at=position, let_in="", edited=event.value), node, sent=True)
    if not node.guards:
        return _hold(plan, state, event.value, receipt)
    return _start(plan, state, node, (), (receipt,))


def _acted(state: State, node: Work, *, sent: bool) -> State:
    """The state after a node that holds an effect has worked, and may have sent it."""
    if not node.tools:
        return state
    return replace(state, effects={**state.effects, node.name: sent or state.effects.get(node.name, False)})


def _again(
    plan: Plan,
    state: State,
    node: Work,
    reasons: tuple[str, ...],
    receipt: Receipt,
    *,
    sent: bool,
    output: Sealed | None = None,
) -> Step:
    """Another attempt, told why; or a person, where the attempts are spent or an effect is in doubt."""
    state = replace(state, feedback=(*state.feedback, *reasons))
    if in_doubt(node, sent=sent):
        return _ask(plan, state, node, "unknown", reasons, (receipt,), candidate=output)
    if state.edited is not None or state.attempts[node.name] >= state.limit:
        return _ask(plan, state, node, "exhausted", reasons, (receipt,), candidate=output)
    return _start(plan, state, node, state.feedback, (receipt,))


def _start(
    plan: Plan,
    state: State,
    node: Work,
    feedback: tuple[str, ...],
    receipts: tuple[Receipt, ...],
    *,
    fresh: bool = False,
) -> Step:
    """One more attempt of the node at `at`; or a person, where its inputs are not what the plan promised.

    A fresh attempt starts its count anew.
    """
    try:
        admitted(node, state)
    except OrderError as error:
        return _ask(plan, state, node, "failed", (error.message,), receipts)
    attempt = state.attempts.get(node.name, 0) + 1
    started = replace(
        state,
        gate=None,
        attempts={**state.attempts, node.name: attempt},
        limit=attempt + node.attempts - 1 if fresh else state.limit,
        feedback=feedback,
    )
    return Step(state=started, receipts=receipts)


def _hold(plan: Plan, state: State, sealed: Sealed, receipt: Receipt) -> Step:
    """The node at `at` has its value: go on to the next."""
    node = plan.nodes[state.at]
    held = Held(sealed=sealed, label=node.label, by_hand=state.edited is not None)
    return enter(plan, replace(state, values={**state.values, node.name: held}), state.at + 1, (receipt,))


def enter(plan: Plan, state: State, at: int, receipts: tuple[Receipt, ...]) -> Step:
    """Arrive at a node, passing over approvals that their rule gives."""
    state = replace(state, at=at, feedback=(), let_in="", edited=None)
    if at == len(plan.nodes):
        ended = _end(state, Outcome(kind="completed", node=plan.result))
        return Step(state=ended.state, receipts=(*receipts, *ended.receipts))
    node = plan.nodes[at]
    if isinstance(node, Work):
        return _start(plan, state, node, (), receipts, fresh=True)
    asked = reason_to_ask(plan, node, state)
    if asked:
        return _ask(plan, state, node, "approval", (asked,), receipts)
    assert node.when is not None
    sealed = state.values[node.value.node].sealed
    receipt = Receipt(
        kind="approved",
        node=node.name,
        output=sealed.digest,
        label=node.label,
        action="auto",
        reason=f"no person is asked unless {render(node.when)}",
    )
    went_on = _hold(plan, state, sealed, receipt)
    return Step(state=went_on.state, receipts=(*receipts, *went_on.receipts))


def _ask(
    plan: Plan,
    state: State,
    node: Work | Approval,
    kind: GateKind,
    reasons: tuple[str, ...],
    receipts: tuple[Receipt, ...],
    *,
    candidate: Sealed | None = None,
    before: bool = False,
) -> Step:
    gate = opened(plan, state, node, kind, reasons, candidate=candidate, before=before)
    asked = Receipt(
        kind="asked",
        node=node.name,
        gate=gate.id,
        evidence=gate.evidence,
        shown=gate.shown,
        action=kind,
        reason="; ".join(reasons),
    )
    return Step(state=replace(state, gates=gate.id, gate=gate), receipts=(*receipts, asked))


def _end(state: State, outcome: Outcome, receipt: Receipt | None = None) -> Step:
    ended = Receipt(kind="ended", node=outcome.node, action=outcome.kind, by=outcome.by, reason=outcome.reason)
    receipts = (receipt, ended) if receipt else (ended,)
    return Step(state=replace(state, outcome=outcome, gate=None), receipts=receipts)


# -- checks ----------------------------------------------------------------------------------------


def _answered(plan: Plan, state: State, event: Result) -> tuple[Work, Run]:
    """The node that an event answers, with the attempt that is due; `OrderError` unless it answers that one."""
    if state.gate is not None:
        raise OrderError(f"The run waits for a person at {state.gate.node}; no result is due.")
    wanted = due(plan, state)
    assert isinstance(wanted, Run)
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
