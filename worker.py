"""The worker of this deployment: connects as Temporal's environment says and serves the workflows.

    python worker.py

TEMPORAL_ADDRESS and the other TEMPORAL_* variables, or a profile in `temporal.toml`, say where the server is;
GATEWORK_TASK_QUEUE names the task queue, GATEWORK_MODEL the model.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from temporalio.worker import Worker

from gatework import GateworkError
from gatework.temporal import GateworkPlugin, connect, leave, task_queue
from workflows.refund import refund

WORKFLOWS = (refund,)


async def serve() -> None:
    """Serve until SIGINT or SIGTERM, then finish what is running."""
    client = await connect(GateworkPlugin(*WORKFLOWS))
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Worker(client, task_queue=task_queue(), max_concurrent_activities=20):
        print(f"Serving {', '.join(w.name for w in WORKFLOWS)} on the task queue {task_queue()}.", flush=True)
        await stopped.wait()


def main() -> int:
    """Serve, and say in a sentence why not where that cannot be."""
    try:
        asyncio.run(serve())
    except GateworkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
