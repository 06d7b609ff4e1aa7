"""What a run knows and waits for, and the receipts that it leaves: the values between which the machine steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gatework import canonical
from gatework.canonical import Json, Sealed
from gatework.events import Action, Given
from gatework.labels import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A value that holds a receipt."""

    sealed: Sealed
    label: Label
    by_hand: bool = False
    """Whether a person put it there."""


GateKind = Literal["approval", "escalated", "blocked", "exhausted", "failed", "unknown"]

ALLOWED: Mapping[GateKind, tuple[Action, ...]] = {
    "approval": ("approve", "reject", "edit", "abort"),
    "escalated": ("approve", "reject", "edit", "abort"),
    "blocked": ("retry", "edit", "abort"),
    "exhausted": ("retry", "edit", "abort"),
    "failed": ("retry", "edit", "abort"),
    "unknown": ("retry", "edit", "abort"),
}
"""What a person may do at a gate of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A place where the run waits for a person."""

    id: int
    """Counts the gates of a run from 1; never used again."""
    kind: GateKind
    node: str
    role: str
    evidence: str
    """Digest over all that is shown."""
    shown: Mapping[str, str]
    """Name → digest of each value that is shown."""
    reasons: tuple[str, ...] = ()
    place: str
    """What an edit replaces unless it names another place."""
    before: bool = False
    """Whether a guard asks about the inputs, before the node runs."""
    candidate: Sealed | None = None
    """The output that is in question; what an approval at a stage's own gate lets on."""
    expires_seconds: float
    click: bool = False
    """Whether `approve` may be sent without the number."""

    @property
    def number(self) -> str:
        """Four digits that stand for the evidence: what `approve` takes. The first is no zero, so JSON takes it bare.

        The last is that of the gate, so that a number is never also that of one of the nine gates around it.
        """
        return f"{100 + int(self.evidence[:12], 16) % 900}{self.id % 10}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    kind: Literal["completed", "rejected", "aborted", "expired", "cancelled"]
    node: str = ""
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that a run knows. Values, not history: the ledger holds that."""

    plan: str
    begun: bool = False
    at: int = 0
    """Position of the node that is due."""
    values: Mapping[str, Held] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts of each node so far, over all rounds: the number of an attempt is never used again."""
    limit: int = 0
    """Number of the last attempt of the node at `at` before a person is asked."""
    feedback: tuple[str, ...] = ()
    let_in: str = ""
    """Digest of the inputs on which a person lets the node at `at` run, past the guards that look at inputs."""
    edited: Sealed | None = None
    """A person's value for the node at `at`, until it is held or the node runs again."""
    effects: Mapping[str, bool] = field(default_factory=dict)
    """Node that holds an effect and has worked, or was given its value by a person → whether it may have been sent."""
    gates: int = 0
    gate: Gate | None = None
    outcome: Outcome | None = None


def inputs_digest(inputs: Mapping[str, Sealed]) -> str:
    """What names the inputs of an attempt, all of them together."""
    return canonical.digest("inputs", {name: sealed.digest for name, sealed in inputs.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt of a node is due."""

    plan: str
    node: str
    attempt: int
    inputs: Mapping[str, Sealed]
    feedback: tuple[str, ...] = ()
    edited: Sealed | None = None
    """Where set, the stage does not work: the guards look at this value."""
    let_in: bool = False
    """Whether a person lets the stage run on these inputs, past the guards that look at them."""

    @property
    def inputs_digest(self) -> str:
        return inputs_digest(self.inputs)


Due = Run | Gate | Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the machine accepted, by digests. The driver chains receipts into the ledger."""

    kind: Literal[
        "begun", "output", "stopped", "refused", "failed", "approved", "asked", "decided", "migrated", "ended"
    ]
    node: str = ""
    attempt: int = 0
    inputs: str = ""
    output: str = ""
    label: str = ""
    verdicts: tuple[Given, ...] = ()
    gate: int = 0
    shown: Mapping[str, str] = field(default_factory=dict)
    evidence: str = ""
    action: str = ""
    by: str = ""
    reason: str = ""
    how: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an event led to."""

    state: State
    receipts: tuple[Receipt, ...]
