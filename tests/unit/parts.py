"""A small refund, of which the tests of definitions make plans."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal, NewType

from pydantic import BaseModel, Field, RootModel

from gatework import Approved, Block, Endorsed, IdempotencyKey, Pass, Untrusted, Verdict, effect, stage

OrderId = NewType("OrderId", str)


class Mail(BaseModel):
    text: str


class Claim(BaseModel):
    order: str
    amount: Decimal


class Kind(Enum):
    NEW = "new"
    USED = "used"


class Customer(BaseModel):
    name: str
    vip: bool


class Names(RootModel[list[str]]):
    pass


class Owed(BaseModel):
    order: OrderId
    amount: Decimal
    paid: Decimal | None
    items: int
    weight: float
    gift: bool
    level: Literal["low", "high"]
    kind: Kind
    due: date
    seen: datetime
    customer: Customer
    friend: Customer | None
    names: Names
    tags: list[str]
    value: Annotated[int, Field(gt=0)]


class Letter(BaseModel):
    body: str


class Receipt(BaseModel):
    payment: str


class Sent(BaseModel):
    message_id: str


class Tone(BaseModel):
    """How a letter sounds."""

    warmth: int = 3


def quotes(claim: Claim, mail: Mail) -> Verdict:
    return Pass()


async def look_up(claim: Claim) -> Owed | Block:
    return Block("No such order.")


async def look_up_customer(claim: Claim) -> Customer | Block:
    return Block("No such customer.")


@effect(once="order")
async def refund_order(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    return Receipt(payment=key)


@stage(quotes)
async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage()
async def merge(one: Untrusted[Claim], other: Untrusted[Claim]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage()
async def draft(owed: Endorsed[Owed], tone: str = "warm", style: Tone = Tone(warmth=5)) -> Endorsed[Letter]:  # noqa: B008
    raise NotImplementedError


@stage(tools=[refund_order])
async def pay(owed: Approved[Owed]) -> Endorsed[Receipt]:
    raise NotImplementedError


@stage()
async def send(letter: Endorsed[Letter], receipt: Endorsed[Receipt]) -> Endorsed[Sent]:
    raise NotImplementedError


@stage()
async def note(text: str) -> Letter:
    raise NotImplementedError


@stage()
async def fetch() -> Untrusted[Mail]:
    raise NotImplementedError


@stage()
async def audit(owed: Endorsed[Owed], letter: Letter, limits: list[int], note: str | None = None) -> Endorsed[Sent]:
    raise NotImplementedError
