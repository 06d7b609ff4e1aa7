"""Task queues of their own: only a worker that holds the secret runs the stage, and a run without one says so."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.worker import Worker

from gatework import Endorsed, stage, workflow
from gatework.errors import ConfigError
from gatework.temporal import GateworkPlugin
from gatework.temporal.workflow import asking
from tests.workflow.deployment import Deployments, events, until
from tests.workflow.plans import Note, Paper

PROJECT = """
import os
from pydantic import BaseModel
from gatework import Endorsed, stage, workflow

class Note(BaseModel):
    text: str

class Paper(BaseModel):
    text: str
    by: int
    knows: bool

def knows() -> bool:
    return "BANK_SECRET" in os.environ

@stage()
async def draft(note: Endorsed[Note]) -> Endorsed[Paper]:
    return Endorsed(Paper(text="draft", by=os.getpid(), knows=knows()))

@stage(on="QUEUE")
async def pay(paper: Endorsed[Paper]) -> Endorsed[Paper]:
    return Endorsed(Paper(text="paid", by=os.getpid(), knows=knows()))

@stage()
async def tell(before: Endorsed[Paper], paid: Endorsed[Paper]) -> Endorsed[list[Paper]]:
    return Endorsed([before.value, paid.value, Paper(text="told", by=os.getpid(), knows=knows())])

@workflow
def paying(note: Endorsed[Note]) -> Endorsed[list[Paper]]:
    before = draft(note)
    paid = pay(before)
    return tell(before, paid)
"""

SERVE = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[3])
if sys.argv[5] == "knows":
    os.environ["BANK_SECRET"] = "hush"
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin
from paying import paying

async def main():
    client = await Client.connect(sys.argv[1], plugins=[GateworkPlugin(paying)])
    async with Worker(client, task_queue=sys.argv[4] or sys.argv[2]):
        print("ready", os.getpid(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_only_the_worker_of_the_queue_runs_the_stage(deployments: Deployments) -> None:
    """Two processes of one program: the one with the secret runs the payment and nothing else."""
    queue = f"payments-{uuid.uuid4()}"
    folder = deployments.folder
    (folder / "paying.py").write_text(PROJECT.replace("QUEUE", queue))
    calling = await deployments.calling()
    async with (
        deployments.process(SERVE, str(folder), "", "ignorant") as general,
        deployments.process(SERVE, str(folder), queue, "knows") as trusted,
    ):
        one = int((await general.says("ready")).split()[1])
        other = int((await trusted.says("ready")).split()[1])
        handle: Any = await calling.client.start_workflow(
            "paying", {"text": "a"}, id=f"paying-{uuid.uuid4()}", task_queue=calling.queue
        )
        papers = await asyncio.wait_for(handle.result(), 60)
    assert [(paper["text"], paper["by"], paper["knows"]) for paper in papers] == [
        ("draft", one, False), ("paid", other, True), ("told", one, False),
    ]  # fmt: skip


def _paying(queue: str) -> Any:
    @stage(on=queue)
    async def pay(note: Endorsed[Note]) -> Endorsed[Paper]:
        return Endorsed(Paper(text=f"paid on {activity.info().task_queue}"))

    @workflow
    def paying(note: Endorsed[Note]) -> Endorsed[Paper]:
        return pay(note)

    return paying


async def test_run_whose_stage_nobody_takes_says_so_and_goes_on(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker on the queue: the panel names it; the run goes on once there is one, and the stage runs once."""
    monkeypatch.setattr(asking, "PATIENCE", timedelta(seconds=1))
    queue = f"payments-{uuid.uuid4()}"
    paying = _paying(queue)
    deployed = await deployments.serve(paying)
    run = await deployed.start(paying, Note(text="a"))

    async def says() -> str:
        return (await run.state()).note

    note = await until(says, "the run says what it lacks")
    assert note == f"No worker of the task queue {queue} has taken pay for 1 s; start one there."
    panel: Any = await run.handle.query("__temporal_workflow_metadata")
    assert "No worker of the task queue payments" in panel.current_details.replace("\\", "")
    async with Worker(deployed.client, task_queue=queue):
        assert (await run.result()).text == f"paid on {queue}"
    assert [entry.receipt.kind for entry in await run.ledger()] == ["begun", "output", "ended"]
    assert (await run.state()).note == ""


async def test_worker_of_a_queue_serves_no_workflow(deployments: Deployments) -> None:
    """It is not asked to decide anything: a run that is started there is never taken, and `start` refuses to."""
    queue = f"payments-{uuid.uuid4()}"
    paying = _paying(queue)
    client = await deployments.client(GateworkPlugin(paying))
    async with Worker(client, task_queue=queue) as worker:
        config = worker.config(active_config=True)
        names = [activity._Definition.must_from_callable(one).name for one in config.get("activities", ())]
        assert names == ["stage.pay"]
        assert list(config.get("workflows", ())) == []
    async with Worker(client, task_queue=deployments.queue) as worker:
        config = worker.config(active_config=True)
        names = [activity._Definition.must_from_callable(one).name for one in config.get("activities", ())]
        own = ["resume.paying", "ended.paying", "begin", "principal", "recall", "notify"]
        assert names == [f"gatework.{name}" for name in own]
        assert len(config.get("workflows", ())) == 1
    from gatework.temporal import start

    with pytest.raises(ConfigError, match="is for stages of paying alone"):
        await start(client, paying, Note(text="a"), task_queue=queue)


async def test_stage_is_due_on_its_own_queue_alone(deployments: Deployments) -> None:
    """Nothing is offered to the other workers of the run."""
    queue = f"payments-{uuid.uuid4()}"
    paying = _paying(queue)
    deployed = await deployments.serve(paying)
    run = await deployed.start(paying, Note(text="a"))

    async def scheduled() -> list[str]:
        found = [e.activity_task_scheduled_event_attributes for e in await events(run)]
        return [one.task_queue.name for one in found if one.activity_id]

    assert await until(scheduled, "the stage is due") == [queue]
    await run.handle.terminate("test")
