"""Stories on a terminal: words for every event, when it was, and nothing that a value could forge."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from gatework.cli import tell
from gatework.cli.tell import Printed, since, words
from gatework.logs.vocabulary import EVENTS, LogEvent, Value
from gatework.temporal.client.story import Story
from gatework.temporal.client.tale import Told
from tests.unit.logs.test_text import HOSTILE

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOLD = [name for name, kind in EVENTS.items() if {"receipt", "history"} & set(kind.sources)]
NUMBERS = {"attempt", "try", "receipt", "guards", "gate", "model_calls", "tokens"}
ALWAYS_THERE = {"why", "asks", "lets", "action", "outcome", "guard", "verdict", "attempt", "try", "reason", "tool"}


def event(name: str, text: str = "some words", only: set[str] | None = None) -> LogEvent:
    fields: dict[str, Value] = {}
    for field in EVENTS[name].fields:
        if only is None or field in only:
            fields[field] = 3 if field in NUMBERS else text
    if "asks" in fields:
        fields["asks"] = "blocked"
    return LogEvent.of(name, fields, at="2026-01-01T12:00:01.500+00:00")


def printed(events: list[LogEvent], monkeypatch: pytest.MonkeyPatch, *, id: str = "refund-7") -> str:
    """What a terminal of 80 columns gets."""
    stream = io.StringIO()
    monkeypatch.setattr(
        tell, "console", lambda: Console(file=stream, width=80, highlight=False, markup=False, emoji=False)
    )
    told = [Told(event=event, about={}, key=str(number)) for number, event in enumerate(events)]
    story = Story(id=id, workflow="refund", plan="a" * 64, started=NOON, ended=True, events=told, ledger=())
    shown = Printed()
    shown.show(story)
    shown.show(story)
    return stream.getvalue()


@pytest.mark.parametrize("name", TOLD)
def test_every_event_has_words(name: str) -> None:
    """With all of its fields, and with those alone that it always has."""
    assert words(event(name)).strip()
    assert "{" not in words(event(name))
    assert words(event(name, only=ALWAYS_THERE)).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of a story begins with what a value says, and no colour is a value's."""
    plain = printed([event(name, "x") for name in TOLD], monkeypatch)
    evil = printed([event(name, text[:12]) for name in TOLD], monkeypatch, id=text)
    assert "\x1b" not in evil
    assert evil.replace("\n", "").isprintable()
    heads = [line[:9] for line in plain.splitlines()[2:] if line.strip().startswith("+")]
    assert [line[:9] for line in evil.splitlines()[2:] if line.strip().startswith("+")] == heads


def test_story_fits_80_columns_and_is_printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long reasons are wrapped under their own column; what was printed is not printed again."""
    said = printed([event(name, "word " * 40) for name in TOLD], monkeypatch)
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("+1.50 s") == len([name for name in TOLD if EVENTS[name].level > 10])


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-01-01T12:00:00.250+00:00", "+0.25 s"),
        ("2026-01-01T11:59:59.999+00:00", "+0.00 s"),
        ("2026-01-01T12:02:10.900+00:00", "+2 m 10 s"),
        ("2026-01-01T15:04:00.000+00:00", "+3 h 4 m"),
        ("2026-01-04T16:00:00.000+00:00", "+3 d 4 h"),
        ("never", ""),
    ],
)
def test_times_are_relative_to_the_start(at: str, said: str) -> None:
    """In two units at most."""
    assert since(at, NOON) == said


def test_call_that_a_person_is_asked_about_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arguments are shown under the tool's name and `()`; a value of that name is none."""
    fields: dict[str, Value] = {
        "stage": "gesture",
        "asks": "call",
        "role": "support",
        "shown": ("refund:0123456789ab", "grant_voucher():0123456789ab"),
    }
    asked = LogEvent.of("gate.opened", fields, at="2026-01-01T12:00:01.500+00:00")
    assert "waits for support to let it call grant_voucher" in " ".join(printed([asked], monkeypatch).split())


def test_stage_that_stood_still_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same attempt is not started twice; another attempt is, and so is one after a death or a reset."""

    def started(attempt: int) -> LogEvent:
        return LogEvent.of("stage.started", {"stage": "pay", "attempt": attempt}, at="2026-01-01T12:00:01.500+00:00")

    events = [started(1), started(1), started(2), event("run.reset"), started(2)]
    lines = [line for line in printed(events, monkeypatch).splitlines() if "pay" in line]
    assert ["goes on with what it was told" in line for line in lines] == [False, True, False, False]


def test_story_begins_with_what_was_overridden_in_child_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run rests on what its child runs gave; one in which nothing was overridden says nothing of it."""
    fields: dict[str, Any] = {"stage": "found", "attempt": 1, "receipt": 3, "child": 2, "outcome": "completed"}
    over = {**fields, "overridden": ("claim", "owed"), "overridden_before": 3}
    loud = LogEvent.of("child.ended", over, at="2026-01-01T12:00:01.500+00:00")
    quiet = LogEvent.of("child.ended", {**fields, "overridden": ()}, at="2026-01-01T12:00:01.500+00:00")
    lines = printed([loud, quiet], monkeypatch).splitlines()
    assert " ".join(" ".join(lines[2:4]).split()).startswith(
        "OVERRIDDEN in run 2 of found: claim, owed, and 3 more before;"
    )
    assert sum("OVERRIDDEN" in line for line in lines) == 1
