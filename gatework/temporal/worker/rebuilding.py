"""What a worker finds of a run that has ended: its state, rebuilt from the server's history of it, and nobody's word.

A run is looked for under the id of the run that is to resume it, in its namespace; whoever started that one names no
other. What has gone on since, as whatever run, is not gone behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import ContractError, DecisionError, ResumeError
from gatework.machine import resumption
from gatework.machine.returning import Report, report
from gatework.proof.ledger import handed_on
from gatework.releases.library import Library
from gatework.run.events import Resumed
from gatework.run.held import Held
from gatework.temporal.client.client import input_of
from gatework.temporal.client.history import HistoryError, Leg, Rebuilt, never_began, rebuilt
from gatework.temporal.transport.executions import ends, events_of
from gatework.temporal.transport.messages import lineage
from gatework.temporal.transport.payloads import UNREADY, application_error, data_of, raw
from gatework.temporal.transport.storing import most_in_message
from gatework.temporal.workflow import children
from gatework.temporal.workflow.recalling import Source, effects_of
from gatework.temporal.workflow.resuming import CHILD, NOT_BEGUN, Asked, Taken, activity_type, taken_back, went_on
from gatework.values import canonical, wire

_ENDED: Mapping[int, str] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed_out",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
}
"""The last events of runs that may be resumed, unless the machine knows better how they ended."""

_OTHERWISE: Mapping[int, str] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completed; there is nothing to resume.",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "has gone on as another run; resume the last of them.",
}


def rebuilding(library: Library, name: str) -> Callable[[RawValue], Any]:
    """The activity that takes over runs of one workflow."""

    @activity.defn(name=activity_type(name))
    async def take(asked: RawValue) -> RawValue:
        try:
            looked: Asked = wire.decode(Asked, data_of(asked) or b"", what="resumption")
            found = await _Looking(library, activity.client(), looked).taken()
        except (ContractError, DecisionError) as error:
            raise application_error(ResumeError(error.message)) from None
        except ResumeError as error:
            raise application_error(error) from None
        message = wire.encode(found)
        most = most_in_message(activity.client().data_converter)
        if len(message) > most:
            raise application_error(
                ResumeError(
                    f"What the run holds is {len(message)} bytes, more than the {most} that can be "
                    "taken over; resume it from an earlier stage, or start a new run."
                )
            )
        return raw(message)

    return take


def ending(library: Library, name: str) -> Callable[[RawValue], Any]:
    """The activity that looks what a child run of one workflow had come to that could not say so itself."""

    @activity.defn(name=children.activity_type(name))
    async def look(asked: RawValue) -> RawValue:
        info, client = activity.info(), activity.client()
        try:
            ended: children.Ended = wire.decode(children.Ended, data_of(asked) or b"", what="child run")
        except ContractError as error:
            raise application_error(error) from None
        described = await client.get_workflow_handle(ended.id).describe()
        first = described.raw_description.workflow_execution_info.first_run_id
        if ended.first not in (first, described.run_id) or described.parent_id != info.workflow_id:
            raise application_error(ResumeError("That run is none that this one has started."))
        events = await events_of(client, ended.id, described.run_id)
        try:
            leg = Leg(id=ended.id, run_id=described.run_id, events=events, namespace=client.namespace)
            found = await rebuilt(leg, library, client.data_converter)
        except HistoryError as error:
            raise ApplicationError(error.message, type=UNREADY) from None
        known = library.find(name, found.last_plan)
        if known is None or found.state is None:  # it ended before it began
            return raw(wire.encode(Report(outcome="failed")))
        return raw(wire.encode(report(known.plan, found.state, found.ledger, run=described.run_id)))

    return look


@dataclass(frozen=True)
class _Looking:
    library: Library
    client: Client
    asked: Asked

    async def taken(self) -> Taken:
        """What is taken over. Raises `ResumeError` and `DecisionError` where nothing may be."""
        info = activity.info()
        run = self.asked.request.run
        id, name = info.workflow_id or "", info.workflow_type or ""
        if run == info.workflow_run_id:
            raise ResumeError("A run does not resume itself; name one that has ended.")
        old = await self._old(id, run)
        if old.workflow != name:
            raise ResumeError(f"The run that is to be resumed is none of {name}; resume it as what it was.")
        if old.started.task_queue.name != info.task_queue:
            # Anybody who may start a run can give it a queue of their own, and answer there what they like.
            raise ResumeError("The run that is to be resumed was worked on from another task queue; resume it on that.")
        if not old.closed:
            raise ResumeError("The run that is to be resumed has not ended; answer where it waits, or cancel it first.")
        ended = _ENDED.get(old.events[-1].event_type)
        if self.asked.of:
            return await self._taken_back(old)
        if ended is None:
            raise ResumeError(f"The run {_OTHERWISE.get(old.events[-1].event_type, 'cannot be resumed.')}")
        others = await self._others(id, run)
        begun = any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in old.events)
        found = await self._rebuilt(old) if begun else Rebuilt()
        if found.child:
            raise ResumeError(CHILD)
        state = found.state
        if state is None:
            raise ResumeError(NOT_BEGUN)
        first = old.started.first_execution_run_id
        known = self.library.find(name, state.plan)
        assert known is not None  # it was rebuilt with it
        # By its name: what was carried from run to run has lost the order in which it came.
        await self._must_be_input(id, first, state.values[known.plan.input.name])
        request = self.asked.request
        event = Resumed(
            plan=state.plan,
            run=run,
            ended=state.outcome.kind if state.outcome else ended,
            place=request.place,
            by=request.by,
            note=request.note,
        )
        taken = Taken(
            state=state,
            ledger=handed_on(found.ledger),
            lineage=found.lineage or lineage(info.namespace, id, first),
            secret=os.urandom(32).hex(),
            effects=await effects_of(self.client, id, others),
            event=event,
        )
        went_on(known, taken)
        return replace(taken, state=resumption.shed(known.plan, state, request.place))

    async def _taken_back(self, old: Leg) -> Taken:
        """What a child run takes back, which an earlier run of it did. Raises `ResumeError` and `DecisionError`."""
        info = activity.info()
        found = await self._rebuilt(old)
        state = found.state
        if state is None or not found.child or old.parent != self.asked.of:
            raise ResumeError("The run that is to be taken back is no child run of the one that asks.")
        known = self.library.find(info.workflow_type or "", state.plan)
        assert known is not None  # it was rebuilt with it
        id = info.workflow_id or ""
        others = await ends(self.client, id, info.workflow_run_id or "")
        source = Source(parent=self.asked.of, queue=info.task_queue)
        taken = Taken(
            state=state,
            ledger=handed_on(found.ledger),
            lineage=found.lineage,
            secret=os.urandom(32).hex(),
            effects=await effects_of(self.client, id, others.keys() - {old.run_id}, source),
            event=Resumed(plan=state.plan, run=old.run_id, ended="completed"),
        )
        taken_back(known, taken)
        return taken

    async def _old(self, id: str, run: str) -> Leg:
        try:
            history = await self.client.get_workflow_handle(id, run_id=run).fetch_history()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise ResumeError(
                "The server knows no such run of this id, or has forgotten it; start a new one, and look first at what "
                "the effects of the old one came to."
            ) from None
        return Leg(id=id, run_id=run, events=history.events, namespace=self.client.namespace)

    async def _rebuilt(self, old: Leg) -> Rebuilt:
        try:
            return await rebuilt(old, self.library, self.client.data_converter)
        except HistoryError as error:
            # Another worker may have the plan, of the deploy before this one or after it.
            raise ApplicationError(error.message, type=UNREADY) from None

    async def _must_be_input(self, id: str, first: str, held: Held) -> None:
        """Refuse another input than that of the run: by it `start` tells whether it is the run that is meant."""
        given = self.asked.input.encode()
        with suppress(RPCError):  # where the server has forgotten the beginning
            if given == canonical.dumps(held.sealed.data) or given == await input_of(self.client, id, first):
                return
        raise ResumeError("The run that is to be resumed was started from other input.")

    async def _others(self, id: str, run: str) -> Collection[str]:
        """The other runs of the id. Raises `ResumeError` where one came after the one to be resumed, and did something.

        What that one did would be gone behind.
        """
        ended = await ends(self.client, id, activity.info().workflow_run_id or "")
        if run not in ended:
            raise ApplicationError("The run that is to be resumed is not in the server's list yet.", type=UNREADY)
        for other, at in ended.items():
            if other != run and at >= ended[run]:
                events = await events_of(self.client, id, other)
                # One that was reset to this one is of its own chain.
                first = events[0].workflow_execution_started_event_attributes.first_execution_run_id
                if first != self.asked.first and not never_began(events):
                    raise ResumeError("Another run has gone on since then; resume that one, the last of this id.")
        return ended.keys() - {run}
