"""Handing events to the standard library's logging. Nothing is rendered before its level is known to be wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
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


def say_broke(
    name: str, error: BaseException, fields: Fields, *, clean: Callable[[str], str] = lambda said: said
) -> None:
    """Log that code raised: its type and its stack; its message, once it is clean, only where values are logged."""
    if not LOGGER.isEnabledFor(EVENTS[name].level):
        return
    event = LogEvent.of(name, {**fields, "error": type(error).__qualname__})
    write([event], context(), stack(error))
    if VALUES.isEnabledFor(logging.INFO):
        say_value("error", clean(_said(error)), fields)


def _said(error: BaseException) -> str:
    """The message of an exception, whose class may be anybody's."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # an exception that cannot say what it is must not hide what it is about
        return "(no message can be had)"


def say_value(of: str, value: object, fields: Fields = _NOWHERE) -> None:
    """Log a value itself, where somebody has asked for that."""
    if VALUES.isEnabledFor(logging.INFO):
        write([LogEvent.of("value.seen", {**fields, "of": of, "value": str(value)})], context(), logger=VALUES)


class EventRecord(logging.LogRecord):
    """A record of one event. Its message is made when somebody wants it; formatters that know `extra` do not."""

    __slots__ = ("fields",)  # where those who copy all attributes of a record do not find it

    fields: dict[str, Any]
    """Event and fields, clean."""

    def __init__(self, logger: str, level: int, fields: dict[str, Any], stack_info: str | None) -> None:
        super().__init__(logger, level, "", 0, fields["event"], (), None, None, stack_info)
        self.fields = fields
        self.__dict__.update(fields)

    def getMessage(self) -> str:
        return line(self.fields)


def write(
    events: Iterable[LogEvent],
    about: Fields,
    stack_info: str | None = None,
    *,
    logger: logging.Logger = LOGGER,
) -> None:
    """Log events about a run. Each record has the event's name and fields as attributes, and all as its message."""
    limit = MAX_VALUE if logger is VALUES else MAX_TEXT
    for event in events:
        if logger.isEnabledFor(event.level):
            fields: dict[str, Any] = {"event": event.name}
            for part in (about, event.fields):
                for name, value in part.items():
                    fields[name] = safe_value(value, limit)
            logger.handle(EventRecord(logger.name, event.level, fields, stack_info))
