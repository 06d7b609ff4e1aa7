"""Ledgers rebuilt from histories: without a worker, the same as the run's own; and the stories told from them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Worker
from typer.testing import CliRunner, Result

from gatework.cli.main import app
from gatework.logs.story import told
from gatework.logs.vocabulary import EVENTS
from gatework.proof.ledger import broken_at
from gatework.releases import lock
from gatework.releases.library import Library
from gatework.run.events import Failed
from gatework.temporal import Execution, GateworkPlugin, start
from gatework.temporal.client.history import HistoryError, Leg, rebuilt
from gatework.temporal.client.operate import find_run
from gatework.temporal.client.story import Story, Teller
from gatework.temporal.workflow.attempt import ended_at
from tests.workflow.deployment import Deployed, Deployments, end, task_after, waiting
from tests.workflow.plans import BLOCK, RETRY, Note, chain, refund, signed, single, world
from tests.workflow.record import FOLDER, PLANS
from tests.workflow.test_replay import RECORDED

Typed = Callable[..., Awaitable[Result]]

LEGS = "\x1b[31mred\nrun.ended"


async def story(deployed: Deployed, run: Execution[Any], *workflows: Any) -> Story:
    """What a reader with these plans, and no worker, is told."""
    teller = Teller(client=deployed.client, library=Library(workflows))
    return await teller.story(await find_run(deployed.client, run.id))


def names(of: Story) -> list[str]:
    return [told.event.name for told in of.events]


def fields(of: Story, name: str) -> list[Any]:
    return [told.event.fields for told in of.events if told.event.name == name]


# -- the ledger ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded_history_rebuilds_an_unbroken_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file alone, and the plans as they were released; its last receipt is the end of the run."""
    monkeypatch.setattr(lock, "path_of", lambda plan: FOLDER / f"{plan.name}.lock.json")
    history = WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))
    leg = Leg(id=path.stem, run_id="run", events=history.events)
    found = await rebuilt(leg, Library(PLANS), DataConverter.default)
    assert broken_at(found.ledger) is None
    assert found.ledger[-1].receipt.kind == "ended"
    assert [entry.sequence for entry in found.ledger] == list(range(1, len(found.ledger) + 1))


async def test_rebuilt_ledger_is_that_of_the_run(deployments: Deployments) -> None:
    """Digest by digest what the run itself says, for runs that end, wait, retry, are edited, pay and are cancelled."""
    deployed = await deployments.serve(signed, single, refund)
    world.verdicts = [RETRY, RETRY]
    runs: list[Execution[Any]] = [
        await deployed.start(single, Note(text="a")),
        await deployed.start(refund, Note(text="A-1")),
    ]
    for run in runs:
        await run.result()
    waits, _ = await deployed.gate(signed, Note(text="a"))
    edited, _ = await deployed.gate(signed, Note(text="a"))
    await edited.edit({"text": "b", "pages": 2}, by="Ada")
    cancelled, _ = await deployed.gate(signed, Note(text="a"))
    await cancelled.handle.cancel()
    with pytest.raises(Exception, match="Workflow execution failed"):
        await cancelled.result()
    for run in (*runs, waits, edited, cancelled):
        assert (await story(deployed, run, signed, single, refund)).ledger == await run.ledger()


async def test_ledger_is_the_same_whichever_worker_answers(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock that a run has after its beginning was looked up is another at each replay; no receipt bears it."""

    def slow(size: int) -> bytes:
        time.sleep(0.3)
        return os.urandom(size)

    monkeypatch.setattr("gatework.temporal.workflow.pin.os", SimpleNamespace(urandom=slow))
    async with deployments.serving(signed) as deployed:
        run, _ = await deployed.gate(signed, Note(text="a"))
        first = await run.ledger()
    async with deployments.serving(signed):
        assert await run.ledger() == first
    assert (await story(deployed, run, signed)).ledger == first
    started = (await run.handle.fetch_history()).events[0].event_time.ToDatetime(UTC)
    assert first[0].at == started.isoformat(timespec="milliseconds")


async def test_story_goes_through_all_runs_of_a_chain(deployments: Deployments) -> None:
    """A run that went on as another is one story; the ledger is whole, and each event names the run that it was in."""
    deployed = await deployments.serve(chain, continue_after_events=12)
    run = await deployed.start(chain, Note(text="a"))
    await run.result()
    found = await story(deployed, run, chain)
    assert found.ledger == await run.ledger()
    assert names(found).count("run.continued") >= 1
    assert names(found).count("output.accepted") == names(found).count("stage.started") == 5
    assert len({told.about["run_id"] for told in found.events}) == names(found).count("run.continued") + 1
    times = [told.event.at for told in found.events]
    assert times == sorted(times)
    assert found.ended
    assert not found.forgotten


async def test_story_of_a_reset_run_says_so(deployments: Deployments) -> None:
    """What was copied is told, then the reset; what followed the point in the first run does not count."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    point = await task_after(run, "ACTIVITY_TASK_COMPLETED")
    await run.approve(asked.number)
    await run.result()
    await deployed.reset(run, point)
    again = await waiting(run)
    found = await story(deployed, run, signed)
    assert names(found) == ["run.begun", "stage.started", "run.reset", "output.accepted", "gate.opened"]
    assert fields(found, "gate.opened")[0]["digest"] == again.evidence[:12]
    assert fields(found, "run.reset")[0]["reason"]


class Backwards(PayloadCodec):
    """Stands for encryption: what the server has can be read with the codec only."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"x"}, data=each.SerializeToString()[::-1]) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(each.data[::-1]) for each in payloads]


async def test_encrypted_history_is_read_with_the_codec_of_the_client(deployments: Deployments) -> None:
    """The ledger, and which attempt an activity was; without the codec it is a sentence."""
    converter = dataclasses.replace(DataConverter.default, payload_codec=Backwards())
    client = await deployments.client(GateworkPlugin(single), data_converter=converter)
    world.verdicts = [RETRY]
    async with Worker(client, task_queue=deployments.queue):
        run = await start(client, single, Note(text="a"), task_queue=deployments.queue)
        await run.result()
        ledger = await run.ledger()
    found = await story(Deployed(client, deployments.queue), run, single)
    assert found.ledger == ledger
    assert [each["attempt"] for each in fields(found, "stage.started")] == [1, 2]
    blind = await deployments.client()
    leg = Leg(id=run.id, run_id="run", events=(await run.handle.fetch_history()).events)
    with pytest.raises(HistoryError):
        await rebuilt(leg, Library([single]), blind.data_converter)


async def test_history_without_its_plan_is_no_ledger(deployments: Deployments) -> None:
    """The reader is told, rather than shown what another plan would have made of it."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    history = await run.handle.fetch_history()
    leg = Leg(id=run.id, run_id="run", events=history.events)
    with pytest.raises(HistoryError, match="no workflow signed"):
        await rebuilt(leg, Library([single]), DataConverter.default)
    started = history.events[0].workflow_execution_started_event_attributes
    started.workflow_type.name = "single"
    with pytest.raises(HistoryError, match="do not lead to the history"):
        await rebuilt(leg, Library([single]), DataConverter.default)


# -- what the history alone knows ------------------------------------------------------------------


async def test_story_tells_tries_ends_and_requests_that_no_receipt_holds(deployments: Deployments) -> None:
    """A try that broke, a cancellation that was asked for, a termination, an input that breaks its contract."""
    deployed = await deployments.serve(single, signed)
    world.does = lambda: None if world.worked > 1 else 1 / 0
    broke = await deployed.start(single, Note(text="a"))
    await broke.result()
    found = await story(deployed, broke, single)
    [failed] = fields(found, "try.failed")
    [started] = fields(found, "stage.started")
    assert (failed["try"], started["try"], started["attempt"]) == (1, 2, 1)
    assert "ZeroDivisionError at" in failed["reason"]

    run, _ = await deployed.gate(signed, Note(text="a"))
    await run.handle.cancel()
    with pytest.raises(Exception, match="Workflow execution failed"):
        await run.result()
    assert names(await story(deployed, run, signed))[-2:] == ["run.cancel_requested", "run.ended"]

    run, _ = await deployed.gate(signed, Note(text="a"))
    await run.handle.terminate(reason=LEGS)
    assert fields(await story(deployed, run, signed), "run.ended")[0]["outcome"] == "terminated"

    id = await deployed.start_raw("signed")
    found = await story(deployed, Execution(deployed.client.get_workflow_handle(id), signed), signed)
    while not found.ended:
        found = await story(deployed, Execution(deployed.client.get_workflow_handle(id), signed), signed)
    assert names(found) == ["run.ended"]
    assert fields(found, "run.ended")[0]["outcome"] == "failed"
    assert "start it with one JSON value" in fields(found, "run.ended")[0]["reason"]


async def test_story_shows_what_a_worker_is_doing(deployments: Deployments) -> None:
    """Temporal writes the start of a stage when it has ended; until then it is asked what is under way."""
    deployed = await deployments.serve(single)
    go, begun = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go.wait()

    world.does = work
    run = await deployed.start(single, Note(text="a"))
    await begun.wait()
    found = await story(deployed, run, single)
    assert names(found) == ["run.begun", "stage.started"]
    go.set()
    await run.result()
    after = await story(deployed, run, single)
    assert {told.key for told in found.events} < {told.key for told in after.events}


async def test_story_shows_what_fails_while_it_is_tried_again(deployments: Deployments) -> None:
    """A stage that Temporal will try again has no event for that in the history; the server is asked."""
    deployed = await deployments.serve(single)

    def breaks() -> None:
        raise ValueError(LEGS)

    world.does = breaks
    run = await deployed.start(single, Note(text="a"))
    found = await story(deployed, run, single)
    async with asyncio.timeout(20):
        while "try.failed" not in names(found):
            found = await story(deployed, run, single)
    said = fields(found, "try.failed")[0]
    assert (said["try"], said["attempt"], said["stage"]) == (1, 1, "work")
    assert "ValueError at" in said["reason"]
    world.does = None
    await run.result()
    after = await story(deployed, run, single)
    assert fields(after, "stage.started")[-1]["try"] > 1


async def test_story_is_what_the_worker_logs(deployments: Deployments) -> None:
    """Names and fields are of the vocabulary, event by event."""
    deployed = await deployments.serve(refund, signed, single)
    world.verdicts = [RETRY, BLOCK]
    run, _ = await deployed.gate(single, Note(text="a"))
    await run.abort("No.", by="Ada")
    await end(run)
    paid = await deployed.start(refund, Note(text="A-1"))
    await paid.result()
    for each in (run, paid):
        found = await story(deployed, each, refund, single)
        for event in found.events:
            assert set(event.event.fields) <= set(EVENTS[event.event.name].fields)
        receipts = [(e.event.name, dict(e.event.fields)) for e in found.events if "receipt" in e.event.fields]
        plan = refund.plan if each is paid else single.plan
        assert receipts == [(e.name, dict(e.fields)) for e in told(await each.ledger(), plan)]


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def typed(deployments: Deployments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """Runs a command outside of any project, against the test's server."""
    monkeypatch.chdir(tmp_path)

    async def run(*arguments: str) -> Result:
        env = {
            "TEMPORAL_ADDRESS": deployments.address,
            "GATEWORK_TASK_QUEUE": deployments.queue,
            "COLUMNS": "80",
            "TERM": "dumb",
        }
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, env=env))

    return run


CODE = "--code", "tests.workflow.plans:signed"


async def test_logs_tells_a_run_without_a_worker(deployments: Deployments, typed: Typed) -> None:
    """After the worker has gone: the history and the plans are enough."""
    async with deployments.serving(signed) as deployed:
        run, asked = await deployed.gate(signed, Note(text="SECRET"))
        await run.approve(asked.number, by="Ada", note="Fine.")
        await run.result()
    done = await typed("logs", run.id, *CODE)
    assert done.exit_code == 0, done.stderr
    assert "approved by Ada (as claimed): Fine." in done.stdout
    assert "waits for boss until" in done.stdout
    assert done.stdout.rstrip().endswith("completed")
    assert max(map(len, done.stdout.splitlines()[1:])) <= 80
    assert "SECRET" not in done.stdout
    lines = [json.loads(line) for line in (await typed("logs", run.id, "--json", *CODE)).stdout.splitlines()]
    assert [line["event"] for line in lines][:2] == ["run.begun", "stage.started"]
    assert all(list(line)[:7] == ["time", "level", "event", "run", "run_id", "workflow", "plan"] for line in lines)


async def test_logs_asks_a_worker_where_the_plans_are_not_at_hand(deployments: Deployments, typed: Typed) -> None:
    """Outside of the project the story is the same, and says who told it; without a worker it is one sentence."""
    async with deployments.serving(signed) as deployed:
        run, asked = await deployed.gate(signed, Note(text="a"))
        await run.approve(asked.number, by="Ada")
        await run.result()
        asked_of = await typed("logs", run.id)
        own = await typed("logs", run.id, *CODE)
    assert asked_of.exit_code == 0, asked_of.stderr
    assert "Told by a worker" in asked_of.stdout
    told_by_worker = [line for line in asked_of.stdout.splitlines() if "+" in line]
    told_by_history = [line for line in own.stdout.splitlines() if "+" in line]
    assert len(told_by_worker) == len(told_by_history) == 8


async def test_logs_without_plans_and_worker_is_one_sentence(
    deployments: Deployments, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is missing, and what to do."""
    monkeypatch.setattr("gatework.temporal.client.operate.ANSWER_TIMEOUT", timedelta(seconds=1))
    async with deployments.serving(signed) as deployed:
        run, _ = await deployed.gate(signed, Note(text="a"))
    refused = await typed("logs", run.id)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "start its worker" in refused.stderr
    assert refused.stderr.count("\n") == 1


async def test_logs_follows_a_run_to_its_end(deployments: Deployments, typed: Typed) -> None:
    """Each event once, as it happens; the end of the run ends the command."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    following = asyncio.ensure_future(typed("logs", run.id, "--json", "--follow", *CODE))
    await asyncio.sleep(2.5)
    assert not following.done()
    await run.approve(asked.number)
    done = await asyncio.wait_for(following, 30)
    assert done.exit_code == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == [
        "run.begun", "stage.started", "output.accepted", "gate.opened", "decision.taken", "stage.started",
        "output.accepted", "run.ended",
    ]  # fmt: skip


async def test_hostile_text_of_a_run_stays_in_its_line(deployments: Deployments, typed: Typed) -> None:
    """The id that a caller chose, a note, and the reason of a termination: as text, on the line of their event."""
    async with deployments.serving(signed) as deployed:
        run, _ = await deployed.gate(signed, Note(text="a"), f"{LEGS}{deployments.queue}")
        await run.handle.terminate(reason=LEGS)
    for more in ((), ("--json",)):
        done = await typed("logs", run.id, *CODE, *more)
        assert done.exit_code == 0, done.stderr
        assert "\x1b" not in done.stdout
        lines = done.stdout.splitlines()
        assert not any(line.startswith("run.ended") for line in lines)
        assert sum("terminated" in line for line in lines) == 1


async def test_logs_in_the_project_needs_no_option(deployments: Deployments, tmp_path: Path) -> None:
    """Inside the project the plans are found; this is what an operator types."""
    project = tmp_path / "project"
    shutil.copytree(Path(__file__).parents[1] / "replay", project / "workflows")
    (project / "workflows" / "__init__.py").touch()
    (project / "workflows" / "signed.py").write_text("from tests.workflow.plans import signed\n")
    async with deployments.serving(signed) as deployed:
        run, _ = await deployed.gate(signed, Note(text="a"))
        await run.abort("No.")
        await end(run)
    program = Path(sys.executable).with_name("gatework")
    process = await asyncio.create_subprocess_exec(
        str(program), "logs", run.id,
        cwd=project,
        env={**os.environ, "TEMPORAL_ADDRESS": deployments.address, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    assert "run aborted: No." in said.decode()
    assert complained == b""


async def test_attempt_bears_the_time_that_its_worker_gave(deployments: Deployments) -> None:
    """A workflow task that is done twice has two times; what a worker gave with its result has one."""
    deployed = await deployments.serve(single)
    run = await deployed.start(single, Note(text="a"))
    await run.result()
    history = (await run.handle.fetch_history()).events
    done = next(e for e in history if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    result = json.loads(done.activity_task_completed_event_attributes.result.payloads[0].data)
    given = datetime.fromtimestamp(result["finished"]["ended_ms"] / 1000, tz=UTC)
    begun, output, ended = await run.ledger()
    assert output.at == ended.at == given.isoformat(timespec="milliseconds")
    assert begun.at <= output.at <= done.event_time.ToDatetime(UTC).isoformat(timespec="milliseconds")


@pytest.mark.parametrize("ended_ms", [0, -1, 10**15, 2**53 - 1])
def test_time_that_no_calendar_has_is_not_taken(ended_ms: int) -> None:
    """A forged time neither breaks the run nor stands in its ledger."""
    forged = Failed(plan="", node="", attempt=1, inputs="", failure="error", reason="", ended_ms=ended_ms)
    assert ended_at(forged) is None
