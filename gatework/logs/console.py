"""How events look on a terminal: the time, the level, the event, then its fields."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Any

from structlog.dev import Column, ConsoleRenderer

from gatework.logs.text import quoted

_LEVELS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_BOLD, _DIM, _CYAN, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"
_HIDDEN = ("run_id", "plan", "receipt")
"""Fields that a person at a terminal can do without; the JSON lines have them."""


def console(*, colours: bool) -> Callable[[Any, str, MutableMapping[str, Any]], str]:
    """A renderer for a terminal. Values are quoted, so that none looks like a field, a line or a colour."""
    dim, bold, cyan, reset = (_DIM, _BOLD, _CYAN, _RESET) if colours else ("", "", "", "")

    def time(key: str, value: object) -> str:
        moment = datetime.fromisoformat(str(value)).astimezone()
        return f"{dim}{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}{reset}"

    def level(key: str, value: object) -> str:
        return f"{_LEVELS.get(str(value), '') if colours else ''}{value!s:<7}{reset}"

    def event(key: str, value: object) -> str:
        return f"{bold}{value!s:<16}{reset}"

    def other(key: str, value: object) -> str:
        if key in _HIDDEN or (key == "try" and value == 1):
            return ""
        return f"{dim}{key}={reset}{cyan if key in ('run', 'stage') else ''}{quoted(value)}{reset}"

    columns = [Column("time", time), Column("level", level), Column("event", event), Column("", other)]
    renderer = ConsoleRenderer(columns=columns, sort_keys=False)

    def render(logger: Any, name: str, fields: MutableMapping[str, Any]) -> str:
        if "stack" in fields:
            fields["stack"] = "\n".join(f"{dim}  | {line.strip()}{reset}" for line in fields["stack"].split("\n"))
        return renderer(logger, name, fields)

    return render
