"""Threads that guards think on, and how several of them share one."""

from __future__ import annotations

import asyncio
import decimal
import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from gatework.perform.answers import Call, Late, answers
from gatework.threads import Threads


def call(function: Callable[..., object], seconds: float = 5.0) -> Call:
    return Call(function, lambda: (("output",), {}), seconds)


def alive() -> int:
    return sum(thread.name == "gatework" for thread in threading.enumerate())


async def test_a_thread_that_is_kept_takes_the_next_call() -> None:
    """Starting a thread costs more than most guards."""
    threads = Threads(keep=1)
    first = await threads.call(threading.get_ident)
    assert await threads.call(threading.get_ident) == first


async def test_a_thread_that_is_not_kept_ends() -> None:
    """Nothing is left of a call where nothing is to be kept."""
    before = alive()
    await Threads().call(lambda: None)
    deadline = time.monotonic() + 60
    while alive() > before and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert alive() == before


async def test_a_call_that_never_returns_holds_up_no_other() -> None:
    """There is no limit behind which a call would wait."""
    threads, stop = Threads(keep=1), threading.Event()
    stuck = [threads.call(stop.wait) for _ in range(40)]
    assert await asyncio.wait_for(threads.call(lambda: "answered"), 30) == "answered"
    stop.set()
    await asyncio.gather(*stuck)


async def test_a_call_that_is_over_in_a_moment_is_not_waited_for() -> None:
    """To be woken by another thread costs the loop more than most calls take."""
    threads = Threads(keep=1)
    await threads.call(lambda: None)
    assert threads.call(lambda: "answered", moment=60).result() == "answered"
    broken = threads.call(lambda: 1 // 0, moment=60)
    assert isinstance(broken.exception(), ZeroDivisionError)


async def test_a_call_that_is_not_over_in_a_moment_holds_up_the_loop_no_longer() -> None:
    """What it waits for here comes from the loop."""
    threads, go = Threads(keep=1), threading.Event()
    await threads.call(lambda: None)
    waiting = threads.call(lambda: go.wait(60), moment=0.001)
    assert not waiting.done()
    go.set()
    assert await waiting is True


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(), KeyboardInterrupt(), StopIteration()])
async def test_whatever_ends_a_call_is_an_exception_and_the_thread_lives(error: BaseException) -> None:
    """Nothing that a function raises ends the thread in silence, or the loop."""
    threads = Threads(keep=1)

    def breaking() -> None:
        raise error

    with pytest.raises(Exception):  # noqa: B017, PT011  # any is right, so long as it is no bare BaseException
        await threads.call(breaking)
    assert await threads.call(lambda: "answered") == "answered"


async def test_plain_guards_share_one_thread_in_their_order() -> None:
    """Two guards cost one change of thread; they run one after the other."""
    seen: list[tuple[str, int]] = []

    def noting(name: str) -> Call:
        def note(_output: object) -> str:
            seen.append((name, threading.get_ident()))
            return name

        return call(note)

    assert await answers([noting(name) for name in "abc"], Threads(keep=1)) == ["a", "b", "c"]
    assert [name for name, _ in seen] == ["a", "b", "c"]
    assert len({ident for _, ident in seen}) == 1


async def test_a_late_guard_is_left_behind_and_the_others_answer() -> None:
    """Each guard gives its answer, also those after one that never will."""
    stop, ran = threading.Event(), []

    def last(output: object) -> str:
        ran.append(output)
        return "c"

    calls = [call(lambda _: "a"), call(lambda _: stop.wait(), 0.1), call(last)]
    began = time.monotonic()
    first, late, third = await answers(calls, Threads(keep=2))
    assert (first, third) == ("a", "c")
    assert isinstance(late, Late)
    assert time.monotonic() - began < 15
    stop.set()
    await asyncio.sleep(0.05)
    assert ran == ["output"], "the thread that was left behind went on"


async def test_what_a_guard_sets_for_its_thread_does_not_reach_the_next() -> None:
    """A guard that rounds its decimals does not make the next one, of this run or another, compare rounded ones."""

    def rounding(_output: object) -> None:
        decimal.getcontext().prec = 2

    def exact(_output: object) -> bool:
        return Decimal("100.4") + 0 > 100

    threads = Threads(keep=1)
    assert (await answers([call(rounding), call(exact)], threads))[1] is True
    assert await answers([call(exact)], threads) == [True]


async def test_plain_and_async_guards_keep_the_order_of_the_plan() -> None:
    """An async guard between two plain ones runs between them."""
    seen: list[str] = []

    async def second(_output: object) -> str:
        await asyncio.sleep(0)
        seen.append("b")
        return "b"

    calls = [call(lambda _: seen.append("a")), call(second), call(lambda _: seen.append("c"))]
    await answers(calls, Threads())
    assert seen == ["a", "b", "c"]


async def test_an_answer_that_comes_too_late_counts_as_late() -> None:
    """Also where the loop was held up and could not look in time."""
    held = answers([call(lambda _: time.sleep(0.05), 0.1)], Threads())
    waiting = asyncio.ensure_future(held)
    await asyncio.sleep(0)
    time.sleep(0.3)
    assert await waiting == [None], "the guard itself was quick"
    assert isinstance((await answers([call(lambda _: time.sleep(0.2), 0.1)], Threads()))[0], Late)
