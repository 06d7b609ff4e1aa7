"""Effects that pay by the service, as a deployment would write them, and workflows that use them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from gatework import (
    Block,
    Budget,
    Endorsed,
    IdempotencyKey,
    NotDone,
    Secret,
    Untrusted,
    ask,
    effect,
    endorse,
    secret,
    stage,
    workflow,
)

PATIENCE_SECONDS = 1.0
"""How long the client waits for the service."""


class Wanted(BaseModel):
    order: str


class Slip(BaseModel):
    order: str
    amount: Decimal


class Paid(BaseModel):
    slip: str
    order: str
    amount: Decimal


class Told(BaseModel):
    text: str


TOKEN = secret("PAYMENTS_TOKEN")


def _asked(method: str, path: str, token: str, document: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PAYMENTS_PORT"]), timeout=PATIENCE_SECONDS)
    try:
        try:
            connection.connect()
        except OSError:
            # Nothing was sent, so nothing has happened.
            raise NotDone("The payment service cannot be reached.") from None
        connection.request(method, path, json.dumps(document), {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


async def _pay(key: str, order: str, amount: Decimal, token: Secret) -> Paid | Block:
    document = {"key": key, "order": order, "cents": int(amount * 100)}
    status, said = await asyncio.to_thread(_asked, "POST", "/payments", token.reveal(), document)
    if status == 422:
        return Block("the payment service refuses it")
    if status != 200:
        raise RuntimeError("the payment service failed")
    return Paid.model_validate(said)


async def paid_under(key: IdempotencyKey, *, token: Secret = TOKEN) -> Paid | None:
    """What the service has under a key."""
    status, said = await asyncio.to_thread(_asked, "GET", f"/payments/{key}", token.reveal())
    if status == 404:
        return None
    if status != 200:
        raise RuntimeError("the payment service failed")
    return Paid.model_validate(said)


TIMEOUT = timedelta(seconds=5)


@effect(once="order", probe=paid_under, timeout=TIMEOUT)
async def transfer(key: IdempotencyKey, order: str, amount: Decimal, *, token: Secret = TOKEN) -> Paid | Block:
    """Pay an order; the service can be asked by key."""
    return await _pay(key, order, amount, token)


@effect(once="order", timeout=TIMEOUT)
async def wire_blindly(key: IdempotencyKey, order: str, amount: Decimal, *, token: Secret = TOKEN) -> Paid | Block:
    """Pay an order; nobody can be asked what became of it."""
    return await _pay(key, order, amount, token)


async def owed_by_the_book(wanted: Wanted) -> Slip | Block:
    """The book owes everybody the same."""
    return Slip(order=wanted.order, amount=Decimal("12.50"))


@stage(tools=[transfer], attempts=3)
async def pay_asked(owed: Endorsed[Slip]) -> Endorsed[Paid]:
    return Endorsed(await transfer(owed.value.order, owed.value.amount))


@stage(tools=[wire_blindly], attempts=3)
async def pay_blindly(owed: Endorsed[Slip]) -> Endorsed[Paid]:
    return Endorsed(await wire_blindly(owed.value.order, owed.value.amount))


@stage(tools=[transfer], attempts=3, budget=Budget(model_calls=20, tokens=100_000))
async def decide(owed: Endorsed[Slip]) -> Endorsed[Told]:
    return await ask(Told, instructions="Pay what is owed.", about=owed, tools=[transfer])


@workflow
def online(wanted: Untrusted[Wanted]) -> Endorsed[Paid]:
    """Paid by code, with a probe."""
    owed = endorse(wanted, by=owed_by_the_book)
    return pay_asked(owed)


@workflow
def blind(wanted: Untrusted[Wanted]) -> Endorsed[Paid]:
    """Paid by code, without a probe."""
    owed = endorse(wanted, by=owed_by_the_book)
    return pay_blindly(owed)


@workflow
def by_model(wanted: Untrusted[Wanted]) -> Endorsed[Told]:
    """Paid because a model says so, with a probe."""
    owed = endorse(wanted, by=owed_by_the_book)
    return decide(owed)


TELLERS = "tellers"
"""The task queue of those who hold the credential."""


@effect(once="order", probe=paid_under, timeout=TIMEOUT, on=TELLERS)
async def transfer_at_the_counter(
    key: IdempotencyKey, order: str, amount: Decimal, *, token: Secret = TOKEN
) -> Paid | Block:
    """Pay an order; only workers of the queue can."""
    return await _pay(key, order, amount, token)


@stage(tools=[transfer_at_the_counter], attempts=3)
async def pay_at_the_counter(owed: Endorsed[Slip]) -> Endorsed[Paid]:
    if "PAYMENTS_TOKEN" in os.environ:
        raise RuntimeError("the stage must not hold the credential")
    return Endorsed(await transfer_at_the_counter(owed.value.order, owed.value.amount))


@workflow
def counter(wanted: Untrusted[Wanted]) -> Endorsed[Paid]:
    """Paid by workers that hold the credential, asked for by a stage that does not."""
    owed = endorse(wanted, by=owed_by_the_book)
    return pay_at_the_counter(owed)
