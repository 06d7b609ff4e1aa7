"""Gates: opening one with its evidence, and what may be edited at it. Pure, as the machine is."""

from __future__ import annotations

from dataclasses import asdict, replace

from gatework.errors import OrderError
from gatework.machine.identity import excluded
from gatework.machine.ways import passed_over
from gatework.plan.plan import (
    OPERATOR,
    Approval,
    By,
    Call,
    Node,
    Plan,
    Question,
    ToolUse,
    Work,
)
from gatework.run.events import Given
from gatework.run.journal import Call as ToolCall
from gatework.run.state import ALLOWED, OVERRIDABLE, Gate, GateKind, Receipt, State
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.spelling import spelled


def opened(
    plan: Plan,
    state: State,
    node: Node,
    kind: GateKind,
    reasons: tuple[str, ...],
    *,
    candidate: Sealed | None,
    call: ToolCall | None,
    before: bool,
    handed_on: bool,
    against: tuple[Given, ...] = (),
) -> Gate:
    """A gate, whose evidence is everything that the person is shown."""
    # What a way gave that was not taken is not there to be shown.
    shown = {ref.node: state.values[ref.node].sealed.digest for ref in node.reads if ref.node in state.values}
    if candidate is not None:
        shown[node.name] = candidate.digest
    number = state.gates + 1
    by = asked_at(node, handed_on=handed_on)
    override = node.override if isinstance(node, Work) and kind in OVERRIDABLE else None
    if call is not None:
        assert isinstance(node, Work)
        # No node has such a name, so none of what is shown takes the place of another.
        shown[f"{call.tool}()"] = digest_of(plan, state, call)
        if kind == "call":
            by = granted(node, call.tool).approver or by
    gate = Gate(
        id=number,
        kind=kind,
        node=node.name,
        by=by,
        not_by=excluded(plan, state, node, override or by) if override or "approve" in ALLOWED[kind] else (),
        override=override,
        against=against,
        handed_on=handed_on,
        evidence="",
        shown=shown,
        reasons=reasons,
        place=_place(plan, state, node, before=before),
        before=before,
        candidate=candidate,
        call=call,
        expires_seconds=waits(node),
        # The evidence of a run's first gate cannot have been another; that of later ones can.
        click=isinstance(node, Approval) and node.click and number == 1,
    )
    # All that the receipt says of the gate is what a decision on it is bound to.
    said = {name: value for name, value in asdict(asked(state, gate)).items() if value}
    return replace(gate, evidence=canonical.digest("gate", {"plan": state.plan, **said}))


def asked(state: State, gate: Gate) -> Receipt:
    """That a person is asked at a gate, with all that is needed to compute its evidence again."""
    how: dict[str, Json] = {}
    if gate.call is not None:
        how |= {"tool": gate.call.tool, "key": gate.call.key, "call": gate.call.id}
    if gate.not_by:
        how["not_by"] = list(gate.not_by)
    if gate.handed_on:
        how["handed_on"] = True
    return Receipt(
        kind="asked",
        node=gate.node,
        attempt=state.attempts[gate.node] if gate.call is not None else 0,
        gate=gate.id,
        evidence=gate.evidence,
        shown=gate.shown,
        action=gate.kind,
        reason="; ".join(gate.reasons),
        how=how,
    )


OPERATORS_SECONDS = 604_800.0
"""How long a gate waits at a node that does not say: one at which nobody works, and nothing should go wrong."""


def asked_at(node: Node, *, handed_on: bool = False) -> By:
    """Who is asked where a node waits."""
    match node:
        case Work() | Call():
            return node.operator
        case Approval() | Question():
            return (handed_on and node.otherwise) or node.by
        case _:
            return OPERATOR


def waits(node: Node) -> float:
    """How many seconds a gate of a node waits."""
    return node.expires_seconds if isinstance(node, Work | Approval | Question | Call) else OPERATORS_SECONDS


def granted(node: Work, tool: str) -> ToolUse:
    """How a node may use a tool that it has been let call. Raises `OrderError` where the plan does not grant it."""
    use = node.tool(tool)
    if use is None:
        raise OrderError(f"{node.name} does not hold the tool of this call.")
    return use


def digest_of(plan: Plan, state: State, call: ToolCall) -> str:
    """What names the arguments of a call, at gates and in receipts: the same arguments, the same digest."""
    return arguments_of(plan, state, call).digest


def arguments_of(plan: Plan, state: State, call: ToolCall) -> Sealed:
    """The arguments of a call of the node at `at`, in the one spelling in which they are compared.

    Salted as the input of the run is, which stays where it is once there was an effect: arguments are short.
    """
    node = plan.steps[state.at]
    assert isinstance(node, Work)
    arguments = spelled(plan.contracts.get(granted(node, call.tool).arguments), call.arguments)
    salts = [state.values[start.name].sealed.salt for start in plan.inputs]
    salt = salts[0] if len(salts) == 1 else canonical.digest("salts", salts)[:32]
    # Not that salt itself: where the arguments of a call are shown to somebody, the input stays as hidden as it was.
    return Sealed.of(arguments, bytes.fromhex(canonical.digest("arguments", salt)[:32]))


def fixed(plan: Plan, state: State, place: str) -> str:
    """Why the value of a place cannot be replaced, in a sentence; empty where it can."""
    position = -1 if place in plan.starts else plan.index.get(place, len(plan.steps))
    if state.ending is not None and (position != state.at or isinstance(plan.steps[position], Call)):
        return "The run is being undone; only what undoes it now can be given by hand."
    if position > state.at:
        return f"There is no value named {place} yet."
    if position >= 0 and (why := _given_on(plan.steps[position])):
        return why
    if position >= 0 and passed_over(state, plan.steps[position]):
        return f"{place} is in a way that was not taken."
    acted = {done.node for done in state.acts.values() if done.happened}
    if place in acted and position < state.at:
        return f"{place} records an effect that has happened; it cannot be edited."
    for later in plan.nodes[position + 1 :]:
        if later.name in acted:
            return f"The effect of {later.name} depends on {place}; it cannot be edited any more."
    return ""


def _given_on(node: Node) -> str:
    """Why nobody can give the value of such a node by hand; empty where they can."""
    match node:
        case Work():
            return ""
        case Approval():
            return f"{node.name} is an approval; edit the value that it approves."
        case Question():
            return f"{node.name} was answered by a person; what rests on the answer can be edited."
        case Call() if node.kind != "parallel":
            return ""
        case _:
            return f"{node.name} has no value of its own; edit one that it rests on."


def _place(plan: Plan, state: State, node: Node, *, before: bool) -> str:
    """What an edit at a gate replaces unless it names another place."""
    if isinstance(node, Approval):
        return node.value.node
    before = before or bool(_given_on(node))
    read = []
    for ref in node.reads if before else ():
        source = plan.node(ref.node) if ref.node in plan.index else None
        read.append(source.value.node if isinstance(source, Approval) else ref.node)
    return next((name for name in read if not fixed(plan, state, name)), node.name)


def repeats(node: Work, state: State) -> bool:
    """Whether running the node could do again what a person says has been done, and nothing would tell."""
    return state.edited is not None and not all(use.probe for use in node.effects)


def in_doubt(plan: Plan, gate: Gate) -> bool:
    """Whether another attempt could repeat an effect: nothing but the person at the gate can tell what became of it."""
    if gate.kind != "unknown":
        return False
    node = plan.node(gate.node)
    return gate.call is None or not (isinstance(node, Work) and granted(node, gate.call.tool).probe)
