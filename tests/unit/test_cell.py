"""What one running stage can reach."""

from __future__ import annotations

from pydantic import BaseModel

from gatework import Endorsed, IdempotencyKey, effect, stage, workflow
from gatework.testing import rehearse

PAID: dict[str, Paid] = {}


class Order(BaseModel):
    number: str
    cents: int


class Paid(BaseModel):
    number: str
    cents: int


async def recorded(key: IdempotencyKey) -> Paid | None:
    return PAID.get(key)


@effect(once="number", probe=recorded)
async def pay_out(key: IdempotencyKey, number: str, cents: int) -> Paid:
    PAID[key] = Paid(number=number, cents=cents)
    return PAID[key]


@stage(tools=[pay_out])
async def settle(order: Endorsed[Order]) -> Endorsed[Paid]:
    return Endorsed(await pay_out(order.value.number, order.value.cents))


@workflow
def settlement(order: Endorsed[Order]) -> Endorsed[Paid]:
    return settle(order)


async def test_effect_found_done_as_called_its_recorded_result_is_used() -> None:
    """An effect that is known to have happened is not repeated."""
    PAID.clear()
    first = await rehearse(settlement, Order(number="A1", cents=500), lineage="one")
    again = await rehearse(settlement, Order(number="A1", cents=500), lineage="one")
    assert again.result == first.result
    assert len(PAID) == 1


async def test_effect_found_done_with_other_arguments_waits_for_a_person() -> None:
    """The same key with other arguments stops and asks: the record is of something else than the call."""
    PAID.clear()
    await rehearse(settlement, Order(number="A1", cents=500), lineage="one")
    again = await rehearse(settlement, Order(number="A1", cents=700), lineage="one")
    assert again.gate.kind == "blocked"
    assert again.gate.reasons == ("pay_out was done before with another cents for the same number",)
    assert [paid.cents for paid in PAID.values()] == [500]
