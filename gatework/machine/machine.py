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
   `gatework.machine.calls` says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from gatework.errors import DecisionError, OrderError
from gatework.machine import calls, children, decisions, ways
from gatework.machine.admission import (
    admitted,
    allowance,
    asked_before,
    charged,
    check_evidence,
    check_let_run,
    check_order,
    check_within,
    code_of,
    proof_of,
    said_by,
)
from gatework.machine.gates import repeats
from gatework.machine.onward import again, another_round, ask, end, enter, hold, on_with, taken_back
from gatework.plan.plan import Budget, Call, Pause, Plan, Work
from gatework.run.budget import lent, told
from gatework.run.changed import changed
from gatework.run.events import (
    REFUSED,
    Acted,
    Begun,
    Cancelled,
    Decided,
    Elapsed,
    Event,
    Expired,
    Failed,
    Finished,
    Result,
    Returned,
    Stopped,
    Suspended,
)
from gatework.run.state import Act, Due, GateKind, Outcome, Receipt, Run, State, Step, Wait
from gatework.values.canonical import Json, Sealed

# -- the two functions -----------------------------------------------------------------------------


def new(plan: Plan) -> State:
    """The state of a run that has not begun."""
    return State(plan=plan.digest)


def due(plan: Plan, state: State) -> Due:
    """What the run waits for. Raises `OrderError` where the state is none of this plan."""
    # Asked by a driver, and again by the step that answers: of the same plan and state, which never change.
    known = vars(state).get("_due")
    if known is None or known[0] is not plan:
        known = vars(state)["_due"] = (plan, _due(plan, state))
    return known[1]


def _due(plan: Plan, state: State) -> Due:
    if state.plan != plan.digest:
        raise OrderError("The state belongs to another plan.")
    if not state.begun:
        raise OrderError("The run has not begun.")
    if state.outcome is not None:
        return state.outcome
    if state.gate is not None:
        return state.gate
    node = plan.steps[state.at]
    for earlier in plan.nodes[: state.at] if state.ending is None else ():
        # Looked up here first: this is done for each stage, and of a long plan nearly all hold a value.
        if earlier.name not in state.values and not ways.settled(state, earlier):
            raise OrderError(f"{node.name} may not start: {earlier.name} holds no receipt.")
    match node:
        case Work():
            return calls.due(plan, state, node) if state.pending else _attempt(plan, state, node)
        case Pause():
            return Wait(plan=state.plan, node=node.name, attempt=state.attempts[node.name], seconds=node.seconds)
        case Call():
            return children.spawned(plan, node, state)
        case _:
            raise OrderError(f"{node.name} waits for a person, and no gate is open.")


def _attempt(plan: Plan, state: State, node: Work) -> Run:
    inputs = admitted(plan, node, state)
    run = Run(
        plan=state.plan,
        node=node.name,
        attempt=state.attempts[node.name],
        inputs=inputs,
        feedback=state.feedback,
        # At the end of a loop nothing works: its guard looks at what the round gave.
        edited=inputs[node.params[0].name] if node.until and state.edited is None else state.edited,
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
        case Elapsed():
            return _elapse(plan, state, event)
        case Returned():
            return _return(plan, state, event)
        case Decided():
            return decisions.decide(plan, state, event)
        case Expired():
            return decisions.expire(plan, state, event)
        case Cancelled():
            return _cancel(plan, state, event)
        case _:
            assert_never(event)


# -- one function for each event -------------------------------------------------------------------


def _begin(plan: Plan, state: State, event: Begun) -> Step:
    if state.begun:
        raise OrderError("The run has begun already.")
    if event.plan != state.plan:
        raise OrderError("The input is for another plan.")
    check_order(plan)
    if event.inputs.keys() != plan.starts.keys():
        raise OrderError("The run does not start from what its plan starts from.")
    asks: Mapping[str, Json] = {} if event.asks else {"asks": False}
    how: Mapping[str, Json] = {"plan": plan.digest, "run": event.run, **asks, **lent(event.allowance)}
    values, receipts = {}, []
    for known in plan.inputs:
        held = event.inputs[known.name]
        if not held.sealed.intact:
            raise OrderError("The digest of the input is not that of its data.")
        if not held.label.meets(known.label):
            raise OrderError(f"The plan starts from {known.label} {known.name}, and was given {held.label}.")
        held = replace(held, label=known.label, private=held.private or known.private)
        values[known.name] = held
        receipts.append(Receipt(kind="begun", node=known.name, output=held.sealed.digest, label=held.label, how=how))
    begun = changed(state, begun=True, values=values, asks=event.asks, allowance=event.allowance)
    return enter(plan, begun, 0, tuple(receipts) or (Receipt(kind="begun", how=how),))


def _finish(plan: Plan, state: State, event: Finished) -> Step:
    node, run = _answered(plan, state, event)
    if event.contract != node.contract:
        raise OrderError(f"The output of {node.name} was validated against another contract.")
    if not event.output.intact:
        raise OrderError(f"The digest of the output of {node.name} is not that of its data.")
    if run.edited is not None and event.output.digest != run.edited.digest:
        raise OrderError(f"The guards of {node.name} looked at another value than the person gave.")
    size = run.allowance.output_bytes
    if run.edited is None and size is not None and len(event.output.opened()) > size:
        raise OrderError(f"The output of {node.name} is larger than the {size} bytes of its budget.")
    check_within(node, run.allowance, event.spent)
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
        how=_how(node, event),
    )
    state = charged(state, node, event.spent)
    if node.until is not None and said["retry"] and not said["block"] and state.edited is None:
        return _round(plan, state, node, said["retry"], receipt, event.output)
    if (said["block"] or said["retry"]) and repeats(node, state):
        return ask(plan, state, node, "unknown", said["block"] or said["retry"], (receipt,), candidate=event.output)
    if said["block"]:
        return ask(plan, state, node, "blocked", said["block"], (receipt,), candidate=event.output)
    if said["retry"]:
        return again(plan, state, node, said["retry"], receipt, event.output)
    if said["escalate"]:
        return ask(plan, state, node, "escalated", said["escalate"], (receipt,), candidate=event.output)
    return hold(plan, state, event.output, receipt)


def _how(node: Work, event: Finished | Failed) -> Mapping[str, Json]:
    """How a result came about, for its receipt."""
    return {**event.evidence, **told(event.spent), **proof_of(node, event.signed)}


def _round(plan: Plan, state: State, node: Work, reasons: tuple[str, ...], receipt: Receipt, output: Sealed) -> Step:
    """The guard at the end of a loop asks for another round."""
    assert node.until is not None
    if ways.rounds_left(node, state):
        return another_round(plan, state, node, reasons, (receipt,))
    if node.until.spent == "ask":
        return ask(plan, state, node, "spent", reasons, (receipt,), candidate=output)
    return hold(plan, state, output, replace(receipt, action="accepted", reason="its rounds are spent"))


def _elapse(plan: Plan, state: State, event: Elapsed) -> Step:
    wanted = due(plan, state)
    given = event.plan, event.node, event.attempt
    if not isinstance(wanted, Wait) or given != (wanted.plan, wanted.node, wanted.attempt):
        raise OrderError("No such time is to pass.")
    node = plan.steps[state.at]
    state = changed(state, marks={**state.marks, node.name: 1})
    return enter(plan, state, state.at + 1, (Receipt(kind="waited", node=node.name),))


def _return(plan: Plan, state: State, event: Returned) -> Step:
    node = _called(plan, state, event)
    charged_ = charged(state, node, event.spent)
    if state.ending is not None:
        return taken_back(plan, charged_, node, event)
    state, receipt = children.returned(node, charged_, event)
    return on_with(plan, state, node, (receipt,))


def _called(plan: Plan, state: State, event: Returned) -> Call:
    """The node of which a child run has ended; `OrderError` where no such run is under way."""
    node = plan.steps[state.at]
    if state.gate is not None or not isinstance(node, Call) or event.child not in children.under_way(state):
        raise OrderError("No such child run is under way.")
    if (event.plan, event.node, event.attempt) != (state.plan, node.name, state.attempts[node.name]):
        raise OrderError("No such child run is under way.")
    return node


def _cancel(plan: Plan, state: State, event: Cancelled) -> Step:
    if state.ending is not None:
        raise OrderError("The run is ending already.")
    receipts: list[Receipt] = []
    for one in event.returned:
        node = _called(plan, state, one)
        state, receipt = children.returned(node, charged(state, node, one.spent), one)
        receipts.append(receipt)
    return end(plan, state, Outcome(kind="cancelled", reason=event.reason), *receipts)


def _stop(plan: Plan, state: State, event: Stopped) -> Step:
    node, run = _answered(plan, state, event)
    said = said_by(node, asked_before(node, run), event.verdicts, event.inputs, "input")
    if not (said["block"] or said["retry"] or said["escalate"]):
        raise OrderError(f"Every guard let {node.name} run on these inputs, and it did not.")
    receipt = Receipt(
        kind="stopped",
        node=node.name,
        attempt=event.attempt,
        inputs=event.inputs,
        verdicts=event.verdicts,
        how={**code_of(event), **proof_of(node, event.signed)},
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
        kind="refused" if event.failure in REFUSED else "failed",
        node=node.name,
        attempt=event.attempt,
        inputs=event.inputs,
        reason=event.reason,
        action=event.failure,
        how=_how(node, event),
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
    check_within(node, run.allowance, event.spent)
    return replace(step, state=charged(step.state, node, event.spent))


def _act(plan: Plan, state: State, event: Acted) -> Step:
    wanted = None if state.gate else due(plan, state)
    if not isinstance(wanted, Act):
        raise OrderError("No call of a tool is due.")
    if (event.plan, event.node, event.attempt) != (wanted.plan, wanted.node, wanted.attempt):
        raise OrderError(f"The result is of a call of another attempt; one of {wanted.node} is due.")
    if event.call != wanted.call.id:
        raise OrderError(f"The result is of another call; one of {wanted.call.tool} is due.")
    node = plan.steps[state.at]
    assert isinstance(node, Work)
    return calls.act(plan, state, node, event)


# -- checks ----------------------------------------------------------------------------------------


def _answered(plan: Plan, state: State, event: Result) -> tuple[Work, Run]:
    """The node that an event answers, with the attempt that is due; `OrderError` unless it answers that one."""
    if state.gate is not None:
        raise OrderError(f"The run waits for a person at {state.gate.node}; no result is due.")
    wanted = due(plan, state)
    if not isinstance(wanted, Run):
        raise OrderError(f"The run waits for a call that {plan.steps[state.at].name} asked for; no result is due.")
    node = plan.steps[state.at]
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
