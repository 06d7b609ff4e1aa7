"""The script: what stages, guards, tools and people do in a random run, worked out from a seed and what they are given.

Nothing here knows where it runs. Whoever is asked the same for the same time gives the same answer, so that two runs of
one plan come to the same for as long as they ask for the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from pydantic import BaseModel

from gatework import Block, Escalate, IdempotencyKey, Pass, Retry, Verdict, effect
from gatework.perform.cell import current
from gatework.plan.labels import CLASSES, Label
from gatework.plan.plan import Plan
from gatework.run.events import Action
from gatework.run.state import ALLOWED, State
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.contract import contract

Word = Literal["pass", "retry", "block", "escalate"]


class Thing(BaseModel):
    """What flows through every plan here. It carries what guards will say of it."""

    id: str
    kind: Literal["a", "b", "c"]
    n: int
    said: list[Word]
    """What the guards on an output say of it, in order."""
    before: Word
    """What a guard on inputs says of it."""
    until: Word
    """What the guard at the end of a loop says of it."""


class Lost(BaseModel):
    """An item that came to nothing."""

    index: int
    reason: str


class Found(BaseModel):
    """What `each` gives that collects."""

    values: list[Thing]
    failed: list[Lost]


TYPES: Mapping[str, Any] = {"thing": Thing, "list": list[Thing], "found": Found}
DIGESTS = {contract(type_).digest: name for name, type_ in TYPES.items()}


@dataclass(frozen=True)
class Decision:
    """What somebody does at a gate."""

    action: Action | Literal["expire", "cancel"]
    by: str = ""
    note: str = ""
    place: str = ""
    value: Json = None


class Script:
    """What happens in the runs of one plan."""

    def __init__(self, name: str) -> None:
        self.name = name
        """That of the root's workflow: chance hangs on it alone."""
        self._asked: Counter[str] = Counter()

    def random(self, *what: Json, count: bool = True) -> Random:
        """Chance for one question: another each time that the same is asked."""
        question = canonical.digest("question", [self.name, *what])
        self._asked[question] += count
        return Random(f"{question} {self._asked[question]}")

    # -- values ------------------------------------------------------------------------------------

    def value(self, type_: str, chance: Random) -> Json:
        """A value of a type."""
        match type_:
            case "list":
                return [self.value("thing", chance) for _ in range(chance.choice([0, 1, 2, 3]))]
            case "found":
                return {"values": self.value("list", chance), "failed": []}
            case _:
                return {
                    "id": f"{self.name}-{chance.getrandbits(40):x}",
                    "kind": chance.choice("abc"),
                    "n": chance.randrange(100),
                    "said": [_word(chance, 0.72), _word(chance, 0.8)],
                    "before": _word(chance, 0.85),
                    "until": chance.choice(["pass", "pass", "retry", "retry", "retry", "block", "escalate"]),
                }

    # -- people ------------------------------------------------------------------------------------

    def decisions(self, plan: Plan, state: State, *, alone: bool) -> list[Decision]:
        """What somebody tries at the gate that waits, in order; the first that is taken is the decision.

        `alone` says whether nothing else is under way beside the run, and nothing is ending.
        """
        gate = state.gate
        assert gate is not None
        started = [state.values[start.name].sealed.digest for start in plan.inputs]
        asked = [plan.name, gate.node, gate.kind, gate.id, len(gate.votes), started]
        chance = self.random("decision", asked, count=False)
        if gate.expires_seconds <= 2:
            return [Decision("expire")]
        if chance.random() < 0.03 and alone:
            return [Decision("cancel")]
        by = "ann" if not gate.votes else "bob"
        if gate.id > 8:
            return [Decision("reject", by=by), Decision("abort", by=by)]
        weights = {"approve": 5, "retry": 4, "edit": 3, "answer": 8, "reject": 1, "abort": 1}
        order = sorted(ALLOWED[gate.kind], key=lambda action: chance.random() ** (1 / weights[action]), reverse=True)
        return [*(self._decision(plan, state, action, by, chance) for action in order), Decision("abort", by=by)]

    def _decision(self, plan: Plan, state: State, action: Action, by: str, chance: Random) -> Decision:
        gate = state.gate
        assert gate is not None
        note = chance.choice(["", f"note {chance.randrange(10)}"])
        if action == "answer":
            return Decision(action, by, note, value=self.value(DIGESTS[plan.contract(gate.node)], chance))
        if action != "edit":
            return Decision(action, by, note)
        places = [name for name in (*plan.starts, *plan.index) if plan.contract(name) in DIGESTS]
        place = chance.choice(places) if chance.random() < 0.4 else gate.place
        type_ = DIGESTS.get(plan.contract(place), "thing")
        return Decision(action, by, note, place=place, value=self.value(type_, chance))


def _word(chance: Random, passes: float) -> Word:
    return "pass" if chance.random() < passes else chance.choice(["retry", "retry", "block", "escalate"])


PLAYED: dict[str, Script] = {}
"""Name of a root's workflow → the script that its runs play, and those that it starts."""


def played(name: str) -> Script:
    """The script of a workflow, or of a value that was made in a run of it: both begin with the name of the root."""
    return PLAYED[re.split("[._-]", name)[0]]


@contextmanager
def playing(scripts: Iterable[Script]) -> Generator[None]:
    """While runs play these scripts."""
    found = {script.name: script for script in scripts}
    PLAYED.update(found)
    try:
        yield
    finally:
        for name in found:
            del PLAYED[name]


# -- stages, guards, tools -------------------------------------------------------------------------


def work_of(workflow: str, type_: str, label: Label, *, effect: bool) -> Callable[..., Any]:
    """What a stage of a workflow does, which gives a value of this type."""

    async def work(**given: Any) -> Any:
        cell = current()
        run, script = cell.run, played(workflow)
        inputs: Json = {name: sealed.data for name, sealed in run.inputs.items()}
        asked: list[Json] = [cell.lineage, run.node, inputs]
        first = next(iter(run.inputs.values())).data
        if effect and isinstance(first, dict):
            # The stage is run again once this is answered, and comes to what follows but once.
            await pay(str(first["id"]), int(first["n"]))
        chance = script.random("work", *asked)
        match chance.choices(["value", "contract", "block", "error"], [85, 5, 5, 5])[0]:
            case "contract":
                return CLASSES[label](3) if label is not Label.PLAIN else 3
            case "block":
                return Block("the stage refuses")
            case "error":
                raise RuntimeError("the stage broke")
            case _:
                pass
        value = contract(TYPES[type_]).read(json.dumps(script.value(type_, chance)).encode())
        return CLASSES[label](value) if label is not Label.PLAIN else value

    return work


def g(output: Thing) -> Verdict:
    return _said(output.said[0], "g")


def h(output: Thing) -> Verdict:
    return _said(output.said[1], "h")


def b(p0: Thing) -> Verdict:
    return _said(p0.before, "b")


def enough(output: Thing) -> Verdict:
    return _said(output.until, "enough")


def _said(word: Word, guard: str) -> Verdict:
    match word:
        case "pass":
            return Pass()
        case "retry":
            return Retry(f"{guard}: once more")
        case "block":
            return Block(f"{guard}: no")
        case _:
            return Escalate(f"{guard}: who knows")


@effect(once="order")
async def pay(key: IdempotencyKey, order: str, amount: int) -> str | Block:
    """Pay. Mostly it happens; sometimes nobody knows."""
    match played(order).random("pay", key).choices(["done", "refused", "unknown"], [75, 10, 15])[0]:
        case "done":
            return f"paid {amount}"
        case "refused":
            return Block("nothing is owed")
        case _:
            raise RuntimeError("the line went dead")
