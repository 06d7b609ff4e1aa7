"""A world of its own for each test, on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.shop import create_shop
from tests.attacks.world import World
from tests.unit import conftest as of_units
from tests.workflow import conftest as on_server

defining = of_units.defining
deployments = on_server.deployments


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop, an outbox, and beside them files that nothing may touch."""
    found = World(tmp_path / "world")
    found.folder.mkdir()
    (found.folder / "keys.txt").write_text("not to be read")
    monkeypatch.setenv("GATEWORK_SHOP_DB", str(found.shop))
    monkeypatch.setenv("GATEWORK_OUTBOX", str(found.outbox))
    assert create_shop(found.shop)
    return found
