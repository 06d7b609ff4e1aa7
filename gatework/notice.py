"""What people are told of a gate that is open: names of the plan, times and links, and no value of the run. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gatework.values.canonical import Json

MAX_NOTICE_BYTES = 10_000

OPENED, TEST = "gate.opened", "test"
"""Types of messages."""

May = Literal["answer", "override"]


@dataclass(frozen=True, kw_only=True)
class Overrider:
    """Who may let the stage past what stopped it."""

    role: str
    quorum: int
    identity: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Who is needed at a gate, and for what: names of the plan and times, and no value of the run."""

    plan: str
    """Its digest."""
    gate: int
    asks: str
    """As `Gate.kind`."""
    stage: str
    position: int
    """Of the stage in the plan, from 1."""
    stages: int
    """How many the plan has."""
    role: str
    quorum: int
    identity: str
    """How surely it must be known who approves."""
    handed_on: bool
    """Whether those who were asked first did not answer in time."""
    opened: str
    """UTC, ISO 8601."""
    expires: str
    tool: str = ""
    """The tool whose call is asked about."""
    override: Overrider | None = None
    """Who may override what stopped the stage; None where nobody may."""

    @property
    def told(self) -> str:
        """All who are told."""
        return " and ".join(role for role, _ in self.roles)

    @property
    def roles(self) -> Iterator[tuple[str, May]]:
        """Who is told, each once, and what they may do: whoever is asked may not be who may override."""
        yield self.role, "answer"
        if self.override is not None and self.override.role != self.role:
            yield self.override.role, "override"


@dataclass(frozen=True, kw_only=True)
class Where:
    """The run that waits, and its pages in the Temporal UI, which are empty where it is not known where that is."""

    namespace: str
    workflow: str
    run: str
    """Temporal's workflow id."""
    run_id: str
    page: str
    waiting: str
    """The page that lists what waits for the role; all that runs, where the server cannot tell that."""


_ASKS = {
    "approval": "to approve {stage}",
    "call": "to let {stage} call {tool}",
    "escalated": "to look at {stage}, which a guard escalated",
    "blocked": "since {stage} is blocked",
    "exhausted": "since {stage} has used up its attempts",
    "failed": "since {stage} has failed",
    "unknown": "since the effect of {stage} is in doubt",
}
_STOPPED = {
    "blocked": "which is blocked",
    "exhausted": "which has used up its attempts",
    "failed": "which has failed",
    "unknown": "whose effect is in doubt",
}


def message_id(namespace: str, run: str, run_id: str, gate: int, may: May = "answer") -> str:
    """What names a message about a gate of a run: the same for each try, another for whoever may override."""
    what: list[Json] = ["gatework.notice/1", namespace, run, run_id, gate]
    said = json.dumps(what if may == "answer" else [*what, may]).encode()
    return f"msg_{hashlib.sha256(said).hexdigest()[:32]}"


def message(notice: Notice, where: Where, *, id: str, kind: str = OPENED, may: May = "answer") -> bytes:
    """The message as JSON in ASCII: no text in it moves or hides another. `may`: to whom it goes."""
    over = notice.override
    override: Json = {"role": over.role, "quorum": over.quorum, "identity": over.identity} if over else None
    to = over if over is not None and may == "override" else notice
    said = {
        "type": kind,
        "id": id,
        "timestamp": notice.opened,
        "text": "A test of Gatework: nobody is needed." if kind == TEST else _text(notice, where, may),
        "data": {
            "namespace": where.namespace,
            "workflow": where.workflow,
            "run": where.run,
            "run_id": where.run_id,
            "plan": notice.plan,
            "gate": notice.gate,
            "asks": notice.asks,
            "stage": notice.stage,
            "position": notice.position,
            "stages": notice.stages,
            "tool": notice.tool,
            "role": to.role,
            "may": may,
            "quorum": to.quorum,
            "identity": to.identity,
            "override": override,
            "handed_on": notice.handed_on,
            "expires": notice.expires,
            "page": where.page,
            "waiting": where.waiting,
        },
    }
    return json.dumps(said, separators=(",", ":")).encode("ascii")


def _text(notice: Notice, where: Where, may: May) -> str:
    """The message in a sentence."""
    place = f"(stage {notice.position} of {notice.stages})"
    over = notice.override
    may_override = f"{_many(over)} may override" if over else ""
    if may == "override":
        stopped = _STOPPED.get(notice.asks, "which waits")
        return f"{where.workflow}: {may_override} {notice.stage}, {stopped} {place}."
    asked = _ASKS.get(notice.asks, "at {stage}").format(stage=notice.stage, tool=notice.tool or "a tool")
    are = "are" if notice.quorum > 1 else "is"
    also = f"; {may_override} it" if over else ""
    return f"{where.workflow}: {_many(notice)} {are} needed {asked} {place}{also}."


def _many(who: Notice | Overrider) -> str:
    return f"{who.quorum} of {who.role}" if who.quorum > 1 else who.role
