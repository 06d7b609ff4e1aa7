"""The second verifier takes whatever the machine leaves: random walks through plans of every kind of node."""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gatework.machine import machine
from gatework.plan.plan import Plan
from gatework.proof import ledger
from gatework.run.events import Event
from gatework.run.state import Receipt
from gatework.testing.factories import begun
from tests.explorer import events, nested, nested_events, shapes
from tests.explorer.verified import Verifier
from tests.proof.both import SECOND

WALKS = 2_000 if os.environ.get("GATEWORK_SEARCH") else 60
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)

pytestmark = pytest.mark.slow


def walked(plan: Plan, menu: Any, start: Event, chance: random.Random) -> tuple[list[Receipt], Verifier]:
    """The receipts of a run whose events are picked at random, with the values that Gatework's verifier saw."""
    verifier, state, event = Verifier(plan), machine.new(plan), start
    receipts, pair = list[Receipt](), verifier.fresh(plan)
    for _ in range(chance.randrange(4, 40)):
        step = machine.step(plan, state, event)
        state = step.state
        receipts += step.receipts
        pair = verifier.walked(pair, state, step.receipts)
        honest = list(menu.honest(state, machine.due(plan, state)))
        if not honest:
            break
        event = chance.choice(honest)
    return receipts, verifier


def test_second_verifier_takes_what_the_machine_leaves() -> None:
    """With every value disclosed, and with every value withheld, whatever kinds of receipts a walk brings."""
    chance, kinds = random.Random(1), Counter[str]()
    alone = [plan for _, plan in shapes.plans(1, wired=False)]
    words = list(nested.words())
    for number in range(WALKS):
        if number % 2:
            plan = chance.choice(alone)
            menu = events.Menu(plan)
            receipts, verifier = walked(plan, menu, next(events.beginnings(menu)), chance)
        else:
            plan = nested.plan_named(chance.choice(words))
            receipts, verifier = walked(plan, nested_events.Menu(plan), begun(plan), chance)
        disclosed = {digest: {"data": data, "salt": salt} for digest, (data, salt) in verifier.open.values.items()}
        for values in (disclosed, {}):
            file = SimpleNamespace(plans={plan.digest: plan.data}, values=values, found=Counter())
            second = SECOND.Ledger(file)
            for receipt in receipts:
                second.take(ledger.data(ledger.Entry.after(None, receipt, AT))["receipt"])
                kinds[receipt.kind] += 1
    assert kinds.keys() >= {
        "output",
        "suspended",
        "acting",
        "acted",
        "asked",
        "decided",
        "returned",
        "undoing",
        "ended",
    }
