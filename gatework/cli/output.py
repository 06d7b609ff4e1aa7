"""What a command says: for people through rich, for programs as JSON; never what could move or hide other text."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import Annotated, Any

import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs; errors too, on standard error.")]

MAX_SHOWN = 1_500
"""Longest text that is shown of one field, in characters."""


def console(*, stderr: bool = False) -> Console:
    """A console that takes every text as it is."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def clean(text: str, limit: int = MAX_SHOWN) -> str:
    """Text without what moves, hides or recolours other text: controls, escapes, direction marks."""
    kept = "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text[: limit + 1])
    return kept if len(kept) <= limit else f"{kept[:limit]}… ({len(text)} characters)"


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def dump(data: Any, *, lines: bool = False) -> None:
    """A JSON value on standard output; with `lines` on one line, else indented."""
    text = json.dumps(data, ensure_ascii=False, indent=None if lines else 2, default=str)
    say("".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    """A character as JSON writes it in ASCII: it reads back the same, and does nothing to a terminal."""
    return json.dumps(character)[1:-1]
