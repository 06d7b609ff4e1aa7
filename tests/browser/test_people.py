"""Who may approve, in the stock Temporal UI: a quorum, not one's own, and decisions that were signed elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import time
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gatework.cli.main import app
from tests.browser.conftest import Looks
from tests.browser.plans import Order, by_signature, by_two
from tests.browser.runs import Runs, decisions
from tests.browser.ui import Screen

ORDER = Order(number="A204817", amount=Decimal("212.40"), entered_by="Cleo")


async def test_two_people_approve_and_neither_twice_nor_whoever_asked_for_it(
    runs: Runs, screen: Screen, another: Looks
) -> None:
    """Each is told why not, and the panel tells who has approved and that nobody knows for sure."""
    run, waits = await runs.waits(by_two, ORDER)
    await screen.open(run)
    await screen.reads(
        "NEEDS YOU (finance): approve stage 1 of 2, pay 212.40 EUR for order A204817",
        f'approve with {waits.number} and your name, as in "{waits.number} your name"',
        "0 of 2 have approved.",
        "Not to be approved by Cleo.",
    )
    number = waits.number
    says_who = 'Say who you are: {"number": …, "by": "your name"}, or "4821 your name" with the four digits.'
    await screen.is_refused("approve", number, says_who)
    own = "You may not approve this: it is your own, or you have approved what it stands on."
    await screen.is_refused("approve", f'"{number} cleo"', own)
    await screen.send("approve", f'"{number} Ana: the invoice is there"')
    await screen.look_again("1 of 2 have approved: Ana (as claimed).")
    await screen.picture("one-of-two")
    again = "You have approved this already; another of finance must."
    await screen.is_refused("approve", f'"{number} ANA"', again)

    other = await another()
    await other.open(run)
    await other.reads("1 of 2 have approved: Ana (as claimed).")
    await other.send("approve", f'"{await other.number()} Ben"')
    assert (await run.result()).text == "A204817"
    known = [(receipt.by, receipt.identity) for receipt in await decisions(run)]
    assert known == [("Ana", "claimed"), ("Ben", "claimed")]


def gatework(address: str, *arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, arguments, env={"TEMPORAL_ADDRESS": address, "COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    return done.stdout


async def test_decision_that_was_signed_elsewhere_is_pasted(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typed name is not taken; the line that `gatework sign` prints is, once, and stands in the ledger as signed."""
    key, people = tmp_path / "ana.pem", tmp_path / "people.toml"
    address = screen.server.address
    made = await asyncio.to_thread(gatework, address, "keys", "new", "ana", "--role", "finance", "--out", str(key))
    people.write_text(made[made.index("[ana]") :])
    os.utime(people, (time.time() - 60, time.time() - 60))
    monkeypatch.setenv("GATEWORK_PEOPLE", str(people))
    async with Runs.served(screen.server, by_signature) as own:
        run, waits = await own.waits(by_signature, ORDER)
        await screen.open(run)
        await screen.reads(f"approve with {waits.number}, signed")
        typed = "This takes a signed decision, see `gatework sign --help`. A typed name is a claim."
        await screen.is_refused("approve", f'"{waits.number} ana"', typed)
        sign = ("sign", run.id, "approve", waits.number, "--key", str(key), "--by", "ana", "--yes")
        line = await asyncio.to_thread(gatework, address, *sign)
        forged = json.dumps({**json.loads(line), "note": "and the next one"})
        await screen.is_refused("approve", forged, SIGNED_SOMETHING_ELSE)
        await screen.send("approve", line.strip())
        assert (await run.result()).text == "A204817"
        (decided,) = await decisions(run)
        assert (decided.by, decided.identity) == ("ana", "signed")


SIGNED_SOMETHING_ELSE = (
    "The signature is not of this decision: run, gate, evidence, name, note or value are not those that were signed; "
    "look again and sign anew."
)
