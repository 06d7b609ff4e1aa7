"""The search through plans in which constructs stand inside each other: each event in each state, to some depth, and on
from there along ways that are chosen by chance, to the end.

States that differ only in counters are taken for one, as in `tests.explorer.search`; rounds count up to the number
after which a person is asked.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import asdict
from itertools import islice

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.plan import Plan, Work
from gatework.run.events import Decided, Event
from gatework.run.state import Due, Outcome, State
from gatework.testing.factories import begun
from tests.explorer.nested import plan_named, words
from tests.explorer.nested_events import Menu
from tests.explorer.nested_rules import Rules, waits
from tests.explorer.rules import Broken
from tests.explorer.search import Counts, faster_digests
from tests.explorer.verified import Pair, Verifier

PAST = 4
LONGEST = 200
"""Events of the longest way that is followed. From any state on there is a shorter one to the end."""


Place = tuple[State, Due, tuple[Event, ...], Pair]
"""A state with what is due in it, the last events that led there, and where the verifier's walk stands."""


class Search:
    """The search through one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.menu, self.rules = Menu(plan), Rules(plan)
        self.counts = Counts(plans=1)
        self._verifier = Verifier(plan)
        self._rounds = {
            node.until.loop: node.until.rounds for node in plan.nodes if isinstance(node, Work) and node.until
        }

    def all(self, *, depth: int, walks: int) -> Counts:
        """Every order of so many events, and so many ways on to the end. Raises `Broken`."""
        fresh = machine.new(self.plan)
        edge = self._wide(*self._taken(fresh, None, begun(self.plan), self._verifier.fresh(self.plan)), depth)
        chance = random.Random(self.plan.digest)
        for _ in range(walks if edge else 0):
            self._walk(*chance.choice(edge), chance)
        return self.counts

    def _wide(self, state: State, due: Due, walked: Pair, depth: int) -> list[Place]:
        """Go through all states up to a depth; those at the edge from which it goes on."""
        seen: set[Hashable] = {self._key(state)}
        waiting: deque[tuple[Place, int]] = deque([((state, due, (), walked), 1)])
        edge: list[Place] = []
        while waiting:
            (state, due, past, walked), length = waiting.popleft()
            self.counts.longest = max(self.counts.longest, length)
            self._look(state, due, past)
            if isinstance(due, Outcome):
                self.counts.ends[due.kind] = self.counts.ends.get(due.kind, 0) + 1
                continue
            if length >= depth:
                edge.append((state, due, past, walked))
                continue
            for event in self.menu.honest(state, due):
                step, then, further = self._taken(state, due, event, walked)
                key = self._key(step)
                if key not in seen:
                    seen.add(key)
                    waiting.append(((step, then, (*past[-PAST + 1 :], event), further), length + 1))
        self.counts.states += len(seen)
        return edge

    def _walk(self, state: State, due: Due, past: tuple[Event, ...], walked: Pair, chance: random.Random) -> None:
        for _ in range(LONGEST):
            if isinstance(due, Outcome):
                self.counts.ends[due.kind] = self.counts.ends.get(due.kind, 0) + 1
                return
            honest = list(self.menu.honest(state, due))
            event = chance.choice([one for one in honest if one.kind not in ("cancelled", "expired")] * 8 + honest)
            state, due, walked = self._taken(state, due, event, walked)
            past = (*past[-PAST + 1 :], event)
            self._look(state, due, past)

    def _look(self, state: State, due: Due, past: tuple[Event, ...]) -> None:
        """Send a state what it must refuse."""
        before = repr(state)
        for event in self.menu.hostile(state, due, past):
            try:
                machine.step(self.plan, state, event)
            except (DecisionError, OrderError) as error:
                if isinstance(error, DecisionError) is not isinstance(event, Decided):
                    raise Broken(f"The refusal of {event} is of the wrong kind.") from error
                self.counts.refused += 1
                continue
            raise Broken(f"The machine took {event} in {state}.")
        if repr(state) != before:
            raise Broken("A state was changed in place.")

    def _taken(self, state: State, due: Due | None, event: Event, walked: Pair) -> tuple[State, Due, Pair]:
        try:
            step = machine.step(self.plan, state, event)
            then = machine.due(self.plan, step.state)
            self.rules.transition(state, due, event, step.state, then, step.receipts)
            walked = self._verifier.walked(walked, step.state, step.receipts)
        except (Broken, OrderError, DecisionError) as error:
            error.add_note(f"at {event} in {state}")
            raise
        if not (waits(then) or isinstance(then, Outcome)):
            raise Broken("A run waits for nothing and nobody.")
        self.counts.taken += 1
        return step.state, then, walked

    def _key(self, state: State) -> Hashable:
        if state.outcome is not None:
            return state.outcome.kind, state.outcome.node
        gate = state.gate
        waiting = gate and (gate.kind, gate.node, gate.place, tuple(gate.shown.items()), gate.handed_on)
        rounds = tuple((name, (mark - 1) % self._rounds.get(name, 99)) for name, mark in state.marks.items())
        node = self.plan.steps[state.at]
        left = state.limit - state.attempts.get(node.name, 0) if isinstance(node, Work) and gate is None else 0
        values = tuple((name, held.sealed.digest, held.by_hand) for name, held in state.values.items())
        branches = tuple((n, branch.held is None) for n, branch in sorted(state.branches.items()))
        spent = sum(one.model_calls for one in state.spent.values())
        undoable = tuple((one.undo, one.child) for one in state.undoable)
        acts = tuple(sorted((key, done.outcome) for key, done in state.acts.items()))
        asked = state.edited and state.edited.digest, len(state.journal), tuple(call.id for call in state.pending)
        lasting = state.ending and state.ending.kind, state.gates > 0, branches, tuple(sorted(state.running)), spent
        return state.at, values, rounds, waiting, left, undoable, acts, asked, lasting


def search(plan: Plan, *, depth: int, walks: int) -> Counts:
    """Search through one plan. Raises `Broken` where a rule does not hold."""
    return Search(plan).all(depth=depth, walks=walks)


def main(arguments: list[str]) -> int:
    """Search the plans named on the command line, or all, and print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="plans, such as l(w(u)); all where none is named")
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--walks", type=int, default=10)
    parser.add_argument("--part", default="0/1", help="which share of the plans, such as 0/2")
    parser.add_argument("--sample", type=int, default=0, help="search so many of them, chosen the same way each time")
    given = parser.parse_args(arguments)
    part, parts = (int(number) for number in given.part.split("/"))
    faster_digests()
    counts, started = Counts(), time.monotonic()
    every = list(given.words or words())
    chosen = random.Random(0).sample(every, given.sample) if given.sample else every
    for word in islice(chosen, part, None, parts):
        try:
            counts.add(search(plan_named(word), depth=given.depth, walks=given.walks))
        except Exception as error:
            error.add_note(f"in plan {word}")
            raise
    print(json.dumps({**asdict(counts), "seconds": round(time.monotonic() - started, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
