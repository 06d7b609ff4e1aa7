"""One spelling for what a contract lets be written in several ways: 12.5 and 12.50 are one decimal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DecimalException
from typing import Any

from gatework.values.canonical import MAX_DEPTH, Json

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
"""The pattern by which a sealed contract says that a text is a decimal number."""


def spelled(schema: Json, data: Json) -> Json:
    """A value that keeps to a sealed contract, with every decimal written in one way; all else as it is.

    Where the contract leaves open what a text is, it stays as it is.
    """
    return _spelled(schema, data, schema, MAX_DEPTH * 4)


def _spelled(schema: Json, data: Json, root: Json, depth: int) -> Json:
    found = _meant(schema, data, root, depth)
    if found is None or depth <= 0:
        return data
    if isinstance(data, str):
        return _decimal(data) if found.get("pattern") == DECIMAL else data
    if isinstance(data, dict):
        named, other = found.get("properties", {}), found.get("additionalProperties")
        return {key: _spelled(named.get(key, other), value, root, depth - 1) for key, value in data.items()}
    if isinstance(data, list | tuple):
        first, rest = found.get("prefixItems", []), found.get("items")
        return [
            _spelled(first[at] if at < len(first) else rest, value, root, depth - 1) for at, value in enumerate(data)
        ]
    return data


def _meant(schema: Json, data: Json, root: Json, depth: int) -> Mapping[str, Any] | None:
    """The part of a schema that says what a value is; None where none does, or several may."""
    if not isinstance(schema, dict) or depth <= 0:
        return None
    if isinstance(ref := schema.get("$ref"), str):
        part: Json = root
        for name in ref.split("/")[1:]:
            part = part.get(name) if isinstance(part, dict) else None
        return _meant(part, data, root, depth - 1)
    for choice in ("anyOf", "oneOf"):
        if isinstance(ways := schema.get(choice), list):
            fit = [found for way in ways if (found := _meant(way, data, root, depth - 1)) is not None]
            return fit[0] if len(fit) == 1 else None
    kind = "string" if isinstance(data, str) else "object" if isinstance(data, dict) else "array"
    # What says nothing of its type, such as an enumeration, may be meant of anything.
    return schema if isinstance(data, str | dict | list | tuple) and schema.get("type", kind) == kind else None


def _decimal(text: str) -> str:
    try:
        exact = Context(prec=len(text) + 1, Emax=MAX_EMAX, Emin=MIN_EMIN)
        number = exact.normalize(Decimal(text))
    except DecimalException:
        return text
    return str(number if number else Decimal(0))
