"""Replay: histories that were recorded once replay on the engine as it is, so that runs in flight go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from gatework.releases import lock
from gatework.temporal import GateworkPlugin
from tests.workflow.record import FOLDER, PLANS, SCENES

RECORDED = sorted(path for path in FOLDER.glob("*.json") if not path.name.endswith(".lock.json"))


@pytest.fixture(autouse=True)
def locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plans as they were released when the histories were recorded."""
    monkeypatch.setattr(lock, "path_of", lambda plan: FOLDER / f"{plan.name}.lock.json")


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded_history_replays(path: Path) -> None:
    """A run recorded by an earlier engine does the same on this one."""
    replayer = Replayer(workflows=[], plugins=[GateworkPlugin(*PLANS)])
    await replayer.replay_workflow(WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8")))


async def test_history_of_another_plan_does_not_replay() -> None:
    """The replay is no empty check: without the plan, it fails and says what is missing."""
    history = WorkflowHistory.from_json("completed", (FOLDER / "completed.json").read_text(encoding="utf-8"))
    replayer = Replayer(workflows=[], plugins=[GateworkPlugin(PLANS[0])])
    with pytest.raises(Exception, match="signed"):
        await replayer.replay_workflow(history)


def test_every_scene_is_recorded() -> None:
    """Each scene has its file, and each file its scene."""
    assert [path.stem for path in RECORDED] == sorted(scene.__name__ for scene in SCENES)
