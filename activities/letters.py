"""Letters: the reply to a customer whose refund we pay."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field

from activities.orders import Owed
from activities.policy import Risk
from activities.values import Letter
from gatework import Budget, Endorsed, ask, stage
from guards.letters import (
    apologises,
    keeps_our_policy_to_itself,
    names_order_and_amount,
    no_links_or_addresses,
    no_other_numbers,
    promises_nothing_more,
    reads_like_a_sentence,
)

__all__ = ["Letter", "draft"]

DRAFT = "Write one polite sentence that says we are sorry about the trouble with the item."

_BODY = """\
Dear {customer},

{sympathy}

We refund {amount} {currency} for your order {order} ({item}). The money goes back the way it came.

Kind regards,
Customer service
"""


class Sympathy(BaseModel):
    """A sentence for a customer whose item was not as it should be."""

    sentence: str = Field(pattern=r"^We are sorry [A-Za-z' ,]{12,150}[.]$")


@stage(
    names_order_and_amount,
    no_other_numbers,
    no_links_or_addresses,
    promises_nothing_more,
    keeps_our_policy_to_itself,
    apologises,
    reads_like_a_sentence,
    attempts=4,
    timeout=timedelta(minutes=3),
    budget=Budget(model_calls=12, tokens=48_000),
)
async def draft(owed: Endorsed[Owed], risk: Endorsed[Risk]) -> Endorsed[Letter]:
    """Write the letter that tells of the refund.

    The model writes one sentence, of which it is given the beginning, knowing the name of the item and nothing else.
    Code writes the rest: order, item and amount come from our records and pass through no model. The guards look at
    the whole letter, so that one edited by a person is held to the same rules; `risk` is here for them alone.
    """
    record = owed.value
    sympathy = await ask(Sympathy, instructions=DRAFT, about=Endorsed(f"item: {record.item}"), max_output_tokens=120)
    return Endorsed(
        Letter(
            subject=f"Your refund for order {record.order}",
            body=_BODY.format(
                customer=record.customer_name,
                sympathy=sympathy.value.sentence,
                amount=f"{record.amount:.2f}",
                currency=record.currency,
                order=record.order,
                item=record.item,
            ),
        )
    )
