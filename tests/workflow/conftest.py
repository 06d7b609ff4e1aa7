"""One real Temporal server for the session; a task queue, and workers, for each test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment
from typer.testing import CliRunner, Result

from gatework.cli.main import app
from tests.workflow import plans
from tests.workflow.deployment import Deployments

Typed = Callable[..., Coroutine[Any, Any, Result]]


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


@pytest.fixture
def typed(deployments: Deployments) -> Typed:
    """Runs a command against the test's server and task queue."""

    async def run(*arguments: str, address: str = deployments.address, stdin: str | None = None) -> Result:
        env = {"TEMPORAL_ADDRESS": address, "GATEWORK_TASK_QUEUE": deployments.queue, "COLUMNS": "140"}
        # In a thread, since a command has an event loop of its own.
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, input=stdin, env=env))

    return run
