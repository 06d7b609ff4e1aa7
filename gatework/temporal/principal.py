"""Who sent a signal, by the word of the server: the principal that it wrote beside the signal in the run's history.

A signal and not an update: the server writes an update into history only when a worker accepts it, and puts the
worker's principal beside it (read in server 1.32, `closeTransaction` of mutable_state_impl.go); whose update it was,
nothing says but the identity that the sender claims. A signal is written when it is sent, with its sender's principal.
Empty unless the server runs with an authorizer and `frontend.enablePrincipalPropagation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.common import RawValue

from gatework import wire
from gatework.roster import MAX_PRINCIPAL
from gatework.temporal.payloads import data_of, raw

ACTIVITY = "gatework.principal"


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A signal of the run that asks."""

    name: str
    number: int
    """Counts the signals of that name in the history of this run (not of those that it continues), from 1."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whom the server authenticated. Both empty where it says nothing."""

    type: str = ""
    """How, such as `jwt`."""
    name: str = ""


async def sender(signal: Signal) -> Principal:
    """In a workflow: who sent a signal. Takes an activity."""
    answer = await workflow.execute_activity(
        ACTIVITY,
        raw(wire.encode(signal)),
        result_type=RawValue,
        start_to_close_timeout=timedelta(seconds=20),
        summary="who decides, by the server's word",
    )
    told: Principal = wire.decode(Principal, data_of(answer) or b"", what="principal")
    return told


@activity.defn(name=ACTIVITY)
async def principal(asked: RawValue) -> RawValue:
    """The principal of a signal of the run that asks, and of no other run."""
    signal: Signal = wire.decode(Signal, data_of(asked) or b"", what="signal")
    return raw(wire.encode(await _principal(signal)))


async def _principal(signal: Signal) -> Principal:
    info = activity.info()
    assert info.workflow_id is not None
    seen = 0
    run = activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
    async for event in run.fetch_history_events():
        sent = event.workflow_execution_signaled_event_attributes
        if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED or sent.signal_name != signal.name:
            continue
        seen += 1
        if seen == signal.number:
            # What another workflow sends bears nobody's principal, or that of a worker.
            ours = sent.external_workflow_execution.workflow_id == ""
            told = event.principal
            return Principal(type=_text(told.type), name=_text(told.name)) if ours else Principal()
    return Principal()


def _text(told: str) -> str:
    """What the server says, where it can be a name; nothing else comes in."""
    return told if told.isprintable() and len(told) <= MAX_PRINCIPAL else ""
