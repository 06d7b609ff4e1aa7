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

    def none_left(self, seconds: float = 3.0) -> bool:
        """Whether they are gone, at once or very soon."""
        until = time.monotonic() + seconds
        while self.left():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

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
