"""Labels: what is known of a value's origin. On the wire every value is plain; its label lives in the plan."""

from __future__ import annotations

import types
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar, Union, final, get_args, get_origin

T_co = TypeVar("T_co", covariant=True)


class Label(StrEnum):
    """What the plan knows of a value: nothing, that outside text had a hand in it, or who vouched for it."""

    PLAIN = "plain"
    UNTRUSTED = "untrusted"
    ENDORSED = "endorsed"
    APPROVED = "approved"

    def meets(self, demanded: Label) -> bool:
        """Whether a value with this label may be passed where `demanded` is asked."""
        return self is demanded or (self is Label.APPROVED and demanded is Label.ENDORSED)

    def covers(self, given: Label) -> bool:
        """Whether a value with this label may be given on under another: one that says no more of it."""
        return self.meets(given) or given is Label.UNTRUSTED


def combined(labels: Iterable[Label]) -> Label:
    """The label of what a stage makes from inputs with these labels. Approval is never inherited."""
    seen = set(labels) - {Label.PLAIN}
    if Label.UNTRUSTED in seen:
        return Label.UNTRUSTED
    return Label.ENDORSED if seen else Label.PLAIN


class Labelled(Generic[T_co]):
    """A value of type T with a label; immutable, compared by label and value."""

    __slots__ = ("_value",)
    label: ClassVar[Label]

    def __init__(self, value: T_co) -> None:
        self._value = value

    @property
    def value(self) -> T_co:
        """The value without its label, for use inside a stage."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labelled) and other.label is self.label and bool(other.value == self.value)

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __repr__(self) -> str:
        # The value may be outside text, and representations end up in logs.
        return f"{type(self).__name__}[{type(self._value).__name__}]"


@final
class Untrusted(Labelled[T_co]):
    """Outside text had a hand in this value."""

    __slots__ = ()
    label = Label.UNTRUSTED


class Endorsed(Labelled[T_co]):
    """From our own records, or computed by our stages from such values."""

    __slots__ = ()
    label = Label.ENDORSED


@final
class Approved(Endorsed[T_co]):
    """A person decided on exactly this value."""

    __slots__ = ()
    label = Label.APPROVED


CLASSES: dict[Label, type[Labelled[Any]]] = {c.label: c for c in (Untrusted, Endorsed, Approved)}


def split(annotation: Any) -> tuple[Label, Any]:
    """`Untrusted[Mail]` → (Label.UNTRUSTED, Mail); anything without a label → (Label.PLAIN, itself)."""
    origin = get_origin(annotation) or annotation
    for label, cls in CLASSES.items():
        if origin is cls:
            arguments = get_args(annotation)
            return label, arguments[0] if arguments else Any
    return Label.PLAIN, annotation


def members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union annotation, or the annotation alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
