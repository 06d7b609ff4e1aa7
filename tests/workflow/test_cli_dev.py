"""`gatework dev` and `gatework worker` as processes on real files: they follow the code, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gatework.temporal import find
from tests.ports import spare_ports
from tests.workflow.deployment import Deployments, WorkerProcess, count, until
from tests.workflow.plans import single
from tests.workflow.terminal import Terminal

GATEWORK = str(Path(sys.executable).with_name("gatework"))
PORT = spare_ports()

HELLO = '''
import asyncio, os
from pydantic import BaseModel
from gatework import Endorsed, stage, workflow

class Note(BaseModel):
    text: str

@stage()
async def greet(note: Endorsed[Note]) -> Endorsed[Note]:
    open("begun", "w").close()
    await asyncio.sleep(float(os.environ.get("NAP", "0")))
    return Endorsed(Note(text="HELLO " + note.value.text))

@workflow
def hello(note: Endorsed[Note]) -> Endorsed[Note]:
    """Say hello."""
    return greet(note)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "workflows").mkdir(parents=True)
    (folder / "workflows" / "__init__.py").write_text("")
    (folder / "workflows" / "hello.py").write_text(HELLO)
    return folder


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # Without bytecode, which would stand for a source that was edited within the same second.
    python = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **python, "COLUMNS": "120", **more}


@asynccontextmanager
async def gatework(project: Path, *arguments: str, **env: str) -> AsyncGenerator[WorkerProcess]:
    process = await asyncio.create_subprocess_exec(
        GATEWORK,
        *arguments,
        cwd=project,
        env=environment(**env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    command = WorkerProcess(process)
    try:
        yield command
    finally:
        await command.stop()


async def done(project: Path, *arguments: str, port: int = PORT, address: str = "") -> subprocess.CompletedProcess[str]:
    env = environment(TEMPORAL_ADDRESS=address or f"127.0.0.1:{port}")
    return await asyncio.to_thread(
        subprocess.run, [GATEWORK, *arguments], cwd=project, env=env, capture_output=True, text=True, timeout=90
    )


def left_running(folder: Path) -> list[str]:
    """Processes whose command line, environment or working directory names the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) == os.getpid():
                continue
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in said or Path(os.readlink(process / "cwd")).is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


# -- dev -------------------------------------------------------------------------------------------


async def test_dev_follows_the_code_and_leaves_nothing_behind(project: Path) -> None:
    """A change is served at once; what cannot be imported is one sentence, and mended at the next change."""
    source = project / "workflows" / "hello.py"
    async with gatework(project, "dev", "--port", str(PORT)) as dev:
        ui = await dev.says("http://")
        assert f":{PORT + 1000}/namespaces/default/workflows" in ui
        await dev.says("Serving hello")
        first = await done(project, "run", "hello", '{"text": "a"}', "--id", "one", "--wait")
        assert '"HELLO a"' in first.stdout, first.stderr
        assert f"http://127.0.0.1:{PORT + 1000}/namespaces/default/workflows/one/" in first.stderr

        source.write_text(HELLO.replace("HELLO ", "GOODBYE "))
        await dev.says("workflows/hello.py changed")
        await dev.says("Serving hello")
        second = await done(project, "run", "hello", '{"text": "b"}', "--wait")
        assert '"GOODBYE b"' in second.stdout, second.stderr

        source.write_text(HELLO + "x = (\n")
        await dev.says("changed")
        dev.said.clear()
        assert "hello.py, line" in await dev.says("cannot be imported")
        await dev.says("next change")
        assert len(dev.said) == 2  # what is wrong, and what now
        (project / "parts").mkdir()
        (project / "parts" / "more.py").write_text("BYE = 'BYE '\n")
        await dev.says("changed")
        source.write_text("from parts.more import BYE" + HELLO.replace('"HELLO "', "BYE"))
        await dev.says("Serving hello")
        # A folder that was not there at the start is followed like the others.
        (project / "parts" / "more.py").write_text("BYE = 'BYE BYE '\n")
        await dev.says("parts/more.py changed")
        await dev.says("Serving hello")
        third = await done(project, "run", "hello", '{"text": "c"}', "--wait")
        assert '"BYE BYE c"' in third.stdout, third.stderr

        dev.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(dev.process.wait(), 30) == 0
    assert left_running(project) == []
    assert (project / ".gatework" / ".gitignore").read_text() == "*\n"


async def test_dev_keeps_its_runs_and_takes_the_next_ports_where_these_are_taken(project: Path) -> None:
    """What ran before is there after a new start; a port that was asked for is not exchanged for another."""
    database = project / "elsewhere" / "kept.db"
    async with gatework(project, "dev", "--port", str(PORT + 1), "--db", str(database)) as dev:
        await dev.says("Serving hello")
        assert (await done(project, "run", "hello", '{"text": "a"}', "--id", "one", port=PORT + 1)).returncode == 0
        again = await done(project, "dev", "--port", str(PORT + 2), "--db", str(database))
        assert (again.returncode, again.stderr.count("\n")) == (3, 1)
        assert "already" in again.stderr
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", PORT + 1))
    taken.listen()
    with closing(taken):
        refused = await done(project, "dev", "--port", str(PORT + 1), "--db", str(database))
        assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
        assert f"Port {PORT + 1}" in refused.stderr
    async with gatework(project, "dev", "--port", str(PORT + 2), "--db", str(database)) as dev:
        await dev.says(f"TEMPORAL_ADDRESS=127.0.0.1:{PORT + 2}")
        await dev.says("Serving hello")
        assert "completed" in (await done(project, "watch", "one", port=PORT + 2)).stdout
    assert left_running(project) == []


async def test_dev_at_a_terminal_ends_with_ctrl_c(project: Path) -> None:
    """Ctrl-C reaches it alone: the stage that runs is finished, then worker and server end, then it does."""

    def typed() -> None:
        env = environment(NAP="3")
        with Terminal(GATEWORK, "dev", "--port", str(PORT + 3), folder=project, env=env) as terminal:
            terminal.shows("Serving hello")
            asyncio.run(done(project, "run", "hello", '{"text": "a"}', "--id", "one", port=PORT + 3))
            while not (project / "begun").exists():
                pass
            terminal.types("\x03")
            terminal.shows("finished first")
            terminal.shows("Stopped. The runs stay in .gatework/temporal.db")
            assert terminal.ends() == 0
            assert b"Traceback" not in terminal.raw

    await asyncio.to_thread(typed)
    assert left_running(project) == []


async def test_dev_outside_of_a_project_says_so(tmp_path: Path) -> None:
    """Nothing is started, and no folder is made."""
    refused = await done(tmp_path, "dev")
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert "workflows" in refused.stderr
    assert list(tmp_path.iterdir()) == []


# -- worker ----------------------------------------------------------------------------------------


async def test_worker_that_is_told_to_stop_finishes_what_runs(deployments: Deployments, project: Path) -> None:
    """The stage ends on the worker that began it, and its exit code is 0."""
    env = {"TEMPORAL_ADDRESS": deployments.address, "NAP": "3"}
    async with gatework(project, "worker", "--queue", deployments.queue, **env) as worker:
        assert deployments.queue in await worker.says("Serving hello")
        run = await started(deployments, project)
        worker.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.process.wait(), 30) == 0
    found = find(await deployments.client(), single, run)
    assert await count(found, "ACTIVITY_TASK_COMPLETED") == 1


async def test_worker_that_is_told_twice_stops_at_once(deployments: Deployments, project: Path) -> None:
    """Temporal gives the stage to another worker."""
    env = {"TEMPORAL_ADDRESS": deployments.address, "NAP": "60"}
    async with gatework(project, "worker", "hello", "--queue", deployments.queue, **env) as worker:
        await worker.says("Serving hello")
        await started(deployments, project)
        worker.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.5)
        assert worker.process.returncode is None
        worker.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(worker.process.wait(), 40) == 0


async def test_worker_serves_the_queues_of_stages_too_unless_one_is_named(
    deployments: Deployments, project: Path
) -> None:
    """One process does for development; in production the queue of a stage gets workers of its own."""
    main, payments = deployments.queue, f"payments-{deployments.queue}"
    (project / "workflows" / "hello.py").write_text(HELLO.replace("@stage()", f'@stage(on="{payments}")'))
    env = {"TEMPORAL_ADDRESS": deployments.address, "GATEWORK_TASK_QUEUE": main}
    async with gatework(project, "worker", **env) as worker:
        assert f"task queues {main}, {payments} at" in await worker.says("Serving")
        run = await started(deployments, project)
        assert (await done(project, "watch", run, address=deployments.address)).returncode == 0
    for queue in (main, payments):
        async with gatework(project, "worker", "--queue", queue, **env) as worker:
            assert f"task queue {queue} at" in await worker.says("Serving")
    async with gatework(project, "worker", **{**env, "GATEWORK_TASK_QUEUE": payments}) as worker:
        assert f"task queue {payments} at" in await worker.says("Serving")


async def started(deployments: Deployments, project: Path) -> str:
    """Start a run; its id, once its stage runs."""
    client = await deployments.client()
    handle = await client.start_workflow(
        "hello", {"text": "a"}, id=f"hello-{deployments.queue}", task_queue=deployments.queue
    )

    async def begun() -> bool:
        return (project / "begun").exists()

    await until(begun, "the stage")
    return handle.id


async def test_worker_of_a_broken_project_says_where_it_breaks(deployments: Deployments, project: Path) -> None:
    """One sentence, exit code 3 for what cannot be imported and 1 for a plan that breaks a rule; no traceback."""
    source = project / "workflows" / "hello.py"
    for code, text in ((3, HELLO + "undefined\n"), (1, HELLO.replace("return greet(note)", "return note"))):
        source.write_text(text)
        refused = await done(project, "worker")
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (code, "", 1), refused.stderr
        assert "hello.py:" in refused.stderr
