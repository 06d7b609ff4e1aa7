"""The verifier's walk takes what the machine makes, and nothing else but what the specification leaves open.

That it takes all of it, each search through the machine shows: a walk goes along, see tests/explorer/verified.py.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from gatework.verify import gates, onward, work
from tests.explorer import nested, shapes
from tests.explorer.soundness import OPEN, Found, sound, sound_alone

EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
"""Whether all plans are searched, as `make search` does, or a sample."""


@pytest.mark.slow
def test_walk_takes_a_receipt_only_where_the_machine_makes_it(record_property: Callable[[str, object], None]) -> None:
    """Receipts of other states, and changed ones, are refused: whatever is taken, some event leads to it there."""
    words = list(nested.words())
    total = Found()
    for word in words if EVERY else random.Random(1).sample(words, 14):
        found = sound(word, depth=5 if EVERY else 4, most=40 if EVERY else 8)
        assert found.wrong == [], word
        total.add(found)
    assert total.made > 100
    assert total.made + sum(total.open.values()) == total.taken
    assert set(total.open) <= OPEN.keys()
    record_property("told", total.told)


@pytest.mark.slow
def test_walk_takes_calls_only_where_the_machine_makes_them(record_property: Callable[[str, object], None]) -> None:
    """The same of single stages that call tools, make effects and are overridden, and of approvals of every kind."""
    every = [plan for _, plan in shapes.plans(1, wired=False)] + [shapes.plan_named(word) for word in ("Eo", "Ev")]
    total = Found()
    for plan in every if EVERY else random.Random(1).sample(every, 6):
        found = sound_alone(plan, depth=6 if EVERY else 5, most=40 if EVERY else 6)
        assert found.wrong == [], plan
        total.add(found)
    assert total.made > 50
    assert set(total.open) <= OPEN.keys()
    record_property("told", f"Of stages alone: {total.told}")


def _shows_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gates, "_evidence", lambda *_: None)


def _hears_no_guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(work, "said", lambda guards, verdicts, on, every="": {one.verdict for one in verdicts})


def _counts_no_attempts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(work, "answered", lambda known, state, receipt: state.plan.steps[state.at])


def _takes_the_first_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(onward, "passed_over", lambda state, node: False)


@pytest.mark.parametrize(
    ("breaks", "word"),
    [(_shows_anything, "w(a)"), (_hears_no_guard, "l(s)"), (_counts_no_attempts, "s"), (_takes_the_first_way, "w(s)")],
)
def test_a_walk_with_a_fault_is_found_out(
    breaks: Callable[[pytest.MonkeyPatch], None], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot fail says nothing: a verifier that looks away takes too much, or refuses what it must take."""
    breaks(monkeypatch)
    try:
        found = sound(word, depth=4, most=10)
    except Exception:  # noqa: BLE001  # it refuses what the machine makes, or breaks
        return
    assert found.wrong
