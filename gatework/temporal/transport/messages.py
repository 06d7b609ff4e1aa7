"""What workflow and worker say to each other of an attempt, as short as it can be read back strictly.

These two messages are most of what a stage adds to the history of a run. What is said elsewhere in them, or is the
default of the engine's own dataclasses, is left out; everything that the machine checks is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatework.errors import ContractError
from gatework.run.changed import changed
from gatework.run.events import Failed, Finished, Given, Result, Stopped, Suspended
from gatework.run.state import Run
from gatework.values import canonical, wire

_MOST_VALUES = canonical.MAX_VALUES + 10_000
"""In a result: those of the output, and what is said of how it came about. Temporal lets no task think for 2 s."""

_RESULT_DEPTH = canonical.MAX_DEPTH + 1
"""A result lies in a message that says of what kind it is."""


def lineage(namespace: str, id: str, first_run_id: str) -> str:
    """What names a run across retries, continue-as-new, reset and resumption."""
    return f"{namespace}/{id}/{first_run_id}"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the workflow asks of a worker: one attempt."""

    run: Run
    first: str = ""
    """The first run of the chain of continuations and resets. A worker knows the rest of the lineage."""
    lineage: str = ""
    """The whole of it, where it is not made of that: of a run that resumes another, and of a child run."""

    @classmethod
    def of(cls, run: Run, whole: str, *, namespace: str, id: str) -> Task:
        """The task of a run of that lineage, which has that namespace and id now."""
        first = whole.removeprefix(lineage(namespace, id, ""))
        own = first not in ("", whole) and "/" not in first
        return cls(run=run, first=first) if own else cls(run=run, lineage=whole)

    def whole(self, *, namespace: str, id: str) -> str:
        """The lineage. Raises `ContractError` unless the task names exactly one."""
        if bool(self.first) is bool(self.lineage):
            raise ContractError("names no lineage, or two")
        return self.lineage or lineage(namespace, id, self.first)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a worker answers: exactly one of these."""

    finished: Finished | None = None
    stopped: Stopped | None = None
    failed: Failed | None = None
    suspended: Suspended | None = None


def answered(event: Result) -> bytes:
    """A result as a message."""
    match event:
        case Finished():
            # Each guard looked at the one output; those of inputs, at the one digest of them.
            verdicts, before = _without(event.verdicts, event.output.digest), _without(event.before, event.inputs)
            return wire.brief(Answer(finished=changed(event, verdicts=verdicts, before=before)))
        case Stopped():
            return wire.brief(Answer(stopped=event))
        case Failed():
            return wire.brief(Answer(failed=event))
        case Suspended():
            return wire.brief(Answer(suspended=event))


def result_in(message: bytes) -> Result:
    """The result in a message. Raises `ContractError` unless it is exactly one."""
    read: Answer = wire.decode(Answer, message, what="result", max_values=_MOST_VALUES, max_depth=_RESULT_DEPTH)
    found = [event for event in (read.finished, read.stopped, read.failed, read.suspended) if event is not None]
    if len(found) != 1:
        raise ContractError("holds no result, or more than one", boundary="result")
    event = found[0]
    if isinstance(event, Finished):
        verdicts, before = _with(event.verdicts, event.output.digest), _with(event.before, event.inputs)
        return changed(event, verdicts=verdicts, before=before)
    return event


def _without(verdicts: tuple[Given, ...], digest: str) -> tuple[Given, ...]:
    return tuple([changed(given, on="") if given.on == digest else given for given in verdicts])


def _with(verdicts: tuple[Given, ...], digest: str) -> tuple[Given, ...]:
    return tuple([given if given.on else changed(given, on=digest) for given in verdicts])
