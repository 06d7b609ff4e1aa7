"""`gatework dev`: a Temporal server, its UI and a worker that follows the code, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gatework.cli.changes import changes
from gatework.cli.output import clean, console
from gatework.cli.session import NO_SERVER, REFUSED
from gatework.errors import ConfigError

if TYPE_CHECKING:
    from gatework.temporal.child import Child
    from gatework.temporal.server import Server

FINISH_SECONDS = 10.0
"""How long the stages of a worker that is stopped may run on; after that Temporal runs them again on the next."""
STEADY_SECONDS = 10.0
"""A worker that has served for this long and ends by itself is started again at once."""


class Development:
    """What `gatework dev` runs."""

    def __init__(self, root: Path, database: Path, *, port: int | None, queue: str) -> None:
        self._root = root
        self._database = database
        self._port = port
        self._queue = queue
        self._screen = console()
        self._changed: set[Path] = set()
        self._news = asyncio.Event()

    async def run(self) -> signal.Signals | None:
        """Serve until a signal; which it was."""
        from gatework.temporal.server import PORT, dev_server

        async with _signalled(self._stopping) as stopped:
            async with dev_server(self._database, port=self._port or PORT, exact=self._port is not None) as server:
                self._header(server)
                await _first(stopped, self._noting(), self._following(server), _lost(server.child))
            self._say(f"Stopped. The runs stay in {self._near(self._database)}.", "dim")
            return stopped.result()

    def _stopping(self, again: bool) -> None:
        self._say("Stopping at once." if again else "Stopping: the stages that run are finished first.", "dim")

    async def _noting(self) -> None:
        async with aclosing(changes(self._root)) as batches:
            async for batch in batches:
                self._changed |= batch
                self._news.set()

    async def _following(self, server: Server) -> None:
        """Keep a worker running on the code as it is now."""
        from gatework.temporal.child import running

        command = [sys.executable, "-P", "-m", "gatework", "worker"]
        env = _environment(server, self._queue)
        while True:
            began = time.monotonic()
            async with running(command, log=None, env=env, grace_seconds=FINISH_SECONDS) as worker:
                await self._until_news(worker.wait())
                if worker.ended and not self._news.is_set():
                    steady = time.monotonic() - began > STEADY_SECONDS
                    self._ended(await worker.wait(), again=steady)
                    await self._until_news(asyncio.sleep(1) if steady else None)
                if self._news.is_set():
                    self._say(f"↻ {self._names()} changed: the worker starts again", "cyan")
                    self._changed.clear()
                    self._news.clear()

    async def _until_news(self, other: Awaitable[object] | None) -> None:
        """Wait until code has changed, or something else has happened."""
        tasks = [asyncio.ensure_future(one) for one in (self._news.wait(), other) if one is not None]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _ended(self, code: int, *, again: bool) -> None:
        if code in (REFUSED, NO_SERVER) and not again:  # it has said why
            self._say("Waiting for the next change of code.", "yellow")
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        then = "it starts again" if again else "it starts again when code changes"
        self._say(f"✖ The worker has ended with {how}; {then}.", "yellow")

    def _header(self, server: Server) -> None:
        self._screen.print(Text("gatework dev", style="bold"))
        for name, where, style in (
            ("Temporal", server.address, ""),
            ("UI", server.runs, "bold"),
            ("Waiting", server.waiting, ""),
            ("Kept in", self._near(self._database), ""),
        ):
            # A link that is broken into lines cannot be followed.
            self._screen.print(Text.assemble((f"{name:10}", "dim"), (where, style)), soft_wrap=True)
        exported = [] if server.preferred else [f"TEMPORAL_ADDRESS={server.address}"]
        exported += [f"GATEWORK_TASK_QUEUE={shlex.quote(self._queue)}"] if self._queue else []
        if exported:
            self._screen.print(Text.assemble(("For other commands: ", "yellow"), f"export {' '.join(exported)}"))
        self._say("Ctrl-C ends it; the worker starts again when code changes.\n", "dim")

    def _names(self) -> str:
        first, *more = sorted(self._near(path) for path in self._changed)
        return clean(f"{first} and {len(more)} more" if more else first, 120)

    def _near(self, path: Path) -> str:
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)

    def _say(self, line: str, style: str) -> None:
        self._screen.print(Text(line, style=style), soft_wrap=True)


async def _lost(server: Child) -> None:
    await server.wait()
    raise ConfigError(f"The Temporal server has ended: {server.last_words() or 'it said nothing'} (log: {server.log}).")


async def _first(stopped: asyncio.Future[signal.Signals], *others: Coroutine[Any, Any, None]) -> None:
    """Wait for the first to end, stop the others, and raise what it raised."""
    tasks = [asyncio.create_task(other) for other in others]
    waited: list[asyncio.Future[Any]] = [stopped, *tasks]
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        done = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


@asynccontextmanager
async def _signalled(tell: Callable[[bool], None]) -> AsyncGenerator[asyncio.Future[signal.Signals]]:
    """Which signal has come to end it; a second one ends it at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    stopped: asyncio.Future[signal.Signals] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        tell(stopped.done())
        if stopped.done():
            task.cancel()
        else:
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    yield stopped


def _environment(server: Server, queue: str) -> Mapping[str, str]:
    """The variables of the worker: this server, and nothing of another that the user's own may name."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    here = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_CONFIG_FILE": os.devnull, "PYTHONUNBUFFERED": "1"}
    return {**kept, **here, **({"GATEWORK_TASK_QUEUE": queue} if queue else {})}
