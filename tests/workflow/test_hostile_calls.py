"""A worker that lies about calls: what it asks for beyond the grant is asked of nobody, whatever it claims to hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import Worker

from gatework.plan.plan import Work
from gatework.run.budget import Spent
from gatework.run.events import Acted, Suspended
from gatework.run.journal import Call, Entry, key_of
from gatework.temporal import GateworkPlugin
from gatework.temporal.transport.messages import Task
from gatework.temporal.transport.payloads import data_of, raw
from gatework.temporal.worker.activities import activities
from gatework.temporal.workflow.acting import ActTask, activity_type
from gatework.temporal.workflow.definition import workflow_class
from gatework.temporal.workflow.pin import begin
from gatework.values import wire
from gatework.values.canonical import Sealed, digest
from tests.workflow.deployment import Deployed, Deployments, events
from tests.workflow.plans import Note, agent, agent_asked, refund_cash, world
from tests.workflow.test_hostile_results import Liar, _served_by

ID = "a" * 64
WANTED = {"order": "A-1", "amount": "12.50"}


def _call(task: Task, arguments: Any = WANTED, **changes: Any) -> Call:
    node = agent.plan.nodes[agent.plan.index["decide"]] if task.run.node == "decide" else None
    use = node.tool("transfer") if isinstance(node, Work) else None
    known = isinstance(arguments, dict) and "order" in arguments
    info = activity.info()
    lineage = task.whole(namespace=info.namespace, id=info.workflow_id or "")
    key = key_of(use, arguments, node=task.run.node, lineage=lineage) if use and known else ID
    call = Call(id=ID, tool="transfer", arguments=arguments, key=key, by_model=True)
    return dataclasses.replace(call, **changes)


def _standing(task: Task, *calls: Call, **changes: Any) -> Suspended:
    counted = {call.tool: 1 for call in calls}
    suspended = Suspended(
        plan=task.run.plan,
        node=task.run.node,
        attempt=task.run.attempt,
        inputs=task.run.inputs_digest,
        turn=len(task.run.journal),
        entries=(),
        calls=calls,
        spent=Spent(tool_calls=counted),
    )
    return dataclasses.replace(suspended, **changes)


def _claimed(tool: str, outcome: Any = "done") -> tuple[Entry, ...]:
    paid = Sealed.of({"payment": "p", "order": "A-1"}, b"1" * 16)
    return (Entry(kind="tool", id=ID, outcome=outcome, data=paid, tool=tool),)


LIES: Mapping[str, Callable[[Task], Suspended]] = {
    "a tool that the stage does not hold": lambda task: _standing(task, _call(task, tool="hand_over")),
    "another order": lambda task: _standing(task, _call(task, {**WANTED, "order": "A-2"})),
    "a larger amount": lambda task: _standing(task, _call(task, {**WANTED, "amount": "12.51"})),
    "an argument too many": lambda task: _standing(task, _call(task, {**WANTED, "to": "me"})),
    "an argument too few": lambda task: _standing(task, _call(task, {"order": "A-1"})),
    "arguments of another type": lambda task: _standing(task, _call(task, {**WANTED, "amount": 12.5})),
    "no arguments": lambda task: _standing(task, _call(task, [])),
    "no key": lambda task: _standing(task, _call(task, key="")),
    "another turn": lambda task: _standing(task, _call(task), turn=1),
    "another attempt": lambda task: _standing(task, _call(task), attempt=99),
    "one call twice": lambda task: _standing(task, _call(task), _call(task)),
    "two calls under one name": lambda task: _standing(task, _call(task), _call(task, {**WANTED, "amount": "1.00"})),
    "a call that it has not counted": lambda task: _standing(task, _call(task), spent=Spent()),
    "an effect that it says it has done": lambda task: _standing(task, entries=_claimed("transfer")),
    "an effect that it says it has found": lambda task: _standing(task, entries=_claimed("transfer", "found")),
    "a result of a tool that it does not hold": lambda task: _standing(task, entries=_claimed("hand_over")),
    "nothing at all": lambda task: _standing(task),
}


@pytest.mark.parametrize("lie", LIES)
async def test_call_that_the_plan_does_not_grant_is_asked_of_no_worker(deployments: Deployments, lie: str) -> None:
    """It is refused, the ledger says so, and after the attempts a person is asked; nothing was sent."""
    liar = Liar("decide")
    liar.lie = LIES[lie]
    deployed, worker = await _served_by(liar, deployments, agent)
    async with worker:
        run, asked = await deployed.gate(agent, Note(text="A-1"))
        assert asked.kind == "exhausted"
        assert liar.asked == 2
        kinds = [entry.receipt.kind for entry in await run.ledger()]
        assert kinds == ["begun", "output", "refused", "refused", "asked"]
        types = [event.activity_task_scheduled_event_attributes.activity_type.name for event in await events(run)]
        assert not any(type_.startswith("tool.") for type_ in types)
    assert world.paid == {}


async def test_call_under_the_key_of_another_run_is_not_made(deployments: Deployments) -> None:
    """A worker that borrows a key, to have a payment of another run taken for its own, is refused by the tool's."""
    liar = Liar("decide")
    liar.lie = lambda task: _standing(task, _call(task, key=digest("effect", ["default/other/run", "x"])))
    deployed, worker = await _served_by(liar, deployments, agent)
    async with worker:
        _, asked = await deployed.gate(agent, Note(text="A-1"))
        assert asked.kind == "failed"
        assert "under a key that is not its own" in " ".join(asked.reasons)
    assert world.paid == {}


async def test_call_that_a_person_must_allow_waits_whoever_asks_for_it(deployments: Deployments) -> None:
    """The worker that asks for it cannot claim that somebody has agreed."""
    liar = Liar("decide_asked")
    liar.lie = lambda task: _standing(task, _call(task, tool="transfer_asked", by_model=False))
    deployed, worker = await _served_by(liar, deployments, agent_asked)
    async with worker:
        _, asked = await deployed.gate(agent_asked, Note(text="A-1"))
        assert (asked.kind, asked.tool) == ("call", "transfer_asked")
    assert world.paid == {}


ANSWERS: Mapping[str, Callable[[Acted], Acted]] = {
    "another call": lambda acted: dataclasses.replace(acted, call="b" * 64),
    "another stage": lambda acted: dataclasses.replace(acted, node="owed"),
    "another attempt": lambda acted: dataclasses.replace(acted, attempt=7),
    "another plan": lambda acted: dataclasses.replace(acted, plan="0" * 64),
    "no result": lambda acted: dataclasses.replace(acted, result=None),
    "a result that is none": lambda acted: dataclasses.replace(acted, result=Sealed.of({"x": 1}, b"1" * 16)),
    "another digest": lambda acted: dataclasses.replace(
        acted, result=Sealed({"payment": "p", "order": "A-1"}, "00" * 16, "0" * 64)
    ),
}


@pytest.mark.parametrize("lie", ANSWERS)
async def test_lie_about_what_became_of_an_effect_leaves_it_in_doubt(deployments: Deployments, lie: str) -> None:
    """A person looks; the effect is asked about first wherever that can be, and never taken as done on such a word."""

    @activity.defn(name=activity_type("hand_over"))
    async def answer(sent: RawValue) -> RawValue:
        act = wire.decode(ActTask, data_of(sent) or b"", what="task").act
        paid = Sealed.of({"payment": "p", "order": "A-1"}, b"1" * 16)
        told = Acted(
            plan=act.plan, node=act.node, attempt=act.attempt, call=act.call.id, outcome="done", result=paid
        )  # fmt: skip
        return raw(wire.encode(ANSWERS[lie](told)))

    plugin = GateworkPlugin(refund_cash)
    client = await Client.connect(deployments.address, plugins=[plugin])
    bare = await Client.connect(deployments.address, data_converter=client.data_converter)
    served = activities(plugin.library, model=None, seed=0)
    honest = [one for name, one in served.items() if name != activity_type("hand_over")]
    worker = Worker(
        bare,
        task_queue=deployments.queue,
        workflows=[workflow_class("refund_cash", plugin.library)],
        activities=[answer, begin, *honest],
    )
    async with worker:
        run, asked = await Deployed(client, deployments.queue).gate(refund_cash, Note(text="A-1"))
        assert asked.kind == "unknown"
        assert [entry.receipt.action for entry in await run.ledger() if entry.receipt.kind == "acted"] == ["unknown"]
