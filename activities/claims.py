"""Claims: what a customer wants back and why, read from the mail by a model."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel

from activities.mailbox import Mail, sentences
from activities.values import Claim
from gatework import Block, Budget, Untrusted, ask, stage
from guards.claims import (
    amounts_in,
    names_an_amount_of_the_mail,
    names_an_order_of_the_mail,
    quotes_the_mail,
    sender_is_the_mails,
    words_in,
)
from guards.instructions import gives_no_orders

__all__ = ["Claim", "extract"]

EXTRACT = (
    "What went wrong? Copy the sentence of the mail in which the customer says it, the order number and the amount."
)

_ORDER = re.compile(r"(?<![\w-])GW-[0-9]{4}(?![\w-])", re.IGNORECASE)
"""How our order numbers are written."""


class Reading(BaseModel):
    """What the model is asked for. The reason comes first: whoever has said why names order and amount better."""

    reason: str
    order: str
    amount: str


@stage(
    quotes_the_mail,
    gives_no_orders,
    names_an_order_of_the_mail,
    names_an_amount_of_the_mail,
    sender_is_the_mails,
    attempts=4,
    timeout=timedelta(minutes=3),
    budget=Budget(model_calls=1, tokens=10_000),
)
async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim] | Block:
    """Read the order number, the amount and the customer's own words for the reason.

    The model decides which of the mail's sentences is the reason, which of its order numbers is meant and which of
    its amounts. Code finds what there is to choose from, so that nothing is invented, and copies the sender. A model
    that is led by the mail can still choose wrongly among these: the guards look at that, and our records after them.
    """
    orders = list(
        dict.fromkeys(number.upper() for number in _ORDER.findall(mail.value.text + "\n" + mail.value.subject))
    )
    amounts = [str(amount) for amount in amounts_in(mail.value.text)]
    reasons = [sentence for sentence in sentences(mail.value.text) if words_in(sentence) >= 3]
    for found, what in ((orders, "number of an order"), (amounts, "amount of money"), (reasons, "sentence")):
        if not found:
            return Block(f"The mail holds no {what}.")
    reading = await ask(
        Reading,
        instructions=EXTRACT,
        about=Untrusted(mail.value.text),
        one_of={"reason": reasons, "order": orders, "amount": amounts},
        max_output_tokens=300,
    )
    read = reading.value
    return Untrusted(Claim(order=read.order, amount=Decimal(read.amount), reason=read.reason, sender=mail.value.sender))
