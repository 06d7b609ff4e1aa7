"""Refund a customer: read the mail, look up what we owe, ask finance where it matters, pay, and reply."""

from __future__ import annotations

from datetime import timedelta

from activities.claims import extract
from activities.letters import draft
from activities.mailbox import RawMail, mail_key, read
from activities.orders import owed_by_our_records
from activities.outbox import Sent, send, send_mail
from activities.payments import pay, refund_order
from activities.policy import assess
from gatework import Endorsed, Untrusted, any_of, approve, at_most, endorse, role, workflow

FINANCE_ABOVE = 100
"""Refunds above this amount, in the currency of the order, are approved by a person."""


@workflow(key=mail_key)
def refund(mail: Untrusted[RawMail]) -> Endorsed[Sent]:
    """Refund a customer: read the mail, look up what we owe, ask finance where it matters, pay, and reply."""
    message = read(mail)
    claim = extract(message)
    owed = endorse(claim, by=owed_by_our_records)
    risk = assess(owed)
    letter = draft(owed, risk)
    agreed = approve(
        owed,
        by=role("finance"),
        when=any_of(owed.value.amount > FINANCE_ABOVE, risk.value.level != "low"),
        show=[claim, risk, letter],
        title="pay {amount} {currency} for order {order}",
        within=timedelta(hours=24),
    )
    receipt = pay.limited(
        refund_order.only(order=agreed.value.order, amount=at_most(agreed.value.amount)),
    )(agreed)
    return send.limited(
        send_mail.only(payment=receipt.value.payment, to=receipt.value.customer),
    )(letter, receipt)
