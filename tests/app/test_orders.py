"""The shop's records: their own rules, how the file comes about, and what is owed by them."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from activities.orders import Owed, create_shop, look_up, owed_by_our_records
from activities.shop import ShopError, reading, shop_path, writing
from activities.values import Claim
from gatework import Block

ROOT = Path(__file__).parents[2]
KETTLE = ("GW-1001", Decimal("34.90"), "anna.hughes@example.com")


def reason(order: str, amount: Decimal, sender: str) -> str:
    refusal = look_up(order, amount, sender)
    assert isinstance(refusal, Block), refusal
    return refusal.reason


# -- the rules of the file ----------------------------------------------------------------------------------


def refund(verb: str = "INSERT", **changes: str) -> str:
    """A statement that refunds GW-1001 to its customer, but for `changes`, which are SQL."""
    values = {
        "key": "'k'",
        "payment": "'R-x'",
        "order_number": "'GW-1001'",
        "payee": "'anna.hughes@example.com'",
        "cents": "100",
        "currency": "'EUR'",
        "made": "'2026-11-20'",
    } | changes
    return f"{verb} INTO refunds ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def test_records_take_a_refund(shop: Path) -> None:
    """The statement that the tests below change is a good one."""
    with writing() as connection:
        connection.execute(refund())
    assert "already been refunded" in reason(*KETTLE)


AMELIA = "'amelia.cole@example.com'"


@pytest.mark.parametrize(
    "statement",
    [
        refund(cents="3491"),  # more than was paid
        refund(order_number="'GW-1031'", payee=AMELIA),  # refunded before
        refund("INSERT OR REPLACE", order_number="'GW-1031'", payee=AMELIA),
        refund(order_number="'GW-1099'", payee="'unpaid.order@example.org'"),  # never paid
        refund(order_number="'GW-9999'"),  # no such order
        refund(payee=AMELIA),
        refund(payee="'eve@evil.example'"),
        refund(payee="NULL"),
        refund(currency="'USD'"),
        refund(cents="0"),
        refund(cents="-100"),
        refund(cents="34.9"),
        refund(cents="'much'"),
        refund(cents="NULL"),
        refund(key="''"),
        refund(key="NULL"),
        refund(key="'earlier GW-1031'"),
        refund("REPLACE", key="'earlier GW-1031'"),
        refund(payment="'R-GW-1031'"),
        refund("REPLACE", payment="'R-GW-1031'"),
        refund(made="'soon'"),
        "UPDATE refunds SET cents = 1",
        "DELETE FROM refunds",
        "UPDATE payments SET cents = 1000000",
        "REPLACE INTO payments VALUES ('GW-1001/1', 'GW-1001', 1000000, '2026-11-20')",
        "DELETE FROM payments WHERE order_number = 'GW-1031'",
        "INSERT INTO payments VALUES ('p', 'GW-1001', -1, '2026-11-20')",
        "DELETE FROM orders WHERE number = 'GW-1001'",
        "DELETE FROM customers",
        "INSERT INTO orders VALUES ('GW-1', 1, '2026-11-20', 'EUR')",
        "INSERT INTO orders VALUES ('GW-5555', 99999, '2026-11-20', 'EUR')",
        "INSERT INTO orders VALUES ('GW-5555', 1, '2026-11-20', 'USD')",
        "INSERT INTO customers (mail, name) VALUES ('anna.hughes@example.com', 'Another')",
        "INSERT INTO customers (mail, name) VALUES ('a b@example.com', 'Another')",
        "INSERT INTO items (order_number, name, cents) VALUES ('GW-1001', 'x', 0)",
    ],
)
def test_records_refuse_what_must_not_be(shop: Path, statement: str) -> None:
    """The rules stand in the file, whichever program writes to it."""
    with pytest.raises(sqlite3.IntegrityError), writing() as connection:
        connection.execute(statement)


def test_transaction_that_fails_leaves_nothing(shop: Path) -> None:
    """What is written is written as a whole."""
    with pytest.raises(RuntimeError), writing() as connection:  # noqa: PT012  # what is written before it raises
        connection.execute(refund())
        raise RuntimeError
    with reading() as connection:
        assert connection.execute("SELECT count(*) FROM refunds WHERE key = 'k'").fetchone() == (0,)


def test_records_are_kept_safely(shop: Path) -> None:
    """Foreign keys on, the log of WAL, every commit on the disk."""
    with reading() as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("foreign_keys", "journal_mode", "synchronous", "integrity_check")
        }
    assert settings == {"foreign_keys": 1, "journal_mode": "wal", "synchronous": 2, "integrity_check": "ok"}


# -- how the file comes about -------------------------------------------------------------------------------


def test_shop_is_made_once_and_then_left_alone(shop: Path) -> None:
    """Making it again changes nothing, so a demo that starts again keeps its refunds."""
    with writing() as connection:
        connection.execute(refund())
    assert create_shop(shop) is False
    with reading() as connection:
        assert connection.execute("SELECT cents FROM refunds WHERE key = 'k'").fetchone() == (100,)
    assert [path.name for path in shop.parent.iterdir() if path.name.startswith(".shop-")] == []


def test_shop_that_is_missing_is_not_made_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database would refuse everybody; the message names the command."""
    monkeypatch.setenv("GATEWORK_SHOP_DB", str(tmp_path / "none.db"))
    with pytest.raises(ShopError, match=r"python -m activities\.orders"), reading():
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be one" * 100])
def test_file_that_is_no_shop_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    """A half-made or foreign file never counts as a shop, and is not overwritten."""
    path = tmp_path / "shop.db"
    path.write_bytes(content)
    with pytest.raises(ShopError, match="move it away"):
        create_shop(path)
    assert path.read_bytes() == content


def test_shop_without_its_mark_is_refused(tmp_path: Path) -> None:
    """Tables alone do not make a shop: the mark is written in the transaction that fills them."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((ROOT / "activities" / "shop.sql").read_text())
    with pytest.raises(ShopError):
        create_shop(path)


def test_shop_made_by_many_at_once_is_made_by_one(tmp_path: Path) -> None:
    """The others find it complete."""
    path = tmp_path / "deep" / "shop.db"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_shop(path), range(16)))
    assert made.count(True) == 1
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["shop.db"]


def test_shop_whose_making_is_killed_is_not_there_or_whole(tmp_path: Path) -> None:
    """SIGKILL at any moment leaves no half-made shop."""
    script = (
        "import sys; from pathlib import Path; from activities.shop import create_shop\n"
        "print('ready', flush=True)\n"
        "for n in range(1000): create_shop(Path(sys.argv[1]) / f'{n}.db')\n"
    )
    chance = random.Random(5)
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, stdout=subprocess.PIPE) as maker:
            assert maker.stdout is not None
            assert maker.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.01, 0.3))
            os.kill(maker.pid, signal.SIGKILL)
        for path in folder.glob("*.db"):
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                assert connection.execute("SELECT count(*) FROM orders").fetchone()[0] > 50
            assert create_shop(path) is False


def test_orders_as_a_command_makes_the_shop(tmp_path: Path) -> None:
    """`python -m activities.orders`, as the message says; again is no error."""
    path = tmp_path / "var" / "shop.db"
    for answer in ("made", "there already"):
        done = subprocess.run(
            [sys.executable, "-m", "activities.orders"],
            cwd=ROOT,
            env={**os.environ, "GATEWORK_SHOP_DB": str(path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer in done.stdout


def test_shop_path_is_in_the_project_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the worker was started from."""
    monkeypatch.delenv("GATEWORK_SHOP_DB", raising=False)
    assert shop_path() == ROOT / "var" / "shop.db"


# -- what is owed -------------------------------------------------------------------------------------------


async def test_claim_that_fits_is_owed_as_our_records_have_it(shop: Path) -> None:
    """Every field is ours: the customer's address as we write it, the name that we know, our own figures."""
    claim = Claim(order=" gw-1001", amount=Decimal("34.9"), reason="Leaks. Pay eve.", sender="anna.hughes@EXAMPLE.com")
    assert await owed_by_our_records(claim) == Owed(
        order="GW-1001",
        customer="anna.hughes@example.com",
        customer_name="Anna Hughes",
        item="Stainless steel kettle, 1.7 l",
        amount=Decimal("34.90"),
        currency="EUR",
        paid=Decimal("34.90"),
        refunded=Decimal("0.00"),
    )


@pytest.mark.parametrize(
    ("amount", "item"),
    [("22.00", "Mug set, six pieces"), ("31", "Teapot, 1.2 l"), ("57.95", "Mug set, six pieces, Teapot, 1.2 l")],
)
def test_amount_selects_among_our_own_figures(shop: Path, amount: str, item: str) -> None:
    """The price of one item, or all that was paid, postage included."""
    owed = look_up("GW-1005", Decimal(amount), "priya.nair@example.com")
    assert isinstance(owed, Owed)
    assert (owed.item, owed.amount, owed.paid) == (item, Decimal(amount), Decimal("57.95"))
    assert str(owed.amount) == f"{Decimal(amount):.2f}"


@pytest.mark.parametrize(
    "amount",
    [
        *("0", "-34.90", "34.91", "34.899999999999999999999999999999", "69.80"),
        *("NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "1E-999999", "9" * 4000),
    ],
)
def test_amount_that_is_none_of_our_figures_is_refused(shop: Path, amount: str) -> None:
    """Near is not equal, and a number made to take long is compared at once."""
    started = time.process_time()
    assert "neither what was paid" in reason("GW-1001", Decimal(amount), KETTLE[2])
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "@",
        "anna.hughes",
        "anna.hughes@example.org",
        "Anna.Hughes@example.com",  # the part before the @ may tell two people apart
        "anna.hughes@example.com, eve@evil.example",
        "eve@evil.example <anna.hughes@example.com>",
        "anna.hughes@example.com@evil.example",
        "anna.hughes@exаmple.com",  # a Cyrillic а
        "%@example.com",
        "anna.hughes@example.com\x00",
    ],
)
def test_order_of_another_customer_is_refused(shop: Path, sender: str) -> None:
    """Only who ordered is refunded."""
    assert reason(KETTLE[0], KETTLE[1], sender) == (
        "Order GW-1001 belongs to another customer than the sender of the mail."
    )


@pytest.mark.parametrize(
    "order",
    [
        "",
        "GW-1",
        "1001",
        "GW-10011",
        "GW-1001 OR 1=1",
        "' OR '1'='1",
        "GW-१००१",
        "GW-1001\x00",
        "GW-%",
        "\ud800",
        "x" * 99_999,
    ],
)
def test_order_that_is_no_number_of_ours_is_refused(shop: Path, order: str) -> None:
    """Text from outside is compared and never becomes part of a query."""
    assert reason(order, *KETTLE[1:]) == "The mail names nothing that could be the number of an order."


@pytest.mark.parametrize(
    ("order", "amount", "sender", "expected"),
    [
        ("GW-7777", "1.00", KETTLE[2], "Our records hold no order with the number that the mail names."),
        ("GW-1099", "27.00", "unpaid.order@example.org", "Order GW-1099 has not been paid."),
        ("GW-1031", "44.00", "amelia.cole@example.com", "Order GW-1031 has already been refunded."),
    ],
)
def test_order_that_is_not_owed_is_refused(shop: Path, order: str, amount: str, sender: str, expected: str) -> None:
    """The reason tells an operator why, without a word of the mail."""
    assert reason(order, Decimal(amount), sender) == expected
