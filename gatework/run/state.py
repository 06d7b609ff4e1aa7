"""What a run knows and waits for, and the receipts that it leaves: the values between which the machine steps."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from gatework.plan.plan import Budget, By, Identity
from gatework.run.branches import Branch, Closely
from gatework.run.budget import Spent
from gatework.run.events import Action, Given, OutcomeKind, Overridden
from gatework.run.held import Held
from gatework.run.journal import Call, Entry
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed

GateKind = Literal["approval", "question", "call", "escalated", "blocked", "spent", "exhausted", "failed", "unknown"]

ALLOWED: Mapping[GateKind, tuple[Action, ...]] = {
    "question": ("answer", "abort"),
    "spent": ("approve", "reject", "retry", "edit", "abort"),
    "approval": ("approve", "reject", "edit", "abort"),
    "call": ("approve", "reject", "abort"),
    "escalated": ("approve", "reject", "edit", "abort"),
    "blocked": ("retry", "edit", "abort"),
    "exhausted": ("retry", "edit", "abort"),
    "failed": ("retry", "edit", "abort"),
    "unknown": ("retry", "edit", "abort"),
}
"""What a person may do at a gate of each kind, save `override`, which the plan allows or does not."""

OVERRIDABLE: tuple[GateKind, ...] = ("blocked", "exhausted", "failed", "unknown")
"""The kinds of gates at which `override` answers, where the plan says who may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One approval of several that are needed."""

    by: str
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A place where the run waits for a person."""

    id: int
    """Counts the gates of a run from 1; never used again."""
    kind: GateKind
    node: str
    by: By
    """Who may answer."""
    not_by: tuple[str, ...] = ()
    """Who may not approve, or override, by name."""
    votes: tuple[Vote, ...] = ()
    """Approvals so far, or overrides, where one is not enough."""
    override: By | None = None
    """Who may let the node past what stopped it; None where nobody may."""
    against: tuple[Given, ...] = ()
    """The verdicts that stopped it."""
    handed_on: bool = False
    """Whether those who were asked first did not answer in time."""
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
    call: Call | None = None
    """The call that is in question; what an approval at a gate of kind `call` lets happen, once."""
    expires_seconds: float
    click: bool = False
    """Whether `approve` may be sent without the number."""

    @property
    def number(self) -> str:
        """Four digits that stand for the evidence: what `approve` takes. The first is no zero, so JSON takes it bare.

        The last is that of the gate, so that a number is never also that of one of the nine gates around it.
        """
        return digits(self.id, self.evidence, 0)

    @property
    def full_number(self) -> str:
        """The number beside the whole of the evidence: what `approve` takes as well, and never the same."""
        return digits(self.id, self.evidence, 1)

    @property
    def role(self) -> str:
        return self.by.role

    @property
    def allowed(self) -> tuple[Action, ...]:
        """What a person may do here."""
        return (*ALLOWED[self.kind], *(("override",) if self.override is not None else ()))

    def asked(self, action: Action) -> By:
        """Who may do so here."""
        return self.override if action == "override" and self.override is not None else self.by


def digits(gate: int, evidence: str, which: int) -> str:
    """The numbers of a gate: 0 is that on the panel, 1 that beside the whole of the evidence."""
    return f"{100 + (int(evidence[:12], 16) + 450 * which) % 900}{gate % 10}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    kind: OutcomeKind
    node: str = ""
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """A piece of work that can be undone: by a work of the plan, or by the child run that did it."""

    undo: str
    """Name of the work among the plan's undos, or of the call whose child run it was."""
    values: Mapping[str, Held] = field(default_factory=dict)
    """What such a work reads, as it was then."""
    child: int = 0
    run: str = ""
    """The server's id of the child run; empty for a work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An effect that was asked for: what it was, and what became of it."""

    node: str
    tool: str
    """Empty where a person wrote down what the node came to."""
    arguments: str
    """Digest of the arguments, written in the one way that the types of the contract have for a value. Salted."""
    outcome: Literal["asked", "done", "found", "refused", "failed", "unknown"]
    """`asked` until it is answered; `unknown` until it is known, however often it was sent."""
    result: Sealed | None = None
    """With `done` and `found`."""

    @property
    def happened(self) -> bool:
        """Whether it has changed the outside world, or may have."""
        return self.outcome not in ("refused", "failed")


@dataclass(frozen=True, kw_only=True)
class State:
    """All that a run knows. Values, not history: the ledger holds that.

    Without slots: `changed` copies it quickly, and the machine keeps with it what is due in it.
    """

    plan: str
    begun: bool = False
    at: int = 0
    """Position of the node that is due."""
    values: Mapping[str, Held] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    """Node that gives no value → what came of it: the way that a choice took, the rounds of a loop so far, or 1 for a
    pause or runs side by side that are over."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts of each node so far, over all rounds: the number of an attempt is never used again."""
    limit: int = 0
    """Number of the last attempt of the node at `at` before a person is asked."""
    feedback: tuple[str, ...] = ()
    let_in: str = ""
    """Digest of the inputs on which a person lets the node at `at` run, past the guards that look at inputs."""
    let_in_by: tuple[str, ...] = ()
    """Who did so by an override, past guards that had blocked them."""
    edited: Sealed | None = None
    """A person's value for the node at `at`, until it is held or the node runs again."""
    editor: tuple[str, ...] = ()
    """Who gave that value, where somebody said."""
    journal: tuple[Entry, ...] = ()
    """What the attempt at `at` was answered so far."""
    pending: tuple[Call, ...] = ()
    """The calls that the attempt at `at` waits for; the first one is due."""
    let_call: str = ""
    """Id of the pending call that a person lets happen."""
    let_again: str = ""
    """Key of an effect in doubt that a person lets the attempt at `at` send again, once."""
    tried: int = 0
    """How often the call that is due was made in vain."""
    acts: Mapping[str, Done] = field(default_factory=dict)
    """Key of an effect → what became of it, over all attempts and edits.

    What a person writes down for a node that holds effects stands under `by_hand`, which is no key.
    """
    spent: Mapping[str, Spent] = field(default_factory=dict)
    """Node → what all its attempts spent."""
    renewed: Spent = field(default_factory=Spent)
    """What the node at `at` had spent when a person last gave it a fresh budget."""
    branches: Annotated[Mapping[int, Branch], Closely()] = field(default_factory=dict)
    """Child of the call at `at`, or right before the parts at `at` → what it came to."""
    running: Mapping[int, Budget] = field(default_factory=dict)
    """Child of the call at `at` that is to be under way → what it may spend."""
    overrides: tuple[Overridden, ...] = ()
    """Every override so far, whether or not what it let on still stands."""
    undoable: tuple[Undoable, ...] = ()
    """What can be undone, in the order in which it was done."""
    ending: Outcome | None = None
    """How the run ends once what is undoable is undone."""
    asks: bool = True
    """Whether a person is asked where the work fails; else the run ends."""
    allowance: Budget | None = None
    """What the run may spend, besides the plan's own budget, where another run started it."""
    gates: int = 0
    gate: Gate | None = None
    outcome: Outcome | None = None


def by_hand(node: str) -> str:
    """Under what name `State.acts` has that a person wrote down what a node with effects came to."""
    return f"by hand: {node}"


def inputs_digest(inputs: Mapping[str, Sealed]) -> str:
    """What names the inputs of an attempt, all of them together."""
    return canonical.digest("inputs", {name: sealed.digest for name, sealed in inputs.items()})


@dataclass(frozen=True, kw_only=True)
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
    journal: tuple[Entry, ...] = ()
    """What it was answered so far; it runs again from its start."""
    limits: Mapping[str, Sealed] = field(default_factory=dict)
    """Node → value, of those that limits in the grant refer to."""
    allowance: Budget = field(default_factory=Budget)
    """What it may spend: the smaller of what is left to the stage and to the run."""

    @functools.cached_property
    def inputs_digest(self) -> str:
        return inputs_digest(self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One call of a tool is due, apart from the attempt that asked for it."""

    plan: str
    node: str
    attempt: int
    call: Call
    again: bool = False
    """Whether it was sent before, with an outcome that nobody knows: its probe is asked first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A time is to pass."""

    plan: str
    node: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRun:
    """One child run that is to be under way."""

    child: int
    """Counts the child runs of the node from 0."""
    workflow: str
    plan: str
    inputs: Mapping[str, Held]
    asks: bool
    """Whether a person is asked there where the work fails."""
    allowance: Budget
    undoes: str = ""
    """The server's id of an earlier run of this child, which it takes back; it starts from what that one knew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Child runs are to be under way, and no others of this node."""

    plan: str
    node: str
    attempt: int
    runs: tuple[ChildRun, ...]


Due = Run | Act | Wait | Spawn | Gate | Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the machine accepted, by digests. The driver chains receipts into the ledger."""

    kind: Literal[
        "begun",
        "output",
        "stopped",
        "suspended",
        "acting",
        "acted",
        "refused",
        "failed",
        "chose",
        "joined",
        "round",
        "waited",
        "called",
        "returned",
        "gathered",
        "approved",
        "asked",
        "decided",
        "migrated",
        "resumed",
        "undoing",
        "ended",
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
    identity: str = ""
    """How surely it is known who decided."""
    reason: str = ""
    how: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an event led to."""

    state: State
    receipts: tuple[Receipt, ...]
