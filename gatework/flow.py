"""What flows where: which values must not leave, and whether outside text could steer them out. Pure.

Private is a mark beside the label. It is never written in types: a tool that reads what must not leave makes it, and
whatever is computed from such a value has it, for ever; no endorsement and no approval takes it off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatework.canonical import Json
from gatework.grant import pins
from gatework.plan import Node, Plan, ToolUse, Work


def reads_outside(tools: Sequence[ToolUse]) -> bool:
    """Whether some tool gives outside text."""
    return any(use.untrusted for use in tools)


def reads_private(tools: Sequence[ToolUse]) -> bool:
    """Whether some tool gives what must not leave."""
    return any(use.private for use in tools)


def private_nodes(plan: Plan) -> frozenset[str]:
    """The nodes whose output must not leave."""
    found: set[str] = set()
    for node in plan.nodes:
        if is_private(node, found):
            found.add(node.name)
    return frozenset(found)


def is_private(node: Node, private: set[str] | frozenset[str]) -> bool:
    """Whether what a node makes must not leave, where the values of the nodes `private` must not.

    A limit tells whoever is held to it something of the value that it refers to: it is read as an input is.
    """
    if isinstance(node, Work):
        return reads_private(node.tools) or any(ref.node in private for ref in node.reads)
    return node.value.node in private


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


__all__ = ["arguments", "is_private", "leak", "private_nodes", "reads_outside", "reads_private"]
