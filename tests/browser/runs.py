"""Runs for people to look at, and what a test does to them behind people's backs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from temporalio.client import Client
from temporalio.worker import Worker

from gatework.define.workflow import Workflow
from gatework.run.state import Receipt
from gatework.temporal import Execution, GateworkPlugin, start
from gatework.temporal.page.progress import Waiting
from gatework.temporal.server import Server
from tests.workflow.deployment import LONG, time_skipped, until

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Runs:
    """Starts runs of plans that a worker serves."""

    def __init__(self, client: Client, queue: str) -> None:
        self.client = client
        self.queue = queue

    @classmethod
    @asynccontextmanager
    async def served(cls, server: Server, *workflows: Workflow[Any, Any], **options: Any) -> AsyncGenerator[Runs]:
        """With a worker of its own, until the block ends."""
        queue = f"browser-{uuid.uuid4()}"
        client = await Client.connect(server.address, plugins=[GateworkPlugin(*workflows, **options)])
        async with Worker(client, task_queue=queue):
            yield cls(client, queue)

    async def start(self, workflow: Workflow[I, O], data: I, id: str = "") -> Execution[O]:
        id = id or f"{workflow.name}-{uuid.uuid4()}"
        return await start(self.client, workflow, data, id=id, task_queue=self.queue)

    async def waits(self, workflow: Workflow[I, O], data: I, id: str = "") -> tuple[Execution[O], Waiting]:
        """Start a run, and wait until somebody is asked; what."""
        run = await self.start(workflow, data, id)
        return run, await waiting(run)

    async def skip_time(self, run: Execution[Any]) -> None:
        """Let the time pass in which a gate can be answered; the server skips it, once, for this run."""
        gate = (await waiting(run)).gate
        await time_skipped(self.client, run)

        async def is_up() -> bool:
            now = (await run.state()).waiting
            return now is None or now.gate != gate

        await until(is_up, "the gate has expired")


async def waiting(run: Execution[Any]) -> Waiting:
    """What somebody is asked, once they are."""
    progress = await run.waiting(timeout=LONG)
    assert progress.waiting is not None, f"the run ended: {progress.status} {progress.reason}"
    return progress.waiting


async def decisions(run: Execution[Any]) -> list[Receipt]:
    """The receipts of what was decided."""
    return [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "decided"]
