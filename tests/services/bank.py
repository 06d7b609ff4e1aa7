"""The service as the tests have it: a process that is started again when it dies, and its database, counted exactly."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.services import payments


class Bank:
    """The payment service, up again soon whenever it has died."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bank.db"
        self.deaths = 0
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    async def __aenter__(self) -> Bank:
        payments.create(str(self.path))
        self._keeper = asyncio.create_task(self._keep())
        async with asyncio.timeout(30):
            await self._up.wait()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            program = await asyncio.create_subprocess_exec(
                sys.executable, str(payments.__file__), str(self.path), str(self.port), stdout=asyncio.subprocess.PIPE
            )
            try:
                assert program.stdout is not None
                if await program.stdout.readline():
                    self._process = program
                    self._up.set()
                await program.wait()
                self.deaths += 1
            finally:
                if program.returncode is None:
                    program.kill()
                    await program.wait()
            await asyncio.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL, from outside."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def paid(self, number: str) -> list[tuple[str, int]]:
        """Key and cents of each payment for an order."""
        with closing(sqlite3.connect(self.path, timeout=10)) as bank:
            return bank.execute("SELECT key, cents FROM payments WHERE number = ?", (number,)).fetchall()

    def requests(self, key: str = "") -> list[str]:
        """The methods of the requests, in order."""
        with closing(sqlite3.connect(self.path, timeout=10)) as bank:
            rows = bank.execute("SELECT method FROM requests WHERE key = ? OR ? = ''", (key, key)).fetchall()
        return [method for (method,) in rows]

    @property
    def total(self) -> int:
        """All payments there are."""
        with closing(sqlite3.connect(self.path, timeout=10)) as bank:
            found: int = bank.execute("SELECT count(*) FROM payments").fetchone()[0]
        return found
