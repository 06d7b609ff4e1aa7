"""The mails of the repository: each is read, or refused, as `mails/expected.json` says."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.mailbox import MAX_BYTES, Mail, message_key, read_message, sentences
from activities.orders import Owed, look_up
from activities.payments import pay_back
from activities.policy import history_of, risk_of
from gatework import Block

MAILS = Path(__file__).parents[2] / "mails"
EXPECTED: dict[str, dict[str, Any]] = json.loads((MAILS / "expected.json").read_text(encoding="utf-8"))


def named(*kinds: str) -> list[str]:
    return [name for name, expected in EXPECTED.items() if expected["kind"] in kinds]


def mail_of(name: str) -> Mail:
    mail = read_message((MAILS / name).read_bytes())
    assert isinstance(mail, Mail), mail
    return mail


def claim_of(name: str) -> tuple[str, Decimal, str]:
    """What a reader who makes no mistake finds in a mail: order, amount, sender."""
    expected = EXPECTED[name]
    claimed = expected["at_most"] if expected["kind"] == "hostile" else expected
    return claimed["order"], Decimal(claimed["amount"]), mail_of(name).sender


def test_every_mail_has_an_expectation_and_a_line_in_the_table() -> None:
    """A mail without an expectation tests nothing."""
    names = sorted(path.name for path in MAILS.glob("*.eml"))
    assert names == sorted(EXPECTED)
    table = (MAILS / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` | {EXPECTED[name]['kind']} |" in table for name in names)


def test_corpus_is_as_large_and_varied_as_the_demo_needs() -> None:
    """Enough of each kind to measure with."""
    clean = [EXPECTED[name] for name in named("clean")]
    assert len(clean) >= 24
    assert sum(not expected["approval"] for expected in clean) >= 16
    assert len(named("hostile")) >= 8
    assert len(named("broken")) >= 4
    assert {expected["language"] for expected in clean} >= {"en", "de", "fr", "es", "pt", "nl", "it", "pl"}


@pytest.mark.parametrize("name", EXPECTED)
def test_mail_names_reserved_domains_only(name: str) -> None:
    """RFC 2606: nobody's address stands in this repository."""
    found = re.findall(rb"@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})", (MAILS / name).read_bytes())
    for domain in found if name != "0056-binary-garbage.eml" else []:
        assert re.search(rb"(?:^|\.)(?:example|example\.(?:com|org|net))$", domain), domain


@pytest.mark.parametrize("name", named("broken"))
def test_broken_mail_is_refused_as_expected(name: str) -> None:
    """One clear sentence for each."""
    assert read_message((MAILS / name).read_bytes()) == Block(EXPECTED[name]["refusal"])


@pytest.mark.parametrize("name", named("clean"))
def test_clean_mail_says_what_is_expected_of_it(name: str) -> None:
    """The text holds the order number, the amount and the reason as one of its sentences."""
    mail, expected = mail_of(name), EXPECTED[name]
    assert expected["order"] in mail.text + mail.subject
    assert re.search(rf"(?<!\d){expected['amount'].replace('.', '[.,]')}(?!\d)", mail.text)
    assert expected["reason"] in sentences(mail.text)
    assert 15 < len(expected["reason"]) < 140


@pytest.mark.parametrize("name", named("clean", "hostile", "refused-by-records"))
def test_readable_mail_gives_sentences_to_choose_from(name: str) -> None:
    """The extraction offers them to the model word for word."""
    text = mail_of(name).text
    found = sentences(text)
    assert 2 <= len(found) < 30
    assert all(sentence in text for sentence in found)
    assert ">" not in text.replace("|>", "").replace("</mail>", "")


@pytest.mark.parametrize("name", [name for name in EXPECTED if EXPECTED[name].get("hidden")])
def test_hidden_text_does_not_reach_the_model(name: str) -> None:
    """What a person would not have seen, or wrote long ago, is not text."""
    mail = mail_of(name)
    for hidden in EXPECTED[name]["hidden"]:
        assert hidden not in mail.text + mail.subject + mail.sender_name


@pytest.mark.parametrize("name", named("clean"))
def test_clean_mail_is_owed_and_needs_approval_as_expected(shop: Path, name: str) -> None:
    """Records and policy give what the demo shows."""
    owed = look_up(*claim_of(name))
    assert isinstance(owed, Owed), owed
    risk = risk_of(owed.amount, history_of(owed.order))
    assert (owed.amount > 100 or risk.level != "low") is EXPECTED[name]["approval"], risk
    assert owed.customer == mail_of(name).sender


@pytest.mark.parametrize("name", named("refused-by-records"))
def test_mail_that_the_records_refuse_is_refused_as_expected(shop: Path, name: str) -> None:
    """Where another mail for the same order comes first, it is the one that is paid."""
    expected = EXPECTED[name]
    if expected["amount"] is None:
        assert not re.search(r"\d", mail_of(name).text.replace(expected["order"], ""))
        return
    if earlier := expected.get("same_order_as") or expected.get("same_mail_as"):
        order, amount, _ = claim_of(earlier)
        assert not isinstance(pay_back("first", order, amount), Block)
    assert look_up(*claim_of(name)) == Block(expected["refusal"])


@pytest.mark.parametrize("name", named("hostile"))
def test_hostile_mail_gets_at_most_its_senders_own_money(shop: Path, name: str) -> None:
    """Whatever order and amount a model is talked into, the records pay nothing else to anybody else."""
    sender, at_most = mail_of(name).sender, EXPECTED[name]["at_most"]
    shops: dict[str, Any] = json.loads((MAILS.parent / "activities" / "shop.json").read_text(encoding="utf-8"))
    figures = {Decimal(number) for number in re.findall(r"\d+(?:\.\d+)?", (MAILS / name).read_text(errors="replace"))}
    figures |= {Decimal(cents) / 100 for order in shops["orders"].values() for _, cents in order["items"]}
    for order, entry in shops["orders"].items():
        own = entry["customer"] == sender
        for amount in figures if own else {Decimal(sum(cents for _, cents in entry["items"])) / 100}:
            owed = look_up(order, amount, sender)
            assert own or isinstance(owed, Block)
            if isinstance(owed, Owed):
                assert at_most != "nothing"
                assert (order, owed.customer, sender) == (at_most["order"], at_most["payee"], at_most["payee"])
                # A dearer item of the same order is the sender's too; that its mention is hidden is tested above.
                assert owed.amount == Decimal(at_most["amount"]) or "hidden" in EXPECTED[name]


def test_same_mail_has_one_key_and_a_borrowed_message_id_another() -> None:
    """Ingested twice it is one run, and nobody can take the run of another mail."""
    keys = {name: message_key((MAILS / name).read_bytes()) for name in EXPECTED}
    for name, expected in EXPECTED.items():
        if same := expected.get("same_mail_as"):
            assert keys[name] == keys[same]
        if borrowed := expected.get("reuses_message_id_of"):
            assert mail_of(name).message_id == mail_of(borrowed).message_id
            assert keys[name] != keys[borrowed]
    assert len(set(keys.values())) == len(EXPECTED) - sum("same_mail_as" in expected for expected in EXPECTED.values())


def test_mail_over_the_size_limit_is_refused() -> None:
    """Made here rather than stored."""
    mail = (MAILS / "0001-kettle-leaks.eml").read_bytes()
    assert read_message(mail + b"x" * (MAX_BYTES - len(mail) + 1)) == Block("The mail is larger than one megabyte.")
