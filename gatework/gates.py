"""Gates: opening one with its evidence, and what may be edited at it. Pure, as the machine is."""

from __future__ import annotations

from gatework import canonical
from gatework.canonical import Sealed
from gatework.plan import Approval, Plan, Work
from gatework.state import Gate, GateKind, State


def opened(
    plan: Plan,
    state: State,
    node: Work | Approval,
    kind: GateKind,
    reasons: tuple[str, ...],
    *,
    candidate: Sealed | None,
    before: bool,
) -> Gate:
    """A gate, whose evidence is everything that the person is shown."""
    shown = {ref.node: state.values[ref.node].sealed.digest for ref in node.reads}
    if candidate is not None:
        shown[node.name] = candidate.digest
    number = state.gates + 1
    evidence = canonical.digest(
        "gate", {"plan": state.plan, "gate": number, "node": node.name, "shown": shown, "reasons": list(reasons)}
    )
    return Gate(
        id=number,
        kind=kind,
        node=node.name,
        role=node.operator if isinstance(node, Work) else node.role,
        evidence=evidence,
        shown=shown,
        reasons=reasons,
        place=_place(plan, state, node, before=before),
        before=before,
        candidate=candidate,
        expires_seconds=node.expires_seconds,
        # The evidence of a run's first gate cannot have been another; that of later ones can.
        click=isinstance(node, Approval) and node.click and number == 1,
    )


def fixed(plan: Plan, state: State, place: str) -> str:
    """Why the value of a place cannot be replaced, in a sentence; empty where it can."""
    position = -1 if place == plan.input.name else plan.index.get(place, len(plan.nodes))
    if position > state.at:
        return f"There is no value named {place} yet."
    node = None if position < 0 else plan.nodes[position]
    if isinstance(node, Approval):
        return f"{place} is an approval; edit the value that it approves."
    if node is not None and node.tools and position < state.at:
        return f"{place} records an effect that has happened; it cannot be edited."
    for later in plan.nodes[position + 1 :]:
        if later.name in state.effects:
            return f"The effect of {later.name} depends on {place}; it cannot be edited any more."
    return ""


def _place(plan: Plan, state: State, node: Work | Approval, *, before: bool) -> str:
    """What an edit at a gate replaces unless it names another place."""
    if isinstance(node, Approval):
        return node.value.node
    read = []
    for ref in node.reads if before else ():
        source = plan.nodes[plan.index[ref.node]] if ref.node in plan.index else None
        read.append(source.value.node if isinstance(source, Approval) else ref.node)
    return next((name for name in read if not fixed(plan, state, name)), node.name)


def in_doubt(node: Work, *, sent: bool) -> bool:
    """Whether running the node again could repeat an effect: one was sent that cannot be asked about."""
    return sent and not all(tool.probe for tool in node.tools)
