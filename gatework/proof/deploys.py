"""Which code ran, as a ledger says: where a stage ran on two, a deploy came while the run was under way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatework.proof.ledger import Entry


@dataclass(frozen=True, kw_only=True)
class CodeChange:
    """That a stage, or a tool that it calls, ran on other code than before."""

    node: str
    tool: str
    """Empty for the stage itself."""
    attempt: int
    """The first on other code."""


def code_changes(entries: Iterable[Entry]) -> tuple[CodeChange, ...]:
    """The stages and tools that ran on more than one code, each once, in the order of the ledger.

    Of attempts whose workers named no code nothing is known.
    """
    ran: dict[tuple[str, str], object] = {}
    found: dict[tuple[str, str], CodeChange] = {}
    for entry in entries:
        receipt = entry.receipt
        code = receipt.how.get("code")
        if not code:
            continue
        tool = str(receipt.how.get("tool", "")) if receipt.kind == "acted" else ""
        place = receipt.node, tool
        if ran.setdefault(place, code) != code and place not in found:
            found[place] = CodeChange(node=receipt.node, tool=tool, attempt=receipt.attempt)
    return tuple(found.values())
