"""The outside world of a deployment: orders to refund, mails that ask for it, and what was really paid and sent."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from activities.mailbox import RawMail
from activities.shop import create_shop
from tests.crash import plans

FIRST, LAST = 1000, 9999
SMALL, LARGE = Decimal("34.90"), Decimal("149.00")
"""Below and above what finance approves."""

_MAIL = """\
From: {name} <{address}>
To: Refunds <refunds@shop.example>
Subject: Refund
Date: Mon, 2 Nov 2026 09:14:22 +0000
Message-ID: <{number}@mail.example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

I bought something {mood} from you, the order number is {number}.
It leaks from the base every time I fill it.
Please refund the {amount} EUR that I paid for it.
"""


@dataclass(frozen=True)
class Order:
    """One order of a customer of its own."""

    number: str
    large: bool

    @property
    def amount(self) -> Decimal:
        return LARGE if self.large else SMALL

    @property
    def address(self) -> str:
        return f"customer{self.number[3:]}@example.com"

    def mail(self, mood: str) -> RawMail:
        """The customer's mail; what the model does follows from its mood."""
        text = _MAIL.format(name="Robin Field", address=self.address, number=self.number, mood=mood, amount=self.amount)
        return RawMail(eml=base64.b64encode(text.replace("\n", "\r\n").encode()).decode())


@dataclass(frozen=True)
class Paid:
    """A payment as the bank, or the till, has it."""

    key: str
    payment: str
    payee: str
    cents: int


class Books:
    """The records of one deployment, made anew in a folder. Even orders are small, odd ones large."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next = FIRST
        records = folder / "records.json"
        orders = [self._order(number) for number in range(FIRST, LAST + 1)]
        customers = {order.address: "Robin Field" for order in orders}
        entries: dict[str, Any] = {}
        for order in orders:
            cents = int(order.amount * 100)
            item = f"Jug of {plans.GLASS}" if order.large else "Kettle"
            day = "2026-11-01"
            entries[order.number] = {
                "customer": order.address, "placed": day, "items": [[item, cents]], "payments": [[cents, day]],
            }  # fmt: skip
        records.write_text(json.dumps({"customers": customers, "orders": entries}), encoding="utf-8")
        create_shop(folder / "shop.db", records)
        plans.open_till(folder / "till.db")

    def order(self, *, large: bool) -> Order:
        """The next order that nobody has asked for."""
        while (order := self._order(self._next)).large is not large:
            self._next += 1
        self._next += 1
        return order

    def paid(self, order: str) -> list[Paid]:
        """Every payment for an order, by whichever way."""
        with closing(sqlite3.connect(self.folder / "shop.db", timeout=10)) as shop:
            rows = shop.execute("SELECT key, payment, payee, cents FROM refunds WHERE order_number = ?", (order,))
            found = [Paid(*row) for row in rows]
        with closing(sqlite3.connect(self.folder / "till.db", timeout=10)) as till:
            rows = till.execute("SELECT key, substr(key, 1, 8), '', cents FROM handed WHERE order_number = ?", (order,))
            return [*found, *(Paid(*row) for row in rows)]

    def replies(self, payment: str) -> list[str]:
        """To whom the mails about a payment went."""
        return [to for about, to in self._mails() if about == payment]

    @property
    def totals(self) -> tuple[int, int]:
        """Payments and replies of all runs together."""
        with (
            closing(sqlite3.connect(self.folder / "shop.db", timeout=10)) as shop,
            closing(sqlite3.connect(self.folder / "till.db", timeout=10)) as till,
        ):
            paid = shop.execute("SELECT count(*) FROM refunds").fetchone()[0]
            return paid + till.execute("SELECT count(*) FROM handed").fetchone()[0], len(self._mails())

    def _mails(self) -> list[tuple[str, str]]:
        outbox = self.folder / "outbox"
        found = []
        for path in [*(outbox / "new").glob("*"), *(outbox / "cur").glob("*")]:
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            found.append((str(message["X-Gatework-About"]), str(message["To"])))
        return found

    @staticmethod
    def _order(number: int) -> Order:
        return Order(f"GW-{number}", large=bool(number % 2))
