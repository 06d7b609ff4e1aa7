"""Resuming a run that has ended, as the new run sees it: what it was asked, and what a worker finds to take over.

Whoever starts such a run says which run it resumes and from where, and is believed nothing else. The request is a
second input beside the first: a deploy that knows nothing of resuming refuses it, and begins no run anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeGuard

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from gatework.errors import ContractError, DecisionError, ResumeError
from gatework.machine import resumption
from gatework.plan.plan import Work
from gatework.proof.ledger import Entry
from gatework.releases.library import Known
from gatework.run.events import Recalled, Remembered, Resumed
from gatework.run.state import State, Step
from gatework.temporal.transport.payloads import OURS, UNREADY, application_error, data_of, raw, refusal
from gatework.temporal.workflow.decisions import MAX_NAME, MAX_NOTE
from gatework.temporal.workflow.pin import unfit
from gatework.values import canonical, wire
from gatework.values.canonical import Json

REFUSED = f"{OURS}{ResumeError.code}"
"""Type of the failure of a run that was to resume another and may not: nothing has happened in it."""

NOT_BEGUN = "The run ended before it began; start a new one."

CHILD = (
    "It is a child run, for which the run that started it answers: retry it where that one waits, or resume that one, "
    "which starts its child runs again."
)
"""Why a child run is not resumed by itself."""

TRIES = 5
"""How often a worker looks: another one may have the plan, and the server may be behind with its lists."""

_REQUEST = "request to resume"
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which run is to go on, as whoever started the new one says."""

    run: str
    """The server's id of a run under the same workflow id, which has ended."""
    place: str = ""
    """The node from which it goes on; empty for the one at which it ended."""
    by: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a worker is asked to look at."""

    request: Request
    input: str
    """Canonical JSON of the input that came with it, by which the run is found again."""
    first: str
    """The first run of the new run's own chain: what is reset keeps it."""
    of: str = ""
    """The id of the run whose child takes back what an earlier run of it did; empty where a run is resumed."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a worker found in the server's history of the run that ended."""

    state: State
    ledger: tuple[Entry, ...]
    lineage: str
    secret: str
    """As in `pin.Beginning`: what was decided before must not hold for what is asked from now on."""
    effects: tuple[Remembered, ...]
    """Those of still other runs of the id, of which the state may not tell: of one that was reset, or resumed."""
    event: Resumed


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A request with the input beside which it came."""

    request: Request
    input: bytes


def activity_type(name: str) -> str:
    """The activity type of taking over a run of a workflow."""
    return f"gatework.resume.{name}"


def input_of_request(request: Request) -> bytes:
    """The second input of a run that is to resume another."""
    return wire.encode(_Input(resume=request))


@dataclass(frozen=True, kw_only=True)
class _Input:
    resume: Request


def request_in(data: bytes) -> Request:
    """The request in a second input. Raises `ContractError` for what is none."""
    given: _Input = wire.decode(_Input, data, what=_REQUEST)
    asked = given.resume
    for name, value, limit in (
        ("from", asked.place, MAX_NAME),
        ("by", asked.by, MAX_NAME),
        ("note", asked.note, MAX_NOTE),
    ):
        if not is_text(value, limit):
            raise ContractError(f"{name} is printable text of at most {limit} characters", boundary=_REQUEST)
    if not _RUN_ID.fullmatch(asked.run):
        raise ContractError("it names no run", boundary=_REQUEST)
    return asked


def is_text(value: object, limit: int) -> TypeGuard[str]:
    """Whether a value is what a person may have typed into one field."""
    return isinstance(value, str) and len(value) <= limit and all(c.isprintable() or c == "\n" for c in value)


def requested(inputs: tuple[object, ...]) -> Wanted | None:
    """What a run was asked to resume; None for one that was not. Raises `ContractError` for what is neither."""
    if len(inputs) != 2:
        return None
    if workflow.info().attempt != 1 or workflow.info().cron_schedule:
        raise ContractError("a run resumes another once; start it without a retry policy and without a cron string")
    given, request = (_data(value) for value in inputs)
    return Wanted(request=request_in(request), input=given)


def _data(value: object) -> bytes:
    # Two inputs are decoded by Temporal, in whatever way; what they come to is held against contracts of ours.
    return data_of(value) or b"" if isinstance(value, RawValue) else canonical.dumps(value)


async def taken(name: str, given: Wanted, *, of: str = "") -> Taken:
    """Have a worker look what there is to take over. Raises `ApplicationError` where it may not be taken over."""
    first = workflow.info().first_execution_run_id
    asked = Asked(request=given.request, input=given.input.decode(), first=first, of=of)
    try:
        answer = await workflow.execute_activity(
            activity_type(name),
            raw(wire.encode(asked)),
            result_type=RawValue,
            start_to_close_timeout=timedelta(minutes=2),
            retry_policy=RetryPolicy(maximum_attempts=TRIES),
            summary="what the run that ended had come to",
        )
    except ActivityError as error:
        raise application_error(ResumeError(_why(error))) from None
    found: Taken = wire.decode(Taken, data_of(answer) or b"", what="run that ended")
    return found


def _why(error: ActivityError) -> str:
    cause = error.cause
    if isinstance(cause, ApplicationError) and (cause.type or "").startswith(OURS):
        return cause.message if cause.type != UNREADY else f"{cause.message} Deploy it, and resume the run again."
    return "The run that ended could not be looked at; resume it again, and look at the worker's log if that fails."


def recalled(known: Known, state: State, effects: Sequence[Remembered]) -> Step:
    """The state with effects of other runs. A result that breaks the contract of its tool says nothing."""
    sound = tuple(effect if _keeps(known, effect) else replace(effect, result=None) for effect in effects)
    return resumption.recall(known.plan, state, Recalled(plan=known.plan.digest, effects=sound))


def _keeps(known: Known, effect: Remembered) -> bool:
    node = known.plan.node(effect.node) if effect.node in known.plan.index else None
    use = node.tool(effect.call.tool) if isinstance(node, Work) else None
    if use is None or effect.result is None:
        return use is not None
    with suppress(ContractError):
        known.check_contract(use.result, effect.result.data)
        return effect.result.intact
    return False


def went_on(known: Known, taken: Taken) -> Step:
    """The state in which the new run goes on. Raises `DecisionError` where it may not."""
    before = recalled(known, taken.state, taken.effects)
    step = resumption.resume(known.plan, before.state, taken.event)
    return replace(step, receipts=(*before.receipts, *step.receipts))


def taken_back(known: Known, taken: Taken) -> Step:
    """The state in which a child run takes back what an earlier one did. Raises `DecisionError` where it may not."""
    before = recalled(known, taken.state, taken.effects)
    step = resumption.undo(known.plan, before.state, taken.event)
    return replace(step, receipts=(*before.receipts, *step.receipts))


def preview(known: Known | None, state: State | None, data: tuple[RawValue, ...], *, child: bool = False) -> Json:
    """What resuming a run would do, as JSON, and why it would be refused, if it would. Raises a refusal."""
    if known is None or state is None:
        raise refusal(NOT_BEGUN)
    try:
        typed = canonical.loads(data_of(data[0]) or b"null") if len(data) == 1 else None if not data else 0
    except ContractError as error:
        raise refusal(f"What you sent cannot be read: {error.message}.") from None
    fields = {} if typed is None else typed
    place = fields.get("from", "") if isinstance(fields, dict) and set(fields) <= {"from"} else None
    if not is_text(place, MAX_NAME):
        raise refusal('Say from where: {"from": "STAGE"}, or nothing for where the run ended.')
    found, refused = resumption.Outlook(place=place), ""
    try:
        found = resumption.outlook(known.plan, state, place)
    except DecisionError as error:
        refused = error.message
    return {
        "plan": known.plan.digest,
        "from": found.place,
        "kept": list(found.kept),
        "again": list(found.again),
        "void": list(found.void),
        "note": unfit(known),
        "refused": CHILD if child else refused,
    }
