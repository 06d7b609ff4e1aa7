"""Workers for the tests: in this process, or in one of their own that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToJson
from temporalio.api.common.v1 import Payload, Payloads, TimeSkippingConfig, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.update.v1 import Input, Outcome, Request
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionOptionsRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from gatework.define.workflow import Workflow
from gatework.temporal import Execution, GateworkPlugin, start
from gatework.temporal.page.progress import Waiting

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

LONG = timedelta(seconds=60)
ROOT = Path(__file__).parents[2]


class Deployments:
    """Makes clients and workers of one task queue, and stops what it made."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.queue = f"test-{uuid.uuid4()}"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Deployments:
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._stack.aclose()

    async def client(self, *plugins: Any, **options: Any) -> Client:
        return await Client.connect(self.address, plugins=list(plugins), **options)

    async def calling(self) -> Deployed:
        """A client that serves nothing."""
        return Deployed(await self.client(GateworkPlugin()), self.queue)

    async def serve(self, *workflows: Workflow[Any, Any], **options: Any) -> Deployed:
        """A worker in this process that serves workflows until the test ends."""
        return await self._stack.enter_async_context(self.serving(*workflows, **options))

    @asynccontextmanager
    async def serving(
        self, *workflows: Workflow[Any, Any], worker: Mapping[str, Any] | None = None, queue: str = "", **options: Any
    ) -> AsyncGenerator[Deployed, None]:
        """A worker in this process that serves workflows until the block ends; `worker` is for Temporal's own."""
        queue = queue or self.queue
        client = await self.client(GateworkPlugin(*workflows, **options))
        # The next worker gets its tasks soon, where Temporal would wait 10 s for this one to come back.
        soon = timedelta(seconds=1)
        async with Worker(client, task_queue=queue, sticky_queue_schedule_to_start_timeout=soon, **(worker or {})):
            yield Deployed(client, queue)

    @asynccontextmanager
    async def process(self, program: str, *arguments: str, folder: Path = ROOT) -> AsyncGenerator[WorkerProcess, None]:
        """A worker in a process of its own: a program that is given address and queue, and says `ready`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            self.address,
            self.queue,
            *arguments,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        worker = WorkerProcess(process)
        try:
            yield worker
        finally:
            await worker.stop()


class WorkerProcess:
    """A worker in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, words: str) -> str:
        """Wait until it prints a line with these words; the line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LONG.total_seconds()):
            while line := (await self.process.stdout.readline()).decode():
                self.said.append(line)
                if words in line:
                    return line
        raise AssertionError(f"it ended without saying {words}: {''.join(self.said)}")

    async def kill(self) -> None:
        """SIGKILL: it can do nothing more."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(20):
                    await self.process.communicate()
            except TimeoutError:
                await self.kill()


class Deployed:
    """A client of a task queue that workers serve, with what the tests look at."""

    def __init__(self, client: Client, queue: str) -> None:
        self.client = client
        self.queue = queue

    async def start(self, workflow: Workflow[I, O], data: I, id: str = "") -> Execution[O]:
        return await start(self.client, workflow, data, id=id, task_queue=self.queue)

    async def gate(self, workflow: Workflow[I, O], data: I, id: str = "") -> tuple[Execution[O], Waiting]:
        """Start a run and wait for its first gate."""
        run = await self.start(workflow, data, id)
        return run, await waiting(run)

    async def start_raw(self, name: str, *payloads: Payload, id: str = "", **more: Any) -> str:
        """Start a run as no SDK would; its id."""
        id = id or f"{name}-{uuid.uuid4()}"
        await self.client.workflow_service.start_workflow_execution(
            StartWorkflowExecutionRequest(
                namespace="default",
                workflow_id=id,
                workflow_type=WorkflowType(name=name),
                task_queue=TaskQueue(name=self.queue),
                input=Payloads(payloads=payloads),
                request_id=str(uuid.uuid4()),
                **more,
            )
        )
        return id

    async def update_raw(self, run: Execution[Any], name: str, *payloads: Payload) -> Outcome:
        """Send an update as no SDK would; its outcome as the server gives it."""
        answer = await self.client.workflow_service.update_workflow_execution(
            UpdateWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id=run.id),
                wait_policy={"lifecycle_stage": 3},  # type: ignore[arg-type]
                request=Request(
                    meta={"update_id": str(uuid.uuid4())},  # type: ignore[arg-type]
                    input=Input(name=name, args=Payloads(payloads=payloads)),
                ),
            ),
            timeout=LONG,
        )
        return answer.outcome

    async def reset(self, run: Execution[Any], event: int) -> str:
        """Reset a run to the workflow task that ended with an event; the new run's id."""
        described = await run.handle.describe()
        answer = await self.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=described.run_id),
                reason="test",
                workflow_task_finish_event_id=event,
                request_id=str(uuid.uuid4()),
            )
        )
        return answer.run_id


# -- what the tests look at ------------------------------------------------------------------------


async def waiting(run: Execution[Any]) -> Waiting:
    """What a person is asked, once one is."""
    progress = await run.waiting(timeout=LONG)
    assert progress.waiting is not None, f"the run ended: {progress.status} {progress.reason}"
    return progress.waiting


def refused(outcome: Outcome, *secrets: str) -> str:
    """The sentence of a refusal as the server gives it: no stack trace, no cause, none of the secrets."""
    failure = outcome.failure
    assert failure.application_failure_info.type == "gatework.refusal", outcome
    assert failure.stack_trace == ""
    assert not failure.HasField("cause")
    assert 0 < len(failure.message) < 300
    assert "\n" not in failure.message
    for secret in secrets:
        assert secret not in failure.message
    return failure.message


async def end(run: Execution[Any]) -> ApplicationError:
    """The failure with which a run ended."""
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(run.result(), LONG.total_seconds())
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError), repr(cause)
    return cause


async def events(run: Execution[Any]) -> list[HistoryEvent]:
    return [event async for event in run.handle.fetch_history_events()]


async def time_skipped(client: Client, run: Execution[Any]) -> None:
    """Let the time pass for which a run waits next; the server skips it, once, for this run alone."""
    once = TimeSkippingConfig(enabled=True, max_session_skip_count=1)
    await client.workflow_service.update_workflow_execution_options(
        UpdateWorkflowExecutionOptionsRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id),
            workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=once),
            update_mask=FieldMask(paths=["time_skipping_config"]),
        )
    )


async def kinds(run: Execution[Any]) -> list[str]:
    """The events of a run's history, by the name of their type."""
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in await events(run)]


async def count(run: Execution[Any], kind: str) -> int:
    return (await kinds(run)).count(kind)


async def task_after(run: Execution[Any], kind: str) -> int:
    """The event with which the workflow task was completed that came after the first event of a kind."""
    names = await kinds(run)
    return names.index("WORKFLOW_TASK_COMPLETED", names.index(kind)) + 1


async def outside_payloads(run: Execution[Any]) -> str:
    """The history as text, without what payloads carry."""
    texts = []
    for event in await events(run):
        texts.append(json.dumps(_without_data(json.loads(MessageToJson(event)))))
    return "\n".join(texts)


def _without_data(item: Any) -> Any:
    if isinstance(item, dict):
        carries = "metadata" in item and "encoding" in item["metadata"]
        return {key: _without_data(value) for key, value in item.items() if not (carries and key == "data")}
    return [_without_data(member) for member in item] if isinstance(item, list) else item


def payload(data: bytes, encoding: bytes = b"json/plain") -> Payload:
    return Payload(metadata={"encoding": encoding}, data=data)


async def until(condition: Any, what: str, *, seconds: float = 60) -> Any:
    """Wait until an async condition gives something true; that."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    assert found, what
    return found
