"""Tasks that somebody else puts into a queue: the activity refuses whatever the plan does not ask for there."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow as temporal_workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from gatework.plan.plan import Work
from gatework.run.journal import Call, key_of
from gatework.run.state import Act
from gatework.temporal.transport.payloads import data_of, raw
from gatework.temporal.workflow.acting import ActTask
from gatework.values import wire
from tests.workflow.deployment import Deployments
from tests.workflow.plans import refund, world

LINEAGE = "default/stolen/run"
ARGUMENTS = {"order": "A-1", "amount": "12.50"}


def _task(**changes: Any) -> ActTask:
    node = refund.plan.nodes[refund.plan.index["pay"]] if "pay" in refund.plan.index else refund.plan.nodes[-1]
    assert isinstance(node, Work)
    use = node.tools[0]
    key = key_of(use, ARGUMENTS, node=node.name, lineage=LINEAGE)
    call = Call(id="a" * 64, tool=use.name, arguments=ARGUMENTS, key=key)
    act = Act(plan=refund.plan.digest, node=node.name, attempt=1, call=call)
    of_call = {name: value for name, value in changes.items() if name in ("tool", "arguments", "key")}
    of_act = {name: value for name, value in changes.items() if name not in of_call}
    act = dataclasses.replace(act, call=dataclasses.replace(call, **of_call), **of_act)
    return ActTask(lineage=LINEAGE, act=act)


FOREIGN: Mapping[str, tuple[str, str, Callable[[], bytes]]] = {
    "a run of another workflow": ("Stranger", "tool.transfer", lambda: wire.encode(_task())),
    "a plan that nobody knows": ("refund", "tool.transfer", lambda: wire.encode(_task(plan="0" * 64))),
    "a stage that holds no tool": ("refund", "tool.transfer", lambda: wire.encode(_task(node="owed"))),
    "a stage that is none": ("refund", "tool.transfer", lambda: wire.encode(_task(node="nowhere"))),
    "a tool of another plan": ("refund", "tool.transfer", lambda: wire.encode(_task(tool="hand_over"))),
    "arguments that break the contract": (
        "refund", "tool.transfer", lambda: wire.encode(_task(arguments={**ARGUMENTS, "amount": 12.5})),
    ),
    "a key that is not its own": ("refund", "tool.transfer", lambda: wire.encode(_task(key="b" * 64))),
    "no key": ("refund", "tool.transfer", lambda: wire.encode(_task(key=""))),
    "a call as a stage": ("refund", "stage.pay", lambda: wire.encode(_task())),
    "no task at all": ("refund", "tool.transfer", lambda: b'{"pay": "me"}'),
}  # fmt: skip


class _Foreign:
    @temporal_workflow.run
    async def run(self, type_: str, message: RawValue, queue: str) -> str:
        await temporal_workflow.execute_activity(
            type_,
            raw(data_of(message) or b""),
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        return "done"


@temporal_workflow.defn(name="Stranger", sandboxed=False)
class _Stranger(_Foreign):
    @temporal_workflow.run
    async def run(self, type_: str, message: RawValue, queue: str) -> str:
        return await super().run(type_, message, queue)


@temporal_workflow.defn(name="refund", sandboxed=False)
class _Impostor(_Foreign):
    @temporal_workflow.run
    async def run(self, type_: str, message: RawValue, queue: str) -> str:
        return await super().run(type_, message, queue)


@pytest.mark.parametrize("what", FOREIGN)
async def test_task_that_no_run_of_the_plan_asks_for_is_not_done(deployments: Deployments, what: str) -> None:
    """Whoever may start workflows can put it there; the worker with the effect refuses before it does anything."""
    name, type_, message = FOREIGN[what]

    deployed = await deployments.serve(refund)
    bare = await deployments.client(data_converter=deployed.client.data_converter)
    elsewhere = f"foreign-{uuid.uuid4()}"
    async with Worker(bare, task_queue=elsewhere, workflows=[_Stranger, _Impostor]):
        with pytest.raises(WorkflowFailureError) as failure:
            await bare.execute_workflow(
                name, args=[type_, raw(message()), deployments.queue], id=f"f-{uuid.uuid4()}", task_queue=elsewhere
            )
    cause = failure.value.cause
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, ApplicationError)
    assert (cause.cause.type or "").startswith("gatework."), cause.cause
    assert world.paid == {}
