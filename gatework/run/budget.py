"""What was spent of a budget, and what is left of it: exact arithmetic, field by field.

Pure. Reserving before a call and settling after it are the cell's; what an attempt may spend at all, the machine says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_DOWN, Context, Decimal
from typing import TypeVar

from gatework.plan.plan import Budget
from gatework.values.canonical import Json

MAX_COUNT = 10**9
"""Most that a field of `Spent` counts; more is no report of anything that happened."""

_MONEY = re.compile(r"[0-9]{1,15}(\.[0-9]{1,30})?")
_SMALLEST_SHARE = Decimal("0.000001")
_EXACT = Context(prec=100)
"""Sums of amounts as `_MONEY` writes them lose no digit."""

Number = TypeVar("Number", int, float, Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent: by one activity, by a stage, or by a run."""

    model_calls: int = 0
    tokens: int = 0
    money: str = "0"
    """US dollars, as a decimal number."""
    tool_calls: Mapping[str, int] = field(default_factory=dict)
    """Tool → calls. One that runs apart counts when an attempt asks for it, whatever becomes of it."""
    seconds: float = 0.0
    """Time at work, in whole milliseconds."""


NOTHING = Spent()

_FIELDS = tuple(field.name for field in fields(Spent))
_LENT = tuple(field.name for field in fields(Budget))


def told(spent: Spent) -> dict[str, Json]:
    """What a receipt says of what was spent, as its member `spent`: nothing of what there was none of."""
    all_of_it = {name: getattr(spent, name) for name in _FIELDS}
    some = {name: value for name, value in all_of_it.items() if value not in (0, "0", {})}
    return {"spent": some} if some else {}


def lent(given: Budget | None) -> dict[str, Json]:
    """What a receipt says a child run is given, as its member `given`: each part that is limited, down to nothing."""
    parts = {name: getattr(given, name) for name in _LENT} if given else {}
    some = {name: value for name, value in parts.items() if value is not None and value != {}}
    return {"given": some} if some else {}


def unsound(spent: Spent) -> bool:
    """Whether this is no report of what was spent: it holds a negative, endless or monstrous number."""
    counts = (spent.model_calls, spent.tokens, *spent.tool_calls.values())
    return (
        any(not 0 <= count <= MAX_COUNT for count in counts)
        or not (math.isfinite(spent.seconds) and 0 <= spent.seconds <= MAX_COUNT)
        or _MONEY.fullmatch(spent.money) is None
    )


# -- adding up -------------------------------------------------------------------------------------


def plus(one: Spent, other: Spent) -> Spent:
    """Both together."""
    tools = {**one.tool_calls, **other.tool_calls}
    return Spent(
        model_calls=one.model_calls + other.model_calls,
        tokens=one.tokens + other.tokens,
        money="0" if one.money == other.money == "0" else _text(_EXACT.add(Decimal(one.money), Decimal(other.money))),
        tool_calls={tool: one.tool_calls.get(tool, 0) + other.tool_calls.get(tool, 0) for tool in tools},
        seconds=_milliseconds(one.seconds + other.seconds),
    )


def minus(one: Spent, other: Spent) -> Spent:
    """What one has beyond the other; nothing where it has less."""
    if one == NOTHING:
        return one
    return Spent(
        model_calls=max(0, one.model_calls - other.model_calls),
        tokens=max(0, one.tokens - other.tokens),
        money=_text(_difference(one.money, other.money)),
        tool_calls={tool: max(0, calls - other.tool_calls.get(tool, 0)) for tool, calls in one.tool_calls.items()},
        seconds=_milliseconds(max(0.0, one.seconds - other.seconds)),
    )


def total(every: Iterable[Spent]) -> Spent:
    """All together, as `plus` adds them one by one."""
    model_calls, tokens, money, seconds = 0, 0, Decimal(0), 0.0
    tools: dict[str, int] = {}
    for one in every:
        model_calls += one.model_calls
        tokens += one.tokens
        if one.money != "0":
            money = _EXACT.add(money, Decimal(one.money))
        seconds = _milliseconds(seconds + one.seconds)
        for tool, calls in one.tool_calls.items():
            tools[tool] = tools.get(tool, 0) + calls
    return Spent(
        model_calls=model_calls,
        tokens=tokens,
        money=_text(money),
        tool_calls=tools,
        seconds=seconds,
    )


# -- what is left ----------------------------------------------------------------------------------


def left(budget: Budget, spent: Spent) -> Budget:
    """What is left of a budget; nothing where more was spent. What has no limit keeps none."""
    if spent == NOTHING and budget.money is None and budget.seconds is None:
        return budget
    return Budget(
        model_calls=None if budget.model_calls is None else max(0, budget.model_calls - spent.model_calls),
        tokens=None if budget.tokens is None else max(0, budget.tokens - spent.tokens),
        money=None if budget.money is None else _text(_difference(budget.money, spent.money)),
        tool_calls={tool: max(0, calls - spent.tool_calls.get(tool, 0)) for tool, calls in budget.tool_calls.items()},
        seconds=None if budget.seconds is None else _milliseconds(max(0.0, budget.seconds - spent.seconds)),
        output_bytes=budget.output_bytes,
    )


def without(budget: Budget, reserved: Budget) -> Budget:
    """What is left of a budget beside what is set aside; nothing where all of it is. What has no limit keeps none."""
    return left(
        budget,
        Spent(
            model_calls=reserved.model_calls or 0,
            tokens=reserved.tokens or 0,
            money=reserved.money or "0",
            tool_calls=reserved.tool_calls,
            seconds=reserved.seconds or 0.0,
        ),
    )


def share(budget: Budget, many: int) -> tuple[int, Budget]:
    """How many of so many may have an equal share of a budget, and the share, in which there is something of each part.

    None may where nothing is left of some part.
    """
    whole = [n for n in (budget.model_calls, budget.tokens, *budget.tool_calls.values()) if n is not None]
    empty = (budget.money is not None and Decimal(budget.money) == 0) or budget.seconds == 0
    many = 0 if empty else min((many, *whole))
    if many <= 0:
        return 0, Budget()
    money = _amount(budget.money)
    each = None if money is None else _EXACT.divide(money, many).quantize(_SMALLEST_SHARE, ROUND_DOWN, context=_EXACT)
    return many, Budget(
        model_calls=None if budget.model_calls is None else budget.model_calls // many,
        tokens=None if budget.tokens is None else budget.tokens // many,
        money=None if each is None else _text(each),
        tool_calls={tool: calls // many for tool, calls in budget.tool_calls.items()},
        seconds=None if budget.seconds is None else math.floor(budget.seconds / many * 1000) / 1000,
        output_bytes=budget.output_bytes,
    )


def smaller(one: Budget, other: Budget) -> Budget:
    """What both allow: of each field the smaller."""
    tools = {**one.tool_calls, **other.tool_calls}
    money = _less(_amount(one.money), _amount(other.money))
    return Budget(
        model_calls=_less(one.model_calls, other.model_calls),
        tokens=_less(one.tokens, other.tokens),
        money=None if money is None else _text(money),
        tool_calls={
            tool: min(one.tool_calls.get(tool, calls), other.tool_calls.get(tool, calls))
            for tool, calls in tools.items()
        },
        seconds=_less(one.seconds, other.seconds),
        output_bytes=_less(one.output_bytes, other.output_bytes),
    )


def times(budget: Budget, attempts: int) -> Budget:
    """A budget of model calls and tokens, for so many attempts."""
    return Budget(
        model_calls=None if budget.model_calls is None else budget.model_calls * attempts,
        tokens=None if budget.tokens is None else budget.tokens * attempts,
    )


def used_up(allowance: Budget, spent: Spent) -> tuple[str, ...]:
    """What nothing is left of, in words, though it is needed: time by everything, the rest by what spent of it before.

    A stage that never asks a model runs on when a run has no model calls left.
    """
    found = []
    if allowance.model_calls == 0 and spent.model_calls:
        found.append("model calls")
    if allowance.tokens == 0 and spent.tokens:
        found.append("tokens")
    if _amount(allowance.money) == 0 and Decimal(spent.money):
        found.append("money")
    if allowance.seconds == 0:
        found.append("time")
    return tuple(found)


# -- numbers ---------------------------------------------------------------------------------------


def _less(one: Number | None, other: Number | None) -> Number | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _amount(money: str | None) -> Decimal | None:
    return None if money is None else Decimal(money)


def _difference(one: str, other: str) -> Decimal:
    return max(Decimal(0), _EXACT.subtract(Decimal(one), Decimal(other)))


def _text(amount: Decimal) -> str:
    """The one way in which an amount is written: without exponent, without zeros at its end."""
    return format(_EXACT.normalize(amount), "f")


def _milliseconds(seconds: float) -> float:
    return round(seconds, 3)
