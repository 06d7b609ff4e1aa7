"""Guards on inputs: a stage works on exactly what they passed, or on exactly what a person let in past them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.plan.expr import Const
from gatework.plan.labels import Label
from gatework.run.events import Event, Finished, Stopped
from gatework.testing import Driver
from gatework.testing.factories import (
    approve,
    call,
    effect,
    endorse,
    finished,
    plan_of,
    sealed,
    stage,
    stopped,
    suspended,
)
from gatework.values.verdict import Word

TWO = plan_of(stage("read"), stage("work", "read", before=["g", "h"], guards=["k"], attempts=2), stage("end", "work"))
PAYING = plan_of(
    stage("claim"),
    endorse("owed", "claim"),
    approve("agreed", "owed"),
    effect("pay", "agreed", before=["g"], attempts=2),
    stage("tell", "pay"),
)


def at_work() -> Driver:
    """A run whose stage with guards on its inputs is due."""
    return Driver(TWO).begin().finish()


def at_payment() -> Driver:
    """A run whose effect with a guard on its inputs is due."""
    return Driver(PAYING).begin().finish().finish().decide("approve")


def refused(driver: Driver, event: Event, match: str) -> None:
    """The event is refused with this reason, and nothing has changed."""
    before = driver.state
    with pytest.raises(OrderError, match=match):
        driver.take(event)
    assert driver.state is before


def result(driver: Driver, **changes: Any) -> Finished:
    return replace(finished(driver.plan, driver.run), **changes)


# -- what lets a stage work ------------------------------------------------------------------------


def test_stage_works_when_every_guard_passed_its_inputs() -> None:
    """Both verdicts are recorded, those on inputs first, each on the digest of what it looked at."""
    driver = at_work()
    inputs = driver.run.inputs_digest
    driver.finish("done")
    verdicts = driver.ledger[-1].receipt.verdicts
    output = driver.state.values["work"].sealed.digest
    assert [(given.guard, given.on, given.verdict) for given in verdicts] == [
        ("g", inputs, "pass"), ("h", inputs, "pass"), ("k", output, "pass"),
    ]  # fmt: skip


def test_result_without_the_verdicts_on_its_inputs_is_refused() -> None:
    """Whoever skips the guards on inputs has no result that counts."""
    driver = at_work()
    given = result(driver).before
    refused(driver, result(driver, before=()), "Not every guard of work")
    refused(driver, result(driver, before=given[:1]), "Not every guard of work")
    refused(driver, result(driver, before=given[::-1]), "Not every guard of work")
    elsewhere = (given[0], replace(given[1], on="0" * 64))
    refused(driver, result(driver, before=elsewhere), r"A guard of work gave its verdict on another input\.$")
    on_output = tuple(replace(one, on=result(driver).output.digest) for one in given)
    refused(driver, result(driver, before=on_output), r"on another input\.$")
    word: Any = "approve"
    refused(driver, result(driver, before=(given[0], replace(given[1], verdict=word))), "answered with no verdict")


@pytest.mark.parametrize("word", ["block", "retry", "escalate"])
def test_result_of_work_that_a_guard_stopped_is_refused(word: Word) -> None:
    """A stage that worked although a guard on its inputs did not pass them has no result that counts."""
    driver = at_work()
    given = result(driver).before
    stops = (given[0], replace(given[1], verdict=word))
    refused(driver, result(driver, before=stops), "did not let work run on these inputs, and it ran")


def test_stage_without_guards_on_inputs_takes_none() -> None:
    """Verdicts of guards that the plan does not have are not recorded."""
    driver = Driver(TWO).begin()
    stray = result(at_work()).before
    refused(driver, result(driver, before=stray), "Not every guard of read")
    refused(driver, stopped(TWO, driver.run), "Every guard let read run")


def test_stop_that_every_guard_passed_is_refused() -> None:
    """A worker that does not work although it may has nothing to say."""
    driver = at_work()
    refused(driver, stopped(TWO, driver.run), "Every guard let work run on these inputs, and it did not")
    good = stopped(TWO, driver.run, "escalate", "pass")
    refused(driver, replace(good, inputs="0" * 64), "computed from other inputs")
    refused(driver, replace(good, attempt=2), "another attempt")
    refused(driver, replace(good, node="end"), "another stage")
    refused(driver, replace(good, verdicts=good.verdicts[::-1]), "Not every guard")
    elsewhere = tuple(replace(given, on="0" * 64) for given in good.verdicts)
    refused(driver, replace(good, verdicts=elsewhere), r"on another input\.$")


# -- what a person is asked ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind", "reasons"),
    [
        (("block", "pass"), "blocked", ("g: block",)),
        (("escalate", "block"), "blocked", ("h: block", "g: escalate")),
        (("retry", "pass"), "blocked", ("g: retry", "a retry runs it on the same inputs")),
        (("retry", "block"), "blocked", ("h: block", "g: retry", "a retry runs it on the same inputs")),
        (("pass", "escalate"), "escalated", ("h: escalate",)),
    ],
)
def test_guard_that_does_not_pass_the_inputs_asks_a_person(
    words: tuple[Word, ...], kind: str, reasons: tuple[str, ...]
) -> None:
    """The strictest verdict decides; a retry is none, since it could not change the inputs."""
    driver = at_work().stop(*words)
    gate = driver.gate
    assert (gate.kind, gate.node, gate.role, gate.before, gate.candidate) == (kind, "work", "operator", True, None)
    assert gate.reasons == reasons
    assert gate.shown == {"read": driver.state.values["read"].sealed.digest}
    assert gate.place == "read"
    receipt = driver.ledger[-2].receipt
    assert (receipt.kind, receipt.node, receipt.attempt, receipt.output) == ("stopped", "work", 1, "")
    assert [given.verdict for given in receipt.verdicts] == list(words)
    assert {given.on for given in receipt.verdicts} == {receipt.inputs}


def test_blocked_inputs_cannot_be_approved() -> None:
    """Past a block on inputs there is no approval: other inputs, another try, or the end."""
    driver = at_work().stop("block", "pass")
    with pytest.raises(DecisionError, match="approve does not answer this; send retry, edit or abort"):
        driver.decide("approve")


def test_retry_asks_the_guards_again() -> None:
    """What a guard looks up may have changed; the stage works once it passes."""
    driver = at_work().stop("block", "pass").decide("retry")
    assert (driver.run.attempt, driver.run.let_in) == (2, False)
    driver.stop("pass", "block").decide("retry")
    assert driver.finish().run.node == "end"


# -- letting in ------------------------------------------------------------------------------------


def test_approval_lets_the_stage_run_on_exactly_these_inputs() -> None:
    """The approval names them by their digest; the guards on inputs are not asked about them again."""
    driver = at_work().stop("escalate", "pass")
    inputs = driver.ledger[-2].receipt.inputs
    driver.decide("approve")
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.action, receipt.inputs, receipt.output) == ("decided", "approve", inputs, "")
    run = driver.run
    assert (run.node, run.attempt, run.let_in, run.inputs_digest) == ("work", 2, True, inputs)
    assert driver.state.let_in == inputs
    given = tuple(replace(one, on=run.inputs_digest) for one in result(at_work()).before)
    refused(driver, result(driver, before=given), "Not every guard of work")
    refused(driver, Stopped(plan=run.plan, node="work", attempt=2, inputs=inputs, verdicts=given), "Not every guard")
    refused(driver, Stopped(plan=run.plan, node="work", attempt=2, inputs=inputs, verdicts=()), "and it did not")
    assert driver.finish().run.node == "end"


def test_approval_takes_the_number() -> None:
    """Letting inputs in needs the four digits, as any approval."""
    driver = at_work().stop("escalate", "pass")
    with pytest.raises(DecisionError, match="Send the four digits"):
        driver.decide("approve", number="")


def test_approval_counts_the_attempts_anew() -> None:
    """The attempt that a guard stopped is not taken from those of the work."""
    driver = at_work().stop("escalate", "pass").decide("approve")
    assert driver.fail("timeout").run.attempt == 3
    assert driver.fail("timeout").gate.kind == "exhausted"


def test_inputs_stay_let_in_for_later_attempts() -> None:
    """A second try of the stage on the same inputs, and a person's retry, are still what was let in."""
    driver = at_work().stop("escalate", "pass").decide("approve")
    assert driver.finish("x", "retry").run.let_in
    assert driver.fail("error").decide("retry").run.let_in


def test_other_inputs_are_not_let_in() -> None:
    """An edit voids it, also one that gives the same value again: the guards look anew."""
    driver = at_work().stop("escalate", "pass").decide("approve").fail("error")
    same = driver.state.values["read"].sealed
    driver.decide("edit", place="read", value=same)
    assert driver.run.inputs["p0"] == same
    assert not driver.run.let_in
    assert driver.state.let_in == ""
    refused(driver, result(driver, before=()), "Not every guard of work")


def test_next_stage_is_not_let_in() -> None:
    """What was let in to one stage is not let in to the next, which reads the same."""
    twice = plan_of(stage("one", before=["g"]), stage("two", "start", before=["g"]))
    driver = Driver(twice).begin().stop("escalate").decide("approve")
    inputs = driver.run.inputs_digest
    driver.finish()
    assert (driver.run.node, driver.run.inputs_digest, driver.run.let_in) == ("two", inputs, False)
    assert driver.state.let_in == ""


def test_edit_of_an_earlier_stage_voids_what_was_let_in() -> None:
    """A person's value for what an earlier stage made, looked at by its guards first."""
    plan = plan_of(stage("read", guards=["k"]), stage("work", "start", "read", before=["g"]))
    driver = Driver(plan).begin().finish().stop("escalate").decide("approve").fail("error")
    driver.decide("edit", place="read", value=sealed("other"))
    assert (driver.run.node, driver.state.let_in) == ("read", "")


def test_state_that_lets_in_other_inputs_lets_in_none() -> None:
    """Even in a state that no event led to, only inputs with that digest are let in."""
    driver = at_work()
    driver.state = replace(driver.state, let_in="0" * 64)
    assert not driver.run.let_in


# -- what a person writes --------------------------------------------------------------------------


def test_persons_value_is_not_work() -> None:
    """Where a person gives the output, the stage does not work, and its guards on inputs are not asked."""
    driver = at_work().stop("block", "pass").edit("by hand", "work")
    assert (driver.run.node, driver.run.edited) == ("work", sealed("by hand"))
    given = result(at_work()).before
    refused(driver, result(driver, before=given), "Not every guard")
    assert driver.finish().state.values["work"].by_hand


def test_edit_replaces_the_input_unless_it_names_another_place() -> None:
    """The value in question is what the guard looked at, so it is what a bare edit corrects."""
    driver = at_work().stop("block", "pass").edit("better")
    assert driver.ledger[-1].receipt.node == "read"
    assert (driver.run.node, driver.run.inputs["p0"].data) == ("work", "better")


@pytest.mark.parametrize(
    ("plan", "place"),
    [
        (plan_of(stage("work", before=["g"])), "start"),
        (plan_of(stage("work", Const(1), before=["g"]), start=Label.ENDORSED), "work"),
        (plan_of(stage("work", Const(1), "start", before=["g"])), "start"),
        (plan_of(stage("one"), stage("two"), stage("work", "two", "one", before=["g"])), "two"),
    ],
)
def test_place_of_an_edit_is_the_first_input_that_can_be_edited(plan: Any, place: str) -> None:
    """Of several inputs the first; where none is a value of the plan, what the stage itself gives."""
    driver = Driver(plan).begin()
    while driver.run.node != "work":
        driver.finish()
    assert driver.stop("block").gate.place == place


def test_place_of_an_edit_at_an_approved_input_is_what_was_approved() -> None:
    """An approval cannot be edited, the value that it approves can, and is approved anew."""
    driver = at_payment().stop("block")
    assert driver.gate.place == "owed"
    driver.edit("other")
    assert (driver.gate.kind, driver.gate.node) == ("approval", "agreed")


def test_record_of_an_effect_is_not_the_place_of_an_edit() -> None:
    """What has happened cannot be edited, so the next input is."""
    plan = plan_of(
        endorse("owed", "start"),
        effect("pay", "owed"),
        stage("note", "pay"),
        stage("tell", "pay", "note", before=["g"]),
    )
    driver = Driver(plan).begin().finish().suspend(call("pay")).ended().finish().finish().stop("block")
    assert driver.gate.place == "note"


# -- effects ---------------------------------------------------------------------------------------


def test_effect_that_a_guard_stopped_has_not_happened() -> None:
    """What the stopped attempt stands on can still be edited."""
    driver = at_payment().stop("block")
    assert (driver.gate.kind, driver.state.acts) == ("blocked", {})
    assert driver.decide("retry", number="").run.node == "pay"


def test_attempt_that_a_guard_stopped_after_an_effect_is_blocked_and_its_effect_known() -> None:
    """A guard that stops the attempt as it goes on leaves what was done where it is, and nothing to be done twice."""
    driver = at_payment().suspend(call("pay")).ended().stop("block")
    assert (driver.gate.kind, driver.gate.before, driver.state.journal) == ("blocked", True, ())
    with pytest.raises(DecisionError, match="The effect of pay depends on owed"):
        driver.edit(1, "owed")
    driver.decide("retry", number="").suspend(call("pay"))
    assert [entry.outcome for entry in driver.run.journal] == ["found"]


@pytest.mark.parametrize("word", ["block", "escalate", "retry"])
def test_attempt_goes_on_only_past_every_guard_on_its_inputs(word: Word) -> None:
    """Each time that a stage is run, the guards on its inputs answer, and the machine takes nothing without them."""
    driver = at_payment()
    event = suspended(driver.plan, driver.run, call("pay"))
    (passed,) = event.before
    for before in ((), (replace(passed, verdict=word),), (replace(passed, on="0" * 64),), (passed, passed)):
        refused(driver, replace(event, before=before), "guard")
    driver.take(event)
    receipt = driver.ledger[-2].receipt
    assert (receipt.kind, receipt.verdicts) == ("suspended", (passed,))


def test_effect_that_a_person_wrote_down_counts_as_happened() -> None:
    """A person's record of an effect is one: what it stands on cannot be edited any more."""
    driver = at_payment().stop("block").edit("paid by hand", "pay")
    assert [(done.node, done.tool, done.outcome) for done in driver.state.acts.values()] == [("pay", "", "done")]
    driver = at_payment().stop("block").edit("paid by hand", "pay")
    driver.fail("error")
    with pytest.raises(DecisionError, match="The effect of pay depends on owed"):
        driver.edit(1, "owed")


def test_stages_without_effects_are_not_recorded_as_such() -> None:
    """The record is of effects alone."""
    driver = at_work().finish()
    assert driver.state.acts == {}
    assert driver.fail("error").edit(1, "work").state.acts == {}
