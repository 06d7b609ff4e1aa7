"""Tracing: running a plan's function once, with stand-ins for values, to write down what it says.

A `Traced` value knows where it will come from, its type and its label. Whatever Python would need its
content for (truth, iteration, arithmetic, text) is a `PlanError` that names the construct to use.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import BaseModel

from gatework.define.signature import MISSING, Declared, accepts, caller
from gatework.errors import ContractError, PlanError
from gatework.plan import expr
from gatework.plan.expr import Const, Ref, Source
from gatework.plan.kinds import choices_of, kind_of
from gatework.plan.labels import Label, members
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.contract import name_of

if TYPE_CHECKING:
    from gatework.define.builder import Builder

_building: ContextVar[Builder] = ContextVar("gatework_building")


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
            "Compute in a stage; choose with when(…), all_of, any_of, not_, present.",
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
            "Hand it to when(…) or when=, and join conditions with all_of, any_of, not_.",
        )

    __bool__ = __and__ = __or__ = __invert__ = __eq__ = __ne__ = _unusable
    __hash__ = None  # type: ignore[assignment]


@contextmanager
def tracing(builder: Builder) -> Generator[Builder]:
    """While a plan, or a part of one, is written down."""
    token = _building.set(builder)
    try:
        yield builder
    finally:
        _building.reset(token)


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


def source_of(declared: Declared, value: object, what: str) -> Source:
    """Where an input of a node comes from. Raises `PlanError` where the plan may not pass it there."""
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


def stand_in(name: str, label: Label, type_: Any) -> Traced:
    """The stand-in for a value by the name of its node or input."""
    return Traced(Ref(name), label, type_, stripped=label is Label.PLAIN)


def narrowed(value: Traced, type_: Any) -> Traced:
    """The same value, of which it is known that it is of a narrower type."""
    return Traced(value._ref, value._label, type_, stripped=value._stripped)


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
