"""Logs: a stage says what it does once, and none of the values."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from tests.workflow.deployment import Deployments, waiting
from tests.workflow.plans import RETRY, Note, signed, single, world

SECRET = "VALUE-OF-A-CUSTOMER"


async def test_logs_hold_no_values_and_are_not_repeated_by_a_replay(deployments: Deployments) -> None:
    """Each attempt is logged when it runs; a worker that replays the run says nothing, and no value is in a log."""
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with deployments.serving(single, signed) as deployed:
            world.verdicts = [RETRY]
            run = await deployed.start(single, Note(text=SECRET))
            await run.result()
            gated, asked = await deployed.gate(signed, Note(text=SECRET))
    started = [log for log in logs if log["event"] == "stage started"]
    assert [log["attempt"] for log in started if log["run"] == run.id] == [1, 2]
    assert SECRET not in repr(logs)
    with capture_logs() as replayed:
        async with deployments.serving(single, signed):
            await run.ledger()
            await waiting(gated)
            await gated.approve(asked.number)
            await gated.result()
    assert [log["event"] for log in replayed] == ["stage started", "stage finished"]  # that of `file`, and no other
    assert SECRET not in repr(replayed)
