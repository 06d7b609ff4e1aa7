"""The machine searched through: plans of up to three nodes, every event in every state that can be reached.

`make search` takes every plan; `make test` takes every one of a single node, and of the others a sample, the same each
time. Which plans there are says tests/explorer/shapes.py, which events tests/explorer/events.py, and what is judged of
each transition tests/explorer/rules.py. `python -m tests.explorer.search --help` searches deeper.
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
from gatework.run.state import State, Step
from tests.explorer.events import OTHER
from tests.explorer.rules import Broken
from tests.explorer.search import Counts, search
from tests.explorer.shapes import plan_named

ROOT = Path(__file__).parents[3]
EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
"""Whether all plans are searched, as `make search` does, or a sample of the larger ones."""


def searched(*arguments: str) -> Counts:
    """The counts of a search, half of it in each of two processes."""
    shares = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.explorer.search", *arguments, "--part", part],
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
    return counts


def told(what: str, counts: Counts) -> str:
    """A line for whoever runs the tests."""
    ends = ", ".join(f"{kind} {number:,}" for kind, number in sorted(counts.ends.items()))
    return (
        f"Searched {what}: {counts.plans:,} plans, {counts.states:,} states, {counts.taken:,} events taken, "
        f"{counts.refused:,} refused; up to {counts.longest} events in a row; ends: {ends}"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "arguments", "plans", "sample"),
    [
        ("plans of one node, up to two calls in an attempt, to the end", ["--nodes", "1"], 18, 18),
        ("plans of two nodes in a row, to the end",
         ["--nodes", "2", "--wired", "0", "--calls", "1"], 155, 6),
        ("plans of three nodes in a row, of six kinds, every order of 7 events",
         ["--nodes", "3", "--kinds", "sepnaw", "--depth", "7", "--calls", "1"], 112, 6),
        ("plans of one or two nodes, wired in every way, states told apart by every counter, every order of 4 events",
         ["--nodes", "1", "2", "--depth", "4", "--exact"], 344, 16),
    ],
)  # fmt: skip
def test_every_event_in_every_state_keeps_the_rules(
    what: str, arguments: list[str], plans: int, sample: int, record_property: Callable[[str, object], None]
) -> None:
    """No order of events, honest or hostile, breaks a rule, moves a refused event's state, or leaves a run stuck."""
    counts = searched(*arguments, *([] if EVERY else ["--sample", str(sample)]))
    record_property("told", told(what, counts))
    assert counts.plans == (plans if EVERY else sample)
    assert counts.states > counts.plans
    assert set(counts.ends) == {"completed", "rejected", "aborted", "expired", "cancelled"}


@pytest.mark.slow
@pytest.mark.parametrize("word", ["Eo", "Eov", "Uv", "Uvnw"])
def test_every_override_keeps_the_rules(word: str) -> None:
    """Whatever is let past its guards, or skipped, is by hand, counted once and told; and no effect happens twice."""
    counts = search(plan_named(word), calls=1, depth=7)
    assert counts.ends["completed"]
    assert counts.refused > counts.taken


def _skips_a_node(step: Step) -> Step:
    return replace(step, state=replace(step.state, at=step.state.at + 1)) if step.state.at == 1 else step


def _forgets_a_receipt(step: Step) -> Step:
    return replace(step, receipts=())


def _keeps_a_gate(step: Step) -> Step:
    return replace(step, state=replace(step.state, gates=0))


def _needs_no_leave(step: Step) -> Step:
    gate = step.state.gate
    if gate is None or gate.kind != "call" or gate.call is None:
        return step
    return replace(step, state=replace(step.state, gate=None, let_call=gate.call.id))


def _forgets_an_effect(step: Step) -> Step:
    return replace(step, state=replace(step.state, acts={})) if step.state.gate else step


def _repeats_what_is_in_doubt(step: Step) -> Step:
    acts = {key: replace(done, outcome="failed") for key, done in step.state.acts.items() if done.outcome == "unknown"}
    return replace(step, state=replace(step.state, acts={**step.state.acts, **acts}))


def _counts_nothing(step: Step) -> Step:
    return replace(step, state=replace(step.state, spent={}))


def _answers_for_the_tool(step: Step) -> Step:
    journal = tuple(replace(entry, data=OTHER) if entry.outcome == "done" else entry for entry in step.state.journal)
    return replace(step, state=replace(step.state, journal=journal))


def _calls_an_override_an_approval(step: Step) -> Step:
    values = {name: replace(held, by_hand=False, editor=()) for name, held in step.state.values.items()}
    return replace(step, state=replace(step.state, values=values))


def _forgets_overrides(step: Step) -> Step:
    return replace(step, state=replace(step.state, overrides=()))


@pytest.mark.parametrize(
    ("breaks", "word"),
    [
        (_calls_an_override_an_approval, "Uvnw"),
        (_forgets_overrides, "Eo"),
        (_skips_a_node, "Usga"),
        (_forgets_a_receipt, "Usga"),
        (_keeps_a_gate, "Usga"),
        (_needs_no_leave, "El"),
        (_forgets_an_effect, "Ee"),
        (_repeats_what_is_in_doubt, "Ee"),
        (_repeats_what_is_in_doubt, "Ep"),
        (_counts_nothing, "El"),
        (_answers_for_the_tool, "Ee"),
    ],
)
def test_search_through_a_broken_machine_finds_the_fault(
    breaks: Callable[[Step], Step], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is no formality: a machine that skips, forgets, repeats or invents does not get through it."""
    whole = machine.step

    def step(plan: Any, state: State, event: Any) -> Step:
        return breaks(whole(plan, state, event))

    monkeypatch.setattr(machine, "step", step)
    with pytest.raises((Broken, OrderError, DecisionError)):
        search(plan_named(word))
