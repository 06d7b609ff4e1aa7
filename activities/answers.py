"""Answers: what we tell a customer who asks, looked up by a model in our help and in the customer's own orders."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from activities.customers import Customer
from activities.help import read_article, search_help
from activities.mailbox import Mail
from activities.parcels import order_status
from activities.values import Answer
from gatework import Budget, Endorsed, Untrusted, ask, matches, role, stage
from guards.answers import (
    answers_something,
    instructs_nobody,
    leads_nowhere,
    names_own_orders_only,
    promises_nothing,
    quotes_its_article,
    reads_plainly,
    says_what_our_records_say,
)

__all__ = ["Answer", "look_up"]

LOOK_UP = (
    "Answer the customer's question. Find a help page with search_help, read it with read_article and quote from it "
    "the sentence that answers, word for word. If the question is about an order, look it up with order_status and "
    "copy its status. Leave empty what you have not looked up. Begin with one friendly sentence of your own."
)

PAGE_NAME = r"[a-z]+(-[a-z]+){0,5}"
"""How our help pages are named."""


class Question(BaseModel):
    """What the model is shown of a mail."""

    subject: str
    text: str


class Writer(BaseModel):
    """What the model is told of the customer: what it needs for looking up, and neither name nor address."""

    customer: str
    orders: list[str]


@stage(
    answers_something,
    quotes_its_article,
    says_what_our_records_say,
    names_own_orders_only,
    leads_nowhere,
    promises_nothing,
    instructs_nobody,
    reads_plainly,
    tools=[
        search_help.only(words=matches(r"[\w' -]{1,100}")),
        read_article.only(name=matches(PAGE_NAME)),
        order_status,
    ],
    attempts=3,
    timeout=timedelta(minutes=3),
    budget=Budget(
        model_calls=12,
        tokens=60_000,
        tool_calls={"search_help": 4, "read_article": 4, "order_status": 2},
        output_bytes=4_000,
    ),
    operator=role("support"),
)
async def look_up(message: Untrusted[Mail], customer: Endorsed[Customer]) -> Untrusted[Answer]:
    """Let the model look up what the customer asks for, and put an answer together.

    What it reads may tell it anything: it holds tools that read our help and the writer's own orders, and none that
    reaches out. The guards look at what it made of it, and support at what they let through.
    """
    mail, record = message.value, customer.value
    return await ask(
        Answer,
        instructions=LOOK_UP,
        about=[
            Untrusted(Question(subject=mail.subject, text=mail.text)),
            Endorsed(Writer(customer=record.number, orders=record.orders)),
        ],
        tools=[search_help, read_article, order_status],
        one_of={"order": ["", *record.orders]},
        max_output_tokens=500,
    )
