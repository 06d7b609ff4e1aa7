"""The evidence in full: all that is decided on, in the order in which it is read, and the number for it at its end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from gatework.errors import DecisionError
from gatework.run.events import Decided
from gatework.run.state import Gate, Vote
from gatework.temporal.page.evidence import UNSEEN, answer, must_be_seen, numbered
from gatework.temporal.page.markdown import cleaned
from gatework.temporal.page.panel import cut, panel
from gatework.temporal.page.progress import Progress, Ruled, Said, progress
from gatework.testing import Driver
from gatework.testing.factories import approve, plan_of, stage
from gatework.values.wire import MAX_MESSAGE_BYTES
from tests.unit.temporal.panels import HOSTILE, VALUES

PLAN = plan_of(stage("owed"), stage("letter", "owed"), approve("agreed", "letter", show=["owed"]))
LONG = "A line of a long letter. " * 300


def asked(letter: Any, owed: Any = "x") -> tuple[Driver, Progress]:
    driver = Driver(PLAN).begin().finish(owed).finish(letter)
    return driver, numbered(progress(PLAN, driver.state, driver.ledger), driver.gate)


def read(driver: Driver, shown: Progress, name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer(shown, driver.state, name))
    return found


def test_evidence_ends_with_a_number_of_its_own() -> None:
    """It is not the one on the panel, so that it shows which of the two was read."""
    for letter in ("short", LONG):
        driver, shown = asked(letter)
        said = read(driver, shown)
        assert list(said)[-1] == "number"
        assert said["number"] == driver.gate.full_number != driver.gate.number
        assert said["shown"] == {"letter": letter, "owed": "x"}
        assert list(said["shown"]) == ["letter", "owed"]


def test_evidence_tells_all_that_the_panel_tells() -> None:
    """Who is asked what, why, until when, what guards and rules said, who has approved and who may not."""
    driver, shown = asked("short")
    waiting = shown.waiting
    assert waiting is not None
    guards = (
        Said(of="letter", guard="polite", verdict="pass", reason=""),
        Said(of="letter", guard="short", verdict="escalate", reason="Long."),
    )
    votes = (Vote(by="Ada", identity="claimed"),)
    full = replace(waiting, guards=guards, votes=votes, quorum=2, not_by=("Eve",), expires="2026-01-01T00:00:00+00:00")
    said = read(driver, replace(shown, waiting=full, automatic=(Ruled(node="early", rule="amount < 5"),)))
    assert said == {
        "asked": "finance: approve letter",
        "until": "2026-01-01T00:00:00+00:00",
        "because": ["the plan asks always"],
        "guards": ["polite of letter: pass", "short of letter: escalate, Long."],
        "approved_by_rule": {"early": "amount < 5"},
        "approvals": ["Ada (claimed)"],
        "approvals_needed": 2,
        "may_not_approve": ["Eve"],
        "shown": {"letter": "short", "owed": "x"},
        "number": driver.gate.full_number,
    }


def test_nothing_is_asked_of_a_run_that_goes_on() -> None:
    """There is no number where nobody is asked."""
    driver = Driver(PLAN).begin()
    said = read(driver, progress(PLAN, driver.state, driver.ledger))
    assert said == {"asked": "Nothing waits for a decision now."}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_in_the_evidence_hides_or_moves_another_part(text: str) -> None:
    """It is read in a browser, which would obey direction marks."""
    driver, shown = asked({"text": text, text: [text, {text: text}]})
    written = answer(shown, driver.state).decode()
    assert all(c.isprintable() for c in written)
    assert json.loads(written)["shown"]["letter"]["text"] == cleaned(text)


def test_names_that_look_the_same_do_not_hide_each_other() -> None:
    """What differs in a letter that is not seen is there twice."""
    driver, shown = asked({"a\u200b": 1, "a\u200c": 2, "a\ufffd": 3})
    assert list(read(driver, shown)["shown"]["letter"].values()) == [1, 2, 3]


@settings(max_examples=80, deadline=None)
@given(letter=VALUES, owed=VALUES)
def test_evidence_of_anything_fits_and_ends_with_its_number(letter: Any, owed: Any) -> None:
    """Whatever the values hold: one JSON object, all of it there, the number last."""
    driver, shown = asked(letter, owed if owed is not None else "x")
    data = answer(shown, driver.state)
    assert len(data) <= MAX_MESSAGE_BYTES
    said = json.loads(data)
    assert list(said)[-2:] == ["shown", "number"]
    assert list(said["shown"]) == ["letter", "owed"]


def test_what_is_too_large_for_one_answer_is_read_by_name_before_there_is_a_number() -> None:
    """Each answer names the next, and the last has the number."""
    plan = plan_of(
        stage("a"), stage("b", "a"), stage("c", "b"), stage("d", "c"), approve("agreed", "d", show=["a", "b", "c"])
    )
    driver = Driver(plan).begin()
    for _ in range(4):
        driver.finish("y" * 600_000)
    shown = numbered(progress(plan, driver.state, driver.ledger), driver.gate)
    assert shown.waiting is not None
    assert shown.waiting.left_out == ("a", "b", "c")
    said = read(driver, shown)
    seen = [*said["shown"]]
    while "number" not in said:
        name = said["read_next"].split(",")[0]
        said = read(driver, shown, name)
        assert len(answer(shown, driver.state, name)) <= MAX_MESSAGE_BYTES
        assert len(said["shown"][name]) == 600_000
        seen += said["shown"]
    assert seen == ["d", "a", "b", "c"]
    assert said["number"] == driver.gate.full_number


def test_value_of_what_is_not_seen_fits_into_an_answer() -> None:
    """The mark that stands for what is hidden takes more room than some of that."""
    driver, shown = asked("\x7f" * 1_000_000)
    assert read(driver, shown)["read_next"].startswith("letter,")
    assert len(answer(shown, driver.state, "letter")) <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize("name", ["d", "nothing", "letter"])
def test_name_of_what_stands_in_the_answer_is_refused(name: str) -> None:
    """So that nobody takes a part for the whole."""
    driver, shown = asked("short")
    with pytest.raises(DecisionError, match="Leave the name out"):
        answer(shown, driver.state, name)


# -- which number is taken -------------------------------------------------------------------------


def refusal(shown: Progress, gate: Gate, event: Decided) -> str:
    try:
        must_be_seen(shown, gate, event)
    except DecisionError as error:
        return error.message
    return ""


def test_number_of_a_cut_panel_and_a_click_are_refused() -> None:
    """Whoever sends them has not seen all; the refusal names where it is."""
    driver, shown = asked(LONG)
    gate = driver.gate
    assert cut(shown)
    for number in (gate.number, ""):
        assert refusal(shown, gate, Decided(action="approve", number=number)) == UNSEEN
    assert refusal(shown, gate, Decided(action="retry", number=gate.number)) == UNSEEN
    assert "query `evidence`" in UNSEEN
    assert refusal(shown, gate, Decided(action="approve", evidence=gate.evidence)) == ""  # it has read the state
    assert refusal(shown, gate, Decided(action="approve", number=gate.full_number)) == ""


def test_both_numbers_are_taken_where_all_is_on_the_panel() -> None:
    """Whichever of the two places somebody has read."""
    driver, shown = asked("short")
    for number in (driver.gate.number, driver.gate.full_number, ""):
        assert refusal(shown, driver.gate, Decided(action="approve", number=number)) == ""


def test_what_needs_no_number_is_not_refused() -> None:
    """To say no, to correct or to run a stage again lets nothing on that was not seen."""
    driver, shown = asked(LONG)
    for event in (Decided(action="reject"), Decided(action="abort", number="1000"), Decided(action="edit")):
        assert refusal(shown, driver.gate, event) == ""
    assert refusal(shown, driver.gate, Decided(action="retry")) == ""


def test_state_has_the_number_for_what_it_shows() -> None:
    """A program that reads all of it approves by its number, whatever fits on the panel."""
    driver, shown = asked(LONG)
    assert shown.waiting is not None
    assert (shown.waiting.cut, shown.waiting.number) == (True, driver.gate.full_number)
    assert driver.gate.full_number not in panel(shown)
    assert driver.gate.number not in panel(shown)
    driver, shown = asked("short")
    assert shown.waiting is not None
    assert (shown.waiting.cut, shown.waiting.number) == (False, driver.gate.number)
    assert f"**{driver.gate.number}**" in panel(shown)
