"""The server's word: the principal that it writes beside a signal, and nobody else's."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from gatework.temporal.workflow.principal import Asked, Told, principal, told
from gatework.values import wire
from tests.workflow.deployment import Deployments
from tests.workflow.principals import Vouching

LIST = """
[ana]
roles = ["finance"]
principal = "ana@example.org"
[ben]
roles = ["ops"]
principal = "ben@example.org"
"""


@workflow.defn
class Asks:
    """Asks for the sender of each signal that it was sent."""

    def __init__(self) -> None:
        self._due: list[Asked] = []
        self._seen = 0

    @workflow.run
    async def run(self, signals: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < signals:
            await workflow.wait_condition(lambda: bool(self._due))
            answer = await told(self._due.pop(0))
            found.append(wire.data(answer))
        return found

    @workflow.signal
    async def approve(self, typed: str) -> None:
        self._seen += 1
        content = hashlib.sha256(json.dumps(typed).encode()).hexdigest()
        self._due.append(Asked(signal="approve", number=self._seen, content=content, typed=typed, role="finance"))

    @workflow.signal
    async def misread(self, typed: str) -> None:
        """Takes the first approval for one of other content."""
        self._due.append(Asked(signal="approve", number=1, content="0" * 64, typed=typed, role="finance"))

    @workflow.signal
    async def other(self) -> None:
        """Counts for nothing."""


async def asked(
    deployments: Deployments, senders: Mapping[str, list[tuple[str, str]]], *typed: str
) -> list[dict[str, Any]]:
    """What a run is told of signals that were sent by these principals."""
    client = await Client.connect(deployments.address, interceptors=[Vouching(senders)])
    async with Worker(
        client,
        task_queue=deployments.queue,
        workflows=[Asks],
        activities=[principal],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        run = await client.start_workflow(Asks.run, len(typed), id=deployments.queue, task_queue=deployments.queue)
        for name in typed:
            await run.signal(Asks.other)
            await run.signal(Asks.approve, name)
        return await run.result()


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The list of people of the worker."""
    file = tmp_path / "people.toml"
    file.write_text(LIST)
    os.utime(file, (time.time() - 60, time.time() - 60))
    monkeypatch.setenv("GATEWORK_PEOPLE", str(file))
    return file


JWT = ("jwt", "ana@example.org")


@pytest.mark.usefixtures("people")
async def test_sender_of_each_signal_is_its_own(deployments: Deployments) -> None:
    """Of several signals with the same name and content, each has the principal that stands beside it."""
    found = await asked(deployments, {"approve": [JWT, ("jwt", "ben@example.org")]}, "", "")
    assert found == [
        wire.data(Told(by="ana", member=True, proof={"principal": "ana@example.org", "type": "jwt"})),
        wire.data(Told(by="ben", member=False, proof={"principal": "ben@example.org", "type": "jwt"})),
    ]


@pytest.mark.usefixtures("people")
async def test_sender_of_another_signal_does_not_count(deployments: Deployments) -> None:
    """A principal beside a signal of another name vouches for nothing."""
    (found,) = await asked(deployments, {"other": [JWT]}, "ana")
    assert "does not say who you are" in found["refused"]


@pytest.mark.usefixtures("people")
async def test_typed_name_must_be_that_of_the_principal(deployments: Deployments) -> None:
    """Whoever types another's name is refused, whoever they are."""
    (found,) = await asked(deployments, {"approve": [JWT]}, "ben")
    assert found["refused"] == "You are somebody else by the server's word; leave the name out."


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", ["", "eve@example.org", "ana@example.org\u202e", "a" * 400, "ANA@example.org"])
async def test_principal_that_is_nobody_of_the_list_is_refused(deployments: Deployments, name: str) -> None:
    """A principal counts as it stands in the list, letter by letter, and nothing of it is repeated."""
    (found,) = await asked(deployments, {"approve": [("jwt", name)]}, "")
    assert found["by"] == ""
    assert found["refused"]
    assert "example.org" not in found["refused"]


async def test_dev_server_says_nothing(deployments: Deployments, people: Path) -> None:
    """The dev server has no authorizer: nobody is authenticated, whatever identity a client claims."""
    assert people.exists()
    (found,) = await asked(deployments, {}, "ana")
    assert "The server does not say who you are" in found["refused"]


@pytest.mark.usefixtures("people")
async def test_signal_of_other_content_vouches_for_nothing(deployments: Deployments) -> None:
    """Even if the signals of a run were miscounted, none lends its sender to a decision that it does not hold."""
    client = await Client.connect(deployments.address, interceptors=[Vouching({"approve": [JWT]})])
    async with Worker(
        client,
        task_queue=deployments.queue,
        workflows=[Asks],
        activities=[principal],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        run = await client.start_workflow(Asks.run, 2, id=deployments.queue, task_queue=deployments.queue)
        await run.signal(Asks.approve, "")
        await run.signal(Asks.misread, "")
        first, second = await run.result()
    assert (first["by"], second["by"]) == ("ana", "")
    assert "does not say who you are" in second["refused"]


async def test_list_that_is_broken_names_nobody(deployments: Deployments, people: Path) -> None:
    """Without a list that can be read the server's word leads to nobody."""
    people.write_text("[ana")
    (found,) = await asked(deployments, {"approve": [JWT]}, "")
    assert "cannot be read now" in found["refused"]
    assert str(people) not in found["refused"]


@pytest.mark.usefixtures("people")
async def test_signal_of_another_workflow_vouches_for_nobody(deployments: Deployments) -> None:
    """What a workflow sends bears no principal of a person, or a worker's by accident: it does not count."""
    client = await Client.connect(deployments.address, interceptors=[Vouching({"approve": [JWT]})])
    async with Worker(
        client,
        task_queue=deployments.queue,
        workflows=[Asks, Sends],
        activities=[principal],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        run = await client.start_workflow(Asks.run, 1, id=deployments.queue, task_queue=deployments.queue)
        await client.execute_workflow(
            Sends.run, deployments.queue, id=f"{deployments.queue}-sends", task_queue=deployments.queue
        )
        (found,) = await run.result()
    assert "does not say who you are" in found["refused"]


@workflow.defn
class Sends:
    """Signals another workflow."""

    @workflow.run
    async def run(self, to: str) -> None:
        await workflow.get_external_workflow_handle(to).signal("approve", "ana")


@pytest.mark.usefixtures("people")
async def test_signal_that_a_reset_copied_bears_nobodys_principal(deployments: Deployments) -> None:
    """Whoever resets a run does not send the signals that the server copies then, though it writes them beside."""
    client = await Client.connect(deployments.address, interceptors=[Vouching({"approve": [JWT, JWT]})])
    async with Worker(
        client,
        task_queue=deployments.queue,
        workflows=[Asks],
        activities=[principal],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        run = await client.start_workflow(Asks.run, 1, id=deployments.queue, task_queue=deployments.queue)
        async with asyncio.timeout(30):
            # Not in the first task, before which nothing is cut off.
            while not any(e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for e in await _events(run)):
                await asyncio.sleep(0.05)
        await run.signal(Asks.approve, "")
        (sent,) = await run.result()
        assert sent["by"] == "ana"
        answer = await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.result_run_id or ""),
                reason="test",
                request_id=str(uuid.uuid4()),
                workflow_task_finish_event_id=4,
            )
        )
        after = client.get_workflow_handle(run.id, run_id=answer.run_id, result_type=list[dict[str, Any]])
        (copied,) = await after.result()
        assert copied["by"] == ""
        assert "does not say who you are" in copied["refused"]
    async with Worker(
        client,
        task_queue=deployments.queue,
        workflows=[Asks],
        activities=[principal],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        again = await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.result_run_id or ""),
                reason="test",
                request_id=str(uuid.uuid4()),
                workflow_task_finish_event_id=4,
                reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
            )
        )
        fresh = client.get_workflow_handle(run.id, run_id=again.run_id, result_type=list[dict[str, Any]])
        await fresh.signal(Asks.approve, "")
        (new,) = await fresh.result()
        assert new["by"] == "ana"  # what is sent after a reset is its sender's


async def _events(run: Any) -> list[Any]:
    return [event async for event in run.fetch_history_events()]
