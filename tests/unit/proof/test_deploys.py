"""Two codes in one ledger: pointed out where a stage ran on both, and not where nobody said which code ran."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from gatework.cli import render
from gatework.proof import ledger
from gatework.proof.deploys import CodeChange, code_changes
from gatework.run.state import Receipt

ONE, OTHER = "1" * 64, "2" * 64


def entries(*receipts: tuple[Any, ...]) -> list[ledger.Entry]:
    """A ledger of attempts: kind, node, attempt, code, tool."""
    found: list[ledger.Entry] = []
    for kind, node, attempt, code, *tool in receipts:
        how = {**({"code": code} if code else {}), **({"tool": tool[0]} if tool else {})}
        receipt = Receipt(kind=kind, node=node, attempt=attempt, how=how)
        found = [*ledger.extended(found, [receipt], datetime(2026, 1, 1, tzinfo=UTC))]
    return found


def test_stage_that_ran_on_two_codes_is_named_with_the_attempt() -> None:
    """The first on other code, also where a later one ran on the first code again; tools of a stage are told apart."""
    rolled = entries(
        ("output", "claim", 1, ONE), ("output", "letter", 1, ONE), ("failed", "letter", 2, ""),
        ("acted", "letter", 2, OTHER, "send"), ("acted", "letter", 3, ONE, "send"), ("output", "letter", 3, OTHER),
        ("output", "letter", 4, ONE), ("output", "claim", 2, ONE),
    )  # fmt: skip
    assert code_changes(rolled) == (
        CodeChange(node="letter", tool="send", attempt=3),
        CodeChange(node="letter", tool="", attempt=3),
    )
    [line] = render.deploys(rolled)
    assert line.plain == (
        "A deploy came in between; other code ran: letter (send) from attempt 3 on, letter from attempt 3 on."
    )
    assert list(render.deploys(rolled[:4])) == []


def test_many_stages_are_told_on_one_line() -> None:
    """A handful, and how many more; no name moves anything."""
    names = ["a\x1b[31m\nb", *(f"s{number}" for number in range(6))]
    rolled = entries(*[("output", name, number, code) for number, code in ((1, ONE), (2, OTHER)) for name in names])
    [line] = render.deploys(rolled)
    assert isinstance(line, Text)
    assert line.plain.isprintable()
    assert line.plain.endswith("s3 from attempt 2 on, 2 more.")
