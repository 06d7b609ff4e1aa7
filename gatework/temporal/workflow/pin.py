"""The pin: which plan a run is held to, from its first task to its last, across deploys, continue-as-new and reset.

A marker in the run's history names the plan. The ladder of markers alone would pick the newest plan where that
history is cut: a continued run is told its plan by the run before it, and one that was reset to its first task
looks it up in the run that it was reset from.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError, RPCStatusCode

from gatework.errors import ConfigError
from gatework.plan.plan import Plan, Work
from gatework.releases.library import Known, Library
from gatework.temporal.transport.payloads import application_error, data_of, raw
from gatework.values import wire

ACTIVITY = "gatework.begin"

_PREFIX = "plan-"


class UnknownPlan(ConfigError):
    """This deploy does not know, or cannot run, the plan that a run is held to; the run waits for one that can."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a new run is told that it cannot know by itself."""

    secret: str
    """32 random bytes as hex, for the salts of what is not computed by a stage. Temporal's random numbers follow from
    the run's id, which is no secret."""
    marker: str
    """The marker of the run that this one was reset from; empty for one that was not, or had come to none."""


async def begun(library: Library, name: str, *, secret: str) -> tuple[Known, str]:
    """The plan that a run is held to, for a new one the newest; and its secret, drawn where the input brings none.

    Raises `UnknownPlan`, which fails the workflow task and not the run, where this deploy cannot run it.
    """
    if (told := await _after_reset()) is not None:
        secret = told.secret
        if told.marker:
            return _of_marker(library, name, told.marker), secret
    for known in library.plans(name):
        if workflow.patched(_marker(known)):
            return known, secret or (await _told(_execute(known.plan), "")).secret
    raise UnknownPlan(f"This deploy of {name} has not the plan that the run is held to; deploy it again.")


async def begun_as_child(library: Library, name: str, digest: str, *, secret: str) -> tuple[Known, str]:
    """The plan to which a child run is held by the run that starts it, and the secret that it was given.

    Raises `UnknownPlan` as `begun` does.
    """
    if (told := await _after_reset()) is not None:
        secret = told.secret
        if told.marker:  # it may have been moved to another plan
            return _of_marker(library, name, told.marker), secret
    return continued(library, name, digest), secret


async def _after_reset() -> Beginning | None:
    """What a run begins with that was reset; None for one that was not."""
    info = workflow.info()
    # A replay from a file does not know the run's own id; the history says whether it was reset.
    reset = workflow.unsafe.is_replaying() or info.run_id != info.original_execution_run_id
    if not (reset and workflow.patched("gatework-reset")):
        return None
    # No local one: the marker that comes after it would not be found at a replay. It brings a new secret: what was
    # decided before the reset must not hold after it.
    return await _told(workflow.execute_activity, info.original_execution_run_id)


def _of_marker(library: Library, name: str, marker: str) -> Known:
    known = next((known for known in library.plans(name) if _marker(known) == marker), None)
    return _marked(name, known, marker.removeprefix(_PREFIX)[:12])


def _execute(plan: Plan) -> Callable[..., Awaitable[RawValue]]:
    """How the first thing that a run does is done, which is cheaper as a local activity.

    A marker in the same task as a local activity, and after it, is not found at a replay, and a gate may open with one.
    """
    return workflow.execute_local_activity if isinstance(plan.nodes[0], Work) else workflow.execute_activity


def continued(library: Library, name: str, digest: str) -> Known:
    """The plan of the run before. Raises `UnknownPlan`."""
    return _marked(name, library.find(name, digest), digest[:12])


def _marker(known: Known) -> str:
    return f"{_PREFIX}{known.plan.digest[:16]}"


def _marked(name: str, known: Known | None, digest: str) -> Known:
    if known is None:
        raise UnknownPlan(f"Plan {digest} of {name} is not in this deploy; deploy it again.")
    workflow.patched(_marker(known))
    return known


def unfit(known: Known) -> str:
    """Why this deploy cannot run a plan that it knows, in a sentence; empty where it can.

    Such a run is replayed and asked and can be moved to another plan, which takes no more than the plan's data.
    """
    digest = known.plan.digest[:12]
    return f"Plan {digest} cannot run on this deploy: {known.problem}." if known.problem else ""


async def _told(execute: Callable[..., Awaitable[RawValue]], original: str) -> Beginning:
    try:
        answer = await execute(
            ACTIVITY,
            raw(wire.encode(original)),
            result_type=RawValue,
            start_to_close_timeout=timedelta(seconds=20),
            summary="what the run begins with",
        )
    except ActivityError as error:
        raise error.cause or error from None
    told: Beginning = wire.decode(Beginning, data_of(answer) or b"", what="beginning")
    return told


@activity.defn(name=ACTIVITY)
async def begin(original: RawValue) -> RawValue:
    """What a run begins with. Its own activity, because it is neither the same at each replay nor known in advance."""
    run_id: str = wire.decode(str, data_of(original) or b"", what="original run")
    marker = await _marker_of(run_id) if run_id else ""
    return raw(wire.encode(Beginning(secret=os.urandom(32).hex(), marker=marker)))


async def _marker_of(run_id: str) -> str:
    """The marker of a run's plan, from the server's own record of it."""
    info = activity.info()
    assert info.workflow_id is not None
    try:
        described = await activity.client().get_workflow_handle(info.workflow_id, run_id=run_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        # Guessing could move the run to another plan.
        gone = "The run that this one was reset from is gone, and its plan with it; start a new run."
        raise application_error(ConfigError(gone)) from None
    versions = described.search_attributes.get("TemporalChangeVersion", [])
    return next((str(version) for version in versions if str(version).startswith(_PREFIX)), "")
