"""What a person's value does: guards see it, what was computed from the old one goes, and no rule approves of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine.calls import CALL_TRIES
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.testing import Driver
from gatework.testing.factories import approve, call, decided, effect, endorse, finished, plan_of, sealed, stage

LARGE = Compare("gt", Ref("owed"), Const(100), "number")
GRAVE = Compare("eq", Ref("risk"), Const("high"), "text")

CHAIN = plan_of(
    stage("mail", guards=["g"]),
    stage("claim", "mail", guards=["h"]),
    endorse("owed", "claim"),
    approve("agreed", "owed", show=["claim"]),
    effect("pay", "agreed"),
    approve("closed", "mail"),
    stage("letter", "pay"),
)


def at_approval() -> Driver:
    """A run that waits for the approval in the middle of the chain."""
    return Driver(CHAIN).begin().finish().finish().finish()


def called() -> Driver:
    """A run whose effect in the middle of the chain is being called."""
    return at_approval().decide("approve").suspend(call("pay"))


def refused(driver: Driver, value: Any, match: str, place: str = "") -> None:
    """The edit is refused with this reason, and nothing has changed."""
    before = driver.state
    with pytest.raises(DecisionError, match=match):
        driver.decide("edit", place=place, value=value)
    assert driver.state is before


# -- what may be edited ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, replace(sealed(1), data=2), replace(sealed(1), digest="0" * 64)])
def test_edit_without_an_intact_value_is_refused(value: Any) -> None:
    """A value comes with its data, and its digest is computed and not believed."""
    refused(at_approval(), value, "corrected value as JSON")


@pytest.mark.parametrize("place", ["pay", "closed", "letter", "nowhere"])
def test_edit_of_a_place_that_has_no_value_yet_is_refused(place: str) -> None:
    """Only what is there, or is due, can be replaced."""
    refused(at_approval(), sealed(1), f"no value named {place} yet", place)


def test_edit_of_an_approval_is_refused() -> None:
    """An approval is given and not written: one edits the value that it approves."""
    refused(at_approval(), sealed(1), "agreed is an approval", "agreed")
    refused(at_approval().decide("approve").fail(), sealed(1), "agreed is an approval", "agreed")


def test_edit_of_what_an_effect_recorded_is_refused() -> None:
    """What has happened is not changed by writing something else about it."""
    driver = called().ended().finish("paid")
    assert driver.gate.node == "closed"
    refused(driver, sealed("not paid"), "records an effect that has happened", "pay")


@pytest.mark.parametrize("place", ["start", "mail", "claim", "owed"])
def test_edit_of_what_an_effect_depends_on_is_refused_once_it_may_have_happened(place: str) -> None:
    """From its call on, whether it is in doubt, done or written down by a person, nothing before an effect changes."""
    happened = [called().ended().fail(), called().ended("unknown"), called().ended("unknown").edit("paid by phone")]
    by_phone = at_approval().decide("approve").fail().edit("paid by phone")
    for driver in (*happened, by_phone):
        refused(driver, sealed(1), "The effect of pay depends on", place)


@pytest.mark.parametrize("outcome", ["refused", "failed", None])
def test_edit_of_what_a_stage_depends_on_is_taken_while_its_effect_is_known_not_to_have_happened(outcome: Any) -> None:
    """An attempt that called nothing, a tool that said no, a call that failed: nothing depends on the value yet."""
    driver = called() if outcome else at_approval().decide("approve").fail()
    for _ in range(CALL_TRIES if outcome == "failed" else 1 if outcome else 0):
        driver.ended(outcome)
    assert driver.edit(1, "owed").gate.node == "agreed"


def test_edit_of_the_record_of_an_effect_in_doubt_is_taken() -> None:
    """A person who knows what became of an effect says so, and it is not run."""
    driver = called().ended("unknown").edit("paid")
    assert driver.data("pay") == "paid"
    assert driver.state.values["pay"].by_hand
    assert driver.gate.node == "closed"
    driver.decide("approve")
    assert driver.run.node == "letter"


# -- what an edit does -----------------------------------------------------------------------------


def test_edit_names_by_default_the_value_that_the_gate_is_about() -> None:
    """At an approval that is the value to approve, elsewhere the output of the stage that waits."""
    assert at_approval().edit("own").data("owed") == "own"
    driver = Driver(CHAIN).begin().fail().edit("own")
    assert (driver.run.node, driver.run.edited) == ("mail", sealed("own"))


def test_edit_drops_everything_that_came_after_with_every_approval() -> None:
    """What was computed from the old value runs again; what came before stays as it is."""
    plan = plan_of(stage("a"), stage("b", "a"), approve("one", "b"), stage("c", "one"), stage("d", "c"))
    driver = Driver(plan).begin().finish().finish().decide("approve").finish().fail().edit("new", "b")
    assert list(driver.state.values) == ["start", "a", "b"]
    assert not driver.state.values["a"].by_hand
    assert (driver.gate.id, driver.gate.node, driver.gate.kind) == (3, "one", "approval")
    assert driver.gate.shown == {"b": sealed("new").digest}
    run = driver.decide("approve").run
    assert (run.node, run.attempt, run.inputs) == ("c", 2, {"p0": sealed("new")})


def test_edit_of_the_input_starts_over_under_its_label() -> None:
    """A new input keeps the label of the old one and is known to be a person's."""
    driver = at_approval().edit("another mail", "start")
    assert list(driver.state.values) == ["start"]
    held = driver.state.values["start"]
    assert (held.sealed, held.label, held.by_hand) == (sealed("another mail"), Label.UNTRUSTED, True)
    assert (driver.run.node, driver.run.attempt, driver.run.edited) == ("mail", 2, None)
    assert driver.state.gate is None


def test_edit_leaves_a_receipt_of_the_place_and_the_value() -> None:
    """The ledger says who put which value where, on which evidence."""
    driver = at_approval()
    gate = driver.gate
    receipt = driver.take(decided(gate, "edit", place="claim", note="typo", value=sealed("own"))).receipts[0]
    assert (receipt.kind, receipt.action, receipt.node, receipt.output) == (
        "decided", "edit", "claim", sealed("own").digest,
    )  # fmt: skip
    assert (receipt.gate, receipt.evidence, receipt.by, receipt.reason) == (1, gate.evidence, "someone", "typo")


def test_edit_of_a_value_without_guards_is_held_at_once_with_the_label_of_its_node() -> None:
    """A person's value has the label that the plan gives its place; the approval asks anew, on new evidence."""
    driver = at_approval()
    before = driver.gate
    held = driver.edit(1).state.values["owed"]
    assert (held.label, held.by_hand) == (Label.ENDORSED, True)
    assert driver.gate.evidence != before.evidence
    assert driver.state.edited is None
    with pytest.raises(DecisionError):
        driver.take(decided(before, "approve"))


def test_edit_of_a_guarded_value_is_looked_at_by_its_guards_before_it_is_held() -> None:
    """Guards look at a person's value too, in an attempt of their own that does not run the stage."""
    driver = at_approval().edit("own", "claim")
    run = driver.run
    assert (run.node, run.attempt, run.edited, run.feedback) == ("claim", 2, sealed("own"), ())
    assert "claim" not in driver.state.values
    with pytest.raises(OrderError, match="another value than the person gave"):
        driver.take(replace(finished(CHAIN, replace(run, edited=None), "other")))
    held = driver.finish().state.values["claim"]
    assert (held.sealed, held.by_hand) == (sealed("own"), True)
    assert (driver.run.node, driver.run.edited) == ("owed", None)


@pytest.mark.parametrize(("word", "kind"), [("retry", "exhausted"), ("block", "blocked"), ("escalate", "escalated")])
def test_edit_that_a_guard_refuses_asks_the_person_again(word: Any, kind: str) -> None:
    """There is no second attempt at a person's value: the person is asked, whatever attempts the plan allows."""
    plan = plan_of(stage("a", guards=["g"], attempts=5), stage("b", "a"))
    driver = Driver(plan).begin().fail().edit("own").finish(None, word)
    assert (driver.gate.kind, driver.gate.candidate) == (kind, sealed("own"))


def test_edit_replaced_by_another_edit_keeps_the_last() -> None:
    """A second edit replaces the first before anything was computed from it."""
    driver = Driver(CHAIN).begin().fail().edit("one").finish(None, "block").edit("two")
    assert driver.run.edited == sealed("two")
    assert driver.finish().data("mail") == "two"


def test_edit_gives_the_node_a_fresh_round_of_attempts() -> None:
    """Attempts spent on the old value do not count against what comes after the new one."""
    plan = plan_of(stage("a"), stage("b", "a", attempts=2), approve("one", "b"))
    driver = Driver(plan).begin().finish().fail("timeout").finish().edit("new", "a")
    assert (driver.run.node, driver.run.attempt) == ("b", 3)
    assert driver.fail("timeout").run.attempt == 4


# -- whose value a rule looks at -------------------------------------------------------------------


def test_approval_rule_over_an_edited_value_asks_a_person() -> None:
    """A rule never approves what a person put there."""
    plan = plan_of(stage("owed"), approve("agreed", "owed", when=LARGE), start=Label.ENDORSED)
    driver = Driver(plan).begin().fail().edit(50)
    assert driver.state.values["owed"].by_hand
    assert driver.gate.reasons == ("a person changed what the rule looks at",)


def test_approval_rule_over_an_edited_value_that_a_guard_escalated_asks_a_person() -> None:
    """Approving an escalation does not wash a person's value clean for the plan's own rule."""
    plan = plan_of(stage("owed", guards=["g"]), approve("agreed", "owed", when=LARGE), start=Label.ENDORSED)
    driver = Driver(plan).begin().finish(500, "escalate").edit(50).finish(None, "escalate").decide("approve")
    assert driver.state.values["owed"].by_hand
    assert driver.gate.kind == "approval"


def test_approval_rule_over_a_value_made_of_an_edited_one_asks_a_person() -> None:
    """Whoever edits an amount does not thereby choose the risk that decides whether a person is asked."""
    plan = plan_of(
        stage("owed"),
        stage("risk", "owed"),
        stage("letter", "risk"),
        approve("agreed", "letter", when=GRAVE),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin().fail().edit(50).finish("low").finish("Dear …")
    assert not driver.state.values["risk"].by_hand
    assert driver.gate.reasons == ("a person changed what the rule looks at",)


def test_approval_rule_over_what_an_endorser_found_for_an_edited_claim_decides() -> None:
    """What an endorser gives comes from our own records, whoever made the claim."""
    plan = plan_of(stage("claim"), endorse("owed", "claim"), approve("agreed", "owed", when=LARGE))
    driver = Driver(plan).begin().fail().edit("A-1").finish(50)
    assert driver.state.values["agreed"].label is Label.APPROVED
    assert driver.outcome is not None


def test_approval_rule_over_what_a_stage_made_of_an_approved_edit_decides() -> None:
    """A person who approved an edited value has vouched for it: what follows is not by hand."""
    plan = plan_of(
        stage("claim"), approve("agreed", "claim"), stage("owed", "agreed"), approve("again", "owed", when=LARGE)
    )
    driver = Driver(plan).begin().fail().edit("A-1").decide("approve").finish(50)
    assert driver.state.outcome is not None


def test_approval_rule_over_an_edited_value_beside_the_approved_one_asks_a_person() -> None:
    """It does not matter whether the edited value is the one to approve, or one that the rule looks at."""
    plan = plan_of(stage("owed"), stage("risk"), approve("agreed", "owed", when=GRAVE), start=Label.ENDORSED)
    assert Driver(plan).begin().finish().fail().edit("low").gate.reasons == ("a person changed what the rule looks at",)
    assert Driver(plan).begin().fail().edit(50).finish("low").gate.node == "agreed"


def test_value_made_of_an_edited_value_and_others_counts_as_a_persons() -> None:
    """One edited input is enough."""
    plan = plan_of(
        stage("owed"), stage("risk", "start", "owed"), approve("agreed", "risk", when=GRAVE), start=Label.ENDORSED
    )
    assert Driver(plan).begin().fail().edit(50).finish("low").gate.node == "agreed"


def test_refusals_of_edits_are_whole_sentences() -> None:
    """A person reads them, so what they end with counts, too."""
    waits = at_approval()
    paid = called().ended().finish()
    said = {}
    for driver, place in ((waits, "letter"), (waits, "agreed"), (paid, "pay"), (paid, "claim")):
        with pytest.raises(DecisionError) as caught:
            driver.edit(1, place)
        said[place] = caught.value.message
    assert said == {
        "letter": "There is no value named letter yet.",
        "agreed": "agreed is an approval; edit the value that it approves.",
        "pay": "pay records an effect that has happened; it cannot be edited.",
        "claim": "The effect of pay depends on claim; it cannot be edited any more.",
    }
