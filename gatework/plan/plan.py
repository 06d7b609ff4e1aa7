"""The plan: the sealed order of stages with their contracts, labels, guards and grants, as plain data.

A plan is named by the digest of its canonical JSON. What must hold of every plan is in `gatework.plan.faults`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from gatework.plan.expr import Const
from gatework.plan.labels import Label
from gatework.plan.nodes import (
    Approval,
    Arm,
    Call,
    Child,
    Choice,
    Join,
    Loop,
    Node,
    Param,
    Part,
    Pause,
    Question,
    Until,
    Valued,
    Work,
)
from gatework.plan.uses import (
    DEFAULT_BUDGET,
    MACHINES,
    MAX_QUORUM,
    OPERATOR,
    QUEUE_FIX,
    Budget,
    By,
    Data,
    GuardUse,
    Identity,
    Limit,
    ToolUse,
    is_queue,
    is_role,
)
from gatework.values import canonical
from gatework.values.canonical import Json


@dataclass(frozen=True, kw_only=True)
class Input(Data):
    """What a run starts from."""

    name: str
    label: Label
    contract: str
    private: bool = False
    """Whether it must not leave. Known only of a part's inputs, which the plan around it gives."""


@dataclass(frozen=True, kw_only=True)
class Plan(Data):
    """The order itself. Nodes run in the order in which they stand; a way that is not taken is passed over."""

    name: str
    inputs: tuple[Input, ...]
    """What a run starts from: one value, or, in a part of another plan, any number."""
    nodes: tuple[Node, ...]
    result: str
    """Name of the node whose output is the run's."""
    undos: tuple[Work, ...] = ()
    """What undoes the work of nodes that name it, where a run ends otherwise than it should."""
    parts: Mapping[str, Plan] = field(default_factory=dict)
    """Workflow name → plan of what runs side by side and is written in this plan."""
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

    @property
    def input(self) -> Input:
        """What a run starts from, where that is one value."""
        return self.inputs[0]

    @cached_property
    def steps(self) -> tuple[Node, ...]:
        """All nodes, and behind them the undos: what a run's position counts in."""
        return (*self.nodes, *self.undos)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Node or undo name → position among the steps."""
        return {node.name: position for position, node in enumerate(self.steps)}

    @cached_property
    def starts(self) -> Mapping[str, Input]:
        """Input name → input."""
        return {start.name: start for start in self.inputs}

    @cached_property
    def has_effects(self) -> bool:
        """Whether a stage of this plan, or what undoes one, may change the outside world."""
        return any(node.effects for node in self.steps if isinstance(node, Work))

    def node(self, name: str) -> Node:
        """The node or undo of a name. Raises `KeyError`."""
        return self.steps[self.index[name]]

    def label(self, name: str) -> Label:
        """The label of an input or of a node's output; plain for a node without one."""
        return self._valued(name).label

    def contract(self, name: str) -> str:
        """The contract digest of an input or of a node's output; empty for a node without one."""
        return self._valued(name).contract

    def _valued(self, name: str) -> Input | Valued:
        if name in self.starts:
            return self.starts[name]
        node = self.node(name)
        return _NOTHING if isinstance(node, Pause | Choice) else node


_NOTHING = Input(name="", label=Label.PLAIN, contract="")


def _json(value: object) -> Json:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


__all__ = [
    "DEFAULT_BUDGET",
    "MACHINES",
    "MAX_QUORUM",
    "OPERATOR",
    "QUEUE_FIX",
    "Approval",
    "Arm",
    "Budget",
    "By",
    "Call",
    "Child",
    "Choice",
    "Const",
    "GuardUse",
    "Identity",
    "Input",
    "Join",
    "Limit",
    "Loop",
    "Node",
    "Param",
    "Part",
    "Pause",
    "Plan",
    "Question",
    "ToolUse",
    "Until",
    "Valued",
    "Work",
    "is_queue",
    "is_role",
]
