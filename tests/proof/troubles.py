"""Runs on a real server in which much goes wrong: recorded for others to verify, and played for nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.common import RawValue
from temporalio.worker import Worker

from gatework import Block, NotDone, Retry
from gatework.define.workflow import Workflow
from gatework.temporal import Execution, find
from gatework.temporal.client.exporting import Disclosure
from gatework.temporal.client.restarting import look, resumed
from gatework.temporal.transport.payloads import raw
from tests.proof.parcels import (
    LIES,
    address,
    booked,
    dispatch,
    everyone,
    halves,
    hurried,
    journey,
    mishaps,
    parcel,
    quarters,
    twice_vouched,
    vouched,
    wished,
)
from tests.proof.runs import Scene, Stage, at
from tests.workflow.deployment import time_skipped, waiting
from tests.workflow.families import child
from tests.workflow.plans import Note, Paper

SERVED: tuple[Workflow[Any, Any], ...] = (
    *(parcel, dispatch, address, journey, hurried, wished),
    *(halves, quarters, vouched, twice_vouched, everyone),
)


async def over(run: Execution[Any]) -> None:
    """Wait for the end, however the run ends."""
    with suppress(WorkflowFailureError):
        await run.handle.result()


async def overridden(on: Stage) -> Execution[Any]:
    """Inputs, an output and a stage are let on past what blocks them, by one and by two, in a child run."""
    mishaps["in_stock"] = [Block("We have none.")]
    mishaps["is_known"] = [Block("We do not sell that.")]
    mishaps["pack"] = [Block("No box fits.")]
    run = await on.deployed.start(dispatch, Note(text="nut heavy bolt"), "overridden")
    sent = await child(run, "sent", parcel)
    gate = 0
    for why in ("It came this morning.", "The new catalogue has it."):
        waits = await at(sent, "blocked", after=gate)
        for name in ("Ana", "Ben"):
            await sent.override(why, number=waits.number, by=name)
        gate = waits.gate
    waits = await at(sent, "blocked", "packed")
    await sent.override("By hand.", number=waits.number, value=Paper(text="nut heavy"), by="Cleo")
    waits = await at(sent, "approval")
    await time_skipped(on.deployed.client, sent)
    await at(sent, "approval", after=waits.gate)
    for name in ("Dora", "Eve"):
        await sent.approve((await waiting(sent)).number, by=name)
    await run.result()
    return run


@activity.defn(name="stage.frame")
async def lying(task: RawValue) -> RawValue:
    """What no stage gives."""
    return raw(b'{"finished":{"output":"lies"}}')


async def spent_rounds(on: Stage) -> Execution[Any]:
    """Two loops and two stages come to the end of their tries: taken as it is, sent on and mended by people."""
    mishaps["sort"] = ["no contract", "late"]
    mishaps["is_sorted"] = [Retry("Look again.")]
    async with Worker(await on.deployments.client(), task_queue=LIES, activities=[lying]):
        run = await on.deployed.start(address, Paper(text="a street"), "spent_rounds")
        first = await at(run, "spent")
        await run.retry("Shorter.", by="Ana")
        await run.approve((await at(run, "spent", after=first.gate)).number, by="Ben", note="Short enough.")
        await at(run, "exhausted", "told")
        await run.edit({"kind": "short", "words": "st"}, by="Ana", note="By eye.")
        await at(run, "exhausted", "frame")
        await run.edit({"text": "[st]", "pages": 1}, by="Ben")
        await run.result()
    return run


async def in_doubt(on: Stage) -> Execution[Any]:
    """Effects of which nobody knows, that are refused or fail; then all is undone but what people leave."""
    lost = OSError("the line went dead")
    booked.clear()
    mishaps["book before"] = [None, Block("It is full."), *[NotDone("They are closed.")] * 3]
    mishaps["book"] = [lost, lost]
    mishaps["booking"] = [None] * 7 + [lost] * 2
    mishaps["fetch"] = [lost]
    mishaps["call_off"] = [lost, lost, lost]
    run = await on.deployed.start(journey, Note(text="A-1"), "in_doubt")
    waits = await at(run, "unknown", "got")
    await run.retry("They know nothing of it.", number=waits.number, by="Ana")
    await at(run, "blocked", "ferry")
    await run.retry("There is room now.", by="Ana")
    await at(run, "failed", "ferry")
    await run.retry(by="Ana")
    waits = await at(run, "unknown", "ferry")
    await run.retry(number=waits.number, by="Ben")
    await at(run, "approval")
    await run.abort("Nobody is there.", by="Cleo")
    waits = await at(run, "unknown", "undo_ferry")
    await run.abort("They send a bill.", by="Ana")
    waits = await at(run, "unknown", after=waits.gate)
    await time_skipped(on.deployed.client, run)
    waits = await at(run, "unknown", after=waits.gate)
    await run.retry(number=waits.number, by="Ben")
    return run


async def let_on(on: Stage) -> Execution[Any]:
    """Overrides of an effect in doubt, of tries that are spent and of a loop; child runs that end with the first."""
    mishaps["fetch"] = [OSError("the line went dead")]
    mishaps["is_brief"] = [Retry("Shorter."), Retry("Shorter."), Block("That is rude.")]
    run = await on.deployed.start(hurried, Note(text="A-1"), "let_on")
    waits = await at(run, "unknown", "got")
    value = {"payment": "by hand", "order": "A-1"}
    await run.override("It is in the yard.", number=waits.number, value=value, by="Ana")
    waits = await at(run, "exhausted", "words")
    await run.override("Short enough.", number=waits.number, by="Ben")
    waits = await at(run, "blocked", "brief")
    await run.override("It is not.", number=waits.number, by="Cleo")
    one, other = [await child(run, f"papers/{number}", vouched) for number in (1, 2)]
    await waiting(other)
    await waiting(one)
    await one.reject("No.", by="Dora")
    await at(run, "failed", "papers")
    await run.edit([{"text": "A-1", "pages": 1}], by="Ana", note="As they told me.")
    await at(run, "approval")
    await run.abort("It is late.", by="Eve")
    return run


async def came_back(on: Stage) -> Execution[Any]:
    """Cancelled and aborted at a question, resumed each time; then the question is handed on, and expires."""
    client = on.deployed.client

    async def again() -> Execution[Any]:
        await resumed(client, await look(client, "came_back"), by="Ana", note="Once more.")
        return find(client, wished, "came_back")

    run, _ = await on.deployed.gate(wished, Note(text="A-1"), "came_back")
    await run.handle.cancel()
    await over(run)
    run = await again()
    await waiting(run)
    await run.abort("Not now.", by="Ben")
    await over(run)
    run = await again()
    waits = await waiting(run)
    await time_skipped(client, run)
    await at(run, "question", after=waits.gate)
    await time_skipped(client, run)
    return run


async def redacted(on: Stage) -> Execution[Any]:
    """Parts and joins in child runs of child runs, of which no value is disclosed but one."""
    run = await on.deployed.start(quarters, Note(text="a-b"), "redacted")
    await run.result()
    return run


async def under_way(on: Stage) -> Execution[Any]:
    """Child runs that ended in every way but well, called once more; one has completed, the others go on."""
    client, run = on.deployed.client, await on.deployed.start(everyone, Note(text="a b c d e"), "under_way")
    names = [f"papers/{number}" for number in range(1, 6)]
    rejects, aborts, expires, is_cancelled, is_ended = [await child(run, name, twice_vouched) for name in names]
    for one in (rejects, aborts, expires, is_cancelled, is_ended):
        await waiting(one)
    await rejects.reject("No.", by="Ana")
    await aborts.abort("Stop.", by="Ben")
    await time_skipped(client, expires)
    await is_cancelled.handle.cancel()
    await is_ended.handle.terminate("enough")
    waits = await at(run, "failed")
    await run.retry("All of them.", by="Cleo", number=waits.number)
    again = [await child(run, name, twice_vouched) for name in names]
    for one in again:
        await waiting(one)
    for one in again[:2]:
        await one.approve((await waiting(one)).number, by="Ana")
    await (last := await child(again[0], "again", vouched)).approve((await at(last, "approval")).number, by="Ben")
    await again[0].handle.result()
    await waiting(await child(again[1], "again", vouched))
    return run


SCENES: tuple[Scene, ...] = (overridden, spent_rounds, in_doubt, let_on, came_back, redacted, under_way)
DISCLOSED = {"redacted": Disclosure(values=False, also=("order",))}
"""What a certificate has of the values of a run, where it is not all that may leave."""
