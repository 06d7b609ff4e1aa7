"""Answer a customer's question: read it, look things up, let support release the answer, make good, and reply."""

from __future__ import annotations

from datetime import timedelta

from activities.answers import look_up
from activities.customers import known_customer
from activities.mailbox import RawMail, mail_key, read
from activities.parcels import order_status
from activities.replies import Reply, reply, send_reply
from activities.vouchers import grant_voucher, make_good
from gatework import Budget, Endorsed, Untrusted, approve, at_most, endorse, one_of, role, workflow


@workflow(key=mail_key, budget=Budget(model_calls=20, tokens=100_000))
def inquiry(mail: Untrusted[RawMail]) -> Endorsed[Reply]:
    """Answer a customer's question: read it, look things up, let support release the answer, make good, and reply."""
    message = read(mail)
    customer = endorse(message, by=known_customer)
    answer = look_up.limited(
        order_status.only(customer=customer.value.number, order=one_of(customer.value.orders)),
    )(message, customer)
    agreed = approve(answer, by=role("support"), show=[message, customer], within=timedelta(hours=24))
    gesture = make_good.limited(
        grant_voucher.only(
            customer=customer.value.number,
            order=agreed.value.order,
            amount=at_most(customer.value.goodwill),
        ),
    )(agreed, customer)
    return reply.limited(
        send_reply.only(customer=customer.value.number, to=customer.value.mail),
    )(agreed, gesture, customer)
