"""A payment service and a Temporal server, both real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.bank import Bank
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
