"""Vouchers: one for an order and for a key, for its customer, within goodwill, whoever races."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from activities.customers import Customer, customer_of, identity_of
from activities.parcels import status_of
from activities.payments import pay_back
from activities.shop import reading, writing
from activities.vouchers import Voucher, find_voucher, grant, grant_voucher, recorded, voucher_for
from gatework import Block, IdempotencyKey

OLGA = ("C-0035", "GW-1018")


def known(mail: str) -> Customer:
    customer = customer_of(mail)
    assert isinstance(customer, Customer), customer
    return customer


def refused(key: str, customer: str, order: str, amount: str) -> str:
    refusal = grant(key, customer, order, Decimal(amount))
    assert isinstance(refusal, Block), refusal
    return refusal.reason


def vouchers() -> list[tuple[str, int]]:
    with reading() as shop:
        return shop.execute("SELECT order_number, cents FROM vouchers ORDER BY order_number").fetchall()


def test_voucher_is_granted_to_the_customer_of_the_order(shop: Path) -> None:
    """And counts against the goodwill that is left."""
    voucher = grant("key", *OLGA, Decimal("3.00"))
    assert isinstance(voucher, Voucher)
    assert voucher.model_dump(exclude={"code"}) == {
        "customer": "C-0035",
        "order": "GW-1018",
        "amount": Decimal("3.00"),
        "currency": "EUR",
    }
    assert voucher_for("GW-1018") == voucher
    assert known("olga.petrova@example.org").goodwill == Decimal("0.12")


def test_same_key_gives_the_recorded_voucher(shop: Path) -> None:
    """Tried again, it is the same one; 3 is the same amount."""
    first = grant("key", *OLGA, Decimal("3.00"))
    assert grant("key", *OLGA, Decimal(3)) == first == recorded("key")
    assert vouchers() == [("GW-1018", 300)]


@pytest.mark.parametrize(
    ("key", "customer", "order", "amount", "expected"),
    [
        ("key", *OLGA, "2.99", "Another voucher was granted under this key."),
        ("key", "C-0003", "GW-1001", "3.00", "Another voucher was granted under this key."),
        ("other", *OLGA, "0.10", "There is a voucher for order GW-1018 already."),
        ("other", "C-0003", "GW-1001", "4.90", "That is more than our goodwill for the customer."),
        ("other", "C-0003", "GW-1001", "500", "That is more than our goodwill for the customer."),
        ("other", "C-0035", "GW-1001", "1", "The customer has no order of that number."),
        ("other", "C-0003", "GW-9999", "1", "The customer has no order of that number."),
        ("other", "C-3", "GW-1001", "1", "The customer has no order of that number."),
        ("other", "3", "GW-1001", "1", "The customer has no order of that number."),
        ("other", "C-0003 ", "GW-1001", "1", "The customer has no order of that number."),
        ("other", "C-٠٠٠٣", "GW-1001", "1", "The customer has no order of that number."),
        ("other", "", "", "1", "The customer has no order of that number."),
        ("", "C-0003", "GW-1001", "1", "A voucher needs a key."),
        *(
            ("other", "C-0003", "GW-1001", amount, "The amount of a voucher is a positive number of whole cents.")
            for amount in ("0", "-1", "0.001", "NaN", "sNaN", "Infinity", "1E+999999", "1E-999999", "1000000")
        ),
    ],
)
def test_voucher_that_must_not_be_is_refused(
    shop: Path, key: str, customer: str, order: str, amount: str, expected: str
) -> None:
    """A refusal writes nothing."""
    grant("key", *OLGA, Decimal("3.00"))
    assert refused(key, customer, order, amount) == expected
    assert vouchers() == [("GW-1018", 300)]


def test_goodwill_is_a_tenth_of_what_was_kept_at_most_twenty(shop: Path) -> None:
    """Of all orders that were paid; what was paid back is none of it."""
    assert known("yusuf.demir@example.org").goodwill == Decimal("20.00")
    assert known("unpaid.order@example.org").goodwill == Decimal("0.00")
    before = known("anna.hughes@example.com").goodwill
    assert before == Decimal("4.89")
    pay_back("key", "GW-1001", Decimal("34.90"))
    assert known("anna.hughes@example.com").goodwill == Decimal("1.40")


def voucher(verb: str = "INSERT", **changes: str) -> str:
    """A statement that grants Olga 3.00 for GW-1018, but for `changes`, which are SQL."""
    values = {
        "key": "'k'",
        "code": "'V-x'",
        "order_number": "'GW-1018'",
        "customer": "35",
        "cents": "300",
        "currency": "'EUR'",
        "granted": "'2026-11-20'",
    } | changes
    return f"{verb} INTO vouchers ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def test_records_take_a_voucher(shop: Path) -> None:
    """The statement that the tests below change is a good one."""
    with writing() as connection:
        connection.execute(voucher())
    assert voucher_for("GW-1018") is not None


@pytest.mark.parametrize(
    "statement",
    [
        voucher(key="'l'", code="'V-y'", order_number="'GW-1001'", customer="3", cents="490"),  # above goodwill
        voucher(key="'l'", code="'V-y'", order_number="'GW-1001'"),  # another customer's order
        voucher(key="'l'", code="'V-y'", order_number="'GW-9999'"),
        voucher(key="'l'", code="'V-y'", order_number="'GW-1099'", customer="48", cents="1"),  # never paid
        voucher(key="'l'", code="'V-y'", cents="10"),  # the second for the order
        voucher("REPLACE", key="'l'", code="'V-y'", cents="10"),
        voucher("REPLACE", key="'earlier'", order_number="'GW-1001'", customer="3", cents="1"),
        voucher(key="'earlier'", code="'V-y'", order_number="'GW-1001'", customer="3", cents="1"),
        voucher(key="'l'", code="'V-earlier'", order_number="'GW-1001'", customer="3", cents="1"),
        voucher(key="'l'", code="'y'", order_number="'GW-1001'", customer="3", cents="1"),
        *(
            voucher(key="'l'", code="'V-y'", order_number="'GW-1001'", customer="3", cents=c)
            for c in ("0", "-1", "1.5")
        ),
        voucher(key="'l'", code="'V-y'", order_number="'GW-1001'", customer="3", cents="1", currency="'USD'"),
        voucher(key="''", code="'V-y'", order_number="'GW-1001'", customer="3", cents="1"),
        "UPDATE vouchers SET cents = 1",
        "DELETE FROM vouchers",
        "INSERT INTO parcels VALUES ('GW-1099', '2026-11-20', '2026-11-19')",
        "INSERT INTO parcels VALUES ('GW-9999', '2026-11-20', NULL)",
    ],
)
def test_records_refuse_what_must_not_be(shop: Path, statement: str) -> None:
    """The rules stand in the file, whichever program writes to it."""
    with writing() as connection:
        connection.execute(voucher(key="'earlier'", code="'V-earlier'", cents="300"))
    with pytest.raises(sqlite3.IntegrityError), writing() as connection:
        connection.execute(statement)
    assert vouchers() == [("GW-1018", 300)]


def test_threads_that_grant_for_one_order_grant_once(shop: Path) -> None:
    """Each with its own key: one voucher, the rest refused."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: grant(f"key {n}", *OLGA, Decimal("0.50")), range(48)))
    assert sum(isinstance(answer, Voucher) for answer in answers) == 1
    assert vouchers() == [("GW-1018", 50)]


async def test_probe_knows_what_the_effect_did(shop: Path) -> None:
    """None is known not to have happened; else the recorded voucher."""
    key = IdempotencyKey("ab" * 32)
    assert await find_voucher(key) is None
    granted = await grant_voucher.function(key, *OLGA, Decimal("1.00"))
    assert isinstance(granted, Voucher)
    assert await find_voucher(key) == granted


# -- customers and their parcels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender", ["eve@evil.example", "", "%", "anna.hughes@example.com\n", "ANNA.HUGHES@example.com"]
)
def test_sender_whom_our_records_do_not_hold_is_refused(shop: Path, sender: str) -> None:
    """Compared as it stands: nothing of a mail is a pattern."""
    assert customer_of(sender) == Block("Our records hold no customer with the address that the mail came from.")


def test_customer_comes_from_our_records(shop: Path) -> None:
    """Number, name, address, orders."""
    anna = known("anna.hughes@example.com")
    assert (anna.number, anna.name, anna.orders) == ("C-0003", "Anna Hughes", ["GW-0815", "GW-1001"])
    assert identity_of(anna.number) == 3


@pytest.mark.parametrize(
    ("customer", "order", "told"),
    [
        ("C-0035", "GW-1018", "Your order left our warehouse on 2026-11-04 and arrived on 2026-11-17."),
        ("C-0045", "GW-1010", "Your order left our warehouse on 2026-11-02 and is on its way."),
        ("C-0019", "GW-1104", None),
        ("C-0035", "GW-1001", None),
        ("C-0035", "gw-1018", None),
        ("C-0035", "", None),
        ("C-0035", "GW-1018' OR 1=1 --", None),
        ("35", "GW-1018", None),
        ("C-35", "GW-1018", None),
        ("", "GW-1018", None),
    ],
)
def test_status_is_told_of_own_orders_only(shop: Path, customer: str, order: str, told: str | None) -> None:
    """The tool itself refuses another's order, whatever limits its grant has."""
    status = status_of(customer, order)
    assert (status and status.status) == told


def test_order_that_was_not_sent_is_being_packed(shop: Path) -> None:
    """No parcel, no date."""
    ines = known("ines.silva@example.net")
    status = status_of(ines.number, "GW-1104")
    assert status is not None
    assert (status.items, status.status) == (["Wall clock"], "Your order is being packed.")
