"""Workers killed at each point around a payment over HTTP: it is made once, or a person is asked who looks at the bank.

The same fuse as in `tests/crash` kills at a place once; the next worker goes on. One service is honest, and one loses
its first reply as well.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.crash.places import Fuse
from tests.services.bank import Bank
from tests.services.client import Wanted, blind, online
from tests.services.person import seen_to_its_end
from tests.workflow.deployment import Deployments

SERVE = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin
from tests.crash.places import Fuse, Watching, watch_stages, watch_tasks
from tests.services.client import blind, online

async def main():
    fuse = Fuse(Path(sys.argv[3]))
    plugin = GateworkPlugin(online, blind, heartbeat_timeout=timedelta(seconds=2))
    watch_stages(fuse, plugin.library)
    watch_tasks(fuse)
    client = await Client.connect(sys.argv[1], plugins=[plugin])
    soon = timedelta(seconds=1)
    async with Worker(
        client, task_queue=sys.argv[2], interceptors=[Watching(fuse)], sticky_queue_schedule_to_start_timeout=soon
    ):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

AROUND = (
    "run: accepted suspended {node}",
    "tool.{tool}: taken by a worker",
    "tool.{tool}: effect {tool}",
    "tool.{tool}: {tool} done",
    "tool.{tool}: ended and not reported",
    "run: accepted acted {node}",
)
ASKED = ("tool.{tool}: probe of {tool}", "tool.{tool}: {tool} probed")

EVERY = [
    *((online, place.format(node="pay_asked", tool="transfer"), "") for place in (*ASKED, *AROUND)),
    (online, "tool.transfer: ended and not reported", "-lost"),
    *((blind, place.format(node="pay_blindly", tool="wire_blindly"), "") for place in AROUND[2:5]),
]
PLACES = EVERY if os.environ.get("GATEWORK_KILLS") == "all" else [EVERY[index] for index in (4, 5, 8, 10)]
"""All of them with GATEWORK_KILLS=all, which takes a minute; else those where money has moved, or is about to."""


@pytest.mark.parametrize(("plan", "place", "mood"), PLACES, ids=[f"{place}{mood}" for _, place, mood in PLACES])
async def test_worker_killed_around_a_payment_leaves_one(
    deployments: Deployments, bank: Bank, tmp_path: Path, plan: Any, place: str, mood: str
) -> None:
    """One payment, of the right amount, that the ledger names by its key; the run ends as if nothing had happened."""
    folder = tmp_path / "fuse"
    folder.mkdir()
    fuse = Fuse(folder)
    fuse.arm(place, 1, token=uuid.uuid4().hex, kills=[0])
    number = f"A-{uuid.uuid4().hex[:6]}{mood}"
    calling = await deployments.calling()
    ended = asyncio.Event()

    async def kept_up() -> None:
        while not ended.is_set():
            async with deployments.process(SERVE, str(folder)) as worker:
                over = asyncio.create_task(ended.wait())
                await asyncio.wait({over, asyncio.create_task(worker.process.wait())}, return_when="FIRST_COMPLETED")
                over.cancel()

    keeper = asyncio.create_task(kept_up())
    try:
        run = await calling.start(plan, Wanted(order=number), id=f"pay/{number}")
        decided = await seen_to_its_end(run, lambda: bank.paid(number), probe=plan is online)
        ledger = await run.ledger()
        result = await run.result()
    finally:
        ended.set()
        await asyncio.wait_for(keeper, 30)
    assert fuse.fired, f"no worker came by {place}"
    [(key, cents)] = bank.paid(number)
    assert cents == 1250
    assert (result.order, f"{result.amount:.2f}") == (number, "12.50")
    acted = [entry.receipt for entry in ledger if entry.receipt.kind == "acted"]
    assert key in {receipt.how["key"] for receipt in acted}
    asked = [line for line in decided if line.startswith("unknown")]
    assert bool(asked) is (plan is blind), decided
