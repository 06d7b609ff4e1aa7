"""An effect is called without its key, with its own arguments, and gives its result without the `Block`."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

from domain import Receipt, refund_order

from gatework import Block, IdempotencyKey, effect


async def find(key: IdempotencyKey) -> Receipt | None:
    return None


@effect(once="order", probe=find)
async def probed(key: IdempotencyKey, order: str, *, amount: Decimal) -> Receipt:
    return Receipt(payment=key)


@effect(once="order")
async def quiet(key: IdempotencyKey, order: str) -> str | Block:
    return order


async def calls(key: IdempotencyKey) -> None:
    assert_type(await refund_order("7", Decimal(3)), Receipt)
    assert_type(await probed("7", amount=Decimal(3)), Receipt)
    assert_type(await quiet("7"), str)
    await refund_order("7")  # rejected
    await refund_order(key, "7", Decimal(3))  # rejected
    await refund_order("7", "3")  # rejected
    await probed("7", Decimal(3))  # rejected
    (await refund_order("7", Decimal(3))).reason  # rejected


@effect(once="order")  # rejected
async def with_a_key_of_its_own(key: int, order: str) -> Receipt:
    raise NotImplementedError


@effect(once="order")  # rejected
def not_async(key: IdempotencyKey, order: str) -> Receipt:
    raise NotImplementedError


async def find_by_order(order: int) -> Receipt | None:
    return None


effect(once="order", probe=find_by_order)  # rejected
effect(probe=find)  # rejected
