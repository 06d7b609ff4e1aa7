"""What was spent, as receipts say it, and added up: whole numbers, milliseconds, decimals. Values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal

from gatework.values.canonical import Json
from gatework.verify.refusal import must

MOST = 10**9
"""Most that one receipt counts of anything."""

_MONEY = re.compile(r"[0-9]{1,15}(\.[0-9]{1,30})?")
EXACT = Context(prec=100)
"""Sums of amounts as receipts write them lose no digit."""


LONGEST = 10.0**15
"""More seconds than this are as many: so many are no limit, and what is counted of them stays a number."""


def milliseconds(seconds: float) -> int:
    """Seconds as they are counted."""
    return round(round(min(seconds, LONGEST), 3) * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent: by an attempt, by a node, or by a run."""

    model_calls: int = 0
    tokens: int = 0
    money: Decimal = Decimal(0)
    """US dollars."""
    tool_calls: Mapping[str, int] = field(default_factory=dict)
    milliseconds: int = 0

    def __add__(self, other: Spent) -> Spent:
        tools = dict(self.tool_calls)
        for tool, calls in other.tool_calls.items():
            tools[tool] = tools.get(tool, 0) + calls
        return Spent(
            model_calls=self.model_calls + other.model_calls,
            tokens=self.tokens + other.tokens,
            money=EXACT.add(self.money, other.money),
            tool_calls=tools,
            milliseconds=self.milliseconds + other.milliseconds,
        )

    def __sub__(self, other: Spent) -> Spent:
        """What this has beyond the other, which was a part of it."""
        tools = {tool: calls - other.tool_calls.get(tool, 0) for tool, calls in self.tool_calls.items()}
        return Spent(
            model_calls=self.model_calls - other.model_calls,
            tokens=self.tokens - other.tokens,
            money=EXACT.subtract(self.money, other.money),
            tool_calls={tool: calls for tool, calls in tools.items() if calls},
            milliseconds=self.milliseconds - other.milliseconds,
        )

    @property
    def data(self) -> dict[str, Json]:
        """As a receipt says it: nothing of what there was none of."""
        money = format(EXACT.normalize(self.money), "f")
        said: dict[str, Json] = {"model_calls": self.model_calls, "tokens": self.tokens, "money": money}
        said |= {"tool_calls": dict(self.tool_calls), "seconds": self.milliseconds / 1000}
        return {name: value for name, value in said.items() if value not in (0, "0", {})}


NOTHING = Spent()


def spent_in(how: Mapping[str, Json]) -> Spent:
    """What a receipt says was spent. Raises `Refused` where nothing can have been spent like that."""
    said = how.get("spent", {})
    if not said:
        return NOTHING
    tools = said.get("tool_calls", {})
    counts = (said.get("model_calls", 0), said.get("tokens", 0), *tools.values(), said.get("seconds", 0))
    money = said.get("money", "0")
    sound = all(0 <= count <= MOST for count in counts) and _MONEY.fullmatch(money) is not None
    must(sound, "budget", "A receipt says that more was spent than can be.")
    return Spent(
        model_calls=said.get("model_calls", 0),
        tokens=said.get("tokens", 0),
        money=Decimal(money),
        tool_calls=tools,
        milliseconds=milliseconds(said.get("seconds", 0)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a run has spent so far."""

    nodes: Mapping[str, Spent] = field(default_factory=dict)
    whole: Spent = NOTHING
    renewed: Spent = NOTHING
    """What the work at the position had spent when its last fresh attempt began: its budget counts from there."""
    taken_over: Spent = NOTHING
    """What the run had spent when it last went on where it had ended."""

    def of(self, node: str) -> Spent:
        """What a node has spent, or its child runs."""
        return self.nodes.get(node, NOTHING)

    def charged(self, node: str, spent: Spent) -> Account:
        """The account with what an attempt, or a child run, spent."""
        if spent is NOTHING:
            return self
        return replace(self, nodes={**self.nodes, node: self.of(node) + spent}, whole=self.whole + spent)


# -- what is left, and what is given ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a budget, or given of one, never less than nothing. What has no limit is None, or no tool."""

    model_calls: int | None
    tokens: int | None
    money: Decimal | None
    tool_calls: Mapping[str, int]
    milliseconds: int | None
    output_bytes: int | None

    @property
    def parts(self) -> dict[str, int | Decimal]:
        """What has a limit, and is spent."""
        parts = {"model_calls": self.model_calls, "tokens": self.tokens, "money": self.money, "time": self.milliseconds}
        tools = {f"calls of {tool}": calls for tool, calls in self.tool_calls.items()}
        return tools | {name: part for name, part in parts.items() if part is not None}

    @property
    def without_any(self) -> bool:
        """Whether nothing is left of some part."""
        return 0 in self.parts.values()

    def holds(self, given: Left) -> bool:
        """Whether so much of it can be given: of each part that has a limit some, and of no other."""
        own, parts = self.parts, given.parts
        return (
            given.output_bytes == self.output_bytes
            and own.keys() == parts.keys()
            and all(parts[name] <= part for name, part in own.items())
        )

    @property
    def whole(self) -> Spent:
        """All of it, as if it were spent."""
        return Spent(
            model_calls=self.model_calls or 0,
            tokens=self.tokens or 0,
            money=self.money or Decimal(0),
            tool_calls=self.tool_calls,
            milliseconds=self.milliseconds or 0,
        )

    def gone(self, spent: Spent) -> bool:
        """Whether nothing is left of what is needed: of time, and of what somebody has spent of before."""
        used = (
            (self.model_calls, spent.model_calls), (self.tokens, spent.tokens), (self.money, spent.money),
            (self.milliseconds, 1),
        )  # fmt: skip
        return any(left == 0 and before for left, before in used if left is not None)


def lent_in(how: Mapping[str, Json]) -> Left | None:
    """What a receipt says a child run is given; None where nothing limits it. Raises `Refused` for what cannot be."""
    given = how.get("given")
    if given is None:
        return None
    money, seconds = given.get("money"), given.get("seconds")
    must(money is None or _MONEY.fullmatch(money) is not None, "budget", "A child run is given money that is none.")
    return Left(
        model_calls=given.get("model_calls"),
        tokens=given.get("tokens"),
        money=None if money is None else Decimal(money),
        tool_calls=given.get("tool_calls", {}),
        milliseconds=None if seconds is None else milliseconds(seconds),
        output_bytes=given.get("output_bytes"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """What the child runs have that are under way."""

    each: Mapping[int, Left] = field(default_factory=dict)
    """By their numbers; of those alone that a budget limits."""
    whole: Spent = NOTHING

    def to(self, number: int, given: Left | None) -> Lent:
        """With what one more is given."""
        return Lent(each={**self.each, number: given}, whole=self.whole + given.whole) if given else self

    def back(self, number: int) -> Lent:
        """Without one that has come to something."""
        given = self.each.get(number)
        if given is None:
            return self
        return Lent(each={n: one for n, one in self.each.items() if n != number}, whole=self.whole - given.whole)
