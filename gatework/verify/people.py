"""How surely it is known who somebody is, and when two names are one. Section 5.4 of the specification."""

from __future__ import annotations

import re
import unicodedata

from gatework.plan.plan import Approval, Call, Identity, Loop, Node, Plan, Work

LEVELS: tuple[Identity, ...] = ("none", "claimed", "authenticated", "signed")

_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def surely(identity: str, needed: str) -> bool:
    """Whether an identity is known as surely as is needed."""
    return identity in LEVELS and LEVELS.index(identity) >= LEVELS.index(needed)


def plain(name: str) -> str:
    """A name as it is compared; empty where there is nothing to be seen of it."""
    seen = "".join(sign for sign in _UNSEEN.sub("", name) if unicodedata.category(sign) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", seen).casefold()).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def to_edit(plan: Plan, position: int) -> Identity:
    """How surely it must be known who edits the value at a position: people are told apart where it is looked at."""
    for loop in plan.nodes:
        if isinstance(loop, Loop):
            end = next(n for n in plan.nodes if isinstance(n, Work) and n.until and n.until.loop == loop.name)
            if plan.index[loop.name] < position <= plan.index[end.name]:
                position = plan.index[loop.name]
    found: list[Identity] = ["none"]
    for node in plan.steps[max(position, 0) :]:
        found += _told_apart(node)
    return max(found, key=LEVELS.index)


def _told_apart(node: Node) -> list[Identity]:
    match node:
        case Approval():
            return [by.identity for by in node.asks] if node.tells_apart else []
        case Work():
            others = [by for by in (node.override, *(use.approver for use in node.tools)) if by]
            return [by.identity for by in (node.operator, *others) if by.quorum > 1]
        case Call():
            below: list[Identity] = [child.identity for child in node.children]
            return [node.operator.identity, *below] if node.operator.quorum > 1 else below
        case _:
            return []
