"""The terminal: lines that stay, below them one line that lives and, for a person, what they type.

Lines are only ever added, so that several runs can be read at once and scrolled back to. What comes from outside is
shown as text: it holds no control characters and no markup.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

NARROW = 72
"""Below this width the name of a mail is cut to its number."""

_ESCAPES = re.compile(r"\x1b(?:[\[O][0-9;?]*[ -/]*[@-~]|.)?")
_MAX_TYPED = 4_000


def has_person() -> bool:
    """Whether somebody sits at a terminal that can be drawn on."""
    drawn = sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    return sys.stdin.isatty() and drawn and not os.environ.get("CI")


class Screen:
    """Where the demo shows itself; with a person at it, also what they type."""

    def __init__(self, *, person: bool) -> None:
        # Without a terminal there is no width to ask for.
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
        self.person = person
        self._status = Text()
        self._prompt = Text()
        self._typed = ""
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._live = Live(
            console=self.console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self.person:
            self._open.enter_context(self._live)
            self._open.callback(_keyboard(self._read))
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update(Text(), refresh=True) if self.person else None
        self._open.close()

    def line(self, tag: Text, mark: str, style: str, place: str, said: RenderableType) -> None:
        """One thing that happened: to which mail, at which place of the plan, what."""
        table = Table.grid(padding=(0, 1))
        narrow = self.console.width < NARROW
        table.add_column(width=4 if narrow else 24, no_wrap=True, overflow="crop" if narrow else "ellipsis")
        table.add_column(width=1)
        table.add_column(width=8, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1, overflow="fold")
        table.add_row(tag, Text(mark, style=style), Text(place, style="bold" if mark else ""), said)
        self.console.print(table)

    def block(self, shown: RenderableType) -> None:
        """Something longer."""
        self.console.print(shown)

    def whole(self, shown: Text) -> None:
        """Addresses and commands, wrapped by the terminal alone, so that they can be clicked and copied."""
        self.console.print(shown, soft_wrap=True)

    def status(self, text: Text) -> None:
        """What the living line says."""
        self._status = text
        self._refresh()

    def ask(self, prompt: Text) -> None:
        """What is asked at the keyboard; forgets what was typed at another question."""
        if prompt != self._prompt:
            self._prompt, self._typed = prompt, ""
            while not self._lines.empty():
                self._lines.get_nowait()
        self._refresh()

    async def typed(self) -> str:
        """The next line that the person enters."""
        return await self._lines.get()

    def _refresh(self) -> None:
        if not self.person:
            return
        parts: list[RenderableType] = [self._status]
        if self._prompt:
            parts.append(Text.assemble(self._prompt, " ", self._typed, ("▏", "bold blink")))
        self._live.update(Group(*parts), refresh=True)

    def _read(self, text: str) -> None:
        for character in _ESCAPES.sub("", text):
            if character in "\r\n":
                self._lines.put_nowait(self._typed.strip())
                self._typed = ""
            elif character in "\x7f\b":
                self._typed = self._typed[:-1]
            elif character == "\x15":  # Ctrl-U
                self._typed = ""
            elif character == "\x17":  # Ctrl-W
                self._typed = self._typed.rstrip().rpartition(" ")[0]
            elif character == "\x04" and not self._typed:  # Ctrl-D
                self._lines.put_nowait("quit")
            elif character.isprintable() and len(self._typed) < _MAX_TYPED:
                self._typed += character
        self._refresh()


def _keyboard(read: Callable[[str], None]) -> Callable[[], None]:
    """Read keys as they are pressed; what puts the terminal back as it was is returned."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    loop = asyncio.get_running_loop()

    def ready() -> None:
        data = os.read(descriptor, 4096)
        if data:
            read(decoder.decode(data))
        else:  # the terminal is gone
            loop.remove_reader(descriptor)
            read("\x04")

    def set_up() -> None:
        # Keys one by one and unseen; Ctrl-C and Ctrl-Z stay what they are.
        tty.setcbreak(descriptor, termios.TCSADRAIN)

    def put_back() -> None:
        loop.remove_reader(descriptor)
        loop.remove_signal_handler(signal.SIGCONT)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    set_up()
    loop.add_reader(descriptor, ready)
    loop.add_signal_handler(signal.SIGCONT, set_up)
    return put_back
