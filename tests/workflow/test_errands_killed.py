"""Workers of a run with child runs are killed in the middle, again and again: every order is paid once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory
from temporalio.worker import Replayer

from gatework.proof.ledger import broken_at
from gatework.temporal import GateworkPlugin, find
from tests.workflow.deployment import Deployed, Deployments, until, waiting
from tests.workflow.errands import errands
from tests.workflow.plans import Note

KILLS = 5
SEED = 21
DEAD = 9
"""Exit code of a worker that died where it was to."""
ORDERS = [f"order-{number}" for number in range(4)]

WORKER = """
import asyncio, functools, os, sys
from datetime import timedelta
from pathlib import Path
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin
from gatework.temporal.workflow.interpreter import Interpreter
from tests.workflow.errands import errands
from tests.workflow.plans import world

book, left = Path(sys.argv[3]) / "paid", int(sys.argv[4])

class Book(dict):
    def _read(self):
        return dict(line.split() for line in book.read_text().splitlines()) if book.exists() else {}
    def __setitem__(self, key, order):
        with book.open("a") as lines:
            lines.write(f"{key} {order}\\n")
    def __contains__(self, key):
        return key in self._read()
    def __getitem__(self, key):
        return self._read()[key]

def place():
    global left
    left -= 1
    if left == 0:
        os._exit(9)

accept = Interpreter._accept

@functools.wraps(accept)
def accepting(self, *step, **more):
    if not workflow.unsafe.is_replaying():
        place()
    accept(self, *step, **more)
    if not workflow.unsafe.is_replaying():
        place()

Interpreter._accept = accepting
world.paid, world.pays = Book(), place

async def main():
    plugin = GateworkPlugin(errands, heartbeat_timeout=timedelta(seconds=1), continue_after_events=60)
    client = await Client.connect(sys.argv[1], plugins=[plugin])
    soon = timedelta(seconds=1)
    async with Worker(client, task_queue=sys.argv[2], sticky_queue_schedule_to_start_timeout=soon):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_run_whose_workers_are_killed_pays_each_order_once(deployments: Deployments, tmp_path: Path) -> None:
    """Before and after what the machine accepts, in the run and in its children, and right after money has moved."""
    chance = random.Random(SEED)
    deployed = await deployments.calling()
    run = find(deployed.client, errands, (await deployed.start(errands, Note(text=" ".join(ORDERS)))).id)
    killed = 0
    for _ in range(KILLS):
        places = chance.randint(4, 30)
        async with deployments.process(WORKER, str(tmp_path), str(places)) as worker:
            await worker.says("ready")
            await asyncio.wait([asyncio.create_task(worker.process.wait())], timeout=25)
            killed += worker.process.returncode == DEAD
    assert killed > KILLS // 2
    async with deployments.process(WORKER, str(tmp_path), "0") as worker:
        await worker.says("ready")
        assert (await waiting(run)).kind == "question"
        await run.answer({"publish": True})
        await asyncio.wait_for(run.result(), 60)
        ledger = await run.ledger()
        assert broken_at(ledger) is None or len(ledger) < ledger[-1].sequence
        paid = [line.split()[1] for line in (tmp_path / "paid").read_text().splitlines()]
        assert sorted(paid) == ORDERS
        histories = await _histories(deployed, run.id)
    replayer = Replayer(workflows=[], plugins=[GateworkPlugin(errands, continue_after_events=60)])
    for history in histories:
        await replayer.replay_workflow(history)


async def _histories(deployed: Deployed, id: str) -> list[WorkflowHistory]:
    async def ended() -> bool:
        listed = [one async for one in deployed.client.list_workflows(f"WorkflowId STARTS_WITH '{id}'")]
        return len(listed) > len(ORDERS) and all(one.status is not WorkflowExecutionStatus.RUNNING for one in listed)

    await until(ended, "the list of runs that have ended")
    listed = [one async for one in deployed.client.list_workflows(f"WorkflowId STARTS_WITH '{id}'")]
    return [await deployed.client.get_workflow_handle(one.id, run_id=one.run_id).fetch_history() for one in listed]
