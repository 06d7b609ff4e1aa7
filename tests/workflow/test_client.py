"""Typed handles, Temporal's own client, the HTTP-like start of the UI, and Schedules."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.common import RawValue

from gatework import Endorsed
from gatework import workflow as plan
from gatework.errors import ConflictError, ContractError
from gatework.proof.ledger import broken_at
from gatework.temporal import Execution, find
from gatework.temporal.transport.salting import salt_of
from tests.workflow.deployment import Deployments, count, events, kinds, payload, task_after, until
from tests.workflow.plans import BLOCK, Note, Paper, chain, refund, signed, single, work, world


async def test_typed_handle_shows_state_ledger_and_values(deployments: Deployments) -> None:
    """A handle gives the progress, the chained receipts, and the values behind the digests in them."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    progress = await run.state()
    assert [(node.name, node.status) for node in progress.nodes] == [
        ("paper", "done"),
        ("agreed", "waiting"),
        ("file", "ahead"),
    ]
    assert (progress.workflow, progress.plan) == ("signed", signed.plan.digest)
    assert asked.shown == {"paper": {"text": "a", "pages": 1}, "note": {"text": "a"}}
    await run.approve(asked.number, by="Ada", note="Fine.")
    assert await run.result() == Paper(text="a")
    ledger = await run.ledger()
    assert broken_at(ledger) is None
    assert (await run.state()).head == ledger[-1].digest
    assert (await run.state()).status == "completed"
    values = await run.values()
    assert {entry.receipt.output for entry in ledger if entry.receipt.output} <= set(values)


async def test_values_hold_outputs_that_were_refused(deployments: Deployments) -> None:
    """What a guard blocked can still be looked at."""
    deployed = await deployments.serve(single)
    world.verdicts = [BLOCK]
    run, _ = await deployed.gate(single, Note(text="refused"))
    assert {"text": "refused", "pages": 1} in (await run.values()).values()


async def test_one_id_is_one_run_also_after_its_end(deployments: Deployments) -> None:
    """The same id and input twice is one run: while it runs, after it completed, and after a person said no."""
    deployed = await deployments.serve(single, signed)
    id = f"key-{uuid.uuid4()}"
    one = await deployed.start(single, Note(text="a"), id)
    other = await deployed.start(single, Note(text="a"), id)
    assert (await one.result(), await other.result()) == (Paper(text="a"), Paper(text="a"))
    again = await deployed.start(single, Note(text="a"), id)
    assert await again.result() == Paper(text="a")
    run, _ = await deployed.gate(signed, Note(text="a"), f"{id}-no")
    await run.reject("No.")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    after = await deployed.start(signed, Note(text="a"), f"{id}-no")
    with pytest.raises(WorkflowFailureError):
        await after.result()
    assert world.worked == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_id_that_is_taken_by_other_input_is_refused(deployments: Deployments, ended: bool) -> None:
    """A second input under one id would get the result of the first; nothing is started, and one sentence says so."""
    deployed = await deployments.serve(single, signed)
    plan: Any = single if ended else signed
    run = await deployed.start(plan, Note(text="a"), f"taken-{uuid.uuid4()}")
    if ended:
        await run.result()
    first = (await run.handle.describe()).run_id
    with pytest.raises(ConflictError, match="started from other input; nothing was started"):
        await deployed.start(plan, Note(text="b"), run.id)
    with pytest.raises(ConflictError, match="a run of another workflow than chain"):
        await deployed.start(chain, Note(text="a"), run.id)
    assert (await run.handle.describe()).run_id == first


async def test_id_of_a_run_that_was_continued_is_known_by_its_first_input(deployments: Deployments) -> None:
    """What a run hands on to itself is not what it was started from."""
    deployed = await deployments.serve(signed, continue_after_events=6)
    run, _ = await deployed.gate(signed, Note(text="a"), f"continued-{uuid.uuid4()}")
    first, *_ = await events(run)
    assert first.workflow_execution_started_event_attributes.continued_execution_run_id
    assert (await deployed.start(signed, Note(text="a"), run.id)).id == run.id
    with pytest.raises(ConflictError):
        await deployed.start(signed, Note(text="b"), run.id)


def order_of(note: Note) -> str:
    return note.text


@plan(key=order_of)
def keyed(note: Endorsed[Note]) -> Endorsed[Paper]:
    """One stage, and a key."""
    return work(note)


async def test_one_key_is_one_run_whoever_starts_it(deployments: Deployments) -> None:
    """Two that start at once, one that starts after the end: one run, which works once."""
    deployed = await deployments.serve(keyed)
    note = Note(text=f"order {deployments.queue}")
    runs = await asyncio.gather(*(deployed.start(keyed, note) for _ in range(8)))
    assert {run.id for run in runs} == {keyed.id_of(note)}
    results = await asyncio.gather(*(run.result() for run in runs))
    assert {result.text for result in results} == {note.text}
    assert await (await deployed.start(keyed, note)).result() == results[0]
    assert world.worked == 1


async def test_run_with_a_key_takes_no_other_id(deployments: Deployments) -> None:
    """An id beside the key would be a second run of one business; the id that the key gives may be said."""
    deployed = await deployments.serve(keyed)
    note = Note(text=f"order {deployments.queue}")
    with pytest.raises(ConflictError, match="named by its key"):
        await deployed.start(keyed, note, "another")
    assert (await deployed.start(keyed, note, keyed.id_of(note))).id == keyed.id_of(note)


async def test_input_that_breaks_its_contract_starts_nothing(deployments: Deployments) -> None:
    """The client refuses what the run would."""
    deployed = await deployments.calling()
    with pytest.raises(ContractError):
        await deployed.start(single, Note.model_construct(text=7), "never")


async def test_found_run_is_the_one_that_was_started(deployments: Deployments) -> None:
    """`find` gives the handle of a run by its id, in another process too, and follows a reset."""
    deployed = await deployments.serve(single)
    run = await deployed.start(single, Note(text="a"))
    await run.result()
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    calling = await deployments.calling()
    assert await find(calling.client, single, run.id).result() == Paper(text="a")


async def test_result_is_read_strictly(deployments: Deployments) -> None:
    """A result that does not keep to the contract is an error, where a converter would bend it."""
    deployed = await deployments.serve(single)
    run = await deployed.start(single, Note(text="a"))
    await run.result()
    with pytest.raises(ContractError):
        await find(deployed.client, refund, run.id).result()


async def test_temporals_own_client_starts_a_run_with_models(deployments: Deployments) -> None:
    """`client.execute_workflow(plan.run, Model(…), …)` works and gives a model."""
    deployed = await deployments.serve(single)
    result = await deployed.client.execute_workflow(
        single.run, Note(text="a"), id=f"native-{uuid.uuid4()}", task_queue=deployed.queue
    )
    assert result == Paper(text="a")
    by_name = await deployed.client.execute_workflow(
        "single", {"text": "b"}, id=f"native-{uuid.uuid4()}", task_queue=deployed.queue, result_type=Paper
    )
    assert by_name == Paper(text="b")


async def test_start_as_the_ui_does_it_works(deployments: Deployments) -> None:
    """The UI sends JSON typed by hand, without an identity and with metadata of its own."""
    deployed = await deployments.serve(single)
    typed = payload(b'{\n  "text": "a"\n}')
    typed.metadata["messageType"] = b"json"
    run = Execution(deployed.client.get_workflow_handle(await deployed.start_raw("single", typed)), single)
    assert await _raw_result(run) == {"text": "a", "pages": 1}


async def _raw_result(run: Execution[Paper]) -> object:
    return await run.handle.result()


async def test_schedule_starts_runs(deployments: Deployments) -> None:
    """A Schedule starts runs of a plan like any other workflow's."""
    deployed = await deployments.serve(single)
    id = f"scheduled-{uuid.uuid4()}"
    action = ScheduleActionStartWorkflow("single", {"text": "a"}, id=id, task_queue=deployed.queue)
    schedule = await deployed.client.create_schedule(id, Schedule(action=action, spec=ScheduleSpec()))
    try:
        for _ in range(2):
            await schedule.trigger()

        async def started() -> list[str]:
            described = await schedule.describe()
            found = [getattr(run.action, "workflow_id", "") for run in described.info.recent_actions]
            return found if len(found) >= 1 else []

        [first, *_] = await until(started, "a scheduled run")
        run = find(deployed.client, single, first)
        assert await run.result() == Paper(text="a")
        assert (await run.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    finally:
        await schedule.delete()


async def test_query_after_the_end_is_answered_from_the_history(deployments: Deployments) -> None:
    """A worker that never saw the run answers for it, from its history alone."""
    async with deployments.serving(chain) as deployed:
        run = await deployed.start(chain, Note(text="a"))
        await run.result()
        before = await run.ledger()
    async with deployments.serving(chain):
        assert await run.ledger() == before
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_run_started_without_the_plugin_draws_its_own_salt(deployments: Deployments) -> None:
    """A start from the UI or another SDK sends bare JSON; the run then costs one event more, and is salted as well."""
    deployed = await deployments.serve(single)
    ours = await deployed.start(single, Note(text="a"))
    await ours.result()
    inputs = set()
    for _ in range(2):
        bare = find(deployed.client, single, await deployed.start_raw("single", payload(b'{"text": "a"}')))
        await bare.result()
        assert len(await kinds(bare)) == len(await kinds(ours)) + 1
        inputs.add((await bare.ledger())[0].receipt.output)
    assert len(inputs) == 2, "one input, two salts"


@pytest.mark.parametrize("salt", [b"", b"00", b"0" * 63 + b"\n", b"G" * 64, b"\xff" * 64])
def test_salt_that_is_none_is_not_taken(salt: bytes) -> None:
    """What a caller writes into the payload's metadata is no salt unless it looks like one."""
    sent = payload(b"{}")
    sent.metadata["gatework-salt"] = salt
    assert salt_of(RawValue(sent)) == ""
