"""The worker of this deployment: connects as Temporal's environment says and serves the workflows.

    python worker.py

TEMPORAL_ADDRESS and the other TEMPORAL_* variables, or a profile in `temporal.toml`, say where the server is;
GATEWORK_TASK_QUEUE names the task queue, GATEWORK_MODEL the model, GATEWORK_LOG_LEVEL how much is logged. `gatework
worker` does the same for all that it finds in `workflows/`; a worker that is written out can serve more beside it (see
the README).
"""

from __future__ import annotations

import asyncio
import sys

from gatework import GateworkError
from gatework.temporal import configure_logs, leave, serve
from workflows.brief import brief
from workflows.inquiry import inquiry
from workflows.refund import refund

WORKFLOWS = (refund, inquiry, brief)


def main() -> int:
    """Serve until SIGINT or SIGTERM, and say in a sentence why not where that cannot be."""
    try:
        configure_logs()
        asyncio.run(serve(*WORKFLOWS, ready=lambda _, queues: print("Serving", ", ".join(queues), flush=True)))
    except GateworkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
