"""Budgets of one activity: taken before each call, settled after it, and taken once for each try that Temporal made."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework import Budget, Untrusted, ask, stage
from gatework.errors import BudgetError, ConfigError, ModelError
from gatework.models.cost import Price
from gatework.models.question import Answer, Question
from gatework.perform.purse import Purse
from gatework.plan.plan import DEFAULT_BUDGET
from gatework.run.events import Suspended
from tests.unit.attempts import Claim, Mail, failed, finished
from tests.unit.shops import Shop, looking

GOOD = '{"order": "7", "amount": 3}'


class Priced:
    """A model of which each answer uses so many tokens."""

    name = "priced"

    def __init__(self, tokens: int = 10) -> None:
        self.tokens = tokens
        self.asked = 0

    async def answer(self, question: Question) -> Answer:
        self.asked += 1
        await asyncio.sleep(0)
        return Answer(text=GOOD, input_tokens=self.tokens, output_tokens=0, model="priced")


# -- the purse -------------------------------------------------------------------------------------


def test_nothing_is_taken_beyond_what_is_left() -> None:
    """Each part of a budget holds for itself, and a call that does not fit takes nothing."""
    for budget in (Budget(model_calls=1), Budget(tokens=150), Budget(money="0.15")):
        purse = Purse(budget, node="read")
        purse.take_question(100, Decimal("0.1"))
        before = purse.spent(0)
        with pytest.raises(BudgetError, match=r"read has .* left of its budget"):
            purse.take_question(100, Decimal("0.1"))
        assert purse.spent(0) == before
    purse = Purse(Budget(tool_calls={"look": 1}), node="read")
    purse.take_call("look")
    purse.take_call("other")
    with pytest.raises(BudgetError, match="no call of look left"):
        purse.take_call("look")
    assert dict(purse.spent(0).tool_calls) == {"look": 1, "other": 1}


def test_what_a_question_did_not_use_is_put_back() -> None:
    """What it used beyond is gone, too; nothing that a provider says puts more back than was taken."""
    purse = Purse(Budget(tokens=300, money="3"), node="read")
    purse.settle(purse.take_question(200, Decimal(2)), 50, Decimal("0.5"))
    assert (purse.spent(0).tokens, purse.spent(0).money) == (50, "0.5")
    purse.settle(purse.take_question(200, Decimal(2)), -1_000_000, Decimal(-9))
    assert (purse.spent(0).tokens, purse.spent(0).money) == (50, "0.5")
    purse.settle(purse.take_question(200, Decimal(2)), 1_000, Decimal(9))
    assert (purse.spent(0).tokens, purse.spent(0).money) == (1_050, "9.5")
    with pytest.raises(BudgetError):
        purse.take_question(0, Decimal("0.1"))


def test_model_of_unknown_price_is_refused_where_money_counts() -> None:
    """A price that nobody knows is not nothing."""
    with pytest.raises(BudgetError, match="nobody knows what its model costs"):
        Purse(Budget(money="100"), node="read").take_question(1, None)
    Purse(Budget(), node="read").take_question(1, None)
    with pytest.raises(ConfigError):
        Purse(Budget(money="much"), node="read").take_question(1, Decimal(1))


@given(
    tries=st.integers(1, 5),
    most=st.integers(0, 2_000),
    questions=st.lists(st.tuples(st.integers(0, 500), st.integers(-100, 500)), max_size=8),
)
def test_budget_holds_whatever_earlier_tries_spent(tries: int, most: int, questions: list[tuple[int, int]]) -> None:
    """If each try before spent as much as this one could have, all of them together stay within the budget."""
    purse = Purse(Budget(tokens=most, tool_calls={"look": most}), node="read", tries=tries)
    earlier = used = calls = 0
    for reserved, spent in questions:
        try:
            taken = purse.take_question(reserved, None)
        except BudgetError:
            continue
        purse.settle(taken, min(spent, reserved), None)
        earlier += reserved
        used += max(min(spent, reserved), 0)
        try:
            purse.take_call("look")
            calls += 1
        except BudgetError:
            pass
    assert used + earlier * (tries - 1) <= most
    assert calls * tries <= most
    assert purse.spent(0).tokens == used + earlier * (tries - 1)


def test_call_that_runs_apart_is_asked_for_by_one_try() -> None:
    """Only a result asks for it, and a try that died gave none."""
    purse = Purse(Budget(tool_calls={"pay": 1}), node="pay", tries=4)
    purse.take_call("pay", apart=True)
    with pytest.raises(BudgetError):
        purse.take_call("pay", apart=True)


# -- a stage ---------------------------------------------------------------------------------------


def asking(times: int, *, at_once: bool = False, catching: bool = False) -> Any:
    @stage()
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        async def one() -> Untrusted[Claim]:
            try:
                return await ask(Claim, instructions="Read.", about=mail, max_output_tokens=100)
            except BudgetError:
                if not catching:
                    raise
                return Untrusted(Claim(order="none", amount=0))

        if at_once:
            return (await asyncio.gather(*(one() for _ in range(times))))[-1]
        return [await one() for _ in range(times)][-1]

    return extract


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("catching", [False, True])
async def test_stage_makes_no_more_model_calls_than_its_budget(at_once: bool, catching: bool) -> None:
    """One after the other or all at once, over all its activities, whatever it catches."""
    model = Priced()
    definition = asking(6, at_once=at_once, catching=catching)
    allowance = Budget(model_calls=3)
    if catching:
        await finished(definition, model=model, allowance=allowance)
    else:
        event = await failed(definition, model=model, allowance=allowance)
        assert (event.failure, event.reason) == ("block", "extract has no model call left of its budget.")
    assert model.asked == 3


async def test_stage_without_a_budget_has_the_default_one() -> None:
    """What the plan does not say is little."""
    model = Priced()
    event = await failed(asking(9), model=model)
    assert event.failure == "block"
    assert model.asked == DEFAULT_BUDGET.model_calls == 4


@pytest.mark.parametrize("tries", [1, 2, 3, 4])
async def test_stage_without_a_budget_outlives_its_workers(tries: int) -> None:
    """One question fits into the default whenever Temporal tries, though each earlier try may have asked it."""
    event = await finished(asking(1), model=Priced(), tries=tries)
    assert event.spent.model_calls == tries


async def test_tools_are_called_no_more_than_the_budget_says() -> None:
    """Side by side or not, apart or not."""
    for flags in ({}, {"on": "elsewhere"}):
        for at_once in (False, True):
            shop = Shop()
            look = shop.look(**flags)

            async def work(mail: Mail, look: Any = look, at_once: bool = at_once) -> str:
                if at_once:
                    return (await asyncio.gather(*(look(str(n)) for n in range(5))))[0]  # type: ignore[no-any-return]
                found = [await look(str(n)) for n in range(5)]
                return found[-1]  # type: ignore[no-any-return]

            event = await failed(looking(work, look), allowance=Budget(tool_calls={"look_up": 2}))
            assert (event.failure, event.reason) == ("block", "extract has no call of look_up left of its budget.")
            assert len(shop.looked) <= 2


async def test_further_try_of_temporal_counts_what_earlier_ones_may_have_spent() -> None:
    """A worker that died took with it what it spent, so as much is taken again for each."""
    model = Priced()
    event = await finished(asking(1), model=model, allowance=Budget(model_calls=3, tokens=9_000), tries=3)
    assert event.spent.model_calls == 3
    assert event.spent.tokens > 200
    stopped = await failed(asking(1), model=model, allowance=Budget(model_calls=2), tries=3)
    assert stopped.failure == "block"
    assert model.asked == 1


async def test_model_that_fails_has_spent_what_was_taken_for_it() -> None:
    """Nobody knows what the provider counts, so nothing is put back."""

    class Failing(Priced):
        async def answer(self, question: Question) -> Answer:
            raise ModelError("No answer.")

    event = await failed(asking(1), model=Failing(), allowance=Budget(model_calls=5, tokens=9_000))
    assert event.failure == "error"
    assert event.spent.model_calls == 1
    assert event.spent.tokens > 100


async def test_money_is_taken_at_the_price_of_the_model() -> None:
    """As much as the answer could cost, then what it did; a model of unknown price is not asked."""

    class Dear(Priced):
        price = Price(read_usd=Decimal(1_000), written_usd=Decimal(10_000))

    model = Dear(tokens=100)
    event = await failed(asking(9), model=model, allowance=Budget(money="2.5"))
    assert (event.failure, event.reason) == (
        "block",
        "extract has too little money left of its budget for what its model may cost.",
    )
    assert 1 <= model.asked < 9
    once = await finished(asking(1), model=Dear(tokens=100), allowance=Budget(money="3"))
    assert once.spent.money == "0.1"
    again = await finished(asking(1), model=Dear(tokens=100), allowance=Budget(money="9"), tries=2)
    assert Decimal(again.spent.money) > Decimal("1.1")
    unknown = Priced()
    nobody = await failed(asking(1), model=unknown, allowance=Budget(money="100"))
    assert "nobody knows what its model costs" in nobody.reason
    assert unknown.asked == 0


async def test_stage_that_asks_a_model_again_after_a_failure_does_so_in_the_same_activity() -> None:
    """There is nothing to keep for the next one, which would find the same."""

    class Flaky(Priced):
        async def answer(self, question: Question) -> Answer:
            found = await super().answer(question)
            if self.asked < 3:
                raise ModelError("No answer.")
            return found

    @stage()
    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]:
        for _ in range(5):
            try:
                return await ask(Claim, instructions="Read.", about=mail)
            except ModelError:
                continue
        raise AssertionError

    model, stands = Flaky(), list[Suspended]()
    event = await finished(extract, model=model, allowance=Budget(model_calls=9), stands=stands)
    assert (model.asked, stands, event.spent.model_calls) == (3, [], 3)


async def test_time_at_work_is_counted_and_bounded() -> None:
    """Guards included; a stage without time left does not begin."""

    async def slow(mail: Mail) -> str:
        await asyncio.sleep(0.1)
        return "7"

    event = await finished(looking(slow))
    assert 0.1 <= event.spent.seconds < 15
    late = await failed(looking(slow), allowance=Budget(seconds=0.03))
    assert (late.failure, late.reason) == ("timeout", "extract took longer than 0.03 s")
    assert late.spent.seconds >= 0.03
    for seconds in (0.0, -1.0):
        none = await failed(looking(slow), allowance=Budget(seconds=seconds))
        assert (none.failure, none.reason) == ("block", "extract has no time left of its budget.")


async def test_time_of_earlier_tries_counts() -> None:
    """What Temporal waited for a worker that died was time at work, for all that is known."""

    async def quick(mail: Mail) -> str:
        return "7"

    event = await finished(looking(quick), allowance=Budget(seconds=60), tries=2, waited=20.0)
    assert 20 <= event.spent.seconds < 35
    none = await failed(looking(quick), allowance=Budget(seconds=60), tries=2, waited=60.0)
    assert none.failure == "block"


async def test_output_beyond_its_budget_breaks_the_contract() -> None:
    """The stage is told, and may be tried again."""

    async def much(mail: Mail) -> str:
        return "x" * 100

    await finished(looking(much), allowance=Budget(output_bytes=200))
    event = await failed(looking(much), allowance=Budget(output_bytes=100))
    assert (event.failure, event.reason) == ("contract", "output of extract: takes 123 bytes, and its budget is 100")
