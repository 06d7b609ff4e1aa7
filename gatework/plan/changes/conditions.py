"""Whether a person is asked in fewer cases when the condition of an approval changes.

A condition looks at fields. Of each field only its place among the constants that it is compared with matters, so
all that can happen is a finite number of cases, which are tried one by one. Some of them no value may bring about
(a text between two texts that lie next to each other); a change may then be called weaker or unclear that is none,
and never the other way round.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gatework.plan.changes.bearing import Bearing
from gatework.plan.expr import All, AnyOf, Compare, Comparison, Condition, Const, Kind, Not, Present, Ref, refs
from gatework.values.canonical import Json

MAX_CASES = 20_000
"""Above this many cases the answer is that it cannot be told."""


@dataclass(frozen=True)
class Field:
    """What the contract of a value says of a field that a condition looks at."""

    missing: bool = True
    """Whether the way to it may end before it; then the condition has no value, and a person is asked."""
    null: bool = True
    choices: tuple[Json, ...] = ()
    """All values that it can have; empty where they cannot be listed."""
    whole: bool = False
    """Whether it is always a whole number."""


FieldOf = Callable[[Ref], Field]

_Variable = tuple[object, ...]
_Case = Mapping[_Variable, Any]
_Constants = Mapping[tuple[Ref, Kind], Sequence[Any]]

_GONE, _NULL, _THERE = "gone", "null", "there"
_FLIPPED: Mapping[Comparison, Comparison] = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}
_HOLDS: Mapping[Comparison, tuple[int, ...]] = {
    "gt": (1,),
    "ge": (0, 1),
    "lt": (-1,),
    "le": (-1, 0),
    "eq": (0,),
    "ne": (-1, 1),
}
"""Sign → the places of the left side, below (-1), at (0) or above (1) the right, where it holds."""


def asks(old: Condition | None, new: Condition | None, *, about: str, field: FieldOf) -> Bearing:
    """How a change of `when=` bears on an approval of the value of the node `about`. None asks always."""
    if old == new:
        return Bearing.NEITHER
    if old is None or new is None:
        return Bearing.WEAKENS if old is None else Bearing.STRENGTHENS
    # A person is asked, too, where somebody changed a value that the rule looks at.
    before, after = ({ref.node for ref in refs(condition)} | {about} for condition in (old, new))
    never_fewer, never_more = before <= after, after <= before
    try:
        constants = _constants((old, new))
        variables = _variables((old, new), constants, field)
    except (InvalidOperation, TypeError, ValueError):
        return Bearing.UNCLEAR
    if math.prod(len(states) for states in variables.values()) > MAX_CASES:
        return Bearing.UNCLEAR
    for states in itertools.product(*variables.values()):
        case = dict(zip(variables, states, strict=True))
        was, now = (_asked(condition, case, constants) for condition in (old, new))
        never_fewer &= now or not was
        never_more &= was or not now
    if never_fewer:
        return Bearing.NEITHER if never_more else Bearing.STRENGTHENS
    return Bearing.WEAKENS if never_more else Bearing.UNCLEAR


def _asked(condition: Condition, case: _Case, constants: _Constants) -> bool:
    """Whether a person is asked in a case: the condition holds, or some part of it has no value."""
    for part in _leaves(condition):
        there = [case["there", ref] for ref in refs(part)]
        if _GONE in there or (isinstance(part, Compare) and _NULL in there):
            return True
    return _holds(condition, case, constants)


def _holds(condition: Condition, case: _Case, constants: _Constants) -> bool:
    match condition:
        case Compare():
            return _place(condition, case, constants) in _HOLDS[_oriented(condition).sign]
        case Present():
            return bool(case["there", condition.ref] == _THERE)
        case All():
            return all(_holds(part, case, constants) for part in condition.parts)
        case AnyOf():
            return any(_holds(part, case, constants) for part in condition.parts)
        case Not():
            return not _holds(condition.part, case, constants)


def _place(compare: Compare, case: _Case, constants: _Constants) -> int:
    """Where the left side lies in a case: below the right, at it, or above it."""
    compare = _oriented(compare)
    assert isinstance(compare.left, Ref)
    if isinstance(compare.right, Ref):
        place: int = case["between", compare.left, compare.right, compare.kind]
        return place
    points = constants[compare.left, compare.kind]
    position: int = case["at", compare.left, compare.kind]
    at = 2 * points.index(_read(compare.kind, compare.right.data)) + 1
    return (position > at) - (position < at)


def _variables(conditions: Sequence[Condition], constants: _Constants, field: FieldOf) -> dict[_Variable, list[Any]]:
    """Everything that can be otherwise from one run to the next, each with its states."""
    found: dict[_Variable, list[Any]] = {}
    for part in itertools.chain.from_iterable(map(_leaves, conditions)):
        for ref in refs(part):
            about = field(ref)
            found["there", ref] = [_THERE, *([_GONE] if about.missing else []), *([_NULL] if about.null else [])]
        if isinstance(part, Compare) and isinstance(part.left, Ref) and isinstance(part.right, Ref):
            oriented = _oriented(part)
            found["between", oriented.left, oriented.right, oriented.kind] = [-1, 0, 1]
    for (ref, kind), points in constants.items():
        found["at", ref, kind] = list(_positions(points, kind, field(ref)))
    return found


def _positions(points: Sequence[Any], kind: Kind, about: Field) -> Iterator[int]:
    """The places of a value among sorted points: 2i + 1 is at the i-th, even numbers are between them."""
    choices = (False, True) if kind == "flag" else tuple(_read(kind, c) for c in about.choices)
    if choices and kind in ("flag", "text"):
        # Choices that are compared with nothing are alike, wherever they lie.
        for choice in choices:
            yield from (2 * i + 1 for i, point in enumerate(points) if point == choice)
            if choice not in points:
                yield 2 * sum(point < choice for point in points)
        return
    whole = about.whole and kind == "number"
    for i, point in enumerate((*points, None)):
        if not (whole and i and point is not None and point <= math.floor(points[i - 1]) + 1):
            yield 2 * i
        if point is not None and not (whole and point % 1):
            yield 2 * i + 1


def _constants(conditions: Sequence[Condition]) -> dict[tuple[Ref, Kind], list[Any]]:
    """The constants that each field is compared with, sorted."""
    found: dict[tuple[Ref, Kind], list[Any]] = {}
    for part in itertools.chain.from_iterable(map(_leaves, conditions)):
        if not isinstance(part, Compare):
            continue
        oriented = _oriented(part)
        if isinstance(oriented.left, Const):
            raise ValueError("a comparison of constants")
        if isinstance(oriented.right, Const):
            found.setdefault((oriented.left, part.kind), []).append(_read(part.kind, oriented.right.data))
    return {key: sorted(set(values)) for key, values in found.items()}


def _oriented(compare: Compare) -> Compare:
    """The same comparison with a constant on the right, and of two fields always the same one on the left."""
    left, right = compare.left, compare.right
    if isinstance(left, Ref) and isinstance(right, Ref):
        turn = (right.node, right.path) < (left.node, left.path)
    else:
        turn = isinstance(left, Const)
    return Compare(_FLIPPED[compare.sign], right, left, compare.kind) if turn else compare


def _leaves(condition: Condition) -> Iterator[Compare | Present]:
    match condition:
        case Compare() | Present():
            yield condition
        case All() | AnyOf():
            for part in condition.parts:
                yield from _leaves(part)
        case Not():
            yield from _leaves(condition.part)


def _read(kind: Kind, data: Json) -> Any:
    """A constant as it is compared. Raises where it cannot be."""
    match kind:
        case "number" if isinstance(data, int | float | str) and not isinstance(data, bool):
            number = Decimal(str(data))
            if number.is_finite():
                return number
        case "text" if isinstance(data, str):
            return data
        case "flag" if isinstance(data, bool):
            return data
        case "time" if isinstance(data, str):
            return datetime.fromisoformat(data) if "T" in data else date.fromisoformat(data)
        case _:
            pass
    raise ValueError(f"no {kind}")
