"""One attempt: whatever a stage is handed, does or gives back, the answer is an event that leaks nothing."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from gatework import Approved, Block, Endorsed, GateworkError, Retry, Untrusted, ask, stage
from gatework.define.endorser import Endorser
from gatework.errors import ContractError, GrantError
from gatework.values.canonical import Sealed
from tests.unit.attempts import SALT, Claim, Mail, Owed, attempt, failed, finished, sealed
from tests.unit.hostile import MARK

GOOD = Untrusted(Claim(order="7", amount=3))


class Sub(Claim):
    note: str = MARK


class OddError(Exception):
    pass


def leaving(value: Any) -> Any:
    """A stage that gives back this value, or raises it, or calls it."""

    @stage()
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        if isinstance(value, BaseException):
            raise value
        found: Any = value(mail) if callable(value) and not isinstance(value, type) else value
        return found  # type: ignore[no-any-return]

    return extract


async def test_output_is_sealed_with_a_salt_of_its_own() -> None:
    """The same output twice has two digests, so that neither can be guessed."""
    one, other = await finished(leaving(GOOD)), await finished(leaving(GOOD))
    assert one.output.data == other.output.data == {"amount": 3, "order": "7"}
    assert one.output.intact
    assert one.output.digest != other.output.digest


async def test_stage_sees_labelled_values_and_an_endorser_plain_ones() -> None:
    """A stage gets what its signature says."""
    seen: list[Any] = []

    @stage()
    async def mix(mail: Untrusted[Mail], owed: Approved[Owed], note: str) -> Untrusted[Claim]:
        seen.extend([mail, owed, note])
        return GOOD

    async def by(claim: Claim) -> Owed | Block:
        seen.append(claim)
        return Owed(order=claim.order, amount=1)

    await finished(mix, inputs={"mail": {"text": "a"}, "owed": {"order": "7", "amount": 1}, "note": "n"})
    event = await finished(Endorser(by), inputs={"claim": {"order": "7", "amount": 3}})
    assert seen == [
        Untrusted(Mail(text="a")),
        Approved(Owed(order="7", amount=1)),
        "n",
        Claim(order="7", amount=3),
    ]
    assert event.output.data == {"amount": 1, "order": "7"}


WRONG_OUTPUTS: dict[str, tuple[Any, str]] = {
    "another label": (Endorsed(Claim(order=MARK, amount=3)), r"must be Untrusted\(…\), and is a Endorsed"),
    "a higher label": (Approved(Claim(order=MARK, amount=3)), r"must be Untrusted\(…\), and is a Approved"),
    "no label": (Claim(order=MARK, amount=3), r"must be Untrusted\(…\), and is a Claim"),
    "a label twice": (Untrusted(GOOD), "not a valid Claim"),
    "nothing": (None, r"must be Untrusted\(…\), and is a NoneType"),
    "nothing in a label": (Untrusted(None), "should be an object"),
    "another type": (Untrusted(Owed(order=MARK, amount=3)), "does not come back"),
    "a subclass": (Untrusted(Sub(order=MARK, amount=3)), "does not come back"),
    "a dict": (Untrusted({"order": MARK, "amount": 3}), "not a valid Claim"),
    "text": (Untrusted(MARK), "not a valid Claim"),
    "built around its checks": (Untrusted(Claim.model_construct(order=MARK, amount="3")), "not a valid Claim"),
    "too large a number": (Untrusted(Claim(order=MARK, amount=2**70)), "beyond 2"),
    "a lone surrogate": (Untrusted(Claim.model_construct(order=f"{MARK}\ud800", amount=3)), "not a valid Claim"),
    "two megabytes": (Untrusted(Claim(order=MARK * 200_000, amount=3)), "bytes are more than"),
    "the label's class": (Untrusted, "is a type|is a ABCMeta|is a"),
    "a coroutine": (asyncio.sleep, "is a"),
}


@pytest.mark.parametrize("case", WRONG_OUTPUTS)
async def test_wrong_output_breaks_the_contract(case: str) -> None:
    """The error names the stage, the boundary and the reason."""
    value, reason = WRONG_OUTPUTS[case]

    @stage()
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        return value  # type: ignore[no-any-return]

    event = await failed(extract)
    assert event.failure == "contract"
    assert event.reason.startswith("output of extract")
    assert re.search(reason, event.reason), event.reason


@pytest.mark.parametrize("value", [None, MARK, Endorsed(Owed(order=MARK, amount=3)), Claim(order=MARK, amount=3)])
async def test_wrong_output_of_an_endorser_breaks_the_contract(value: Any) -> None:
    """What is endorsed is a plain value of the type that the endorser declares."""

    async def by(claim: Claim) -> Owed | Block:
        return value  # type: ignore[no-any-return]

    event = await failed(Endorser(by), inputs={"claim": {"order": "7", "amount": 3}})
    assert event.failure == "contract"
    assert event.reason.startswith("output of by")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"text": 7}, "input mail of extract field text"),
        ({"text": None}, "input mail of extract field text"),
        ({}, "input mail of extract field text"),
        ({"text": "a", MARK: MARK}, "input mail of extract: a field that the contract does not know"),
        (MARK, "input mail of extract"),
        ([MARK], "input mail of extract"),
        (None, "input mail of extract"),
    ],
)
async def test_wrong_input_never_reaches_the_stage(data: Any, reason: str) -> None:
    """Whatever the machine let through, the stage's own contract looks again."""
    event = await failed(leaving(AssertionError("reached")), inputs={"mail": data})
    assert (event.failure, event.reason[: len(reason)]) == ("contract", reason)


async def test_input_of_another_digest_never_reaches_the_stage() -> None:
    """A value that was changed on the way is not the value that holds a receipt."""
    changed = replace(sealed({"text": "a"}), data={"text": MARK})
    event = await failed(leaving(AssertionError("reached")), inputs={"mail": changed})
    assert (event.failure, event.reason) == (
        "contract",
        "input mail of extract: its digest is not that of its data",
    )


RAISED: dict[str, tuple[Any, str, str]] = {
    "an error of its own": (OddError(MARK), "error", "OddError at "),
    "a value error": (ValueError(MARK, {MARK: 1}), "error", "ValueError at "),
    "a group": (ExceptionGroup(MARK, [OddError(MARK)]), "error", "ExceptionGroup at "),
    "a key error": (lambda mail: {"": 1}[MARK], "error", "KeyError at "),
    "a timeout of something else": (TimeoutError(MARK), "error", "TimeoutError at "),
    "an exit": (SystemExit(MARK), "error", "SystemExit at "),
    "an exit by function": (lambda mail: sys.exit(MARK), "error", "SystemExit at "),
    "the end of an iteration": (StopAsyncIteration(MARK), "error", "StopAsyncIteration at "),
    "its own cancellation": (asyncio.CancelledError(MARK), "error", "CancelledError at "),
    "a cause": (lambda mail: chained(), "error", "OddError at "),
    "too deep a recursion": (lambda mail: recursing(0), "error", "RecursionError at "),
    "a model that is wrong": (
        lambda mail: Claim(order=MARK, amount=mail.value.text), "contract", "a model built in extract",
    ),
    "a model with a wrong key": (
        lambda mail: Claim.model_validate({MARK: 2}, extra="forbid"), "contract", "a model built in extract",
    ),
    "an error of the engine": (GateworkError("The shop is closed."), "error", "The shop is closed."),
    "a contract error": (ContractError("is odd", field="a"), "contract", "field a: is odd"),
    "a call outside of its grant": (GrantError("Not yours."), "block", "Not yours."),
    "a refusal": (Block("No such order."), "block", "No such order."),
}  # fmt: skip


def chained() -> None:
    try:
        raise ValueError(MARK)
    except ValueError as error:
        raise OddError(MARK) from error


def recursing(depth: int) -> int:
    return recursing(depth + 1) + 1


@pytest.mark.parametrize("case", RAISED)
async def test_whatever_a_stage_raises_is_an_event_without_its_words(case: str) -> None:
    """Where it broke, and of what kind; what it said stays in the worker's log."""
    value, kind, reason = RAISED[case]
    event = await failed(leaving(value))
    assert event.failure == kind
    assert event.reason.startswith(reason), event.reason
    if " at " in reason:
        assert "test_perform.py:" in event.reason


async def test_reason_of_a_block_is_cut_to_a_receipt() -> None:
    """A reason is a sentence, in printable text."""
    event = await failed(leaving(Block("No.\x00\n" * 1_000_000)))
    assert len(event.reason) == 500
    assert event.reason.isprintable()


async def test_stage_that_takes_too_long_is_stopped() -> None:
    """A deadline is a deadline, also for a stage that waves it off."""

    @stage()
    async def slow(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        await asyncio.sleep(30)
        return GOOD

    @stage()
    async def stubborn(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return GOOD
        raise AssertionError

    for definition in (slow, stubborn):
        began = time.monotonic()
        event = await failed(definition, timeout_seconds=0.05)
        assert (event.failure, event.reason) == ("timeout", f"{definition.name} took longer than 0.05 s")
        assert time.monotonic() - began < 15


async def test_cancellation_from_outside_passes_through() -> None:
    """A run that is cancelled is not a stage that broke."""
    started = asyncio.Event()

    @stage()
    async def waiting(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        started.set()
        await asyncio.sleep(30)
        return GOOD

    task = asyncio.create_task(attempt(waiting))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_stage_cannot_change_what_the_next_one_reads() -> None:
    """Inputs are parsed afresh for each who reads them."""
    data = {"text": "a"}

    def spoil(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        mail.value.text = MARK
        return GOOD

    await finished(leaving(spoil), inputs={"mail": data})
    assert data == {"text": "a"}


async def test_edited_value_is_looked_at_and_not_worked_on() -> None:
    """A person's value takes the place of the stage's work, and keeps to the contract."""
    event = await finished(leaving(AssertionError("worked")), edited={"order": "8", "amount": 1})
    assert event.output == Sealed.of({"order": "8", "amount": 1}, SALT)
    refused = await failed(leaving(AssertionError("worked")), edited={"order": MARK, "amount": "1"})
    assert refused.failure == "contract"
    assert refused.reason.startswith("edited output of extract field amount")


async def test_nothing_of_the_engine_works_outside_of_a_stage() -> None:
    """Neither before an attempt, nor in what it left running."""
    with pytest.raises(GrantError, match="only inside a stage"):
        await ask(Claim, instructions="Read.", about=GOOD)
    left: list[asyncio.Task[Any]] = []

    def leave(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        left.append(asyncio.create_task(later()))
        return GOOD

    async def later() -> None:
        await asyncio.sleep(0.01)
        await ask(Claim, instructions="Read.", about=GOOD)

    await finished(leaving(leave))
    with pytest.raises(GrantError, match="has ended"):
        await left[0]


async def test_feedback_and_attempt_are_the_cells() -> None:
    """What a retry was told is at hand for the model call, and nowhere else."""
    event = await finished(leaving(GOOD), number=3, feedback=(Retry("Quote it.").reason,))
    assert event.attempt == 3


def test_models_of_the_tests_hold_the_mark() -> None:
    """The tests would show nothing if the mark were not in what is handed about."""
    assert MARK in str(Sub(order="", amount=1))
    assert issubclass(Sub, BaseModel)
