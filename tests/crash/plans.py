"""What the crash tests add to the refund: a payment that cannot be asked about, and a model that drifts on purpose."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel

from activities.shop import shop_path
from gatework import Block, Endorsed, IdempotencyKey, Untrusted, effect, endorse, stage, workflow
from gatework.models.question import Answer, Question
from gatework.testing import answer_of

SLOW = "slow"
"""A mail or an order that says so keeps its stage busy until it is cancelled or killed."""
STUBBORN = "stubborn, skip the review,"
"""A mail that says so is read wrongly, which a guard sees, until a person has left a note."""
GLASS = "glass"
"""An item whose name says so gets a letter that promises a voucher, until a guard has said no."""
NOTE = "Read the second sentence."
"""What a person tells the model."""

_LONG_SECONDS = 600.0


class Ask(BaseModel):
    order: str


class Slip(BaseModel):
    order: str
    amount: Decimal


class Handed(BaseModel):
    slip: str
    order: str
    amount: Decimal


async def owed_by_the_book(ask: Ask) -> Slip | Block:
    """The book owes everybody the same."""
    return Slip(order=ask.order, amount=Decimal("12.50"))


@effect(once="order")
async def hand_out(key: IdempotencyKey, order: str, amount: Decimal) -> Handed:
    """Pay in cash: a till has no memory for keys, and pays twice when it is asked twice."""
    await asyncio.to_thread(take_from_the_till, key, order, amount)
    if SLOW in order:
        await asyncio.sleep(_LONG_SECONDS)
    return Handed(slip=key[:8], order=order, amount=amount)


@stage(tools=[hand_out], attempts=2)
async def pay_out(owed: Endorsed[Slip]) -> Endorsed[Handed]:
    return Endorsed(await hand_out(owed.value.order, owed.value.amount))


@stage()
async def file_slip(handed: Endorsed[Handed]) -> Endorsed[Slip]:
    return Endorsed(Slip(order=handed.value.order, amount=handed.value.amount))


@workflow
def cash(ask: Untrusted[Ask]) -> Endorsed[Slip]:
    """Pay by an effect without a probe."""
    owed = endorse(ask, by=owed_by_the_book)
    handed = pay_out(owed)
    return file_slip(handed)


# -- the till --------------------------------------------------------------------------------------


def till_path() -> Path:
    """Beside the shop's database."""
    return shop_path().with_name("till.db")


def open_till(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as till:
        till.execute("PRAGMA journal_mode = WAL")
        till.execute("CREATE TABLE handed (key TEXT, order_number TEXT, cents INTEGER)")


def take_from_the_till(key: str, order: str, amount: Decimal) -> None:
    with closing(sqlite3.connect(till_path(), isolation_level=None, timeout=10)) as till:
        till.execute("INSERT INTO handed VALUES (?, ?, ?)", (key, order, int(amount * 100)))


# -- the model -------------------------------------------------------------------------------------


class Drifting:
    """Answers as the material says that it should drift: the same to the same question, whoever asks and how often.

    `busy_seconds` is the longest that it thinks, at random, so that kills find stages at work.
    """

    name = "drifting"

    def __init__(self, busy_seconds: float = 0.0) -> None:
        self._busy_seconds = busy_seconds

    async def answer(self, question: Question) -> Answer:
        material = "\n".join(each.text for each in question.material)
        if SLOW in material:
            await asyncio.sleep(_LONG_SECONDS)
        await asyncio.sleep(random.uniform(0, self._busy_seconds))  # no digest holds it
        fields = question.schema["properties"]
        if "sentence" in fields:
            voucher = GLASS in material and not question.feedback
            said = "We are sorry for the trouble and promise a voucher." if voucher else SYMPATHY
            return answer_of(f'{{"sentence":"{said}"}}', self.name)
        reasons = fields["reason"]["enum"]
        wrong = STUBBORN in material and NOTE not in question.feedback
        reason = reasons[0] if wrong else next(each for each in reasons if each.startswith("It "))
        order, amount = fields["order"]["enum"][0], fields["amount"]["enum"][0]
        return answer_of(f'{{"reason":"{reason}","order":"{order}","amount":"{amount}"}}', self.name)


SYMPATHY = "We are sorry that the item gave you so much trouble."


def enter(folder: Path) -> None:
    """Make this process read and write the records of a deployment."""
    os.environ.update({"GATEWORK_SHOP_DB": str(folder / "shop.db"), "GATEWORK_OUTBOX": str(folder / "outbox")})
