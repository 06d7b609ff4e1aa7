"""Serving workflows: what `worker.py`, `gatework worker` and `gatework dev` do until they are told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from gatework.define.workflow import Workflow
from gatework.errors import ConfigError
from gatework.models.question import Model
from gatework.temporal.transport.connection import connect
from gatework.temporal.transport.connection import task_queue as default_task_queue
from gatework.temporal.worker.allocator import spare
from gatework.temporal.worker.concerned import Concern
from gatework.temporal.worker.plugin import GateworkPlugin

ACTIVITIES_AT_ONCE = 20
"""How many stages a worker runs side by side; a model in the process answers one after the other in any case."""

FINISH_TIMEOUT = timedelta(minutes=5)
"""How long a worker that was told to stop lets stages run on. Temporal's own default is not at all."""


async def serve(
    *workflows: Workflow[Any, Any],
    task_queue: str = "",
    model: Model | str | None = None,
    ready: Callable[[Client, Sequence[str]], object] | None = None,
    concerned: Callable[[Concern], object] | None = None,
) -> None:
    """Connect as the environment says and serve workflows until SIGINT or SIGTERM, then finish what runs.

    Without a `task_queue` it serves that of this deployment, and beside it each queue that a stage names by `on=`. With
    one it serves that alone; so it does where GATEWORK_TASK_QUEUE is a queue of stages. A second signal stops at once
    what runs; Temporal gives it to another worker. `ready` is called with the client and the task queues once it
    serves; `concerned` soon after, with each plan that this code cannot run and runs in flight are held to, and with
    each that was released with other code. Raises `ConfigError` where no server answers, `PlanError` as
    `GateworkPlugin` does.
    """
    if not workflows:
        raise ConfigError("There is no workflow to serve.")
    spare()
    plugin = GateworkPlugin(*workflows, model=model)
    plugin.told = concerned
    client = await connect(plugin)
    main, others = task_queue or default_task_queue(), plugin.library.queues
    queues = (main,) if task_queue or main in others else (main, *sorted(others))
    async with _signalled() as signalled, _workers(client, queues):
        if ready is not None:
            ready(client, queues)
        await signalled.wait()


@asynccontextmanager
async def _workers(client: Client, queues: Sequence[str]) -> AsyncGenerator[None]:
    """One worker for each task queue that this process serves; the plugin says what each of them serves."""
    async with AsyncExitStack() as stack:
        for name in queues:
            worker = Worker(
                client,
                task_queue=name,
                max_concurrent_activities=ACTIVITIES_AT_ONCE,
                graceful_shutdown_timeout=FINISH_TIMEOUT,
            )
            await stack.enter_async_context(worker)
        yield


@asynccontextmanager
async def _signalled() -> AsyncGenerator[asyncio.Event]:
    """Set by the first signal to stop; the second cancels what is left of the block."""
    loop, task, signalled = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    assert task is not None
    hurried = False

    def stop() -> None:
        nonlocal hurried
        if signalled.is_set():
            hurried = True
            task.cancel()
        signalled.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield signalled
    except asyncio.CancelledError:
        if not hurried:
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
