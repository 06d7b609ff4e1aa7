"""Both verifiers beside the machine, in random walks through plans of every kind of node.

What the machine leaves, both take. What it did not leave there, a receipt of elsewhere or one with a member changed,
both refuse, or the first alone with a code that says that a verifier may leave this out.
"""

from __future__ import annotations

import copy
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gatework.machine import machine
from gatework.plan.plan import Plan
from gatework.proof import ledger, shape
from gatework.run.events import Event
from gatework.run.state import Receipt
from gatework.testing.factories import begun
from gatework.verify import walk
from gatework.verify.refusal import Refused
from tests.explorer import events, nested, nested_events, shapes
from tests.explorer.verified import Pair, Verifier
from tests.proof.both import ONLY_FIRST, SECOND
from tests.proof.meddling import meddled

EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
WALKS = 2_000 if EVERY else 60
PLANS = 700 if EVERY else 14
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)

pytestmark = pytest.mark.slow

CHANGES = {*"last returns undo held given mark acts shown kids calls leave votes".split()}
"""What the second verifier changes in place; the rest it puts anew."""


@dataclass(frozen=True)
class Place:
    """Where both verifiers stand before a receipt that the machine left."""

    first: Pair
    second: Any
    """A `Ledger` of the second verifier."""
    left: Receipt


def plans(many: int, chance: random.Random) -> Iterator[tuple[Plan, Any, Event]]:
    """Plans in turn with child runs and without, each with what can be sent to its runs, and how they begin."""
    alone = [plan for _, plan in shapes.plans(1, wired=False)]
    words = list(nested.words())
    for number in range(many):
        if number % 2:
            plan = chance.choice(alone)
            menu = events.Menu(plan)
            yield plan, menu, next(events.beginnings(menu))
        else:
            plan = nested.plan_named(chance.choice(words))
            yield plan, nested_events.Menu(plan), begun(plan)


def walked(plan: Plan, menu: Any, start: Event, chance: random.Random, verifier: Verifier, ledger: Any) -> list[Place]:
    """The places of a run whose events are picked at random. Both verifiers take each receipt."""
    state, event = machine.new(plan), start
    places, pair = list[Place](), verifier.fresh(plan)
    for _ in range(chance.randrange(4, 40)):
        step = machine.step(plan, state, event)
        state = step.state
        for receipt in step.receipts:
            places.append(Place(pair, ledger, receipt))
            pair = verifier.walked(pair, state, (receipt,))
            ledger, code = second_of(ledger, receipt)
            assert code == "", receipt
        honest = list(menu.honest(state, machine.due(plan, state)))
        if not honest:
            break
        event = chance.choice(honest)
    return places


def second_of(before: Any, receipt: Receipt) -> tuple[Any, str]:
    """The ledger of the second verifier behind a receipt, and the code with which it refuses that."""
    after = copy.copy(before)
    for name in (
        "last",
        "returns",
        "undo",
        "held",
        "given",
        "mark",
        "acts",
        "shown",
        "kids",
        "calls",
        "leave",
        "votes",
    ):
        if name in vars(before):
            setattr(after, name, copy.copy(getattr(before, name)))
    data = ledger.data(ledger.Entry.after(None, receipt, AT))["receipt"]
    try:
        SECOND.need("format", SECOND.fits("receipt", data))
        after.take(data)
    except SECOND.Refused as refused:
        return None, str(refused)
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError):
        return None, "format"  # as its `verify` says of what a receipt lacks
    return after, ""


def first_of(verifier: Verifier, pair: Pair, receipt: Receipt) -> str:
    """The code with which Gatework's verifier refuses a receipt; empty where it takes it."""
    if shape.misshapen(ledger.Entry.after(None, receipt, AT)):
        return "format"
    try:
        walk.step(verifier.open, pair[0], receipt)
    except Refused as refused:
        return refused.why
    return ""


class _Values(dict[str, Any]):
    """The values that a walk has seen so far, as a certificate that discloses them has them."""

    def __init__(self, verifier: Verifier) -> None:
        self._seen = verifier.open.values

    def get(self, digest: str, default: Any = None) -> Any:
        data, salt = self._seen.get(digest, (None, None))
        return default if salt is None else {"data": data, "salt": salt}


def second_for(plan: Plan, values: Any) -> Any:
    """The second verifier, before the ledger of a run of the plan."""
    return SECOND.Ledger(SimpleNamespace(plans={plan.digest: plan.data}, values=values, found=Counter()))


def test_second_verifier_takes_what_the_machine_leaves() -> None:
    """With every value disclosed, and with every value withheld, whatever kinds of receipts a walk brings."""
    chance, kinds = random.Random(1), Counter[str]()
    for plan, menu, start in plans(WALKS, chance):
        verifier = Verifier(plan)
        shut = second_for(plan, {})
        for place in walked(plan, menu, start, chance, verifier, second_for(plan, _Values(verifier))):
            shut, code = second_of(shut, place.left)
            assert code == "", place.left
            kinds[place.left.kind] += 1
    assert kinds.keys() >= {*"output suspended acting acted asked decided returned undoing ended".split()}


def test_both_refuse_what_the_machine_did_not_leave_there(record_property: Callable[[str, object], None]) -> None:
    """In each place the receipts of other places, and the one that was left with one member changed."""
    chance, codes = random.Random(2), Counter[tuple[str, str]]()
    for plan, menu, start in plans(PLANS, chance):
        verifier = Verifier(plan)
        beginning = second_for(plan, _Values(verifier))
        places = [one for _ in range(6) for one in walked(plan, menu, start, chance, verifier, beginning)]
        pool = list({repr(place.left): place.left for place in places}.values())
        for place in chance.sample(places, min(8, len(places))):
            offered = [*chance.sample(pool, min(60, len(pool))), *meddled(place.left, pool, chance)]
            for receipt in offered:
                found = first_of(verifier, place.first, receipt), second_of(place.second, receipt)[1]
                codes[found] += 1
                agree = bool(found[0]) is bool(found[1]) or found[0] in ONLY_FIRST
                assert agree, f"{found}: {receipt} in place of {place.left}"
    refused = sum(many for (first, _), many in codes.items() if first)
    alone = Counter({first: many for (first, second), many in codes.items() if first and not second})
    told = f"{sum(codes.values()):,} offered, {refused:,} refused, by the first verifier alone: {dict(alone)}"
    record_property("told", told)
    print(told)
    assert set(alone) <= ONLY_FIRST
    assert refused > 5_000
