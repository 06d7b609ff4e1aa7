"""Forgers of certificates who know what they do: whatever they change, the chain behind it is made anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gatework.proof.certificate import Certificate, RunLedger
from gatework.proof.certificate import read as read_file
from gatework.proof.ledger import Entry
from gatework.run.state import Receipt

FOLDER = Path(__file__).parents[2] / "proof/certificates"

Change = Callable[[list[Receipt]], Sequence[Receipt]]


def kept(name: str) -> Certificate:
    """A certificate of a run on a real server."""
    return read_file((FOLDER / f"{name}.json").read_bytes())


def rechained(receipts: Sequence[Receipt], at: str) -> tuple[Entry, ...]:
    """Receipts as a ledger whose chain holds."""
    entries: list[Entry] = []
    for receipt in receipts:
        entries.append(Entry.after(entries[-1] if entries else None, receipt, datetime.fromisoformat(at)))
    return tuple(entries)


def forged(certificate: Certificate, change: Change, run: int = 0) -> Certificate:
    """A certificate in which the receipts of a run are others, and the chain holds all the same."""
    ledger = certificate.runs[run]
    receipts = change([entry.receipt for entry in ledger.entries])
    other = RunLedger(run_id=ledger.run_id, workflow=ledger.workflow, entries=rechained(receipts, ledger.entries[0].at))
    runs = list(certificate.runs)
    runs[run] = other
    return replace(certificate, runs=tuple(runs))


def first(receipts: Sequence[Receipt], kind: str, node: str = "") -> int:
    """The place of the first receipt of a kind, at a node where one is named."""
    return next(n for n, one in enumerate(receipts) if one.kind == kind and node in ("", one.node))


def changed(kind: str, node: str = "", **members: Any) -> Change:
    """Change members of the first such receipt."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, kind, node)
        receipts[place] = replace(receipts[place], **members)
        return receipts

    return change


def dropped(kind: str, node: str = "", many: int = 1) -> Change:
    """Leave out the first such receipt, and as many behind it."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, kind, node)
        return receipts[:place] + receipts[place + many :]

    return change


def twice(kind: str, node: str = "") -> Change:
    """Have the first such receipt twice."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, kind, node)
        return [*receipts[: place + 1], *receipts[place:]]

    return change
