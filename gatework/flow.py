"""What flows where: which values must not leave, and whether outside text could steer them out. Pure.

Private is a mark beside the label. It is never written in types: a tool that reads what must not leave makes it, and
whatever is computed from such a value has it, for ever; no endorsement and no approval takes it off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatework.canonical import Json
from gatework.expr import Ref
from gatework.grant import pins
from gatework.labels import Label, combined
from gatework.plan import (
    Approval,
    Arm,
    Call,
    Choice,
    Join,
    Loop,
    Node,
    Part,
    Pause,
    Plan,
    Question,
    ToolUse,
    Work,
)


def reads_outside(tools: Sequence[ToolUse]) -> bool:
    """Whether some tool gives outside text."""
    return any(use.untrusted for use in tools)


def reads_private(tools: Sequence[ToolUse]) -> bool:
    """Whether some tool gives what must not leave."""
    return any(use.private for use in tools)


def private_nodes(plan: Plan) -> frozenset[str]:
    """The nodes whose output must not leave."""
    found = {start.name for start in plan.inputs if start.private}
    for node in plan.steps:
        if is_private(plan, node, found):
            found.add(node.name)
    return frozenset(found)


def is_private(plan: Plan, node: Node, private: set[str] | frozenset[str]) -> bool:
    """Whether what a node makes must not leave, where the values of the nodes `private` must not.

    A limit tells whoever is held to it something of the value that it refers to: it is read as an input is. So does a
    choice of what it looks at, to whoever has what the way gave.
    """
    match node:
        case Work():
            return reads_private(node.tools) or any(ref.node in private for ref in node.reads)
        case Approval():
            return node.value.node in private
        case Question() | Pause() | Choice():
            return False
        case Join():
            decided = plan.node(node.choice).reads
            return any(ref.node in private for ref in (*node.options, *decided))
        case Loop():
            end = end_of(plan, node)
            return node.start.node in private or _private_round(plan, node, end, private)
        case Call():
            return any(child.private for child in node.children) or any(ref.node in private for ref in node.reads)
        case Part():
            call = plan.node(node.call)
            return is_private(plan, call, private)


# -- ways and loops --------------------------------------------------------------------------------


def arms(plan: Plan, node: Node) -> tuple[Arm, ...]:
    """The ways inside which a node stands, the innermost first."""
    found = []
    arm = node.arm
    while arm is not None:
        found.append(arm)
        arm = plan.node(arm.choice).arm
    return tuple(found)


def steering(plan: Plan, node: Node) -> tuple[Ref, ...]:
    """What decides whether a node runs at all."""
    return tuple(ref for arm in arms(plan, node) for ref in plan.node(arm.choice).reads)


def vouched(plan: Plan, node: Work | Call) -> bool:
    """Whether somebody vouches for what a node is given inside each way that outside text may have picked for it.

    Our own records do, or a person, at a node of that way; and a person alone where some way of that choice asks one:
    outside text must not talk itself out of an approval by picking another way.
    """
    return all(
        _vouched_in(plan, node, arm)
        for arm in arms(plan, node)
        if any(plan.label(ref.node) is Label.UNTRUSTED for ref in plan.node(arm.choice).reads)
    )


def _vouched_in(plan: Plan, node: Work | Call, arm: Arm) -> bool:
    """Whether an input of a node comes from what vouches for it inside a way."""
    people = any(
        isinstance(other, Approval | Question) and any(one.choice == arm.choice for one in arms(plan, other))
        for other in plan.nodes
    )
    found: set[str] = set()
    for other in plan.nodes[: plan.index[node.name]]:
        if arm not in arms(plan, other):
            continue
        vouches = isinstance(other, Approval | Question) or (other.kind == "endorse" and not people)
        if vouches or any(ref.node in found for ref in other.reads):
            found.add(other.name)
    return any(ref.node in found for ref in node.reads)


def label_joined(labels: Sequence[Label], decides: Label) -> Label | None:
    """The label of what a choice gives, of which its ways give these; None where some are labelled and some are not.

    What outside text picked is outside text, whoever vouches for each thing that it could pick.
    """
    if len({label is Label.PLAIN for label in labels}) > 1:
        return None
    if decides is Label.UNTRUSTED:
        return Label.UNTRUSTED
    return Label.APPROVED if set(labels) == {Label.APPROVED} else combined(labels)


def end_of(plan: Plan, loop: Loop) -> Work:
    """The guard that ends a loop."""
    return next(node for node in plan.nodes if isinstance(node, Work) and node.until and node.until.loop == loop.name)


def _private_round(plan: Plan, loop: Loop, end: Work, private: set[str] | frozenset[str]) -> bool:
    """Whether a round of a loop could give what must not leave, though it started from what may."""
    inside = plan.nodes[plan.index[loop.name] + 1 : plan.index[end.name]]
    found = set(private)
    for node in inside:
        if is_private(plan, node, found):
            found.add(node.name)
    return any(ref.node in found for ref in end.reads)


def leak(
    tools: Sequence[ToolUse], contracts: Mapping[str, Json], *, outside: bool, private: bool
) -> tuple[ToolUse, tuple[str, ...]] | None:
    """The tool through which outside text could send away what must not leave, and the arguments that are left open.

    `outside` and `private` say what the stage reads besides its tools. None where nothing can get out: where it reads
    only one of the two, or every argument of every tool that reaches out is one constant, or one value of the plan.
    """
    if not (outside or reads_outside(tools)) or not (private or reads_private(tools)):
        return None
    for use in tools:
        if use.egress:
            loose = tuple(name for name in arguments(use, contracts) if not pins(use.limits, name))
            if loose:
                return use, loose
    return None


def arguments(use: ToolUse, contracts: Mapping[str, Json]) -> tuple[str, ...]:
    """The names of a tool's arguments, as the plan seals them."""
    schema = contracts.get(use.arguments)
    named = schema.get("properties") if isinstance(schema, dict) else None
    # Of a contract that is not an object nobody can say what its arguments are: none of them is pinned.
    return tuple(named) if isinstance(named, dict) else ("any argument",)


__all__ = [
    "arguments",
    "arms",
    "end_of",
    "is_private",
    "label_joined",
    "leak",
    "private_nodes",
    "reads_outside",
    "reads_private",
    "steering",
    "vouched",
]
