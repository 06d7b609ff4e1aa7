"""Logs of a process that serves workflows: ours, Temporal's, and those of Temporal's core, in one stream."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TextIO

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from gatework import logs
from gatework.logs.configure import Level, Style

_CORE = logging.getLogger("temporalio.core")


def configure_logs(
    *, style: Style | None = None, level: Level | None = None, values: bool | None = None, stream: TextIO | None = None
) -> None:
    """`gatework.logs.configure`, for a process with a Temporal client; call it before the first one connects.

    Temporal's core writes its own lines to the terminal; they are sent the same way as all others. Raises
    `ConfigError`.
    """
    logs.configure(style=style, level=level, values=values, stream=stream)
    # Its fields may quote what a workflow failed with; `gatework.logs.records` takes those that cannot.
    forwarding = LogForwardingConfig(
        logger=_CORE,
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,
    )
    heard = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    with suppress(RuntimeError):  # a runtime that is there already keeps its own way
        Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=heard)))
