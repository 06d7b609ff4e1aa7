"""People find what waits for them in the stock Temporal UI: by a link, with columns that say what, as a saved view."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from temporalio.client import Client
from temporalio.worker import Worker

from gatework.temporal import GateworkPlugin, start
from gatework.temporal.pages import waiting
from gatework.temporal.server import NAMESPACE, Server, dev_server
from tests.workflow.plans import Note, gate_first, signed, single, twice

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 60_000
PANEL = "iframe#user-metadata-current-details"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium on the PATH"),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server with a run that needs a boss, one that needs a clerk, one that needs nobody, and one that was ended."""
    async with dev_server(tmp_path / "temporal.db", port=17533) as running:
        client = await Client.connect(running.address, plugins=[GateworkPlugin(signed, twice, gate_first, single)])
        async with Worker(client, task_queue="browser"):
            await (await start(client, signed, Note(text="a"), id="for-the-boss", task_queue="browser")).waiting()
            await (await start(client, gate_first, Note(text="a"), id="ended-by-hand", task_queue="browser")).waiting()
            await client.get_workflow_handle("ended-by-hand").terminate()
            clerk = await start(client, twice, Note(text="a"), id="for-the-clerk", task_queue="browser")
            first = (await clerk.waiting()).waiting
            assert first is not None
            await clerk.approve(first.number)
            await (await start(client, single, Note(text="a"), id="by-itself", task_queue="browser")).result()
            yield running


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        await browser.close()


async def shown(page: Page, *ids: str) -> None:
    """The list shows exactly these runs; again and again, since the server lists what has happened a moment later."""
    links = page.get_by_role("row").get_by_role("link", name="-", exact=False)
    for id in ids:
        await expect(links.filter(has_text=id).first).to_be_visible()
    for id in {"for-the-boss", "for-the-clerk", "by-itself", "ended-by-hand"} - set(ids):
        await expect(links.filter(has_text=id)).to_have_count(0)


async def test_link_lists_what_waits_and_becomes_a_saved_view_with_columns(
    server: Server, page: Page, tmp_path: Path
) -> None:
    """The recipe of docs/operating.md, click by click; the view is there when the UI is opened anew."""
    await page.goto(server.waiting)
    await shown(page, "for-the-boss", "for-the-clerk")
    await expect(page.get_by_role("button", name="GateworkNeeds is not null")).to_be_visible()

    await page.get_by_role("button", name="Configure Columns").click()
    for column in ("GateworkNeeds", "GateworkStage"):
        await page.get_by_role("button", name=f"Add {column} column").click()
    for column in ("Run ID", "End"):
        await page.get_by_role("button", name=f"Remove {column} column").click()
    await page.get_by_role("button", name="Close Workflows Table configuration").click()
    row = page.get_by_role("row").filter(has_text="for-the-clerk")
    await expect(row).to_contain_text("clerk")
    await expect(row).to_contain_text("other")

    await page.get_by_role("button", name="Save as New").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill("Waiting for us")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_test_id("saved-views-button")).to_contain_text("Waiting for us")
    folder = Path(os.environ.get("GATEWORK_SCREENSHOTS") or tmp_path)
    await page.screenshot(path=folder / "saved-view.png")

    await page.goto(server.runs)
    await expect(page.get_by_role("row").filter(has_text="by-itself")).to_be_visible()
    await page.get_by_test_id("saved-views-button").click()
    await page.get_by_text("Waiting for us").first.click()
    await shown(page, "for-the-boss", "for-the-clerk")
    await expect(page.get_by_role("columnheader", name="GateworkNeeds")).to_be_visible()


async def test_link_for_a_role_lists_what_waits_for_that_role(server: Server, page: Page) -> None:
    """Nobody has to look through what waits for others."""
    await page.goto(waiting(server.ui, NAMESPACE, "clerk"))
    await shown(page, "for-the-clerk")
    await expect(page.get_by_role("button", name='GateworkNeeds = "clerk"')).to_be_visible()


async def test_timeline_shows_stages_and_for_whom_it_waits(server: Server, page: Page) -> None:
    """Each line of the timeline says at which stage of how many it is."""
    client = await Client.connect(server.address)
    described = await client.get_workflow_handle("for-the-clerk").describe()
    await page.goto(server.page("for-the-clerk", described.run_id, "timeline"))
    for line in ("stage 1/4 paper, attempt 1", "stage 3/4 other, waits for clerk"):
        await expect(page.get_by_text(line).first).to_be_visible()


async def test_link_on_a_panel_leads_to_all_that_waits(server: Server, page: Page) -> None:
    """Whoever has answered one run finds the next."""
    client = await Client.connect(server.address)
    described = await client.get_workflow_handle("for-the-clerk").describe()
    await page.goto(server.page("for-the-clerk", described.run_id))
    link = page.frame_locator(PANEL).get_by_role("link", name="All that waits for somebody")
    address = await link.evaluate("link => link.href")
    assert address == server.waiting
    await page.goto(address)
    await shown(page, "for-the-boss", "for-the-clerk")
