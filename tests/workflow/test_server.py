"""The embedded server: it comes up where it can, says why where it cannot, and leaves nothing running."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from temporalio.client import Client

from gatework.errors import ConfigError
from gatework.temporal import server as module
from gatework.temporal.server import HOST, Server, dev_server
from gatework.temporal.transport.pages import UI_OFFSET
from tests.ports import spare_ports

PREFERRED = spare_ports()

KEEP = f"""
import asyncio, sys
from pathlib import Path
from gatework.temporal.server import dev_server

async def main():
    async with dev_server(Path(sys.argv[1]), port={PREFERRED}) as server:
        print(server.child.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with dev_server(tmp_path / "temporal.db", port=PREFERRED) as running:
        yield running


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(pid: int) -> bool:
    for _ in range(100):
        if not lives(pid):
            return True
        await asyncio.sleep(0.05)
    return False


def listener(port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((HOST, port))
    taken.listen()
    return taken


async def test_server_serves_its_namespace_and_its_ui(server: Server) -> None:
    """When the block begins, clients can connect and the pages that it names are there."""
    await (await Client.connect(server.address)).count_workflows("")
    host, _, port = server.ui.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    assert server.page("run", "id") == f"{server.ui}/namespaces/default/workflows/run/id/user-metadata"


async def test_server_stops_with_its_block_even_by_an_exception(tmp_path: Path) -> None:
    """Nothing is left running, and the ports are free again."""
    pids = []

    async def break_off() -> None:
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED) as server:
            pids.append(server.child.pid)
            raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):
        await break_off()
    assert not lives(*pids)
    async with dev_server(tmp_path / "temporal.db", port=PREFERRED) as again:
        assert again.address == f"{HOST}:{PREFERRED}"


@pytest.mark.parametrize("offset", [0, UI_OFFSET], ids=["grpc", "ui"])
async def test_server_whose_port_is_taken_takes_the_next_pair(tmp_path: Path, offset: int) -> None:
    """Someone else's server is no reason to fail, and not to be mistaken for ours."""
    with closing(listener(PREFERRED + offset)):
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED) as server:
            assert server.address == f"{HOST}:{PREFERRED + 1}"
            assert server.ui == f"http://{HOST}:{PREFERRED + 1 + UI_OFFSET}"
            assert not server.preferred


async def test_server_without_free_ports_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names the ports."""
    monkeypatch.setattr(module, "PORTS_TRIED", 1)
    with closing(listener(PREFERRED)), pytest.raises(ConfigError, match=f"No port from {PREFERRED} to"):
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED):
            pass


async def test_second_server_on_one_file_is_refused(server: Server, tmp_path: Path) -> None:
    """SQLite would let both write, and runs would be lost."""
    with pytest.raises(ConfigError, match="already"):
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED + 1):
            pass
    assert lives(server.child.pid)


async def test_server_that_was_killed_starts_again_with_its_runs(tmp_path: Path) -> None:
    """SIGKILL loses nothing that was answered for."""
    name = f"kept-{uuid.uuid4()}"
    async with dev_server(tmp_path / "temporal.db", port=PREFERRED) as server:
        client = await Client.connect(server.address)
        await client.start_workflow("anything", id=name, task_queue="nobody")
        os.kill(server.child.pid, signal.SIGKILL)
        await server.child.wait()
    async with dev_server(tmp_path / "temporal.db", port=PREFERRED) as server:
        client = await Client.connect(server.address)
        assert (await client.get_workflow_handle(name).describe()).id == name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_server_dies_with_the_process_that_runs_it(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever ends that process, handled or not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEP, str(tmp_path / "temporal.db"), stdout=asyncio.subprocess.PIPE, stderr=-3
    )
    assert process.stdout is not None
    child = int(await asyncio.wait_for(process.stdout.readline(), 60))
    assert lives(child)
    process.send_signal(number)
    await asyncio.wait_for(process.wait(), 30)
    assert await gone(child)


async def test_server_in_a_place_that_is_no_folder_says_so(tmp_path: Path) -> None:
    """One sentence names the place, and nothing is started."""
    (tmp_path / "var").write_text("a file")
    with pytest.raises(ConfigError, match="var cannot be written to"):
        async with dev_server(tmp_path / "var" / "temporal.db", port=PREFERRED):
            pass


async def test_server_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that would be full in the middle of a run is refused before it begins."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 990, 10))
    with pytest.raises(ConfigError, match="nearly full"):
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED):
            pass


async def test_server_on_a_file_that_is_none_of_its_says_so(tmp_path: Path) -> None:
    """It is neither overwritten nor served."""
    (tmp_path / "temporal.db").write_text("a shopping list, longer than the head of a database " * 50)
    with pytest.raises(ConfigError, match="no database"):
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED):
            pass
    assert (tmp_path / "temporal.db").read_text().startswith("a shopping list")


async def test_server_without_its_program_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program comes with an extra."""
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigError, match=r"gatework\[dev-server\]"):
        async with dev_server(tmp_path / "temporal.db", port=PREFERRED):
            pass
