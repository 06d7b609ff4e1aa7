"""Plans, states and events as JSON bytes: what crosses between workflow, activity, lock file and ledger."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gatework.values import canonical
from gatework.values.contract import first_error

T = TypeVar("T")

MAX_MESSAGE_BYTES = 2_000_000
"""Largest message; Temporal refuses blobs of more than 2 MiB."""

MAX_STORED_BYTES = 16 * 1024 * 1024
"""Largest message that goes through a store, so that reading it takes a workflow no longer than Temporal lets it."""

MAX_DEPTH = canonical.MAX_DEPTH + 16
"""Deepest nesting in a message: what a run holds lies deeper in it than in the result that it came with."""


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: object) -> bytes:
    """JSON bytes of one of the engine's dataclasses."""
    kind: Any = type(value)
    adapter: TypeAdapter[Any] = _adapter(kind)
    return adapter.dump_json(value)


def brief(value: object) -> bytes:
    """The same without what is the default of its field, which `decode` fills in."""
    kind: Any = type(value)
    adapter: TypeAdapter[Any] = _adapter(kind)
    return adapter.dump_json(value, exclude_defaults=True)


def data(value: object) -> Any:
    """One of the engine's dataclasses as a JSON value."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


def decode(
    kind: Any,
    message: bytes,
    *,
    what: str,
    max_bytes: int = MAX_STORED_BYTES,
    max_values: int | None = None,
    max_depth: int = MAX_DEPTH,
) -> Any:
    """The dataclass in JSON bytes. Raises `ContractError`, naming `what`, unless it is exactly that."""
    canonical.loads(message, max_bytes=max_bytes, max_values=max_values, max_depth=max_depth)
    try:
        return _adapter(kind).validate_json(message, strict=True, extra="forbid")
    except ValidationError as error:
        raise first_error(error).at(what) from None
