"""Moving a run to another plan on purpose: on the real server, across deploys, stuck or not."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import DecisionError
from gatework.proof.ledger import broken_at
from gatework.temporal import Execution
from gatework.temporal.workflow import interpreter
from tests.workflow.deployment import Deployments, count, events, payload, refused, task_after, until, waiting
from tests.workflow.project import Project

V1: dict[str, Any] = {"last": "polish"}
V2: dict[str, Any] = {"last": "stamp", "hours": 2}
NAMELESS = ["", "latest", "../x", "0" * 11, "0" * 65, "ABCDEF012345", "é" * 12]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    return Project(folder)


def _note(letter: Any) -> Any:
    return letter.input.annotation(text="a")


async def _marker(run: Execution[Any]) -> list[str]:
    described = await run.handle.describe()
    return [str(one) for one in described.search_attributes.get("TemporalChangeVersion", []) if "plan-" in str(one)]


async def test_run_is_moved_to_the_plan_of_a_later_deploy(deployments: Deployments, project: Project) -> None:
    """It keeps what both plans share, asks anew, names the new plan to Temporal, and ends by its stages."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, before = await deployed.gate(v1, _note(v1))
    v2 = project.loaded(**V2)
    async with deployments.serving(v2):
        assert (await run.state()).plan == v1.plan.digest
        told = await run.move()
        assert (told["from"], told["to"], told["refused"]) == (v1.plan.digest, v2.plan.digest, "")
        assert (told["kept"], told["again"], told["void"]) == (["paper"], [], [])
        assert any("stamp" in change["what"] for change in told["changes"])
        said = await run.migrate(v2.plan.digest, by="Ada", note="Stamps now.")
        assert said == f"migrate taken: the run goes on with plan {v2.plan.digest[:12]}."

        async def there() -> bool:
            return (await run.state()).plan == v2.plan.digest

        await until(there, "the run is on the new plan")
        asked = await waiting(run)
        assert (asked.gate, asked.node) == (before.gate + 1, before.node)
        assert await _marker(run) == [f"plan-{v2.plan.digest[:16]}"]
        with pytest.raises(DecisionError, match="not the number"):
            await run.approve(before.number)
        await run.approve(asked.number)
        assert (await run.result()).text == "a stamped"
        ledger = await run.ledger()
        assert broken_at(ledger) is None
        [moved] = [entry.receipt for entry in ledger if entry.receipt.kind == "migrated"]
        assert (moved.by, moved.reason) == ("Ada", "Stamps now.")
        assert moved.shown == {"from": v1.plan.digest, "to": v2.plan.digest}
        assert await count(run, "WORKFLOW_TASK_FAILED") == 0


async def test_moved_run_outlives_workers_and_resets(deployments: Deployments, project: Project) -> None:
    """It stays on its plan when another worker takes it over, and when it is reset to its first task."""
    v1 = project.loaded(**V1)
    v2 = project.loaded(**V2)
    async with deployments.serving(v2) as deployed:
        run, _ = await deployed.gate(v2, _note(v2))
        await run.migrate(v1.plan.digest)

        async def there() -> bool:
            return (await run.state()).plan == v1.plan.digest

        await until(there, "the run is on the older plan")
    async with deployments.serving(v2) as later:
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a polished"
        await later.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
        asked = await waiting(run)
        assert (await run.state()).plan == v1.plan.digest
        await run.approve(asked.number)
        assert (await run.result()).text == "a polished"


async def test_run_that_this_deploy_cannot_run_is_moved(deployments: Deployments, project: Project) -> None:
    """A contract changed, so that the code runs the locked plan no more: the run says so, ends or can be moved."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
        other, _ = await deployed.gate(v1, _note(v1))
    v2 = project.loaded(**V2, field="sheets: int = 1")
    async with deployments.serving(v2):
        assert "gives another type than when the plan was sealed" in (await run.state()).note
        with pytest.raises(DecisionError, match=r"cannot run on this deploy.*gatework migrate"):
            await run.approve(asked.number)
        await other.abort("Enough.")
        told = await run.move()
        assert (told["kept"], told["again"]) == ([], ["paper"])
        assert await run.move(v2.plan.digest[:16]) == told
        await run.migrate(v2.plan.digest, by="Ada")

        async def there() -> bool:
            return (await run.state()).plan == v2.plan.digest

        await until(there, "the run is on the new plan")
        await run.approve((await waiting(run)).number)
        result: Any = await run.handle.result()
        assert result.payload.data == b'{"sheets":1,"text":"a stamped"}'


@pytest.mark.parametrize("place", ["WORKFLOW_EXECUTION_STARTED", "ACTIVITY_TASK_COMPLETED"])
async def test_run_without_code_before_a_stage_is_moved(deployments: Deployments, project: Project, place: str) -> None:
    """A stage is due that no code of this deploy runs: the run says so and starts nothing, until it is moved."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
        await run.approve(asked.number)
        await run.result()
    v2 = project.loaded(**V2, field="sheets: int = 1")
    async with deployments.serving(v2) as later:
        await later.reset(run, await task_after(run, place))

        async def says() -> bool:
            return "cannot run on this deploy" in (await run.state()).note

        await until(says, "the run says what it lacks")
        assert (await run.state()).plan == v1.plan.digest
        await run.migrate(v2.plan.digest)
        await run.approve((await waiting(run)).number)
        result: Any = await run.handle.result()
        assert result.payload.data == b'{"sheets":1,"text":"a stamped"}'


async def test_run_without_code_goes_on_after_the_next_deploy(
    deployments: Deployments, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks again by itself, and replays on a worker that has the code what one without it had done."""
    monkeypatch.setattr(interpreter, "LOOK_AGAIN", timedelta(seconds=2))
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
        await run.approve(asked.number)
        await run.result()
    v2 = project.loaded(**V2, field="sheets: int = 1")
    async with deployments.serving(v2) as later:
        await later.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))

        async def waits() -> bool:
            return await count(run, "TIMER_STARTED") >= 2

        await until(waits, "the run looks again")
    async with deployments.serving(v1):
        while (progress := await run.waiting()).waiting:
            await run.approve(progress.waiting.number)
        assert (await run.result()).text == "a polished"


async def test_move_while_a_stage_runs_waits_for_its_end(deployments: Deployments, project: Project) -> None:
    """A stage is never cut off by it: the move is kept until the next boundary."""
    v1 = project.loaded(**V1)
    v2 = project.loaded(**V2)
    gate = asyncio.Event()
    stage: Any = next(d for d in v2.definitions.values() if d.name == "write")
    whole = stage.function

    async def slow(note: Any) -> Any:
        await asyncio.wait_for(gate.wait(), 30)
        return await whole(note)

    stage.function = slow
    async with deployments.serving(v2) as deployed:
        run = await deployed.start(v2, _note(v2))

        async def runs() -> bool:
            nodes = (await run.state()).nodes
            return bool(nodes) and nodes[0].status == "running"

        await until(runs, "the stage runs")
        said = await run.migrate(v1.plan.digest)
        assert said == f"migrate taken: the run goes on with plan {v1.plan.digest[:12]} once paper has ended."
        with pytest.raises(DecisionError, match="being moved already"):
            await run.migrate(v1.plan.digest)
        gate.set()
        await run.approve((await waiting(run)).number)
        assert (await run.result()).text == "a polished"
        kinds = [entry.receipt.kind for entry in await run.ledger()]
        assert kinds[:4] == ["begun", "output", "asked", "migrated"]


@pytest.mark.parametrize("to", NAMELESS)
async def test_hostile_names_of_plans_are_refused(deployments: Deployments, project: Project, to: str) -> None:
    """Nothing but the first digits of a plan that this deploy has moves a run, and nothing typed comes back."""
    v1 = project.loaded(**V1)
    deployed = await deployments.serve(v1)
    run, _ = await deployed.gate(v1, _note(v1))
    with pytest.raises(DecisionError, match=r"digest|printable|begins with|Name the plan"):
        await run.migrate(to)
    assert (await run.state()).plan == v1.plan.digest


async def test_hostile_data_moves_nothing(deployments: Deployments, project: Project) -> None:
    """Wrong types, unknown fields, what is no JSON, and plans of nobody are refused in a sentence without a trace."""
    v1 = project.loaded(**V1)
    v2 = project.loaded(**V2)
    deployed = await deployments.serve(v2)
    run, _ = await deployed.gate(v2, _note(v2))
    digest = v1.plan.digest.encode()
    before = len(await events(run))
    for sent in (
        b"", b"{", b"7", b"true", b"[]", b'{"to": 7}', b'{"to": ["' + digest + b'"]}', b'{"to": null}',
        b'{"to": "' + digest + b'", "force": true}', b'{"to": "' + digest + b'", "by": 7}',
        b'{"to": "' + digest + b'", "to": "' + digest + b'"}', b'{"to": "' + digest + b'", "note": "\\u0007"}',
        b'{"to": "' + b"0" * 64 + b'"}', b'"' + v2.plan.digest.encode() + b'"',
    ):  # fmt: skip
        refused(await deployed.update_raw(run, "migrate", payload(sent)), "force")
    refused(await deployed.update_raw(run, "migrate", payload(b'"' + digest + b'"'), payload(b"1")))
    refused(await deployed.update_raw(run, "migrate"))
    assert (await run.state()).plan == v2.plan.digest
    assert len(await events(run)) - before < 3
