"""Random plans with every construct in every other, and random outcomes: in memory and on Temporal, the same ledgers.

`make test` takes a sample, the same each time; `make search` takes hundreds of larger plans, some of whose runs
continue as new again and again. What happens in a run is worked out from its plan's name, which a failure names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gatework.machine.returning import report
from gatework.perform import acting, cell, perform
from gatework.run.events import Begun
from gatework.testing import Driver
from gatework.testing import driver as drivers
from tests.differential.memory import SALT, played
from tests.differential.server import on_server
from tests.differential.told import Told, difference
from tests.differential.writing import Written, write

EVERY = bool(os.environ.get("GATEWORK_SEARCH"))
"""Whether hundreds of plans are run, as `make search` does, or a sample."""


@pytest.fixture(autouse=True)
def _salts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Salts:
        """In the place of `os`."""

        @staticmethod
        def urandom(size: int) -> bytes:
            return SALT[:size]

    for module in (perform, acting, cell):
        monkeypatch.setattr(module, "os", Salts)


async def differences(every: Sequence[Written], there: dict[str, Told]) -> list[str]:
    """In what the runs of these plans in memory differ from those on the server."""
    found = []
    for written in every:
        name = written.plan.name
        try:
            here = await played(written, there[name])
        except Exception as error:  # noqa: BLE001  # what comes to no end differs, too
            found.append(f"{name}: {error!r}")
            continue
        found.append(difference(here, there[name], name))
    return [one for one in found if one]


def told(every: dict[str, Told]) -> str:
    """A line for whoever runs the tests."""
    runs = [run for root in every.values() for run in root.all]
    ends = Counter(run.ledger[-1]["action"] for run in runs)
    receipts = sum(len(run.ledger) for run in runs)
    many = ", ".join(f"{kind} {number}" for kind, number in sorted(ends.items()))
    return f"Compared {len(every)} plans: {len(runs)} runs, {receipts:,} receipts; ends: {many}"


RARE = ("p30", "p117")
"""Plans whose runs come to what is rare: a budget is spent, an effect asked for again is answered by the record."""


def written(prefix: str, many: int, *, size: int) -> list[Written]:
    return [write(f"{prefix}{number}", size=size) for number in range(many)]


@pytest.mark.slow
async def test_random_plans_come_to_the_same_ledgers_in_memory_and_on_temporal(
    address: str, record_property: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in a run, the in-memory driver and Temporal accept the same, in the same order."""
    every = [*written("a", 18, size=4), *map(write, RARE)]
    there = await on_server(address, "differential", every)
    assert await differences(every, there) == []
    record_property("told", told(there))
    # What cannot fail says nothing: a driver with a fault is found out by the same plans.
    for what, broken in BROKEN.items():
        with monkeypatch.context() as patch:
            broken(patch)
            assert await differences(every, there), f"nobody notices that {what}"
    # And each construct is among them.
    receipts = [receipt for root in there.values() for run in root.all for receipt in run.ledger]
    kinds = {receipt["kind"] for receipt in receipts}
    assert any(receipt["how"].get("recorded") for receipt in receipts)
    assert kinds >= {"chose", "joined", "round", "waited", "called", "returned", "gathered", "undoing", "acted"}


@pytest.mark.slow
@pytest.mark.skipif(not EVERY, reason="`make search` runs it")
@pytest.mark.parametrize("events", [4_000, 30])
@pytest.mark.parametrize("part", range(6))
async def test_hundreds_of_random_plans_come_to_the_same_ledgers(
    address: str, record_property: Callable[[str, object], None], part: int, events: int
) -> None:
    """As above, also where runs continue as new again and again."""
    every = written(f"s{part}x", 40, size=6)
    there = await on_server(address, f"differential-{part}-{events}", every, continue_after_events=events)
    assert await differences(every, there) == []
    record_property("told", told(there))


# -- drivers with a fault --------------------------------------------------------------------------


def _children_ask(patch: pytest.MonkeyPatch) -> None:
    take = Driver.take
    patch.setattr(
        Driver, "take", lambda self, event: take(self, replace(event, asks=True) if isinstance(event, Begun) else event)
    )


def _nothing_is_undone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drivers, "report", lambda *given, **more: replace(report(*given, **more), undoable=False))


def _values_are_others(patch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any, **more: Any) -> Any:
        told = report(*given, **more)
        held = told.output and replace(told.output, sealed=replace(told.output.sealed, salt="00" * 15 + "01"))
        return replace(told, output=held)

    patch.setattr(drivers, "report", broken)


def _words_are_others(patch: pytest.MonkeyPatch) -> None:
    decide = Driver.decide
    patch.setattr(Driver, "decide", lambda self, action, **more: decide(self, action, **{**more, "note": "!"}))


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "child runs ask where nobody is to be asked": _children_ask,
    "child runs do not take back what they did": _nothing_is_undone,
    "what a child run gives is another value": _values_are_others,
    "a decision is taken with other words": _words_are_others,
}
