"""Workers that die: the stage runs again elsewhere, an effect is looked up or asked about, never repeated blindly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from gatework.errors import DecisionError
from gatework.temporal import Execution
from tests.workflow.deployment import Deployments, count, kinds, waiting
from tests.workflow.plans import Note, Paper, Receipt, refund, refund_cash, single, world

WORKER = """
import asyncio, os, sys
from datetime import timedelta
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin
from tests.workflow import plans

address, queue, ledger, act = sys.argv[1:]

class Paid:
    # A file, which outlives the process, as a bank would.
    def __setitem__(self, key, order):
        with open(ledger, "a") as file:
            print(key, order, file=file)
            file.flush()
            os.fsync(file.fileno())
    def __contains__(self, key):
        return any(line.startswith(key) for line in open(ledger))
    def __getitem__(self, key):
        return next(line.split()[1] for line in open(ledger) if line.startswith(key))

async def long():
    print("begun", flush=True)
    await asyncio.sleep(60)

async def main():
    plans.world.paid = Paid()
    if act == "long":
        plans.world.does = plans.world.pays = long
    plugin = GateworkPlugin(
        plans.single, plans.refund, plans.refund_cash, heartbeat_timeout=timedelta(seconds=4)
    )
    client = await Client.connect(address, plugins=[plugin])
    async with Worker(client, task_queue=queue, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1)):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass
class Survivors:
    """Runs whose worker was killed in the middle of a stage, and another took over."""

    plain: Execution[Paper]
    asked_about: Execution[Receipt]
    in_doubt: Execution[Receipt]
    ledger: Path

    def payments(self, order: str) -> list[str]:
        """The keys under which an order was paid."""
        return [line.split()[0] for line in self.ledger.read_text().splitlines() if line.endswith(order)]


@pytest.fixture(scope="module")
async def survivors(address: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Survivors]:
    ledger = tmp_path_factory.mktemp("bank") / "ledger"
    ledger.touch()
    async with Deployments(address, ledger.parent) as deployments:
        deployed = await deployments.calling()
        async with deployments.process(WORKER, str(ledger), "long") as first:
            await first.says("ready")
            survivors = Survivors(
                await deployed.start(single, Note(text="a")),
                await deployed.start(refund, Note(text="probed")),
                await deployed.start(refund_cash, Note(text="cash")),
                ledger,
            )
            for _ in range(3):
                await first.says("begun")
            await first.kill()
        async with deployments.process(WORKER, str(ledger), "quick") as second:
            await second.says("ready")
            yield survivors


async def test_stage_of_a_killed_worker_runs_again_on_another(survivors: Survivors) -> None:
    """SIGKILL in the middle of a stage: another worker runs it, and the plan counts one attempt."""
    run = survivors.plain
    assert (await asyncio.wait_for(run.result(), 60)).text == "a"
    assert (await run.state()).nodes[0].attempts == 1
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 1


async def test_effect_of_a_killed_worker_is_looked_up_by_its_probe(survivors: Survivors) -> None:
    """SIGKILL after money has moved: the call is made again, asks first, finds it, and does not pay."""
    run = survivors.asked_about
    result = await asyncio.wait_for(run.result(), 60)
    [key] = survivors.payments("probed")
    assert key.startswith(result.payment)
    acted = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "acted"]
    assert [receipt.action for receipt in acted] == ["unknown", "found"]
    assert {receipt.attempt for receipt in acted} == {1}


async def test_effect_of_a_killed_worker_without_a_probe_waits(survivors: Survivors) -> None:
    """SIGKILL with no way to ask: a person decides, and only the number on the panel pays again, under the same key."""
    run = survivors.in_doubt
    asked = await waiting(run)
    assert asked.kind == "unknown"
    assert "died or went silent" in asked.reasons[0]
    assert len(survivors.payments("cash")) == 1
    with pytest.raises(DecisionError, match="may happen twice"):
        await run.retry()
    keys = survivors.payments("cash")
    await run.retry(number=asked.number)
    await asyncio.wait_for(run.result(), 60)
    assert survivors.payments("cash") == keys * 2


@pytest.mark.parametrize("plan", [refund, refund_cash], ids=lambda plan: plan.name)
async def test_cancel_in_the_same_moment_as_the_end_of_an_effect_leaves_it_in_the_ledger(
    deployments: Deployments, plan: Any
) -> None:
    """No worker is there to hear of either: the one that comes hears of both at once, and the doubt is recorded."""
    async with deployments.serving(plan) as deployed:
        world.pays = lambda: asyncio.sleep(60)
        run = await deployed.start(plan, Note(text="A-1"))
        while not world.paid:
            await asyncio.sleep(0.02)
    await run.handle.cancel()
    assert (await kinds(run))[-1] == "WORKFLOW_EXECUTION_CANCEL_REQUESTED"
    await deployments.serve(plan)
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(run.result(), 60)
    said = [(entry.receipt.kind, entry.receipt.action) for entry in await run.ledger()]
    assert ("acted", "unknown") in said
    assert said[-1] == ("ended", "cancelled")
