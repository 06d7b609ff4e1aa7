"""The arithmetic of budgets: exact, field by field, never below nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatework.plan.plan import Budget
from gatework.run.budget import MAX_COUNT, Spent, left, minus, plus, smaller, times, total, unsound, used_up, without

WHOLE = Spent(model_calls=3, tokens=500, money="0.25", tool_calls={"search": 2, "read": 1}, seconds=1.5)

amounts = st.decimals(0, 10**9, places=6, allow_nan=False).map(lambda number: f"{number:f}")
spent_ = st.builds(
    Spent,
    model_calls=st.integers(0, 10**6),
    tokens=st.integers(0, 10**9),
    money=amounts,
    tool_calls=st.dictionaries(st.sampled_from("abc"), st.integers(0, 100)),
    seconds=st.integers(0, 10**9).map(lambda ms: ms / 1000),
)
budgets = st.builds(
    Budget,
    model_calls=st.none() | st.integers(0, 10**6),
    tokens=st.none() | st.integers(0, 10**9),
    money=st.none() | amounts,
    tool_calls=st.dictionaries(st.sampled_from("abc"), st.integers(0, 100)),
    seconds=st.none() | st.integers(0, 10**9).map(lambda ms: ms / 1000),
    output_bytes=st.none() | st.integers(0, 10**6),
)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine that does other things, too."""


def test_sum_is_exact() -> None:
    """Tenths of cents and milliseconds add up to what they are."""
    tenth = Spent(money="0.1", seconds=0.1)
    assert total([tenth] * 3) == Spent(money="0.3", seconds=0.3)
    assert plus(WHOLE, Spent(money="0.75", tool_calls={"read": 4, "send": 1}, tokens=1, model_calls=1)) == Spent(
        model_calls=4, tokens=501, money="1", tool_calls={"search": 2, "read": 5, "send": 1}, seconds=1.5
    )
    small = Spent(money="0." + "0" * 29 + "1")
    assert plus(Spent(money="9" * 15), small).money == "9" * 15 + "." + "0" * 29 + "1"


def test_difference_is_never_below_nothing() -> None:
    """Where less was spent there is nothing beyond."""
    assert minus(WHOLE, WHOLE) == Spent(tool_calls={"search": 0, "read": 0})
    assert minus(Spent(), WHOLE) == Spent()
    one = Spent(model_calls=1, tokens=400, money="0.05", tool_calls={"search": 1}, seconds=0.5)
    assert minus(WHOLE, one) == Spent(
        model_calls=2, tokens=100, money="0.2", tool_calls={"search": 1, "read": 1}, seconds=1.0
    )


def test_what_is_left_of_a_budget() -> None:
    """Each limit less what was spent, and never below nothing; what has no limit keeps none."""
    assert left(Budget(), WHOLE) == Budget()
    budget = Budget(model_calls=4, tokens=600, money="1", tool_calls={"search": 3}, seconds=2.0, output_bytes=9)
    assert left(budget, WHOLE) == Budget(
        model_calls=1, tokens=100, money="0.75", tool_calls={"search": 1}, seconds=0.5, output_bytes=9
    )
    less = Budget(model_calls=1, tokens=1, money="0.1", tool_calls={"search": 1}, seconds=1.0)
    assert left(less, WHOLE) == Budget(model_calls=0, tokens=0, money="0", tool_calls={"search": 0}, seconds=0.0)


def test_smaller_of_two_budgets_takes_each_limit_that_there_is() -> None:
    """A limit of one alone counts too."""
    one = Budget(model_calls=4, money="0.50", tool_calls={"search": 3, "read": 1}, seconds=9.0)
    other = Budget(model_calls=5, tokens=7, money="0.4", tool_calls={"search": 2, "send": 6}, output_bytes=8)
    both = Budget(
        model_calls=4,
        tokens=7,
        money="0.4",
        tool_calls={"search": 2, "read": 1, "send": 6},
        seconds=9.0,
        output_bytes=8,
    )
    assert smaller(one, other) == smaller(other, one) == both
    assert smaller(Budget(), Budget()) == Budget()


def test_default_budget_is_for_each_attempt() -> None:
    """Calls and tokens, as often as there are attempts."""
    assert times(Budget(model_calls=1, tokens=16_000), 3) == Budget(model_calls=3, tokens=48_000)
    assert times(Budget(), 3) == Budget()


@pytest.mark.parametrize(
    ("allowance", "said"),
    [
        (Budget(model_calls=0), ("model calls",)),
        (Budget(tokens=0), ("tokens",)),
        (Budget(money="0"), ("money",)),
        (Budget(money="0.0"), ("money",)),
        (Budget(seconds=0.0), ("time",)),
        (Budget(model_calls=0, tokens=0, money="0", seconds=0.0), ("model calls", "tokens", "money", "time")),
        (Budget(model_calls=1, tokens=1, money="0.1", seconds=0.1, output_bytes=0, tool_calls={"search": 0}), ()),
        (Budget(), ()),
    ],
)
def test_what_is_used_up_is_said(allowance: Budget, said: tuple[str, ...]) -> None:
    """A stage that spent of it before has nothing to go on with."""
    assert used_up(allowance, WHOLE) == said


def test_what_a_stage_never_needed_does_not_stop_it() -> None:
    """Time is needed by all; model calls by those that made some."""
    nothing = Budget(model_calls=0, tokens=0, money="0", seconds=0.0)
    assert used_up(nothing, Spent()) == ("time",)
    assert used_up(nothing, Spent(tokens=1)) == ("tokens", "time")
    assert used_up(nothing, Spent(money="0.0")) == ("time",)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_calls": -1},
        {"tokens": -1},
        {"tokens": MAX_COUNT + 1},
        {"tool_calls": {"search": -1}},
        {"tool_calls": {"search": 1, "read": MAX_COUNT + 1}},
        {"seconds": -0.001},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": MAX_COUNT + 1.0},
        {"money": "-1"},
        {"money": ""},
        {"money": "1e5"},
        {"money": "NaN"},
        {"money": "Infinity"},
        {"money": " 1"},
        {"money": "1\n"},
        {"money": "1."},
        {"money": "٣"},
        {"money": "1" * 16},
        {"money": "0." + "1" * 31},
    ],
)
def test_report_that_nothing_can_have_come_to_is_unsound(changes: dict[str, Any]) -> None:
    """A worker that reports less than nothing would be given more than there is."""
    assert unsound(Spent(**changes))


def test_report_of_something_is_sound() -> None:
    """From nothing to more than anybody spends."""
    assert not unsound(Spent())
    assert not unsound(WHOLE)
    most = Spent(
        model_calls=MAX_COUNT, tokens=MAX_COUNT, money="9" * 15 + "." + "9" * 30, tool_calls={"a": MAX_COUNT},
        seconds=float(MAX_COUNT),
    )  # fmt: skip
    assert not unsound(most)
    assert MAX_COUNT == 10**9


@given(spent_, spent_, spent_)
@patient
def test_sums_do_not_depend_on_their_order(one: Spent, other: Spent, third: Spent) -> None:
    """Whatever came first, the total is the same, and taking one away leaves the others."""
    assert total([one, other, third]) == total([third, one, other]) == plus(one, plus(other, third))
    both = minus(plus(one, other), other)
    assert Decimal(both.money) == Decimal(one.money)
    assert (both.model_calls, both.tokens, both.seconds) == (one.model_calls, one.tokens, one.seconds)


@given(budgets, spent_, spent_)
@patient
def test_budget_is_never_exceeded_by_what_is_left_of_it(budget: Budget, one: Spent, other: Spent) -> None:
    """What is left after both is what is left of the rest, and together never more than the whole."""
    after = left(budget, plus(one, other))
    if budget.model_calls is not None:
        assert after.model_calls == max(0, budget.model_calls - one.model_calls - other.model_calls)
    if budget.money is not None:
        wanted = max(Decimal(0), Decimal(budget.money) - Decimal(one.money) - Decimal(other.money))
        assert Decimal(after.money or "") == wanted
    assert left(left(budget, one), other) == after


@given(budgets, budgets, budgets)
@patient
def test_smaller_budget_is_within_both(one: Budget, other: Budget, third: Budget) -> None:
    """Whichever comes first, and however many."""
    both = smaller(one, other)
    for of in (one, other):
        assert of.tokens is None or (both.tokens is not None and both.tokens <= of.tokens)
        assert of.seconds is None or (both.seconds is not None and both.seconds <= of.seconds)
        assert of.money is None or Decimal(both.money or "NaN") <= Decimal(of.money)
        assert all(both.tool_calls[name] <= calls for name, calls in of.tool_calls.items())
    assert smaller(both, third) == smaller(one, smaller(other, third))


def test_what_is_left_beside_what_is_set_aside() -> None:
    """What is set aside comes off each limit that it has; of what it sets no limit to, nothing comes off."""
    budget = Budget(model_calls=4, tokens=600, money="1", tool_calls={"search": 3}, seconds=2.0)
    assert without(budget, Budget()) == budget
    aside = Budget(model_calls=1, tokens=100, money="0.25", tool_calls={"search": 1}, seconds=0.5)
    assert without(budget, aside) == Budget(
        model_calls=3, tokens=500, money="0.75", tool_calls={"search": 2}, seconds=1.5
    )
