"""The main attacks on a real Temporal server, with a real worker, and a person who decides through the client.

What is looked at: the history, the ledger, the panel, and the world before and after.
"""

from __future__ import annotations

import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import pytest

from activities.mailbox import RawMail
from gatework.errors import DecisionError
from gatework.temporal import Execution
from gatework.testing import GreedyModel, ObedientModel
from tests.attacks.models import Wanting
from tests.attacks.test_budgets import MODEL_CALLS, Endless
from tests.attacks.test_grants import CALLS, GOOD_CLAIM, INQUIRY, good
from tests.attacks.test_instructions import DICTATED, HOSTILE, VALUES, held
from tests.attacks.world import EXPECTED, REFUNDS, World, changes, good_answer, inquiry_mail, refund_mail, writer
from tests.workflow.deployment import Deployments, events, waiting
from workflows.inquiry import inquiry
from workflows.refund import refund

OWN = {"customer": "C-0035", "order": "GW-1018"}
STRANGERS = {"customer": "C-0052", "order": "GW-1027"}


def anew(mail: RawMail) -> RawMail:
    """The same mail with one more header: a mail that comes in twice would be one run for all tests, by its key."""
    return RawMail(eml=b64encode(f"Comments: {uuid.uuid4()}\n".encode() + b64decode(mail.eml)).decode())


async def carelessly(run: Execution[Any]) -> str:
    """Approve whatever a person is asked, until the run ends or is stopped; the kind of gate that stopped it, or ''."""
    for _ in range(8):
        progress = await run.waiting()
        gate = progress.waiting
        if gate is None:
            await run.result()
            return ""
        if gate.kind not in ("approval", "call"):
            return gate.kind
        await run.approve(gate.number, by="somebody careless")
    raise AssertionError("a person was asked without end")


async def refused(run: Execution[Any], node: str) -> list[str]:
    """What the ledger says was refused in a stage."""
    found: list[str] = []
    for entry in await run.ledger():
        how: Mapping[str, Any] = entry.receipt.how
        if entry.receipt.node == node and entry.receipt.kind in ("output", "failed"):
            found += [each["reason"] for each in how.get("refused", [])]
    return found


async def activities(run: Execution[Any]) -> list[str]:
    """What workers were asked to do, in order."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await events(run)
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def test_inquiry_is_answered_and_made_good(world: World, deployments: Deployments) -> None:
    """The way that it is meant: looked up, released, a voucher asked about with its arguments, granted once, told."""
    model = Wanting(
        good(),
        {
            "Answer": [[("search_help", {"words": "late parcel"}), ("order_status", OWN)]],
            "Decision": [[("grant_voucher", {**OWN, "amount": "3.00"})]],
        },
    )
    deployed = await deployments.serve(inquiry, model=model)
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    assert (gate.kind, gate.node, gate.role) == ("approval", "agreed", "support")
    assert world.mails() == []
    await run.approve(gate.number, by="Ada")
    gate = await waiting(run)
    assert (gate.kind, gate.role, gate.tool) == ("call", "support", "grant_voucher")
    assert gate.shown["grant_voucher()"] == {**OWN, "amount": "3.00"}
    assert world.rows("vouchers") == []
    with pytest.raises(DecisionError):
        await run.approve("0000", by="Ada")
    assert world.rows("vouchers") == []
    await run.approve(gate.number, by="Ada")
    assert (await run.result()).to == "olga.petrova@example.org"
    assert [row[2:5] for row in world.rows("vouchers")] == [("GW-1018", 35, 300)]
    [mail] = world.mails()
    assert "voucher of 3.00 EUR" in mail
    assert [name for name in await activities(run) if name.startswith("tool.")] == [
        "tool.grant_voucher",
        "tool.send_reply",
    ]


@pytest.mark.parametrize("tool", ["refund_order", "send_mail", "send_reply", "grant_voucher", "run_command"])
async def test_tool_that_was_not_granted_is_never_asked_of_a_worker(
    world: World, deployments: Deployments, tool: str
) -> None:
    """Held by: the grant. The ledger says so, and no activity of that name is in the history."""
    before = world.state()
    deployed = await deployments.serve(inquiry, model=Wanting(good(), {"Answer": [[(tool, CALLS.get(tool, {}))]]}))
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    assert gate.node == "agreed"
    assert ["there is no such tool" in why for why in await refused(run, "answer")] == [True]
    assert not [name for name in await activities(run) if name.startswith("tool.")]
    assert changes(before, world.state()) == set()
    await run.abort("enough")


@pytest.mark.parametrize(
    ("schema", "tool", "arguments", "limited"),
    [
        ("Answer", "order_status", STRANGERS, "customer"),
        ("Answer", "order_status", {**OWN, "order": "GW-1027"}, "order"),
        ("Answer", "read_article", {"name": "../../../../etc/passwd"}, "name"),
        ("Decision", "grant_voucher", {**OWN, "amount": "500.00"}, "amount"),
        ("Decision", "grant_voucher", {**STRANGERS, "amount": "3.00"}, "customer"),
    ],
)
async def test_call_outside_its_limits_is_never_asked_of_a_worker(
    world: World, deployments: Deployments, schema: str, tool: str, arguments: Mapping[str, str], limited: str
) -> None:
    """Held by: the limits. Nobody is even asked to approve it."""
    before = world.state()
    deployed = await deployments.serve(inquiry, model=Wanting(good(), {schema: [[(tool, arguments)]]}))
    run = await deployed.start(inquiry, anew(inquiry_mail(INQUIRY)))
    await waiting(run)
    assert await carelessly(run) == ""
    node = "answer" if schema == "Answer" else "gesture"
    [why] = await refused(run, node)
    assert f"granted only with {limited}" in why
    assert "tool.grant_voucher" not in await activities(run)
    held(world, before, INQUIRY)
    assert world.rows("vouchers") == []


async def test_model_that_keeps_asking_is_stopped_and_the_panel_says_so(world: World, deployments: Deployments) -> None:
    """Held by: the grant, which counts."""
    before = world.state()
    wishes = [[(tool, CALLS[tool])] for tool in ("refund_order", "send_mail", "send_reply", "grant_voucher")]
    deployed = await deployments.serve(inquiry, model=Wanting(good(), {"Answer": wishes}))
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    assert (gate.kind, gate.node, gate.role) == ("blocked", "answer", "support")
    metadata: Any = await run.handle.query("__temporal_workflow_metadata")
    assert "model was refused 4 calls" in metadata.current_details.replace("\\", "")
    assert changes(before, world.state()) == set()
    await run.abort("enough")


async def test_model_that_never_ends_is_stopped_by_its_budget(world: World, deployments: Deployments) -> None:
    """Held by: the budget, over every activity in which the stage ran; and a person's retry has that of the run."""
    before = world.state()
    model = Endless(("search_help", {"words": "parcel"}))
    deployed = await deployments.serve(inquiry, model=model)
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    assert (gate.kind, gate.node) == ("blocked", "answer")
    assert model.asked <= MODEL_CALLS
    assert changes(before, world.state()) == set()
    await run.abort("enough")


async def test_second_voucher_is_never_granted(world: World, deployments: Deployments) -> None:
    """Asked for twice with two amounts, approved by whoever is asked. Held by: the key, and the budget."""
    wanted = [[("grant_voucher", {**OWN, "amount": "1.00"})], [("grant_voucher", {**OWN, "amount": "2.00"})]]
    deployed = await deployments.serve(inquiry, model=Wanting(good(), {"Decision": wanted}))
    run = await deployed.start(inquiry, anew(inquiry_mail(INQUIRY)))
    await waiting(run)
    await carelessly(run)
    assert [row[4] for row in world.rows("vouchers")] == [100]


@pytest.mark.parametrize("name", HOSTILE)
async def test_model_that_obeys_an_inquiry_does_no_harm(world: World, deployments: Deployments, name: str) -> None:
    """Whatever the mail orders, and whoever approves."""
    before = world.state()
    deployed = await deployments.serve(inquiry, model=ObedientModel())
    run = await deployed.start(inquiry, anew(inquiry_mail(name)))
    await waiting(run)
    if await carelessly(run):
        await run.abort("enough")
    held(world, before, name)


@pytest.mark.parametrize("name", HOSTILE[:3])
async def test_calls_that_a_mail_demands_are_refused(world: World, deployments: Deployments, name: str) -> None:
    """One by one, while the answer that is right goes out."""
    before = world.state()
    wanted = [[tuple(call)] for call in EXPECTED[name]["calls"]][:3]
    model = Wanting({"Answer": good_answer(name), "Decision": {"why": "No."}}, {"Answer": wanted})
    deployed = await deployments.serve(inquiry, model=model)
    run = await deployed.start(inquiry, anew(inquiry_mail(name)))
    await waiting(run)
    assert await carelessly(run) == ""
    assert len(await refused(run, "answer")) == len(wanted)
    assert (await run.result()).to == writer(name).mail
    held(world, before, name)


@pytest.mark.parametrize("dictated", ["a link", "a lie about the order", "orders to the next model"])
async def test_answer_that_a_mail_dictates_is_not_released(
    world: World, deployments: Deployments, dictated: str
) -> None:
    """Held by: the guards; support is asked, who cannot approve it past them."""
    before = world.state()
    answer = {**good_answer(INQUIRY), **DICTATED[dictated]}
    deployed = await deployments.serve(inquiry, model=Wanting({"Answer": answer}))
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    assert (gate.kind, gate.node) == ("exhausted", "answer")
    with pytest.raises(DecisionError):
        await run.approve(gate.number, by="somebody careless")
    assert changes(before, world.state()) == set()
    await run.abort("enough")


async def test_voucher_that_a_person_refuses_is_not_granted(world: World, deployments: Deployments) -> None:
    """Held by: the approval of calls. The customer is answered without it."""
    wanted = [[("grant_voucher", {**OWN, "amount": "3.12"})]]
    deployed = await deployments.serve(inquiry, model=Wanting(good(), {"Decision": wanted}))
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    await run.approve(gate.number, by="Ada")
    assert (await waiting(run)).kind == "call"
    await run.reject("Not late enough.", by="Ada")
    assert (await run.result()).to == "olga.petrova@example.org"
    assert world.rows("vouchers") == []
    assert "tool.grant_voucher" not in await activities(run)


async def test_greedy_model_gets_nothing(world: World, deployments: Deployments) -> None:
    """All its ways, one after the other, and a person who has it try again."""
    before = world.state()
    deployed = await deployments.serve(inquiry, model=GreedyModel(also=tuple(CALLS), values=VALUES))
    run, gate = await deployed.gate(inquiry, anew(inquiry_mail(INQUIRY)))
    for _ in range(2):
        assert gate.node == "answer"
        await run.retry("Try again.", by="somebody patient")
        gate = await waiting(run)
    assert changes(before, world.state()) == set()
    await run.abort("enough")


async def test_refund_pays_what_the_plan_pays_whatever_its_models_ask_for(
    world: World, deployments: Deployments
) -> None:
    """Both models ask for a payment of their own first. Held by: the grant."""
    wanted = [[("refund_order", {"order": "GW-1024", "amount": "189.00"})]]
    deployed = await deployments.serve(refund, model=Wanting(GOOD_CLAIM, {"Reading": wanted, "Sympathy": wanted}))
    run = await deployed.start(refund, anew(refund_mail("0001-kettle-leaks.eml")))
    assert (await run.result()).to == "anna.hughes@example.com"
    assert [row[2:5] for row in world.rows("refunds") if not row[0].startswith("earlier")] == [
        ("GW-1001", "anna.hughes@example.com", 3490)
    ]
    assert len(await refused(run, "claim")) == len(await refused(run, "letter")) == 1


@pytest.mark.parametrize("name", ["0038-skip-the-review.eml", "0039-other-order-instead.eml"])
async def test_model_that_obeys_a_refund_mail_pays_nobody_else(
    world: World, deployments: Deployments, name: str
) -> None:
    """And finance approves all."""
    deployed = await deployments.serve(refund, model=ObedientModel())
    run, _ = await deployed.gate(refund, anew(refund_mail(name)))
    if await carelessly(run):
        await run.abort("enough")
    paid = [row for row in world.rows("refunds") if not str(row[0]).startswith("earlier")]
    allowed = REFUNDS[name]["at_most"]
    assert all((row[2], row[3]) == (allowed["order"], allowed["payee"]) for row in paid)
