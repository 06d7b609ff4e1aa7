"""Parcels: where an order is, for the customer whose order it is."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from activities.customers import identity_of
from activities.shop import reading
from gatework import Block, tool


class Status(BaseModel):
    """Where an order is."""

    order: str
    items: list[str]
    placed: str
    """ISO 8601, as all dates of our records."""
    status: str
    """A sentence that may be told to the customer, word for word."""


@tool(private=True)
async def order_status(customer: str, order: str) -> Status | Block:
    """Look up what is in an order of a customer, when it was placed and where it is."""
    return await asyncio.to_thread(status_of, customer, order) or Block("The customer has no order of that number.")


def status_of(customer: str, order: str) -> Status | None:
    """Where an order is; None unless it is this customer's."""
    with reading() as shop:
        found = shop.execute(
            "SELECT number, placed, sent, delivered FROM orders"
            " LEFT JOIN parcels ON parcels.order_number = orders.number WHERE number = ? AND customer = ?",
            (order, identity_of(customer)),
        ).fetchone()
        if found is None:
            return None
        number, placed, sent, delivered = found
        items = shop.execute("SELECT name FROM items WHERE order_number = ? ORDER BY id", (number,)).fetchall()
    return Status(order=number, items=[name for (name,) in items], placed=placed, status=_told(sent, delivered))


def _told(sent: str | None, delivered: str | None) -> str:
    if sent is None:
        return "Your order is being packed."
    if delivered is None:
        return f"Your order left our warehouse on {sent} and is on its way."
    return f"Your order left our warehouse on {sent} and arrived on {delivered}."
