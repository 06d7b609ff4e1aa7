"""Entries in their chain, and what a receipt may say. Section 4 of the specification."""

from __future__ import annotations

from gatework.errors import ContractError
from gatework.proof import ledger
from gatework.proof.ledger import GENESIS, Entry
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.verify.refusal import Refused, must

_MEMBERS = frozenset(Receipt.__dataclass_fields__) - {"kind", "node", "how"}


def chained(before: Entry | None, entry: Entry) -> None:
    """Raise `Refused` unless an entry follows on another, and its digest is its own."""
    must(entry.sequence == (before.sequence + 1 if before else 1), "chain", "The entries are not counted one by one.")
    must(entry.before == (before.digest if before else GENESIS), "chain", "It does not follow on the entry before it.")
    try:
        said = {name: value for name, value in ledger.data(entry).items() if name != "digest"}
        own = canonical.digest("entry", said)
    except ContractError:
        raise Refused("json", "An entry holds what is no JSON.") from None
    must(entry.digest == own, "chain", "The digest is not that of the entry.")


def says(receipt: Receipt, *members: str) -> bool:
    """Whether a receipt has no other members than these, and its kind, its node and how it came about."""
    return not any(getattr(receipt, name) for name in _MEMBERS.difference(members))
