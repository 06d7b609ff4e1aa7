"""What can happen to a run: the events that the machine takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gatework.plan.plan import Budget, Identity
from gatework.run.budget import Spent
from gatework.run.held import Held
from gatework.run.journal import Call, Entry
from gatework.values.canonical import Json, Sealed
from gatework.values.verdict import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A worker's signature of what it says, as `gatework.signing.attest` has it."""

    key: str
    """Id of the key."""
    signature: str
    """64 bytes in base64."""


class _Signable:
    """What a worker may sign. Where it signs nothing, its JSON has no member `signed`, and takes no byte more.

    So it is with `code`, where it does not know which it runs.
    """

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        schema = handler(source)
        for field_ in handler.resolve_ref_schema(schema)["schema"]["fields"]:
            if field_["name"] in ("signed", "code"):
                field_["serialization_exclude_if"] = _is_nothing
        return schema


def _is_nothing(value: object) -> bool:
    return value is None or value == ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given(_Signable):
    """A verdict that a guard gave on an output, or on inputs."""

    guard: str
    on: str = ""
    """Digest of what the guard looked at: the output, or the inputs as in `Run.inputs_digest`. Left out in messages
    where the result says it."""
    verdict: Word
    reason: str = ""
    signed: Signed | None = None
    """By a guard that has workers of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run starts from inputs that keep to the plan's contracts."""

    plan: str
    inputs: Mapping[str, Held]
    """By their names. What is known of each, the run that started this one says; else its label is the plan's."""
    asks: bool = True
    """Whether a person is asked where the work fails; else the run ends."""
    allowance: Budget | None = None
    """What the run may spend besides the plan's own budget."""
    run: str = ""
    """The lineage of the run, which no other run has. Not read by the machine."""
    kind: Literal["begun"] = "begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(_Signable):
    """An attempt gave an output, and its guards answered."""

    plan: str
    node: str
    attempt: int
    inputs: str
    """Digest of the inputs that the attempt was given, as in `Run.inputs_digest`."""
    contract: str
    """Digest of the contract that the output was validated against."""
    output: Sealed
    verdicts: tuple[Given, ...]
    before: tuple[Given, ...] = ()
    """The verdicts on the inputs, which let the stage run."""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    """How the output came about: models, digests of prompts, tools called. Not read by the machine."""
    spent: Spent = field(default_factory=Spent)
    ended_ms: int = 0
    """When it ended by the worker's clock, as milliseconds since 1970; 0 where no worker says."""
    signed: Signed | None = None
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(_Signable):
    """A guard did not let an attempt run on its inputs."""

    plan: str
    node: str
    attempt: int
    inputs: str
    verdicts: tuple[Given, ...]
    """On the inputs."""
    code: str = ""
    """Digest of the code, as in the evidence of what finishes. Not read by the machine."""
    ended_ms: int = 0
    """When it ended by the worker's clock, as milliseconds since 1970; 0 where no worker says."""
    signed: Signed | None = None
    kind: Literal["stopped"] = "stopped"


FailureKind = Literal["contract", "refused", "timeout", "error", "block"]
"""`contract`: the output breaks it. `refused`: the machine did not take the result. `timeout`: too late.
`error`: the code or what it stands on broke. `block`: the stage refuses."""

REFUSED: tuple[FailureKind, ...] = ("contract", "refused", "block")
"""Failures of what an attempt gave, which its receipt calls `refused`; the others are of how it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Signable):
    """An attempt gave no output."""

    plan: str
    node: str
    attempt: int
    inputs: str
    failure: FailureKind
    reason: str
    evidence: Mapping[str, Json] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    ended_ms: int = 0
    """When it ended by the worker's clock, as milliseconds since 1970; 0 where no worker says."""
    signed: Signed | None = None
    kind: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """A person moved the run to another plan of its workflow. `gatework.machine.migration` takes it."""

    plan: str
    """Digest of the plan that the run was held to."""
    to: str
    """Digest of the plan that it is held to from now on."""
    by: str = ""
    """The name that was given; a claim."""
    note: str = ""
    kind: Literal["migrated"] = "migrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A new run goes on where one has ended. Taken by `gatework.machine.resumption`."""

    plan: str
    """Digest of the plan that both are held to."""
    run: str
    """The server's id of the run that ended."""
    ended: str
    """How it ended, as the server says: `failed`, `timed_out`, `terminated`, `cancelled`; or `aborted`, `expired`."""
    place: str = ""
    """The node from which it goes on; empty for the one at which it ended."""
    by: str = ""
    """The name that was given; a claim."""
    note: str = ""
    kind: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An effect that was asked for in a run of the same lineage, of which the state of this one may not tell."""

    node: str
    call: Call
    result: Sealed | None = None
    """What it gave; None where nobody knows whether it happened."""
    run: str = ""
    """The server's id of the run in which it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """A run that was reset heard of what had followed. Taken by `gatework.machine.resumption`."""

    plan: str
    effects: tuple[Remembered, ...]
    kind: Literal["recalled"] = "recalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended(_Signable):
    """An attempt stands still: it waits for calls that run apart, or has only reached a point worth keeping."""

    plan: str
    node: str
    attempt: int
    inputs: str
    turn: int
    """How many entries its journal had when it was started."""
    entries: tuple[Entry, ...]
    """What came to the journal since: answers of the model, results of tools that run with the stage, refusals."""
    calls: tuple[Call, ...]
    """What must be answered before it goes on, in order; empty where it only goes on. Never empty with `entries`."""
    before: tuple[Given, ...] = ()
    """The verdicts on the inputs, which let the stage run; given anew each time that it is run."""
    spent: Spent = field(default_factory=Spent)
    """Since it was started last. Each tool that gave a result in `entries`, and each call in `calls`, counts."""
    ended_ms: int = 0
    """When it ended by the worker's clock, as milliseconds since 1970; 0 where no worker says."""
    signed: Signed | None = None
    kind: Literal["suspended"] = "suspended"


ActedOutcome = Literal["done", "found", "refused", "failed", "unknown"]
"""`done`: it gave its result. `found`: it had happened already, and this is the recorded result. `refused`: the tool
said no. `failed`: it broke and is known not to have changed anything. `unknown`: an effect in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted(_Signable):
    """A call that runs apart came to an end."""

    plan: str
    node: str
    attempt: int
    call: str
    """`Call.id`."""
    outcome: ActedOutcome
    """Only a tool with a probe gives `found`. One that is no effect is never in doubt: `unknown` counts as `failed`."""
    result: Sealed | None = None
    """With `done` and `found`, and only then: what the tool gave, which keeps to the contract in the plan."""
    reason: str = ""
    """With the others: why, in our words."""
    code: str = ""
    """Digest of the code of the tool, where its worker says so. Not read by the machine."""
    ended_ms: int = 0
    """When it ended by the worker's clock, as milliseconds since 1970; 0 where no worker says."""
    signed: Signed | None = None
    kind: Literal["acted"] = "acted"


Result = Finished | Stopped | Failed | Suspended
"""What comes of an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elapsed:
    """The time of a pause is over."""

    plan: str
    node: str
    attempt: int
    kind: Literal["elapsed"] = "elapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    """That people let a node past what had stopped it."""

    node: str
    """Of a child run: behind the node whose run it is, as in `found/3 claim`."""
    gate: int
    lets: Literal["output", "inputs", "value"]
    """What was let on: an output past its guards, inputs past theirs, or a person's value in place of the work."""
    guards: tuple[str, ...]
    """The guards that were against it."""
    by: tuple[str, ...]
    identity: Identity
    """How surely it is known who they are, at the least."""
    reason: str
    before: int = 0
    """How many more there were before it in the same child run, which are not told of one by one."""

    @property
    def place(self) -> str:
        """The node of the run that tells of it: of what was overridden in a child run, the one that started it."""
        return self.node.partition(" ")[0].partition("/")[0]


OutcomeKind = Literal["completed", "rejected", "aborted", "expired", "cancelled", "failed", "undone"]
"""How a run ends. `failed`: its work did, and nobody is asked in it. `undone`: it had completed, and was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A child run has ended."""

    plan: str
    node: str
    attempt: int
    child: int
    outcome: OutcomeKind
    output: Held | None = None
    """With `completed`: what it gave, which keeps to the contract in the plan, and what is known of it."""
    reason: str = ""
    spent: Spent = field(default_factory=Spent)
    acted: bool = False
    """Whether it has changed the outside world, or may have."""
    undoable: bool = False
    """Whether something in it can be undone."""
    run: str = ""
    """The server's id of the run."""
    ledger: str = ""
    """Digest of the last entry of its ledger."""
    overridden: tuple[Overridden, ...] = ()
    """What people overrode in it."""
    kind: Literal["returned"] = "returned"


Action = Literal["approve", "reject", "retry", "edit", "answer", "abort", "override"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a person decided at a gate."""

    action: Action
    number: str = ""
    """The number on the panel. `approve` and `override` need it; elsewhere it may be left out."""
    evidence: str = ""
    """Digest of what was shown, where the decision was made by a program that has it."""
    by: str = ""
    """Who decides; empty where nobody said."""
    identity: Identity = "none"
    """How surely that is known; `none` exactly where `by` is empty."""
    member: bool | None = None
    """Whether the list of people has that person in the role that is asked; None where there is no list."""
    proof: Mapping[str, Json] = field(default_factory=dict)
    """What shows who it was: the signature with the id of its key, or the server's word. Not read by the machine."""
    note: str = ""
    """Why. `override` needs it; elsewhere it may be left out."""
    place: str = ""
    """For `edit`: the node (or the input) whose value is replaced; empty for the one that the gate is about."""
    value: Sealed | None = None
    """For `edit` and `answer`: the value, which keeps to the contract of the place. For `override` the value that the
    node is to have without its work; None lets on what is in question."""
    kind: Literal["decided"] = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A gate has waited for as long as the plan lets it."""

    gate: int
    kind: Literal["expired"] = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Someone cancelled the run."""

    reason: str = ""
    returned: tuple[Returned, ...] = ()
    """What its child runs came to that were under way: they are cancelled with it, and end before it."""
    kind: Literal["cancelled"] = "cancelled"


Event = Begun | Result | Acted | Elapsed | Returned | Decided | Expired | Cancelled
