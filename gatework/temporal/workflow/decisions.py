"""What a person typed, as the machine's event. Whatever is off is a `DecisionError` in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gatework.errors import ContractError, DecisionError
from gatework.machine.admission import one_of
from gatework.machine.identity import VOTES
from gatework.proof.ledger import Entry
from gatework.releases.library import Known
from gatework.run.events import Action, Decided
from gatework.run.state import Gate, Receipt, State, digits
from gatework.signing.signing import salt_of
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.document import named_in

MAX_NAME = 120
MAX_NOTE = 2_000
MAX_SIGNATURE = 200

DESCRIPTIONS: Mapping[Action, str] = {
    "approve": (
        'The four digits on the panel, such as 4821; with your name and a note "4821 your name: note"; '
        "or what `gatework sign` prints."
    ),
    "reject": (
        'Why not, in double quotes; or {"note": "…", "by": "your name"}. '
        "The run ends, save at a call: that is not made, and the stage is told."
    ),
    "retry": 'Nothing, or the four digits if the panel asks; or {"note": "for the model", "by": "your name"}.',
    "edit": 'The corrected value as JSON; or {"place": "…", "value": …, "by": "your name", "note": "…"}.',
    "answer": 'The answer as JSON, as the panel says; or {"value": …, "by": "your name", "note": "…", "number": 4821}.',
    "abort": 'Why, in double quotes; or {"note": "…", "by": "your name"}. The run ends.',
    "override": (
        'Number, name and reason, "4821 your name: why", or what `gatework sign` prints: it goes on past what '
        "stopped it. "
        'With {"number": …, "by": "…", "note": "why", "value": …} it goes on with that value, without its work. '
        "Every report shows it."
    ),
}
"""What to type for each update, as the UI shows it."""

_FIELDS = {"number", "evidence", "by", "note", "signature"}

_TYPED = re.compile(r"(?P<number>[0-9]{4})(?:[ ,]+(?P<by>[^:]*))?(?::(?P<note>.*))?", re.DOTALL)
"""An approval as people type it: `4821 Ana: looked at the invoice`."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A decision as it was sent: nothing is known yet of whoever sent it but the name that they gave."""

    event: Decided
    signature: str = ""


def decided(action: Action, data: bytes | None, known: Known, gate: Gate | None, salt: bytes) -> Sent:
    """The decision in what was sent; only `edit` and `answer` look at the gate, for its contract, and need the salt.

    Raises `ContractError` for what is no JSON, `DecisionError` for what is no decision.
    """
    typed = None if data is None else canonical.loads(data, max_values=canonical.MAX_VALUES)
    if action in ("edit", "answer"):
        return _valued(action, typed, known, gate, salt)
    numbered = action in VOTES
    bare = "number" if numbered or isinstance(typed, int) else "note"
    words = _TYPED.fullmatch(typed.strip()) if numbered and isinstance(typed, str) else None
    fields = typed if isinstance(typed, dict) else words.groupdict() if words else {bare: typed}
    if action == "override" and fields.get("value") is not None:
        return _overriding(fields, known, gate, salt)
    _known(action, fields, _FIELDS)
    return _with_common(Decided(action=action), fields)


def _overriding(fields: Mapping[str, Json], known: Known, gate: Gate | None, salt: bytes) -> Sent:
    """An override that gives what waits its value."""
    _known("override", fields, _FIELDS | {"value"})
    if gate is None:
        raise DecisionError("Nothing waits for a decision now.")
    if "override" not in gate.allowed:  # before the value is looked at, which matters to nobody here
        raise DecisionError(f"override does not answer this; send {one_of(gate.allowed)}.")
    try:
        known.check(gate.node, fields["value"])
    except ContractError as error:
        raise DecisionError(f"The value breaks the contract of {gate.node}: {error.message}.") from None
    signed_with = salt_of(_text(fields.get("signature"), "signature", MAX_SIGNATURE))
    return _with_common(Decided(action="override", value=Sealed.of(fields["value"], signed_with or salt)), fields)


MIGRATE = (
    'The first digits of the other plan\'s digest, in double quotes; or {"to": "…", "by": "your name", "note": "why"}. '
    "What happened stays, what differs runs anew."
)
"""What to type to move a run to another plan, as the UI shows it."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Where a run is to be moved, as somebody typed it."""

    to: str
    """The first digits of a plan's digest."""
    by: str
    note: str


def move(data: bytes | None) -> Move:
    """Where a run is to be moved, in what was sent. Raises `ContractError` and `DecisionError`."""
    typed = None if data is None else canonical.loads(data, max_values=canonical.MAX_VALUES)
    fields = typed if isinstance(typed, dict) else {"to": typed}
    if not set(fields) <= {"to", "by", "note"}:
        raise DecisionError(f"What you sent has fields that migrate does not know. Send: {MIGRATE}")
    to = _text(fields.get("to"), "to", 64)
    if to and not re.fullmatch(r"[0-9a-f]{12,64}", to):
        raise DecisionError("A plan is named by twelve or more of the first digits of its digest.")
    return Move(to=to, by=_text(fields.get("by"), "by", MAX_NAME), note=_text(fields.get("note"), "note", MAX_NOTE))


def value_named(data: bytes | None) -> str:
    """The name of a value, in what was sent with the query `evidence`; empty where nothing was.

    Raises `ContractError` and `DecisionError`.
    """
    return _text(None if data is None else canonical.loads(data), "What you send with this query", MAX_NAME)


def taken(receipt: Receipt, gate: Gate | None) -> str:
    """What a person is told whose decision was taken at a gate."""
    surely = "as claimed" if receipt.identity == "claimed" else receipt.identity
    by = f" by {receipt.by} ({surely})" if receipt.by else ""
    said = f"{receipt.action} taken at {receipt.node}{by}"
    if gate is None:
        return f"{said}."
    asked, votes = gate.asked(receipt.action), len(gate.votes) + 1  # type: ignore[arg-type]
    if receipt.action in VOTES and votes < asked.quorum:
        more = f"{asked.quorum - votes} more of {asked.role} must {receipt.action} it"
        return f"{said}: {votes} of {asked.quorum}; {more}."
    if receipt.action == "override":
        return f"{said}: {_let_on(receipt, gate)}; every report of the run shows it."
    if gate.call is None or gate.kind != "call":
        return f"{said}."
    match receipt.action:
        case "approve":
            return f"{said}: {gate.call.tool} is called once, as shown."
        case "reject":
            return f"{said}: {gate.call.tool} is not called, {receipt.node} is told so, and the run does not end."
        case _:
            return f"{said}."


def _let_on(receipt: Receipt, gate: Gate) -> str:
    if receipt.how.get("skipped"):
        return f"{receipt.node} has the value that you gave, without its work"
    guards = [given.guard for given in gate.against]
    past = f"past {one_of(guards).replace(' or ', ' and ')}" if guards else "past what stopped it"
    return f"{receipt.node} runs on these inputs, {past}" if receipt.inputs else f"its output goes on, {past}"


_AFTER = ("asked", "migrated", "resumed")


def answered(ledger: Sequence[Entry], number: str, gate: Gate | None) -> str:
    """How the gate of a number was answered, where it does not wait any more; empty where none had that number."""
    if not number or (gate is not None and number in (gate.number, gate.full_number)):
        return ""
    receipts = [entry.receipt for entry in ledger]
    for position, asked in enumerate(receipts):
        if asked.kind != "asked":
            continue
        if number not in (digits(asked.gate, asked.evidence, 0), digits(asked.gate, asked.evidence, 1)):
            continue
        taken = [receipt for receipt in receipts if receipt.kind == "decided" and receipt.gate == asked.gate]
        if not taken:
            # A run that was moved, or resumed, has opened another in its place.
            after = next((receipt.kind for receipt in receipts[position + 1 :] if receipt.kind in _AFTER), "")
            return "nobody answered it in time" if after == "asked" else ""
        return taken[-1].action + (f" by {taken[-1].by}" if taken[-1].by else "")
    return ""


def _valued(action: Action, typed: Json, known: Known, gate: Gate | None, salt: bytes) -> Sent:
    """A decision that gives a value: as it stands, or as one field of several."""
    if gate is None:
        raise DecisionError("Nothing waits for a decision now.")
    if action not in gate.allowed:  # before the value is looked at, which matters to nobody here
        raise DecisionError(f"{action} does not answer this; send {one_of(gate.allowed)}.")
    plan = known.plan
    wrapped = isinstance(typed, dict) and "value" in typed and set(typed) <= _FIELDS | {"place", "value"}
    fields: Mapping[str, Json] = typed if wrapped else {"value": typed}
    if fields.get("value") is None:
        what = "corrected value" if action == "edit" else "answer"
        raise DecisionError(f"Send the {what}: {DESCRIPTIONS[action]}")
    named = _text(fields.get("place"), "place", MAX_NAME)
    place = named or (gate.place if action == "edit" else gate.node)
    if place not in plan.starts and place not in plan.index:
        raise DecisionError(f"There is no place of that name; it has {', '.join((*plan.starts, *plan.index))}.")
    if not plan.contract(place):
        raise DecisionError(f"{place} has no value of its own; edit one that it rests on.")
    try:
        known.check(place, fields["value"])
    except ContractError as error:
        what = f"The value breaks the contract of {place}" if action == "edit" else f"That does not answer {place}"
        raise DecisionError(f"{what}: {error.message}.") from None
    signed_with = salt_of(_text(fields.get("signature"), "signature", MAX_SIGNATURE))
    value = Sealed.of(fields["value"], signed_with or salt)
    # What is asked is the only place of an answer; one that names it says no more, and is signed as it was sent.
    return _with_common(Decided(action=action, place=place if action == "edit" else named, value=value), fields)


def must_be_held(event: Decided, state: State, refused: Iterable[Json]) -> None:
    """Raise `DecisionError` for a value that names a document which the run does not hold: it would open another's."""
    wanted = set(named_in(event.value.data)) if event.value is not None else set()
    if not wanted:
        return
    candidate = state.gate.candidate if state.gate is not None else None
    branches = [branch.held for branch in state.branches.values() if branch.held is not None]
    values = [held.sealed.data for held in (*state.values.values(), *branches)]
    values += [sealed.data for sealed in (candidate, state.edited) if sealed is not None]
    if wanted.difference(*(named_in(value) for value in (*values, *refused))):
        raise DecisionError("What you send names only documents that the run holds; a new one comes with a new run.")


def _with_common(decided: Decided, fields: Mapping[str, Json]) -> Sent:
    by = _text(fields.get("by"), "by", MAX_NAME)
    event = replace(
        decided,
        number=_number(fields.get("number")),
        evidence=_text(fields.get("evidence"), "evidence", 64),
        by=by,
        identity="claimed" if by else "none",
        note=_text(fields.get("note"), "note", MAX_NOTE),
    )
    return Sent(event=event, signature=_text(fields.get("signature"), "signature", MAX_SIGNATURE))


def _known(action: Action, fields: Mapping[str, Json], known: set[str]) -> None:
    if not set(fields) <= known:
        raise DecisionError(f"What you sent has fields that {action} does not know. Send: {DESCRIPTIONS[action]}")


def _number(typed: Json) -> str:
    match typed:
        case None:
            return ""
        case bool() | float():
            pass
        case int() if 0 <= typed <= 9999:
            return f"{typed:04d}"
        case str() if typed.strip().isascii() and typed.strip().isdigit() and len(typed.strip()) == 4:
            return typed.strip()
        case _:
            pass
    raise DecisionError("The number is the four digits on the panel.")


def _text(typed: Json, field: str, limit: int) -> str:
    if typed is None:
        return ""
    if not isinstance(typed, str) or len(typed) > limit or not all(c.isprintable() or c == "\n" for c in typed):
        raise DecisionError(f"{field} is printable text of at most {limit} characters.")
    return typed.strip()
