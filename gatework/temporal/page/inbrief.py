"""What a value says in a few words: titles of what is asked, and the beginning of what a stage came to."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Container, Iterator

from gatework.errors import OrderError
from gatework.machine.children import count
from gatework.plan import titles
from gatework.plan.changes import words
from gatework.plan.plan import Approval, Call, Choice, Node, Pause, Question
from gatework.run.state import State
from gatework.values.canonical import Json

MAX_TITLE = 160
_PART = 40
"""Longest part of a title or a result that comes from a value."""
_WORD = 16
"""Longest word in a result: a cell of a table does not break it."""
_PLAIN = frozenset("-_.,:/@+%#")


def title(node: Node, state: State) -> str:
    """What is asked, in a sentence of the plan, with fields of the value; empty where the plan has none.

    A field that is more than a plain word stands in quotation marks, so that nobody takes what a value says for what
    the plan says; one that is written from right to left, which would move the words around it, is left to the
    evidence.
    """
    if isinstance(node, Question):
        return short(node.prompt, MAX_TITLE)
    if not isinstance(node, Approval):
        return ""
    value = state.values[node.value.node].sealed.data
    found = value if isinstance(value, dict) else {}
    parts = {name: _part(found[name]) for name in titles.fields(node.title) if name in found} if node.title else {}
    return short(titles.filled(node.title, parts), MAX_TITLE)


def _part(item: Json) -> str:
    text = short(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))
    if any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in text):
        return "“…”"
    if text and all(c.isalnum() or c in _PLAIN for c in text):
        return text
    inside = "".join("'" if c in '“”„‟"' else c for c in text)
    return f"“{inside}”"


def result(state: State, node: Node, by_rule: Container[str]) -> str:
    """What a node came to, as far as it fits into a cell of a table."""
    held, mark = state.values.get(node.name), state.marks.get(node.name)
    match node:
        case Choice():
            return "" if mark is None else f"takes the way {words.way(node, mark)}"
        case Pause():
            return "" if mark is not None else f"for {words.time(node.seconds)}"
        case Call() if held is not None or mark is not None:
            return _runs(node, state)
        case _ if held is None:
            return ""
        case Approval() | Question():
            if node.name in by_rule:
                return "by rule"
            return short(f"by {', '.join(held.by)}" if held.by else "by a person")
        case _:
            return short(", ".join(_scalars(held.sealed.data)))


def _runs(node: Call, state: State) -> str:
    """How many child runs a node had that is done, and how many of them gave nothing."""
    try:
        many = words.count(count(node, state), "run")
    except (KeyError, OrderError):
        return ""
    held = state.values.get(node.name)
    collected = held.sealed.data if held and node.kind == "each" and node.failed == "collect" else None
    failed = collected.get("failed") if isinstance(collected, dict) else None
    return f"{many}, {len(failed)} failed" if isinstance(failed, list) and failed else many


def _scalars(value: Json) -> Iterator[str]:
    """The first texts and numbers of a value, as many as may be shown."""
    room = _PART
    for item in value.values() if isinstance(value, dict) else (value,):
        if room <= 0:
            return
        if isinstance(item, str | int | float) and not isinstance(item, bool) and item != "":
            said = str(item)[: 4 * _PART].split()
            text = " ".join(short(word, _WORD) for word in said)
            room -= len(text) + 2
            yield text


def short(text: str, limit: int = _PART) -> str:
    """Text on one line, cut."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1].rstrip()}…"
