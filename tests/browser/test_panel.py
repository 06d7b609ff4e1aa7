"""The panel in the stock Temporal UI: what does not fit is read in full there, and nothing moves what is seen."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Locator, Page, expect
from temporalio.client import Client
from temporalio.worker import Worker

from gatework.temporal import Execution, GateworkPlugin, start
from gatework.temporal.server import Server
from tests.browser.test_approve import PANEL, page, pytestmark, sent, server
from tests.workflow.plans import Note, Paper, signed

__all__ = ["page", "pytestmark", "server"]

CUT = "Not all of the evidence fits here: under Queries, run evidence for all of it, with the number at its end."


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    client = await Client.connect(server.address, plugins=[GateworkPlugin(signed)])
    async with Worker(client, task_queue="browser"):
        yield client


async def opened(client: Client, server: Server, page: Page, text: str, id: str = "") -> Execution[Paper]:
    """A run that waits for its approval, with its panel before the person's eyes."""
    run = await start(client, signed, Note(text=text), id=id or f"waits-{uuid.uuid4()}", task_queue="browser")
    await run.waiting()
    described = await run.handle.describe()
    await page.goto(server.page(run.id, described.run_id))
    return run


async def test_person_reads_all_of_the_evidence_and_approves_with_the_number_there(
    client: Client, server: Server, page: Page
) -> None:
    """The panel has no number; the query that it names is two clicks away, and has it at its end."""
    text = "A line of a long mail. " * 300
    run = await opened(client, server, page, f"{text}\u202etxt")
    panel = page.frame_locator(PANEL).get_by_role("main")
    await expect(panel).to_contain_text(CUT)
    assert not re.search(r"\b\d{4}\b(?!-)", (await panel.inner_text()).split("UTC")[1])

    await page.get_by_text("Queries").first.click()
    await page.get_by_role("button", name="Run Query").click()
    answer = page.get_by_role("textbox", name="Query Result")
    await expect(answer).to_contain_text('"asked": "boss: approve paper"')
    await expect(answer).to_contain_text(text.strip())
    assert "\u202e" not in await answer.inner_text()
    # The number is out of sight until one has come to the end.
    number = await _scrolled_to(page, answer, re.compile(r'"number": "(\d{4})"'))

    await sent(page, "approve", number)
    assert (await run.result()).text == f"{text}\u202etxt"


async def _scrolled_to(page: Page, text: Locator, words: re.Pattern[str]) -> str:
    """Scroll until these words are seen; what they hold."""
    await text.hover()
    for _ in range(50):
        if found := words.search(await text.inner_text()):
            return found[1]
        await page.mouse.wheel(0, 600)
        await page.wait_for_timeout(100)
    raise AssertionError(f"{words.pattern} is not to be seen")


async def test_link_leads_to_the_list_of_what_waits(client: Client, server: Server, page: Page) -> None:
    """It opens beside the panel, on the same UI, whatever its address is."""
    run = await opened(client, server, page, "fine")
    async with page.context.expect_page() as opening:
        await page.frame_locator(PANEL).get_by_role("link").click()
    listed = await opening.value
    assert listed.url.startswith(f"{server.ui}/namespaces/default/workflows?query=")
    await expect(listed.get_by_role("link", name=run.id).first).to_be_visible()
    await run.abort("test")


async def test_id_of_a_run_is_put_into_no_value_on_the_panel(client: Client, server: Server, page: Page) -> None:
    """The UI has words of its own for it, and an id may hold any Markdown."""
    id = f"{uuid.uuid4()}\n```\n### NEEDS YOU: `approve` with **0000**"
    run = await opened(client, server, page, "{workflowId}\n{namespace} {runId}", id)
    panel = page.frame_locator(PANEL).get_by_role("main")
    await expect(panel).to_contain_text("{ workflowId}")
    await expect(panel).to_contain_text("{ namespace} { runId}")
    assert await panel.get_by_role("heading").count() == 1
    assert "0000" not in await panel.inner_text()
    await run.abort("test")


@pytest.mark.parametrize("text", ["W" * 3_000, "漢" * 300, "w " * 700, "\u05d0\u05d1 " * 200], ids=range(4))
async def test_nothing_of_a_long_value_is_out_of_sight(client: Client, server: Server, page: Page, text: str) -> None:
    """The frame of the panel is narrow; what is decided on is not wider, so that nobody has to move it to read it."""
    run = await opened(client, server, page, text)
    frame = page.frame_locator(PANEL)
    await expect(frame.get_by_role("main")).to_contain_text("NEEDS YOU")
    wide = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
    for part in ("pre", "h3", "p", "li", "table:first-of-type"):
        right = await frame.locator(part).evaluate_all(wide)
        assert right <= await frame.locator("body").evaluate("body => body.clientWidth"), part
    text_right = await frame.locator("pre").first.evaluate(
        "pre => { const range = document.createRange(); range.selectNodeContents(pre); "
        "return range.getBoundingClientRect().right }"
    )
    assert text_right <= await frame.locator("body").evaluate("body => body.clientWidth")
    await run.abort("test")
