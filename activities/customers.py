"""Our records of customers: who wrote to us, what they ordered, and what we may give them to make good."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from pydantic import BaseModel

from activities.mailbox import Mail
from activities.shop import money, reading
from gatework import Block


class Customer(BaseModel):
    """A customer. Every field comes from our records."""

    number: str
    name: str
    mail: str
    """Where we write to."""
    orders: list[str]
    goodwill: Decimal
    """What all vouchers together may still come to."""


async def known_customer(mail: Mail) -> Customer | Block:
    """The customer with the address of a mail's sender, as our database knows them.

    Nothing proves that the sender is who the mail says. Whatever is answered goes to the address in our records.
    """
    return await asyncio.to_thread(customer_of, mail.sender)


def customer_of(sender: str) -> Customer | Block:
    """The customer of a mail address; the address is only compared with our records."""
    with reading() as shop:
        found = shop.execute(
            "SELECT id, name, mail, cents FROM customers JOIN goodwill ON goodwill.customer = customers.id"
            " WHERE mail = ?",
            (sender,),
        ).fetchone()
        if found is None:
            return Block("Our records hold no customer with the address that the mail came from.")
        identity, name, mail, goodwill = found
        orders = shop.execute("SELECT number FROM orders WHERE customer = ? ORDER BY number", (identity,)).fetchall()
    return Customer(
        number=customer_number(identity),
        name=name,
        mail=mail,
        orders=[number for (number,) in orders],
        goodwill=money(goodwill),
    )


def customer_number(identity: int) -> str:
    """The number of a customer as people write it."""
    return f"C-{identity:04d}"


def identity_of(number: str) -> int | None:
    """The row of a customer's number; None where it is none."""
    prefix, _, digits = number.partition("-")
    written = prefix == "C" and digits.isascii() and digits.isdigit() and len(digits) < 10
    return int(digits) if written and customer_number(int(digits)) == number else None
