"""What a run adds to the picture of its plan: what was taken, how often, and how long it took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Literal

from gatework.plan.changes import words
from gatework.plan.plan import Choice, Node, Plan
from gatework.proof.ledger import Entry

Status = Literal["done", "running", "waiting", "skipped", "ahead"]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What came of one node."""

    status: Status = "ahead"
    attempts: int = 0
    rounds: int = 0
    way: int | None = None
    """Of a choice: the way that it took last."""
    seconds: float = 0.0
    """How long it was worked at, over all attempts and rounds."""
    waited: float = 0.0
    """How long it waited for a person."""
    children: Mapping[str, int] = field(default_factory=dict)
    """How child runs ended → how many."""
    by: str = ""
    """Who approved or answered."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What came of a run."""

    run: str
    outcome: str
    """`running`, `waiting`, or how it ended."""
    nodes: Mapping[str, Fact]


def facts_of(plan: Plan, ledger: Sequence[Entry], statuses: Mapping[str, Status], *, run: str, outcome: str) -> Facts:
    """What a ledger says of each node of a plan. `statuses`: where each stands, as the run itself says."""
    told = _Told(ledger)
    nodes = {node.name: told.fact(node, statuses.get(node.name, "ahead")) for node in plan.steps}
    return Facts(run=run, outcome=outcome, nodes=nodes)


class _Told:
    """The receipts of a ledger, by the node that they are about."""

    def __init__(self, ledger: Sequence[Entry]) -> None:
        self._attempts: Counter[str] = Counter()
        self._rounds: dict[str, int] = {}
        self._ways: dict[str, int] = {}
        self._by: dict[str, str] = {}
        self._ended: dict[str, dict[object, str]] = defaultdict(dict)
        self._seconds: Counter[str] = Counter()
        self._waited: Counter[str] = Counter()
        for entry in ledger:
            self._read(entry)
        for before, after in pairwise(ledger):
            kind = after.receipt.kind
            spent = self._waited if kind == "decided" or before.receipt.kind == "asked" else self._seconds
            spent[after.receipt.node] += int(1000 * _between(before.at, after.at))

    def _read(self, entry: Entry) -> None:
        receipt = entry.receipt
        node, how = receipt.node, receipt.how
        match receipt.kind:
            case "output" | "refused" | "failed" | "stopped":
                self._attempts[node] = max(self._attempts[node], receipt.attempt)
            case "round":
                number = how.get("round")
                self._rounds[node] = number if isinstance(number, int) else self._rounds.get(node, 0)
            case "chose" if receipt.action.isdecimal():
                self._ways[node] = int(receipt.action)
            case "decided" if receipt.action in ("approve", "answer"):
                self._by[node] = receipt.by
            case "returned":
                self._ended[node][str(how.get("child"))] = receipt.action
            case _:
                pass

    def fact(self, node: Node, status: Status) -> Fact:
        name = node.name
        return Fact(
            status=status,
            attempts=self._attempts[name],
            rounds=self._rounds.get(name, 0),
            way=self._ways.get(name) if isinstance(node, Choice) else None,
            seconds=self._seconds[name] / 1000,
            waited=self._waited[name] / 1000,
            children=Counter(self._ended[name].values()) if name in self._ended else {},
            by=self._by.get(name, ""),
        )


def _between(before: str, after: str) -> float:
    try:
        return max((datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def came_of(fact: Fact) -> Iterator[str]:
    """What came of a node, a line each."""
    if fact.status in ("ahead", "skipped"):
        return
    said = []
    if fact.attempts > 1:
        said.append(words.count(fact.attempts, "attempt"))
    if fact.rounds > 1:
        said.append(words.count(fact.rounds, "round"))
    said += [f"{count} {words.plain(how, 20)}" for how, count in fact.children.items()]
    if fact.seconds >= 0.1:
        said.append(_time(fact.seconds))
    if fact.waited >= 0.1:
        said.append(f"waited {_time(fact.waited)}")
    if fact.by:
        said.append(f"by {words.plain(fact.by, 40)}")
    yield "▸ " + ", ".join([{"done": "done", "running": "under way", "waiting": "waits"}[fact.status], *said])


def _time(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
