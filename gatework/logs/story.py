"""Receipts as log events: one pure function, of which the workflow, `gatework logs` and the tests make the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from gatework.logs.onward import identity, onward, short_digest
from gatework.logs.vocabulary import LOUD, PASSED, LogEvent, Value
from gatework.machine.gates import asked_at, waits
from gatework.plan.plan import Node, Plan, Work
from gatework.proof.ledger import Entry, Noted
from gatework.run.state import Receipt
from gatework.values.canonical import Json

Fields = Mapping[str, Value]

_FIELD = re.compile(r"[\w ]{1,200} field (?P<field>[\w.\[\]]{1,200}): ")
"""How a `ContractError` begins that was found at a field."""
_TOOL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_WORST = ("block", "retry", "escalate")
"""Verdicts in the order in which the machine looks for them."""


def told(entries: Sequence[Entry | Noted], plan: Plan | None) -> Iterator[LogEvent]:
    """What consecutive entries of a ledger say. The plan adds who may answer a gate, and until when.

    The entries of one step, or of several: an attempt that failed is followed by the gate that it opened, in the
    same step, or it was retried.
    """
    for position, entry in enumerate(entries):
        yield from _events(entry, plan, entries[position + 1].receipt if position + 1 < len(entries) else None)


def _events(entry: Entry | Noted, plan: Plan | None, following: Receipt | None) -> Iterator[LogEvent]:
    receipt = entry.receipt
    place: Fields = {"stage": receipt.node, "receipt": entry.sequence}
    match receipt.kind:
        case "begun":
            began = {**place, "digest": short_digest(receipt.output), "label": receipt.label}
            yield LogEvent.of("run.begun", began, at=entry.at)
        case "output" | "stopped" | "refused" | "failed":
            yield from _Attempt(entry).events(following)
        case "suspended":
            yield from _Attempt(entry).stood_still()
        case "acting" | "acted":
            yield _called(entry)
        case "chose" | "joined" | "round" | "waited" | "called" | "returned" | "gathered" | "undoing":
            yield onward(entry, plan)
        case "approved":
            approved = {**place, "digest": short_digest(receipt.output), "reason": receipt.reason}
            yield LogEvent.of("approval.by_rule", approved, at=entry.at)
        case "asked":
            yield _asked(entry, plan, place)
        case "decided":
            taken = {
                **place,
                "gate": receipt.gate,
                "action": receipt.action,
                "by": receipt.by,
                "identity": receipt.identity or identity(receipt.by),
                "note": receipt.reason,
                "digest": short_digest(receipt.evidence),
                "value": short_digest(receipt.output),
            }
            yield LogEvent.of("decision.taken", taken, at=entry.at)
            if receipt.action == "override" and receipt.how.get("approvals") == receipt.how.get("quorum"):
                yield LogEvent.of("stage.overridden", {**taken, **_overridden(receipt)}, at=entry.at)
        case "migrated":
            moved = {
                **place,
                "from_plan": short_digest(receipt.shown.get("from")),
                "to_plan": short_digest(receipt.shown.get("to")),
                "by": receipt.by,
                "identity": identity(receipt.by),
                "note": receipt.reason,
            }
            yield LogEvent.of("run.migrated", moved, at=entry.at)
        case "resumed":
            run = receipt.how.get("run")
            resumed = {
                **place,
                "from_run": run if isinstance(run, str) else "",
                "outcome": receipt.action,
                "by": receipt.by,
                "identity": identity(receipt.by),
                "note": receipt.reason,
            }
            yield LogEvent.of("run.resumed", resumed, at=entry.at)
        case "ended":
            by_person = receipt.action in ("rejected", "aborted")
            ended = {
                **place,
                "outcome": receipt.action,
                "by": receipt.by,
                "identity": identity(receipt.by) if by_person else "",
                # The reason of an end that a person chose is the note that they wrote.
                "note" if by_person else "reason": receipt.reason,
            }
            planned = by_person or receipt.action == "completed"
            yield LogEvent.of("run.ended", ended, at=entry.at, level=0 if planned else LOUD)


def _overridden(receipt: Receipt) -> Fields:
    """What an override let on, and past which guards."""
    guards = [str(given.get("guard", "")) for given in _objects(receipt.how.get("guards"))]
    lets = "value" if receipt.how.get("skipped") else "inputs" if receipt.inputs else "output"
    return {"action": "", "lets": lets, "past": tuple(guards)}


class _Attempt:
    """What came of one attempt of a stage: refused calls, its guards' verdicts, and what the machine made of them."""

    def __init__(self, entry: Entry | Noted) -> None:
        self._at = entry.at
        self._receipt = receipt = entry.receipt
        self._place: Fields = {"stage": receipt.node, "attempt": receipt.attempt, "receipt": entry.sequence}
        self._digest = short_digest(receipt.output)

    def events(self, following: Receipt | None) -> Iterator[LogEvent]:
        receipt = self._receipt
        next_ = "" if following is None else following.kind
        spent = following is not None and (next_, following.action) == ("asked", "spent")
        yield from self._refused()
        yield from self._verdicts()
        if receipt.kind == "output" and (next_ == "round" or spent):
            return  # the end of a loop gives nothing of its own: it goes round again, or a person is asked
        given_up = receipt.action == "accepted"
        word = next((word for word in _WORST if any(given.verdict == word for given in receipt.verdicts)), "")
        word = "" if given_up else word
        against = [given.reason for given in receipt.verdicts if given.verdict == word]
        reason = receipt.reason or ("" if given_up else "; ".join(against))
        yield self._what_came(word, {**_spent(receipt.how), "reason": reason})
        if next_ != "asked" and (
            receipt.kind in ("refused", "failed") or (receipt.kind == "output" and word == "retry")
        ):
            yield self._event("stage.retried", {"attempt": receipt.attempt + 1, "reason": reason})

    def _what_came(self, word: str, more: Fields) -> LogEvent:
        receipt = self._receipt
        match receipt.kind, word if receipt.kind == "output" else receipt.action or word:
            case "stopped", why:
                return self._event("stage.stopped", {"digest": short_digest(receipt.inputs), "why": why, **more})
            case "failed", why:
                return self._event("stage.failed", {"why": why, **more})
            case "refused", "block":
                return self._event("stage.refused", more)
            case "refused", "contract":
                found = _FIELD.match(receipt.reason)
                field = found["field"] if found else ""
                return self._event("output.refused", {"why": "contract", "field": field, **more})
            case "refused", _:
                return self._event("output.refused", {"why": "order", **more})
            case _, "":
                known: Fields = {"digest": self._digest, "label": receipt.label, "guards": len(receipt.verdicts)}
                return self._event("output.accepted", {**known, **more})
            case _, "escalate":
                return self._event("output.escalated", {"digest": self._digest, **more})
            case _:
                return self._event("output.refused", {"digest": self._digest, "why": "guard", "verdict": word, **more})

    def stood_still(self) -> Iterator[LogEvent]:
        yield from self._verdicts()
        yield self._event("stage.suspended", {"calls": len(_objects(self._receipt.how.get("calls")))})

    def _verdicts(self) -> Iterator[LogEvent]:
        for given in self._receipt.verdicts:
            on = short_digest(given.on)
            fields = {"guard": given.guard, "verdict": given.verdict, "digest": on, "reason": given.reason}
            yield self._event("verdict.given", fields, level=PASSED if given.verdict == "pass" else 0)

    def _refused(self) -> Iterator[LogEvent]:
        """What the worker says that it refused. It is not believed to have kept to any form."""
        for item in _objects(self._receipt.how.get("refused")):
            reason = item.get("reason")
            yield self._event(
                "call.refused", {"tool": _tool(item.get("tool")), "reason": reason if isinstance(reason, str) else ""}
            )

    def _event(self, name: str, fields: Fields, *, level: int = 0) -> LogEvent:
        return LogEvent.of(name, {**self._place, **fields}, at=self._at, level=level)


def _called(entry: Entry | Noted) -> LogEvent:
    """A call that runs apart: asked for, or at its end."""
    receipt = entry.receipt
    how = receipt.how
    key = short_digest(how.get("key"))
    fields: Fields = {
        "stage": receipt.node,
        "attempt": receipt.attempt,
        "receipt": entry.sequence,
        "tool": _tool(how.get("tool")),
        "key": key,
        "digest": short_digest(how.get("arguments")),
    }
    if receipt.kind == "acting":
        return LogEvent.of("call.asked", fields, at=entry.at)
    outcome = receipt.action
    if not key:
        outcome = outcome if outcome in ("done", "refused") else "failed"
        return LogEvent.of(f"call.{outcome}", {**fields, "reason": receipt.reason}, at=entry.at)
    # A worker that did it, or asked about it, has said so; one that died has not.
    live = outcome in ("done", "found", "refused") and not how.get("recorded")
    return LogEvent.of(f"effect.{outcome}", fields, at=entry.at, live=live)


def _tool(name: Json) -> str:
    """The name of a tool. Other text in its place is a model's, or a forgery."""
    return name if isinstance(name, str) and _TOOL.fullmatch(name) else ""


def _spent(how: Mapping[str, Json]) -> Fields:
    calls = _objects(how.get("calls"))
    tokens = [call.get(name) for call in calls for name in ("input_tokens", "output_tokens")]
    tools = len(_objects(how.get("tools")))
    model = {"model_calls": len(calls), "tokens": sum(n for n in tokens if isinstance(n, int))} if calls else {}
    return {**model, **({"tool_calls": tools} if tools else {})}


def _objects(items: Json) -> list[Mapping[str, Json]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _asked(entry: Entry | Noted, plan: Plan | None, place: Fields) -> LogEvent:
    receipt = entry.receipt
    node = plan.node(receipt.node) if plan and receipt.node in plan.index else None
    fields: Fields = {
        **place,
        "gate": receipt.gate,
        "asks": receipt.action,
        "role": "" if node is None else _role(receipt, node),
        "until": _until(entry.at, waits(node)) if node else "",
        "shown": tuple(f"{name}:{short_digest(digest)}" for name, digest in receipt.shown.items()),
        "digest": short_digest(receipt.evidence),
        "reason": receipt.reason,
    }
    planned = receipt.action in ("approval", "question", "call", "escalated")
    return LogEvent.of("gate.opened", fields, at=entry.at, level=0 if planned else LOUD)


def _role(receipt: Receipt, node: Node) -> str:
    if not isinstance(node, Work):
        return asked_at(node).role
    called = [use.approver for use in node.tools if receipt.action == "call" and f"{use.name}()" in receipt.shown]
    return next((by.role for by in called if by), node.operator.role)


def _until(at: str, seconds: float) -> str:
    try:
        return (datetime.fromisoformat(at) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except (ValueError, OverflowError):  # a time without end
        return ""
