"""Canonical JSON, strict parsing, and the digests that name values and plans.

Bytes are canonical as RFC 8785 defines it. Parsing accepts exactly the JSON that has one canonical
form: no duplicate keys, no NaN or infinities, no whole numbers beyond 2**53, no lone surrogates.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import rfc8785

from gatework.errors import ContractError

Json = Any
"""A JSON value as Python holds it: None, bool, int, float, str, list, dict."""

MAX_VALUE_BYTES = 1_048_576
"""Largest value that a boundary carries inline; Temporal refuses blobs of more than 2 MiB."""

MAX_STORED_VALUE_BYTES = 8 * MAX_VALUE_BYTES
"""Largest value where a store takes what the server does not; what is larger is a document, and no value."""

MAX_DEPTH = 64
"""Deepest nesting of arrays and objects that a boundary accepts."""

MAX_VALUES = 50_000
"""Most numbers, texts, arrays and objects in one value, so that checking it takes a second at the very most."""

_MOST_VALUES = 4_000_000
"""More than any message holds: a Python value that holds itself has no end."""

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON implementation reads back as written (RFC 8785, section 3.2.2.3)."""

_EXPONENT = 1e21
"""From here on canonical JSON writes numbers with an exponent."""

_LEAST_PLAIN = 1e-4
"""From here on Python writes a number with a fraction without an exponent, with the digits of RFC 8785."""

_PLAIN = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
"""Writes what `check` calls plain as RFC 8785 does, in a fifth of the time."""

_TOO_LARGE = "a whole number beyond 2^53; send it as a string"


def loads(
    data: bytes, *, max_bytes: int = MAX_VALUE_BYTES, max_values: int | None = None, max_depth: int = MAX_DEPTH
) -> Json:
    """Parse JSON strictly. Raises `ContractError` with a reason that repeats nothing of the data."""
    return _read(data, max_bytes, max_values, max_depth)[0]


def canonical(data: bytes, *, max_bytes: int = MAX_VALUE_BYTES, max_values: int | None = None) -> bytes:
    """The canonical bytes of JSON bytes, which are parsed strictly. Raises `ContractError`, as `loads` does."""
    return _written(*_read(data, max_bytes, max_values, MAX_DEPTH))


def _read(data: bytes, max_bytes: int, max_values: int | None, max_depth: int) -> tuple[Json, bool]:
    """The value, and whether the standard library writes its canonical form."""
    if len(data) > max_bytes:
        raise ContractError(f"{len(data)} bytes are more than the {max_bytes} that a boundary carries")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"invalid UTF-8 at byte {error.start}") from None
    try:
        value = _STRICT.decode(text)
    except RecursionError:
        raise ContractError(f"nested deeper than {max_depth} levels") from None
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")  # as in: Unterminated string starting at
        raise ContractError(f"not JSON: {what} at line {error.lineno}, column {error.colno}") from None
    except ValueError:  # the interpreter's own limit on the digits of an integer
        raise ContractError(_TOO_LARGE) from None
    return value, check(value, max_values=max_values, max_depth=max_depth)


def check(value: Json, *, max_values: int | None = None, max_depth: int = MAX_DEPTH) -> bool:
    """Raise `ContractError` unless `value` is JSON with exactly one canonical form.

    True where the standard library writes that form, too: it differs from RFC 8785 in numbers that are whole though
    they have a fraction or that are near nothing, and in the order of keys beyond ASCII, which it sorts by code point
    and not by UTF-16.
    """
    most = _MOST_VALUES if max_values is None else max_values
    plain = True
    seen = depth = 0
    level: list[Json] = [value]
    while level:
        seen += len(level)
        if seen > most:
            raise ContractError(f"more than {most} values in all; pass on where they lie instead")
        if depth > max_depth:
            raise ContractError(f"nested deeper than {max_depth} levels")
        inner: list[Json] = []
        for item in level:
            # By the exact type first: nearly all that is checked was read from JSON.
            kind = type(item)
            if kind is str:
                if not item.isascii():
                    _check_text(item)
            elif kind is dict:
                plain = _check_keys(item) and plain
                inner += item.values()
            elif kind is int and -MAX_INTEGER <= item <= MAX_INTEGER:
                continue
            elif kind is list or kind is tuple:
                inner += item
            elif item is None or kind is bool:
                continue
            elif not _check_other(item, inner):
                plain = False
        level = inner
        depth += 1
    return plain


def _check_keys(item: Mapping[Any, Json]) -> bool:
    """Raise `ContractError` unless the keys are text; whether they are all ASCII."""
    try:
        plain = "".join(item).isascii()  # one call for all of them
    except TypeError:
        raise ContractError("an object with a key that is not a string") from None
    if not plain:
        for key in item:
            _check_text(key)
    return plain


def _check_other(item: Json, inner: list[Json]) -> bool:
    """Raise `ContractError` unless it is a number, or of a type that stands for one of JSON's; what `check` gives.

    What is in it is added to `inner`.
    """
    plain = True
    if isinstance(item, str):
        _check_text(item)
    elif isinstance(item, dict):
        plain = _check_keys(item)
        inner += item.values()
    elif isinstance(item, list | tuple):
        inner += item
    elif isinstance(item, int):
        if abs(item) > MAX_INTEGER:
            raise ContractError(_TOO_LARGE)
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise ContractError("a number that is not finite; JSON has no NaN or infinity")
        plain = type(item) is float and not item.is_integer() and abs(item) >= _LEAST_PLAIN
        if MAX_INTEGER < abs(item) < _EXPONENT:  # it would be written as an integer
            raise ContractError(_TOO_LARGE)
    else:
        raise ContractError(f"a Python {type(item).__name__}, which is not JSON")
    return plain


def dumps(value: Json) -> bytes:
    """The canonical bytes of a JSON value. Raises `ContractError` where it has none."""
    return _written(value, check(value))


def _written(value: Json, plain: bool) -> bytes:
    return _PLAIN.encode(value).encode() if plain else rfc8785.dumps(value)


def alike(one: Json, other: Json) -> bool:
    """Whether two values of JSON, parsed by whatever parser, are written the same; 1, 1.0 and true are not."""
    return _PLAIN.encode(one) == _PLAIN.encode(other)


def digest(domain: str, value: Json, *, salt: bytes = b"") -> str:
    """SHA-256 (64 hex digits) of a JSON value's canonical bytes, for one use (`domain`) only.

    A salt keeps short values from being guessed from their digest; its length is part of what is hashed.
    """
    return _digest(domain, dumps(value), salt)


def _digest(domain: str, data: bytes, salt: bytes) -> str:
    head = f"gatework/1/{domain}\n{len(salt)}\n".encode()
    return hashlib.sha256(head + salt + data).hexdigest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A JSON value together with the salted digest that names it everywhere."""

    data: Json
    salt: str
    """16 random bytes as hex, made where the value was made."""
    digest: str
    """64 hex digits over salt and canonical bytes."""

    @classmethod
    def of(cls, data: Json, salt: bytes) -> Sealed:
        return cls(data=data, salt=salt.hex(), digest=digest("value", data, salt=salt))

    @classmethod
    def of_bytes(cls, data: bytes, salt: bytes) -> Sealed:
        """The value in canonical bytes, as `dumps` writes them."""
        return cls(data=json.loads(data), salt=salt.hex(), digest=_digest("value", data, salt))

    def opened(self) -> bytes:
        """The canonical bytes. Raises `ContractError` unless the digest is really that of the data."""
        data = dumps(self.data)
        with suppress(ValueError):  # a salt that is no hex
            if self.digest == _digest("value", data, bytes.fromhex(self.salt)):
                return data
        raise ContractError("its digest is not that of its data")

    @property
    def intact(self) -> bool:
        """Whether the digest is really that of the data."""
        try:
            return bool(self.opened())
        except ContractError:
            return False


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ContractError("an object names the same member twice")
    return members


def _constant(_name: str) -> NoReturn:
    raise ContractError("a number that is not finite; JSON has no NaN or infinity")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ContractError("a string with a lone surrogate, which is not Unicode text") from None


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
