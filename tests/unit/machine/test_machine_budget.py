"""Budgets: what an attempt may spend is what is left to its stage and to the run, and nobody gets more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.plan.labels import Label
from gatework.plan.plan import DEFAULT_BUDGET, Budget, Plan
from gatework.run.budget import Spent, left, times
from gatework.testing import Driver
from gatework.testing.factories import (
    answered,
    approve,
    call,
    called,
    effect,
    failed,
    finished,
    plan_of,
    sealed,
    stage,
    suspended,
    tool,
)

STAGE = Budget(
    model_calls=4, tokens=1_000, money="0.5", tool_calls={"fetch": 2, "read": 3}, seconds=60.0, output_bytes=10
)
SOME = Spent(model_calls=1, tokens=300, money="0.125", seconds=7.25)


def planned(stage_budget: Budget | None = STAGE, run_budget: Budget | None = None, attempts: int = 3) -> Plan:
    tools = [tool("fetch", kind="tool", queue="elsewhere"), tool("read", kind="tool")]
    return plan_of(
        stage("one", guards=["g"], tools=tools, attempts=attempts, budget=stage_budget),
        stage("two", "one", attempts=2),
        start=Label.ENDORSED,
        budget=run_budget,
    )


def fetch(number: int = 0) -> Any:
    return call("one", "fetch", effect=False, number=number)


# -- what is left ----------------------------------------------------------------------------------


def test_first_attempt_may_spend_the_budget_of_its_stage() -> None:
    """As the plan says it; by default the same for each attempt of a round."""
    assert Driver(planned()).begin().run.allowance == STAGE
    assert Driver(planned(None)).begin().run.allowance == times(DEFAULT_BUDGET, 3)


@pytest.mark.parametrize("how", ["failed", "refused by a guard", "suspended"])
def test_what_an_attempt_spent_is_taken_from_what_the_next_may_spend(how: str) -> None:
    """However it ended, and also where it only stands still."""
    driver = Driver(planned()).begin()
    if how == "failed":
        driver.fail("contract", spent=SOME)
    elif how == "suspended":
        driver.suspend(entries=[answered()], spent=SOME)
    else:
        driver.finish("x", "retry", spent=SOME)
    assert driver.state.spent == {"one": SOME}
    assert driver.run.allowance == replace(STAGE, model_calls=3, tokens=700, money="0.375", seconds=52.75)


def test_stage_has_a_budget_of_its_own() -> None:
    """What one stage spent is nothing to the next, where the run has no budget."""
    driver = Driver(planned()).begin().finish("x", spent=SOME)
    assert driver.run.allowance == times(DEFAULT_BUDGET, 2)
    little = Spent(model_calls=1, tokens=10)
    driver.fail("contract", spent=little)
    assert driver.run.allowance == left(times(DEFAULT_BUDGET, 2), little)
    assert driver.state.spent == {"one": SOME, "two": little}


def test_run_has_a_budget_over_all_its_stages() -> None:
    """An attempt may spend the smaller of both, field by field."""
    run = Budget(model_calls=3, tokens=400, money="0.2", tool_calls={"fetch": 1}, output_bytes=99)
    driver = Driver(planned(run_budget=run)).begin()
    assert driver.run.allowance == Budget(
        model_calls=3, tokens=400, money="0.2", tool_calls={"fetch": 1, "read": 3}, seconds=60.0, output_bytes=10
    )
    driver.finish("x", spent=SOME)
    assert driver.run.allowance == Budget(
        model_calls=2, tokens=100, money="0.075", tool_calls={"fetch": 1}, output_bytes=99
    )


# -- what is used up -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "what"),
    [
        (Spent(model_calls=4), "model calls"),
        (Spent(tokens=1_200), "tokens"),
        (Spent(money="0.5"), "money"),
        (Spent(seconds=60.0), "time"),
        (Spent(model_calls=5, tokens=1_000), "model calls or tokens"),
    ],
)
def test_attempt_with_nothing_left_to_spend_is_not_begun(spent: Spent, what: str) -> None:
    """A person is asked, who is told what is used up; a retry gives the stage a budget anew."""
    driver = Driver(planned()).begin().fail("contract", spent=spent)
    assert (driver.gate.kind, driver.gate.node) == ("exhausted", "one")
    assert driver.gate.reasons == ("one: contract", f"the budget of one has no {what} left")
    assert driver.state.attempts == {"one": 1}
    driver.decide("retry")
    assert (driver.run.attempt, driver.run.allowance) == (2, STAGE)
    assert driver.state.spent == {"one": spent}
    driver.fail("contract", spent=SOME)
    assert driver.run.allowance.tokens == 700


def test_attempt_goes_on_after_its_budget_is_used_up() -> None:
    """It may need nothing more; what it asks for its cell refuses."""
    driver = Driver(planned()).begin().suspend(entries=[answered()], spent=Spent(model_calls=4))
    assert (driver.run.attempt, driver.run.allowance.model_calls) == (1, 0)
    assert driver.finish("x").run.node == "two"


def test_gate_of_a_used_up_budget_shows_the_output_that_a_guard_sent_back() -> None:
    """Who is asked sees what there is."""
    driver = Driver(planned()).begin().finish("x", "retry", spent=Spent(model_calls=4))
    assert (driver.gate.kind, driver.gate.candidate) == ("exhausted", sealed("x"))
    assert driver.gate.reasons == ("g: retry", "the budget of one has no model calls left")


def test_budget_of_the_run_is_never_renewed() -> None:
    """A retry gives the stage a budget anew, and the run none."""
    driver = Driver(planned(run_budget=Budget(tokens=500))).begin().fail("contract", spent=Spent(tokens=600))
    for gate in (1, 2):
        assert driver.gate.id == gate
        assert driver.gate.reasons[-1] == "the budget of the run has no tokens left"
        driver.decide("retry")
    driver.edit("by hand")
    assert driver.run.allowance == Budget()
    driver.finish()
    assert (driver.run.node, driver.run.allowance.tokens) == ("two", 0)


def test_budget_of_the_run_is_named_with_what_it_lacks_itself() -> None:
    """What only the stage has used up, a retry would give it anew."""
    driver = Driver(planned(run_budget=Budget(model_calls=2))).begin()
    driver.fail("contract", spent=Spent(model_calls=2, tokens=1_000))
    assert driver.gate.reasons[-1] == "the budget of the run has no model calls left"


def test_stage_that_needs_no_model_runs_on_when_the_run_has_no_model_calls_left() -> None:
    """What was spent before it asks for anything is no reason to stop it; the time of the run is."""
    driver = Driver(planned(run_budget=Budget(model_calls=1, seconds=5.0))).begin()
    driver.finish("x", spent=Spent(model_calls=1, seconds=2.0))
    assert (driver.run.node, driver.run.allowance.model_calls, driver.run.allowance.seconds) == ("two", 0, 3.0)
    driver = Driver(planned(run_budget=Budget(seconds=5.0))).begin().finish("x", spent=Spent(seconds=5.5))
    assert (driver.gate.kind, driver.gate.node) == ("exhausted", "two")
    assert driver.gate.reasons == ("the budget of the run has no time left",)
    assert driver.state.attempts == {"one": 1}


def test_value_of_a_person_costs_the_stage_nothing() -> None:
    """Guards look at it whatever is left."""
    driver = Driver(planned()).begin().fail("contract", spent=Spent(seconds=60.0)).edit("own")
    assert driver.run.edited == sealed("own")
    assert driver.finish().run.node == "two"


def test_stage_that_a_person_had_run_anew_has_its_budget_anew() -> None:
    """What it spent on another value stands against it no longer, but against the run."""
    plan = plan_of(stage("one"), stage("two", "one", budget=Budget(tokens=100)), budget=Budget(tokens=1_000))
    driver = Driver(plan).begin().finish("x").fail("error", spent=Spent(tokens=90)).edit("y", "one")
    assert (driver.run.node, driver.run.allowance.tokens) == ("two", 100)
    driver.fail("error", spent=Spent(tokens=95)).decide("retry")
    assert (driver.state.spent["two"], driver.state.renewed) == (Spent(tokens=185), Spent(tokens=185))
    assert driver.run.allowance.tokens == 100


# -- calls that run apart --------------------------------------------------------------------------


def test_calls_are_counted_when_they_are_asked_for() -> None:
    """And no more are made than the budget has."""
    driver = Driver(planned()).begin().suspend(fetch()).ended()
    assert driver.run.allowance.tool_calls == {"fetch": 1, "read": 3}
    driver.suspend(fetch(1)).ended("refused")
    assert driver.gate.kind == "blocked"
    driver = Driver(planned()).begin().suspend(fetch(), fetch(1)).ended().ended()
    assert driver.run.allowance.tool_calls == {"fetch": 0, "read": 3}
    with pytest.raises(OrderError, match="asks for more calls of fetch than its budget has"):
        driver.suspend(fetch(2))


def test_calls_of_one_turn_are_counted_together() -> None:
    """Asking for many at once is no way round."""
    driver = Driver(planned()).begin()
    with pytest.raises(OrderError, match="asks for more calls of fetch"):
        driver.suspend(fetch(), fetch(1), fetch(2))
    assert driver.state.spent == {}


def test_calls_of_the_run_are_counted_over_its_stages() -> None:
    """The run's budget holds where the stage's does not."""
    driver = Driver(planned(Budget(), Budget(tool_calls={"fetch": 1}))).begin().suspend(fetch()).ended()
    with pytest.raises(OrderError, match="asks for more calls of fetch"):
        driver.suspend(fetch(1))


@pytest.mark.parametrize("spent", [Spent(), Spent(tool_calls={"fetch": 1}), Spent(tool_calls={"read": 9, "fetch": 1})])
def test_worker_that_reports_fewer_calls_than_there_were_is_not_believed(spent: Spent) -> None:
    """What it asks for, and what it was answered, is there to be counted."""
    driver = Driver(planned()).begin()
    with pytest.raises(OrderError, match="one called fetch more often than it says"):
        driver.suspend(fetch(), fetch(1), spent=spent)
    with pytest.raises(OrderError, match="one called read more often than it says"):
        driver.suspend(entries=[called("one", "read")], spent=Spent(tool_calls={"fetch": 5}))


def test_worker_may_have_called_more_often_than_the_journal_shows() -> None:
    """Another try of the same attempt may have, before it died."""
    driver = Driver(planned()).begin().suspend(entries=[called("one", "read")], spent=Spent(tool_calls={"read": 3}))
    assert driver.run.allowance.tool_calls == {"fetch": 2, "read": 0}


def test_result_with_more_calls_than_were_allowed_is_not_taken() -> None:
    """Its cell should not have let it; what it called has been called all the same, and is charged."""
    more = [called("one", "read", number=number) for number in range(4)]
    driver = Driver(planned()).begin()
    with pytest.raises(OrderError, match="made more calls than its budget has"):
        driver.suspend(fetch(), entries=more)
    with pytest.raises(OrderError, match="made more calls than its budget has"):
        driver.finish("x", spent=Spent(model_calls=5))
    driver.fail("refused", spent=Spent(tool_calls={"read": 4}))
    assert driver.run.allowance.tool_calls == {"fetch": 2, "read": 0}


# -- what a worker is not believed -----------------------------------------------------------------


@pytest.mark.parametrize("spent", [Spent(tokens=-1), Spent(money="-1"), Spent(tool_calls={"fetch": -1})])
def test_result_that_spent_less_than_nothing_is_refused(spent: Spent) -> None:
    """It would give the next attempt more than there is."""
    driver = Driver(planned()).begin()
    plan, run, before = driver.plan, driver.run, driver.state
    for event in (
        finished(plan, run, "x", spent=spent),
        failed(run, spent=spent),
        suspended(plan, run, entries=[answered()], spent=spent),
    ):
        with pytest.raises(OrderError, match="spent what cannot be spent"):
            driver.take(event)
    assert driver.state is before


def test_output_that_is_larger_than_its_budget_is_refused() -> None:
    """As canonical JSON; a person's value may be as large as its contract lets it."""
    driver = Driver(planned()).begin()
    with pytest.raises(OrderError, match="larger than the 10 bytes of its budget"):
        driver.finish("x" * 9)
    assert driver.finish("x" * 8).run.node == "two"
    assert Driver(planned()).begin().fail("error").edit("x" * 50).finish().run.node == "two"
    assert Driver(planned(Budget())).begin().finish("x" * 500).run.node == "two"


def test_budget_of_an_effect_holds_like_any_other() -> None:
    """A refund that is tried again spends what its stage has."""
    plan = plan_of(stage("owed"), approve("agreed", "owed"), effect("pay", "agreed"), start=Label.ENDORSED)
    spent = Spent(model_calls=1, tool_calls={"refund": 1})
    driver = Driver(plan).begin().finish().decide("approve")
    driver.suspend(call("pay"), entries=[answered()], spent=spent).ended()
    assert driver.run.allowance == left(DEFAULT_BUDGET, spent)
