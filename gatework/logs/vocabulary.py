"""The names of log events and of their fields: stable, documented in docs/logs.md, pinned by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from logging import DEBUG, ERROR, INFO, WARNING
from typing import Literal

Value = str | int | Sequence[str]
"""What a field holds. Digests are cut to 12 hex digits; the ledger has all 64."""

Source = Literal["worker", "receipt", "history"]
"""Who says it. `receipt`: the workflow, when it accepts one, and `gatework logs`. `worker`: the stage's activity, while
it runs. `history`: `gatework logs` alone, from what Temporal wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of event."""

    says: str
    """What has happened when it is logged."""
    level: int
    sources: tuple[Source, ...]
    fields: tuple[str, ...]
    """Fields that it may hold beside those in `ALWAYS`."""


ALWAYS = ("time", "level", "event", "run", "run_id", "workflow", "plan")
"""Fields of every event of a run."""

_ATTEMPT = ("stage", "attempt", "receipt")
_NOTICE = ("stage", "gate", "role")
_CONCERNED = ("count", "runs", "query")

EVENTS: Mapping[str, Kind] = {
    "run.begun": Kind(
        says="A run began: its input keeps to the contract. The digest is the input's.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "digest", "label", "receipt"),
    ),
    "stage.started": Kind(
        says="A worker began an attempt. The digest is that of all its inputs.",
        level=INFO,
        sources=("worker", "history"),
        fields=("stage", "attempt", "digest", "try"),
    ),
    "try.failed": Kind(
        says="The code broke, or its worker died or did not have the plan; Temporal tries the same attempt again.",
        level=WARNING,
        sources=("worker", "history"),
        fields=("stage", "attempt", "try", "reason"),
    ),
    "stage.broke": Kind(
        says="The code of a stage raised. The stack names files and lines, and no message of an exception.",
        level=ERROR,
        sources=("worker",),
        fields=("stage", "attempt", "error", "stack"),
    ),
    "guard.broke": Kind(
        says="The code of a guard raised, which blocks.",
        level=ERROR,
        sources=("worker",),
        fields=("stage", "attempt", "guard", "error", "stack"),
    ),
    "tool.broke": Kind(
        says="The code of a tool raised. The stack names files and lines, and no message of an exception.",
        level=ERROR,
        sources=("worker",),
        fields=("stage", "attempt", "tool", "error", "stack"),
    ),
    "sandbox.missing": Kind(
        says="A program ran without a sandbox: none can be had on this machine, and somebody allowed that.",
        level=ERROR,
        sources=("worker",),
        fields=("stage", "attempt", "reason"),
    ),
    "people.unreadable": Kind(
        says="A decision was not taken: the list of people that GATEWORK_PEOPLE names cannot be read, or is broken.",
        level=ERROR,
        sources=("worker",),
        fields=("reason",),
    ),
    "signer.broke": Kind(
        says="What signs for the worker raised. The stack names files and lines, and no message of an exception.",
        level=ERROR,
        sources=("worker",),
        fields=("error", "stack"),
    ),
    "worker.signs": Kind(
        says="A worker starts, and signs what it does with the key of this id.",
        level=INFO,
        sources=("worker",),
        fields=("signer",),
    ),
    "worker.unsigned": Kind(
        says="A worker starts, and signs nothing of what it does: it has no key.",
        level=INFO,
        sources=("worker",),
        fields=(),
    ),
    "search.missing": Kind(
        says="A worker starts, and runs that begin with it have no search attributes: see operating.md.",
        level=INFO,
        sources=("worker",),
        fields=("reason",),
    ),
    "plan.unfit": Kind(
        says="A worker starts whose code can no longer run a plan that runs in flight are held to: they wait.",
        level=ERROR,
        sources=("worker",),
        fields=("reason", *_CONCERNED),
    ),
    "plan.missing": Kind(
        says="A worker starts that does not have a plan that runs in flight are held to: they wait for one that does.",
        level=WARNING,
        sources=("worker",),
        fields=_CONCERNED,
    ),
    "plan.code_changed": Kind(
        says="A worker starts that runs a released plan on other code than it was released with.",
        level=WARNING,
        sources=("worker",),
        fields=("code", *_CONCERNED),
    ),
    "verdict.given": Kind(
        says="A guard answered about an output, or about inputs. At debug level where it passed.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "guard", "verdict", "reason", "digest"),
    ),
    "output.accepted": Kind(
        says="An output kept to its contract, and every guard let it pass.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "digest", "label", "guards", "model_calls", "tokens", "tool_calls"),
    ),
    "output.refused": Kind(
        says="An output was not taken: a guard sent it back or blocked, it broke its contract, or was not asked for.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "digest", "why", "verdict", "field", "reason", "model_calls", "tokens", "tool_calls"),
    ),
    "output.escalated": Kind(
        says="A guard wants a person to look at an output.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "digest", "reason", "model_calls", "tokens", "tool_calls"),
    ),
    "stage.stopped": Kind(
        says="A guard did not let a stage run on its inputs. The digest is that of all of them.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "digest", "why", "reason"),
    ),
    "stage.refused": Kind(
        says="The stage, an endorser or an effect answered with a block instead of an output.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "reason", "model_calls", "tokens", "tool_calls"),
    ),
    "stage.failed": Kind(
        says="An attempt gave no output: it broke, or was late.",
        level=WARNING,
        sources=("receipt",),
        fields=(*_ATTEMPT, "why", "reason", "model_calls", "tokens", "tool_calls"),
    ),
    "stage.retried": Kind(
        says="The stage runs again, and is told why.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "reason"),
    ),
    "stage.suspended": Kind(
        says="A stage stands still: it waits for calls that run apart, or has come to a point worth keeping.",
        level=DEBUG,
        sources=("receipt",),
        fields=(*_ATTEMPT, "calls"),
    ),
    "call.asked": Kind(
        says="A call that runs apart is asked of a worker; with a key it is an effect. The digest is the arguments'.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "tool", "key", "digest"),
    ),
    "call.done": Kind(
        says="A tool that runs apart gave its result.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "tool", "digest"),
    ),
    "call.refused": Kind(
        says="A call was refused: it was not granted, or the tool said no.",
        level=INFO,
        sources=("receipt",),
        fields=(*_ATTEMPT, "tool", "digest", "reason"),
    ),
    "call.failed": Kind(
        says="A tool that runs apart broke or was late. It changes nothing.",
        level=WARNING,
        sources=("receipt",),
        fields=(*_ATTEMPT, "tool", "digest", "reason"),
    ),
    "effect.intended": Kind(
        says="An effect is about to be sent, or asked about.",
        level=INFO,
        sources=("worker",),
        fields=("stage", "attempt", "tool", "key", "digest"),
    ),
    "effect.done": Kind(
        says="An effect was done.",
        level=INFO,
        sources=("worker", "receipt"),
        fields=(*_ATTEMPT, "tool", "key", "digest"),
    ),
    "effect.found": Kind(
        says="An effect had been done before: the probe found it, or the run has it on record. It was not repeated.",
        level=INFO,
        sources=("worker", "receipt"),
        fields=(*_ATTEMPT, "tool", "key", "digest"),
    ),
    "effect.refused": Kind(
        says="The outside system refused an effect.",
        level=WARNING,
        sources=("worker", "receipt"),
        fields=(*_ATTEMPT, "tool", "key", "digest"),
    ),
    "effect.failed": Kind(
        says="An effect is known not to have happened.",
        level=WARNING,
        sources=("worker", "receipt"),
        fields=(*_ATTEMPT, "tool", "key", "digest"),
    ),
    "effect.unknown": Kind(
        says="Nobody knows whether an effect happened.",
        level=WARNING,
        sources=("worker", "receipt"),
        fields=(*_ATTEMPT, "tool", "key", "digest"),
    ),
    "approval.by_rule": Kind(
        says="The plan's own rule approved. The digest is that of the approved value.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt", "digest", "reason"),
    ),
    "way.taken": Kind(
        says="A choice took one of its ways; the others are passed over.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt", "way", "reason"),
    ),
    "value.joined": Kind(
        says="What a way gave, or a run side by side, is given on.",
        level=DEBUG,
        sources=("receipt",),
        fields=("stage", "receipt", "digest", "label"),
    ),
    "round.begun": Kind(
        says="A round of a loop began. The digest is that of what it starts from.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt", "round", "digest", "label"),
    ),
    "pause.ended": Kind(
        says="The time of a pause is over.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt"),
    ),
    "child.started": Kind(
        says="A child run is to be under way.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "attempt", "receipt", "child", "child_workflow", "child_plan"),
    ),
    "child.ended": Kind(
        says="A child run came to its end. The digest is that of what it gave. A warning where it gave nothing, or "
        "people overrode something in it.",
        level=INFO,
        sources=("receipt",),
        fields=(
            *("stage", "attempt", "receipt", "child", "outcome", "digest", "label", "reason", "child_run", "ledger"),
            *("overridden", "overridden_before"),
        ),
    ),
    "children.gathered": Kind(
        says="All child runs of a place have ended, and the run goes on with what they gave.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt", "digest", "label"),
    ),
    "gate.opened": Kind(
        says="The run waits for a person. The digest is that of all that is shown. A warning unless it was planned.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt", "gate", "asks", "role", "until", "reason", "shown", "digest"),
    ),
    "notice.delivered": Kind(
        says="The hook took the message that a gate is open: people have been told.",
        level=INFO,
        sources=("worker", "history"),
        fields=(*_NOTICE, "notice", "try"),
    ),
    "notice.failed": Kind(
        says="A try to tell people failed; there will be another.",
        level=WARNING,
        sources=("worker", "history"),
        fields=(*_NOTICE, "notice", "try", "reason"),
    ),
    "notice.given_up": Kind(
        says="Nobody was told: the gate had been answered, or, as a warning, expired before a message was delivered.",
        level=INFO,
        sources=("receipt", "history"),
        fields=(*_NOTICE, "reason"),
    ),
    "decision.taken": Kind(
        says="A person decided. The digest is that of what was shown; `value` that of what was approved or put in.",
        level=INFO,
        sources=("receipt",),
        fields=("stage", "receipt", "gate", "action", "by", "identity", "note", "digest", "value"),
    ),
    "stage.overridden": Kind(
        says="People let a stage past what had stopped it: its output, its inputs, or a value without its work.",
        level=WARNING,
        sources=("receipt",),
        fields=("stage", "receipt", "gate", "lets", "past", "by", "identity", "note", "digest", "value"),
    ),
    "run.migrated": Kind(
        says="A person moved the run to another plan; what both plans share is kept, the rest runs anew.",
        level=WARNING,
        sources=("receipt",),
        fields=("receipt", "from_plan", "to_plan", "by", "identity", "note"),
    ),
    "run.resumed": Kind(
        says="Somebody resumed a run that had ended: a new run takes over what came before the stage, and goes on.",
        level=WARNING,
        sources=("receipt",),
        fields=("stage", "receipt", "from_run", "outcome", "by", "identity", "note"),
    ),
    "run.continued": Kind(
        says="The run goes on under another run id: its history became long, or it was moved to another plan.",
        level=INFO,
        sources=("receipt", "history"),
        fields=(),
    ),
    "run.reset": Kind(
        says="Somebody reset the run to an earlier point; what followed that point does not count.",
        level=WARNING,
        sources=("history",),
        fields=("reason", "from_run"),
    ),
    "run.stuck": Kind(
        says="The workflow could not go on, and waits for a deploy that can: its plan is missing, or its code broke.",
        level=ERROR,
        sources=("history",),
        fields=("error", "reason"),
    ),
    "run.cancel_requested": Kind(
        says="Somebody asked Temporal to cancel the run.",
        level=INFO,
        sources=("history",),
        fields=("by", "identity", "note"),
    ),
    "run.undoing": Kind(
        says="The run is to end without having completed: what can be undone is, the last first.",
        level=WARNING,
        sources=("receipt",),
        fields=("stage", "receipt", "outcome", "by", "identity", "note", "reason", "undoes"),
    ),
    "run.ended": Kind(
        says="The run ended. A warning where it expired, was cancelled, terminated or failed.",
        level=INFO,
        sources=("receipt", "history"),
        fields=("stage", "receipt", "outcome", "by", "identity", "note", "reason"),
    ),
    "value.seen": Kind(
        says="A value itself, only where GATEWORK_LOG_VALUES is on.",
        level=INFO,
        sources=("worker",),
        fields=("stage", "attempt", "of", "value"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One event of a run, before anybody has written it down."""

    name: str
    level: int
    fields: Mapping[str, Value] = field(default_factory=dict)
    at: str = ""
    """When it happened, as UTC in ISO 8601, where that is known."""
    live: bool = False
    """Whether the worker that ran the stage has logged it already."""

    @classmethod
    def of(
        cls, name: str, fields: Mapping[str, Value | None], *, at: str = "", live: bool = False, level: int = 0
    ) -> LogEvent:
        """An event of a known kind, at the kind's level unless another is given; empty fields are left out."""
        kept = {key: value for key, value in fields.items() if value is not None and value not in ("", ())}
        return cls(name=name, level=level or EVENTS[name].level, fields=kept, at=at, live=live)


QUIET = frozenset(
    {"begun", "output", "stopped", "refused", "suspended", "acting", "approved"}
    | {"chose", "joined", "round", "waited", "called", "gathered"}
)
"""Kinds of receipts of which no event is a warning: where only warnings are wanted, nobody need look at them."""

PASSED = DEBUG
"""Level of a verdict that lets an output pass."""

LOUD = WARNING
"""Level of a gate or an end that nobody planned."""
