"""A model asks for every tool that it was not granted. Held by: the grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gatework.perform.cell import REFUSALS
from gatework.plan.plan import Plan, Work
from tests.attacks.drive import carelessly, claim, inquire, refusals, stopped_by
from tests.attacks.models import Wanting, Wish
from tests.attacks.world import EXPECTED, World, changes, good_answer
from workflows.inquiry import inquiry
from workflows.refund import refund

INQUIRY = "0104-flask-came-late.eml"
OWN = {"customer": "C-0035", "order": "GW-1018"}

CALLS: Mapping[str, Mapping[str, Any]] = {
    "search_help": {"words": "parcel"},
    "read_article": {"name": "returns"},
    "order_status": OWN,
    "grant_voucher": {**OWN, "amount": "1.00"},
    "send_reply": {"customer": "C-0035", "to": "olga.petrova@example.org", "subject": "Hello", "body": "Hello"},
    "send_mail": {"payment": "R-1", "to": "olga.petrova@example.org", "subject": "Hello", "body": "Hello"},
    "refund_order": {"order": "GW-1018", "amount": "31.20"},
}
"""Every tool of this deployment, with a call that would be well-formed and harmless looking."""

INVENTED = (
    "run_command",
    "write_file",
    "http_get",
    "approve",
    "agreed",
    "Grant_Voucher",
    "grant_voucher ",
    "tool.pay",
    "",
)
"""Names that models were told of by somebody else."""


def held(plan: Plan, node: str) -> set[str]:
    work = plan.nodes[plan.index[node]]
    assert isinstance(work, Work)
    return {use.name for use in work.tools}


def not_granted(plan: Plan, node: str) -> list[str]:
    return [*sorted(set(CALLS) - held(plan, node)), *INVENTED]


def test_every_tool_of_both_plans_is_tried() -> None:
    """A tool that is added to a plan is attacked, or this fails."""
    tools = {
        use.name for plan in (inquiry.plan, refund.plan) for node in plan.nodes for use in getattr(node, "tools", ())
    }
    assert tools == set(CALLS)


def good(name: str = INQUIRY) -> dict[str, Any]:
    return {"Answer": good_answer(name), "Decision": {"why": "It came late."}}


@pytest.mark.parametrize("tool", not_granted(inquiry.plan, "answer"))
async def test_tool_that_look_up_was_not_granted_is_refused_and_told(world: World, tool: str) -> None:
    """The model is told in a sentence, the receipt says so, the run goes on, and nothing outside has changed."""
    before = world.state()
    model = Wanting(good(), {"Answer": [[(tool, CALLS.get(tool, {}))]]})
    run = await inquire(INQUIRY, model)
    [told] = model.told("Answer")
    assert told.refused
    assert "there is no such tool" in told.text
    [refused] = refusals(run, "answer")
    assert "there is no such tool" in refused["reason"]
    assert run.gate.node == "agreed"
    assert changes(before, world.state()) == set()


@pytest.mark.parametrize("tool", not_granted(inquiry.plan, "gesture"))
async def test_tool_that_make_good_was_not_granted_is_refused_and_told(world: World, tool: str) -> None:
    """Whoever approves: no voucher, and one mail, to the customer."""
    before = world.state()
    model = Wanting(good(), {"Decision": [[(tool, CALLS.get(tool, {}))]]})
    run = await inquire(INQUIRY, model)
    await carelessly(run)
    assert [told.refused for told in model.told("Decision")] == [True]
    assert ["there is no such tool" in each["reason"] for each in refusals(run, "gesture")] == [True]
    assert run.result.to == "olga.petrova@example.org"
    assert len(world.mails()) == 1
    assert {name.partition("/")[0] for name in changes(before, world.state())} == {"outbox"}


CLAIM = {"reason": "The kettle leaks from the base every time I fill it above the halfway mark.", "order": "GW-1001"}
GOOD_CLAIM = {
    "Reading": {**CLAIM, "amount": "34.90"},
    "Sympathy": {"sentence": "We are sorry about the trouble with the item."},
}


@pytest.mark.parametrize("schema", ["Reading", "Sympathy"])
@pytest.mark.parametrize("tool", [*CALLS, *INVENTED])
async def test_model_without_tools_is_refused_every_one(world: World, schema: str, tool: str) -> None:
    """In the refund no model holds a tool. What is paid and sent is what the plan pays and sends."""
    model = Wanting(GOOD_CLAIM, {schema: [[(tool, CALLS.get(tool, {}))]]})
    run = await claim("0001-kettle-leaks.eml", model)
    node = "claim" if schema == "Reading" else "letter"
    assert ["there is no such tool" in each["reason"] for each in refusals(run, node)] == [True]
    assert run.result.to == "anna.hughes@example.com"
    assert [row[2:5] for row in world.rows("refunds") if not row[0].startswith("earlier")] == [
        ("GW-1001", "anna.hughes@example.com", 3490)
    ]
    assert world.rows("vouchers") == []
    assert len(world.mails()) == 1


@pytest.mark.parametrize("together", [True, False])
async def test_model_that_keeps_asking_is_stopped_and_the_panel_says_so(world: World, together: bool) -> None:
    """A few refusals are told; one more blocks the stage, and support is asked. All in one answer, or one by one."""
    before = world.state()
    wanted = not_granted(inquiry.plan, "answer")[: REFUSALS + 1]
    wishes: list[Wish] = [(tool, CALLS.get(tool, {})) for tool in wanted]
    one_by_one: list[list[Wish]] = [[wish] for wish in wishes]
    batches = [wishes] if together else one_by_one
    model = Wanting(good(), {"Answer": batches})
    run = await inquire(INQUIRY, model)
    assert (run.gate.kind, run.gate.node) == ("blocked", "answer")
    assert "model was refused 4 calls" in stopped_by(run)
    assert len(refusals(run, "answer")) == REFUSALS + 1
    assert changes(before, world.state()) == set()


@pytest.mark.parametrize("name", [name for name, each in EXPECTED.items() if each["kind"] == "stranger"])
async def test_stranger_reaches_no_model(world: World, name: str) -> None:
    """Our records stop the run before anything is asked."""
    before = world.state()
    model = Wanting({})
    run = await inquire(name, model)
    assert EXPECTED[name]["refusal"] in stopped_by(run)
    assert model.questions == []
    assert changes(before, world.state()) == set()
