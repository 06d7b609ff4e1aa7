"""One command's life: connect, do it, and turn what goes wrong into one sentence and an exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from gatework.errors import ConfigError, GateworkError

if TYPE_CHECKING:
    from gatework.temporal.operate import Client
T = TypeVar("T")

REFUSED = 1
"""What was asked was refused, or a check failed."""
USAGE = 2
"""What was typed cannot be read."""
NO_SERVER = 3
"""The surroundings are missing: no server, no worker, no project."""


def fail(sentence: str, code: int) -> typer.Exit:
    """The exit to raise, after one sentence on standard error."""
    sys.stderr.write(f"{sentence}\n")
    return typer.Exit(code)


@contextmanager
def explained() -> Generator[None]:
    """Turn our errors into a sentence and an exit code."""
    try:
        yield
    except ConfigError as error:
        raise fail(error.message, NO_SERVER) from None
    except GateworkError as error:
        raise fail(str(error), REFUSED) from None


def connected(command: Callable[[Client], Awaitable[T]]) -> T:
    """Run a command that needs the server."""
    # Loaded here, so that `--help` and the commands on plans do not wait for it.
    from gatework.temporal.operate import operating

    async def session() -> T:
        async with operating() as client:
            return await command(client)

    with explained():
        return asyncio.run(session())
