"""Values as text of one line that no value can forge: no control characters, no escape sequences, no line ends."""

from __future__ import annotations

import json
import math
import re
import traceback
from collections.abc import Mapping

from gatework.define.signature import shown_path
from gatework.logs.vocabulary import Value

MAX_TEXT = 500
"""Longest text of a field in characters."""

_BARE = re.compile(r"[\w.:/@+-]+")


def safe(text: str, limit: int = MAX_TEXT) -> str:
    """Text on one line, of printable characters only; the rest is cut and marked so."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def safe_value(value: object, limit: int = MAX_TEXT) -> Value | float | bool | None:
    """A field's value as JSON and terminals may have it."""
    if isinstance(value, str):
        return safe(value, limit)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [safe(str(item), limit) for item in value]
    return safe(str(value), limit)


def quoted(value: object) -> str:
    """A safe value as it stands after `name=`: in double quotes unless it is one word."""
    if isinstance(value, list | tuple):
        value = ",".join(str(item) for item in value)
    text = value if isinstance(value, str) else str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def line(fields: Mapping[str, object]) -> str:
    """An event as one line: its name, then `field=value`."""
    words = [f"{name}={quoted(value)}" for name, value in fields.items() if name != "event"]
    return " ".join([str(fields["event"]), *words])


def stack(error: BaseException, most: int = 8) -> str:
    """Where an exception came from: files, lines and types. Its message may carry outside text, and is left out."""
    # Written by hand, since every formatter of the standard library puts the message in.
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(parts) < most:
        seen.add(id(current))
        parts.append("\n".join([*_frames(current, most), f"  {type(current).__qualname__}"]))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n  caused\n".join(reversed(parts))


def place_of(error: BaseException) -> str:
    """Where an exception was raised, as `file:line`."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{shown_path(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"


def _frames(error: BaseException, most: int) -> list[str]:
    return [
        safe(f"  {shown_path(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line or ''}", 300)
        for frame in traceback.extract_tb(error.__traceback__, limit=-most)
    ]
