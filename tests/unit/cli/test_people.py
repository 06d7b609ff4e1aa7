"""What `gatework setup` says of the list of people."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatework import Approved, Endorsed, approve, role, stage, workflow
from gatework.cli.people import listed
from gatework.define.workflow import Workflow
from gatework.errors import ConfigError
from gatework.signing.keys import PrivateKey

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@stage()
async def done(text: Approved[str]) -> Endorsed[str]:
    return Endorsed(text.value)


@workflow
def loose(text: Endorsed[str]) -> Endorsed[str]:
    """Anybody's word."""
    return done(approve(text, by=role("finance")))


@workflow
def by_two(text: Endorsed[str]) -> Endorsed[str]:
    """Two people whom the server names, then the board."""
    agreed = approve(text, by=role("finance", quorum=2), otherwise=role("board", identity="claimed"))
    return done(agreed)


@workflow
def by_hand(text: Endorsed[str]) -> Endorsed[str]:
    """One who signs."""
    return done(approve(text, by=role("finance", identity="signed")))


def entry(name: str, *roles: str, until: str = "") -> str:
    """Somebody on the list; with a key where that ends."""
    key = PrivateKey.made().public
    keys = f'[[{name}.keys]]\nkey = "{key}"\nuntil = {until}\n' if until else ""
    return f"[{name}]\nroles = {list(roles)}\n{keys}"


@pytest.mark.parametrize(
    ("workflows", "text", "mark", "says"),
    [
        ([loose], None, "ok", "no list"),
        ([], None, "ok", "no list"),
        ([by_two], None, "missing", "it must be sure who finance is"),
        ([by_hand], None, "missing", "it must be sure who finance is"),
        ([loose], entry("ana", "ops"), "ok", "1 on the list"),
        ([by_two], entry("ana", "finance") + entry("ben", "board"), "missing", "finance needs 2 and has 1"),
        ([by_two], entry("ana", "finance") + entry("ben", "finance"), "missing", "board needs 1 and has 0"),
        ([by_two], entry("ana", "finance", "board") + entry("ben", "finance"), "ok", "2 on the list"),
        ([by_hand], entry("ana", "finance"), "missing", "finance needs 1 with a key that holds and has 0"),
        ([by_hand], entry("ana", "finance", until="2026-06-01"), "missing", "with a key that holds and has 0"),
        ([by_hand], entry("ana", "finance", until="2026-06-20"), "note", "keys end within 30 days"),
        ([by_hand], entry("ana", "finance", until="2027-01-01"), "ok", "1 on the list"),
    ],
)
def test_list_is_held_against_what_the_plans_ask(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workflows: list[Workflow[Any, Any]],
    text: str | None,
    mark: str,
    says: str,
) -> None:
    """A role that nobody could answer for, a key that is about to end: said before a run waits in vain."""
    monkeypatch.delenv("GATEWORK_PEOPLE", raising=False)
    if text is not None:
        file = tmp_path / "people.toml"
        file.write_text(text)
        os.utime(file, (time.time() - 60, time.time() - 60))
        monkeypatch.setenv("GATEWORK_PEOPLE", str(file))
    found = listed(workflows, NOW)
    assert (found.mark, says in found.said) == (mark, True), found


def test_list_that_is_broken_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that cannot be read is missing, whether plans need it or not."""
    monkeypatch.setenv("GATEWORK_PEOPLE", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        listed([loose], NOW)
