"""What follows: another attempt, the next node, a question to a person, the end. Pure, as the machine is."""

from __future__ import annotations

from dataclasses import replace

from gatework.admission import admitted, private, reason_to_ask, unaffordable
from gatework.budget import Spent
from gatework.canonical import Sealed
from gatework.errors import OrderError
from gatework.expr import render
from gatework.gates import opened
from gatework.journal import Call
from gatework.plan import Approval, Plan, Work
from gatework.state import GateKind, Held, Outcome, Receipt, State, Step


def enter(plan: Plan, state: State, at: int, receipts: tuple[Receipt, ...]) -> Step:
    """Arrive at a node, passing over approvals that their rule gives."""
    state = replace(anew(state), at=at, feedback=(), let_in="", edited=None, editor=())
    if at == len(plan.nodes):
        return end(state, Outcome(kind="completed", node=plan.result), *receipts)
    node = plan.nodes[at]
    if isinstance(node, Work):
        return start(plan, state, node, (), receipts, fresh=True)
    asked = reason_to_ask(plan, node, state)
    if asked:
        return ask(plan, state, node, "approval", (asked,), receipts)
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
    went_on = hold(plan, state, sealed, receipt)
    return Step(state=went_on.state, receipts=(*receipts, *went_on.receipts))


def hold(plan: Plan, state: State, sealed: Sealed, receipt: Receipt, *, by: tuple[str, ...] = ()) -> Step:
    """The node at `at` has its value: go on to the next. `by`: who approved it."""
    node = plan.nodes[state.at]
    edited = state.edited is not None
    editor = state.editor if edited else ()
    held = Held(sealed=sealed, label=node.label, by_hand=edited, private=private(node, state), by=by, editor=editor)
    return enter(plan, replace(state, values={**state.values, node.name: held}), state.at + 1, (receipt,))


def start(
    plan: Plan,
    state: State,
    node: Work,
    feedback: tuple[str, ...],
    receipts: tuple[Receipt, ...],
    *,
    fresh: bool = False,
    let_again: str = "",
) -> Step:
    """One more attempt of the node at `at`; or a person, where it may not run, or nothing is left to spend.

    A fresh attempt starts its count and its budget anew.
    """
    state = replace(anew(state), let_again=let_again)
    if fresh:
        state = replace(state, renewed=state.spent.get(node.name, Spent()))
    try:
        admitted(plan, node, state)
    except OrderError as error:
        return ask(plan, state, node, "failed", (error.message,), receipts)
    if state.edited is None and (why := unaffordable(plan, node, state)):
        return ask(plan, state, node, "exhausted", (why,), receipts)
    attempt = state.attempts.get(node.name, 0) + 1
    started = replace(
        state,
        gate=None,
        attempts={**state.attempts, node.name: attempt},
        limit=attempt + node.attempts - 1 if fresh else state.limit,
        feedback=feedback,
    )
    return Step(state=started, receipts=receipts)


def again(
    plan: Plan, state: State, node: Work, reasons: tuple[str, ...], receipt: Receipt, output: Sealed | None = None
) -> Step:
    """Another attempt, told why; or a person, where the attempts or the budget are spent."""
    state = replace(state, feedback=(*state.feedback, *reasons))
    if state.edited is not None or state.attempts[node.name] >= state.limit:
        return ask(plan, state, node, "exhausted", reasons, (receipt,), candidate=output)
    if why := unaffordable(plan, node, state):
        return ask(plan, state, node, "exhausted", (*reasons, why), (receipt,), candidate=output)
    return start(plan, state, node, state.feedback, (receipt,))


def ask(
    plan: Plan,
    state: State,
    node: Work | Approval,
    kind: GateKind,
    reasons: tuple[str, ...],
    receipts: tuple[Receipt, ...],
    *,
    candidate: Sealed | None = None,
    call: Call | None = None,
    before: bool = False,
    handed_on: bool = False,
) -> Step:
    """Wait for a person. An attempt goes on after a question about one of its calls, and ends at any other."""
    state = state if kind == "call" else anew(state)
    gate = opened(plan, state, node, kind, reasons, candidate=candidate, call=call, before=before, handed_on=handed_on)
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


def end(state: State, outcome: Outcome, *receipts: Receipt) -> Step:
    """Nothing more happens in the run."""
    ended = Receipt(kind="ended", node=outcome.node, action=outcome.kind, by=outcome.by, reason=outcome.reason)
    return Step(state=replace(anew(state), outcome=outcome, gate=None), receipts=(*receipts, ended))


def anew(state: State) -> State:
    """The state without what belongs to one attempt: what it was answered, waits for, and was let do."""
    return replace(state, journal=(), pending=(), let_call="", let_again="", tried=0)
