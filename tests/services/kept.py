"""A service as the tests have it: a process that is started again soon whenever it has died."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import closing
from typing import Any, TypeVar

T = TypeVar("T", bound="Kept")


class Kept:
    """A program that serves a port of this machine and says `ready`; it is given its file and the port."""

    def __init__(self, program: str, file: str, *more: str) -> None:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._command = [program, file, str(self.port), *more]
        self.deaths = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    async def __aenter__(self: T) -> T:
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
                sys.executable, *self._command, stdout=asyncio.subprocess.PIPE
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
