"""The text of a mail: its own words without history and signature, and its sentences."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activities.mail_text import own_words, sentences

RANDOM = settings(deadline=timedelta(seconds=10), suppress_health_check=[HealthCheck.too_slow])


def test_broken_lines_are_joined_where_a_program_broke_them() -> None:
    """A sentence is not cut where the line was full; short lines stay as they are."""
    body = (
        "The kettle that I bought from you in the first week of October leaks at\n"
        "the base whenever I fill it above the halfway mark.\n\nKind regards,\nAnn\n"
    )
    assert own_words(body).split("\n") == [
        "The kettle that I bought from you in the first week of October leaks at the base whenever I fill it above "
        "the halfway mark.",
        "",
        "Kind regards,",
        "Ann",
    ]


@pytest.mark.parametrize(
    "history",
    [
        "On Mon, 2 Nov 2026 at 10:00, Shop <shop@shop.example> wrote:\n> old words",
        "On Mon, 2 Nov 2026 at 10:00, Shop\n<shop@shop.example> wrote:\n\n> old words",
        "On Mon, 2 Nov 2026 at 10:00, Shop <shop@shop.example> wrote:\nold words without marks",
        "Am 02.11.2026 um 10:00 schrieb Shop <shop@shop.example>:\n> old words",
        "Le lun. 2 nov. 2026 à 10:00, Shop <shop@shop.example> a écrit :\n> old words",
        "El lun, 2 nov 2026 a las 10:00, Shop (<shop@shop.example>) escribió:\n> old words",
        "Em seg., 2 de nov. de 2026 às 10:00, Shop <shop@shop.example> escreveu:\n> old words",
        "Il giorno lun 2 nov 2026 alle ore 10:00 Shop <shop@shop.example> ha scritto:\n> old words",
        "Op ma 2 nov. 2026 om 10:00 schreef Shop <shop@shop.example>:\n> old words",
        "W dniu pon., 2.11.2026 o 10:00 Shop <shop@shop.example> napisał(a):\n> old words",
        "-----Original Message-----\nFrom: Shop\nSent: Monday\nTo: Ann\nSubject: x\n\nold words",
        "-----Ursprüngliche Nachricht-----\nVon: Shop\nGesendet: Montag\nAn: Ann\nBetreff: x\n\nold words",
        "________________________________\nFrom: Shop\nSent: Monday\nTo: Ann\nSubject: x\n\nold words",
        "De : Shop\nEnvoyé : lundi\nÀ : Ann\nObjet : x\n\nold words",
        "---------- Forwarded message ---------\nFrom: Shop\nDate: x\nSubject: y\n\nold words",
        "Begin forwarded message:\n\n> From: Shop\n> Subject: x\n>\n> old words",
        "> old words",
        "-- \nAnn Lee\nold words",
        "Sent from my iPhone",
    ],
)
def test_history_and_signature_are_cut(history: str) -> None:
    """What the sender wrote in this mail is its text; what the mail carries along is not."""
    assert own_words(f"Please refund 34.90 EUR.\n\n{history}\n") == "Please refund 34.90 EUR."


@pytest.mark.parametrize(
    "forward",
    [
        "---------- Forwarded message ---------\nFrom: Ann <ann@example.com>\nDate: x\nSubject: y\n\nThe words.\n",
        "Begin forwarded message:\n\n> From: Ann\n> Subject: y\n> Date: x\n>\n> The words.\n",
        "-----Original Message-----\nFrom: Ann\nSent: x\nTo: y\nSubject: z\n\nThe words.\n-- \nAnn\n",
        "________________________________\nVon: Ann\nGesendet: x\nAn: y\nBetreff: z\n\nThe words.\n",
        "-- \nAnn Lee\n\n-------- Forwarded Message --------\nSubject: y\nFrom: Ann\n\nThe words.\n",
        "-------- Forwarded Message --------\nFrom: B\n\n-------- Forwarded Message --------\nFrom: A\n\nThe words.\n",
    ],
)
def test_forward_with_nothing_above_it_is_the_text(forward: str) -> None:
    """Who forwards a mail without a word means the mail."""
    assert own_words(forward) == "The words."


def test_answers_between_quotations_are_kept() -> None:
    """Some people answer below the question."""
    assert own_words("On Monday Shop wrote:\n> How?\n\nIt leaks.\n\n> When?\n\nAlways.\n") == "It leaks.\n\nAlways."


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("It leaks. I want 34.90 EUR back! Why? Because.", ["It leaks.", "I want 34.90 EUR back!", "Why?", "Because."]),
        ("Order no. 12 is broken. Mr. Lee says no. Yes.", ["Order no. 12 is broken.", "Mr. Lee says no.", "Yes."]),
        (
            "Am 12. Oktober kam er z. B. an. Bestellung Nr. 7 fehlt.",
            ["Am 12. Oktober kam er z. B. an.", "Bestellung Nr. 7 fehlt."],
        ),
        ("Il coûte 5 € env. dix. Réf. 12 svp.", ["Il coûte 5 € env. dix.", "Réf. 12 svp."]),
        ("Piszę ws. zamówienia nr. 5. Zamek jest zepsuty.", ["Piszę ws. zamówienia nr. 5.", "Zamek jest zepsuty."]),
        ("it broke. i want it back. thx", ["it broke.", "i want it back.", "thx"]),
        ("壊れました。返金してください！", ["壊れました。", "返金してください！"]),
        ("«Non!» Dit-il… Bon. «Oui.» Fin", ["«Non!»", "Dit-il…", "Bon.", "«Oui.»", "Fin"]),
        ("Hello,\n\nit leaks\nAnn", ["Hello,", "it leaks", "Ann"]),
        ("Same. Same. Other.", ["Same.", "Other."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(words: str, expected: list[str]) -> None:
    """Abbreviations, numbers and dates of several languages do not end a sentence; a line's end does."""
    assert sentences(words) == expected


@RANDOM
@given(st.text(max_size=2_000))
@example("a. b. c. " * 200)
@example("x" * 1_000)
@example("「はい。」そうです！")
def test_sentences_are_parts_of_any_text(words: str) -> None:
    """Each is a verbatim part, and together they leave out nothing but space."""
    found = sentences(words)
    assert all(sentence in words and len(sentence) <= 400 for sentence in found)
    assert {*"".join("".join(found).split())} == {*"".join(words.split())}
