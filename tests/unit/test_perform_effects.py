"""Effects happen once, only where they were granted, and never again while it is unknown what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gatework import Approved, Block, Endorsed, IdempotencyKey, Stage, effect, stage
from gatework.errors import GrantError
from gatework.tool import Effect
from tests.unit.attempts import Owed, Receipt, failed, finished
from tests.unit.hostile import MARK

INPUTS = {"owed": {"order": "7", "amount": 3}}
DONE = Receipt(payment="p")


class Shop:
    """An outside system: what it was asked to do, and what it says."""

    def __init__(self, answer: Any = DONE, found: Any = None) -> None:
        self.answer = answer
        self.found = found
        self.keys: list[str] = []
        self.probed: list[str] = []

    async def say(self, what: Any) -> Any:
        if isinstance(what, BaseException):
            raise what
        found: Any = what() if callable(what) else what
        return await found if isinstance(found, Awaitable) else found

    def refund(self, *, probe: bool = False) -> Effect[[str, int], Receipt]:
        async def find(key: IdempotencyKey) -> Receipt | None:
            self.probed.append(key)
            return await self.say(self.found)  # type: ignore[no-any-return]

        @effect(once="order", probe=find if probe else None)
        async def refund_order(key: IdempotencyKey, order: str, amount: int) -> Receipt | Block:
            self.keys.append(key)
            return await self.say(self.answer)  # type: ignore[no-any-return]

        return refund_order


def paying(
    refund: Effect[[str, int], Receipt], work: Callable[[Owed], Awaitable[Any]] | None = None, *tools: Any
) -> Stage[Any, Any]:
    async def once(owed: Owed) -> Receipt:
        return await refund(owed.order, owed.amount)

    @stage(tools=tools or [refund])
    async def pay(owed: Approved[Owed]) -> Endorsed[Receipt]:
        return Endorsed(await (work or once)(owed.value))

    return pay


def outcomes(event: Any) -> list[str]:
    return [entry["outcome"] for entry in event.evidence.get("effects", [])]


async def test_effect_is_done_under_a_key_that_stays() -> None:
    """The same node of the same run names the same effect at every attempt, whatever the amount."""
    shop = Shop()
    event = await finished(paying(shop.refund()), inputs=INPUTS)
    assert event.output.data == {"payment": "p"}
    assert outcomes(event) == ["done"]
    await finished(paying(shop.refund()), inputs={"owed": {"order": "7", "amount": 4}}, number=2)
    await finished(paying(shop.refund()), inputs={"owed": {"order": "8", "amount": 3}})
    assert shop.keys[0] == shop.keys[1] != shop.keys[2]
    assert len(shop.keys[0]) == 64


async def test_effect_that_is_found_is_not_done_again() -> None:
    """A probe that knows the key gives the recorded result."""
    shop = Shop(answer=AssertionError("sent"), found=Receipt(payment="earlier"))
    event = await finished(paying(shop.refund(probe=True)), inputs=INPUTS)
    assert event.output.data == {"payment": "earlier"}
    assert outcomes(event) == ["found"]
    assert shop.keys == []


async def test_effect_that_is_not_found_is_done() -> None:
    """Known not to have happened is a go-ahead."""
    shop = Shop()
    event = await finished(paying(shop.refund(probe=True)), inputs=INPUTS)
    assert outcomes(event) == ["done"]
    assert shop.probed == shop.keys


@pytest.mark.parametrize("found", [ValueError(MARK), True, {"payment": MARK}, MARK, TimeoutError(MARK)])
async def test_effect_is_not_done_where_its_probe_cannot_say(found: Any) -> None:
    """An outside system that does not answer, or answers something else, is not asked to pay."""
    shop = Shop(found=found)
    event = await failed(paying(shop.refund(probe=True)), inputs=INPUTS)
    assert event.failure in ("error", "contract")
    assert not event.sent
    assert shop.keys == []


@pytest.mark.parametrize("answer", [ValueError(MARK), TimeoutError(MARK), asyncio.CancelledError(), SystemExit(MARK)])
async def test_effect_that_breaks_is_in_doubt(answer: Any) -> None:
    """It was sent, and nobody knows what became of it."""
    event = await failed(paying(Shop(answer).refund()), inputs=INPUTS)
    assert (event.failure, event.sent) == ("unknown", True)
    assert outcomes(event) == ["unknown"]


async def test_effect_that_takes_too_long_is_in_doubt() -> None:
    """The stage's time is up; the money may be on its way."""
    event = await failed(paying(Shop(lambda: asyncio.sleep(30)).refund()), inputs=INPUTS, timeout_seconds=0.05)
    assert (event.failure, event.sent) == ("unknown", True)
    assert "took longer" in event.reason


async def test_doubt_cannot_be_swallowed() -> None:
    """A stage that catches the error of its effect and goes on leaves the doubt behind."""
    refund = Shop(ValueError(MARK)).refund()

    async def brave(owed: Owed) -> Receipt:
        try:
            return await refund("7", 3)
        except ValueError:
            return Receipt(payment="surely")

    event = await failed(paying(refund, brave), inputs=INPUTS)
    assert (event.failure, event.sent) == ("unknown", True)


async def test_effect_that_refuses_blocks_the_stage() -> None:
    """A refusal is a value outside and inside."""
    event = await failed(paying(Shop(Block("Already refunded.")).refund()), inputs=INPUTS)
    assert (event.failure, event.reason, event.sent) == ("block", "Already refunded.", False)
    assert outcomes(event) == ["refused"]


@pytest.mark.parametrize("answer", [None, True, {"payment": MARK}, Receipt.model_construct(payment=3), MARK])
async def test_wrong_result_of_an_effect_is_said_and_the_effect_is_done(answer: Any) -> None:
    """It happened, and what came back is of no use."""
    event = await failed(paying(Shop(answer).refund()), inputs=INPUTS)
    assert event.failure == "contract"
    assert event.reason.startswith("result of refund_order")
    assert event.sent
    assert outcomes(event) == ["done"]


async def test_effect_outside_of_the_grant_is_not_done() -> None:
    """A stage holds what the plan says, and nothing else, whatever it is called."""
    shop, other = Shop(), Shop()
    theirs = other.refund()

    async def reach(owed: Owed) -> Receipt:
        return await theirs(owed.order, owed.amount)

    event = await failed(paying(shop.refund(), reach), inputs=INPUTS)
    assert (event.failure, event.sent) == ("block", False)
    assert "does not hold refund_order" in event.reason
    assert other.keys == []


async def test_effect_outside_of_a_stage_is_not_done() -> None:
    """Neither from a script nor from a task that outlived its stage."""
    shop = Shop()
    refund = shop.refund()
    with pytest.raises(GrantError, match="only inside a stage"):
        await refund("7", 3)
    left: list[asyncio.Task[Any]] = []

    async def leave(owed: Owed) -> Receipt:
        left.append(asyncio.create_task(later()))
        return DONE

    async def later() -> Receipt:
        await asyncio.sleep(0.01)
        return await refund("7", 3)

    await finished(paying(refund, leave), inputs=INPUTS)
    with pytest.raises(GrantError, match="has ended"):
        await left[0]
    assert shop.keys == []


async def test_effect_twice_for_one_key_is_not_done_twice() -> None:
    """One after the other, or both at once."""
    for at_once in (False, True):
        shop = Shop()
        refund = shop.refund(probe=True)

        async def twice(owed: Owed, refund: Effect[[str, int], Receipt] = refund, at_once: bool = at_once) -> Receipt:
            if at_once:
                return (await asyncio.gather(refund("7", 3), refund("7", 4)))[0]
            await refund("7", 3)
            return await refund("7", 4)

        event = await failed(paying(refund, twice), inputs=INPUTS)
        assert "calls refund_order twice for one order" in event.reason
        assert len(shop.keys) <= 1
    both = Shop()
    refund_both = both.refund()

    async def for_two(owed: Owed) -> Receipt:
        await refund_both("7", 3)
        return await refund_both("8", 3)

    assert outcomes(await finished(paying(refund_both, for_two), inputs=INPUTS)) == ["done", "done"]


@pytest.mark.parametrize(
    ("order", "amount"), [(7, 3), ("7", "3"), ("7", True), ("7", 2**60), (None, 3), (f"{MARK}\ud800", 3)]
)
async def test_wrong_argument_never_leaves(order: Any, amount: Any) -> None:
    """Arguments keep to their contract before anything is sent."""
    shop = Shop()
    refund = shop.refund()

    async def wrong(owed: Owed) -> Receipt:
        return await refund(order, amount)

    event = await failed(paying(refund, wrong), inputs=INPUTS)
    assert (event.failure, event.sent) == ("contract", False)
    assert event.reason.startswith("argument ")
    assert shop.keys == []


async def test_stage_that_fails_after_its_effect_says_that_it_was_sent() -> None:
    """The machine must know, or it would start the stage anew."""
    refund = Shop().refund()

    async def then_breaks(owed: Owed) -> Receipt:
        await refund("7", 3)
        raise ValueError(MARK)

    event = await failed(paying(refund, then_breaks), inputs=INPUTS)
    assert (event.failure, event.sent) == ("error", True)
    assert outcomes(event) == ["done"]


async def test_evidence_names_tool_key_and_arguments_by_digest() -> None:
    """A receipt shows what was done without showing what with."""
    event = await finished(paying(Shop().refund()), inputs={"owed": {"order": MARK, "amount": 3}})
    (entry,) = event.evidence["effects"]
    assert set(entry) == {"tool", "key", "arguments", "outcome"}
    assert MARK not in str(event.evidence)
