"""The walk through a ledger: from a state and the next entry to the state after it, or a refusal.

It is written from docs/spec/ledger.md and shares no code with the machine that made the ledger: a fault of the one is
found by the other. Pure: no input or output, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gatework.plan.plan import Plan
from gatework.run.state import Receipt
from gatework.verify import budgets, calls, children, decisions, gates, limits, moves, ways, work
from gatework.verify.account import lent_in
from gatework.verify.entries import says
from gatework.verify.onward import arrive, settled, undoing, unstarted, with_hands
from gatework.verify.refusal import must
from gatework.verify.state import Ending, Held, State
from gatework.verify.values import Disclosed

Rule = Callable[[Disclosed, State, Receipt], State]


def start(plan: Plan) -> State:
    """A run of which nothing is known but its plan."""
    return State(plan=plan)


def step(known: Disclosed, state: State, receipt: Receipt) -> State:
    """The state after a receipt. Raises `Refused` where no rule admits it there."""
    must(state.phase != "over" or receipt.kind == "resumed", "order", "The run had ended before this.")
    must((state.phase == "begin") is (receipt.kind == "begun"), "order", "A run begins with its inputs, and once.")
    after = _RULES[receipt.kind](known, budgets.charged(state, receipt), receipt)
    limits.keep(known, state, receipt)
    budgets.keep(known, state, receipt)
    return after


# -- beginning and end -----------------------------------------------------------------------------


def _begun(known: Disclosed, state: State, receipt: Receipt) -> State:
    plan, how = state.plan, receipt.how
    must(says(receipt, "output", "label"), "order", "What begins says more than it may.")
    must(how.get("plan") == plan.digest, "plan", "The run began on another plan.")
    must("run" in how, "order", "The run does not say of which lineage it is.")
    run = how["run"]
    if state.inputs:
        same = run == state.lineage and how.get("asks", True) is state.asks and lent_in(how) == state.given
        must(same, "order", "The inputs of the run are of several runs.")
    must(how.get("asks") is not True, "format", "What is so in any run is left out.")
    state = replace(state, inputs=state.inputs + 1, lineage=run, asks=how.get("asks", True), given=lent_in(how))
    if not plan.inputs:
        must(not (receipt.node or receipt.output or receipt.label), "order", "The plan starts from nothing.")
        return arrive(state, 0)
    wanted = plan.inputs[state.inputs - 1]
    must(receipt.node == wanted.name, "order", "The run begins with another input than is due.")
    must(bool(receipt.output) and receipt.label == wanted.label, "order", "The input has not the label of the plan.")
    known.contract(wanted.contract, receipt.output)
    held = with_hands(Held(digest=receipt.output, label=receipt.label), [known.given.get(wanted.name)])
    state = replace(state, held={**state.held, wanted.name: held})
    return arrive(state, 0) if state.inputs == len(plan.inputs) else state


def _ended(known: Disclosed, state: State, receipt: Receipt) -> State:
    must(says(receipt, "output", "label", "action", "by", "reason"), "order", "The end says more than it may.")
    if receipt.action == "completed":
        return _completed(state, receipt)
    must(not receipt.output and not receipt.label, "order", "A run that did not complete gives nothing.")
    if state.ending:
        done = state.phase == "end" and receipt.action == state.ending.action
        must(done, "order", "Not all work is undone, or the end is another than was said.")
        must(_ending(receipt) == state.ending, "turn", "The end is told otherwise than before the run was undone.")
    else:
        must(not state.undoable, "order", "The run ends, and what can be undone is not.")
        _may_end(state, receipt)
    state = unstarted(state) if receipt.action == "failed" else state
    return replace(state, phase="over", outcome=receipt.action, gate=None, running=frozenset())


def _completed(state: State, receipt: Receipt) -> State:
    given = state.held.get(state.plan.result)
    must(state.phase == "behind" and given is not None, "order", "The run is not at its end.")
    must(not receipt.by and not receipt.reason, "turn", "A run that completed names somebody, or a reason.")
    assert given is not None
    same = (receipt.node, receipt.output, receipt.label) == (state.plan.result, given.digest, given.label)
    must(same, "order", "What the run gives is not what its last node gave.")
    return replace(state, phase="over", outcome="completed", gate=None, running=frozenset())


def _undoing(known: Disclosed, state: State, receipt: Receipt) -> State:
    must(says(receipt, "action", "by", "reason"), "order", "It says more than it may.")
    if state.ending:
        # An undo at whose gate nobody answered is left; no other receipt says so.
        gate = state.gate
        left = state.phase == "gate" and gate is not None and "undo" not in receipt.how
        must(left and receipt.action == "expired", "order", "The run is being undone already.")
        named = gate is not None and receipt.node == gate.node and not receipt.by
        must(named, "turn", "Another undo is left than nobody answered for.")
        return undoing(replace(state, undoable=state.undoable[:-1]))
    wanted = [one.undo for one in reversed(state.undoable)]
    must(bool(wanted) and receipt.how.get("undo") == wanted, "order", "That is not all that is to be undone.")
    _may_end(state, receipt)
    state = unstarted(state) if receipt.action == "failed" else state
    return undoing(replace(state, ending=_ending(receipt), running=frozenset()))


def _ending(receipt: Receipt) -> Ending:
    return Ending(action=receipt.action, node=receipt.node, by=receipt.by, reason=receipt.reason)


def _may_end(state: State, receipt: Receipt) -> None:
    """Raise `Refused` unless the run may end so, now, and the receipt says where."""
    gate, here, expected = state.gate, state.here, Ending(action=receipt.action, reason=receipt.reason)
    may, does = False, True
    match receipt.action:
        case "rejected" | "aborted" | "undone" if state.ends is not None:
            may, expected = state.ends.action == receipt.action, state.ends
        case "expired" if state.phase == "gate" and gate is not None:
            may, expected = not gates.otherwise(state, gate), replace(expected, node=gate.node)
        case "cancelled" if here is not None:
            may, does = state.phase != "end", settled(state)
        case "failed" if here is not None:
            may, expected = state.phase != "end" and not state.asks, replace(expected, node=here.name)
            does = any(gates.fails(ask) for ask in gates.allowed(state))
        case _:
            pass
    must(may, "order", "The run may not end so here.")
    must(does and _ending(receipt) == expected, "turn", "The run ends where it would not, or another end is told.")


_RULES: Mapping[str, Rule] = {
    "begun": _begun,
    "output": work.output,
    "stopped": work.stopped,
    "refused": work.failed,
    "failed": work.failed,
    "suspended": calls.suspended,
    "acting": calls.acting,
    "acted": calls.acted,
    "chose": ways.chose,
    "joined": ways.joined,
    "round": ways.rounded,
    "waited": ways.waited,
    "called": children.called,
    "returned": children.returned,
    "gathered": children.gathered,
    "approved": ways.approved,
    "asked": gates.asked,
    "decided": decisions.decided,
    "migrated": moves.migrated,
    "resumed": moves.resumed,
    "undoing": _undoing,
    "ended": _ended,
}
"""Kind of receipt → its rule."""
