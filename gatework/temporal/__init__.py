"""Gatework on Temporal: the only code that imports temporalio."""

from gatework.temporal.client import Execution, find, start
from gatework.temporal.connect import connect, leave, task_queue
from gatework.temporal.plugin import GateworkPlugin
from gatework.temporal.progress import Progress

__all__ = ["Execution", "GateworkPlugin", "Progress", "connect", "find", "leave", "start", "task_queue"]
