"""The ledger: the receipts of an execution, each chained to the one before it by digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gatework.run.state import Receipt
from gatework.values import canonical, wire
from gatework.values.canonical import Json

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
        moment = written(at)
        return cls(
            sequence=sequence, at=moment, receipt=receipt, before=head, digest=_digest(sequence, moment, receipt, head)
        )


@dataclass(frozen=True, slots=True)
class Noted:
    """A receipt with its place in the ledger, whose digest nobody has asked for."""

    sequence: int
    at: str
    receipt: Receipt


def moment(ended_ms: int) -> datetime | None:
    """A time by a worker's clock, in milliseconds since 1970; None where it says none, or no calendar has it."""
    try:
        return datetime.fromtimestamp(ended_ms / 1000, tz=UTC) if ended_ms > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def written(at: datetime) -> str:
    """A time as an entry has it."""
    return at.isoformat(timespec="milliseconds")


def extended(ledger: Sequence[Entry], receipts: Iterable[Receipt], at: datetime) -> tuple[Entry, ...]:
    """The ledger with more receipts at its end."""
    entries = list(ledger)
    for receipt in receipts:
        entries.append(Entry.after(entries[-1] if entries else None, receipt, at))
    return tuple(entries)


WHOLE = 400
"""Most entries with which a ledger is handed from run to run as a whole."""

RECENT = 100
"""How many of the last entries are handed on of a longer one."""


def handed_on(ledger: Sequence[Entry]) -> tuple[Entry, ...]:
    """What a run hands on of its ledger to the run that continues it: of a long one, its end.

    That is what came last, and before it the last entry of each kind at each node, by which a run says how its values
    came about. The rest stays in the history of the run that has ended. Every entry keeps its place in the chain.
    """
    if len(ledger) <= WHOLE:
        return tuple(ledger)
    last = {(entry.receipt.kind, entry.receipt.node): entry for entry in ledger}
    kept = {entry.sequence for entry in (*last.values(), *ledger[-RECENT:])}
    return tuple(entry for entry in ledger if entry.sequence in kept)


def length(ledger: Sequence[Entry]) -> int:
    """How many entries a ledger has, with those that were not handed on."""
    return ledger[-1].sequence if ledger else 0


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


def data(entry: Entry) -> Json:
    """An entry as JSON, as it is chained and exported: of its receipt only what says something."""
    return {**_chained(entry.sequence, entry.at, entry.receipt, entry.before), "digest": entry.digest}


def _digest(sequence: int, at: str, receipt: Receipt, before: str) -> str:
    return canonical.digest("entry", _chained(sequence, at, receipt, before))


def _chained(sequence: int, at: str, receipt: Receipt, before: str) -> dict[str, Json]:
    said = {name: value for name, value in wire.data(receipt).items() if value not in ("", 0, [], {})}
    return {"sequence": sequence, "at": at, "receipt": said, "before": before}
