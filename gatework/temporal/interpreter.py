"""The interpreter: drives the machine inside a Temporal workflow.

It performs what is due and hands the machine what came of it. What may happen next is the machine's to say;
nothing here decides it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from gatework import canonical, machine, wire
from gatework.canonical import Json, Sealed
from gatework.contract import Schema
from gatework.errors import ContractError, DecisionError, OrderError
from gatework.events import Action, Begun, Cancelled, Decided, Event, Expired, Failed, FailureKind, Finished
from gatework.ledger import Entry, extended
from gatework.library import Known, Library
from gatework.plan import Plan, Work
from gatework.state import Gate, Outcome, Run, State
from gatework.temporal.activities import PIN, PinQuery, Task
from gatework.temporal.decisions import DESCRIPTIONS, decided
from gatework.temporal.panel import panel
from gatework.temporal.payloads import application_error, data_of, raw, refusal
from gatework.temporal.progress import Progress, progress

GRACE = timedelta(seconds=15)
"""What an attempt gets beyond its own timeout before Temporal gives it up."""

HEARTBEAT_TIMEOUT = timedelta(seconds=20)
"""How soon a dead worker is noticed."""

TRIES = 4
"""How often Temporal runs an attempt whose code broke or whose worker died. An effect's attempt is run once."""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a run hands to the run that continues it."""

    state: State
    ledger: tuple[Entry, ...]
    expires: str
    """When the open gate expires, as UTC in ISO 8601; empty without one."""


class UnknownPlan(Exception):
    """This deploy does not have the plan that the run is pinned to; it waits for one that has."""


class Interpreter:
    """One run of a plan. Subclasses, made by `workflow_class`, say of which workflow."""

    library: ClassVar[Library]
    name: ClassVar[str]
    continue_after_events: ClassVar[int] = 4_000
    """Length of history at which the run continues as new."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._state: State | None = None
        self._ledger: tuple[Entry, ...] = ()
        self._seen: dict[str, Json] = {}
        self._expires: datetime | None = None

    async def _run(self, inputs: tuple[object, ...]) -> RawValue:
        try:
            given = self._given(inputs)
            carried = self._carried(given)
            known = await self._pinned(carried)
            if known.problem:
                raise UnknownPlan(f"Plan {known.plan.digest[:12]} cannot run on this deploy: {known.problem}.")
            self._plan = known.plan
            if carried is None:
                self._begin(given)
            else:
                self._resume(carried)
        except ContractError as error:
            raise application_error(error.at(f"input of {self.name}")) from None
        try:
            outcome = await self._to_the_end()
        except asyncio.CancelledError:
            self._take(Cancelled())
            raise
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._result(outcome)

    # -- which plan --------------------------------------------------------------------------------

    async def _pinned(self, carried: Carried | None) -> Known:
        """The plan that this run started with, found by the marker in its history, or the newest for a new run."""
        info = workflow.info()
        if carried is not None:
            return self._marked(self.library.find(self.name, carried.state.plan), carried.state.plan)
        # A run that was reset to its first task has lost its marker; the run that it was reset from has it.
        if info.run_id != info.original_execution_run_id and workflow.patched("gatework-reset"):
            digest = await self._original(info)
            if digest:
                return self._marked(self.library.find(self.name, digest), digest)
        for known in self.library.plans(self.name):
            if workflow.patched(_marker(known.plan.digest)):
                return known
        raise UnknownPlan(f"This deploy of {self.name} has none of the plans that the run may be pinned to.")

    async def _original(self, info: workflow.Info) -> str:
        query = PinQuery(workflow=self.name, workflow_id=info.workflow_id, run_id=info.original_execution_run_id)
        answer = await workflow.execute_activity(
            PIN,
            raw(wire.encode(query)),
            result_type=RawValue,
            start_to_close_timeout=timedelta(seconds=20),
            summary="plan of the run before the reset",
        )
        return str(canonical.loads(data_of(answer) or b'""'))

    def _marked(self, known: Known | None, digest: str) -> Known:
        if known is None:
            raise UnknownPlan(f"Plan {digest[:12]} of {self.name} is not in this deploy; deploy it again.")
        workflow.patched(_marker(known.plan.digest))
        return known

    # -- from the first event to the last ----------------------------------------------------------

    def _given(self, inputs: tuple[object, ...]) -> bytes:
        """The one JSON value that the run was started with. Raises `ContractError`."""
        if len(inputs) != 1 or not isinstance(inputs[0], RawValue):
            raise ContractError(f"start it with one JSON value; {len(inputs)} were given")
        if workflow.info().cron_schedule:
            raise ContractError("started with a cron string; use a Schedule")
        return data_of(inputs[0]) or b""

    def _carried(self, given: bytes) -> Carried | None:
        """What the run before handed on, where this one continues it.

        Only Temporal itself sets the id of the continued run, so a caller who sends such a state is not believed.
        """
        info = workflow.info()
        if info.continued_run_id is None or info.attempt > 1:
            return None
        carried: Carried = wire.decode(Carried, given, what="carried state")
        return carried

    def _begin(self, given: bytes) -> None:
        assert self._plan is not None
        value = canonical.loads(given)
        Schema(self._plan.contracts[self._plan.input.contract]).check(value)
        self._state = machine.new(self._plan)
        self._take(Begun(plan=self._plan.digest, input=Sealed.of(value, self._salt())))

    def _resume(self, carried: Carried) -> None:
        self._state, self._ledger = carried.state, carried.ledger
        self._expires = datetime.fromisoformat(carried.expires) if carried.expires else None
        self._show()

    async def _to_the_end(self) -> Outcome:
        while True:
            plan, state = self._now
            due = machine.due(plan, state)
            if isinstance(due, Outcome):
                return due
            if workflow.info().get_current_history_length() > self.continue_after_events:
                await self._continue_as_new()
            if isinstance(due, Gate):
                await self._decision(due)
            else:
                await self._attempt(due)

    async def _decision(self, gate: Gate) -> None:
        """Wait until a person has answered the gate, or its time is up."""
        expires = self._expires or workflow.now() + timedelta(seconds=gate.expires_seconds)
        self._expires = expires
        self._show()
        try:
            await workflow.wait_condition(
                lambda: self._now[1].gate is None or self._now[1].gate.id != gate.id,
                timeout=max(expires - workflow.now(), timedelta(milliseconds=1)),
                timeout_summary=f"{gate.node} waits for {gate.role}",
            )
        except TimeoutError:
            self._take(Expired(gate=gate.id))

    async def _attempt(self, due: Run) -> None:
        event = await self._performed(due)
        try:
            self._take(event)
        except OrderError as error:
            self._take(self._failed(due, "refused", error.message, sent=isinstance(event, Failed) and event.sent))

    async def _performed(self, due: Run) -> Finished | Failed:
        """One attempt as an activity; whatever comes back, an event."""
        plan, _ = self._now
        position = plan.index[due.node]
        node = plan.nodes[position]
        assert isinstance(node, Work)
        tries = 1 if node.tools else TRIES
        task = wire.encode(Task(lineage=self._lineage, tries=tries, run=due))
        if len(task) > wire.MAX_MESSAGE_BYTES:
            return self._failed(
                due, "error", f"the inputs of {due.node} are {len(task)} bytes, more than Temporal takes"
            )
        try:
            answer = await workflow.execute_activity(
                node.runs,
                raw(task),
                result_type=RawValue,
                start_to_close_timeout=timedelta(seconds=node.timeout_seconds) + GRACE,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=tries, maximum_interval=timedelta(seconds=30)),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"stage {position + 1}/{len(plan.nodes)} {due.node}, attempt {due.attempt}",
            )
            event: Finished | Failed = wire.decode(Finished | Failed, data_of(answer) or b"", what="result")
        except ContractError as error:
            return self._failed(due, "refused", error.message, sent=bool(node.tools))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from None
            return self._failed(due, *_why(error, due.node, effect=bool(node.tools)))
        if isinstance(event, Finished):
            self._seen[event.output.digest] = event.output.data
        return event

    def _failed(self, due: Run, failure: FailureKind, reason: str, sent: bool = False) -> Failed:
        return Failed(
            plan=due.plan,
            node=due.node,
            attempt=due.attempt,
            inputs=due.inputs_digest,
            failure=failure,
            reason=reason,
            sent=sent,
        )

    async def _continue_as_new(self) -> None:
        _, state = self._now
        carried = wire.encode(
            Carried(state=state, ledger=self._ledger, expires=self._expires.isoformat() if self._expires else "")
        )
        if len(carried) > wire.MAX_MESSAGE_BYTES:
            return  # a longer history is better than a run that cannot go on
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._now[1] is state:
            workflow.continue_as_new(raw(carried))

    def _result(self, outcome: Outcome) -> RawValue:
        plan, state = self._now
        if outcome.kind == "completed":
            return raw(canonical.dumps(state.values[plan.result].sealed.data))
        by = f" by {outcome.by}" if outcome.by else ""
        at = f" at {outcome.node}" if outcome.node else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        raise ApplicationError(
            f"The run was {outcome.kind}{by}{at}{reason}."
            if outcome.kind != "expired"
            else f"The run expired{at}{reason}.",
            type=f"gatework.{outcome.kind}",
            non_retryable=True,
        )

    # -- what the machine accepted -----------------------------------------------------------------

    @property
    def _now(self) -> tuple[Plan, State]:
        if self._plan is None or self._state is None:
            raise DecisionError("The run has not begun yet; try again in a moment.")
        return self._plan, self._state

    def _take(self, event: Event) -> None:
        plan, state = self._now
        step = machine.step(plan, state, event)
        if step.state.gate is None or state.gate is None or step.state.gate.id != state.gate.id:
            self._expires = None
        self._state = step.state
        self._ledger = extended(self._ledger, step.receipts, workflow.now())
        self._show()

    def _show(self) -> None:
        workflow.set_current_details(panel(self.state()))

    @property
    def _lineage(self) -> str:
        info = workflow.info()
        return f"{info.namespace}/{info.workflow_id}/{info.first_execution_run_id}"

    def _salt(self) -> bytes:
        return workflow.random().randbytes(16)

    # -- what people ask and say -------------------------------------------------------------------

    @workflow.query(description="Where the run stands, and what it waits for.")
    def state(self) -> Progress:
        plan, state = self._now
        return progress(
            plan,
            state,
            receipts=len(self._ledger),
            head=self._ledger[-1].digest if self._ledger else "",
            expires=self._expires,
        )

    @workflow.query(description="The receipts of the run, chained.")
    def ledger(self) -> list[Entry]:
        return list(self._ledger)

    @workflow.query(description="Values by their digest, also of outputs that were refused.")
    def values(self) -> dict[str, Json]:
        held = self._state.values.values() if self._state else ()
        return {**self._seen, **{value.sealed.digest: value.sealed.data for value in held}}

    def _decided(self, action: Action, data: RawValue | None) -> Decided:
        plan, state = self._now
        return decided(action, data_of(data), plan, state.gate, self._salt)

    def _check(self, action: Action, data: RawValue | None) -> None:
        """Refuse what the machine would refuse; changes nothing."""
        try:
            plan, state = self._now
            # A fixed salt: a validator must not advance the workflow's random numbers.
            machine.step(plan, state, decided(action, data_of(data), plan, state.gate, lambda: bytes(16)))
        except (DecisionError, OrderError, ContractError) as error:
            raise refusal(error.message) from None

    def _decide(self, action: Action, data: RawValue | None) -> str:
        try:
            event = self._decided(action, data)
            node = self._now[1].gate
            self._take(event)
        except (DecisionError, OrderError, ContractError) as error:
            raise refusal(error.message) from None
        by = f" by {event.by} (as claimed)" if event.by else ""
        return f"{action} taken at {node.node if node else self.name}{by}."

    @workflow.update(description=DESCRIPTIONS["approve"])
    async def approve(self, data: RawValue = None) -> str:  # type: ignore[assignment]  # the UI may send nothing
        return self._decide("approve", data)

    @approve.validator
    def _check_approve(self, data: RawValue = None) -> None:  # type: ignore[assignment]
        self._check("approve", data)

    @workflow.update(description=DESCRIPTIONS["reject"])
    async def reject(self, data: RawValue = None) -> str:  # type: ignore[assignment]
        return self._decide("reject", data)

    @reject.validator
    def _check_reject(self, data: RawValue = None) -> None:  # type: ignore[assignment]
        self._check("reject", data)

    @workflow.update(description=DESCRIPTIONS["retry"])
    async def retry(self, data: RawValue = None) -> str:  # type: ignore[assignment]
        return self._decide("retry", data)

    @retry.validator
    def _check_retry(self, data: RawValue = None) -> None:  # type: ignore[assignment]
        self._check("retry", data)

    @workflow.update(description=DESCRIPTIONS["edit"])
    async def edit(self, data: RawValue = None) -> str:  # type: ignore[assignment]
        return self._decide("edit", data)

    @edit.validator
    def _check_edit(self, data: RawValue = None) -> None:  # type: ignore[assignment]
        self._check("edit", data)

    @workflow.update(description=DESCRIPTIONS["abort"])
    async def abort(self, data: RawValue = None) -> str:  # type: ignore[assignment]
        return self._decide("abort", data)

    @abort.validator
    def _check_abort(self, data: RawValue = None) -> None:  # type: ignore[assignment]
        self._check("abort", data)


def _marker(digest: str) -> str:
    return f"plan-{digest[:16]}"


def _why(error: ActivityError, node: str, *, effect: bool) -> tuple[FailureKind, str, bool]:
    """What an attempt's failure on Temporal means: kind, reason, and whether an effect may have been sent."""
    cause = error.cause
    if isinstance(cause, ActivityTimeoutError):
        late = cause.type is TimeoutType.START_TO_CLOSE
        reason = f"{node} took longer than Temporal waits" if late else f"the worker of {node} died or went silent"
        if effect:
            return "unknown", reason, True
        return ("timeout" if late else "error"), reason, False
    if isinstance(cause, ApplicationError) and (cause.type or "").startswith("gatework."):
        return "error", cause.message, effect
    # Another worker's failure: its text is not ours, so only its kind is repeated.
    kind = cause.type if isinstance(cause, ApplicationError) else type(cause).__name__
    return ("unknown" if effect else "error"), f"the activity of {node} failed with {kind}", effect
