"""What a run shows of itself: exactly what a person decides on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from gatework import Block, Endorsed, IdempotencyKey, effect, role, stage, workflow
from gatework.temporal.progress import fitting, progress
from gatework.testing import rehearse


class Sum(BaseModel):
    order: str


class Receipt(BaseModel):
    order: str


@effect(once="order", approve_calls=role("boss"))
async def owed(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    return Receipt(order=order)


@stage()
async def known(note: Endorsed[Sum]) -> Endorsed[Sum]:
    return note


@stage(tools=[owed])
async def pay(debt: Endorsed[Sum]) -> Endorsed[Receipt | Block]:
    return Endorsed(await owed(order=debt.value.order, amount=Decimal("12.50")))


@workflow
def namesakes(note: Endorsed[Sum]) -> Endorsed[Receipt | Block]:
    """A value of the name of a tool."""
    owed = known(note)
    return pay(owed)


async def test_value_of_the_name_of_a_tool_does_not_hide_the_arguments_of_its_call() -> None:
    """What is approved is the call, whatever the values of the plan are called."""
    rehearsal = await rehearse(namesakes, Sum(order="A-1"))
    shown: Any = progress(namesakes.plan, rehearsal.state, receipts=1, head="", expires=None).waiting
    assert shown.kind == "call"
    assert list(shown.shown.items()) == [
        ("owed()", {"order": "A-1", "amount": "12.50"}),
        ("owed", {"order": "A-1"}),
    ]


def test_arguments_are_shown_before_anything_else_fits() -> None:
    """Where not all can be shown, other values are left out."""
    values = {"pay()": {"text": "x" * 400_000}, **{f"value_{n}": "x" * 300_000 for n in range(4)}}
    assert next(iter(fitting(values, "pay()"))) == "pay()"
    assert "pay()" not in fitting(values)
