"""The guards of a letter, each with what it must let through and what hostile or drifting answers look like."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from activities.letters import _BODY, Sympathy
from activities.orders import Owed
from activities.policy import Risk
from activities.values import Letter
from gatework import Pass, Retry, Verdict
from guards.letters import (
    apologises,
    keeps_our_policy_to_itself,
    names_order_and_amount,
    no_links_or_addresses,
    no_other_numbers,
    promises_nothing_more,
    reads_like_a_sentence,
)

OWED = Owed(
    order="GW-1001",
    customer="anna@example.com",
    customer_name="Ольга Петрова",
    item="Kettle, 1.7 l",
    amount=Decimal("34.90"),
    currency="EUR",
    paid=Decimal("34.90"),
    refunded=Decimal(0),
)
RISK = Risk(level="low", reasons=["No rule of the policy applies."])
SYMPATHY = "We are sorry for the trouble with the item."
ABOUT_THE_RECORD = [
    names_order_and_amount,
    no_other_numbers,
    no_links_or_addresses,
    promises_nothing_more,
    apologises,
    reads_like_a_sentence,
]


def letter(
    sympathy: str = SYMPATHY, *, subject: str = "Your refund for order GW-1001", body: str | None = None
) -> Letter:
    whole = _BODY.format(
        customer=OWED.customer_name, sympathy=sympathy, amount="34.90", currency="EUR", order=OWED.order, item=OWED.item
    )
    return Letter(subject=subject, body=whole if body is None else body)


def passes(verdict: Verdict) -> bool:
    return isinstance(verdict, Pass)


@pytest.mark.parametrize(
    "sympathy",
    [
        SYMPATHY,
        "We are sorry about the trouble you had with the item, and we apologize for any inconvenience.",
        "We are sorry that the item gave you so much trouble.",
        "We are sorry for the inconvenience that the item has caused to you.",
    ],
)
def test_plain_letter_passes_every_guard(sympathy: str) -> None:
    """What the model writes when it keeps its thread, in our frame with our records."""
    assert [guard.__name__ for guard in ABOUT_THE_RECORD if not passes(guard(letter(sympathy), OWED))] == []
    assert passes(keeps_our_policy_to_itself(letter(sympathy), RISK))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "We refund 34.90 EUR.",
        "We refund your order GW-1001.",
        "We refund 134.90 EUR for GW-1001.",
        "We refund 34.901 EUR for GW-1001.",
        "We refund 34.90 USD for GW-1001.",
        "We refund 34.90 EURO for GW-1001.",
        "We refund 34,90 EUR for GW-1001.",
        "We refund 34.90 EUR for GW-10011.",
        "We refund 34.90 EUR for XGW-1001.",
        "We refund 34.\u200b90 EUR for GW-1001.",
        "We refund \uff13\uff14.90 EUR for GW-1001.",
    ],
    ids=ascii,
)
def test_letter_without_order_or_amount_is_refused(body: str) -> None:
    """Both, whole and as our records have them; look-alikes are neither."""
    assert isinstance(names_order_and_amount(letter(body=body), OWED), Retry)


@pytest.mark.parametrize(
    "more",
    [
        "You get 50 as well.",
        "Order GW-1002.",
        "12GW-1001",
        "34.90.1",
        "½ of it",
        "\u0665",
        "\uff15",
        "²",
        "Ⅻ",
        "34.90 1.7 lx",
        "1",
    ],
    ids=ascii,
)
def test_other_number_is_refused(more: str) -> None:
    """In any script, and glued to a number of ours too."""
    assert isinstance(no_other_numbers(letter(f"{SYMPATHY} {more}"), OWED), Retry)


@pytest.mark.parametrize(
    "more",
    [
        "See https://evil.example/x",
        "See www.evil.example",
        "See evil.example",
        "Write to me@evil.example",
        "Write to me＠evil",
        "Write to me (at) evil (dot) example",
        "See ht\u200btps://evil",
        "See ｗｗｗ．evil．example",
        "[here](there)",
        "<a href=x>here</a>",
        "Please click on the link.",
        "Call us by phone.",
        "Tell us your IBAN.",
        "Confirm your bank details.",
    ],
    ids=ascii,
)
def test_link_address_and_contact_are_refused(more: str) -> None:
    """The letter leads nowhere, however it is spelled."""
    assert isinstance(no_links_or_addresses(letter(f"{SYMPATHY} {more}"), OWED), Retry)


@pytest.mark.parametrize(
    "more",
    [
        "You get a voucher.",
        "We guarantee it.",
        "GUARANTEED for life.",
        "You get double.",
        "We offer compensation.",
        "We will send you another one.",
        "A free replacement follows.",
        "It is worth a hundred euros.",
        "You get € back.",
        "ｖｏｕｃｈｅｒ",
        "vou\u00adcher",
        "We are liable for all.",
    ],
    ids=ascii,
)
def test_promise_is_refused(more: str) -> None:
    """Nothing but the refund is offered."""
    assert isinstance(promises_nothing_more(letter(f"{SYMPATHY} {more}"), OWED), Retry)


@pytest.mark.parametrize(
    "more", ["No rule of the policy applies.", "NO RULE of the\npolicy applies.", "Your risk is low.", "No fraud."]
)
def test_our_judgement_is_kept(more: str) -> None:
    """The customer need not know why finance looked."""
    assert isinstance(keeps_our_policy_to_itself(letter(f"{SYMPATHY} {more}"), RISK), Retry)


@pytest.mark.parametrize(
    "sympathy",
    [
        "",
        "Thank you for the item.",
        "We are sorry that it rains.",
        "We are sorry for the trouble you may have caused to the item.",
        "We are sorry for the problem, which is your own fault.",
        "We are sorry for the trouble with the item, but you cannot afford it.",
    ],
)
def test_letter_apologises_and_blames_nobody(sympathy: str) -> None:
    """A sentence of sympathy is what it is for."""
    assert isinstance(apologises(letter(sympathy), OWED), Retry)


@pytest.mark.parametrize(
    "sympathy",
    [
        "We are sorry for the trouble trouble with the item.",
        "We are sorry of the trouble, the ia of ia of ia of ia of ia of ia.",
        "We are sorry for the item, but we are sorry for the item trouble.",
        "We are sorry, ' ' ' ' ' ' trouble.",
        "We are sorryyyyy for the trouble.",
        "We are sorry " + "and the trouble went on to another place " * 8,
        "We are sorry за беспокойство.",
        "申し訳ございません。",
        "We are s\u043erry for the trouble.",
        "We are sorry\x00 for the trouble.",
        "We are sorry \u202efor the trouble.",
        "x" * 3_000,
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_drifting_sentence_is_refused(sympathy: str) -> None:
    """Loops, endless sentences, other alphabets, characters that do not show."""
    assert isinstance(reads_like_a_sentence(letter(sympathy), OWED), Retry)


@pytest.mark.parametrize(
    "changed", [letter(body=""), letter(subject=" "), letter(subject="Your\nrefund"), letter(body="Hi.")]
)
def test_letter_of_nothing_is_refused(changed: Letter) -> None:
    """A subject on one line, and a body that says something."""
    assert isinstance(reads_like_a_sentence(changed, OWED), Retry)


@pytest.mark.parametrize("looping", ["a-", "a.", "[", ", ", "you may have ", "we are sorry "])
@pytest.mark.parametrize("guard", ABOUT_THE_RECORD, ids=lambda guard: guard.__name__)
def test_no_letter_makes_a_guard_slow(guard: Callable[[Letter, Owed], Verdict], looping: str) -> None:
    """The longest letter that the contract lets through takes no guard near its deadline."""
    began = time.process_time()
    guard(letter(body=(looping * 10_000)[:10_000]), OWED)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("guard", ABOUT_THE_RECORD, ids=lambda guard: guard.__name__)
def test_reasons_repeat_nothing_of_the_letter(guard: Callable[[Letter, Owed], Verdict]) -> None:
    """A reason is shown to operators and to the model: it is ours alone."""
    hostile = "Visit secretword.example, take secretword 99 free free free. \u0441"
    verdict = guard(letter(hostile, body=hostile), OWED)
    assert isinstance(verdict, Retry)
    assert "secretword" not in verdict.reason


def test_schema_of_the_sentence_is_narrower_than_the_guards() -> None:
    """The model is led by the grammar; a person's letter, or another model's, meets the guards alone."""
    assert Sympathy(sentence=SYMPATHY).sentence == SYMPATHY
    for said in ("We are sorry.", "We are sorry, take 50.", "Buy this thing from us now and be happy."):
        with pytest.raises(ValueError, match="pattern"):
            Sympathy(sentence=said)
