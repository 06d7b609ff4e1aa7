"""Deploys: a run finishes on the plan it started with, or waits for it with a clear message."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from gatework.errors import ConfigError, DecisionError
from gatework.releases.library import Library
from gatework.temporal import Execution, GateworkPlugin
from tests.workflow.deployment import Deployed, Deployments, events, task_after, until, waiting
from tests.workflow.project import SERVE, Project

V1: dict[str, Any] = {"last": "polish"}
V2: dict[str, Any] = {"last": "stamp", "hours": 2}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / f"project_{tmp_path.name}"
    folder.mkdir()
    return Project(folder)


async def _stuck(run: Execution[Any]) -> str:
    """What the last workflow task of a run failed with."""

    async def message() -> str:
        failed = [e for e in await events(run) if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED]
        return failed[-1].workflow_task_failed_event_attributes.failure.message if failed else ""

    return str(await until(message, "a workflow task that failed"))


async def _text(run: Execution[Any]) -> str:
    return str((await run.result()).text)


# -- on disk, with worker processes ----------------------------------------------------------------


async def test_deploy_of_a_second_version_leaves_runs_in_flight_on_the_first(
    deployments: Deployments, project: Project
) -> None:
    """v1 waits at a gate, v2 is deployed with v1 in its lock file: the run ends on v1's stages, new runs take v2's."""
    folder = str(project.folder)
    deployed = await deployments.calling()
    project.write(**V1)
    await project.lock()
    async with deployments.process(SERVE, folder) as first:
        v1 = (await first.says("ready")).split()[1]
        letter = Project(project.folder).loaded(release=False, **V1)
        run, _ = await deployed.gate(letter, _note(letter))
    project.write(**V2)
    await project.lock()
    async with deployments.process(SERVE, folder) as second:
        v2 = (await second.says("ready")).split()[1]
        assert v1 != v2
        new, asked = await deployed.gate(letter, _note(letter))
        assert ((await run.state()).plan, (await new.state()).plan) == (v1, v2)
        await run.approve((await waiting(run)).number)
        await new.approve(asked.number)
        assert (await _text(run), await _text(new)) == ("a polished", "a stamped")


async def test_rollback_leaves_a_run_of_the_newer_plan_waiting_until_it_is_back(
    deployments: Deployments, project: Project
) -> None:
    """v2 waits at a gate, v1 is deployed alone: the run says what it needs, and goes on when v2 is back."""
    folder = str(project.folder)
    deployed = await deployments.calling()
    letter = Project(project.folder).loaded(release=False, **V2)
    project.write(**V2)
    async with deployments.process(SERVE, folder) as newer:
        await newer.says("ready")
        run, asked = await deployed.gate(letter, _note(letter))
    project.write(**V1)
    async with deployments.process(SERVE, folder) as older:
        await older.says("ready")
        await run.handle.signal("wake")
        assert "has not the plan that the run is held to; deploy it again" in await _stuck(run)
    project.write(**V2)
    async with deployments.process(SERVE, folder) as back:
        await back.says("ready")

        async def taken() -> bool:
            with suppress(RPCError):  # its workflow task is tried again in a moment
                await run.approve(asked.number)
                return True
            return False

        await until(taken, "the run is back")
        assert await _text(run) == "a stamped"


def _note(letter: Any) -> Any:
    return letter.input.annotation(text="a")


# -- in this process, one version after another ----------------------------------------------------


async def test_stage_that_left_the_plan_is_found_by_its_code_path(deployments: Deployments, project: Project) -> None:
    """A stage and a guard that the newer plan does not use are found where the lock file says they are."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
    v2 = project.loaded(**V2)
    assert "polish" not in v2.definitions
    async with deployments.serving(v2):
        await run.approve(asked.number)
        assert await _text(run) == "a polished"


async def test_changed_contract_makes_the_run_wait_and_say_why(deployments: Deployments, project: Project) -> None:
    """Code that no longer keeps to a sealed contract runs nothing of that plan, and says so; the old code goes on."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
    v2 = project.loaded(**V2, field="sheets: int = 1")
    async with deployments.serving(v2) as later:
        assert "gives another type than when the plan was sealed" in (await run.state()).note
        with pytest.raises(DecisionError, match="cannot run on this deploy"):
            await run.approve(asked.number)
        new, _ = await later.gate(v2, _note(v2))
        assert (await new.state()).plan == v2.plan.digest
    async with deployments.serving(v1):
        await run.approve(asked.number)
        assert await _text(run) == "a polished"


async def test_continued_run_keeps_its_plan_its_gate_and_its_expiry(deployments: Deployments, project: Project) -> None:
    """Across continue-as-new and a deploy: the same plan, the same gate and number, the same time to answer."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1, continue_after_events=9) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
        first, *_ = await events(run)
        assert first.workflow_execution_started_event_attributes.continued_execution_run_id
        lineage = first.workflow_execution_started_event_attributes.first_execution_run_id
    v2 = project.loaded(**V2)
    async with deployments.serving(v2, continue_after_events=9):
        again = await waiting(run)
        assert again == asked
        assert (await run.state()).plan == v1.plan.digest
        await run.approve(asked.number)
        assert await _text(run) == "a polished"
        ledger = await run.ledger()
        assert [entry.sequence for entry in ledger] == list(range(1, len(ledger) + 1))
        first, *_ = await events(run)
        assert first.workflow_execution_started_event_attributes.first_execution_run_id == lineage


async def test_continued_run_waits_for_its_plan(deployments: Deployments, project: Project) -> None:
    """A continued run whose plan is in no lock file names it and waits."""
    v1 = project.loaded(release=False, **V1)
    async with deployments.serving(v1, continue_after_events=9) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
    v2 = project.loaded(release=False, **V2)
    async with deployments.serving(v2):
        await run.handle.signal("wake")
        assert f"Plan {v1.plan.digest[:12]} of letter is not in this deploy" in await _stuck(run)
    async with deployments.serving(v1):
        await run.approve(asked.number)
        assert await _text(run) == "a polished"


async def test_reset_to_the_first_task_keeps_the_plan(deployments: Deployments, project: Project) -> None:
    """A run that is reset to its beginning has lost its marker, and finds its plan in the run before."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, asked = await deployed.gate(v1, _note(v1))
        await run.approve(asked.number)
        await run.result()
    v2 = project.loaded(**V2)
    async with deployments.serving(v2) as later:
        for _ in range(2):  # a reset of a reset, too
            await later.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
            asked = await waiting(run)
            assert (await run.state()).plan == v1.plan.digest
        await run.approve(asked.number)
        assert await _text(run) == "a polished"


async def test_reset_whose_first_run_is_gone_fails_instead_of_guessing(
    deployments: Deployments, project: Project
) -> None:
    """Where the run before is gone, its plan is not guessed: the run fails and says so."""
    v1 = project.loaded(**V1)
    async with deployments.serving(v1) as deployed:
        run, _ = await deployed.gate(v1, _note(v1))
        original = (await run.handle.describe()).run_id
    calling = await deployments.calling()
    await calling.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    await _deleted(calling, run.id, original)
    async with deployments.serving(v1):
        assert "plan with it; start a new run" in str(await end_with_cause(run))


async def end_with_cause(run: Execution[Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await run.result()
    error: BaseException = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    return error


async def _deleted(deployed: Deployed, id: str, run_id: str) -> None:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

    await deployed.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace="default", workflow_execution=WorkflowExecution(workflow_id=id, run_id=run_id)
        )
    )

    async def gone() -> bool:
        try:
            await deployed.client.get_workflow_handle(id, run_id=run_id).describe()
        except RPCError:
            return True
        return False

    await until(gone, "the run before is gone")


async def test_tampered_lock_file_is_refused_at_start(project: Project) -> None:
    """A lock file that was changed by hand is refused with its name and what to do."""
    project.loaded(**V1)
    v2 = project.loaded(**V2)
    whole = json.loads(project.lock_file.read_text())
    assert len(whole["plans"]) == 2

    def without_approval(lock: Any) -> None:
        lock["plans"][0]["plan"]["nodes"][1]["role"] = "anyone"

    def other_code(lock: Any) -> None:
        lock["plans"][0]["code"]["stage:polish"] = lock["plans"][0]["code"]["stage:write"]

    def other_workflow(lock: Any) -> None:
        lock["workflow"] = "other"

    def more(lock: Any) -> None:
        lock["plans"][0]["note"] = "trust me"

    for change in (without_approval, other_code, other_workflow, more):
        lock = json.loads(json.dumps(whole))
        change(lock)
        project.lock_file.write_text(json.dumps(lock))
        with pytest.raises(ConfigError, match=r"letter\.lock\.json"):
            GateworkPlugin(v2)
    project.lock_file.write_text(json.dumps(whole))
    assert [known.problem for known in Library([v2]).plans("letter")] == ["", ""]
