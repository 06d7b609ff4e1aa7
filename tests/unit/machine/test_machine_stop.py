"""Where a run has child runs under way and is to stop, they end first, and what they came to is in its record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatework.errors import OrderError
from gatework.machine import machine
from gatework.plan.expr import Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Call, Child, Input, Param, Plan
from gatework.run.events import Begun, Cancelled, OutcomeKind, Returned
from gatework.run.held import Held
from gatework.run.state import Gate, Outcome, Spawn, State
from gatework.testing import factories
from gatework.values import canonical

ANY = canonical.digest("contract", {})
ITEM = Param(name="item", label=Label.UNTRUSTED, contract=ANY, source=Ref("start"))
STOPS = Call(
    name="found",
    kind="each",
    children=(Child(workflow="brief.found", plan="0" * 64, params=(ITEM,), effects=True),),
    items=Ref("start"),
    item="item",
    at_most=3,
    failed="stop",
    label=Label.UNTRUSTED,
    contract=ANY,
)
PLAN = Plan(
    name="brief",
    inputs=(Input(name="start", label=Label.UNTRUSTED, contract=ANY),),
    nodes=(STOPS,),
    result="found",
    contracts={ANY: {}},
)


def _begun(plan: Plan = PLAN) -> State:
    items = Held(sealed=factories.sealed([1, 2, 3, 4]), label=Label.UNTRUSTED)
    return machine.step(plan, machine.new(plan), Begun(plan=plan.digest, inputs={"start": items})).state


def _ended(child: int, outcome: OutcomeKind, *, acted: bool = False, plan: Plan = PLAN) -> Returned:
    held = Held(sealed=factories.sealed(child), label=Label.UNTRUSTED) if outcome == "completed" else None
    return Returned(
        plan=plan.digest,
        node="found",
        attempt=1,
        child=child,
        outcome=outcome,
        output=held,
        acted=acted,
        run=f"r{child}",
    )


def _wanted(state: State, plan: Plan = PLAN) -> list[int]:
    due = machine.due(plan, state)
    assert isinstance(due, Spawn)
    return [run.child for run in due.runs]


def test_child_that_gives_nothing_stops_the_others_before_a_person_is_asked() -> None:
    """With `stop` no child run is to be under way after the first that failed, and the gate opens once all have ended.

    What one of them did until then counts: nothing before it can be edited.
    """
    state = _begun()
    assert _wanted(state) == [0, 1, 2]
    state = machine.step(PLAN, state, _ended(1, "failed")).state
    assert state.gate is None
    assert _wanted(state) == []
    state = machine.step(PLAN, state, _ended(0, "cancelled", acted=True)).state
    assert _wanted(state) == []
    state = machine.step(PLAN, state, _ended(2, "completed")).state
    assert isinstance(state.gate, Gate)
    assert state.gate.kind == "failed"
    assert sorted(state.branches) == [0, 1, 2]
    assert any(done.happened for done in state.acts.values())


def test_run_that_is_cancelled_hears_of_its_child_runs_first() -> None:
    """The record of a cancelled run has what each child run came to that was under way."""
    event = Cancelled(returned=(_ended(0, "cancelled", acted=True), _ended(2, "completed")))
    step = machine.step(PLAN, _begun(), event)
    assert isinstance(step.state.outcome, Outcome)
    assert step.state.outcome.kind == "cancelled"
    assert [(receipt.kind, receipt.action) for receipt in step.receipts] == [
        ("returned", "cancelled"),
        ("returned", "completed"),
        ("ended", "cancelled"),
    ]
    assert any(done.happened for done in step.state.acts.values())


@pytest.mark.parametrize("change", [{"child": 3}, {"child": 0, "attempt": 2}, {"child": 0, "plan": "1" * 64}])
def test_nothing_is_heard_of_child_runs_that_are_not_under_way(change: dict[str, object]) -> None:
    """Neither by itself nor with a cancellation."""
    event = replace(_ended(0, "failed"), **change)  # type: ignore[arg-type]
    with pytest.raises(OrderError, match="under way"):
        machine.step(PLAN, _begun(), event)
    with pytest.raises(OrderError, match="under way"):
        machine.step(PLAN, _begun(), Cancelled(returned=(event,)))
