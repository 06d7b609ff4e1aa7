"""Seeing one program through, in a thread of its own: its output, time and memory, and its end with all it started.

Between this process and the program stands another one (`monitor`), which ends the program when this one has died.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from gatework.errors import GateworkError
from gatework.sandbox import folder as folders
from gatework.sandbox import monitor, seccomp, usage
from gatework.sandbox.view import View, accounts, command_line, limited

Ended = Literal["exited", "timeout", "cpu", "memory", "output", "disk", "cancelled"]

TICK_SECONDS = 0.02
"""How often memory and time are looked at."""

DISK_SECONDS = 0.25
"""How often the folder is."""

KILLED_SECONDS = 10.0
"""How long the kernel may take to end what was killed."""

_CHUNK = 65_536

_KILLED = 128 + signal.SIGKILL

_MONITOR = Path(monitor.__file__).read_text(encoding="utf-8")


class SandboxError(GateworkError):
    """A sandbox could not be made, or did not end."""

    code = "sandbox"


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What a program may use before it is ended."""

    seconds: float
    cpu_seconds: float
    memory_bytes: int
    output_bytes: int
    folder_bytes: int
    folder_files: int


@dataclass(kw_only=True)
class Seen:
    """What became of a program."""

    code: int = -1
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    ended: Ended = "exited"
    seconds: float = 0.0
    memory_bytes: int = 0
    """The most that was seen in use."""


def sandboxed(view: View, allowed: Allowed, stdin: bytes, stopped: Callable[[], bool]) -> Seen:
    """Run a program in a sandbox to its end. Raises `SandboxError` where the sandbox could not be made."""
    with ExitStack() as stack:
        status, told = _pipe(stack)
        filter_ = _file(stack, seccomp.program())
        files = {place: _file(stack, data) for place, data in accounts(view.user).items()}
        argv = command_line(view, status=told, filter=filter_, files=files)
        box = _started(argv, stack, status, pass_fds=(told, filter_, *files.values()), env={})
        box.scratch_bytes = view.limits.scratch_bytes
        return _Watch(box, view.folder, allowed, stopped).ended(stdin)


def unsandboxed(view: View, allowed: Allowed, stdin: bytes, stopped: Callable[[], bool]) -> Seen:
    """Run a program with limits alone: it can read and do what the worker can."""
    with ExitStack() as stack:
        status, told = _pipe(stack)
        argv = limited(view.command, view.limits, processes=False)
        variables = {**view.variables, "HOME": str(view.folder), "PATH": os.environ.get("PATH", os.defpath)}
        box = _started(argv, stack, status, told=told, pass_fds=(told,), cwd=view.folder, env=variables)
        return _Watch(box, view.folder, allowed, stopped).ended(stdin)


def _started(
    argv: list[str],
    stack: ExitStack,
    status: int,
    *,
    env: Mapping[str, str],
    cwd: Path = Path("/"),
    told: int = -1,
    pass_fds: tuple[int, ...],
) -> _Box:
    heard, stop = _pipe(stack)
    worker = os.pidfd_open(os.getpid())
    stack.callback(os.close, worker)
    pipe = subprocess.PIPE
    program = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _MONITOR, str(worker), str(heard), str(told), *argv],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=env,
        cwd=cwd,
        pass_fds=(worker, heard, *pass_fds),
        start_new_session=True,
    )
    for stream in (program.stdin, program.stdout, program.stderr):
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        stack.callback(_closed, stream)
    return _Box(program, status, stop)


class _Box:
    """A program behind its monitor, with what is told of it."""

    def __init__(self, program: subprocess.Popen[bytes], status: int, stop: int) -> None:
        self.program = program
        """The monitor. When it has ended nothing is left."""
        self.first = 0
        """The first process of the program, as the worker sees it; 0 until that is known."""
        self.scratch_bytes = 0
        """Size of each of its own places for files in memory."""
        self._status = status
        self._stop = stop
        self._told = b""
        self._code: int | None = None

    def hear(self) -> None:
        """Take in what bubblewrap has told since, or the monitor where there is none."""
        with suppress(BlockingIOError):
            while data := os.read(self._status, _CHUNK):
                self._told += data
        *lines, self._told = self._told.split(b"\n")
        for line in lines:
            document = json.loads(line)
            if "child-pid" in document and not self.first:
                self._known(document["child-pid"])
            self._code = document.get("exit-code", self._code)

    def _known(self, pid: int) -> None:
        # Its number may be another's by now, who is no child of bubblewrap nor of the monitor.
        with suppress(OSError):
            above = _parent(pid)
            if self.program.pid in (above, _parent(above)):
                self.first = pid

    def kill(self) -> None:
        """All of it, at whatever moment."""
        os.write(self._stop, b".")

    def code(self) -> int:
        """Its exit code, as a shell has it, once nothing of it is left; -1 where no sandbox was made."""
        try:
            self.program.wait(KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            raise SandboxError("The kernel does not end a program that was killed; look at its processes.") from None
        self.hear()
        if self._code is None:
            # bubblewrap tells no code of what was killed together with it.
            return _KILLED if self.program.returncode == _KILLED else -1
        return self._code


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


class _Watch:
    def __init__(self, box: _Box, folder: Path, allowed: Allowed, stopped: Callable[[], bool]) -> None:
        self._box = box
        self._folder = folder
        self._allowed = allowed
        self._stopped = stopped
        self._seen = Seen()
        self._began = time.monotonic()
        self._looked = self._began
        self._left = b""

    def ended(self, stdin: bytes) -> Seen:
        try:
            self._to_its_end(stdin)
        finally:
            self._box.kill()
            code = self._box.code()
        self._seen.seconds = time.monotonic() - self._began
        self._seen.code = code
        if code == -1 and self._seen.ended == "exited":
            raise SandboxError(
                "bubblewrap could not make the sandbox; look whether its folder and what it may `read` are there."
            )
        return self._seen

    def _to_its_end(self, stdin: bytes) -> None:
        program = self._box.program
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        self._left = stdin
        exited = os.pidfd_open(program.pid)
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(exited, selectors.EVENT_READ)
                selector.register(program.stdout, selectors.EVENT_READ, self._seen.output)
                selector.register(program.stderr, selectors.EVENT_READ, self._seen.errors)
                if stdin:
                    selector.register(program.stdin, selectors.EVENT_WRITE)
                else:
                    program.stdin.close()
                over = False
                while not over and self._seen.ended == "exited":
                    for key, _ in selector.select(TICK_SECONDS):
                        if key.fd == exited:
                            over = True
                        elif key.data is None:
                            self._feed(selector, key)
                        elif not self._read(key):
                            selector.unregister(key.fileobj)
                    if not over:
                        self._look()
                # What it said last may still be in the pipes; who else holds them is not waited for.
                if over:
                    self._look_at_the_disk()
                for stream, kept in ((program.stdout, self._seen.output), (program.stderr, self._seen.errors)):
                    while self._take(stream.fileno(), kept):
                        pass
            finally:
                os.close(exited)

    def _feed(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        with suppress(BlockingIOError):
            try:
                self._left = self._left[os.write(key.fd, self._left[:_CHUNK]) :]
            except BrokenPipeError:
                self._left = b""
        if not self._left:
            selector.unregister(key.fileobj)
            assert self._box.program.stdin is not None
            self._box.program.stdin.close()

    def _read(self, key: selectors.SelectorKey) -> bool:
        return self._take(key.fd, key.data) is not False

    def _take(self, fd: int, kept: bytearray) -> bool | None:
        """Take in some output. False at its end; None where there is none just now, or no more is wanted."""
        room = self._allowed.output_bytes - len(kept)
        try:
            data = os.read(fd, min(_CHUNK, room + 1))
        except BlockingIOError:
            return None
        kept += data[:room]
        if len(data) > room:
            self._end("output")
            return None
        return bool(data)

    def _look(self) -> None:
        now = time.monotonic()
        self._box.hear()
        if self._stopped():
            self._end("cancelled")
        elif now - self._began > self._allowed.seconds:
            self._end("timeout")
        elif self._box.first:
            found = usage.used(self._box.first, self._box.scratch_bytes)
            memory = found.memory_bytes
            if memory > self._allowed.memory_bytes:
                memory = usage.shared_once(self._box.first, self._box.scratch_bytes)
            self._seen.memory_bytes = max(self._seen.memory_bytes, memory)
            if memory > self._allowed.memory_bytes:
                self._end("memory")
            elif found.cpu_seconds > self._allowed.cpu_seconds:
                self._end("cpu")
        if now - self._looked > DISK_SECONDS:
            self._look_at_the_disk()

    def _look_at_the_disk(self) -> None:
        held = folders.held(self._folder, self._allowed.folder_files)
        if held is None or held.size_bytes > self._allowed.folder_bytes:
            self._end("disk")
        self._looked = time.monotonic()

    def _end(self, why: Ended) -> None:
        if self._seen.ended == "exited":
            self._seen.ended = why


def _pipe(stack: ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)
    stack.callback(os.close, read)
    stack.callback(os.close, write)
    return read, write


def _file(stack: ExitStack, data: bytes) -> int:
    """A file in memory that holds this and is read from its start."""
    fd = os.memfd_create("gatework", os.MFD_CLOEXEC)
    stack.callback(os.close, fd)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _closed(stream: IO[bytes]) -> None:
    """Close a stream of a program. What is unwritten in it is nobody's any more."""
    with suppress(OSError):
        stream.close()
