"""Calls of a model on the real server: asked for in the history before they are made, once, within limits, approved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from gatework.errors import DecisionError
from gatework.models.question import Answer, Question, ToolCall
from gatework.temporal import Execution
from tests.workflow import plans
from tests.workflow.deployment import Deployments, events, waiting
from tests.workflow.plans import Note, world

PAPER = {"text": "paid", "pages": 1}
OTHERS = {"order": "A-2", "amount": "12.50"}


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=json.dumps(arguments))


class Agent:
    """Asks for the calls of a script, turn by turn, then answers; after a restart it goes on where its turns say."""

    name = "agent"

    def __init__(self, *turns: tuple[ToolCall, ...], answer: Mapping[str, Any] = PAPER) -> None:
        self._turns = turns
        self._answer = json.dumps(answer)
        self.questions: list[Question] = []

    async def answer(self, question: Question) -> Answer:
        self.questions.append(question)
        calls = self._turns[len(question.turns)] if len(question.turns) < len(self._turns) else ()
        return Answer(
            text="" if calls else self._answer, input_tokens=10, output_tokens=10, model=self.name, calls=calls
        )

    @property
    def told(self) -> list[tuple[str, bool]]:
        """What it was told of each call, and whether it was refused."""
        return [(result.text, result.refused) for turn in self.questions[-1].turns for result in turn.results]


PAY = call("transfer", order="A-1", amount="12.50")


async def receipts(run: Execution[Any]) -> list[str]:
    return [f"{entry.receipt.kind} {entry.receipt.node}".strip() for entry in await run.ledger()]


async def test_payment_of_a_model_is_in_the_history_before_it_is_made(deployments: Deployments) -> None:
    """The stage ends with what it wants; only then is there an activity for it, whose result it goes on with."""
    model = Agent((call("look", word="A-1"),), (PAY,))
    deployed = await deployments.serve(plans.agent, model=model)
    run = await deployed.start(plans.agent, Note(text="A-1"))
    assert (await run.result()).text == "paid"
    assert list(world.paid.values()) == ["A-1"]
    assert world.looked == ["A-1"]
    asked = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await events(run)
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert asked == [
        "stage.known_sum",
        *["stage.decide"] * (asked.count("stage.decide") - 1),
        "tool.transfer",
        "stage.decide",
    ]
    assert len(model.questions) == 3
    said = await receipts(run)
    assert said.index("acting decide") < said.index("acted decide") < said.index("output decide")


@pytest.mark.parametrize(
    ("wanted", "because"),
    [
        (call("transfer", order="A-2", amount="12.50"), "order"),
        (call("transfer", order="A-1", amount="12.51"), "amount"),
        (call("transfer", order="A-1", amount=12.5), "amount"),
        (call("transfer", order="A-1"), "amount"),
        (call("transfer", order="A-1", amount="12.50", to="me"), ""),
        (call("hand_over", order="A-1", amount="12.50"), "no such tool"),
        (ToolCall(name="transfer", arguments="{"), ""),
    ],
)
async def test_call_outside_the_grant_reaches_nothing(deployments: Deployments, wanted: ToolCall, because: str) -> None:
    """It is refused before anything happens, the model is told why, and no activity is ever asked for it."""
    model = Agent((wanted,))
    deployed = await deployments.serve(plans.agent, model=model)
    run = await deployed.start(plans.agent, Note(text="A-1"))
    assert (await run.result()).text == "paid"
    assert world.paid == {}
    [(text, refused)] = model.told
    assert refused
    assert because in text
    assert not any("tool." in str(event) for event in await events(run))


async def test_model_that_goes_on_trying_blocks_its_stage(deployments: Deployments) -> None:
    """After some refusals a person is asked, who sees what it tried."""
    model = Agent(*[(call("transfer", order=f"B-{i}", amount="1"),) for i in range(7)])
    deployed = await deployments.serve(plans.agent, model=model)
    _, gate = await deployed.gate(plans.agent, Note(text="A-1"))
    assert gate.kind == "blocked"
    assert "transfer" in " ".join(gate.reasons)
    assert world.paid == {}


async def test_same_payment_spelled_otherwise_is_made_once(deployments: Deployments) -> None:
    """12.50 and 12.5 are one amount: the second call is told of the first, and nothing moves again."""
    again = call("transfer", order="A-1", amount="12.5")
    deployed = await deployments.serve(plans.agent, model=(model := Agent((PAY,), (again,), (PAY, again))))
    run = await deployed.start(plans.agent, Note(text="A-1"))
    assert (await run.result()).text == "paid"
    assert len(world.paid) == 1
    assert len({text for text, refused in model.told if not refused}) == 1
    assert sum(kind == "acting decide" for kind in await receipts(run)) == 1


async def test_other_amount_for_the_same_order_is_refused(deployments: Deployments) -> None:
    """One key stands for one payment: another amount under it is never sent, and the model is told why."""
    model = Agent((PAY,), (call("transfer", order="A-1", amount="2"),))
    deployed = await deployments.serve(plans.agent, model=model)
    run = await deployed.start(plans.agent, Note(text="A-1"))
    assert (await run.result()).text == "paid"
    assert [refused for _, refused in model.told] == [False, True]
    assert len(world.paid) == 1
    assert sum(kind == "acting decide" for kind in await receipts(run)) == 1


async def test_attempt_after_a_payment_does_not_pay_again(deployments: Deployments) -> None:
    """A retry is a new attempt with a new transcript, and the payment of the one before is what it is given."""
    replies = iter(["not json", json.dumps(PAPER)])

    class Clumsy(Agent):
        async def answer(self, question: Question) -> Answer:
            found = await super().answer(question)
            return found if found.calls else Answer(text=next(replies), input_tokens=1, output_tokens=1, model="a")

    deployed = await deployments.serve(plans.agent, model=Clumsy((PAY,)))
    run = await deployed.start(plans.agent, Note(text="A-1"))
    assert (await run.result()).text == "paid"
    assert len(world.paid) == 1
    assert sum(kind == "acting decide" for kind in await receipts(run)) == 1


async def test_approver_sees_the_exact_call_and_lets_it_happen(deployments: Deployments) -> None:
    """The run waits with tool and arguments on the panel; another number lets nothing through."""
    wanted = call("transfer_asked", order="A-1", amount="12.50")
    deployed = await deployments.serve(plans.agent_asked, model=Agent((wanted,)))
    run, gate = await deployed.gate(plans.agent_asked, Note(text="A-1"))
    assert (gate.kind, gate.role, gate.tool) == ("call", "boss", "transfer_asked")
    assert gate.shown["transfer_asked()"] == {"order": "A-1", "amount": "12.50"}
    metadata: Any = await run.handle.query("__temporal_workflow_metadata")
    panel = metadata.current_details.replace("\\", "")
    assert panel.startswith("### NEEDS YOU (boss): let decide_asked call transfer_asked")
    assert "is called once, with exactly the arguments below" in panel
    assert world.paid == {}
    wrong = str((int(gate.number) + 1111 - 1000) % 9000 + 1000)
    with pytest.raises(DecisionError):
        await run.approve(wrong)
    assert world.paid == {}
    await run.approve(gate.number, by="Ada")
    assert (await run.result()).text == "paid"
    assert list(world.paid.values()) == ["A-1"]


async def test_call_that_a_person_refuses_is_not_made_and_the_model_is_told(deployments: Deployments) -> None:
    """The run goes on without it."""
    wanted = call("transfer_asked", order="A-1", amount="12.50")
    deployed = await deployments.serve(plans.agent_asked, model=(model := Agent((wanted,))))
    run, _ = await deployed.gate(plans.agent_asked, Note(text="A-1"))
    with pytest.raises(DecisionError, match="edit does not answer this; send approve, reject or abort"):
        await run.edit({})
    said = await run.reject("not this month", by="Ada")
    assert said.endswith("transfer_asked is not called, decide_asked is told so, and the run does not end.")
    assert (await run.result()).text == "paid"
    assert world.paid == {}
    [(text, refused)] = model.told
    assert refused
    assert "person" in text


async def test_each_call_is_asked_about_by_itself(deployments: Deployments) -> None:
    """What was agreed to for one order lets no other through: it has a gate, evidence and a number of its own."""
    first, other = (call("transfer_each", order=order, amount="12.50") for order in ("A-1", "A-2"))
    deployed = await deployments.serve(plans.agent_each, model=Agent((first, other)))
    run, gate = await deployed.gate(plans.agent_each, Note(text="A-1"))
    await run.approve(gate.number)
    following = await waiting(run)
    assert following.shown["transfer_each()"] == {"order": "A-2", "amount": "12.50"}
    assert (following.gate, following.evidence) != (gate.gate, gate.evidence)
    assert list(world.paid.values()) == ["A-1"]
    with pytest.raises(DecisionError):
        await run.approve(gate.number)
    await run.reject("one is enough")
    assert (await run.result()).text == "paid"
    assert list(world.paid.values()) == ["A-1"]


async def test_worker_that_dies_while_it_pays_asks_the_bank_and_pays_once(deployments: Deployments) -> None:
    """The payment was made and nobody heard of it: the probe finds it, and the model is told its result."""
    await _dies_while_paying(deployments, plans.agent, PAY)
    assert len(world.paid) == 1


async def _dies_while_paying(deployments: Deployments, workflow: Any, wanted: ToolCall) -> None:
    failures = iter([True])

    def breaks() -> None:
        if next(failures, False):
            raise ConnectionError("the line went dead after the money had moved")

    world.pays = breaks
    deployed = await deployments.serve(workflow, model=Agent((wanted,)))
    run = await deployed.start(workflow, Note(text="A-1"))
    assert (await run.result()).text == "paid"


async def test_cancelled_run_knows_what_became_of_its_payment(deployments: Deployments) -> None:
    """Cancelled while the bank works: the ledger has the outcome, or says that it is in doubt."""
    reached = asyncio.Event()

    async def slow() -> None:
        reached.set()
        await asyncio.sleep(3)

    world.pays = slow
    deployed = await deployments.serve(plans.agent, model=Agent((PAY,)), heartbeat_timeout=timedelta(seconds=2))
    run = await deployed.start(plans.agent, Note(text="A-1"))
    await asyncio.wait_for(reached.wait(), 30)
    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    said = await receipts(run)
    assert said.index("acting decide") < said.index("acted decide")


async def test_suspended_run_goes_on_in_a_new_run_of_its_chain(deployments: Deployments) -> None:
    """Journal and payments are handed on: a history that has become long costs no second payment or question."""
    model = Agent((call("look", word="A-1"),), (PAY,), (call("look", word="B-1"),))
    deployed = await deployments.serve(plans.agent, model=model, continue_after_events=20)
    run = await deployed.start(plans.agent, Note(text="A-1"))
    assert (await run.result()).text == "paid"
    assert len(world.paid) == 1
    assert len(model.questions) == 4
    assert sorted(world.looked) == ["A-1", "B-1"]


async def test_reset_to_before_the_payment_finds_it(deployments: Deployments) -> None:
    """The run is taken back to before it paid; the key is the same, so the bank says that it has paid."""
    deployed = await deployments.serve(plans.agent, model=Agent((PAY,)))
    run = await deployed.start(plans.agent, Note(text="A-1"))
    await run.result()
    scheduled = next(
        event.event_id
        for event in await events(run)
        if event.activity_task_scheduled_event_attributes.activity_type.name == "tool.transfer"
    )
    completed = max(
        event.event_id
        for event in await events(run)
        if event.HasField("workflow_task_completed_event_attributes") and event.event_id < scheduled
    )
    again = deployed.client.get_workflow_handle(run.handle.id, run_id=await deployed.reset(run, completed))
    await again.result()
    assert len(world.paid) == 1
