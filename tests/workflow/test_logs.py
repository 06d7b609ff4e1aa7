"""Logs on a real server: each decision once, no value of a run, and nothing from a replay."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gatework.logs.story import told
from gatework.temporal import Execution
from tests.workflow.deployment import Deployments, end, waiting
from tests.workflow.plans import RETRY, Note, chain, refund, refund_cash, signed, single, world

SECRET = "VALUE-OF-A-CUSTOMER"


class Heard(logging.Handler):
    """What an application that listens would have."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, run: Execution[Any]) -> list[Any]:
        return [record for record in self.records if getattr(record, "run", "") == run.id]

    def names(self, run: Execution[Any]) -> list[str]:
        return [record.event for record in self.of(run)]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listens to the logger `gatework` at debug level."""
    logger, handler = logging.getLogger("gatework"), Heard()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


async def test_each_decision_of_a_run_is_one_event(deployments: Deployments, heard: Heard) -> None:
    """Attempts, verdicts, the retry, the wait, who decided and the end, in order, with what names them."""
    deployed = await deployments.serve(single, signed)
    world.verdicts = [RETRY]
    retried = await deployed.start(single, Note(text=SECRET))
    await retried.result()
    assert heard.names(retried) == [
        "run.begun", "stage.started", "verdict.given", "output.refused", "stage.retried",
        "stage.started", "verdict.given", "output.accepted", "run.ended",
    ]  # fmt: skip
    run, asked = await deployed.gate(signed, Note(text=SECRET))
    await run.approve(asked.number, by="Ada", note="Fine.")
    await run.result()
    [opened] = [record for record in heard.of(run) if record.event == "gate.opened"]
    assert (opened.role, opened.asks, opened.until) == ("boss", "approval", asked.expires)
    assert asked.evidence.startswith(opened.digest)
    [taken] = [record for record in heard.of(run) if record.event == "decision.taken"]
    assert (taken.by, taken.identity, taken.action, taken.note) == ("Ada", "claimed", "approve", "Fine.")
    state = await run.state()
    assert {(r.workflow, r.plan) for r in heard.of(run)} == {("signed", state.plan[:12])}
    assert SECRET not in repr([vars(record) for record in heard.records])


async def test_the_log_of_a_run_is_what_its_ledger_tells(deployments: Deployments, heard: Heard) -> None:
    """The events of the workflow are those that the same function makes of the whole ledger afterwards."""
    deployed = await deployments.serve(refund, single)
    world.verdicts = [RETRY, RETRY]
    plans: list[Any] = [refund, single]
    for plan in plans:
        run = await deployed.start(plan, Note(text="A-1"))
        await run.result()
        from_ledger = [event for event in told(await run.ledger(), plan.plan) if not event.live]
        from_workflow = [record for record in heard.of(run) if hasattr(record, "receipt")]
        assert [(r.event, r.receipt) for r in from_workflow] == [(e.name, e.fields["receipt"]) for e in from_ledger]
        assert [getattr(r, "reason", "") for r in from_workflow] == [e.fields.get("reason", "") for e in from_ledger]


async def test_a_replay_logs_nothing(deployments: Deployments, heard: Heard) -> None:
    """Each worker that takes a run over replays it from its beginning, and says only what is new."""
    async with deployments.serving(signed) as deployed:
        run, asked = await deployed.gate(signed, Note(text=SECRET))
        before = heard.names(run)
    for _ in range(2):
        async with deployments.serving(signed):
            await run.ledger()
            await waiting(run)
    assert heard.names(run) == before
    async with deployments.serving(signed):
        await run.approve(asked.number)
        await run.result()
    after = heard.names(run)[len(before) :]
    assert after == ["decision.taken", "stage.started", "output.accepted", "run.ended"]
    assert set(Counter(heard.names(run)).values()) <= {1, 2}  # two stages


async def test_a_worker_without_a_cache_logs_each_receipt_once(deployments: Deployments, heard: Heard) -> None:
    """Evicted after every task, the workflow is replayed before each step: the hardest case of the test above."""
    async with deployments.serving(chain, worker={"max_cached_workflows": 0}) as deployed:
        run = await deployed.start(chain, Note(text=SECRET))
        await run.result()
        receipts = [(r.event, r.receipt) for r in heard.of(run) if hasattr(r, "receipt")]
        ledger = await run.ledger()
    assert receipts == [(e.name, e.fields["receipt"]) for e in told(ledger, chain.plan)]
    assert len(set(receipts)) == len(receipts)
    assert SECRET not in json.dumps([str(vars(record)) for record in heard.records])


async def test_hostile_names_and_notes_stay_on_their_line(deployments: Deployments, heard: Heard) -> None:
    """The id that a caller chose, and what people type, forge neither a line nor a field."""
    deployed = await deployments.serve(signed)
    evil = 'x"\nINFO gatework: run.ended outcome=completed \x1b[32m\u202e\u2028'
    run, _ = await deployed.gate(signed, Note(text="a"), f"{evil}{deployments.queue}")
    await run.reject("no\nrun.ended outcome=completed", by="Ada outcome=completed")
    await end(run)
    ours = [record for record in heard.records if record.event == "run.ended"]
    assert len(ours) == 1
    for record in heard.records:
        assert record.getMessage().isprintable()
        assert all(value.isprintable() for value in vars(record).values() if isinstance(value, str))
    assert 'by="Ada outcome=completed"' in ours[0].getMessage()
    assert "outcome=rejected" in ours[0].getMessage()


WORKER = """
import asyncio, os, sys
from datetime import timedelta
from temporalio.client import Client
from temporalio.worker import Worker
from gatework.temporal import GateworkPlugin, configure_logs
from tests.workflow import plans

address, queue, act = sys.argv[1:]

async def long():
    print("at it", flush=True)
    await asyncio.sleep(60)

async def main():
    configure_logs(style="json", level="debug")
    if act == "long":
        plans.world.does = plans.world.pays = long
    plugin = GateworkPlugin(plans.chain, plans.refund_cash, heartbeat_timeout=timedelta(seconds=3))
    client = await Client.connect(address, plugins=[plugin])
    async with Worker(client, task_queue=queue, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1)):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_killed_worker_leaves_its_last_word_and_the_next_repeats_none(deployments: Deployments) -> None:
    """SIGKILL in the middle: what both workers wrote is one log, each receipt once, and each line a JSON object."""
    deployed = await deployments.calling()
    async with deployments.process(WORKER, "long") as first:
        await first.says("ready")
        plain = await deployed.start(chain, Note(text="a"))
        cash = await deployed.start(refund_cash, Note(text="A-1"))
        for _ in range(2):
            await first.says("at it")
        await first.kill()
    async with deployments.process(WORKER, "quick") as second:
        await second.says("ready")
        await plain.result()
        asked = await waiting(cash)
        ledger = await plain.ledger()
        second.process.terminate()
        rest = (await second.process.communicate())[0].decode().splitlines()
    written = [json.loads(line) for line in [*first.said, *second.said, *rest] if line.startswith("{")]
    assert len(written) == len([line for line in [*first.said, *second.said, *rest] if line.strip()]) - 4

    def of(run: Execution[Any]) -> list[Any]:
        return [line for line in written if line.get("run") == run.id]

    receipts = [(line["event"], line["receipt"]) for line in of(plain) if "receipt" in line]
    assert receipts == [(event.name, event.fields["receipt"]) for event in told(ledger, chain.plan)]
    assert [line["try"] for line in of(plain) if line["event"] == "stage.started"][:2] == [1, 2]
    effects = [line["event"] for line in of(cash) if line["event"].startswith("effect.")]
    assert effects == ["effect.intended", "effect.unknown"]
    [opened] = [line for line in of(cash) if line["event"] == "gate.opened"]
    assert (opened["level"], opened["asks"]) == ("warning", "unknown")
    assert asked.evidence.startswith(opened["digest"])
