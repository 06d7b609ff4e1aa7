"""What a verifier knows of a run while it walks through its ledger: section 5 of docs/spec/ledger.md. Values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gatework.plan.plan import Node, Plan
from gatework.run.events import Given
from gatework.verify.account import Account, Left, Lent

MOST_TOLD = 9
"""Of how many overrides of a child run the run is told one by one that calls it, at most."""

Phase = Literal["begin", "at", "works", "calls", "sent", "ask", "gate", "behind", "end", "over"]
"""What comes next.

`begin`: inputs of the run. `at`: the node at the position, at which nothing has happened yet since it was arrived at.
`works`: its attempt goes on. `calls`: the first of its calls is due. `sent`: that call was made. `ask`: a person is
asked, or the run ends. `gate`: a person decides. `behind`: all nodes are passed, and the run completes. `end`: the run
ends. `over`: it has ended.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A value that a node or an input holds."""

    digest: str
    label: str
    by_hand: bool = False
    by: tuple[str, ...] = ()
    """Who approved it."""
    editor: tuple[str, ...] = ()
    """Who gave it by hand; an empty name where nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that an attempt asked for."""

    tool: str
    key: str
    call: str
    arguments: str
    by_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of an effect, by its key."""

    node: str
    tool: str
    """Empty for what a person wrote down, and for a child run that has changed something."""
    arguments: str = ""
    outcome: str = "done"
    result: str = ""

    @property
    def happened(self) -> bool:
        """Whether it has changed the outside world, or may have."""
        return self.outcome not in ("refused", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The gates that may be opened next."""

    kinds: tuple[str, ...]
    candidate: str = ""
    """The output in question."""
    call: Call | None = None
    before: bool = False
    """Whether it is about inputs."""
    against: tuple[Given, ...] = ()
    """The verdicts that stopped the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate at which a person is asked."""

    id: int
    kind: str
    node: str
    evidence: str
    candidate: str = ""
    call: Call | None = None
    before: bool = False
    against: tuple[Given, ...] = ()
    handed_on: bool = False
    not_by: tuple[str, ...] = ()
    votes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What a child run came to."""

    outcome: str
    output: str = ""
    """With `completed`."""
    label: str = ""
    reason: str = ""
    held: Held | None = None
    """The output as the child run held it, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """Work that can be undone."""

    undo: str
    values: Mapping[str, Held] = field(default_factory=dict)
    child: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    """What people overrode in a run, and in its child runs as far as it was told."""

    last: tuple[str, ...] = ()
    """The last of the nodes, as many as a run is told of that calls this one."""
    before: int = 0
    """How many there were before these."""

    def then(self, nodes: Iterable[str], before: int = 0) -> Overridden:
        """With more of it: these nodes, and so many that are not named."""
        every = (*self.last, *nodes)
        left = max(0, len(every) - MOST_TOLD)
        return Overridden(last=every[left:], before=self.before + before + left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ends, as its receipt says."""

    action: str
    node: str = ""
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run stands after an entry of its ledger."""

    plan: Plan
    phase: Phase = "begin"
    inputs: int = 0
    """How many inputs it has begun with so far."""
    lineage: str = ""
    asks: bool = True
    given: Left | None = None
    """What it was given of the budget of the run that called it; None where nothing limits it."""
    at: int = 0
    held: Mapping[str, Held] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    limit: int = 0
    """The number of the last attempt before a person is asked."""
    again: Ask | None = None
    """In phase `at`: the gate `exhausted` that may come in place of another attempt."""
    ask: Ask | None = None
    """In phase `ask`."""
    ends: Ending | None = None
    """In phase `end`, where a person, or whoever undoes the run, said so: how."""
    let_in: str = ""
    """The inputs that somebody let in, past the guards that look at them."""
    let_in_by: tuple[str, ...] = ()
    """Who did so by an override."""
    edited: str = ""
    """A person's value for the node at the position."""
    editor: tuple[str, ...] = ()
    pending: tuple[Call, ...] = ()
    answered: frozenset[str] = frozenset()
    """The calls of the attempt that have been answered, by their ids."""
    told: int = 0
    """How many answers it has had besides."""
    let_call: str = ""
    let_again: str = ""
    tried: int = 0
    acts: Mapping[str, Done] = field(default_factory=dict)
    running: frozenset[int] = frozenset()
    lent: Lent = field(default_factory=Lent)
    """What those have that are in `running`; read it by `reserved`."""
    branches: Mapping[int, Branch] = field(default_factory=dict)
    undoable: tuple[Undoable, ...] = ()
    ending: Ending | None = None
    """While the run is being undone: how it ends."""
    overridden: Overridden = field(default_factory=Overridden)
    gates: int = 0
    gate: Gate | None = None
    outcome: str = ""
    account: Account = field(default_factory=Account)

    @property
    def reserved(self) -> Lent:
        """What of the budget the child runs have that are under way."""
        return self.lent if self.running else Lent()

    @property
    def here(self) -> Node | None:
        """The step at the position; None behind the last node, where the undos are no steps of the run yet."""
        steps = self.plan.steps if self.ending else self.plan.nodes
        return steps[self.at] if self.at < len(steps) else None
