"""What an attacker does to a certificate: one member after the other, receipts moved about, another spelling."""

from __future__ import annotations

import copy
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, TypeVar

from gatework.values import canonical
from gatework.values.canonical import Json
from tests.proof.repairing import repaired

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

T = TypeVar("T")
Record = Callable[[str, object], None]
"""What keeps a line for the report: the fixture `record_property`."""
Path = tuple[str | int, ...]

EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
"""Whether everything is taken, or a sample."""

_DIGITS = re.compile("[0-9a-f]{16,}")


@dataclass(frozen=True)
class Tampered:
    """A certificate in which one thing is another."""

    where: str
    """The shape of the path: `output runs.entries.receipt.node`, with the kind of the receipt before it; or what was
    moved about."""
    how: str
    made: Callable[[], Any]

    @property
    def said(self) -> Any:
        """The certificate as JSON, made when it is asked for."""
        return self.made()


def tampered(said: Json, *, but: Collection[str] = ()) -> Iterator[Tampered]:
    """The certificate with one member of one object changed, removed or added, for every member and way to do it.

    `but` names members of the certificate that are left alone.
    """
    words = _words(said)
    for path, value, kind in _members(said, (), ""):
        if path and path[0] in but:
            continue
        where = f"{kind} {shape(path)}".strip()
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        for how, other in (*_others(name, value), *_another(words.get(name, []), value)):
            yield Tampered(where, how, partial(replaced, said, path, other))
        if path and isinstance(path[-1], str):
            yield Tampered(where, "removed", partial(replaced, said, path, ...))


def sampled(every: Iterable[T], seed: str, share: float) -> Iterator[T]:
    """All of it in the search; else some of each, always the same."""
    chance = Random(seed)
    return (one for one in every if EVERY or chance.random() < share)


def taken(every: Iterable[Tampered]) -> Iterator[Tampered]:
    """All of it in the search; else each kind of place once, changed in one way for each of a few words."""
    seen = set()
    for one in every:
        if EVERY or (one.where, one.how) not in seen:
            seen.add((one.where, one.how))
            if EVERY or Random(f"{one.where} {one.how}").random() < 0.05:
                yield one


def anew(one: Tampered) -> bytes | None:
    """The file with every digest computed anew; None where it cannot even be hashed, and is refused as it is."""
    try:
        return canonical.dumps(repaired(one.said))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        return None


def told(title: str, codes: Counter[str], record: Record) -> None:
    """How many were tampered with, and the codes: in the report, and with `-s` on the terminal."""
    each = ", ".join(f"{code or 'accepted'} {many:,}" for code, many in codes.most_common())
    line = f"{title}: {codes.total():,} tampered, {each}"
    record("tampered", line)
    print(line)


@contextmanager
def tallied(title: str, record: Record) -> Generator[Counter[str]]:
    """Count codes, and tell them in the end."""
    codes: Counter[str] = Counter()
    try:
        yield codes
    finally:
        told(title, codes, record)


def shape(path: Path) -> str:
    """Names of members alone: no places in lists, no digests, no names of nodes, tools and fields of values."""
    names = [step for step in path if isinstance(step, str) and not _DIGITS.fullmatch(step)]
    end = next((n + 1 for n, name in enumerate(names) if name in NAMED), len(names))
    return ".".join(names[:end])


NAMED = ("shown", "tool_calls", "data")
"""Members below which stand names that somebody gave."""


def _words(said: Json) -> Mapping[str, list[str]]:
    """By the name of a member, the texts that stand under it outside of plans and values."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for path, value, _ in _members(said, (), ""):
        if isinstance(value, str) and path[:1] == ("runs",):
            found[next((step for step in reversed(path) if isinstance(step, str)), "")][value] = None
    return {name: [*texts] for name, texts in found.items()}


def _another(words: list[str], value: Json) -> Iterator[tuple[str, Any]]:
    """A text that stands elsewhere under the same name."""
    if isinstance(value, str) and value in words and len(words) > 1:
        yield "as elsewhere", words[(words.index(value) + 1) % len(words)]


def _members(value: Json, path: Path, kind: str) -> Iterator[tuple[Path, Any, str]]:
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


def replaced(said: Json, path: Path, other: Any) -> Any:
    """A JSON value with something else at a place, or nothing where that is `...`. What is not changed is the same."""
    if not path:
        return other
    copied = copy.copy(said)
    if other is ... and len(path) == 1:
        del copied[path[0]]
    else:
        copied[path[0]] = replaced(said[path[0]], path[1:], other)
    return copied
