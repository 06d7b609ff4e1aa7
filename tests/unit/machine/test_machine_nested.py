"""Ways, loops, child runs, questions, pauses and undos inside each other: every event in every state, to some depth.

`make search` goes deeper, and along more ways to the end. Which plans there are says tests/explorer/nested.py, which
events tests/explorer/nested_events.py, and what is judged tests/explorer/nested_rules.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.plan import Call, Choice, Loop, Work
from gatework.run.state import State, Step
from tests.explorer.nested import plan_named, words
from tests.explorer.nested_search import search
from tests.explorer.rules import Broken
from tests.explorer.search import Counts

ROOT = Path(__file__).parents[3]
EVERY = bool(os.environ.get("GATEWORK_SEARCH"))


@pytest.mark.slow
def test_every_event_keeps_the_rules_where_constructs_stand_inside_each_other(
    record_property: Callable[[str, object], None],
) -> None:
    """No order of events, honest or hostile, breaks a rule, moves a refused event's state, or leaves a run stuck."""
    depth, walks = ("8", "100") if EVERY else ("5", "4")
    shares = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.explorer.nested_search", "--depth", depth, "--walks", walks, "--part", part],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in ("0/2", "1/2")
    ]
    counts = Counts()
    for output, share in [(share.communicate()[0], share) for share in shares]:
        assert share.returncode == 0, "a rule does not hold; the search printed which"
        found = json.loads(output)
        found.pop("seconds")
        counts.add(Counts(**found))
    told = f"{counts.states:,} states, {counts.taken:,} events taken, {counts.refused:,} refused; ends: {counts.ends}"
    record_property("told", f"Searched {counts.plans} plans of nested constructs: {told}")
    assert counts.plans == len(list(words()))
    assert set(counts.ends) == {"completed", "rejected", "aborted", "expired", "cancelled"}


# -- broken machines -------------------------------------------------------------------------------

Broke = Callable[[Any, State, Step], Step]


def _changed(step: Step, **changes: Any) -> Step:
    return replace(step, state=replace(step.state, **changes))


def _takes_the_other_way(plan: Any, before: State, step: Step) -> Step:
    marks = {name: 1 - mark if isinstance(plan.node(name), Choice) else mark for name, mark in step.state.marks.items()}
    return _changed(step, marks=marks)


def _keeps_what_a_round_made(plan: Any, before: State, step: Step) -> Step:
    again = any(receipt.kind == "round" and receipt.node in before.marks for receipt in step.receipts)
    return _changed(step, values={**before.values, **step.state.values}) if again else step


def _forgets_the_rounds(plan: Any, before: State, step: Step) -> Step:
    marks = {name: 1 if isinstance(plan.node(name), Loop) else mark for name, mark in step.state.marks.items()}
    return _changed(step, marks=marks)


def _has_all_under_way(plan: Any, before: State, step: Step) -> Step:
    node = plan.steps[step.state.at] if step.state.at < len(plan.steps) else None
    if not (step.state.running and isinstance(node, Call) and node.items):
        return step
    many = range(len(step.state.values[node.items.node].sealed.data))
    room = next(iter(step.state.running.values()))
    running = {number: room for number in many if number not in step.state.branches}
    return _changed(step, running=running)


def _mixes_up_what_runs_gave(plan: Any, before: State, step: Step) -> Step:
    if len(step.state.branches) < 2:
        return step
    backwards = dict(zip(step.state.branches, list(step.state.branches.values())[::-1], strict=True))
    return _changed(step, branches=backwards)


def _spends_twice(plan: Any, before: State, step: Step) -> Step:
    return _changed(step, spent={}) if step.state.spent else step


def _undoes_nothing(plan: Any, before: State, step: Step) -> Step:
    return _changed(step, undoable=()) if step.state.undoable else step


def _undoes_the_first_first(plan: Any, before: State, step: Step) -> Step:
    return _changed(step, undoable=step.state.undoable[::-1]) if before.ending is None else step


def _undoes_twice(plan: Any, before: State, step: Step) -> Step:
    return _changed(step, undoable=before.undoable) if before.ending and before.undoable else step


def _waits_for_no_time(plan: Any, before: State, step: Step) -> Step:
    name = next((node.name for node in plan.nodes if node.kind == "pause"), "")
    return _changed(step, marks={**step.state.marks, name: 1})


def _ends_loops_at_once(plan: Any, before: State, step: Step) -> Step:
    ends = [
        node for node in plan.nodes if isinstance(node, Work) and node.until and node.reads[0].node in step.state.values
    ]
    values = {node.name: step.state.values[node.reads[0].node] for node in ends}
    return _changed(step, values={**step.state.values, **values})


@pytest.mark.parametrize(
    ("breaks", "word"),
    [
        (_takes_the_other_way, "w(s)"),
        (_takes_the_other_way, "k(u)"),
        (_keeps_what_a_round_made, "l(s)"),
        (_forgets_the_rounds, "m(s)"),
        (_has_all_under_way, "i"),
        (_mixes_up_what_runs_gave, "p"),
        (_mixes_up_what_runs_gave, "o"),
        (_spends_twice, "i"),
        (_undoes_nothing, "u"),
        (_undoes_nothing, "d"),
        (_undoes_the_first_first, "uu"),
        (_undoes_twice, "u"),
        (_waits_for_no_time, "z"),
        (_ends_loops_at_once, "l(s)"),
    ],
)
def test_search_through_a_broken_machine_finds_the_fault(
    breaks: Broke, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is no formality: a machine that strays, forgets, crowds or undoes wrongly does not get through it."""
    whole = machine.step

    def step(plan: Any, state: State, event: Any) -> Step:
        return breaks(plan, state, whole(plan, state, event))

    monkeypatch.setattr(machine, "step", step)
    with pytest.raises((Broken, OrderError, DecisionError, LookupError)):
        search(plan_named(word), depth=6, walks=60)
