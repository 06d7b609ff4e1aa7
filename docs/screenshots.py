"""Takes the pictures of the documentation: `.venv/bin/python docs/screenshots.py`; needs Chromium.

Each shows the real UI of a real server: refunds that the real model has prepared, and a voucher that a scripted model
asks for, since the embedded one does not get so far.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from playwright.async_api import FloatRect, Page, ViewportSize, async_playwright  # noqa: E402  # after the path is set
from temporalio.client import Client  # noqa: E402
from temporalio.worker import Worker  # noqa: E402

from activities.answers import Answer  # noqa: E402
from activities.mailbox import RawMail  # noqa: E402
from activities.shop import create_shop  # noqa: E402
from gatework.temporal import GateworkPlugin, start  # noqa: E402
from gatework.temporal.child import running  # noqa: E402
from gatework.temporal.server import Server, dev_server  # noqa: E402
from gatework.testing import ScriptedModel, tool_call  # noqa: E402
from showcase.cases import chosen  # noqa: E402
from tests.browser.ui import Screen  # noqa: E402
from workflows.inquiry import inquiry  # noqa: E402
from workflows.refund import refund  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MAIL = "0023-espresso-machine"
ANOTHER = "0002-headphones-one-side"
QUESTION = ROOT / "mails" / "inquiries" / "0104-flask-came-late.eml"
VIEW: ViewportSize = {"width": 1440, "height": 1600}
LIST: ViewportSize = {"width": 1600, "height": 500}
CUT: FloatRect = {"x": 256, "y": 60, "width": 1184, "height": 1080}
"""Without the UI's own menus."""
DIALOG: FloatRect = {"x": 320, "y": 420, "width": 800, "height": 760}
PANEL = "iframe#user-metadata-current-details"
MAX_BYTES = 300_000


async def main() -> None:
    """Start a server and a worker, let a refund come to its approval, and take its picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GATEWORK_SHOP_DB"] = str(folder / "shop.db")
        os.environ["GATEWORK_OUTBOX"] = str(folder / "outbox")
        create_shop()
        async with dev_server(folder / "temporal.db", port=7333) as server:
            env = {**os.environ, "TEMPORAL_ADDRESS": server.address}
            async with running([sys.executable, str(ROOT / "worker.py")], log=folder / "worker.log", env=env):
                await failing(server, folder / "shop.db")
                await take(await waiting(server), IMAGES / "waiting.png")
                await refusing(await waiting(server), server)
            await calling(server)
            async with opened(server.waiting, LIST) as page:
                await as_view(page)
                await taken(page, IMAGES / "saved-view.png")


async def waiting(server: Server, name: str = MAIL) -> str:
    """The page of a refund that waits for somebody."""
    client = await Client.connect(server.address, plugins=[GateworkPlugin(refund)])
    (case,) = chosen([name])
    run = await start(client, refund, case.mail)
    progress = await run.waiting()
    assert progress.waiting is not None, progress.reason
    return server.page(run.id, (await run.handle.describe()).run_id)


async def failing(server: Server, database: Path) -> None:
    """Let a refund fail while the shop has no records, take its picture, and retry it once they are back."""
    away = database.with_suffix(".away")
    database.rename(away)
    address = await waiting(server, ANOTHER)
    await take(address, IMAGES / "failed.png")
    away.replace(database)
    async with opened(address, VIEW) as page:
        await Screen(page, server, "failed").send("retry")


async def refusing(address: str, server: Server) -> None:
    """Take the picture of a dialog in which somebody has typed a wrong number."""
    async with opened(address, VIEW) as page:
        screen = Screen(page, server, "refused")
        await screen.reads("NEEDS YOU")
        dialog = await screen.fill_in("approve", "1234" if await screen.number() != "1234" else "1235")
        await dialog.submit()
        await dialog.refusal.wait_for()
        await taken(page, IMAGES / "refused.png", DIALOG)


async def calling(server: Server) -> None:
    """Let an inquiry come to the call of a voucher, and take its picture."""
    own = {"customer": "C-0035", "order": "GW-1018"}
    answer = Answer(
        article="delivery-times",
        quotation="Most parcels then arrive within four working days.",
        order="GW-1018",
        status="Your order left our warehouse on 2026-11-04 and arrived on 2026-11-17.",
        opening="Thank you for writing to us.",
    )
    model = ScriptedModel(answer, tool_call("grant_voucher", **own, amount="3.00"))
    client = await Client.connect(server.address, plugins=[GateworkPlugin(inquiry, model=model)])
    async with Worker(client, task_queue="inquiries"):
        mail = RawMail(eml=b64encode(QUESTION.read_bytes()).decode())
        run = await start(client, inquiry, mail, task_queue="inquiries")
        progress = await run.waiting()
        assert progress.waiting is not None, progress.reason
        await run.approve(progress.waiting.number, by="Ada", evidence=progress.waiting.evidence)
        progress = await run.waiting()
        assert progress.waiting is not None, progress.reason
        assert progress.waiting.kind == "call", progress.waiting.reasons
        await take(server.page(run.id, (await run.handle.describe()).run_id), IMAGES / "call.png")


async def take(page_address: str, path: Path) -> None:
    """The page of a run as a person sees it."""
    async with opened(page_address, VIEW) as page:
        await page.frame_locator(PANEL).get_by_text("NEEDS YOU").wait_for()
        await page.wait_for_timeout(1000)  # the panel is given its height after it is there
        await taken(page, path, CUT)


async def as_view(page: Page) -> None:
    """Make the list of runs what docs/operating.md says: columns for role and stage, kept as a view."""
    await page.get_by_role("button", name="Configure Columns").click()
    for column in ("Add GateworkNeeds", "Add GateworkStage", "Remove Run ID", "Remove End"):
        await page.get_by_role("button", name=f"{column} column").click()
    await page.get_by_role("button", name="Close Workflows Table configuration").click()
    await page.get_by_role("button", name="Save as New").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill("Waiting for us")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await page.get_by_test_id("saved-views-button").get_by_text("Waiting for us").wait_for()
    await page.mouse.move(800, 250)
    await page.mouse.wheel(0, -5000)
    await page.wait_for_timeout(1000)  # the drawer slides away


@asynccontextmanager
async def opened(address: str, view: ViewportSize) -> AsyncGenerator[Page]:
    """A page of the UI in a browser of its own."""
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = await browser.new_page(viewport=view)
        await page.goto(address)
        yield page
        await browser.close()


async def taken(page: Page, path: Path, cut: FloatRect | None = None) -> None:
    """Keep what the page shows, without what is cut away."""
    await page.screenshot(path=path, clip=cut)
    size = path.stat().st_size
    assert size < MAX_BYTES, f"{path} has {size} bytes"
    sys.stdout.write(f"{path.relative_to(ROOT)}: {size} bytes\n")


if __name__ == "__main__":
    asyncio.run(main())
