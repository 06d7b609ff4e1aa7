"""A worker of the crash tests: serves refunds until it is killed, by its own fuse or from outside."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from gatework.models.question import Model
from gatework.temporal import GateworkPlugin
from gatework.temporal.workflow.interpreter import Interpreter
from tests.crash import places, plans
from workflows.refund import refund

SERVED = (refund, plans.cash)
QUEUE = "crash"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a worker is told when it is started."""

    folder: Path
    """Of the deployment: its records, and the files of the fuse."""
    address: str
    log: Path
    heartbeat_timeout: timedelta
    continue_after_events: int = Interpreter.continue_after_events
    busy_seconds: float = 0.0
    """How long its model thinks at most."""
    embedded: bool = False
    """Whether it asks the embedded model, and not the drifting one."""


def serve(orders: Orders) -> None:
    """The body of the process."""
    if sys.platform == "linux":  # it goes with the process that started it, however that one ends
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the harness's
    log = os.open(orders.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    plans.enter(orders.folder)
    asyncio.run(_serve(orders))


async def _serve(orders: Orders) -> None:
    fuse = places.Fuse(orders.folder)
    model: Model = plans.Drifting(orders.busy_seconds)
    if orders.embedded:
        from gatework import models

        model = models.connect("embedded")
    plugin = GateworkPlugin(
        *SERVED,
        model=places.Watched(fuse, model),
        continue_after_events=orders.continue_after_events,
        heartbeat_timeout=orders.heartbeat_timeout,
    )
    places.watch_stages(fuse, plugin.library)
    places.watch_tasks(fuse)
    places.watch_records(fuse)
    while True:
        try:
            client = await Client.connect(orders.address, plugins=[plugin])
            break
        except RuntimeError:  # the server is down; a supervisor would start us again and again
            await asyncio.sleep(0.2)
    # A task for a dead worker's cache waits this long before any other worker gets it.
    soon = timedelta(seconds=1)
    async with Worker(
        client,
        task_queue=QUEUE,
        interceptors=[places.Watching(fuse)],
        sticky_queue_schedule_to_start_timeout=soon,
        max_concurrent_activities=20,
    ):
        await asyncio.Event().wait()
