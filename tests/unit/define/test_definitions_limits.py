"""Limits on the arguments of tools, where they are declared and where a plan calls a stage; and every wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from gatework.plan.expr import Const, Ref
from gatework.plan.plan import Limit, Work
from tests.unit.defining import Definitions

# -- constants -------------------------------------------------------------------------------------

ALL_KINDS = """\
@tool(private=True)
async def look(order: OrderId, amount: Decimal, items: int, weight: float, gift: bool, kind: Kind, due: date,
               seen: datetime, customer: Customer, tags: list[str], level: Literal["low", "high"],
               paid: Decimal | None = None) -> str: ...
"""


def limits(defining: Definitions, wanted: str) -> list[tuple[str, str, Any, str | None]]:
    granted = defining.load(f"{ALL_KINDS}granted = look.only({wanted})\n").granted
    return [(limit.argument, limit.rule, limit.value.data, limit.kind) for limit in granted.limits]


def test_limits_are_sealed_as_the_json_of_the_argument(defining: Definitions) -> None:
    """Constants, ranges, choices and patterns; each compared as the argument is."""
    found = limits(
        defining,
        "order='A-1', amount=between(Decimal('0.01'), 100), items=at_most(3), weight=at_least(0.5), gift=True,"
        "kind=Kind.NEW, due=at_most(date(2026, 1, 2)), seen=at_least(datetime(2026, 1, 2, tzinfo=UTC)),"
        "customer=parts.Customer(name='Ann', vip=False), tags=one_of(['a'], ['b', 'c']), level=one_of('low')",
    )
    assert found == [
        ("order", "is", "A-1", "text"),
        ("amount", "at_least", "0.01", "number"),
        ("amount", "at_most", 100, "number"),
        ("items", "at_most", 3, "number"),
        ("weight", "at_least", 0.5, "number"),
        ("gift", "is", True, "flag"),
        ("kind", "is", "new", "text"),
        ("due", "at_most", "2026-01-02", "time"),
        ("seen", "at_least", "2026-01-02T00:00:00+00:00", "time"),
        ("customer", "is", {"name": "Ann", "vip": False}, None),
        ("tags", "one_of", [["a"], ["b", "c"]], None),
        ("level", "one_of", ["low"], "text"),
    ]
    assert limits(defining, "paid=one_of(None, Decimal(3))") == [("paid", "one_of", [None, "3"], "number")]
    assert limits(defining, "order=matches('[A-Z]-[0-9]+')") == [("order", "matches", "[A-Z]-[0-9]+", "text")]


def test_limits_add_up(defining: Definitions) -> None:
    """A further limit never takes one away: `only` of what is limited keeps what it has."""
    module = defining.load(f"{ALL_KINDS}granted = look.only(items=at_most(9)).only(items=at_most(99), gift=False)\n")
    assert [(limit.argument, limit.value) for limit in module.granted.limits] == [
        ("items", Const(9)),
        ("items", Const(99)),
        ("gift", Const(False)),
    ]


LIMITS = {
    "of nothing": ("", r"look.only\(\) limits nothing", "Name an argument"),
    "of an argument that is not there": ("file='a'", "look has no argument 'file'", "It has order, amount"),
    "of a wrong type": ("items='3'", "items of look is granted as a constant that breaks its contract", "Correct"),
    "of an int as text": ("amount=100", "constant that breaks its contract", "Correct"),
    "of a flag as a number": ("gift=1", "constant that breaks its contract", "Correct"),
    "of a number as a flag": ("items=True", "constant that breaks its contract", "Correct"),
    "at most a flag": ("items=at_most(True)", "compared with a bool", "Write a int"),
    "at most a float of decimals": ("amount=at_most(0.1)", "compared with a float", "Write a Decimal"),
    "at most text": ("items=at_most('3')", "compared with a str", "Write a int"),
    "at most infinity": ("weight=at_most(float('inf'))", "not finite", "JSON can hold"),
    "at most no number": ("amount=at_most(Decimal('NaN'))", "not finite", "Write a number"),
    "of text in order": ("order=at_most('B')", "order of look has no order", "one_of"),
    "of a flag in order": ("gift=at_least(False)", "has no order", "one_of"),
    "of a model in order": ("customer=at_most(parts.Customer(name='A', vip=True))", "has no order", "one_of"),
    "at most a day of times": ("seen=at_most(date(2026, 1, 2))", "is a datetime", "times with times"),
    "at most a time of days": ("due=at_most(datetime(2026, 1, 2))", "is a date", "days with days"),
    "of none of a list": ("level=one_of()", "level of look is one of nothing", "Name the choices"),
    "of what is no choice": ("level=one_of('low', 'medium')", "constant that breaks its contract", "Correct"),
    "of a pattern of numbers": ("items=matches('[0-9]')", "items of look is no text", "one_of"),
    "of a pattern that is none": ("order=matches('(')", r"matches '\(', which cannot be read", "without lookaround"),
    "of a pattern that gets out of its bounds": ("order=matches('a)|(?:b')", "cannot be read", "without"),
    "of a pattern that looks ahead": ("order=matches('(?=a)a')", "looks around", "without lookaround"),
    "of a pattern that looks back": (r"order=matches(r'(a)\1')", "looks around or back", "without lookaround"),
    "of a pattern too large": ("order=matches('a{1,9}{1,999}{1,99999}')", "cannot be read", "without"),
    "of a pattern too long": ("order=matches('a' * 1001)", "longer than 1000", "without"),
    "of a pattern of bytes": ("order=matches(b'a')", "what is no pattern", "as a constant"),
    "of a limit of a limit": ("items=at_most(at_most(3))", "limit of a limit", "Give one"),
    "of nothing at all": ("items=None", "constant that breaks its contract", "Correct"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limit_that_bounds_nothing_is_refused(case: str, defining: Definitions) -> None:
    """A constant is of the argument's type; an order needs values that have one; patterns are linear in time."""
    wanted, problem, fix = LIMITS[case]
    defining.refused(f"{ALL_KINDS}look.only({wanted})  # here", problem, fix)


# -- limits at a call ------------------------------------------------------------------------------

PAID = """\
claim = extract(mail)
owed = endorse(claim, by=look_up)
agreed = approve(owed, by=role("finance"))
receipt = pay{call}(agreed)
return send(draft(owed), receipt)
"""


def paid(defining: Definitions, call: str) -> Work:
    node = defining.plan(PAID.format(call=call)).plan.nodes[3]
    assert isinstance(node, Work)
    return node


def test_call_of_a_stage_narrows_its_grant_by_values_of_the_plan(defining: Definitions) -> None:
    """`stage.limited(tool.only(…))(…)`: fields of values that are not untrusted, compared as the argument is."""
    node = paid(defining, ".limited(refund_order.only(order=agreed.value.order, amount=at_most(owed.value.amount)))")
    (use,) = node.tools
    assert use.limits == (
        Limit(argument="order", rule="is", value=Ref("agreed", ("order",)), kind="text"),
        Limit(argument="amount", rule="at_most", value=Ref("owed", ("amount",)), kind="number"),
    )
    assert node.reads == (Ref("agreed"), Ref("agreed", ("order",)), Ref("owed", ("amount",)))


@pytest.mark.parametrize(
    ("call", "count"),
    [
        (".limited(refund_order.only(order='A-1'))", 1),
        (".limited(refund_order.only(order='A-1'), refund_order.only(order=agreed.value.order))", 2),
        (".limited(refund_order.only(order='A-1')).limited(refund_order.only(amount=at_most(9)))", 2),
        (".limited(refund_order.only(order=agreed.value.order).only(amount=between(1, agreed.value.amount)))", 3),
        (".as_('receipt').limited(refund_order.only(order=one_of(owed.value.tags)))", 1),
        (".limited(refund_order.only(order=matches('[0-9]+'))).as_('receipt')", 1),
    ],
)
def test_limits_of_a_call_are_kept_however_they_are_written(call: str, count: int, defining: Definitions) -> None:
    """One after the other, together, before and after `as_`: every limit stays."""
    node = paid(defining, call)
    assert node.name == "receipt"
    assert len(node.tools[0].limits) == count


def test_limits_may_have_a_name_in_the_plan(defining: Definitions) -> None:
    """A limit, and a grant, may be assigned first."""
    body = PAID.format(call=".limited(grant)").replace(
        "receipt =", "most = at_most(agreed.value.amount)\ngrant = refund_order.only(amount=most)\nreceipt ="
    )
    node = defining.plan(body).plan.nodes[3]
    assert isinstance(node, Work)
    assert node.tools[0].limits[0].value == Ref("agreed", ("amount",))


def test_limits_of_a_stage_and_of_its_call_add_up(defining: Definitions) -> None:
    """Attenuation only narrows: a call cannot take away what the stage was declared with."""
    module = defining.load(
        """\
@stage(tools=[refund_order.only(amount=at_most(100))])
async def pay_little(owed: Approved[Owed]) -> Endorsed[Receipt]: ...

@workflow
def plan(owed: Endorsed[Owed]) -> Endorsed[Receipt]:
    agreed = approve(owed, by=role("finance"))
    return pay_little.limited(refund_order.only(amount=at_most(1000)))(agreed)
"""
    )
    node = module.plan.plan.nodes[-1]
    assert [limit.value for limit in node.tools[0].limits] == [Const(100), Const(1000)]


CALLS = {
    "by an untrusted value": (
        "refund_order.only(order=claim.value.order)", "limited by the untrusted claim.order", "endorsed or approved"
    ),
    "by an untrusted list": (
        "refund_order.only(order=one_of(claim.value.order))", "limited by the untrusted claim.order", "endorsed"
    ),
    "by what the run starts from": (
        "refund_order.only(order=mail.value.text)", "limited by the untrusted mail.text", "endorsed"
    ),
    "by a labelled value": ("refund_order.only(order=agreed)", "agreed is labelled", "agreed.value, or a field"),
    "by a value of another kind": (
        "refund_order.only(amount=at_most(owed.value.due))", "cannot be compared with a date", "its own type"
    ),
    "by a flag": ("refund_order.only(order=owed.value.gift)", "cannot be compared with a bool", "its own type"),
    "by a model": ("refund_order.only(order=owed.value.customer)", "cannot be compared with a Customer", "own type"),
    "by a field that is not there": ("refund_order.only(order=owed.value.number)", "Owed has no field number", "order"),
    "by a condition": (
        "refund_order.only(order=owed.value.amount > 3)", "limited by a condition", "value of the plan"
    ),
    "by values in a row": (
        "refund_order.only(order=one_of(owed.value.order, 'A'))", "one of values of the plan", "one list"
    ),
    "by one value that is no list": (
        "refund_order.only(order=one_of(owed.value.order))", "is one of a OrderId", "list of the plan"
    ),
    "by a list of numbers": (
        "refund_order.only(amount=one_of(owed.value.tags))", r"cannot be compared with a str", "its own type"
    ),
    "by a pattern of the plan": (
        "refund_order.only(order=matches(owed.value.order))", "what is no pattern", "constant"
    ),
    "of a tool that the stage lacks": (
        "other_tool.only(order='a')", "pay does not hold other_tool", r"holds \(refund_order\), or grant"
    ),
    "of a tool that only has the name": (
        "twin.only(order='a')", "pay does not hold refund_order", "grant it with tools="
    ),
    "of an argument that is not there": ("refund_order.only(file='a')", "no argument 'file'", "order, amount"),
    "of nothing": ("", r"pay.limited\(\) limits nothing", "tool.only"),
    "of the whole tool": ("refund_order", "limited by what is no grant", "tool.only"),
    "of a limit alone": ("at_most(owed.value.amount)", "what is no grant", "tool.only"),
    "of a value of the plan": ("owed", "what is no grant", "tool.only"),
    "by arithmetic": ("refund_order.only(amount=owed.value.amount * 2)", "arithmetic", "Compute in a stage"),
    "by a call of something else": (
        "refund_order.only(order=str(owed.value.order))", "`str` is called with a value", "calls stages"
    ),
    "by other methods": (
        "refund_order.interface.bound(owed)", "is called with a value of the plan", "calls stages"
    ),
    "by starred limits": ("refund_order.only(**owed)", "a starred argument", "Name each"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_limit_at_a_call_that_does_not_hold_is_refused(case: str, defining: Definitions) -> None:
    """With the line of the call and what to write instead."""
    granted, problem, fix = CALLS[case]
    body = PAID.format(call=f".limited({granted})").replace("(agreed)\nreturn", "(agreed)  # here\nreturn")
    defining.refused(
        """\
@tool
async def other_tool(order: str) -> str: ...
async def _twin(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt: ...
_twin.__name__ = "refund_order"
twin = effect(once="order")(_twin)

@workflow
def plan(mail: Untrusted[Mail]) -> Endorsed[Sent]:
"""
        + "".join(f"    {line}\n" for line in body.splitlines()),
        problem,
        fix,
    )


def test_stage_keeps_its_tools_apart_from_those_of_another_of_its_name(defining: Definitions) -> None:
    """Two tools of one name in a plan are refused: a grant is of one of them."""
    defining.refused(
        """\
@tool
async def look(order: str) -> str: ...
@stage(tools=[look])
async def one(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@tool(name="look")
async def search(order: str) -> str: ...
@stage(tools=[search])
async def other(letter: Endorsed[Letter]) -> Endorsed[Letter]: ...
@workflow
def plan(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    letter = one(owed)
    return other(letter)  # here
""",
        "two definitions are named the tool look",
        "Rename",
    )
