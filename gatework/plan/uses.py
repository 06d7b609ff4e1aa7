"""What the nodes of a plan use: guards, tools with their limits, budgets, and people who answer. Plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gatework.plan.expr import Kind, Ref, Source


@dataclass(frozen=True, kw_only=True)
class Data:
    """Plain data of a plan, read strictly."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Budget(Data):
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
class By(Data):
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
class GuardUse(Data):
    """A guard at a stage."""

    name: str
    binds: Mapping[str, str]
    """Parameter of the guard → input of the stage; the output, the first parameter of a guard of outputs, is not in."""
    timeout_seconds: float
    queue: str = ""
    """Task queue of the workers that run it, as an activity of its own; empty for those of the stage."""


@dataclass(frozen=True, kw_only=True)
class Limit(Data):
    """What one argument of a tool must be. Every limit of a use must hold."""

    argument: str
    rule: Literal["is", "at_most", "at_least", "one_of", "matches"]
    """`matches`: the whole text fits the pattern."""
    value: Source
    """A value of the plan that is not untrusted, or a constant: for `one_of` a list, for `matches` a pattern."""
    kind: Kind | None = None
    """How the sides are compared; None for values that are only ever the same or not, by canonical JSON."""


@dataclass(frozen=True, kw_only=True)
class ToolUse(Data):
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
    apart: bool = False
    """Whether each call is an activity of its own, which the workflow asks for. Made of the other members."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "apart", self.kind == "effect" or bool(self.approver or self.queue))

    @property
    def reads(self) -> tuple[Ref, ...]:
        return tuple(limit.value for limit in self.limits if isinstance(limit.value, Ref))


QUEUE_FIX = "Use up to 100 letters, digits and the marks . _ - after the first."


def is_queue(name: str) -> bool:
    """Whether a name may be that of a task queue: one that looks the same in a log, a shell and a URL."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


MACHINES = frozenset(("worker", "guard", "exporter"))
"""Roles of machines, in which no plan asks anybody: those of what signs attempts, verdicts and certificates."""


def is_role(name: str) -> bool:
    """Whether a name may be that of a role."""
    return name.replace("-", "").replace("_", "").isalnum()
