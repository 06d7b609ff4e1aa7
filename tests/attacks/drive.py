"""Runs under attack: driven on by a person who approves whatever is asked, and what is on record of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.outbox import Sent
from activities.replies import Reply
from gatework.models.question import Model
from gatework.run.events import Failed, Finished
from gatework.run.state import Gate, Outcome
from gatework.testing import Rehearsal, rehearse
from tests.attacks.world import inquiry_mail, refund_mail
from workflows.inquiry import inquiry
from workflows.refund import refund

MOST_GATES = 12

DECIDES = {"approval", "call"}
"""The gates at which a person says yes or no; at any other the run has been stopped."""


async def inquire(name: str, model: Model, lineage: str = "") -> Rehearsal[Reply]:
    """An inquiry up to its first gate, or its end."""
    return await rehearse(inquiry, inquiry_mail(name), model=model, lineage=lineage or name)


async def claim(name: str, model: Model, lineage: str = "") -> Rehearsal[Sent]:
    """A refund up to its first gate, or its end."""
    return await rehearse(refund, refund_mail(name), model=model, lineage=lineage or name)


async def carelessly(run: Rehearsal[Any]) -> Outcome | Gate:
    """Approve whatever a person is asked to, until the run has ended or was stopped; its end, or what stopped it."""
    for _ in range(MOST_GATES):
        if run.outcome is not None:
            return run.outcome
        if run.gate.kind not in DECIDES:
            return run.gate
        await run.approve(by="somebody careless")
    raise AssertionError("a person was asked without end")


def refusals(run: Rehearsal[Any], node: str) -> list[Mapping[str, Any]]:
    """What the evidence of a stage's attempts says was refused: tool and reason."""
    found: list[Mapping[str, Any]] = []
    for event in run.driver.events:
        if isinstance(event, Finished | Failed) and event.node == node:
            refused: Any = event.evidence.get("refused", [])
            found += refused
    return found


def stopped_by(run: Rehearsal[Any]) -> str:
    """Why the run waits, in the words that the panel shows."""
    return " ".join(run.gate.reasons)
