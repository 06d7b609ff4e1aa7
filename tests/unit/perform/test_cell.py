"""What one running stage can reach: what the plan grants, within its limits, and nothing that it left running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from gatework import Approved, Block, Endorsed, IdempotencyKey, ask, stage
from gatework.define.roles import role
from gatework.define.tool import Tool, effect, tool
from gatework.errors import GrantError, NotDone, ToolError
from gatework.plan.expr import Const, Ref
from gatework.plan.plan import Limit
from gatework.run.events import Suspended
from tests.unit.attempts import Claim, Mail, Owed, Receipt, failed, finished
from tests.unit.hostile import MARK
from tests.unit.shops import DONE, INPUTS, Shop, looking, never, paying


def outcomes(event: Any) -> list[str]:
    return [entry["outcome"] for entry in event.evidence.get("tools", [])]


# -- effects ---------------------------------------------------------------------------------------


async def test_effect_is_asked_for_and_never_made_by_the_stage() -> None:
    """A stage's activity ends with the call it needs; another one makes it, and the stage goes on."""
    shop, stands = Shop(), list[Suspended]()
    event = await finished(paying(shop.refund()), inputs=INPUTS, stands=stands)
    assert event.output.data == {"payment": "p"}
    assert outcomes(event) == ["done"]
    [stood] = stands
    [call] = stood.calls
    assert (call.tool, call.arguments, call.by_model) == ("refund_order", {"order": "7", "amount": 3}, False)
    assert (stood.turn, stood.entries) == (0, ())
    assert shop.keys == [call.key]


async def test_key_of_an_effect_stays() -> None:
    """The same node of the same run names the same effect at every attempt, whatever the amount."""
    shop = Shop()
    await finished(paying(shop.refund()), inputs=INPUTS)
    await finished(paying(shop.refund()), inputs={"owed": {"order": "7", "amount": 4}}, number=2)
    await finished(paying(shop.refund()), inputs={"owed": {"order": "8", "amount": 3}})
    await finished(paying(shop.refund()), inputs=INPUTS, lineage="another")
    assert shop.keys[0] == shop.keys[1]
    assert len(set(shop.keys)) == 3
    assert len(shop.keys[0]) == 64


async def test_effect_that_refuses_blocks_the_stage() -> None:
    """A refusal is a value outside and inside."""
    event = await failed(paying(Shop(Block("Already refunded.")).refund()), inputs=INPUTS)
    assert (event.failure, event.reason) == ("block", "Already refunded.")
    assert outcomes(event) == ["refused"]


async def test_effect_that_has_not_happened_is_an_error_of_the_stage() -> None:
    """Nothing has changed, so the attempt may be made again."""
    event = await failed(paying(Shop(NotDone("The bank is closed.")).refund()), inputs=INPUTS)
    assert (event.failure, event.reason) == ("error", "The bank is closed.")
    assert outcomes(event) == ["failed"]


async def test_effect_outside_of_the_grant_is_not_done() -> None:
    """A stage holds what the plan says, and nothing else, whatever it is called."""
    shop, other = Shop(), Shop()
    theirs = other.refund()

    async def reach(owed: Owed) -> Receipt:
        return await theirs(owed.order, owed.amount)

    event = await failed(paying(shop.refund(), reach), inputs=INPUTS)
    assert event.failure == "block"
    assert "does not hold refund_order" in event.reason
    assert other.keys == []


async def test_tool_outside_of_a_stage_is_not_called() -> None:
    """Neither from a script nor from a task that outlived its stage."""
    shop = Shop()
    refund, look = shop.refund(), shop.look()
    for call in (refund("7", 3), look("7")):
        with pytest.raises(GrantError, match="only inside a stage"):
            await call
    left: list[asyncio.Task[Any]] = []

    async def leave(mail: Mail) -> str:
        left.append(asyncio.create_task(later()))
        return "7"

    async def later() -> str:
        await asyncio.sleep(0.01)
        return await look("7")

    await finished(looking(leave, look))
    with pytest.raises(GrantError, match="has ended"):
        await left[0]
    assert shop.keys == shop.looked == []


@pytest.mark.parametrize("at_once", [False, True])
async def test_effect_twice_for_one_key_is_done_once(at_once: bool) -> None:
    """The same again is the recorded result; with other arguments it is refused. One after the other, or together."""

    async def twice(first: Awaitable[Receipt], then: Callable[[], Awaitable[Receipt]]) -> Receipt:
        if at_once:
            return (await asyncio.gather(first, then()))[0]
        await first
        return await then()

    same, other, two = Shop(), Shop(), Shop()
    refund, changed, both = same.refund(), other.refund(), two.refund()
    event = await finished(paying(refund, lambda _: twice(refund("7", 3), lambda: refund("7", 3))), inputs=INPUTS)
    assert len(same.keys) == 1
    assert event.output.data == {"payment": "p"}
    stopped = await failed(paying(changed, lambda _: twice(changed("7", 3), lambda: changed("7", 4))), inputs=INPUTS)
    assert stopped.failure == "block"
    assert stopped.reason == "refund_order is called twice for one order, with different arguments"
    assert len(other.keys) <= 1
    await finished(paying(both, lambda _: twice(both("7", 3), lambda: both("8", 3))), inputs=INPUTS)
    assert len(set(two.keys)) == 2


async def test_effect_with_an_amount_that_is_spelled_in_two_ways_is_one() -> None:
    """12.5 is 12.50."""
    sent: list[Decimal] = []

    @effect(once="order")
    async def refund_order(key: IdempotencyKey, order: str, amount: Decimal) -> Receipt:
        sent.append(amount)
        return DONE

    @stage(tools=[refund_order])
    async def pay(owed: Approved[Owed]) -> Endorsed[Receipt]:
        await refund_order("7", Decimal("12.5"))
        return Endorsed(await refund_order("7", Decimal("12.50")))

    await finished(pay, inputs=INPUTS)
    assert sent == [Decimal("12.5")]


@pytest.mark.parametrize(
    ("order", "amount"), [(7, 3), ("7", "3"), ("7", True), ("7", 2**60), (None, 3), (f"{MARK}\ud800", 3)]
)
async def test_wrong_argument_never_leaves(order: Any, amount: Any) -> None:
    """Arguments keep to their contract before anything is asked for."""
    shop = Shop()
    refund = shop.refund()
    event = await failed(paying(refund, lambda _: refund(order, amount)), inputs=INPUTS, acted=never)
    assert event.failure == "contract"
    assert event.reason.startswith("arguments of refund_order")


async def test_evidence_names_tool_key_and_arguments_by_digest() -> None:
    """A receipt shows what was done without showing what with."""
    event = await finished(paying(Shop().refund()), inputs={"owed": {"order": MARK, "amount": 3}})
    [entry] = event.evidence["tools"]
    assert set(entry) == {"tool", "call", "key", "arguments", "outcome", "by"}
    assert MARK not in str(event.evidence)


# -- tools that run inside the stage's activity ------------------------------------------------------


async def test_tool_is_called_where_the_stage_runs() -> None:
    """What only looks needs no activity of its own."""
    shop, stands = Shop(), list[Suspended]()
    look = shop.look()
    event = await finished(looking(lambda mail: look("7"), look), stands=stands)
    assert event.output.data == {"order": "order 7", "amount": 3}
    assert (outcomes(event), stands, shop.looked) == (["done"], [], ["7"])
    assert dict(event.spent.tool_calls) == {"look_up": 1}


async def test_stage_gets_a_copy_of_what_a_tool_gave() -> None:
    """What a stage does to a result changes nothing of what is recorded."""

    @tool
    async def find() -> list[int]:
        return kept

    kept = [1]

    async def spoil(mail: Mail) -> str:
        (await find()).append(2)
        return str(len(await find()))

    assert (await finished(looking(spoil, find))).output.data["order"] == "1"


async def test_tool_that_breaks_is_an_error_without_its_words() -> None:
    """A stage may catch it and go on: nothing has changed."""
    look = Shop(ValueError(MARK)).look()
    event = await failed(looking(lambda mail: look("7"), look))
    assert event.failure == "error"
    assert event.reason.startswith("look_up broke: ValueError at tests/unit/shops.py:")

    async def brave(mail: Mail) -> str:
        try:
            return await look("7")
        except ToolError:
            return "none"

    assert (await finished(looking(brave, look))).output.data["order"] == "none"


async def test_refusal_of_an_untrusted_tool_is_not_repeated() -> None:
    """What it says is outside text, and a block's reason is shown to people as ours."""
    ours, theirs = Shop(Block("No such order.")).look(), Shop(Block(MARK)).look(untrusted=True)
    assert (await failed(looking(lambda mail: ours("7"), ours))).reason == "No such order."
    assert (await failed(looking(lambda mail: theirs("7"), theirs))).reason == "look_up said no"


async def test_tool_reaches_nothing_through_the_stage_that_calls_it() -> None:
    """A tool's code holds no grant, asks no model, and calls no other tool."""
    shop = Shop()
    look = shop.look()

    @tool
    async def deputy() -> str:
        return await look("7")

    @tool
    async def asker() -> str:
        return (await ask(Claim, instructions="Read.")).value.order

    for confused in (deputy, asker):
        event = await failed(looking(lambda _: confused(), confused, look))  # noqa: B023
        assert event.failure == "error"
        assert "only inside a stage" in event.reason
    assert shop.looked == []


@pytest.mark.parametrize("flags", [{"on": "private"}, {"approve_calls": role("ops")}])
async def test_tool_with_its_own_queue_or_approver_runs_apart(flags: dict[str, Any]) -> None:
    """Whose workers run it, and who is asked before, is not for the stage's worker to say."""
    shop, stands = Shop(), list[Suspended]()
    look = shop.look(**flags)

    async def twice(mail: Mail) -> str:
        return await look("7") + await look("7")

    event = await finished(looking(twice, look), stands=stands)
    assert event.output.data["order"] == "order 7order 7"
    assert [len(stood.calls) for stood in stands] == [1, 1]
    assert len({call.id for stood in stands for call in stood.calls}) == 2
    assert all(call.key == "" for stood in stands for call in stood.calls)


# -- limits ----------------------------------------------------------------------------------------


def limited(used: Tool[..., Any], *limits: Limit) -> dict[str, Any]:
    import dataclasses

    return {"tools": (dataclasses.replace(used.use, limits=limits),)}


LIMITS: dict[str, tuple[Limit, bool]] = {
    "a constant": (Limit(argument="order", rule="is", value=Const("7"), kind="text"), True),
    "another constant": (Limit(argument="order", rule="is", value=Const("8"), kind="text"), False),
    "a value of the plan": (Limit(argument="order", rule="is", value=Ref("agreed", ("order",)), kind="text"), True),
    "another value": (Limit(argument="order", rule="is", value=Ref("agreed", ("other",)), kind="text"), False),
    "a field that is not there": (Limit(argument="order", rule="is", value=Ref("agreed", ("no",)), kind="text"), False),
    "a value that is not there": (Limit(argument="order", rule="is", value=Ref("lost"), kind="text"), False),
    "an amount": (Limit(argument="amount", rule="at_most", value=Const(3), kind="number"), True),
    "a lower amount": (Limit(argument="amount", rule="at_most", value=Const(2), kind="number"), False),
}


@pytest.mark.parametrize("case", LIMITS)
async def test_call_outside_of_its_limits_is_not_asked_for(case: str) -> None:
    """A call of the stage's own code outside of the limits blocks at once."""
    limit, admitted = LIMITS[case]
    shop = Shop()
    refund = shop.refund()
    options: dict[str, Any] = {
        "inputs": INPUTS,
        "limits": {"agreed": {"order": "7", "other": "8"}},
        **limited(refund, Limit(argument="order", rule="is", value=Const("7"), kind="text"), limit),
    }
    if admitted:
        await finished(paying(refund), **options)
    else:
        event = await failed(paying(refund), **options)
        assert event.failure == "block"
        assert "refund_order" in event.reason
        [refused] = event.evidence["refused"]
        assert refused["tool"] == "refund_order"
    assert len(shop.keys) == admitted


async def test_limit_by_a_value_of_another_digest_stops_the_stage() -> None:
    """A value that was changed on the way is not the value that holds a receipt."""
    import dataclasses

    from tests.unit.attempts import sealed

    changed = dataclasses.replace(sealed({"order": "7"}), data={"order": MARK})
    event = await failed(paying(Shop().refund()), inputs=INPUTS, limits={"agreed": changed})
    assert (event.failure, event.reason) == (
        "contract",
        "agreed, which limits the tools of pay,: its digest is not that of its data",
    )
