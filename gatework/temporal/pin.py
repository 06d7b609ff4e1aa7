"""The pin: which plan a run is held to, from its first task to its last, across deploys, continue-as-new and reset.

A marker in the run's history names the plan. The ladder of markers alone would pick the newest plan where that
history is cut: a continued run is told its plan by the run before it, and one that was reset to its first task
looks it up in the run that it was reset from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from gatework import canonical, wire
from gatework.errors import ConfigError
from gatework.library import Known, Library
from gatework.temporal.payloads import application_error, data_of, raw

ACTIVITY = "gatework.pin"

_PREFIX = "plan-"


class UnknownPlan(ConfigError):
    """This deploy cannot run the plan that a run is held to; the run waits for one that can."""


@dataclass(frozen=True, kw_only=True)
class PinQuery:
    """Which plan did the run start with that was reset into this one?"""

    workflow: str
    workflow_id: str
    run_id: str


async def pinned(library: Library, name: str, carried: str = "") -> Known:
    """The plan that this run is held to; for a new run, the newest. `carried` is the digest of a continued one.

    Raises `UnknownPlan`, which fails the workflow task and not the run, where this deploy cannot run it.
    """
    if carried:
        return _fit(_marked(name, library.find(name, carried), carried[:12]))
    info = workflow.info()
    if info.run_id != info.original_execution_run_id and workflow.patched("gatework-reset"):
        marker = await _marker_before(info)
        if marker:
            known = next((known for known in library.plans(name) if _marker(known) == marker), None)
            return _fit(_marked(name, known, marker.removeprefix(_PREFIX)[:12]))
    for known in library.plans(name):
        if workflow.patched(_marker(known)):
            return _fit(known)
    raise UnknownPlan(f"This deploy of {name} has not the plan that the run is held to; deploy it again.")


def _marker(known: Known) -> str:
    return f"{_PREFIX}{known.plan.digest[:16]}"


def _marked(name: str, known: Known | None, digest: str) -> Known:
    if known is None:
        raise UnknownPlan(f"Plan {digest} of {name} is not in this deploy; deploy it again.")
    workflow.patched(_marker(known))
    return known


def _fit(known: Known) -> Known:
    if known.problem:
        raise UnknownPlan(f"Plan {known.plan.digest[:12]} cannot run on this deploy: {known.problem}.")
    return known


async def _marker_before(info: workflow.Info) -> str:
    """The marker of the run that this one was reset from; empty where that one had come to none."""
    query = PinQuery(workflow=info.workflow_type, workflow_id=info.workflow_id, run_id=info.original_execution_run_id)
    answer = await workflow.execute_activity(
        ACTIVITY,
        raw(wire.encode(query)),
        result_type=RawValue,
        start_to_close_timeout=timedelta(seconds=20),
        summary="plan of the run before the reset",
    )
    marker = canonical.loads(data_of(answer) or b"null")
    if not isinstance(marker, str) or not re.fullmatch(rf"({_PREFIX}[0-9a-f]{{16}})?", marker):
        raise application_error(ConfigError("What a worker said of the plan before the reset is no plan."))
    return marker


@activity.defn(name=ACTIVITY)
async def pin(query_: RawValue) -> RawValue:
    """The marker of a run's plan, from the server's own record of it."""
    query: PinQuery = wire.decode(PinQuery, data_of(query_) or b"", what="pin query")
    handle = activity.client().get_workflow_handle(query.workflow_id, run_id=query.run_id)
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        # Guessing could move the run to another plan.
        gone = "The run that this one was reset from is gone, and its plan with it; start a new run."
        raise application_error(ConfigError(gone)) from None
    versions = described.search_attributes.get("TemporalChangeVersion", [])
    markers = [str(version) for version in versions if str(version).startswith(_PREFIX)]
    return raw(wire.encode(markers[0] if markers and described.workflow_type == query.workflow else ""))
