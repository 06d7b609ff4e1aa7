"""Two plans side by side, and how their fields are gone through.

Every field of the plan's data has a rule that says what differs. A field that has none is said in general words and
is unclear, so that none can be forgotten.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatework.plan.changes import conditions, contracts, words
from gatework.plan.changes.bearing import Bearing
from gatework.plan.expr import Const, Ref
from gatework.plan.plan import Arm, Choice, Join, Node, Part, Plan, Until, Work

Said = Iterator[tuple[str, Bearing]]
"""Sentences, each with its bearing."""


@dataclass
class Pair:
    """Two plans, of which the older's nodes have been found again in the newer."""

    old: Plan
    new: Plan
    names: Mapping[str, str]
    """Node of the older plan → the same in the newer, where it has another name. Also the input."""

    def __post_init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def renamed(self, data: Any) -> Any:
        """Plan data of the older plan with the names of the newer."""
        return renamed(data, self.names)

    def node(self, name: str) -> Node | None:
        """A node of the newer plan; None for its input."""
        return self.new.node(name) if name in self.new.index else None

    def arm(self, arm: Arm | None) -> Arm | None:
        """A way of the older plan as the newer plan counts its ways: those that share a tag are the same."""
        there = renamed(arm, self.names)
        was = self.old.node(arm.choice) if arm and arm.choice in self.old.index else None
        now = self.new.node(there.choice) if there and there.choice in self.new.index else None
        tags = dict(enumerate(was.ways)).get(arm.way) if arm and isinstance(was, Choice) else None
        if tags is None or not isinstance(now, Choice):
            return there if isinstance(there, Arm) else None
        shared = [way for way, others in enumerate(now.ways) if set(others) & set(tags)]
        return Arm(choice=now.name, way=shared[0] if shared else -1)

    def contract(self, what: str, old: str, new: str) -> Said:
        """How a contract changed; said once, though many nodes share it."""
        if old == new or (old, new) in self._said:
            return
        self._said.add((old, new))
        schemas = self.old.contracts.get(old), self.new.contracts.get(new)
        if None in schemas:
            yield f"{what} has another contract, which is not in the plan", Bearing.UNCLEAR
            return
        found = contracts.differences(*schemas)
        for said, bearing in found:
            yield f"contract of {what}: {said}", bearing
        if not found:
            yield f"contract of {what} is written otherwise and accepts the same", Bearing.NEITHER

    def field(self, ref: Ref) -> conditions.Field:
        """What both contracts say of a field that a condition of the newer plan looks at."""
        before = {self.names.get(name, name): name for name in (*self.old.starts, *self.old.index)}
        try:
            documents = [
                self.old.contracts[self.old.contract(before[ref.node])],
                self.new.contracts[self.new.contract(ref.node)],
            ]
        except KeyError:
            return conditions.Field()
        if documents[0] != documents[1]:
            return conditions.Field()
        schema, missing, null = contracts.at(documents[0], ref.path)
        choices = schema.get("enum", ())
        closed = bool(choices) and all(isinstance(choice, str) for choice in choices)
        whole = schema.get("type") == "integer"
        return conditions.Field(missing=missing, null=null, choices=tuple(choices) if closed else (), whole=whole)


def renamed(data: Any, names: Mapping[str, str]) -> Any:
    """Plan data in which every reference goes to the new name of its node."""
    if isinstance(data, Ref):
        return Ref(names.get(data.node, data.node), data.path)
    if isinstance(data, tuple):
        return tuple(renamed(item, names) for item in data)
    if dataclasses.is_dataclass(data) and not isinstance(data, Const | type):
        inner = {f.name: renamed(getattr(data, f.name), names) for f in dataclasses.fields(data) if f.init}
        if there := _NAMING.get(type(data)):
            inner[there] = names.get(inner[there], inner[there])
        return dataclasses.replace(data, **inner)
    return data


_NAMING: Mapping[type, str] = {Arm: "choice", Join: "choice", Part: "call", Until: "loop", Work: "undo"}
"""Where plan data names a node without a reference."""


Rule = Callable[[Pair, Any, Any], Said]
"""What differs in one field of two pieces of plan data, of which the older keeps its own names."""

Rules = Mapping[str, Rule | None]
"""Field → its rule; None where another rule covers it."""

MADE: Rules = {"reads": None, "gives": None, "acts": None}
"""Fields of all nodes that are made of their other fields."""


def by_field(pair: Pair, old: Any, new: Any, rules: Rules, of: str) -> Said:
    """What differs between two pieces of plan data of one kind, field by field."""
    for f in dataclasses.fields(new):
        if f.name in rules:
            rule = rules[f.name]
            if rule:
                yield from rule(pair, old, new)
        elif (now := getattr(new, f.name)) != (was := pair.renamed(getattr(old, f.name))):
            yield f"{f.name} of {of} is {words.plain(repr(now))}, it was {words.plain(repr(was))}", Bearing.UNCLEAR
