"""The bank: one refund for an order and for a key, never more than was paid, whoever is killed or races."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from activities.payments import Receipt, find_refund, pay_back, recorded, refund_order
from activities.shop import reading
from gatework import Block, IdempotencyKey

ROOT = Path(__file__).parents[2]
KETTLE = ("GW-1001", Decimal("34.90"))


def refunds(order: str) -> list[tuple[str, int]]:
    with reading() as shop:
        return shop.execute("SELECT key, cents FROM refunds WHERE order_number = ?", (order,)).fetchall()


def reason(key: str, order: str, amount: Decimal) -> str:
    refusal = pay_back(key, order, amount)
    assert isinstance(refusal, Block), refusal
    return refusal.reason


def test_refund_is_paid_to_the_customer_of_our_records(shop: Path) -> None:
    """Payee and currency are nobody's argument."""
    receipt = pay_back("key", *KETTLE)
    assert isinstance(receipt, Receipt)
    assert receipt.model_dump(exclude={"payment"}) == {
        "order": "GW-1001",
        "customer": "anna.hughes@example.com",
        "amount": Decimal("34.90"),
        "currency": "EUR",
    }
    assert refunds("GW-1001") == [("key", 3490)]


def test_same_key_gives_the_recorded_receipt(shop: Path) -> None:
    """Tried again, it is the same refund; 34.9 is the same amount."""
    first = pay_back("key", *KETTLE)
    assert pay_back("key", *KETTLE) == first == pay_back("key", "GW-1001", Decimal("34.9")) == recorded("key")
    assert len(refunds("GW-1001")) == 1


@pytest.mark.parametrize(
    "other", [("GW-1001", Decimal("34.89")), ("GW-1002", Decimal("34.90")), ("GW-1002", Decimal("59"))]
)
def test_same_key_for_something_else_is_refused(shop: Path, other: tuple[str, Decimal]) -> None:
    """A key names one effect; another one under it would be a mistake or a trick."""
    pay_back("key", *KETTLE)
    assert reason("key", *other) == "Another refund was paid under this key."
    assert refunds("GW-1002") == []


@pytest.mark.parametrize("amount", ["34.90", "0.01"])
def test_other_key_for_a_refunded_order_is_refused(shop: Path, amount: str) -> None:
    """An order is refunded once, whatever is left of it."""
    pay_back("key", "GW-1001", Decimal("10.00"))
    assert reason("other", "GW-1001", Decimal(amount)) == "Order GW-1001 has already been refunded."


@pytest.mark.parametrize(
    ("order", "amount", "expected"),
    [
        ("GW-1001", "34.91", "That is more than was paid for order GW-1001."),
        ("GW-1001", "999999.99", "That is more than was paid for order GW-1001."),
        ("GW-1099", "27.00", "That is more than was paid for order GW-1099."),
        ("GW-9999", "1.00", "Our records hold no such order."),
        ("", "1.00", "Our records hold no such order."),
        ("gw-1001", "1.00", "Our records hold no such order."),
        *(
            ("GW-1001", amount, "The amount of a refund is a positive number of whole cents.")
            for amount in ("0", "-1", "0.001", "34.905", "NaN", "sNaN", "Infinity", "1E+999999", "1E-999999", "1000000")
        ),
    ],
)
def test_refund_that_must_not_be_is_refused(shop: Path, order: str, amount: str, expected: str) -> None:
    """A refusal writes nothing, so the right refund can still follow."""
    assert reason("key", order, Decimal(amount)) == expected
    assert recorded("key") is None
    assert isinstance(pay_back("key", *KETTLE), Receipt)


def test_refund_without_a_key_is_refused(shop: Path) -> None:
    """Without one, nothing could tell a second try from a second refund."""
    assert reason("", *KETTLE) == "A refund needs a key."


async def test_probe_knows_what_the_effect_did(shop: Path) -> None:
    """None is known not to have happened; else the recorded receipt."""
    key = IdempotencyKey("ab" * 32)
    assert await find_refund(key) is None
    receipt = await refund_order.function(key, *KETTLE)
    assert isinstance(receipt, Receipt)
    assert await find_refund(key) == receipt


def test_threads_that_pay_one_order_pay_it_once(shop: Path) -> None:
    """Each with its own key: one receipt, the rest refused."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: pay_back(f"key {n}", *KETTLE), range(48)))
    assert sum(isinstance(answer, Receipt) for answer in answers) == 1
    assert {a.reason for a in answers if isinstance(a, Block)} == {"Order GW-1001 has already been refunded."}
    assert len(refunds("GW-1001")) == 1


def test_threads_that_pay_under_one_key_get_one_receipt(shop: Path) -> None:
    """A try that was thought lost and the one that replaced it agree."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: pay_back("key", *KETTLE), range(48)))
    assert len({answer.payment for answer in answers if isinstance(answer, Receipt)}) == 1
    assert all(isinstance(answer, Receipt) for answer in answers)


PAYER = """
import json, sys
from decimal import Decimal
from activities.payments import Receipt, pay_back
orders = json.loads(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for order, amount in orders.items():
    answer = pay_back(f"{sys.argv[1]} {order}", order, Decimal(amount))
    print(order if isinstance(answer, Receipt) else "", flush=True)
"""


def full_amounts() -> dict[str, str]:
    """Every order that was paid and not refunded, with all that was paid for it."""
    with reading() as shop:
        return {
            order: str(Decimal(cents).scaleb(-2))
            for order, cents in shop.execute(
                "SELECT order_number, sum(cents) FROM payments"
                " WHERE order_number NOT IN (SELECT order_number FROM refunds) GROUP BY order_number"
            )
        }


def payer(name: str, orders: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PAYER, name, json.dumps(orders)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_pay_the_same_orders_pay_each_once(shop: Path) -> None:
    """Workers on one machine share nothing but the file."""
    orders = full_amounts()
    payers = [payer(f"process {n}", orders) for n in range(4)]
    for each in payers:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    paid = [line for each in payers for line in each.communicate("go\n", timeout=120)[0].split()]
    assert [each.returncode for each in payers] == [0] * 4
    assert sorted(paid) == sorted(orders)
    assert full_amounts() == {}


@pytest.mark.parametrize("seed", range(5))
def test_payer_that_is_killed_leaves_each_refund_whole_or_unmade(shop: Path, seed: int) -> None:
    """SIGKILL at a random point: tried again under the same keys, every order is refunded once and in full."""
    orders = full_amounts()
    with payer("one", orders) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(random.Random(seed).uniform(0.0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
    with reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for order, amount in orders.items():
        assert isinstance(pay_back(f"one {order}", order, Decimal(amount)), Receipt)
        assert refunds(order) == [(f"one {order}", int(Decimal(amount) * 100))]
