"""Logs: one event for each decision of a run, through the standard library's `logging`, under the logger `gatework`.

An application that configures nothing sees warnings on standard error. One that configures `logging` or structlog
gets records whose fields are attributes. `configure` is for processes of our own.
"""

from gatework.logs.configure import configure
from gatework.logs.fields import FIELDS
from gatework.logs.vocabulary import EVENTS, LogEvent

__all__ = ["EVENTS", "FIELDS", "LogEvent", "configure"]
