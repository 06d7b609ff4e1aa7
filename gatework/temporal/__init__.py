"""Gatework on Temporal: the only code that imports temporalio.

Names are loaded when they are first used: a command that asks the server something does not wait for the worker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatework.temporal.client import Execution, find, start
    from gatework.temporal.connection import connect, leave, task_queue
    from gatework.temporal.exporting import Disclosure
    from gatework.temporal.logs import configure_logs
    from gatework.temporal.plugin import GateworkPlugin
    from gatework.temporal.progress import Progress
    from gatework.temporal.serving import serve
    from gatework.temporal.storing import documents

__all__ = [
    "Disclosure",
    "Execution",
    "GateworkPlugin",
    "Progress",
    "configure_logs",
    "connect",
    "documents",
    "find",
    "leave",
    "serve",
    "start",
    "task_queue",
]

# No module may have the name of something that is exported: importing it would put the module in its place.
_HOMES = {
    "Disclosure": "exporting",
    "Execution": "client",
    "GateworkPlugin": "plugin",
    "Progress": "progress",
    "configure_logs": "logs",
    "connect": "connection",
    "documents": "storing",
    "find": "client",
    "leave": "connection",
    "serve": "serving",
    "start": "client",
    "task_queue": "connection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
