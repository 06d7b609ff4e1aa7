"""The order: what begins, what is due, which results count, and what a guard's verdict does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.labels import Label
from gatework.plan.plan import DEFAULT_BUDGET
from gatework.run.budget import times
from gatework.run.events import Decided, Event, Failed, Finished
from gatework.run.state import Outcome, Run, State
from gatework.testing import Driver
from gatework.testing.factories import (
    approve,
    begun,
    begun_from,
    cancelled,
    decided,
    effect,
    expired,
    failed,
    finished,
    plan_of,
    sealed,
    stage,
)

TWO = plan_of(stage("first", guards=["g", "h"], attempts=2), stage("second", "first"))
OTHER = plan_of(stage("first", guards=["g", "h"], attempts=2), stage("second", "first"), name="other")


def refused(driver: Driver, event: Event, match: str, error: type[Exception] = OrderError) -> None:
    """The event is refused with this reason, and nothing has changed."""
    before = driver.state
    with pytest.raises(error, match=match) as caught:
        driver.take(event)
    assert type(caught.value) is error
    assert driver.state is before


def result(driver: Driver, **changes: Any) -> Finished:
    """A result of what is due, with changes."""
    return replace(finished(driver.plan, driver.run), **changes)


# -- beginning -------------------------------------------------------------------------------------


def test_new_state_of_a_run_holds_nothing() -> None:
    """A run starts from nothing but its plan."""
    assert machine.new(TWO) == State(
        plan=TWO.digest,
        begun=False,
        at=0,
        values={},
        attempts={},
        limit=0,
        feedback=(),
        edited=None,
        gates=0,
        gate=None,
        outcome=None,
    )


def test_run_that_has_not_begun_waits_for_nothing_but_its_input() -> None:
    """Before its input a run is in no order, and takes no event but Begun."""
    driver = Driver(TWO)
    with pytest.raises(OrderError, match="not begun"):
        _ = driver.due
    run = Driver(TWO).begin().run
    for event in (finished(TWO, run), failed(run), cancelled()):
        refused(driver, event, "not begun")
    refused(driver, Decided(action="abort"), "not begun", DecisionError)


def test_begun_for_another_plan_is_refused() -> None:
    """An input counts for the plan that it was given for."""
    refused(Driver(TWO), begun(OTHER), "another plan")


def test_begun_with_a_forged_digest_is_refused() -> None:
    """The digest of the input is computed, not believed."""
    forged = replace(sealed("start"), digest=sealed("other").digest)
    refused(Driver(TWO), begun_from(TWO, forged), "digest of the input")


def test_begun_twice_is_refused() -> None:
    """A run begins once."""
    refused(Driver(TWO).begin(), begun(TWO), "begun already")


def test_begun_gives_a_receipt_and_makes_the_first_node_due() -> None:
    """The input is held under its label, and the first node runs on it."""
    driver = Driver(TWO)
    (receipt,) = driver.take(begun(TWO)).receipts
    assert (receipt.kind, receipt.node, receipt.label) == ("begun", "start", "untrusted")
    assert (receipt.attempt, receipt.gate, receipt.inputs, receipt.by, receipt.reason) == (0, 0, "", "", "")
    assert receipt.output == driver.state.values["start"].sealed.digest == sealed("start").digest
    two_attempts = times(DEFAULT_BUDGET, 2)
    assert driver.run == Run(
        plan=TWO.digest, node="first", attempt=1, inputs={"p0": sealed("start")}, allowance=two_attempts
    )


@pytest.mark.parametrize("position", [0, 1])
def test_plan_whose_node_reads_what_comes_later_does_not_begin(position: int) -> None:
    """A plan that is out of order, whoever wrote its lock file, starts nothing."""
    nodes = TWO.nodes[::-1] if position else (replace(TWO.nodes[0], name="second"), TWO.nodes[1])
    refused(Driver(replace(TWO, nodes=nodes)), begun(replace(TWO, nodes=nodes)), "out of order")


@pytest.mark.parametrize("name", ["start", "first"])
def test_plan_with_two_values_of_one_name_does_not_begin(name: str) -> None:
    """A name stands for one value; with two, a receipt of the one would count for the other."""
    plan = replace(TWO, nodes=(TWO.nodes[0], replace(TWO.nodes[1], name=name)))
    refused(Driver(plan), begun(plan), "out of order")


@pytest.mark.parametrize("result", ["start", "nowhere"])
def test_plan_whose_result_is_no_nodes_output_does_not_begin(result: str) -> None:
    """A run gives what a node gave, so a plan without nodes gives nothing and does not begin."""
    plan = replace(TWO, result=result)
    refused(Driver(plan), begun(plan), "result")
    empty = replace(plan, nodes=())
    refused(Driver(empty), begun(empty), "result")


# -- which results count ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"plan": OTHER.digest}, "another plan"),
        ({"node": "second"}, "another stage"),
        ({"node": "nowhere"}, "another stage"),
        ({"attempt": 0}, "another attempt"),
        ({"attempt": 2}, "another attempt"),
        ({"inputs": "0" * 64}, "other inputs"),
        ({"contract": "0" * 64}, "another contract"),
        ({"contract": TWO.contract("second")}, "another contract"),
        ({"output": replace(sealed("x"), data="y")}, "digest of the output"),
        ({"output": replace(sealed("x"), salt="00")}, "digest of the output"),
        ({"output": replace(sealed("x"), salt="no hex")}, "digest of the output"),
    ],
)
def test_result_for_anything_but_the_attempt_due_is_refused(changes: dict[str, Any], match: str) -> None:
    """A result counts for the plan, stage, attempt, inputs, contract and digest that were asked for."""
    driver = Driver(TWO).begin()
    refused(driver, result(driver, **changes), match)
    if set(changes) <= {"plan", "node", "attempt", "inputs"}:
        refused(driver, replace(failed(driver.run), **changes), match)


def test_result_that_was_taken_is_not_taken_again() -> None:
    """A duplicate answers an attempt that is not due any more."""
    driver = Driver(TWO).begin()
    again, lost = result(driver), failed(driver.run)
    driver.finish()
    refused(driver, again, "another stage")
    refused(driver, lost, "another stage")
    driver.finish()
    refused(driver, again, "has ended")


def test_result_while_a_person_is_asked_is_refused() -> None:
    """Nothing passes a gate but the person's answer."""
    driver = Driver(TWO).begin()
    late, lost = result(driver), failed(driver.run)
    driver.fail()
    refused(driver, late, "waits for a person at first")
    refused(driver, lost, "waits for a person at first")
    refused(driver, begun(TWO), "begun already")


def given(driver: Driver) -> tuple[Any, Any]:
    """Both verdicts on what is due."""
    one, two = result(driver).verdicts
    return one, two


def test_result_counts_only_with_one_verdict_of_each_guard_in_order() -> None:
    """A guard that is missing, doubled, strange or out of turn leaves the result unguarded."""
    driver = Driver(TWO).begin()
    one, two = given(driver)
    strange = replace(two, guard="i")
    for verdicts in ((), (one,), (two,), (two, one), (one, one), (one, two, two), (one, strange)):
        refused(driver, result(driver, verdicts=verdicts), "Not every guard of first gave one verdict")


@pytest.mark.parametrize("position", [0, 1])
def test_result_with_a_verdict_on_another_output_is_refused(position: int) -> None:
    """A verdict is about exactly the output that comes with it."""
    driver = Driver(TWO).begin()
    verdicts = list(given(driver))
    verdicts[position] = replace(verdicts[position], on=sealed("other").digest)
    refused(driver, result(driver, verdicts=tuple(verdicts)), r"on another output\.$")


@pytest.mark.parametrize("word", ["", "Pass", "ok", "approve", None])
def test_result_with_a_word_that_is_no_verdict_is_refused(word: Any) -> None:
    """What is no verdict is not taken for a pass."""
    driver = Driver(TWO).begin()
    one, two = given(driver)
    refused(driver, result(driver, verdicts=(one, replace(two, verdict=word))), "no verdict")


def test_result_that_every_guard_passes_is_held_and_the_next_node_is_due() -> None:
    """An output that passed is held for its receipt, and the run goes on, to its end."""
    driver = Driver(TWO).begin()
    event = result(driver, evidence={"calls": []})
    (receipt,) = driver.take(event).receipts
    assert (receipt.kind, receipt.node, receipt.attempt, receipt.label) == ("output", "first", 1, "untrusted")
    assert (receipt.inputs, receipt.output) == (event.inputs, event.output.digest)
    assert (receipt.verdicts, receipt.how) == (event.verdicts, {"calls": []})
    held = driver.state.values["first"]
    assert (held.sealed, held.label, held.by_hand) == (event.output, Label.UNTRUSTED, False)
    assert (driver.run.node, driver.run.inputs) == ("second", {"p0": event.output})
    ended = driver.take(result(driver)).receipts[-1]
    assert driver.due == Outcome(kind="completed", node="second")
    assert (ended.kind, ended.node, ended.action) == ("ended", "second", "completed")


def test_run_that_has_ended_takes_nothing() -> None:
    """After the end, a person's decision is refused as a decision and the rest as out of order."""
    driver = Driver(TWO).begin()
    gate = driver.fail().gate
    driver.cancel()
    assert driver.due == Outcome(kind="cancelled", reason="cancelled")
    assert driver.state.gate is None
    for event in (begun(TWO), cancelled(), expired(gate)):
        refused(driver, event, "has ended")
    refused(driver, decided(gate, "retry"), "has ended", DecisionError)


# -- what verdicts and failures do -----------------------------------------------------------------


def test_verdict_retry_gives_another_attempt_with_its_reason_until_they_are_spent() -> None:
    """A retry is another attempt, told why; after the last one a person is asked."""
    driver = Driver(TWO).begin().finish("a", "retry", "pass")
    assert (driver.run.attempt, driver.run.feedback) == (2, ("g: retry",))
    driver.finish("b", "retry", "retry")
    assert driver.gate.kind == "exhausted"
    assert driver.gate.reasons == ("g: retry", "h: retry")
    assert driver.ledger[-1].receipt.reason == "g: retry; h: retry"
    assert driver.gate.candidate == sealed("b")
    assert driver.gate.shown == {"start": sealed("start").digest, "first": sealed("b").digest}


def test_verdict_block_counts_above_retry_and_retry_above_escalate() -> None:
    """Of several verdicts the strictest decides, with its own reasons."""
    blocked = Driver(TWO).begin().finish("a", "retry", "block")
    assert (blocked.gate.kind, blocked.gate.reasons) == ("blocked", ("h: block",))
    again = Driver(TWO).begin().finish("a", "escalate", "retry")
    assert again.run.feedback == ("h: retry",)
    asked = Driver(TWO).begin().finish("a", "pass", "escalate")
    assert (asked.gate.kind, asked.gate.reasons) == ("escalated", ("h: escalate",))


def test_verdict_that_does_not_pass_leaves_its_receipt_and_no_value() -> None:
    """What a guard held up is recorded and not held."""
    driver = Driver(TWO).begin()
    step = driver.take(finished(TWO, driver.run, "a", "pass", "block"))
    assert [receipt.kind for receipt in step.receipts] == ["output", "asked"]
    assert step.receipts[1].action == "blocked"
    assert step.receipts[1].reason == "h: block"
    assert "first" not in driver.state.values


@pytest.mark.parametrize(
    ("failure", "kind"), [("contract", "refused"), ("refused", "refused"), ("block", "refused"), ("timeout", "failed"),
                          ("error", "failed")],
)  # fmt: skip
def test_failure_leaves_a_receipt_that_says_what_it_was(failure: Any, kind: str) -> None:
    """A refusal and a breakdown are told apart in the ledger."""
    driver = Driver(TWO).begin()
    event = Failed(**{**_fields(failed(driver.run, failure)), "evidence": {"calls": [1]}})
    receipt = driver.take(event).receipts[0]
    assert (receipt.kind, receipt.node, receipt.attempt, receipt.inputs) == (kind, "first", 1, event.inputs)
    assert (receipt.action, receipt.reason, receipt.how) == (failure, f"first: {failure}", {"calls": [1]})


def _fields(event: Failed) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


@pytest.mark.parametrize("failure", ["contract", "refused", "timeout"])
def test_failure_that_another_attempt_may_mend_is_tried_again_with_its_reason(failure: Any) -> None:
    """A broken contract, a refused result and lost time cost an attempt, and the next one is told."""
    driver = Driver(TWO).begin().fail(failure)
    assert (driver.run.attempt, driver.run.feedback) == (2, (f"first: {failure}",))
    assert driver.fail(failure).gate.kind == "exhausted"


@pytest.mark.parametrize(("failure", "kind"), [("block", "blocked"), ("error", "failed"), ("strange", "failed")])
def test_failure_that_another_attempt_would_not_mend_asks_a_person(failure: Any, kind: str) -> None:
    """A refusal of the stage and broken code wait for a person at once, and so does what nobody foresaw."""
    driver = Driver(TWO).begin().fail(failure)
    assert (driver.gate.kind, driver.gate.node, driver.gate.role) == (kind, "first", "operator")
    assert driver.gate.reasons == (f"first: {failure}",)


@pytest.mark.parametrize("failure", ["error", "block", "timeout"])
def test_failure_of_an_attempt_is_never_in_doubt(failure: Any) -> None:
    """What matters is called apart: an attempt that failed has done nothing, whatever its stage holds."""
    for draft in (stage("first"), effect("first")):
        driver = Driver(plan_of(draft, start=Label.ENDORSED)).begin().fail(failure)
        assert driver.gate.kind in ("failed", "blocked", "exhausted")


def test_attempts_are_counted_over_all_rounds_and_never_used_again() -> None:
    """Each round has as many attempts as the plan says; their numbers go on."""
    driver = Driver(TWO).begin()
    numbers = []
    for _ in range(3):
        for _ in range(2):
            numbers.append(driver.run.attempt)
            driver.finish("a", "retry", "pass")
        driver.decide("retry")
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_each_node_has_its_own_attempts() -> None:
    """The rounds of one node are not those of the next, and what was said to one is not said to another."""
    driver = Driver(plan_of(stage("a", guards=["g"], attempts=2), approve("agreed", "a"))).begin()
    assert driver.finish("x", "retry").finish("y").state.feedback == ()
    driver = Driver(TWO).begin().finish("a", "retry", "pass").finish("a")
    assert (driver.run.node, driver.run.attempt, driver.run.feedback) == ("second", 1, ())
    driver.fail("timeout")
    assert driver.gate.kind == "exhausted"


def test_effect_node_is_work_like_any_other_to_the_order() -> None:
    """An effect's output passes its guards and is held with its label."""
    plan = plan_of(effect("pay", guards=["g"]), start=Label.ENDORSED)
    driver = Driver(plan).begin().finish("paid")
    assert driver.state.values["pay"].label is Label.ENDORSED
