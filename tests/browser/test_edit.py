"""A person corrects a value in the stock Temporal UI: the contract answers at once, the guards on the panel."""

from __future__ import annotations

from tests.browser.plans import reviewed
from tests.browser.runs import Runs, decisions, waiting
from tests.browser.ui import Screen
from tests.workflow.plans import BLOCK, Note, Paper, world


async def test_edit_that_breaks_the_contract_is_refused_and_one_that_a_guard_blocks_is_on_the_panel(
    runs: Runs, screen: Screen
) -> None:
    """What is wrong with the value stands in the dialog; what a guard says of it a moment later where one reads."""
    run, before = await runs.waits(reviewed, Note(text="a"))
    await screen.open(run)
    await screen.reads("approve stage 3 of 4, print 1 pages")
    dialog = await screen.fill_in("edit", '{"text": "b", "pages": "two"}')
    await dialog.submit()
    await dialog.is_refused("The value breaks the contract of read: field pages: must be integer.")
    await screen.picture("refused")
    assert await decisions(run) == []

    world.verdicts = [BLOCK]
    await dialog.type('{"text": "b", "pages": 2}')
    await dialog.submit()
    await dialog.is_taken()
    await screen.look_again("NEEDS YOU (operator): read is blocked", BLOCK.reason)
    await screen.picture("blocked")

    await screen.takes_it_in()
    await screen.send("edit", '{"text": "c", "pages": 3}')
    await screen.look_again("approve stage 3 of 4, print 3 pages", "done, by a person")
    after = await waiting(run)
    assert after.number != before.number
    await screen.is_refused(
        "approve", before.number, "That was decided already: edit. Reload the panel, and read it again."
    )
    await screen.send("approve", await screen.number())
    assert await run.result() == Paper(text="c", pages=3)
    assert [receipt.action for receipt in await decisions(run)] == ["edit", "edit", "approve"]
