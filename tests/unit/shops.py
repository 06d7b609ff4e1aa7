"""Tools of an outside system that counts what reaches it, and stages that hold them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gatework import Approved, Block, Endorsed, IdempotencyKey, Stage, Untrusted, stage
from gatework.define.tool import Effect, Tool, effect, tool
from gatework.plan.plan import Budget
from gatework.run.journal import Entry
from tests.unit.attempts import Claim, Mail, Owed, Receipt

INPUTS = {"owed": {"order": "7", "amount": 3}}
DONE = Receipt(payment="p")


class Shop:
    """An outside system: what it was asked to do, and what it says."""

    def __init__(self, answer: Any = DONE, found: Any = None) -> None:
        self.answer = answer
        self.found = found
        self.keys: list[str] = []
        self.probed: list[str] = []
        self.looked: list[str] = []

    def refund(self, *, probe: bool = False, **flags: Any) -> Effect[[str, int], Receipt]:
        async def find(key: IdempotencyKey) -> Receipt | None:
            self.probed.append(key)
            return await said(self.found)  # type: ignore[no-any-return]

        @effect(once="order", probe=find if probe else None, **flags)
        async def refund_order(key: IdempotencyKey, order: str, amount: int) -> Receipt | Block:
            self.keys.append(key)
            return await said(self.answer)  # type: ignore[no-any-return]

        return refund_order

    def look(self, **flags: Any) -> Tool[[str], str]:
        declare: Any = tool(**flags)

        @declare  # type: ignore[untyped-decorator]
        async def look_up(order: str) -> str | Block:
            """What we know of an order."""
            self.looked.append(order)
            return await said(f"order {order}" if self.answer is DONE else self.answer)  # type: ignore[no-any-return]

        return look_up  # type: ignore[no-any-return]


async def said(what: Any) -> Any:
    found = what() if callable(what) else what
    if isinstance(found, Awaitable):
        found = await found
    if isinstance(found, BaseException):
        raise found
    return found


def paying(
    refund: Effect[[str, int], Receipt], work: Callable[[Owed], Awaitable[Any]] | None = None, *tools: Any
) -> Stage[Any, Any]:
    """A stage that holds an effect, and calls it once unless it is to do something else."""

    async def once(owed: Owed) -> Receipt:
        return await refund(owed.order, owed.amount)

    @stage(tools=tools or [refund])
    async def pay(owed: Approved[Owed]) -> Endorsed[Receipt]:
        return Endorsed(await (work or once)(owed.value))

    return pay


def looking(work: Callable[[Mail], Awaitable[Any]], *tools: Any, budget: Budget | None = None) -> Stage[Any, Any]:
    """A stage that reads a mail, holds tools, and gives what its work gives."""

    @stage(tools=tools, budget=budget)
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim] | Block:
        found = await work(mail.value)
        return Untrusted(found if isinstance(found, Claim) else Claim(order=str(found), amount=3))

    return extract


async def never(call: Any) -> Entry:
    """For a stage that asks for no call."""
    raise AssertionError(f"{call.tool} was asked for")
