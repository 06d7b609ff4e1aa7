"""Reading a file that decides over something: once, whole, and only where it is a file that is as it should be."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from gatework.errors import ConfigError


def read(
    path: Path, what: str, *, max_bytes: int, fit: Callable[[os.stat_result], str]
) -> tuple[bytes, os.stat_result]:
    """What a file holds, and what is known of it. `fit` says why it must not be read, in words; empty where it may.

    Raises `ConfigError` in a sentence that begins with `what` and the path.
    """
    try:
        # Not waiting: a pipe would never end.
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {os.strerror(error.errno or 0)}.") from None
    try:
        # Of the file that is open, which no other takes the place of.
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(f"{what} {path} is no file.")
        if about.st_size > max_bytes:
            raise ConfigError(f"{what} {path} is larger than {max_bytes} bytes.")
        if why := fit(about):
            raise ConfigError(f"{what} {path} {why}.")
        data = b""
        while len(data) <= max_bytes and (more := os.read(opened, max_bytes + 1 - len(data))):
            data += more
        if state(os.fstat(opened)) != state(about) or len(data) != about.st_size:
            raise ConfigError(f"{what} {path} is being written; put a new one in its place with `mv`.")
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {os.strerror(error.errno or 0)}.") from None
    finally:
        os.close(opened)
    return data, about


def state(about: os.stat_result) -> tuple[int, ...]:
    """What tells this state of a file from others."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_mode
