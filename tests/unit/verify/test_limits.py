"""Limits of grants and budgets: what the machine lets happen a verifier takes, and a ledger of more it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.plan.expr import Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import Budget, Limit, Plan, Work
from gatework.proof.certificate import Certificate, Disclosed
from gatework.run.budget import Spent
from gatework.run.state import Receipt
from gatework.testing.driver import Driver
from gatework.testing.factories import (
    ARGUMENTS,
    SALT,
    answered,
    call,
    called,
    effect,
    endorse,
    plan_of,
    sealed,
    stage,
    tool,
)
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.verify import limits, whole
from gatework.verify.refusal import Refused
from gatework.verify.report import report
from tests.unit.verify.certificates import certificate_of
from tests.unit.verify.forging import Change, changed, first, forged

RUN = Budget(model_calls=6, tokens=1_000, money="0.5", tool_calls={"fetch": 3}, seconds=60.0)
OWN = Budget(model_calls=4, tool_calls={"fetch": 2, "read": 3}, output_bytes=20)
SOME = Spent(model_calls=1, tokens=300, money="0.125", seconds=7.25)


def refusal(certificate: Certificate) -> str:
    """The code with which it is refused; empty where it holds."""
    try:
        whole.check(certificate)
    except Refused as refused:
        return refused.why
    return ""


# -- limits ----------------------------------------------------------------------------------------


def paying(*found: Limit) -> Plan:
    return plan_of(endorse("owed", "start"), effect("pay", "owed", limits=found), name="pays")


def limited(argument: str, rule: Any, value: Json | Ref, kind: Any = "number") -> Limit:
    return Limit(argument=argument, rule=rule, value=value if isinstance(value, Ref) else Const(value), kind=kind)


def paid(plan: Plan, owed: Json, order: Json, amount: Json) -> Driver:
    run = Driver(plan).begin().finish(owed)
    return run.suspend(call("pay", order=order, amount=amount)).ended().finish()


def held_to(plan: Plan, order: Json, amount: Json) -> Certificate:
    """The ledger of a run that paid without limits, said to be of this plan, with the arguments of its call."""
    certificate = certificate_of(paid(paying(), OWED, order, amount))
    salt = canonical.digest("arguments", SALT.hex())[:32]
    arguments = Disclosed(data={"order": order, "amount": amount}, salt=salt)
    certificate = replace(certificate, values={**certificate.values, arguments.digest: arguments})
    how = {**certificate.runs[0].entries[0].receipt.how, "plan": plan.digest}
    return forged(replace(certificate, plans={plan.digest: plan}), changed("begun", how=how))


OWED = {"order": "A-1", "n": "12.50", "all": ["A-1", "A-2"], "by": "2026-01-31"}


@pytest.mark.parametrize(
    ("one", "order", "amount"),
    [
        (limited("amount", "at_most", Ref("owed", ("n",))), "A-1", "12.5"),
        (limited("amount", "at_most", Ref("owed", ("n",))), "A-1", 12.51),
        (limited("amount", "at_most", Ref("owed", ("n",))), "A-1", "much"),
        (limited("amount", "at_least", 10), "A-1", "9.99"),
        (limited("amount", "at_least", 10), "A-1", "1E+1"),
        (limited("amount", "is", Ref("owed", ("n",))), "A-1", "12.500"),
        (limited("amount", "is", Ref("owed", ("n",))), "A-1", None),
        (limited("amount", "is", Ref("owed", ("none",))), "A-1", 1),
        (limited("order", "is", Ref("owed", ("order",)), "text"), "A-1", 1),
        (limited("order", "is", Ref("owed", ("order",)), "text"), "a-1", 1),
        (limited("order", "is", {"a": [1]}, None), {"a": [1]}, 1),
        (limited("order", "is", {"a": [1]}, None), {"a": [2]}, 1),
        (limited("order", "one_of", Ref("owed", ("all",)), "text"), "A-2", 1),
        (limited("order", "one_of", Ref("owed", ("all",)), "text"), "A-3", 1),
        (limited("order", "one_of", Ref("owed", ("n",)), "text"), "12.50", 1),
        (limited("order", "at_most", Ref("owed", ("by",)), "time"), "2026-01-30", 1),
        (limited("order", "at_most", Ref("owed", ("by",)), "time"), "2026-02-01", 1),
        (limited("order", "at_most", Ref("owed", ("by",)), "time"), "2026-01-30T00:00:00", 1),
        (limited("order", "matches", "A-[0-9]", "text"), "A-7", 1),
        (limited("order", "matches", "A-[0-9]", "text"), "A-77", 1),
        (limited("order", "matches", "A-[0-9]", "text"), "A-7\n", 1),
    ],
)
def test_calls_outside_a_limit_are_refused_where_the_machine_refuses_them(
    one: Limit, order: Json, amount: Json
) -> None:
    """Of a plan without the limit the machine makes the ledger; said to be of the plan with it, it holds or not."""
    plan = paying(one)
    try:
        paid(plan, OWED, order, amount)
        kept = True
    except OrderError:
        kept = False
    assert refusal(held_to(plan, order, amount)) == ("" if kept else "limits")


def test_limits_that_name_what_is_withheld_are_said_not_to_be_checked() -> None:
    """A certificate that discloses less holds still, and says what nobody could look at."""
    plan = paying(limited("amount", "at_most", Ref("owed", ("n",))))
    broken = held_to(plan, "A-1", 13)
    assert refusal(broken) == "limits"
    asked = broken.runs[0].entries[first([e.receipt for e in broken.runs[0].entries], "suspended")].receipt
    for withheld in (asked.how["calls"][0]["arguments"], broken.runs[0].entries[1].receipt.output):
        less = replace(broken, values={name: value for name, value in broken.values.items() if name != withheld})
        assert whole.check(less).known.not_checked[limits.WITHHELD] == 1


def test_arguments_that_break_the_contract_of_their_tool_are_refused() -> None:
    """What a tool takes is sealed in the plan, too."""
    schema: Json = {**ARGUMENTS, "properties": {"order": {"type": "string"}, "amount": {}}}
    owed, pay = paying().nodes
    assert isinstance(pay, Work)
    digest = canonical.digest("contract", schema)
    pay = replace(pay, tools=(replace(pay.tools[0], arguments=digest),))
    plan = replace(paying(), nodes=(owed, pay), contracts={**paying().contracts, digest: schema})
    assert refusal(held_to(plan, "A-1", 1)) == ""
    assert refusal(held_to(plan, 7, 1)) == "contract"


# -- budgets ---------------------------------------------------------------------------------------


def planned(own: Budget | None = OWN, run: Budget | None = None, attempts: int = 3) -> Plan:
    tools = [tool("fetch", kind="tool", queue="elsewhere"), tool("read", kind="tool")]
    return plan_of(
        stage("one", tools=tools, guards=["fit"], attempts=attempts, budget=own),
        stage("two", "one", budget=Budget(model_calls=1, output_bytes=20)),
        start=Label.ENDORSED,
        budget=run,
        name="spends",
    )


def asked(number: int = 0) -> Any:
    return call("one", "fetch", effect=False, number=number)


def spending() -> Driver:
    """A run within its budgets: two attempts, of which the second goes on twice, and a call that is answered."""
    run = Driver(planned(OWN, RUN)).begin().finish("one", "retry", spent=SOME)
    run.suspend(asked(), entries=[answered(), called("one", "read")], spent=_spent(2, fetch=1, read=1)).ended()
    return run.finish("good", spent=_spent(1)).finish("done", spent=_spent(1))


def _spent(model_calls: int, **tool_calls: int) -> Spent:
    return Spent(model_calls=model_calls, tokens=10, tool_calls=tool_calls, seconds=0.5)


def spends(kind: str, node: str, **members: Json) -> Change:
    """Another amount spent in the first such receipt."""

    def change(receipts: list[Receipt]) -> list[Receipt]:
        place = first(receipts, kind, node)
        how = receipts[place].how
        receipts[place] = replace(receipts[place], how={**how, "spent": {**how.get("spent", {}), **members}})
        return receipts

    return change


def test_what_was_spent_is_told_against_what_the_plan_lets() -> None:
    """Of the run, and of each stage that worked; what has no limit stands alone."""
    checked = whole.check(certificate_of(spending()))
    (told,) = report(checked)["spent"]
    assert told["spent"] == {
        "model_calls": 5, "tokens": 330, "money": "0.125", "tool_calls": {"fetch": 1, "read": 1}, "seconds": 8.75,
    }  # fmt: skip
    assert told["budget"] == {
        "model_calls": 6, "tokens": 1_000, "money": "0.5", "tool_calls": {"fetch": 3}, "seconds": 60.0,
    }  # fmt: skip
    assert [one["spent"]["model_calls"] for one in told["nodes"]] == [4, 1]
    assert [one["budget"]["model_calls"] for one in told["nodes"]] == [4, 1]


@pytest.mark.parametrize(
    "change",
    [
        spends("output", "one", model_calls=5),
        spends("output", "one", model_calls=4),
        spends("output", "one", money="0.5"),
        spends("output", "one", tokens=1_000),
        spends("output", "one", seconds=60),
        spends("output", "one", tool_calls={"read": 4}),
        spends("output", "one", tool_calls={"unknown": 1}),
        spends("output", "one", tokens=10**9 + 1),
        spends("output", "one", money="1e3"),
        spends("suspended", "one", model_calls=4),
        spends("suspended", "one", tool_calls={"fetch": 1}),
        spends("suspended", "one", tool_calls={"read": 1}),
        spends("suspended", "one", tool_calls={"fetch": 3, "read": 1}),
        spends("output", "two", model_calls=2),
        changed("output", "two", output=sealed("x" * 30).digest),
    ],
)
def test_ledgers_that_spend_beyond_a_budget_are_refused(change: Change) -> None:
    """Nothing begins once a budget is used up; no more calls are made than were left, nor than are said."""
    certificate = certificate_of(spending())
    assert refusal(certificate) == ""
    large = sealed("x" * 30)
    values = {**certificate.values, large.digest: Disclosed(data=large.data, salt=large.salt)}
    certificate = forged(replace(certificate, values=values), change)
    assert refusal(certificate) == "budget"


@pytest.mark.parametrize(
    "change",
    [
        spends("output", "two", tokens=5_000),
        spends("output", "two", money="7"),
        spends("output", "two", seconds=900),
    ],
)
def test_what_was_under_way_may_cost_more_than_was_left(change: Change) -> None:
    """A question is asked before it is known what it costs, and told so in the report."""
    assert refusal(forged(certificate_of(spending()), change)) == ""


def test_machine_takes_no_more_calls_than_it_allowed() -> None:
    """What the verifier refuses, the machine does not make: whoever runs an attempt is not believed in that."""
    run = Driver(planned(OWN, RUN)).begin()
    with pytest.raises(OrderError, match="made more calls than its budget has"):
        run.finish("one", spent=_spent(5))
    with pytest.raises(OrderError, match="made more calls than its budget has"):
        run.suspend(entries=[answered()], spent=_spent(1, read=4))
    assert run.fail("contract", spent=_spent(5)).gate.kind == "exhausted", "what it spent, it spent"
