"""Titles of approvals: a sentence with fields of the approved value in it, such as `pay {amount} {currency}`. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from string import Formatter

from gatework.values.canonical import Json

MAX_TITLE = 120


def fields(title: str) -> list[str]:
    """The fields that a title names. Raises `ValueError` with what is wrong with it."""
    if len(title) > MAX_TITLE or not title.isprintable():
        raise ValueError(f"is not printable text of at most {MAX_TITLE} characters")
    try:
        parts = list(Formatter().parse(title))
    except ValueError:
        raise ValueError("has a brace without its pair; write {{ for a brace") from None
    for _, name, spec, conversion in parts:
        if name is not None and (spec or conversion or not name.isidentifier()):
            raise ValueError("formats what stands in braces; name a field there and nothing else")
    return [name for _, name, _, _ in parts if name is not None]


def filled(title: str, value: Json, shown: Callable[[str], str] = str) -> str:
    """The title with the fields of a value; `shown` makes each, and the words between, fit for where they stand."""
    found: Mapping[str, Json] = value if isinstance(value, dict) else {}
    said = ""
    for words, name, _, _ in Formatter().parse(title):
        said += shown(words) if words else ""
        if name is not None:
            item = found.get(name)
            said += shown(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))
    return said
