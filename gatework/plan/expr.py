"""Conditions and references as data: what a plan may say about the values that flow through it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Literal

from gatework.errors import GateworkError
from gatework.values.canonical import Json

Kind = Literal["number", "text", "flag", "time"]
"""How two sides are compared: as exact decimals, as text, as booleans, as ISO 8601 times."""

Comparison = Literal["gt", "ge", "lt", "le", "eq", "ne"]

SIGNS: dict[Comparison, str] = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}

_COMPARE: dict[Comparison, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("gt", "ge", "lt", "le", "eq", "ne")
}


class ExprError(GateworkError):
    """An expression has no value over the data at hand: a path leads nowhere, a number is none."""

    code = "expr"


@dataclass(frozen=True, slots=True)
class _Expr:
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Ref(_Expr):
    """The output of a node (or the plan's input), or a field in it."""

    node: str
    path: tuple[str, ...] = ()
    op: Literal["ref"] = "ref"


@dataclass(frozen=True, slots=True)
class Const(_Expr):
    """A JSON value sealed into the plan."""

    data: Json
    op: Literal["const"] = "const"


@dataclass(frozen=True, slots=True)
class Compare(_Expr):
    """`left <sign> right`, both read as `kind`."""

    sign: Comparison
    left: Ref | Const
    right: Ref | Const
    kind: Kind
    op: Literal["compare"] = "compare"


@dataclass(frozen=True, slots=True)
class Present(_Expr):
    """Whether an optional value is there."""

    ref: Ref
    op: Literal["present"] = "present"


@dataclass(frozen=True, slots=True)
class All(_Expr):
    """Every part holds. Never empty: an empty conjunction would hold of anything."""

    parts: tuple[Condition, ...]
    op: Literal["all"] = "all"


@dataclass(frozen=True, slots=True)
class AnyOf(_Expr):
    """At least one part holds."""

    parts: tuple[Condition, ...]
    op: Literal["any"] = "any"


@dataclass(frozen=True, slots=True)
class Not(_Expr):
    """The part does not hold."""

    part: Condition
    op: Literal["not"] = "not"


Condition = Compare | Present | All | AnyOf | Not
Source = Ref | Const
"""Where a stage's parameter comes from."""

Lookup = Callable[[str], Json]
"""The data of a node by its name; raises `KeyError` where there is none yet."""


def resolve(source: Source, lookup: Lookup) -> Json:
    """The JSON value that a reference or constant stands for. Raises `ExprError`."""
    if isinstance(source, Const):
        return source.data
    try:
        value = lookup(source.node)
        for name in source.path:
            value = value[name]
    except (KeyError, TypeError, IndexError):
        raise ExprError(f"{render(source)} has no value") from None
    return value


def holds(condition: Condition, lookup: Lookup) -> bool:
    """Whether a condition is true of the values at hand. Raises `ExprError` where that cannot be said.

    Every part is evaluated, so that a part without a value is never hidden by the order of the parts.
    """
    match condition:
        case Compare():
            left = _as(condition.kind, resolve(condition.left, lookup))
            right = _as(condition.kind, resolve(condition.right, lookup))
            if not _comparable(left, right):
                raise ExprError(f"{render(condition)} compares what cannot be compared")
            return bool(_COMPARE[condition.sign](left, right))
        case Present():
            return resolve(condition.ref, lookup) is not None
        case All():
            parts = [holds(part, lookup) for part in condition.parts]
            return all(parts)
        case AnyOf():
            parts = [holds(part, lookup) for part in condition.parts]
            return any(parts)
        case Not():
            return not holds(condition.part, lookup)


def refs(expression: Condition | Source) -> Iterator[Ref]:
    """Every reference in an expression, in the order in which they are written."""
    match expression:
        case Ref():
            yield expression
        case Const():
            return
        case Compare():
            yield from refs(expression.left)
            yield from refs(expression.right)
        case Present():
            yield expression.ref
        case All() | AnyOf():
            for part in expression.parts:
                yield from refs(part)
        case Not():
            yield from refs(expression.part)


def parts(condition: Condition) -> Iterator[Condition]:
    """A condition and every condition inside it."""
    yield condition
    for part in condition.parts if isinstance(condition, All | AnyOf) else ():
        yield from parts(part)
    if isinstance(condition, Not):
        yield from parts(condition.part)


def render(expression: Condition | Source) -> str:
    """An expression as a person would write it: `owed.amount > 100`."""
    match expression:
        case Ref():
            return ".".join((expression.node, *expression.path))
        case Const():
            return repr(expression.data) if isinstance(expression.data, str) else str(expression.data)
        case Compare():
            left, right = (_side(side, expression.kind) for side in (expression.left, expression.right))
            return f"{left} {SIGNS[expression.sign]} {right}"
        case Present():
            return f"present({render(expression.ref)})"
        case All():
            return " and ".join(_bracketed(part) for part in expression.parts)
        case AnyOf():
            return " or ".join(_bracketed(part) for part in expression.parts)
        case Not():
            return f"not ({render(expression.part)})"


def _side(side: Source, kind: Kind) -> str:
    # Decimals and times are text in JSON, and are not read as text here.
    return str(side.data) if isinstance(side, Const) and kind != "text" else render(side)


def _bracketed(part: Condition) -> str:
    return f"({render(part)})" if isinstance(part, All | AnyOf) else render(part)


def _comparable(left: Any, right: Any) -> bool:
    # Python calls a time with a zone and one without, and a time and a day, unequal and leaves it at that.
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left.utcoffset() is None) == (right.utcoffset() is None)
    return isinstance(left, datetime) == isinstance(right, datetime)


def _as(kind: Kind, data: Json) -> Any:
    try:
        if kind == "flag" and isinstance(data, bool):
            return data
        if kind == "text" and isinstance(data, str):
            return data
        if kind == "number" and isinstance(data, int | float | str) and not isinstance(data, bool):
            number = Decimal(str(data))
            if number.is_finite():
                return number
        if kind == "time" and isinstance(data, str):
            return datetime.fromisoformat(data) if "T" in data else date.fromisoformat(data)
    except (InvalidOperation, ValueError):
        pass
    raise ExprError(f"a value that is no {kind}")
