"""A person gives a value that a plan asks for, in the stock Temporal UI, and finds the child runs from their parent."""

from __future__ import annotations

from tests.browser.plans import wished
from tests.browser.runs import Runs, decisions
from tests.browser.ui import Screen
from tests.workflow.plans import Note, Paper


async def test_person_answers_with_a_value_that_keeps_to_its_contract(runs: Runs, screen: Screen) -> None:
    """The panel says what is asked and what to type; a value that breaks the contract is refused in the dialog."""
    run, asked = await runs.waits(wished, Note(text="a"))
    assert (asked.kind, asked.role) == ("question", "editor")
    await screen.open(run)
    await screen.reads("NEEDS YOU (editor)", "Under which title?", "title", "copies")
    await screen.picture("question")
    await screen.is_refused(
        "answer",
        '{"title": "Autumn", "copies": "two"}',
        "That does not answer wish: field copies: must be integer.",
    )
    await screen.is_refused("approve", asked.number, "approve does not answer this; send answer or abort.")
    assert await decisions(run) == []
    await screen.send("answer", '{"title": "Autumn", "copies": 2}')
    assert await run.result() == Paper(text="Autumn", pages=2)
    assert [receipt.action for receipt in await decisions(run)] == ["answer"]
