"""The one folder that a sandboxed program writes to, handled from outside: by then everything in it is hostile.

No path into it is ever given to the system as a whole: each part is opened by itself, relative to the one before, and
no symbolic link is followed. Only regular files are read; a pipe would hold up whoever opens it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gatework.errors import ConfigError, GateworkError

USERS = range(61_184, 65_520)
"""Ids that no account has (systemd's range for users that exist for a moment); a worker that is root lends them."""

MAX_DEPTH = 32
"""Folders in each other; what lies deeper is not looked for, and counts as too much."""

_NONE = "The sandbox's folder holds no plain file of that name; look at what `names` gives."

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class FolderError(GateworkError):
    """A file of a sandbox's folder cannot be had; what the program left there is not a plain file of that name."""

    code = "sandbox"


@dataclass(frozen=True)
class Held:
    """What a folder holds."""

    size_bytes: int
    files: int


@contextmanager
def new_folder() -> Generator[Path]:
    """A folder of its own for one use, removed afterwards whatever a program has made of it."""
    made = Path(tempfile.mkdtemp(prefix="gatework-"))
    try:
        yield made
    finally:
        remove(made)


def prepare(folder: Path) -> int:
    """Make a folder fit for a sandbox; the user id that its programs get. Raises `ConfigError` where it is none.

    Nobody else can look into it: a program may leave files there that would run with its owner's rights.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        raise ConfigError(f"The sandbox's folder {folder} is not a folder; name one that is.") from None
    try:
        found = os.fstat(fd)
        if os.geteuid() != 0:
            if found.st_uid != os.geteuid():
                raise ConfigError(f"The sandbox's folder {folder} belongs to another user; give it one of its own.")
            os.fchmod(fd, 0o700)
            return found.st_uid
        if found.st_uid not in USERS:
            # One of several programs that begin side by side gives it away. No program holds this lock: none has run.
            fcntl.flock(fd, fcntl.LOCK_EX)
            found = os.fstat(fd)
        if found.st_uid in USERS:
            os.fchmod(fd, 0o700)
            return found.st_uid
        if os.listdir(fd):
            raise ConfigError(
                f"The sandbox's folder {folder} is in use; give it a new one, and put files into it with `put`."
            )
        user = USERS.start + secrets.randbelow(len(USERS))
        os.fchmod(fd, 0o700)
        os.fchown(fd, user, user)
        return user
    finally:
        os.close(fd)


def read(folder: Path, name: str, max_bytes: int) -> bytes:
    """A file that a program left. Raises `FolderError` unless it is a plain file of at most so many bytes."""
    with _parent(folder, name) as (fd, last):
        try:
            file = os.open(last, _FILE, dir_fd=fd)
        except OSError:
            raise FolderError(_NONE) from None
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise FolderError(_NONE)
        data = opened.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FolderError(f"The file in the sandbox's folder is larger than the {max_bytes} bytes that were asked for.")
    return data


def write(folder: Path, name: str, data: bytes, user: int) -> None:
    """Put a file where a program finds it. Raises `FolderError` where something else has that name."""
    with _parent(folder, name, make=user) as (fd, last):
        with suppress(OSError):
            os.unlink(last, dir_fd=fd)  # never written through: it may be a link
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(last, flags, 0o600, dir_fd=fd)
        except OSError:
            raise FolderError("Something in the sandbox's folder stands where the file was to be put.") from None
    with os.fdopen(file, "wb") as opened:
        _give(file, user)
        opened.write(data)


def names(folder: Path, most: int) -> list[str]:
    """The plain files in a folder with printable names, by their paths there, sorted.

    Raises `FolderError` where there are more than so many.
    """
    found = []
    for path, entry in _walk(folder):
        if entry is not None and stat.S_ISREG(entry.st_mode) and path.isprintable():
            found.append(path)
        if len(found) > most:
            raise FolderError(f"The sandbox's folder holds more than {most} files.")
    return sorted(found)


def held(folder: Path, most_files: int) -> Held | None:
    """What a folder holds; None where it is more than so many files, too deep, or shut to us."""
    size = files = 0
    for _, entry in _walk(folder):
        files += 1
        if entry is None or files > most_files:
            return None
        size += entry.st_blocks * 512
    return Held(size, files)


def remove(folder: Path) -> None:
    """Remove a folder however deep and odd its contents: folders in it are moved up first, so that none is deep."""
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        root = _opened(folder.name, parent)
        if root is None:
            return
        try:
            _empty(root)
        finally:
            os.close(root)
        with suppress(OSError):
            os.rmdir(folder.name, dir_fd=parent)
    finally:
        os.close(parent)


def _empty(root: int) -> None:
    moved = 0
    while entries := os.listdir(root):
        for name in entries:
            inner = _opened(name, root)
            if inner is None:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=root)
                continue
            try:
                for below in os.listdir(inner):
                    try:
                        os.unlink(below, dir_fd=inner)
                    except OSError:  # a folder; or, in one that is being written to, nothing any more
                        moved += 1
                        with suppress(FileNotFoundError):
                            _movable(below, inner)
                            os.rename(below, f"{secrets.token_hex(8)}-{moved}", src_dir_fd=inner, dst_dir_fd=root)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=root)


def _opened(name: str, parent: int) -> int | None:
    """A folder, opened and made ours to change, whatever rights its maker left; None where it is something else."""
    with suppress(OSError):
        _movable(name, parent)
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError:
        return None


def _movable(name: str, parent: int) -> None:
    """Give the owner all rights to a folder. It is looked up once and changed by its descriptor."""
    path_only = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if stat.S_ISDIR(os.fstat(path_only).st_mode):
            os.chmod(f"/proc/self/fd/{path_only}", 0o700)
    finally:
        os.close(path_only)


@contextmanager
def _parent(folder: Path, name: str, make: int | None = None) -> Generator[tuple[int, str]]:
    """The descriptor of the folder that a file is in, and its last name; `make` is the owner of folders on the way."""
    parts = name.split("/")
    if not all(part not in ("", ".", "..") and "\0" not in part for part in parts) or len(parts) > MAX_DEPTH:
        raise FolderError("That is no path inside the sandbox's folder; leave out `..`, and do not begin with /.")
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        raise FolderError("The sandbox's folder is gone.") from None
    try:
        for part in parts[:-1]:
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=fd)
            try:
                inner = os.open(part, _FOLDER, dir_fd=fd)
            except OSError:
                raise FolderError(_NONE) from None
            os.close(fd)
            fd = inner
            if make is not None:
                _give(fd, make)
        yield fd, parts[-1]
    finally:
        os.close(fd)


def _give(fd: int, user: int) -> None:
    if os.geteuid() == 0:
        os.fchown(fd, user, user)


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """Everything in a folder, with its path there; None where something cannot be looked at or lies too deep."""
    paths: list[tuple[str, ...]] = [()]
    while paths:
        path = paths.pop()
        try:
            fd = _descended(folder, path)
        except FileNotFoundError:  # gone since
            continue
        except OSError:
            yield "/".join(path), None
            continue
        try:
            for name in os.listdir(fd):
                try:
                    entry = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                deep = len(path) >= MAX_DEPTH
                yield "/".join((*path, name)), None if deep else entry
                if stat.S_ISDIR(entry.st_mode) and not deep:
                    paths.append((*path, name))
        finally:
            os.close(fd)


def _descended(folder: Path, path: tuple[str, ...]) -> int:
    fd = os.open(folder, _FOLDER)
    for part in path:
        try:
            inner = os.open(part, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd
