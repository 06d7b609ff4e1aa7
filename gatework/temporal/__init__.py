"""Gatework on Temporal: the only code that imports temporalio.

Names are loaded when they are first used: a command that asks the server something does not wait for the worker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatework.temporal.client.client import Execution, find, start
    from gatework.temporal.client.exporting import Disclosure
    from gatework.temporal.page.progress import Progress
    from gatework.temporal.transport.connection import connect, leave, task_queue
    from gatework.temporal.transport.storing import documents
    from gatework.temporal.worker.logs import configure_logs
    from gatework.temporal.worker.plugin import GateworkPlugin
    from gatework.temporal.worker.serving import serve

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
    "Disclosure": "client.exporting",
    "Execution": "client.client",
    "GateworkPlugin": "worker.plugin",
    "Progress": "page.progress",
    "configure_logs": "worker.logs",
    "connect": "transport.connection",
    "documents": "transport.storing",
    "find": "client.client",
    "leave": "transport.connection",
    "serve": "worker.serving",
    "start": "client.client",
    "task_queue": "transport.connection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
