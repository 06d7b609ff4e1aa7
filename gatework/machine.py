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
   and only when each guard of the sealed plan gave its verdict on exactly that output.
3. A decision counts only at the gate that waits. What lets an output on, or may repeat an effect, needs the
   number of the evidence shown there.
4. What was computed from a value that a person changed is dropped, and with it every approval.
5. Labels are computed here: untrusted data reaches no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never, get_args

from gatework import canonical
from gatework.canonical import Sealed
from gatework.errors import DecisionError, OrderError
from gatework.events import Begun, Cancelled, Decided, Event, Expired, Failed, Finished
from gatework.expr import Const, ExprError, holds, refs, render, resolve
from gatework.labels import Label
from gatework.plan import Approval, Param, Plan, Work
from gatework.state import ALLOWED, Due, Gate, GateKind, Held, Outcome, Receipt, Run, State, Step
from gatework.verdict import Word

_WORDS: tuple[Word, ...] = get_args(Word)

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
    return Run(
        plan=state.plan,
        node=node.name,
        attempt=state.attempts[node.name],
        inputs=_admitted(node, state),
        feedback=state.feedback,
        edited=state.edited,
    )


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
    _check_order(plan)
    if not event.input.intact:
        raise OrderError("The digest of the input is not that of its data.")
    held = Held(sealed=event.input, label=plan.input.label)
    receipt = Receipt(kind="begun", node=plan.input.name, output=event.input.digest, label=held.label)
    return _enter(plan, replace(state, begun=True, values={plan.input.name: held}), 0, (receipt,))


def _finish(plan: Plan, state: State, event: Finished) -> Step:
    node, inputs = _answered(plan, state, event)
    if event.contract != node.contract:
        raise OrderError(f"The output of {node.name} was validated against another contract.")
    if not event.output.intact:
        raise OrderError(f"The digest of the output of {node.name} is not that of its data.")
    if state.edited is not None and event.output.digest != state.edited.digest:
        raise OrderError(f"The guards of {node.name} looked at another value than the person gave.")
    if tuple(given.guard for given in event.verdicts) != tuple(use.name for use in node.guards):
        raise OrderError(f"Not every guard of {node.name} gave one verdict, in the order of the plan.")
    if any(given.on != event.output.digest for given in event.verdicts):
        raise OrderError(f"A guard of {node.name} gave its verdict on another output.")
    if any(given.verdict not in _WORDS for given in event.verdicts):
        raise OrderError(f"A guard of {node.name} answered with no verdict.")
    receipt = Receipt(
        kind="output",
        node=node.name,
        attempt=event.attempt,
        inputs=inputs,
        output=event.output.digest,
        label=node.label,
        verdicts=event.verdicts,
        how=event.evidence,
    )
    said = {word: tuple(given.reason for given in event.verdicts if given.verdict == word) for word in _WORDS}
    if said["block"]:
        kind: GateKind = "unknown" if _in_doubt(node, sent=True) else "blocked"
        return _ask(state, node, kind, said["block"], (receipt,), event.output)
    if said["retry"]:
        return _again(state, node, said["retry"], receipt, sent=bool(node.tools), output=event.output)
    if said["escalate"]:
        return _ask(state, node, "escalated", said["escalate"], (receipt,), event.output)
    return _hold(plan, state, event.output, receipt)


def _fail(plan: Plan, state: State, event: Failed) -> Step:
    node, inputs = _answered(plan, state, event)
    receipt = Receipt(
        kind="refused" if event.failure in ("contract", "refused", "block") else "failed",
        node=node.name,
        attempt=event.attempt,
        inputs=inputs,
        reason=event.reason,
        action=event.failure,
        how=event.evidence,
    )
    reasons = (event.reason,)
    # A result that was not taken, and one that a person gave, may stand for an effect that happened.
    sent = event.sent or event.failure in ("refused", "unknown") or state.edited is not None
    if event.failure in ("contract", "refused", "timeout", "unknown"):
        # Asked again, an effect with a probe looks before it acts.
        return _again(state, node, reasons, receipt, sent=sent)
    kind: GateKind = "blocked" if event.failure == "block" else "failed"
    return _ask(state, node, "unknown" if _in_doubt(node, sent=sent) else kind, reasons, (receipt,))


def _decide(plan: Plan, state: State, event: Decided) -> Step:
    gate = state.gate
    if gate is None:
        raise DecisionError("Nothing waits for a decision now.")
    if event.action not in ALLOWED[gate.kind]:
        raise DecisionError(f"{event.action} does not answer this; send {_or(ALLOWED[gate.kind])}.")
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
            return _start(replace(state, edited=None), work, feedback, (receipt,), fresh=True)
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
    assert gate.candidate is not None
    return _hold(plan, state, gate.candidate, replace(receipt, output=gate.candidate.digest, label=node.label))


def _edit(plan: Plan, state: State, gate: Gate, event: Decided, receipt: Receipt) -> Step:
    here = plan.nodes[state.at]
    place = event.place or (here.value.node if isinstance(here, Approval) else here.name)
    if event.value is None or not event.value.intact:
        raise DecisionError("Send the corrected value as JSON.")
    position = -1 if place == plan.input.name else plan.index.get(place, len(plan.nodes))
    if position > state.at:
        raise DecisionError(f"There is no value named {place} yet.")
    node = None if position < 0 else plan.nodes[position]
    if isinstance(node, Approval):
        raise DecisionError(f"{place} is an approval; edit the value that it approves.")
    if node is not None and node.tools and position < state.at:
        raise DecisionError(f"{place} records an effect that has happened; it cannot be edited.")
    for later in plan.nodes[position + 1 :]:
        if isinstance(later, Work) and later.tools and state.attempts.get(later.name):
            raise DecisionError(f"The effect of {later.name} depends on {place}; it cannot be edited any more.")
    receipt = replace(receipt, node=place)
    kept = {name: held for name, held in state.values.items() if plan.index.get(name, -1) < position}
    if node is None:
        kept[place] = Held(sealed=event.value, label=plan.input.label, by_hand=True)
        return _enter(plan, replace(state, values=kept), 0, (receipt,))
    state = replace(state, values=kept, at=position, edited=event.value)
    if not node.guards:
        return _hold(plan, state, event.value, receipt)
    return _start(state, node, (), (receipt,))


def _again(
    state: State, node: Work, reasons: tuple[str, ...], receipt: Receipt, *, sent: bool, output: Sealed | None = None
) -> Step:
    """Another attempt, told why; or a person, where the attempts are spent or an effect is in doubt."""
    state = replace(state, feedback=(*state.feedback, *reasons))
    if _in_doubt(node, sent=sent):
        return _ask(state, node, "unknown", reasons, (receipt,), output)
    if state.edited is not None or state.attempts[node.name] >= state.limit:
        return _ask(state, node, "exhausted", reasons, (receipt,), output)
    return _start(state, node, state.feedback, (receipt,))


def _start(
    state: State, node: Work, feedback: tuple[str, ...], receipts: tuple[Receipt, ...], *, fresh: bool = False
) -> Step:
    """One more attempt of the node at `at`; or a person, where its inputs are not what the plan promised.

    A fresh attempt starts its count anew.
    """
    try:
        _admitted(node, state)
    except OrderError as error:
        return _ask(state, node, "failed", (error.message,), receipts)
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
    return _enter(plan, replace(state, values={**state.values, node.name: held}), state.at + 1, (receipt,))


def _enter(plan: Plan, state: State, at: int, receipts: tuple[Receipt, ...]) -> Step:
    """Arrive at a node, passing over approvals that their rule gives."""
    state = replace(state, at=at, feedback=(), edited=None)
    if at == len(plan.nodes):
        ended = _end(state, Outcome(kind="completed", node=plan.result))
        return Step(state=ended.state, receipts=(*receipts, *ended.receipts))
    node = plan.nodes[at]
    if isinstance(node, Work):
        return _start(state, node, (), receipts, fresh=True)
    asked = _reason_to_ask(plan, node, state)
    if asked:
        return _ask(state, node, "approval", (asked,), receipts)
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


def _reason_to_ask(plan: Plan, node: Approval, state: State) -> str:
    """Why a person is asked at an approval; empty where the plan's own rule approves."""
    if node.when is None:
        return "the plan asks always"
    by_hand = _by_hand(plan, state)
    if any(ref.node in by_hand for ref in (node.value, *refs(node.when))):
        return "a person changed what the rule looks at"
    try:
        asks = holds(node.when, lambda name: state.values[name].sealed.data)
    except ExprError as error:
        return f"the rule cannot be answered: {error.message}"
    return render(node.when) if asks else ""


def _by_hand(plan: Plan, state: State) -> set[str]:
    """The values that a person gave, and what stages made of them.

    It ends at an endorser, whose value comes from our own records, and at an approval, which a person gave.
    """
    found = {name for name, held in state.values.items() if held.by_hand}
    for node in plan.nodes[: state.at]:
        if node.kind == "stage" and any(ref.node in found for ref in node.reads):
            found.add(node.name)
    return found


def _ask(
    state: State,
    node: Work | Approval,
    kind: GateKind,
    reasons: tuple[str, ...],
    receipts: tuple[Receipt, ...],
    candidate: Sealed | None = None,
) -> Step:
    """Open a gate, whose evidence is everything that the person is shown."""
    shown = {ref.node: state.values[ref.node].sealed.digest for ref in node.reads}
    if candidate is not None:
        shown[node.name] = candidate.digest
    number = state.gates + 1
    evidence = canonical.digest(
        "gate", {"plan": state.plan, "gate": number, "node": node.name, "shown": shown, "reasons": list(reasons)}
    )
    gate = Gate(
        id=number,
        kind=kind,
        node=node.name,
        role=node.operator if isinstance(node, Work) else node.role,
        evidence=evidence,
        shown=shown,
        reasons=reasons,
        candidate=candidate,
        expires_seconds=node.expires_seconds,
        # The evidence of a run's first gate cannot have been another; that of later ones can.
        click=isinstance(node, Approval) and node.click and number == 1,
    )
    asked = Receipt(
        kind="asked",
        node=node.name,
        gate=number,
        evidence=evidence,
        shown=shown,
        action=kind,
        reason="; ".join(reasons),
    )
    opened = replace(state, gates=number, gate=gate)
    return Step(state=opened, receipts=(*receipts, asked))


def _end(state: State, outcome: Outcome, receipt: Receipt | None = None) -> Step:
    ended = Receipt(kind="ended", node=outcome.node, action=outcome.kind, by=outcome.by, reason=outcome.reason)
    receipts = (receipt, ended) if receipt else (ended,)
    return Step(state=replace(state, outcome=outcome, gate=None), receipts=receipts)


def _in_doubt(node: Work, *, sent: bool) -> bool:
    """Whether running the node again could repeat an effect: one was sent that cannot be asked about."""
    return sent and not all(tool.probe for tool in node.tools)


# -- checks ----------------------------------------------------------------------------------------


def _check_order(plan: Plan) -> None:
    """Raise `OrderError` unless each node of a plan has a name of its own and reads only what comes before it."""
    known = {plan.input.name}
    for node in plan.nodes:
        if node.name in known or any(ref.node not in known for ref in node.reads):
            raise OrderError(f"The plan is out of order at {node.name}.")
        known.add(node.name)
    if plan.result not in plan.index:
        raise OrderError("The result of the plan is the output of none of its nodes.")


def _answered(plan: Plan, state: State, event: Finished | Failed) -> tuple[Work, str]:
    """The node that an event answers, with the digest of its inputs; `OrderError` unless it is the one due."""
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
    return node, event.inputs


def _admitted(node: Work, state: State) -> Mapping[str, Sealed]:
    """The inputs of a node, after a look at the label of each value."""
    inputs = {}
    labels = set()
    for param in node.params:
        sealed, label = _input(param, state)
        if not label.meets(param.label):
            raise OrderError(f"{node.name} asks for {param.label} {param.name} and would get {label}.")
        labels.add(label)
        inputs[param.name] = sealed
    if node.tools and (Label.UNTRUSTED in labels or not labels & {Label.ENDORSED, Label.APPROVED}):
        raise OrderError(f"{node.name} holds an effect and may not run on {_or(sorted(labels))} data.")
    return inputs


def _input(param: Param, state: State) -> tuple[Sealed, Label]:
    if isinstance(param.source, Const):
        return Sealed.of(param.source.data, b""), Label.PLAIN
    held = state.values[param.source.node]
    if not param.source.path:
        return held.sealed, held.label
    try:
        data = resolve(param.source, lambda name: state.values[name].sealed.data)
    except ExprError as error:
        raise OrderError(error.message) from None
    return Sealed.of(data, bytes.fromhex(held.sealed.salt)), held.label


def _or(words: tuple[str, ...] | list[str] | list[Label]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "plain"
