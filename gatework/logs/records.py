"""Records of the standard library's logging, of ours and of others, as fields that no value can forge."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from gatework.errors import GateworkError
from gatework.logs.emit import EventRecord, context
from gatework.logs.text import safe, safe_value, stack

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_MAX_MESSAGE = 1_000
"""Longest message of another logger."""

AGAIN_SECONDS = 30.0
"""How soon Temporal's core may say the same again."""
_MOST_SAID = 1_000

_STATUS = re.compile(r'Status \{ code: (\w+), message: "((?:[^"\\]|\\.)*)"')
"""How Temporal's core prints an answer of the server, with its whole inside behind it."""

_TEMPORAL = {
    "workflow_id": "run",
    "run_id": "run_id",
    "workflow_run_id": "run_id",
    "workflow_type": "workflow",
    "activity_type": "stage",
    "attempt": "try",
}
"""What Temporal calls in its records what we call so."""


def head_of(record: logging.LogRecord) -> dict[str, Any]:
    """When, and how loud."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"time": moment, "level": record.levelname.lower()}


def event_of(record: EventRecord) -> dict[str, Any]:
    """A record of ours as flat fields: `time`, `level`, `event`, then those of the event."""
    fields = {**head_of(record), **record.fields}
    if record.stack_info:
        fields["stack"] = _lines(record.stack_info)
    return fields


def fields_of(record: logging.LogRecord, message: str) -> dict[str, Any]:
    """A record of another logger as the same flat fields; text is clean and of one line."""
    fields = head_of(record)
    said = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    fields |= {"event": _message(record, message), "logger": safe(record.name)}
    # None may pass for the time, the level or the event.
    fields |= {name: value for name, value in _others(said).items() if name not in fields and name != "stack"}
    for name, value in context().items():
        fields.setdefault(name, safe_value(value))
    if record.exc_info and record.exc_info[1] is not None:
        fields |= _error(record.exc_info[1])
    elif record.stack_info:
        fields["stack"] = _lines(record.stack_info)
    return fields


def of_structlog(event: MutableMapping[str, Any]) -> dict[str, Any]:
    """An event that was logged by structlog itself, as the same flat fields."""
    record: logging.LogRecord = event.pop("_record")
    bare, message = logging.makeLogRecord(vars(record)), str(event.pop("event", ""))
    for private in ("_logger", "_name"):
        vars(bare).pop(private, None)
    fields = {safe(str(name), 60): safe_value(value) for name, value in event.items() if name != "exc_info"}
    return {
        **fields_of(bare, message),
        **{name: value for name, value in fields.items() if name not in ("time", "level")},
    }


class Noise(logging.Filter):
    """Leaves out what Temporal says beside an event of ours, and what it says again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("temporalio"):
            return True
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and _our_failure(error) and not getattr(error, "non_retryable", True):
            return False  # an attempt that is tried again: `try.failed`
        return record.name != "temporalio.core" or self._is_new(record)

    def _is_new(self, record: logging.LogRecord) -> bool:
        # While a server is away, each poller says so several times a second, counting.
        text = re.sub(r"\d+", "", record.getMessage())
        last = self._said.get(text, -AGAIN_SECONDS)
        if record.created - last < AGAIN_SECONDS:
            return False
        if len(self._said) >= _MOST_SAID:
            self._said.clear()
        self._said[text] = record.created
        return True


def _message(record: logging.LogRecord, message: str) -> str:
    if hasattr(record, "temporal_workflow") or hasattr(record, "temporal_activity"):
        message = message.partition(" ({")[0]  # the same as fields
    return safe(message.strip(), _MAX_MESSAGE)


def _others(said: dict[str, Any]) -> dict[str, Any]:
    """What another logger added to its record. Only plain values: others may print what they hold."""
    fields: dict[str, Any] = {}
    for name, value in said.items():
        if name in ("temporal_workflow", "temporal_activity") and isinstance(value, dict):
            fields |= {ours: safe_value(value[theirs]) for theirs, ours in _TEMPORAL.items() if value.get(theirs)}
        elif name == "temporal_log":
            core = getattr(value, "fields", None)
            if isinstance(core, dict):
                fields |= {ours: safe_value(core[theirs]) for theirs, ours in _TEMPORAL.items() if core.get(theirs)}
                if core.get("error"):
                    status = _STATUS.match(str(core["error"]))
                    fields["reason"] = safe(f"{status[1]}: {status[2]}" if status else str(core["error"]))
        elif isinstance(value, str | int | float | bool) and not name.startswith("_"):
            fields[safe(name, 60)] = safe_value(value)
    return fields


def _error(error: BaseException) -> dict[str, Any]:
    """An exception by its type and stack. Its message is given only where its words are ours or the server's."""
    ours = _our_failure(error)
    if ours:
        return {"error": ours, "reason": safe(str(getattr(error, "message", "")))}
    fields: dict[str, Any] = {"error": type(error).__qualname__}
    if isinstance(error, GateworkError):
        return {**fields, "reason": safe(error.message)}
    if type(error).__module__ == "temporalio.service":
        return {**fields, "reason": safe(str(error))}
    return {**fields, "stack": _lines(stack(error))}


def _our_failure(error: BaseException) -> str:
    """The type of a failure that is an answer of ours, and no fault of the program; empty for any other."""
    kind = getattr(error, "type", None)
    return kind if isinstance(kind, str) and kind.startswith("gatework.") else ""


def _lines(text: str) -> str:
    return "\n".join(safe(line) for line in text.splitlines())
