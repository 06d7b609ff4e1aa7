"""What child runs came to: of a few as they are, of very many as bytes, a few beside what each of them gave.

A run holds what its child runs gave until it has heard of all of them, and hands it on whenever it goes on as new. Held
as Python's own objects, each would take a kilobyte, of which its value is the smallest part.
"""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from gatework.errors import ContractError
from gatework.plan.labels import Label
from gatework.run.events import OutcomeKind
from gatework.run.held import Held
from gatework.values.canonical import Sealed

FEW = 100
"""So many are held as they are; more of them as bytes."""

MOST = 2**20
"""More child runs than a node can have; no number of one is as large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What a child run came to."""

    outcome: OutcomeKind
    held: Held | None = None
    """With `completed`."""
    reason: str = ""


def with_one(branches: Mapping[int, Branch], number: int, branch: Branch) -> Mapping[int, Branch]:
    """What child runs came to, with what one more did. What was given stays as it is."""
    if isinstance(branches, Branches):
        return branches.with_one(number, branch)
    return only({**branches, number: branch}.items())


def only(branches: Iterable[tuple[int, Branch]]) -> Mapping[int, Branch]:
    """These, held as so many of them are."""
    first: dict[int, Branch] = {}
    rest = iter(branches)
    for number, branch in rest:
        first[number] = branch
        if len(first) > FEW:
            log = _Log()
            for known in first.items():
                log.add(*known)
            for known in rest:
                log.add(*known)
            return Branches(log)
    return first


def failed(branches: Mapping[int, Branch]) -> int:
    """How many of them ended without a value."""
    if isinstance(branches, Branches):
        return branches.failed
    return sum(branch.held is None for branch in branches.values())


# -- as bytes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What many have in common: all but what they gave, its salt and its digest."""

    outcome: OutcomeKind
    label: Label | None = None
    """None for one that gave nothing; then its entry has the reason."""
    by_hand: bool = False
    private: bool = False
    by: tuple[str, ...] = ()
    editor: tuple[str, ...] = ()
    reason: str = ""
    salt: str | None = None
    """A salt that is not spelled as ours are."""
    digest: str | None = None
    """The same of a digest."""


_HEAD = Struct("<III")
"""Before each entry: the number of the child run, which kind it is of, and how many bytes follow."""

_SALT, _SEAL = 16, 16 + 32
"""The entry of one that gave something: salt, digest, and the value as JSON."""


class _Log:
    """Entries, one behind the other. Several `Branches` share one, of which each knows how many are its own."""

    __slots__ = ("_index", "begins", "bytes", "failed", "kinds", "places")

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.begins = array("Q")
        """Where each entry begins."""
        self.places = array("I")
        """Number of a child run → which entry is its own, from 1; 0 for none."""
        self.kinds: list[_Kind] = []
        self._index: dict[_Kind, int] = {}
        self.failed = 0
        """How many of all gave nothing."""

    def add(self, number: int, branch: Branch) -> None:
        kind, entry = _apart(branch)
        self.append(number, self.kind(kind), entry)

    def kind(self, kind: _Kind) -> int:
        """Which of the kinds it is: a new one, where there is none like it."""
        which = self._index.setdefault(kind, len(self.kinds))
        if which == len(self.kinds):
            self.kinds.append(kind)
        return which

    def append(self, number: int, kind: int, entry: bytes) -> None:
        if number >= len(self.places):
            self.places.frombytes(bytes(self.places.itemsize * (number + 1 - len(self.places))))
        self.begins.append(len(self.bytes))
        self.places[number] = len(self.begins)
        self.bytes += _HEAD.pack(number, kind, len(entry))
        self.bytes += entry
        self.failed += self.kinds[kind].label is None

    def entry(self, place: int) -> tuple[int, int, bytes]:
        """Of the entry at a place the number, the kind, and what follows."""
        begin = self.begins[place]
        number, kind, size = _HEAD.unpack_from(self.bytes, begin)
        begin += _HEAD.size
        return number, kind, bytes(self.bytes[begin : begin + size])

    def branch(self, place: int) -> Branch:
        """What the entry at a place says. Raises `ContractError` for one that is none of ours."""
        _, kind, entry = self.entry(place)
        return _together(self.kinds[kind], entry)

    def number(self, place: int) -> int:
        number: int = _HEAD.unpack_from(self.bytes, self.begins[place])[0]
        return number


class Branches(Mapping[int, Branch]):
    """What very many child runs came to, by their numbers, in the order in which they ended.

    A value, as all that a run knows: it never changes. The next one shares its bytes and adds to them, so that a step
    costs the same however many there are; one to which another was added already is copied.
    """

    __slots__ = ("_log", "_many", "failed")

    def __init__(self, log: _Log) -> None:
        self._log = log
        self._many = len(log.begins)
        self.failed = log.failed
        """How many gave nothing."""

    def with_one(self, number: int, branch: Branch) -> Branches:
        """These, with what one more came to."""
        log = self._log
        if number in self or len(log.begins) != self._many:
            log = _Log()
            for known in self.items():
                if known[0] != number:
                    log.add(*known)
        log.add(number, branch)
        return Branches(log)

    def __getitem__(self, number: int) -> Branch:
        if number not in self:
            raise KeyError(number)
        return self._log.branch(self._log.places[number] - 1)

    def __contains__(self, number: object) -> bool:
        places = self._log.places
        return isinstance(number, int) and 0 <= number < len(places) and 0 < places[number] <= self._many

    def __iter__(self) -> Iterator[int]:
        return map(self._log.number, range(self._many))

    def __len__(self) -> int:
        return self._many

    def __repr__(self) -> str:
        return repr(dict(self))

    def written(self) -> dict[str, Any]:
        """As JSON. What they gave is text in it, which is shorter than bytes are where they are written as text."""
        log = self._log
        kinds = [{name: getattr(kind, name) for name in _Kind.__slots__} for kind in log.kinds]
        heads, texts = bytearray(), bytearray()
        for place in range(self._many):
            number, kind, entry = log.entry(place)
            seal = 0 if log.kinds[kind].label is None else _SEAL
            heads += _HEAD.pack(number, kind, len(entry) - seal)
            heads += entry[:seal]
            texts += entry[seal:]
        return {"kinds": kinds, "heads": b64encode(heads).decode(), "texts": texts.decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """`Branches` as JSON."""

    kinds: tuple[_Kind, ...]
    heads: str
    """In base64: of each its number, its kind and how many bytes its text has; of one that gave something its seal."""
    texts: str
    """What each of them gave, as JSON, or why it gave nothing: one behind the other."""


def _read(written: _Written) -> Branches:
    """What was written. Raises `ValueError` for what these are not."""
    log = _Log()
    for place, kind in enumerate(written.kinds):
        if log.kind(kind) != place:
            raise ValueError("a kind twice")
    heads, texts = b64decode(written.heads, validate=True), written.texts.encode()
    at = begin = 0
    while at < len(heads):
        if len(heads) - at < _HEAD.size:
            raise ValueError("an entry without its end")
        number, which, size = _HEAD.unpack_from(heads, at)
        at += _HEAD.size
        if number >= MOST or which >= len(log.kinds) or size > len(texts) - begin:
            raise ValueError("an entry that is none")
        if number < len(log.places) and log.places[number]:
            raise ValueError("a child run twice")
        seal = b"" if log.kinds[which].label is None else heads[at : at + _SEAL]
        if log.kinds[which].label is not None and len(seal) != _SEAL:
            raise ValueError("an entry without its seal")
        log.append(number, which, seal + texts[begin : begin + size])
        at, begin = at + len(seal), begin + size
    if begin != len(texts):
        raise ValueError("a text of no entry")
    return Branches(log)


class Closely:
    """Annotates a field that holds `Mapping[int, Branch]`: how it is written, and read, as JSON."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        plain = handler(source)
        closely = core_schema.no_info_after_validator_function(_read, handler.generate_schema(_Written))
        return core_schema.union_schema(
            [closely, plain],
            mode="left_to_right",
            serialization=core_schema.wrap_serializer_function_ser_schema(_written, schema=plain),
        )


def _written(branches: Mapping[int, Branch], plainly: Any) -> Any:
    return branches.written() if isinstance(branches, Branches) else plainly(branches)


def _apart(branch: Branch) -> tuple[_Kind, bytes]:
    held = branch.held
    if held is None:
        return _Kind(outcome=branch.outcome), branch.reason.encode()
    sealed = held.sealed
    salt, digest = _hex(sealed.salt, _SALT), _hex(sealed.digest, _SEAL - _SALT)
    # In the order of its members, and its numbers as they are: what is read is what was held.
    value = json.dumps(sealed.data, ensure_ascii=False, check_circular=False, separators=(",", ":")).encode()
    kind = _Kind(
        outcome=branch.outcome,
        label=held.label,
        by_hand=held.by_hand,
        private=held.private,
        by=held.by,
        editor=held.editor,
        reason=branch.reason,
        salt=None if salt else sealed.salt,
        digest=None if digest else sealed.digest,
    )
    return kind, (salt or bytes(_SALT)) + (digest or bytes(_SEAL - _SALT)) + value


def _hex(text: str, size: int) -> bytes | None:
    """So many bytes that are spelled like this and not otherwise; None where there are none."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    return data if len(data) == size and data.hex() == text else None


def _together(kind: _Kind, entry: bytes) -> Branch:
    """Raises `ContractError` for an entry that is none of ours."""
    try:
        if kind.label is None:
            return Branch(outcome=kind.outcome, reason=entry.decode())
        sealed = Sealed(
            data=json.loads(entry[_SEAL:]),
            salt=entry[:_SALT].hex() if kind.salt is None else kind.salt,
            digest=entry[_SALT:_SEAL].hex() if kind.digest is None else kind.digest,
        )
    except (ValueError, RecursionError):
        raise ContractError("what a child run gave was not written by Gatework") from None
    held = Held(
        sealed=sealed,
        label=kind.label,
        by_hand=kind.by_hand,
        private=kind.private,
        by=kind.by,
        editor=kind.editor,
    )
    return Branch(outcome=kind.outcome, held=held, reason=kind.reason)


__all__ = ["Branch", "Branches", "Closely", "failed", "only", "with_one"]
