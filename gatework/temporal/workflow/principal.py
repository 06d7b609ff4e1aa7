"""Who decides, by the word of the server: the principal that it wrote beside a signal in the run's history.

A signal and not an update: the server writes an update into history only when a worker accepts it, and puts the
principal of that worker beside it (read in server 1.32, `closeTransaction` of mutable_state_impl.go). Whose update it
was, nothing says but the identity that its sender claims. A signal is written when it comes, with its sender's
principal. There is none unless the server has an authorizer, and `frontend.enablePrincipalPropagation` is on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.common import RawValue

from gatework.errors import ConfigError, ContractError, DecisionError
from gatework.signing import people
from gatework.signing.roster import MAX_PRINCIPAL, Roster
from gatework.temporal.transport.executions import was_reset
from gatework.temporal.transport.payloads import data_of, raw
from gatework.values import wire
from gatework.values.canonical import Json

ACTIVITY = "gatework.principal"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A decision that came as a signal, and whom it is asked of."""

    signal: str
    """The name of the signal."""
    number: int
    """Counts the signals of that name, with one value or none, in the history of this run alone, from 1."""
    content: str
    """SHA-256 of the JSON that was sent: a mistake in counting must not lend one sender's word to another."""
    typed: str
    """The name in the decision, empty where there is none."""
    role: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """Who sent it, as `Decided` has it. What is in the history is not asked again, whatever the list says by then."""

    by: str = ""
    member: bool | None = None
    proof: Mapping[str, Json] = field(default_factory=dict)
    refused: str = ""
    """Why nobody can be named, in a sentence for whoever decides; empty where somebody is."""


def content_of(value: RawValue | None) -> str:
    """`Asked.content` of what was sent. Raises `ContractError` for what is no JSON."""
    return hashlib.sha256(data_of(value) or b"").hexdigest()


async def told(asked: Asked) -> Told:
    """In a workflow: who sent a signal. Takes an activity."""
    answer = await workflow.execute_activity(
        ACTIVITY,
        raw(wire.encode(asked)),
        result_type=RawValue,
        start_to_close_timeout=timedelta(seconds=20),
        summary="who decides, by the server's word",
    )
    found: Told = wire.decode(Told, data_of(answer) or b"", what="principal")
    return found


@activity.defn(name=ACTIVITY)
async def principal(question: RawValue) -> RawValue:
    """Who sent a signal of the run that asks, and of no other run."""
    asked: Asked = wire.decode(Asked, data_of(question) or b"", what="question")
    kind, name = await _principal(asked)
    try:
        roster = await asyncio.to_thread(Roster.of_environment)
        by, found = people.vouched(roster, asked.typed, kind, name, asked.role)
    except DecisionError as error:
        return raw(wire.encode(Told(refused=error.message)))
    except ConfigError as error:  # what is wrong with the list is for whoever runs the worker
        return raw(wire.encode(Told(refused=people.unreadable(error).message)))
    return raw(wire.encode(Told(by=by, member=found.member, proof=found.proof)))


async def _principal(asked: Asked) -> tuple[str, str]:
    """Type and name of the principal beside a signal; both empty where the server says nothing."""
    info = activity.info()
    assert info.workflow_id is not None
    seen, copied = 0, False
    run = activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
    async for event in run.fetch_history_events():
        # What a reset copies behind its cut bears the principal of whoever reset the run, and not its sender's.
        copied = was_reset(event) or (copied and event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED)
        sent = event.workflow_execution_signaled_event_attributes
        if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED or sent.signal_name != asked.signal:
            continue
        if len(sent.input.payloads) > 1:
            continue
        seen += 1
        if seen == asked.number and copied:
            break
        if seen == asked.number:
            (value,) = await activity.client().data_converter.decode(sent.input.payloads, [RawValue]) or (None,)
            with suppress(ContractError):
                # What another workflow sends bears nobody's principal, or that of a worker.
                if content_of(value) == asked.content and not sent.external_workflow_execution.workflow_id:
                    return _text(event.principal.type), _text(event.principal.name)
            break
    return "", ""


def _text(told: str) -> str:
    """What the server says, where it can be a name; nothing else comes in."""
    return told if told.isprintable() and len(told) <= MAX_PRINCIPAL else ""
