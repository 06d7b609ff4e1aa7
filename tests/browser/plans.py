"""Plans that the tests of the UI need besides those of `tests.workflow.plans`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel

from gatework import Approved, Block, Endorsed, Pass, Verdict, approve, ask_person, parallel, role, stage, workflow
from gatework.perform.cell import current
from tests.workflow.plans import Note, Paper, file, judged, merge, world, write


@stage(judged, attempts=2, timeout=timedelta(seconds=60))
async def review(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    world.feedback.append(tuple(current().feedback))
    if world.does is not None:
        world.does()
    return Endorsed(Paper(text=f"{paper.value.text}, reviewed", pages=paper.value.pages))


@workflow
def reviewed(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A stage, one that can fail or be sent back, and an approval."""
    paper = write(note)
    read = review(paper)
    agreed = approve(read, by=role("boss"), title="print {pages} pages", within=timedelta(hours=1))
    return file(agreed)


@workflow
def clicked_twice(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Two approvals, one right after the other; the first takes a click."""
    paper = write(note)
    one = approve(paper, by=role("boss"), click=True)
    other = approve(note, by=role("boss"))
    return merge(one, other)


@workflow
def handed_on(note: Endorsed[Note]) -> Endorsed[Paper]:
    """An approval that goes to another role when the first does not answer."""
    paper = write(note)
    agreed = approve(paper, by=role("boss"), within=timedelta(hours=1), otherwise=role("deputy"))
    return file(agreed)


class Order(BaseModel):
    number: str
    amount: Decimal
    entered_by: str


@stage()
async def book(order: Approved[Order]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=order.value.number))


@workflow
def by_two(order: Endorsed[Order]) -> Endorsed[Paper]:
    """Two people approve by name, and neither is the one who entered it."""
    agreed = approve(
        order,
        by=role("finance", quorum=2, identity="claimed"),
        not_by=order.value.entered_by,
        title="pay {amount} EUR for order {number}",
        within=timedelta(hours=1),
    )
    return book(agreed)


@workflow
def by_signature(order: Endorsed[Order]) -> Endorsed[Paper]:
    """Somebody signs."""
    agreed = approve(order, by=role("finance", identity="signed"), within=timedelta(hours=1))
    return book(agreed)


class Wish(BaseModel):
    title: str
    copies: int = 1


@stage()
async def entitle(wish: Approved[Wish]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=wish.value.title, pages=wish.value.copies))


@workflow
def wished(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Two child runs, and a person who is asked for a value."""
    paper, other = parallel(lambda: write(note), lambda: write(note))
    wish = ask_person(Wish, "Under which title?", by=role("editor"), show=[paper, other], within=timedelta(hours=1))
    return entitle(wish)


def is_known(paper: Paper) -> Verdict:
    return Block("The catalogue does not have it.") if paper.text == "bolt" else Pass()


@stage(is_known, override=role("head", identity="claimed"))
async def pick(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=note.value.text))


@workflow
def picked_out(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A guard that head may override, and an approval of what was let on."""
    picked = pick(note)
    agreed = approve(picked, by=role("boss"), within=timedelta(hours=1))
    return file(agreed)


EVERY = (reviewed, clicked_twice, handed_on, by_two, wished, picked_out)
