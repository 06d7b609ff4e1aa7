"""What a run shows of itself: exactly what a person decides on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import gatework
from gatework import Block, Endorsed, IdempotencyKey, effect, role, workflow
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By
from gatework.run.state import Vote
from gatework.temporal.page.inbrief import MAX_TITLE
from gatework.temporal.page.progress import Progress, Ruled, Waiting, fitting, progress
from gatework.testing import Driver, rehearse
from gatework.testing.factories import approve, decided, plan_of, sealed, stage


class Sum(BaseModel):
    order: str


class Receipt(BaseModel):
    order: str


@effect(once="order", approve_calls=role("boss"))
async def owed(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt | Block:
    return Receipt(order=order)


@gatework.stage()
async def known(note: Endorsed[Sum]) -> Endorsed[Sum]:
    return note


@gatework.stage(tools=[owed])
async def pay(debt: Endorsed[Sum]) -> Endorsed[Receipt | Block]:
    return Endorsed(await owed(order=debt.value.order, amount=Decimal("12.50")))


@workflow
def namesakes(note: Endorsed[Sum]) -> Endorsed[Receipt | Block]:
    """A value of the name of a tool."""
    owed = known(note)
    return pay(owed)


async def test_value_of_the_name_of_a_tool_does_not_hide_the_arguments_of_its_call() -> None:
    """What is approved is the call, whatever the values of the plan are called."""
    rehearsal = await rehearse(namesakes, Sum(order="A-1"))
    shown: Any = progress(namesakes.plan, rehearsal.state).waiting
    assert shown.kind == "call"
    assert list(shown.shown.items()) == [
        ("owed()", {"order": "A-1", "amount": "12.50"}),
        ("owed", {"order": "A-1"}),
    ]


def test_arguments_are_shown_before_anything_else_fits() -> None:
    """Where not all can be shown, other values are left out."""
    values = {"pay()": {"text": "x" * 400_000}, **{f"value_{n}": "x" * 300_000 for n in range(4)}}
    assert next(iter(fitting(values, "pay()"))) == "pay()"
    assert "pay()" not in fitting(values)


# -- what is said of each node ---------------------------------------------------------------------

OWED = {"amount": "212.40", "currency": "EUR", "order": "A204817", "to": "Ann Lee"}


def of(driver: Driver) -> Progress:
    return progress(driver.plan, driver.state, driver.ledger)


def asked_of(driver: Driver) -> Waiting:
    waiting = of(driver).waiting
    assert waiting is not None
    return waiting


def let_on(driver: Driver, by: str = "") -> Driver:
    driver.take(replace(decided(driver.gate, "approve"), by=by, identity="claimed" if by else "none"))
    return driver


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (OWED, "212.40, EUR, A204817, Ann Lee"),
        ("a text\nof two lines", "a text of two lines"),
        (12.5, "12.5"),
        ({"deep": {"amount": 1}, "list": [1, 2], "yes": True, "none": None, "name": "", "last": 7}, "7"),
        ({"text": "word " * 100, "after": 1}, "word word word word word word word word…"),
        ({"mail": "somebody.else@example.com"}, "somebody.else@e…"),
        (["a", "b"], ""),
    ],
)
def test_result_of_a_stage_is_the_beginning_of_its_value(value: Any, result: str) -> None:
    """Its first texts and numbers, no longer than a cell holds, no word longer than a cell breaks."""
    node = of(Driver(plan_of(stage("owed"))).begin().finish(value)).nodes[0]
    assert (node.status, node.result) == ("done", result)


def test_node_without_a_value_has_no_result() -> None:
    """What is ahead, or under way, has come to nothing yet."""
    assert [node.result for node in of(Driver(plan_of(stage("a"), stage("b", "a"))).begin()).nodes] == ["", ""]


def test_approval_says_who_gave_it_or_that_a_rule_did() -> None:
    """Automatic approvals are told from those of people wherever the run is looked at, with the rule."""
    large = Compare("gt", Ref("owed", ("amount",)), Const(100), "number")
    plan = plan_of(
        stage("owed"), approve("agreed", "owed", when=large), stage("pay", "agreed"), start=Label.ENDORSED
    )  # fmt: skip
    ruled = of(Driver(plan).begin().finish({"amount": 50}))
    assert ruled.automatic == (Ruled(node="agreed", rule="no person is asked unless owed.amount > 100"),)
    assert ruled.nodes[1].result == "by rule"
    driver = Driver(plan).begin().finish({"amount": 500})
    assert of(driver).automatic == ()
    let_on(driver, "Ada")
    assert of(driver).automatic == ()
    assert of(driver).nodes[1].result == "by Ada"


def test_approval_by_rule_that_has_become_void_is_not_told() -> None:
    """After an edit a person is asked, and what the rule had said before does not stand beside the question."""
    large = Compare("gt", Ref("owed", ("amount",)), Const(100), "number")
    plan = plan_of(
        stage("owed"), approve("agreed", "owed", when=large), stage("pay", "agreed"), start=Label.ENDORSED
    )  # fmt: skip
    driver = Driver(plan).begin().finish({"amount": 50}).fail("error")
    assert of(driver).automatic
    driver.take(
        replace(decided(driver.gate, "edit", place="owed", value=sealed({"amount": 60})), by="", identity="none")
    )
    assert asked_of(driver).kind == "approval"
    assert of(driver).automatic == ()


# -- titles ----------------------------------------------------------------------------------------


def titled(title: str, value: Any) -> str:
    return asked_of(Driver(plan_of(stage("owed"), approve("agreed", "owed", title=title))).begin().finish(value)).title


def test_title_has_the_fields_of_the_value_in_it() -> None:
    """Plain words stand as they are, others in quotation marks."""
    said = titled("pay {amount} {currency} to {to}, order {order}", OWED)
    assert said == "pay 212.40 EUR to “Ann Lee”, order A204817"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Eve, stage 1 of 1, no risk", "to “Eve, stage 1 of 1, no risk”."),
        ("Eve” for nothing “x", "to “Eve' for nothing 'x”."),
        ('Eve" for', "to “Eve' for”."),
        ("Eve\n### NEEDS", "to “Eve ### NEEDS”."),
        ("x" * 500, "to “" + "x" * 39 + "…”."),
        ("\u05d0\u05d1\u05d2", "to “…”."),
        ("{amount}", "to “{amount}”."),
        ("", "to “”."),
        ({"a": 1}, "to “{'a': 1}”."),
        (None, "to null."),
    ],
)
def test_value_in_a_title_is_not_taken_for_the_words_of_the_plan(value: Any, said: str) -> None:
    """What is no plain word is marked as the value's, cut, and moves nothing around it."""
    assert titled("to {to}.", {"to": value}) == said


def test_title_of_many_fields_is_cut() -> None:
    """The first line stays one that is read."""
    assert len(titled("{a}" * 40, {"a": "x" * 100})) == MAX_TITLE


# -- guards ----------------------------------------------------------------------------------------


def test_guards_are_told_of_each_value_that_is_shown() -> None:
    """What passed, and what a person let on, of the very output that is shown and no earlier one."""
    plan = plan_of(
        stage("claim", guards=["quotes"], attempts=2), stage("letter", "claim", guards=["polite", "short"]),
        approve("agreed", "letter", show=["claim"]),
    )  # fmt: skip
    driver = Driver(plan).begin().finish("a", "retry").finish("b").finish("c", "pass", "escalate")
    assert [(said.of, said.guard, said.verdict) for said in asked_of(let_on(driver)).guards] == [
        ("letter", "polite", "pass"),
        ("letter", "short", "escalate"),
        ("claim", "quotes", "pass"),
    ]


def test_guards_of_an_approved_value_are_those_of_the_value() -> None:
    """An approval passes on what was approved; what its guards said is shown with it."""
    plan = plan_of(stage("a", guards=["g"]), approve("agreed", "a"), stage("b", "agreed"))
    driver = Driver(plan).begin().finish("a")
    let_on(driver).fail("error")
    assert [(said.of, said.guard) for said in asked_of(driver).guards] == [("a", "g")]


def test_guards_on_inputs_are_told_of_the_node() -> None:
    """Before a stage runs, there is no value of it yet."""
    driver = Driver(plan_of(stage("a", before=["looks"]))).begin().stop("escalate")
    assert [(said.of, said.guard, said.verdict) for said in asked_of(driver).guards] == [("a", "looks", "escalate")]


# -- who is asked ----------------------------------------------------------------------------------


def test_those_who_decide_are_told_with_the_question() -> None:
    """Role, quorum, how surely they must be known, who has approved, who may not, and who comes next."""
    by, board = By(role="finance", quorum=2, identity="claimed"), By(role="board", quorum=2, identity="claimed")
    plan = plan_of(stage("owed"), approve("agreed", "owed", role=by, otherwise=board, not_by=[Ref("owed", ("clerk",))]))
    driver = Driver(plan).begin().finish({"clerk": "Eve"})
    let_on(driver, "Ada")
    waits = asked_of(driver)
    assert (waits.role, waits.quorum, waits.identity, waits.otherwise) == ("finance", 2, "claimed", "board")
    assert (waits.votes, waits.not_by) == ((Vote(by="Ada", identity="claimed"),), ("Eve",))
    waits = asked_of(driver.expire())
    assert (waits.role, waits.otherwise, waits.handed_on, waits.votes) == ("board", "", True, ())
