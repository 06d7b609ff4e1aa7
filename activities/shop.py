"""The shop's database: a SQLite file that holds its own rules (`shop.sql`) and starts with `shop.json`."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from gatework import GateworkError

HERE = Path(__file__).parent
PROJECT = HERE.parent

APPLICATION_ID = 0x47415445
"""Marks a SQLite file as a shop; written in the transaction that fills it, so a half-made file has none."""
VERSION = 2
CURRENCY = "EUR"
BUSY_TIMEOUT_SECONDS = 10.0

_MOST = Decimal(1_000_000)
"""No sum of ours comes near it; it keeps a figure with a huge exponent from being written out."""


class ShopError(GateworkError):
    """The shop's records cannot be reached."""

    code = "shop"


def shop_path() -> Path:
    """Where the shop's database is: `GATEWORK_SHOP_DB`, or `var/shop.db` in the project."""
    return Path(os.environ.get("GATEWORK_SHOP_DB") or PROJECT / "var" / "shop.db")


@contextmanager
def reading() -> Generator[sqlite3.Connection]:
    """A connection for one short read, which sees one state of the records. Raises `ShopError`."""
    with closing(_connected(shop_path())) as shop:
        shop.execute("BEGIN")
        yield shop


@contextmanager
def writing() -> Generator[sqlite3.Connection]:
    """A connection for one short transaction, committed when the block ends and undone when it raises.

    Holds the only right to write from its start, so what it reads stays true until it commits.
    """
    with closing(_connected(shop_path())) as shop:
        shop.execute("BEGIN IMMEDIATE")
        try:
            yield shop
        except BaseException:
            shop.execute("ROLLBACK")
            raise
        shop.execute("COMMIT")


def money(cents: int) -> Decimal:
    """Cents as an amount with two decimals."""
    return Decimal(cents).scaleb(-2)


def cents_of(amount: Decimal) -> int | None:
    """An amount in cents, if it is positive and has whole ones."""
    if not amount.is_finite() or not 0 < amount < _MOST:
        return None
    cents = amount.scaleb(2)
    whole = int(cents)
    return whole if cents == whole else None


def create_shop(path: Path | None = None, records: Path = HERE / "shop.json") -> bool:
    """Make the shop's database and fill it from `records`; False where there is one already.

    The file appears under its name complete or not at all, whoever else makes it at the same time.
    Raises `ShopError` where something else stands under that name.
    """
    path = path or shop_path()
    if path.exists():
        _connected(path).close()
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".shop-", dir=path.parent) as scratch:
        made = Path(scratch) / "shop.db"
        with closing(sqlite3.connect(made, isolation_level=None)) as shop:
            shop.execute("PRAGMA journal_mode = WAL")
            shop.execute("PRAGMA synchronous = FULL")
            shop.execute("PRAGMA foreign_keys = ON")
            shop.executescript("BEGIN;\n" + (HERE / "shop.sql").read_text(encoding="utf-8"))
            _fill(shop, json.loads(records.read_text(encoding="utf-8")))
            shop.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            shop.execute(f"PRAGMA user_version = {VERSION}")
            shop.execute("COMMIT")
        try:
            os.link(made, path)  # unlike a rename, refuses where another process was quicker
        except FileExistsError:
            _connected(path).close()
            return False
    return True


def _fill(shop: sqlite3.Connection, records: dict[str, Any]) -> None:
    customers: dict[str, int] = {}
    for mail, name in records["customers"].items():
        customers[mail] = _insert(shop, "customers (mail, name)", mail, name)
    for number, order in records["orders"].items():
        _insert(
            shop,
            "orders (number, customer, placed, currency)",
            number,
            customers[order["customer"]],
            order["placed"],
            "EUR",
        )
        for name, cents in order["items"]:
            _insert(shop, "items (order_number, name, cents)", number, name, cents)
        for count, (cents, paid) in enumerate(order["payments"], 1):
            _insert(shop, "payments (id, order_number, cents, paid)", f"{number}/{count}", number, cents, paid)
        if parcel := order.get("parcel"):
            sent, delivered = parcel
            _insert(shop, "parcels (order_number, sent, delivered)", number, sent, delivered)
        if refund := order.get("refund"):
            cents, made = refund
            _insert(
                shop,
                "refunds (key, payment, order_number, payee, cents, currency, made)",
                *(f"earlier {number}", f"R-{number}", number, order["customer"], cents, CURRENCY, made),
            )


def _insert(shop: sqlite3.Connection, into: str, *values: str | int | None) -> int:
    marks = ", ".join("?" * len(values))
    return shop.execute(f"INSERT INTO {into} VALUES ({marks})", values).lastrowid or 0  # noqa: S608  # names of our own


def _connected(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there and is a shop, its rules switched on."""
    try:
        # `rw` and not `rwc`: a missing file must not become an empty shop.
        shop = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_SECONDS
        )
    except sqlite3.Error:
        raise ShopError("The shop's database cannot be opened; make it with `python -m activities.orders`.") from None
    try:
        marks = [shop.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if marks != [APPLICATION_ID, VERSION]:
            raise ShopError("The file that GATEWORK_SHOP_DB names is not a shop of this version; move it away.")
        shop.execute("PRAGMA foreign_keys = ON")
        # Under WAL, anything less may lose the last commits with the power; a lost refund would be paid again.
        shop.execute("PRAGMA synchronous = FULL")
    except BaseException as error:
        shop.close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            raise ShopError("The file that GATEWORK_SHOP_DB names is no database; move it away.") from None
        raise
    return shop
