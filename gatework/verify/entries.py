"""The entries of a ledger, read strictly from their JSON: section 4 of docs/spec/ledger.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gatework import canonical
from gatework.canonical import Json
from gatework.errors import ContractError
from gatework.verify.refusal import Refused, must

GENESIS = "0" * 64
WORDS = ("pass", "retry", "block", "escalate")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+00:00")

_CALL = {"tool": str, "key": str, "call": str, "arguments": str, "by_model": bool}
_WORK: Mapping[str, type] = {
    "calls": list, "tools": list, "refused": list, "more": int, "code": dict, "spent": dict, "signed": dict,
}  # fmt: skip
_HOW: Mapping[str, Mapping[str, type]] = {
    "begun": {"plan": str, "run": str, "asks": bool},
    "output": _WORK,
    "stopped": {"signed": dict},
    "refused": {**_WORK, "before": list},
    "failed": {**_WORK, "before": list},
    "suspended": {"turn": int, "entries": list, "calls": list, "spent": dict, "signed": dict},
    "acting": _CALL,
    "acted": {**_CALL, "recorded": bool, "run": str, "signed": dict},
    "chose": {},
    "joined": {},
    "round": {"round": int},
    "waited": {},
    "called": {"child": int, "workflow": str, "plan": str},
    "returned": {
        "child": int, "run": str, "ledger": str, "spent": dict, "acted": bool, "undoable": bool,
    },
    "gathered": {},
    "approved": {},
    "asked": {"reasons": list, "tool": str, "key": str, "call": str, "not_by": list, "handed_on": bool},
    "decided": {
        "key": str, "signature": str, "principal": str, "place": str, "approvals": int, "quorum": int,
        "guards": list, "skipped": bool,
    },
    "migrated": {"kept": list},
    "resumed": {"run": str, "kept": list},
    "undoing": {"undo": list},
    "ended": {},
}  # fmt: skip
"""Kind of receipt → the members that its `how` may have, with their types."""

_DIGESTS = ("inputs", "output", "evidence")
_TEXTS = ("node", "inputs", "output", "label", "evidence", "action", "by", "identity", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a guard said."""

    guard: str
    on: str
    verdict: str
    reason: str = ""
    signed: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was accepted. What is not there is empty."""

    kind: str
    node: str = ""
    attempt: int = 0
    inputs: str = ""
    output: str = ""
    label: str = ""
    verdicts: tuple[Verdict, ...] = ()
    gate: int = 0
    shown: Mapping[str, str] = field(default_factory=dict)
    evidence: str = ""
    action: str = ""
    by: str = ""
    identity: str = ""
    reason: str = ""
    how: Mapping[str, Json] = field(default_factory=dict)

    def says(self, *members: str) -> bool:
        """Whether it has no other members than these, `kind`, `node` and `how`."""
        others = {*_TEXTS, "attempt", "verdicts", "gate", "shown"} - {*members, "node"}
        return not any(getattr(self, name) for name in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A receipt in its place in the chain."""

    sequence: int
    at: str
    receipt: Receipt
    before: str
    digest: str

    @property
    def time(self) -> datetime:
        """When it came about."""
        return datetime.fromisoformat(self.at)


def is_digest(value: object) -> bool:
    """Whether something is a digest: 64 hex digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def entries(ledger: Sequence[Json]) -> Iterator[Entry]:
    """The entries of a ledger. Raises `Refused` where one has not the form of an entry."""
    for data in ledger:
        yield entry(data)


def entry(data: Json) -> Entry:
    """One entry. Raises `Refused`."""
    must(_has(data, {"sequence": int, "at": str, "receipt": dict, "before": str, "digest": str}), "format",
         "An entry lacks a member, or has one that is not known.")  # fmt: skip
    must(data["sequence"] >= 1, "format", "The number of an entry counts from 1.")
    must(_is_time(data["at"]), "format", "The time of an entry is not as the specification writes times.")
    must(is_digest(data["before"]) and is_digest(data["digest"]), "format", "The digest of an entry is none.")
    return Entry(
        sequence=data["sequence"],
        at=data["at"],
        receipt=receipt(data["receipt"]),
        before=data["before"],
        digest=data["digest"],
    )


def _is_time(text: str) -> bool:
    if _AT.fullmatch(text) is None:
        return False
    try:
        return datetime.fromisoformat(text).isoformat(timespec="milliseconds") == text
    except ValueError:
        return False


def receipt(data: Mapping[str, Json]) -> Receipt:
    """One receipt. Raises `Refused`."""
    kind = data.get("kind")
    must(isinstance(kind, str) and kind in _HOW, "format", "A receipt is of no kind that is known.")
    assert isinstance(kind, str)
    given: dict[str, Any] = {}
    for name, value in data.items():
        must(name in Receipt.__dataclass_fields__, "format", "A receipt has a member that is not known.")
        must(value not in ("", [], {}) and not (value == 0 and value is not False), "format",
             "A receipt has an empty member, which is left out.")  # fmt: skip
        given[name] = value
    for name in _TEXTS:
        must(isinstance(given.get(name, ""), str), "format", f"The member {name} of a receipt is no text.")
    for name in _DIGESTS:
        must(name not in given or is_digest(given[name]), "format", f"The {name} of a receipt is no digest.")
    for name in ("attempt", "gate"):
        must(_is(given.get(name, 1), int) and given.get(name, 1) >= 1, "format", f"The {name} of a receipt is none.")
    shown = given.get("shown", {})
    must(isinstance(shown, dict) and all(map(is_digest, shown.values())), "format",
         "What a receipt shows is not digests by name.")  # fmt: skip
    if "verdicts" in given:
        must(isinstance(given["verdicts"], list), "format", "The verdicts of a receipt are no list.")
        given["verdicts"] = tuple(verdict(one) for one in given["verdicts"])
    how = given.get("how", {})
    must(_has(how, _HOW[kind], whole=False), "format",
         f"The member how of a receipt {kind} has what is not known there.")  # fmt: skip
    return Receipt(**given)


def verdict(data: Json) -> Verdict:
    """One verdict. Raises `Refused`."""
    known = {"guard": str, "on": str, "verdict": str, "reason": str}
    plain = isinstance(data, dict) and {name: value for name, value in data.items() if name != "signed"}
    must(_has(plain, known), "format", "A verdict lacks a member, or has one that is not known.")
    assert isinstance(plain, dict)
    must(isinstance(data.get("signed", {}), dict), "format", "The signature of a verdict is none.")
    must(is_digest(plain["on"]) and plain["verdict"] in WORDS, "format", "A verdict is none.")
    return Verdict(**plain, signed=data.get("signed", {}))


def _has(data: Json, members: Mapping[str, type], *, whole: bool = True) -> bool:
    """Whether an object has no other members than these, each of its type; and, if `whole`, all of them."""
    if not isinstance(data, dict) or not data.keys() <= members.keys():
        return False
    return all(_is(data[name], kind) if name in data else not whole for name, kind in members.items())


def _is(value: object, kind: type) -> bool:
    # In Python true is a number.
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def chained(before: Entry | None, data: Mapping[str, Json], this: Entry) -> None:
    """Raise `Refused` unless an entry follows on another, and its digest is its own."""
    must(this.sequence == (before.sequence + 1 if before else 1), "chain", "The entries are not counted one by one.")
    must(this.before == (before.digest if before else GENESIS), "chain",
         "It does not follow on the entry before it.")  # fmt: skip
    try:
        own = canonical.digest("entry", {name: value for name, value in data.items() if name != "digest"})
    except ContractError:
        raise Refused("json", "An entry holds what is no JSON.") from None
    must(this.digest == own, "chain", "The digest is not that of the entry.")
