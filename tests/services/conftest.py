"""A payment service, a receiver of webhooks and a Temporal server, all real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.bank import Bank
from tests.services.hooks import Pager
from tests.services.payments import TOKEN
from tests.workflow import conftest as on_server

deployments = on_server.deployments


@pytest.fixture
async def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bank]:
    """The service, and the environment of a worker that may pay by it."""
    async with Bank(tmp_path) as bank:
        monkeypatch.setenv("PAYMENTS_PORT", str(bank.port))
        monkeypatch.setenv("PAYMENTS_TOKEN", TOKEN)
        yield bank


@pytest.fixture
async def pager(tmp_path: Path) -> AsyncIterator[Pager]:
    """A receiver of webhooks."""
    async with Pager(tmp_path) as pager:
        yield pager
