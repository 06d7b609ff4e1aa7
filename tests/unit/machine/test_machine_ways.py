"""Ways in the machine: which one a choice takes, what is nowhere then, what a join gives, and who vouches inside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatework.errors import OrderError
from gatework.machine import ways
from gatework.machine.gates import fixed
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Arm, Join, Plan
from gatework.run.state import State
from gatework.testing import Driver
from gatework.testing.factories import (
    Draft,
    approve,
    begun,
    decided,
    effect,
    endorse,
    finished,
    plan_of,
    sealed,
    stage,
)
from gatework.testing.paths import child_run, choose, join, question, way, when
from gatework.values.canonical import Json
from tests.unit.machine.test_machine_gates import refused

LARGE = Compare("gt", Ref("start", ("n",)), Const(100), "number")

WHEN = plan_of(
    when("large", LARGE),
    *way("large", 0, stage("careful"), stage("signed", "careful")),
    *way("large", 1, stage("quick")),
    join("paid", "large", "signed", "quick"),
    stage("last", "paid"),
)
CHOOSE = plan_of(
    choose("asks", "start", "refund", ("inquiry", "praise")),
    *way("asks", 0, stage("settle")),
    *way("asks", 1, stage("reply")),
    join("answer", "asks", "settle", "reply"),
)


def kinds(driver: Driver) -> list[tuple[str, str]]:
    """The receipts so far, by kind and node."""
    return [(entry.receipt.kind, entry.receipt.node) for entry in driver.ledger]


# -- which way -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "ran", "way_", "why"), [
    (500, ["careful", "signed"], 0, "start.n > 100"),
    (1, ["quick"], 1, "not: start.n > 100"),
])  # fmt: skip
def test_condition_takes_the_first_way_where_it_holds_and_else_the_second(
    n: int, ran: list[str], way_: int, why: str
) -> None:
    """The nodes of the way that is taken run in order, those of the other never, and the receipt says why."""
    driver = Driver(WHEN).begin({"n": n})
    chose = driver.ledger[-1].receipt
    assert (chose.kind, chose.node, chose.action, chose.reason) == ("chose", "large", str(way_), why)
    for name in ran:
        assert driver.run.node == name
        driver.finish()
    assert driver.run.node == "last"
    assert driver.data("paid") == ran[-1]
    others = {"careful", "signed", "quick"} - set(ran)
    assert others.isdisjoint(driver.state.values)
    assert driver.finish().outcome is not None
    assert others.isdisjoint(node for _, node in kinds(driver))


@pytest.mark.parametrize(("kind", "name"), [("refund", "settle"), ("inquiry", "reply"), ("praise", "reply")])
def test_type_takes_the_way_that_has_its_tag(kind: str, name: str) -> None:
    """Several tags may lead to one way."""
    driver = Driver(CHOOSE).begin({"kind": kind})
    assert driver.ledger[-1].receipt.reason == f"kind is {kind}"
    assert driver.run.node == name


@pytest.mark.parametrize("data", [{"kind": "other"}, {"kind": ["refund"]}, {"kind": None}, {}, "refund", ["kind"], 7])
def test_value_of_no_type_that_the_plan_knows_takes_no_way_and_a_person_is_asked(data: Json) -> None:
    """What leads nowhere is not guessed at; the value can be given by hand, and nothing raw of it is shown."""
    plan = plan_of(stage("sort"), *_by_kind("sort"))
    driver = Driver(plan).begin().finish(data)
    gate = driver.gate
    assert (gate.kind, gate.node, gate.place) == ("failed", "asks", "sort")
    assert "asks" not in driver.state.marks
    assert gate.reasons == ("asks has no way for what sort is.",)
    assert driver.decide("retry").gate.id == 2
    assert driver.edit({"kind": "refund"}).run.node == "settle"


def _by_kind(value: str) -> list[Draft]:
    return [
        choose("asks", value, "refund", "inquiry"),
        *way("asks", 0, stage("settle", value)),
        *way("asks", 1, stage("reply", value)),
        join("answer", "asks", "settle", "reply"),
    ]


def test_condition_without_a_value_takes_no_way_and_a_person_is_asked() -> None:
    """A path that leads nowhere is no `no`."""
    driver = Driver(WHEN).begin({"m": 1})
    assert driver.gate.reasons == ("large cannot be decided: start.n has no value.",)
    assert driver.edit({"n": 1}, place="start").run.node == "quick"


def test_way_without_another_is_passed_over_and_gives_nothing() -> None:
    """`when` without `otherwise`: where it does not hold the run goes on behind it."""
    plan = plan_of(when("large", LARGE), *way("large", 0, stage("tell")), stage("last"))
    assert Driver(plan).begin({"n": 1}).run.node == "last"
    driver = Driver(plan).begin({"n": 500}).finish().finish()
    assert driver.outcome is not None
    assert driver.outcome.kind == "completed"


def test_way_inside_a_way_that_was_not_taken_is_passed_over_with_it() -> None:
    """The inner choice is never made, and none of its ways is taken."""
    inner = Compare("gt", Ref("start", ("n",)), Const(200), "number")
    plan = plan_of(
        when("large", LARGE),
        *way("large", 0, when("huge", inner), *way("huge", 0, stage("stop")), stage("careful")),
        stage("last"),
    )
    driver = Driver(plan).begin({"n": 1})
    assert (driver.run.node, driver.state.marks) == ("last", {"large": 1})
    assert Driver(plan).begin({"n": 150}).run.node == "careful"
    assert Driver(plan).begin({"n": 500}).run.node == "stop"


# -- what a person changes -------------------------------------------------------------------------


def test_edit_of_what_decides_chooses_anew_and_drops_what_the_way_gave() -> None:
    """Nothing of the way that was taken before is left."""
    plan = plan_of(stage("sort"), *_by_kind("sort"), approve("agreed", "answer"))
    driver = Driver(plan).begin().finish({"kind": "refund"}).finish("paid")
    assert driver.gate.node == "agreed"
    driver.edit({"kind": "inquiry"}, place="sort")
    assert driver.run.node == "reply"
    assert set(driver.state.values) == {"start", "sort"}
    assert driver.finish("answered").data("answer") == "answered"


@pytest.mark.parametrize(("place", "why"), [
    ("reply", "in a way that was not taken"),
    ("answer", "has no value of its own"),
    ("asks", "has no value of its own"),
])  # fmt: skip
def test_what_no_node_of_the_run_gave_cannot_be_edited(place: str, why: str) -> None:
    """A way that was not taken has no value, and a join has none of its own."""
    plan = plan_of(stage("sort"), *_by_kind("sort"), approve("agreed", "answer"))
    driver = Driver(plan).begin().finish({"kind": "refund"}).finish("paid")
    refused(driver, decided(driver.gate, "edit", place=place, value=sealed("x")), why)


def test_rule_approves_nothing_that_a_way_gave_which_a_person_picked() -> None:
    """Whoever edits what decides has a hand in what comes of it."""
    sort = stage("sort")
    plan = plan_of(
        sort,
        *_by_kind("sort"),
        approve("agreed", "answer", when=Compare("gt", Ref("answer"), Const(100), "number")),
        start=Label.ENDORSED,
    )
    assert Driver(plan).begin().finish({"kind": "refund"}).finish(1).outcome is not None
    driver = Driver(plan).begin().finish("broken").edit({"kind": "refund"}, place="sort").finish(1)
    assert driver.gate.reasons == ("a person changed what the rule looks at",)


# -- labels, and who vouches -----------------------------------------------------------------------


def test_join_is_untrusted_where_outside_text_picks_the_way() -> None:
    """Endorsed values, of which outside text picked one, are outside text; a plan that says otherwise is not run."""
    drafts = [
        endorse("record", "start"),
        when("large", LARGE),
        *way("large", 0, stage("one", "record")),
        *way("large", 1, stage("two", "record")),
        join("out", "large", "one", "two"),
        stage("last", "out"),
    ]
    plan = plan_of(*drafts)
    assert plan.label("out") is Label.UNTRUSTED
    driver = Driver(plan).begin({"n": 1}).finish().finish()
    assert driver.state.values["out"].label is Label.UNTRUSTED
    lies = Driver(_relabelled(plan, "out", Label.ENDORSED)).begin({"n": 1}).finish().finish()
    assert (lies.gate.kind, lies.gate.node) == ("failed", "out")
    assert lies.gate.reasons == ("out is to give endorsed data, and the way that was taken gave other.",)


def _relabelled(plan: Plan, name: str, label: Label) -> Plan:
    nodes = tuple(replace(n, label=label) if isinstance(n, Join) and n.name == name else n for n in plan.nodes)
    return replace(plan, nodes=nodes)


def test_join_of_what_people_approved_stays_approved_where_no_outside_text_picks() -> None:
    """With whoever approved it."""
    plan = plan_of(
        when("large", LARGE),
        *way("large", 0, approve("first", "start", role="board")),
        *way("large", 1, approve("second", "start")),
        join("out", "large", "first", "second"),
        effect("pay", "out"),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin({"n": 1}).decide("approve", by="Ana")
    assert (driver.state.values["out"].label, driver.state.values["out"].by) == (Label.APPROVED, ("Ana",))
    assert driver.run.node == "pay"


@pytest.mark.parametrize("private", [True, False])
def test_join_is_private_where_what_decides_is(private: bool) -> None:
    """Whoever has what the way gave learns which way it was."""
    plan = plan_of(
        stage("read", "start"),
        when("large", Compare("gt", Ref("read", ("n",)), Const(100), "number")),
        *way("large", 0, stage("one", Const("yes"))),
        *way("large", 1, stage("two", Const("no"))),
        join("out", "large", "one", "two"),
        private=private,
    )
    driver = Driver(plan).begin().finish({"n": 500}).finish()
    assert (driver.state.values["one"].private, driver.state.values["out"].private) == (False, private)


def _picked(*inside: Draft, other: Draft | None = None) -> Plan:
    """A plan in which outside text picks whether these nodes run."""
    return plan_of(
        endorse("record", "start"),
        when("large", LARGE),
        *way("large", 0, *inside),
        *(way("large", 1, other) if other else ()),
        stage("last"),
    )


@pytest.mark.parametrize(("inside", "other", "let"), [
    ([effect("pay", "record")], None, False),
    ([approve("agreed", "record"), effect("pay", "agreed")], None, True),
    ([question("sum"), effect("pay", "sum")], None, True),
    ([endorse("owed", "start"), effect("pay", "owed")], None, True),
    ([endorse("owed", "start"), stage("made", "owed"), effect("pay", "made")], None, True),
    ([endorse("owed", "start"), effect("pay", "owed")], approve("agreed", "record"), False),
    ([endorse("owed", "start"), effect("pay", "owed")], question("sum"), False),
    ([approve("ok", "record"), effect("pay", "ok")], approve("agreed", "record"), True),
    ([child_run("pay", "record", effects=True)], None, False),
    ([endorse("owed", "start"), child_run("pay", "owed", effects=True)], None, True),
    ([child_run("pay", "record")], None, True),
])  # fmt: skip
def test_effect_that_outside_text_picks_needs_somebody_who_vouches_in_that_way(
    inside: list[Draft], other: Draft | None, let: bool
) -> None:
    """Our records or a person inside the way; a person alone where any way of the choice asks one."""
    driver = Driver(_picked(*inside, other=other)).begin({"n": 500}).finish()
    while (at := driver.plan.steps[driver.state.at]).name != "pay":
        if driver.state.gate is None:
            driver.finish()
        elif at.kind == "ask":
            driver.answer("12")
        else:
            driver.decide("approve")
    gate = driver.state.gate
    assert (gate is None) is let
    if gate is not None:
        assert gate.reasons == ("pay holds an effect that outside text would pick, and nobody vouches for it there.",)
        assert driver.decide("retry").gate.node == "pay"


def test_effect_that_no_outside_text_picks_needs_nobody_inside_the_way() -> None:
    """What our own records decide may pay of them."""
    plan = plan_of(when("large", LARGE), *way("large", 0, effect("pay", "start")), stage("last"), start=Label.ENDORSED)
    assert Driver(plan).begin({"n": 500}).run.node == "pay"


# -- plans made by hand ----------------------------------------------------------------------------


def _moved(plan: Plan, *order: int) -> Plan:
    return replace(plan, nodes=tuple(plan.nodes[i] for i in order))


@pytest.mark.parametrize("plan", [
    _moved(WHEN, 1, 2, 0, 3, 4, 5),
    _moved(WHEN, 0, 1, 2, 3, 5, 4),
    _moved(WHEN, 1, 2, 3, 4, 5),
    replace(WHEN, nodes=tuple(replace(n, choice="careful") if isinstance(n, Join) else n for n in WHEN.nodes)),
])  # fmt: skip
def test_plan_whose_ways_belong_to_no_choice_does_not_begin(plan: Plan) -> None:
    """A node in a way that nothing can choose would be passed over in silence."""
    with pytest.raises(OrderError, match="out of order"):
        Driver(plan).take(begun(plan, {"n": 1}))


def test_result_of_a_way_that_was_not_taken_is_refused() -> None:
    """A worker cannot make the run take another way."""
    driver = Driver(WHEN).begin({"n": 1})
    run = replace(driver.run, node="careful")
    refused(driver, finished(WHEN, run), "another stage; quick is due", OrderError)


# -- what a join gives, exactly --------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"marks": {}}, {"marks": {"large": 2}}, {"marks": {"large": 0}}])
def test_join_of_a_way_that_gave_nothing_gives_nothing(changes: dict[str, dict[str, int]]) -> None:
    """No way, none that there is, or one that came to nothing: never what another way gave."""
    driver = Driver(WHEN).begin({"n": 1}).finish()
    node = WHEN.node("paid")
    assert isinstance(node, Join)
    assert ways.joined(WHEN, node, driver.state).sealed == sealed("quick")
    with pytest.raises(OrderError, match="nothing to give"):
        ways.joined(WHEN, node, replace(driver.state, **changes))  # type: ignore[arg-type]


def _compared(label: Label) -> Plan:
    """A choice that compares our record with what a run starts from; its ways read the record alone."""
    return plan_of(
        stage("record", Const({"n": 5})),
        when("large", Compare("gt", Ref("record", ("n",)), Ref("start", ("n",)), "number")),
        *way("large", 0, stage("one", "record")),
        *way("large", 1, stage("two", "start")),
        join("out", "large", "one", "two"),
        stage("last", "out"),
        start=label,
        private=True,
    )


def test_join_counts_all_that_decides() -> None:
    """One untrusted, or private, side of a comparison is enough."""
    driver = Driver(_compared(Label.UNTRUSTED)).begin({"n": 1}).finish({"n": 5}).finish()
    assert not driver.state.values["one"].private
    assert driver.state.values["out"].private
    lies = Driver(_relabelled(_compared(Label.UNTRUSTED), "out", Label.PLAIN)).begin({"n": 1}).finish({"n": 5}).finish()
    assert lies.gate.node == "out"


def test_join_is_private_where_what_the_way_gave_is() -> None:
    """Though everybody may know which way it was."""
    plan = plan_of(
        stage("known", Const(1)),
        when("large", Compare("gt", Ref("known"), Const(100), "number")),
        *way("large", 0, stage("one", Const("x"))),
        *way("large", 1, stage("two", "start")),
        join("out", "large", "one", "two"),
        private=True,
    )
    driver = Driver(plan).begin().finish(1).finish()
    assert driver.state.values["out"].private
    assert not Driver(plan).begin().finish(500).finish().state.values["out"].private


def test_join_that_is_not_approved_names_nobody() -> None:
    """Where another way gives what nobody approved, whoever approved this one has not approved the join."""
    plan = plan_of(
        when("large", LARGE),
        *way("large", 0, approve("agreed", "start")),
        *way("large", 1, stage("quick")),
        join("out", "large", "agreed", "quick"),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin({"n": 500}).decide("approve", by="Ana")
    assert (driver.state.values["out"].label, driver.state.values["out"].by) == (Label.ENDORSED, ())


def test_input_is_edited_whatever_way_the_last_node_stands_in() -> None:
    """It stands in no way itself."""
    row = plan_of(stage("first"), stage("last"))
    plan = replace(row, nodes=(row.nodes[0], replace(row.nodes[1], arm=Arm(choice="which", way=1))))
    state = State(plan=plan.digest, begun=True, marks={"which": 0})
    assert fixed(plan, state, "start") == ""
    assert fixed(plan, replace(state, at=1), "last") == "last is in a way that was not taken."
