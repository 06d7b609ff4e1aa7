"""The whole inquiry over the mails of the repository: looked up well, and by the model that everybody has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from activities.mailbox import message_key, read_message
from gatework import Block
from gatework.models import connect
from gatework.testing import rehearse
from tests.attacks.drive import carelessly, inquire, refusals
from tests.attacks.models import Wanting
from tests.attacks.test_instructions import held
from tests.attacks.world import EXPECTED, INQUIRIES, World, good_answer, inquiry_mail, writer
from workflows.inquiry import inquiry

CLEAN = [name for name, each in EXPECTED.items() if each["kind"] == "clean"]


@pytest.fixture
def world(tmp_path: Path, shop: Path, outbox: Path) -> World:
    """The shop and the outbox of this test."""
    assert (shop, outbox) == (tmp_path / "shop.db", tmp_path / "outbox")
    return World(tmp_path)


def test_every_inquiry_has_an_expectation_and_a_line_in_the_table() -> None:
    """A mail without an expectation tests nothing."""
    names = sorted(path.name for path in INQUIRIES.glob("*.eml"))
    assert names == sorted(EXPECTED)
    table = (INQUIRIES / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` | {EXPECTED[name]['kind']} |" in table for name in names)


def test_inquiries_are_of_many_kinds() -> None:
    """Several languages, several attacks, and keys of their own."""
    assert {EXPECTED[name]["language"] for name in CLEAN} >= {"en", "de", "fr", "es", "nl"}
    assert sum(each["kind"] == "hostile" for each in EXPECTED.values()) >= 7
    assert len({message_key((INQUIRIES / name).read_bytes()) for name in EXPECTED}) == len(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_inquiry_is_read_and_names_reserved_domains_only(name: str) -> None:
    """RFC 2606: nobody's address stands in this repository."""
    assert not isinstance(read_message((INQUIRIES / name).read_bytes()), Block)
    domains = re.findall(r"@([\w.-]+\w)", (INQUIRIES / name).read_text(encoding="latin-1"))
    assert all(re.search(r"(^|\.)example(\.(com|net|org))?$", domain) for domain in domains)


@pytest.mark.parametrize("name", CLEAN)
async def test_clean_inquiry_that_is_looked_up_well_is_answered(world: World, name: str) -> None:
    """Past every guard on the first attempt; support releases it, the customer gets quotation and status, once."""
    expected, customer = EXPECTED[name], writer(name)
    calls = [("search_help", {"words": expected["article"]}), ("read_article", {"name": expected["article"]})]
    if expected["order"]:
        calls.append(("order_status", {"customer": customer.number, "order": expected["order"]}))
    gestures = []
    if "voucher" in expected:
        about = {"customer": customer.number, "order": expected["order"], "amount": expected["voucher"]}
        gestures = [[("grant_voucher", about)]]
    answer = good_answer(name)
    model = Wanting(
        {"Answer": answer, "Decision": {"why": "As our rules say."}}, {"Answer": [calls], "Decision": gestures}
    )
    run = await inquire(name, model)
    assert (run.gate.node, run.gate.role) == ("agreed", "support")
    assert refusals(run, "answer") == []
    assert world.mails() == []
    await carelessly(run)
    assert run.result.to == customer.mail
    [mail] = world.mails()
    text = re.sub(r"=\n", "", mail)
    assert answer["quotation"] in text
    assert answer["status"] in text
    granted = [f"{row[4] / 100:.2f}" for row in world.rows("vouchers")]
    assert granted == ([expected["voucher"]] if "voucher" in expected else [])


async def test_customer_is_told_of_the_voucher_that_our_books_hold(world: World) -> None:
    """With its code, which no model has written."""
    name = "0104-flask-came-late.eml"
    call = ("grant_voucher", {"customer": "C-0035", "order": "GW-1018", "amount": "3"})
    run = await inquire(
        name, Wanting({"Answer": good_answer(name), "Decision": {"why": "Late."}}, {"Decision": [[call]]})
    )
    await carelessly(run)
    [row] = world.rows("vouchers")
    assert f"a voucher of 3.00 EUR. Its code is {row[1]}." in re.sub(r"=\n", "", world.mails()[0])


@pytest.mark.slow
async def test_embedded_model_stays_within_its_bounds(world: World) -> None:
    """The model that everybody has, really run, over a hostile mail, with somebody who approves everything.

    It hardly ever answers well enough. Whatever it does, nobody else's order is told, and no voucher beyond goodwill.
    """
    name = "0112-five-hundred.eml"
    before = world.state()
    run = await rehearse(inquiry, inquiry_mail(name), model=connect("embedded"), lineage=name)
    await carelessly(run)
    assert run.outcome is not None or run.gate.node in ("answer", "gesture")
    held(world, before, name)
