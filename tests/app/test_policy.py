"""The policy of refunds: which rule gives which level, from the records' own dates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from activities.orders import look_up
from activities.policy import History, Level, Risk, assess, history_of, risk_of
from activities.shop import writing
from gatework import Block, Endorsed

DANIEL = "d.okafor@mail.example.com"
QUIET = History(order_days=10, orders=1, refunds=0)


@pytest.mark.parametrize(
    ("amount", "history", "level"),
    [
        ("0.01", QUIET, "low"),
        ("250.00", QUIET, "low"),
        ("250.01", QUIET, "medium"),
        ("500.00", QUIET, "medium"),
        ("500.01", QUIET, "high"),
        ("10", History(order_days=180, orders=1, refunds=0), "low"),
        ("10", History(order_days=181, orders=0, refunds=0), "medium"),
        ("10", History(order_days=365, orders=0, refunds=0), "medium"),
        ("10", History(order_days=366, orders=0, refunds=0), "high"),
        ("10", History(order_days=1, orders=3, refunds=1), "low"),
        ("10", History(order_days=1, orders=2, refunds=1), "medium"),
        ("10", History(order_days=1, orders=4, refunds=2), "medium"),
        ("10", History(order_days=1, orders=99, refunds=3), "high"),
        ("10", History(order_days=200, orders=9, refunds=3), "high"),
    ],
)
def test_risk_is_the_highest_level_of_the_rules_that_apply(amount: str, history: History, level: Level) -> None:
    """Limits are the last amount, day or count of the lower level."""
    risk = risk_of(Decimal(amount), history)
    assert risk.level == level
    assert risk.reasons
    assert all(reason.endswith(".") for reason in risk.reasons)


def test_risk_gives_a_reason_for_each_rule() -> None:
    """Finance sees all of them, not the first."""
    assert risk_of(Decimal(900), History(order_days=400, orders=5, refunds=3)) == Risk(
        level="high",
        reasons=[
            "The amount is above 500.",
            "The order is 400 days old.",
            "3 of the customer's 5 orders of the last 90 days were refunded.",
        ],
    )


def test_history_counts_back_from_the_newest_order(shop: Path) -> None:
    """Not from today: the same records give the same answer whenever a run is tried again."""
    assert history_of("GW-1030") == History(order_days=8, orders=4, refunds=3)
    assert history_of("GW-1029") == History(order_days=212, orders=0, refunds=0)
    assert history_of("GW-1030", today=date(2026, 12, 20)) == History(order_days=40, orders=2, refunds=1)


def test_history_counts_only_this_customer(shop: Path) -> None:
    """Refunds of others say nothing of this one."""
    before = history_of("GW-1001")
    with writing() as connection:
        connection.execute("INSERT INTO refunds VALUES ('k', 'R-x', 'GW-1002', ?, 100, 'EUR', '2026-11-20')", [DANIEL])
    assert history_of("GW-1001") == before


async def test_assess_stage_gives_the_same_risk_again(shop: Path) -> None:
    """A deterministic stage: tried again, it agrees with itself."""
    owed = look_up("GW-1030", Decimal(33), "l.vance@example.org")
    assert not isinstance(owed, Block)
    risks = [await assess.function(Endorsed(owed)) for _ in range(3)]
    assert all(risk == risks[0] for risk in risks)
    assert risks[0].value.level == "high"
