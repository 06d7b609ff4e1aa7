"""Whether the verifier's walk accepts more than the machine makes: receipts of other states, and changed ones.

In each state of a sample, every receipt that any state of the plan ever left is offered to the walk. Where it takes
one, the machine must take the event that led to it elsewhere, and leave just that receipt first; but for `OPEN`: what
section 5 of docs/spec/ledger.md leaves open, since a ledger cannot show it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.plan import Plan
from gatework.run.events import Cancelled, Elapsed, Event, Expired, Suspended
from gatework.run.state import Due, Receipt, State
from gatework.testing.factories import begun
from gatework.verify import walk
from gatework.verify.refusal import Refused
from tests.explorer import events, nested, nested_events, nested_search
from tests.explorer.search import faster_digests
from tests.explorer.verified import Pair, Verifier

OPEN = {
    "asked failed": "a person is asked in place of an attempt that may not run, or child runs that may not start",
    "called": "when another child run starts: a budget may hold it back, or share what is left among more of them",
    "ended failed": "a run in which nobody is asked ends in place of such a question",
    "undoing failed": "the same, where something is to be undone",
}
"""What the walk may take and the machine may not make there, with why."""


@dataclass
class Found:
    """What a search for soundness went through."""

    plans: int = 0
    states: int = 0
    offered: int = 0
    taken: int = 0
    made: int = 0
    """Of these, those that the machine makes there."""
    open: Counter[str] = field(default_factory=Counter)
    """Of these, those that are left open, by what they are."""
    changed: int = 0
    """Changed receipts, offered where they were made: all of them refused."""
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Count what another search went through besides."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def told(self) -> str:
        """For whoever runs the search."""
        return (
            f"Offered {self.offered:,} receipts of other states: {self.taken:,} taken, of which the machine makes "
            f"{self.made:,}; left open: {dict(self.open)}. Refused {self.changed:,} changed ones."
        )


@dataclass(frozen=True)
class Place:
    """A state with what is due, and where the walk stands."""

    state: State
    due: Due
    walked: Pair


class Soundness:
    """The search through one plan: what can be sent to its runs, how they begin, what tells their states apart."""

    def __init__(
        self, plan: Plan, menu: events.Menu | nested_events.Menu, start: Event, key: Callable[[State], Hashable]
    ) -> None:
        self.plan, self.menu, self.start, self._key, self.verifier = plan, menu, start, key, Verifier(plan)
        self.found = Found(plans=1)
        self.pool: dict[str, tuple[Receipt, Event]] = {}
        """Receipts by what they say; of those that come first in their step with an event that led to them."""

    def all(self, *, depth: int, most: int) -> Found:
        """Collect receipts of all states up to a depth, and offer them in a sample of the states."""
        places = list(self._places(depth))
        chance = random.Random(self.plan.digest)
        for place in chance.sample(places, min(most, len(places))):
            self.found.states += 1
            for receipt, event in self.pool.values():
                self._offer(place, receipt, event)
        return self.found

    def _places(self, depth: int) -> Iterator[Place]:
        fresh = machine.new(self.plan)
        first = self._taken(Place(fresh, None, self.verifier.fresh(self.plan)), self.start)  # type: ignore[arg-type]
        seen: set[Hashable] = {self._key(first.state)}
        waiting = deque([(first, 1)])
        while waiting:
            place, length = waiting.popleft()
            yield place
            for event in self.menu.honest(place.state, place.due) if length < depth else ():
                then = self._taken(place, event)
                key = self._key(then.state)
                if key not in seen:
                    seen.add(key)
                    waiting.append((then, length + 1))

    def _taken(self, place: Place, event: Event) -> Place:
        step = machine.step(self.plan, place.state, event)
        walked = place.walked
        for receipt in step.receipts:
            self.pool.setdefault(repr(receipt), (receipt, event))
            self._change(walked, receipt)
            walked = self.verifier.walked(walked, step.state, (receipt,))
        return Place(step.state, machine.due(self.plan, step.state), walked)

    def _offer(self, place: Place, receipt: Receipt, event: Event) -> None:
        self.found.offered += 1
        if not self._accepts(place.walked, receipt):
            return
        self.found.taken += 1
        event = fitted(place.state, receipt, event)
        try:
            made = _alike(machine.step(self.plan, place.state, event).receipts[0], receipt)
        except (DecisionError, OrderError):
            made = False
        if made:
            self.found.made += 1
            return
        what = receipt.kind if receipt.kind in OPEN else f"{receipt.kind} {receipt.action}"
        if what in OPEN:
            self.found.open[what] += 1
        else:
            self.found.wrong.append(f"{what}: {receipt} in {place.state}")

    def _accepts(self, walked: Pair, receipt: Receipt) -> bool:
        try:
            walk.step(self.verifier.open, walked[0], receipt)
        except Refused:
            return False
        return True

    def _change(self, walked: Pair, receipt: Receipt) -> None:
        """Offer a receipt with one member changed where it was made itself."""
        for changed in changes(receipt):
            self.found.changed += 1
            if self._accepts(walked, changed):
                self.found.wrong.append(f"changed: {changed} in place of {receipt}")


def _alike(made: Receipt, receipt: Receipt) -> bool:
    """Whether both say the same, but for the reason, which is anybody's; the evidence of a gate is over that too."""
    return replace(made, reason="", evidence="") == replace(receipt, reason="", evidence="")


def fitted(state: State, receipt: Receipt, event: Event) -> Event:
    """The event that leads to a receipt first, with what no receipt says of it as the state has it."""
    match event:
        case Elapsed():
            return replace(event, attempt=state.attempts[event.node])
        case Suspended():
            return replace(event, turn=len(state.journal))
        case Expired() if state.gate is not None:
            return replace(event, gate=state.gate.id)
        case Cancelled() if receipt.kind == "returned":
            return next(one for one in event.returned if one.child == receipt.how["child"])
        case Cancelled():
            return replace(event, returned=())
        case _:
            return event


def changes(receipt: Receipt) -> Iterator[Receipt]:
    """A receipt with one member changed of those that nobody is free to choose."""
    other = "ab" * 32
    if receipt.attempt:
        yield replace(receipt, attempt=receipt.attempt + 1)
    if receipt.gate:
        yield replace(receipt, gate=receipt.gate + 1)
    if receipt.inputs:
        yield replace(receipt, inputs=other)
    if receipt.evidence:
        yield replace(receipt, evidence=other)
    if receipt.output and receipt.kind in ("joined", "round", "gathered", "approved", "ended"):
        yield replace(receipt, output=other)
    if receipt.label and receipt.kind != "returned":
        yield replace(receipt, label="approved" if receipt.label != "approved" else "untrusted")
    if receipt.verdicts:
        yield replace(receipt, verdicts=receipt.verdicts[1:])
        yield replace(receipt, verdicts=(*receipt.verdicts, receipt.verdicts[-1]))
        yield replace(receipt, verdicts=tuple(replace(one, on=other) for one in receipt.verdicts))
    if receipt.shown:
        yield replace(receipt, shown=dict(list(receipt.shown.items())[1:]))
    if receipt.node:
        yield replace(receipt, node="elsewhere")
    if receipt.kind == "called":
        rest = {name: member for name, member in receipt.how.items() if name != "given"}
        for given in ({}, {"given": {"model_calls": 99}}, {"given": {**receipt.how.get("given", {}), "tokens": 1}}):
            yield replace(receipt, how={**rest, **given})
    if receipt.how.get("undo"):
        yield replace(receipt, how={**receipt.how, "undo": receipt.how["undo"][1:]})
    if receipt.kind == "asked":
        yield replace(receipt, reason=f"{receipt.reason}, or not")


def sound(word: str, *, depth: int, most: int) -> Found:
    """The search through the plan of a word of `nested`."""
    plan = nested.plan_named(word)
    search = Soundness(plan, nested_events.Menu(plan), begun(plan), nested_search.Search(plan)._key)
    return search.all(depth=depth, most=most)


def sound_alone(plan: Plan, *, depth: int, most: int) -> Found:
    """The search through a plan without child runs, whose stages may make calls."""
    menu = events.Menu(plan)
    search = Soundness(plan, menu, next(events.beginnings(menu)), lambda state: repr(state))
    return search.all(depth=depth, most=most)


def main(arguments: list[str]) -> int:
    """Search the plans named on the command line, or all, and print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="plans, such as l(w(u)); all where none is named")
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--most", type=int, default=40, help="offer receipts in so many states of each plan")
    parser.add_argument("--sample", type=int, default=0, help="search so many of them, chosen the same way each time")
    given = parser.parse_args(arguments)
    faster_digests()
    every = list(given.words or nested.words())
    chosen = random.Random(0).sample(every, given.sample) if given.sample else every
    total = Found()
    for word in chosen:
        found = sound(word, depth=given.depth, most=given.most)
        total.add(replace(found, wrong=[f"{word}: {one}" for one in found.wrong[:3]]))
    counts = {name: value for name, value in vars(total).items() if name != "wrong"}
    print(json.dumps(counts))
    for one in total.wrong[:20]:
        print(one, file=sys.stderr)
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
