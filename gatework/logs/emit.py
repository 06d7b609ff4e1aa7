"""Handing events to the standard library's logging. Nothing is rendered before its level is known to be wanted."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gatework.logs.text import MAX_TEXT, line, safe_value, stack
from gatework.logs.vocabulary import EVENTS, LogEvent, Value

LOGGER = logging.getLogger("gatework")

VALUES = logging.getLogger("gatework.values")
"""Takes values themselves. Off at every level of its parents until somebody sets its own."""
if VALUES.level == logging.NOTSET:
    VALUES.setLevel(logging.CRITICAL + 10)

MAX_VALUE = 4_000
"""Longest value in characters that is logged where values are."""

Fields = Mapping[str, Value]

_context: ContextVar[Fields] = ContextVar("gatework_log_context")
_NOWHERE: Fields = {}


def context() -> Fields:
    """The fields of whatever runs here: run, plan, stage, attempt."""
    return _context.get(_NOWHERE)


@contextmanager
def bound(fields: Fields) -> Generator[None]:
    """Give every event inside the block these fields."""
    token = _context.set(fields)
    try:
        yield
    finally:
        _context.reset(token)


def wanted(level: int) -> bool:
    """Whether anybody listens at a level."""
    return LOGGER.isEnabledFor(level)


def say(name: str, fields: Fields = _NOWHERE) -> None:
    """Log an event of the worker, with the fields of the context."""
    if LOGGER.isEnabledFor(EVENTS[name].level):
        write([LogEvent.of(name, fields)], context())


def say_broke(name: str, error: BaseException, fields: Fields) -> None:
    """Log that code raised: its type and its stack; its message only where values are logged."""
    if not LOGGER.isEnabledFor(EVENTS[name].level):
        return
    event = LogEvent.of(name, {**fields, "error": type(error).__qualname__})
    write([event], context(), stack(error))
    say_value("error", str(error), fields)


def say_value(of: str, value: object, fields: Fields = _NOWHERE) -> None:
    """Log a value itself, where somebody has asked for that."""
    if VALUES.isEnabledFor(logging.INFO):
        write([LogEvent.of("value.seen", {**fields, "of": of, "value": str(value)})], context(), logger=VALUES)


def write(
    events: Iterable[LogEvent],
    about: Fields,
    stack_info: str | None = None,
    *,
    logger: logging.Logger = LOGGER,
) -> None:
    """Log events about a run. Each record has the event's name and fields as attributes, and all as its message."""
    for event in events:
        if not logger.isEnabledFor(event.level):
            continue
        limit = MAX_VALUE if logger is VALUES else MAX_TEXT
        fields: dict[str, Any] = {
            name: safe_value(value, limit) for part in (about, event.fields) for name, value in part.items()
        }
        record = logger.makeRecord(
            logger.name,
            event.level,
            "",
            0,
            line(event.name, fields),
            (),
            None,
            extra={"event": event.name, **fields},
            sinfo=stack_info,
        )
        logger.handle(record)
