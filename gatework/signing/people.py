"""What the list of people says of whoever decides: by signature, by the server's word, or of a name that was typed.

A decision is looked at here when it is new. What was found then is in the run's history; a replay does not look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gatework.errors import ConfigError, DecisionError
from gatework.logs import emit
from gatework.plan.plan import Identity
from gatework.signing.roster import People, Roster
from gatework.signing.signing import Signature, Statement, verify
from gatework.values.canonical import Json

_NO = ("reject", "abort")
"""What stops a run: whoever can send it could terminate the run as well."""


class Checked(NamedTuple):
    """What is known of whoever decides: `Decided.identity`, `.member` and `.proof`."""

    identity: Identity
    member: bool | None
    proof: Mapping[str, Json]


def checked(roster: Roster | None, signature: str, statement: Statement, role: str, at: datetime) -> Checked:
    """What is known of whoever decides: by the signature they sent, else by the name they typed, and by the list.

    `statement` holds what the worker knows of gate and evidence and what it read of the decision, never what the sender
    says that they signed (`signing.statement`). `at` is the workflow's time. To be asked of new decisions alone; at a
    replay the run's own marker says what was found. Raises `DecisionError` in one sentence.
    """
    if signature:
        return _signed(roster, signature, statement, role, at)
    if not statement.by:
        return Checked("none", None, {})
    if roster is None:
        return Checked("claimed", None, {})
    try:
        return Checked("claimed", roster.people().member(statement.by, role), {})
    except ConfigError as error:
        if statement.action in _NO:  # a broken list must not keep a run from being stopped
            return Checked("claimed", None, {})
        raise unreadable(error) from None


def _signed(roster: Roster | None, text: str, statement: Statement, role: str, at: datetime) -> Checked:
    if not statement.by:
        raise DecisionError('A signed decision names who signs it: send "by" as it was signed.')
    signature = Signature.read(text)
    people = _people(roster, "whose signature that is")
    key = people.key(statement.by, signature.key, at)
    if not verify(key, signature, statement):
        raise DecisionError(
            "The signature is not of this decision: run, gate, evidence, name, note or value are not those that were "
            "signed; look again and sign anew."
        )
    return Checked("signed", people.member(statement.by, role), signature.proof)


def vouched(roster: Roster | None, typed: str, kind: str, principal: str, role: str) -> tuple[str, Checked]:
    """Who decides, by the word of the server, which knows them as a principal of this kind; and what is known of them.

    `typed` is the name in the decision, empty where there is none. Raises `DecisionError` where it is another's.
    """
    if not principal:
        raise DecisionError("The server does not say who you are; whoever runs it finds out why in docs/identity.md.")
    people = _people(roster, "who that is whom the server names")
    name = people.of_principal(principal)
    if name is None:
        raise DecisionError("The list of people does not have you as the server names you.")
    if typed not in ("", name):
        raise DecisionError("You are somebody else by the server's word; leave the name out.")
    return name, Checked("authenticated", people.member(name, role), {"principal": principal, "type": kind[:100]})


def principal_of(roster: Roster | None, name: str) -> str:
    """As whom the server knows somebody of the list; empty for a stranger. Raises `DecisionError`."""
    person = _people(roster, "who that is").persons.get(name) if roster is not None else None
    return person.principal if person is not None else ""


def _people(roster: Roster | None, what: str) -> People:
    if roster is None:
        raise DecisionError(f"The worker has no list of people and cannot tell {what}; see GATEWORK_PEOPLE.")
    try:
        return roster.people()
    except ConfigError as error:
        raise unreadable(error) from None


def unreadable(error: ConfigError) -> DecisionError:
    """What a person is told where the list of people cannot be read."""
    # Why, and of which file, is for whoever runs the worker.
    emit.say("people.unreadable", {"reason": error.message})
    return DecisionError(
        "The worker's list of people cannot be read now, so nobody can approve; `gatework setup` says what is wrong."
    )


__all__ = ["Checked", "Roster", "checked", "principal_of", "unreadable", "vouched"]
