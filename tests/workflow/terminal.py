"""A command at a terminal of its own, as a person meets it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

SECONDS = 60
# Makes the terminal on standard input the controlling one, so that Ctrl-C typed there is a signal, and one that counts:
# whoever runs the tests may have been told to ignore it.
_AT_A_TERMINAL = (
    "import fcntl, os, signal, sys, termios; [signal.signal(number, signal.SIG_DFL) for number in (1, 2, 3)]; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_CODES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")


class Terminal:
    """A command with a terminal of 80 columns and 24 lines."""

    def __init__(self, *command: str, folder: Path, env: Mapping[str, str], columns: int = 80, lines: int = 24) -> None:
        self._here, there = os.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.shown = ""
        self.raw = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_A_TERMINAL, *command],
            stdin=there,
            stdout=there,
            stderr=there,
            cwd=folder,
            env={"TERM": "xterm-256color", "PYTHONUTF8": "1", **env},
            start_new_session=True,
        )
        os.close(there)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._here)

    def types(self, text: str) -> None:
        os.write(self._here, text.encode())

    def shows(self, pattern: str) -> str:
        """Wait until it shows this anew; the match."""
        until = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < until, f"{pattern} was not shown: {self.shown[-3000:]}"
            assert self._more(), f"it ended without showing {pattern}: {self.shown[-3000:]}"
        self.shown = self.shown[found.end() :]
        return found[0]

    def ends(self) -> int:
        """Wait until it has ended; its exit code."""
        while self._more():
            pass
        return self.process.wait(SECONDS)

    def _more(self) -> bool:
        ready, _, _ = select.select([self._here], [], [], 1)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self._here, 65536)
        except OSError:  # the other end is closed
            return False
        self.raw += data
        self.shown += _CODES.sub("", data.decode("utf-8", "replace"))
        return bool(data)
