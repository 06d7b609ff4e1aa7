"""The outside world under the engine: endorsed, assessed, approved, paid and sent once, whatever is lost on the way."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from activities.orders import Owed, owed_by_our_records
from activities.outbox import Sent, send
from activities.payments import pay
from activities.policy import assess
from activities.shop import reading
from activities.values import Claim, Letter
from gatework import Endorsed, Untrusted, any_of, approve, endorse, role, stage, workflow
from gatework.run.state import Act
from gatework.testing import Rehearsal, rehearse


@stage()
async def write(owed: Endorsed[Owed]) -> Endorsed[Letter]:
    """A letter without a model."""
    return Endorsed(Letter(subject=f"Order {owed.value.order}", body=f"We paid {owed.value.amount} back.\n"))


@workflow
def settlement(claim: Untrusted[Claim]) -> Endorsed[Sent]:
    """The refund from the claim on."""
    owed = endorse(claim, by=owed_by_our_records)
    risk = assess(owed)
    letter = write(owed)
    agreed = approve(owed, by=role("finance"), when=any_of(owed.value.amount > 100, risk.value.level != "low"))
    receipt = pay(agreed)
    return send(letter, receipt)


def claim(order: str = "GW-1001", amount: str = "34.90", sender: str = "anna.hughes@example.com") -> Claim:
    return Claim(order=order, amount=Decimal(amount), reason="It leaks.", sender=sender)


def refunds(order: str) -> list[int]:
    with reading() as shop:
        return [cents for (cents,) in shop.execute("SELECT cents FROM refunds WHERE order_number = ?", [order])]


def letters(outbox: Path) -> int:
    return len(list((outbox / "new").glob("*"))) if outbox.exists() else 0


async def until_due(run: Rehearsal[Sent], tool: str) -> None:
    """Go on until the call of a tool is due, and nothing of it is done."""
    while not (isinstance(run.due, Act) and run.due.call.tool == tool):
        await run.once()


async def test_small_refund_is_paid_and_answered_without_a_person(shop: Path, outbox: Path) -> None:
    """Low risk and not above the limit: straight through."""
    run = await rehearse(settlement, claim())
    assert run.result.to == "anna.hughes@example.com"
    assert (refunds("GW-1001"), letters(outbox)) == ([3490], 1)


async def test_large_or_risky_refund_waits_for_finance(shop: Path, outbox: Path) -> None:
    """By the amount, or by what our records say of the customer."""
    for waiting in (
        claim("GW-1023", "249.00", "marcus.weber@example.com"),
        claim("GW-1029", "25.00", "peter.novak@example.com"),
        claim("GW-1030", "33.00", "l.vance@example.org"),
    ):
        run = await rehearse(settlement, waiting, lineage=waiting.order)
        assert run.gate.node == "agreed"
        assert refunds(waiting.order) == []
        await run.approve(by="Ada")
        assert run.result.to == waiting.sender
        assert len(refunds(waiting.order)) == 1


async def test_claim_that_is_not_owed_stops_before_anything_is_paid(shop: Path, outbox: Path) -> None:
    """The endorser's refusal holds the run, with its reason."""
    run = await rehearse(settlement, claim(sender="eve@evil.example"))
    assert run.outcome is None
    assert "another customer" in str(run.gate)
    assert (refunds("GW-1001"), letters(outbox)) == ([], 0)


async def test_second_run_for_an_order_pays_nothing(shop: Path, outbox: Path) -> None:
    """Two runs past the records at once: the bank pays the first, and the second waits for a person."""
    first, second = Rehearsal(settlement, lineage="first"), Rehearsal(settlement, lineage="second")
    for run in (first, second):
        run.begin(claim())
        for _ in ("owed", "risk", "letter"):
            await run.once()
    await first.go_on()
    await second.go_on()
    assert first.result.to == "anna.hughes@example.com"
    assert second.outcome is None
    assert (refunds("GW-1001"), letters(outbox)) == ([3490], 1)


async def test_worker_lost_during_an_effect_does_it_once(shop: Path, outbox: Path) -> None:
    """Before it, or after it and before its answer: the probe knows, and the run goes on."""
    for performed in (False, True):
        order = claim() if performed else claim("GW-1002", "59.00", "d.okafor@mail.example.com")
        run = Rehearsal(settlement, lineage=order.order)
        run.begin(order)
        await until_due(run, "refund_order")
        await run.lose(performed=performed)
        if run.state.gate is not None:
            await run.retry(by="Ada")
        await run.go_on()
        assert run.result.to == order.sender
        assert len(refunds(order.order)) == 1
    assert letters(outbox) == 2


async def test_worker_lost_while_sending_sends_once(shop: Path, outbox: Path) -> None:
    """The same for the mail."""
    run = Rehearsal(settlement, lineage="x")
    run.begin(claim())
    await until_due(run, "send_mail")
    await run.lose(performed=True)
    if run.state.gate is not None:
        await run.retry(by="Ada")
    await run.go_on()
    assert run.result.to == "anna.hughes@example.com"
    assert letters(outbox) == 1
