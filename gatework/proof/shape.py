"""The shape of an entry in a certificate: which members it has, and what may stand in each. Pure.

Section 4 of docs/spec/ledger.md as tables. Which members say how a receipt came about differs from kind to kind; what
may stand in one of them does not. What no receipt of a run has, no certificate has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeGuard

from gatework.proof.ledger import Entry
from gatework.run.state import Receipt
from gatework.values.canonical import Json

Check = Callable[[Json], bool]
"""Whether something is what may stand in one place."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SALT = re.compile(r"([0-9a-f]{32})?")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{85}[AQgw]==")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+00:00")
_IDENTITIES = ("", "none", "claimed", "authenticated", "signed")


def is_digest(value: Json) -> TypeGuard[str]:
    """Whether this is 64 hex digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_salt(value: Json) -> TypeGuard[str]:
    """Whether this is a salt as a certificate has it: 32 hex digits, or nothing."""
    return isinstance(value, str) and _SALT.fullmatch(value) is not None


def is_signature(value: Json) -> TypeGuard[str]:
    """Whether this is 64 bytes in base64, as they are always written."""
    return isinstance(value, str) and _SIGNATURE.fullmatch(value) is not None


def is_time(value: Json) -> TypeGuard[str]:
    """Whether this is a moment as an entry has it: UTC in ISO 8601, with milliseconds."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def misshapen(entry: Entry) -> str:
    """The name of the first member of an entry that is not what may stand there; empty where all are."""
    receipt = entry.receipt
    checks = {
        "at": is_time(entry.at),
        "before": is_digest(entry.before),
        "digest": is_digest(entry.digest),
        "attempt": receipt.attempt >= 0,
        "gate": receipt.gate >= 0,
        "inputs": _digest_or_none(receipt.inputs),
        "output": _digest_or_none(receipt.output),
        "evidence": _digest_or_none(receipt.evidence),
        "shown": all(is_digest(digest) for digest in receipt.shown.values()),
        "verdicts": all(is_digest(given.on) for given in receipt.verdicts),
        "identity": receipt.identity in _IDENTITIES,
        "how": _how(receipt),
    }
    return next((name for name, sound in checks.items() if not sound), "")


def _how(receipt: Receipt) -> bool:
    members, own = _HOW[receipt.kind].split(), _OWN.get(receipt.kind, {})
    return all(name in members and (own.get(name) or _MEMBERS[name])(value) for name, value in receipt.how.items())


# -- what may stand in a place ---------------------------------------------------------------------


def _text(value: Json) -> bool:
    return isinstance(value, str)


def _flag(value: Json) -> bool:
    return isinstance(value, bool)


def _count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _digest_or_none(value: Json) -> bool:
    return value == "" or is_digest(value)


def _verdict(value: Json) -> bool:
    return value in ("pass", "retry", "block", "escalate")


def _any_object(value: Json) -> bool:
    return isinstance(value, dict)


def _all(each: Check) -> Check:
    """A list of them."""
    return lambda value: isinstance(value, list) and all(map(each, value))


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _counts(value: Json) -> bool:
    return isinstance(value, dict) and all(map(_count, value.values()))


def _object(needed: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """An object with all of the needed members, and of no others than `more`."""
    known = {**needed, **(more or {})}

    def check(value: Json) -> bool:
        return (
            isinstance(value, dict)
            and value.keys() >= needed.keys()
            and all(name in known and known[name](member) for name, member in value.items())
        )

    return check


def _some(parts: Mapping[str, Check]) -> Check:
    """An object of some of these members, and of one at least."""
    check = _object({}, parts)
    return lambda value: bool(value) and check(value)


_SIGNED = _object({"key": _text, "signature": is_signature})
_GIVEN = _all(_object({"guard": _text, "on": is_digest, "verdict": _verdict, "reason": _text}, {"signed": _SIGNED}))
_CALL = {"tool": _text, "key": _text, "call": _digest_or_none, "arguments": _digest_or_none, "by_model": _flag}
_TURN = _object({"kind": _text, "tool": _text, "outcome": _text, "digest": _digest_or_none})
_SPENT = {"model_calls": _count, "tokens": _count, "money": _text, "tool_calls": _counts, "seconds": _number}

_MEMBERS: Mapping[str, Check] = {
    **_CALL,
    **dict.fromkeys(("plan", "code"), is_digest),
    **dict.fromkeys(("kept", "round", "child", "more", "approvals", "quorum"), _count),
    **dict.fromkeys(("asks", "recorded", "acted", "undoable", "handed_on", "skipped"), _flag),
    **dict.fromkeys(("not_by", "overridden", "undo"), _all(_text)),
    **dict.fromkeys(("run", "workflow", "principal", "type", "place"), _text),
    # What a worker says of models and tools differs with them: by digests, and in words of ours.
    **dict.fromkeys(("calls", "tools", "refused"), _all(_any_object)),
    "spent": _object({}, _SPENT),
    "given": _some({**_SPENT, "output_bytes": _count}),
    "ledger": _digest_or_none,
    "signed": _SIGNED,
    "before": _GIVEN,
    "guards": _GIVEN,
}
"""Member of `how` → what may stand there."""

_OWN: Mapping[str, Mapping[str, Check]] = {"suspended": {"calls": _all(_object(_CALL)), "entries": _all(_TURN)}}
"""Kind of receipt → members that are something else there."""

_WORK = "calls tools refused more code spent signed"

_HOW: Mapping[str, str] = {
    "begun": "plan run asks given",
    "output": _WORK,
    "stopped": "code signed",
    "refused": f"before {_WORK}",
    "failed": f"before {_WORK}",
    "suspended": "entries calls spent signed",
    "acting": "tool key call arguments by_model",
    "acted": "tool key call arguments by_model recorded run code signed",
    "chose": "",
    "joined": "",
    "round": "round",
    "waited": "",
    "called": "child workflow plan given",
    "returned": "child run ledger spent acted undoable overridden more",
    "gathered": "",
    "approved": "",
    "asked": "tool key call not_by handed_on",
    "decided": "signed principal type place approvals quorum guards skipped",
    "migrated": "kept",
    "resumed": "run",
    "undoing": "undo",
    "ended": "",
}
"""Kind of receipt → the members that its `how` may have."""
