"""A plan with all of control flow: it pays what several orders are owed, each in a run of its own, and writes it up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from gatework import (
    Approved,
    Block,
    Endorsed,
    Pass,
    Retry,
    Untrusted,
    Verdict,
    ask_person,
    case,
    choose,
    each,
    endorse,
    parallel,
    pause,
    repeat,
    role,
    stage,
    when,
    workflow,
)
from tests.workflow.plans import Note, Paper, Receipt, Sum, pay, pay_cash, take_back, world


class Good(BaseModel):
    kind: Literal["good"] = "good"
    words: str


class Bad(BaseModel):
    kind: Literal["bad"] = "bad"
    words: str


class Wish(BaseModel):
    publish: bool


async def owed_to_all(note: Note) -> list[Sum] | Block:
    """What each order that the note names is owed."""
    return [Sum(order=order, amount=Decimal(len(order))) for order in note.text.split()]


def short(paper: Paper) -> Verdict:
    return Pass() if len(paper.text) <= 20 else Retry("Shorter.")


@stage(undo=take_back)
async def noted(receipt: Endorsed[Receipt]) -> Endorsed[Receipt]:
    return receipt


@stage()
async def write_up(receipts: Endorsed[list[Receipt]]) -> Endorsed[Paper]:
    world.worked += 1
    return Endorsed(Paper(text=" ".join(receipt.order for receipt in receipts.value)))


@stage()
async def cut(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=paper.value.text[:-5], pages=paper.value.pages + 1))


@stage()
async def count(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=str(len(paper.value.text))))


@stage()
async def looked_over(paper: Endorsed[Paper]) -> Endorsed[Good | Bad]:
    good = "A-1" in paper.value.text
    return Endorsed(Good(words=paper.value.text) if good else Bad(words=paper.value.text))


@stage()
async def praise(good: Endorsed[Good]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"good: {good.value.words}"))


@stage()
async def scold(bad: Endorsed[Bad]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"bad: {bad.value.words}"))


@stage()
async def close(paper: Endorsed[Paper], size: Endorsed[Paper], wish: Approved[Wish]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"{paper.value.text} ({size.value.text}, {wish.value.publish})"))


@workflow
def errands(note: Untrusted[Note]) -> Endorsed[Paper]:
    """Pay each order, write it up until it is short, choose a tone, ask whether it goes out."""
    owed = endorse(note, by=owed_to_all)
    receipts = each(
        lambda one: noted(when(one.value.amount > 5, lambda: pay(one), lambda: pay_cash(one))), owed, at_most=2
    )
    paper = write_up(receipts)
    brief = repeat(lambda so_far: cut(so_far), paper, until=short, rounds=9)
    size, verdict = parallel(lambda: count(brief), lambda: looked_over(brief))
    told = choose(verdict, case(Good, lambda good: praise(good)), case(Bad, lambda bad: scold(bad)))
    pause(timedelta(seconds=1))
    wish = ask_person(Wish, "Publish this?", by=role("editor"), show=[told])
    return close(told, size, wish)
