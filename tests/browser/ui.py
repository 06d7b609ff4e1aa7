"""The stock Temporal UI as a person uses it: a list that a link opens, a run with its panel, a dialog to send from."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, FrameLocator, Locator, Page, expect

from gatework.temporal import Execution
from gatework.temporal.server import Server
from gatework.temporal.workflow.answering import SETTLE

PATIENCE_MS = 60_000
"""How long anything may take: the machine may be busy with other tests."""
PICTURES = Path(os.environ.get("GATEWORK_SCREENSHOTS") or Path(__file__).parent / "screenshots")
TAKEN = "Update successful"
"""What the UI says of every update that was taken; the sentence that we answer with is in the history alone."""


class Screen:
    """One page of a browser, with somebody before it."""

    def __init__(self, page: Page, server: Server, name: str) -> None:
        self.page = page
        self.server = server
        self._name = name

    @classmethod
    async def made(cls, context: BrowserContext, server: Server, name: str) -> Screen:
        """A new page; its pictures bear the name."""
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        return cls(page, server, name)

    async def picture(self, name: str = "") -> None:
        """Keep what is to be seen now."""
        await self.page.screenshot(path=PICTURES / f"{self._name}{name and f'-{name}'}.png")

    # -- a run

    async def open(self, run: Execution[Any], tab: str = "user-metadata") -> None:
        """The page of a run, as links lead to it; with the panel, once that is there."""
        described = await run.handle.describe()
        await self.page.goto(self.server.page(run.id, described.run_id, tab))
        if tab == "user-metadata":
            await expect(self.panel).not_to_be_empty()

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("iframe#user-metadata-current-details")

    @property
    def panel(self) -> Locator:
        """What the run shows of itself, as it stood when it was loaded."""
        return self.frame.get_by_role("main")

    async def reads(self, *words: str) -> None:
        """The panel has these words."""
        for some in words:
            await expect(self.panel).to_contain_text(some)

    async def look_again(self, *words: str) -> None:
        """Press R, as the page says, until the panel has these words: a run takes a moment to go on."""

        async def fresh() -> str:
            await self.page.keyboard.press("r")
            await self.page.wait_for_timeout(250)
            return await self.panel.inner_text()

        await _until(fresh, words)

    async def takes_it_in(self) -> None:
        """Take the moment that a person takes to read what is asked anew.

        What comes sooner and names neither number nor evidence is refused, as meant for the question before.
        """
        await self.page.wait_for_timeout(SETTLE / timedelta(milliseconds=1))

    async def number(self) -> str:
        """The number that the panel tells to approve with."""
        found = re.search(
            r"approve with (?:nothing, or with )?(\d{4})", " ".join((await self.panel.inner_text()).split())
        )
        assert found, "the panel shows no number"
        return found[1]

    async def query(self) -> Locator:
        """Run the query that is offered first, which is the one for all of the evidence; its answer."""
        await self.page.get_by_text("Queries").first.click()
        await self.page.get_by_role("button", name="Run Query").click()
        return self.page.get_by_role("textbox", name="Query Result")

    async def scrolled_to(self, text: Locator, words: re.Pattern[str]) -> str:
        """Scroll through a text until these words are seen; what they hold."""
        await text.hover()
        for _ in range(100):
            if found := words.search(await text.inner_text()):
                return found[1]
            await self.page.mouse.wheel(0, 600)
            await self.page.wait_for_timeout(100)
        raise AssertionError(f"{words.pattern} is not to be seen")

    # -- sending

    @property
    def dialog(self) -> Dialog:
        return Dialog(self.page)

    async def fill_in(self, update: str, data: str = "") -> Dialog:
        """Open the dialog, choose an update, and type what goes with it; nothing is sent yet."""
        await self.page.get_by_role("button", name="More Actions").click()
        await self.page.get_by_role("menuitem", name="Send an Update").first.click()
        dialog = self.dialog
        await dialog.choose(update)
        if data:
            await dialog.type(data)
        return dialog

    async def send(self, update: str, data: str = "") -> None:
        """Send an update that is taken."""
        dialog = await self.fill_in(update, data)
        await dialog.submit()
        await dialog.is_taken()

    async def is_refused(self, update: str, data: str, sentence: str | re.Pattern[str]) -> None:
        """Send an update that is refused with a sentence, and close the dialog."""
        dialog = await self.fill_in(update, data)
        await dialog.submit()
        await dialog.is_refused(sentence)
        await dialog.close()


class Dialog:
    """The dialog from which an update is sent."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_role("dialog")

    async def choose(self, update: str) -> None:
        await self.box.get_by_test_id("update-select-button").click()
        await self.box.get_by_role("option").filter(has=self.page.get_by_text(update, exact=True)).click()

    async def described(self) -> dict[str, str]:
        """What the list of updates says to type for each."""
        await self.box.get_by_test_id("update-select-button").click()
        await expect(self.box.get_by_role("option").first).to_be_visible()
        lines = [(await option.inner_text()).split("\n") for option in await self.box.get_by_role("option").all()]
        return {name: " ".join(rest).strip() for name, *rest in lines}

    async def type(self, data: str) -> None:
        """Type what goes with the update, and leave the field.

        The UI then writes JSON out over several lines, which moves the button away from under a click.
        """
        field = self.box.locator("[contenteditable=true]")
        await field.fill(data)
        await field.blur()

    @property
    def button(self) -> Locator:
        return self.box.get_by_role("button", name="Submit")

    @property
    def refusal(self) -> Locator:
        """What is said of what was sent; the field of the name has an empty one of its own."""
        return self.box.get_by_role("alert").filter(has_text=re.compile("."))

    async def submit(self) -> None:
        await self.button.click()

    async def is_taken(self) -> None:
        """The dialog closes, and the UI says so."""
        try:
            await expect(self.box).to_have_count(0)
        except AssertionError:
            raise AssertionError(f"the dialog stays open and says {await self.refusal.all_inner_texts()}") from None
        await expect(self.page.get_by_text(TAKEN).first).to_be_visible()

    async def is_refused(self, sentence: str | re.Pattern[str]) -> None:
        """It stays open with one sentence: no stack, no cause, nothing of what was typed."""
        await expect(self.refusal).to_have_text(sentence)

    async def close(self) -> None:
        await self.box.get_by_role("button", name="Cancel").last.click()
        await expect(self.box).to_have_count(0)


async def _until(look: Any, words: tuple[str, ...]) -> None:
    seen = ""
    for _ in range(PATIENCE_MS // 250):
        seen = " ".join((await look()).split())
        if all(" ".join(some.split()) in seen for some in words):
            return
    raise AssertionError(f"the panel does not come to say {words}: {seen[:600]}")
