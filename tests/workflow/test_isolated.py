"""Isolated guards: on workers of their own, where they can hold up and bring down nothing but themselves."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.common import RawValue
from temporalio.worker import Worker

from gatework import Block, Endorsed, Pass, Retry, Verdict, guard, stage, workflow
from gatework.errors import PlanError
from gatework.run.events import Given
from gatework.temporal import GateworkPlugin
from gatework.temporal.transport.payloads import data_of, raw
from gatework.temporal.workflow import asking
from gatework.temporal.workflow.isolated import GuardTask, activity_type
from gatework.testing import rehearse
from gatework.values import wire
from tests.workflow.deployment import LONG, Deployments, events, until
from tests.workflow.plans import Note, Paper, world

SERVE = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[3])
from temporalio.client import Client
from temporalio.worker import Worker
from datetime import timedelta
from gatework.temporal import GateworkPlugin
from checking import beside, checked

async def main():
    plugin = GateworkPlugin(beside, checked, heartbeat_timeout=timedelta(seconds=2))
    client = await Client.connect(sys.argv[1], plugins=[plugin])
    async with Worker(client, task_queue=sys.argv[4] or sys.argv[2]):
        print("ready", os.getpid(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

PROJECT = """
import os, re
from datetime import timedelta
from pydantic import BaseModel
from gatework import Block, Endorsed, Pass, Verdict, guard, stage, workflow

class Note(BaseModel):
    text: str

@guard(timeout=timedelta(seconds=3))
def fits(note: Note) -> Verdict:
    if note.text == "die":
        os._exit(9)
    if note.text == "who":
        return Block(f"judged by {os.getpid()}")
    return Pass() if re.fullmatch("(a+)+", note.text) else Block("It does not fit.")

def is_there(note: Note) -> Verdict:
    return Pass() if note.text else Block(f"seen by {os.getpid()}")

@stage(is_there, fits.isolated(on="QUEUE"))
async def copy(note: Endorsed[Note]) -> Endorsed[Note]:
    return note

@workflow
def checked(note: Endorsed[Note]) -> Endorsed[Note]:
    return copy(note)

@stage(is_there)
async def keep(note: Endorsed[Note]) -> Endorsed[Note]:
    return note

@workflow
def beside(note: Endorsed[Note]) -> Endorsed[Note]:
    return keep(note)
"""


DIED = "the worker of the guard fits died or went silent"


@pytest.mark.parametrize(
    ("text", "because"),
    [("who", "judged by {apart}"), ("die", DIED), ("a" * 40 + "!", DIED)],
    ids=["says who it is", "ends its process", "holds the interpreter"],
)
async def test_guard_that_brings_down_its_worker_blocks_and_holds_up_nobody(
    deployments: Deployments, text: str, because: str
) -> None:
    """It is asked in the process of its queue; while it hangs or is dead there, the run's worker serves others."""
    queue = f"guards-{uuid.uuid4()}"
    (deployments.folder / "checking.py").write_text(PROJECT.replace("QUEUE", queue))
    calling = await deployments.calling()
    async with (
        deployments.process(SERVE, str(deployments.folder), "") as general,
        deployments.process(SERVE, str(deployments.folder), queue) as apart,
    ):
        await general.says("ready")
        await apart.says("ready")

        async def started(workflow: str, text: str) -> Any:
            id = f"{workflow}-{uuid.uuid4()}"
            return await calling.client.start_workflow(workflow, {"text": text}, id=id, task_queue=calling.queue)

        run = await started("checked", text)
        if text == "die":
            assert await asyncio.wait_for(apart.process.wait(), LONG.total_seconds()) == 9
        else:
            await until(partial(_has_been_taken, run), "the guard is asked")
        # It needs nothing of the guard's worker: what does would wait for the next one.
        other = await started("beside", "")
        assert f"seen by {general.process.pid}" in await until(partial(_asks, other), "the other run asks")
        assert because.format(apart=apart.process.pid) in await until(partial(_asks, run), "the run asks")


async def _has_been_taken(run: Any) -> bool:
    """Whether a worker has the guard, or has had it."""
    pending = (await run.describe()).raw_description.pending_activities
    asked = [one.state for one in pending if one.activity_type.name == activity_type("fits")]
    return asked == [PendingActivityState.PENDING_ACTIVITY_STATE_STARTED] or bool(await _asks(run))


async def _asks(run: Any) -> str:
    """The panel, once somebody is asked."""
    panel: str = (await run.query("__temporal_workflow_metadata")).current_details.replace("\\", "")
    return panel if "NEEDS YOU" in panel else ""


def _checked(queue: str, verdicts: list[Verdict]) -> Any:
    @guard(timeout=timedelta(seconds=3))
    def last(paper: Paper, note: Note) -> Verdict:
        return verdicts.pop(0) if verdicts and paper.text == note.text else Pass()

    def first(paper: Paper) -> Verdict:
        return Pass()

    @stage(last.isolated(on=queue), first, attempts=2)
    async def write(note: Endorsed[Note]) -> Endorsed[Paper]:
        world.worked += 1
        return Endorsed(Paper(text=note.value.text))

    @workflow
    def checked(note: Endorsed[Note]) -> Endorsed[Paper]:
        return write(note)

    return checked


async def test_verdicts_stand_in_the_order_of_the_plan_wherever_they_were_given(deployments: Deployments) -> None:
    """An isolated guard sends back for another attempt as any other does; each attempt asks it anew."""
    queue = f"guards-{uuid.uuid4()}"
    checked = _checked(queue, [Retry("Once more.")])
    deployed = await deployments.serve(checked)
    async with Worker(deployed.client, task_queue=queue):
        run = await deployed.start(checked, Note(text="a"))
        assert (await run.result()).text == "a"
    outputs = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "output"]
    assert [[(given.guard, given.verdict) for given in receipt.verdicts] for receipt in outputs] == [
        [("last", "retry"), ("first", "pass")], [("last", "pass"), ("first", "pass")],
    ]  # fmt: skip
    asked = [event.activity_task_scheduled_event_attributes for event in await events(run)]
    assert [one.task_queue.name for one in asked if one.activity_type.name == "guard.last"] == [queue, queue]
    assert world.worked == 2


LIES: dict[str, Any] = {
    "a pass on another output": lambda task: Given(guard="last", on="0" * 64, verdict="pass"),
    "the verdict of another guard": lambda task: Given(guard="first", on=task.output.digest, verdict="pass"),
    "no verdict": lambda task: {"verdict": "pass"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_lie_of_a_guards_worker_lets_nothing_on(deployments: Deployments, lie: str) -> None:
    """A verdict counts for the guard and the output that it was asked about, whoever gives it."""
    queue = f"guards-{uuid.uuid4()}"
    checked = _checked(queue, [])
    deployed = await deployments.serve(checked)

    @activity.defn(name=activity_type("last"))
    async def liar(sent: RawValue) -> RawValue:
        return raw(wire.encode(LIES[lie](wire.decode(GuardTask, data_of(sent) or b"", what="task"))))

    bare = await deployments.client(data_converter=deployed.client.data_converter)
    async with Worker(bare, task_queue=queue, activities=[liar]):
        run, _ = await deployed.gate(checked, Note(text="a"))
    assert "ended" not in [entry.receipt.kind for entry in await run.ledger()]


async def test_run_whose_guard_nobody_takes_says_so_and_goes_on(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker on the queue, as after one that died: nothing goes on and nothing is blocked until there is one."""
    monkeypatch.setattr(asking, "PATIENCE", timedelta(seconds=1))
    queue = f"guards-{uuid.uuid4()}"
    checked = _checked(queue, [])
    deployed = await deployments.serve(checked)
    run = await deployed.start(checked, Note(text="a"))

    async def says() -> str:
        return (await run.state()).note

    note = await until(says, "the run says what it lacks")
    assert note == f"No worker of the task queue {queue} has taken the guard last for 1 s; start one there."
    assert [entry.receipt.kind for entry in await run.ledger()] == ["begun"]
    async with Worker(deployed.client, task_queue=queue):
        assert (await run.result()).text == "a"
    assert world.worked == 1


async def test_worker_of_a_guards_queue_serves_that_guard_alone(deployments: Deployments) -> None:
    """It can be started where nothing else is known, and the run's workers do not serve the guard."""
    queue = f"guards-{uuid.uuid4()}"
    client = await deployments.client(GateworkPlugin(_checked(queue, [])))
    own = ["resume.checked", "ended.checked", "begin", "principal", "recall", "notify"]
    of_runs = ["stage.write", *(f"gatework.{name}" for name in own)]
    for served, wanted in ((queue, ["guard.last"]), (deployments.queue, of_runs)):
        async with Worker(client, task_queue=served) as worker:
            config = worker.config(active_config=True)
            names = [activity._Definition.must_from_callable(one).name for one in config.get("activities", ())]
            assert names == wanted


async def test_rehearsal_asks_isolated_guards_too() -> None:
    """In memory they are asked in the same process, and block as they do elsewhere."""
    rehearsal = await rehearse(_checked("guards", [Block("No.")]), Note(text="a"))
    assert rehearsal.gate.kind == "blocked"
    assert "No." in rehearsal.gate.reasons


def test_guard_on_inputs_cannot_be_isolated() -> None:
    """It is refused at import, with what to do instead."""

    @guard
    def fits(note: Note) -> Verdict:
        return Pass() if re.match("a", note.text) else Block(str(os.getpid()))

    with pytest.raises(PlanError, match="guards on inputs are not"):

        @stage(before=[fits.isolated(on="guards")])
        async def copy(note: Endorsed[Note]) -> Endorsed[Note]:
            return note


def test_name_that_is_none_of_a_queue_is_refused() -> None:
    """It would look otherwise in a log, a shell or a URL."""

    @guard
    def fits(note: Note) -> Verdict:
        return Pass()

    with pytest.raises(PlanError, match="no name of a task queue"):
        fits.isolated(on="guards; rm -rf")
