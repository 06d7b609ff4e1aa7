"""Gates: which may be opened, and the evidence that is shown there. Section 5.4 of the specification."""

from __future__ import annotations

from dataclasses import asdict, replace

from gatework.plan.expr import Ref
from gatework.plan.plan import OPERATOR, Approval, By, Choice, Join, Loop, Node, Part, Question, Work
from gatework.plan.plan import Call as CallNode
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.verify import budgets, calls, people
from gatework.verify.children import in_doubt
from gatework.verify.entries import says
from gatework.verify.onward import anew, editors, unstarted
from gatework.verify.refusal import Code, Refused, must
from gatework.verify.state import Ask, Gate, State
from gatework.verify.values import Disclosed

FAILED = frozenset({"blocked", "exhausted", "failed", "spent"})
"""Kinds of gates that are not opened where nobody is asked when work fails."""

ACTIONS = {
    "question": ("answer", "abort"),
    "spent": ("approve", "reject", "retry", "edit", "abort"),
    "approval": ("approve", "reject", "edit", "abort"),
    "call": ("approve", "reject", "abort"),
    "escalated": ("approve", "reject", "edit", "abort"),
    "blocked": ("retry", "edit", "abort"),
    "exhausted": ("retry", "edit", "abort"),
    "failed": ("retry", "edit", "abort"),
    "unknown": ("retry", "edit", "abort"),
}
"""What may be decided at a gate of each kind."""


OVERRIDABLE = frozenset({"blocked", "exhausted", "failed", "unknown"})
"""Kinds of gates at which somebody may override, where the plan names who."""


def allowed(state: State) -> tuple[Ask, ...]:
    """The gates that may be opened now."""
    match state.phase:
        case "ask":
            return (state.ask,) if state.ask else ()
        case "works":
            return (Ask(kinds=("failed",)),)
        case "calls":
            due = calls.due(state)
            return (Ask(kinds=("failed",)), *((due,) if isinstance(due, Ask) else ()))
        case "at" if state.here is not None:
            if state.again is not None:
                return (state.again,) if budgets.used_up(state) else ()
            return (Ask(kinds=_at(state, state.here)),)
        case _:
            return ()


def _at(state: State, node: Node) -> tuple[str, ...]:
    """The kinds of gates that may be opened at a node before anything has happened there."""
    match node:
        case Work():
            return ("failed", "exhausted") if budgets.used_up(state) and not state.edited else ("failed",)
        case Approval():
            return ("approval",)
        case Question():
            return ("question",)
        case CallNode() if state.ending:
            return ()
        case CallNode():
            return ("failed", "exhausted") if budgets.used_up(state) and not state.running else ("failed",)
        case Choice() | Join() | Loop() | Part():
            return ("failed",)
        case _:
            return ()


def fails(ask: Ask) -> bool:
    """Whether a run in which nobody is asked when work fails may end in place of such a gate."""
    return not FAILED.isdisjoint(ask.kinds)


def asked(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A person is asked."""
    must(
        says(receipt, "attempt", "gate", "shown", "evidence", "action", "reason"),
        "order",
        "A gate says more than it may.",
    )
    how = receipt.how
    node = state.here
    if node is None or receipt.node != node.name:
        raise Refused("order", "The gate is of another node than the one that is due.")
    must(how.get("handed_on") in (None, True), "format", "What is not so is left out.")
    if "handed_on" in how:
        ask = _handed_on(state, receipt)
    else:
        alike = (one for one in allowed(state) if (one.call is not None) is ("call" in how))
        fits = [one for one in alike if receipt.action in one.kinds]
        must(bool(fits), _harmless(state, receipt), "No person is to be asked this here.")
        ask = fits[0]
        nobody = not state.asks and not state.ending and receipt.action in FAILED
        must(not nobody, "turn", "A person is asked in a run in which nobody is.")
        state = unstarted(state)
    must(receipt.gate == state.gates + 1, "order", "The gates are not counted one by one.")
    _evidence(state, node, ask, receipt)
    not_by = tuple(how.get("not_by", ()))
    here = _plain(state, receipt)
    override = overriding(state, here)
    if "approve" in ACTIONS[receipt.action] or override:
        _must_keep_off(known, state, node, override or asked_at(state, here), not_by)
    else:
        must(not not_by, "distinct", "Somebody is kept off where nobody approves.")
    gate = Gate(
        id=receipt.gate,
        kind=receipt.action,
        node=node.name,
        evidence=receipt.evidence,
        candidate=ask.candidate,
        call=ask.call,
        before=ask.before,
        against=ask.against,
        handed_on="handed_on" in how,
        not_by=not_by,
    )
    if receipt.action != "call":
        state = replace(anew(state), acts=in_doubt(state), running=frozenset())
    return replace(state, phase="gate", gate=gate, gates=gate.id, again=None, ask=None)


def _harmless(state: State, receipt: Receipt) -> Code:
    """The code for a gate that does not belong here: it lets nothing on, or is one at which something may pass."""
    here = state.phase in ("at", "works", "calls", "sent", "ask")
    about = next((call for call in state.pending if call.call == receipt.how.get("call")), None)
    if receipt.action == "call":
        harmless = about is not None and calls.use_of(state, about.tool).approver is not None
    else:
        harmless = receipt.action in OVERRIDABLE and (about is not None or "call" not in receipt.how)
    return "turn" if here and harmless else "order"


def _handed_on(state: State, receipt: Receipt) -> Ask:
    gate = state.gate
    waits = state.phase == "gate" and gate is not None and gate.kind == receipt.action
    if not waits or gate is None or otherwise(state, gate) is None:
        raise Refused("order", "Nothing waits here that could be handed on.")
    return Ask(kinds=(gate.kind,), candidate=gate.candidate)


def otherwise(state: State, gate: Gate) -> By | None:
    """Who is asked next where nobody answers a gate; None where nobody is."""
    node = state.plan.node(gate.node)
    return node.otherwise if isinstance(node, Approval | Question) and not gate.handed_on else None


def asked_of(state: State, gate: Gate, action: str) -> By:
    """Who may decide so at a gate."""
    override = overriding(state, gate)
    return override if action == "override" and override else asked_at(state, gate)


def overriding(state: State, gate: Gate) -> By | None:
    """Who may override at a gate; None where nobody may."""
    node = state.plan.node(gate.node)
    return node.override if isinstance(node, Work) and gate.kind in OVERRIDABLE else None


def asked_at(state: State, gate: Gate) -> By:
    """Who is asked at a gate."""
    node = state.plan.node(gate.node)
    match node:
        case Work() if gate.kind == "call" and gate.call is not None:
            return calls.use_of(state, gate.call.tool).approver or node.operator
        case Work() | CallNode():
            return node.operator
        case Approval() | Question():
            return (gate.handed_on and node.otherwise) or node.by
        case _:
            return OPERATOR


def _evidence(state: State, node: Node, ask: Ask, receipt: Receipt) -> None:
    """Raise `Refused` unless what is shown is what is held, and the evidence is its digest."""
    shown = {ref.node: state.held[ref.node].digest for ref in node.reads if ref.node in state.held}
    if ask.candidate:
        shown[node.name] = ask.candidate
    if ask.call is not None:
        shown[f"{ask.call.tool}()"] = ask.call.arguments
        call = {"tool": ask.call.tool, "key": ask.call.key, "call": ask.call.call}
        same = {name: receipt.how.get(name) for name in call} == call
        must(same, "evidence", "The gate is about another call.")
    else:
        must(not receipt.how.keys() & {"tool", "key", "call"}, "order", "A gate that is about no call names one.")
    attempt = state.attempts[node.name] if ask.call is not None else 0
    must(receipt.attempt == attempt, "order", "The number of the attempt is not the one that is asked about.")
    must(dict(receipt.shown) == shown, "evidence", "What a person was shown is not what the run holds.")
    said = {name: value for name, value in asdict(replace(receipt, evidence="")).items() if value}
    own = canonical.digest("gate", {"plan": state.plan.digest, **said})
    must(receipt.evidence == own, "evidence", "The evidence is not the digest of what was shown.")


def _must_keep_off(known: Disclosed, state: State, node: Node, by: By, not_by: tuple[str, ...]) -> None:
    """Raise `Refused` unless a gate keeps off all who may not approve there, as far as that is known."""
    tells_apart = node.tells_apart if isinstance(node, Approval) else by.quorum > 1
    if not tells_apart:
        must(not not_by, "distinct", "Somebody is kept off where people are not told from each other.")
        return
    names: list[str] = []
    for ref in node.not_by if isinstance(node, Approval) else ():
        names += _named(known, state, ref)
    names += editors(state)
    if state.edited:
        names += state.editor or ("",)
    kept_off = {people.plain(name) for name in not_by}
    must({people.plain(name) for name in names} <= kept_off, "distinct",
         "A gate does not keep off whoever may not approve there.")  # fmt: skip


def _plain(state: State, receipt: Receipt) -> Gate:
    """The gate of a receipt as far as it says who is asked."""
    call = state.pending[0] if receipt.action == "call" and state.pending else None
    return Gate(
        id=receipt.gate,
        kind=receipt.action,
        node=receipt.node,
        evidence="",
        call=call,
        handed_on="handed_on" in receipt.how,
    )


def _named(known: Disclosed, state: State, ref: Ref) -> tuple[str, ...]:
    """Whom a value of the plan names, as far as that is known."""
    held = state.held[ref.node]
    if not ref.path and held.label == "approved":
        return held.by
    if not known.has(held.digest):
        known.unchecked("names of those who may not approve, in withheld values")
        return ()
    value = known.data(held.digest)
    for name in ref.path:
        value = value.get(name) if isinstance(value, dict) else None
    return (value if isinstance(value, str) else "",)
