"""Conditions over values: exact where they can be, and no answer at all where there is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.plan.expr import (
    All,
    AnyOf,
    Compare,
    Condition,
    Const,
    ExprError,
    Kind,
    Not,
    Present,
    Ref,
    holds,
    render,
    resolve,
)

VALUES: dict[str, Any] = {
    "owed": {
        "amount": "100.10", "paid": None, "items": 3, "weight": 0.1, "gift": True, "level": "low", "due": "2026-01-02",
        "seen": "2026-01-02T12:00:00Z", "local": "2026-01-02T12:00:00", "tags": ["a"], "nan": "NaN", "inf": "Infinity",
        "word": "many", "customer": {"vip": False},
    },
}  # fmt: skip


def of(path: str) -> Ref:
    return Ref("owed", tuple(path.split(".")))


def is_(sign: Any, left: str, right: object, kind: Kind) -> Condition:
    return Compare(sign, of(left), right if isinstance(right, Ref) else Const(right), kind)


def answer(condition: Condition) -> bool:
    return holds(condition, VALUES.__getitem__)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (is_("gt", "amount", 100, "number"), True),
        (is_("eq", "amount", "100.1", "number"), True),
        (is_("lt", "amount", "100.1000000000000000000000001", "number"), True),
        (is_("eq", "weight", "0.1", "number"), True),
        (is_("ge", "items", of("weight"), "number"), True),
        (is_("ne", "items", 3, "number"), False),
        (is_("eq", "gift", True, "flag"), True),
        (is_("eq", "customer.vip", True, "flag"), False),
        (is_("eq", "level", "low", "text"), True),
        (is_("lt", "level", "m", "text"), True),
        (is_("lt", "due", "2026-01-03", "time"), True),
        (is_("eq", "seen", "2026-01-02T13:00:00+01:00", "time"), True),
        (is_("gt", "local", "2026-01-02T11:59:59", "time"), True),
        (Present(of("paid")), False),
        (Present(of("amount")), True),
        (Not(Present(of("paid"))), True),
        (All((Present(of("amount")), Not(Present(of("paid"))))), True),
        (AnyOf((Present(of("paid")), is_("gt", "items", 5, "number"))), False),
    ],
)
def test_condition_is_as_a_person_would_answer(condition: Condition, expected: bool) -> None:
    """Decimals are exact, times are moments, and one part decides as logic has it."""
    assert answer(condition) is expected
    assert answer(Not(condition)) is not expected


NO_ANSWER = [
    is_("gt", "paid", 3, "number"),
    is_("ne", "paid", 3, "number"),
    is_("gt", "gone", 3, "number"),
    is_("gt", "paid.amount", 3, "number"),
    is_("gt", "level.length", 3, "number"),
    is_("gt", "tags.0", 3, "number"),
    is_("gt", "nan", 3, "number"),
    is_("ne", "nan", 3, "number"),
    is_("lt", "inf", 3, "number"),
    is_("gt", "word", 3, "number"),
    is_("gt", "gift", 0, "number"),
    is_("eq", "items", True, "flag"),
    is_("eq", "items", "3", "text"),
    is_("eq", "paid", "x", "text"),
    is_("lt", "seen", "2026-01-02T12:00:00", "time"),
    is_("eq", "seen", "2026-01-02T12:00:00", "time"),
    is_("ne", "local", "2026-01-02T12:00:00Z", "time"),
    is_("eq", "due", "2026-01-02T00:00:00", "time"),
    is_("lt", "due", "2026-01-02T00:00:00", "time"),
    is_("lt", "word", "2026-01-02", "time"),
    Present(of("gone")),
    Compare("gt", Ref("nobody"), Const(1), "number"),
]


@pytest.mark.parametrize("condition", NO_ANSWER, ids=render)
def test_condition_without_an_answer_raises(condition: Condition) -> None:
    """A missing value, a number that is none, a time of no zone against one with: never true, never false."""
    with pytest.raises(ExprError):
        answer(condition)


@pytest.mark.parametrize("condition", NO_ANSWER, ids=render)
@pytest.mark.parametrize("known", [Present(of("amount")), Present(of("paid"))], ids=render)
def test_part_without_an_answer_is_not_hidden_by_the_others(condition: Condition, known: Condition) -> None:
    """Whatever the other parts say, and in whatever order they stand."""
    for joined in (All, AnyOf):
        for parts in ((condition, known), (known, condition)):
            with pytest.raises(ExprError):
                answer(joined(parts))
            with pytest.raises(ExprError):
                answer(Not(joined(parts)))


def test_error_names_the_place_and_no_value() -> None:
    """An expression's error may enter history."""
    with pytest.raises(ExprError) as caught:
        answer(is_("gt", "word", 3, "number"))
    assert "many" not in str(caught.value)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_compare_as_decimals(left: Any, right: Any) -> None:
    """No detour over floats."""
    compare = Compare("lt", Const(str(left)), Const(str(right)), "number")
    assert answer(compare) is (left < right)


def test_reference_leads_to_the_field() -> None:
    """A path is a path."""
    assert resolve(of("customer.vip"), VALUES.__getitem__) is False
    assert resolve(Const([1]), VALUES.__getitem__) == [1]
