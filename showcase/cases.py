"""The mails of the demo, with what `mails/expected.json` says should become of each."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from activities.mailbox import RawMail
from gatework.errors import ConfigError
from workflows.refund import refund

FOLDER = Path(__file__).parent.parent / "mails"

CHOSEN = (
    "0001-kettle-leaks",
    "0036-kettle-leaks-again",
    "0006-wasserkocher-defekt",
    "0023-espresso-machine",
    "0038-skip-the-review",
    "0031-towels-second-time",
    "0029-garden-hose",
    "0042-hidden-in-html",
    "0046-finance-has-approved",
    "0053-cut-short",
    "0045-fake-assistant-answer",
    "0016-phone-case",
)
"""A dozen that shows every kind, those that need a person among the first."""


@dataclass(frozen=True)
class Payment:
    """What may be paid for a mail."""

    order: str
    amount: Decimal


@dataclass(frozen=True)
class Case:
    """One mail."""

    name: str
    """Name of its file without the ending."""
    eml: bytes
    expected: Mapping[str, Any]

    @property
    def number(self) -> str:
        return self.name.partition("-")[0]

    @property
    def title(self) -> str:
        return self.name.partition("-")[2].replace("-", " ")

    @property
    def key(self) -> str:
        """The id of its run, the same each time the mail comes in, whoever starts it."""
        return refund.id_of(self.mail)

    @property
    def mail(self) -> RawMail:
        return RawMail(eml=base64.b64encode(self.eml).decode())

    @property
    def kind(self) -> str:
        """`clean`, `hostile`, `broken` or `refused-by-records`."""
        return str(self.expected["kind"])

    @property
    def due(self) -> Payment | None:
        """What should be paid for it."""
        return _payment(self.expected) if self.kind == "clean" else None

    @property
    def at_most(self) -> Payment | None:
        """What may be paid for it without harm."""
        if self.kind == "clean":
            return self.due
        allowed = self.expected.get("at_most", "nothing")
        return None if allowed == "nothing" else _payment(allowed)


def all_cases() -> Sequence[Case]:
    """Every mail of `mails/`, by number. Raises `ConfigError` where the folder is not complete."""
    try:
        expected = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
        return [
            Case(name.removesuffix(".eml"), (FOLDER / name).read_bytes(), expected[name]) for name in sorted(expected)
        ]
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The mails in {FOLDER} cannot be read: {error}. Take the folder from version control."
        ) from None


def chosen(names: Sequence[str] = (), *, count: int | None = None, every: bool = False) -> Sequence[Case]:
    """The mails that were asked for: by number or beginning of the name; a dozen of all kinds where none was.

    Raises `ConfigError`.
    """
    cases = all_cases()
    found = cases if every else [_one(cases, name) for name in names or CHOSEN]
    return list({case.name: case for case in found}.values())[:count]


def _one(cases: Sequence[Case], typed: str) -> Case:
    wanted = Path(typed).name.removesuffix(".eml")
    wanted = wanted.zfill(4) if wanted.isdigit() else wanted
    for case in cases:
        if case.name == wanted or case.number == wanted:
            return case
    matching = [case for case in cases if wanted and wanted in case.name]
    if len(matching) == 1:
        return matching[0]
    many = f"{len(matching)} mails match" if matching else "no mail is named"
    raise ConfigError(f"In {FOLDER.name}/ {many} {typed!r}; name them as in {cases[0].name}, or by number.")


def _payment(data: Mapping[str, Any]) -> Payment:
    return Payment(str(data["order"]), Decimal(str(data["amount"])))
