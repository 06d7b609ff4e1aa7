"""Nobody answers in time: what whoever comes late sees in the stock Temporal UI, and what their decision is told."""

from __future__ import annotations

from tests.browser.plans import handed_on
from tests.browser.runs import Runs, decisions
from tests.browser.ui import Screen
from tests.workflow.plans import Note, Paper, signed


async def test_decision_after_the_expiry_is_refused_and_the_panel_says_that_the_run_ended(
    runs: Runs, screen: Screen
) -> None:
    """A dialog that was open all the while opens nothing; the page of the run says why, and offers no update."""
    run, waits = await runs.waits(signed, Note(text="a"))
    await screen.open(run)
    dialog = await screen.fill_in("approve", waits.number)
    await runs.skip_time(run)
    assert (await run.state()).status == "expired"
    await dialog.submit()
    await dialog.is_refused("workflow execution already completed")
    await screen.picture("too-late")
    await dialog.close()

    await screen.look_again("Expired: nobody of boss answered in time")
    assert await decisions(run) == []


async def test_approval_that_nobody_answers_goes_to_another_role(runs: Runs, screen: Screen) -> None:
    """The panel asks the other role; the number of before comes too late, and the new one completes the run."""
    run, before = await runs.waits(handed_on, Note(text="a"))
    await screen.open(run)
    await screen.reads("NEEDS YOU (boss): approve paper", "then deputy is asked")
    await runs.skip_time(run)
    await screen.look_again("NEEDS YOU (deputy): approve paper", "Those who were asked first did not answer in time.")
    await screen.picture("handed-on")
    late = "That was decided already: nobody answered it in time. Reload the panel, and read it again."
    await screen.is_refused("approve", before.number, late)
    await screen.send("approve", await screen.number())
    assert await run.result() == Paper(text="a")
