"""Effects on a service over HTTP that loses replies, is late, repeats itself and dies: paid once, or a person asked."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from gatework.models.question import Model
from gatework.temporal import Execution
from gatework.temporal.workflow import recalling
from gatework.testing import ScriptedModel, tool_call
from tests.services.bank import Bank
from tests.services.client import Wanted, blind, by_model, online
from tests.services.payments import MOODS, TOKEN
from tests.services.person import seen_to_its_end
from tests.workflow.deployment import Deployed, Deployments, events, task_after

DONE = {"text": "paid"}


def paying(*more: Any) -> Model:
    """A model that asks for the payment, and then says so; it is asked anew in each attempt."""

    def reply(question: Any) -> Any:
        script = [*more] or ["12.50"]
        number = re.findall(r"A-[0-9a-f]{6}-[a-z]+(?:-[a-z]+)?", question.material[0].text)[0]
        turn = len(question.turns)
        return tool_call("transfer", order=number, amount=script[turn]) if turn < len(script) else DONE

    return ScriptedModel(by=reply)


async def started(deployed: Deployed, workflow: Any, mood: str) -> tuple[Execution[Any], str]:
    number = f"A-{uuid.uuid4().hex[:6]}-{mood}"
    return await deployed.start(workflow, Wanted(order=number), id=f"pay/{number}"), number


async def ended(run: Execution[Any]) -> str:
    return (await run.state()).status


@pytest.mark.parametrize("mood", [*MOODS, "well"])
@pytest.mark.parametrize("workflow", [online, by_model, blind], ids=lambda one: one.name)
async def test_order_is_paid_once_whatever_the_service_does(
    deployments: Deployments, bank: Bank, workflow: Any, mood: str
) -> None:
    """Known not to have happened: again. Known to have happened: its result. Unknown: it is asked, or a person is."""
    deployed = await deployments.serve(workflow, model=paying())
    run, number = await started(deployed, workflow, mood)
    told = await seen_to_its_end(run, lambda: bank.paid(number), probe=workflow is not blind)
    paid = bank.paid(number)
    sent = bank.requests().count("POST")
    if mood == "refused":
        assert paid == []
        assert await ended(run) == ("completed" if workflow is by_model else "aborted")
        return
    assert [cents for _, cents in paid] == [1250]
    assert await ended(run) == "completed"
    if workflow is blind:
        # Nobody but a person has it sent again, and no doubt is passed over.
        assert sent <= 1 + told.count("unknown: retry")
        doubtful = mood not in ("well", "twice", "other")
        assert {line.partition(":")[0] for line in told} == ({"unknown"} if doubtful else set())
    else:
        # Before it is sent again the service is asked; where it had been paid, it is not sent again at all.
        assert sent == (2 if mood in ("unheard", "before", "dies-before", "dies-inside") else 1)
        assert bank.requests()[0] == "GET"
    assert bank.deaths == (1 if mood.startswith("dies") else 0)


@pytest.mark.parametrize("workflow", [online, by_model], ids=lambda one: one.name)
async def test_service_that_is_down_is_tried_again_later(deployments: Deployments, bank: Bank, workflow: Any) -> None:
    """Nothing was sent, so nothing is in doubt: once it is up it is paid, by the run itself or as a person retries."""
    deployed = await deployments.serve(workflow, model=paying())
    bank.kill()
    run, number = await started(deployed, workflow, "well")
    await seen_to_its_end(run, lambda: bank.paid(number), probe=True)
    if await ended(run) == "completed" and workflow is online:
        assert len(bank.paid(number)) == 1
    assert len(bank.paid(number)) <= 1


@pytest.mark.parametrize(
    "script", [("12.50", "12.5", "12.500", "1250e-2"), ("12.5", "12.50"), ("12.50", "13.00"), ("12.500", "12.50")]
)
async def test_model_that_spells_an_amount_otherwise_pays_once(
    deployments: Deployments, bank: Bank, script: tuple[str, ...]
) -> None:
    """One order is one payment, however its amount is written and how often it is asked for; another amount is not."""
    deployed = await deployments.serve(by_model, model=paying(*script))
    run, number = await started(deployed, by_model, "well")
    await seen_to_its_end(run, lambda: bank.paid(number), probe=True)
    assert [cents for _, cents in bank.paid(number)] == [1250]
    assert bank.requests().count("POST") == 1


async def test_model_that_reorders_its_calls_after_a_lost_reply_pays_each_once(
    deployments: Deployments, bank: Bank
) -> None:
    """A second attempt that asks for the same payments in another order is given what became of them."""
    turns = 0
    orders = [f"A-{uuid.uuid4().hex[:6]}-lost", f"A-{uuid.uuid4().hex[:6]}-after"]

    def reply(question: Any) -> Any:
        nonlocal turns
        if question.turns:
            return DONE
        turns += 1
        return [tool_call("transfer", order=one, amount="12.50") for one in orders[:: 1 if turns == 1 else -1]]

    deployed = await deployments.serve(by_model, model=ScriptedModel(by=reply))
    run = await deployed.start(by_model, Wanted(order=orders[0]), id=f"pay/{orders[0]}")
    await seen_to_its_end(run, lambda: bank.paid(orders[0]), probe=True)
    assert [len(bank.paid(one)) for one in orders] == [1, 1]
    assert bank.requests().count("POST") == 2


async def test_reset_and_retry_find_the_payment_under_the_same_key(deployments: Deployments, bank: Bank) -> None:
    """The UI's Reset takes the run back to before it paid; it asks the service, and does not pay again."""
    deployed = await deployments.serve(online)
    run, number = await started(deployed, online, "lost")
    await seen_to_its_end(run, lambda: bank.paid(number), probe=True)
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    await seen_to_its_end(run, lambda: bank.paid(number), probe=True)
    assert (await run.result()).order == number
    assert len(bank.paid(number)) == 1
    assert bank.requests().count("POST") == 1
    assert bank.requests()[-1] == "GET"


async def test_reset_without_a_probe_recalls_what_was_paid(
    deployments: Deployments, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run paid before it was reset is read from its history: nothing is sent, whatever the service knows."""
    deployed = await deployments.serve(blind)
    for service in ("well", "forgetful"):
        run, number = await started(deployed, blind, service)
        first = await run.result()
        sent = bank.requests().count("POST")
        await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
        assert await run.result() == first
        assert bank.requests().count("POST") == sent
        assert len(bank.paid(number)) == 1

    async def nothing(*_: Any) -> tuple[()]:
        return ()

    monkeypatch.setattr(recalling, "effects_of", nothing)
    await deployed.reset(run, await task_after(run, "WORKFLOW_EXECUTION_STARTED"))
    await run.result()
    keys = {key for key, _ in bank.paid(number)}
    assert len(bank.paid(number)) == 2, "the judge must see a payment made twice"
    assert len(keys) == 1


async def test_credential_is_nowhere_but_on_its_way(deployments: Deployments, bank: Bank) -> None:
    """Neither in the history nor in what the run says; without it nothing is sent."""
    deployed = await deployments.serve(online)
    run, _ = await started(deployed, online, "well")
    await run.result()
    assert TOKEN not in "".join(str(event) for event in await events(run))
    assert bank.total == 1


async def test_worker_without_the_credential_sends_nothing(
    deployments: Deployments, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says by name what it lacks, and the service hears nothing."""
    monkeypatch.delenv("PAYMENTS_TOKEN")
    deployed = await deployments.serve(online)
    run, _ = await started(deployed, online, "well")
    asked = (await run.waiting()).waiting
    assert asked is not None
    assert "PAYMENTS_TOKEN" in " ".join(asked.reasons)
    assert bank.requests() == []
    await run.abort("Enough.", by="Ada")
    with pytest.raises(WorkflowFailureError):
        await run.result()
