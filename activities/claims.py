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
    could_be_a_reason,
    names_an_amount_of_the_mail,
    names_an_order_of_the_mail,
    quotes_the_mail,
    says_what_is_wrong,
    sender_is_the_mails,
)
from guards.instructions import gives_no_orders

__all__ = ["Claim", "extract"]

EXTRACT = (
    "What went wrong? Copy the sentence of the mail in which the customer says it, the order number and the amount."
)

_ORDER = re.compile(r"(?<![\w-])GW-[0-9]{4}(?![\w-])", re.IGNORECASE)
"""How our order numbers are written."""


class Message(BaseModel):
    """What the model is shown of a mail: its text, and none of the header, which names no fault of an item."""

    text: str


class Reading(BaseModel):
    """What the mail says, in its own words."""

    # The reason comes first. After an order number a small model picks the sentence that holds the number.
    reason: str
    order: str
    amount: str


@stage(
    quotes_the_mail,
    says_what_is_wrong,
    gives_no_orders,
    names_an_order_of_the_mail,
    names_an_amount_of_the_mail,
    sender_is_the_mails,
    attempts=4,
    timeout=timedelta(minutes=3),
    budget=Budget(model_calls=12, tokens=120_000),
)
async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim] | Block:
    """Read the order number, the amount and the customer's own words for the reason.

    The model decides which of the mail's sentences is the reason, which of its order numbers is meant and which of
    its amounts. Code finds what there is to choose from, so that nothing is invented: a mail with one order number
    leaves no choice of it. Code copies the sender. A model that is led by the mail can still choose an instruction as
    the reason, or another customer's order: the guards look at the one, our records at the other.
    """
    text, subject = mail.value.text, mail.value.subject
    written = sentences(text)
    reasons = [sentence for sentence in written if could_be_a_reason(sentence)] or written
    orders = _orders(text) or _orders(subject)
    amounts = [str(amount) for amount in amounts_in(text)]
    for choices, what in ((reasons, "sentence"), (orders, "number of an order"), (amounts, "amount of money")):
        if not choices:
            return Block(f"The mail holds no {what}.")
    reading = await ask(
        Reading,
        instructions=EXTRACT,
        about=Untrusted(Message(text=text)),
        one_of={"reason": reasons, "order": orders, "amount": amounts},
        max_output_tokens=300,
    )
    read = reading.value
    return Untrusted(Claim(order=read.order, amount=Decimal(read.amount), reason=read.reason, sender=mail.value.sender))


def _orders(text: str) -> list[str]:
    return list(dict.fromkeys(number.upper() for number in _ORDER.findall(text)))
