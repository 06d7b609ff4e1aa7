"""Overrides: who may let a node past what stopped it, what is let on, what is known of it after, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from gatework.errors import DecisionError
from gatework.machine.overrides import said
from gatework.machine.resumption import resume
from gatework.machine.returning import MOST_OVERRIDES, Report, report, returned
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By, Identity, Node, Work
from gatework.run.events import Overridden, Resumed
from gatework.run.held import Held
from gatework.run.state import Done, Run, State
from gatework.testing import Driver
from gatework.testing.factories import approve, call, decided, effect, endorse, expired, plan_of, sealed, stage
from gatework.testing.paths import child_run, loop, parallel, part, until
from gatework.values import wire


def head(quorum: int = 1, identity: Identity = "claimed") -> By:
    return By(role="head", quorum=quorum, identity=identity)


PLAN = plan_of(stage("owed", guards=["true", "kind"], override=head()), stage("letter", "owed"), start=Label.ENDORSED)
WHY = "We know better"


def blocked(**more: Any) -> Driver:
    plan = plan_of(stage("owed", guards=["true", "kind"], override=head(**more)), stage("letter", "owed"))
    return Driver(plan).begin().finish("odd", "block", "pass")


def refused(driver: Driver, match: str, **decision: Any) -> None:
    """The override is refused with this reason, and nothing has changed."""
    before = driver.state
    with pytest.raises(DecisionError, match=match):
        driver.decide("override", **decision)
    assert driver.state is before


# -- what is let on --------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "kind"), [("block", "blocked"), ("retry", "exhausted")])
def test_override_lets_an_output_past_its_guards(verdict: Literal["block", "retry"], kind: str) -> None:
    """The output goes on as it is, under the label of the plan, by hand of whoever overrode, and approved by nobody."""
    driver = Driver(PLAN).begin().finish("odd", verdict, "pass")
    assert (driver.gate.kind, driver.gate.allowed[-1], driver.gate.override) == (kind, "override", head())
    driver.decide("override", note=WHY, by="Hana")
    held = driver.state.values["owed"]
    assert held == Held(sealed=sealed("odd"), label=Label.ENDORSED, by_hand=True, editor=("Hana",))
    assert isinstance(driver.due, Run)
    assert driver.due.node == "letter"
    (one,) = driver.state.overrides
    assert one == Overridden(
        node="owed", gate=1, lets="output", guards=("true",), by=("Hana",), identity="claimed", reason=WHY
    )
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.action, receipt.by, receipt.identity) == ("decided", "override", "Hana", "claimed")
    assert (receipt.output, receipt.label, receipt.reason) == (sealed("odd").digest, "endorsed", WHY)
    on = sealed("odd").digest
    reason = driver.ledger[1].receipt.verdicts[0].reason
    assert receipt.how == {"guards": [{"guard": "true", "on": on, "verdict": verdict, "reason": reason}]}
    assert driver.state.gate is None


def test_override_with_a_value_skips_the_stage() -> None:
    """No guard looks at it, and the receipt says that the stage was skipped."""
    driver = Driver(PLAN).begin().fail("error")
    driver.decide("override", note=WHY, by="Hana", value=sealed("ours"))
    held = driver.state.values["owed"]
    assert (held.sealed, held.label, held.by_hand, held.editor) == (sealed("ours"), Label.ENDORSED, True, ("Hana",))
    assert driver.state.at == 1
    assert driver.ledger[-1].receipt.how == {"guards": [], "skipped": True}
    assert driver.ledger[-1].receipt.output == sealed("ours").digest
    assert driver.state.overrides[0].lets == "value"
    assert not driver.state.acts  # it holds no effect, of which that would say that it has happened


def test_override_is_recorded_with_what_shows_who_it_was() -> None:
    """The signature, or the server's word, stays beside the verdicts and the count of votes."""
    driver = blocked(quorum=2)
    for number, name in enumerate(("Hana", "Hugo"), start=1):
        driver.take(replace(decided(driver.gate, "override", note=WHY, by=name), proof={"key": name}))
        how = driver.ledger[-1].receipt.how
        assert (how["key"], how["approvals"], how["quorum"], len(how)) == (name, number, 2, 4)


def test_override_with_a_value_is_of_whoever_overrode_alone() -> None:
    """What somebody wrote before, or was let in, has no part in it."""
    driver = blocked().decide("edit", value=sealed("mine"), by="Ann").finish("mine", "block", "pass")
    driver.decide("override", note=WHY, by="Hana", value=sealed("ours"))
    assert driver.state.values["owed"].editor == ("Hana",)
    plan = plan_of(stage("owed", before=["known"], guards=["true"], override=head()))
    driver = Driver(plan).begin().stop("block").decide("override", note=WHY, by="Hana").finish("a", "block")
    driver.decide("override", note="Twice", by="Hugo", value=sealed("ours"))
    assert driver.state.values["owed"].editor == ("Hugo",)
    assert [one.reason for one in driver.state.overrides] == [WHY, "Twice"]


def test_override_lets_inputs_in_that_a_guard_blocked() -> None:
    """The stage runs on exactly these inputs; its guards still look, and what it gives is of whoever overrode."""
    plan = plan_of(
        stage("owed", before=["known"], guards=["true"], attempts=2, override=head()), stage("letter", "owed")
    )
    driver = Driver(plan).begin().stop("block")
    driver.decide("override", note=WHY, by="Hana")
    assert isinstance(driver.due, Run)
    assert driver.due.let_in
    assert driver.ledger[-1].receipt.inputs == driver.due.inputs_digest
    assert driver.state.overrides[0].lets == "inputs"
    driver.finish("a", "retry").finish("b", "pass")
    assert driver.state.values["owed"] == Held(
        sealed=sealed("b"), label=Label.UNTRUSTED, by_hand=True, editor=("Hana",)
    )
    assert not driver.state.let_in_by


def test_edit_after_inputs_were_let_in_is_of_whoever_edits() -> None:
    """What was let in has no part in a value that somebody gave instead."""
    plan = plan_of(stage("owed", before=["known"], guards=["true"], override=head()))
    driver = Driver(plan).begin().stop("block").decide("override", note=WHY, by="Hana").finish("a", "block")
    driver.decide("edit", value=sealed("mine"), by="Ann").finish("mine", "pass")
    assert driver.state.values["owed"].editor == ("Ann",)


def test_override_lets_a_persons_value_past_guards() -> None:
    """What somebody wrote, and a guard turned down, is of both their hands."""
    driver = Driver(PLAN).begin().finish("odd", "block", "pass")
    driver.decide("edit", value=sealed("mine"), by="Ann").finish("mine", "pass", "block")
    assert (driver.gate.kind, driver.state.edited) == ("blocked", sealed("mine"))
    driver.decide("override", note=WHY, by="Hana")
    held = driver.state.values["owed"]
    assert (held.sealed, held.by_hand, held.editor) == (sealed("mine"), True, ("Ann", "Hana"))
    assert driver.state.overrides[0].guards == ("kind",)


def test_override_of_the_guard_that_ends_a_loop_lets_the_round_on() -> None:
    """What the round gave is taken, with all that is known of it, and by hand."""
    plan = plan_of(loop("text", "start"), stage("draft", "text"), until("good", "text", "draft", override=head()))
    driver = Driver(plan).begin().finish("a").finish(None, "block")
    driver.decide("override", note=WHY, by="Hana")
    held = driver.state.values["good"]
    assert (held.sealed, held.by_hand, held.editor) == (sealed("a"), True, ("Hana",))


def test_override_of_an_undo_lets_it_count_as_done() -> None:
    """An undo is a stage like any other: what its guard blocked is let on, and the run ends as it was said to."""
    undo = stage("unpay", "pay", guards=["g"], override=head())
    plan = plan_of(stage("pay", undo="unpay"), stage("last", "pay"), undos=[undo])
    driver = Driver(plan).begin().finish("paid").fail("block").decide("abort").finish("back", "block")
    driver.decide("override", note=WHY)
    assert driver.outcome is not None
    assert (driver.outcome.kind, driver.outcome.node) == ("aborted", "last")
    assert driver.state.values["unpay"].by_hand


# -- what it never does ----------------------------------------------------------------------------


def test_override_raises_no_label_and_asks_again_where_a_rule_would_approve() -> None:
    """Untrusted stays untrusted; and of what rests on it no rule of the plan approves anything."""
    small = Compare("gt", Ref("owed"), Const(100), "number")
    plan = plan_of(
        stage("claim", guards=["g"], override=head()),
        endorse("owed", "claim"),
        stage("worth", "owed", guards=["g"], override=head()),
        approve("agreed", "worth", when=small),
    )
    driver = Driver(plan).begin().finish("x", "block").decide("override", note=WHY)
    assert driver.state.values["claim"].label is Label.UNTRUSTED
    driver.finish(5)
    assert driver.state.values["owed"].by_hand is False
    driver.finish(6, "block").decide("override", note=WHY)
    assert driver.state.values["worth"].label is Label.ENDORSED
    assert driver.state.values["worth"].by == ()
    assert driver.gate.reasons == ("a person changed what the rule looks at",)


def test_overridden_endorser_gives_what_a_person_wrote_and_no_rule_approves_it() -> None:
    """It is endorsed as an edit there is, by hand; there is nothing to let on, for it looked at the claim in vain."""
    rule = Compare("gt", Ref("owed"), Const(100), "number")
    plan = plan_of(stage("claim"), endorse("owed", "claim"), approve("agreed", "owed", when=rule))
    plan = replace(plan, nodes=(plan.nodes[0], _with(plan.nodes[1], head()), plan.nodes[2]))
    driver = Driver(plan).begin().finish().fail("block")
    refused(driver, "owed gave nothing that could be let on", note=WHY)
    driver.decide("override", note=WHY, value=sealed(5), by="Hana")
    held = driver.state.values["owed"]
    assert (held.label, held.by_hand, held.by) == (Label.ENDORSED, True, ())
    assert driver.gate.reasons == ("a person changed what the rule looks at",)


def _with(node: Node, by: By) -> Work:
    assert isinstance(node, Work)
    return replace(node, override=by)


def test_override_of_an_effect_in_doubt_never_sends_it_again() -> None:
    """With a value the node is skipped: what a person writes for an effect says that it has happened."""
    pay = effect("pay", guards=["g"])
    plan = plan_of(pay, stage("letter", "pay"), start=Label.ENDORSED)
    plan = replace(plan, nodes=(_with(plan.nodes[0], head()), plan.nodes[1]))
    driver = Driver(plan).begin().suspend(call("pay")).ended("unknown")
    assert driver.gate.kind == "unknown"
    refused(driver, "gave nothing that could be let on", note=WHY)
    driver.decide("override", note=WHY, value=sealed("paid"))
    assert driver.state.acts["by hand: pay"] == Done(node="pay", tool="", arguments="", outcome="done")
    assert next(iter(driver.state.acts.values())).outcome == "unknown"
    assert isinstance(driver.due, Run)
    assert driver.due.node == "letter"
    driver.fail("block")
    with pytest.raises(DecisionError, match="pay records an effect that has happened"):
        driver.edit("other", place="pay")


def test_override_lets_on_a_record_that_a_guard_turned_down() -> None:
    """At the gate of what a person wrote for an effect nothing runs again; the record goes on."""
    plan = plan_of(effect("pay", guards=["g"]), start=Label.ENDORSED)
    plan = replace(plan, nodes=(_with(plan.nodes[0], head()),))
    driver = Driver(plan).begin().suspend(call("pay")).ended("unknown")
    driver.decide("edit", value=sealed("paid"), by="Ann").finish("paid", "block")
    assert driver.gate.kind == "unknown"
    driver.decide("override", note=WHY, by="Hana")
    assert driver.state.values["pay"].editor == ("Ann", "Hana")
    assert driver.outcome is not None


def test_override_never_makes_a_call_that_was_refused() -> None:
    """At a gate about a call there is nothing to let on: only a value in place of the stage."""
    pay = replace(plan_of(effect("pay", approver="ops"), start=Label.ENDORSED))
    plan = replace(pay, nodes=(_with(pay.nodes[0], head()),))
    driver = Driver(plan).begin().suspend(call("pay", by_model=False))
    refused(driver, "override does not answer this; send approve, reject or abort", note=WHY)
    driver.decide("reject", note="no")
    assert driver.gate.kind == "blocked"
    refused(driver, "gave nothing that could be let on", note=WHY)
    driver.decide("override", note=WHY, value=sealed("none"))
    assert not any(done.outcome == "asked" for done in driver.state.acts.values())


@pytest.mark.parametrize(
    "nodes",
    [
        [child_run("all")],
        [parallel("all", ["start"], ["start"]), part("one", "all", 0), part("two", "all", 1)],
    ],
)
def test_child_runs_are_not_overridden(nodes: list[Any]) -> None:
    """A call has no guards, and what it gave can be given by hand where it gives anything."""
    driver = Driver(plan_of(*nodes)).begin()
    for child in range(len(nodes[1:]) or 1):
        driver.returned(child, outcome="failed")
    assert driver.gate.kind == "failed"
    assert driver.gate.override is None
    refused(driver, "override does not answer this; send retry, edit or abort", note=WHY)


# -- who may, and how ------------------------------------------------------------------------------


def test_nobody_overrides_unless_the_plan_says_who() -> None:
    """Without it a block holds against everybody."""
    driver = Driver(plan_of(stage("owed", guards=["g"]))).begin().finish("x", "block")
    refused(driver, "^override does not answer this; send retry, edit or abort.$", note=WHY)


@pytest.mark.parametrize("kind", ["escalated", "approval"])
def test_what_can_be_approved_is_not_overridden(kind: str) -> None:
    """Where a person is asked to let something on, that is an approval, of the role that is asked."""
    plan = plan_of(stage("owed", guards=["g"], override=head()), approve("agreed", "owed"))
    driver = Driver(plan).begin().finish("x", "escalate" if kind == "escalated" else "pass")
    assert driver.gate.kind == kind
    refused(driver, "override does not answer this", note=WHY)


@pytest.mark.parametrize("note", ["", "  \n"])
def test_override_without_a_reason_is_refused(note: str) -> None:
    """The reason is what every report shows."""
    refused(
        blocked(),
        "^Say why: an override is recorded with its reason, and every report of the run shows it.$",
        note=note,
    )


@pytest.mark.parametrize("number", ["", "1000"])
def test_override_without_the_number_of_the_evidence_is_refused(number: str) -> None:
    """It is of what was seen."""
    refused(blocked(), "four digits" if not number else "not the number", note=WHY, number=number)


@pytest.mark.parametrize("given", ["none", "claimed", "authenticated"])
def test_override_needs_a_name_as_sure_as_the_plan_says(given: Identity) -> None:
    """Not as sure as the operator, who may be anybody."""
    driver = blocked(identity="signed")
    name = "" if given == "none" else "Hana"
    refused(driver, "takes a signed decision", note=WHY, by=name, identity=given, member=True)
    driver.decide("override", note=WHY, by="Hana", identity="signed", member=True)
    assert driver.state.overrides[0].identity == "signed"


def test_override_by_somebody_who_is_not_in_the_role_is_refused() -> None:
    """The role is that of the override, and not that of whoever is asked."""
    refused(blocked(), "not in the role head, which may override here", note=WHY, by="Ann", member=False)


def test_override_names_no_other_place() -> None:
    """It is of what waits; a value of the right place may be named."""
    driver = Driver(PLAN).begin().finish("a").fail("block")
    assert driver.gate.override is None
    driver = Driver(PLAN).begin().fail("block")
    refused(driver, "An override is of owed", note=WHY, place="start", value=sealed("x"))
    driver.decide("override", note=WHY, place="owed", value=sealed("x"))


def test_override_needs_a_name_as_sure_as_an_approval_that_may_rest_on_it() -> None:
    """Whoever overrode may not approve it where people are told apart, so it must be known as surely who that was."""
    two = By(role="finance", quorum=2, identity="signed")
    plan = plan_of(stage("owed", guards=["g"], override=head()), approve("agreed", "owed", role=two))
    driver = Driver(plan).begin().finish("x", "block")
    refused(driver, "takes a signed decision", note=WHY, by="Hana")
    driver.decide("override", note=WHY, by="Hana", identity="signed", member=True)
    assert driver.gate.not_by == ("Hana",)


def test_value_that_is_not_what_its_digest_says_is_refused() -> None:
    """A value counts as it was sealed."""
    refused(blocked(), "Send the value as JSON", note=WHY, value=replace(sealed("a"), digest="0" * 64))


def test_skipping_a_stage_on_which_an_effect_rests_is_refused() -> None:
    """In a later round of a loop it would replace what was acted on, as an edit would."""
    draft = stage("draft", "text", like="text", override=head())
    plan = plan_of(
        loop("text", "start"), draft, effect("pay", "draft"), until("good", "text", "draft"), start=Label.ENDORSED
    )
    driver = Driver(plan).begin().finish("x").suspend(call("pay")).ended("done").finish("paid").finish(None, "retry")
    driver.fail("block")
    refused(driver, "The effect of pay depends on draft; it cannot be edited", note=WHY, value=sealed("other"))


# -- child runs ------------------------------------------------------------------------------------


def test_run_tells_of_what_was_overridden_in_its_child_runs() -> None:
    """Whoever reads the report of a run reads of every way past a guard that it rests on."""
    driver = Driver(plan_of(child_run("all"))).begin()
    inner = blocked().decide("override", note=WHY, by="Hana").finish()
    outer = returned(driver.spawn, 0, report(PLAN, inner.state, inner.ledger, run="r"))
    driver.take(replace(outer, output=Held(sealed=sealed("x"), label=Label.UNTRUSTED)))
    (one,) = driver.state.overrides
    assert (one.node, one.by, one.reason) == ("all owed", ("Hana",), WHY)
    (receipt,) = (entry.receipt for entry in driver.ledger if entry.receipt.kind == "returned")
    assert receipt.how["overridden"] == ["owed"]


def test_run_that_is_told_of_few_knows_how_many_there_were() -> None:
    """Over any number of child runs one inside the other; nothing that was overridden goes unsaid."""
    one = Overridden(node="owed", gate=1, lets="output", guards=(), by=("Hana",), identity="claimed", reason=WHY)
    state = blocked().decide("override", note=WHY, by="Hana").finish().state
    for many, before in ((MOST_OVERRIDES, 0), (MOST_OVERRIDES + 3, 3)):
        told = report(PLAN, replace(state, overrides=(one,) * many), (), run="r").overridden
        assert [each.before for each in told] == [before, *[0] * (MOST_OVERRIDES - 1)]
    driver = Driver(plan_of(child_run("all"))).begin()
    outer = returned(driver.spawn, 0, Report(outcome="failed", overridden=told))
    assert outer.overridden == told
    driver.take(outer)
    assert sum(1 + each.before for each in driver.state.overrides) == MOST_OVERRIDES + 3
    (receipt,) = (entry.receipt for entry in driver.ledger if entry.receipt.kind == "returned")
    assert (receipt.how["overridden"], receipt.how["more"]) == (["owed"] * MOST_OVERRIDES, 3)
    # One more in the run between: the first of all falls out, and is counted with what stood before it.
    again = report(PLAN, replace(driver.state, overrides=(*driver.state.overrides, one)), (), run="r").overridden
    assert (again[0].before, len(again)) == (4, MOST_OVERRIDES)
    assert said(again[0], lambda text, most: text).endswith(f"{WHY} (4 more there before it)")


# -- several people --------------------------------------------------------------------------------


def test_override_by_a_quorum_takes_as_many_people_on_the_same_evidence() -> None:
    """Each vote is recorded; the last one lets it on; nobody votes twice, and nobody gives a value that others have
    not seen."""
    driver = blocked(quorum=2)
    refused(driver, "It takes 2 of head, who must see one value: give it by `edit`", note=WHY, value=sealed("x"))
    driver.decide("override", note=WHY, by="Hana")
    assert not driver.state.overrides
    assert driver.gate.id == 1
    assert driver.ledger[-1].receipt.how["approvals"] == 1
    refused(driver, "You have overridden this already; another of head must", note=WHY, by="HANA ")
    driver.decide("override", note="Me too", by="Hugo")
    assert driver.ledger[-1].receipt.how["approvals"] == 2
    assert driver.state.overrides[0].by == ("Hana", "Hugo")
    assert driver.state.values["owed"].editor == ("Hana", "Hugo")


def test_quorum_does_not_override_for_what_one_of_it_wrote() -> None:
    """Where people are told apart, nobody overrides the guards of their own value."""
    driver = blocked(quorum=2).decide("edit", value=sealed("mine"), by="Hana").finish("mine", "block", "pass")
    assert driver.gate.not_by == ("Hana",)
    refused(driver, "You may not override this: it is your own", note=WHY, by="hana")
    driver.decide("override", note=WHY, by="Hugo").decide("override", note=WHY, by="Holly")
    assert driver.state.values["owed"].editor == ("Hana", "Hugo", "Holly")


def test_least_sure_of_a_quorum_says_how_surely_it_is_known() -> None:
    """A chain is as strong as its weakest link."""
    driver = blocked(quorum=2).decide("override", note=WHY, by="Hana", identity="signed", member=True)
    driver.decide("override", note=WHY, by="Hugo")
    assert driver.state.overrides[0].identity == "claimed"


def test_votes_to_override_are_void_once_the_time_is_up() -> None:
    """Not enough is nobody."""
    driver = blocked(quorum=2).decide("override", note=WHY, by="Hana")
    driver.take(expired(driver.gate))
    assert driver.outcome is not None
    assert (driver.outcome.kind, driver.outcome.reason) == ("expired", "not enough of head answered in time")


# -- what stays ------------------------------------------------------------------------------------


def test_override_is_told_of_for_as_long_as_the_run() -> None:
    """It crosses as JSON, stays after the value was replaced, and goes along where the run is resumed."""
    driver = Driver(PLAN).begin().finish("odd", "block", "pass").decide("override", note=WHY, by="Hana")
    again = wire.decode(State, wire.encode(driver.state), what="a state")
    assert again == driver.state
    driver.fail("block").edit("mended", place="owed").finish("mended", "pass", "pass")
    assert len(driver.state.overrides) == 1
    driver.finish("x")
    assert driver.outcome is not None
    assert driver.outcome.kind == "completed"
    assert len(driver.state.overrides) == 1
    cut = Driver(PLAN).begin().finish("odd", "block", "pass").decide("override", note=WHY, by="Hana").fail("block")
    event = Resumed(plan=PLAN.digest, run="r", ended="failed", place="owed")
    assert len(resume(PLAN, cut.state, event).state.overrides) == 1


@pytest.mark.parametrize(
    ("lets", "sentence"),
    [
        ("output", "owed: its output was let on past true and kind, by Hana and Hugo (signed): Known"),
        ("inputs", "owed: it was let run on its inputs past true and kind, by Hana and Hugo (signed): Known"),
        (
            "value",
            "owed: it was skipped past true and kind, and given a value by hand, by Hana and Hugo (signed): Known",
        ),
    ],
)
def test_override_is_said_in_a_sentence(lets: Any, sentence: str) -> None:
    """What was let on, past what, by whom, how surely that is known, and why."""
    one = Overridden(
        node="owed", gate=1, lets=lets, guards=("true", "kind"), by=("Hana", "Hugo"), identity="signed", reason="Known"
    )
    assert said(one, lambda text, most: text[:most]) == sentence
    assert f"{sentence.partition(' past ')[0]} past what stopped it, " in said(
        replace(one, guards=()), lambda text, most: text
    )


def test_override_is_said_in_a_line_whatever_it_holds() -> None:
    """Each text is cut where it stands, and of many names a few are told."""
    long = Overridden(node="n", gate=1, lets="output", guards=("g",) * 4, by=("b",) * 3, identity="claimed", reason="r")
    told = said(long, lambda text, most: f"{text}{most}")
    assert told == "n60: its output was let on past g60 and g60 and 2 more, by b60 and b60 and b60 (claimed): r300"
