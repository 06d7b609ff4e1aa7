"""The ledger: the receipts of an execution, each chained to the one before it by digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gatework import canonical, wire
from gatework.canonical import Json
from gatework.state import Receipt

GENESIS = "0" * 64
"""What the first entry names as the entry before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A receipt with its place in the chain."""

    sequence: int
    """Counts from 1."""
    at: str
    """When it came about, as UTC in ISO 8601: an attempt by its worker's clock, all else by the server's."""
    receipt: Receipt
    before: str
    """Digest of the entry before."""
    digest: str
    """64 hex digits over all of the above."""

    @classmethod
    def after(cls, before: Entry | None, receipt: Receipt, at: datetime) -> Entry:
        sequence = before.sequence + 1 if before else 1
        head = before.digest if before else GENESIS
        moment = at.isoformat(timespec="milliseconds")
        return cls(
            sequence=sequence, at=moment, receipt=receipt, before=head, digest=_digest(sequence, moment, receipt, head)
        )


def extended(ledger: Sequence[Entry], receipts: Iterable[Receipt], at: datetime) -> tuple[Entry, ...]:
    """The ledger with more receipts at its end."""
    entries = list(ledger)
    for receipt in receipts:
        entries.append(Entry.after(entries[-1] if entries else None, receipt, at))
    return tuple(entries)


def broken_at(ledger: Sequence[Entry]) -> int | None:
    """The sequence number at which the chain does not hold, or None where it does."""
    before = GENESIS
    for sequence, entry in enumerate(ledger, start=1):
        if (
            entry.sequence != sequence
            or entry.before != before
            or entry.digest != _digest(sequence, entry.at, entry.receipt, before)
        ):
            return sequence
        before = entry.digest
    return None


def _digest(sequence: int, at: str, receipt: Receipt, before: str) -> str:
    data: Json = {"sequence": sequence, "at": at, "receipt": wire.data(receipt), "before": before}
    return canonical.digest("entry", data)
