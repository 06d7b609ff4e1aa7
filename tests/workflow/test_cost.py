"""What a stage adds to the history of its run, of which the server takes no more than so much."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from unittest.mock import Mock

import pytest
from pydantic import BaseModel
from temporalio import activity
from temporalio import workflow as temporal
from temporalio.api.history.v1 import HistoryEvent

from gatework import Pass, Retry, Verdict, stage, workflow
from gatework.proof import ledger
from tests.workflow.deployment import Deployments, events

STAGES = 10
MOST_LEDGER_BYTES = 1_200
"""What a stage may add to what an activity by hand does; a signature, where workers have keys, takes 110 more."""
MOST_TIMES = 1.5
"""The same as a ratio, of values of 1 KB."""


class Work(BaseModel):
    number: int
    text: str


def is_positive(work: Work) -> Verdict:
    """A guard."""
    return Pass() if work.number > 0 else Retry("The number is positive.")


def has_text(work: Work) -> Verdict:
    """Another."""
    return Pass() if work.text else Retry("There is text.")


@stage(is_positive, has_text)
async def step(work: Work) -> Work:
    return work.model_copy(update={"number": work.number + 1})


@workflow
def weighed(work: Work) -> Work:
    one = step(work)
    two = step(one)
    three = step(two)
    four = step(three)
    five = step(four)
    six = step(five)
    seven = step(six)
    eight = step(seven)
    nine = step(eight)
    return step(nine)


@activity.defn
async def by_hand_step(work: Work) -> Work:
    return work.model_copy(update={"number": work.number + 1})


@temporal.defn(name="by_hand", sandboxed=False)
class ByHand:
    @temporal.run
    async def run(self, work: Work) -> Work:
        for _ in range(STAGES):
            work = await temporal.execute_activity(by_hand_step, work, start_to_close_timeout=timedelta(minutes=1))
        return work


async def test_stage_adds_to_the_history_what_its_receipt_needs_and_no_more(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an activity by hand that gives the same: no event, less than 1.2 KB, and half as much again of 1 KB.

    Nor does a run chain its ledger for nobody, which took a fifth of its time in the workflow.
    """
    chained = Mock(side_effect=ledger._digest)
    monkeypatch.setattr(ledger, "_digest", chained)
    served = {"workflows": [ByHand], "activities": [by_hand_step]}
    work = Work(number=1, text="x" * 950)
    async with deployments.serving(weighed, worker=served) as deployed:
        run = await deployed.start(weighed, work)
        await run.result()
        chained.assert_not_called()
        id = f"by-hand-{uuid.uuid4()}"
        await deployed.client.execute_workflow(ByHand.run, work, id=id, task_queue=deployed.queue)
        ours = await events(run)
        theirs = (await deployed.client.get_workflow_handle(id).fetch_history()).events
    # The marker that pins the plan, and the search attributes.
    assert len(ours) - len(theirs) == 2
    assert _tasks(ours) == _tasks(theirs)
    weights = [sum(event.ByteSize() for event in of) / STAGES for of in (ours, theirs)]
    assert weights[0] - weights[1] < MOST_LEDGER_BYTES
    assert weights[0] / weights[1] < MOST_TIMES


def _tasks(history: Sequence[HistoryEvent]) -> int:
    return sum(event.HasField("workflow_task_completed_event_attributes") for event in history)
