"""Loops in the machine: rounds, what they drop and hand on, how they end, and what happens when they are spent."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By, Loop, Plan
from gatework.run.state import Receipt
from gatework.testing import Driver
from gatework.testing.factories import (
    approve,
    call,
    decided,
    effect,
    endorse,
    failed,
    finished,
    plan_of,
    sealed,
    stage,
    suspended,
)
from gatework.testing.paths import child_run, loop, until
from tests.unit.machine.test_machine_gates import refused


def looped(*, rounds: int = 3, spent: Literal["ask", "accept"] = "ask", start: Label = Label.UNTRUSTED) -> Plan:
    """Draft once, revise until it is good, send it."""
    return plan_of(
        stage("draft"),
        loop("text", "draft"),
        stage("revise", "text"),
        stage("polish", "revise", like="draft"),
        until("good", "text", "polish", rounds=rounds, spent=spent),
        stage("send", "good"),
        start=start,
    )


def through(driver: Driver, text: str, word: Literal["pass", "retry", "block", "escalate"] = "retry") -> Driver:
    """One round, with what the guard at its end says."""
    return driver.finish("notes").finish(text).finish(None, word)


def receipts(driver: Driver, kind: str) -> list[Receipt]:
    """The receipts of a kind so far."""
    return [entry.receipt for entry in driver.ledger if entry.receipt.kind == kind]


# -- rounds ----------------------------------------------------------------------------------------


def test_each_round_starts_from_what_the_last_one_gave_and_drops_all_else() -> None:
    """Of a round only its value goes on; its other values are gone, and the guard's reason reaches its first stage."""
    driver = Driver(looped()).begin().finish("first")
    assert (driver.run.node, driver.data("text"), driver.run.feedback) == ("revise", "first", ())
    through(driver, "second")
    assert driver.run.node == "revise"
    assert driver.run.inputs["p0"] == sealed("second")
    assert list(driver.run.feedback) == ["enough: retry"]
    assert list(driver.state.values) == ["start", "draft", "text"]
    assert driver.state.marks == {"text": 2}
    driver.finish("notes")
    assert not driver.run.feedback
    driver.finish("third").finish()
    assert (driver.run.node, driver.data("good")) == ("send", "third")
    assert [receipt.how for receipt in receipts(driver, "round")] == [{"round": 1}, {"round": 2}]
    assert [receipt.output for receipt in receipts(driver, "round")] == [
        sealed("first").digest,
        sealed("second").digest,
    ]


def test_attempts_count_on_over_all_rounds() -> None:
    """A result of an earlier round never counts in a later one."""
    driver = Driver(looped()).begin().finish("first")
    old = finished(driver.plan, driver.run, "old")
    through(driver, "second")
    assert driver.run.attempt == 2
    refused(driver, old, "another attempt; attempt 2 of revise is due", OrderError)


def test_end_of_a_loop_runs_no_stage_and_its_guard_looks_at_what_the_round_gave() -> None:
    """Nothing works there: an output of any other value is refused, and so is a suspension."""
    driver = Driver(looped()).begin().finish("first").finish("notes").finish("second")
    assert (driver.run.node, driver.run.edited) == ("good", sealed("second"))
    run = replace(driver.run, edited=None)
    refused(driver, finished(driver.plan, run, "my own"), "another value", OrderError)
    refused(driver, suspended(driver.plan, run, entries=[]), "does not work", OrderError)
    refused(driver, replace(finished(driver.plan, driver.run), verdicts=()), "one verdict", OrderError)


def test_guard_that_broke_at_the_end_of_a_loop_starts_no_round() -> None:
    """Fail closed: what is not known to be enough is neither taken nor gone round with."""
    driver = Driver(looped()).begin().finish("first").finish("notes").finish("second")
    driver.take(failed(driver.run))
    assert (driver.gate.kind, driver.gate.node) == ("failed", "good")
    assert driver.decide("retry").run.node == "good"


@pytest.mark.parametrize(("word", "kind"), [("block", "blocked"), ("escalate", "escalated")])
def test_block_and_escalate_at_the_end_of_a_loop_ask_a_person(word: Literal["block", "escalate"], kind: str) -> None:
    """As at any stage; the value that the guard looked at is shown."""
    driver = through(Driver(looped()).begin().finish("first"), "second", word)
    assert (driver.gate.kind, driver.gate.shown["good"]) == (kind, sealed("second").digest)
    if word == "escalate":
        assert driver.decide("approve").data("good") == "second"
        assert driver.run.node == "send"


# -- spent -----------------------------------------------------------------------------------------


def spent() -> Driver:
    """A run whose rounds are spent, where a person is asked."""
    driver = Driver(looped(rounds=2)).begin().finish("first")
    return through(through(driver, "second"), "third")


def test_person_is_asked_when_the_rounds_are_spent() -> None:
    """With what the last round gave, and what the guard said of it."""
    gate = spent().gate
    assert (gate.kind, gate.node, gate.reasons) == ("spent", "good", ("enough: retry",))
    assert gate.candidate == sealed("third")


def test_approve_takes_what_the_last_round_gave() -> None:
    """As it is, by the person's word; it stays what it was, with its label."""
    driver = spent().decide("approve")
    held = driver.state.values["good"]
    assert (held.sealed, held.label, held.by_hand) == (sealed("third"), Label.UNTRUSTED, False)


def test_retry_gives_as_many_rounds_again() -> None:
    """The number of rounds counts on, and the person's note is told to the first stage."""
    driver = spent().decide("retry", note="shorter")
    assert (driver.run.node, driver.run.feedback, driver.data("text")) == ("revise", ("shorter",), "third")
    assert driver.state.marks == {"text": 3}
    assert through(driver, "fourth").run.node == "revise"
    assert through(driver, "fifth").gate.kind == "spent"


def test_edit_gives_the_value_of_the_loop_past_its_guard() -> None:
    """A person's value is looked at as any is; what the guard turns down starts no round of its own."""
    driver = spent().edit("by me")
    assert (driver.run.node, driver.run.edited) == ("good", sealed("by me"))
    driver.finish(None, "retry")
    assert (driver.gate.kind, driver.gate.node) == ("exhausted", "good")
    driver.edit("better").finish()
    assert driver.state.values["good"].by_hand
    assert driver.data("good") == "better"


@pytest.mark.parametrize(("action", "kind"), [("abort", "aborted"), ("reject", "rejected")])
def test_no_at_a_spent_loop_ends_the_run(action: Literal["abort", "reject"], kind: str) -> None:
    """Nothing is taken."""
    outcome = spent().decide(action).outcome
    assert outcome is not None
    assert outcome.kind == kind


def test_accept_takes_the_last_value_and_says_so() -> None:
    """Where the plan says so nobody is asked, and the receipt tells that the guard was not content."""
    driver = Driver(looped(rounds=2, spent="accept")).begin().finish("first")
    through(through(driver, "second"), "third")
    assert (driver.run.node, driver.data("good")) == ("send", "third")
    receipt = receipts(driver, "output")[-1]
    assert (receipt.node, receipt.action, receipt.reason) == ("good", "accepted", "its rounds are spent")
    assert receipt.verdicts[0].verdict == "retry"


def test_run_that_asks_nobody_fails_when_its_rounds_are_spent() -> None:
    """A child run that is to end where its work fails."""
    driver = spent()
    driver.state = replace(driver.state, asks=False, gate=None, limit=driver.state.attempts["good"])
    driver.finish(None, "retry")
    assert driver.outcome is not None
    assert (driver.outcome.kind, driver.outcome.node) == ("failed", "good")


# -- edits, people ---------------------------------------------------------------------------------


def test_edit_inside_a_round_keeps_the_round_and_one_before_it_begins_anew() -> None:
    """What a round started from stands for as long as nothing before it changes."""
    driver = through(Driver(looped()).begin().finish("first"), "second").finish("notes").fail()
    driver.edit("my notes", place="revise")
    assert (driver.run.node, driver.data("text"), driver.state.marks) == ("polish", "second", {"text": 2})
    driver.fail().edit("my draft", place="draft")
    assert (driver.run.node, driver.data("text"), driver.state.marks) == ("revise", "my draft", {"text": 1})


def test_loop_itself_cannot_be_edited() -> None:
    """Its value is what it starts from, or what a round gave."""
    driver = Driver(looped()).begin().finish("first").fail()
    refused(driver, decided(driver.gate, "edit", place="text", value=sealed("x")), "no value of its own")


def test_rule_approves_nothing_that_an_earlier_round_made_of_a_persons_value() -> None:
    """What a person gave in one round is gone in the next, and is not forgotten: a person is asked."""
    plan = plan_of(
        loop("sum", "start"),
        stage("work", "sum"),
        stage("made", "work", like="start"),
        until("good", "sum", "made"),
        approve("agreed", "good", when=Compare("gt", Ref("good"), Const(100), "number")),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin(1).fail().edit(5, place="work").finish(5).finish(None, "retry")
    assert (driver.data("sum"), driver.state.values["sum"].by_hand) == (5, True)
    driver.finish(6).finish(7).finish()
    assert driver.gate.reasons == ("a person changed what the rule looks at",)
    untouched = Driver(plan).begin(1).finish(5).finish(5).finish(None, "retry").finish(6).finish(7).finish()
    assert untouched.outcome is not None


def quorum_in_a_loop() -> Plan:
    """A loop in which two approve what the round before gave."""
    return plan_of(
        loop("text", "start"),
        approve("agreed", "text", role=By(role="finance", quorum=2, identity="claimed")),
        stage("revise", "agreed"),
        stage("made", "text", "revise", like="start"),
        until("good", "text", "made"),
        start=Label.ENDORSED,
    )


def test_whoever_edits_in_a_round_may_not_approve_in_the_next() -> None:
    """People are told from each other over all rounds."""
    driver = Driver(quorum_in_a_loop()).begin().decide("approve", by="Ana").decide("approve", by="Ben").fail()
    refused(driver, decided(driver.gate, "edit", place="revise", value=sealed("x"), by=""), "Say who you are")
    driver.decide("edit", place="revise", value=sealed("x"), by="Ana").finish().finish(None, "retry")
    assert driver.gate.not_by == ("Ana",)
    with pytest.raises(DecisionError, match="your own"):
        driver.decide("approve", by="ana")


# -- labels, loops in loops ------------------------------------------------------------------------


def test_value_of_a_loop_is_never_approved() -> None:
    """Nobody saw what the next round starts from."""
    plan = plan_of(
        approve("agreed", "start"),
        loop("text", "agreed"),
        stage("made", "text", like="agreed"),
        until("good", "text", "made"),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin().decide("approve", by="Ana")
    held = driver.state.values["text"]
    assert (held.label, held.by) == (Label.ENDORSED, ())


def test_loop_that_knows_more_of_its_value_than_the_run_is_not_entered() -> None:
    """A plan made by hand cannot call outside text endorsed by going round with it."""
    plan = looped()
    lies = tuple(replace(n, label=Label.ENDORSED) if isinstance(n, Loop) else n for n in plan.nodes)
    driver = Driver(replace(plan, nodes=lies)).begin().finish("first")
    assert (driver.gate.kind, driver.gate.node) == ("failed", "text")
    assert driver.gate.reasons == ("A round of text starts from endorsed data, and would from untrusted.",)


def test_round_that_gives_less_known_data_than_it_starts_from_is_not_followed_by_another() -> None:
    """A plan made by hand: the body reads outside text beside the loop's endorsed value."""
    plan = plan_of(
        endorse("record", "start"),
        loop("text", "record"),
        stage("made", "text", "start", like="record"),
        until("good", "text", "made"),
    )
    driver = Driver(plan).begin().finish().finish()
    # The end of the loop reads what the body gave, and is held to what its plan says of that.
    assert (driver.gate.kind, driver.gate.node) == ("failed", "good")


def test_private_value_of_a_round_makes_the_next_private() -> None:
    """What must not leave stays marked, round after round."""
    plan = plan_of(
        stage("draft", Const("x")),
        loop("text", "draft"),
        stage("made", "text", "start", like="draft"),
        until("good", "text", "made"),
        start=Label.PLAIN,
        private=True,
    )
    driver = Driver(plan).begin().finish()
    private = [driver.state.values["text"].private]
    driver.finish().finish(None, "retry")
    private.append(driver.state.values["text"].private)
    driver.finish().finish()
    private.append(driver.state.values["good"].private)
    assert private == [False, True, True]


def test_inner_loop_begins_anew_in_each_round_of_the_outer() -> None:
    """Its rounds are counted from one again."""
    plan = plan_of(
        loop("outer", "start"),
        loop("inner", "outer"),
        stage("made", "inner", like="start"),
        until("enough_in", "inner", "made", rounds=2),
        until("enough_out", "outer", "enough_in", rounds=2),
    )
    driver = Driver(plan).begin("a").finish("b").finish(None, "retry")
    assert driver.state.marks == {"outer": 1, "inner": 2}
    driver.finish("c").finish().finish(None, "retry")
    assert (driver.state.marks, driver.data("inner")) == ({"outer": 2, "inner": 1}, "c")
    assert driver.finish("d").finish(None, "retry").finish("e").finish(None, "retry").gate.node == "enough_in"


def test_effect_in_a_loop_happens_once_for_its_key_in_all_rounds() -> None:
    """A round that asks for what was done before is answered by the record."""
    plan = plan_of(
        loop("owed", "start"),
        effect("pay", "owed"),
        stage("made", "pay", like="start"),
        until("good", "owed", "made"),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin().suspend(call("pay")).ended("done", "paid").finish().finish().finish(None, "retry")
    driver.suspend(call("pay", number=1))
    assert (driver.run.node, driver.run.journal[-1].outcome, driver.run.journal[-1].data) == (
        "pay",
        "found",
        sealed("paid"),
    )


def test_child_run_in_a_loop_is_a_new_one_in_each_round() -> None:
    """What a run of an earlier round came to is not taken for that of this one."""
    plan = plan_of(
        loop("text", "start"),
        child_run("look", "text"),
        stage("made", "look", like="start"),
        until("good", "text", "made"),
    )
    driver = Driver(plan).begin()
    first = driver.spawn
    driver.returned(0, "x").finish().finish(None, "retry")
    assert (driver.spawn.attempt, first.attempt) == (2, 1)
    assert driver.spawn.runs[0].inputs["p0"].sealed == driver.state.values["text"].sealed
