"""Undos in the machine: what is undone, in which order, with what, and how a run ends meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import resumption
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, Plan, Work
from gatework.run.budget import Spent
from gatework.run.events import Action, Cancelled, Resumed
from gatework.run.state import Receipt
from gatework.testing import Driver
from gatework.testing.factories import (
    approve,
    begun,
    call,
    decided,
    effect,
    expired,
    finished,
    plan_of,
    returned,
    sealed,
    stage,
)
from gatework.testing.paths import child_run, loop, until
from tests.unit.machine.test_machine_gates import refused


def trip(*, budget: Budget | None = None) -> Plan:
    """Book a flight and a room, and ask whether that is right; each can be unbooked."""
    return plan_of(
        stage("flight", undo="unflight"),
        stage("room", "flight", undo="unroom"),
        approve("agreed", "room"),
        undos=[stage("unflight", "flight", "start", guards=["gone"], attempts=2), stage("unroom", "room", "flight")],
        budget=budget,
    )


def booked(plan: Plan | None = None) -> Driver:
    """A run that has booked both, and asks."""
    return Driver(plan or trip()).begin().finish("LH 1").finish("Room 7")


# -- in reverse ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "kind"), [
    ("abort", "aborted"), ("reject", "rejected"), ("expire", "expired"), ("cancel", "cancelled"),
])  # fmt: skip
def test_run_that_ends_without_completing_undoes_what_it_did_in_reverse(how: str, kind: str) -> None:
    """Each once, with its output and what it read; then the run ends as it was said to."""
    driver = booked()
    match how:
        case "expire":
            driver.expire()
        case "cancel":
            driver.cancel()
        case _:
            driver.decide("abort" if how == "abort" else "reject", note="too dear")
    undoing = next(entry.receipt for entry in driver.ledger if entry.receipt.kind == "undoing")
    assert (undoing.action, undoing.how) == (kind, {"undo": ["unroom", "unflight"]})
    assert driver.run.node == "unroom"
    assert {name: held.data for name, held in driver.run.inputs.items()} == {"p0": "Room 7", "p1": "LH 1"}
    driver.finish()
    assert driver.run.node == "unflight"
    assert {name: held.data for name, held in driver.run.inputs.items()} == {"p0": "LH 1", "p1": "start"}
    driver.finish()
    assert driver.outcome is not None
    assert driver.outcome.kind == kind
    assert driver.outcome == driver.state.ending
    assert driver.state.undoable == ()
    refused(driver, Cancelled(), "has ended", OrderError)


def test_run_that_completes_undoes_nothing() -> None:
    """What it did stays done, and can be taken back by whoever started it."""
    driver = booked().decide("approve")
    assert driver.outcome is not None
    assert (driver.outcome.kind, [one.undo for one in driver.state.undoable]) == ("completed", ["unflight", "unroom"])


def test_only_what_was_done_is_undone() -> None:
    """A stage that gave nothing has nothing to be undone; where nothing was done the run ends at once."""
    driver = Driver(trip()).begin().fail().decide("abort")
    assert driver.outcome is not None
    driver = Driver(trip()).begin().finish("LH 1").fail().decide("abort")
    assert driver.run.node == "unflight"
    assert driver.finish().outcome is not None


def test_work_that_was_done_twice_is_undone_twice_each_time_with_what_it_was() -> None:
    """An edit makes a stage run again: what it did before has happened all the same."""
    driver = booked().edit("other", place="start").finish("LH 2").finish("Room 8").decide("abort")
    undone = []
    while driver.outcome is None:
        undone.append((driver.run.node, driver.run.inputs["p0"].data, driver.run.inputs["p1"].data))
        driver.finish()
    assert undone == [
        ("unroom", "Room 8", "LH 2"),
        ("unflight", "LH 2", "other"),
        ("unroom", "Room 7", "LH 1"),
        ("unflight", "LH 1", "start"),
    ]


def test_work_of_every_round_of_a_loop_is_undone() -> None:
    """Each with what its round had, the last round first."""
    plan = plan_of(
        loop("text", "start"),
        stage("post", "text", undo="unpost"),
        stage("made", "post", like="start"),
        until("good", "text", "made", rounds=2),
        undos=[stage("unpost", "post", "text")],
    )
    driver = Driver(plan).begin("a").finish("1").finish("b").finish(None, "retry").finish("2").fail().decide("abort")
    undone = []
    while driver.outcome is None:
        undone.append((driver.run.inputs["p0"].data, driver.run.inputs["p1"].data, driver.run.attempt))
        driver.finish()
    assert undone == [("2", "b", 1), ("1", "a", 2)]


# -- an undo is a stage like any other -------------------------------------------------------------


def undoing() -> Driver:
    """A run whose flight is to be unbooked."""
    return booked().decide("abort").finish()


def test_undo_is_tried_as_often_as_it_says_and_then_a_person_is_asked() -> None:
    """With its guards and its attempts."""
    driver = undoing().fail("contract")
    assert (driver.run.node, driver.run.attempt) == ("unflight", 2)
    driver.finish("x", "retry")
    assert (driver.gate.kind, driver.gate.node) == ("exhausted", "unflight")
    assert driver.decide("retry").run.attempt == 3
    assert driver.finish("x", "escalate").gate.kind == "escalated"
    assert driver.decide("approve").outcome is not None


@pytest.mark.parametrize("action", ["abort", "reject"])
def test_no_at_an_undo_leaves_that_one_undone_and_the_next_goes_on(action: Action) -> None:
    """What one undo came to does not keep the others from theirs; the run ends as it was said before."""
    plan = trip()
    guarded = replace(plan, undos=(plan.undos[0], replace(plan.undos[1], guards=plan.undos[0].guards)))
    driver = booked(guarded).decide("abort", note="too dear")
    driver.finish(None, "block" if action == "abort" else "escalate").decide(action, note="leave it")
    assert driver.run.node == "unflight"
    assert "unroom" not in driver.state.values
    driver.finish()
    assert driver.outcome is not None
    assert (driver.outcome.kind, driver.outcome.reason) == ("aborted", "too dear")


def test_undo_at_which_nobody_answers_is_left_and_says_so() -> None:
    """The ledger tells that it was not done."""
    driver = booked().decide("abort", note="too dear").fail()
    (receipt,) = (r for r in _taken(driver) if r.kind == "undoing")
    assert (receipt.node, receipt.action) == ("unroom", "expired")
    assert driver.run.node == "unflight"
    driver.finish()
    assert driver.outcome is not None
    assert (driver.outcome.kind, driver.outcome.reason) == ("aborted", "too dear")


def _taken(driver: Driver) -> tuple[Receipt, ...]:
    return driver.take(expired(driver.gate)).receipts


def test_what_an_undo_came_to_can_be_given_by_hand_and_nothing_else() -> None:
    """A person who has unbooked it themselves says so; the values of the run stay as they were."""
    driver = booked().decide("abort").fail()
    for place in ("flight", "room", "start", "agreed", "unflight", "nowhere"):
        refused(driver, decided(driver.gate, "edit", place=place, value=sealed("x")), "only what undoes it now")
    assert driver.edit("unbooked by phone").run.node == "unflight"
    assert driver.data("unroom") == "unbooked by phone"


def test_run_that_is_being_undone_is_not_cancelled() -> None:
    """It is ending already."""
    refused(undoing(), Cancelled(), "ending already", OrderError)


def test_result_for_the_work_that_is_undone_is_refused() -> None:
    """While the run ends nothing else of it is due."""
    driver = undoing()
    refused(driver, finished(driver.plan, replace(driver.run, node="flight")), "another stage", OrderError)
    refused(driver, begun(driver.plan), "begun already", OrderError)


def test_run_without_anything_left_to_spend_is_undone_all_the_same() -> None:
    """Its budget is for its work; that of an undo is the undo's own."""
    driver = Driver(trip(budget=Budget(seconds=5.0))).begin().finish("LH 1").finish("Room 7", spent=Spent(seconds=6.0))
    driver.decide("abort")
    assert driver.run.node == "unroom"
    assert driver.run.allowance.seconds is None


def test_effect_in_an_undo_is_done_once_and_asked_about_in_doubt() -> None:
    """As in any stage: the record answers, and nobody repeats what may have happened."""
    plan = plan_of(
        effect("pay", "start", undo="repay"),
        approve("agreed", "pay"),
        start=Label.ENDORSED,
        undos=[effect("repay", "pay")],
    )
    driver = Driver(plan).begin().suspend(call("pay")).ended().finish().decide("reject")
    driver.suspend(call("repay")).ended("unknown")
    assert (driver.gate.kind, driver.gate.node) == ("unknown", "repay")
    refused(driver, decided(driver.gate, "retry", number=""), "may happen twice")
    driver.decide("retry").suspend(call("repay", number=1)).ended().finish()
    assert driver.outcome is not None
    assert driver.outcome.kind == "rejected"


def test_plan_that_names_no_undo_of_its_own_does_not_begin() -> None:
    """An undo is found among those at the end of the plan, never among its stages."""
    plan = trip()
    for undo in ("nowhere", "flight", "room"):
        room = plan.nodes[1]
        assert isinstance(room, Work)
        wrong = replace(room, undo=undo)
        with pytest.raises(OrderError, match="out of order at room"):
            Driver(replace(plan, nodes=(plan.nodes[0], wrong, plan.nodes[2]))).begin()


def test_run_that_fails_without_asking_is_undone() -> None:
    """A child run that ends where its work fails."""
    driver = Driver(trip()).begin()
    driver.state = replace(driver.state, asks=False)
    driver.finish("LH 1").fail()
    assert (driver.outcome, driver.run.node) == (None, "unflight")
    # At an undo a person is asked all the same: nobody else can say what became of it.
    assert driver.fail().gate.node == "unflight"
    driver.decide("abort")
    assert driver.outcome is not None
    assert driver.outcome.kind == "failed"


# -- child runs ------------------------------------------------------------------------------------


def called() -> Driver:
    """A run whose child run did something that it can take back, and which is then aborted."""
    plan = plan_of(
        stage("flight", undo="unflight"),
        child_run("room", "flight", effects=True),
        approve("agreed", "room"),
        undos=[stage("unflight", "flight")],
    )
    driver = Driver(plan).begin().finish("LH 1")
    driver.take(replace(returned(driver.spawn, 0, "Room 7", acted=True), undoable=True))
    return driver.decide("abort")


def test_child_run_that_completed_takes_itself_back_in_its_turn() -> None:
    """A new run of its plan, which starts from what the first one knew; then comes what was done before it."""
    driver = called()
    (run,) = driver.spawn.runs
    assert (run.child, run.undoes, run.asks) == (0, "run-0", True)
    driver.returned(0, outcome="undone")
    assert driver.run.node == "unflight"


def test_child_run_that_was_not_undone_asks_a_person() -> None:
    """`retry` has it try once more, `abort` leaves it, and its value is not given by hand."""
    driver = called().returned(0, outcome="failed", reason="no line")
    assert driver.gate.reasons == ("run 1 was not undone: no line",)
    refused(driver, decided(driver.gate, "edit", value=sealed("x")), "only what undoes it now")
    again = driver.decide("retry").spawn
    assert [run.undoes for run in again.runs] == ["run-0"]
    assert again.attempt > 1
    driver.returned(0, outcome="aborted").decide("abort")
    assert driver.run.node == "unflight"


# -- going on where a run ended --------------------------------------------------------------------


def resumed(plan: Plan, place: str = "") -> Resumed:
    return Resumed(plan=plan.digest, run="old", ended="terminated", place=place)


def test_run_that_was_cut_off_while_it_was_undone_goes_on_undoing() -> None:
    """At the undo at which it was, and from no other place."""
    driver = undoing()
    with pytest.raises(DecisionError, match="without naming a place"):
        resumption.resume(driver.plan, driver.state, resumed(driver.plan, "flight"))
    step = resumption.resume(driver.plan, driver.state, resumed(driver.plan))
    driver.state = step.state
    assert (driver.run.node, driver.run.attempt) == ("unflight", 2)
    driver.finish()
    assert driver.outcome is not None
    assert driver.outcome.kind == "aborted"


def test_run_that_was_undone_is_not_gone_on_with() -> None:
    """What it did is no longer so."""
    driver = undoing().finish()
    for place in ("", "flight"):
        with pytest.raises(DecisionError, match="has been undone"):
            resumption.resume(driver.plan, driver.state, resumed(driver.plan, place))


def test_run_that_goes_on_from_before_its_work_still_undoes_what_it_had_done() -> None:
    """It was cut off, and books anew: both bookings are undone when it is aborted."""
    driver = booked()
    driver.state = resumption.resume(driver.plan, driver.state, resumed(driver.plan, "flight")).state
    driver.finish("LH 2").finish("Room 8").decide("abort")
    undone = []
    while driver.outcome is None:
        undone.append(driver.run.inputs["p0"].data)
        driver.finish()
    assert undone == ["Room 8", "LH 2", "Room 7", "LH 1"]


def test_completed_run_is_taken_back_from_its_last_work_to_its_first() -> None:
    """By whoever started it; one that did not complete, or did nothing, is not."""
    driver = booked()
    with pytest.raises(DecisionError, match="did not complete"):
        resumption.undo(driver.plan, driver.state, resumed(driver.plan))
    driver.decide("approve")
    driver.state = resumption.undo(driver.plan, driver.state, resumed(driver.plan)).state
    assert driver.run.node == "unroom"
    driver.finish().finish()
    assert driver.outcome is not None
    assert driver.outcome.kind == "undone"
    with pytest.raises(DecisionError, match="did not complete"):
        resumption.undo(driver.plan, driver.state, resumed(driver.plan))
    with pytest.raises(DecisionError, match="another plan"):
        resumption.undo(driver.plan, driver.state, replace(resumed(driver.plan), plan="0" * 64))
    plan = plan_of(stage("one"))
    done = Driver(plan).begin().finish()
    with pytest.raises(DecisionError, match="did not complete"):
        resumption.undo(plan, done.state, resumed(plan))
