"""The mails on their way: a few at a time, their stories told, and decisions taken where they wait."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Sequence

from rich.text import Text
from temporalio.client import Client

from gatework.cli import render
from gatework.errors import DecisionError
from gatework.proof.ledger import Entry
from gatework.temporal.page.progress import Waiting
from gatework.temporal.server import Server
from showcase import reviewers
from showcase.cases import Case
from showcase.screen import NARROW, Screen
from showcase.story import told
from showcase.track import Track, track
from workflows.refund import refund

AT_ONCE = 3
"""How many mails run at a time, those that wait for a person left out; more only queue before the model."""

_COLOURS = ("cyan", "magenta", "blue", "bright_green", "bright_yellow", "bright_red")


class Play:
    """The mails of one demo."""

    def __init__(
        self, cases: Sequence[Case], screen: Screen, server: Server, client: Client, *, program: str, started: float
    ) -> None:
        self.cases = cases
        self.server = server
        self.program = program
        """How `gatework` is typed, so that it reaches the server."""
        self.tracks: dict[str, Track] = {}
        """By business key: a mail that came twice has one run."""
        self.scripted = False
        """Whether the script decided anything, or would have."""
        self._screen = screen
        self._client = client
        self._started = started
        self._first: float | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._news = asyncio.Event()
        self._begun: set[str] = set()
        self._decided: dict[str, int] = {}

    @property
    def pace(self) -> str:
        return f"the first stage done after {self._first:.1f} s" if self._first else "no stage ran"

    def has_ended(self, case: Case) -> bool:
        found = self.tracks.get(case.key)
        return found is not None and found.ended

    def header(self) -> None:
        """What runs, and where to watch."""
        model = os.environ.get("GATEWORK_MODEL") or "SmolLM2-135M-Instruct, on this machine"
        lines = Text.assemble(
            ("Gatework: refunds", "bold"),
            f" from {len(self.cases)} raw mails, held to plan {refund.plan.digest[:12]}\n",
            ("Model        ", "dim"),
            f"{model}\n",
            ("Temporal UI  ", "dim"),
            f"{self.server.ui}/namespaces/default/workflows\n",
        )
        if not self.server.preferred:
            lines.append(f"Port 7233 or 8233 is taken, so Temporal listens at {self.server.address}.\n", style="yellow")
        self._screen.block(lines)

    async def run(self) -> None:
        """Run every mail to its end; with a person, until they leave."""
        self.scripted = not self._screen.person
        async with asyncio.TaskGroup() as group:
            mails = [group.create_task(self._mail(case)) for case in self.cases]
            if self._screen.person:
                await self._person(mails)
                for mail in mails:
                    mail.cancel()

    async def linger(self) -> None:
        """Keep the server up for a look at the UI."""
        left = "Everything has ended." if all(map(self.has_ended, self.cases)) else "What waits goes on waiting."
        self._screen.status(Text(f"{left} The UI stays up at {self.server.ui}"))
        self._screen.ask(Text("Press Enter to stop the server.", style="bold yellow"))
        await self._screen.typed()

    # -- one mail ----------------------------------------------------------------------------------

    async def _mail(self, case: Case) -> None:
        async with self._slots:
            if case.key in self._begun:
                self._line(case, "=", "dim", "", Text("the same mail again: one key, one run", style="dim"))
                return
            self._begun.add(case.key)
            found = self.tracks[case.key] = await track(self._client, case)
            following = asyncio.create_task(self._follow(found))
            paused = asyncio.create_task(found.paused.wait())
            try:
                await asyncio.wait([following, paused], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                following.cancel()
                raise
            finally:
                paused.cancel()
        try:
            await following
        finally:
            following.cancel()

    async def _follow(self, found: Track) -> None:
        earlier = found.found
        async for new in found.changes():
            if earlier and found.progress:
                at = f" at {found.waiting.node}" if found.waiting else ""
                self._line(found.case, "↺", "dim", "", Text(f"found from before: {found.status}{at}", style="dim"))
            else:
                self._tell(found, new)
            earlier = False
            if self.scripted:
                await self._script(found)
            self._changed()
        self._changed()

    def _tell(self, found: Track, new: Sequence[Entry]) -> None:
        for entry in new:
            if self._first is None and entry.receipt.attempt:
                self._first = time.monotonic() - self._started
            for line in told(entry, found.values):
                self._line(found.case, line.mark, line.style, line.place, line.said)

    def _line(self, case: Case, mark: str, style: str, place: str, said: Text) -> None:
        number = self.cases.index(case)
        tag = Text.assemble((case.number, _COLOURS[number % len(_COLOURS)]), f" {case.title}")
        self._screen.line(tag, mark, style, place, said)

    def _changed(self) -> None:
        self._news.set()
        known = list(self.tracks.values())
        active = [
            f"{found.case.number} {next((n.name for n in found.progress.nodes if n.status == 'running'), '')}"
            for found in known
            if found.status == "running" and found.progress
        ]
        waiting = sum(found.waiting is not None for found in known)
        ended = sum(map(self.has_ended, self.cases))
        parts = [f"{ended} of {len(self.cases)} ended"]
        parts += [f"running {', '.join(active)}"] if active else []
        parts += [f"{waiting} waiting for a person"] if waiting else []
        self._screen.status(Text(" · ".join(parts), style="dim"))

    # -- decisions ---------------------------------------------------------------------------------

    async def _script(self, found: Track) -> None:
        waiting = found.waiting
        if waiting is None:
            return
        if not self._decided:
            self._question(found, waiting)
            self._screen.block(
                Text(f"Nobody is at a terminal here, so from now on {reviewers.SCRIPTED} decides.", style="bold yellow")
            )
        decision = reviewers.scripted(found.case, waiting, self._decided.get(found.case.key, 0))
        self._decided[found.case.key] = self._decided.get(found.case.key, 0) + 1
        try:
            await decision.send(found.run)
        except DecisionError as error:  # somebody else was quicker
            self._line(found.case, "!", "yellow", waiting.node, Text(error.message))

    async def _person(self, mails: Sequence[asyncio.Task[None]]) -> None:
        """Ask for one decision after the other, while the rest goes on. Ends with the mails, or with `quit`."""
        skipped: set[tuple[str, int]] = set()
        while not all(mail.done() for mail in mails):
            open_ = [found for found in self.tracks.values() if found.waiting]
            asking = next((f for f in open_ if f.waiting and (f.case.key, f.waiting.gate) not in skipped), None)
            if asking is not None and asking.waiting is not None:
                answer = await self._asked(asking, asking.waiting)
            elif open_:
                running = any(found.status == "running" for found in self.tracks.values())
                names = ", ".join(found.case.number for found in open_)
                prompt = f"{names} wait{'s' if len(open_) == 1 else ''} for you in the UI. Type show to be asked here"
                self._screen.ask(Text(prompt + (", or quit." if not running else "."), style="yellow"))
                answer = await self._typed_or_news(mails)
            else:
                self._screen.ask(Text())
                answer = await self._typed_or_news(mails)
            if answer == "quit":
                break
            if answer == "skip" and asking is not None and asking.waiting is not None:
                skipped.add((asking.case.key, asking.waiting.gate))
            if answer == "show":
                skipped.clear()
        self._screen.ask(Text())

    async def _asked(self, found: Track, waiting: Waiting) -> str:
        """Ask about one run until it waits no more, or the person wants something else."""
        self._question(found, waiting)
        prompt = Text.assemble(
            (f"{found.case.number} {found.case.title}: {render.asked(waiting)}", "bold yellow"),
            (f"\n{reviewers.options(waiting)}", "dim"),
            "\n>",
        )
        while found.waiting is not None and found.waiting.gate == waiting.gate:
            self._screen.ask(prompt)
            line = await self._typed_or_news([])
            word = line.lower()
            if word in ("skip", "quit"):
                return word
            if word == "show":
                self._question(found, waiting)
            elif word:
                await self._send(found, waiting, line)
        return ""

    async def _send(self, found: Track, waiting: Waiting, line: str) -> None:
        try:
            decision = reviewers.typed(line, waiting)
            await decision.send(found.run)
        except DecisionError as error:
            self._screen.block(Text(f"{found.case.number} {error.message}", style="red"))
            return
        # The news of what follows comes a moment later; the question is not to be asked again until then.
        while found.waiting is not None and found.waiting.gate == waiting.gate:
            await self._wait_for_news()

    async def _typed_or_news(self, mails: Sequence[asyncio.Task[None]]) -> str:
        typed = asyncio.create_task(self._screen.typed())
        news = asyncio.create_task(self._wait_for_news())
        try:
            await asyncio.wait([typed, news, *mails], return_when=asyncio.FIRST_COMPLETED)
            return typed.result() if typed.done() else ""
        finally:
            typed.cancel()
            news.cancel()

    async def _wait_for_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _question(self, found: Track, waiting: Waiting) -> None:
        narrow = self._screen.console.width < NARROW
        name = f"{found.case.number}{'' if narrow else ' ' + found.case.title} asks"
        page = self.server.page(found.case.key, found.run_id)
        self._screen.block(render.question(waiting, name))
        self._screen.whole(
            Text.assemble(("In the UI: More Actions, Send an Update\n", "dim"), f"  {page}\n", ("In a shell", "dim"))
        )
        for command in render.commands(shlex.quote(found.case.key[:20]), waiting, self.program):
            self._screen.whole(Text(f"  {command}"))
