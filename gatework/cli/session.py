"""One command's life: connect, do it, and turn whatever comes of it into an exit code and at most one sentence."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from gatework.cli.output import clean
from gatework.errors import ConfigError, GateworkError
from gatework.temporal.transport.connection import PIPE_CLOSED

if TYPE_CHECKING:
    from gatework.temporal.client.operate import Client
T = TypeVar("T")

REFUSED = 1
"""What was asked was refused, a check failed, or a run did not complete."""
USAGE = 2
"""What was typed cannot be read, or names a workflow that is not there."""
NO_SERVER = 3
"""The surroundings are missing: no server, no worker, no project, no free port."""
UNMET = 4
"""What was verified holds, and does not meet what its reader demands of it."""
BROKEN = 70
"""Gatework itself broke."""
INTERRUPTED = 130
"""Stopped by Ctrl-C before it was done."""

_COMPLAINT: type[Exception] = typer.BadParameter.__mro__[2]
"""What every complaint about the command line is to typer, which does not export it."""


class UsageError(GateworkError):
    """What was typed cannot be read, or names what is not there."""

    code = "usage"


class Failure(Exception):
    """The end of a command with an exit code, and a sentence on standard error."""

    def __init__(self, sentence: str, code: int, kind: str = "refused") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.kind = kind
        """The stable name of the kind of error, for programs."""


def fail(sentence: str, code: int) -> Failure:
    """The failure to raise, for a sentence and an exit code."""
    return Failure(sentence, code, {USAGE: "usage", NO_SERVER: "config"}.get(code, "refused"))


@contextmanager
def explained() -> Generator[None]:
    """Turn our errors into failures."""
    try:
        yield
    except GateworkError as error:
        code = {UsageError.code: USAGE, ConfigError.code: NO_SERVER}.get(error.code, REFUSED)
        raise Failure(error.message, code, error.code) from error


def connected(command: Callable[[Client], Awaitable[T]]) -> T:
    """Run a command that needs the server."""
    # Loaded here, so that `--help` and the commands on plans do not wait for it.
    from gatework.temporal.client.operate import operating

    async def session() -> T:
        async with operating() as client:
            return await command(client)

    return ran(session())


def ran(command: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    import asyncio  # 30 ms, which `--help` and the commands on plans need not wait for

    return asyncio.run(command)


def ended(command: Callable[[], object], *, as_json: bool) -> NoReturn:
    """Run a command to its end, which is always an exit code; never a traceback, unless GATEWORK_DEBUG asks for it."""
    try:
        with explained():
            code = command()
    except BaseException as error:  # noqa: BLE001  # here it ends, whatever it was
        failure = _failure(error)
        if failure.sentence:
            _say(failure, as_json)
        if failure.code == BROKEN and os.environ.get("GATEWORK_DEBUG"):
            traceback.print_exception(error)
        code = failure.code
    sys.exit(code if isinstance(code, int) else 0)


def _failure(error: BaseException) -> Failure:
    from asyncio import CancelledError

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case Failure():
            return error
        case GateworkError():  # out of a group
            return Failure(error.message, NO_SERVER if isinstance(error, ConfigError) else REFUSED, error.code)
        case SystemExit() if isinstance(error.__context__, BrokenPipeError):  # raised by rich
            return Failure("", PIPE_CLOSED)
        case SystemExit():
            return Failure("", error.code if isinstance(error.code, int) else int(error.code is not None))
        case KeyboardInterrupt() | CancelledError():
            return Failure("", INTERRUPTED)
        case BrokenPipeError():
            return Failure("", PIPE_CLOSED)
        case _COMPLAINT():
            return _complaint(error)
        case _:
            return Failure(_broken(error), BROKEN, "broken")


def _complaint(error: Exception) -> Failure:
    """What typer has to say of the command line, as one sentence."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]  # it prints the help
        return Failure("", USAGE)
    path = context.command_path if context is not None else "gatework"
    said = clean(" ".join(error.format_message().split())).rstrip(".")  # type: ignore[attr-defined]
    return Failure(f"{said}{' ' if said.endswith('?') else '; '}`{path} --help` says how it is used.", USAGE, "usage")


def _broken(error: BaseException) -> str:
    # Its message may hold anything; where it comes from is enough to find it.
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"Gatework broke with {type(error).__name__}{place}; set GATEWORK_DEBUG=1, try again and report what it says."
    )


def _say(failure: Failure, as_json: bool) -> None:
    data = {"error": failure.kind, "message": failure.sentence, "exit_code": failure.code}
    text = json.dumps(data) if as_json else clean(" ".join(failure.sentence.split()))
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:  # nobody reads any more
        pass
