"""Who decides, as far as a worker can tell: looked at when a decision is new, and after that in the run's history.

Lists of people change, and keys end. What a decision was taken on is therefore written down with it, as a marker of the
run: a replay goes by that, whatever the worker's list says by then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from temporalio import workflow

from gatework.errors import DecisionError
from gatework.machine.identity import VOTES, kept_off, own
from gatework.plan.plan import Identity
from gatework.run.events import Decided
from gatework.run.state import Gate
from gatework.signing import people
from gatework.signing.roster import Roster
from gatework.signing.signing import Signature, statement
from gatework.temporal.workflow.decisions import Sent
from gatework.values import canonical

_RECORDED: tuple[Identity, ...] = ("claimed", "signed")
"""What a list of people can have confirmed. A claim that none has needs no marker: it is as it was sent."""


def found_out(sent: Sent, gate: Gate, *, roster: Roster | None, lineage: str, plan: str, at: datetime) -> Decided:
    """A new decision, with what is known of whoever sent it. Raises `DecisionError` in one sentence."""
    stated = statement(lineage, plan, gate, sent.event)
    found = people.checked(roster, sent.signature, stated, gate.asked(sent.event.action).role, at)
    # Texts of a plan often name people as the server does, and a decision by the name that the list gives them.
    if sent.event.action in VOTES and kept_off(gate, people.principal_of(roster, sent.event.by)):
        raise DecisionError(own(sent.event.action))
    return replace(sent.event, identity=found.identity, member=found.member, proof=found.proof)


def record(event: Decided) -> None:
    """Write down what a new decision is taken on, where that is more than what was sent."""
    if event.member:
        workflow.patched(_marker(event.identity))


def recorded(sent: Sent) -> Decided:
    """A decision of the history, with what was found out when it was new."""
    for identity in _RECORDED:
        if workflow.patched(_marker(identity)):
            proof = Signature.read(sent.signature).proof if identity == "signed" else {}
            return replace(sent.event, identity=identity, member=True, proof=proof)
    return sent.event


def _marker(identity: Identity) -> str:
    update = workflow.current_update_info()
    # Ids of updates are their senders' choice, and of any length.
    return f"gatework-known-{canonical.digest('update', update.id if update else '')[:16]}-{identity}"
