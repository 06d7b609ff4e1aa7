"""A run asks a person for a value: the update `answer` takes JSON, checks it at once, and knows who sent it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field

from gatework import Endorsed, ask_person, role, stage, workflow
from gatework.errors import DecisionError
from gatework.values import canonical
from tests.workflow.deployment import Deployments, count, end, payload, refused, until
from tests.workflow.plans import Note, Paper, write


class Verdict(BaseModel):
    publish: bool
    reason: str = Field(max_length=20)


@stage()
async def publish(paper: Endorsed[Paper], verdict: Endorsed[Verdict]) -> Endorsed[Paper]:
    return Endorsed(Paper(text=f"{paper.value.text} {verdict.value.publish} {verdict.value.reason}"))


@workflow
def brief(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Write, ask, publish."""
    paper = write(note)
    verdict = ask_person(Verdict, "Publish this?", by=role("editor"), show=[paper], within=timedelta(hours=1))
    return publish(paper, verdict)


@workflow
def sure(note: Endorsed[Note]) -> Endorsed[Paper]:
    """Ask somebody who says who they are."""
    paper = write(note)
    verdict = ask_person(Verdict, "Publish this?", by=role("editor", identity="claimed"))
    return publish(paper, verdict)


YES: Any = {"publish": True, "reason": "good"}


async def test_answer_is_taken_as_the_value_of_the_question(deployments: Deployments) -> None:
    """The person's value goes on as approved, and the record has who gave it."""
    deployed = await deployments.serve(brief)
    run, asked = await deployed.gate(brief, Note(text="a"))
    assert (asked.kind, asked.allowed) == ("question", ("answer", "abort"))
    assert await run.answer(Verdict(**YES), by="Ana", note="Read it.") == "answer taken at verdict by Ana (as claimed)."
    assert (await run.result()).text == "a True good"
    [decided] = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert (decided.action, decided.by, decided.reason, decided.label) == ("answer", "Ana", "Read it.", "approved")


async def test_answer_is_typed_bare_into_the_box_of_the_update(deployments: Deployments) -> None:
    """The value alone, as the UI sends it."""
    deployed = await deployments.serve(brief)
    run, _ = await deployed.gate(brief, Note(text="a"))
    outcome = await deployed.update_raw(run, "answer", payload(canonical.dumps(YES)))
    assert b"answer taken" in outcome.success.payloads[0].data
    assert (await run.result()).text == "a True good"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"publish": "yes", "reason": ""}, "That does not answer verdict: field publish"),
        ({"publish": True}, "That does not answer verdict: the field reason is missing"),
        ({"publish": True, "reason": "x" * 21}, "That does not answer verdict: field reason"),
        ({"publish": True, "reason": "", "sudo": 1}, "That does not answer verdict"),
        (None, "Send the answer: The answer as JSON"),
        ("yes", "That does not answer verdict"),
        ({"value": YES, "place": "paper"}, "That does not answer paper"),
        ({"value": YES, "place": "elsewhere"}, "There is no place of that name"),
        ({"value": YES, "number": 1}, "number"),
    ],
)
async def test_answer_that_is_none_is_refused_with_the_field_and_why(
    deployments: Deployments, sent: Any, why: str
) -> None:
    """The dialog says what is wrong, nothing is written to the history, and nothing of the value is repeated."""
    deployed = await deployments.serve(brief)
    run, _ = await deployed.gate(brief, Note(text="a"))
    before = await count(run, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED")
    told = refused(await deployed.update_raw(run, "answer", payload(canonical.dumps(sent))), "sudo", "xxxx")
    assert why in told
    assert await count(run, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == before
    await run.abort("Enough.")


async def test_no_other_decision_answers_a_question(deployments: Deployments) -> None:
    """And `answer` answers nothing but a question."""
    deployed = await deployments.serve(brief)
    run, asked = await deployed.gate(brief, Note(text="a"))
    for other in (run.approve(asked.number), run.reject("No."), run.retry(), run.edit(YES)):
        with pytest.raises(DecisionError, match="does not answer this; send answer or abort"):
            await other
    await run.answer(YES)
    await run.result()


async def test_answer_names_its_sender_where_the_plan_wants_to_know(deployments: Deployments) -> None:
    """As an approval does."""
    deployed = await deployments.serve(sure)
    run, _ = await deployed.gate(sure, Note(text="a"))
    with pytest.raises(DecisionError, match="Say who you are"):
        await run.answer(YES)
    await run.answer(YES, by="Ana")
    assert (await run.result()).text == "a True good"


async def test_question_nobody_answers_in_time_ends_the_run(deployments: Deployments) -> None:
    """Nothing is made up in place of an answer."""

    @workflow
    def hurried(note: Endorsed[Note]) -> Endorsed[Paper]:
        paper = write(note)
        verdict = ask_person(Verdict, "Publish this?", by=role("editor"), within=timedelta(seconds=1))
        return publish(paper, verdict)

    deployed = await deployments.serve(hurried)
    run = await deployed.start(hurried, Note(text="a"))
    assert (await end(run)).type == "gatework.expired"


async def test_answer_by_signal_says_on_the_panel_why_it_is_not_taken(deployments: Deployments) -> None:
    """As every decision by signal, it needs the server's word for who sends it."""
    deployed = await deployments.serve(brief)
    run, asked = await deployed.gate(brief, Note(text="a"))
    await run.handle.signal("answer", {"value": YES, "number": int(asked.number)})

    async def said() -> bool:
        return "The answer that came as a signal was not taken" in (await run.state()).note

    await until(said, "the note")
    await run.answer(YES)
    await run.result()


async def test_answer_is_given_on_the_command_line(deployments: Deployments, typed: Any) -> None:
    """`gatework answer RUN JSON`, with what is wrong in one sentence."""
    deployed = await deployments.serve(brief)
    run, _ = await deployed.gate(brief, Note(text="a"))
    told = await typed("answer", run.id, '{"publish": 1}')
    assert told.exit_code != 0
    assert "That does not answer verdict" in told.output
    told = await typed("answer", run.id, '{"publish": true, "reason": "good"}', "--by", "Ana")
    assert (told.exit_code, told.output.strip()) == (0, "answer taken at verdict by Ana (as claimed).")
    assert (await run.result()).text == "a True good"


async def test_value_of_an_answer_is_checked_once_more_where_it_is_taken(deployments: Deployments) -> None:
    """What was answered stays answered: a second answer finds nothing that waits for it."""
    deployed = await deployments.serve(brief)
    run, _ = await deployed.gate(brief, Note(text="a"))
    await run.answer(YES)
    with pytest.raises(DecisionError):
        await run.answer(YES)
    assert (await waiting_or_end(run)) == "completed"


async def waiting_or_end(run: Any) -> str:
    return str((await run.waiting(timeout=timedelta(seconds=30))).status)
