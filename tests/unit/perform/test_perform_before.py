"""Guards on inputs, in one attempt: asked before the work, on copies of the inputs, and closed where they fail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gatework import Block, Escalate, Pass, Retry, Stage, Untrusted, Verdict, guard, stage
from tests.unit.attempts import Claim, Mail, failed, finished, stopped
from tests.unit.hostile import MARK


class Desk:
    """A stage that counts how often it worked."""

    def __init__(self, *before: Any, **options: Any) -> None:
        self.worked = 0

        @stage(before=before, **options)
        async def read(mail: Untrusted[Mail]) -> Untrusted[Claim]:
            self.worked += 1
            return Untrusted(Claim(order="7", amount=3))

        self.read: Stage[Any, Any] = read


def passes(mail: Mail) -> Verdict:
    return Pass()


async def asks(mail: Mail) -> Verdict:
    return Escalate("Odd.")


def again(mail: Mail) -> Verdict:
    return Retry("Shorter.")


def blocks(mail: Mail) -> Verdict:
    return Block("No.")


async def test_stage_works_after_every_guard_on_its_inputs_passed() -> None:
    """The verdicts come with the output, on the digest of the inputs."""
    desk = Desk(passes)
    event = await finished(desk.read)
    assert [(given.guard, given.on, given.verdict) for given in event.before] == [("passes", event.inputs, "pass")]
    assert desk.worked == 1


@pytest.mark.parametrize("check", [asks, again, blocks])
async def test_stage_does_not_work_where_a_guard_on_its_inputs_does_not_pass(check: Any) -> None:
    """Block, retry and escalate alike keep the stage from working; every guard has its say."""
    desk = Desk(check, passes)
    event = await stopped(desk.read)
    assert [given.guard for given in event.verdicts] == [check.__name__, "passes"]
    assert {given.on for given in event.verdicts} == {event.inputs}
    assert desk.worked == 0


async def test_inputs_that_a_person_let_in_are_worked_on_without_asking() -> None:
    """The guards have said what they had to say."""
    desk = Desk(asks)
    event = await finished(desk.read, let_in=True)
    assert (event.before, desk.worked) == ((), 1)


async def test_persons_value_is_not_work() -> None:
    """Where a person gave the output there is no work to guard."""
    desk = Desk(blocks)
    event = await finished(desk.read, edited={"order": "8", "amount": 1})
    assert (event.before, desk.worked) == ((), 0)


def breaks(mail: Mail) -> Verdict:
    raise ValueError(MARK)


def answers_nothing(mail: Mail) -> Verdict:
    return None  # type: ignore[return-value]


@guard(timeout=timedelta(milliseconds=50))
async def sleeps(mail: Mail) -> Verdict:
    await asyncio.sleep(5)
    return Pass()


@pytest.mark.parametrize("check", [breaks, answers_nothing, sleeps])
async def test_guard_on_inputs_that_fails_blocks(check: Any) -> None:
    """A guard that breaks, is late or answers no verdict lets nothing in, and repeats nothing of the inputs."""
    desk = Desk(check)
    event = await stopped(desk.read)
    assert event.verdicts[0].verdict == "block"
    assert MARK not in event.verdicts[0].reason
    assert desk.worked == 0


async def test_guard_on_inputs_gets_a_copy() -> None:
    """What a guard does to what it is given reaches neither the next guard nor the stage."""
    seen = []

    def spoils(mail: Mail) -> Verdict:
        mail.text = "spoilt"
        return Pass()

    def looks(mail: Mail) -> Verdict:
        seen.append(mail.text)
        return Pass()

    @stage(before=[spoils, looks])
    async def read(mail: Untrusted[Mail]) -> Untrusted[str]:
        seen.append(mail.value.text)
        return Untrusted("")

    await finished(read, inputs={"mail": {"text": "fine"}})
    assert seen == ["fine", "fine"]


async def test_guard_on_inputs_is_bound_to_those_that_it_names() -> None:
    """By the name of its parameters, or as `.on(…)` says."""
    seen: dict[str, str] = {}

    @guard
    def compares(one: Mail, letter: Mail) -> Verdict:
        seen.update(one=one.text, letter=letter.text)
        return Pass()

    @stage(before=[compares.on(one="mail")])
    async def read(mail: Untrusted[Mail], letter: Untrusted[Mail]) -> Untrusted[str]:
        return Untrusted("")

    await finished(read, inputs={"mail": {"text": "m"}, "letter": {"text": "l"}})
    assert seen == {"one": "m", "letter": "l"}


async def test_failure_of_the_work_says_what_let_it_run() -> None:
    """The verdicts on the inputs are in the evidence of an attempt that failed after them."""

    @stage(before=[passes])
    async def read(mail: Untrusted[Mail]) -> Untrusted[str]:
        raise ValueError

    event = await failed(read)
    assert event.evidence["before"] == [{"guard": "passes", "on": event.inputs, "verdict": "pass", "reason": ""}]


async def test_time_of_guards_on_inputs_counts_as_the_attempts() -> None:
    """The timeout of a stage bounds its guards, too."""

    @guard(timeout=timedelta(seconds=3))
    async def slow(mail: Mail) -> Verdict:
        await asyncio.sleep(1)
        return Pass()

    event = await failed(Desk(slow).read, timeout_seconds=0.1)
    assert event.failure == "timeout"
