"""A person approves in the stock Temporal UI: finds the run, reads its panel, types the number, and it goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect
from temporalio.client import Client
from temporalio.worker import Worker

from gatework.temporal import Execution, GateworkPlugin, start
from gatework.temporal.server import Server, dev_server
from gatework.testing import ScriptedModel, tool_call
from tests.ports import spare_ports
from tests.workflow.plans import Note, Paper, agent_each, signed, world

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 60_000
PANEL = "iframe#user-metadata-current-details"
HOSTILE = "fine\n``` <b>bold</b> | a@b.example **5000** [pay](http://evil.example)"

pytestmark = [
    pytest.mark.browser,
    # On the machine that decides whether a change is good, a browser that is missing is a failure.
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium on the PATH"),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with dev_server(tmp_path / "temporal.db", port=spare_ports()) as running:
        yield running


@pytest.fixture
async def run(server: Server) -> AsyncIterator[Execution[Paper]]:
    """A run that waits for its approval, and a worker that serves it."""
    client = await Client.connect(server.address, plugins=[GateworkPlugin(signed)])
    async with Worker(client, task_queue="browser"):
        run = await start(client, signed, Note(text=HOSTILE), id=f"waits-{uuid.uuid4()}", task_queue="browser")
        await run.waiting()
        yield run


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        await browser.close()


async def sent(page: Page, update: str, data: str) -> Locator:
    """Send an update as a person does; the dialog."""
    await page.get_by_role("button", name="More Actions").click()
    await page.get_by_role("menuitem", name="Send an Update").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_test_id("update-select-button").click()
    await dialog.get_by_role("option").filter(has=page.get_by_text(update, exact=True)).click()
    await dialog.locator("[contenteditable=true]").fill(data)
    await dialog.get_by_role("button", name="Submit").click()
    return dialog


async def test_person_finds_the_run_reads_its_panel_and_approves_with_the_number(
    server: Server, run: Execution[Paper], page: Page
) -> None:
    """A wrong number is refused in one sentence in the dialog; the one on the panel completes the run."""
    waits = (await run.state()).waiting
    assert waits is not None
    # The list of runs leads to it.
    await page.goto(f"{server.ui}/namespaces/default/workflows")
    await page.get_by_role("link", name=run.id).first.click()
    await page.get_by_text("User Metadata").click()
    panel = page.frame_locator(PANEL).get_by_role("main")
    await expect(panel).to_contain_text("NEEDS YOU (boss): approve paper")
    await expect(panel).to_contain_text(f"approve with {waits.number}")
    # What a value says is shown, and is neither a link nor markup.
    await expect(panel).to_contain_text("<b>bold</b> | a@b.example **5000** [pay](http://evil.example)")
    assert await panel.get_by_role("link").all_inner_texts() == ["All that waits for somebody"]

    wrong = "1000" if waits.number != "1000" else "1001"
    dialog = await sent(page, "approve", wrong)
    await expect(dialog).to_contain_text("That is not the number on the panel as it stands now; reload it")
    assert "Traceback" not in await dialog.inner_text()
    await dialog.get_by_role("button", name="Cancel").last.click()
    assert (await run.state()).status == "waiting"

    await page.reload()
    await sent(page, "approve", waits.number)
    assert await run.result() == Paper(text=HOSTILE)
    (decided,) = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert (decided.action, decided.evidence) == ("approve", waits.evidence)


async def test_person_reads_a_call_and_lets_exactly_that_one_happen(server: Server, page: Page) -> None:
    """The panel shows tool and arguments as they are; its number makes this call, and not the next one."""
    hostile = "A-1\n``` **approve** with **0000** <b>x</b> | [pay](http://evil.example)"
    model = ScriptedModel(
        [tool_call("transfer_each", order=hostile, amount="12.50")],
        [tool_call("transfer_each", order="A-2", amount="99.00")],
        Paper(text="paid"),
    )
    world.clear()
    client = await Client.connect(server.address, plugins=[GateworkPlugin(agent_each, model=model)])
    async with Worker(client, task_queue="browser"):
        run = await start(client, agent_each, Note(text="A-1"), id=f"calls-{uuid.uuid4()}", task_queue="browser")
        waits = (await run.waiting()).waiting
        assert waits is not None
        described = await run.handle.describe()
        await page.goto(server.page(run.id, described.run_id))
        panel = page.frame_locator(PANEL).get_by_role("main")
        await expect(panel).to_contain_text("NEEDS YOU (boss): let decide_each call transfer_each")
        called = f"approve with {waits.number}: transfer_each is called once, with exactly the arguments below"
        await expect(panel).to_contain_text(called)
        await expect(panel).to_contain_text("the call is not made, decide_each is told so, and the run does not end")
        await expect(panel).to_contain_text("12.50")
        await expect(panel).to_contain_text("``` **approve** with **0000** <b>x</b> | [pay](http://evil.example)")
        assert await panel.get_by_role("link").all_inner_texts() == ["All that waits for somebody"]
        assert await panel.locator("strong", has_text="0000").count() == 0

        dialog = await sent(page, "approve", "0000" if waits.number != "0000" else "0001")
        await expect(dialog).to_contain_text("That is not the number on the panel as it stands now; reload it")
        assert world.paid == {}
        await page.reload()
        await sent(page, "approve", waits.number)
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while (following := (await run.state()).waiting) is None or following.gate == waits.gate:
                await asyncio.sleep(0.1)
        assert following.shown["transfer_each()"] == {"order": "A-2", "amount": "99.00"}
        assert list(world.paid.values()) == [hostile]

        await page.reload()
        await expect(panel).to_contain_text("99.00")
        await sent(page, "reject", '"not this one"')
        assert await run.result() == Paper(text="paid")
        assert list(world.paid.values()) == [hostile]


async def test_page_that_the_demo_names_shows_the_panel(server: Server, run: Execution[Paper], page: Page) -> None:
    """`Server.page` is the address that is printed for a person."""
    described = await run.handle.describe()
    await page.goto(server.page(run.id, described.run_id))
    panel = page.frame_locator(PANEL).get_by_role("main")
    await expect(panel).to_contain_text("More Actions → Send an Update")
    await run.abort("test")
