"""What is due: no node starts before its time, on inputs that are not there, or on data that it may not have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.expr import Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Work
from gatework.run.events import Decided
from gatework.testing import Driver
from gatework.testing.factories import approve, cancelled, plan_of, stage, tool
from gatework.values import canonical

TWO = plan_of(stage("first", guards=["g", "h"], attempts=2), stage("second", "first"))
OTHER = plan_of(stage("first", guards=["g", "h"], attempts=2), stage("second", "first"), name="other")


def test_state_of_another_plan_is_refused_everywhere() -> None:
    """A state belongs to the plan whose digest it carries."""
    state = Driver(OTHER).begin().state
    with pytest.raises(OrderError, match="another plan"):
        machine.due(TWO, state)
    with pytest.raises(OrderError, match="another plan"):
        machine.step(TWO, state, cancelled())
    with pytest.raises(DecisionError, match="another plan"):
        machine.step(TWO, state, Decided(action="abort"))


def test_node_whose_predecessor_holds_no_receipt_is_not_due() -> None:
    """Even in a state that no event led to, no node starts before the ones ahead of it."""
    state = Driver(TWO).begin().finish().state
    without = replace(state, values={"start": state.values["start"]})
    with pytest.raises(OrderError, match="first holds no receipt"):
        machine.due(TWO, without)


def test_approval_without_a_gate_is_not_passed_over() -> None:
    """Even in a state that no event led to, an approval that nobody was asked for is not due as work."""
    plan = plan_of(stage("a"), approve("agreed", "a"))
    state = replace(Driver(plan).begin().finish().state, gate=None)
    with pytest.raises(OrderError, match="agreed waits for a person"):
        machine.due(plan, state)


def test_what_is_no_event_is_not_taken() -> None:
    """A driver that hands over something else has a fault of its own, which is not passed over."""
    nothing: Any = object()
    with pytest.raises(AssertionError):
        machine.step(TWO, Driver(TWO).begin().state, nothing)


def test_input_of_a_node_is_the_value_or_a_field_of_it_or_a_constant() -> None:
    """A node gets what the plan says, each input under a digest of its own."""
    plan = plan_of(stage("a", Const(1)), stage("b", Ref("a", ("x", "y")), Const([2]), "a"), start=Label.ENDORSED)
    driver = Driver(plan).begin().finish({"x": {"y": 5}})
    inputs = driver.run.inputs
    assert [value.data for value in inputs.values()] == [5, [2], {"x": {"y": 5}}]
    assert all(value.intact for value in inputs.values())
    named = {name: value.digest for name, value in inputs.items()}
    assert driver.run.inputs_digest == canonical.digest("inputs", named)
    whole = driver.state.values["a"].sealed.salt
    # Whoever is shown the field, with its salt, could else guess the rest of the value.
    assert inputs["p0"].salt == canonical.digest("field", [whole, "x", "y"])[:32]


@pytest.mark.parametrize("data", ["text", {"x": 1}, [1], {"x": None}, {}])
def test_field_that_leads_nowhere_opens_a_gate(data: object) -> None:
    """A run never gets stuck in silence: a node that cannot start says so to its operator."""
    plan = plan_of(stage("a", Const(1)), stage("b", Ref("a", ("x", "y")), attempts=3), start=Label.ENDORSED)
    driver = Driver(plan).begin().finish(data)
    assert (driver.gate.kind, driver.gate.node) == ("failed", "b")
    assert driver.gate.reasons == ("a.x.y has no value",)
    assert driver.decide("retry").gate.id == 2
    assert driver.edit({"x": {"y": 1}}, "a").run.attempt == 1


def test_labels_are_looked_at_again_before_a_node_starts() -> None:
    """A node whose input has not the label that it asks for does not start, whatever the plan's author checked."""
    node = plan_of(stage("a"), start=Label.ENDORSED).nodes[0]
    driver = Driver(plan_of(lambda _: node, start=Label.UNTRUSTED)).begin()
    assert driver.gate.reasons == ("a asks for endorsed p0 and would get untrusted.",)


@pytest.mark.parametrize(
    ("reads", "start", "got"),
    [
        (("start",), Label.UNTRUSTED, "untrusted"),
        ((Const(1),), Label.ENDORSED, "plain"),
        (("start",), Label.PLAIN, "plain"),
    ],
)
def test_effect_without_endorsed_data_does_not_start(reads: tuple[Any, ...], start: Label, got: str) -> None:
    """Untrusted data reaches no effect, and neither does a plan that gives it nothing that anyone vouched for."""
    driver = Driver(plan_of(stage("pay", *reads, tools=[tool()]), start=start)).begin()
    assert driver.gate.kind == "failed"
    assert driver.gate.reasons == (f"pay holds an effect and may not run on {got} data.",)
    assert driver.state.attempts == {}


def test_effect_without_any_input_does_not_start() -> None:
    """An effect that is given nothing is given nothing that anyone vouched for."""
    plan = plan_of(stage("pay", tools=[tool()]), start=Label.ENDORSED)
    assert isinstance(plan.nodes[0], Work)
    alone = replace(plan, nodes=(replace(plan.nodes[0], params=()),))
    assert Driver(alone).begin().gate.reasons == ("pay holds an effect and may not run on plain data.",)


def test_effect_on_endorsed_and_untrusted_data_does_not_start() -> None:
    """One endorsed input does not carry an untrusted one along."""
    plan = plan_of(stage("a"), stage("b", kind="endorse"), stage("pay", "a", "b", tools=[tool()]))
    assert Driver(plan).begin().finish().finish().gate.reasons == (
        "pay holds an effect and may not run on endorsed or untrusted data.",
    )


@pytest.mark.parametrize("start", [Label.ENDORSED, Label.APPROVED])
def test_effect_on_vouched_data_starts(start: Label) -> None:
    """An endorsed or approved input lets an effect run, with plain ones beside it."""
    assert Driver(plan_of(stage("pay", "start", Const(1), tools=[tool()]), start=start)).begin().run.node == "pay"
