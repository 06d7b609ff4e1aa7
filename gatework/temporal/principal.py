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
from temporalio.common import RawValue

from gatework import wire
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
async def principal(signal: RawValue) -> RawValue:
    """The principal of a signal of the run that asks."""
    raise NotImplementedError
