"""Runs on a real Temporal server: the real interpreter, real activities and child workflows, the script's people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from gatework.errors import DecisionError
from gatework.temporal import Execution, GateworkPlugin
from gatework.temporal.transport.payloads import raw
from gatework.temporal.worker import activities as served_activities
from gatework.temporal.workflow import record
from gatework.temporal.workflow.interpreter import Interpreter
from gatework.values import canonical
from tests.differential.memory import LINEAGE, SALT, start_of
from tests.differential.script import Decision, Script, playing
from tests.differential.told import Told, id_of, plain
from tests.differential.writing import Written

LONG = 180
"""Seconds after which a root that has not ended hangs."""

AT_ONCE = 12
"""How many roots are under way at once."""


class Served:
    """Everything that runs on a server for these plans."""

    def __init__(self, client: Client, queue: str) -> None:
        self.client = client
        self.queue = queue
        self.runs: dict[str, Interpreter] = {}
        """By the server's id of the run."""
        self.latest: dict[str, tuple[str, Interpreter]] = {}
        """By the id that a run has chosen: the last of its runs."""

    def began(self, run: Interpreter) -> None:
        """A run begins in the worker."""
        # Where an earlier run is taken back, its history is replayed.
        if not workflow.unsafe.is_replaying():
            info = workflow.info()
            self.runs[info.run_id] = run
            self.latest[info.workflow_id] = info.run_id, run

    # -- one root ----------------------------------------------------------------------------------

    async def ran(self, written: Written) -> Told:
        """What the run of a plan came to."""
        name = written.plan.name
        script = Script(name)
        with playing([script]):
            handle = await self.client.start_workflow(
                name, raw(canonical.dumps(start_of(name))), id=name, task_queue=self.queue
            )
            people = asyncio.create_task(self._decide(name, script))
            over = asyncio.create_task(handle.result())
            await asyncio.wait({people, over}, timeout=LONG, return_when=asyncio.FIRST_COMPLETED)
            assert over.done(), f"{name} did not end: {people if people.done() else self._standing(name)}"
            people.cancel()
            with suppress(WorkflowFailureError):  # it ended otherwise; its ledger says how
                await over
        _, run = self.latest[name]
        return self._told(run)

    def _standing(self, root: str) -> str:
        """Where the runs of a root stand."""
        found = {id_: run for id_, (_, run) in self.latest.items() if id_.split("/")[0] == root and run._state}
        return "; ".join(f"{id_}: {_at(run)}" for id_, run in found.items())

    def _told(self, run: Interpreter) -> Told:
        found = Told(plain(run._ledger))
        for entry, receipt in zip(run._ledger, found.ledger, strict=True):
            started = entry.receipt.how.get("run")
            if entry.receipt.kind == "returned" and isinstance(started, str) and started:
                found.children[id_of(receipt)] = self._told(self.runs[started])
        return found

    # -- people ------------------------------------------------------------------------------------

    async def _decide(self, root: str, script: Script) -> None:
        """Answer every gate of a root and its child runs."""
        done: set[tuple[str, int, int]] = set()
        while True:
            await asyncio.sleep(0.01)
            for id_, (run_id, run) in list(self.latest.items()):
                if id_.split("/")[0] != root or run._state is None or run._known is None:
                    continue
                gate = run._state.gate
                if gate is None or (key := (run_id, gate.id, len(gate.votes))) in done:
                    continue
                done.add(key)
                for one in script.decisions(run._known.plan, run._state, alone=self._alone(id_)):
                    if await self._sent(id_, one, gate.number):
                        break
                else:
                    raise AssertionError(f"nothing could be decided in {id_} at {gate}")

    def _alone(self, id_: str) -> bool:
        """Whether nothing else is under way beside a run, and neither it nor any run above it is ending."""
        parts = id_.split("/")
        ids = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        states = [self.latest[one][1]._state for one in ids if one in self.latest]
        return all(state and len(state.running) <= 1 and state.ending is None for state in states)

    async def _sent(self, id_: str, one: Decision, number: str) -> bool:
        """Whether a decision was taken."""
        if one.action == "expire":
            return True
        if one.action == "cancel":
            await self.client.get_workflow_handle(id_.split("/")[0]).cancel()
            return True
        run: Execution[Any] = Execution(self.client.get_workflow_handle(id_), None)  # type: ignore[arg-type]
        fields = {"by": one.by, "note": one.note, "number": number, "value": one.value, "place": one.place}
        try:
            await run._decide(one.action, **fields)
        except DecisionError:
            return False
        return True


def _at(run: Interpreter) -> str:
    known, state = run._now
    node = known.plan.steps[min(state.at, len(known.plan.steps) - 1)].name
    gate = state.gate
    return f"{state.outcome.kind if state.outcome else node} {gate.kind if gate else ''}"


def _watched(patch: pytest.MonkeyPatch, served: Served) -> None:
    """Have every run told of as it begins, and salts and lineages the same each time."""
    begin = Interpreter._run

    async def run(self: Interpreter, inputs: tuple[object, ...]) -> Any:
        served.began(self)
        return await begin(self, inputs)

    patch.setattr(Interpreter, "_run", run)
    patch.setattr(Interpreter, "_salt", lambda self, of: SALT)
    patch.setattr(record, "lineage", lambda namespace, id, first_run_id: LINEAGE)
    # What breaks, breaks again: Temporal need not try.
    patch.setattr(served_activities, "TRIES", 1)


async def on_server(
    address: str, queue: str, every: Sequence[Written], *, continue_after_events: int = 4_000
) -> dict[str, Told]:
    """What the runs of these plans came to, by their names."""
    plugin = GateworkPlugin(*(written.workflow for written in every), continue_after_events=continue_after_events)
    client = await Client.connect(address, plugins=[plugin])
    served = Served(client, queue)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(written: Written) -> Told:
        async with free:
            return await served.ran(written)

    with pytest.MonkeyPatch.context() as patch:
        _watched(patch, served)
        async with Worker(client, task_queue=queue):
            told = await asyncio.gather(*map(one, every))
    return {written.plan.name: one for written, one in zip(every, told, strict=True)}
