"""What flows where: which values must not leave, and whether outside text could steer them out. Pure.

Private is a mark beside the label. It is never written in types: a tool that reads what must not leave makes it, and
whatever is computed from such a value has it, for ever; no endorsement and no approval takes it off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from gatework.plan.expr import Ref
from gatework.plan.grant import pins
from gatework.plan.labels import Label, combined
from gatework.plan.plan import (
    Approval,
    Arm,
    Call,
    Child,
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
from gatework.values.canonical import Json


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


def is_private(plan: Plan, node: Node, private: Set[str]) -> bool:
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
    outside text must not talk itself out of an approval by picking another way. Of what a node starts, that holds for
    each effect in it; where outside text says how many runs are started, each vouches for itself.
    """
    for arm in arms(plan, node):
        if any(plan.label(ref.node) is Label.UNTRUSTED for ref in plan.node(arm.choice).reads):
            inside = [other for other in plan.nodes[: plan.index[node.name]] if arm in arms(plan, other)]
            people = any(
                asks_people(plan, other) and any(one.choice == arm.choice for one in arms(plan, other))
                for other in plan.nodes
            )
            if not _given_vouched(plan, node, _vouched_by(inside, frozenset(), people=people), people=people):
                return False
    if isinstance(node, Call) and node.items is not None and plan.label(node.items.node) is Label.UNTRUSTED:
        part = plan.parts.get(node.children[0].workflow)
        return part is None or _vouches_for_itself(part, frozenset(), people=False)
    return True


def asks_people(plan: Plan, node: Node) -> bool:
    """Whether people decide or answer at a node, or in what is written in the plan of the runs that it starts."""
    if isinstance(node, Call):
        inside = [plan.parts[child.workflow] for child in node.children if child.workflow in plan.parts]
        return any(asks_people(part, other) for part in inside for other in part.nodes)
    return isinstance(node, Approval | Question)


def _vouched_by(nodes: Iterable[Node], given: frozenset[str], *, people: bool) -> set[str]:
    """Of these nodes in their order, those that vouch for what they give, and what is made from such or from `given`.

    `people`: only people do.
    """
    found = set(given)
    for node in nodes:
        vouches = isinstance(node, Approval | Question) or (node.kind == "endorse" and not people)
        read = [ref.node in found for ref in node.reads]
        # Of what a choice gives, each thing that it could give must be vouched for.
        if vouches or (all(read) and bool(read) if isinstance(node, Join) else any(read)):
            found.add(node.name)
        if isinstance(node, Part) and node.call in found:
            found.add(node.name)
    return found


def _given_vouched(plan: Plan, node: Work | Call, found: set[str], *, people: bool) -> bool:
    """Whether a node reads something vouched for; of a node that starts runs, whether each effect in them does."""
    if not any(ref.node in found for ref in node.reads):
        # Runs that start from nothing vouched for may vouch for what they do themselves.
        parts = [plan.parts.get(child.workflow) for child in node.effects if isinstance(child, Child)]
        return bool(parts) and all(
            part is not None and _vouches_for_itself(part, frozenset(), people=people) for part in parts
        )
    for child in node.effects if isinstance(node, Call) else ():
        part = plan.parts.get(child.workflow)
        sources = {param.name: param.source for param in child.params}
        given = frozenset(name for name, source in sources.items() if isinstance(source, Ref) and source.node in found)
        if part is None:
            # Another workflow does what it does for what it starts from.
            if not given:
                return False
        elif not _vouches_for_itself(part, given, people=people):
            return False
    return True


def _vouches_for_itself(part: Plan, given: frozenset[str], *, people: bool) -> bool:
    """Whether each effect in a part of a plan rests on what is vouched for in it, or on such inputs."""
    found = _vouched_by(part.nodes, given, people=people)
    return all(
        _given_vouched(part, node, found, people=people)
        for node in part.nodes
        if isinstance(node, Work | Call) and node.effects
    )


def label_joined(labels: Sequence[Label], decides: Label) -> Label | None:
    """The label of what a choice gives, of which its ways give these; None where some are labelled and some are not.

    What outside text picked is outside text, whoever vouches for each thing that it could pick.
    """
    if len({label is Label.PLAIN for label in labels}) > 1:
        return None
    if decides is Label.UNTRUSTED:
        return Label.UNTRUSTED
    return Label.APPROVED if set(labels) == {Label.APPROVED} else combined(labels)


def label_of_items(given: Label, items: Label, *, collected: bool, outside: bool) -> Label | None:
    """The label of a list of what child runs gave, one for each item; None where nothing is known of what they gave.

    Nobody has approved the list. With what failed come reasons, which may quote what the runs looked at: `outside`
    says whether there was outside text among it.
    """
    if given is Label.PLAIN:
        return None
    return combined([given, *([Label.UNTRUSTED] if collected and (outside or items is Label.UNTRUSTED) else [])])


def sees_outside(plan: Plan) -> bool:
    """Whether there is outside text in a plan, in what it starts from or anywhere in it."""
    names = (*plan.starts, *(node.name for node in plan.steps))
    if any(plan.label(name) is Label.UNTRUSTED for name in names):
        return True
    children = [child.workflow for node in plan.nodes if isinstance(node, Call) for child in node.children]
    # Of another workflow nothing is known here.
    return any(name not in plan.parts or sees_outside(plan.parts[name]) for name in children)


def end_of(plan: Plan, loop: Loop) -> Work:
    """The guard that ends a loop."""
    return next(node for node in plan.nodes if isinstance(node, Work) and node.until and node.until.loop == loop.name)


def _private_round(plan: Plan, loop: Loop, end: Work, private: Set[str]) -> bool:
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
    "asks_people",
    "end_of",
    "is_private",
    "label_joined",
    "label_of_items",
    "leak",
    "private_nodes",
    "reads_outside",
    "reads_private",
    "sees_outside",
    "steering",
    "vouched",
]
