"""All of control flow in one plan, on the server: it completes, is taken back, outlives workers, moves and replays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHistory
from temporalio.worker import Replayer

from gatework.proof.ledger import broken_at
from gatework.temporal import Execution, GateworkPlugin
from tests.workflow.deployment import Deployed, Deployments, count, until, waiting
from tests.workflow.errands import errands
from tests.workflow.families import child
from tests.workflow.plans import Note, world

THREE = Note(text="A-1 B-200 C-30000")
TOLD = "bad: A-1 B-200 C-3000 (12, True)"


async def _asked(run: Execution[Any]) -> None:
    assert (await waiting(run)).kind == "question"


async def test_run_with_all_of_control_flow_completes(deployments: Deployments) -> None:
    """Ways, rounds, runs side by side, a pause and a question; each order is paid once, and the chain holds."""
    deployed = await deployments.serve(errands)
    run = await deployed.start(errands, THREE)
    await _asked(run)
    await run.answer({"publish": True}, by="Ana")
    assert (await run.result()).text.endswith("True)")
    assert sorted(world.paid.values()) == ["A-1", "B-200", "C-30000"]
    ledger = await run.ledger()
    assert broken_at(ledger) is None
    kinds = [entry.receipt.kind for entry in ledger]
    assert {"called", "returned", "gathered", "round", "chose", "joined", "waited", "decided", "ended"} <= set(kinds)
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_run_that_is_aborted_takes_back_what_its_child_runs_did(deployments: Deployments) -> None:
    """The last one first, each in another run under the id of the child."""
    deployed = await deployments.serve(errands)
    run = await deployed.start(errands, THREE)
    await _asked(run)
    await run.abort("Not today", by="Ana")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert sorted(world.back) == ["A-1", "B-200", "C-30000"]
    one = await child(run, "receipts/1", errands)
    assert (await one.state()).status == "undone"


async def test_run_goes_on_under_another_worker_wherever_it_was(deployments: Deployments) -> None:
    """A worker that has seen nothing of it replays it, in each of its runs, and goes on."""
    held = asyncio.Event()
    world.pays = held.wait
    async with deployments.serving(errands, heartbeat_timeout=timedelta(seconds=2)) as deployed:
        run = await deployed.start(errands, THREE)

        async def paying() -> bool:
            return len(world.paid) >= 2

        await until(paying, "two payments at once")
        held.set()
    world.pays = None
    async with deployments.serving(errands) as deployed:
        await _asked(run)
    async with deployments.serving(errands) as deployed:
        await run.answer({"publish": False})
        await asyncio.wait_for(run.result(), 60)
    assert sorted(world.paid.values()) == ["A-1", "B-200", "C-30000"]
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_histories_of_a_run_and_its_children_replay(deployments: Deployments) -> None:
    """Also where the run continued as new, was aborted, and its child runs took back what they did."""
    deployed = await deployments.serve(errands, continue_after_events=40)
    run = await deployed.start(errands, Note(text=" ".join(f"{letter}-1" for letter in "ABCDEFGH")))
    await _asked(run)
    await run.abort("Not today")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    histories = await _histories(deployed, run.id)
    assert len(histories) > 20
    replayer = Replayer(workflows=[], plugins=[GateworkPlugin(errands, continue_after_events=40)])
    for history in histories:
        await replayer.replay_workflow(history)


async def _histories(deployed: Deployed, id: str) -> list[WorkflowHistory]:
    """All runs of an id and of those that it started."""
    found = []

    async def ended() -> bool:
        listed = [one async for one in deployed.client.list_workflows(f"WorkflowId STARTS_WITH '{id}'")]
        return all(one.status is not WorkflowExecutionStatus.RUNNING for one in listed)

    await until(ended, "the list of runs that have ended")
    async for one in deployed.client.list_workflows(f"WorkflowId STARTS_WITH '{id}'"):
        found.append(await deployed.client.get_workflow_handle(one.id, run_id=one.run_id).fetch_history())
    return found
