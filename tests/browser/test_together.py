"""Panels do not refresh themselves and fingers are quick: nobody decides in the stock UI what they have not seen."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import expect

from tests.browser.conftest import Looks
from tests.browser.plans import clicked_twice
from tests.browser.runs import Runs, decisions, waiting
from tests.browser.ui import Dialog, Screen
from tests.workflow.plans import Note, twice

NOT_MEANT = re.compile("(Send the four digits on the panel|The run has gone on just now)")


async def test_double_click_with_two_gates_in_a_row_answers_the_first_alone(runs: Runs, screen: Screen) -> None:
    """Whatever the second click does, the second approval waits for somebody who reads what it asks."""
    run, first = await runs.waits(clicked_twice, Note(text="a"))
    await screen.open(run)
    dialog = await screen.fill_in("approve")
    await dialog.button.dblclick()
    await screen.page.wait_for_function("() => document.body.innerText.includes('Update successful')")
    await screen.look_again("NEEDS YOU (boss): approve note, stage 3 of 4")
    second = await waiting(run)
    assert second.gate == first.gate + 1
    assert [receipt.gate for receipt in await decisions(run)] == [first.gate]
    # Two clicks in a row from the start, as after an impatient look: the number is asked for.
    await screen.is_refused("approve", "", NOT_MEANT)
    await screen.send("approve", await screen.number())
    assert (await run.result()).text == "aa"


async def test_two_people_decide_at_the_same_time_and_one_of_them_is_told_so(
    runs: Runs, screen: Screen, another: Looks
) -> None:
    """One decision is taken. The other reads that it was, and their old panel opens nothing of what comes next."""
    run, first = await runs.waits(twice, Note(text="a"))
    other = await another()
    await asyncio.gather(screen.open(run), other.open(run))
    number = first.number
    dialogs = [await screen.fill_in("approve", f'"{number} Ana"'), await other.fill_in("approve", f'"{number} Ben"')]
    await asyncio.gather(*(dialog.submit() for dialog in dialogs))
    refused = await the_one_refused(dialogs)
    winner, loser = ("Ben", screen) if refused is dialogs[0] else ("Ana", other)
    sentence = f"That was decided already: approve by {winner}. Reload the panel, and read it again."
    await refused.is_refused(sentence)
    await loser.picture("too-late")
    await refused.close()
    assert [receipt.by for receipt in await decisions(run)] == [winner]

    # Their panel still shows what was asked before.
    await loser.reads("approve paper", f"approve with {number}")
    await loser.is_refused("approve", number, sentence)
    await loser.look_again("NEEDS YOU (clerk): approve note")
    assert (await waiting(run)).gate == first.gate + 1
    await loser.send("approve", await loser.number())
    assert (await run.result()).text == "aa"


async def the_one_refused(dialogs: list[Dialog]) -> Dialog:
    """One dialog closes since its update was taken; the other."""
    one, other = dialogs
    await expect(one.refusal.or_(one.page.get_by_text("Update successful")).first).to_be_visible()
    refused = one if await one.refusal.count() else other
    await (other if refused is one else one).is_taken()
    return refused
