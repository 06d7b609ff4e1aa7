"""People find what waits for them in the stock Temporal UI: by a link, with columns that say what, as a saved view."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from gatework.temporal import Execution
from gatework.temporal.server import NAMESPACE
from gatework.temporal.transport.pages import waiting as waiting_for
from tests.browser.runs import Runs
from tests.browser.ui import Screen
from tests.workflow.plans import Note, Paper, gate_first, signed, single, twice

IDS = {"for-the-boss", "for-the-clerk", "by-itself", "ended-by-hand"}


@pytest.fixture(scope="module")
async def clerks(serving: Runs) -> Execution[Paper]:
    """A run that needs a clerk; there are also one that needs a boss, one that needs nobody, and one that was ended."""
    await serving.waits(signed, Note(text="a"), "for-the-boss")
    ended, _ = await serving.waits(gate_first, Note(text="a"), "ended-by-hand")
    await ended.handle.terminate()
    run, first = await serving.waits(twice, Note(text="a"), "for-the-clerk")
    await run.approve(first.number)
    await (await serving.start(single, Note(text="a"), "by-itself")).result()
    return run


async def shown(screen: Screen, *ids: str) -> None:
    """The list shows exactly these runs; again and again, since the server lists what has happened a moment later."""
    links = screen.page.get_by_role("row").get_by_role("link", name="-", exact=False)
    for id in ids:
        await expect(links.filter(has_text=id).first).to_be_visible()
    for id in IDS - set(ids):
        await expect(links.filter(has_text=id)).to_have_count(0)


@pytest.mark.usefixtures("clerks")
async def test_link_lists_what_waits_and_becomes_a_saved_view_with_columns(screen: Screen) -> None:
    """The recipe of docs/operating.md, click by click; the view is there when the UI is opened anew."""
    page = screen.page
    await page.set_viewport_size({"width": 1440, "height": 900})
    await page.goto(screen.server.waiting)
    await shown(screen, "for-the-boss", "for-the-clerk")
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
    await screen.picture("saved")

    await page.goto(screen.server.runs)
    await expect(page.get_by_role("row").filter(has_text="by-itself")).to_be_visible()
    await page.get_by_test_id("saved-views-button").click()
    await page.get_by_text("Waiting for us").first.click()
    await shown(screen, "for-the-boss", "for-the-clerk")
    await expect(page.get_by_role("columnheader", name="GateworkNeeds")).to_be_visible()


async def test_link_for_a_role_lists_what_waits_for_that_role(clerks: Execution[Paper], screen: Screen) -> None:
    """Nobody looks through what waits for others; the run's timeline says at which stage, and for whom, it waits."""
    await screen.page.goto(waiting_for(screen.server.ui, NAMESPACE, "clerk"))
    await shown(screen, "for-the-clerk")
    await expect(screen.page.get_by_role("button", name='GateworkNeeds = "clerk"')).to_be_visible()

    await screen.page.get_by_role("link", name=clerks.id).first.click()
    for line in ("stage 1/4 paper, attempt 1", "stage 3/4 other, waits for clerk"):
        await expect(screen.page.get_by_text(line).first).to_be_visible()
