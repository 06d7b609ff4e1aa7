"""A server that is a process of its own, read over its standard streams.

It is given an environment that names everything in it, and ends with the worker: asked first, then killed with all of
its process group. What it writes is read in bounded pieces; beyond them it is cut off.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from gatework.errors import ConfigError
from gatework.mcp.reach import Wrap
from gatework.mcp.screen import TooMuch
from gatework.tied import tied

MAX_MESSAGE_BYTES = 2_000_000
"""Largest message of a server."""
INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""The variables that a server gets of the worker's environment; every other is given to it by name."""
GRACE_SECONDS = 2.0
"""How long it has to end after its input closed, and again after SIGTERM."""

_STDERR_CHUNK = 65_536
_STDERR_PAUSE_SECONDS = 0.01
"""Between two reads, so that a server that writes errors without end costs next to nothing."""
_LAST_WORDS = 2_000


class Process:
    """A running server, with the two streams that a session takes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._writing = asyncio.Lock()
        self._said = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The end of what it wrote to its standard error: text from outside."""
        return self._said.decode("utf-8", "replace")

    async def receive(self) -> SessionMessage | Exception:
        """Its next message, or an error in place of what is none. Raises `anyio.EndOfStream`."""
        while True:
            try:
                line = await self._stdout.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                return TooMuch()
            except (asyncio.IncompleteReadError, ConnectionError):
                raise anyio.EndOfStream from None
            if line.strip():
                break
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError:
            return ValueError("no message")

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message. Raises `anyio.BrokenResourceError` where it has ended."""
        data = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        async with self._writing:
            try:
                self._stdin.write(data)
                await self._stdin.drain()
            except (ConnectionError, RuntimeError):
                raise anyio.BrokenResourceError from None

    async def hear(self) -> None:
        """Read its standard error, of which only the end is kept."""
        with suppress(ConnectionError):
            while chunk := await self._stderr.read(_STDERR_CHUNK):
                self._said = (self._said + chunk)[-_LAST_WORDS:]
                await asyncio.sleep(_STDERR_PAUSE_SECONDS)

    async def stop(self) -> None:
        """End it, and whatever it started."""
        with suppress(OSError, RuntimeError):
            self._stdin.close()
        try:
            for number in (None, signal.SIGTERM):
                if number is not None:
                    self._signal(number)
                if await self._has_ended(GRACE_SECONDS):
                    break
        finally:
            # Also where it has ended: what it started may live on in its group.
            self._signal(signal.SIGKILL)
            await self._has_ended(GRACE_SECONDS)
            # One that left the group may hold the pipes; nothing public lets go of them.
            transport = getattr(self._process, "_transport", None)
            if transport is not None:
                transport.close()

    async def _has_ended(self, seconds: float) -> bool:
        # `wait` of asyncio also waits for pipes to close, which others may hold.
        deadline = asyncio.get_running_loop().time() + seconds
        while self._process.returncode is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return self._process.returncode is not None

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def process(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None, wrap: Wrap | None = None
) -> AsyncGenerator[Process]:
    """Run a server until the block ends. `env` is added to what it inherits. Raises `ConfigError`."""
    whole = {name: os.environ[name] for name in INHERITED if name in os.environ} | dict(env)
    path = whole.get("PATH", os.defpath)
    line = [_found(command[0], path, cwd), *command[1:]]
    if wrap is not None:
        wrapped = wrap(line)
        line = [_found(wrapped[0], path, cwd), *wrapped[1:]]
    try:
        started = await asyncio.create_subprocess_exec(
            *tied(line),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=whole,
            cwd=cwd,
            limit=MAX_MESSAGE_BYTES,
            process_group=0,
        )
    except OSError as error:
        raise ConfigError(f"The program {command[0]} cannot be started: {error.strerror}.") from None
    running = Process(started)
    hearing = asyncio.create_task(running.hear())
    try:
        yield running
    finally:
        hearing.cancel()
        await running.stop()


def _found(program: str, path: str, cwd: Path | None) -> str:
    """Where a program is: as a path, beside this Python, or on the PATH."""
    if os.sep in program:
        return str((cwd or Path.cwd()) / program)
    found = shutil.which(program, path=os.pathsep.join([str(Path(sys.executable).parent), path]))
    if found is None:
        raise ConfigError(f"The program {program} of an MCP server is not installed; install it, or name its path.")
    return found
