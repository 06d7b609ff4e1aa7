"""Threads for functions that may never return: a call has one to itself, and holds up neither others nor the exit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

_Call = tuple[Callable[[], object], asyncio.AbstractEventLoop, "asyncio.Future[object]"]


class Threads:
    """Daemon threads that take one call at a time; up to `keep` of those that have ended wait for the next.

    Not an executor: there is no limit, behind which a call would wait for one that never returns, and nothing joins
    them at exit.
    """

    def __init__(self, keep: int = 0) -> None:
        self._keep = keep
        self._idle: deque[SimpleQueue[_Call]] = deque()

    def call(self, function: Callable[[], object]) -> asyncio.Future[object]:
        """Start a call; the future is that of the running event loop. Whatever ends the call becomes an `Exception`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        try:
            calls = self._idle.pop()
        except IndexError:
            calls = SimpleQueue()
            threading.Thread(target=self._serve, args=(calls,), name="gatework", daemon=True).start()
        calls.put((function, loop, future))
        return future

    def _serve(self, calls: SimpleQueue[_Call]) -> None:
        kept = True
        while kept:
            function, loop, future = calls.get()
            result, error = _outcome(function)
            # Before its caller hears of it, who may have the next one ready.
            kept = len(self._idle) < self._keep
            if kept:
                self._idle.append(calls)
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(_settle, future, result, error)
            del function, loop, future, result, error  # or they would live until the next call


def _outcome(function: Callable[[], object]) -> tuple[object, BaseException | None]:
    try:
        return function(), None
    except BaseException as broke:  # noqa: BLE001  # a call must not take the thread down in silence
        ordinary = isinstance(broke, Exception) and not isinstance(broke, StopIteration)
        return None, broke if ordinary else RuntimeError(type(broke).__name__).with_traceback(broke.__traceback__)


def _settle(future: asyncio.Future[object], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
