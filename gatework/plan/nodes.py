"""The nodes of a plan: what may stand between its first step and its last. Plain data.

Nodes stand in one row. A choice has its ways behind it, each node of which says in which way it stands, and a join; a
loop its body, which ends where a guard says whether it goes round once more. What runs side by side runs elsewhere: a
`Call` is one node, however many runs it starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatework.plan.expr import Condition, Ref, Source, refs
from gatework.plan.labels import Label
from gatework.plan.uses import OPERATOR, Budget, By, Data, GuardUse, Identity, ToolUse


@dataclass(frozen=True, kw_only=True)
class Param(Data):
    """One input of a node."""

    name: str
    label: Label
    contract: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class Arm(Data):
    """One of the ways that a choice can take."""

    choice: str
    way: int
    """Counts from 0, in the order of the plan."""


@dataclass(frozen=True, kw_only=True)
class Until(Data):
    """What makes a node the end of a loop: its guard says whether there is another round."""

    loop: str
    rounds: int
    """Most rounds before it is said that they are spent."""
    spent: Literal["ask", "accept"] = "ask"
    """What happens then: a person is asked, or the last value is taken as it is."""


@dataclass(frozen=True, kw_only=True)
class Step(Data):
    """What all nodes have: written out in the plan, so that who reads one needs not to know all kinds of nodes."""

    reads: tuple[Ref, ...] = ()
    """What it reads, in the order in which a person is shown it. Made of the other members, whatever is given here."""
    gives: tuple[Ref, ...] = ()
    """What it gives on unchanged: one value, or one for each way of its choice. Made of the other members, too.

    What child run 0 of a call `found` gave is the value `found/0`.
    """
    acts: bool = False
    """Whether it may change the outside world. Made of the other members, too."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "acts", bool(self.effects))
        object.__setattr__(self, "reads", self._reads())
        object.__setattr__(self, "gives", self._gives())

    @property
    def effects(self) -> tuple[ToolUse | Child, ...]:
        """By what it may change the outside world."""
        return ()

    def _reads(self) -> tuple[Ref, ...]:
        return ()

    def _gives(self) -> tuple[Ref, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Work(Step):
    """A node that runs a stage, an endorser, or the guard that ends a loop, as one activity."""

    name: str
    runs: str
    """Name of the stage, endorser or guard."""
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
    override: By | None = None
    """Who may let it past what stopped it: its guards, or itself; None lets nobody."""
    queue: str = ""
    """Task queue of the workers that run it; empty for that of the run."""
    undo: str = ""
    """Name of the work among the plan's undos that undoes it; empty where nothing does."""
    until: Until | None = None
    """With kind `until`: the loop whose end it is. Nothing works here; the guard looks at the one input."""
    arm: Arm | None = None
    """The way inside which it stands, the innermost one; None where it always runs."""
    kind: Literal["stage", "endorse", "until"] = "stage"

    @property
    def effects(self) -> tuple[ToolUse, ...]:
        """The tools by which it may change the outside world."""
        return tuple(use for use in self.tools if use.kind == "effect")

    def tool(self, name: str) -> ToolUse | None:
        """How it may call a tool; None where it may not."""
        return next((use for use in self.tools if use.name == name), None)

    def _reads(self) -> tuple[Ref, ...]:
        inputs = tuple(p.source for p in self.params if isinstance(p.source, Ref))
        return (*inputs, *(ref for tool in self.tools for ref in tool.reads))


@dataclass(frozen=True, kw_only=True)
class Approval(Step):
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
    arm: Arm | None = None
    kind: Literal["approve"] = "approve"

    def _reads(self) -> tuple[Ref, ...]:
        return (self.value, *self.show, *(refs(self.when) if self.when else ()), *self.not_by)

    def _gives(self) -> tuple[Ref, ...]:
        return (self.value,)

    @property
    def asks(self) -> tuple[By, ...]:
        """Everyone who may be asked, in turn."""
        return (self.by,) if self.otherwise is None else (self.by, self.otherwise)

    @property
    def tells_apart(self) -> bool:
        """Whether people are told from each other here, by whoever is asked."""
        return bool(self.not_by) or any(by.quorum > 1 for by in self.asks)


@dataclass(frozen=True, kw_only=True)
class Question(Step):
    """A node at which a person is asked for a value."""

    name: str
    prompt: str
    """What is asked, in a sentence."""
    contract: str
    by: By
    show: tuple[Ref, ...] = ()
    expires_seconds: float = 604_800.0
    otherwise: By | None = None
    """Who is asked once that time is up, for as long again; None ends the run."""
    label: Label = Label.APPROVED
    arm: Arm | None = None
    kind: Literal["ask"] = "ask"

    def _reads(self) -> tuple[Ref, ...]:
        return self.show

    @property
    def asks(self) -> tuple[By, ...]:
        """Everyone who may be asked, in turn."""
        return (self.by,) if self.otherwise is None else (self.by, self.otherwise)


@dataclass(frozen=True, kw_only=True)
class Pause(Step):
    """A node at which the run waits for a time."""

    name: str
    seconds: float
    arm: Arm | None = None
    kind: Literal["pause"] = "pause"


@dataclass(frozen=True, kw_only=True)
class Choice(Step):
    """A node at which the plan takes one of several ways."""

    name: str
    on: Ref | None = None
    """With kind `choose`: a value that is one of several models."""
    tag: str = ""
    """The field that says which."""
    ways: tuple[tuple[str, ...], ...] = ()
    """For each way the tags that lead to it; none stands in two of them."""
    when: Condition | None = None
    """With kind `when`: the first way is taken where it holds, else the second, or none where there is no second."""
    arm: Arm | None = None
    kind: Literal["choose", "when"] = "choose"

    def _reads(self) -> tuple[Ref, ...]:
        return (*((self.on,) if self.on else ()), *(refs(self.when) if self.when else ()))


@dataclass(frozen=True, kw_only=True)
class Join(Step):
    """A node that gives on what the way gave that a choice took."""

    name: str
    choice: str
    options: tuple[Ref, ...]
    """One whole value for each way."""
    label: Label
    contract: str
    arm: Arm | None = None
    kind: Literal["join"] = "join"

    def _reads(self) -> tuple[Ref, ...]:
        return self.options

    def _gives(self) -> tuple[Ref, ...]:
        return self.options


@dataclass(frozen=True, kw_only=True)
class Loop(Step):
    """The beginning of a loop, whose value is what each round starts from: at first `start`, then what a round gave."""

    name: str
    start: Ref
    label: Label
    contract: str
    arm: Arm | None = None
    kind: Literal["loop"] = "loop"

    def _reads(self) -> tuple[Ref, ...]:
        return (self.start,)

    def _gives(self) -> tuple[Ref, ...]:
        return (self.start,)


@dataclass(frozen=True, kw_only=True)
class Child(Data):
    """A plan whose runs a node starts."""

    workflow: str
    """Name of its workflow: the type of its runs."""
    plan: str
    """64 hex digits: the digest of the plan to which they are held."""
    params: tuple[Param, ...]
    """What they start from, by the names of their inputs."""
    effects: bool = False
    """Whether something in it may change the outside world."""
    private: bool = False
    """Whether what it gives must not leave, whatever it starts from."""
    identity: Identity = "none"
    """How surely it must be known who edits what its runs start from: people are told apart in it."""


@dataclass(frozen=True, kw_only=True)
class Call(Step):
    """A node whose work is done by runs of their own, side by side: its child runs."""

    name: str
    children: tuple[Child, ...]
    """One for each run; with kind `each` one alone, for all of them."""
    items: Ref | None = None
    """With kind `each`: the list of which each run is given one item."""
    item: str = ""
    """With kind `each`: the input that is given the item."""
    at_most: int = 1
    """How many are under way at once."""
    failed: Literal["ask", "collect", "stop"] = "ask"
    """Where a run ends without a value: all others go on, and then a person is asked; it is written down in the value;
    or the others are cancelled, and a person is asked."""
    label: Label = Label.PLAIN
    contract: str = ""
    """Of the value; empty with kind `parallel`, whose values its parts give on."""
    operator: By = OPERATOR
    expires_seconds: float = 604_800.0
    arm: Arm | None = None
    kind: Literal["call", "parallel", "each"] = "call"

    @property
    def effects(self) -> tuple[Child, ...]:
        """Those of its children that may change the outside world."""
        return tuple(child for child in self.children if child.effects)

    def _reads(self) -> tuple[Ref, ...]:
        inputs = tuple(p.source for child in self.children for p in child.params if isinstance(p.source, Ref))
        return (*((self.items,) if self.items else ()), *inputs)

    def _gives(self) -> tuple[Ref, ...]:
        return (Ref(f"{self.name}/0"),) if self.kind == "call" else ()


@dataclass(frozen=True, kw_only=True)
class Part(Step):
    """A node that gives on what one of the runs side by side gave. It stands behind its call, among its like."""

    name: str
    call: str
    child: int
    """Which of the call's children, from 0."""
    label: Label
    contract: str
    arm: Arm | None = None
    kind: Literal["part"] = "part"

    def _gives(self) -> tuple[Ref, ...]:
        return (Ref(f"{self.call}/{self.child}"),)


Node = Work | Approval | Question | Pause | Choice | Join | Loop | Call | Part

Valued = Work | Approval | Question | Join | Loop | Call | Part
"""The nodes that give a value; of these a `Call` of kind `parallel` gives none."""
