"""Records the histories of released plans: `make histories`, for the plan that `workflows/refund.lock.json` names last.

A release is what runs in flight were started with, so each plan in the lock file keeps the histories that were recorded
when it was the newest; `tests/crash/test_released.py` replays them on every later engine. Some of the runs were hit by
kills. Histories of plans that the lock file does not name any more are taken away.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from gatework.releases import lock
from gatework.temporal import leave
from tests.crash import campaign
from tests.crash.campaign import Report
from tests.crash.judge import Ended
from tests.crash.kills import WAITING, Kill
from tests.crash.scenes import ABORTED, CANCELLED, CONTINUED, EVENTFUL, PLAIN, REJECTED, STRANGER
from workflows.refund import refund

FOLDER = Path(__file__).parents[1] / "replay" / "released"
ROOT = Path(__file__).parents[2]

ALONE = (PLAIN, EVENTFUL, STRANGER, REJECTED, ABORTED, CANCELLED, CONTINUED)
"""Scenes that are recorded as they go undisturbed."""

HIT = {
    "worker-killed-in-its-beginning": Kill(STRANGER, "gatework.begin: taken by a worker"),
    "worker-killed-before-work": Kill(PLAIN, "extract: taken by a worker"),
    "worker-killed-in-a-guard": Kill(PLAIN, "draft: guard apologises"),
    "worker-killed-after-payment": Kill(PLAIN, "tool.refund_order: refund_order done"),
    "worker-killed-before-report": Kill(PLAIN, "tool.send_mail: ended and not reported"),
    "worker-killed-before-it-goes-on": Kill(PLAIN, "run: accepted acted receipt"),
    "worker-killed-in-a-task": Kill(PLAIN, "run: accepted output receipt"),
    "worker-killed-after-a-task": Kill(PLAIN, "run: task done and not reported, after asking for pay"),
    "worker-killed-in-an-approval": Kill(EVENTFUL, "run: approve taken"),
    "worker-killed-while-a-person-thinks": Kill(REJECTED, f"{WAITING}agreed, approval"),
    "server-killed-in-a-payment": Kill(PLAIN, "tool.refund_order: inside the bank's transaction", victim="server"),
    "both-killed-in-a-delivery": Kill(PLAIN, "tool.send_mail: inside the delivery", victim="both"),
}
"""Runs that are hit, by the name of their history."""


def names() -> list[str]:
    """The histories that each released plan has."""
    return sorted([*(scene.name for scene in ALONE), *HIT])


def place_of(digest: str) -> Path:
    """Where the histories of a plan lie."""
    return FOLDER / digest[:16]


def released() -> list[str]:
    """The digests of the plans in the lock file of the refund, oldest first."""
    found = lock.released(refund)
    return [locked.digest for locked in found.plans] if found else []


async def record() -> int:
    """Play every scene anew and keep its history. 1 where a run did not end as it must, or the lock file is behind."""
    digests = released()
    if digests[-1:] != [refund.plan.digest]:
        print("The lock file does not name the plan of the code; run `gatework plan lock` first.", file=sys.stderr)
        return 1
    report = Report(seed=0)
    ended: dict[str, Ended] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with campaign.deployments(Path(folder), 1) as [cluster]:
            alone = {scene.name: await campaign.undisturbed(cluster, scene) for scene in ALONE}
            ended.update({name: each.ended for name, each in alone.items()})
            for name, kill in HIT.items():
                done, _ = await campaign.strike(cluster, kill, alone[kill.scene.name].ended, report)
                if done is not None:
                    ended[name] = done
    for problem in report.violations:
        print(problem, file=sys.stderr)
    if report.violations:
        return 1
    place = place_of(refund.plan.digest)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, each in ended.items():
        # The process and the machine are nobody's business.
        text = re.sub(rf"\d+@{re.escape(socket.gethostname())}", "worker", each.histories[-1].to_json())
        text = json.dumps(json.loads(text), separators=(",", ":"))
        (place / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    for other in FOLDER.iterdir():
        if other.name not in {digest[:16] for digest in digests}:
            shutil.rmtree(other)
    print(f"{len(ended)} histories of plan {refund.plan.digest[:12]} are in {place.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    leave(asyncio.run(record()))
