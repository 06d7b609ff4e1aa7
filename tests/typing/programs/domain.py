"""What the programs of this folder are about: their models, and code that all of them use."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from gatework import Approved, Block, Endorsed, IdempotencyKey, Pass, Untrusted, Verdict, effect, stage


class Mail(BaseModel):
    text: str


class Claim(BaseModel):
    order: str
    amount: Decimal
    urgent: bool


class Owed(BaseModel):
    order: str
    amount: Decimal


class Letter(BaseModel):
    body: str


class Receipt(BaseModel):
    payment: str


class Sent(BaseModel):
    message_id: str


def quotes(claim: Claim, mail: Mail) -> Verdict:
    return Pass()


async def polite(letter: Letter) -> Verdict:
    return Pass()


async def owed_by_our_records(claim: Claim) -> Owed | Block:
    return Block("No such order.")


@effect(once="order")
async def refund_order(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    return Receipt(payment=key)


@stage(quotes, attempts=3)
async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
    raise NotImplementedError


@stage(polite)
async def draft(owed: Endorsed[Owed], tone: str = "warm") -> Endorsed[Letter]:
    raise NotImplementedError


@stage(tools=[refund_order])
async def pay(owed: Approved[Owed]) -> Endorsed[Receipt]:
    return Endorsed(await refund_order(owed.value.order, amount=owed.value.amount))


@stage()
async def send(letter: Endorsed[Letter], receipt: Endorsed[Receipt]) -> Endorsed[Sent]:
    raise NotImplementedError
