"""Who decides: how surely that is known, and whether they may. Pure, as the machine is.

A name that was typed is a claim, and is recorded as one. People are told from each other, for a quorum or by `not_by`,
by names that are compared without regard to letter case, spelling variants of Unicode, or spaces around them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import get_args

from gatework.events import Decided
from gatework.expr import ExprError, resolve
from gatework.labels import Label
from gatework.plan import Approval, Identity, Plan
from gatework.state import Gate, State

_LEVELS: tuple[Identity, ...] = get_args(Identity)
UNNAMED = ""
"""Stands among those who may not approve for somebody who did not say who they are."""

_NO = ("reject", "abort")
"""What stops things. Anyone who can send an update can also terminate the run, so a claim is enough for it."""


def surely(identity: Identity, needed: Identity) -> bool:
    """Whether an identity is known as surely as is needed."""
    return _LEVELS.index(identity) >= _LEVELS.index(needed)


def alike(one: str, other: str) -> bool:
    """Whether two names are one person's."""
    return plain(one) == plain(other)


def refused(gate: Gate, event: Decided) -> str:
    """Why this person may not decide this at a gate, in a sentence; empty where they may."""
    if (event.identity == "none") is not (plain(event.by) == ""):
        return "Say who you are by name, or leave the name out."
    role = gate.role
    if event.member is False:
        return f"By the list of people you are not in the role {role}, which is asked here."
    needed = gate.by.identity
    if event.action in _NO and surely(needed, "claimed"):
        needed = "claimed"
    if not surely(event.identity, needed):
        return _HOW[needed]
    if surely(needed, "authenticated") and event.member is not True:
        return f"No list of people says who is in the role {role}; the worker needs one, see GATEWORK_PEOPLE."
    if event.action == "approve":
        if UNNAMED in gate.not_by:
            return "Somebody edited a value without saying who they are, so nobody can approve; edit it anew, by name."
        if _one_of(event.by, gate.not_by):
            return "You may not approve this: it is your own, or you have approved what it stands on."
        if _one_of(event.by, (vote.by for vote in gate.votes)):
            return f"You have approved this already; another of {role} must."
    return ""


_HOW: dict[Identity, str] = {
    "claimed": 'Say who you are: {"number": …, "by": "your name"}, or "4821 your name" with the four digits.',
    "authenticated": "It must be sure here who decides: sign it, see `gatework sign --help`. A typed name is a claim.",
    "signed": "This takes a signed decision, see `gatework sign --help`. A typed name is a claim.",
}


def apart(gate: Gate) -> bool:
    """Whether people are told from each other at a gate."""
    return gate.by.quorum > 1 or bool(gate.not_by)


def excluded(plan: Plan, state: State, node: Approval) -> tuple[str, ...]:
    """The names of those who may not approve at a node where people are told from each other.

    Those that `not_by` names, and whoever edited a value of the run that still stands: what is approved rests on it.
    """
    if not node.not_by and node.by.quorum == 1 and (node.otherwise is None or node.otherwise.quorum == 1):
        return ()
    names: list[str] = []
    for ref in node.not_by:
        held = state.values[ref.node]
        if not ref.path and plan.label(ref.node) is Label.APPROVED:
            names += held.by
            continue
        try:
            named = resolve(ref, lambda name: state.values[name].sealed.data)
        except ExprError:
            continue  # an optional part that is not there names nobody
        names += [named] if isinstance(named, str) else []
    for held in state.values.values():
        if held.by_hand:
            names += held.by or (UNNAMED,)
    return tuple(dict.fromkeys(name for name in names if name == UNNAMED or plain(name)))


def _one_of(name: str, others: Iterable[str]) -> bool:
    return any(alike(name, other) for other in others)


def plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
