"""Runs whose constructs stand inside each other, cut off anywhere: they go on from any place, or move to another plan.

What is judged of the way on is what tests/explorer/nested_rules.py judges of any run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine, migration, resumption
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Call, Part, Plan, Work
from gatework.run.events import Migrated, Resumed
from gatework.run.state import Due, Outcome, State
from gatework.testing import Driver
from gatework.testing.factories import approve, begun, effect, plan_of, returned, stage
from gatework.testing.paths import child_run, each, parallel, part, pause, question, way, when
from tests.explorer.nested import plan_named
from tests.explorer.nested_events import Menu
from tests.explorer.nested_rules import Rules

WORDS = (
    "u",
    "e",
    "p",
    "i",
    "j",
    "o",
    "dd",
    "uzqa",
    "w(u)",
    "k(p)",
    "t(d)",
    "l(u)",
    "l(p)",
    "m(w(c))",
    "w(l(u))",
    "l(l(q))",
)


def states(plan: Plan, walks: int) -> Iterator[State]:
    """Where runs of a plan come to that go by chance, mostly onward."""
    menu, chance = Menu(plan), random.Random(plan.digest)
    for _ in range(walks):
        state = machine.step(plan, machine.new(plan), begun(plan)).state
        for _ in range(25):
            yield state
            due = machine.due(plan, state)
            if isinstance(due, Outcome):
                break
            honest = list(menu.honest(state, due))
            event = chance.choice([one for one in honest if one.kind not in ("cancelled", "expired")] * 8 + honest)
            state = machine.step(plan, state, event).state


def goes_on(plan: Plan, state: State, due: Due, chance: random.Random) -> None:
    """From here on the run keeps every rule, and comes to an end."""
    menu, rules = Menu(plan), Rules(plan)
    for _ in range(200):
        if isinstance(due, Outcome):
            return
        honest = list(menu.honest(state, due))
        event = chance.choice([one for one in honest if one.kind != "expired"])
        step = machine.step(plan, state, event)
        after = machine.due(plan, step.state)
        rules.transition(state, due, event, step.state, after, step.receipts)
        state, due = step.state, after


def happened(plan: Plan, state: State) -> set[str]:
    """The nodes of which something has changed the outside world, or may have; child runs under way may at any time."""
    found = {done.node for done in state.acts.values() if done.outcome not in ("refused", "failed")}
    node = plan.steps[state.at] if state.at < len(plan.steps) else None
    if isinstance(node, Call) and state.running and node.effects:
        found.add(node.name)
    return found


@pytest.mark.parametrize("word", WORDS)
def test_run_that_was_cut_off_goes_on_from_every_place_or_says_why_not(word: str) -> None:
    """Nothing before the place is lost, nothing behind it is kept, and no effect is left behind it."""
    plan = plan_named(word)
    rules, chance, went = Rules(plan), random.Random(word), 0
    for state in states(plan, 3):
        for place in ("", *plan.index):
            event = Resumed(plan=plan.digest, run="old", ended="terminated", place=place)
            try:
                step = resumption.resume(plan, state, event)
            except DecisionError:
                assert place or state.outcome is not None, "a run that was cut off goes on from where it was"
                continue
            went += 1
            shed = resumption.shed(plan, state, place)
            assert resumption.resume(plan, shed, event) == step, "less to hand on is as good as the whole"
            due = machine.due(plan, step.state)
            if step.state.ending is None:
                rules._order(step.state, due)
                at = min(plan.index[place] if place else state.at, state.at)
                call = plan.steps[at]
                first = plan.index[call.call] if isinstance(call, Part) else at
                for node in plan.nodes[:first]:
                    assert step.state.values.get(node.name) is state.values.get(node.name)
                behind = {node.name for node in plan.nodes[first:]} if first < state.at else set()
                assert behind.isdisjoint(happened(plan, state)), "what has happened is not run again"
            goes_on(plan, step.state, due, chance)
    assert went > 5


@pytest.mark.parametrize("word", [word for word in WORDS if word != "dd"])
def test_run_moves_to_a_plan_that_differs_in_one_stage_or_says_why_not(word: str) -> None:
    """What both plans share up to there is kept, and the run goes on under the rules of the other plan."""
    plan = plan_named(word)
    chance, moved = random.Random(word), 0
    for position, node in enumerate(plan.nodes):
        if not isinstance(node, Work):
            continue
        to = replace(plan, nodes=(*plan.nodes[:position], replace(node, attempts=9), *plan.nodes[position + 1 :]))
        for state in states(plan, 2):
            try:
                step = migration.move(plan, to, state, Migrated(plan=plan.digest, to=to.digest))
            except DecisionError:
                continue
            moved += 1
            kept = migration.kept(plan, to, state)
            assert len(kept) <= position
            assert happened(plan, state) <= set(kept)
            due = machine.due(to, step.state)
            Rules(to)._order(step.state, due)
            for other in plan.nodes[: len(kept)]:
                assert step.state.values.get(other.name) is state.values.get(other.name)
            goes_on(to, step.state, due, chance)
    assert moved


# -- one by one ------------------------------------------------------------------------------------


def resumed(driver: Driver, place: str = "") -> Driver:
    """The run goes on from a place, in a run of its own."""
    event = Resumed(plan=driver.plan.digest, run="old", ended="terminated", place=place)
    driver.state = resumption.resume(driver.plan, driver.state, event).state
    return driver


def test_run_goes_on_with_the_child_runs_that_gave_nothing_yet() -> None:
    """Those that gave a value do not run again."""
    plan = plan_of(stage("items"), each("found", "items", at_most=2))
    driver = Driver(plan).begin().finish(["a", "b", "c"]).returned(0, "A")
    assert [run.child for run in resumed(driver).spawn.runs] == [1, 2]
    driver.returned(2, "C").returned(1, "B")
    assert driver.data("found") == ["A", "B", "C"]


def test_run_that_goes_on_from_a_part_runs_what_its_parts_come_from() -> None:
    """What runs side by side gave is kept for as long as all its parts are given on."""
    plan = plan_of(parallel("both", ["start"]), part("one", "both", 0), stage("last", "one"))
    driver = resumed(Driver(plan).begin().returned(0, "x"), "one")
    assert driver.spawn.node == "both"
    driver.returned(0, "y")
    assert driver.data("one") == "y"


def test_run_does_not_go_on_from_a_way_that_was_not_taken() -> None:
    """The choice is made anew where it goes on from there."""
    large = Compare("gt", Ref("sort", ("n",)), Const(100), "number")
    plan = plan_of(stage("sort"), when("large", large), *way("large", 0, stage("careful")), stage("last"))
    driver = Driver(plan).begin().finish({"n": 1})
    with pytest.raises(DecisionError, match="way that was not taken"):
        resumed(driver, "careful")
    assert resumption.outlook(plan, driver.state).kept == ("sort", "large")
    assert resumed(driver, "large").run.node == "last"
    assert resumed(driver, "sort").finish({"n": 500}).run.node == "careful"


def test_child_runs_with_effects_that_were_cut_off_are_in_doubt() -> None:
    """A run is not taken back behind them: what they did meanwhile nobody has heard."""
    for effects in (True, False):
        plan = plan_of(stage("owed"), child_run("refund", "owed", effects=effects), stage("last", "refund"))
        driver = Driver(plan).begin().finish()
        if effects:
            with pytest.raises(DecisionError, match="would be done again"):
                resumed(driver, "owed")
            driver = resumed(driver)
            assert driver.spawn.attempt == 2
            driver.fail() if driver.state.gate else driver.returned(0, outcome="failed")
            with pytest.raises(DecisionError, match="depends on owed"):
                driver.edit("x", place="owed")
        else:
            assert resumed(driver, "owed").run.node == "owed"


def test_run_does_not_move_while_child_runs_with_effects_are_under_way() -> None:
    """The other plan would start them anew."""
    for effects in (True, False):
        plan = plan_of(stage("owed"), child_run("refund", "owed", effects=effects))
        other = plan_of(stage("owed"), child_run("refund", "owed", effects=effects), stage("last"))
        driver = Driver(plan).begin().finish()
        event = Migrated(plan=plan.digest, to=other.digest)
        if effects:
            with pytest.raises(DecisionError, match="effect of refund"):
                migration.move(plan, other, driver.state, event)
        else:
            assert machine.due(other, migration.move(plan, other, driver.state, event).state).node == "refund"


def test_run_moves_only_to_a_plan_that_can_undo_what_it_has_done() -> None:
    """By the same work."""
    plan = plan_of(stage("flight", undo="unflight"), stage("last"), undos=[stage("unflight", "flight")])
    driver = Driver(plan).begin().finish()
    slower = replace(plan.undos[0], attempts=5)
    for undos in ((slower,), (replace(plan.undos[0], runs="another"),)):
        to = replace(plan, undos=undos)
        with pytest.raises(DecisionError, match="cannot undo"):
            migration.move(plan, to, driver.state, Migrated(plan=plan.digest, to=to.digest))
    drafts = stage("flight", undo="unflight"), stage("last", attempts=5)
    to = plan_of(*drafts, undos=[stage("unflight", "flight")])
    moved = migration.move(plan, to, driver.state, Migrated(plan=plan.digest, to=to.digest)).state
    assert [one.undo for one in moved.undoable] == ["unflight"]


def test_question_and_pause_are_waited_for_anew_where_a_run_goes_on_at_them() -> None:
    """The first by a new gate, the second for its whole time."""
    plan = plan_of(pause("rest", 60.0), question("decision"), stage("last", "decision"))
    driver = resumed(Driver(plan).begin())
    assert (driver.wait.attempt, driver.wait.seconds) == (2, 60.0)
    driver = resumed(driver.elapse())
    assert (driver.gate.id, driver.gate.kind) == (2, "question")
    driver.answer("yes")
    assert resumption.outlook(plan, driver.state, "rest").void == ("decision",)


def test_value_of_a_run_that_is_private_or_forged_is_looked_at_where_it_goes_on() -> None:
    """A run starts from what it is given with all that is known of it, and refuses what is less than its plan asks."""
    plan = plan_of(approve("agreed", "start"), effect("pay", "agreed"), start=Label.ENDORSED)
    event = begun(plan)
    held = event.inputs["start"]
    with pytest.raises(OrderError, match="starts from endorsed start, and was given untrusted"):
        machine.step(plan, machine.new(plan), replace(event, inputs={"start": replace(held, label=Label.UNTRUSTED)}))
    with pytest.raises(OrderError, match="does not start from"):
        machine.step(plan, machine.new(plan), replace(event, inputs={}))
    approved = replace(held, label=Label.APPROVED, private=True, by=("Ana",))
    taken = machine.step(plan, machine.new(plan), replace(event, inputs={"start": approved})).state
    assert (taken.values["start"].label, taken.values["start"].private) == (Label.ENDORSED, True)
    child = Driver(plan_of(child_run("one")))
    child.begin()
    assert returned(child.spawn, 0).output is not None
