"""Heartbeats: how a running activity shows that its worker lives, and hears that it is not wanted any more."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from temporalio import activity

HEARTBEAT_TIMEOUT = timedelta(seconds=20)
"""How soon a dead worker is noticed, unless `GateworkPlugin(heartbeat_timeout=…)` says otherwise."""

HEARTBEATS = 5
"""How often in that time a running activity shows that its worker lives."""


@contextmanager
def beating(info: activity.Info) -> Generator[None]:
    """Show that this worker lives, while the block runs."""
    beats = _Heartbeat((info.heartbeat_timeout or HEARTBEAT_TIMEOUT).total_seconds() / HEARTBEATS)
    try:
        yield
    finally:
        beats.stop()


class _Heartbeat:
    """Beats until it is stopped; a timer and no task, since most stages end before the first beat."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = self._after_a_while()

    def _after_a_while(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._seconds, self._beat)

    def _beat(self) -> None:
        activity.heartbeat()
        self._next = self._after_a_while()

    def stop(self) -> None:
        self._next.cancel()
