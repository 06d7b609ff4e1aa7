"""A tool keeps the types of its arguments and result; a limited stage keeps its own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import assert_type

from domain import Letter, Owed, Receipt, pay, refund_order

from gatework import (
    Approved,
    Block,
    Budget,
    Endorsed,
    IdempotencyKey,
    Secret,
    Untrusted,
    at_most,
    between,
    effect,
    matches,
    one_of,
    role,
    secret,
    stage,
    tool,
    workflow,
)


@tool
async def clock() -> str:
    return ""


@tool(untrusted=True, egress=True, on="web", approve_calls=role("ops"), timeout=timedelta(seconds=5), name="web")
async def search(query: str, most: int = 3, *, token: Secret = secret("TOKEN")) -> list[Letter] | Block:
    _ = token.reveal()
    return []


@effect(once="order", private=True, egress=True, on="payments", approve_calls=role("finance"))
async def swap(key: IdempotencyKey, order: str) -> Receipt:
    raise NotImplementedError


async def calls() -> None:
    assert_type(await clock(), str)
    assert_type(await search("words"), list[Letter])
    assert_type(await search("words", most=9), list[Letter])
    await search()  # rejected
    await search(3)  # rejected
    await search("words", "3")  # rejected
    await search("words", many=3)  # rejected
    (await search("words")).reason  # rejected


@stage(
    tools=[search, clock, refund_order.only(order=matches("[0-9]+"), amount=between(1, Decimal(9)))],
    budget=Budget(model_calls=3, tool_calls={"web": 2}, money="0.25"),
)
async def holds(owed: Approved[Owed]) -> Endorsed[Receipt]:
    raise NotImplementedError


@stage(tools=["search"])  # rejected
async def holds_a_name(owed: Approved[Owed]) -> Endorsed[Receipt]:
    raise NotImplementedError


@stage(tools=[at_most(3)])  # rejected
async def holds_a_limit(owed: Approved[Owed]) -> Endorsed[Receipt]:
    raise NotImplementedError


def limited(owed: Endorsed[Owed], agreed: Approved[Owed]) -> None:
    narrow = pay.limited(refund_order.only(order=agreed.value.order, amount=at_most(agreed.value.amount)))
    assert_type(narrow(agreed), Endorsed[Receipt])
    narrow(owed)  # rejected
    narrow()  # rejected
    pay.limited(refund_order)  # rejected
    pay.limited(at_most(3))  # rejected
    pay.limited(refund_order.only(order=one_of("7", "8")).only(amount=3)).as_("again")(owed)  # rejected
    refund_order.only("7")  # rejected
    matches(3)  # rejected


@tool  # rejected
def not_async() -> str:
    return ""


@tool(untrusted="yes")  # rejected
async def wrong_flag() -> str:
    return ""


@tool(once="order")  # rejected
async def no_effect(order: str) -> str:
    return ""


@tool(approve_calls="ops")  # rejected
async def approved_by_a_name() -> str:
    return ""


@effect(once="order", untrusted=True)  # rejected
async def untrusted_effect(key: IdempotencyKey, order: str) -> Receipt:
    raise NotImplementedError


@workflow(budget=Budget(tokens=9))
def budgeted(agreed: Endorsed[Owed]) -> Endorsed[Owed]:
    return agreed


async def runs(mail: Untrusted[Owed]) -> None:
    assert_type(budgeted.input.read(b""), Owed)


Budget(model_calls="3")  # rejected
Budget(money=0.25)  # rejected
secret(3)  # rejected
