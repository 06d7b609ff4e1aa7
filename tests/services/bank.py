"""The payment service as the tests have it, and its database, counted exactly."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.services import payments
from tests.services.kept import Kept


class Bank(Kept):
    """The payment service, up again soon whenever it has died."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bank.db"
        payments.create(str(self.path))
        super().__init__(str(payments.__file__), str(self.path))

    def paid(self, number: str) -> list[tuple[str, int]]:
        """Key and cents of each payment for an order."""
        with closing(sqlite3.connect(self.path, timeout=10)) as bank:
            return bank.execute("SELECT key, cents FROM payments WHERE number = ?", (number,)).fetchall()

    def requests(self, key: str = "") -> list[str]:
        """The methods of the requests, in order."""
        with closing(sqlite3.connect(self.path, timeout=10)) as bank:
            rows = bank.execute("SELECT method FROM requests WHERE key = ? OR ? = ''", (key, key)).fetchall()
        return [method for (method,) in rows]

    @property
    def total(self) -> int:
        """All payments there are."""
        with closing(sqlite3.connect(self.path, timeout=10)) as bank:
            found: int = bank.execute("SELECT count(*) FROM payments").fetchone()[0]
        return found
