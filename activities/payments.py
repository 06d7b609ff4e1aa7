"""The bank: refunds are paid by being entered in our books, once for an order and never more than was paid."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel

from activities.orders import Owed
from activities.shop import cents_of, money, reading, writing
from gatework import Approved, Block, Endorsed, IdempotencyKey, effect, stage

_RECEIPT = "SELECT payment, order_number, payee, cents, currency FROM refunds WHERE key = ?"


class Receipt(BaseModel):
    """A refund that was paid."""

    payment: str
    """Its number in our books."""
    order: str
    customer: str
    """Mail address of the customer who got it, from our records."""
    amount: Decimal
    currency: str


async def find_refund(key: IdempotencyKey) -> Receipt | None:
    """The refund that was paid under this key; None where none was."""
    return await asyncio.to_thread(recorded, key)


@effect(once="order", probe=find_refund)
async def refund_order(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    """Pay the customer of an order back."""
    return await asyncio.to_thread(pay_back, key, order, amount)


@stage(tools=[refund_order], attempts=3, timeout=timedelta(minutes=1))
async def pay(owed: Approved[Owed]) -> Endorsed[Receipt]:
    """Pay what was approved."""
    return Endorsed(await refund_order(owed.value.order, owed.value.amount))


def pay_back(key: str, order: str, amount: Decimal) -> Receipt | Block:
    """Enter a refund under its key, in one transaction; under a key that is known, the refund as it was entered."""
    if not key:
        return Block("A refund needs a key.")
    cents = cents_of(amount)
    if cents is None:
        return Block("The amount of a refund is a positive number of whole cents.")
    with writing() as shop:
        if (receipt := _receipt(shop, key)) is not None:
            if (receipt.order, receipt.amount) != (order, money(cents)):
                return Block("Another refund was paid under this key.")
            return receipt
        known = shop.execute(
            "SELECT customers.mail, orders.currency,"
            " (SELECT coalesce(sum(cents), 0) FROM payments WHERE order_number = orders.number),"
            " (SELECT count(*) FROM refunds WHERE order_number = orders.number)"
            " FROM orders JOIN customers ON customers.id = orders.customer WHERE orders.number = ?",
            (order,),
        ).fetchone()
        if known is None:
            return Block("Our records hold no such order.")
        payee, currency, paid, refunds = known
        if refunds:
            return Block(f"Order {order} has already been refunded.")
        if cents > paid:
            return Block(f"That is more than was paid for order {order}.")
        payment = "R-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        today = datetime.now(UTC).date().isoformat()
        # The table's own constraints say the same again; what they refuse is not paid.
        shop.execute(
            "INSERT INTO refunds (key, payment, order_number, payee, cents, currency, made)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, payment, order, payee, cents, currency, today),
        )
        return _receipt(shop, key) or Block("The refund was not entered.")


def recorded(key: str) -> Receipt | None:
    """The refund that was entered under a key."""
    with reading() as shop:
        return _receipt(shop, key)


def _receipt(shop: sqlite3.Connection, key: str) -> Receipt | None:
    found = shop.execute(_RECEIPT, (key,)).fetchone()
    if found is None:
        return None
    payment, order, customer, cents, currency = found
    return Receipt(payment=payment, order=order, customer=customer, amount=money(cents), currency=currency)
