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
from gatework.run.events import Overridden

Status = Literal["done", "running", "waiting", "skipped", "ahead"]

OVERRIDDEN = "▸ OVERRIDDEN"
OVERRIDDEN_COLOUR = "#a21caf"
"""That of no label."""
_MOST_OVERRIDDEN = 5


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
    overridden: bool = False
    """Whether people let it past what had stopped it, or something in a child run of it."""
    over: tuple[str, ...] = ()
    """Who did."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What came of a run."""

    run: str
    outcome: str
    """`running`, `waiting`, or how it ended."""
    nodes: Mapping[str, Fact]
    overridden: tuple[str, ...]
    """The nodes that people let past what had stopped them: also those that this plan does not have any more."""

    @property
    def loud(self) -> str:
        """What was overridden, in words; empty where nothing was. It stands before all else."""
        more = len(self.overridden) - _MOST_OVERRIDDEN
        shown = [words.name(name) for name in self.overridden[:_MOST_OVERRIDDEN]]
        return f"OVERRIDDEN: {words.listed([*shown, *([f'{more} more'] if more > 0 else [])])}" if shown else ""


def facts_of(
    plan: Plan,
    ledger: Sequence[Entry],
    statuses: Mapping[str, Status],
    *,
    run: str,
    outcome: str,
    overrides: Sequence[Overridden],
) -> Facts:
    """What a ledger says of each node of a plan. `statuses`, `overrides`: where each stands, and what people let on,
    as the run itself says.
    """
    told = _Told(ledger, overrides)
    nodes = {node.name: told.fact(node, statuses.get(node.name, "ahead")) for node in plan.steps}
    return Facts(run=run, outcome=outcome, nodes=nodes, overridden=tuple(dict.fromkeys(one.place for one in overrides)))


class _Told:
    """The receipts of a ledger, by the node that they are about."""

    def __init__(self, ledger: Sequence[Entry], overrides: Sequence[Overridden]) -> None:
        self._over: dict[str, dict[str, None]] = defaultdict(dict)
        for one in overrides:
            self._over[one.place] |= dict.fromkeys(one.by)
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
            overridden=name in self._over,
            over=tuple(self._over.get(name, ())),
        )


def _between(before: str, after: str) -> float:
    try:
        return max((datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def came_of(fact: Fact) -> Iterator[str]:
    """What came of a node, a line each."""
    if fact.overridden:
        by = " and ".join(words.plain(name, 40) for name in fact.over if name)
        yield f"{OVERRIDDEN}{f' by {by}' if by else ''}"
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
