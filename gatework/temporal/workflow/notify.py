"""Telling people that a run waits: one activity for each gate, beside the waiting, until somebody has been told.

Temporal tries it again, with growing pauses, until a message is delivered, or the gate is answered or expires. What
stands in the history is a `Notice`: where messages go, and what signs them, only workers know.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, is_cancelled_exception

from gatework import notify
from gatework.errors import ContractError, GateworkError, OrderError
from gatework.logs import emit
from gatework.logs.onward import short_digest
from gatework.logs.vocabulary import LOUD, LogEvent
from gatework.notice import MAX_NOTICE_BYTES, May, Notice, Overrider, Where, message, message_id
from gatework.notify import Hook, NotDelivered
from gatework.plan.plan import Plan
from gatework.run.state import Gate
from gatework.temporal.transport.heartbeat import beating
from gatework.temporal.transport.pages import page, running, ui_of, waiting
from gatework.temporal.transport.payloads import OURS, application_error, data_of, raw
from gatework.temporal.transport.search import Registered, registered
from gatework.values import wire

ACTIVITY = "gatework.notify"

AT_ONCE = 4
"""How many messages a worker delivers side by side: a hook that hangs must not take the places of stages."""
SOON = timedelta(seconds=2)
"""When a message is tried again for which there was no place."""

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
GRACE = timedelta(seconds=15)
"""What a try gets beyond its own time before Temporal gives it up."""
HEARTBEAT_TIMEOUT = timedelta(seconds=10)

NEEDLESS = "the gate was answered, or the run ended, before a message was delivered"
IN_VAIN = "no try came to anything in time"


def notice_of(plan: Plan, gate: Gate, opened: datetime, expires: datetime) -> Notice:
    """What people are told of a gate: names of the plan, and no value of the run."""
    over = gate.override
    return Notice(
        plan=plan.digest,
        gate=gate.id,
        asks=gate.kind,
        stage=gate.node,
        position=plan.index[gate.node] + 1,
        stages=len(plan.nodes),
        role=gate.role,
        quorum=gate.by.quorum,
        identity=gate.by.identity,
        handed_on=gate.handed_on,
        opened=opened.isoformat(timespec="seconds"),
        expires=expires.isoformat(timespec="seconds"),
        tool=gate.call.tool if gate.call else "",
        override=Overrider(role=over.role, quorum=over.quorum, identity=over.identity) if over else None,
    )


# -- in the workflow -------------------------------------------------------------------------------


class Telling:
    """The messages of a run that are under way. One whose gate has been answered is called back."""

    def __init__(self) -> None:
        self._told = 0
        """The last gate of which somebody has been told."""
        self._begun, self._times = 0, 0
        """The last gate of which anybody was to be told, and how often that was decided."""
        self._open: workflow.ActivityHandle[Any] | None = None
        self._called_back: list[workflow.ActivityHandle[Any]] = []

    @property
    def under_way(self) -> bool:
        """Whether a worker may still be at it."""
        return self._open is not None or bool(self._called_back)

    def begin(self, notice: Notice, *, wanted: bool, left: timedelta, about: Callable[[], emit.Fields]) -> None:
        """Have people told of a gate, unless they have been. `left` is the time for which it is open.

        Whether they are to be told is decided when the gate opens, and stands in the history from then on: `wanted` is
        this worker's word, and another may have no hook.
        """
        if self._told == notice.gate:
            return
        self._begun, self._times = notice.gate, self._times + 1 if self._begun == notice.gate else 1
        # A move that is refused comes back here. Temporal answers for a marker as it did at first, so each has its own.
        marker = f"gatework-notify-{notice.gate}" + (f"-{self._times}" if self._times > 1 else "")
        if not (workflow.patched(marker) if workflow.unsafe.is_replaying() else wanted):
            return
        workflow.patched(marker)
        self._open = workflow.start_activity(
            ACTIVITY,
            # What is left out nobody needs to know of: a worker from before the field takes the message.
            raw(wire.brief(notice)),
            result_type=RawValue,
            # Given up just before the gate expires, so that it is told apart from being called back.
            schedule_to_close_timeout=max(left - timedelta(seconds=1), timedelta(seconds=1)),
            start_to_close_timeout=timedelta(seconds=notify.TRY_SECONDS) + GRACE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(initial_interval=FIRST_PAUSE, maximum_interval=LONGEST_PAUSE),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"tell {notice.told}",
        )
        self._open.add_done_callback(functools.partial(self._ended, notice, about))

    def call_back(self) -> None:
        """Nobody needs to be told any more. The run goes on meanwhile."""
        if self._open is not None:
            self._called_back.append(self._open)
            self._open.cancel()
            self._open = None

    async def over(self) -> None:
        """Call back what is under way, and wait until no worker is at it: it would find its run gone."""
        self.call_back()
        # Each ends within a heartbeat, or without one at the end of its time.
        await asyncio.gather(*self._called_back, return_exceptions=True)

    def _ended(self, notice: Notice, about: Callable[[], emit.Fields], handle: asyncio.Task[Any]) -> None:
        if handle is self._open:
            self._open = None
        else:
            self._called_back.remove(handle)  # type: ignore[arg-type]  # it is one of them
        error = None if handle.cancelled() else handle.exception()
        if error is None and not handle.cancelled():
            self._told = notice.gate
        elif not workflow.unsafe.is_replaying():
            emit.write([_given_up(notice, error)], about())


def _given_up(notice: Notice, error: BaseException | None) -> LogEvent:
    """That nobody was told. Loud, unless nobody had to be."""
    needless = error is None or is_cancelled_exception(error)
    reason = NEEDLESS if needless else IN_VAIN
    fields: emit.Fields = {"stage": notice.stage, "gate": notice.gate, "role": notice.told, "reason": reason}
    return LogEvent.of("notice.given_up", fields, level=0 if needless else LOUD)


# -- on a worker -----------------------------------------------------------------------------------


class Notices:
    """What a worker does to tell people."""

    def __init__(self) -> None:
        self._under_way = 0

    @activity.defn(name=ACTIVITY)
    async def deliver(self, task: RawValue) -> None:
        """One try to deliver a message. A failure of it is a reason to try again, and holds nothing of the hook."""
        info = activity.info()
        if not (info.workflow_type and info.workflow_id and info.workflow_run_id):
            raise application_error(OrderError("People are told only by a run."))
        try:
            sent = data_of(task) or b""
            notice: Notice = wire.decode(Notice, sent, what="notice", max_bytes=MAX_NOTICE_BYTES)
        except ContractError as error:
            raise application_error(error) from None
        about: emit.Fields = {
            "run": info.workflow_id,
            "run_id": info.workflow_run_id,
            "workflow": info.workflow_type,
            "plan": short_digest(notice.plan),
            "stage": notice.stage,
            "gate": notice.gate,
            "role": notice.told,
            "notice": message_id(info.namespace, info.workflow_id, info.workflow_run_id, notice.gate),
            "try": info.attempt,
        }
        with emit.bound(about):
            if self._under_way >= AT_ONCE:
                raise _again("other messages are under way", SOON)
            self._under_way += 1
            try:
                with beating(info):
                    await _delivered(info, notice)
            finally:
                self._under_way -= 1


async def _delivered(info: activity.Info, notice: Notice) -> None:
    try:
        hook = notify.hook()
        if hook is None:
            raise NotDelivered(f"this worker has no {notify.HOOK}")
        client = activity.client()
        ui = await ui_of(client)
        where = Where(
            namespace=info.namespace,
            workflow=info.workflow_type or "",
            run=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            page=page(ui, info.namespace, info.workflow_id or "", info.workflow_run_id or ""),
            waiting=await _listed(client, ui, notice.role),
        )
    except GateworkError as error:
        emit.say("notice.failed", {"reason": error.message})
        raise _again(error.message) from None
    # Side by side: each has the time of a try, and whoever is told twice knows the message by its id.
    came = await asyncio.gather(*[_to(hook, notice, where, role, may) for role, may in notice.roles])
    if failed := next(filter(None, came), ""):
        raise _again(failed)


async def _to(hook: Hook, notice: Notice, where: Where, role: str, may: May) -> str:
    """Tell those of one role; why that failed, or nothing."""
    id = message_id(where.namespace, where.run, where.run_id, notice.gate, may)
    about: emit.Fields = {"role": role, "notice": id}
    try:
        await notify.deliver(hook, id, message(notice, where, id=id, may=may), int(time.time()))
    except GateworkError as error:
        emit.say("notice.failed", {**about, "reason": error.message})
        return error.message
    emit.say("notice.delivered", about)
    return ""


async def _listed(client: Client, ui: str, role: str) -> str:
    """The page with all that waits for a role; with all that runs, where the server cannot find that."""
    if ui and await registered(client) is Registered.YES:
        return waiting(ui, client.namespace, role)
    return running(ui, client.namespace)


def _again(reason: str, soon: timedelta | None = None) -> ApplicationError:
    """A failure after which Temporal tries again. A warning of its own would only repeat ours."""
    kind = f"{OURS}{NotDelivered.code}"
    return ApplicationError(reason, type=kind, next_retry_delay=soon, category=ApplicationErrorCategory.BENIGN)
