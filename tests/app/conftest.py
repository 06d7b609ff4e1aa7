"""A shop and an outbox of its own for each test, on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.shop import create_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The seeded shop's database, which `GATEWORK_SHOP_DB` names."""
    path = tmp_path / "shop.db"
    monkeypatch.setenv("GATEWORK_SHOP_DB", str(path))
    assert create_shop(path)
    return path


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty outbox, which `GATEWORK_OUTBOX` names."""
    path = tmp_path / "outbox"
    monkeypatch.setenv("GATEWORK_OUTBOX", str(path))
    return path
