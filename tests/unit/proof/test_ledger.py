"""What a run hands on of its ledger."""

from __future__ import annotations

from datetime import UTC, datetime

from gatework.proof.ledger import RECENT, WHOLE, Entry, extended, handed_on, length
from gatework.run.state import Receipt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def long(many: int) -> tuple[Entry, ...]:
    first = [Receipt(kind="begun", node="start"), Receipt(kind="approved", node="agreed")]
    return extended((), [*first, *(Receipt(kind="returned", node="found", how={"child": n}) for n in range(many))], NOW)


def test_short_ledger_is_handed_on_whole() -> None:
    """Nothing is left behind while it is no burden."""
    ledger = long(WHOLE - 2)
    assert handed_on(ledger) == ledger


def test_of_a_long_ledger_the_end_is_handed_on_with_the_last_of_each_kind_at_each_node() -> None:
    """It stays as small however many runs a node has, and each entry keeps its place."""
    ledger = long(5_000)
    kept = handed_on(ledger)
    assert kept[:2] == ledger[:2]
    assert kept[2:] == ledger[-RECENT:]
    assert handed_on(kept) == kept
    assert length(kept) == length(ledger) == 5_002


def test_chain_goes_on_behind_what_was_handed_on() -> None:
    """The next entry names the last one, whatever was left behind."""
    ledger = long(1_000)
    more = [Receipt(kind="ended")]
    assert extended(handed_on(ledger), more, NOW)[-1] == extended(ledger, more, NOW)[-1]
