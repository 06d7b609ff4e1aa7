"""How values of a type are compared in a condition."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from gatework.plan.expr import Kind
from gatework.plan.labels import members

_KINDS: dict[Any, Kind] = {
    bool: "flag", int: "number", float: "number", Decimal: "number", str: "text", datetime: "time", date: "time",
}  # fmt: skip


def kind_of(annotation: Any) -> Kind | None:
    """How values of a type are compared, or None where they cannot be. None among them is left to the run."""
    if get_origin(annotation) is Annotated:
        return kind_of(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return _one(type(choice) for choice in get_args(annotation))
    inner = [member for member in members(annotation) if member is not NoneType]
    if inner != [annotation]:
        return _one(inner)
    if hasattr(annotation, "__supertype__"):
        return kind_of(annotation.__supertype__)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _one(type(member.value) for member in annotation)
    return _KINDS.get(annotation)


def choices_of(annotation: Any) -> tuple[object, ...]:
    """All values of a type that lists them, as JSON holds them."""
    if get_origin(annotation) is Literal:
        return tuple(choice.value if isinstance(choice, enum.Enum) else choice for choice in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(member.value for member in annotation)
    return ()


def _one(annotations: Iterable[Any]) -> Kind | None:
    kinds: set[Kind | None] = {kind_of(annotation) for annotation in annotations}
    return kinds.pop() if len(kinds) == 1 else None
