"""Where attacks are tried: a process of its own, as root or as an ordinary user, with or without a sandbox around them.

Outside lie the canaries: files, sockets that listen, a process with a secret, a terminal.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import multiprocessing
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gatework.sandbox import Ran, Sandbox, new_folder

Who = Literal["root", "user"]

NOBODY = 65_534
ATTACKS = Path(__file__).with_name("attacks.py")
SYSTEM_PYTHON = Path("/usr/bin/python3")
SECRET = "canary-a7f3-of-the-worker"
MIB = 1024 * 1024


def users() -> list[Who]:
    """As whom attacks can be tried here."""
    return ["root", "user"] if os.geteuid() == 0 else ["user"]


def python() -> tuple[str, list[str]]:
    """A Python that a sandbox can run, and what it has to read for that."""
    if SYSTEM_PYTHON.exists():
        return str(SYSTEM_PYTHON), []
    return f"{sys.base_prefix}/bin/python3", [sys.base_prefix]


@dataclass(frozen=True, kw_only=True)
class Order:
    """One attack."""

    attack: tuple[str, ...]
    who: Who
    plain: bool = False
    """Whether as naive programs do it: a subprocess."""
    seconds: float = 10.0
    limits: dict[str, Any] = field(default_factory=dict)
    terminal: bool = False
    path: Path | None = None
    """A folder whose programs the worker finds first."""
    after: Callable[[Sandbox], Any] | None = None
    """What the host does with the folder afterwards."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of it."""

    ran: Ran
    after: Any = None
    typed: bytes = b""
    """What the terminal has for whoever reads it next."""

    @property
    def said(self) -> str:
        return self.ran.output_text


def play(order: Order) -> Played:
    """Carry out an attack, in this process."""
    with new_folder() as folder:
        interpreter, read = python()
        sandbox = Sandbox(folder=folder, read=read, **{"seconds": order.seconds, **order.limits})
        sandbox.put("attack.py", ATTACKS.read_bytes())
        os.set_inheritable(_secret_pipe(), True)
        with _terminal() if order.terminal else _no_terminal() as typed:
            if order.plain:
                ran = _plain([interpreter, "attack.py", *order.attack], folder, order.seconds)
            else:
                ran = asyncio.run(sandbox.run([interpreter, "attack.py", *order.attack]))
            read_next = typed()
        return Played(ran=ran, after=order.after(sandbox) if order.after else None, typed=read_next)


def _secret_pipe() -> int:
    """Something that the worker has open."""
    read, write = os.pipe()
    os.write(write, SECRET.encode())
    os.close(write)
    return read


def _plain(command: list[str], folder: Path, seconds: float) -> Ran:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=seconds, check=False, close_fds=False)
    except subprocess.TimeoutExpired as late:
        return Ran(code=-1, output=late.stdout or b"", errors=late.stderr or b"", ended="timeout")
    return Ran(code=done.returncode, output=done.stdout, errors=done.stderr, ended="exited")


@contextmanager
def _no_terminal() -> Generator[Callable[[], bytes]]:
    yield lambda: b""


@contextmanager
def _terminal() -> Generator[Callable[[], bytes]]:
    """Give this process a terminal, as one that was started by hand has."""
    os.setsid()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.set_inheritable(slave, True)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def typed() -> bytes:
        ready, _, _ = select.select([slave], [], [], 0.3)
        return os.read(slave, 1000) if ready else b""

    try:
        yield typed
    finally:
        os.close(master)
        os.close(slave)


# -- a process for each attack -------------------------------------------------------------------------


_LATE = (__name__, "encodings.ascii", "encodings.idna", "traceback")
"""What is imported late: the libraries may lie where the ordinary user cannot look."""


def _body(order: Order, answer: Any) -> None:
    # The server that forks may have been started by others, without what is asked for below.
    for late in _LATE:
        importlib.import_module(late)
    if order.who == "user" and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.environ["HOME"] = "/nonexistent"
        sys.executable = python()[0]  # the tests' own may lie where this user cannot look
    if order.path:
        os.environ["PATH"] = f"{order.path}:{os.environ.get('PATH', os.defpath)}"
    try:
        answer.send(play(order))
    except Exception as error:
        answer.send(error)
        raise


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(list(_LATE))


class Playing:
    """An attack that is under way in a process of its own."""

    def __init__(self, order: Order) -> None:
        self._answer, theirs = _processes.Pipe(duplex=False)
        self.process = _processes.Process(target=_body, args=(order, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self._seconds = order.seconds

    def played(self) -> Played:
        try:
            if not self._answer.poll(self._seconds + 30):
                raise TimeoutError("the attack was not ended")
            found = self._answer.recv()
        finally:
            self.process.kill()
            self.process.join()
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Played)
        return found


def played(order: Order) -> Played:
    return Playing(order).played()


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether something comes to be so, on a machine that may be busy."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


# -- moments -------------------------------------------------------------------------------------------

Moment = Literal["begun", "untold", "made", "running"]
"""Of a sandbox: bubblewrap has only begun; its clone, which makes the sandbox, waits for it; the sandbox is made, the
program not yet started; the program runs."""

_SLOW = """#!{python} -I
import os, sys
options = sys.argv[1:]
if "--json-status-fd" in options:  # else it is only tried whether it runs
    gate = os.open({gate!r}, os.O_RDWR)
    os.set_inheritable(gate, True)
    if {moment!r} == "begun":
        open({gate!r} + ".reached", "x").close()
        os.read(gate, 1)
    elif {moment!r} == "untold":
        full = os.pipe2(0)
        os.set_blocking(full[1], False)
        try:
            while True:
                os.write(full[1], bytes(4096))
        except BlockingIOError:
            os.set_blocking(full[1], True)
        options[options.index("--json-status-fd") + 1] = str(full[1])
    elif {moment!r} == "made":
        options[:0] = ["--block-fd", str(gate)]
os.execv({bwrap!r}, ["bwrap", *options])
"""


class Slow:
    """A bubblewrap that stays at a moment, and whoever waits until it has come there."""

    def __init__(self, outside: Outside, moment: Moment) -> None:
        self._outside = outside
        self._moment = moment
        self._gate = outside.folder / "gate"
        os.mkfifo(self._gate)
        self._gate.chmod(0o666)
        self.path = outside.folder / "slow"
        self.path.mkdir()
        program = self.path / "bwrap"
        values = {"python": SYSTEM_PYTHON, "gate": str(self._gate), "bwrap": shutil.which("bwrap"), "moment": moment}
        program.write_text(_SLOW.format(**values))
        program.chmod(0o755)

    def reached(self) -> bool:
        """Whether a sandbox is at this moment."""
        if self._moment == "begun":
            return self._gate.with_name("gate.reached").exists()
        lines = [(pid, line) for pid in self._outside.left() if (line := _line(pid))]
        if self._moment == "running":
            return any(line[1:3] == ["attack.py", "sleep"] for _, line in lines)
        made = [pid for pid, line in lines if line[0] == "bwrap"]
        return len(made) == 2 and all(_sleeps(pid) for pid in made)

    def go_on(self) -> None:
        """Let it go on from there."""
        with suppress(OSError):  # nobody is left to do so
            gate = os.open(self._gate, os.O_WRONLY | os.O_NONBLOCK)
            os.write(gate, b".")
            os.close(gate)


def no_sandbox(outside: Outside) -> Path:
    """A folder with a bubblewrap that makes none."""
    folder = outside.folder / "none"
    folder.mkdir()
    (folder / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (folder / "bwrap").chmod(0o755)
    return folder


def _line(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def _sleeps(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "S"
    return False


# -- outside -------------------------------------------------------------------------------------------


class Outside:
    """What a program must not reach."""

    def __init__(self) -> None:
        # Not below the tests' own folder, which may be shut to other users.
        self.folder = Path(tempfile.mkdtemp(prefix="outside-"))
        self.folder.chmod(0o777)
        self.home = self.folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        self.key = self.home / ".ssh" / "id_ed25519"
        self.key.write_text(f"{SECRET} private key")
        self.key.chmod(0o644)
        self.file = self.folder / "file.txt"
        self.file.write_text("as it was")
        self.file.chmod(0o666)
        self.heard: list[bytes] = []
        self.token = uuid.uuid4().hex
        self._sockets: list[socket.socket] = []
        self.victim: subprocess.Popen[bytes] | None = None

    def listen(self, kind: str) -> str:
        """Something that listens; how it is reached. What it hears is kept."""
        if kind == "udp":
            listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        else:
            listening = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
        place: Any = ("127.0.0.1", 0)
        if kind == "abstract":
            place = f"\0{self.token}"
        elif kind == "path":
            place = str(self.folder / "socket")
        listening.bind(place)
        if kind == "path":
            os.chmod(place, 0o777)
        if kind != "udp":
            listening.listen()
        self._sockets.append(listening)
        threading.Thread(target=self._hear, args=(listening, kind), daemon=True).start()
        return str(listening.getsockname()[1]) if kind in ("tcp", "udp") else place.lstrip("\0")

    def _hear(self, listening: socket.socket, kind: str) -> None:
        with suppress(OSError):
            while True:
                if kind == "udp":
                    self.heard.append(listening.recv(100))
                    continue
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(2)
                    self.heard.append(connection.recv(100))

    def bystander(self, who: Who) -> subprocess.Popen[bytes]:
        """A process of the same user, with a secret in its environment."""
        user = NOBODY if who == "user" and os.geteuid() == 0 else None
        groups: list[int] | None = [] if user is not None else None
        self.victim = subprocess.Popen(
            ["sleep", "60"], env={"TOKEN": SECRET}, user=user, group=user, extra_groups=groups, cwd="/"
        )
        return self.victim

    def left(self) -> list[int]:
        """The processes whose command line has the token."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.token.encode() in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found

    def none_left(self) -> bool:
        """Whether they are gone, at once or very soon."""
        return eventually(lambda: not self.left(), 30)

    def close(self) -> None:
        for listening in self._sockets:
            listening.close()
        if self.victim is not None:
            self.victim.kill()
            self.victim.wait()
        for pid in self.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)
