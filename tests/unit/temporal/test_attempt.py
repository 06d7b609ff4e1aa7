"""What an attempt that is not taken costs, and that what a run holds can be handed on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.plan.labels import Label
from gatework.plan.plan import Budget
from gatework.proof.ledger import extended
from gatework.releases.library import Known
from gatework.run.budget import Spent
from gatework.temporal.workflow.attempt import not_taken
from gatework.temporal.workflow.beginning import Carried
from gatework.testing import Driver
from gatework.testing.factories import finished, plan_of, stage, tool
from gatework.values import wire

USED = Spent(model_calls=2, tokens=900, money="0.25", tool_calls={"read": 1, "another": 7}, seconds=1.5)
PLAN = plan_of(stage("work", tools=[tool("read", kind="tool")], attempts=3), start=Label.ENDORSED)


@pytest.mark.parametrize(
    ("said", "charged"),
    [(USED, replace(USED, tool_calls={"read": 1})), (replace(USED, tokens=-5), Spent()), (Spent(), Spent())],
)
def test_result_that_is_refused_is_charged_what_it_says(said: Spent, charged: Spent) -> None:
    """What a worker says is not believed, and was paid for; what cannot have been spent is not added up."""
    driver = Driver(PLAN).begin()
    event = replace(finished(PLAN, driver.run, spent=said), contract="0" * 64)
    with pytest.raises(OrderError):
        driver.take(event)
    driver.take(not_taken(Known(plan=PLAN, code={}), driver.run, event, "refused"))
    assert (driver.state.spent["work"], driver.run.attempt) == (charged, 2)


def test_budget_of_a_run_holds_over_results_that_are_refused() -> None:
    """One that is refused again and again, and tried again and again, ends with what the run may spend."""
    plan = replace(PLAN, budget=Budget(model_calls=3))
    driver = Driver(plan).begin()
    for _ in range(2):
        event = replace(finished(plan, driver.run, spent=USED), contract="0" * 64)
        driver.take(not_taken(Known(plan=plan, code={}), driver.run, event, "refused"))
    assert (driver.gate.kind, driver.gate.reasons[-1]) == ("exhausted", "the budget of the run has no model calls left")


def test_deepest_value_that_a_run_takes_can_be_handed_on() -> None:
    """A state that the next run cannot read would end there."""
    deep: Any = 1
    for _ in range(62):
        deep = [deep]
    driver = Driver(PLAN).begin()
    event = finished(PLAN, driver.run, deep)
    wire.decode(type(event), wire.encode(event), what="result", max_depth=64)
    driver.take(event)
    ledger = extended((), [entry.receipt for entry in driver.ledger], datetime.now(UTC))
    carried = Carried(state=driver.state, ledger=ledger, expires="", secret="")
    assert wire.decode(Carried, wire.encode(carried), what="state") == carried
