"""The search: from the beginning of a run through every state that can be reached, each event in each.

States that differ only in counters are taken for one: how often something was tried before, how many gates there
were beyond the first, what was said to the model. The machine only adds to those and compares them for equality,
which `exact=True` shows on small plans, where nothing but the text told to the model is left out.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import chain, islice
from typing import Any

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.plan import Plan, Work
from gatework.run.budget import Spent
from gatework.run.events import Decided, Event
from gatework.run.journal import Call
from gatework.run.state import Due, State
from gatework.values import canonical
from tests.explorer.events import Menu, beginnings, forged_beginnings
from tests.explorer.rules import Broken, Rules
from tests.explorer.shapes import KINDS, plan_named, plans
from tests.explorer.verified import Pair, Verifier

PAST = 3
"""How many of the events that led to a state are sent once more in it."""


@dataclass
class Counts:
    """What a search went through."""

    plans: int = 0
    states: int = 0
    taken: int = 0
    refused: int = 0
    longest: int = 0
    """Events on the longest of the shortest ways to a state."""
    ends: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Count another search in."""
        self.plans += other.plans
        self.states += other.states
        self.taken += other.taken
        self.refused += other.refused
        self.longest = max(self.longest, other.longest)
        for kind, number in other.ends.items():
            self.ends[kind] = self.ends.get(kind, 0) + number


@dataclass(frozen=True)
class _Reached:
    state: State
    due: Due
    past: tuple[Event, ...]
    depth: int
    walked: Pair


def search(plan: Plan, *, depth: int = 1_000, exact: bool = False, calls: int = 2) -> Counts:
    """Go through every state of a plan up to a number of events. Raises `Broken` where a rule does not hold."""
    menu, rules, counts = Menu(plan, calls=calls), Rules(plan), Counts(plans=1)
    verifier = Verifier(plan)
    fresh = machine.new(plan)
    for event in forged_beginnings(menu):
        _refused(plan, fresh, event, counts)
    seen: set[Hashable] = set()
    waiting: deque[_Reached] = deque()

    def arrive(before: State, was: Due | None, event: Event, past: tuple[Event, ...], depth: int, walked: Pair) -> None:
        step = machine.step(plan, before, event)
        due = machine.due(plan, step.state)
        rules.transition(before, was, event, step.state, due, step.receipts)
        walked = verifier.walked(walked, step.state, step.receipts)
        counts.taken += 1
        key = _key(plan, step.state, exact=exact)
        if key not in seen:
            seen.add(key)
            waiting.append(_Reached(step.state, due, (*past[-PAST + 1 :], event), depth, walked))

    for event in beginnings(menu):
        arrive(fresh, None, event, (), 1, verifier.fresh(plan))
    while waiting:
        here = waiting.popleft()
        before = repr(here.state)
        counts.longest = max(counts.longest, here.depth)
        if here.state.outcome is not None:
            counts.ends[here.state.outcome.kind] = counts.ends.get(here.state.outcome.kind, 0) + 1
        try:
            for event in menu.hostile(here.state, here.due, here.past):
                _refused(plan, here.state, event, counts)
            if here.depth < depth:
                for event in menu.honest(here.state, here.due):
                    arrive(here.state, here.due, event, here.past, here.depth + 1, here.walked)
        except (Broken, OrderError, DecisionError) as error:
            error.add_note(f"after {here.past} in {here.state}")
            raise
        if repr(here.state) != before:
            raise Broken("A state was changed in place.")
    counts.states = len(seen)
    return counts


def _refused(plan: Plan, state: State, event: Event, counts: Counts) -> None:
    try:
        machine.step(plan, state, event)
    except (DecisionError, OrderError) as error:
        if isinstance(error, DecisionError) is not isinstance(event, Decided):
            raise Broken(f"The refusal of {event} is of the wrong kind.") from error
        counts.refused += 1
        return
    raise Broken(f"The machine took {event}.")


def _key(plan: Plan, state: State, *, exact: bool) -> Hashable:
    """What tells states apart. A run that has ended takes nothing, whatever it holds."""
    if state.outcome is not None and not exact:
        return state.outcome.kind, state.outcome.node
    values = tuple(
        (name, held.sealed.digest, held.label, held.by_hand, held.editor) for name, held in state.values.items()
    )
    edited = state.edited.digest if state.edited else None
    gate = state.gate
    waits: Hashable = None
    if gate is not None:
        shown = tuple(gate.shown.items())
        waits = (gate.kind, gate.node, gate.place, gate.before, shown, gate.click, gate.candidate is not None)
        waits = (waits, gate.call and _call(gate.call), gate.handed_on, frozenset(vote.by for vote in gate.votes))
    tried = dict(state.attempts) if exact else dict.fromkeys(state.attempts, 1)
    numbers: Hashable = (state.limit, state.gates, gate.evidence if gate else "")
    if not exact:
        spent = gate is not None or state.outcome is not None
        left = 0 if spent else state.limit - state.attempts[plan.nodes[state.at].name]
        numbers = (left, state.gates > 0)
    asked = _attempt(plan, state, exact=exact), _spent(plan, state, exact=exact)
    return state.at, values, state.let_in, edited, waits, state.outcome, asked, tuple(sorted(tried.items())), numbers


def _attempt(plan: Plan, state: State, *, exact: bool) -> Hashable:
    """What an attempt was answered and waits for, and what became of effects.

    Answers are handed on unread. What did not happen leaves nothing; of a node that is passed, it only matters that it
    cannot be run again.
    """
    pending = tuple(_call(call) for call in state.pending)
    waits: Hashable = (pending, bool(state.let_call), state.let_again, state.tried)
    if exact:
        return waits, repr(state.journal), repr(sorted(state.acts.items()))
    ahead = {node.name for node in plan.nodes[: state.at]}
    happened = [(key, done) for key, done in sorted(state.acts.items()) if done.outcome not in ("refused", "failed")]
    passed = frozenset(done.node for _, done in happened if done.node in ahead)
    here = tuple(
        (key, "final" if done.result else done.outcome, done.arguments)
        for key, done in happened
        if done.node not in ahead
    )
    return waits, bool(state.journal), sum(entry.kind == "tool" for entry in state.journal), passed, here


def _call(call: Call) -> Hashable:
    return call.tool, call.key, call.arguments["amount"]


def _spent(plan: Plan, state: State, *, exact: bool) -> Hashable:
    """What the node at hand spent of its budget, where it has one of its own."""
    if exact:
        return tuple((name, repr(spent)) for name, spent in sorted(state.spent.items())), repr(state.renewed)
    node = plan.nodes[state.at] if state.at < len(plan.nodes) else None
    if not isinstance(node, Work) or node.budget is None:
        return None
    spent = state.spent.get(node.name, Spent())
    calls = sum(spent.tool_calls.values()) - sum(state.renewed.tool_calls.values())
    return spent.model_calls > 0, spent.model_calls - state.renewed.model_calls, calls


def faster_digests() -> None:
    """Remember digests: the search computes the same few over and over."""
    plain = canonical.digest

    @cache
    def of(domain: str, text: str, salt: bytes) -> str:
        return plain(domain, json.loads(text), salt=salt)

    def digest(domain: str, value: Any, *, salt: bytes = b"") -> str:
        return of(domain, json.dumps(value), salt)

    canonical.digest = digest


def main(arguments: list[str]) -> int:
    """Search the plans named on the command line, and print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="plans, such as Usnwe; all of --nodes where none is named")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--wired", type=int, default=2, help="wire plans of up to so many nodes in every way")
    parser.add_argument("--kinds", default=KINDS, help="letters of the kinds of node")
    parser.add_argument("--depth", type=int, default=1_000)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--calls", type=int, default=2, help="how many calls an attempt makes at most")
    parser.add_argument("--sample", type=int, default=0, help="search so many of them, chosen the same way each time")
    parser.add_argument("--part", default="0/1", help="which share of the plans, such as 0/2")
    given = parser.parse_args(arguments)
    part, parts = (int(number) for number in given.part.split("/"))
    faster_digests()
    counts = Counts()
    started = time.monotonic()
    found = (
        ((word, plan_named(word)) for word in given.words)
        if given.words
        else chain.from_iterable(plans(n, wired=n <= given.wired, kinds=given.kinds) for n in given.nodes)
    )
    chosen = random.Random(0).sample(list(found), given.sample) if given.sample else found
    for word, plan in islice(chosen, part, None, parts):
        try:
            counts.add(search(plan, depth=given.depth, exact=given.exact, calls=given.calls))
        except Exception as error:
            error.add_note(f"in plan {word}")
            raise
    print(json.dumps({**asdict(counts), "seconds": round(time.monotonic() - started, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
