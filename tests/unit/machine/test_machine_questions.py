"""Questions and pauses in the machine: whose answer counts, what it is worth, and when a time is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By, Plan
from gatework.run.events import Elapsed
from gatework.testing import Driver
from gatework.testing.factories import approve, decided, effect, elapsed, expired, plan_of, sealed, stage
from gatework.testing.paths import pause, question
from tests.unit.machine.test_machine_gates import refused

PLAN = plan_of(
    stage("letter"),
    question("decision", "letter", "start", prompt="Publish this?", otherwise="board"),
    stage("publish", "decision"),
)


def asked(plan: Plan = PLAN) -> Driver:
    """A run that asks."""
    return Driver(plan).begin().finish("Dear …")


# -- questions -------------------------------------------------------------------------------------


def test_question_shows_what_the_plan_shows_and_asks_in_its_words() -> None:
    """By the digests of what is held."""
    gate = asked().gate
    assert (gate.kind, gate.node, gate.role, gate.reasons) == ("question", "decision", "editor", ("Publish this?",))
    assert gate.shown == {"letter": sealed("Dear …").digest, "start": sealed("start").digest}


def test_answer_is_the_value_and_counts_as_approved_by_whoever_gave_it() -> None:
    """With a receipt that says who; nobody else has a hand in it."""
    driver = asked().answer({"publish": True}, by="Ana")
    held = driver.state.values["decision"]
    assert (held.sealed.data, held.label, held.by, held.by_hand) == ({"publish": True}, Label.APPROVED, ("Ana",), False)
    receipt = next(e.receipt for e in driver.ledger if e.receipt.action == "answer")
    assert (receipt.kind, receipt.node, receipt.by, receipt.output) == (
        "decided", "decision", "Ana", held.sealed.digest,
    )  # fmt: skip
    assert driver.run.node == "publish"


@pytest.mark.parametrize(("changes", "why"), [
    ({"value": None}, "Send the answer as JSON"),
    ({"value": replace(sealed("x"), data="forged")}, "Send the answer as JSON"),
    ({"place": "letter"}, "is what is asked here"),
    ({"place": "start"}, "is what is asked here"),
    ({"number": "1000"}, "not the number"),
    ({"evidence": "0" * 64}, "evidence has changed"),
    ({"member": False}, "not in the role"),
    ({"by": "", "identity": "claimed"}, "Say who you are"),
])  # fmt: skip
def test_answer_that_is_none_is_refused(changes: dict[str, Any], why: str) -> None:
    """Nothing, forged, for another node, on other evidence, by nobody of the role."""
    driver = asked()
    refused(driver, replace(decided(driver.gate, "answer", value=sealed("yes")), **changes), why)


def test_answer_needs_an_identity_as_sure_as_the_plan_asks() -> None:
    """As an approval does."""
    plan = plan_of(question("decision", role=By(role="editor", identity="claimed")))
    driver = Driver(plan).begin()
    refused(driver, decided(driver.gate, "answer", value=sealed("yes"), by=""), 'Say who you are: {"value"')
    assert driver.answer("yes", by="Ana").outcome is not None


def test_question_is_handed_on_once_and_then_the_run_expires() -> None:
    """Time is up once for each who is asked; an answer of before does not count."""
    driver = asked()
    late = decided(driver.gate, "answer", value=sealed("yes"))
    driver.expire()
    assert (driver.gate.id, driver.gate.role, driver.gate.kind) == (2, "board", "question")
    assert driver.gate.reasons == ("Publish this?", "nobody of editor answered in time")
    refused(driver, late, "not the number")
    assert driver.expire().outcome is not None
    assert driver.outcome is not None
    assert driver.outcome.kind == "expired"


def test_question_without_another_to_ask_expires_at_once() -> None:
    """Nobody's silence is an answer."""
    driver = Driver(plan_of(question("decision"))).begin().expire()
    assert driver.outcome is not None
    assert driver.outcome.kind == "expired"


def test_answer_lets_an_effect_run_on_it() -> None:
    """It is asked of a person: no outside text has a say in it."""
    driver = Driver(plan_of(question("sum"), effect("pay", "sum"))).begin().answer(12)
    assert driver.run.node == "pay"


def test_answer_itself_is_not_edited_what_rests_on_it_can_be() -> None:
    """Whoever is asked answers; nobody else writes over it."""
    driver = asked().answer("yes").fail()
    refused(driver, decided(driver.gate, "edit", place="decision", value=sealed("no")), "was answered by a person")
    assert driver.edit("a new letter", place="letter").gate.kind == "question"
    assert "decision" not in driver.state.values


def test_answer_ends_what_rests_on_a_persons_value() -> None:
    """A rule may approve what was made of an answer: a person decided it with all before their eyes."""
    plan = plan_of(
        stage("letter"),
        question("sum", "letter"),
        stage("owed", "sum"),
        approve("agreed", "owed", when=Compare("gt", Ref("owed"), Const(100), "number")),
    )
    driver = Driver(plan).begin().fail().edit("x").answer(5).finish(5)
    assert driver.outcome is not None


def test_whoever_answered_can_be_kept_from_approving() -> None:
    """`not_by` an answer names whoever gave it."""
    plan = plan_of(
        question("sum", role=By(role="editor", identity="claimed")),
        stage("owed", "sum"),
        approve("agreed", "owed", role=By(role="finance", identity="claimed"), not_by=["sum"]),
    )
    driver = Driver(plan).begin().answer(5, by="Ana").finish()
    assert driver.gate.not_by == ("Ana",)
    with pytest.raises(DecisionError, match="your own"):
        driver.decide("approve", by="ANA")


# -- pauses ----------------------------------------------------------------------------------------


def waiting() -> Driver:
    """A run that waits for an hour."""
    return Driver(plan_of(stage("one"), pause("rest", 3600.0), stage("two", "one"))).begin().finish()


def test_pause_waits_for_its_time_and_gives_nothing() -> None:
    """A mark says that it is over, and a receipt."""
    driver = waiting()
    assert (driver.wait.node, driver.wait.seconds, driver.wait.attempt) == ("rest", 3600.0, 1)
    driver.elapse()
    assert (driver.run.node, driver.state.marks) == ("two", {"rest": 1})
    assert driver.ledger[-1].receipt.kind == "waited"
    assert "rest" not in driver.state.values


@pytest.mark.parametrize("changes", [{"plan": "0" * 64}, {"node": "two"}, {"node": ""}, {"attempt": 0}, {"attempt": 2}])
def test_time_of_another_pause_does_not_end_it(changes: dict[str, Any]) -> None:
    """Of another plan, node or attempt."""
    driver = waiting()
    refused(driver, replace(elapsed(driver.wait), **changes), "No such time", OrderError)


def test_time_counts_only_where_one_is_to_pass() -> None:
    """Not before, not twice, not at a gate."""
    driver = Driver(plan_of(stage("one"), pause("rest"), stage("two", "one"))).begin()
    event = Elapsed(plan=driver.plan.digest, node="rest", attempt=1)
    refused(driver, event, "No such time", OrderError)
    driver.finish().elapse()
    refused(driver, event, "No such time", OrderError)
    driver.fail()
    refused(driver, event, "No such time", OrderError)


def test_pause_behind_what_was_edited_waits_once_more() -> None:
    """What was before it has changed; the gate is over, and its expiry no longer counts."""
    driver = waiting().elapse().fail()
    old = expired(driver.gate)
    driver.edit("by hand", place="one")
    assert driver.wait.attempt == 2
    refused(driver, old, "does not wait", OrderError)
    refused(driver, Elapsed(plan=driver.plan.digest, node="rest", attempt=1), "No such time", OrderError)
    assert driver.elapse().run.node == "two"
