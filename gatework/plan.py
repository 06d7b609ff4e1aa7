"""The plan: the sealed order of stages with their contracts, labels, guards and grants, as plain data.

A plan is named by the digest of its canonical JSON. What must hold of every plan is in `gatework.faults`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

from gatework import canonical
from gatework.canonical import Json
from gatework.expr import Condition, Const, Kind, Ref, Source, refs
from gatework.labels import Label


@dataclass(frozen=True, kw_only=True)
class _Data:
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Budget(_Data):
    """What a stage may spend over all its attempts, or a run over all its stages. What is left out has no limit."""

    model_calls: int | None = None
    """Number of requests to the model."""
    tokens: int | None = None
    """Tokens read and written together, over all requests."""
    money: str | None = None
    """What the model's provider asks for them, in US dollars, as a decimal number such as `0.25`."""
    tool_calls: Mapping[str, int] = field(default_factory=dict)
    """Tool → number of its calls."""
    seconds: float | None = None
    """Time at work, guards included; waiting for people and for workers is not in it."""
    output_bytes: int | None = None
    """Largest output, as canonical JSON."""


DEFAULT_BUDGET = Budget(model_calls=4, tokens=64_000)
"""What each attempt of a stage adds where the plan does not say what the stage may spend: one question, for which as
much is taken again each of the three times that Temporal may try after a worker's death or an error."""


Identity = Literal["none", "claimed", "authenticated", "signed"]
"""How surely it is known who decides, from the least: nobody has to say; a name that somebody typed, which is a claim;
a name that the server vouches for; a name whose key signed the decision."""


@dataclass(frozen=True, kw_only=True)
class By(_Data):
    """Who may answer where a run waits."""

    role: str
    quorum: int = 1
    """How many different people of the role must approve."""
    identity: Identity = "none"
    """How surely it must be known who they are, at the least. Saying no needs no more than a claim."""


MAX_QUORUM = 9

OPERATOR = By(role="operator")
"""Who is asked where a plan does not say."""


@dataclass(frozen=True, kw_only=True)
class GuardUse(_Data):
    """A guard at a stage."""

    name: str
    binds: Mapping[str, str]
    """Parameter of the guard → input of the stage; the output, the first parameter of a guard of outputs, is not in."""
    timeout_seconds: float
    queue: str = ""
    """Task queue of the workers that run it, as an activity of its own; empty for those of the stage."""


@dataclass(frozen=True, kw_only=True)
class Limit(_Data):
    """What one argument of a tool must be. Every limit of a use must hold."""

    argument: str
    rule: Literal["is", "at_most", "at_least", "one_of", "matches"]
    """`matches`: the whole text fits the pattern."""
    value: Source
    """A value of the plan that is not untrusted, or a constant: for `one_of` a list, for `matches` a pattern."""
    kind: Kind | None = None
    """How the sides are compared; None for values that are only ever the same or not, by canonical JSON."""


@dataclass(frozen=True, kw_only=True)
class ToolUse(_Data):
    """A tool that a stage may call, and with what."""

    name: str
    kind: Literal["tool", "effect"] = "tool"
    """An effect changes the outside world, and happens once for each key."""
    arguments: str = ""
    """Contract digest of the arguments, as one JSON object."""
    result: str = ""
    """Contract digest of what it gives."""
    limits: tuple[Limit, ...] = ()
    once: str = ""
    """The argument that is the business key of an effect."""
    probe: bool = False
    """Whether an effect can be asked what became of a key."""
    untrusted: bool = False
    """Whether its result is outside text."""
    private: bool = False
    """Whether its result must not leave."""
    egress: bool = False
    """Whether its arguments can carry data out."""
    approver: By | None = None
    """Who is asked before each call; None asks nobody."""
    queue: str = ""
    """Task queue of the workers that run it; empty for that of the run."""
    timeout_seconds: float = 60.0
    """Longest time of one call."""
    descriptor: str = ""
    """Digest of what another program, such as an MCP server, says of the tool; empty for one of our own."""

    @property
    def apart(self) -> bool:
        """Whether each call is an activity of its own, which the workflow asks for."""
        return self.kind == "effect" or bool(self.approver or self.queue)

    @property
    def reads(self) -> tuple[Ref, ...]:
        return tuple(limit.value for limit in self.limits if isinstance(limit.value, Ref))


@dataclass(frozen=True, kw_only=True)
class Param(_Data):
    """One input of a node."""

    name: str
    label: Label
    contract: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class Input(_Data):
    """What a run starts from."""

    name: str
    label: Label
    contract: str


@dataclass(frozen=True, kw_only=True)
class Work(_Data):
    """A node that runs a stage, or an endorser, as one activity."""

    name: str
    runs: str
    """Name of the stage or endorser."""
    params: tuple[Param, ...]
    label: Label
    contract: str
    before: tuple[GuardUse, ...] = ()
    """Guards that look at the inputs, before the stage works."""
    guards: tuple[GuardUse, ...] = ()
    """Guards that look at the output."""
    tools: tuple[ToolUse, ...] = ()
    """Its grant: what it may call, and nothing else."""
    attempts: int = 1
    """Attempts before a person is asked."""
    timeout_seconds: float = 60.0
    """Longest run of one attempt, guards included."""
    budget: Budget | None = None
    operator: By = OPERATOR
    """Who is asked when the node waits."""
    expires_seconds: float = 604_800.0
    """How long it waits for that person."""
    queue: str = ""
    """Task queue of the workers that run it; empty for that of the run."""
    kind: Literal["stage", "endorse"] = "stage"

    @property
    def effects(self) -> tuple[ToolUse, ...]:
        """The tools by which it may change the outside world."""
        return tuple(use for use in self.tools if use.kind == "effect")

    def tool(self, name: str) -> ToolUse | None:
        """How it may call a tool; None where it may not."""
        return next((use for use in self.tools if use.name == name), None)

    @property
    def reads(self) -> tuple[Ref, ...]:
        inputs = tuple(p.source for p in self.params if isinstance(p.source, Ref))
        return (*inputs, *(ref for tool in self.tools for ref in tool.reads))


@dataclass(frozen=True, kw_only=True)
class Approval(_Data):
    """A node at which a person decides on one value, on the evidence shown."""

    name: str
    value: Ref
    contract: str
    by: By
    not_by: tuple[Ref, ...] = ()
    """Who may not approve: whom a text of the plan names, and whoever approved an approved value."""
    when: Condition | None = None
    """Ask only where this holds; None asks always."""
    show: tuple[Ref, ...] = ()
    title: str = ""
    """What is asked, in a sentence; `{amount}` stands for a field of the value. Empty for the value's name."""
    expires_seconds: float = 604_800.0
    otherwise: By | None = None
    """Who is asked once that time is up, for as long again; None counts it as a no."""
    click: bool = False
    """Whether `approve` may be sent without the number on the panel."""
    label: Label = Label.APPROVED
    kind: Literal["approve"] = "approve"

    @property
    def reads(self) -> tuple[Ref, ...]:
        return (self.value, *self.show, *(refs(self.when) if self.when else ()), *self.not_by)

    @property
    def asks(self) -> tuple[By, ...]:
        """Everyone who may be asked, in turn."""
        return (self.by,) if self.otherwise is None else (self.by, self.otherwise)

    @property
    def tells_apart(self) -> bool:
        """Whether people are told from each other here, by whoever is asked."""
        return bool(self.not_by) or any(by.quorum > 1 for by in self.asks)


Node = Work | Approval


@dataclass(frozen=True, kw_only=True)
class Plan(_Data):
    """The order itself. Nodes run in the order in which they stand."""

    name: str
    input: Input
    nodes: tuple[Node, ...]
    result: str
    """Name of the node whose output is the run's."""
    contracts: Mapping[str, Json] = field(default_factory=dict)
    """Contract digest → sealed JSON Schema."""
    budget: Budget | None = None
    """What a run may spend over all its stages."""
    acknowledged: tuple[str, ...] = ()
    """Nodes whose output is left unused on purpose."""
    format: Literal[1] = 1

    @cached_property
    def digest(self) -> str:
        """64 hex digits that name this plan."""
        return canonical.digest("plan", self.data)

    @property
    def data(self) -> Json:
        """The plan as JSON."""
        return _json(dataclasses.asdict(self))

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Node name → position."""
        return {node.name: position for position, node in enumerate(self.nodes)}

    def label(self, name: str) -> Label:
        """The label of the input or of a node's output."""
        return self.input.label if name == self.input.name else self.nodes[self.index[name]].label

    def contract(self, name: str) -> str:
        """The contract digest of the input or of a node's output."""
        return self.input.contract if name == self.input.name else self.nodes[self.index[name]].contract


QUEUE_FIX = "Use up to 100 letters, digits and the marks . _ - after the first."


def is_queue(name: str) -> bool:
    """Whether a name may be that of a task queue: one that looks the same in a log, a shell and a URL."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


def is_role(name: str) -> bool:
    """Whether a name may be that of a role."""
    return name.replace("-", "").replace("_", "").isalnum()


def _json(value: object) -> Json:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


__all__ = [
    "OPERATOR",
    "Approval",
    "Budget",
    "By",
    "Const",
    "GuardUse",
    "Identity",
    "Input",
    "Limit",
    "Node",
    "Param",
    "Plan",
    "ToolUse",
    "Work",
]
