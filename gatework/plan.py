"""The plan: the sealed order of stages with their contracts, labels, guards and grants, as plain data.

A plan is named by the digest of its canonical JSON. `faults` states the rules that hold of every plan,
whether it was traced from a function or read from a lock file.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

from gatework import canonical
from gatework.canonical import Json
from gatework.expr import Compare, Condition, Const, Kind, Ref, Source, parts, refs, render
from gatework.labels import Label, combined


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


DEFAULT_BUDGET = Budget(model_calls=1, tokens=16_000)
"""What each attempt of a stage adds where the plan does not say what the stage may spend."""


@dataclass(frozen=True, kw_only=True)
class GuardUse(_Data):
    """A guard at a stage."""

    name: str
    binds: Mapping[str, str]
    """Parameter of the guard → input of the stage; the output, the first parameter of a guard of outputs, is not in."""
    timeout_seconds: float


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
    approver: str = ""
    """Role of the person who is asked before each call; empty asks nobody."""
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
    attempts: int = 1
    """Attempts before a person is asked."""
    timeout_seconds: float = 60.0
    """Longest run of one attempt, guards included."""
    budget: Budget | None = None
    operator: str = "operator"
    """Role of the person who is asked when the node waits."""
    expires_seconds: float = 604_800.0
    """How long it waits for that person."""
    queue: str = ""
    """Task queue of the workers that run it; empty for that of the run."""
    kind: Literal["stage", "endorse"] = "stage"

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
    role: str
    when: Condition | None = None
    """Ask only where this holds; None asks always."""
    show: tuple[Ref, ...] = ()
    expires_seconds: float = 604_800.0
    click: bool = False
    """Whether `approve` may be sent without the number on the panel."""
    label: Label = Label.APPROVED
    kind: Literal["approve"] = "approve"

    @property
    def reads(self) -> tuple[Ref, ...]:
        return (self.value, *self.show, *(refs(self.when) if self.when else ()))


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


def faults(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a plan, as (node, problem, fix); nothing where it keeps every rule."""
    known = {plan.input.name}
    used: set[str] = {plan.result}
    for name in (plan.name, plan.input.name, *(node.name for node in plan.nodes)):
        if not name.isidentifier():
            yield name, f"{name!r} is no name.", "Use letters, digits and _."
    if plan.input.label is Label.APPROVED:
        yield plan.input.name, "nobody has approved what a run starts from.", "Label it Untrusted or Endorsed."
    for node in plan.nodes:
        if node.name in known:
            yield node.name, f"two nodes are named {node.name}.", "Rename the variable, or use stage.as_('other')(…)."
        for ref in node.reads:
            if ref.node not in known:
                yield node.name, f"{node.name} uses {ref.node}, which does not come before it.", "Order the calls."
            used.add(ref.node)
        if known.issuperset(ref.node for ref in node.reads):
            yield from _label_faults(plan, node)
        yield from _limit_faults(node)
        known.add(node.name)
    if plan.result not in known - {plan.input.name}:
        yield plan.result, "the result is not the output of a stage.", "Return what a stage gave."
    for node in plan.nodes:
        if node.name not in used and node.name not in plan.acknowledged:
            yield (
                node.name,
                f"nothing uses the output of {node.name}.",
                f"Use it, return it, or write `_ = {node.name}(…)` to say that it is meant so.",
            )
    sealed = {plan.input.contract, *(node.contract for node in plan.nodes)}
    sealed.update(param.contract for node in plan.nodes if isinstance(node, Work) for param in node.params)
    for digest in sorted(sealed - set(plan.contracts)):
        yield plan.name, f"the contract {digest[:12]} is not in the plan.", "Seal the plan again."
    for digest, schema in plan.contracts.items():
        if canonical.digest("contract", schema) != digest:
            yield plan.name, f"the contract {digest[:12]} has another digest.", "Seal the plan again."


def _label_faults(plan: Plan, node: Node) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, Approval):
        yield from _approval_faults(plan, node)
        return
    labels = []
    for param in node.params:
        label = plan.label(param.source.node) if isinstance(param.source, Ref) else Label.PLAIN
        labels.append(label)
        if not label.meets(param.label):
            yield node.name, f"{node.runs} asks for {param.label} {param.name} and gets {label}.", _way_up(param.label)
    if node.kind == "endorse":
        if labels != [Label.UNTRUSTED] or node.label is not Label.ENDORSED:
            yield node.name, f"{node.name} endorses what is not untrusted.", "Endorse one untrusted value."
    elif combined(labels) not in (Label.PLAIN, node.label):
        yield node.name, f"{node.runs} makes {node.label} of {combined(labels)}.", "Labels are contagious; keep them."
    elif node.label is Label.APPROVED:
        yield node.name, f"{node.runs} approves by itself.", "Only approve(…) makes Approved."
    if node.tools:
        if Label.UNTRUSTED in labels:
            yield node.name, f"{node.runs} holds an effect and reads untrusted data.", "Endorse or approve it first."
        if not {Label.ENDORSED, Label.APPROVED} & set(labels):
            yield node.name, f"{node.runs} holds an effect without any labelled input.", "Pass it what was endorsed."


def _limit_faults(node: Node) -> Iterator[tuple[str, str, str]]:
    """Numbers that would let a node run or wait for no time or for ever, and names that do not say which."""
    limits = [node.expires_seconds]
    if isinstance(node, Work):
        guards = (*node.before, *node.guards)
        limits += [node.attempts, node.timeout_seconds, *(use.timeout_seconds for use in guards)]
        limits += [node.budget.model_calls, node.budget.tokens] if node.budget else []
        inputs = [param.name for param in node.params]
        for names in (inputs, *([use.name for use in uses] for uses in (node.before, node.guards, node.tools))):
            for twice in sorted({name for name in names if names.count(name) > 1}):
                yield node.name, f"{node.runs} names {twice} twice.", "Name it once."
        for use in guards:
            for lacking in sorted(set(use.binds.values()) - set(inputs)):
                yield node.name, f"the guard {use.name} asks for {lacking}, which {node.runs} lacks.", "Name an input."
        for use in node.before:
            if not use.binds:
                yield node.name, f"the guard {use.name} looks at no input of {node.runs}.", "Let it take an input."
        if not is_queue(node.queue or "ours"):
            yield node.name, f"{node.name} runs on a task queue without a usable name.", QUEUE_FIX
    if not all(0 < limit < math.inf for limit in limits):
        yield node.name, f"{node.name} has a limit that is none.", "Give attempts, times and budgets above zero."


def _approval_faults(plan: Plan, node: Approval) -> Iterator[tuple[str, str, str]]:
    label = plan.label(node.value.node)
    if node.value.path or any(ref.path for ref in node.show):
        yield node.name, f"{node.name} is about a part of a value.", "Approve and show whole values."
    if not node.role:
        yield node.name, f"{node.name} does not say who decides.", "Name a role."
    if label is Label.APPROVED:
        yield node.name, f"{node.value.node} is approved already.", "Pass the approved value on."
    if label is Label.PLAIN:
        yield node.name, f"{node.value.node} has no label to approve.", "Approve an untrusted or endorsed value."
    if node.label is not Label.APPROVED or node.contract != plan.contract(node.value.node):
        yield node.name, f"{node.name} does not approve what it gives on.", "Seal the plan again."
    if node.when is None:
        return
    if label is Label.UNTRUSTED:
        yield node.name, "an untrusted value decides on its own approval.", "Endorse it first, or drop when=."
    if any(_constant(part) for part in parts(node.when)):
        yield node.name, f"the condition {render(node.when)} is a constant.", "Compare a value of the plan."
    for ref in refs(node.when):
        if plan.label(ref.node) is Label.UNTRUSTED:
            yield node.name, f"the untrusted {render(ref)} decides whether a person is asked.", "Use endorsed values."


def _constant(part: Condition) -> bool:
    """Whether a part of a condition is the same whatever the values are."""
    return not any(True for _ in refs(part)) or (isinstance(part, Compare) and part.left == part.right)


def _way_up(demanded: Label) -> str:
    return {
        Label.ENDORSED: "Use endorse(…, by=…), or approve(…).",
        Label.APPROVED: "Use approve(…, by=role(…)).",
        Label.PLAIN: "Declare the parameter with the label; a label cannot be taken off.",
        Label.UNTRUSTED: "Pass the untrusted value itself.",
    }[demanded]


QUEUE_FIX = "Use up to 100 letters, digits and the marks . _ - after the first."


def is_queue(name: str) -> bool:
    """Whether a name may be that of a task queue: one that looks the same in a log, a shell and a URL."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


def _json(value: object) -> Json:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


__all__ = [
    "Approval",
    "Budget",
    "Const",
    "GuardUse",
    "Input",
    "Limit",
    "Node",
    "Param",
    "Plan",
    "ToolUse",
    "Work",
    "faults",
]
