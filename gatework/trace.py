"""Tracing: running a plan's function once, with stand-ins for values, to write down what it says.

A `Traced` value knows where it will come from, its type and its label. Whatever Python would need its
content for (truth, iteration, arithmetic, text) is a `PlanError` that names the construct to use.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Generator, Mapping, Set
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from types import FrameType
from typing import Any, NoReturn

from pydantic import BaseModel

from gatework import canonical, expr
from gatework.canonical import Json
from gatework.contract import Contract, JsonContract, name_of
from gatework.errors import ContractError, PlanError
from gatework.expr import Const, Ref, Source
from gatework.kinds import choices_of, kind_of
from gatework.labels import Label, members
from gatework.plan import Choice, Node, Param, Pause, Valued
from gatework.signature import MISSING, Declared, accepts, caller, shown_path

_building: ContextVar[Builder] = ContextVar("gatework_building")

Position = tuple[int, int]
"""Where a call ends in its file: line and column. No two calls share the bracket that closes them."""


class Traced:
    """A stand-in for the output of a node, or a field of it, while a plan is traced."""

    __slots__ = ("_label", "_ref", "_stripped", "_type")
    _ref: Ref
    _label: Label
    _type: Any
    _stripped: bool

    def __init__(self, ref: Ref, label: Label, type_: Any, *, stripped: bool) -> None:
        for name, value in (("_ref", ref), ("_label", label), ("_type", type_), ("_stripped", stripped)):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Traced:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._stripped:
            if name != "value":
                _refuse(f"{_show(self)} is labelled.", f"Write {_show(self)}.value.{name}.")
            return Traced(self._ref, self._label, self._type, stripped=True)
        model = self._type
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or model.__pydantic_root_model__:
            fix = "Reach into models only." if None not in members(model) else "Ask present(…) of it."
            _refuse(f"{_show(self)} is a {name_of(model)}, in which a plan cannot look for {name}.", fix)
        if name not in model.model_fields:
            _refuse(f"{model.__name__} has no field {name}.", f"It has {', '.join(model.model_fields)}.")
        ref = Ref(self._ref.node, (*self._ref.path, name))
        return Traced(ref, self._label, model.model_fields[name].annotation, stripped=True)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refuse(f"{_show(self)}.{name} is assigned to.", "A value is never changed; let a stage make a new one.")

    def _compare(self, sign: expr.Comparison, other: object) -> TracedCondition:
        return _comparison(sign, self, other)

    def __gt__(self, other: object) -> TracedCondition:
        return self._compare("gt", other)

    def __ge__(self, other: object) -> TracedCondition:
        return self._compare("ge", other)

    def __lt__(self, other: object) -> TracedCondition:
        return self._compare("lt", other)

    def __le__(self, other: object) -> TracedCondition:
        return self._compare("le", other)

    def __eq__(self, other: object) -> TracedCondition:  # type: ignore[override]  # conditions are data here
        return self._compare("eq", other)

    def __ne__(self, other: object) -> TracedCondition:  # type: ignore[override]
        return self._compare("ne", other)

    __hash__ = None  # type: ignore[assignment]  # a stand-in in a set or as a key would be lost

    def _unusable(self, *_: object) -> NoReturn:
        _refuse(
            f"{_show(self)} has no content while the plan is traced.",
            "Compute in a stage; choose with when=, all_of, any_of, not_, present.",
        )

    __bool__ = __iter__ = __len__ = __contains__ = __str__ = __format__ = __int__ = __float__ = _unusable
    __getitem__ = __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _unusable
    __truediv__ = __rtruediv__ = __mod__ = __rmod__ = __and__ = __or__ = __invert__ = __index__ = _unusable

    def __repr__(self) -> str:
        return f"<{self._label} {expr.render(self._ref)} of a plan>"


class TracedCondition:
    """A condition over traced values, as data."""

    __slots__ = ("condition",)

    def __init__(self, condition: expr.Condition) -> None:
        self.condition = condition

    def _unusable(self, *_: object) -> NoReturn:
        _refuse(
            f"`{expr.render(self.condition)}` is not known while the plan is traced.",
            "Hand it to when=, and join conditions with all_of, any_of, not_.",
        )

    __bool__ = __and__ = __or__ = __invert__ = __eq__ = __ne__ = _unusable
    __hash__ = None  # type: ignore[assignment]


class Builder:
    """What is being written down while one plan's function runs."""

    def __init__(self, code: Any, start: Declared, calls: Mapping[Position, str], acknowledged: Set[Position]) -> None:
        self._code = code
        self._start = start
        self._calls = calls
        """Each call of a stage or construct that stands in the body, with the variable it is assigned to."""
        self._acknowledged = acknowledged
        self.nodes: list[Node] = []
        self.lines: dict[str, str] = {}
        """Node name → `file:line` of its call."""
        self.acknowledged: list[str] = []
        self.contracts: dict[str, Json] = {}
        self.definitions: dict[str, Any] = {}
        """Stage or endorser by its name."""
        self._parts: dict[tuple[str, str], tuple[Any, str]] = {}
        """Guard or tool by what it is and its name, with its place."""

    @contextmanager
    def tracing(self) -> Generator[Builder]:
        token = _building.set(self)
        try:
            yield self
        finally:
            _building.reset(token)

    def here(self) -> tuple[str, Position | None]:
        """`file:line` and exact position of the call in the plan's function that is running now."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self._code:
            frame = frame.f_back
        if frame is None:
            return "", None
        positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        place = f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"
        _line, end_line, _column, end_column = positions
        if end_line is None or end_column is None:
            raise PlanError(
                "the plan was compiled without positions, by which its nodes are named.",
                fix="Run Python without -X no_debug_ranges.",
                where=place,
            )
        return place, (end_line, end_column)

    def name(self, default: str, given: str = "") -> str:
        """The name of the node that is being called: given, or of its variable, or of what it runs."""
        place, position = self.here()
        if position is None or position not in self._calls:
            raise PlanError(
                f"{default} is not called by the plan itself.",
                fix="Call it in the body of the plan, under its own name.",
                where=place or caller(),
            )
        return given or self._calls[position] or default

    def add(self, node: Valued, annotation: Any) -> Traced:
        """Write a node down; its stand-in."""
        place, position = self.here()
        if node.name in self.lines:
            raise PlanError(
                f"two nodes are named {node.name}.",
                fix="Rename the variable, or use stage.as_('other')(…).",
                where=place,
            )
        self.nodes.append(node)
        self.lines[node.name] = place
        if position in self._acknowledged:
            self.acknowledged.append(node.name)
        return Traced(Ref(node.name), node.label, annotation, stripped=node.label is Label.PLAIN)

    def contract_of(self, name: str) -> str:
        """The contract digest of a node's output, or of the input."""
        if name == self._start.name:
            return self.seal(self._start.contract)
        return next(node.contract for node in self.nodes if node.name == name and not isinstance(node, Choice | Pause))

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

    def _refuse_twice(self, name: str, one: str, other: str) -> NoReturn:
        raise PlanError(
            f"two definitions are named {name}: at {one} and at {other}.",
            fix="Rename one of them, or define it once.",
            where=self.here()[0],
        )

    def seal(self, sealed: Contract[Any] | JsonContract) -> str:
        """Keep a contract's schema in the plan; its digest."""
        self.contracts[sealed.digest] = sealed.schema
        return sealed.digest

    def param(self, declared: Declared, value: object, what: str) -> Param:
        """One input of a node from what the plan passes."""
        digest = self.seal(declared.contract)
        return Param(name=declared.name, label=declared.label, contract=digest, source=_source(declared, value, what))


def building() -> Builder | None:
    """The plan that is being traced now, if any."""
    return _building.get(None)


def required(what: str) -> Builder:
    """The plan that is being traced. Raises `PlanError` where none is."""
    builder = building()
    if builder is None:
        raise PlanError(
            f"{what} is called outside of a plan.", fix="Call it in a function under @workflow.", where=caller()
        )
    return builder


def traced(value: object, what: str, *, where: str = "") -> Traced:
    """A value of the plan, whole and with its label. Raises `PlanError`."""
    if not isinstance(value, Traced):
        _refuse(f"{what} is not a value of the plan.", "Pass what a stage gave.", where)
    if value._ref.path or (value._stripped and value._label is not Label.PLAIN):
        _refuse(f"{what} is {_show(value)}, without the label of its value.", f"Pass {value._ref.node} itself.", where)
    return value


def _source(declared: Declared, value: object, what: str) -> Source:
    if not isinstance(value, Traced):
        return _constant(declared, value, what)
    if value._stripped and value._label is not Label.PLAIN:
        _refuse(
            f"{what} gets {_show(value)} without its label: it is still {value._label}.",
            f"Pass {value._ref.node} itself, to a parameter that is labelled.",
        )
    if not accepts(declared.type, value._type):
        _refuse(
            f"{what} is a {name_of(declared.type)} and gets {_show(value)}, a {name_of(value._type)}.",
            "Pass a value of that type.",
        )
    return value._ref


def _constant(declared: Declared, value: object, what: str) -> Const:
    if value is MISSING:
        _refuse(f"{what} is missing.", "Pass it.")
    if declared.label is not Label.PLAIN:
        _refuse(f"{what} is {declared.label} and gets a constant.", "Pass a value of the plan.")
    try:
        return Const(canonical.loads(declared.contract.write(value)))
    except ContractError as error:
        _refuse(f"{what} gets a constant that breaks its contract: {error}.", "Correct it.")


def _comparison(sign: expr.Comparison, left: Traced, right: object) -> TracedCondition:
    if not left._stripped:
        _refuse(f"{_show(left)} is labelled.", f"Compare {_show(left)}.value, or a field of it.")
    if right is None:
        _refuse(f"{_show(left)} is compared with None.", f"Write present({_show(left)}).")
    kind = kind_of(left._type)
    if kind is None or (kind == "flag" and sign not in ("eq", "ne")):
        _refuse(f"{_show(left)} is a {name_of(left._type)}, which a plan cannot compare.", "Compare a simple field.")
    if isinstance(right, Traced):
        if not right._stripped:
            _refuse(f"{_show(right)} is labelled.", f"Compare {_show(right)}.value, or a field of it.")
        if kind_of(right._type) != kind:
            _refuse(f"{_show(left)} and {_show(right)} are of different kinds.", "Compare like with like.")
        return TracedCondition(expr.Compare(sign, left._ref, right._ref, kind))
    return TracedCondition(expr.Compare(sign, left._ref, Const(constant(left._type, right, _show(left))), kind))


def constant(annotation: Any, value: object, what: str) -> Json:
    """The JSON of a constant that `what`, values of a type, is compared with. Raises `PlanError`."""
    kind = kind_of(annotation)
    if kind_of(type(value)) != kind or (isinstance(value, float) and Decimal in members(annotation)):
        _refuse(f"{what} is compared with a {type(value).__name__}.", f"Write a {name_of(annotation)}.")
    if kind == "time" and isinstance(value, datetime) != (datetime in members(annotation)):
        _refuse(f"{what} is a {name_of(annotation)}.", "Compare days with days, and times with times.")
    data = value.value if isinstance(value, enum.Enum) else value
    choices = choices_of(annotation)
    if choices and data not in choices:
        _refuse(f"{what} is never {data!r}.", f"It is one of {', '.join(map(str, choices))}.")
    if isinstance(data, Decimal):
        if not data.is_finite():
            _refuse(f"{what} is compared with a number that is not finite.", "Write a number.")
        return str(data)
    if isinstance(data, date):
        return data.isoformat()
    try:
        canonical.check(data)
    except ContractError as error:
        _refuse(f"{what} is compared with {error.reason}.", "Use a value that JSON can hold.")
    return data


def limiting(value: Traced, what: str) -> tuple[Ref, Any]:
    """Where a value that limits an argument comes from, and its type. Raises `PlanError`."""
    if value._label is Label.UNTRUSTED:
        _refuse(f"{what} is limited by the untrusted {_show(value)}.", "Use a value that was endorsed or approved.")
    if not value._stripped:
        _refuse(f"{_show(value)} is labelled.", f"Limit {what} by {_show(value)}.value, or a field of it.")
    return value._ref, value._type


def condition(value: object, what: str) -> expr.Condition:
    """The condition in what was passed. Raises `PlanError` for a constant."""
    if isinstance(value, TracedCondition):
        return value.condition
    if isinstance(value, Traced) and value._stripped and kind_of(value._type) == "flag":
        return expr.Compare("eq", value._ref, Const(True), "flag")
    _refuse(f"{what} is a constant.", "Compare a value of the plan, or leave it out.")


def reference(value: object, what: str) -> Ref:
    """A reference to a value of the plan or a field of it."""
    if not isinstance(value, Traced):
        _refuse(f"{what} is not a value of the plan.", "Pass a field of what a stage gave.")
    return value._ref


def input_of(declared: Declared) -> Traced:
    """The stand-in for what a run starts from."""
    return Traced(Ref(declared.name), declared.label, declared.type, stripped=declared.label is Label.PLAIN)


def type_of(value: Traced) -> Any:
    """The Python type that a stand-in stands for, without its label."""
    return value._type


def label_of(value: Traced) -> Label:
    """The label of a stand-in's value."""
    return value._label


def describe(value: Traced) -> str:
    """A stand-in's type as its author would annotate it."""
    name = name_of(value._type)
    return name if value._label is Label.PLAIN else f"{value._label.capitalize()}[{name}]"


def ref_of(value: Traced) -> Ref:
    """Where a stand-in's value comes from."""
    return value._ref


def _show(value: Traced) -> str:
    return expr.render(value._ref)


def _refuse(problem: str, fix: str, where: str = "") -> NoReturn:
    builder = building()
    raise PlanError(problem, fix=fix, where=where or (builder.here()[0] if builder else "") or caller())
