"""A stage has failed, and is tried again from the stock Temporal UI: in the same run, with what came before kept."""

from __future__ import annotations

from tests.browser.plans import reviewed
from tests.browser.runs import Runs, waiting
from tests.browser.ui import Screen
from tests.workflow.plans import RETRY, Note, Paper, world


def fail() -> None:
    raise OSError("disk")


async def test_stage_that_has_failed_is_retried_with_a_note_that_reaches_it(runs: Runs, screen: Screen) -> None:
    """With a note after spent attempts, with clicks alone after a failure; earlier stages run once."""
    world.verdicts = [RETRY, RETRY]
    run, waits = await runs.waits(reviewed, Note(text="a"))
    assert waits.kind == "exhausted"
    await screen.open(run)
    await screen.reads("NEEDS YOU (operator): read has used up its attempts, stage 2 of 4", RETRY.reason)
    await screen.picture("exhausted")
    await screen.is_refused("approve", "1234", "approve does not answer this; send retry, edit or abort.")

    world.does = fail
    await screen.send("retry", '"Fewer words."')
    await screen.look_again("read has failed, stage 2 of 4")
    assert world.feedback[-1][-1] == "Fewer words."
    await screen.picture("failed")

    world.does = None
    await screen.takes_it_in()
    await screen.send("retry")
    await screen.look_again("NEEDS YOU (boss): approve stage 3 of 4")
    stages = {node.name: node.attempts for node in (await run.state()).nodes}
    assert stages["paper"] == 1
    await run.approve((await waiting(run)).number)
    assert await run.result() == Paper(text="a, reviewed")
