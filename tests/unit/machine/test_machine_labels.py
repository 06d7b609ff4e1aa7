"""What is known of a value: outside text reaches no effect, and steers nothing that must not leave out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Limit, ToolUse
from gatework.run.state import Gate
from gatework.testing import Driver
from gatework.testing.factories import Draft, approve, effect, endorse, limit, plan_of, stage, tool
from gatework.values.canonical import digest

OUTSIDE = tool("search", kind="tool", untrusted=True)
SECRET = tool("records", kind="tool", private=True)
SEND = tool("send", kind="tool", egress=True)
BOTH = [limit("order", "is", 7), limit("amount", "is", Ref("owed", ("amount",)))]


def said(*drafts: Draft, start: Label = Label.UNTRUSTED, **changes: Any) -> str:
    """Why the last node does not start; empty where it does. `changes` are made to it."""
    plan = plan_of(*drafts, start=start)
    plan = replace(plan, nodes=(*plan.nodes[:-1], replace(plan.nodes[-1], **changes)))
    driver = Driver(plan).begin()
    for _ in plan.nodes[:-1]:
        driver.finish({"amount": 5})
    return driver.gate.reasons[0] if isinstance(driver.due, Gate) else ""


# -- outside text ----------------------------------------------------------------------------------


def test_effect_beside_a_tool_that_gives_outside_text_does_not_start() -> None:
    """What the tool gives could steer the effect, whatever the stage was given."""
    reason = said(stage("pay", tools=[tool(), OUTSIDE]), start=Label.ENDORSED)
    assert reason == "pay holds an effect and may not run on endorsed or untrusted data."
    assert said(stage("pay", tools=[tool(), SECRET]), start=Label.ENDORSED) == ""


@pytest.mark.parametrize(
    ("start", "tools", "label", "made"),
    [
        (Label.UNTRUSTED, [], Label.ENDORSED, "untrusted"),
        (Label.UNTRUSTED, [], Label.PLAIN, "untrusted"),
        (Label.ENDORSED, [OUTSIDE], Label.ENDORSED, "untrusted"),
        (Label.PLAIN, [OUTSIDE], Label.PLAIN, "untrusted"),
        (Label.ENDORSED, [], Label.PLAIN, "endorsed"),
        (Label.ENDORSED, [], Label.APPROVED, "endorsed"),
        (Label.PLAIN, [], Label.APPROVED, "plain"),
        (Label.ENDORSED, [], Label.UNTRUSTED, "endorsed"),
    ],
)
def test_stage_does_not_start_under_a_label_that_its_output_has_not(
    start: Label, tools: list[ToolUse], label: Label, made: str
) -> None:
    """Labels are worked out again from the values and the grant; a plan that says otherwise is not believed."""
    reason = said(stage("work", tools=tools), start=start, label=label)
    assert reason == f"work makes its output of {made} data and may not call it {label}."


def test_stage_that_reads_nothing_labelled_may_say_what_it_found() -> None:
    """A stage that fetches a mail says that it is outside text; one that reads our records says that, too."""
    for label in (Label.UNTRUSTED, Label.ENDORSED, Label.PLAIN):
        assert said(stage("fetch"), start=Label.PLAIN, label=label) == ""


@pytest.mark.parametrize("changes", [{"label": Label.APPROVED}, {"label": Label.UNTRUSTED}, {"tools": (SECRET,)}])
def test_endorser_gives_what_is_endorsed_and_calls_no_tools(changes: dict[str, Any]) -> None:
    """It looks at our own records only."""
    assert "may not call it" in said(endorse("owed", "start"), **changes)
    assert said(endorse("owed", "start")) == ""


def test_limit_by_an_untrusted_value_lets_nothing_start() -> None:
    """Outside text would choose what the tool may be called with."""
    work = stage("work", "owed", tools=[tool("look", kind="tool", limits=[limit("amount", "at_most", Ref("claim"))])])
    assert said(stage("claim"), endorse("owed", "claim"), work) == (
        "look of work may not be limited by the untrusted claim."
    )


def test_rule_over_untrusted_data_gives_no_approval() -> None:
    """Even where a plan says so: an untrusted value must not talk itself out of an approval."""
    small = Compare("gt", Ref("claim", ("amount",)), Const(100), "number")
    other = Compare("gt", Ref("owed", ("amount",)), Const(100), "number")
    for value, when in (("claim", other), ("owed", small)):
        plan = plan_of(stage("claim"), endorse("owed", "claim"), approve("agreed", value, when=when))
        gate = Driver(plan).begin().finish({"amount": 1}).finish({"amount": 1}).gate
        assert gate.reasons == ("outside text has no say in whether a person is asked",)
    plan = plan_of(stage("claim"), endorse("owed", "claim"), approve("agreed", "owed", when=other))
    assert Driver(plan).begin().finish({"amount": 1}).finish({"amount": 1}).outcome is not None


# -- what must not leave ---------------------------------------------------------------------------


def private(driver: Driver) -> set[str]:
    return {name for name, held in driver.state.values.items() if held.private}


def test_value_that_a_private_tool_had_a_hand_in_is_private_for_ever() -> None:
    """Through stages, an endorsement and an approval, and through limits; what it had no hand in is not."""
    plan = plan_of(
        stage("record", tools=[SECRET]),
        stage("other"),
        stage("letter", "other", "record"),
        endorse("owed", "letter"),
        approve("agreed", "owed"),
        stage("told", "agreed"),
        stage("asked", "other", tools=[tool("look", kind="tool", limits=[limit("amount", "is", Ref("owed"))])]),
    )
    driver = Driver(plan).begin().finish().finish().finish().finish().decide("approve").finish().finish()
    assert driver.outcome is not None
    assert private(driver) == {"record", "letter", "owed", "agreed", "told", "asked"}


def test_value_of_a_person_is_as_private_as_the_one_it_replaces() -> None:
    """Who corrects a record may repeat it."""
    plan = plan_of(stage("record", tools=[SECRET]), approve("agreed", "record"), stage("told", "agreed"))
    driver = Driver(plan).begin().finish().edit("own words")
    assert (driver.state.values["record"].by_hand, private(driver)) == (True, {"record"})
    driver.decide("approve").fail("error").edit("own words")
    assert private(driver) == {"record", "agreed", "told"}
    again = Driver(plan).begin().fail("error")
    again.state = replace(again.state, values={"start": replace(again.state.values["start"], private=True)})
    assert again.edit("another", "start").state.values["start"].private


@pytest.mark.parametrize(
    ("reads", "tools", "limits", "leaks"),
    [
        (("claim",), [SECRET], (), True),
        (("claim",), [SECRET], BOTH[:1], True),
        (("claim",), [SECRET], [BOTH[0], limit("amount", "at_most", 5)], True),
        (("claim",), [SECRET], BOTH, False),
        (("claim",), [], (), False),
        (("claim", "record"), [], (), True),
        (("claim", "record"), [], BOTH, False),
        (("owed",), [SECRET], (), False),
        (("owed", "record"), [SECRET], (), False),
        (("owed",), [SECRET, OUTSIDE], (), True),
        (("owed",), [SECRET, OUTSIDE], BOTH, False),
        (("owed", "record"), [OUTSIDE], (), True),
    ],
)
def test_stage_that_outside_text_can_steer_does_not_start_where_it_could_send_what_is_private(
    reads: tuple[str, ...], tools: list[ToolUse], limits: Any, leaks: bool
) -> None:
    """Unless every argument of what reaches out is one value that the plan gives."""
    send = replace(SEND, limits=tuple(limits))
    record = stage("record", "owed", tools=[SECRET])
    reason = said(stage("claim"), endorse("owed", "claim"), record, stage("work", *reads, tools=[*tools, send]))
    assert reason == ("Outside text could make work send what is private through send." if leaks else "")


def test_tool_of_which_nobody_knows_the_arguments_pins_none() -> None:
    """A contract that is not in the plan says nothing."""
    send = replace(SEND, limits=tuple(BOTH), arguments="0" * 64)
    work = stage("work", "claim", tools=[SECRET, send])
    assert "could make work send" in said(stage("claim"), endorse("owed", "claim"), work)


def test_limits_of_factories_are_what_the_tests_take_them_for() -> None:
    """A limit on what a tool made here does not have would pin nothing."""
    assert set(tool().reads) == set()
    assert BOTH[1] == Limit(argument="amount", rule="is", value=Ref("owed", ("amount",)), kind="number")
    plan = plan_of(effect("pay"), start=Label.ENDORSED)
    assert plan.contracts[tool().arguments]["properties"].keys() == {"order", "amount"}
    assert digest("contract", plan.contracts[tool().arguments]) == tool().arguments
