"""Connecting the standard Temporal way: `temporal.toml` profiles and `TEMPORAL_*`, localhost where nothing is set."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from gatework.errors import ConfigError

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.plugin import SimplePlugin

DEFAULT_ADDRESS = "localhost:7233"
DEFAULT_QUEUE = "gatework"
PIPE_CLOSED = 141
"""Exit code where nobody reads any more, as a shell gives it."""


def task_queue() -> str:
    """The task queue of this deployment: GATEWORK_TASK_QUEUE, or `gatework`."""
    return os.environ.get("GATEWORK_TASK_QUEUE") or DEFAULT_QUEUE


async def connect(*plugins: SimplePlugin) -> Client:
    """A client as the environment says. Raises `ConfigError` where no server answers."""
    # A third of a second, which nobody waits for who only asks for the name of the task queue.
    from temporalio.client import Client
    from temporalio.envconfig import ClientConfig

    try:
        settings = ClientConfig.load_client_connect_config()
    except RuntimeError as error:
        raise ConfigError(f"Temporal's own settings cannot be read: {error}.") from error
    address = settings.setdefault("target_host", DEFAULT_ADDRESS)
    from gatework.temporal.transport.storing import configured, with_store

    converter = with_store(configured())
    try:
        return await Client.connect(**settings, plugins=list(plugins), data_converter=converter)
    except RuntimeError as error:
        raise ConfigError(
            f"No Temporal server answers at {address}; start one with `gatework dev`, or set TEMPORAL_ADDRESS."
        ) from error


def leave(code: object) -> NoReturn:
    """End the process with this exit code.

    The threads of Temporal's client may still let go of the interpreter while it is being taken down, which aborts
    the process and loses the exit code (seen with Python 3.11). So it is left as it is.
    """
    number = code if isinstance(code, int) else int(code is not None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            number = number or PIPE_CLOSED
    os._exit(number)
