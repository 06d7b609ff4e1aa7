"""The sandbox itself: a folder, what may be read besides, and limits."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gatework.errors import ConfigError
from gatework.logs import emit
from gatework.sandbox import folder as folders
from gatework.sandbox.supervise import Allowed, Ended, Seen, sandboxed, unsandboxed
from gatework.sandbox.view import Limits, View, missing
from gatework.threads import Threads

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a program ended, and what it said. Whatever it said comes from outside."""

    code: int
    """Its exit code; above 128 the number of a signal was added to that."""
    output: bytes
    errors: bytes
    ended: Ended
    """`exited` by itself, or ended because of the limit that is named."""
    note: str = ""
    """Why it was ended, in one sentence; empty where it exited by itself."""
    seconds: float = 0.0
    memory_bytes: int = 0
    """The most that was seen in use; what lasted less than a few hundredths of a second may not have been seen."""

    @property
    def output_text(self) -> str:
        """The output as text; where the program was ended, a last line says why."""
        return _text(self.output) + (f"\n[{self.note}]" if self.note else "")

    @property
    def errors_text(self) -> str:
        """What it wrote to standard error, as text."""
        return _text(self.errors)


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Runs programs that nobody vouches for: with no network, in one folder, within limits, and with nothing else.

    A program sees the system's programs and libraries and what `read` names, read-only, and its folder as /work. It has
    an environment of its own, no process but its own, and no descriptor but its three streams. When its first process
    ends, so does everything that it started. The folder is private to it: see `put`, `get` and `names`.
    """

    folder: Path
    """Its own, to write to. A worker that is root gives it to a user that nobody is; nobody else can look into it."""
    read: Sequence[Path | str] = ()
    """Folders and files that it may read besides, at their own places. Sockets in them can be spoken to."""
    memory_bytes: int = 512 * MIB
    """Of all its processes, and of what it keeps at /tmp, together. One process has twice as much address space."""
    seconds: float = 30.0
    """By the clock on the wall."""
    cpu_seconds: float = math.inf
    """Of all its processes together; not more than what `seconds` leaves in any case."""
    processes: int = 32
    """With their threads."""
    file_bytes: int = 64 * MIB
    """Of one file."""
    folder_bytes: int = 256 * MIB
    """Of the whole folder."""
    folder_files: int = 10_000
    output_bytes: int = 64 * 1024
    """Of its output, and as much of its errors. A program that says more is ended."""
    allow_unsandboxed: bool = False
    """Whether it may run without any sandbox where none can be had. So says GATEWORK_UNSANDBOXED=1 as well."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())
        object.__setattr__(self, "read", tuple(_readable(Path(path)) for path in self.read))
        for name in ("memory_bytes", "seconds", "cpu_seconds", "processes", "file_bytes", "folder_bytes"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"A sandbox needs {name} above zero.")

    async def run(self, command: Sequence[str], *, stdin: bytes = b"") -> Ran:
        """Run a program to its end, or to the first limit that it meets; whatever it started has ended then, too.

        Raises `ConfigError` where no sandbox can be had here, `SandboxError` where this one could not be made.
        """
        if not command or any("\0" in part for part in command):
            raise ConfigError("A sandbox needs a program to run, named without zero bytes.")
        seen = await _seen_through(partial(self._seen, list(command), stdin))
        note = _NOTES[seen.ended].format(box=self) if seen.ended != "exited" else ""
        return Ran(
            code=seen.code,
            output=bytes(seen.output),
            errors=bytes(seen.errors),
            ended=seen.ended,
            note=note,
            seconds=seen.seconds,
            memory_bytes=seen.memory_bytes,
        )

    def _seen(self, command: list[str], stdin: bytes, stopped: Callable[[], bool]) -> Seen:
        why_not = missing()
        if why_not and not self._told_to:
            raise ConfigError(f"{why_not} Without a sandbox this runs only where GATEWORK_UNSANDBOXED=1 says so.")
        user = folders.prepare(self.folder)
        view = View(
            command=command,
            folder=self.folder,
            user=user,
            read=[Path(path) for path in self.read],
            limits=Limits(
                address_bytes=2 * self.memory_bytes,
                cpu_seconds=math.ceil(min(self.cpu_seconds, self.seconds)) + 1,
                file_bytes=self.file_bytes,
                processes=self.processes,
                scratch_bytes=max(self.memory_bytes // 8 // MIB, 1) * MIB,
            ),
        )
        allowed = Allowed(
            seconds=self.seconds,
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_bytes,
            output_bytes=self.output_bytes,
            folder_bytes=self.folder_bytes,
            folder_files=self.folder_files,
        )
        if why_not:
            emit.say("sandbox.missing", {"reason": why_not})
            return unsandboxed(view, allowed, stdin, stopped)
        return sandboxed(view, allowed, stdin, stopped)

    @property
    def _told_to(self) -> bool:
        return self.allow_unsandboxed or os.environ.get("GATEWORK_UNSANDBOXED") == "1"

    # -- its folder ----------------------------------------------------------------------------------

    def put(self, name: str, data: bytes) -> None:
        """Put a file into the folder, in the place of one of that name. Raises `FolderError` where it cannot be."""
        folders.write(self.folder, name, data, folders.prepare(self.folder))

    def get(self, name: str, *, max_bytes: int = MIB) -> bytes:
        """A file out of the folder: a plain one, reached by no link. Raises `FolderError` for anything else."""
        return folders.read(self.folder, name, max_bytes)

    def names(self, *, most: int = 1_000) -> list[str]:
        """The plain files in the folder with printable names. Raises `FolderError` where there are more."""
        return folders.names(self.folder, most)


_NOTES = {
    "timeout": "Ended: it ran longer than {box.seconds:g} s.",
    "cpu": "Ended: it computed longer than {box.cpu_seconds:g} s.",
    "memory": "Ended: it used more than {box.memory_bytes} bytes of memory.",
    "output": "Cut here and ended: it said more than {box.output_bytes} bytes.",
    "disk": "Ended: its folder held more than {box.folder_bytes} bytes or {box.folder_files} files, or was shut.",
    "cancelled": "Ended: nobody waits for it any more.",
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")


def _readable(path: Path) -> Path:
    if not path.is_absolute() or path == Path("/") or ".." in path.parts:
        raise ConfigError("A sandbox reads folders and files by their whole paths, and never all of the machine.")
    return path


async def _seen_through(work: Callable[[Callable[[], bool]], Seen]) -> Seen:
    """Do this in a thread; where nobody waits any more, see to it that it ends first."""
    stop = threading.Event()
    # In the context of the caller, whose stage a line of the log names.
    context = copy_context()
    working = Threads().call(lambda: context.run(work, stop.is_set))
    try:
        seen = await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        while not working.done():
            try:
                await asyncio.wait({working})
            except asyncio.CancelledError:
                continue  # it ends within seconds, and until then it is ours
        working.exception()
        raise
    assert isinstance(seen, Seen)
    return seen
