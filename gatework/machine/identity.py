"""Who decides: how surely that is known, and whether they may. Pure, as the machine is.

A name that was typed is a claim, and is recorded as one. People are told from each other, for a quorum or by `not_by`,
by names that are compared without regard to letter case, spelling variants of Unicode, spaces, or signs that nobody
sees.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from gatework.machine.hands import editors
from gatework.plan.expr import ExprError, Ref, resolve
from gatework.plan.facts import surely, to_edit
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, By, Identity, Node, Plan
from gatework.run.events import Action, Decided
from gatework.run.held import UNNAMED
from gatework.run.state import Gate, State

_NO = ("reject", "abort")
"""What stops things. Anyone who can send an update can also terminate the run, so a claim is enough for it."""


def alike(one: str, other: str) -> bool:
    """Whether two names are one person's."""
    return plain(one) == plain(other)


def refused(gate: Gate, event: Decided) -> str:
    """Why this person may not decide this at a gate, in a sentence; empty where they may."""
    if (event.identity == "none") is not (plain(event.by) == ""):
        return "Say who you are by name, or leave the name out."
    asked = gate.asked(event.action)
    role, needed = asked.role, asked.identity
    if event.member is False:
        return f"By the list of people you are not in the role {role}, which {_may(event.action)}."
    if event.action in _NO and surely(needed, "claimed"):
        needed = "claimed"
    if not surely(event.identity, needed):
        return unsure(event, needed)
    if surely(needed, "authenticated") and event.member is not True:
        return f"No list of people says who is in the role {role}; the worker needs one, see GATEWORK_PEOPLE."
    if event.action in VOTES:
        if UNNAMED in gate.not_by:
            return (
                f"It is not known who may not {event.action} this, so nobody can: a value was edited without a name, "
                "or one that is to name somebody does not; edit it, by name."
            )
        if kept_off(gate, event.by) or kept_off(gate, str(event.proof.get("principal", ""))):
            return own(event.action)
        if _one_of(event.by, (vote.by for vote in gate.votes)):
            return f"You have {_DID[event.action]} this already; another of {role} must."
    return ""


def _may(action: Action) -> str:
    return "may override here" if action == "override" else "is asked here"


def unsure(event: Decided, needed: Identity) -> str:
    """That it must be known more surely who decides something, and how to say it; empty where it is known so surely."""
    if surely(event.identity, needed):
        return ""
    if needed == "claimed" and event.action == "override":
        return 'Say who you are: {"number": …, "note": "why", "by": "your name"}.'
    if needed == "claimed" and event.action != "approve":
        return f'Say who you are: {{"{_SENT.get(event.action, "note")}": …, "by": "your name"}}.'
    return _HOW[needed]


_SENT = {"edit": "value", "answer": "value"}

_HOW: dict[Identity, str] = {
    "claimed": 'Say who you are: {"number": …, "by": "your name"}, or "4821 your name" with the four digits.',
    "authenticated": "It must be sure here who decides: sign it, see `gatework sign --help`. A typed name is a claim.",
    "signed": "This takes a signed decision, see `gatework sign --help`. A typed name is a claim.",
}


VOTES: tuple[Action, ...] = ("approve", "override")
"""What is decided by votes, where a plan asks for more than one."""
_DID = {"approve": "approved", "override": "overridden"}


def own(action: Action) -> str:
    """What somebody is told whom `not_by` keeps off."""
    return f"You may not {action} this: it is your own, or you have approved what it stands on."


def kept_off(gate: Gate, name: str) -> bool:
    """Whether `not_by` names somebody of this name, or whom the server knows by it."""
    return bool(plain(name)) and _one_of(name, gate.not_by)


def held_off(gate: Gate) -> tuple[str, ...]:
    """Who may not approve at a gate, as people read it."""
    return ("anybody before an edit by name",) if UNNAMED in gate.not_by else gate.not_by


def excluded(plan: Plan, state: State, node: Node, by: By) -> tuple[str, ...]:
    """The names of those who may not approve at a node where people are told from each other.

    Those that `not_by` names, and whoever edited a value of the run that still stands: what is approved rests on it.
    """
    if not (node.tells_apart if isinstance(node, Approval) else by.quorum > 1):
        return ()
    names: list[str] = []
    for ref in node.not_by if isinstance(node, Approval) else ():
        if not ref.path and plan.label(ref.node) is Label.APPROVED:
            names += state.values[ref.node].by
        else:
            names.append(_named(ref, state))
    names += editors(state)
    if state.edited is not None:
        names += state.editor or (UNNAMED,)
    return tuple(dict.fromkeys(names))


def _named(ref: Ref, state: State) -> str:
    """Whom a value names; `UNNAMED` where it does not name anybody."""
    try:
        named = resolve(ref, lambda name: state.values[name].sealed.data)
    except ExprError:
        return UNNAMED
    return named if isinstance(named, str) and plain(named) else UNNAMED


def _one_of(name: str, others: Iterable[str]) -> bool:
    return any(alike(name, other) for other in others)


_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Signs that show nothing, besides those of the category Cf: the rest of Unicode's Default_Ignorable_Code_Point, and
the Braille pattern without dots."""


def plain(name: str) -> str:
    """The name as it is compared; empty where there is nothing to be seen of it.

    Source: Unicode Standard, D146 (compatibility caseless matching) without what is ignorable by default, as
    NFKC_Casefold has it.
    """
    seen = "".join(sign for sign in _UNSEEN.sub("", name) if unicodedata.category(sign) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", seen).casefold()).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


__all__ = [
    "UNNAMED",
    "VOTES",
    "alike",
    "excluded",
    "held_off",
    "kept_off",
    "own",
    "plain",
    "refused",
    "surely",
    "to_edit",
    "unsure",
]
