"""The vocabulary: what is documented is what is written, and no name takes another's place."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from gatework.logs.fields import FIELDS
from gatework.logs.vocabulary import ALWAYS, EVENTS

DOCUMENT = Path(__file__).parents[3] / "docs" / "logs.md"
LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}
SOURCES = {"worker": "worker", "receipt": "workflow", "history": "`gatework logs`"}


def events_table() -> str:
    """The table of events, as docs/logs.md has it."""
    rows = ["| Event | Level | Written by | Fields | |", "|---|---|---|---|---|"]
    for name, kind in EVENTS.items():
        by = ", ".join(SOURCES[source] for source in kind.sources)
        fields = ", ".join(f"`{field}`" for field in kind.fields) or "–"
        rows.append(f"| `{name}` | {LEVELS[kind.level]} | {by} | {fields} | {kind.says} |")
    return "\n".join(rows)


def fields_table() -> str:
    """The table of fields, as docs/logs.md has it."""
    return "\n".join(["| Field | |", "|---|---|", *(f"| `{name}` | {says} |" for name, says in FIELDS.items())])


def test_document_has_the_tables_of_the_code() -> None:
    """docs/logs.md is a promise: `python -m tests.unit.logs.test_vocabulary` prints what belongs in it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert events_table() in text
    assert fields_table() in text


def test_fields_of_events_are_described_and_all_are_used() -> None:
    """Each field is in the table of fields, and each of those in some event."""
    used = {field for kind in EVENTS.values() for field in kind.fields} | set(ALWAYS)
    assert used == set(FIELDS)


def test_no_field_takes_the_place_of_an_attribute_of_a_record() -> None:
    """Fields are attributes of the standard library's records, which refuses to overwrite its own."""
    assert not set(FIELDS) & {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def test_names_are_of_one_form() -> None:
    """`noun.participle`, so that a prefix selects what is about one thing."""
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in EVENTS)


if __name__ == "__main__":
    print(f"{events_table()}\n\n{fields_table()}")
