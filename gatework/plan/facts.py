"""What is known of a plan as a whole: whether it has effects, gives what must not leave, tells people apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from gatework.plan.flow import end_of, private_nodes
from gatework.plan.plan import Approval, Call, Identity, Loop, Node, Plan, Work

_LEVELS: tuple[Identity, ...] = get_args(Identity)


@dataclass(frozen=True)
class Facts:
    """What a node says of a plan whose runs it starts."""

    effects: bool
    private: bool
    identity: Identity


def facts_of(plan: Plan) -> Facts:
    """Whether a plan may change the outside world, gives what must not leave, and tells people apart."""
    # Whatever it starts from: the plan that starts it knows what it hands on.
    bare = replace(plan, inputs=tuple(replace(start, private=False) for start in plan.inputs))
    return Facts(
        effects=any(isinstance(node, Work | Call) and bool(node.effects) for node in plan.steps),
        private=plan.result in private_nodes(bare),
        identity=to_edit(plan, -1),
    )


def surely(identity: Identity, needed: Identity) -> bool:
    """Whether an identity is known as surely as is needed."""
    return _LEVELS.index(identity) >= _LEVELS.index(needed)


def to_edit(plan: Plan, position: int) -> Identity:
    """How surely it must be known who edits the value of a node; those after it may rest on it.

    Whoever edits a value may not approve what rests on it, where people are told from each other. That holds only if
    the name of the one is known as surely as that of the other. Inside a loop the next round rests on it as well.
    """
    needed: Identity = "none"
    for loop in plan.nodes:
        if isinstance(loop, Loop) and plan.index[loop.name] < position <= plan.index[end_of(plan, loop).name]:
            position = plan.index[loop.name]
    for node in plan.steps[max(position, 0) :]:
        for identity in _told_apart(node):
            needed = needed if surely(needed, identity) else identity
    return needed


def _told_apart(node: Node) -> tuple[Identity, ...]:
    """How surely it must be known who people are, of each who are told from each other at a node."""
    match node:
        case Approval():
            return tuple(by.identity for by in node.asks) if node.tells_apart else ()
        case Work():
            approvers = tuple(use.approver for use in node.tools if use.approver)
            overriding = (node.override,) if node.override else ()
            return tuple(by.identity for by in (node.operator, *overriding, *approvers) if by.quorum > 1)
        case Call():
            operator = (node.operator.identity,) if node.operator.quorum > 1 else ()
            return (*operator, *(child.identity for child in node.children))
        case _:
            return ()
