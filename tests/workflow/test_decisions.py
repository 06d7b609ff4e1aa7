"""Decisions: each wait is answered by the updates that it allows, once, by someone who saw what was shown."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from gatework.errors import DecisionError
from gatework.temporal import Execution
from gatework.temporal.page.panel import panel
from gatework.temporal.page.progress import Waiting
from gatework.temporal.workflow import answering
from tests.workflow.deployment import (
    Deployed,
    Deployments,
    count,
    end,
    events,
    outside_payloads,
    payload,
    refused,
    waiting,
)
from tests.workflow.plans import (
    BLOCK,
    ESCALATE,
    RETRY,
    Note,
    Paper,
    clicked,
    gate_first,
    refund_cash,
    refund_signed,
    signed,
    single,
    twice,
    world,
)

ACTIONS = ("approve", "reject", "retry", "edit", "abort")
ALLOWED = {
    "approval": {"approve", "reject", "edit", "abort"},
    "escalated": {"approve", "reject", "edit", "abort"},
    "blocked": {"retry", "edit", "abort"},
    "exhausted": {"retry", "edit", "abort"},
    "failed": {"retry", "edit", "abort"},
    "unknown": {"retry", "edit", "abort"},
}


async def _at(kind: str, deployed: Deployed) -> tuple[Execution[Any], Waiting]:
    """A run that waits at a gate of a kind; the world is well again."""
    plan: Any = {"approval": signed, "unknown": refund_cash}.get(kind, single)

    def fail() -> None:
        raise OSError("disk")

    match kind:
        case "escalated":
            world.verdicts = [ESCALATE]
        case "blocked":
            world.verdicts = [BLOCK]
        case "exhausted":
            world.verdicts = [RETRY] * 3
        case "failed":
            world.does = fail
        case "unknown":
            world.pays = fail
        case _:
            pass
    run, asked = await deployed.gate(plan, Note(text="A-1"))
    assert asked.kind == kind
    world.clear()
    return run, asked


async def _send(run: Execution[Any], asked: Waiting, action: str) -> str:
    match action:
        case "approve":
            return await run.approve(asked.number, by="Ada")
        case "reject":
            return await run.reject("No.", by="Ada")
        case "retry":
            return await run.retry("Once more.", by="Ada", number=asked.number)
        case "edit":
            return await run.edit(_value_of(asked.place), by="Ada")
        case _:
            return await run.abort("Enough.", by="Ada")


def _value_of(place: str) -> dict[str, Any]:
    return {"payment": "by-hand", "order": "A-1"} if "pay" in place else {"text": "by hand", "pages": 2}


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.temporal.workflow.asking.TRIES", 1)


@pytest.mark.parametrize("kind", list(ALLOWED))
async def test_gate_takes_the_updates_it_allows_and_no_other(deployments: Deployments, kind: str) -> None:
    """At each kind of gate exactly the allowed updates are taken; the others are refused and write nothing."""
    deployed = await deployments.serve(signed, single, refund_cash)
    for action in ACTIONS:
        run, asked = await _at(kind, deployed)
        before = len(await events(run))
        if action not in ALLOWED[kind]:
            with pytest.raises(DecisionError, match=f"{action} does not answer this; send "):
                await _send(run, asked, action)
            assert len(await events(run)) == before
            await run.abort("Done with it.")
            continue
        said = await _send(run, asked, action)
        assert re.fullmatch(rf"{action} taken at \w+ by Ada \(as claimed\)\.", said)
        if action in ("reject", "abort"):
            failure = await end(run)
            ended = "rejected" if action == "reject" else "aborted"
            assert failure.type == f"gatework.{ended}"
            assert failure.message.startswith(f"The run was {ended} by Ada at ")
            assert failure.cause is None
            continue
        if action == "edit" and (await run.state()).status == "waiting":
            await run.approve((await waiting(run)).number)  # what was edited is approved anew
        result = await run.result()
        if action == "edit":
            assert (result.model_dump() if hasattr(result, "model_dump") else result)[
                "payment" if kind == "unknown" else "text"
            ] in ("by hand", "by-hand")


async def test_wrong_and_stale_numbers_are_refused(deployments: Deployments) -> None:
    """Only the number of the evidence as it stands opens the gate; after an edit the old one is void."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    first = asked.number
    wrong = f"{(int(first) + 10 - 1000) % 9000 + 1000}"
    for bad in (wrong, "0000"):
        with pytest.raises(DecisionError, match="not the number on the panel"):
            await run.approve(bad)
    no_numbers: tuple[Any, ...] = ("12345", "abcd", "-123", "१२३४", True, 12.5, [1234])
    for none in no_numbers:
        with pytest.raises(DecisionError, match="four digits"):
            await run.approve(none)
    with pytest.raises(DecisionError, match="Send the four digits"):
        await run.approve()
    await run.edit({"text": "b", "pages": 1})
    second = (await waiting(run)).number
    assert second != first
    with pytest.raises(DecisionError, match="decided already: edit"):
        await run.approve(first)
    with pytest.raises(DecisionError, match="evidence has changed"):
        await run.approve(second, evidence="0" * 64)
    await run.approve(second)
    assert (await run.result()).text == "b"


async def test_edit_that_breaks_the_contract_is_refused_by_the_validator(deployments: Deployments) -> None:
    """A corrected value passes the sealed contract before anything is written."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    before = len(await events(run))
    for value, reason in [
        ({"text": 5}, "field"),
        ({"text": "a"}, "pages is missing"),
        ({"text": "a", "pages": 1, "MALLORY": 2}, "does not know"),
        ({"text": "a", "pages": "1"}, "must be integer"),
        ([], "must be object"),
        ("MALLORY", "must be object"),
    ]:
        with pytest.raises(DecisionError, match=reason) as caught:
            await run.edit(value)
        assert "MALLORY" not in str(caught.value)
    with pytest.raises(DecisionError, match="no place of that name"):
        await run.edit({"text": "a", "pages": 1}, place="nowhere")
    with pytest.raises(DecisionError, match="no value named file"):
        await run.edit({"text": "a", "pages": 1}, place="file")
    with pytest.raises(DecisionError, match="is an approval"):
        await run.edit({"text": "a", "pages": 1}, place="agreed")
    assert len(await events(run)) == before
    await run.approve(asked.number)
    await run.result()


async def test_edit_of_what_an_effect_depends_on_is_refused(deployments: Deployments) -> None:
    """What an effect was made from, and the record of the effect, cannot be edited any more."""
    deployed = await deployments.serve(refund_signed)
    run, asked = await deployed.gate(refund_signed, Note(text="A-1"))
    with pytest.raises(DecisionError, match="depends on owed"):
        await run.edit({"order": "A-2", "amount": "1"}, place="owed")
    with pytest.raises(DecisionError, match="depends on note"):
        await run.edit({"text": "A-2"}, place="note")
    with pytest.raises(DecisionError, match="records an effect"):
        await run.edit({"payment": "x", "order": "A-2"})
    await run.approve(asked.number)
    await run.result()
    assert list(world.paid.values()) == ["A-1"]


async def test_edit_of_the_input_runs_everything_again(deployments: Deployments) -> None:
    """An edit of an earlier place drops what was computed from it."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await run.edit({"text": "b"}, place="note")
    await run.approve((await waiting(run)).number)
    assert (await run.result()).text == "b"


async def test_edit_takes_a_model_as_well_as_json(deployments: Deployments) -> None:
    """The typed handle edits with a model."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    await run.edit(Paper(text="c", pages=3))
    await run.approve((await waiting(run)).number)
    assert await run.result() == Paper(text="c", pages=3)


async def test_decision_while_nothing_waits_or_after_the_end_is_refused(deployments: Deployments) -> None:
    """While a stage runs nothing can be decided, and after the end neither."""
    deployed = await deployments.serve(single)
    go_on = asyncio.Event()
    world.does = go_on.wait
    run = await deployed.start(single, Note(text="a"))
    while not world.worked:
        await asyncio.sleep(0.02)
    for action in ("approve", "reject", "retry", "abort"):
        with pytest.raises(DecisionError, match="Nothing waits"):
            await getattr(run, action)("1234")
    with pytest.raises(DecisionError, match="Nothing waits"):
        await run.edit({"text": "b", "pages": 1})
    go_on.set()
    await run.result()
    with pytest.raises(DecisionError, match="has ended"):
        await run.approve("1234")


async def test_two_approvers_at_once_are_taken_once(deployments: Deployments) -> None:
    """Of many approvals sent at the same time exactly one is taken."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    sent = [run.approve(asked.number, by=f"approver {n}") for n in range(8)]
    answers = await asyncio.gather(*sent, return_exceptions=True)
    taken = [answer for answer in answers if isinstance(answer, str)]
    assert len(taken) == 1, answers
    assert all(isinstance(answer, str | DecisionError) for answer in answers), answers
    await run.result()
    decided = [entry for entry in await run.ledger() if entry.receipt.kind == "decided"]
    assert [entry.receipt.by in taken[0] for entry in decided] == [True]


async def test_two_quick_approvals_do_not_open_two_gates(deployments: Deployments) -> None:
    """A second approval that was meant for the gate before does not open the next one."""
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    first = asked.number
    answers = await asyncio.gather(run.approve(first), run.approve(first), return_exceptions=True)
    assert [type(answer) for answer in answers].count(str) == 1
    after = await waiting(run)
    assert (after.node, after.gate) == ("other", 2)
    assert after.number != first
    await run.approve(after.number)
    await run.result()


async def test_click_approves_only_where_the_plan_says_so(deployments: Deployments) -> None:
    """An empty approve, as two clicks in the UI send it, is taken where the plan says click=True, and nowhere else."""
    deployed = await deployments.serve(clicked, signed)
    clickable, _ = await deployed.gate(clicked, Note(text="a"))
    await clickable.handle.execute_update("approve")
    await clickable.result()
    careful, _ = await deployed.gate(signed, Note(text="a"))
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await careful.handle.execute_update("approve")
    assert "four digits" in str(caught.value.cause)


async def test_click_on_a_question_that_has_just_come_up_is_refused(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind another question it takes the number, or a moment in which one can have read it; the first does not."""
    monkeypatch.setattr(answering, "SETTLE", timedelta(hours=1))
    deployed = await deployments.serve(single)
    run, _ = await _at("blocked", deployed)
    world.verdicts = [BLOCK, BLOCK]
    await run.handle.execute_update("retry")
    second = await waiting(run)
    for clicked_again in ((), ({"text": "by hand", "pages": 2},)):
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await run.handle.execute_update("edit" if clicked_again else "retry", *clicked_again)
        assert "The run has gone on just now and asks something else" in str(caught.value.cause)
    await run.retry(number=second.number)
    assert (await waiting(run)).gate == second.gate + 1 == 3
    monkeypatch.setattr(answering, "SETTLE", timedelta(0))
    await run.handle.execute_update("retry")
    await run.result()


async def test_number_may_be_typed_bare_or_in_quotes(deployments: Deployments) -> None:
    """What a person types into the UI's box: the digits, with quotes or without."""
    deployed = await deployments.serve(twice)
    run, asked = await deployed.gate(twice, Note(text="a"))
    await run.handle.execute_update("approve", int(asked.number))
    await run.handle.execute_update("approve", f" {(await waiting(run)).number} ")
    await run.result()


async def test_refusal_is_one_sentence_without_a_stack_or_cause(deployments: Deployments) -> None:
    """The UI shows a refusal as it comes from the server: one sentence, no stack trace, no cause, no value."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    for name, sent in [
        ("approve", [payload(b'"MALLORY"')]),
        ("approve", [payload(b"{MALLORY")]),
        ("approve", [payload(b"1", b"MALLORY")]),
        ("approve", [payload(b"1"), payload(b"2")]),
        ("approve", [payload(b"MALLORY"), payload(b"\xff", b"MALLORY")]),
        ("edit", [payload(b'{"MALLORY": 1}')]),
        ("edit", [payload(b'{"place": "MALLORY", "value": 1}')]),
        ("retry", []),
        ("MALLORY", []),
    ]:
        refused(await deployed.update_raw(run, name, *sent), "MALLORY")
    assert "MALLORY" not in await outside_payloads(run)


async def test_gate_as_first_act_answers_after_a_restart_of_the_worker(deployments: Deployments) -> None:
    """A run whose first act is to wait takes a valid decision from a worker that has never seen it."""
    async with deployments.serving(gate_first) as deployed:
        run, asked = await deployed.gate(gate_first, Note(text="a"))
    async with deployments.serving(gate_first):
        await run.approve(asked.number)
        assert (await run.result()).text == "a"


async def test_update_before_the_first_task_is_answered_with_one_sentence(deployments: Deployments) -> None:
    """A decision that comes before the run has begun is refused or taken, and sticks nowhere."""
    deployed = await deployments.calling()
    client = deployed.client
    id = await deployed.start_raw("gate_first", payload(b'{"text": "a"}'))
    early = asyncio.create_task(client.get_workflow_handle(id).execute_update("approve", 1234))
    query = asyncio.create_task(client.get_workflow_handle(id).query("state"))
    await asyncio.sleep(0.3)
    async with deployments.serving(gate_first) as served:
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await early
        assert str(caught.value.cause).strip().count("\n") == 0
        await asyncio.wait([query])
        run = Execution(served.client.get_workflow_handle(id), gate_first)
        asked = await waiting(run)
        await run.approve(asked.number)
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_retry_of_an_effect_in_doubt_takes_the_number_that_the_panel_shows(deployments: Deployments) -> None:
    """A retry that could repeat an effect is bound to its gate; the panel says with which number."""
    deployed = await deployments.serve(refund_cash)
    run, asked = await _at("unknown", deployed)
    assert f"`retry` with **{asked.number}**" in panel(await run.state())
    with pytest.raises(DecisionError, match="digits"):
        await run.retry()
    await run.handle.execute_update("retry", int(asked.number))
    await run.result()
