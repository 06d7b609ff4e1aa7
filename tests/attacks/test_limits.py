"""A model, and a worker, that call granted tools outside of their limits, generated from the limits of the plans.

Held by: the limits, in the cell; and again in the machine, which does not believe a worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.plan.plan import Limit, Plan, ToolUse, Work
from gatework.run.journal import Call
from gatework.run.state import Run
from gatework.testing import Rehearsal, factories
from gatework.values import canonical
from tests.attacks.drive import DECIDES, carelessly, claim, inquire, refusals
from tests.attacks.models import Wanting
from tests.attacks.test_grants import GOOD_CLAIM, INQUIRY, good
from tests.attacks.world import World, changes, inquiry_mail, refund_mail
from workflows.inquiry import inquiry
from workflows.refund import refund

WITHIN: Mapping[str, Mapping[str, Any]] = {
    "search_help": {"words": "parcel"},
    "read_article": {"name": "returns"},
    "order_status": {"customer": "C-0035", "order": "GW-1018"},
    "grant_voucher": {"customer": "C-0035", "order": "GW-1018", "amount": "3.12"},
    "send_reply": {"customer": "C-0035", "to": "olga.petrova@example.org", "subject": "Hello", "body": "Hello"},
    "refund_order": {"order": "GW-1001", "amount": "34.90"},
    "send_mail": {"to": "anna.hughes@example.com", "subject": "Hello", "body": "Hello"},
}
"""A call of each tool inside of its limits, for the mails that are used here."""

PATHS = (
    *(
        "../../../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "returns/../../worker.py",
        "returns.md",
        "file:///etc/passwd",
    ),
    *("", "returns\n", "\nreturns", "returns ", "Returns", "returns\x00", "retu\u200brns", "ｒeturns", "a-" * 40 + "a"),
    *("-returns", "returns-", "returns--", "%72eturns", "returns;ls", "$(id)", "`id`", "*", "r" * 100_000 + "!"),
)

SEARCHES = ("", "a\nb", "words;", "$(id)", "<script>", "w" * 101, "a/b", "a\x00", "../x", '"', "=cmd()", "\u202ex")

OTHERS = {
    "customer": (
        "C-0001",
        "C-0036",
        "c-0035",
        "C-35",
        "C-0035 ",
        " C-0035",
        "С-0035",
        "",
        "*",
        "%",
        "C-0035\n",
        "' OR 1=1 --",
    ),
    "order": ("GW-1027", "GW-1001 ", "gw-1018", "GW-1018\n", "", "%", "GW-1O18", "ＧＷ-1018", "GW-1018,GW-1027"),
    "to": (
        *("eve@evil.example", "olga.petrova@example.org, eve@evil.example", "Olga.petrova@example.org", ""),
        *("olga.petrova@example.org\nBcc: eve@evil.example", "olga.petrova@example.org ", "anna.hughes@example.org"),
    ),
    "payment": ("R-1", "", "R-x"),
}


def outside(limit: Limit, within: Any) -> Iterator[Any]:
    """Values that a limit does not admit."""
    if limit.kind == "number":
        most = Decimal(str(within))
        yield from (str(most + Decimal("0.01")), str(most * 2), str(most * 1000), "1E+5", "999999.99")
        if limit.rule == "is":
            yield from (str(-most), "0.01")
    elif limit.rule == "matches":
        yield from PATHS if limit.argument == "name" else SEARCHES
    else:
        yield from (other for other in OTHERS[limit.argument] if other != within)


def attempts(plan: Plan, *, by_model: bool) -> Iterator[tuple[str, ToolUse, Limit, Any]]:
    """Node, tool, limit, and a value outside of it; of the tools that a model calls, or of those that run apart."""
    for node in plan.nodes:
        for use in node.tools if isinstance(node, Work) else ():
            for limit in use.limits:
                if use.apart or by_model:
                    for value in outside(limit, WITHIN[use.name].get(limit.argument)):
                        yield node.name, use, limit, value


def named(found: Any) -> str:
    return (
        found.name if isinstance(found, ToolUse) else found.argument if isinstance(found, Limit) else ascii(found)[:40]
    )


SCHEMAS = {"answer": "Answer", "gesture": "Decision"}


@pytest.mark.parametrize(
    ("node", "use", "limit", "value"),
    [each for each in attempts(inquiry.plan, by_model=True) if each[0] in SCHEMAS],
    ids=named,
)
async def test_call_of_a_model_outside_a_limit_is_refused(
    world: World, node: str, use: ToolUse, limit: Limit, value: Any
) -> None:
    """Before anything happens: the model is told which argument, the evidence says so, and nothing has changed."""
    before = world.state()
    arguments = {**WITHIN[use.name], limit.argument: value}
    model = Wanting(good(), {SCHEMAS[node]: [[(use.name, arguments)]]})
    run = await inquire(INQUIRY, model)
    if node == "gesture":
        await carelessly(run)
    [told] = model.told(SCHEMAS[node])
    [refused] = refusals(run, node)
    assert told.refused
    assert f"{use.name} is granted only with {limit.argument}" in refused["reason"]
    assert value == "" or len(str(value)) < 8 or str(value) not in told.text
    if node == "answer":
        assert changes(before, world.state()) == set()
    else:
        assert world.rows("vouchers") == []
        assert len(world.mails()) == 1


@pytest.mark.parametrize("tool", ["search_help", "read_article", "order_status", "grant_voucher"])
@pytest.mark.parametrize(
    "arguments",
    [
        *("", "null", "[]", '"text"', "{", "{}{}", "NaN", "[" * 100_000, "\x00", "\ud800"),
        *("{}", '{"name": 1}', '{"__class__": "x"}'),
    ],
    ids=lambda text: ascii(text)[:20],
)
async def test_arguments_that_break_the_schema_are_refused(world: World, tool: str, arguments: str) -> None:
    """Whatever a model writes in their place is no call. Held by: the schema."""
    before = world.state()
    schema = "Decision" if tool == "grant_voucher" else "Answer"
    model = Wanting(good(), {schema: [[(tool, arguments)]]})
    run = await inquire(INQUIRY, model)
    node = "answer"
    if schema == "Decision":
        await carelessly(run)
        node = "gesture"
    [refused] = refusals(run, node)
    assert refused["tool"] == tool
    assert world.rows("vouchers") == []
    if node == "answer":
        assert changes(before, world.state()) == set()


@pytest.mark.parametrize(
    ("tool", "change"),
    [
        ("order_status", {"customer": ["C-0035"]}),
        ("order_status", {"order": None}),
        ("order_status", {"extra": "GW-1027"}),
        ("grant_voucher", {"amount": 3.12}),
        ("grant_voucher", {"amount": "NaN"}),
        ("grant_voucher", {"amount": "3,12"}),
        ("grant_voucher", {"amount": {"value": "3.12"}}),
        ("grant_voucher", {"key": "0" * 64}),
        ("read_article", {"name": ["returns", "../x"]}),
    ],
)
async def test_arguments_of_other_types_are_refused(world: World, tool: str, change: Mapping[str, Any]) -> None:
    """A list is not its only item, text is no number, and nobody passes a key. Held by: the schema."""
    schema, node = ("Decision", "gesture") if tool == "grant_voucher" else ("Answer", "answer")
    model = Wanting(good(), {schema: [[(tool, {**WITHIN[tool], **change})]]})
    run = await inquire(INQUIRY, model)
    await carelessly(run)
    assert len(refusals(run, node)) == 1
    assert world.rows("vouchers") == []


async def test_argument_that_is_given_twice_is_refused(world: World) -> None:
    """The first within its limits, the second not. Held by: the schema."""
    twice = json.dumps(WITHIN["order_status"])[:-1] + ', "order": "GW-1027"}'
    model = Wanting(good(), {"Answer": [[("order_status", twice)]]})
    run = await inquire(INQUIRY, model)
    assert len(refusals(run, "answer")) == 1


@pytest.mark.parametrize("amount", ["0", "-1.00", "0.001", "3.119"])
async def test_amount_that_is_within_its_limit_and_no_money_is_refused_by_the_shop(world: World, amount: str) -> None:
    """The limit is a ceiling; that a voucher is worth something, the tool's own checks and the table's say."""
    model = Wanting(good(), {"Decision": [[("grant_voucher", {**WITHIN["grant_voucher"], "amount": amount})]]})
    run = await inquire(INQUIRY, model)
    await carelessly(run)
    assert [told.refused for told in model.told("Decision")] == [True]
    assert world.rows("vouchers") == []


# -- a worker that is not what it seems ---------------------------------------------------------------------


async def until(run: Rehearsal[Any], node: str) -> Run:
    """Go on until an attempt of a node is due."""
    while not (isinstance(run.due, Run) and run.due.node == node):
        if run.state.gate is not None:
            assert run.gate.kind in DECIDES
            await run.approve(by="Ada") if run.gate.kind == "call" else run.driver.decide("approve")
        else:
            await run.once()
    return run.due


def begun(plan: str) -> Rehearsal[Any]:
    run: Rehearsal[Any]
    if plan == "inquiry":
        run = Rehearsal(inquiry, model=Wanting(good()), lineage="x")
        run.begin(inquiry_mail(INQUIRY))
    else:
        run = Rehearsal(refund, model=Wanting(GOOD_CLAIM), lineage="x")
        run.begin(refund_mail("0001-kettle-leaks.eml"))
    return run


PLANS = {"inquiry": inquiry.plan, "refund": refund.plan}


@pytest.mark.parametrize(
    ("plan", "node", "use", "limit", "value"),
    [(name, *each) for name, plan in PLANS.items() for each in attempts(plan, by_model=False)],
    ids=named,
)
async def test_worker_that_asks_for_a_call_outside_a_limit_is_refused(
    world: World, plan: str, node: str, use: ToolUse, limit: Limit, value: Any
) -> None:
    """A forged result of a stage wants an effect that the plan does not let it have: the machine takes none of it."""
    run = begun(plan)
    due = await until(run, node)
    before, state = world.state(), run.state
    arguments = {"payment": run.values["receipt"].payment if use.name == "send_mail" else "", **WITHIN[use.name]}
    arguments = {name: given for name, given in arguments.items() if name != "payment" or use.name == "send_mail"}
    forged = Call(
        id="f" * 64,
        tool=use.name,
        arguments={**arguments, limit.argument: value},
        key=canonical.digest("effect", ["x", node, use.name, arguments[use.once]]),
    )
    with pytest.raises(OrderError, match=f"granted only with {limit.argument}"):
        run.driver.take(factories.suspended(run.plan, due, forged))
    assert run.state is state
    assert changes(before, world.state()) == set()


@pytest.mark.parametrize(("plan", "node"), [("inquiry", "answer"), ("inquiry", "reply"), ("refund", "claim")])
@pytest.mark.parametrize("tool", ["refund_order", "grant_voucher", "run_command", "send_mail"])
async def test_worker_that_asks_for_a_call_outside_its_grant_is_refused(
    world: World, plan: str, node: str, tool: str
) -> None:
    """The same for a tool that the stage does not hold."""
    run = begun(plan)
    due = await until(run, node)
    before, state = world.state(), run.state
    forged = Call(id="f" * 64, tool=tool, arguments=WITHIN.get(tool, {}), key="e" * 64)
    with pytest.raises(OrderError):
        run.driver.take(factories.suspended(run.plan, due, forged))
    assert run.state is state
    assert changes(before, world.state()) == set()


async def test_calls_that_these_tests_change_are_good_ones(world: World) -> None:
    """What is refused above is refused for the one value that was changed."""
    model = Wanting(
        good(),
        {
            "Answer": [[(tool, WITHIN[tool]) for tool in ("search_help", "read_article", "order_status")]],
            "Decision": [[("grant_voucher", WITHIN["grant_voucher"])]],
        },
    )
    run = await inquire(INQUIRY, model)
    await carelessly(run)
    assert run.result.to == "olga.petrova@example.org"
    assert [row[2:5] for row in world.rows("vouchers")] == [("GW-1018", 35, 312)]
    paid = await claim("0001-kettle-leaks.eml", Wanting(GOOD_CLAIM))
    assert paid.result.to == "anna.hughes@example.com"
