"""A run in memory: real stages, guards and tools, the script's people, and child runs one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatework.errors import DecisionError
from gatework.releases.library import Library
from gatework.run.events import Begun
from gatework.run.held import Held
from gatework.run.state import Act, Gate, Outcome, Run, Spawn, Wait
from gatework.testing import Rehearsal, factories
from gatework.testing.driver import Driver
from gatework.testing.rehearsal import Setting
from gatework.values.canonical import Json
from tests.differential.script import Script, playing
from tests.differential.told import Told, id_of, plain
from tests.differential.writing import Written

LINEAGE = "lineage"
"""That of every root; those of child runs follow from it."""


SALT = bytes(16)
"""That of every value, so that the same data has the same digest."""


class Played(Rehearsal[Any]):
    """A rehearsal of a plan that is written as data."""

    def __init__(self, written: Written, script: Script) -> None:
        library = Library([written.workflow])
        known = library.find(written.plan.name, written.plan.digest)
        assert known is not None
        plans = [one.plan for name in library.names for one in library.plans(name)]
        setting = Setting(library=library, contracts={}, model=None, store=None, seed=0, pauses=True)
        self._take_part(setting, known, Driver(written.plan, plans=plans))
        self._lineage = LINEAGE
        self.script = script

    def _rehearsed(self, child: Driver) -> Rehearsal[Any]:
        run = super()._rehearsed(child)
        assert isinstance(run, Played)
        run.script = self.script
        return run

    async def play(self, root: Played, order: Told | None, *, alone: bool) -> None:
        """Go on to the end. Child runs end in the order in which they did elsewhere."""
        while self.outcome is None:
            match self.due:
                case Outcome():
                    return
                case Run() | Act():
                    await self.once()
                case Wait():
                    self.driver.elapse()
                case Gate():
                    self._decide_here(root, alone=alone)
                case Spawn():
                    live = {run.driver.id: run for run in self._live}
                    wanted = next((id_ for id_ in (order.children if order else ()) if id_ in live), min(live))
                    child = live[wanted]
                    assert isinstance(child, Played)
                    below = order.children.get(wanted) if order else None
                    await child.play(root, below, alone=alone and len(live) == 1 and self.state.ending is None)

    def _decide_here(self, root: Played, *, alone: bool) -> None:
        for one in self.script.decisions(self.plan, self.state, alone=alone and self.state.ending is None):
            try:
                match one.action:
                    case "expire":
                        self.driver.expire()
                    case "cancel":
                        root.driver.cancel("")
                    case _:
                        value = None if one.value is None else factories.sealed(one.value, SALT)
                        self.driver.decide(one.action, by=one.by, note=one.note, place=one.place, value=value)
                return
            except DecisionError:
                continue  # somebody tries something else
        raise AssertionError(f"nothing could be decided at {self.state.gate}")

    @property
    def told(self) -> Told:
        """What the run came to, and those that it started and heard of."""
        found = Told(plain(self.ledger))
        runs = {child.id: child for child in self.driver.children}
        for entry in found.ledger:
            if entry["kind"] == "returned":
                child = self._rehearsed(runs[id_of(entry)])
                assert isinstance(child, Played)
                found.children[child.driver.id] = child.told
        return found


async def played(written: Written, order: Told | None = None) -> Told:
    """Run a plan with its script; child runs return in the order in which they did elsewhere, where that is told."""
    script = Script(written.plan.name)
    run = Played(written, script)
    start = factories.sealed(start_of(written.plan.name), SALT)
    inputs: Mapping[str, Held] = {one.name: Held(sealed=start, label=one.label) for one in run.plan.inputs}
    with playing([script]):
        run.driver.take(Begun(plan=run.plan.digest, inputs=inputs))
        await run.play(run, order, alone=True)
    return run.told


def start_of(name: str) -> Json:
    """What the run of a root starts from."""
    script = Script(name)
    return script.value("thing", script.random("start"))
