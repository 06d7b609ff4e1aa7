"""Results from a worker that lies: refused by the machine, seen in the ledger, bounded by the attempts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from gatework.run.events import Failed, Finished, Given, Result
from gatework.temporal import GateworkPlugin
from gatework.temporal.transport.messages import Task, answered
from gatework.temporal.transport.payloads import data_of, raw
from gatework.temporal.worker.activities import activities
from gatework.temporal.workflow.attempt import activity_type
from gatework.temporal.workflow.definition import workflow_class
from gatework.temporal.workflow.pin import begin
from gatework.values import wire
from gatework.values.canonical import Sealed
from gatework.values.contract import contract
from tests.workflow.deployment import Deployed, Deployments, count, outside_payloads, payload, waiting
from tests.workflow.plans import Note, Paper, refund_cash, single, work
from tests.workflow.test_hostile_updates import ENCODINGS, HOSTILE, MARK


def _honest(task: Task) -> Finished:
    output = Sealed.of({"text": "lies", "pages": 1}, b"1" * 16)
    return Finished(
        plan=task.run.plan,
        node=task.run.node,
        attempt=task.run.attempt,
        inputs=task.run.inputs_digest,
        contract=contract(Paper).digest,
        output=output,
        verdicts=(Given(guard="judged", on=output.digest, verdict="pass"),),
    )


def _written(task: Task) -> Any:
    """An honest result as the message that it is."""
    return json.loads(answered(_honest(task)))


def _failure(task: Task) -> Any:
    run = task.run
    failed = Failed(
        plan=run.plan, node=run.node, attempt=run.attempt, inputs=run.inputs_digest, failure="error", reason=MARK
    )
    return json.loads(answered(failed))["failed"]


Lie = Callable[[Task], object]


def _but(**changes: Any) -> Lie:
    return lambda task: dataclasses.replace(_honest(task), **changes)


def _of_value(value: Any) -> Lie:
    """An honest result, but for a value that breaks the contract."""
    sealed = Sealed.of(value, b"1" * 16)
    return _but(output=sealed, verdicts=(Given(guard="judged", on=sealed.digest, verdict="pass"),))


LIES: Mapping[str, Lie] = {
    "another plan": _but(plan="0" * 64),
    "another stage": _but(node="pay"),
    "another attempt": _but(attempt=99),
    "an attempt before the first": _but(attempt=0),
    "other inputs": _but(inputs="0" * 64),
    "another contract": _but(contract="0" * 64),
    "no verdict": _but(verdicts=()),
    "one verdict too many": lambda task: dataclasses.replace(_honest(task), verdicts=_honest(task).verdicts * 2),
    "a verdict of another guard": _but(verdicts=(Given(guard="other", on="0" * 64, verdict="pass"),)),
    "a verdict on another output": _but(verdicts=(Given(guard="judged", on="0" * 64, verdict="pass"),)),
    "another digest": _but(output=Sealed({"text": "b", "pages": 1}, "00" * 16, "0" * 64)),
    "how it came about, deeper than a receipt holds": _but(evidence={"calls": json.loads("[" * 60 + "]" * 60)}),
    "a salt that is none": _but(output=Sealed({"text": "b", "pages": 1}, MARK, "0" * 64)),
    "a value of another type": _of_value([MARK]),
    "a value without a field": _of_value({"text": MARK}),
    "a value with a field too many": _of_value({"text": "a", "pages": 1, MARK: 1}),
    "an input as output": lambda task: task,
    "nothing": lambda task: None,
    "text": lambda task: MARK,
    "a list": lambda task: [_written(task)] * 2,
    "no kind of result": lambda task: {},
    "two kinds of result": lambda task: {**_written(task), "failed": _failure(task)},
    "one kind of result under the name of another": lambda task: {"failed": _written(task)["finished"]},
    "a result as it is": lambda task: _written(task)["finished"],
    "an unknown field": lambda task: {"finished": {**_written(task)["finished"], MARK: 1}},
    "an unknown kind of result": lambda task: {**_written(task), MARK: 1},
    "a word that is no verdict": lambda task: json.loads(answered(_honest(task)).replace(b'"pass"', b'"fine"')),
    "text for a number": lambda task: {"finished": {**_written(task)["finished"], "attempt": "1"}},
}


class Liar:
    """Serves the activity of a stage, and answers with a lie."""

    def __init__(self, stage: str) -> None:
        self.lie: Lie = lambda task: None
        self.asked = 0
        self.stage = stage

        @activity.defn(name=activity_type(stage))
        async def answer(sent: RawValue) -> RawValue:
            self.asked += 1
            told = self.lie(wire.decode(Task, data_of(sent) or b"", what="task"))
            if isinstance(told, RawValue):
                return told
            return raw(answered(told) if isinstance(told, Result) else wire.encode(told))

        self.activity = answer


async def _served_by(liar: Liar, deployments: Deployments, *workflows: Any) -> tuple[Deployed, Worker]:
    """A worker whose workflows are honest, and whose activities are the liar's."""
    plugin = GateworkPlugin(*workflows)
    client = await Client.connect(deployments.address, plugins=[plugin])
    bare = await Client.connect(deployments.address, data_converter=client.data_converter)
    served = activities(plugin.library, model=None, seed=0)
    honest = [stage for name, stage in served.items() if name != activity_type(liar.stage)]
    worker = Worker(
        bare,
        task_queue=deployments.queue,
        workflows=[workflow_class(name, plugin.library) for name in plugin.library.workflows],
        activities=[liar.activity, begin, *honest],
    )
    return Deployed(client, deployments.queue), worker


async def test_lies_are_refused_visibly_and_boundedly(deployments: Deployments) -> None:
    """A result for anything but what was asked is refused, is in the ledger, and ends at a gate after the attempts."""
    liar = Liar("work")
    deployed, worker = await _served_by(liar, deployments, single)
    async with worker:
        for name, lie in LIES.items():
            liar.lie, liar.asked = lie, 0
            run, asked = await deployed.gate(single, Note(text="a"))
            assert asked.kind in ("exhausted", "blocked"), (name, asked)
            assert liar.asked == work.attempts, name
            refused = [entry.receipt for entry in await run.ledger() if entry.receipt.kind == "refused"]
            assert [receipt.action for receipt in refused] == ["refused"] * 3, (name, refused)
            assert await count(run, "WORKFLOW_TASK_FAILED") == 0, name
            assert MARK not in json.dumps([entry.receipt.reason for entry in await run.ledger()]), name
            assert MARK not in await outside_payloads(run), name
            await run.abort("Liar.")


async def test_garbage_for_a_result_never_sticks(deployments: Deployments) -> None:
    """Bytes that are no result, in whatever encoding, are refused like any other."""
    liar = Liar("work")
    deployed, worker = await _served_by(liar, deployments, single)
    garbage = {**{name: payload(data) for name, data in HOSTILE.items()}}
    garbage |= {f"encoding {n}": payload(MARK.encode(), encoding) for n, encoding in enumerate(ENCODINGS)}
    async with worker:
        for name, bad in garbage.items():
            liar.lie = lambda task, bad=bad: RawValue(bad)  # type: ignore[misc]
            run, asked = await deployed.gate(single, Note(text="a"))
            assert asked.kind == "exhausted", (name, asked)
            assert await count(run, "WORKFLOW_TASK_FAILED") == 0, name
            assert MARK not in "".join(asked.reasons), name


async def test_lie_of_a_stage_that_holds_an_effect_sends_nothing(deployments: Deployments) -> None:
    """What its worker says reaches no bank by itself: a refused result is a failed attempt, and no call was made."""
    liar = Liar("pay_cash")
    deployed, worker = await _served_by(liar, deployments, refund_cash)
    async with worker:
        for lie in (LIES["another attempt"], LIES["nothing"], LIES["a value of another type"]):
            liar.lie = lie
            run, asked = await deployed.gate(refund_cash, Note(text="A-1"))
            assert asked.kind == "exhausted"
            assert "acting" not in [entry.receipt.kind for entry in await run.ledger()]
            await run.abort("Liar.")


async def test_failures_that_a_liar_raises_are_bounded_and_not_repeated(
    deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of a foreign failure is not repeated; one that claims to be ours is cut."""
    monkeypatch.setattr("gatework.temporal.workflow.asking.TRIES", 1)
    liar = Liar("work")
    deployed, worker = await _served_by(liar, deployments, single)
    async with worker:
        for error in (
            ApplicationError(MARK, MARK, type="Foreign", non_retryable=True),
            ApplicationError(MARK, type=f"<b>{MARK} {MARK}</b>"),
            ApplicationError("x" * 100_000, type="gatework.contract"),
            ValueError(MARK),
        ):

            def raises(task: Task, error: Exception = error) -> object:
                raise error

            liar.lie = raises
            run, asked = await deployed.gate(single, Note(text="a"))
            assert asked.kind == "failed"
            assert MARK not in "".join(asked.reasons)
            assert len(asked.reasons[0]) <= 500
            await run.abort("Liar.")


async def test_failure_of_another_plan_is_refused(deployments: Deployments) -> None:
    """A failure, too, counts only for what was asked."""
    liar = Liar("work")
    deployed, worker = await _served_by(liar, deployments, single)

    def wrong(task: Task) -> object:
        return Failed(
            plan="0" * 64,
            node=task.run.node,
            attempt=task.run.attempt,
            inputs=task.run.inputs_digest,
            failure="error",
            reason=MARK,
        )

    liar.lie = wrong
    async with worker:
        run, asked = await deployed.gate(single, Note(text="a"))
        assert asked.kind == "exhausted"
        assert MARK not in "".join(asked.reasons)
        await run.retry()
        await waiting(run)


async def test_stage_is_not_run_outside_its_workflow(deployments: Deployments) -> None:
    """A caller who starts a stage's activity by itself is refused, whatever task he sends."""
    deployed = await deployments.serve(single)
    with pytest.raises(ActivityFailureError) as caught:
        await deployed.client.execute_activity(
            activity_type("work"),
            raw(b"{}"),
            id=f"alone-{deployments.queue}",
            task_queue=deployments.queue,
            start_to_close_timeout=timedelta(seconds=20),
        )
    assert "runs only inside a run of its plan" in str(caught.value.cause)
