"""Vouchers: what we give to make good. One for an order, within what our records allow a customer."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel, Field

from activities.customers import Customer, customer_number, identity_of
from activities.shop import CURRENCY, cents_of, money, reading, writing
from activities.values import Answer
from gatework import Approved, Block, Budget, Endorsed, IdempotencyKey, ask, effect, role, stage

MAKE_GOOD = (
    "Support has released the answer to a customer. Decide whether we owe a gesture: where the order came later than "
    "a week after it left our warehouse, grant one voucher with grant_voucher, of at most the customer's goodwill. "
    "Otherwise call nothing. Then say in a sentence why."
)


class Voucher(BaseModel):
    """A voucher that was granted."""

    code: str
    customer: str
    order: str
    amount: Decimal
    currency: str


class Gesture(BaseModel):
    """What a customer gets besides the answer."""

    voucher: Voucher | None
    why: str = Field(max_length=300)
    """What the model says of it; the customer is not told."""


class Decision(BaseModel):
    """Why a voucher was granted, or none."""

    why: str = Field(max_length=300)


async def find_voucher(key: IdempotencyKey) -> Voucher | None:
    """The voucher that was granted under this key; None where none was."""
    return await asyncio.to_thread(recorded, key)


@effect(once="order", probe=find_voucher, approve_calls=role("support"))
async def grant_voucher(key: IdempotencyKey, customer: str, order: str, amount: Decimal) -> Voucher | Block:
    """Grant the customer a voucher, to make good what went wrong with an order."""
    return await asyncio.to_thread(grant, key, customer, order, amount)


@stage(
    tools=[grant_voucher],
    attempts=2,
    timeout=timedelta(minutes=3),
    budget=Budget(model_calls=6, tokens=30_000, tool_calls={"grant_voucher": 1}),
)
async def make_good(agreed: Approved[Answer], customer: Endorsed[Customer]) -> Endorsed[Gesture]:
    """Let the model decide whether the customer gets a voucher, and of how much.

    What it says of its voucher is not believed: whether there is one, our books say.
    """
    decision = await ask(Decision, instructions=MAKE_GOOD, about=[agreed, customer], tools=[grant_voucher])
    voucher = await asyncio.to_thread(voucher_for, agreed.value.order)
    return Endorsed(Gesture(voucher=voucher, why=decision.value.why))


def grant(key: str, customer: str, order: str, amount: Decimal) -> Voucher | Block:
    """Enter a voucher under its key, in one transaction; under a key that is known, the voucher as it was entered."""
    if not key:
        return Block("A voucher needs a key.")
    cents = cents_of(amount)
    if cents is None:
        return Block("The amount of a voucher is a positive number of whole cents.")
    with writing() as shop:
        if (there := _voucher(shop, "key", key)) is not None:
            if (there.customer, there.order, there.amount) != (customer, order, money(cents)):
                return Block("Another voucher was granted under this key.")
            return there
        owner = shop.execute("SELECT customer FROM orders WHERE number = ?", (order,)).fetchone()
        if owner is None or owner[0] != identity_of(customer):
            return Block("The customer has no order of that number.")
        if _voucher(shop, "order_number", order) is not None:
            return Block(f"There is a voucher for order {order} already.")
        left = shop.execute("SELECT cents FROM goodwill WHERE customer = ?", owner).fetchone()[0]
        if cents > left:
            return Block("That is more than our goodwill for the customer.")
        code = "V-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        today = datetime.now(UTC).date().isoformat()
        # The table's own constraints say the same again; what they refuse is not granted.
        shop.execute(
            "INSERT INTO vouchers (key, code, order_number, customer, cents, currency, granted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, code, order, owner[0], cents, CURRENCY, today),
        )
        return _voucher(shop, "key", key) or Block("The voucher was not entered.")


def recorded(key: str) -> Voucher | None:
    """The voucher that was entered under a key."""
    with reading() as shop:
        return _voucher(shop, "key", key)


def voucher_for(order: str) -> Voucher | None:
    """The voucher of an order."""
    with reading() as shop:
        return _voucher(shop, "order_number", order)


def _voucher(shop: sqlite3.Connection, column: str, value: str) -> Voucher | None:
    found = shop.execute(
        f"SELECT code, customer, order_number, cents, currency FROM vouchers WHERE {column} = ?",  # noqa: S608  # ours
        (value,),
    ).fetchone()
    if found is None:
        return None
    code, customer, order, cents, currency = found
    return Voucher(code=code, customer=customer_number(customer), order=order, amount=money(cents), currency=currency)
