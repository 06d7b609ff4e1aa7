"""A plan for certificates: it asks people, pays, looks into what is private, and can take back what it did."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from gatework import (
    Approved,
    Block,
    Endorsed,
    Pass,
    Untrusted,
    Verdict,
    approve,
    endorse,
    role,
    stage,
    tool,
    workflow,
)
from tests.workflow.plans import Note, Paper, Receipt, Sum, take_back, transfer


class Says:
    """What the guards and the last stage of a run say, in order; then they let it go on."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.of_inputs: list[Verdict] = []
        self.of_letters: list[Verdict] = []
        self.closing: list[Block] = []


says = Says()


async def owed_to(note: Note) -> Sum | Block:
    """`A-1 50` is owed 50 for the order A-1."""
    order, amount = note.text.split()
    return Sum(order=order, amount=Decimal(amount))


@tool(private=True)
async def diary(order: str) -> str:
    """What we wrote down about a customer."""
    return f"The customer of {order} called twice."


@stage(tools=[diary])
async def look_into(owed: Endorsed[Sum]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=await diary(owed.value.order)))


def is_sane(owed: Sum) -> Verdict:
    return says.of_inputs.pop(0) if says.of_inputs else Pass()


def is_polite(letter: Paper, owed: Sum) -> Verdict:
    return says.of_letters.pop(0) if says.of_letters else Pass()


@stage(is_polite, before=[is_sane], attempts=2)
async def draft(owed: Endorsed[Sum]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"You are owed {owed.value.amount} for {owed.value.order}."))


@stage(tools=[transfer], undo=take_back, timeout=timedelta(seconds=30))
async def pay_out(owed: Approved[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await transfer(owed.value.order, owed.value.amount))


@stage()
async def wrap_up(letter: Endorsed[Paper], receipt: Endorsed[Receipt]) -> Endorsed[Paper] | Block:
    if says.closing:
        return says.closing.pop(0)
    return Endorsed(Paper(text=f"{letter.value.text} See {receipt.value.order}."))


@workflow
def payout(note: Untrusted[Note]) -> Endorsed[Paper]:
    """Pay what is owed: above 100 two people of finance approve, and nobody who wrote the amount."""
    owed = endorse(note, by=owed_to)
    past = look_into(owed)
    letter = draft(owed)
    agreed = approve(
        owed,
        by=role("finance", quorum=2, identity="claimed"),
        when=owed.value.amount > 100,
        show=[letter, past],
        within=timedelta(hours=1),
    )
    receipt = pay_out(agreed)
    return wrap_up(letter, receipt)
