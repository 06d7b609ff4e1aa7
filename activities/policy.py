"""The policy of refunds: how risky one is, by our own records alone. The same records give the same answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from activities.orders import Owed
from activities.shop import reading
from gatework import Endorsed, stage

Level = Literal["low", "medium", "high"]

WINDOW = timedelta(days=90)
"""How far back orders and refunds of a customer count."""


class Risk(BaseModel):
    """How risky a refund is."""

    level: Level
    reasons: list[str]
    """A sentence for each rule that applies; one that says so where none does."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What our records say of an order's age and of its customer's last 90 days."""

    order_days: int
    """Age of the order."""
    orders: int
    refunds: int


@stage(timeout=timedelta(seconds=30))
async def assess(owed: Endorsed[Owed]) -> Endorsed[Risk]:
    """Judge a refund by its amount, the age of the order and how often this customer was refunded."""
    history = await asyncio.to_thread(history_of, owed.value.order)
    return Endorsed(risk_of(owed.value.amount, history))


def risk_of(amount: Decimal, history: History) -> Risk:
    """The policy itself: each rule that applies raises the level to its own."""
    found: list[tuple[Level, str]] = []
    if amount > 500:
        found.append(("high", "The amount is above 500."))
    elif amount > 250:
        found.append(("medium", "The amount is above 250."))
    if history.order_days > 365:
        found.append(("high", f"The order is {history.order_days} days old."))
    elif history.order_days > 180:
        found.append(("medium", f"The order is {history.order_days} days old."))
    said = f"{history.refunds} of the customer's {history.orders} orders of the last 90 days were refunded."
    if history.refunds >= 3:
        found.append(("high", said))
    elif history.refunds >= 1 and 2 * history.refunds >= history.orders:
        found.append(("medium", said))
    if not found:
        return Risk(level="low", reasons=["No rule of the policy applies."])
    levels = [level for level, _ in found]
    highest: Level = "high" if "high" in levels else "medium"
    return Risk(level=highest, reasons=[reason for _, reason in found])


def history_of(order: str, today: date | None = None) -> History:
    """What our records say, counted back from `today`, or from the day of the newest order.

    By the records' own dates, not the clock of the machine: a run that is retried next week gets the same answer.
    """
    with reading() as shop:
        newest = today.isoformat() if today else shop.execute("SELECT max(placed) FROM orders").fetchone()[0]
        placed, customer = shop.execute("SELECT placed, customer FROM orders WHERE number = ?", (order,)).fetchone()
        since = (date.fromisoformat(newest) - WINDOW).isoformat()
        orders, refunds = shop.execute(
            "SELECT count(*), count(refunds.key) FROM orders LEFT JOIN refunds ON refunds.order_number = orders.number"
            " WHERE orders.customer = ? AND orders.placed >= ?",
            (customer, since),
        ).fetchone()
    return History(
        order_days=(date.fromisoformat(newest) - date.fromisoformat(placed)).days, orders=orders, refunds=refunds
    )
