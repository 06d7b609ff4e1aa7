"""A task queue, and workers, for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gatework.cli.main import app
from tests.workflow import plans
from tests.workflow.deployment import Deployments

Typed = Callable[..., Coroutine[Any, Any, Result]]


@pytest.fixture
async def deployments(address: str, tmp_path: Path) -> AsyncIterator[Deployments]:
    """Makes workers of the test's own task queue; they stop with the test."""
    plans.world.clear()
    async with Deployments(address, tmp_path) as deployments:
        yield deployments


@pytest.fixture
def typed(deployments: Deployments) -> Typed:
    """Runs a command against the test's server and task queue."""
    return typed_at(deployments)


def typed_at(deployments: Deployments) -> Typed:
    """Runs a command against the server and task queue of these workers."""

    async def run(*arguments: str, address: str = deployments.address, stdin: str | None = None) -> Result:
        env = {"TEMPORAL_ADDRESS": address, "GATEWORK_TASK_QUEUE": deployments.queue, "COLUMNS": "140"}
        # In a thread, since a command has an event loop of its own.
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, input=stdin, env=env))

    return run
