"""Child runs that are under way where a ledger ends, and which runs of a certificate they are. Section 6."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from gatework.plan.plan import Call
from gatework.proof.ledger import Entry
from gatework.verify.state import State


class _Run(Protocol):
    @property
    def state(self) -> State: ...


def under_way(state: State) -> Iterator[tuple[Call, int, str]]:
    """The child runs of which a run has not heard: the node, the number, and what names each in its run."""
    node = state.here
    if state.phase == "at" and isinstance(node, Call):
        for number in sorted(state.running):
            yield node, number, node.name if node.kind == "call" else f"{node.name}/{number + 1}"


def called(entries: Iterable[Entry]) -> dict[tuple[str, object], Entry]:
    """Node and number of child runs → the last receipt by which each was to be under way."""
    return {(one.receipt.node, one.receipt.how["child"]): one for one in entries if one.receipt.kind == "called"}


class Started:
    """The runs of a certificate by their lineages."""

    def __init__(self, runs: Sequence[_Run]) -> None:
        self._runs: dict[str, list[int]] = {}
        for number, run in enumerate(runs):
            self._runs.setdefault(run.state.lineage, []).append(number)

    def of(self, lineage: str, taken: set[int]) -> int | None:
        """The run of a lineage that no other receipt names; None where there is none, or the lineage says nothing."""
        found = (number for number in self._runs.get(lineage, ()) if number not in taken)
        return next(found, None) if lineage.partition("/")[0] else None
