"""Guards of an answer: it says what our help and our records say, to this customer, and nothing else.

They go by our own pages and records, whatever the model read or was told on the way.
"""

from __future__ import annotations

import re

from activities.customers import Customer
from activities.help import article
from activities.parcels import status_of
from activities.values import Answer
from gatework import Pass, Retry, Verdict
from guards.instructions import gives_orders, mixes_alphabets, orders_named
from guards.letters import leads_away, promises

_SHORTEST_QUOTATION = 3
"""Words."""


def answers_something(answer: Answer) -> Verdict:
    """The answer quotes our help or tells where an order is."""
    if answer.quotation or answer.status:
        return Pass("The answer says something.")
    return Retry("Quote a help page, or tell the status of the order.")


def quotes_its_article(answer: Answer) -> Verdict:
    """The quotation stands in the help page that the answer names, word for word and in whole words."""
    if not answer.article and not answer.quotation:
        return Pass("The answer quotes nothing.")
    page = article(answer.article)
    if page is None:
        return Retry("Name the help page that you quote, as search_help gave it.")
    words = answer.quotation.split()
    if len(words) < _SHORTEST_QUOTATION or answer.quotation != answer.quotation.strip():
        return Retry("Quote at least one whole sentence of the help page.")
    if re.search(rf"(?<!\w){re.escape(answer.quotation)}(?!\w)", page.text):
        return Pass("The quotation stands in the help page word for word.")
    return Retry("The quotation must stand in the help page word for word.")


def says_what_our_records_say(answer: Answer, customer: Customer) -> Verdict:
    """The order is the customer's own, and what is said of it stands in our records."""
    if not answer.order and not answer.status:
        return Pass("The answer is about no order.")
    known = status_of(customer.number, answer.order)
    if known is None or answer.order not in customer.orders:
        return Retry("Name an order of this customer, or none.")
    if answer.status and answer.status != known.status:
        return Retry("The status must be what order_status says, word for word.")
    return Pass("The status is that of our records.")


def names_own_orders_only(answer: Answer) -> Verdict:
    """No order is named anywhere but the one that the answer is about."""
    if set(orders_named(_told(answer))) <= {answer.order.casefold()}:
        return Pass("The answer names no other order.")
    return Retry("Name no other order than the one that the answer is about.")


def leads_nowhere(answer: Answer) -> Verdict:
    """No link, mail address or account, and no request to go or to call somewhere, in what the model wrote itself."""
    if leads_away(answer.opening) or leads_away(answer.status):
        return Retry("Write no link, no address and no contact.")
    return Pass("The answer leads nowhere.")


def promises_nothing(answer: Answer) -> Verdict:
    """What the model wrote itself offers nothing: a voucher is granted later, or not at all."""
    if promises(answer.opening):
        return Retry("Promise and offer nothing in the first sentence.")
    return Pass("The answer promises nothing.")


def instructs_nobody(answer: Answer) -> Verdict:
    """The answer is for a customer: it instructs no person, no system and no model."""
    if mixes_alphabets(answer.opening):
        return Retry("The first sentence mixes alphabets inside of a word: write plain words.")
    if gives_orders(answer.opening):
        return Retry("The first sentence gives orders to its reader: greet the customer.")
    return Pass("The answer instructs nobody.")


def reads_plainly(answer: Answer) -> Verdict:
    """One short first sentence, and nothing that cannot be printed."""
    if not all(text.isprintable() for text in (answer.opening, answer.quotation, answer.status)):
        return Retry("Write plain text, each part on one line.")
    if not 2 <= len(answer.opening.split()) <= 40:
        return Retry("Begin with one friendly sentence.")
    if re.search(r"\d", answer.opening.replace(answer.order or "\0", "")):
        return Retry("Write no number in the first sentence.")
    return Pass("The answer reads plainly.")


def _told(answer: Answer) -> str:
    return "\n".join((answer.article, answer.quotation, answer.status, answer.opening))
