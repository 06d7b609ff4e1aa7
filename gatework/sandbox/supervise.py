"""Seeing one program through, in a thread of its own: its output, time and memory, and its end with all it started.

The thread that starts it also waits for it: the kernel kills the sandbox when that thread ends, however it does.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from gatework.errors import GateworkError
from gatework.sandbox import folder as folders
from gatework.sandbox import seccomp, usage
from gatework.sandbox.view import View, accounts, command_line, limited

Ended = Literal["exited", "timeout", "cpu", "memory", "output", "disk", "cancelled"]

TICK_SECONDS = 0.02
"""How often memory and time are looked at."""

DISK_SECONDS = 0.25
"""How often the folder is."""

KILLED_SECONDS = 10.0
"""How long the kernel may take to end what was killed."""

_CHUNK = 65_536


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
        try:
            program = _started(argv, stack, pass_fds=(told, filter_, *files.values()), env={})
        finally:
            os.close(told)
        box = _Box(program, status, view.limits.scratch_bytes)
        stack.callback(box.close)
        return _Watch(box, view.folder, allowed, stopped).ended(stdin)


def unsandboxed(view: View, allowed: Allowed, stdin: bytes, stopped: Callable[[], bool]) -> Seen:
    """Run a program with limits alone: it can read and do what the worker can."""
    with ExitStack() as stack:
        argv = limited(view.command, view.limits, processes=False)
        variables = {**view.variables, "HOME": str(view.folder), "PATH": os.environ.get("PATH", os.defpath)}
        program = _started(argv, stack, cwd=view.folder, env=variables)
        return _Watch(_Bare(program), view.folder, allowed, stopped).ended(stdin)


def _started(
    argv: list[str],
    stack: ExitStack,
    *,
    env: Mapping[str, str],
    cwd: Path = Path("/"),
    pass_fds: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    program = subprocess.Popen(
        argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=cwd, pass_fds=pass_fds, start_new_session=True
    )
    for stream in (program.stdin, program.stdout, program.stderr):
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        stack.callback(_closed, stream)
    return program


class _Bare:
    """A program without a sandbox."""

    scratch_bytes = 0

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.first = program.pid

    def hear(self) -> None:
        """Nothing tells of it."""

    def kill(self) -> None:
        """What is still below it, and what is left in its session. What has left both goes on."""
        with suppress(ProcessLookupError):
            os.killpg(self.program.pid, signal.SIGKILL)
        self.program.kill()

    def code(self) -> int:
        """Its exit code, as a shell has it."""
        code = self.program.wait(KILLED_SECONDS)
        return code if code >= 0 else 128 - code


class _Box:
    """A program in a sandbox, with what bubblewrap tells of it."""

    def __init__(self, program: subprocess.Popen[bytes], status: int, scratch_bytes: int) -> None:
        self.program = program
        self.scratch_bytes = scratch_bytes
        self.first = 0
        """Its first process, as the worker sees it; 0 until that is known."""
        self._status = status
        self._told = b""
        self._process = -1
        self._code: int | None = None

    def hear(self) -> None:
        """Take in what bubblewrap has told since."""
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
        with suppress(ProcessLookupError):
            self._process = os.pidfd_open(pid)
            # Its number may be another's by now; bubblewrap's child it is no more then.
            with suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                if int(stat.read().rpartition(")")[2].split()[1]) == self.program.pid:
                    self.first = pid

    def kill(self) -> None:
        """With its first process all others end."""
        if self.first:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
        else:
            self.program.kill()

    def code(self) -> int:
        """Its exit code, as a shell has it, once nothing of it is left."""
        try:
            self.program.wait(KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            self.program.kill()
            self.program.wait(KILLED_SECONDS)
        self.hear()
        if self._process >= 0:
            with selectors.DefaultSelector() as gone:
                gone.register(self._process, selectors.EVENT_READ)
                if self.first and not gone.select(KILLED_SECONDS):
                    raise SandboxError("The kernel does not end a sandbox that was killed; look at its processes.")
        return -1 if self._code is None else self._code

    def close(self) -> None:
        if self._process >= 0:
            os.close(self._process)


class _Watch:
    def __init__(self, box: _Box | _Bare, folder: Path, allowed: Allowed, stopped: Callable[[], bool]) -> None:
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
