"""Child processes that leave nothing behind: stopped in order, and gone with the process that started them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path

from gatework.errors import ConfigError
from gatework.tied import tied

GRACE_SECONDS = 5.0
"""How long a child may take to end after SIGINT before it is killed."""


class Child:
    """A running child process, in a process group of its own so that Ctrl-C in the terminal reaches us alone."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path | None) -> None:
        self._process = process
        self.log = log
        """What it writes; None where it writes to where we do."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await self._process.wait()

    def last_words(self, lines: int = 3) -> str:
        """The end of its log, on one line."""
        with suppress(OSError):
            text = self.log.read_text(encoding="utf-8", errors="replace") if self.log else ""
            return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
        return ""

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End it: SIGINT, and SIGKILL where that does not help in time or the caller is cancelled."""
        try:
            self._signal(signal.SIGINT)
            async with asyncio.timeout(grace_seconds):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


@asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    log: Path | None,
    env: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
    grace_seconds: float = GRACE_SECONDS,
) -> AsyncGenerator[Child]:
    """Run a command until the block ends, however it ends; its output goes to `log`, or to where ours goes.

    `env` is its whole environment, ours if left out. It inherits the file descriptors in `keep`, so that a lock on
    them lasts as long as it does. On Linux the kernel kills it when this process dies, even by SIGKILL. Elsewhere only
    an orderly end, an exception and the signals that this process handles stop it. Raises `ConfigError` where it
    cannot be started.
    """
    try:
        with log.open("wb") if log else nullcontext() as output:
            process = await asyncio.create_subprocess_exec(
                *tied(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT if output else None,
                env=env,
                pass_fds=keep,
                process_group=0,
            )
    except OSError as error:
        at = f" with its log at {log}" if log else ""
        raise ConfigError(f"A process cannot be started{at}: {error.strerror}.") from None
    child = Child(process, log)
    try:
        yield child
    finally:
        await child.stop(grace_seconds)
