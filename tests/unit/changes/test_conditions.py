"""Whether a person is asked in fewer cases: what is said of two conditions holds of every value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.plan.changes.bearing import Bearing
from gatework.plan.changes.conditions import Field, asks
from gatework.plan.expr import All, AnyOf, Compare, Condition, Const, ExprError, Kind, Not, Present, Ref, holds

AMOUNT, LEVEL, GIFT, LIMIT, DUE = (Ref("owed", (name,)) for name in ("amount", "level", "gift", "limit", "due"))
ALWAYS_THERE = Field(missing=False, null=False)
LEVELS = ("low", "medium", "high")


def over(limit: object, ref: Ref = AMOUNT) -> Compare:
    return Compare("gt", ref, Const(limit), "number")


def level(sign: Any, value: str) -> Compare:
    return Compare(sign, LEVEL, Const(value), "text")


def said(old: Condition | None, new: Condition | None, field: Field = ALWAYS_THERE) -> str:
    return asks(old, new, about="owed", field=lambda ref: field)


GIVEN = Compare("eq", GIFT, Const(True), "flag")


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (over(500), over(100)),
        (over("100.01"), over("100.00")),
        (over(100), Compare("ge", AMOUNT, Const(100), "number")),
        (Compare("lt", Const(500), AMOUNT, "number"), over(100)),
        (over(100), None),
        (over(100), AnyOf((over(100), GIVEN))),
        (All((over(100), GIVEN)), over(100)),
        (All((over(100), GIVEN)), AnyOf((over(100), GIVEN))),
        (AnyOf((over(500), level("ne", "low"))), AnyOf((level("ne", "low"), over(100)))),
        (level("eq", "high"), level("ne", "low")),
        (Not(Compare("le", AMOUNT, Const(500), "number")), over(100)),
        (over(100), AnyOf((over(100), Present(AMOUNT)))),
        (Compare("gt", AMOUNT, LIMIT, "number"), Compare("ge", AMOUNT, LIMIT, "number")),
        (Compare("gt", AMOUNT, LIMIT, "number"), Compare("le", LIMIT, AMOUNT, "number")),
        (
            Compare("gt", DUE, Const("2026-01-03"), "time"),
            Compare("gt", DUE, Const("2026-01-02"), "time"),
        ),
    ],
)
def test_condition_that_holds_in_fewer_cases_weakens_and_the_change_back_strengthens(
    weaker: Condition, stronger: Condition | None
) -> None:
    """A higher threshold, a member of any_of less, a member of all_of more, `when=` at all."""
    assert said(stronger, weaker) == Bearing.WEAKENS
    assert said(weaker, stronger) == Bearing.STRENGTHENS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (over(100), over("100.0")),
        (AnyOf((over(100), GIVEN)), AnyOf((GIVEN, over(100)))),
        (over(100), Not(Compare("le", AMOUNT, Const(100), "number"))),
        (over(100), Compare("lt", Const(100), AMOUNT, "number")),
        (AnyOf((over(100), over(500))), over(100)),
        (GIVEN, Compare("ne", GIFT, Const(False), "flag")),
        (
            Compare("gt", DUE, Const("2026-01-02T00:00:00+00:00"), "time"),
            Compare("gt", DUE, Const("2026-01-01T23:00:00-01:00"), "time"),
        ),
    ],
)
def test_condition_written_otherwise_changes_nothing(one: Condition, other: Condition) -> None:
    """What holds in the same cases is neither weaker nor stronger."""
    assert (said(one, other), said(other, one)) == (Bearing.NEITHER, Bearing.NEITHER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (over(100), GIVEN),
        (over(100), Compare("lt", AMOUNT, Const(100), "number")),
        (AnyOf((over(500), GIVEN)), over(100)),
        (over(100), Compare("gt", AMOUNT, Const("many"), "number")),
        (Compare("gt", DUE, Const("2026-01-02"), "time"), Compare("gt", DUE, Const("2026-01-02T00:00:00"), "time")),
        (over(100), Compare("gt", Const(2), Const(1), "number")),
    ],
)
def test_condition_about_something_else_is_unclear(one: Condition, other: Condition) -> None:
    """Fewer cases here and more there, or constants that cannot be read: it cannot be told, and counts as weaker."""
    assert (said(one, other), said(other, one)) == (Bearing.UNCLEAR, Bearing.UNCLEAR)


def test_condition_over_another_node_loses_the_edits_of_that_node() -> None:
    """A person is also asked where somebody changed what the rule looks at; dropping a node drops that."""
    risky = Compare("ne", Ref("risk", ("level",)), Const("low"), "text")
    assert said(All((over(100), risky)), over(100)) == Bearing.UNCLEAR
    assert said(AnyOf((over(100), risky)), over(100)) == Bearing.WEAKENS


def test_condition_over_what_may_be_missing_loses_the_question() -> None:
    """A rule without a value asks; so a part that may have none cannot be dropped from all_of for free."""
    both, one = All((over(100), over(5, LIMIT))), over(100)
    assert said(both, one) == Bearing.STRENGTHENS
    for field in (Field(missing=True, null=False), Field(missing=False, null=True), Field()):
        assert said(both, one, field) == Bearing.UNCLEAR


def test_condition_over_listed_values_knows_that_there_are_no_others() -> None:
    """Where the contract lists the levels, `not low` is `medium or high`; where it does not, it is more."""
    others = AnyOf((level("eq", "medium"), level("eq", "high")))
    assert said(level("ne", "low"), others, Field(missing=False, null=False, choices=LEVELS)) == Bearing.NEITHER
    assert said(level("ne", "low"), others) == Bearing.WEAKENS


def test_condition_over_whole_numbers_knows_that_none_lie_between() -> None:
    """`> 100` and `>= 101` are one rule for whole numbers, and two for others."""
    above = Compare("ge", AMOUNT, Const(101), "number")
    assert said(over(100), above, Field(missing=False, null=False, whole=True)) == Bearing.NEITHER
    assert said(over(-3), Compare("ge", AMOUNT, Const("-2.5"), "number"), Field(False, False, whole=True)) == "neither"
    assert said(over(100), above) == Bearing.WEAKENS


def test_condition_of_very_many_parts_is_unclear_and_not_slow() -> None:
    """A hostile lock file cannot hold the check up."""
    many = tuple(Compare("eq", Ref("owed", (f"f{i}",)), Const(True), "flag") for i in range(60))
    assert said(AnyOf(many), AnyOf(many[1:])) == Bearing.UNCLEAR


# -- against every value ---------------------------------------------------------------------------

POOL: dict[Kind, list[Any]] = {"number": [1, 2, "2.5", 3], "text": ["a", "b", "c"], "flag": [True, False], "time": []}
FIELDS: dict[Ref, Kind] = {AMOUNT: "number", LIMIT: "number", LEVEL: "text", GIFT: "flag"}
VALUES: dict[Kind, list[Any]] = {
    "number": [0, 1, "1.5", 2, "2.2", "2.5", "2.7", 3, 9, None],
    "text": ["", "a", "aa", "b", "c", "d", None],
    "flag": [True, False, None],
    "time": [datetime.now(UTC).isoformat()],
}


@st.composite
def compares(draw: st.DrawFn) -> Compare:
    ref = draw(st.sampled_from(list(FIELDS)))
    kind = FIELDS[ref]
    signs = ["eq", "ne"] if kind == "flag" else ["gt", "ge", "lt", "le", "eq", "ne"]
    others = [other for other in FIELDS if other != ref and FIELDS[other] == kind]
    right = draw(st.sampled_from([*map(Const, POOL[kind]), *others]))
    sides = [ref, right]
    if draw(st.booleans()):
        sides.reverse()
    return Compare(draw(st.sampled_from(signs)), sides[0], sides[1], kind)  # type: ignore[arg-type]


leaves = st.one_of(compares(), st.builds(Present, st.sampled_from(list(FIELDS))))
trees: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(old=trees, new=trees, data=st.data())
def test_condition_verdict_holds_of_every_value(old: Condition, new: Condition, data: st.DataObject) -> None:
    """Never called stronger, or the same, where some value was asked about and is not any more; and the other way."""
    bearing = asks(old, new, about="owed", field=lambda ref: Field())
    for _ in range(25):
        owed = {ref.path[0]: data.draw(st.sampled_from(VALUES[kind])) for ref, kind in FIELDS.items()}
        for name in data.draw(st.sets(st.sampled_from(sorted(owed)), max_size=1)):
            del owed[name]
        was, now = (_asked(condition, owed) for condition in (old, new))
        if was and not now:
            assert bearing in (Bearing.WEAKENS, Bearing.UNCLEAR), owed
        if now and not was:
            assert bearing in (Bearing.STRENGTHENS, Bearing.UNCLEAR), owed


def _asked(condition: Condition, owed: dict[str, Any]) -> bool:
    try:
        return holds(condition, {"owed": owed}.__getitem__)
    except ExprError:
        return True
