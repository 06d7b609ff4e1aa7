"""What a run came to, as far as it is the same wherever it runs: its ledger, and those of its child runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gatework.proof.ledger import Entry
from gatework.values import wire
from gatework.values.canonical import Json


@dataclass
class Told:
    """What a run came to."""

    ledger: Sequence[Any]
    """Receipts as JSON, without what is another each time."""
    children: dict[str, Told] = field(default_factory=dict)
    """By node, attempt and number; in the order in which they returned."""

    @property
    def all(self) -> list[Told]:
        """This and every run below it."""
        return [self, *(below for child in self.children.values() for below in child.all)]


def plain(ledger: Sequence[Entry]) -> list[Any]:
    """The receipts of a ledger without times, costs, ids of runs, and heads of other ledgers, which have times."""
    found = []
    for entry in ledger:
        receipt: Any = wire.data(entry.receipt)
        receipt["how"] = {
            key: value for key, value in receipt["how"].items() if key not in ("run", "ledger", "spent", "code")
        }
        found.append(receipt)
    return found


def id_of(receipt: Any) -> str:
    """What names the child run of a receipt that says that it has returned."""
    return f"{receipt['node']}/{receipt['attempt']}/{receipt['how']['child']}"


def difference(here: Told, there: Told, where: str) -> str:
    """The first receipt in which two runs differ, in words; empty where they are the same."""
    for number, (one, other) in enumerate(zip(here.ledger, there.ledger, strict=False), start=1):
        if one != other:
            fields = "; ".join(
                f"{key}: {_short(one[key])} and {_short(other[key])}" for key in one if one[key] != other[key]
            )
            return f"{where}, receipt {number}, {one['kind']} of {one['node'] or 'the run'}: {fields}"
    if len(here.ledger) != len(there.ledger):
        return f"{where}: {len(here.ledger)} receipts and {len(there.ledger)}"
    if list(here.children) != list(there.children):
        return f"{where}: heard of {list(here.children)} and {list(there.children)}"
    found = (difference(child, there.children[id_], f"{where} {id_}") for id_, child in here.children.items())
    return next(filter(None, found), "")


def _short(value: Json) -> str:
    return str(value)[:200]
