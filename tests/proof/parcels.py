"""Plans in which all can go wrong that a certificate must tell of: overrides, loops, effects in doubt, child runs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from gatework import (
    Approved,
    Block,
    Budget,
    Collected,
    Endorsed,
    IdempotencyKey,
    Pass,
    Retry,
    Untrusted,
    Verdict,
    approve,
    ask_person,
    case,
    choose,
    each,
    effect,
    endorse,
    parallel,
    repeat,
    role,
    stage,
    tool,
    when,
    workflow,
)
from tests.workflow.plans import Note, Paper, Receipt, Sum

HOUR = timedelta(hours=1)


class Mishaps(defaultdict[str, list[Any]]):
    """What goes wrong next, by the name of where it does: a verdict, an exception to raise, words to give."""

    def __init__(self) -> None:
        super().__init__(list)

    def next(self, where: str, otherwise: Any = None) -> Any:
        """What happens there now; an exception is raised."""
        mishap = self[where].pop(0) if self[where] else otherwise
        if isinstance(mishap, Exception):
            raise mishap
        return mishap

    async def given(self, where: str, otherwise: Any) -> Any:
        """The same in a stage, which may be late with it."""
        mishap = self.next(where, otherwise)
        if mishap == "late":
            await asyncio.sleep(9)
        return mishap


mishaps = Mishaps()
SECURED = role("finance", quorum=2, identity="claimed")
ONE = role("finance", identity="claimed")


# -- what is blocked, and let on all the same ------------------------------------------------------


def in_stock(order: Note) -> Verdict:
    verdict: Verdict = mishaps.next("in_stock", Pass())
    return verdict


def is_known(picked: Paper) -> Verdict:
    verdict: Verdict = mishaps.next("is_known", Pass())
    return verdict


@stage(is_known, before=[in_stock], attempts=2, override=SECURED)
async def pick(order: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=order.value.text))


@stage(override=ONE)
async def pack(picked: Endorsed[Paper]) -> Endorsed[Paper] | Block:
    return await mishaps.given("pack", Endorsed(picked.value))  # type: ignore[no-any-return]


@stage()
async def ship(packed: Approved[Paper]) -> Endorsed[Paper]:
    return Endorsed(packed.value)


@workflow
def parcel(order: Endorsed[Note]) -> Endorsed[Paper]:
    """Pick, pack, and ship what the desk approves; the board does where the desk does not answer."""
    picked = pick(order)
    packed = pack(picked)
    agreed = approve(
        packed,
        by=role("desk", identity="claimed"),
        otherwise=role("board", quorum=2, identity="claimed"),
        show=[order],
        within=HOUR,
    )
    return ship(agreed)


@tool()
async def scales(words: str) -> int:
    return len(words)


@stage(tools=[scales])
async def split(sent: Endorsed[Paper]) -> Endorsed[list[Paper]]:
    await scales(sent.value.text)
    return Endorsed([Paper(text=word) for word in sent.value.text.split()])


@stage(tools=[scales])
async def weigh(part: Endorsed[Paper]) -> Endorsed[Paper] | Block:
    heavy = await scales(part.value.text) > 4
    return Block("That is too much for them.") if heavy else part


@stage()
async def total(weighed: Endorsed[Collected[Paper]]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"{len(weighed.value.values)} of them, {len(weighed.value.failed)} not"))


ALL = Budget(model_calls=9, tokens=9_000, money="9", tool_calls={"scales": 9}, seconds=99, output_bytes=999)


@workflow(budget=ALL)
def dispatch(order: Endorsed[Note]) -> Endorsed[Paper]:
    """A parcel in a run of its own, and each of its parts weighed; what cannot be weighed is written down."""
    sent = parcel(order)
    parts = split(sent)
    weighed = each(weigh, parts, at_most=2, failed="collect")
    return total(weighed)


# -- attempts and rounds that are spent ------------------------------------------------------------

LIES = "proof-lies"
"""The task queue whose worker gives what no stage gives."""


class Long(BaseModel):
    kind: Literal["long"] = "long"
    words: str


class Short(BaseModel):
    kind: Literal["short"] = "short"
    words: str


def is_short(words: Paper) -> Verdict:
    return Pass() if len(words.text) <= 2 else Retry("Shorter.")


@stage()
async def shorten(words: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=words.value.text[:-1]))


def is_sorted(told: Long | Short, words: Paper) -> Verdict:
    verdict: Verdict = mishaps.next("is_sorted", Pass())
    return verdict


@stage(is_sorted, attempts=3, timeout=timedelta(seconds=1))
async def sort(words: Endorsed[Paper]) -> Endorsed[Long | Short]:
    long = Endorsed[Long | Short](Long(words=words.value.text))
    return await mishaps.given("sort", long)  # type: ignore[no-any-return]


@stage()
async def fold(told: Endorsed[Long]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"{told.value.words}-"))


@stage(on=LIES, attempts=1)
async def frame(told: Endorsed[Short]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"[{told.value.words}]"))


@workflow
def address(words: Endorsed[Paper]) -> Endorsed[Paper]:
    """Shorten an address, twice what is too long and once more, and put it on the parcel as it fits."""
    brief = repeat(lambda so_far: shorten(so_far), words, until=is_short, rounds=2, spent="accept")
    short = repeat(lambda so_far: shorten.as_("cut")(so_far), brief, until=is_short, rounds=1, operator=role("desk"))
    told = sort(short)
    return choose(told, case(Long, lambda long: fold(long)), case(Short, lambda short: frame(short)))


# -- effects in doubt, and what undoes them --------------------------------------------------------

booked: dict[str, str] = {}
"""Key of a booking → its order."""


async def booking(key: IdempotencyKey) -> Receipt | None:
    mishaps.next("booking")
    return Receipt(payment=key[:8], order=booked[key]) if key in booked else None


def _booked(where: str, key: str, order: str) -> Receipt | Block:
    mishap = mishaps.next(f"{where} before")
    if isinstance(mishap, Block):
        return mishap
    booked[key] = order
    mishaps.next(where)
    return Receipt(payment=key[:8], order=order)


@effect(once="order", probe=booking)
async def book(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    return _booked("book", key, order)


@effect(once="order")
async def fetch(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    return _booked("fetch", key, order)


@effect(once="order")
async def call_off(key: IdempotencyKey, order: str) -> Receipt | Block:
    return _booked("call_off", key, order)


@stage(tools=[call_off], attempts=1)
async def give_up(receipt: Endorsed[Receipt]) -> Endorsed[Receipt]:
    return Endorsed(await call_off(receipt.value.order))


@stage(tools=[book], undo=give_up)
async def book_van(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await book(f"{owed.value.order}-van", owed.value.amount))


@stage(tools=[fetch], undo=give_up)
async def fetch_it(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await fetch(owed.value.order, owed.value.amount))


@stage(tools=[book], undo=give_up)
async def book_ferry(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await book(f"{owed.value.order}-ferry", owed.value.amount))


async def fare(order: Note) -> Sum | Block:
    return Sum(order=order.text, amount=Decimal("12.50"))


@stage()
async def leave(ferry: Approved[Receipt]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=ferry.value.order))


@workflow
def journey(order: Untrusted[Note]) -> Endorsed[Paper]:
    """Book a van, fetch the parcel, book a ferry; each can be called off."""
    owed = endorse(order, by=fare)
    van = book_van(owed)
    got = fetch_it(owed)
    ferry = book_ferry(owed)
    agreed = approve(ferry, by=role("desk"), show=[van, got], within=HOUR)
    return leave(agreed)


# -- a question that is handed on ------------------------------------------------------------------


class Wish(BaseModel):
    by_ferry: bool


@stage()
async def obey(wish: Approved[Wish]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=str(wish.value.by_ferry)))


@workflow
def wished(order: Endorsed[Note]) -> Endorsed[Paper]:
    """Ask the desk; the board, where the desk does not answer."""
    wish = ask_person(Wish, "By ferry?", by=role("desk"), otherwise=role("board"), show=[order], within=HOUR)
    return obey(wish)


# -- child runs of child runs ----------------------------------------------------------------------


@stage()
async def both(one: Endorsed[Paper], two: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"{one.value.text} {two.value.text}"))


@stage()
async def entered(order: Approved[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=order.value.text))


@workflow
def vouched(order: Endorsed[Note]) -> Endorsed[Paper]:
    """What waits for the desk."""
    agreed = approve(order, by=role("desk"), within=HOUR)
    return entered(agreed)


@workflow
def twice_vouched(order: Endorsed[Note]) -> Endorsed[Paper]:
    """What waits for the board, and then for the desk in a run of its own."""
    seen = approve(order, by=role("board"), within=HOUR)
    paper = entered(seen)
    again = vouched(order)
    return both(paper, again)


@stage()
async def apart(order: Endorsed[Note]) -> Endorsed[list[Note]]:
    return Endorsed([Note(text=word) for word in order.value.text.split()])


@stage()
async def bound(papers: Endorsed[list[Paper]]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=" ".join(paper.text for paper in papers.value)))


@workflow
def everyone(order: Endorsed[Note]) -> Endorsed[Paper]:
    """Several that wait for people at once."""
    orders = apart(order)
    papers = each(twice_vouched, orders, operator=role("board"))
    return bound(papers)


@stage()
async def counted(order: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=order.value.text, pages=len(order.value.text)))


@workflow
def halves(order: Endorsed[Note]) -> Endorsed[Paper]:
    """Two side by side, and one of two ways."""
    size, name = parallel(lambda: counted(order), lambda: counted(order))
    return when(size.value.pages > 3, lambda: both(size, name), lambda: both.as_("turned")(name, size))


@workflow
def quarters(order: Endorsed[Note]) -> Endorsed[Paper]:
    """The same twice, side by side."""
    left, right = parallel(lambda: halves(order), lambda: counted(order))
    return when(left.value.pages > 3, lambda: both(left, right), lambda: both.as_("turned")(right, left))


# -- what is let on where nothing was said against it ----------------------------------------------


def is_brief(words: Paper) -> Verdict:
    verdict: Verdict = mishaps.next("is_brief", Pass())
    return verdict


@stage(tools=[fetch], undo=give_up, override=ONE)
async def fetch_anyway(owed: Endorsed[Sum]) -> Endorsed[Receipt]:
    return Endorsed(await fetch(owed.value.order, owed.value.amount))


@stage(is_brief, attempts=2, override=ONE)
async def tell(got: Endorsed[Receipt]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"{got.value.order} here"))


@stage()
async def spread(words: Endorsed[Paper]) -> Endorsed[list[Note]]:
    return Endorsed([Note(text=word) for word in words.value.text.split()])


@workflow
def hurried(order: Untrusted[Note]) -> Endorsed[Paper]:
    """Fetch a parcel, tell of it in few words, and have several vouch for each of them."""
    owed = endorse(order, by=fare)
    got = fetch_anyway(owed)
    words = tell(got)
    brief = repeat(lambda so_far: shorten(so_far), words, until=is_brief, rounds=2, override=ONE)
    orders = spread(brief)
    papers = each(vouched, orders, failed="stop")
    paper = bound(papers)
    agreed = approve(paper, by=role("desk"), within=HOUR)
    return ship(agreed)
