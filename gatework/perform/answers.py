"""What guards answer, each within its time: async ones on the event loop, others on a thread that may be left behind.

Plain functions that stand next to each other share one thread and one return to the loop, which is what calling them
costs. One that is late keeps the thread to itself, and those after it get another.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from gatework.threads import Threads

_MOMENT = 0.0002
"""How many seconds the event loop stands still for guards: most have answered by then, and no others hold it up."""


class Late(Exception):
    """A guard has not answered in its time."""


@dataclass(frozen=True)
class Call:
    """A guard with what it is to look at."""

    function: Callable[..., object]
    given: Callable[[], tuple[Sequence[object], dict[str, object]]]
    """Makes what it is called with: the output, if it looks at one, and further values by name."""
    seconds: float

    def __call__(self) -> object:
        output, others = self.given()
        return self.function(*output, **others)


_is_async = functools.lru_cache(maxsize=512)(inspect.iscoroutinefunction)  # which takes as long as a quick guard


async def answers(calls: Sequence[Call], threads: Threads) -> list[object]:
    """What each guard answers, in order. Where it is late or breaks, that `Exception` stands in its place."""
    found: list[object] = []
    for is_async, group in itertools.groupby(calls, lambda call: _is_async(call.function)):
        if is_async:
            found += [await _awaited(_begun(call), call.seconds) for call in group]
        else:
            found += await _in_turn(list(group), threads)
    return found


async def _in_turn(calls: list[Call], threads: Threads) -> list[object]:
    found: list[tuple[object, float]] = []
    while len(found) < len(calls):
        found += await _Turn(calls[len(found) :]).taken(threads)
    # A plain function may hand on what an async one is to give.
    return [await _awaited(answer, left) if isinstance(answer, Awaitable) else answer for answer, left in found]


async def _begun(call: Callable[[], Any]) -> object:
    return await call()


async def _awaited(answer: Awaitable[object], seconds: float) -> object:
    began = time.monotonic()
    task = asyncio.ensure_future(_contained(answer))
    try:
        # Unlike `asyncio.timeout` this does not wait for the guard to agree that its time is up.
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    # One that holds up the loop holds up its own deadline, too.
    if not task.done() or time.monotonic() - began > seconds:
        return Late()
    return RuntimeError("cancelled by itself") if task.cancelled() else task.result()


async def _contained(answer: Awaitable[object]) -> object:
    try:
        return await answer
    except Exception as error:  # noqa: BLE001  # a guard that breaks in whatever way has not passed
        return error
    except (KeyboardInterrupt, SystemExit) as error:  # which asyncio would let end the worker
        return RuntimeError(type(error).__name__)


class _Turn:
    """Plain functions, one after the other on one thread, until one is late."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls
        self._found: list[tuple[object, float]] = []
        """Each answer, and how many seconds were left when it came."""
        self._began = time.monotonic()
        self._abandoned = False

    async def taken(self, threads: Threads) -> list[tuple[object, float]]:
        """The answers, up to that of the first that is late."""
        done = threads.call(self._run, moment=_MOMENT)
        try:
            while not done.done():
                answered = self._found[:]
                ahead = self._calls[len(answered) :]
                if ahead and self._left(ahead[0]) <= 0 and len(answered) == len(self._found):
                    return [*answered, (Late(), 0.0)]
                # The next ones may begin at any moment, and be late no sooner than in all their time.
                spare = [self._left(call) for call in ahead[:1]] + [call.seconds for call in ahead[1:]]
                await _until(done, max(min(spare, default=0), 0.001))
            return self._found
        finally:
            self._abandoned = True
            done.cancel()

    def _left(self, call: Call) -> float:
        return self._began + call.seconds - time.monotonic()

    def _run(self) -> None:
        for call in self._calls:
            if self._abandoned:
                return
            self._began = time.monotonic()
            answer = _outcome(call)
            left = self._left(call)
            self._found.append((answer if left >= 0 else Late(), left))


async def _until(done: asyncio.Future[object], seconds: float) -> None:
    """Wait until a future is done, or for so long; as `asyncio.wait` does, which takes twice the time to begin."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(seconds, wake)
    done.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        done.remove_done_callback(wake)


def _outcome(call: Callable[[], object]) -> object:
    try:
        # A thread outlives a guard, and with it what the guard set there: the precision of decimals, for one.
        return Context().run(call)
    except Exception as error:  # noqa: BLE001  # a guard that breaks in whatever way has not passed
        return error
    except BaseException as error:  # noqa: BLE001  # which would end the thread, and in asyncio the worker
        return RuntimeError(type(error).__name__)
