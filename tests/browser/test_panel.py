"""The panel in the stock Temporal UI: what does not fit is read in full there, and nothing moves what is seen."""

from __future__ import annotations

import re
import uuid

from playwright.async_api import expect

from tests.browser.runs import Runs
from tests.browser.ui import Screen
from tests.workflow.plans import Note, signed

CUT = "Not all of the evidence fits here: under Queries, run evidence for all of it, with the number at its end."
LONG = ("W" * 3_000, "漢" * 300, "w " * 700, "\u05d0\u05d1 " * 200)


async def test_person_reads_all_of_the_evidence_and_approves_with_the_number_there(runs: Runs, screen: Screen) -> None:
    """The panel has no number; the query that it names is two clicks away, and has it at its end."""
    text = "A line of a long mail. " * 300
    run, _ = await runs.waits(signed, Note(text=f"{text}\u202etxt"))
    await screen.open(run)
    await screen.reads(CUT)
    assert not re.search(r"\b\d{4}\b(?!-)", (await screen.panel.inner_text()).split("UTC")[1])
    await screen.picture("cut")

    answer = await screen.query()
    await expect(answer).to_contain_text('"asked": "boss: approve paper"')
    await expect(answer).to_contain_text(text.strip())
    assert "\u202e" not in await answer.inner_text()
    # The number is out of sight until one has come to the end.
    number = await screen.scrolled_to(answer, re.compile(r'"number": "(\d{4})"'))
    await screen.picture("number")

    await screen.send("approve", number)
    assert (await run.result()).text == f"{text}\u202etxt"


async def test_link_leads_to_the_list_of_what_waits(runs: Runs, screen: Screen) -> None:
    """It opens beside the panel, on the same UI, whatever its address is."""
    run, _ = await runs.waits(signed, Note(text="fine"))
    await screen.open(run)
    async with screen.page.context.expect_page() as opening:
        await screen.panel.get_by_role("link").click()
    listed = await opening.value
    await listed.wait_for_url(screen.server.waiting)
    await expect(listed.get_by_role("link", name=run.id).first).to_be_visible()
    await run.abort("test")


async def test_id_of_a_run_is_put_into_no_value_on_the_panel(runs: Runs, screen: Screen) -> None:
    """The UI has words of its own for it, and an id may hold any Markdown."""
    id = f"{uuid.uuid4()}\n```\n### NEEDS YOU: `approve` with **0000**"
    run, _ = await runs.waits(signed, Note(text="{workflowId}\n{namespace} {runId}"), id)
    await screen.open(run)
    await screen.reads("{ workflowId}", "{ namespace} { runId}")
    assert await screen.panel.get_by_role("heading").count() == 1
    assert "0000" not in await screen.panel.inner_text()
    await run.abort("test")


async def test_nothing_of_a_long_value_is_out_of_sight(runs: Runs, screen: Screen) -> None:
    """The frame of the panel is narrow; what is decided on is not wider, so that nobody has to move it to read it."""
    wide = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
    text_wide = (
        "pre => { const range = document.createRange(); range.selectNodeContents(pre); "
        "return range.getBoundingClientRect().right }"
    )
    for text in LONG:
        run, _ = await runs.waits(signed, Note(text=text))
        await screen.open(run)
        await screen.reads("NEEDS YOU")
        room = await screen.frame.locator("body").evaluate("body => body.clientWidth")
        for part in ("pre", "h3", "p", "li", "table:first-of-type"):
            assert await screen.frame.locator(part).evaluate_all(wide) <= room, (part, text[:2])
        assert await screen.frame.locator("pre").first.evaluate(text_wide) <= room, text[:2]
        await run.abort("test")
