"""Threads for functions that may never return: a call has one to itself, and holds up neither others nor the exit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

_Outcome = tuple[object, BaseException | None]


class Threads:
    """Daemon threads that take one call at a time; up to `keep` of those that have ended wait for the next.

    Not an executor: there is no limit, behind which a call would wait for one that never returns, and nothing joins
    them at exit.
    """

    def __init__(self, keep: int = 0) -> None:
        self._keep = keep
        self._idle: deque[SimpleQueue[_Call]] = deque()

    def call(self, function: Callable[[], object], *, moment: float = 0.0) -> asyncio.Future[object]:
        """Start a call; the future is that of the running event loop. Whatever ends the call becomes an `Exception`.

        For so many seconds, a `moment`, the loop stands still for the call, which is then over already if it was quick:
        to be woken by another thread costs the loop more than most calls take.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        call = _Call(function)
        try:
            calls = self._idle.pop()
        except IndexError:
            calls = SimpleQueue()
            threading.Thread(target=self._serve, args=(calls,), name="gatework", daemon=True).start()
            moment = 0.0  # it has first to begin
        calls.put(call)
        if moment and call.over.acquire(timeout=moment):
            assert call.outcome is not None
            _settle(future, *call.outcome)
            return future
        call.waits = (loop, future)
        # It may have ended just before it could see who waits. Both may settle the future, and one of them does.
        if (outcome := call.outcome) is not None:
            _settle(future, *outcome)
        return future

    def _serve(self, calls: SimpleQueue[_Call]) -> None:
        kept = True
        while kept:
            call = calls.get()
            outcome = _outcome(call.function)
            # Before its caller hears of it, who may have the next one ready.
            kept = len(self._idle) < self._keep
            if kept:
                self._idle.append(calls)
            call.outcome = outcome
            call.over.release()
            if call.waits is not None:
                loop, future = call.waits
                with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                    loop.call_soon_threadsafe(_settle, future, *outcome)
                del loop, future
            del call, outcome  # or they would live until the next call


class _Call:
    """One call, which its thread ends and its caller waits for."""

    __slots__ = ("function", "outcome", "over", "waits")

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.outcome: _Outcome | None = None
        self.waits: tuple[asyncio.AbstractEventLoop, asyncio.Future[object]] | None = None
        """Who is to be told through the loop; nobody while the caller stands still for it."""
        self.over = threading.Lock()
        self.over.acquire()


def _outcome(function: Callable[[], object]) -> _Outcome:
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
