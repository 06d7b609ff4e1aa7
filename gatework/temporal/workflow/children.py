"""Child runs as child workflows of Temporal: started as the machine says, and heard when they have ended.

A child run is told what it starts from by the run that starts it, in a message that counts only where the server says
that another run has started it. Its id follows from that of its parent and does not change from attempt to attempt, so
that an id is never at work twice, and a later attempt finds what an earlier one did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    TerminatedError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as RunTimeoutError

from gatework.errors import ContractError
from gatework.machine.returning import Report, broken, name_of, place_of, returned, unheard
from gatework.plan.plan import Budget, Call, Plan
from gatework.releases.library import Known
from gatework.run.budget import Spent
from gatework.run.events import Returned
from gatework.run.held import Held
from gatework.run.state import ChildRun, Spawn
from gatework.temporal.transport import captions
from gatework.temporal.transport.payloads import OURS, data_of, raw
from gatework.temporal.transport.storing import fits
from gatework.values import canonical, wire

MOST_UNDER_WAY = 1_000
"""How many a run has under way at once, whatever its plan says: the server takes no more than 2,000."""

MOST_BYTES = 1_000_000
"""How much the messages come to that are sent in one workflow task. The server takes 4 MB."""

MOST_STARTED = 100
"""How many are started in one workflow task: Temporal lets no task think for 2 s."""

MAX_ID_BYTES = 1_000
"""Longest id of a run that servers take."""

TRIES = 4
"""How often a worker looks at a child run that said nothing at its end."""

_FIELD = "gatework-child"


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a child run is started with."""

    node: str
    """The node of the parent's plan that calls it."""
    plan: str
    """Digest of the plan to which it is held."""
    inputs: Mapping[str, Held]
    asks: bool
    allowance: Budget
    lineage: str
    """The same for every attempt: keys of effects follow from it."""
    secret: str
    """As in `pin.Beginning`."""
    again: bool
    """Whether there may have been an earlier run of this child, whose effects count."""
    undoes: str = ""
    """The server's id of an earlier run of this child, which it takes back."""


def start_in(value: object) -> Start | None:
    """What a run was started with as a child; None for one that was started otherwise. Raises `ContractError`."""
    if not isinstance(value, RawValue) or _FIELD not in value.payload.metadata:
        return None
    parent = workflow.info().parent
    # A replay from a file has a namespace of its own.
    abroad = parent and not workflow.unsafe.is_replaying() and parent.namespace != workflow.info().namespace
    if parent is None or abroad:
        raise ContractError("only a run starts a child run")
    start: Start = wire.decode(Start, data_of(value) or b"", what="message to a child run")
    return start


def _message(start: Start) -> RawValue:
    # Marked beside its data: what users start such a workflow with is data alone.
    metadata = {"encoding": b"json/plain", _FIELD: b"1"}
    return RawValue(Payload(metadata=metadata, data=wire.brief(start)))


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What children are told of the run that starts them."""

    plan: Plan
    lineage: str
    secret: str
    again: bool
    """Whether this run may go on where another of its lineage was."""


class Following:
    """One child run that is under way, as far as its parent knows."""

    def __init__(self, due: Spawn, run: ChildRun) -> None:
        self.due, self.run = due, run
        self.handle: workflow.ChildWorkflowHandle[object, RawValue] | None = None
        """None until the server says that it has started."""
        self.unwanted = False

    @property
    def key(self) -> tuple[str, int, int]:
        return self.due.node, self.due.attempt, self.run.child

    def stop(self, reason: str) -> None:
        """Have it cancelled, at once or when it has started. It is heard of all the same."""
        if not self.unwanted:
            self.unwanted = True
            if self.handle is not None:
                self.handle.cancel(reason)


class Children:
    """The child runs of a run that are under way, and those that have ended and were not taken yet."""

    def __init__(self) -> None:
        self._following: dict[str, Following] = {}
        """By the ids of the runs."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended: list[tuple[Following, Report]] = []

    @property
    def under_way(self) -> int:
        """How many have not ended."""
        return len(self._following)

    @property
    def any(self) -> bool:
        """Whether one is under way, or has ended and was not taken yet."""
        return bool(self._following or self.ended)

    @property
    def starting(self) -> bool:
        """Whether the server has still to say of one that it has started."""
        return any(one.handle is None for one in self._following.values())

    def only(self, due: Spawn | None) -> None:
        """Stop those that are not to be under way any more."""
        wanted = {(due.node, due.attempt, run.child) for run in due.runs} if due else set()
        for one in self._following.values():
            if one.key not in wanted:
                one.stop("another child run failed" if due else "the run has gone on, or is ending")

    def missing(self, node: Call, due: Spawn) -> list[ChildRun]:
        """Those that are to be under way and can be started: no run of theirs, of this attempt or before, goes on."""
        ended = {one.key for one, _ in self.ended}
        return [
            run
            for run in due.runs
            if _id_of(node, run.child) not in self._following and (due.node, due.attempt, run.child) not in ended
        ]

    def start(self, node: Call, due: Spawn, parent: Parent, *, stores: bool) -> bool:
        """Start those that are missing, as many as one workflow task takes; whether that was all for now."""
        size = 0
        for count, run in enumerate(self.missing(node, due)):
            if len(self._following) >= MOST_UNDER_WAY:
                return True
            if size > MOST_BYTES or count == MOST_STARTED:
                return False
            size += self._start(node, due, run, parent, stores)
        return True

    def _start(self, node: Call, due: Spawn, run: ChildRun, parent: Parent, stores: bool) -> int:
        name, id = name_of(node, run.child), _id_of(node, run.child)
        message = _message(
            Start(
                node=node.name,
                plan=run.plan,
                inputs=dict(run.inputs),
                asks=run.asks,
                allowance=run.allowance,
                lineage=f"{parent.lineage}/{name}",
                secret=canonical.digest("secret", [parent.secret, name, due.attempt]),
                again=parent.again or due.attempt > 1,
                undoes=run.undoes,
            )
        )
        following = Following(due, run)
        size = len(message.payload.data)
        marker = f"gatework-stored-{name}-{due.attempt}"
        fitting = fits(size, wire.MAX_MESSAGE_BYTES, wire.MAX_STORED_BYTES, marker, stores=stores)
        if why := _impossible(name, id, size, fitting=fitting):
            self.ended.append((following, unheard(node, run, why, began=False)))
            return 0
        self._following[id] = following
        task = asyncio.create_task(self._follow(node, following, id, message, parent.plan))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return size

    async def _follow(self, node: Call, one: Following, id: str, message: RawValue, plan: Plan) -> None:
        """Start one and hear of it. Nothing cancels this: a run that is cancelled waits for what its children say."""
        began = False
        try:
            one.handle = await workflow.start_child_workflow(
                one.run.workflow,
                message,
                id=id,
                result_type=RawValue,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                parent_close_policy=workflow.ParentClosePolicy.TERMINATE,
                static_summary=captions.child(plan, node, one.run),
                static_details=captions.STOPPING,
            )
            began = True
            if one.unwanted:
                one.handle.cancel("it is not wanted any more")
            report = _read(await one.handle)
        except WorkflowAlreadyStartedError:
            report = unheard(node, one.run, "another run of its id is under way; end that, and retry", began=False)
        except ChildWorkflowError as error:
            report = _said(error) or await _found(one.run.workflow, id, one.handle, _unsaid(node, one.run, error))
        except ContractError:
            report = unheard(node, one.run, "what it gave is not what a child run gives")
        except (asyncio.CancelledError, RuntimeError):  # in the moment in which it ended, or the server knows no such
            report = unheard(node, one.run, "it was cancelled, or could not be started", began=began)
        del self._following[id]
        self.ended.append((one, report))


def _id_of(node: Call, child: int) -> str:
    """The id of a child run, whatever the attempt: `brief-7/found/3`."""
    return f"{workflow.info().workflow_id}/{name_of(node, child)}"


def _impossible(name: str, id: str, size: int, *, fitting: bool) -> str:
    """Why a child run cannot be started, in words; empty where nothing is known against it."""
    if not fitting:
        return (
            f"the inputs of {name} are {size} bytes together, more than the {wire.MAX_MESSAGE_BYTES} that one run can "
            "be given; pass on where they lie instead"
        )
    if len(id.encode()) > MAX_ID_BYTES:
        return f"the id of {name} would be longer than {MAX_ID_BYTES} bytes; give the run that starts it a shorter one"
    return ""


def _read(answer: RawValue) -> Report:
    report: Report = wire.decode(Report, data_of(answer) or b"", what="result of a child run")
    return report


def _said(error: ChildWorkflowError) -> Report | None:
    """What a child run said that did not give a result; None for one that could not say anything, or that said."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and (cause.type or "").startswith(OURS) and cause.details:
        with suppress(ContractError):
            said: Report = wire.decode(Report, canonical.dumps(cause.details[0]), what="end of a child run")
            return said if said.outcome != "completed" else None  # it gave no value, whatever it says
    return None


def _unsaid(node: Call, run: ChildRun, error: ChildWorkflowError) -> Report:
    """What counts of a child run that said nothing, unless its history says more."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and (cause.type or "").startswith(OURS) and not cause.details:
        return unheard(node, run, cause.message.rstrip("."), began=False)
    if is_cancelled_exception(error):
        return unheard(node, run, "", outcome="cancelled")
    if isinstance(cause, TerminatedError):
        return unheard(node, run, "it was terminated")
    late = isinstance(cause, RunTimeoutError)
    return unheard(node, run, "it ran out of Temporal's own time" if late else "it failed")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a worker is asked to look at: a child run that has ended and said nothing."""

    id: str
    first: str
    """The first run of its chain."""


def activity_type(name: str) -> str:
    """The activity type of looking at runs of a workflow that have ended."""
    return f"gatework.ended.{name}"


async def _found(
    name: str, id: str, handle: workflow.ChildWorkflowHandle[object, RawValue] | None, unsaid: Report
) -> Report:
    """What a worker finds in the history of a child run that said nothing; what counts without it, where none can."""
    first = handle.first_execution_run_id if handle is not None else None
    if not first or not (unsaid.acted or unsaid.outcome == "cancelled" or unsaid.spent != Spent()):
        return unsaid
    try:
        answer = await workflow.execute_activity(
            activity_type(name),
            raw(wire.encode(Ended(id=id, first=first))),
            result_type=RawValue,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_attempts=TRIES),
            summary=f"what {name} had come to",
        )
        found = _read(answer)
    except (ActivityError, ContractError):
        return unsaid
    return replace(found, outcome=unsaid.outcome, output=None, undoable=False, reason=found.reason or unsaid.reason)


def taken(known: Known, one: Following, report: Report) -> Returned:
    """The machine's event for a child run that has ended, once its value keeps to the contract of this run's plan."""
    event = returned(one.due, one.run.child, report)
    node = known.plan.node(one.due.node)
    assert isinstance(node, Call)
    if report.output is None:
        return event
    place, data = place_of(known.plan, node, one.run.child), report.output.sealed.data
    if node.kind == "each":
        data = {"values": [data], "failed": []} if node.failed == "collect" else [data]
    try:
        if place:
            known.check(place, data)
    except ContractError as error:
        return broken(event, str(error.at(f"result of {name_of(node, one.run.child)}")))
    return event
