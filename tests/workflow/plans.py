"""Plans for the tests. What their stages do is said in `world`, so that one plan serves many tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from gatework import (
    Approved,
    Block,
    Budget,
    Endorsed,
    Escalate,
    IdempotencyKey,
    Pass,
    Retry,
    Untrusted,
    Verdict,
    approve,
    ask,
    at_most,
    effect,
    endorse,
    role,
    stage,
    tool,
    workflow,
)
from gatework.perform.cell import current


class World:
    """What happens outside of the runs of one test."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.verdicts: list[Verdict] = []
        """What the guard answers, in order; then it passes."""
        self.does: Callable[[], Any] | None = None
        """What the stage `work` does before it answers."""
        self.paid: dict[str, str] = {}
        """Key → order of each payment."""
        self.pays: Callable[[], Any] | None = None
        """What happens after money has moved, before anybody hears of it."""
        self.feedback: list[tuple[str, ...]] = []
        """What each attempt was told."""
        self.worked = 0
        self.back: list[str] = []
        """The orders of which money came back."""
        self.takes_back: Callable[[], Any] | None = None
        """What happens before it does."""
        self.looked: list[str] = []
        """What was looked up."""


world = World()


class Note(BaseModel):
    text: str


class Sum(BaseModel):
    order: str
    amount: Decimal


class Paper(BaseModel):
    text: str
    pages: int = 1


class Receipt(BaseModel):
    payment: str
    order: str


def judged(output: Paper) -> Verdict:
    return world.verdicts.pop(0) if world.verdicts else Pass()


# -- one stage -------------------------------------------------------------------------------------


@stage(judged, attempts=3, timeout=timedelta(seconds=30))
async def work(note: Endorsed[Note]) -> Endorsed[Paper] | Block:
    world.worked += 1
    world.feedback.append(tuple(current().feedback))
    if world.does is not None:
        done = world.does()
        done = await done if asyncio.iscoroutine(done) else done
        if isinstance(done, Block):
            return done
    return Endorsed(Paper(text=note.value.text))


@workflow
def single(note: Endorsed[Note]) -> Endorsed[Paper]:
    """One stage."""
    return work(note)


@stage()
async def copy(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return paper


@workflow
def chain(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Five stages in a row."""
    first = work(note)
    second = copy(first)
    third = copy(second)
    fourth = copy(third)
    return copy(fourth)


# -- approvals -------------------------------------------------------------------------------------


@stage()
async def write(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@stage()
async def file(paper: Approved[Paper]) -> Endorsed[Paper]:
    return Endorsed(paper.value)


@workflow
def signed(note: Endorsed[Note]) -> Endorsed[Paper]:
    """One stage, one approval, one stage."""
    paper = write(note)
    agreed = approve(paper, by=role("boss"), show=[note], within=timedelta(hours=1))
    return file(agreed)


@workflow
def hasty(note: Endorsed[Note]) -> Endorsed[Paper]:
    """An approval that expires while one looks."""
    paper = write(note)
    agreed = approve(paper, by=role("boss"), within=timedelta(seconds=3))
    return file(agreed)


@workflow
def clicked(note: Endorsed[Note]) -> Endorsed[Paper]:
    """An approval that a click gives."""
    paper = write(note)
    agreed = approve(paper, by=role("boss"), click=True)
    return file(agreed)


@workflow
def gate_first(note: Untrusted[Note]) -> Approved[Note]:
    """A person decides before anything runs."""
    return approve(note, by=role("boss"))


@stage()
async def merge(one: Approved[Paper], other: Approved[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=one.value.text + other.value.text))


@workflow
def twice(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Two approvals, one right after the other."""
    paper = write(note)
    one = approve(paper, by=role("boss"))
    other = approve(note, by=role("clerk"))
    return merge(one, other)


# -- effects ---------------------------------------------------------------------------------------


async def known_sum(note: Note) -> Sum | Block:
    return Sum(order=note.text, amount=Decimal("12.50"))


async def _move(key: str, order: str) -> Receipt:
    world.paid[key] = order
    if world.pays is not None:
        done = world.pays()
        if asyncio.iscoroutine(done):
            await done
    return Receipt(payment=key[:8], order=order)


async def look_up(key: IdempotencyKey) -> Receipt | None:
    return Receipt(payment=key[:8], order=world.paid[key]) if key in world.paid else None


@effect(once="order", probe=look_up)
async def transfer(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt:
    return await _move(key, order)


@effect(once="order")
async def hand_over(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt:
    return await _move(key, order)


@stage(tools=[transfer], attempts=2, timeout=timedelta(seconds=30))
async def pay(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await transfer(owed.value.order, owed.value.amount))


@stage(tools=[hand_over], attempts=2, timeout=timedelta(seconds=30))
async def pay_cash(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await hand_over(owed.value.order, owed.value.amount))


@workflow
def refund(note: Untrusted[Note]) -> Endorsed[Receipt]:
    """Pay by an effect that can be asked about."""
    owed = endorse(note, by=known_sum)
    return pay(owed)


@workflow
def refund_cash(note: Untrusted[Note]) -> Endorsed[Receipt]:
    """Pay by an effect that cannot be asked about."""
    owed = endorse(note, by=known_sum)
    return pay_cash(owed)


@stage()
async def confirm(receipt: Endorsed[Receipt], owed: Endorsed[Sum]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=receipt.value.order))


@workflow
def refund_signed(note: Untrusted[Note]) -> Endorsed[Paper]:
    """Pay, then ask, then confirm: an approval after an effect."""
    owed = endorse(note, by=known_sum)
    receipt = pay(owed)
    agreed = approve(receipt, by=role("boss"), show=[owed])
    return confirm(agreed, owed)


@effect(once="order")
async def ask_back(key: IdempotencyKey, order: str) -> Receipt:
    if world.takes_back is not None:
        done = world.takes_back()
        if asyncio.iscoroutine(done):
            await done
    world.back.append(order)
    return Receipt(payment=key[:8], order=order)


@stage(tools=[ask_back], attempts=1, timeout=timedelta(seconds=30))
async def take_back(receipt: Endorsed[Receipt]) -> Endorsed[Receipt]:
    return Endorsed(await ask_back(receipt.value.order))


# -- tools that a model calls ----------------------------------------------------------------------


@tool()
async def look(word: str) -> str:
    """What we know of a word."""
    world.looked.append(word)
    return f"{word} is in our books"


@effect(once="order", probe=look_up, approve_calls=role("boss"))
async def transfer_asked(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    """Pay, once a person agrees."""
    return await _move(key, order)


@effect(once="order", probe=look_up, approve_calls=role("boss"))
async def transfer_each(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    """Pay, once a person agrees."""
    return await _move(key, order)


@stage(tools=[look, transfer], attempts=2, budget=Budget(model_calls=8, tokens=400_000))
async def decide(owed: Endorsed[Sum]) -> Endorsed[Paper]:
    return await ask(Paper, instructions="Pay what is owed.", about=owed, tools=[look, transfer])


@stage(tools=[look, transfer_asked], attempts=2, budget=Budget(model_calls=8, tokens=400_000))
async def decide_asked(owed: Endorsed[Sum]) -> Endorsed[Paper]:
    return await ask(Paper, instructions="Pay what is owed.", about=owed, tools=[look, transfer_asked])


@stage(tools=[transfer_each], budget=Budget(model_calls=8, tokens=400_000))
async def decide_each(owed: Endorsed[Sum]) -> Endorsed[Paper]:
    return await ask(Paper, instructions="Pay what is owed.", about=owed, tools=[transfer_each])


@workflow
def agent_each(note: Untrusted[Note]) -> Endorsed[Paper]:
    """A model that pays any order; a person agrees to each."""
    owed = endorse(note, by=known_sum)
    return decide_each(owed)


@workflow
def agent(note: Untrusted[Note]) -> Endorsed[Paper]:
    """A model that looks things up and pays, within limits."""
    owed = endorse(note, by=known_sum)
    limits = transfer.only(order=owed.value.order, amount=at_most(owed.value.amount))
    return decide.limited(limits)(owed)


@workflow
def agent_asked(note: Untrusted[Note]) -> Endorsed[Paper]:
    """The same, and a person agrees to each payment."""
    owed = endorse(note, by=known_sum)
    return decide_asked.limited(transfer_asked.only(order=owed.value.order))(owed)


# -- large values ----------------------------------------------------------------------------------


@stage()
async def big(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text="x" * int(note.value.text)))


@stage()
async def join(one: Endorsed[Paper], two: Endorsed[Paper], three: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text="joined"))


@workflow
def heavy(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Three large values into one stage."""
    one = big(note)
    two = big(note)
    three = big(note)
    return join(one, two, three)


EVERY = (
    *(single, chain, signed, clicked, gate_first, twice, refund, refund_cash, refund_signed),
    *(agent, agent_asked, agent_each, heavy, hasty),
)
RETRY = Retry("Say it shorter.")
ESCALATE = Escalate("This looks odd.")
BLOCK = Block("This must not go on.")


def die() -> None:
    """The worker's process ends at once, as by SIGKILL."""
    os._exit(9)
