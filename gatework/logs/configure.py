"""The logs of a process of our own, on standard error: pretty on a terminal, JSON lines otherwise."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO, get_args

from gatework.errors import ConfigError
from gatework.logs import emit
from gatework.logs.records import Noise, event_of, fields_of, of_structlog

Style = Literal["pretty", "json"]
Level = Literal["debug", "info", "warning", "error"]
Renderer = Callable[[Any, str, MutableMapping[str, Any]], str | bytes]

_FOREIGN = logging.WARNING
"""From here on others are heard, whatever our own level: what they say of a request is not worth a line each."""


def configure(
    *, style: Style | None = None, level: Level | None = None, values: bool | None = None, stream: TextIO | None = None
) -> None:
    """Send the logs of this process to standard error; for programs, never for libraries.

    What is not given is read from GATEWORK_LOG (`pretty` or `json`; pretty on a terminal where it is not set),
    GATEWORK_LOG_LEVEL (`debug`, `info`, `warning`, `error`; info) and GATEWORK_LOG_VALUES (1 adds the values
    themselves: inputs, outputs and messages of exceptions; the log then begins with an error that says so).
    Replaces what the root logger had.
    Raises `ConfigError` where a variable holds something else.
    """
    written = stream or sys.stderr
    terminal = written.isatty()
    chosen = style or _chosen("GATEWORK_LOG", get_args(Style), "pretty" if terminal else "json")
    number = logging.getLevelNamesMapping()[(level or _chosen("GATEWORK_LOG_LEVEL", get_args(Level), "info")).upper()]
    if values is None:
        values = _chosen("GATEWORK_LOG_VALUES", ("0", "1"), "0") == "1"
    handler = logging.StreamHandler(written)
    handler.setFormatter(_formatter(chosen, colours=terminal and not os.environ.get("NO_COLOR")))
    handler.addFilter(Noise())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # A finer level is for our own events: at debug others log what they send and receive.
    root.setLevel(max(number, logging.INFO))
    for name in ("temporalio", "httpx", "httpcore", "openai", "anthropic"):
        logging.getLogger(name).setLevel(max(number, _FOREIGN))
    emit.LOGGER.setLevel(number)
    emit.VALUES.setLevel(logging.INFO if values else logging.CRITICAL + 10)
    if values:
        emit.LOGGER.error(
            "GATEWORK_LOG_VALUES is on: this log holds inputs, outputs and messages of exceptions as they are, "
            "and may be read by nobody who may not read those"
        )


def _chosen(variable: str, allowed: tuple[str, ...], default: str) -> Any:
    given = os.environ.get(variable, "").strip().lower() or default
    if given not in allowed:
        raise ConfigError(f"{variable} is none of {', '.join(allowed)}; set it to one of them, or unset it.")
    return given


def _formatter(style: Style, *, colours: bool) -> logging.Formatter:
    # Loaded here: it takes as long as the rest of the engine, and applications bring their own formatter.
    from structlog.processors import JSONRenderer
    from structlog.stdlib import ProcessorFormatter

    from gatework.logs.console import console

    encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make one for each event
    renderer: Renderer = (
        console(colours=colours) if style == "pretty" else JSONRenderer(serializer=lambda fields, **_: encode(fields))
    )

    def read(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**fields_of(event["_record"], event["event"]), "_from_structlog": False}

    def cleaned(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # What an application logs by structlog itself comes here without having been read from a record.
        return of_structlog(event) if event.pop("_from_structlog") else event

    return _Formatter(renderer, ProcessorFormatter(foreign_pre_chain=[read], processors=[cleaned, renderer]))


class _Formatter(logging.Formatter):
    """Events of ours are clean, and rendered as they are; records of others go the long way."""

    def __init__(self, renderer: Renderer, others: logging.Formatter) -> None:
        super().__init__()
        self._renderer = renderer
        self._others = others

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, emit.EventRecord):
            return str(self._renderer(None, "", event_of(record)))
        return self._others.format(record)
