"""Typed handles on executions: start, watch, decide, and take the result."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gatework.define.workflow import Workflow
from gatework.errors import ConfigError, ConflictError, ContractError, DecisionError
from gatework.plan.plan import Work
from gatework.proof.ledger import Entry
from gatework.run.events import Action
from gatework.temporal.page.progress import NOT_BEGUN, Progress
from gatework.temporal.transport import captions
from gatework.temporal.transport.connection import task_queue as default_task_queue
from gatework.temporal.transport.payloads import data_of, raw
from gatework.temporal.transport.storing import has_store, most_in_value
from gatework.values import canonical, wire
from gatework.values.canonical import Json
from gatework.values.contract import contract

if TYPE_CHECKING:
    from gatework.signing.keys import Signer
    from gatework.temporal.client.exporting import Disclosure

I = TypeVar("I")  # noqa: E741  # the input
O = TypeVar("O")  # noqa: E741  # the output


class Execution(Generic[O]):
    """One run of a workflow."""

    _evidence = ""
    """Digest of what was last seen to wait: decisions are for that, and for nothing that came after it."""

    def __init__(self, handle: WorkflowHandle[Any, Any], workflow: Workflow[Any, O]) -> None:
        self.handle = handle
        """Temporal's own handle, for what this one does not have."""
        self._workflow = workflow

    @property
    def id(self) -> str:
        return self.handle.id

    async def result(self) -> O:
        """Wait for the end. Raises `temporalio.client.WorkflowFailureError` for a run that did not complete."""
        value: RawValue = await self.handle.result()
        return self._workflow.output.read(data_of(value) or b"", max_bytes=canonical.MAX_STORED_VALUE_BYTES)

    async def state(self) -> Progress:
        """Where the run stands, and what it waits for."""
        answer = await self.handle.query("state", result_type=RawValue)
        progress: Progress = wire.decode(Progress, data_of(answer) or b"", what="state")
        self._evidence = progress.waiting.evidence if progress.waiting else ""
        return progress

    async def evidence(self, name: str = "") -> Mapping[str, Json]:
        """All that a person decides on, with the number for it; what is too large for that is asked for by its name.

        Raises `DecisionError` where no value of that name stands in an answer of its own.
        """
        sent = [raw(canonical.dumps(name))] if name else []
        try:
            answer = await self.handle.query("evidence", *sent, result_type=RawValue)
        except WorkflowQueryFailedError as error:
            raise DecisionError(error.message) from None
        told: Mapping[str, Json] = canonical.loads(data_of(answer) or b"", max_bytes=wire.MAX_STORED_BYTES)
        return told

    async def ledger(self) -> list[Entry]:
        """The receipts so far."""
        answer = await self.handle.query("ledger", result_type=RawValue)
        entries: list[Entry] = wire.decode(list[Entry], data_of(answer) or b"", what="ledger")
        return entries

    async def values(self) -> Mapping[str, Json]:
        """Values by their digest, also of outputs that were refused."""
        answer = await self.handle.query("values", result_type=RawValue)
        values: Mapping[str, Json] = canonical.loads(data_of(answer) or b"", max_bytes=wire.MAX_STORED_BYTES)
        return values

    async def export(self, disclosure: Disclosure | None = None, *, signers: Sequence[Signer] = ()) -> bytes:
        """The certificate of the run so far, as a file, made without a worker. What is private stays behind.

        Raises `DecisionError` where nothing has begun, `HistoryError` where the server has forgotten some of it, or
        its plan is in no lock file.
        """
        from gatework.proof.certificate import written
        from gatework.releases.library import Library
        from gatework.signing import attest
        from gatework.temporal.client.exporting import exported

        found = await exported(self.handle._client, Library([self._workflow]), self.id, disclosure)
        return written(attest.signed(found.certificate, signers) if signers else found.certificate)

    async def waiting(self, *, timeout: timedelta | None = None) -> Progress:
        """Wait until the run waits for a person or has ended. Raises `TimeoutError` after a `timeout`."""
        async with asyncio.timeout(timeout.total_seconds() if timeout else None):
            while (progress := await self.state()).status == "running":  # noqa: ASYNC110  # it is another process's
                await asyncio.sleep(0.05)
        return progress

    async def approve(
        self, number: int | str | None = None, *, by: str = "", note: str = "", evidence: str = ""
    ) -> str:
        """Approve what the panel shows under this number. Raises `DecisionError` with the reason of a refusal."""
        return await self._decide("approve", number=number, by=by, note=note, evidence=evidence)

    async def reject(self, note: str, *, by: str = "", number: int | str | None = None) -> str:
        """Say no: to an approval, and the run ends; to a call, which is not made, and the run does not end.

        Raises `DecisionError`.
        """
        return await self._decide("reject", note=note, by=by, number=number)

    async def retry(self, note: str = "", *, by: str = "", number: int | str | None = None) -> str:
        """Run the stage again, with a note for the model. Raises `DecisionError`."""
        return await self._decide("retry", note=note, by=by, number=number)

    async def edit(
        self, value: Any, *, place: str = "", by: str = "", note: str = "", number: int | str | None = None
    ) -> str:
        """Replace a value, given as a model or as JSON. Raises `DecisionError`."""
        data = canonical.loads(contract(type(value)).write(value)) if hasattr(value, "model_dump") else value
        return await self._decide("edit", value=data, place=place, by=by, note=note, number=number)

    async def answer(self, value: Any, *, by: str = "", note: str = "", number: int | str | None = None) -> str:
        """Answer what the run asks, with a model or with JSON. Raises `DecisionError`."""
        data = canonical.loads(contract(type(value)).write(value)) if hasattr(value, "model_dump") else value
        return await self._decide("answer", value=data, by=by, note=note, number=number)

    async def override(
        self, note: str, *, number: int | str, value: Any = None, by: str = "", evidence: str = ""
    ) -> str:
        """Let the run go on past what stopped it, for a reason; with a `value`, on that, without the stage's work.

        Raises `DecisionError`.
        """
        data = canonical.loads(contract(type(value)).write(value)) if hasattr(value, "model_dump") else value
        return await self._decide("override", note=note, number=number, value=data, by=by, evidence=evidence)

    async def abort(self, note: str, *, by: str = "") -> str:
        """End the run. Raises `DecisionError`."""
        return await self._decide("abort", note=note, by=by)

    async def migrate(self, to: str, *, by: str = "", note: str = "") -> str:
        """Move the run to the plan of its workflow with this digest, at the next boundary between stages.

        Raises `DecisionError` with the reason of a refusal.
        """
        return await self._decide("migrate", to=to, by=by, note=note)

    async def move(self, to: str = "") -> Mapping[str, Json]:
        """What `migrate` would change, to the newest plan unless another is named, and why it would be refused."""
        sent = [raw(canonical.dumps({"to": to}))] if to else []
        try:
            answer = await self.handle.query("move", *sent, result_type=RawValue)
        except WorkflowQueryFailedError as error:
            raise DecisionError(error.message) from None
        told: Mapping[str, Json] = canonical.loads(data_of(answer) or b"")
        return told

    async def _decide(self, action: Action | Literal["migrate"], **fields: Any) -> str:
        sent = {name: value for name, value in fields.items() if value not in ("", None)}
        if action != "migrate" and not sent.keys() & {"number", "evidence"} and self._evidence:
            sent["evidence"] = self._evidence
        for _ in range(9):
            with suppress(_NotBegun):
                return await self._updated(action, sent)
            await asyncio.sleep(0.2)
        return await self._updated(action, sent)

    async def _updated(self, action: str, sent: Mapping[str, Json]) -> str:
        try:
            answer = await self.handle.execute_update(action, raw(canonical.dumps(sent)), result_type=RawValue)
        except WorkflowUpdateFailedError as error:
            if not isinstance(error.cause, ApplicationError):
                raise
            kind = _NotBegun if error.cause.message == NOT_BEGUN else DecisionError
            raise kind(error.cause.message) from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise DecisionError("The run has ended, or there is none of that id.") from None
            raise
        return str(canonical.loads(data_of(answer) or b""))


class _NotBegun(DecisionError):
    """The decision came with the first task of the run."""


async def start(
    client: Client,
    workflow: Workflow[I, O],
    data: I,
    *,
    id: str = "",  # as Temporal names it
    task_queue: str = "",
) -> Execution[O]:
    """Start a run, or find the one that has this id already, ended or not.

    The id is `workflow.id_of(data)` unless one is given: one business key is one run. Raises `ContractError` for input
    that breaks its contract, and `ConflictError` where the id is taken by a run of another workflow or, for an id that
    was given, of other input.
    """
    sent = workflow.input.write(data, max_bytes=most_in_value(has_store(client.data_converter)))
    found, _ = await started(client, workflow, sent, id=id, task_queue=task_queue)
    return find(client, workflow, found)


async def started(
    client: Client, workflow: Workflow[Any, Any], data: bytes, *, id: str = "", task_queue: str = ""
) -> tuple[str, bool]:
    """As `start`, from canonical JSON that keeps to the contract: the run's id, and whether it was started now."""
    queue = task_queue or default_task_queue()
    if any(node.queue == queue for node in workflow.plan.nodes if isinstance(node, Work)):
        raise ConfigError(f"The task queue {queue} is for stages of {workflow.name} alone; start it on another.")
    named = workflow.id_of(workflow.input.read(data, max_bytes=canonical.MAX_STORED_VALUE_BYTES))
    if workflow.key is not None and id not in ("", named):
        raise ConflictError(f"A run of {workflow.name} is named by its key, here {named}; leave the id out.")
    try:
        await client.start_workflow(
            workflow.name,
            raw(data),
            id=id or named,
            task_queue=queue,
            # Another run under the same key would do its effects under other keys.
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=captions.summary(workflow),
            static_details=captions.details(workflow),
        )
    except WorkflowAlreadyStartedError:
        await _must_be(client, workflow, id or named, data if workflow.key is None else None)
        return id or named, False
    return id or named, True


async def _must_be(client: Client, workflow: Workflow[Any, Any], id: str, data: bytes | None) -> None:
    """Raise `ConflictError` unless the run of an id is one of the workflow, and started from this input."""
    described = await client.get_workflow_handle(id).describe()
    if described.workflow_type != workflow.name:
        raise ConflictError(f"The id is taken by a run of another workflow than {workflow.name}; use another id.")
    first = described.raw_description.workflow_execution_info.first_run_id or described.run_id
    if data is not None and data != await input_of(client, id, first):
        raise ConflictError(
            f"A run of {workflow.name} with that id started from other input; nothing was started. Use another id."
        )


async def input_of(client: Client, id: str, first: str) -> bytes:
    """The canonical JSON that a run was started from, before it was continued or reset; empty for what is none.

    `first` is the first run of its chain. What resumes a run has its input, beside the request.
    """
    async for event in client.get_workflow_handle(id, run_id=first).fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        values = await client.data_converter.decode(payloads, [RawValue] * len(payloads))
        with suppress(ContractError):
            given = canonical.loads(data_of(values[0]) or b"", max_bytes=canonical.MAX_STORED_VALUE_BYTES)
            return canonical.dumps(given) if len(values) in (1, 2) else b""
        break
    return b""


def find(client: Client, workflow: Workflow[Any, O], id: str) -> Execution[O]:
    """The handle of a run that is there already."""
    # The result as raw bytes: a converter would bend what does not fit the type.
    return Execution(client.get_workflow_handle(id, result_type=RawValue), workflow)
