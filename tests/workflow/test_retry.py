"""Retry of a failed stage in its own run: what came before is untouched, and no effect happens twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatework import Approved, Block, Endorsed, Untrusted, approve, endorse, role, stage, workflow
from gatework.temporal import Execution
from tests.workflow.deployment import Deployments, events, waiting
from tests.workflow.plans import BLOCK, RETRY, Note, Paper, Receipt, Sum, known_sum, pay_cash, work, world
from tests.workflow.project import Project


@stage()
async def noted(receipt: Endorsed[Receipt]) -> Endorsed[Note]:
    return Endorsed(Note(text=receipt.value.order))


@stage()
async def filed(paper: Approved[Paper], owed: Endorsed[Sum]) -> Endorsed[Paper] | Block:
    return Block("The folder is locked.") if world.looked == ["locked"] else Endorsed(paper.value)


@workflow
def paid_then_worked(note: Untrusted[Note]) -> Endorsed[Paper]:
    """An effect that cannot be asked about, a stage with a guard and three attempts, an approval, a last stage."""
    owed = endorse(note, by=known_sum)
    receipt = pay_cash(owed)
    text = noted(receipt)
    paper = work(text)
    agreed = approve(paper, by=role("boss"))
    return filed(agreed, owed)


async def _asked_of(run: Execution[Any], type_: str) -> int:
    """How often a worker was asked for an activity."""
    asked = [event.activity_task_scheduled_event_attributes.activity_type.name for event in await events(run)]
    return asked.count(type_)


async def _fails(how: str) -> None:
    world.verdicts = [RETRY] * 3 if how == "exhausted" else [BLOCK] if how == "blocked" else []
    world.does = (lambda: 1 / 0) if how == "failed" else None


@pytest.mark.parametrize("how", ["exhausted", "blocked", "failed"])
async def test_retry_runs_the_stage_again_and_nothing_before_it(deployments: Deployments, how: str) -> None:
    """Spent attempts, a guard's block, broken code: same run, same values before, nothing paid again."""
    deployed = await deployments.serve(paid_then_worked)
    await _fails(how)
    run, asked = await deployed.gate(paid_then_worked, Note(text="A-1"))
    assert (asked.kind, asked.node) == (how, "paper")
    described = await run.handle.describe()
    before = await run.ledger()
    world.does, world.verdicts = None, []
    await run.retry("Shorter, please.")
    agreed = await waiting(run)
    assert agreed.kind == "approval"
    assert world.feedback[-1][-1] == "Shorter, please."
    await run.approve(agreed.number)
    assert (await run.result()).text == "A-1"
    assert (await run.handle.describe()).run_id == described.run_id
    assert (await run.ledger())[: len(before)] == before
    assert list(world.paid.values()) == ["A-1"]
    assert await _asked_of(run, "tool.hand_over") == 1
    assert await _asked_of(run, "stage.noted") == 1


async def test_retry_after_an_approval_keeps_it_and_an_edit_before_it_voids_it(deployments: Deployments) -> None:
    """The approval stands while what it was given on stands; once that is another, it is asked for again."""
    deployed = await deployments.serve(paid_then_worked)
    world.looked = ["locked"]
    run, asked = await deployed.gate(paid_then_worked, Note(text="A-1"))
    await run.approve(asked.number)
    stuck = await waiting(run)
    assert (stuck.kind, stuck.node) == ("blocked", "filed")
    await run.retry()
    again = await waiting(run)
    assert (again.node, again.gate) == ("filed", stuck.gate + 1)
    await run.edit({"text": "another", "pages": 2}, place="paper")
    anew = await waiting(run)
    assert (anew.kind, anew.node) == ("approval", "agreed")
    world.looked = []
    await run.approve(anew.number)
    assert (await run.result()).text == "another"
    assert list(world.paid.values()) == ["A-1"]


async def test_retry_after_a_deploy_that_mends_the_stage_goes_on(deployments: Deployments, tmp_path: Path) -> None:
    """The same plan with other code: the run waits through the deploy, and its retry runs the new code."""
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    project = Project(folder)
    v1 = project.loaded(last="polish")
    stages: Any = v1.definitions
    name = next(each for each in stages if stages[each].name == "polish")
    whole = stages[name].function

    async def broken(paper: Any) -> Any:
        raise ZeroDivisionError

    stages[name].function = broken
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, v1.input.annotation(text="a"))
        await run.approve(asked.number)
        failed = await waiting(run)
        assert failed.kind == "failed"
    stages[name].function = whole
    async with deployments.serving(v1):
        await run.retry()
        assert (await run.result()).text == "a polished"
        assert await _asked_of(run, "stage.write") == 1
