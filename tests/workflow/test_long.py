"""Runs of many items: they go on as new again and again, and nothing of them is lost; or they say what they lack."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Literal

import pytest

from gatework import Endorsed, workflow
from gatework.proof.ledger import Entry, broken_at
from gatework.releases.library import Library
from gatework.run import branches
from gatework.run.state import State
from gatework.temporal.client.history import Leg, legs, rebuilt
from gatework.temporal.workflow import interpreter
from gatework.temporal.workflow.beginning import Carried
from gatework.values import wire
from tests.workflow.deployment import Deployed, Deployments, count, until, waiting
from tests.workflow.families import calls, child, part, result, started
from tests.workflow.plans import BLOCK, Note, Paper, big, signed, single, world


def notes(many: int) -> Any:
    return [{"text": str(number)} for number in range(many)]


@pytest.fixture(autouse=True)
def held_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What child runs came to is held as that of very many is, from the third on."""
    monkeypatch.setattr(branches, "FEW", 2)


MOST_CARRIED_BYTES = 150
"""What a leg hands on of an item that is done, with its value of 25 bytes."""


def handed_on(leg: Leg) -> State:
    carried: Carried = wire.decode(Carried, leg.started.input.payloads[0].data, what="what was handed on")
    return carried.state


async def chain_of(deployed: Deployed, run: Any) -> list[Leg]:
    return await legs(deployed.client, run.id, (await run.handle.describe()).run_id)


async def test_chain_of_receipts_order_and_plan_hold_over_every_leg(deployments: Deployments) -> None:
    """Sixty items in several legs: one ledger without a gap, each leg held to the plan, each item done once."""
    inner = part(single, "outer.found")
    outer = calls(inner, at_most=3)
    deployed = await deployments.serve(inner, outer, continue_after_events=60)
    run = await started(deployed, outer, notes(60))
    assert [paper["text"] for paper in await result(run)] == [str(number) for number in range(60)]
    assert world.worked == 60
    chain = await chain_of(deployed, run)
    assert len(chain) > 3
    first, last = (handed_on(leg) for leg in (chain[1], chain[-1]))
    done = len(last.branches) - len(first.branches)
    assert (len(wire.encode(last)) - len(wire.encode(first))) / done < MOST_CARRIED_BYTES
    assert max(len(leg.events) for leg in chain) < 150
    ledger: list[Entry] = []
    for leg in chain:
        found = await rebuilt(leg, Library([inner, outer]), deployed.client.data_converter)
        assert (found.first_plan, found.last_plan) == (outer.plan.digest, outer.plan.digest)
        ledger += [entry for step in found.steps for entry in step.entries]
    assert broken_at(ledger) is None
    assert [entry.receipt.kind for entry in ledger].count("returned") == 60


async def test_item_that_waits_for_a_person_holds_up_the_next_leg_and_is_not_lost(deployments: Deployments) -> None:
    """A run that is to continue as new waits for its child runs; what a person decides there counts."""
    inner = part(signed, "outer.found")
    outer = calls(inner, at_most=2)
    deployed = await deployments.serve(inner, outer, continue_after_events=12)
    run = await started(deployed, outer, notes(6))
    first = (await run.handle.describe()).run_id
    for number in (2, 1):  # the second item is over, and the next may not start before the first is as well
        one = await child(run, f"found/{number}", inner)
        asked = await waiting(one)
        assert (await run.handle.describe()).run_id == first
        await one.approve(asked.number)
    for number in range(3, 7):
        one = await child(run, f"found/{number}", inner)
        await one.approve((await waiting(one)).number)
    assert [paper["text"] for paper in await result(run)] == [str(number) for number in range(6)]
    assert len(await chain_of(deployed, run)) > 1


@pytest.mark.parametrize("failed", ["ask", "collect", "stop"])
async def test_item_that_fails_late_is_dealt_with_as_the_plan_says(
    deployments: Deployments, failed: Literal["ask", "collect", "stop"]
) -> None:
    """What one leg handed on counts in the next: nothing that succeeded before the failure is done again."""
    inner = part(single, "outer.found")
    outer = calls(inner, at_most=1, failed=failed)
    deployed = await deployments.serve(inner, outer, continue_after_events=40)
    blocks = iter(BLOCK if tried == 20 else None for tried in range(1, 100))
    world.does = lambda: next(blocks)
    run = await started(deployed, outer, notes(24))
    if failed == "ask":
        one = await child(run, "found/20", inner)
        await waiting(one)
        await one.retry()
    elif failed == "stop":
        assert "run 20 failed" in (await waiting(run)).reasons[0]
        await run.retry()
    found = await result(run)
    wanted = [str(number) for number in range(24)]
    if failed == "collect":
        assert [paper["text"] for paper in found["values"]] == wanted[:19] + wanted[20:]
        assert [item["index"] for item in found["failed"]] == [19]
    else:
        assert [paper["text"] for paper in found] == wanted
    assert world.worked == (24 if failed == "collect" else 25)
    assert len(await chain_of(deployed, run)) > 2


@workflow
def grown(note: Endorsed[Note]) -> Endorsed[Paper]:
    """A note of a number becomes a text of so many characters."""
    return big(note)


async def test_run_without_room_says_so_and_goes_on_where_there_is_a_store(
    deployments: Deployments, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large to be handed on starts no more child runs than its history has room for; nothing is lost."""
    monkeypatch.setattr(interpreter.Interpreter, "most_events", 200)
    monkeypatch.setattr(interpreter, "LOOK_AGAIN", timedelta(seconds=0.5))
    (store := tmp_path / "store").mkdir()
    inner = part(grown, "outer.found")
    outer = calls(inner, at_most=4)
    sizes = [{"text": str(50_000 + number)} for number in range(80)]
    async with deployments.serving(inner, outer, continue_after_events=40) as deployed:
        run = await started(deployed, outer, sizes)

        async def said() -> bool:
            return (await run.state()).note == interpreter.NO_ROOM

        await until(said, "that there is no room")
        children = (await run.state()).nodes[0].children
        assert children is not None
        assert children.failed == 0
        assert 30 < children.completed < 60
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    async with deployments.serving(inner, outer, continue_after_events=40, store=str(store)) as deployed:
        run = type(run)(deployed.client.get_workflow_handle(run.id, result_type=run.handle._result_type), outer)
        answer = await run.handle.result()  # of 4 MB, which no boundary carries without a store
        papers = json.loads(answer.payload.data)
        assert [len(paper["text"]) for paper in papers] == [50_000 + number for number in range(80)]
        assert len(await chain_of(deployed, run)) > 2
