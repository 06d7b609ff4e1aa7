"""Child runs on the server: started as the plan says, held to its plan, heard of whatever they come to."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from gatework import Block
from tests.workflow.deployment import Deployments, count, end, kinds, payload, until, waiting
from tests.workflow.families import calls, child, part, result, started
from tests.workflow.plans import refund, signed, single, world

NOTES: Any = [{"text": f"note {number}"} for number in range(1, 6)]


async def test_each_runs_one_child_for_each_item_and_keeps_their_order(deployments: Deployments) -> None:
    """Five items, five child runs with ids of their own, results in the order of the items."""
    inner = part(single, "outer.found")
    outer = calls(inner, at_most=2)
    deployed = await deployments.serve(inner, outer)
    run = await started(deployed, outer, NOTES)
    found = await result(run)
    assert [paper["text"] for paper in found] == [note["text"] for note in NOTES]
    assert await count(run, "START_CHILD_WORKFLOW_EXECUTION_INITIATED") == 5
    third = await child(run, "found/3", inner)
    described = await third.handle.describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED
    assert described.parent_id == run.id
    assert "run 3 for stage 1/1 found of outer" in str(await described.static_summary())
    ledgers = {entry.receipt.how["child"]: entry.receipt for entry in await run.ledger() if entry.receipt.kind == "returned"}
    assert ledgers[2].how["ledger"] == (await third.ledger())[-1].digest
    assert ledgers[2].how["run"] == described.run_id


async def test_a_called_workflow_is_a_run_of_its_own(deployments: Deployments) -> None:
    """It has a gate of its own, at which it is decided there."""
    outer = calls(signed, kind="call")
    deployed = await deployments.serve(signed, outer)
    run = await started(deployed, outer, {"text": "a"})
    called = await child(run, "found", signed)
    async def there() -> bool:
        try:
            await called.state()
        except Exception:
            return False
        return True
    await until(there, "the child run")
    asked = await waiting(called)
    assert (await run.state()).status == "running"
    await called.approve(asked.number, by="Ana")
    assert (await result(run))["text"] == "a"
    assert await kinds(called)
