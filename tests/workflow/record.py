"""Records the histories that tests/replay keeps: `python -m tests.workflow.record` writes all or some of them anew.

They are what runs in flight look like to the next version of the engine. Record them anew only where a change of the
engine that breaks them is meant, and has been said in the changelog.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from gatework.releases import lock
from gatework.temporal import Execution
from tests.workflow.deployment import Deployed, Deployments, task_after, waiting
from tests.workflow.errands import errands
from tests.workflow.families import child
from tests.workflow.plans import BLOCK, RETRY, Note, refund, signed, single, world

FOLDER = Path(__file__).parents[1] / "replay"
PLANS = (single, signed, refund, errands)


async def completed(deployed: Deployed) -> Execution[Any]:
    run, asked = await deployed.gate(signed, Note(text="a"), "completed")
    await run.approve(asked.number, by="Ada")
    return run


async def edited(deployed: Deployed) -> Execution[Any]:
    run, _ = await deployed.gate(signed, Note(text="a"), "edited")
    await run.edit({"text": "b", "pages": 2}, by="Ada")
    await run.approve((await waiting(run)).number)
    return run


async def rejected(deployed: Deployed) -> Execution[Any]:
    run, _ = await deployed.gate(signed, Note(text="a"), "rejected")
    await run.reject("No.", by="Ada")
    return run


async def retried(deployed: Deployed) -> Execution[Any]:
    world.verdicts = [RETRY, BLOCK]
    run, _ = await deployed.gate(single, Note(text="a"), "retried")
    await run.retry("Be brief.")
    return run


async def paid(deployed: Deployed) -> Execution[Any]:
    return await deployed.start(refund, Note(text="A-1"), "paid")


async def reset(deployed: Deployed) -> Execution[Any]:
    run = await deployed.start(single, Note(text="a"), "reset")
    await run.result()
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    return run


async def cancelled(deployed: Deployed) -> Execution[Any]:
    run, _ = await deployed.gate(signed, Note(text="a"), "cancelled")
    await run.handle.cancel()
    return run


async def errand(deployed: Deployed) -> Execution[Any]:
    run, _ = await deployed.gate(errands, Note(text="A-1 B-200 C-30000"), "errand")
    await run.answer({"publish": True}, by="Ada")
    return run


async def errand_undone(deployed: Deployed, id: str = "errand_undone") -> Execution[Any]:
    run, _ = await deployed.gate(errands, Note(text="A-1 B-200"), id)
    await run.abort("No.", by="Ada")
    return run


async def errand_child(deployed: Deployed) -> Execution[Any]:
    """A child run that took back what it had done."""
    run = await errand_undone(deployed, "errand_with_child")
    with suppress(WorkflowFailureError):
        await run.result()
    return await child(run, "receipts/1", errands)


SCENES = (completed, edited, rejected, retried, paid, reset, cancelled, errand, errand_undone, errand_child)


async def main(*names: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    server = str(Path(sys.executable).with_name("temporal"))
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=server) as environment:
        address = environment.client.service_client.config.target_host
        with tempfile.TemporaryDirectory() as folder:
            async with Deployments(address, Path(folder)) as deployments:
                deployments.queue = "recorded"
                deployed = await deployments.serve(*PLANS)
                for scene in SCENES:
                    if names and scene.__name__ not in names:
                        continue
                    world.clear()
                    run = await scene(deployed)
                    with suppress(WorkflowFailureError):  # as some of them are meant to end
                        await run.handle.result()
                    history = await run.handle.fetch_history()
                    # The process and the machine are nobody's business.
                    text = re.sub(rf"\d+@{re.escape(socket.gethostname())}", "worker", history.to_json())
                    (FOLDER / f"{scene.__name__}.json").write_text(text + "\n", encoding="utf-8")
    for plan in PLANS:
        lock.write(plan, FOLDER / f"{plan.name}.lock.json", weaken=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
