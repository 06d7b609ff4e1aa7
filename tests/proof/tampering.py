"""What an attacker does to a certificate: one member after the other, receipts moved about, another spelling."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatework.values.canonical import Json

WORDS: Mapping[str, tuple[str, ...]] = {
    "label": ("untrusted", "plain", "endorsed", "approved"),
    "identity": ("none", "claimed", "authenticated", "signed"),
    "verdict": ("pass", "retry", "block", "escalate"),
    "kind": ("output", "decided", "ended", "stage", "approve", "effect"),
    "action": ("approve", "reject", "retry", "edit", "abort", "done", "found", "completed", "aborted", "0", "1"),
    "by": ("ana", "ben", "mallory"),
    "node": ("read", "pay", "agreed", "sort", "left", "right"),
}
"""By the member's name: what else may stand there."""

_DIGITS = re.compile("[0-9a-f]{16,}")


@dataclass(frozen=True)
class Tampered:
    """A certificate in which one thing is another."""

    where: str
    """The shape of the path: `runs.entries.receipt.node`, with the kind of the receipt before it."""
    how: str
    said: Any


def tampered(said: Json, *, below: str = "") -> Iterator[Tampered]:
    """The certificate with one member of one object changed, removed or added, for every member and way to do it.

    `below` names a member of the certificate to which that is limited.
    """
    for path, value, kind in _members(said, (), ""):
        if below and path and path[0] != below:
            continue
        shape = ".".join(str(step) for step in path if isinstance(step, str) and not _DIGITS.fullmatch(step))
        where = f"{kind} {shape}".strip()
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        for how, other in _others(name, value):
            yield Tampered(where, how, _with(said, path, other))
        if path and isinstance(path[-1], str):
            yield Tampered(where, "removed", _with(said, path, ...))


def _members(value: Json, path: tuple[str | int, ...], kind: str) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
    yield path, value, kind
    if isinstance(value, dict):
        receipt = value.get("receipt") if path[:1] == ("runs",) else None
        inside = receipt.get("kind", kind) if isinstance(receipt, dict) else kind
        for name, item in value.items():
            yield from _members(item, (*path, name), inside)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _members(item, (*path, number), kind)


def _others(name: str, value: Json) -> Iterator[tuple[str, Any]]:
    match value:
        case bool():
            yield "turned", not value
            yield "a number", int(value)
        case int() | float():
            yield "one more", value + 1
            yield "a text", str(value)
        case str():
            yield "a number", 7
            if _DIGITS.fullmatch(value):
                yield "one digit", value[:-1] + ("0" if value[-1] != "0" else "1")
            else:
                yield "longer", value + "x"
            for word in WORDS.get(name, ()):
                if word != value:
                    yield f"as {word}", word
        case list():
            yield "an object", {}
            if value:
                yield "first dropped", value[1:]
                yield "last twice", [*value, value[-1]]
                yield "turned round", value[::-1] if value[::-1] != value else [None]
        case dict():
            yield "a list", []
            yield "a member more", value | {"more": 1}
        case _:
            yield "false", False


def _with(said: Json, path: tuple[str | int, ...], other: Any) -> Any:
    if not path:
        return other
    copied = copy.copy(said)
    if other is ... and len(path) == 1:
        del copied[path[0]]
    else:
        copied[path[0]] = _with(said[path[0]], path[1:], other)
    return copied
