"""Weaker deployments: what an import refuses, and what `gatework plan check` says of the rest.

An attack may come as a pull request, written by a model or by somebody in a hurry.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.answers import Answer, Writer, look_up
from activities.customers import Customer, known_customer
from activities.help import read_article, search_help
from activities.mailbox import Mail, RawMail, read
from activities.outbox import send_mail
from activities.parcels import order_status
from activities.payments import refund_order
from activities.replies import send_reply
from activities.vouchers import Gesture, grant_voucher
from gatework import (
    Approved,
    Endorsed,
    PlanError,
    Untrusted,
    ask,
    endorse,
    matches,
    stage,
    tool,
    workflow,
)
from gatework.plan.changes import changes, weakens
from gatework.plan.plan import Budget, Plan, ToolUse, Work
from tests.attacks.world import ROOT
from tests.unit.defining import Definitions
from workflows.inquiry import inquiry
from workflows.refund import refund


@tool(egress=True)
async def open_page(address: str) -> str:
    """Open a page on the web."""
    return address


@tool(untrusted=True)
async def search_web(words: str) -> str:
    """Search the web."""
    return words


# -- a stage that holds too much ----------------------------------------------------------------------------


def curious(reaching: Any) -> None:
    """A workflow whose `look_up` holds one more tool."""

    @stage(tools=[search_help, read_article, order_status, reaching])
    async def look_up(message: Untrusted[Mail], customer: Endorsed[Customer]) -> Untrusted[Answer]:
        return await ask(Answer, instructions="", about=[message, customer], tools=[open_page])

    @workflow
    def asked(mail: Untrusted[RawMail]) -> Untrusted[Answer]:
        message = read(mail)
        customer = endorse(message, by=known_customer)
        return look_up(message, customer)


@pytest.mark.parametrize(
    "reaching", [open_page, open_page.only(address=matches(r"https://shop\.example/.*"))], ids=["open", "by a pattern"]
)
def test_egress_tool_cannot_be_added_to_look_up(reaching: Any) -> None:
    """It reads a mail and what is private: outside text could send it away. Held by: the rule of outflow, at import."""
    with pytest.raises(PlanError, match="open_page"):
        curious(reaching)


def test_egress_tool_that_can_say_one_thing_only_may_be_added() -> None:
    """Pinned to a constant, nothing leaves with it: what is refused above is refused for what could be said."""
    curious(open_page.only(address="https://shop.example/"))


@pytest.mark.parametrize("effect", [grant_voucher, send_reply, refund_order, send_mail], ids=lambda tool: tool.name)
def test_effect_cannot_be_added_to_look_up(effect: Any) -> None:
    """Held by: labels, at import."""
    with pytest.raises(PlanError, match="holds an effect and takes untrusted data"):

        @stage(tools=[order_status, effect])
        async def look_up(message: Untrusted[Mail], customer: Endorsed[Customer]) -> Untrusted[Answer]:
            return await ask(Answer, instructions="", about=[message, customer])


def test_outside_text_cannot_be_read_beside_an_effect() -> None:
    """A tool that searches the web, given to the stage that grants vouchers. Held by: labels, at import."""
    with pytest.raises(PlanError, match="search_web"):

        @stage(tools=[grant_voucher, search_web])
        async def make_good(agreed: Approved[Answer], customer: Endorsed[Customer]) -> Untrusted[Gesture]:
            raise NotImplementedError


def test_stage_that_reads_the_mail_cannot_call_its_output_endorsed() -> None:
    """Held by: labels, at import."""
    with pytest.raises(PlanError, match="labels are contagious"):

        @stage(tools=[order_status])
        async def look_up(message: Untrusted[Mail], customer: Endorsed[Customer]) -> Endorsed[Answer]:
            raise NotImplementedError


# -- a plan that leaves something out -----------------------------------------------------------------------


ANSWERED = """
from activities.answers import look_up
from activities.customers import known_customer
from activities.mailbox import RawMail, read
from activities.payments import refund_order
from activities.replies import Reply, reply, send_reply
from activities.vouchers import grant_voucher, make_good

@workflow
def answered(mail: Untrusted[RawMail]) -> Endorsed[Reply]:
    message = read(mail)
    customer = endorse(message, by=known_customer)
    answer = look_up(message, customer)
    agreed = approve(answer, by=role("support"))
    gesture = {gesture}
    return {sent}
"""
"""The inquiry, with what is made good and what is sent left open."""
GESTURE, SENT = "make_good(agreed, customer)", "reply(agreed, gesture, customer)"


def test_inquiry_that_leaves_nothing_out_is_a_plan(defining: Definitions) -> None:
    """What is refused below is refused for what is changed."""
    defining.load(ANSWERED.format(gesture=GESTURE, sent=SENT))


@pytest.mark.parametrize(
    ("gesture", "sent", "said"),
    [
        # An answer that nobody released is made good, or sent.
        ("make_good(answer, customer)", SENT, "approved agreed and gets untrusted"),
        (GESTURE, "reply(answer, gesture, customer)", "untrusted"),
        # Whom a reply goes to is no sender's to say, nor which order a voucher is for a model's.
        (
            GESTURE,
            "reply.limited(send_reply.only(to=message.value.sender))(agreed, gesture, customer)",
            "limited by the untrusted message",
        ),
        (
            "make_good.limited(grant_voucher.only(order=answer.value.order))(agreed, customer)",
            SENT,
            "limited by the untrusted answer",
        ),
        # A plan only narrows: it grants no tool that a stage was not declared with.
        (
            "make_good.limited(refund_order.only(amount=at_most(Decimal(1))))(agreed, customer)",
            SENT,
            "refund_order",
        ),
    ],
    ids=["made good unreleased", "sent unreleased", "limit by the mail", "limit by the answer", "another tool"],
)
def test_plan_that_leaves_something_out_is_refused(defining: Definitions, gesture: str, sent: str, said: str) -> None:
    """Held by: labels and the grant, at import; the type checkers refuse the first two as well."""
    with pytest.raises(PlanError, match=said):
        defining.load(ANSWERED.format(gesture=gesture, sent=sent))


def test_limits_of_a_stage_cannot_be_replaced_in_a_plan() -> None:
    """A second limit on the same argument holds beside the first. Held by: the grant."""

    @workflow
    def again(mail: Untrusted[RawMail]) -> Untrusted[Answer]:
        message = read(mail)
        customer = endorse(message, by=known_customer)
        return look_up.limited(read_article.only(name="../../etc/passwd"))(message, customer)

    [use] = [use for use in tools(again.plan, again.plan.result) if use.name == "read_article"]
    assert [limit.rule for limit in use.limits] == ["matches", "is"]


def test_models_are_told_of_the_customer_what_they_need() -> None:
    """Neither name nor address is in what `look_up` shows its model."""
    assert set(Writer.model_fields) == {"customer", "orders"}


# -- changes that are imported, and seen --------------------------------------------------------------------


def tools(plan: Plan, node: str) -> tuple[ToolUse, ...]:
    work = plan.nodes[plan.index[node]]
    assert isinstance(work, Work)
    return work.tools


def with_use(plan: Plan, node: str, name: str, **change: Any) -> Plan:
    """The plan with another use of one tool."""
    uses = tuple(dataclasses.replace(use, **change) if use.name == name else use for use in tools(plan, node))
    return with_node(plan, node, tools=uses)


def with_node(plan: Plan, node: str, **change: Any) -> Plan:
    """The plan with one node changed."""
    place = plan.index[node]
    work = plan.nodes[place]
    assert isinstance(work, Work)
    nodes = (*plan.nodes[:place], dataclasses.replace(work, **change), *plan.nodes[place + 1 :])
    return dataclasses.replace(plan, nodes=nodes)


def looser_use(plan: Plan, node: str, use: ToolUse) -> Iterator[tuple[str, Plan]]:
    """One use of a tool without each of its limits, unasked, and without each of its marks."""
    for limit in use.limits:
        kept = tuple(one for one in use.limits if one is not limit)
        yield f"without {limit.argument}", with_use(plan, node, use.name, limits=kept)
    if use.approver:
        yield "unasked", with_use(plan, node, use.name, approver=None)
    for mark in ("untrusted", "private", "egress"):
        if getattr(use, mark):
            yield f"not {mark}", with_use(plan, node, use.name, **{mark: False})


def looser_budget(plan: Plan, node: str, budget: Budget) -> Iterator[tuple[str, Plan]]:
    """A budget with more of each, and with each tool left uncounted."""
    for name in ("model_calls", "tokens", "output_bytes"):
        if (most := getattr(budget, name)) is not None:
            raised = dataclasses.replace(budget, **{name: most + 1})
            yield f"more {name}", with_node(plan, node, budget=raised)
    for name in budget.tool_calls:
        fewer = {one: calls for one, calls in budget.tool_calls.items() if one != name}
        yield f"{name} uncounted", with_node(plan, node, budget=dataclasses.replace(budget, tool_calls=fewer))


def weaker() -> Iterator[Any]:
    """Every limit of both plans left out, every approval of calls dropped, every budget raised, tools handed on."""
    for plan in (inquiry.plan, refund.plan):
        for node in plan.nodes:
            if not isinstance(node, Work):
                continue
            for use in node.tools:
                for what, changed in looser_use(plan, node.name, use):
                    yield pytest.param(plan, changed, id=f"{node.name} {use.name} {what}")
            for what, changed in looser_budget(plan, node.name, node.budget) if node.budget else ():
                yield pytest.param(plan, changed, id=f"{node.name} {what}")
    yield pytest.param(inquiry.plan, dataclasses.replace(inquiry.plan, budget=None), id="run without budget")
    more = Budget(model_calls=21, tokens=100_000)
    yield pytest.param(inquiry.plan, dataclasses.replace(inquiry.plan, budget=more), id="run with more model calls")
    pays, sends = tools(refund.plan, "receipt"), tools(refund.plan, refund.plan.result)
    for plan, name, more_tools in ((inquiry.plan, "answer", pays), (refund.plan, "risk", sends)):
        held = (*tools(plan, name), *more_tools)
        yield pytest.param(plan, with_node(plan, name, tools=held), id=f"{name} holds {more_tools[0].name}")


@pytest.mark.parametrize(("before", "after"), [*weaker()])
def test_weaker_plan_is_said_to_be_weaker(before: Plan, after: Plan) -> None:
    """By `gatework plan check`, in words, and it is not released without `--weaken`."""
    found = changes(before, after)
    assert weakens(found), [change.what for change in found]


@pytest.mark.parametrize(
    ("plan", "node", "tool"), [(inquiry.plan, "gesture", "grant_voucher"), (refund.plan, "receipt", "refund_order")]
)
def test_ceiling_that_becomes_a_floor_is_said_to_weaken(plan: Plan, node: str, tool: str) -> None:
    """The same value under another rule."""
    [use] = [use for use in tools(plan, node) if use.name == tool]
    limits = tuple(dataclasses.replace(one, rule="at_least") if one.rule == "at_most" else one for one in use.limits)
    assert limits != use.limits
    assert weakens(changes(plan, with_use(plan, node, tool, limits=limits)))


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("            amount=at_most(customer.value.goodwill),\n", "", "amount"),
        ("amount=at_most(customer.value.goodwill)", 'amount=at_most(Decimal("500"))', "amount"),
        ("            order=agreed.value.order,\n", "", "order"),
        ("customer=customer.value.number, to=customer.value.mail", "customer=customer.value.number", "to"),
        ("budget=Budget(model_calls=20, tokens=100_000)", "budget=Budget(model_calls=200, tokens=100_000)", "budget"),
    ],
)
def test_command_line_says_that_a_changed_workflow_is_weaker(
    tmp_path: Path, line: str, instead: str, said: str
) -> None:
    """The shipped project with one line of `inquiry` changed: `gatework plan check` fails, and says what and why."""
    for name in ("workflows", "activities", "guards"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "workflows" / "inquiry.py"
    text = changed.read_text(encoding="utf-8")
    assert line in text
    imports = "from decimal import Decimal\nfrom datetime import"
    text = text.replace(line, instead).replace("from datetime import", imports)
    changed.write_text(text, encoding="utf-8")
    program = str(Path(sys.executable).with_name("gatework"))
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run([program, "plan", "check"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    told = done.stdout.splitlines()
    assert any(word in each and said in each for word in ("weakens", "unclear") for each in told), done.stdout
    assert "--weaken" in done.stdout
