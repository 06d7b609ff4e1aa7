"""A stage that a guard blocks is overridden from the stock Temporal UI, and the panel says so before all else."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.plans import picked_out
from tests.browser.runs import Runs, decisions, waiting
from tests.browser.ui import Screen
from tests.workflow.plans import Note, Paper

WHY = "the new catalogue has it"
MARK = f"OVERRIDDEN picked: its output was let on past is_known, by Hana (claimed): {WHY}"


async def test_override_takes_number_name_and_reason_and_is_first_from_then_on(runs: Runs, screen: Screen) -> None:
    """What is typed is what the panel says; without number or reason it is refused, and nothing has happened."""
    run, waits = await runs.waits(picked_out, Note(text="bolt"), "parcel-1")
    await screen.open(run)
    await screen.reads(
        "NEEDS YOU (operator): picked is blocked, stage 1 of 3",
        "is_known blocks: The catalogue does not have it.",
        "override, as head, with",
    )
    panel = " ".join((await screen.panel.inner_text()).split())
    assert "OVERRIDDEN" not in panel
    typed = re.search(
        r'override, as head, with (\d{4}), your name and the reason, "\1 your name: why": picked goes', panel
    )
    assert typed, panel
    number = typed[1]
    assert number == waits.number
    await screen.picture("blocked")
    refused: dict[str, str | re.Pattern[str]] = {
        f'"Hana: {WHY}"': re.compile("four digits"),
        f'"{number} Hana"': "Say why: an override is recorded with its reason, and every report of the run shows it.",
        f'"{number}: {WHY}"': re.compile("Say who you are"),
    }
    for data, sentence in refused.items():
        await screen.is_refused("override", data, sentence)

    dialog = await screen.fill_in("override", f'"{number} Hana: {WHY}"')
    await screen.picture("dialog")
    await dialog.submit()
    await dialog.is_taken()
    await screen.look_again(MARK, "NEEDS YOU (boss): approve picked, stage 2 of 3")
    after = " ".join((await screen.panel.inner_text()).split())
    assert after.startswith(MARK), after
    await expect(screen.frame.get_by_role("strong").first).to_have_text("OVERRIDDEN")
    await screen.picture("overridden")

    await run.approve((await waiting(run)).number)
    assert await run.result() == Paper(text="bolt")
    await screen.look_again("Completed")
    ended = " ".join((await screen.panel.inner_text()).split())
    assert ended.startswith(MARK)
    assert "done, overridden" in ended.replace("\u00a0", " ")
    [override, _] = await decisions(run)
    assert (override.action, override.by, override.reason) == ("override", "Hana", WHY)

    # The list shows it without a run being opened.
    await screen.page.goto(f"{screen.server.runs}?query=GateworkStage%20STARTS_WITH%20%22overridden%22")
    await expect(screen.page.get_by_role("row").filter(has_text="parcel-1")).to_be_visible()
