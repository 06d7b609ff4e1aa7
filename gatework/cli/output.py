"""What a command says: for people through rich, for programs as JSON; never what could move or hide other text."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs; errors too, on standard error.")]

MAX_SHOWN = 1_500
"""Longest text that is shown of one field, in characters."""


class _Harmless(Console):
    """Writes the colours and moves that rich makes, and none that a text brings with it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        # Whoever shows a value has it cleaned; this is for the one that was forgotten.
        for segment in super().render(renderable, options):
            if segment.control is None and not segment.text.isprintable():
                yield Segment(clean(segment.text, len(segment.text)), segment.style)
            else:
                yield segment


def console(*, stderr: bool = False) -> Console:
    """A console that takes every text as it is, but for what would do something to a terminal."""
    return _Harmless(stderr=stderr, highlight=False, markup=False, emoji=False)


def clean(text: str, limit: int = MAX_SHOWN) -> str:
    """Text without what moves, hides or recolours other text: controls, escapes, direction marks."""
    kept = "".join(c if c == "\n" or _is_harmless(c) else "\ufffd" for c in text[: limit + 1])
    return kept if len(kept) <= limit else f"{kept[:limit]}… ({len(text)} characters)"


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def dump(data: Any, *, lines: bool = False) -> None:
    """A JSON value on standard output; with `lines` on one line, else indented."""
    text = json.dumps(data, ensure_ascii=False, indent=None if lines else 2, default=str)
    say("".join(c if c == "\n" or _is_harmless(c) else _escaped(c) for c in text))


def _is_harmless(character: str) -> bool:
    """Whether a character only takes its own place: no control, no direction mark, no line end of Unicode's own."""
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp")


def _escaped(character: str) -> str:
    """A character as JSON writes it in ASCII: it reads back the same, and does nothing to a terminal."""
    return json.dumps(character)[1:-1]
