"""One server with its UI, one worker and one Chromium for the session; fresh browser profiles for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

import gatework.temporal.server as embedded
from gatework.temporal.server import Server, dev_server
from tests.browser import plans as own
from tests.browser.runs import Runs
from tests.browser.ui import PATIENCE_MS, PICTURES, Screen
from tests.ports import spare_ports
from tests.workflow import plans

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SKIPS_TIME = "--dynamic-config-value=frontend.WorkflowTimeSkippingEnabled=true"
"""The real server then lets a test skip the time of one run, which is how an hour passes here."""

STILL = """addEventListener("DOMContentLoaded", () => {
    const style = document.createElement("style")
    style.textContent = "*, ::before, ::after, ::backdrop {" +
        "animation: none !important; transition: none !important; backdrop-filter: none !important }"
    document.head.append(style)
})"""
"""A page where nothing fades or blurs: drawn without a graphics card, each dialog costs a second of computing."""

Looks = Callable[[], Awaitable[Screen]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder drives a browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        # On the machine that decides whether a change is good, a browser that is missing is a failure.
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on the PATH")
    PICTURES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def server(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with its UI; none where there is no browser to look at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "TUNING", (*embedded.TUNING, SKIPS_TIME))
        async with dev_server(tmp_path_factory.mktemp("server") / "temporal.db", port=spare_ports()) as running:
            yield running


@pytest.fixture(scope="session")
async def serving(server: Server) -> AsyncIterator[Runs]:
    async with Runs.served(server, *plans.EVERY, *own.EVERY) as runs:
        yield runs


@pytest.fixture
def runs(serving: Runs) -> Runs:
    """Starts runs of every plan, for which a worker is there; what the plans do is as at the beginning."""
    plans.world.clear()
    return serving


@pytest.fixture
async def another(chromium: Browser, server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Looks]:
    """Sits somebody down at a browser of their own. What they see at the end is kept as a picture."""
    screens: list[Screen] = []

    async def look() -> Screen:
        context = await chromium.new_context(viewport={"width": 1280, "height": 1000})
        await context.add_init_script(STILL)
        name = request.node.name.removeprefix("test_")
        screens.append(await Screen.made(context, server, f"{name}-{len(screens) + 1}" if screens else name))
        return screens[-1]

    yield look
    for screen in screens:
        await screen.picture()
        await screen.page.context.close()


@pytest.fixture
async def screen(another: Looks) -> Screen:
    """A browser with somebody before it."""
    return await another()
