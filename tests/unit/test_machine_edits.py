"""What a person's value does: guards see it, what was computed from the old one goes, and no rule approves of it."""

from __future__ import annotations

from gatework.expr import Compare, Const, Ref
from gatework.labels import Label
from gatework.testing import Driver
from gatework.testing.factories import approve, endorse, plan_of, stage

LARGE = Compare("gt", Ref("owed"), Const(100), "number")
GRAVE = Compare("eq", Ref("risk"), Const("high"), "text")


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
