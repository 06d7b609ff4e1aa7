"""The purse: what one activity may spend of a budget. Taken before each call, settled after it.

Temporal may have run the same attempt before, on a worker that died with what it knew. So at its n-th try everything
is taken n times: once for this try, and once for each before, which may have spent as much.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from gatework.errors import BudgetError, ConfigError
from gatework.plan.plan import Budget
from gatework.run.budget import MAX_COUNT, Spent


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was taken for one question, once."""

    tokens: int
    money: Decimal


class Purse:
    """What is left to one activity. Nothing is taken beyond it: a `BudgetError` says what is used up."""

    def __init__(self, allowance: Budget, *, node: str, tries: int = 1) -> None:
        self._allowance = allowance
        self._node = node
        self._tries = max(tries, 1)
        self._model_calls = 0
        self._tokens = 0
        self._money = Decimal(0)
        self._tool_calls: Counter[str] = Counter()

    def take_question(self, tokens: int, money: Decimal | None) -> Reserved:
        """Take one model call that may use so many tokens and cost so much; None where nobody knows its price."""
        allowance, node = self._allowance, self._node
        calls, tokens_ = self._tries, tokens * self._tries
        if allowance.model_calls is not None and self._model_calls + calls > allowance.model_calls:
            raise BudgetError(f"{node} has no model call left of its budget.")
        if allowance.tokens is not None and self._tokens + tokens_ > allowance.tokens:
            left = max(allowance.tokens - self._tokens, 0)
            raise BudgetError(f"{node} has {left} tokens left of its budget, and may use {tokens_}.")
        if allowance.money is not None and money is None:
            raise BudgetError(f"{node} has a budget of money, and nobody knows what its model costs.")
        price = (money or Decimal(0)) * self._tries
        if allowance.money is not None and self._money + price > _decimal(allowance.money):
            raise BudgetError(f"{node} has too little money left of its budget for what its model may cost.")
        self._model_calls += calls
        self._tokens += tokens_
        self._money += price
        return Reserved(tokens, money or Decimal(0))

    def settle(self, reserved: Reserved, tokens: int, money: Decimal | None) -> None:
        """Put back what a question did not use. What it used beyond is gone as well."""
        self._tokens += min(max(tokens, 0), MAX_COUNT) - reserved.tokens
        self._money += max(money or Decimal(0), Decimal(0)) - reserved.money

    def take_call(self, tool: str, *, apart: bool = False) -> None:
        """Take one call of a tool. One that runs apart is asked for by the result of the activity, so by one try."""
        calls = 1 if apart else self._tries
        most = self._allowance.tool_calls.get(tool)
        if most is not None and self._tool_calls[tool] + calls > most:
            raise BudgetError(f"{self._node} has no call of {tool} left of its budget.")
        self._tool_calls[tool] += calls

    def spent(self, seconds: float) -> Spent:
        """What was taken and not put back, after so long at work."""
        return Spent(
            model_calls=self._model_calls,
            tokens=min(max(self._tokens, 0), MAX_COUNT),
            money=_text(self._money),
            tool_calls=dict(self._tool_calls),
            seconds=math.ceil(seconds * 1_000) / 1_000,
        )


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError("The plan has a budget of money that is no number.") from None


def _text(money: Decimal) -> str:
    return f"{max(money, Decimal(0)).normalize():f}"
