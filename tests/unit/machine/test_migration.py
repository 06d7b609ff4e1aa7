"""Moving a run to another plan: what is kept, what is void, what is refused, from every state of every small plan."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.machine.migration import kept, move
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, By, Plan, Work
from gatework.run.events import Migrated
from gatework.run.state import Due, Gate, Outcome, Run, State
from gatework.testing import Driver
from gatework.testing.factories import Value, approve, call, effect, endorse, plan_of, stage
from gatework.values import wire
from tests.explorer.events import Menu, beginnings
from tests.explorer.rules import Rules
from tests.explorer.search import _key as key_of
from tests.explorer.shapes import plans

OLD = plan_of(
    stage("read"), endorse("owed", "read"), approve("agreed", "owed"), effect("pay", "agreed"), stage("tell", "pay")
)
KNOWN = {"agreed": Value(Label.APPROVED, OLD.contract("agreed"))}


def changed(position: int, **changes: Any) -> Plan:
    """The old plan with one node changed."""
    nodes = list(OLD.nodes)
    nodes[position] = replace(nodes[position], **changes)
    return replace(OLD, nodes=tuple(nodes))


def moved(driver: Driver, to: Plan, **fields: Any) -> Driver:
    """The run on another plan."""
    step = move(driver.plan, to, driver.state, asked(driver, to, **fields))
    again = Driver(to)
    again.state = step.state
    again.ledger = driver.ledger
    again.receipts = step.receipts  # type: ignore[attr-defined]
    return again


def asked(driver: Driver, to: Plan, **fields: Any) -> Migrated:
    return Migrated(plan=driver.plan.digest, to=to.digest, **fields)


def refused(driver: Driver, to: Plan, match: str, event: Migrated | None = None) -> None:
    """The move is refused with this sentence."""
    before = repr(driver.state)
    with pytest.raises(DecisionError, match=match):
        move(driver.plan, to, driver.state, event or asked(driver, to))
    assert repr(driver.state) == before


def at_approval() -> Driver:
    return Driver(OLD).begin("mail").finish("read").finish("owed")


# -- what is kept ----------------------------------------------------------------------------------


def test_values_are_kept_as_far_as_both_plans_are_the_same() -> None:
    """What comes before the first difference holds its value; everything after it runs anew."""
    driver = at_approval()
    again = moved(driver, changed(1, attempts=2))
    assert (again.run.node, again.run.attempt) == ("owed", 2)
    assert set(again.state.values) == {"start", "read"}
    assert again.state.values["read"] == driver.state.values["read"]
    again.finish("owed anew").decide("approve")
    assert again.run.node == "pay"


def test_move_at_a_difference_that_lies_ahead_keeps_everything() -> None:
    """Where only what is to come differs, nothing runs again; the gate is opened anew, since the plan is another."""
    driver = at_approval()
    again = moved(driver, changed(4, attempts=5))
    assert set(again.state.values) == {"start", "read", "owed"}
    assert (again.gate.id, again.gate.kind) == (2, "approval")
    assert again.gate.evidence != driver.gate.evidence
    with pytest.raises(DecisionError, match="not the number"):
        again.decide("approve", number=driver.gate.number)


def test_approval_is_kept_with_all_that_it_stands_on_and_void_otherwise() -> None:
    """An approval that both plans ask for in the same way, on the same value, has been given."""
    driver = at_approval().decide("approve").fail("contract")
    assert set(moved(driver, changed(4, attempts=5)).state.values) == {"start", "read", "owed", "agreed"}
    again = moved(driver, changed(2, by=By(role="board")))
    assert (again.gate.kind, again.gate.role) == ("approval", "board")
    assert "agreed" not in moved(driver, changed(0, attempts=2)).state.values


def test_move_forgets_what_was_said_and_let_in_to_the_stage_that_was_due() -> None:
    """Feedback, a person's value that its guards had not seen, and inputs that were let in are the old plan's."""
    plan = plan_of(stage("one"), stage("work", "one", before=["g"], guards=["k"], attempts=3))
    other = plan_of(stage("one"), stage("work", "one", before=["g"], guards=["k"], attempts=2))
    let_in = Driver(plan).begin().finish().stop("escalate").decide("approve").finish("x", "retry")
    assert let_in.state.let_in
    assert let_in.state.feedback
    run = moved(let_in, other).run
    assert (run.let_in, run.feedback, run.attempt) == (False, (), 4)
    edited = Driver(plan).begin().finish().fail("error").edit("by hand", "work")
    assert moved(edited, other).run.edited is None


def test_value_that_a_person_gave_stays_one() -> None:
    """What is kept is kept as it is: an approval by rule still asks about it."""
    driver = Driver(OLD).begin().fail("error").edit("by hand", "read").finish("owed")
    assert moved(driver, changed(4, attempts=5)).state.values["read"].by_hand


def test_attempts_and_gates_count_on() -> None:
    """No number of an attempt or of a gate is ever used again, on whichever plan."""
    again = moved(at_approval(), changed(0, attempts=3))
    assert (again.run.node, again.run.attempt, again.state.gates) == ("read", 2, 1)
    assert again.fail("timeout").fail("timeout").fail("timeout").gate.id == 2


def test_move_past_the_end_of_a_shorter_plan_completes_it() -> None:
    """Where the other plan asks for nothing more, the run has its result."""
    shorter = replace(OLD, nodes=OLD.nodes[:2], result="owed")
    assert moved(at_approval(), shorter).outcome == Outcome(kind="completed", node="owed")


def test_move_leaves_a_receipt_with_both_plans_who_and_why() -> None:
    """The ledger says what was allowed by whom, as claimed."""
    again = moved(at_approval(), changed(1, attempts=2), by="Ada", note="Two tries.")
    receipt = again.receipts[0]  # type: ignore[attr-defined]
    assert (receipt.kind, receipt.by, receipt.reason) == ("migrated", "Ada", "Two tries.")
    assert receipt.shown == {"from": OLD.digest, "to": again.plan.digest}
    assert receipt.how == {"kept": 1}


# -- what is refused -------------------------------------------------------------------------------


def test_effect_that_happened_is_kept_or_the_move_is_refused() -> None:
    """Neither done again, nor forgotten, nor put elsewhere."""
    paid = at_approval().decide("approve").suspend(call("pay")).ended().finish("paid")
    assert paid.run.node == "tell"
    assert set(moved(paid, changed(4, attempts=5)).state.values) >= {"pay"}
    for other in (changed(0, attempts=2), changed(2, by=By(role="board")), changed(3, attempts=5)):
        refused(paid, other, "The effect of pay has happened or may have")
    refused(paid, replace(OLD, nodes=OLD.nodes[:2], result="owed"), "The effect of pay")


@pytest.mark.parametrize("outcome", [None, "unknown", "done", "found"])
def test_effect_that_may_have_happened_stops_every_move(outcome: Any) -> None:
    """While it is called or in doubt, or its stage does not say what it came to, the run stays on its plan."""
    driver = Driver(replace(OLD, nodes=(*OLD.nodes[:3], effect("pay", "agreed", probe=True)(KNOWN), OLD.nodes[4])))
    driver.begin("mail").finish("read").finish("owed").decide("approve").suspend(call("pay"))
    if outcome:
        driver.ended(outcome)
    other = replace(driver.plan, nodes=(*driver.plan.nodes[:4], *changed(4, attempts=5).nodes[4:]))
    refused(driver, other, "The effect of pay has happened or may have")
    answered = at_approval().decide("approve").suspend(call("pay")).ended().finish("paid")
    assert moved(answered, changed(4, attempts=5)).run.node == "tell"


def test_effect_that_is_known_not_to_have_happened_stops_nothing() -> None:
    """What a tool refused may be asked for again on another plan."""
    driver = at_approval().decide("approve").suspend(call("pay")).ended("refused")
    assert [done.outcome for done in driver.state.acts.values()] == ["refused"]
    again = moved(driver, changed(1, attempts=2))
    assert (again.run.node, again.state.acts) == ("owed", {})


def test_move_to_what_is_no_plan_of_this_run_is_refused() -> None:
    """The same plan, one that starts from something else, another workflow's, one out of order."""
    driver = at_approval()
    refused(driver, OLD, "held to that plan already")
    refused(driver, replace(OLD, inputs=(replace(OLD.input, label=Label.ENDORSED),)), "starts from something else")
    refused(driver, replace(OLD, name="other"), "not the plan to which")
    backwards = replace(OLD, nodes=OLD.nodes[::-1])
    refused(driver, backwards, "out of order")
    other = changed(1, attempts=2)
    refused(driver, other, "not the plan to which", asked(driver, changed(1, attempts=3)))
    refused(driver, other, "held to another plan by now", replace(asked(driver, other), plan="0" * 64))
    driver.state = replace(driver.state, plan="0" * 64)
    refused(driver, other, "held to another plan by now")


def test_run_that_has_ended_or_not_begun_is_not_moved() -> None:
    """There is nothing to move."""
    refused(at_approval().cancel(), changed(1, attempts=2), "The run has ended")
    refused(Driver(OLD), changed(1, attempts=2), "not begun yet")


# -- every state of every small plan, to every other -----------------------------------------------


def _states(plan: Plan) -> list[tuple[State, Due]]:
    """Every state of a plan that can be reached, its ends included."""
    menu, seen, found = Menu(plan, calls=1), set(), []
    waiting = deque(machine.step(plan, machine.new(plan), event).state for event in beginnings(menu))
    while waiting:
        state = waiting.popleft()
        key = key_of(plan, state, exact=False)
        if key in seen:
            continue
        seen.add(key)
        due = machine.due(plan, state)
        found.append((state, due))
        waiting.extend(machine.step(plan, state, event).state for event in menu.honest(state, due))
    return found


def _judge(old: Plan, new: Plan, before: State, after: State) -> None:
    """What must be true of a move, worked out without the code that makes it."""
    same = 0
    while (
        same < min(len(old.nodes), len(new.nodes))
        and old.nodes[same] == new.nodes[same]
        and old.nodes[same].name in before.values
    ):
        same += 1
    names = [node.name for node in new.nodes]
    for name in ("start", *names[:same]):
        assert after.values[name] == before.values[name]
    for name in names[same:]:
        # What the plan's own rule approves on the way is no value of the run before.
        node = new.nodes[new.index[name]]
        assert name not in after.values or (isinstance(node, Approval) and node.when is not None)
    assert after.plan == new.digest
    assert after.gates >= before.gates
    assert all(after.attempts[name] >= number for name, number in before.attempts.items())
    happened = {key: done for key, done in before.acts.items() if done.outcome not in ("refused", "failed")}
    assert after.acts == happened
    assert {done.node for done in happened.values()} <= set(names[:same])
    assert after.spent == before.spent
    assert (after.let_in, after.edited, after.feedback) == ("", None, ())
    assert (after.journal, after.pending, after.let_call, after.let_again, after.tried) == ((), (), "", "", 0)
    due = machine.due(new, after)
    assert isinstance(due, Run | Gate) or len(after.values) == len(new.nodes) + 1
    for name, held in after.values.items():
        assert held.label is new.label(name)
    if isinstance(due, Run):
        node = new.nodes[new.index[due.node]]
        assert isinstance(node, Work)
        assert not node.tools or Label.UNTRUSTED not in {new.label(ref.node) for ref in node.reads}


@pytest.mark.slow
@pytest.mark.parametrize("start", "UE")
def test_every_move_from_every_state_keeps_the_rules(start: str) -> None:
    """Each plan of up to two nodes, in each state, to each other: it is moved by the rules or refused, and goes on.

    `make search` does so. Here each is moved to every sixth, and how it goes on is tried at every 37th move.
    """
    everything = bool(os.environ.get("GATEWORK_SEARCH"))
    found = [plan for size in (1, 2) for _, plan in plans(size, wired=False, inputs=start, kinds="sgenawc")]
    rules = {plan.digest: (Rules(plan), Menu(plan, calls=1)) for plan in found}
    made = turned_down = 0
    apart, others = (11, found) if everything else (37, found[::6])
    for old in found:
        for state, due in _states(old):
            for new in others:
                event = Migrated(plan=old.digest, to=new.digest)
                try:
                    step = move(old, new, state, event)
                except DecisionError:
                    turned_down += 1
                    taken = kept(old, new, state)
                    happened = [done.node for done in state.acts.values() if done.outcome not in ("refused", "failed")]
                    lost = not set(happened) <= set(taken)
                    assert isinstance(due, Outcome) or new is old or lost
                    continue
                made += 1
                assert new is not old
                _judge(old, new, state, step.state)
                assert wire.decode(State, wire.encode(step.state), what="state") == step.state
                judge, menu = rules[new.digest]
                after = machine.due(new, step.state)
                if made % apart == 0 and not isinstance(after, Outcome):
                    for honest in menu.honest(step.state, after):
                        went_on = machine.step(new, step.state, honest)
                        judge.transition(
                            step.state, after, honest, went_on.state, machine.due(new, went_on.state), went_on.receipts
                        )
                    for hostile in menu.hostile(step.state, after, ()):
                        with pytest.raises((OrderError, DecisionError)):
                            machine.step(new, step.state, hostile)
    assert made > (10_000 if everything else 1_500)
    assert turned_down > (1_000 if everything else 150)
