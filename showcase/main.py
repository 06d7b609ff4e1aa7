"""The demo from its first line to its last: what is started, what is left behind, and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.text import Text
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from activities.outbox import outbox_path
from activities.shop import create_shop, shop_path
from gatework.errors import ConfigError, GateworkError
from gatework.temporal import GateworkPlugin
from gatework.temporal.child import Child, running
from gatework.temporal.server import Server, dev_server
from gatework.temporal.transport.connection import DEFAULT_ADDRESS
from showcase import report
from showcase.cases import Case, chosen
from showcase.play import Play
from showcase.screen import Screen, has_person
from workflows.refund import refund

ROOT = Path(__file__).parent.parent

UNEXPECTED, USAGE, SURROUNDINGS = 1, 2, 3
"""Exit codes: a run did not end as it should; wrong arguments; no port, no disk, no packages."""


def main(arguments: Sequence[str], *, started: float) -> int:
    """Run the demo; the exit code. `started` is when the process was, by the monotonic clock."""
    options = _options(arguments)
    try:
        cases = chosen(options.names, count=options.mails, every=options.all)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    try:
        with _folder(options.var, fresh=options.fresh) as folder:
            return asyncio.run(_Demo(cases, folder, started).run())
    except GateworkError as error:
        sys.stderr.write(f"{error}\n")
        return SURROUNDINGS


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo.py",
        description="Refund mails through a real model on a real Temporal server. Without a terminal a scripted "
        "reviewer decides, and the exit code is 0 when everything ended as mails/expected.json says.",
    )
    parser.add_argument("names", nargs="*", metavar="MAIL", help="name or number of a mail; a chosen dozen if left out")
    parser.add_argument("--mails", type=_positive, metavar="N", help="only the first N of them")
    parser.add_argument("--all", action="store_true", help="every mail of mails/")
    parser.add_argument("--fresh", action="store_true", help="forget earlier runs, payments and replies")
    parser.add_argument("--var", type=Path, default=ROOT / "var", metavar="DIR", help="where everything is kept: var/")
    options = parser.parse_args(arguments)
    if options.all and options.names:
        parser.error("--all takes every mail; name none with it")
    return options


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("it is a number from 1 upwards")
    return int(text)


@contextmanager
def _folder(folder: Path, *, fresh: bool) -> Generator[Path]:
    """The demo's own folder, for this process alone."""
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("a+")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}. Name another folder with --var.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(
                f"The demo is running already, as process {lock.read().strip()}; stop it first."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        if fresh:
            for name in ("temporal.db", "shop.db"):
                for ending in ("", "-wal", "-shm"):
                    (folder / (name + ending)).unlink(missing_ok=True)
            shutil.rmtree(folder / "outbox", ignore_errors=True)
        os.environ["GATEWORK_SHOP_DB"] = str(folder / "shop.db")
        os.environ["GATEWORK_OUTBOX"] = str(folder / "outbox")
        yield folder


class _Demo:
    def __init__(self, cases: Sequence[Case], folder: Path, started: float) -> None:
        self._cases = cases
        self._folder = folder
        self._started = started
        self._stopped_by: signal.Signals | None = None
        self._play: Play | None = None
        self._screen = Screen(person=has_person())

    async def run(self) -> int:
        task = asyncio.current_task()
        assert task is not None

        def stop(number: signal.Signals) -> None:
            self._stopped_by = self._stopped_by or number
            self._screen.ask(Text())
            self._screen.status(Text("Stopping…", style="dim"))
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        try:
            return await self._watched()
        except asyncio.CancelledError:
            if self._stopped_by is None:
                raise
            return self._stopped(self._stopped_by)

    async def _watched(self) -> int:
        create_shop(shop_path())
        with self._screen as screen:
            async with (
                dev_server(self._folder / "temporal.db") as server,
                running(
                    [sys.executable, str(ROOT / "worker.py")],
                    log=self._folder / "worker.log",
                    env=_worker_environment(server),
                ) as worker,
            ):
                client = await Client.connect(server.address, plugins=[GateworkPlugin(refund)])
                self._play = Play(self._cases, screen, server, client, program=_program(server), started=self._started)
                self._play.header()
                return await self._beside(server.child, worker, self._play)

    async def _beside(self, server: Child, worker: Child, play: Play) -> int:
        """Play, and stop where the server or the worker ends by itself."""
        tasks = [asyncio.create_task(self._to_the_end(play))]
        tasks += [asyncio.create_task(_ended(child, what)) for child, what in ((server, "server"), (worker, "worker"))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _to_the_end(self, play: Play) -> int:
        await play.run()
        held = report.books()
        screen = self._screen
        screen.block("")
        screen.block(report.table(self._cases, play.tracks, screen.console.width))
        screen.block(report.totals(held, self._folder, play.server.ui, program=play.program))
        screen.block(f"[dim]Took[/dim]       {time.monotonic() - self._started:.0f} s, {escape(play.pace)}")
        found = report.surprises(play.tracks, held) if play.scripted else [
            f"Paid and not allowed: {payment}." for payment in report.wrong_payments(held)
        ]  # fmt: skip
        for sentence in found:
            screen.block(f"[bold red]Not as expected:[/bold red] {escape(sentence)}")
        if play.scripted and not found:
            screen.block("[green]Everything ended as mails/expected.json says.[/green]")
        if screen.person:
            await play.linger()
        return UNEXPECTED if found else 0

    def _stopped(self, number: signal.Signals) -> int:
        left = [case for case in self._cases if not (self._play and self._play.has_ended(case))]
        name = "Ctrl-C" if number is signal.SIGINT else number.name
        said = f"Stopped by {name}; the server and the worker have ended."
        if left:
            said += (
                f" {len(left)} of {len(self._cases)} mails are not done: `make demo` goes on with them, "
                "`make demo ARGS=--fresh` starts anew."
            )
        self._screen.block(said)
        return 128 + number if left else 0


async def _ended(child: Child, what: str) -> int:
    await child.wait()
    raise ConfigError(f"The {what} has ended: {child.last_words() or 'it said nothing'} (log: {child.log}).")


def _worker_environment(server: Server) -> dict[str, str]:
    """The variables of the worker: this server, and nothing of another that the user's own may name."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return {
        **kept,
        "TEMPORAL_ADDRESS": server.address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "GATEWORK_SHOP_DB": str(shop_path()),
        "GATEWORK_OUTBOX": str(outbox_path()),
    }


def _program(server: Server) -> str:
    """How `gatework` is typed here, so that it reaches this server."""
    script = Path(sys.executable).with_name("gatework")
    try:
        name = str(script.relative_to(Path.cwd()))
    except ValueError:
        name = str(script)
    reached = ClientConfig.load_client_connect_config().get("target_host", DEFAULT_ADDRESS)
    here = server.address.replace("127.0.0.1", "localhost")
    return name if reached in (here, server.address) else f"TEMPORAL_ADDRESS={server.address} {name}"
