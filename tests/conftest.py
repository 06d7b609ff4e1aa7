"""What all tests share: one real Temporal server for each process of tests, the order of files, counts at the end."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from temporalio.testing import WorkflowEnvironment

WAITING = ("workflow", "services")
"""Folders of tests that wait for servers more than they compute; in CI the checks of types take what they leave."""

# How long an example takes says more of the machine than of the code: who minds asks for a deadline of its own.
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


async def server_in(folder: Path) -> WorkflowEnvironment:
    """A Temporal server that keeps its file in a folder."""
    from temporalio.testing import WorkflowEnvironment  # not for those who need no server

    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        dev_server_database_filename=str(folder / "temporal.db"),
        dev_server_log_level="error",
        dev_server_extra_args=[
            "--dynamic-config-value=history.transferProcessorMaxPollRPS=2000",
            "--dynamic-config-value=frontend.enableServerVersionCheck=false",
            "--dynamic-config-value=frontend.WorkflowTimeSkippingEnabled=true",
            # It deletes a run once it has noted that all is done for it, which it does every half a minute.
            '--dynamic-config-value=history.visibilityProcessorUpdateAckInterval="1s"',
            '--dynamic-config-value=history.transferProcessorUpdateAckInterval="1s"',
            "--sqlite-pragma=journal_mode=WAL",
        ],
    )


@pytest.fixture(scope="session")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where a Temporal server listens. No search attributes are registered there, and no test registers some."""
    async with await server_in(tmp_path_factory.mktemp("server")) as environment:
        yield environment.client.service_client.config.target_host


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Tests wait for servers and browsers for much of their time: one process more than a small machine has cores."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_configure() -> None:
    """Thousands of tests are collected, and none of them is garbage: looking for some is a third of the work."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is there now stays, and need not be looked through again and again while tests run."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait most come first, since others compute then; then slow ones, and none is left over at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name not in WAITING, item.path not in slow))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have to tell besides that they passed, from whichever worker."""
    for report in terminalreporter.getreports("passed"):
        for name, told in report.user_properties:
            if name == "told":
                terminalreporter.write_line(str(told))
