"""Records of the standard library's logging, of ours and of others, as fields that no value can forge."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from gatework.errors import GateworkError
from gatework.logs.emit import EventRecord, context
from gatework.logs.text import safe, safe_value, stack

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_MAX_MESSAGE = 1_000
"""Longest message of another logger."""

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


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """A record of another logger as the same flat fields; text is clean and of one line."""
    fields = head_of(record)
    said = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    fields |= {"event": _message(record), "logger": safe(record.name), **_others(said)}
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
    bare = logging.makeLogRecord({**vars(record), "msg": str(event.pop("event", "")), "args": None})
    for private in ("_logger", "_name"):
        vars(bare).pop(private, None)
    fields = {safe(str(name), 60): safe_value(value) for name, value in event.items() if name != "exc_info"}
    return {**fields_of(bare), **{name: value for name, value in fields.items() if name not in ("time", "level")}}


def is_noise(record: logging.LogRecord) -> bool:
    """Whether a record repeats what an event of ours says: that Temporal is to try an attempt again."""
    error = record.exc_info[1] if record.exc_info else None
    return (
        error is not None
        and record.name == "temporalio.activity"
        and bool(_our_failure(error))
        and (not getattr(error, "non_retryable", True))
    )


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # a format that does not fit its arguments
        message = str(record.msg)
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
            known = {**_TEMPORAL, "error": "error"}
            fields |= {known[key]: safe_value(core[key]) for key in known if isinstance(core, dict) and core.get(key)}
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
