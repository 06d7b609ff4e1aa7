"""The shape of an entry in a certificate: which members it has, and what may stand in each. Pure.

Section 4 of docs/spec/ledger.md as a table. A receipt says how it came about in members that differ from kind to kind,
and so does not the type of it; what no receipt of a run has, no certificate has.
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
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+00:00")
_IDENTITIES = ("", "none", "claimed", "authenticated", "signed")


def is_digest(value: Json) -> TypeGuard[str]:
    """Whether this is 64 hex digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_salt(value: Json) -> TypeGuard[str]:
    """Whether this is a salt as a certificate has it: 32 hex digits, or nothing."""
    return isinstance(value, str) and _SALT.fullmatch(value) is not None


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
    members = _MEMBERS[receipt.kind]
    return all(name in members and members[name](value) for name, value in receipt.how.items())


# -- what may stand in a place ---------------------------------------------------------------------


def _text(value: Json) -> bool:
    return isinstance(value, str)


def _flag(value: Json) -> bool:
    return isinstance(value, bool)


def _count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _digest_or_none(value: Json) -> bool:
    return value == "" or is_digest(value)


def _anything(_value: Json) -> bool:
    return True


def _all(each: Check) -> Check:
    """A list of them."""
    return lambda value: isinstance(value, list) and all(map(each, value))


def _map(each: Check) -> Check:
    """An object of them, under any names."""
    return lambda value: isinstance(value, dict) and all(map(each, value.values()))


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


_SIGNED = _object({"key": _text, "signature": _text})
_GIVEN = _object({"guard": _text, "on": is_digest, "verdict": _text}, {"reason": _text, "signed": _SIGNED})
_SPENT = _object(
    {}, {"model_calls": _count, "tokens": _count, "money": _text, "tool_calls": _map(_count), "seconds": _number}
)
_ASKED: Mapping[str, Check] = {"tool": _text, "key": _digest_or_none, "call": _digest_or_none}
_CALL: Mapping[str, Check] = {**_ASKED, "arguments": _digest_or_none, "by_model": _flag}
_ENTRY = _object({"kind": _text, "tool": _text, "outcome": _text, "digest": _digest_or_none})
_WORK: Mapping[str, Check] = {
    # What a worker says of models and tools differs with them: by digests, and in words of ours.
    **dict.fromkeys(("calls", "tools", "refused"), _all(_map(_anything))),
    "more": _count,
    "code": is_digest,
    "spent": _SPENT,
    "signed": _SIGNED,
}

_MEMBERS: Mapping[str, Mapping[str, Check]] = {
    "begun": {"plan": is_digest, "run": _text, "asks": _flag},
    "output": _WORK,
    "stopped": {"code": is_digest, "signed": _SIGNED},
    "refused": {**_WORK, "before": _all(_GIVEN)},
    "failed": {**_WORK, "before": _all(_GIVEN)},
    "suspended": {
        "entries": _all(_ENTRY),
        "calls": _all(_object(_CALL)),
        "spent": _SPENT,
        "signed": _SIGNED,
    },
    "acting": _CALL,
    "acted": {**_CALL, "recorded": _flag, "run": _text, "code": is_digest, "signed": _SIGNED},
    "chose": {},
    "joined": {},
    "round": {"round": _count},
    "waited": {},
    "called": {"child": _count, "workflow": _text, "plan": is_digest},
    "returned": {
        "child": _count,
        "run": _text,
        "ledger": _digest_or_none,
        "spent": _SPENT,
        "acted": _flag,
        "undoable": _flag,
        "overridden": _all(_text),
    },
    "gathered": {},
    "approved": {},
    "asked": {**_ASKED, "not_by": _all(_text), "handed_on": _flag},
    "decided": {
        **dict.fromkeys(("key", "signature", "principal", "type", "place"), _text),
        "approvals": _count,
        "quorum": _count,
        "guards": _all(_GIVEN),
        "skipped": _flag,
    },
    "migrated": {"kept": _count},
    "resumed": {"run": _text},
    "undoing": {"undo": _all(_text)},
    "ended": {},
}
"""Kind of receipt → what its member `how` may have."""
