"""The runs that are disturbed, and the person who decides in them by what the panel and the records show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from gatework.define.workflow import Workflow
from gatework.errors import DecisionError
from gatework.temporal import Execution, find
from gatework.temporal.page.progress import Waiting
from gatework.temporal.workflow.interpreter import Interpreter
from tests.crash import plans, worker
from tests.crash.books import Books, Order
from tests.crash.cluster import Cluster
from workflows.refund import refund

TASK_TIMEOUT = timedelta(seconds=2)
"""How soon Temporal notices that a worker has died inside of a workflow task."""
PATIENCE_SECONDS = 150.0
"""How long a run may take, kills and all, before it counts as stuck."""
LOOK_SECONDS = 0.08
ANSWER_SECONDS = 6.0
"""How long a person waits for an answer before looking again."""

SILENT = (
    *(RPCError, TimeoutError, RuntimeError, WorkflowQueryFailedError, WorkflowQueryRejectedError),
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
"""What it looks like from outside when a server or a worker is down."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One way for a run to go."""

    name: str
    workflow: Workflow[Any, Any] = refund
    large: bool = False
    """Whether finance is asked."""
    mood: str = "plain"
    """What the mail says, which the model drifts by."""
    edits: bool = False
    """Whether finance has the letter changed first."""
    ends: str = "completed"
    cancels_in: str = ""
    """Type of the activity in which the run is cancelled."""
    first_kill: str = ""
    """The place at which the worker is killed before anything else is looked at."""
    continue_after_events: int = Interpreter.continue_after_events
    by_stranger: bool = False
    """Whether it is started by a client without the plugin, as from the UI."""

    def input(self, order: Order) -> Any:
        if self.workflow is refund:
            return order.mail(self.mood)
        return plans.Ask(order=f"{order.number}-{self.mood}")

    def key(self, order: Order) -> str:
        """The business key of the effect."""
        return order.number if self.workflow is refund else f"{order.number}-{self.mood}"


PLAIN = Scene(name="plain")
EVENTFUL = Scene(name="eventful", large=True, mood=plans.STUBBORN, edits=True)
STRANGER = Scene(name="stranger", by_stranger=True)
CASH = Scene(name="cash", workflow=plans.cash)
DOUBT_UNPAID = Scene(name="doubt-unpaid", workflow=plans.cash, first_kill="tool.hand_out: effect hand_out")
DOUBT_PAID = Scene(name="doubt-paid", workflow=plans.cash, first_kill="tool.hand_out: hand_out done")
CONTINUED = Scene(name="continued", large=True, continue_after_events=20)
REJECTED = Scene(name="rejected", large=True, ends="rejected")
ABORTED = Scene(name="aborted", mood=plans.STUBBORN, ends="aborted")
CANCELLED = Scene(name="cancelled", mood=plans.SLOW, ends="cancelled", cancels_in="extract")
CANCELLED_PAYING = Scene(
    name="cancelled-paying", workflow=plans.cash, mood=plans.SLOW, ends="cancelled", cancels_in="tool.hand_out"
)
SCENES = (
    *(PLAIN, EVENTFUL, STRANGER, CASH, DOUBT_UNPAID, DOUBT_PAID, CONTINUED, REJECTED, ABORTED),
    *(CANCELLED, CANCELLED_PAYING),
)


@dataclass
class Driven:
    """A run that was brought to its end, and what was seen on the way."""

    scene: Scene
    order: Order
    run: Execution[Any]
    taken: list[tuple[int, str]] = field(default_factory=list)
    """Gate and action of each decision of which the person heard that it was taken."""
    gates: list[str] = field(default_factory=list)
    """Where it was seen waiting."""
    unsaid: list[str] = field(default_factory=list)
    """Gates that gave no reason."""
    seconds: float = 0.0


class Stuck(Exception):
    """A run has not ended in time."""


async def drive(
    cluster: Cluster, scene: Scene, order: Order, id: str, *, waits: Callable[[str], None] | None = None
) -> Driven:
    """Start a run and see it to its end, deciding where it waits. Raises `Stuck`.

    `waits` is called with the name of each gate before anything is decided there.
    """
    began = time.monotonic()
    await _started(cluster, scene, order, id)
    run = find(cluster.client, scene.workflow, id)
    driven = Driven(scene, order, run)
    seen: set[int] = set()
    last = ""
    while time.monotonic() - began < PATIENCE_SECONDS:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                described = await run.handle.describe()
                if described.status not in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW):
                    driven.seconds = time.monotonic() - began
                    return driven
                progress = await run.state()
                asked, last = progress.waiting, progress.status
            if asked is None:
                if _busy(scene, described) and (scene.workflow is refund or cluster.books.paid(scene.key(order))):
                    await run.handle.cancel()
            elif asked.kind == "unknown" and scene.cancels_in and cluster.books.paid(scene.key(order)):
                await run.handle.cancel()  # its worker died before anybody could cancel what it did
            elif asked.gate not in seen:
                seen.add(asked.gate)
                driven.gates.append(f"{asked.node}, {asked.kind}")
                if not any(reason.strip() for reason in asked.reasons):
                    driven.unsaid.append(driven.gates[-1])
                if waits:
                    waits(driven.gates[-1])
            else:
                async with asyncio.timeout(ANSWER_SECONDS):
                    action = await _decided(cluster.books, scene, order, run, asked)
                driven.taken.append((asked.gate, action))
        except DecisionError as error:
            last = error.message  # an answer of ours that was lost may have been taken
        except SILENT as error:
            last = repr(error)
        await asyncio.sleep(LOOK_SECONDS)
    raise Stuck(f"{id} has not ended after {PATIENCE_SECONDS:.0f} s; the last that was heard of it: {last}")


async def _started(cluster: Cluster, scene: Scene, order: Order, id: str) -> None:
    """Start a run until the server has it: one business key is one run, however often it is started."""
    while True:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                given = scene.input(order)
                await (cluster.stranger if scene.by_stranger else cluster.client).start_workflow(
                    scene.workflow.name,
                    given.model_dump(mode="json") if scene.by_stranger else given,
                    id=id,
                    task_queue=worker.QUEUE,
                    task_timeout=TASK_TIMEOUT,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                )
            return
        except WorkflowAlreadyStartedError:
            return
        except SILENT:
            await cluster.server_up()
            await asyncio.sleep(LOOK_SECONDS)


def _busy(scene: Scene, described: WorkflowExecutionDescription) -> bool:
    """Whether a run is where its scene has it cancelled: at work in a stage."""
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    pending = described.raw_description.pending_activities
    return scene.cancels_in in {
        each.activity_type.name.removeprefix("stage.") for each in pending if each.state == started
    }


async def _decided(books: Books, scene: Scene, order: Order, run: Execution[Any], asked: Waiting) -> str:
    """Decide as a person does: by what is shown, and by a look at the records. The action that was taken."""
    if asked.kind == "approval":
        if scene.ends == "rejected":
            await run.reject("No.", by="Ada")
            return "reject"
        edited = any(entry.receipt.action == "edit" for entry in await run.ledger())
        if scene.edits and not edited:
            letter: Any = asked.shown["letter"]
            await run.edit({**letter, "body": _reworded(letter["body"])}, place="letter", by="Ada")
            return "edit"
        await run.approve(asked.number, by="Ada")
        return "approve"
    if asked.kind == "unknown" and (paid := books.paid(scene.key(order))):
        # The record of what happened, since a till cannot be asked twice.
        record = {"slip": paid[0].payment, "order": scene.key(order), "amount": "12.50"}
        await run.edit(record, by="Ada", number=asked.number)
        return "edit"
    if asked.kind == "exhausted" and asked.node == "claim" and scene.ends == "aborted":
        await run.abort("Not ours.", by="Ada")
        return "abort"
    if asked.kind in ("unknown", "exhausted", "failed"):
        note = plans.NOTE if asked.node == "claim" else ""
        await run.retry(note, by="Ada", number=asked.number)
        return "retry"
    await run.abort("Nobody expected this.", by="Ada")
    return "abort"


def _reworded(body: str) -> str:
    return body.replace(plans.SYMPATHY, "We are sorry for the trouble with your jug.")
