"""One deployment under fire: a Temporal server on its file, and workers, each started again when it has been killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from temporalio.client import Client

from gatework.temporal import GateworkPlugin
from gatework.temporal.server import Server, dev_server
from tests.crash import worker
from tests.crash.books import Books
from tests.crash.places import Fuse
from tests.ports import spare_ports

HEARTBEAT_TIMEOUT = timedelta(seconds=2)
"""As short as a busy machine allows: each killed stage costs this long."""


class Cluster:
    """A server, its workers, and the records that they keep, all in one folder."""

    def __init__(self, folder: Path, *, workers: int = 1, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.books = Books(folder)
        self.fuse = Fuse(folder)
        self.killed: Counter[str] = Counter()
        """Processes that were killed, by what they are."""
        self.options = options
        """What the workers are started with."""
        self._port = spare_ports()
        self._address = ""
        self._server: Server | None = None
        self._served = asyncio.Event()
        self._workers: list[ForkServerProcess | None] = [None] * workers
        self._keepers: list[asyncio.Task[None]] = []
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self.client: Client
        self.stranger: Client
        """Without the plugin."""

    async def __aenter__(self) -> Cluster:
        self._context.set_forkserver_preload([worker.__name__])
        self._keepers.append(asyncio.create_task(self._keep_server()))
        await self.server_up()
        self.client = await Client.connect(self._address, plugins=[GateworkPlugin(*worker.SERVED)])
        self.stranger = await Client.connect(self._address)
        for place in range(len(self._workers)):
            self._keepers.append(asyncio.create_task(self._keep_worker(place)))
        return self

    async def __aexit__(self, *raised: Any) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    # -- supervisors -------------------------------------------------------------------------------

    async def _keep_server(self) -> None:
        while True:
            async with dev_server(self.folder / "temporal.db", port=self._port) as server:
                if self._address in ("", server.address):
                    self._address, self._server = server.address, server
                    self._port = int(server.address.rpartition(":")[2])
                    self._served.set()
                    await server.child.wait()
                    self._served.clear()
            await asyncio.sleep(0.05)

    async def _keep_worker(self, place: int) -> None:
        while True:
            orders = worker.Orders(
                folder=self.folder,
                address=self._address,
                log=self.folder / f"worker-{place}.log",
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                **self.options,
            )
            process = self._context.Process(target=worker.serve, args=(orders,), daemon=True)
            await asyncio.to_thread(process.start)
            self._workers[place] = process
            try:
                await _ended(process)
            finally:
                self._workers[place] = None
                process.kill()
                process.join()
            await asyncio.sleep(0.1)

    async def server_up(self) -> None:
        """Wait until the server answers."""
        async with asyncio.timeout(90):
            await self._served.wait()

    async def serve_with(self, **options: Any) -> None:
        """Have the workers started again with other options, where these are other ones."""
        if options == self.options:
            return
        self.options = options
        for pid in self.worker_pids:
            os.kill(pid, signal.SIGKILL)
        while self.worker_pids:
            await asyncio.sleep(0.02)

    # -- targets -----------------------------------------------------------------------------------

    @property
    def worker_pids(self) -> list[int]:
        return [process.pid for process in self._workers if process is not None and process.pid is not None]

    @property
    def server_pid(self) -> int:
        """0 while it is down."""
        return self._server.child.pid if self._server is not None and not self._server.child.ended else 0

    def kill(self, victim: str, chance: random.Random | None = None) -> bool:
        """SIGKILL, from outside; False where what was to be killed is not up just now."""
        pids = self.worker_pids
        targets = [chance.choice(pids)] if chance and pids else pids[:1]
        server = [self.server_pid] if self.server_pid else []
        if (victim != "server" and not targets) or (victim != "worker" and not server):
            return False
        for pid in {"worker": targets, "server": server, "both": [*targets, *server]}[victim]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    def freeze(self, seconds: float, chance: random.Random) -> bool:
        """Stop a worker for a while, as a machine does that is suspended; False where none is up just now."""
        pids = self.worker_pids
        if not pids:
            return False
        pid = chance.choice(pids)
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(seconds, _thawed, pid)
        return True


def _thawed(pid: int) -> None:
    with suppress(ProcessLookupError):  # killed meanwhile
        os.kill(pid, signal.SIGCONT)


async def _ended(process: ForkServerProcess) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
