"""One real Temporal server for the session; a task queue, and workers, for each test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.workflow import plans
from tests.workflow.deployment import Deployments


@pytest.fixture(scope="session")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where the server listens."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        dev_server_database_filename=str(tmp_path_factory.mktemp("server") / "temporal.db"),
        dev_server_log_level="error",
        dev_server_extra_args=[
            "--dynamic-config-value=history.transferProcessorMaxPollRPS=2000",
            "--dynamic-config-value=frontend.enableServerVersionCheck=false",
            "--sqlite-pragma=journal_mode=WAL",
        ],
    )
    async with environment:
        yield environment.client.service_client.config.target_host


@pytest.fixture
async def deployments(address: str, tmp_path: Path) -> AsyncIterator[Deployments]:
    """Makes workers of the test's own task queue; they stop with the test."""
    plans.world.clear()
    async with Deployments(address, tmp_path) as deployments:
        yield deployments
