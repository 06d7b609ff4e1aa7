"""A user's tests of a workflow that fans out, repeats, chooses, pauses, asks and undoes: rehearsed without a server."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from pydantic import BaseModel

from gatework import (
    Approved,
    Block,
    Endorsed,
    IdempotencyKey,
    Pass,
    Retry,
    Untrusted,
    Verdict,
    ask,
    ask_person,
    case,
    choose,
    each,
    effect,
    endorse,
    pause,
    repeat,
    role,
    stage,
    workflow,
)
from gatework.errors import DecisionError
from gatework.run.state import Spawn, Wait
from gatework.testing import ScriptedModel, rehearse

# -- the workflow under test: book rooms, write to the traveller, and take it all back where it does not come about ----


class Wish(BaseModel):
    cities: list[str]


class City(BaseModel):
    name: str


class Trip(BaseModel):
    cities: list[City]


class Room(BaseModel):
    hotel: str


class Letter(BaseModel):
    text: str


class Train(BaseModel):
    kind: Literal["train"] = "train"
    seat: int


class Plane(BaseModel):
    kind: Literal["plane"] = "plane"
    gate: str


class Leave(BaseModel):
    days: int


class Booked(BaseModel):
    hotel: str


BOOKED: list[str] = []
FULL: set[str] = set()


async def known_cities(wish: Wish) -> Trip | Block:
    return Trip(cities=[City(name=name) for name in wish.cities])


@stage()
async def list_of(trip: Endorsed[Trip]) -> Endorsed[list[City]]:
    return Endorsed(trip.value.cities)


@effect(once="hotel")
async def book(key: IdempotencyKey, hotel: str) -> Booked | Block:
    if hotel in FULL:
        return Block("It is full.")
    BOOKED.append(hotel)
    return Booked(hotel=hotel)


@effect(once="hotel")
async def cancel(key: IdempotencyKey, hotel: str) -> Booked:
    BOOKED.remove(hotel)
    return Booked(hotel=hotel)


@stage(tools=[cancel])
async def unreserve(room: Endorsed[Room], city: Endorsed[City]) -> Endorsed[Booked]:
    return Endorsed(await cancel(room.value.hotel))


@stage(tools=[book], undo=unreserve)
async def reserve(city: Endorsed[City]) -> Endorsed[Room]:
    booked = await book(f"Hotel {city.value.name}")
    return Endorsed(Room(hotel=booked.hotel))


@stage()
async def blank(rooms: Endorsed[list[Room]]) -> Endorsed[Letter]:
    return Endorsed(Letter(text=", ".join(room.hotel for room in rooms.value)))


@stage()
async def write(letter: Endorsed[Letter]) -> Endorsed[Letter]:
    return await ask(Letter, instructions="Write to the traveller.", about=letter)


def ends_well(letter: Letter) -> Verdict:
    return Pass() if letter.text.endswith("!") else Retry("End with an exclamation mark.")


@stage()
async def ride_for(letter: Endorsed[Letter]) -> Endorsed[Train | Plane]:
    return Endorsed(Train(seat=7) if "Rome" in letter.value.text else Plane(gate="B"))


@stage()
async def by_train(train: Endorsed[Train]) -> Endorsed[Letter]:
    return Endorsed(Letter(text=f"seat {train.value.seat}"))


@stage()
async def by_plane(plane: Endorsed[Plane]) -> Endorsed[Letter]:
    return Endorsed(Letter(text=f"gate {plane.value.gate}"))


@stage()
async def send(letter: Endorsed[Letter], ticket: Endorsed[Letter], leave: Approved[Leave]) -> Endorsed[Letter]:
    return Endorsed(Letter(text=f"{letter.value.text} {ticket.value.text}, {leave.value.days} days"))


@workflow
def journey(wish: Untrusted[Wish]) -> Endorsed[Letter]:
    planned = endorse(wish, by=known_cities)
    cities = list_of(planned)
    rooms = each(reserve, cities, at_most=2)
    draft = blank(rooms)
    letter = repeat(write, draft, until=ends_well, rounds=2)
    ride = ride_for(letter)
    ticket = choose(
        ride,
        case(Train, lambda train: by_train(train)),
        case(Plane, lambda plane: by_plane(plane)),
    )
    pause(timedelta(days=3))
    leave = ask_person(Leave, "How long may they stay?", by=role("boss"), show=[letter])
    return send(letter, ticket, leave)


WISH = Wish(cities=["Rome", "Oslo", "Bonn"])


@pytest.fixture(autouse=True)
def _rooms() -> None:
    BOOKED.clear()
    FULL.clear()


def told(*texts: str) -> ScriptedModel:
    return ScriptedModel(*(Letter(text=text) for text in texts))


# -- tests of the workflow -------------------------------------------------------------------------


async def test_rehearsal_fans_out_repeats_chooses_and_asks() -> None:
    """Child runs run in order, a round is told why, time passes at once, and an answer is a value like any other."""
    model = told("To Rome", "To Rome!")
    run = await rehearse(journey, WISH, model=model)
    assert BOOKED == ["Hotel Rome", "Hotel Oslo", "Hotel Bonn"]
    assert [question.feedback for question in model.questions] == [(), ("End with an exclamation mark.",)]
    assert run.values["ticket"] == Letter(text="seat 7")
    assert (run.gate.kind, run.gate.role, run.gate.reasons) == ("question", "boss", ("How long may they stay?",))
    with pytest.raises(DecisionError, match="does not fit"):
        await run.answer(Letter(text="long"))
    await run.answer(Leave(days=4), by="Ada")
    assert run.result == Letter(text="To Rome! seat 7, 4 days")


async def test_rehearsal_of_a_child_run_that_waits_goes_on_with_the_run_that_started_it() -> None:
    """A child run has a ledger and gates of its own; once it has ended, the run around it goes on."""
    FULL.add("Hotel Oslo")
    run = await rehearse(journey, WISH, model=told("To Rome!"))
    assert [child.name for child in run.waiting] == ["journey.rooms[1]"]
    with pytest.raises(AssertionError, match=r"journey\.rooms\[1\]"):
        _ = run.gate
    assert isinstance(run.due, Spawn)
    child = run.child("rooms", 1)
    assert (child.gate.kind, child.gate.reasons) == ("blocked", ("It is full.",))
    FULL.clear()
    await child.retry()
    assert child.result == Room(hotel="Hotel Oslo")
    assert run.gate.kind == "question"
    assert [entry.receipt.kind for entry in child.ledger][:2] == ["begun", "suspended"]
    heads = [entry.receipt.how["ledger"] for entry in run.ledger if entry.receipt.kind == "returned"]
    assert child.ledger[-1].digest in heads


async def test_rehearsal_of_a_child_run_that_is_aborted_asks_the_run_that_started_it() -> None:
    """What gave nothing is run once more, by itself."""
    FULL.add("Hotel Oslo")
    run = await rehearse(journey, WISH, model=told("To Rome!"))
    await run.child("rooms", 1).abort("no bed")
    assert (run.gate.kind, run.gate.reasons) == ("failed", ("run 2 was aborted: no bed",))
    FULL.clear()
    await run.retry()
    assert run.gate.kind == "question"
    assert BOOKED == ["Hotel Rome", "Hotel Bonn", "Hotel Oslo"]


@pytest.mark.parametrize("how", ["abort", "cancel", "expire"])
async def test_rehearsal_of_a_run_that_ends_otherwise_undoes_what_was_done(how: str) -> None:
    """However a run ends that does not complete, what it did is undone, also by its child runs."""
    run = await rehearse(journey, WISH, model=told("To Rome!"))
    assert len(BOOKED) == 3
    await getattr(run, how)()
    assert run.outcome is not None
    assert run.outcome.kind == {"abort": "aborted", "cancel": "cancelled", "expire": "expired"}[how]
    assert BOOKED == []
    assert {child.outcome.kind for child in map(run.child, ["rooms"] * 3, range(3)) if child.outcome} == {"undone"}


async def test_rehearsal_of_rounds_that_are_spent_asks_what_follows() -> None:
    """The last value stands beside the question: as many rounds again, another value, or as it is."""
    run = await rehearse(journey, WISH, model=told("a", "b", "c", "d!"))
    assert (run.gate.kind, run.gate.reasons) == ("spent", ("End with an exclamation mark.",))
    await run.retry()
    assert run.values["letter"] == Letter(text="d!")


async def test_rehearsal_in_which_time_passes_by_hand_stands_at_a_pause() -> None:
    """A test may look at a run while it waits; the ledger's clock then moves by the time that passed."""
    run = await rehearse(journey, WISH, model=told("To Rome!"), pauses=False)
    assert isinstance(run.due, Wait)
    before = run.ledger[-1].at
    await run.elapse()
    assert run.gate.kind == "question"
    assert run.ledger[-1].at[:10] > before[:10]


async def test_rehearsal_cancelled_while_child_runs_wait_cancels_them_and_undoes_the_others() -> None:
    """A run ends once each of its child runs has; what those came to stands in its ledger."""
    FULL.add("Hotel Bonn")
    run = await rehearse(journey, WISH, model=told())
    await run.cancel()
    assert run.outcome is not None
    assert run.outcome.kind == "cancelled"
    assert BOOKED == []
    returned = [entry.receipt.action for entry in run.ledger if entry.receipt.kind == "returned"]
    assert returned == ["completed", "completed", "cancelled", "undone", "undone"]


async def test_rehearsal_of_a_child_run_that_never_began_says_which_there_are() -> None:
    """A test that names a child run wrongly is told."""
    run = await rehearse(journey, WISH, model=told("To Rome!"))
    with pytest.raises(AssertionError, match="rooms/1/0, rooms/1/1, rooms/1/2"):
        run.child("rooms", 3)
