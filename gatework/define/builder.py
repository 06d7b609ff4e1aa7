"""Writing a plan down while its function runs: nodes with their names, places, contracts and definitions.

What runs side by side is written by a builder of its own, inside that of the plan around it. A value of the plan around
it that is used there becomes one of the inputs from which its runs start.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FrameType
from typing import Any, NoReturn

from gatework.define import trace
from gatework.define.signature import Declared, caller, shown_path
from gatework.define.trace import Traced
from gatework.errors import PlanError
from gatework.plan.expr import Ref
from gatework.plan.flow import private_nodes
from gatework.plan.labels import Label
from gatework.plan.plan import Arm, Budget, Call, Choice, Input, Node, Param, Pause, Plan, Valued, Work
from gatework.values.canonical import Json
from gatework.values.contract import Contract, JsonContract

Position = tuple[int, int]
"""Where a call ends in its file: line and column. No two calls share the bracket that closes them."""


@dataclass(frozen=True)
class Written:
    """What the source of a plan's function says, for the plan and for all that is written in it."""

    code: CodeType
    calls: Mapping[Position, str]
    """Each call of a stage or construct that stands in the body, with the variable it is assigned to."""
    unpacked: Mapping[Position, tuple[str, ...]]
    """Calls that give several values, with the variables."""
    acknowledged: Set[Position]
    """Calls whose output is left unused on purpose."""

    @cached_property
    def positions(self) -> Mapping[CodeType, Sequence[tuple[int | None, int | None, int | None, int | None]]]:
        """The code of the plan's function and of those inside it, each with where its instructions stand."""
        return {code: tuple(code.co_positions()) for code in _inside(self.code)}


def _inside(code: CodeType) -> Iterable[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant)


class Builder:
    """What is being written down while the function of a plan, or of a part of one, runs."""

    def __init__(self, name: str, written: Written, *, around: Builder | None = None) -> None:
        self.plan_name = name
        self.written = written
        self.around = around
        """The builder of the plan in which this part is written."""
        self._codes = written.positions.keys()
        self._arm: Arm | None = None
        self.inputs: dict[str, Input] = {}
        self.nodes: list[Node] = []
        self._values: dict[str, Valued] = {}
        self.undos: list[Work] = []
        self.parts: dict[str, Builder] = {}
        """What runs side by side and is written in this plan, by the name of its workflow."""
        self.workflows: dict[str, Any] = {}
        """The workflows that the plan calls, and those that its parts do."""
        self.result = ""
        self.lines: dict[str, str] = {}
        """Node name → `file:line` of its call."""
        self.acknowledged: list[str] = []
        self.contracts: dict[str, Json] = {}
        self.definitions: dict[str, Any] = {}
        """Stage, endorser or guard of a loop by its name."""
        self._parts: dict[tuple[str, str], tuple[Any, str]] = {}
        """Guard or tool by what it is and its name, with its place."""

    # -- where the plan's function is now ----------------------------------------------------------

    def here(self) -> tuple[str, Position | None]:
        """`file:line` and exact position of the call in the plan's function that is running now."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code not in self._codes:
            frame = frame.f_back
        if frame is None:
            return "", None
        positions = self.written.positions[frame.f_code][frame.f_lasti // 2]
        place = f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"
        _line, end_line, _column, end_column = positions
        if end_line is None or end_column is None:
            raise PlanError(
                "the plan was compiled without positions, by which its nodes are named.",
                fix="Run Python without -X no_debug_ranges.",
                where=place,
            )
        return place, (end_line, end_column)

    def holds(self, function: object) -> bool:
        """Whether a function is written in the plan, so that its syntax was checked."""
        return getattr(function, "__code__", None) in self._codes - {self.written.code}

    def called(self, what: str) -> tuple[str, Position]:
        """Where the call stands that is running now. Raises `PlanError` unless it is one in the body of the plan."""
        place, position = self.here()
        if position is None or position not in self.written.calls:
            raise PlanError(
                f"{what} is not called by the plan itself.",
                fix="Call it in the body of the plan, under its own name.",
                where=place or caller(),
            )
        return place, position

    # -- names -------------------------------------------------------------------------------------

    def name(self, default: str, given: str = "") -> str:
        """The name of the node that is being called: given, or of its variable, or of what it runs."""
        _, position = self.called(default)
        return given or self.written.calls[position] or default

    def free(self, name: str) -> str:
        """A name for what no variable names: this one, with a number where it is taken."""
        names = (name, *(f"{name}_{number}" for number in range(2, len(self.lines) + len(self.inputs) + 3)))
        return next(one for one in names if not self._taken(one))

    def _taken(self, name: str) -> bool:
        # A part has no node of a name from around it: what it uses from there keeps its name.
        return name in self.lines or name in self.inputs or (self.around is not None and self.around._taken(name))

    # -- nodes -------------------------------------------------------------------------------------

    def start(self, declared: Declared) -> Traced:
        """Write down something that a run starts from; its stand-in."""
        self.inputs[declared.name] = Input(
            name=declared.name, label=declared.label, contract=self.seal(declared.contract)
        )
        return trace.stand_in(declared.name, declared.label, declared.type)

    def write(self, node: Node) -> None:
        """Write a node down."""
        place, _ = self.here()
        if self._taken(node.name):
            raise PlanError(
                f"two nodes are named {node.name}.",
                fix="Rename the variable, or use stage.as_('other')(…).",
                where=place,
            )
        for ref in node.reads:
            self.known(ref.node)
        node = dataclasses.replace(node, arm=self._arm)
        self.nodes.append(node)
        if not isinstance(node, Choice | Pause):
            self._values[node.name] = node
        self.lines[node.name] = place

    def add(self, node: Valued, annotation: Any) -> Traced:
        """Write down a node that gives a value; its stand-in."""
        self.write(node)
        if self.here()[1] in self.written.acknowledged:
            self.unused(node.name)
        return trace.stand_in(node.name, node.label, annotation)

    def undone_by(self, undo: Work) -> None:
        """Write down the work that undoes the node which was written last."""
        self.undos.append(undo)
        self.lines[undo.name] = self.here()[0]

    @contextmanager
    def inside(self, arm: Arm) -> Generator[None]:
        """While a way of a choice is written down."""
        around, self._arm = self._arm, arm
        try:
            yield
        finally:
            self._arm = around

    def unused(self, name: str) -> None:
        """The output of a node is left unused on purpose."""
        if name not in self.acknowledged:
            self.acknowledged.append(name)

    def known(self, name: str) -> tuple[Label, str]:
        """Label and contract digest of a value by its name; one of the plan around becomes an input of this part."""
        if name in self.inputs:
            return self.inputs[name].label, self.inputs[name].contract
        if name in self._values:
            return self._values[name].label, self._values[name].contract
        if self.around is None:
            return Label.PLAIN, ""  # a value of another plan, which the rules of plans refuse
        label, digest = self.around.known(name)
        if digest:
            self.inputs[name] = Input(name=name, label=label, contract=digest)
            self.contracts[digest] = self.around.contracts[digest]
        return label, digest

    def contract_of(self, name: str) -> str:
        """The contract digest of a node's output, or of an input."""
        return self.known(name)[1]

    # -- what nodes run ----------------------------------------------------------------------------

    def define(self, definition: Any) -> None:
        """Remember what a node runs. Raises `PlanError` where another definition has the name."""
        known = self.definitions.setdefault(definition.name, definition)
        if (type(known), known.function) != (type(definition), definition.function):
            self._refuse_twice(definition.name, known.declared.where, definition.declared.where)
        if (known.before, known.guards, known.grants) != (definition.before, definition.guards, definition.grants):
            # The same function, declared a stage twice: runs would be held to one of the two.
            self._refuse_twice(definition.name, known.declared.where, definition.declared.where)
        for kind, part, where in (
            *(("guard", g, g.declared.where) for g in definition.checks),
            *((t.kind, t, t.where) for t in definition.tools),
        ):
            other, there = self._parts.setdefault(("guard" if kind == "guard" else "tool", part.name), (part, where))
            if other.function is not part.function:
                self._refuse_twice(f"the {kind} {part.name}", there, where)
        if known.declared.result.type != definition.declared.result.type:
            raise PlanError(
                f"{definition.name} looks at values of two types.",
                fix="Write a guard for each type.",
                where=self.here()[0],
            )
        if self.around is not None:
            self.around.define(definition)

    def _refuse_twice(self, name: str, one: str, other: str) -> NoReturn:
        raise PlanError(
            f"two definitions are named {name}: at {one} and at {other}.",
            fix="Rename one of them, or define it once.",
            where=self.here()[0],
        )

    def calls(self, workflow: Any) -> None:
        """Remember a workflow that is called. Raises `PlanError` where another has the name."""
        known = self.workflows.setdefault(workflow.name, workflow)
        root = self.plan_name.partition(".")[0]
        if known is not workflow or workflow.name == root:
            again = "calls itself" if workflow.name == root else f"calls two workflows named {workflow.name}"
            raise PlanError(f"{root} {again}.", fix="Give each a name of its own.", where=self.here()[0])
        if self.around is not None:
            self.around.calls(workflow)

    def seal(self, sealed: Contract[Any] | JsonContract) -> str:
        """Keep a contract's schema in the plan; its digest."""
        self.contracts[sealed.digest] = sealed.schema
        return sealed.digest

    def param(self, declared: Declared, value: object, what: str) -> Param:
        """One input of a node from what the plan passes."""
        digest = self.seal(declared.contract)
        source = trace.source_of(declared, value, what)
        return Param(name=declared.name, label=declared.label, contract=digest, source=source)

    # -- the plan ----------------------------------------------------------------------------------

    def part(self, name: str) -> Builder:
        """The builder of a part of this plan, which is written now."""
        return Builder(f"{self.plan_name}.{name}", self.written, around=self)

    def end(self, result: Traced) -> None:
        """This is what the plan gives: nothing more is written."""
        self.result = trace.ref_of(result).node
        self.known(self.result)
        if self.around is not None:
            self.around.parts[self.plan_name] = self

    def sealed(self, *, budget: Budget | None = None, private: Set[str] = frozenset()) -> Plan:
        """The plan as it was written down. `private`: those of its inputs that must not leave."""
        plan = Plan(
            name=self.plan_name,
            inputs=tuple(dataclasses.replace(start, private=start.name in private) for start in self.inputs.values()),
            nodes=tuple(self.nodes),
            result=self.result,
            undos=tuple(self.undos),
            contracts=dict(sorted(self.contracts.items())),
            budget=budget,
            acknowledged=tuple(self.acknowledged),
        )
        if not self.parts:
            return plan
        kept = private_nodes(plan)
        parts: dict[str, Plan] = {}
        nodes = [self._started(node, kept, parts) if isinstance(node, Call) else node for node in plan.nodes]
        return dataclasses.replace(plan, nodes=tuple(nodes), parts=dict(sorted(parts.items())))

    def _started(self, node: Call, private: Set[str], parts: dict[str, Plan]) -> Call:
        """A node that starts runs, with the plans of those that are written in this plan, which it adds to `parts`."""
        children = []
        for child in node.children:
            if child.workflow in self.parts:
                held = {p.name for p in child.params if isinstance(p.source, Ref) and p.source.node in private}
                part = parts[child.workflow] = self.parts[child.workflow].sealed(private=held)
                child = dataclasses.replace(child, plan=part.digest)
            children.append(child)
        return dataclasses.replace(node, children=tuple(children))

    def place_of(self, node: str) -> str:
        """`file:line` of the call of a node, of this plan or, named with its plan, of a part; empty for no node."""
        plan, _, name = node.rpartition("/")
        for part in self.parts.values():
            if plan == part.plan_name or plan.startswith(f"{part.plan_name}."):
                return part.place_of(name if plan == part.plan_name else node)
        return self.lines.get(node, "")
