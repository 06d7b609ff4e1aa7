"""`gatework run` and `gatework watch`: runs started, found and followed to their end, on a real server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from gatework.temporal import GateworkPlugin, find, start
from gatework.temporal.client import watching
from gatework.temporal.server import dev_server
from tests.ports import spare_ports
from tests.workflow.conftest import Typed
from tests.workflow.deployment import ROOT, Deployments, WorkerProcess, task_after, waiting
from tests.workflow.plans import RETRY, Note, chain, signed, single, world
from tests.workflow.terminal import Terminal

GATEWORK = str(Path(sys.executable).with_name("gatework"))
SINGLE, SIGNED, CHAIN = (f"tests.workflow.plans:{name}" for name in ("single", "signed", "chain"))
PORT = spare_ports()
GIVEN = '{"text": "x"}'


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers for a shorter time before it is said."""
    monkeypatch.setattr(watching, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.3)


# -- run -------------------------------------------------------------------------------------------


async def test_run_starts_a_run_once_for_each_id(deployments: Deployments, typed: Typed) -> None:
    """The second says that it was found, and nothing runs twice."""
    await deployments.serve(single)
    id = f"{deployments.queue}-one"
    first = await typed("run", SINGLE, GIVEN, "--id", id)
    assert (first.exit_code, first.stdout.splitlines()[0]) == (0, f"{id} started")
    again = await typed("run", SINGLE, GIVEN, "--id", id, "--wait")
    assert again.exit_code == 0
    assert f"{id} found" in again.stderr
    assert json.loads(again.stdout) == {"text": "x", "pages": 1}
    assert world.worked == 1
    data = json.loads((await typed("run", SINGLE, GIVEN, "--id", id, "--json")).stdout)
    assert (data["id"], data["started"], data["workflow"]) == (id, False, "single")


async def test_run_takes_its_input_from_the_line_a_file_or_the_input(
    deployments: Deployments, typed: Typed, tmp_path: Path
) -> None:
    """All three are the same."""
    await deployments.serve(single)
    file = tmp_path / "note.json"
    file.write_text(GIVEN)
    for given, stdin in ((GIVEN, None), (f"@{file}", None), ("-", GIVEN)):
        done = await typed("run", SINGLE, given, "--wait", stdin=stdin)
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"text": "x", "pages": 1})


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ('{"text": 7}', 1, "field text: input should be a valid string"),
        ('{"text": "x", "more": 1}', 1, "a field that the contract does not know"),
        ("{}", 1, "field text"),
        ("{bad", 2, "not JSON"),
        ("", 2, "{text}"),
        ("@no/such/file", 2, "No such file"),
    ],
)
async def test_run_refuses_a_bad_input_before_anything_is_started(
    deployments: Deployments, typed: Typed, given: str, code: int, said: str
) -> None:
    """One sentence with the field; the value is not repeated; no server is needed to say it."""
    refused = await typed("run", SINGLE, given, address="127.0.0.1:1")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (code, "", 1)
    assert said in refused.stderr
    assert "more" not in refused.stderr


@pytest.mark.parametrize("name", ["nowhere:single", "tests.workflow.plans:nothing", "no_such", "../x", "a:b:c"])
async def test_run_of_a_workflow_that_is_not_there_is_wrong_usage(typed: Typed, name: str) -> None:
    """One sentence that says what can be named."""
    refused = await typed("run", name, GIVEN)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


async def test_run_under_the_id_of_another_workflow_is_refused(deployments: Deployments, typed: Typed) -> None:
    """It would be taken for what was asked for."""
    run, _ = await (await deployments.serve(signed)).gate(signed, Note(text="x"))
    refused = await typed("run", SINGLE, GIVEN, "--id", run.id)
    assert (refused.exit_code, "another id" in refused.stderr) == (1, True)
    await run.abort("test")


async def test_run_that_is_waited_for_and_does_not_complete_exits_with_1(
    deployments: Deployments, typed: Typed
) -> None:
    """Standard output holds the result or nothing; what happened is on standard error."""
    deployed = await deployments.serve(signed)
    id = f"{deployments.queue}-no"
    async with gatework(deployments, "run", SIGNED, GIVEN, "--id", id, "--wait") as command:
        assert f"gatework approve {id}" in await command.says("? boss: approve paper?")
        await find(deployed.client, signed, id).reject("too much", by="ana")
        await command.says("✖ rejected by ana at agreed: too much")
        assert await command.process.wait() == 1
        assert "✔ paper" in "".join(command.said)
    again = await typed("run", SIGNED, GIVEN, "--id", id, "--wait", "--json")
    data = json.loads(again.stdout)
    assert (data["status"], data["result"], data["started"]) == ("rejected", None, False)
    assert (again.exit_code, again.stderr) == (1, "")
    assert (await typed("run", SIGNED, GIVEN, "--id", id, "--wait")).stdout == ""


@asynccontextmanager
async def gatework(deployments: Deployments, *arguments: str) -> AsyncGenerator[WorkerProcess]:
    """A command as a process, whose lines can be waited for."""
    process = await asyncio.create_subprocess_exec(
        GATEWORK,
        *arguments,
        cwd=ROOT,
        env=environment(deployments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    command = WorkerProcess(process)
    try:
        yield command
    finally:
        await command.stop()


def environment(deployments: Deployments) -> dict[str, str]:
    here = {"TEMPORAL_ADDRESS": deployments.address, "GATEWORK_TASK_QUEUE": deployments.queue}
    return {**here, "PATH": os.environ["PATH"], "PYTHONUTF8": "1"}


# -- watch -----------------------------------------------------------------------------------------


async def test_watch_shows_each_stage_and_ends_with_the_run(deployments: Deployments, typed: Typed) -> None:
    """A line for each change where there is no terminal; exit code 0 for a run that completed."""
    world.verdicts[:] = [RETRY]
    run = await (await deployments.serve(single)).start(single, Note(text="x"))
    await run.result()
    seen = await typed("watch", run.id)
    assert seen.exit_code == 0
    assert [line.split(" ", 1)[1] for line in seen.stdout.splitlines()] == ["✔ work, attempt 2", "■ completed"]


async def test_watch_as_json_gives_one_object_a_line(deployments: Deployments, typed: Typed) -> None:
    """Programs read where the run stands, without the evidence of a question."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="secret words"))
    async with gatework(deployments, "watch", run.id, "--json") as command:
        await command.says("waiting")
        await run.reject("no")
        assert await command.process.wait() == 1
        await command.says("rejected")
    moments = [json.loads(line) for line in command.said]
    assert moments[0]["status"] == "waiting"
    assert moments[0]["waiting"]["role"] == "boss"
    assert moments[0]["plan"] == signed.plan.digest
    assert (moments[-1]["status"], moments[-1]["stages"][0]["status"]) == ("rejected", "done")
    assert "secret words" not in "".join(command.said)


@pytest.mark.usefixtures("soon")
async def test_watch_goes_on_while_no_worker_answers(deployments: Deployments, typed: Typed) -> None:
    """It says so once, and follows the run to its end when a worker has come."""
    calling = await deployments.calling()
    run = await calling.start(single, Note(text="x"))
    watching_ = asyncio.create_task(typed("watch", run.id))
    await asyncio.sleep(3)
    assert not watching_.done()
    await deployments.serve(single)
    seen = await watching_
    assert seen.exit_code == 0
    said = [line.split(" ", 1)[1] for line in seen.stdout.splitlines()]
    assert said[0].startswith("… no worker answers")
    assert said.count(said[0]) == 1
    assert said[-1] == "■ completed"


@pytest.mark.usefixtures("soon")
async def test_watch_knows_the_end_of_a_run_that_no_worker_can_tell_of(deployments: Deployments, typed: Typed) -> None:
    """The server alone says that it was terminated."""
    run = await (await deployments.calling()).start(single, Note(text="x"))
    await run.handle.terminate("test")
    seen = await typed("watch", run.id)
    assert (seen.exit_code, "✖ terminated" in seen.stdout) == (1, True)


async def test_watch_follows_a_run_into_the_one_that_continues_it(deployments: Deployments, typed: Typed) -> None:
    """Continued as new, it is the same run to whoever watches."""
    deployed = await deployments.serve(chain, continue_after_events=8)
    run = await deployed.start(chain, Note(text="x"))
    seen = await typed("watch", run.id)
    assert (seen.exit_code, seen.stdout.splitlines()[-1].split(" ", 1)[1]) == (0, "■ completed")
    assert "continued" not in seen.stdout


async def test_watch_follows_a_run_into_its_reset(deployments: Deployments, typed: Typed) -> None:
    """The run that was reset is terminated; what is watched goes on."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="x"))
    watching_ = asyncio.create_task(typed("watch", run.id))
    await asyncio.sleep(1)
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    waits = await waiting(run)
    await run.approve(waits.number)
    seen = await watching_
    assert (seen.exit_code, seen.stdout.splitlines()[-1].split(" ", 1)[1]) == (0, "■ completed")
    assert "terminated" not in seen.stdout


async def test_watch_at_a_terminal_draws_a_picture_and_leaves_quietly(deployments: Deployments) -> None:
    """At 80 columns: each run with where it stands; Ctrl-C ends it with 0, for one run with 130; no traceback."""
    deployed = await deployments.serve(signed)
    one, waits = await deployed.gate(signed, Note(text="x"), f"{deployments.queue}-one")
    env = environment(deployments)

    def watched() -> None:
        with Terminal(GATEWORK, "watch", folder=ROOT, env=env) as terminal:
            terminal.shows("boss: approve paper")
            terminal.shows(waits.number)
            terminal.types("\x03")
            assert terminal.ends() == 0
            assert b"Traceback" not in terminal.raw
            assert terminal.raw.endswith(b"\x1b[?25h")  # the cursor is there again
        with Terminal(GATEWORK, "watch", one.id, folder=ROOT, env=env) as terminal:
            terminal.shows("waiting")
            terminal.shows(f"gatework approve {one.id} {waits.number}")
            terminal.types("\x03")
            assert terminal.ends() == 130
            assert b"Traceback" not in terminal.raw

    began = time.monotonic()
    await asyncio.to_thread(watched)
    assert time.monotonic() - began < 60
    await one.abort("test")


@pytest.mark.slow
async def test_watch_goes_on_while_the_server_is_started_again(tmp_path: Path) -> None:
    """It says that the server does not answer, and follows the run to its end when it is back."""
    env = {"TEMPORAL_ADDRESS": f"127.0.0.1:{PORT}", "PATH": os.environ["PATH"], "PYTHONUTF8": "1"}
    async with AsyncExitStack() as stack:
        async with dev_server(tmp_path / "temporal.db", port=PORT, exact=True) as server:
            client = await Client.connect(server.address, plugins=[GateworkPlugin(signed)])
            run = await start(client, signed, Note(text="x"), id="one", task_queue="gatework")
            await stack.enter_async_context(Worker(client, task_queue="gatework"))
            waits = await waiting(run)
            process = await asyncio.create_subprocess_exec(
                GATEWORK, "watch", "one", cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=-2
            )
            command = WorkerProcess(process)
            stack.push_async_callback(command.stop)
            await command.says("? boss")
        await command.says("the server does not answer")
        async with dev_server(tmp_path / "temporal.db", port=PORT, exact=True):
            await command.says("answered again")
            await run.approve(waits.number)
            await command.says("completed")
            assert await process.wait() == 0
            await stack.aclose()
