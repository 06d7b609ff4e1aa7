"""A credential that only the workers of one queue hold: the run ends all the same, and nobody else can pay."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.services.bank import Bank
from tests.services.client import TELLERS, Wanted, counter
from tests.services.payments import TOKEN
from tests.workflow.deployment import Deployments, events

SERVE = """
import asyncio, os, sys
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin
from tests.services.client import counter

async def main():
    client = await Client.connect(sys.argv[1], plugins=[GateworkPlugin(counter)])
    async with Worker(client, task_queue=sys.argv[3] or sys.argv[2]):
        print("ready", "PAYMENTS_TOKEN" in os.environ, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_only_the_workers_of_the_queue_hold_the_credential(
    deployments: Deployments, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes of one program: the stage runs without the credential, the payment where it is, once."""
    monkeypatch.delenv("PAYMENTS_TOKEN")
    async with deployments.process(SERVE, "") as general:
        monkeypatch.setenv("PAYMENTS_TOKEN", TOKEN)
        async with deployments.process(SERVE, TELLERS) as teller:
            assert (await general.says("ready")).split()[1] == "False"
            assert (await teller.says("ready")).split()[1] == "True"
            calling = await deployments.calling()
            number = f"A-{uuid.uuid4().hex[:6]}-lost"
            run = await calling.start(counter, Wanted(order=number), id=f"pay/{number}")
            paid = await asyncio.wait_for(run.result(), 60)
            history = "".join(str(event) for event in await events(run))
    assert paid.order == number
    assert len(bank.paid(number)) == 1
    assert TOKEN not in history
