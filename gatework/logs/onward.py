"""Where a run goes on: ways, rounds, pauses, child runs and undos as log events."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatework.logs.vocabulary import LOUD, LogEvent, Value
from gatework.plan.changes import words
from gatework.plan.plan import Choice, Plan
from gatework.proof.ledger import Entry, Noted
from gatework.values.canonical import Json

_HEX = re.compile(r"[0-9a-f]{12,64}")
_RUN = re.compile(r"[0-9A-Za-z-]{1,64}")
_NAME = re.compile(r"[A-Za-z_][\w.]{0,199}", re.ASCII)


def short_digest(digest: object) -> str:
    """A digest as logs have it; empty for what is none."""
    return digest[:12] if isinstance(digest, str) and _HEX.fullmatch(digest) else ""


def identity(by: str) -> str:
    """How surely it is known who somebody was."""
    return "claimed" if by else "none"


def onward(entry: Entry | Noted, plan: Plan | None) -> LogEvent:
    """The event of a receipt that says where a run goes on. The plan knows what a way is called."""
    receipt = entry.receipt
    fields: dict[str, Value] = {"stage": receipt.node, "receipt": entry.sequence}
    known: Mapping[str, Value] = {"digest": short_digest(receipt.output), "label": receipt.label}
    more: Mapping[str, Value]
    level = 0
    match receipt.kind:
        case "chose":
            name, more = "way.taken", {"way": _way(receipt.node, receipt.action, plan), "reason": receipt.reason}
        case "round":
            name, more = "round.begun", {"round": _number(receipt.how.get("round")), **known}
        case "waited":
            name, more = "pause.ended", {}
        case "called":
            workflow = receipt.how.get("workflow")
            name, more = (
                "child.started",
                {
                    "attempt": receipt.attempt,
                    "child": _child(receipt.how),
                    "child_workflow": workflow if isinstance(workflow, str) and _NAME.fullmatch(workflow) else "",
                    "child_plan": short_digest(receipt.how.get("plan")),
                },
            )
        case "returned":
            run = receipt.how.get("run")
            name, more = (
                "child.ended",
                {
                    "attempt": receipt.attempt,
                    "child": _child(receipt.how),
                    "outcome": receipt.action,
                    **known,
                    "reason": receipt.reason,
                    "child_run": run if isinstance(run, str) and _RUN.fullmatch(run) else "",
                    "ledger": short_digest(receipt.how.get("ledger")),
                    "overridden": _texts(receipt.how.get("overridden")),
                    "overridden_before": _number(receipt.how.get("more")),
                },
            )
            well = receipt.action in ("completed", "undone") and not receipt.how.get("overridden")
            level = 0 if well else LOUD
        case "undoing":
            undoes = receipt.how.get("undo")
            by_person = receipt.action in ("rejected", "aborted")
            name, more = (
                "run.undoing",
                {
                    "outcome": receipt.action,
                    "by": receipt.by,
                    "identity": identity(receipt.by) if by_person else "",
                    "note" if by_person else "reason": receipt.reason,
                    "undoes": _texts(undoes),
                },
            )
        case "gathered":
            name, more = "children.gathered", known
        case _:
            name, more = "value.joined", known
    return LogEvent.of(name, {**fields, **more}, at=entry.at, level=level)


def _way(node: str, action: str, plan: Plan | None) -> str:
    choice = plan.node(node) if plan and node in plan.index else None
    if not action.isascii() or not action.isdecimal() or len(action) > 9:
        return ""
    return words.way(choice, int(action)) if isinstance(choice, Choice) else str(int(action) + 1)


def _child(how: Mapping[str, Json]) -> Value:
    number = how.get("child")
    return number + 1 if isinstance(number, int) and not isinstance(number, bool) else ""


def _number(value: Json) -> Value:
    return value if isinstance(value, int) and not isinstance(value, bool) else ""


def _texts(items: Json) -> tuple[str, ...]:
    return tuple(each for each in items if isinstance(each, str)) if isinstance(items, list) else ()
