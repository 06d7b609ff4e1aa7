"""What follows: another attempt, the next node, a question to a person, the end. Pure, as the machine is."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from gatework.errors import OrderError
from gatework.machine import children, ways
from gatework.machine.admission import admitted, private, reason_to_ask, unaffordable
from gatework.machine.gates import asked, opened
from gatework.plan.expr import render
from gatework.plan.plan import Approval, Call, Choice, Join, Loop, Node, Part, Pause, Plan, Question, Work
from gatework.run.branches import only
from gatework.run.budget import Spent
from gatework.run.changed import changed
from gatework.run.events import Returned
from gatework.run.held import Held
from gatework.run.journal import Call as ToolCall
from gatework.run.state import GateKind, Outcome, Receipt, State, Step, Undoable
from gatework.values.canonical import Sealed

Receipts = tuple[Receipt, ...]


def enter(plan: Plan, state: State, at: int, receipts: Receipts, *, feedback: tuple[str, ...] = ()) -> Step:
    """Arrive at a node, passing over ways that are not taken and all that needs neither work nor time nor a person.

    `feedback` is for the stage that comes next.
    """
    while True:
        while at < len(plan.nodes) and ways.passed_over(state, plan.nodes[at]):
            at += 1
        state = changed(anew(state), at=at, gate=None, feedback=(), let_in="", let_in_by=(), edited=None, editor=())
        if at == len(plan.nodes):
            return end(plan, state, Outcome(kind="completed", node=plan.result), *receipts)
        node = plan.nodes[at]
        if not isinstance(node, Part):
            state = changed(state, branches={}, running={})
        try:
            arrived = _arrived(plan, state, node, receipts, feedback)
        except OrderError as error:
            return ask(plan, counted(state, node), node, "failed", (error.message,), receipts)
        if isinstance(arrived, Step):
            return arrived
        state, more = arrived
        receipts, at = (*receipts, *more), at + 1


def _arrived(
    plan: Plan, state: State, node: Node, receipts: Receipts, feedback: tuple[str, ...]
) -> Step | tuple[State, Receipts]:
    """The step that ends at a node; or the state behind it, with receipts, where the run goes on at once."""
    match node:
        case Work():
            return start(plan, state, node, feedback, receipts, fresh=True)
        case Approval():
            if asked := reason_to_ask(plan, node, state):
                return ask(plan, state, node, "approval", (asked,), receipts)
            return _by_rule(plan, state, node)
        case Question():
            return ask(plan, state, node, "question", (node.prompt,), receipts)
        case Pause():
            return Step(state=counted(state, node), receipts=receipts)
        case Choice():
            way, reason = ways.chosen(node, state)
            return changed(state, marks={**state.marks, node.name: way}), (ways.chose(node, way, reason),)
        case Join():
            return given(state, node, ways.joined(plan, node, state))
        case Loop():
            held = ways.first_round(node, state)
            state = changed(state, marks={**state.marks, node.name: 1})
            return with_value(state, node, held), (ways.rounded(node, held, 1),)
        case Call():
            return call(plan, counted(state, node), node, receipts)
        case Part():
            source = state.branches[node.child].held
            assert source is not None
            return given(state, node, children.part_of(plan, node, source, state))
        case _:
            assert_never(node)


def _by_rule(plan: Plan, state: State, node: Approval) -> tuple[State, Receipts]:
    """Past an approval that the plan's own rule gives."""
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
    held = Held(sealed=sealed, label=node.label, private=private(plan, node, state))
    return with_value(state, node, held), (receipt,)


def given(state: State, node: Join | Part, held: Held) -> tuple[State, Receipts]:
    """Past a node that gives on what another gave."""
    receipt = Receipt(kind="joined", node=node.name, output=held.sealed.digest, label=held.label)
    return with_value(state, node, held), (receipt,)


def with_value(state: State, node: Node, held: Held) -> State:
    """The state in which a node holds a value."""
    return changed(state, values={**state.values, node.name: held})


def hold(
    plan: Plan, state: State, sealed: Sealed, receipt: Receipt, *, by: tuple[str, ...] = (), over: tuple[str, ...] = ()
) -> Step:
    """The node at `at` has its value: go on to the next. `by`: who approved or answered it; `over`: who overrode."""
    node = plan.steps[state.at]
    edited = state.edited is not None
    editor = state.editor if edited else ()
    label = plan.label(node.name)
    kept = private(plan, node, state)
    held = Held(sealed=sealed, label=label, by_hand=edited, private=kept, by=by, editor=editor)
    if isinstance(node, Work) and node.until and not edited:
        # It looked at the value, and gives it on with all that is known of it.
        held = replace(state.values[node.reads[0].node], sealed=sealed, label=label)
    if over := (*over, *state.let_in_by):
        # It stands on their word, as what they give by hand does.
        held = replace(held, by_hand=True, editor=(*held.hands, *over))
    return go_on(plan, state, node, held, (receipt,))


def go_on(plan: Plan, state: State, node: Node, held: Held, receipts: Receipts) -> Step:
    """A node holds a value: go on to the next; from an undo to the one before it."""
    state = with_value(state, node, held)
    if state.ending is not None:
        return unwind(plan, changed(state, undoable=state.undoable[:-1]), receipts)
    if isinstance(node, Work) and node.undo:
        undo = plan.node(node.undo)
        read = {ref.node: state.values[ref.node] for ref in undo.reads}
        state = changed(state, undoable=(*state.undoable, Undoable(undo=node.undo, values=read)))
    return enter(plan, state, state.at + 1, receipts)


def call(plan: Plan, state: State, node: Call, receipts: Receipts) -> Step | tuple[State, Receipts]:
    """Have child runs under way for as long as some are left to come to something; then go on, or ask a person."""
    many = children.count(node, state)
    called: Receipts = ()
    stopping = children.stopping(node, state)
    if not stopping:
        state, called = children.admitted(plan, node, state)
        receipts = (*receipts, *called)
    if state.running:
        return Step(state=state, receipts=receipts)
    if len(state.branches) < many and not stopping:
        return ask(plan, state, node, "exhausted", ("the budget of the run has nothing left",), receipts)
    if node.failed != "collect" and (failed := children.failures(state)):
        return ask(plan, state, node, "failed", failed, receipts)
    if node.kind == "parallel":
        done = changed(state, marks={**state.marks, node.name: 1})
        return done, (*called, Receipt(kind="gathered", node=node.name))
    held = children.gathered(plan, node, state)
    receipt = Receipt(kind="gathered", node=node.name, output=held.sealed.digest, label=held.label)
    return with_value(state, node, held), (*called, receipt)


def on_with(plan: Plan, state: State, node: Call, receipts: Receipts) -> Step:
    """Child runs of the node at `at` have come to something, or are to: more of them, the next node, or a person."""
    try:
        arrived = call(plan, state, node, receipts)
    except OrderError as error:
        return ask(plan, state, node, "failed", (error.message,), receipts)
    if isinstance(arrived, Step):
        return arrived
    state, more = arrived
    return enter(plan, state, state.at + 1, (*receipts, *more))


def call_again(plan: Plan, state: State, node: Call, receipts: Receipts) -> Step:
    """Once more those child runs that gave nothing."""
    kept = only((number, branch) for number, branch in state.branches.items() if branch.held is not None)
    return on_with(plan, changed(counted(state, node), branches=kept, running={}), node, receipts)


def counted(state: State, node: Node) -> State:
    """The state with one more attempt of a node."""
    return changed(state, attempts={**state.attempts, node.name: state.attempts.get(node.name, 0) + 1})


def start(
    plan: Plan,
    state: State,
    node: Work,
    feedback: tuple[str, ...],
    receipts: Receipts,
    *,
    fresh: bool = False,
    let_again: str = "",
    candidate: Sealed | None = None,
) -> Step:
    """One more attempt of the node at `at`; or a person, where it may not run, or nothing is left to spend.

    A fresh attempt starts its count and its budget anew. `candidate` is what the last attempt gave.
    """
    state = changed(anew(state), let_again=let_again)
    if fresh:
        state = changed(state, renewed=state.spent.get(node.name, Spent()))
    try:
        admitted(plan, node, state)
    except OrderError as error:
        return ask(plan, state, node, "failed", (error.message,), receipts, candidate=candidate)
    if state.edited is None and (why := unaffordable(plan, node, state)):
        return ask(plan, state, node, "exhausted", (why,), receipts)
    state = counted(state, node)
    attempt = state.attempts[node.name]
    started = changed(
        state,
        gate=None,
        limit=attempt + node.attempts - 1 if fresh else state.limit,
        feedback=feedback,
    )
    return Step(state=started, receipts=receipts)


def again(
    plan: Plan, state: State, node: Work, reasons: tuple[str, ...], receipt: Receipt, output: Sealed | None = None
) -> Step:
    """Another attempt, told why; or a person, where the attempts or the budget are spent."""
    state = changed(state, feedback=(*state.feedback, *reasons))
    if state.edited is not None or state.attempts[node.name] >= state.limit:
        return ask(plan, state, node, "exhausted", reasons, (receipt,), candidate=output)
    if why := unaffordable(plan, node, state):
        return ask(plan, state, node, "exhausted", (*reasons, why), (receipt,), candidate=output)
    return start(plan, state, node, state.feedback, (receipt,), candidate=output)


def another_round(plan: Plan, state: State, node: Work, reasons: tuple[str, ...], receipts: Receipts) -> Step:
    """Go round a loop once more; the reasons are for the first stage of the round."""
    state, rounded = ways.next_round(plan, state, node)
    return enter(plan, changed(state, gate=None), state.at + 1, (*receipts, rounded), feedback=reasons)


def ask(
    plan: Plan,
    state: State,
    node: Node,
    kind: GateKind,
    reasons: tuple[str, ...],
    receipts: Receipts,
    *,
    candidate: Sealed | None = None,
    call: ToolCall | None = None,
    before: bool = False,
    handed_on: bool = False,
) -> Step:
    """Wait for a person; or end, where nobody is asked when work fails.

    An attempt goes on after a question about one of its calls, and ends at any other.
    """
    if state.running:  # what nobody hears of any more may have been done
        state = changed(state, acts=children.in_doubt(plan, state), running={})
    state = state if kind == "call" else anew(state)
    if not state.asks and kind in _FAILED and state.ending is None:
        return end(plan, state, Outcome(kind="failed", node=node.name, reason="; ".join(reasons)), *receipts)
    said = (given for receipt in receipts if receipt.node == node.name for given in receipt.verdicts)
    gate = opened(
        plan, state, node, kind, reasons, candidate=candidate, call=call, before=before, handed_on=handed_on,
        against=tuple(given for given in said if given.verdict != "pass"),
    )  # fmt: skip
    return Step(state=changed(state, gates=gate.id, gate=gate), receipts=(*receipts, asked(state, gate)))


_FAILED: tuple[GateKind, ...] = ("blocked", "exhausted", "failed", "spent")
"""Why a person is asked who is not, where a run was started to try and no more."""


# -- the end ---------------------------------------------------------------------------------------


def end(plan: Plan, state: State, outcome: Outcome, *receipts: Receipt) -> Step:
    """Nothing more happens in the run, but what undoes its work where it did not complete."""
    state = changed(anew(state), gate=None, running={}, edited=None, editor=(), feedback=(), let_in="", let_in_by=())
    if state.ending is not None:
        # What one undo came to does not keep the others from theirs.
        return unwind(plan, changed(state, undoable=state.undoable[:-1]), receipts)
    if outcome.kind == "completed" or not state.undoable:
        return _ended(plan, state, outcome, receipts)
    undoing = Receipt(
        kind="undoing", node=outcome.node, action=outcome.kind, by=outcome.by, reason=outcome.reason,
        how={"undo": [work.undo for work in reversed(state.undoable)]},
    )  # fmt: skip
    return unwind(plan, changed(state, ending=outcome), (*receipts, undoing))


def unwind(plan: Plan, state: State, receipts: Receipts) -> Step:
    """Undo the last piece of work that can be; after the first of them the run has ended."""
    assert state.ending is not None
    if not state.undoable:
        return _ended(plan, state, state.ending, receipts)
    last = state.undoable[-1]
    work = plan.node(last.undo)
    state = changed(
        anew(state),
        at=plan.index[last.undo],
        values={**state.values, **last.values},
        feedback=(),
        let_in="",
        let_in_by=(),
        edited=None,
        editor=(),
    )
    if isinstance(work, Call):
        return Step(state=counted(changed(state, gate=None, branches={}, running={}), work), receipts=receipts)
    assert isinstance(work, Work)
    return start(plan, state, work, (), receipts, fresh=True)


def taken_back(plan: Plan, state: State, node: Call, event: Returned) -> Step:
    """A child run was to take itself back: go on with what was done before it, or ask a person."""
    receipt = children.receipt_of(event)
    if event.outcome != "undone":
        reason = f"run {event.child + 1} was not undone" + (f": {event.reason}" if event.reason else "")
        return ask(plan, state, node, "failed", (reason,), (receipt,))
    return unwind(plan, changed(state, undoable=state.undoable[:-1]), (receipt,))


def _ended(plan: Plan, state: State, outcome: Outcome, receipts: Receipts) -> Step:
    ended = Receipt(kind="ended", node=outcome.node, action=outcome.kind, by=outcome.by, reason=outcome.reason)
    if outcome.kind == "completed":
        given = state.values[plan.result]
        ended = replace(ended, output=given.sealed.digest, label=given.label)
    return Step(state=changed(anew(state), outcome=outcome, gate=None), receipts=(*receipts, ended))


def anew(state: State) -> State:
    """The state without what belongs to one attempt: what it was answered, waits for, and was let do."""
    return changed(state, journal=(), pending=(), let_call="", let_again="", tried=0)
