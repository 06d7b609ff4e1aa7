"""The demo as people meet it: the real program, the real server, the real embedded model.

The mails are few, since the model takes seconds for each and the machine may be busy; the limits of time are wide.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "demo.py")]
GATEWORK = str(Path(sys.executable).with_name("gatework"))
SECONDS = 240
APPROVAL, REFUSED, HOSTILE = "0023-espresso-machine", "0031-towels-second-time", "0046-finance-has-approved"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

# Makes the terminal on standard input the controlling one, so that Ctrl-C typed there is a signal.
_AT_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1"}


def play(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The demo without a terminal."""
    command = [*DEMO, "--var", str(folder), *arguments]
    return subprocess.run(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def left_running(folder: Path) -> list[str]:
    """Processes that have to do with a demo in this folder, by command line or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in said and int(process.name) != os.getpid():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def refunds(folder: Path) -> list[tuple[str, int]]:
    """What was really paid, and not by the records' own history."""
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        return shop.execute("SELECT order_number, cents FROM refunds WHERE key NOT LIKE 'earlier %'").fetchall()


class Terminal:
    """The demo at a terminal of its own, where a person could type."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._here, there = os.openpty()
        self.shown = ""
        command = [*DEMO, "--var", str(folder), *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_A_TERMINAL, *command],
            stdin=there,
            stdout=there,
            stderr=there,
            env={**environment(), "COLUMNS": "120", "LINES": "50"},
            start_new_session=True,
        )
        os.close(there)

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

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._here)

    def _more(self) -> bool:
        ready, _, _ = select.select([self._here], [], [], 1)
        if not ready:
            return True
        try:
            data = os.read(self._here, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", "replace")).replace("\r", "")
        return bool(data)


@contextlib.contextmanager
def terminal(folder: Path, *arguments: str) -> Generator[Terminal]:
    opened = Terminal(folder, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """Temporal's port, held by something else."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # held already: as good
            other.bind(("127.0.0.1", 7233))
            other.listen()
        yield 7233


@pytest.mark.slow
def test_demo_without_a_terminal_decides_by_script_and_says_so(tmp_path: Path) -> None:
    """Approved is what is owed and nothing else, by a reviewer whose name says that it is no person; exit code 0."""
    done = play(tmp_path, APPROVAL, REFUSED, HOSTILE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nobody is at a terminal here, so from now on scripted-reviewer (no person) decides." in done.stdout
    assert "/user-metadata" in done.stdout
    assert "Everything ended as mails/expected.json says." in done.stdout
    assert refunds(tmp_path) == [("GW-1023", 24900)]
    assert len(list((tmp_path / "outbox" / "new").iterdir())) == 1
    assert left_running(tmp_path) == []


@pytest.mark.slow
def test_demo_at_a_terminal_waits_for_a_person_goes_on_later_and_listens_elsewhere_if_it_must(
    tmp_path: Path, taken: int
) -> None:
    """A wrong number is refused; Ctrl-C leaves nothing running; started again it goes on where it waited."""
    with terminal(tmp_path, APPROVAL) as first:
        first.shows(f"Port {taken} or 8233 is taken, so Temporal listens at 127.0.0.1:")
        first.shows("finance: approve")
        number = int(first.shows(r"approve refund-mail-[0-9a-f]{8} [0-9]{4}")[-4:])
        first.types("nonsense\r")
        first.shows("Type approve")
        first.types(f"approve {1000 + (number - 999) % 9000}\r")
        first.shows("That is not the number on the panel")
        first.types("\x03")
        first.shows("Stopped by Ctrl-C")
        assert first.ends() == 130
    assert left_running(tmp_path) == []
    assert refunds(tmp_path) == []
    with terminal(tmp_path, APPROVAL) as second:
        second.shows("found from before: waiting at agreed")
        second.shows("finance: approve")
        # Typed as a person does, with a slip of the finger.
        second.types(f"aprpo\x7f\x7f\x7fprove {number}\r")
        second.shows("Press Enter to stop the server")
        second.types("\r")
        assert second.ends() == 0
    assert left_running(tmp_path) == []
    assert refunds(tmp_path) == [("GW-1023", 24900)]


@pytest.mark.slow
def test_decision_in_another_terminal_is_taken_while_the_demo_asks(tmp_path: Path) -> None:
    """The command that is shown works as it is typed, and what was half typed here is forgotten."""
    with terminal(tmp_path, REFUSED) as demo:
        command = demo.shows(r"(TEMPORAL_ADDRESS=\S+ )?\S*gatework abort refund-mail-[0-9a-f]{8} 'WHY'")
        demo.types("retry half of a no")
        typed = command.replace("WHY", "not owed")
        subprocess.run(typed, shell=True, env=environment(), cwd=Path.cwd(), check=True, timeout=60)
        demo.shows("abort by .*: not owed")
        demo.shows("Press Enter")
        demo.types("\r")
        assert demo.ends() == 0
    assert refunds(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_demo_that_is_ended_by_a_signal_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    """Not the server, not the worker, however it is ended."""
    with terminal(tmp_path, REFUSED) as demo:
        demo.shows("✔ message")
        demo.process.send_signal(number)
        assert demo.ends() in (-number, 128 + number)
    for _ in range(100):
        if not left_running(tmp_path):
            break
        time.sleep(0.1)
    assert left_running(tmp_path) == []


def test_demo_that_runs_already_is_not_started_twice(tmp_path: Path) -> None:
    """Two of them in one folder would pay into one database; the second says which process is first."""
    with terminal(tmp_path, REFUSED) as demo:
        demo.shows("Temporal UI")
        second = play(tmp_path, REFUSED)
        assert (second.returncode, second.stderr.count("\n")) == (3, 1)
        assert f"as process {demo.process.pid}" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing-like-it"], 2, "no mail is named"),
        (["--mails", "0"], 2, "--mails"),
        (["--all", "0001"], 2, "--all"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    """Exit code 2, and nothing is written."""
    done = play(tmp_path / "var", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True)
    assert not (tmp_path / "var").exists()


def test_folder_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Exit code 3."""
    (tmp_path / "var").write_text("a file")
    done = play(tmp_path / "var")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "cannot be written to" in done.stderr
