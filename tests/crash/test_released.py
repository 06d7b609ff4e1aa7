"""Every plan that was released can still be finished: histories recorded under it replay on this engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from gatework.temporal import GateworkPlugin
from tests.crash import record
from tests.crash.scenes import SCENES
from workflows.refund import refund

RECORDED = sorted(record.FOLDER.glob("*/*.json"))
SETTINGS = {scene.name: scene.continue_after_events for scene in SCENES}


def replaying(name: str) -> Replayer:
    after = SETTINGS.get(name, SETTINGS["plain"])
    return Replayer(workflows=[], plugins=[GateworkPlugin(refund, continue_after_events=after)])


def test_every_released_plan_has_its_histories() -> None:
    """A plan in the lock file without them could break for runs in flight, and nobody would know."""
    for digest in record.released():
        found = sorted(path.stem for path in record.place_of(digest).glob("*.json"))
        newest = digest == record.released()[-1]
        how = "run `make histories`" if newest else "check out the commit that released it and run `make histories`"
        assert found == record.names(), f"Plan {digest[:12]} of refund lacks its histories: {how}, and commit them."


def test_no_history_is_of_a_plan_that_was_never_released() -> None:
    """What the lock file does not name is no promise to anybody."""
    known = {record.place_of(digest).name for digest in record.released()}
    assert {path.parent.name for path in RECORDED} == known


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name[:6]}-{path.stem}")
async def test_history_of_a_released_plan_replays(path: Path) -> None:
    """A run that began under this plan, hit by a kill or not, goes on where it stood."""
    history = WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))
    await replaying(path.stem).replay_workflow(history)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name[:6]}-{path.stem}")
def test_history_names_its_plan(path: Path) -> None:
    """The marker in it is that of the folder: it proves something about this plan and no other."""
    history = WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))
    markers = [event for event in history.events if event.HasField("marker_recorded_event_attributes")]
    assert any(f"plan-{path.parent.name}".encode() in marker.SerializeToString() for marker in markers)


async def test_history_that_was_changed_does_not_replay() -> None:
    """The replay is no empty check: with another stage in the history it fails."""
    path = record.place_of(record.released()[-1]) / "plain.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for event in document["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled and scheduled["activityType"]["name"].endswith("assess"):
            scheduled["activityType"]["name"] = "another"
    with pytest.raises(Exception, match="another"):
        await replaying("plain").replay_workflow(WorkflowHistory.from_json("plain", json.dumps(document)))
