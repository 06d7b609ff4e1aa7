"""The whole refund over the mails of the repository: read well, and read blindly."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.mailbox import RawMail
from activities.outbox import Sent
from activities.shop import reading
from gatework.models.question import Question
from gatework.testing import Rehearsal, ScriptedModel, rehearse
from workflows.refund import refund

MAILS = Path(__file__).parents[2] / "mails"
EXPECTED: dict[str, dict[str, Any]] = json.loads((MAILS / "expected.json").read_text(encoding="utf-8"))
SYMPATHY = "We are sorry that the item gave you so much trouble."


def named(kind: str) -> list[str]:
    return [name for name, expected in EXPECTED.items() if expected["kind"] == kind]


def model(choose: Callable[[str, list[str]], str]) -> ScriptedModel:
    """A model that chooses among what a question offers, and writes the same sentence wherever it may write."""

    def answer(question: Question) -> dict[str, str]:
        fields = question.schema["properties"]
        return {name: choose(name, field["enum"]) if "enum" in field else SYMPATHY for name, field in fields.items()}

    return ScriptedModel(by=answer)


async def run(name: str, choose: Callable[[str, list[str]], str], lineage: str = "") -> Rehearsal[Sent]:
    raw = base64.b64encode((MAILS / name).read_bytes()).decode()
    return await rehearse(refund, RawMail(eml=raw), model=model(choose), lineage=lineage or name)


def refunds() -> list[tuple[str, str, Decimal]]:
    """What was paid by these tests: order, payee, amount."""
    with reading() as shop:
        paid = shop.execute("SELECT order_number, payee, cents FROM refunds WHERE key NOT LIKE 'earlier %'").fetchall()
    return [(order, payee, Decimal(cents).scaleb(-2)) for order, payee, cents in paid]


@pytest.mark.parametrize("name", named("clean"))
async def test_clean_mail_read_well_is_paid(shop: Path, outbox: Path, name: str) -> None:
    """Past every guard on the first attempt; finance is asked where it is expected, and nobody else anywhere."""
    expected = EXPECTED[name]
    rehearsal = await run(name, lambda field, offered: offered[offered.index(expected[field])])
    if expected["approval"]:
        assert rehearsal.gate.node == "agreed"
        assert refunds() == []
        await rehearsal.approve(by="Ada")
    sent = rehearsal.result
    assert refunds() == [(expected["order"], sent.to, Decimal(expected["amount"]))]
    assert len(list((outbox / "new").iterdir())) == 1


@pytest.mark.parametrize("name", [*named("broken"), *named("refused-by-records")])
async def test_refused_mail_stops_with_its_reason(shop: Path, outbox: Path, name: str) -> None:
    """A person sees why, and nothing was paid or sent but for the mail that came first."""
    expected = EXPECTED[name]

    def choose(field: str, offered: list[str]) -> str:
        return expected[field] if field != "reason" else max(offered, key=len)

    earlier = expected.get("same_order_as") or expected.get("same_mail_as")
    if earlier:
        await run(earlier, lambda field, offered: str(EXPECTED[earlier][field]))
    rehearsal = await run(name, choose)
    assert rehearsal.outcome is None
    assert expected["refusal"] in str(rehearsal.gate)
    assert len(refunds()) == (1 if earlier else 0)


def blindly(seed: str) -> Callable[[str, list[str]], str]:
    chance = random.Random(seed)
    return lambda _, offered: chance.choice(offered)


@pytest.mark.parametrize("seed", range(5))
async def test_hostile_mails_read_blindly_pay_nothing_else(shop: Path, outbox: Path, seed: int) -> None:
    """A model that picks anything a mail holds, and finance that approves all: still no other payee, order, amount."""
    for name in named("hostile"):
        before = refunds()
        rehearsal = await run(name, blindly(f"{seed} {name}"))
        while rehearsal.outcome is None and rehearsal.gate.node == "agreed":
            await rehearsal.approve(by="Ada")
        for order, payee, amount in set(refunds()) - set(before):
            assert {"order": order, "amount": f"{amount:.2f}", "payee": payee} == EXPECTED[name]["at_most"]
    assert refunds()
