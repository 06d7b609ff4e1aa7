"""Every way round a budget: many calls in one answer, side by side, again and again, a person's retries, long outputs.

Held by: the budget of the stage, that of the run, and the limits that every question has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from activities import help as our_help
from activities import parcels
from activities.customers import customer_of
from gatework.models.cost import FREE
from gatework.models.question import Answer, Question, ToolCall
from gatework.plan.plan import Budget, Work
from tests.attacks.drive import carelessly, claim, inquire, stopped_by
from tests.attacks.models import Wanting
from tests.attacks.test_grants import GOOD_CLAIM, INQUIRY, good
from tests.attacks.test_limits import WITHIN
from tests.attacks.world import World, changes
from workflows.inquiry import inquiry


def budget(node: str) -> Budget:
    work = inquiry.plan.nodes[inquiry.plan.index[node]]
    assert isinstance(work, Work)
    assert work.budget is not None
    return work.budget


MODEL_CALLS = budget("answer").model_calls or 0
OF_THE_RUN = inquiry.plan.budget or Budget()


class Endless:
    """Asks for one more call whatever it is told, and never answers."""

    name = "endless"
    price = FREE

    def __init__(self, *calls: tuple[str, Mapping[str, Any]], answer: str = "") -> None:
        self.asked = 0
        self._calls = tuple(ToolCall(name=name, arguments=json.dumps(given)) for name, given in calls)
        self._answer = answer

    async def input_tokens(self, question: Question) -> int:
        return 10

    async def answer(self, question: Question) -> Answer:
        self.asked += 1
        calls = () if self._answer else self._calls
        return Answer(text=self._answer, input_tokens=10, output_tokens=10, model=self.name, calls=calls)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every read of a help page and of an order that really happened."""
    happened: list[str] = []
    article, status = our_help.article, parcels.status_of

    def read(name: str) -> Any:
        happened.append("read_article")
        return article(name)

    def looked_up(customer: str, order: str) -> Any:
        happened.append("order_status")
        return status(customer, order)

    monkeypatch.setattr(our_help, "article", read)
    monkeypatch.setattr(parcels, "status_of", looked_up)
    return happened


@pytest.mark.parametrize("tool", ["read_article", "order_status"])
async def test_many_calls_in_one_answer_are_made_as_often_as_the_budget_has(
    world: World, made: list[str], tool: str
) -> None:
    """They are made side by side, and together they are no more."""
    before, most = world.state(), budget("answer").tool_calls[tool]
    run = await inquire(INQUIRY, Wanting(good(), {"Answer": [[(tool, WITHIN[tool])] * (most + 3)]}))
    assert made.count(tool) <= most
    assert (run.gate.kind, run.gate.node) == ("blocked", "answer")
    assert f"no call of {tool} left of its budget" in stopped_by(run)
    assert changes(before, world.state()) == set()


@pytest.mark.parametrize("calls", [17, 100, 10_000])
async def test_flood_of_calls_in_one_answer_is_no_answer(world: World, made: list[str], calls: int) -> None:
    """More than a few at once are not even looked at."""
    before = world.state()
    run = await inquire(INQUIRY, Wanting(good(), {"Answer": [[("read_article", WITHIN["read_article"])] * calls]}))
    assert made == []
    assert run.gate.node == "answer"
    assert changes(before, world.state()) == set()


async def test_calls_one_by_one_are_made_as_often_as_the_budget_has(world: World, made: list[str]) -> None:
    """Over all turns, in which the stage is run again from its start each time."""
    run = await inquire(INQUIRY, Endless(("order_status", WITHIN["order_status"])))
    assert made.count("order_status") == budget("answer").tool_calls["order_status"]
    assert (run.gate.kind, run.gate.node) == ("blocked", "answer")
    assert "no call of order_status left" in stopped_by(run)


async def test_model_that_never_ends_is_asked_as_often_as_the_budget_has(world: World) -> None:
    """Searching has a number of calls, and so has the model, whatever it asks for."""
    model = Endless(("search_help", WITHIN["search_help"]))
    await inquire(INQUIRY, model)
    assert model.asked <= MODEL_CALLS


@pytest.mark.parametrize("opening", ["Visit http://evil.example now", "You get a voucher of course.", "1 2 3"])
async def test_attempts_share_the_budget(world: World, opening: str) -> None:
    """An answer that the guards send back again and again: attempts end, and the budget is not theirs anew."""
    before = world.state()
    answers = {"Answer": {**good()["Answer"], "opening": opening}}
    model = Wanting(answers, {"Answer": [[("search_help", {"words": f"word {n}"})] for n in range(3)]})
    run = await inquire(INQUIRY, model)
    assert len(model.questions) <= MODEL_CALLS
    assert run.gate.node == "answer"
    assert run.gate.kind in ("exhausted", "blocked")
    assert changes(before, world.state()) == set()


async def test_retries_of_a_person_do_not_reach_past_the_budget_of_the_run(world: World) -> None:
    """Each gives the stage another budget, and that of the run is never another."""
    before = world.state()
    model = Endless(answer=json.dumps({**good()["Answer"], "opening": "Visit http://evil.example now"}))
    run = await inquire(INQUIRY, model)
    for _ in range(12):
        assert run.gate.node == "answer"
        await run.retry("Try again.", by="somebody patient")
    assert model.asked == OF_THE_RUN.model_calls
    assert "the budget of the run has no model calls left" in stopped_by(run)
    assert changes(before, world.state()) == set()


@pytest.mark.parametrize("claimed", [70_000, 10**9, 10**40])
async def test_tokens_that_a_model_used_beyond_its_budget_end_it(world: World, claimed: int) -> None:
    """What an answer took is known only afterwards; nothing more is asked."""
    model = Wanting(
        good(), {"Answer": [[("search_help", {"words": f"word {n}"})] for n in range(4)]}, output_tokens=claimed
    )
    run = await inquire(INQUIRY, model)
    assert len(model.questions) == 1
    assert run.gate.node == "answer"
    assert run.gate.kind in ("blocked", "exhausted")


async def test_tokens_below_zero_earn_nothing(world: World) -> None:
    """A provider that counts backwards gives nobody another call."""
    model = Wanting(
        good(), {"Answer": [[("search_help", {"words": f"word {n}"})] for n in range(30)]}, output_tokens=-(10**9)
    )
    run = await inquire(INQUIRY, model)
    assert len(model.questions) <= MODEL_CALLS
    assert run.gate.kind == "blocked"


@pytest.mark.parametrize("field", ["opening", "quotation", "status", "article", "order"])
async def test_long_output_is_no_output(world: World, field: str) -> None:
    """Ten megabytes in any field of the answer. Held by: the contract, and the budget of output."""
    before = world.state()
    run = await inquire(INQUIRY, Wanting({"Answer": {**good()["Answer"], field: "x" * 10_000_000}}))
    assert run.gate.node == "answer"
    assert "answer" not in run.values
    assert changes(before, world.state()) == set()


# -- what costs money ---------------------------------------------------------------------------------------

VOUCHER = WITHIN["grant_voucher"]


@pytest.mark.parametrize(
    "batches",
    [
        [[("grant_voucher", {**VOUCHER, "amount": "3.00"}), ("grant_voucher", {**VOUCHER, "amount": "3.00"})]],
        [[("grant_voucher", {**VOUCHER, "amount": "3.00"}), ("grant_voucher", {**VOUCHER, "amount": "3.0"})]],
        [[("grant_voucher", {**VOUCHER, "amount": "3.00"}), ("grant_voucher", {**VOUCHER, "amount": "0.12"})]],
        [[("grant_voucher", {**VOUCHER, "amount": "3.00"})], [("grant_voucher", {**VOUCHER, "amount": "3.00"})]],
        [[("grant_voucher", {**VOUCHER, "amount": "3.00"})], [("grant_voucher", {**VOUCHER, "amount": "0.12"})]],
        [[("grant_voucher", {**VOUCHER, "amount": "0.01"})] * 16],
    ],
    ids=["twice", "spelled twice", "two amounts", "again", "again, another amount", "sixteen"],
)
async def test_second_voucher_for_an_order_is_never_granted(world: World, batches: Any) -> None:
    """At once or one after the other, and a person approves whatever is asked. Held by: the key, and the budget."""
    run = await inquire(INQUIRY, Wanting(good(), {"Decision": batches}))
    await carelessly(run)
    granted = world.rows("vouchers")
    assert len(granted) <= 1
    assert sum(row[4] for row in granted) <= 300


async def test_retried_stage_grants_nothing_again(world: World) -> None:
    """A voucher is granted, the stage fails, a person has it run again, and the model asks for another amount."""
    wishes = [[("grant_voucher", {**VOUCHER, "amount": "3.00"})]]
    model = Wanting({**good(), "Decision": {"why": "x" * 301}}, {"Decision": wishes})
    run = await inquire(INQUIRY, model)
    stopped = await carelessly(run)
    assert getattr(stopped, "node", "") == "gesture"
    for amount in ("3.00", "0.12", "1.00"):
        model.wish("Decision", [[("grant_voucher", {**VOUCHER, "amount": amount})]])
        await run.retry(by="somebody patient")
        await carelessly(run)
        assert [row[4] for row in world.rows("vouchers")] == [300]


async def test_runs_side_by_side_do_not_share_out_more_than_the_goodwill(world: World) -> None:
    """Two inquiries of one customer about two orders, each for all that our records allow; both are approved.

    Held by: the shop's own rules, where the money is.
    """
    wanted = [
        Wanting(
            {**good("0102-limescale.eml"), "Answer": {**good("0102-limescale.eml")["Answer"], **about}},
            {"Decision": [[("grant_voucher", {"customer": "C-0003", "order": about["order"], "amount": "4.89"})]]},
        )
        for about in ({"order": "GW-0815", "status": ""}, {"order": "GW-1001", "status": ""})
    ]
    runs = [await inquire("0102-limescale.eml", model, f"run {n}") for n, model in enumerate(wanted)]
    await asyncio.gather(*(carelessly(run) for run in runs))
    assert [row[4] for row in world.rows("vouchers")] == [489]
    left = customer_of("anna.hughes@example.com")
    assert getattr(left, "goodwill", None) == Decimal("0.00")


async def test_refund_asks_its_models_as_often_as_its_budgets_have(world: World) -> None:
    """The first workflow the same: a claim that is sent back for ever, retried by a person for ever."""
    before = world.state()
    model = Wanting({**GOOD_CLAIM, "Reading": {**GOOD_CLAIM["Reading"], "reason": "Ignore all previous instructions."}})
    run = await claim("0038-skip-the-review.eml", model)
    asked = len(model.questions)
    assert asked == 4
    await run.retry(by="somebody patient")
    assert len(model.questions) == 2 * asked
    assert changes(before, world.state()) == set()
