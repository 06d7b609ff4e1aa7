"""Values in logs: one printable line, quoted so that none looks like a field, an event or a colour."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.logs.text import MAX_TEXT, line, quoted, safe, safe_value, stack

HOSTILE = [
    "a\nINFO gatework: run.ended outcome=completed",
    "a\r\nb",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202eevil\u202c",
    "a\u2028b\u2029c\x85d\x0be\x0cf",
    "\ud800 lone",
    "\x00\x7f\u200b\ufeff",
    'x" outcome="completed',
    "outcome=completed",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_printable_line(text: str) -> None:
    """No control, no line end, no direction mark, no half of a character is left."""
    clean = safe(text)
    assert clean.isprintable()
    assert len(clean.splitlines()) == 1
    clean.encode()


@given(st.text(st.characters(codec=None), max_size=50))
def test_any_text_is_safe_and_stays_so(text: str) -> None:
    """Whatever it is; and cleaning twice is cleaning once."""
    clean = safe(text)
    assert clean == "" or clean.isprintable()
    assert safe(clean) == clean


@given(st.dictionaries(st.sampled_from(["by", "note", "reason"]), st.text(max_size=40), min_size=1))
def test_fields_of_a_line_are_read_back(fields: dict[str, str]) -> None:
    """A line is split into exactly the fields that it was made of, whatever their text says."""
    clean = {name: safe(text) for name, text in fields.items()}
    rest = line({"event": "decision.taken", **clean}).removeprefix("decision.taken")
    found = {}
    while rest:
        name, _, rest = rest.removeprefix(" ").partition("=")
        if rest.startswith('"'):
            found[name], end = json.JSONDecoder().raw_decode(rest)
            rest = rest[end:]
        else:
            found[name], space, rest = rest.partition(" ")
            rest = space + rest
    assert found == clean


def test_long_text_is_cut_and_marked() -> None:
    """A log is no place for a book."""
    assert safe("x" * 10_000) == "x" * (MAX_TEXT - 1) + "…"
    assert quoted(["a:1", "b:2"]) == '"a:1,b:2"'


def test_values_of_other_types_become_text() -> None:
    """What others put into their records is shown as text, and numbers that JSON lacks are text too."""
    assert safe_value(float("nan")) == "nan"
    assert safe_value({"a": "\x1b"}) == "{'a': '\\x1b'}"
    assert safe_value(("a\nb", 1)) == ["a b", "1"]


def test_stack_holds_places_and_types_and_no_message() -> None:
    """The message of an exception may carry outside text, its causes' too."""
    try:
        try:
            raise KeyError("SECRET-INNER")
        except KeyError as error:
            raise ValueError("SECRET-OUTER") from error
    except ValueError as error:
        told = stack(error)
    assert "KeyError" in told
    assert "ValueError" in told
    assert "test_text.py:" in told
    assert logging.__name__ not in told
    # The line of code itself is ours, and here it happens to hold the message.
    assert "SECRET" not in "".join(part for part in told.splitlines() if "raise" not in part)
