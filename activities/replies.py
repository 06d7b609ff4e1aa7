"""Replies: what support released, as a mail to the customer of our records."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from activities.customers import Customer
from activities.outbox import SUPPORT, Posted, outbox_path, put, recorded
from activities.values import Answer
from activities.vouchers import Gesture
from gatework import Approved, Block, Endorsed, IdempotencyKey, effect, stage

_BODY = """\
Dear {customer},

{told}

Kind regards,
Customer service
"""


class Reply(BaseModel):
    """A reply that was put into the outbox."""

    message_id: str
    customer: str
    to: str


async def find_reply(key: IdempotencyKey) -> Reply | None:
    """The reply that was sent under this key; None where none was."""
    there = await asyncio.to_thread(recorded, outbox_path(), key)
    return None if there is None else _reply(there)


@effect(once="customer", probe=find_reply, egress=True)
async def send_reply(key: IdempotencyKey, customer: str, to: str, subject: str, body: str) -> Reply | Block:
    """Send a mail to a customer."""
    sent = await asyncio.to_thread(put, outbox_path(), key, customer, to, subject, body, SUPPORT)
    return sent if isinstance(sent, Block) else _reply(sent)


@stage(tools=[send_reply], attempts=3, timeout=timedelta(minutes=1))
async def reply(answer: Approved[Answer], gesture: Endorsed[Gesture], customer: Endorsed[Customer]) -> Endorsed[Reply]:
    """Send the customer what support released, and tell of the voucher if there is one."""
    record = customer.value
    body = _BODY.format(customer=record.name, told=told(answer.value, gesture.value))
    subject = f"Your question about order {answer.value.order}" if answer.value.order else "Your question"
    return Endorsed(await send_reply(record.number, record.mail, subject, body))


def told(answer: Answer, gesture: Gesture) -> str:
    """What the customer reads between greeting and name."""
    paragraphs = [answer.opening, answer.status, answer.quotation]
    if voucher := gesture.voucher:
        paragraphs.append(
            f"To make good, you get a voucher of {voucher.amount:.2f} {voucher.currency}. Its code is {voucher.code}."
        )
    return "\n\n".join(filter(None, paragraphs))


def _reply(posted: Posted) -> Reply:
    return Reply(message_id=posted.message_id, customer=posted.about, to=posted.to)
