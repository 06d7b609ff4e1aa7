"""Who decides where a run waits: the person at the terminal, or a script that says it is one."""

from __future__ import annotations

import getpass
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from gatework.errors import ContractError, DecisionError
from gatework.temporal import Execution
from gatework.temporal.page.progress import Waiting
from gatework.values import canonical
from gatework.values.canonical import Json
from showcase.cases import Case

SCRIPTED = "scripted-reviewer (no person)"
RETRIES = 1
"""How often the script has a stage run again whose attempts are spent."""

HELP = {
    "approve": "approve NUMBER",
    "reject": "reject WHY",
    "retry": "retry [NOTE FOR THE MODEL]",
    "edit": "edit JSON",
    "abort": "abort WHY",
}


@dataclass(frozen=True)
class Decision:
    """What to send to a run, and in a few words what that is."""

    action: str
    send: Callable[[Execution[Any]], Awaitable[str]]


def scripted(case: Case, waiting: Waiting, earlier: int) -> Decision:
    """What the script decides: for what `mails/expected.json` says is right, and against everything else.

    It looks at the evidence that a person is shown. `earlier` counts its decisions on this run so far.
    """
    if waiting.kind in ("approval", "escalated"):
        if waiting.kind == "approval" and _is_due(case, waiting.shown):
            note = "It is what mails/expected.json says is owed."
            return Decision("approve", lambda run: run.approve(waiting.number, by=SCRIPTED, note=note))
        note = "It is not what mails/expected.json says is owed."
        return Decision("reject", lambda run: run.reject(note, by=SCRIPTED, number=waiting.number))
    if waiting.kind in ("exhausted", "failed", "unknown") and case.due and earlier < RETRIES:
        return Decision("retry", lambda run: run.retry(by=SCRIPTED, number=waiting.number))
    return Decision("abort", lambda run: run.abort("The script edits nothing.", by=SCRIPTED))


def _is_due(case: Case, shown: Mapping[str, Json]) -> bool:
    owed = shown.get("owed")
    if case.due is None or not isinstance(owed, dict):
        return False
    try:
        return (owed.get("order"), Decimal(str(owed.get("amount")))) == (case.due.order, case.due.amount)
    except InvalidOperation:
        return False


def typed(line: str, waiting: Waiting) -> Decision:
    """What a person typed. Raises `DecisionError` where it is no decision for this run."""
    word, _, rest = line.strip().partition(" ")
    rest, by = rest.strip(), _login()
    if word.isdigit():
        word, rest = "approve", word
    word = word.lower()
    if word not in HELP:
        raise DecisionError(f"Type {options(waiting)}.")
    if word not in waiting.allowed:
        raise DecisionError(f"{word} does not answer this; type {options(waiting)}.")
    if word == "approve":
        return Decision(word, lambda run: run.approve(rest, by=by))
    if word == "edit":
        value = _json(rest)
        return Decision(word, lambda run: run.edit(value, by=by, number=waiting.number))
    if word == "retry":
        return Decision(word, lambda run: run.retry(rest, by=by, number=waiting.number))
    if not rest:
        raise DecisionError(f"Say why: {HELP[word]}.")
    if word == "reject":
        return Decision(word, lambda run: run.reject(rest, by=by, number=waiting.number))
    return Decision(word, lambda run: run.abort(rest, by=by))


def options(waiting: Waiting) -> str:
    """What can be typed."""
    known = {**HELP, "approve": f"approve {waiting.number}"}
    return ", ".join(known[action] for action in waiting.allowed) + ", show, skip or quit"


def editable(waiting: Waiting) -> str:
    """The value that an edit replaces, as JSON to begin with; empty where it is not shown."""
    value = waiting.shown.get(waiting.place)
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _json(text: str) -> Json:
    try:
        return canonical.loads(text.encode("utf-8", "surrogatepass"))
    except ContractError as error:
        raise DecisionError(f"The value cannot be read: {error}. Type it as JSON: edit {{…}}.") from None


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return ""
