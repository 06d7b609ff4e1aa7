"""Existing Temporal activities as stages: async or not, beside hand-written workflows that call them as before."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.worker import Worker

from gatework import Endorsed, Pass, Untrusted, Verdict, labelled, stage
from gatework import workflow as plan
from gatework.temporal import GateworkPlugin
from tests.workflow.deployment import Deployed, Deployments, count, until
from tests.workflow.plans import Note, Paper, Sum, world


@activity.defn
async def printed(note: Note) -> Paper:
    world.feedback.append((activity.info().workflow_type or "",))
    return Paper(text=f"{note.text}, printed")


@activity.defn(name="bind-the-paper")
def bound(paper: Paper) -> Paper:
    assert threading.current_thread() is not threading.main_thread()
    activity.heartbeat("binding")
    world.feedback.append((activity.info().workflow_type or "",))
    return Paper(text=f"{paper.text}, bound", pages=paper.pages)


def whole(paper: Paper) -> Verdict:
    return Pass()


print_note = stage(whole, attempts=2)(labelled(printed, Endorsed))
bind = stage(whole)(labelled(bound, Endorsed))


@plan
def booklet(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Two activities that were there before."""
    paper = print_note(note)
    return bind(paper)


@workflow.defn
class ByHand:
    """A hand-written workflow that calls the very same activities."""

    @workflow.run
    async def run(self, text: str) -> str:
        paper = await workflow.execute_activity(printed, Note(text=text), start_to_close_timeout=timedelta(seconds=20))
        paper = await workflow.execute_activity(bound, paper, start_to_close_timeout=timedelta(seconds=20))
        return paper.text


async def test_existing_activities_are_stages_and_activities_on_one_worker(deployments: Deployments) -> None:
    """The plan and the hand-written workflow run the same functions, each in its own way, side by side."""
    from concurrent.futures import ThreadPoolExecutor

    client = await deployments.client(GateworkPlugin(booklet))
    deployed = Deployed(client, deployments.queue)
    with ThreadPoolExecutor(2) as pool:
        async with Worker(
            client,
            task_queue=deployments.queue,
            workflows=[ByHand],
            activities=[printed, bound],
            activity_executor=pool,
        ):
            run = await deployed.start(booklet, Note(text="a"))
            assert await run.result() == Paper(text="a, printed, bound")
            by_hand = await client.execute_workflow(
                ByHand.run, "b", id=f"hand-{uuid.uuid4()}", task_queue=deployments.queue
            )
            assert by_hand == "b, printed, bound"
    assert world.feedback == [("booklet",), ("booklet",), ("ByHand",), ("ByHand",)]
    assert [node.name for node in booklet.plan.nodes] == ["paper", "bound"]
    assert [getattr(node, "runs", "") for node in booklet.plan.nodes] == ["printed", "bound"]


@activity.defn
def patient(note: Note) -> Paper:
    world.worked += 1
    try:
        while not activity.is_cancelled():
            activity.heartbeat()
            time.sleep(0.05)
        time.sleep(5)
    except BaseException as error:
        world.feedback.append((type(error).__name__,))
        raise
    return Paper(text="never")


wait_for_it = stage(timeout=timedelta(seconds=40))(labelled(patient, Endorsed))


@plan
def waits(note: Endorsed[Note]) -> Endorsed[Paper]:
    """An activity that is not async, and takes its time."""
    return wait_for_it(note)


async def test_cancellation_reaches_an_activity_that_is_not_async(deployments: Deployments) -> None:
    """It is raised on its thread, as Temporal does; the run ends, and nothing is left running."""
    deployed = await deployments.serve(waits, heartbeat_timeout=timedelta(seconds=2))
    run = await deployed.start(waits, Note(text="a"))

    async def begun() -> bool:
        return world.worked > 0

    await until(begun, "the activity runs")
    await run.handle.cancel()

    async def ended() -> bool:
        return (await run.state()).status == "cancelled"

    await until(ended, "the run has ended")
    assert world.feedback == [("CancelledError",)]


@activity.defn
def late(note: Note) -> Paper:
    world.worked += 1
    time.sleep(3)
    return Paper(text="late")


hurry = stage(timeout=timedelta(seconds=1))(labelled(late, Endorsed))


@plan
def hurried(note: Endorsed[Note]) -> Endorsed[Paper]:
    """An activity that takes longer than its stage may."""
    return hurry(note)


async def test_activity_that_is_not_async_is_held_to_its_time(deployments: Deployments) -> None:
    """The stage's timeout holds for it; a person is asked."""
    deployed = await deployments.serve(hurried)
    _, asked = await deployed.gate(hurried, Note(text="a"))
    assert asked.kind == "exhausted"
    assert "took longer than 1 s" in asked.reasons[0]


@activity.defn
async def fetched(note: Note) -> Sum:
    raise ConnectionError("https://secret.example")


look = stage()(labelled(fetched, Untrusted))


@plan
def looks(note: Untrusted[Note]) -> Untrusted[Sum]:
    """An activity that breaks."""
    return look(note)


async def test_failure_of_an_existing_activity_is_a_stages(deployments: Deployments) -> None:
    """Tried again by Temporal, then a person is asked, without the words of its exception."""
    deployed = await deployments.serve(looks)
    run, asked = await deployed.gate(looks, Note(text="a"))
    assert asked.kind == "failed"
    assert "secret" not in asked.reasons[0]
    assert await count(run, "ACTIVITY_TASK_SCHEDULED") == 1


async def test_two_sync_stages_run_side_by_side(deployments: Deployments) -> None:
    """One that takes its time holds up no other run of the worker."""
    deployed = await deployments.serve(waits, booklet, heartbeat_timeout=timedelta(seconds=2))
    slow = await deployed.start(waits, Note(text="a"))
    quick = await deployed.start(booklet, Note(text="b"))
    assert (await asyncio.wait_for(quick.result(), 20)).text == "b, printed, bound"
    await slow.handle.cancel()

    async def ended() -> bool:
        return (await slow.state()).status == "cancelled"

    await until(ended, "the slow one has ended")
