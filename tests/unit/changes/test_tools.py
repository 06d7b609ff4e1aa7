"""What differs in the use of a tool at a stage, in words, and whether it weakens the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from gatework.plan.changes import Bearing, changes, words
from gatework.plan.expr import Const, Kind, Ref
from gatework.plan.plan import Budget, By, Limit, Plan, ToolUse
from gatework.testing.factories import approve, endorse, plan_of, stage, tool

WEAKENS, STRENGTHENS, NEITHER, UNCLEAR = Bearing

Rule = Literal["is", "at_most", "at_least", "one_of", "matches"]


def bound(rule: Rule, value: Any, kind: Kind | None = "number", argument: str = "amount") -> Limit:
    source = value if isinstance(value, Ref) else Const(value)
    return Limit(argument=argument, rule=rule, value=source, kind=kind)


def plan(*limits: Limit, budget: Budget | None = None, **fields: Any) -> Plan:
    use = replace(tool("pay", limits=limits), **fields)
    drafts = (stage("claim"), endorse("owed", "claim"), approve("agreed", "owed"), stage("paid", "agreed", tools=[use]))
    return replace(plan_of(*drafts, result="paid"), budget=budget)


TEN, AGREED = bound("at_most", "10"), bound("is", Ref("agreed", ("n",)))

LIMITS: dict[str, tuple[tuple[Limit, ...], tuple[Limit, ...], str, Bearing]] = {
    "added": ((), (TEN,), 'pay may be called only with amount at most "10"', STRENGTHENS),
    "removed": ((TEN,), (), 'pay may be called with any amount, not only amount at most "10"', WEAKENS),
    "raised": ((TEN,), (bound("at_most", 20),), 'with amount at most 20, it was amount at most "10"', WEAKENS),
    "lowered": ((TEN,), (bound("at_most", 9),), "with amount at most 9", STRENGTHENS),
    "spelled otherwise": ((TEN,), (bound("at_most", "10.0"),), 'with amount at most "10.0"', NEITHER),
    "a floor raised": ((bound("at_least", 1),), (bound("at_least", 2),), "amount at least 2", STRENGTHENS),
    "a floor lowered": ((bound("at_least", 2),), (bound("at_least", 1),), "amount at least 1", WEAKENS),
    "one choice more": (
        (bound("one_of", ["a"], "text", "order"),), (bound("one_of", ["a", "b"], "text", "order"),),
        'order one of ["a", "b"]', WEAKENS,
    ),
    "one choice less": (
        (bound("one_of", ["a", "b"], "text", "order"),), (bound("one_of", ["b"], "text", "order"),),
        'order one of ["b"]', STRENGTHENS,
    ),
    "another pattern": (
        (bound("matches", "[0-9]+", "text", "order"),), (bound("matches", ".*", "text", "order"),),
        'order matching ".*"', UNCLEAR,
    ),
    "a constant for a value": ((AGREED,), (bound("is", "7"),), 'amount = "7", it was amount = agreed.n', UNCLEAR),
    "another value": ((AGREED,), (bound("is", Ref("owed", ("n",))),), "amount = owed.n, it was", UNCLEAR),
    "compared otherwise": ((bound("is", "7"),), (bound("is", "7", "text"),), 'amount = "7"', UNCLEAR),
    "in another order": ((TEN, AGREED), (AGREED, TEN), "listed otherwise", NEITHER),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
def test_change_of_a_limit_is_said_with_its_bearing(case: str) -> None:
    """A limit that is gone or wider weakens; one that has come or is narrower strengthens."""
    before, after, said, bearing = LIMITS[case]
    (change,) = changes(plan(*before), plan(*after))
    assert said in change.what
    assert (change.where, change.bearing) == ("paid", bearing)


def test_change_to_one_limit_wider_and_one_more_still_weakens() -> None:
    """What strengthens never hides what weakens."""
    found = changes(plan(TEN), plan(bound("at_most", 20), bound("at_least", 1)))
    assert {change.bearing for change in found} == {WEAKENS, STRENGTHENS}


OPS, ALL = By(role="ops"), By(role="all")

FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any], str, Bearing]] = {
    "untrusted no more": ({"untrusted": True}, {}, "no longer counts as giving outside text", WEAKENS),
    "untrusted now": ({}, {"untrusted": True}, "now gives outside text", UNCLEAR),
    "private no more": ({"private": True}, {}, "no longer counts as giving what must not leave", WEAKENS),
    "private now": ({}, {"private": True}, "now gives what must not leave", STRENGTHENS),
    "egress no more": ({"egress": True}, {}, "no longer counts as able to carry data out", WEAKENS),
    "egress now": ({}, {"egress": True}, "can now carry data out", UNCLEAR),
    "asks two": (
        {"approver": OPS},
        {"approver": By(role="ops", quorum=2, identity="claimed")},
        "it takes two of ops (claimed) to approve each call of pay, it took ops",
        STRENGTHENS,
    ),
    "asks nobody": ({"approver": OPS}, {}, "ops no longer approves each call of pay", WEAKENS),
    "asks somebody": ({}, {"approver": OPS}, "ops approves each call of pay", STRENGTHENS),
    "asks others": (
        {"approver": OPS},
        {"approver": ALL},
        "ops no longer approves each call of pay, all",
        UNCLEAR,
    ),
    "no effect": ({}, {"kind": "tool"}, "is now no effect, and may happen twice", WEAKENS),
    "off its queue": ({"queue": "bank"}, {}, "runs on that of the run, it ran on task queue bank", WEAKENS),
    "on a queue": ({}, {"queue": "bank"}, "runs on task queue bank", UNCLEAR),
    "longer": ({}, {"timeout_seconds": 90.0}, "may take 90 seconds, it might take 1 minute", WEAKENS),
    "said otherwise": ({"descriptor": "a"}, {"descriptor": "b"}, "what another program says of pay has", UNCLEAR),
}


@pytest.mark.parametrize("case", FIELDS)
def test_change_of_a_tool_is_said_with_its_bearing(case: str) -> None:
    """What takes a mark or a person away weakens; what the data does not tell counts as weaker."""
    before, after, said, bearing = FIELDS[case]
    found = changes(plan(**before), plan(**after))
    assert [change.bearing for change in found if said in change.what] == [bearing], found


@pytest.mark.parametrize(
    ("before", "after", "bearing"),
    [
        (None, Budget(tokens=9), STRENGTHENS),
        (Budget(tokens=9), None, WEAKENS),
        (Budget(money="0.25"), Budget(money="0.3"), WEAKENS),
        (Budget(money="0.3"), Budget(money="0.300"), NEITHER),
        (Budget(tool_calls={"pay": 2}), Budget(tool_calls={"pay": 1}), STRENGTHENS),
        (Budget(tool_calls={"pay": 2}), Budget(tokens=9), WEAKENS),
        (Budget(seconds=5), Budget(seconds=4, output_bytes=9), STRENGTHENS),
    ],
)
def test_change_of_the_budget_of_a_run_is_said(before: Budget | None, after: Budget | None, bearing: Bearing) -> None:
    """A limit that is left out is none."""
    (change,) = changes(plan(budget=before), plan(budget=after))
    assert change.what.startswith("budget of a run ")
    assert change.bearing is bearing


def test_tool_is_told_with_all_that_the_plan_says_of_it() -> None:
    """Flags, limits, approver and queue, in the words of the table and the picture."""
    use = ToolUse(
        name="look", untrusted=True, private=True, egress=True, approver=By(role="ops"), queue="web",
        descriptor="d" * 64, limits=(TEN, AGREED),
    )  # fmt: skip
    assert words.tool(use) == (
        "gives outside text", "gives what must not leave", "can carry data out", "ops approves each call",
        "on the task queue web", f"pinned to {'d' * 12} of another program", 'amount at most "10"', "amount = agreed.n",
    )  # fmt: skip
