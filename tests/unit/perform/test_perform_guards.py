"""Guards fail closed: whatever one does but answer in its time with a verdict is a block."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, ClassVar, Literal

import pytest

from gatework import Block, Escalate, Pass, Retry, Stage, Untrusted, Verdict, guard, stage
from gatework.run.events import Given
from tests.unit.attempts import Claim, Mail, failed, finished
from tests.unit.hostile import MARK

GOOD = Untrusted(Claim(order="7", amount=3))


class Almost(Verdict):
    """A verdict of somebody's own."""

    word: ClassVar[Literal["pass"]] = "pass"


class Sneaky(Pass):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # it is final, and Python lets us
    pass


BLOCK: Any = Block("No.")


class Lookalike:
    word = "pass"
    reason = ""


def guarded(*guards: Any) -> Stage[Any, Any]:
    @stage(*guards)
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        return GOOD

    return extract


def doing(act: Any, *, is_async: bool) -> Any:
    """A guard that gives back this value, or raises it, or calls it with the claim."""

    def answered(claim: Claim) -> Any:
        if isinstance(act, BaseException):
            raise act
        return act(claim) if callable(act) and not isinstance(act, type) else act

    def check(claim: Claim, mail: Mail) -> Verdict:
        return answered(claim)  # type: ignore[no-any-return]

    async def check_async(claim: Claim, mail: Mail) -> Verdict:
        return answered(claim)  # type: ignore[no-any-return]

    chosen: Any = check_async if is_async else check
    chosen.__name__ = "check"
    return chosen


async def verdict_of(check: Any, seconds: float = 1.0) -> Given:
    event = await finished(guarded(guard(timeout=timedelta(seconds=seconds))(check)))
    (given,) = event.verdicts
    assert given.guard == "check"
    assert given.on == event.output.digest
    assert MARK not in given.reason
    return given


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("verdict", [Pass(), Pass("fine"), Retry("Quote it."), Block("No."), Escalate("Look at it.")])
async def test_verdict_is_recorded_on_the_digest_that_the_guard_saw(verdict: Verdict, is_async: bool) -> None:
    """Each guard of the plan answers, sync or async, and a retry says what the model is told."""
    given = await verdict_of(doing(verdict, is_async=is_async))
    assert (given.verdict, given.reason) == (verdict.word, verdict.reason)


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, "no verdict"),
    "true": (True, "no verdict"),
    "false": (False, "no verdict"),
    "a word": ("pass", "no verdict"),
    "an empty text": ("", "no verdict"),
    "a number": (1, "no verdict"),
    "the class": (Pass, "no verdict"),
    "a pair": ((Pass(), "fine"), "no verdict"),
    "a verdict of its own": (Almost.__new__(Almost), "no verdict"),
    "a verdict that is final": (Sneaky.__new__(Sneaky), "no verdict"),
    "what looks like a verdict": (Lookalike(), "no verdict"),
    "an error": (ValueError(MARK), "broke: ValueError at "),
    "an assertion": (AssertionError(MARK), "broke: AssertionError at "),
    "a truth of a verdict": (lambda claim: Pass() if BLOCK else None, "broke: TypeError at "),
    "a retry without a reason": (lambda claim: Retry(""), "broke: TypeError at "),
    "a wrong model": (lambda claim: Claim(order=MARK, amount=claim.order + MARK), "broke: ValidationError at "),
    "an exit": (SystemExit(MARK), "broke: RuntimeError at "),
    "an exit by function": (lambda claim: sys.exit(MARK), "broke: RuntimeError at "),
    "an interrupt": (KeyboardInterrupt(MARK), "broke: RuntimeError at "),
    "an end of iteration": (StopIteration(MARK), "broke: "),
    "an end of async iteration": (StopAsyncIteration(MARK), "broke: "),
    "a cancellation": (asyncio.CancelledError(MARK), "broke: RuntimeError at "),
    "a timeout of something else": (TimeoutError(MARK), "broke: TimeoutError at "),
    "a recursion": (lambda claim: recursing(claim), "broke: RecursionError at "),
}


def recursing(claim: Claim) -> Any:
    return recursing(claim)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("case", WRONG)
async def test_guard_that_gives_no_verdict_blocks(case: str, is_async: bool) -> None:
    """An answer that is none, and no answer at all."""
    act, reason = WRONG[case]
    given = await verdict_of(doing(act, is_async=is_async))
    assert given.verdict == "block"
    assert reason in given.reason, given.reason


async def blocking(claim: Claim) -> Verdict:
    time.sleep(0.3)
    return Pass()


async def sleeping(claim: Claim) -> Verdict:
    await asyncio.sleep(30)
    return Pass()


async def stubborn(claim: Claim) -> Verdict:
    for _ in range(20):
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            continue
    return Pass()


def never(claim: Claim) -> Verdict:
    threading.Event().wait(20)
    return Pass()


def backtracking(claim: Claim) -> Verdict:
    return Retry("Odd.") if re.match(r"(a+)+$", "a" * 24 + "b") else Pass()


def deferred(claim: Claim) -> Awaitable[Verdict]:
    return sleeping(claim)


@pytest.mark.parametrize("check", [blocking, sleeping, stubborn, never, backtracking, deferred])
async def test_guard_past_its_time_blocks(check: Any) -> None:
    """Whether it sleeps, waits for ever, holds up everything or waves its cancellation off."""
    began = time.monotonic()
    name, check.__name__ = check.__name__, "check"
    try:
        given = await verdict_of(check, seconds=0.05)
    finally:
        check.__name__ = name
    assert (given.verdict, given.reason) == ("block", "the guard check took longer than 0.05 s")
    assert time.monotonic() - began < 10


async def test_late_guard_does_not_hold_up_the_loop() -> None:
    """Synchronous guards think on a thread of their own."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    def thinking(claim: Claim) -> Verdict:
        time.sleep(0.3)
        return Pass()

    ticking = asyncio.create_task(tick())
    await finished(guarded(thinking))
    ticking.cancel()
    assert ticks > 10


async def test_each_guard_sees_a_fresh_copy() -> None:
    """What one guard does to its copy is nothing to the next, nor to the output."""
    seen: list[str] = []

    def spoil(claim: Claim, mail: Mail) -> Verdict:
        claim.order = MARK
        mail.text = MARK
        return Pass()

    async def look(claim: Claim, mail: Mail) -> Verdict:
        seen.append(claim.order + mail.text)
        return Pass()

    event = await finished(guarded(spoil, look), inputs={"mail": {"text": "a"}})
    assert seen == ["7a"]
    assert event.output.data == {"amount": 3, "order": "7"}


async def test_every_guard_answers_in_order() -> None:
    """A block of the first does not spare the run the others' verdicts."""

    def first(claim: Claim) -> Verdict:
        return Block("No.")

    def second(claim: Claim, mail: Mail) -> Verdict:
        return Retry("Quote it.")

    event = await finished(guarded(first, second))
    assert [(given.guard, given.verdict) for given in event.verdicts] == [("first", "block"), ("second", "retry")]


async def test_guard_bound_to_another_input_reads_that_one() -> None:
    """`on` hands a guard another input under the name it knows."""
    seen: list[str] = []

    @guard
    def reads(claim: Claim, mail: Mail, limit: int = 3) -> Verdict:
        seen.append(f"{mail.text}{limit}")
        return Pass()

    @stage(reads.on(mail="second"))
    async def extract(mail: Untrusted[Mail], second: Untrusted[Mail]) -> Untrusted[Claim]:
        return GOOD

    await finished(extract, inputs={"mail": {"text": "a"}, "second": {"text": "b"}})
    assert seen == ["b3"]


async def test_guards_look_at_an_edited_value() -> None:
    """A person's value passes the guards that a model's would."""
    event = await finished(
        guarded(doing(lambda claim: Block(f"{claim.amount}"), is_async=False)), edited={"order": "8", "amount": 9}
    )
    assert [(given.verdict, given.reason) for given in event.verdicts] == [("block", "9")]


async def test_cancellation_while_a_guard_thinks_passes_through() -> None:
    """A run that is cancelled is not a guard that broke."""
    task = asyncio.create_task(finished(guarded(sleeping)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_guards_count_into_the_time_of_the_stage() -> None:
    """A stage's deadline holds for its guards too."""
    event = await failed(guarded(sleeping), timeout_seconds=0.05)
    assert event.failure == "timeout"
