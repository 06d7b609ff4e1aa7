"""What a liar says in a receipt: other words and digests than were left there, and members of other receipts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from gatework.run.state import Receipt
from gatework.values.canonical import Json

OTHER = "ab" * 32
"""The digest of nothing that there is."""

WORDS: dict[str, tuple[str, ...]] = {
    "action": (
        *("approve", "reject", "retry", "edit", "abort", "answer", "override", "auto"),
        *("approval", "question", "escalated", "spent", "blocked", "exhausted", "failed", "unknown", "call"),
        *("call again", "done", "found", "refused", "contract", "timeout", "error", "block", "accepted"),
        *("completed", "rejected", "aborted", "expired", "cancelled", "undone", "0", "1", "2"),
    ),
    "label": ("untrusted", "plain", "endorsed", "approved"),
    "identity": ("none", "claimed", "authenticated", "signed"),
    "reason": ("so",),
    "by": ("mallory",),
    "node": ("elsewhere",),
    **dict.fromkeys(("output", "inputs", "evidence"), (OTHER,)),
}
"""By the member: what else may stand there."""

MEMBERS = (*WORDS, "gate", "attempt", "shown", "verdicts", "how")
EMPTY: dict[str, Any] = {**dict.fromkeys(WORDS, ""), "gate": 0, "attempt": 0, "shown": {}, "verdicts": (), "how": {}}


def meddled(receipt: Receipt, others: list[Receipt], chance: Random) -> Iterator[Receipt]:
    """The receipt with one member changed, in every way; `others` lend theirs."""
    other = chance.choice(others)
    said: dict[str, Any] = {name: getattr(receipt, name) for name in MEMBERS}
    for name, value in said.items():
        for instead in (*WORDS.get(name, ()), EMPTY[name], getattr(other, name)):
            if instead != value:
                yield replace(receipt, **{name: instead})
    for name in ("gate", "attempt"):
        yield replace(receipt, **{name: said[name] + 1})
    for number, given in enumerate(receipt.verdicts):
        before, behind = receipt.verdicts[:number], receipt.verdicts[number + 1 :]
        yield replace(receipt, verdicts=(*before, *behind))
        yield replace(receipt, verdicts=(*before, given, given, *behind))
        yield replace(receipt, verdicts=(*before, replace(given, on=OTHER), *behind))
        for word in ("pass", "retry", "block", "escalate"):
            if word != given.verdict:
                yield replace(receipt, verdicts=(*before, replace(given, verdict=word), *behind))
    for how in _hows(dict(receipt.how), dict(other.how)):
        yield replace(receipt, how=how)
    for name in receipt.shown:
        yield replace(receipt, shown={**receipt.shown, name: OTHER})
        yield replace(receipt, shown={one: digest for one, digest in receipt.shown.items() if one != name})


def _hows(how: dict[str, Json], other: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for name, value in how.items():
        yield {one: said for one, said in how.items() if one != name}
        for instead in _instead(value):
            yield {**how, name: instead}
    for name in other.keys() - how.keys():
        yield {**how, name: other[name]}


def _instead(value: Json) -> Iterator[Json]:
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
            if value:
                yield value - 1
        case str():
            yield from ("", OTHER, "elsewhere")
        case list() if value:
            yield value[1:]
            yield [*value, value[0]]
        case _:
            return
