"""Our records of orders: what was bought and paid, by whom, and what of it is still owed."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from decimal import Decimal

from pydantic import BaseModel

from activities.shop import create_shop, money, reading, shop_path
from activities.values import Claim
from gatework import Block

__all__ = ["Owed", "create_shop", "owed_by_our_records"]


_NUMBER = re.compile(r"GW-[0-9]{4}")


class Owed(BaseModel):
    """What a refund of an order would be. Every field comes from our records."""

    order: str
    customer: str
    """Mail address of the customer whose order it is."""
    customer_name: str
    item: str
    """Name of what is refunded: one item, or all of the order's, with commas."""
    amount: Decimal
    currency: str
    paid: Decimal
    """All that was paid for the order."""
    refunded: Decimal
    """All that was refunded of it before."""


async def owed_by_our_records(claim: Claim) -> Owed | Block:
    """The order as our database knows it: whose it is, what was paid, and which of our own figures is claimed."""
    return await asyncio.to_thread(look_up, claim.order, claim.amount, claim.sender)


def look_up(order: str, amount: Decimal, sender: str) -> Owed | Block:
    """What we owe `sender` for `order`, if `amount` is one of our own figures for it; else why nothing.

    The three are only compared with our records, so nothing of them enters the result, nor the reasons.
    """
    number = order.strip().upper()
    if not _NUMBER.fullmatch(number):
        return Block("The mail names nothing that could be the number of an order.")
    with reading() as shop:
        found = shop.execute(
            "SELECT orders.number, orders.currency, customers.mail, customers.name,"
            " (SELECT coalesce(sum(cents), 0) FROM payments WHERE order_number = orders.number),"
            " (SELECT coalesce(sum(cents), 0) FROM refunds WHERE order_number = orders.number)"
            " FROM orders JOIN customers ON customers.id = orders.customer WHERE orders.number = ?",
            (number,),
        ).fetchone()
        if found is None:
            return Block("Our records hold no order with the number that the mail names.")
        number, currency, customer, customer_name, paid, refunded = found
        items = shop.execute("SELECT name, cents FROM items WHERE order_number = ? ORDER BY id", (number,)).fetchall()
    if same_address(sender) != same_address(customer):
        return Block(f"Order {number} belongs to another customer than the sender of the mail.")
    if refunded:
        return Block(f"Order {number} has already been refunded.")
    if not paid:
        return Block(f"Order {number} has not been paid.")
    chosen = _chosen(amount, paid - refunded, items)
    if chosen is None:
        return Block(
            f"The amount claimed is neither what was paid for order {number} nor the price of one of its items."
        )
    item, cents = chosen
    return Owed(
        order=number,
        customer=customer,
        customer_name=customer_name,
        item=item,
        amount=money(cents),
        currency=currency,
        paid=money(paid),
        refunded=money(refunded),
    )


def _chosen(amount: Decimal, left: int, items: list[tuple[str, int]]) -> tuple[str, int] | None:
    """Which of our own figures the claimed amount is equal to."""
    if not amount.is_finite():
        return None
    if amount == money(left):
        return ", ".join(name for name, _ in items), left
    # A part of what was paid only: with a discount, an item's price can be more than that.
    named = [(name, cents) for name, cents in items if cents < left and amount == money(cents)]
    # Two items of one price cannot be told apart, and need not be: the money is the same.
    return (" or ".join(dict.fromkeys(name for name, _ in named)), named[0][1]) if named else None


def same_address(address: str) -> tuple[str, str]:
    """An address as it is compared: the domain without regard to case (RFC 5321, 2.4), the rest as it stands."""
    local, _, domain = address.strip().rpartition("@")
    return local, domain.casefold()


def main() -> int:
    """Make the shop's database, if there is none."""
    made = create_shop()
    sys.stdout.write(f"{shop_path()}: {'made' if made else 'there already'}, SQLite {sqlite3.sqlite_version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
