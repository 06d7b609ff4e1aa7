"""Rollouts: several versions with runs in flight across them, forwards and back, and two versions at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from gatework import Workflow
from gatework.proof.ledger import Entry
from gatework.releases import lock
from gatework.releases.library import Library
from gatework.temporal import Execution, GateworkPlugin
from gatework.temporal.worker.concerned import Concern, concerns
from tests.workflow.conftest import typed_at
from tests.workflow.deployment import Deployed, Deployments, until, waiting
from tests.workflow.project import SERVE, Project

V1: dict[str, Any] = {"last": "polish"}
BROKEN: dict[str, Any] = {"last": "polish", "shine": "\\ud800"}
"""Gives what is no text, and breaks its contract."""
MENDED: dict[str, Any] = {"last": "polish", "shine": "well polished"}
V2: dict[str, Any] = {"last": "stamp", "hours": 2}
V3: dict[str, Any] = {"last": "polish", "hours": 3, "field": "sheets: int = 1"}
"""Another contract: what V1 and V2 sealed, it cannot run."""

Letter = Workflow[Any, Any]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / f"rollout_{tmp_path.name}"
    folder.mkdir()
    return Project(folder)


def note(letter: Letter) -> Any:
    return letter.input.annotation(text="a")


def codes(ledger: Sequence[Entry]) -> dict[str, str]:
    """Which code ran at each node that gave an output."""
    outputs = [entry.receipt for entry in ledger if entry.receipt.kind == "output"]
    return {receipt.node: str(receipt.how["code"]) for receipt in outputs}


async def found(deployed: Deployed, letter: Letter, count: int) -> Sequence[Concern]:
    """What a worker that starts would say, once the server finds as many runs as there are."""

    async def all_there() -> Sequence[Concern]:
        said = await concerns(deployed.client, Library([letter]), deployed.queue)
        return said if sum(one.count or 0 for one in said) == count else ()

    told: Sequence[Concern] = await until(all_there, f"{count} runs that are concerned")
    return told


async def replayed(run: Execution[Any], *versions: Letter) -> None:
    """The history replays on the code of each of these versions."""
    history = WorkflowHistory(run.id, [event async for event in run.handle.fetch_history_events()])
    for letter in versions:
        await Replayer(workflows=[], plugins=[GateworkPlugin(letter)]).replay_workflow(history)


async def test_rollout_of_mended_code_shows_in_the_receipts_of_the_runs_that_it_served(
    deployments: Deployments, project: Project
) -> None:
    """One plan, several codes: the ledger says which stage ran on which, and a worker that starts says that it changed.

    Where a stage of one run ran on two, whoever looks at the run is told, and whoever verifies it.
    """
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        whole, asked = await deployed.gate(v1, note(v1))
        await whole.approve(asked.number)
        await whole.result()
        run, asked = await deployed.gate(v1, note(v1))
    broken = project.loaded(release=False, **BROKEN)
    async with deployments.serving(broken):
        await run.approve(asked.number)
        assert (await waiting(run)).kind == "exhausted"
    mended = project.loaded(release=False, **MENDED)
    assert mended.plan.digest == v1.plan.digest
    (said,) = await found(await deployments.calling(), mended, 1)
    assert (said.kind, list(said.why), list(said.runs)) == ("recoded", ["stage:polish"], [run.id])
    assert said.said == (
        f"Plan {v1.plan.digest[:12]} of letter was released with other code of stage polish; 1 run is held to it."
    )
    typed = typed_at(deployments)
    async with deployments.serving(mended):
        await run.retry()
        assert (await run.result()).text == "a well polished"
        line = "A deploy came in between; other code ran: polish from attempt 2 on."
        for command in ("show", "logs"):
            assert line in " ".join((await typed(command, run.id)).stdout.split()), command
            assert "other code ran" not in (await typed(command, whole.id)).stdout, command
        for one, changes in ((run, [{"run": 1, "node": "polish", "tool": "", "attempt": 2}]), (whole, [])):
            file = project.folder / "certificate.json"
            file.write_bytes(await one.export())
            verified = await typed("verify", str(file))
            assert ("polish other code from attempt 2 on" in " ".join(verified.stdout.split())) is bool(changes)
            assert json.loads((await typed("verify", str(file), "--json")).stdout)["code_changes"] == changes
        before, after = codes(await whole.ledger()), codes(await run.ledger())
        assert before["paper"] == after["paper"]
        assert before["polish"] != after["polish"]
    new, old = Library([mended]), Library([v1])
    assert after["polish"] == new.attempt_code(new.plans("letter")[0], "polish")
    assert before["paper"] == old.attempt_code(old.plans("letter")[0], "write")
    await replayed(run, v1, broken, mended)
    assert lock.write(mended)
    assert await concerns((await deployments.calling()).client, Library([mended]), deployments.queue) == []


async def test_rollout_that_cannot_run_earlier_plans_names_the_runs_that_wait(
    deployments: Deployments, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """Plan, node, what is another there, the runs and what finds them, when the worker starts; then back again."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        one, asked = await deployed.gate(v1, note(v1))
    v2 = project.loaded(**V2)
    async with deployments.serving(v2) as deployed:
        two, asked_two = await deployed.gate(v2, note(v2))
    v3 = project.loaded(**V3)
    said = await found(await deployments.calling(), v3, 2)
    assert [(concern.kind, concern.plan, list(concern.runs), concern.count) for concern in said] == [
        ("unfit", v2.plan.digest, [two.id], 1),
        ("unfit", v1.plan.digest, [one.id], 1),
    ]
    assert said[1].why[0].startswith("paper: write gives another type than when the plan was sealed (the field pages")
    calling = await deployments.calling()
    assert [run.id async for run in calling.client.list_workflows(said[1].query)] == [one.id]
    told: list[Concern] = []
    caplog.set_level("WARNING", logger="gatework")
    async with deployments.serving(v3) as deployed:
        three, asked_three = await deployed.gate(v3, note(v3))

        async def logged() -> Any:
            return [record for record in caplog.records if getattr(record, "event", "") == "plan.unfit"]

        await until(lambda: _counted(logged, 2), "both plans are logged")
        told = await logged()
        assert [(record.runs, record.count) for record in told] == [([two.id], 1), ([one.id], 1)]
        assert "cannot run on this deploy" in (await one.state()).note
        await three.approve(asked_three.number)
        assert (await three.result()).text == "a polished"
    # Back: what the older code does not have waits, what it has goes on.
    async with deployments.serving(v1), asyncio.timeout(60):
        await one.approve(asked.number)
        assert (await one.result()).text == "a polished"
    async with deployments.serving(v2):
        await two.approve(asked_two.number)
        assert (await two.result()).text == "a stamped"
    await replayed(one, v1, v2)
    await replayed(two, v2)
    await replayed(three, v3)


async def _counted(found: Any, count: int) -> bool:
    return len(await found()) >= count


async def test_rollout_back_names_the_runs_of_the_plan_that_it_does_not_have(
    deployments: Deployments, project: Project
) -> None:
    """A deploy whose lock file lacks a plan says which runs wait for one that has it."""
    v2 = project.loaded(release=False, **V2)
    async with deployments.serving(v2) as deployed:
        runs = [(await deployed.gate(v2, note(v2)))[0] for _ in range(2)]
    v1 = project.loaded(**V1)
    (said,) = await found(await deployments.calling(), v1, 2)
    assert (said.kind, said.plan, set(said.runs)) == ("missing", v2.plan.digest[:16], {run.id for run in runs})
    assert said.said == f"Plan {v2.plan.digest[:12]} of letter is not in this deploy; 2 runs wait for one that has it."
    for run in runs:
        await run.handle.terminate("the test has ended")


async def test_rollout_with_two_versions_at_once_ends_every_run_on_its_own_plan(
    deployments: Deployments, project: Project
) -> None:
    """Workers of both versions on one queue: runs of either are begun, taken over and ended, whichever is asked."""
    folder, older = str(project.folder), Project(project.folder / "older")
    older.folder.mkdir()
    letter, later = project.loaded(release=False, **V1), project.loaded(release=False, **V2)
    older.write(**V1)
    await older.lock()
    project.write(**V1)
    await project.lock()
    project.write(**V2)
    await project.lock()
    deployed = await deployments.calling()
    async with (
        deployments.process(SERVE, str(older.folder)) as old,
        deployments.process(SERVE, folder) as new,
    ):
        digests = [(await worker.says("ready")).split()[1] for worker in (old, new)]
        runs = [(await deployed.gate(letter, note(letter)))[0] for _ in range(6)]
        held = {run.id: (await run.state()).plan for run in runs}
        assert set(held.values()) <= set(digests)
        for run in runs:
            await run.approve((await waiting(run)).number)
        ended = {run.id: str((await run.result()).text) for run in runs}
    assert ended == {id: "a polished" if plan == letter.plan.digest else "a stamped" for id, plan in held.items()}
    assert digests == [letter.plan.digest, later.plan.digest]
