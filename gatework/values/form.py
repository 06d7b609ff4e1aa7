"""What an answer looks like that a person is to type: an example in JSON, and what each field takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gatework.values.canonical import Json

_DEEP = 4
_MOST_CHOICES = 8
_GAP = "…"
"""Where a person puts their own words."""
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def example(schema: Json) -> Json:
    """A value of the form that a sealed contract asks for, with `…` where words of one's own belong."""
    return _example(schema, schema, 0)


def legend(schema: Json) -> Iterator[tuple[str, str]]:
    """The fields of what a contract asks for, each with what it takes; one without a name for what is no object."""
    found = _resolved(schema, schema)
    if found.get("type") != "object":
        yield "", _said(found, schema)
        return
    required = found.get("required", ())
    properties = found.get("properties")
    for name, item in (properties if isinstance(properties, Mapping) else {}).items():
        said = _said(_resolved(item, schema), schema)
        yield name, said if name in required else f"{said}; may be left out"


def _example(schema: Json, root: Json, deep: int) -> Json:
    found = _resolved(schema, root)
    if "const" in found:
        return found["const"]
    if isinstance(choices := found.get("enum"), list) and choices:
        return choices[0]
    if branches := _branches(found):
        return _example(branches[0], root, deep)
    match found.get("type"):
        case "object" if deep < _DEEP:
            properties = found.get("properties")
            items = properties.items() if isinstance(properties, Mapping) else ()
            return {name: _example(item, root, deep + 1) for name, item in items}
        case "array":
            item = found.get("items")
            return [_example(item, root, deep + 1)] if isinstance(item, Mapping) and deep < _DEEP else []
        case "integer" | "number":
            least = found.get("minimum", found.get("exclusiveMinimum", 0))
            return least if isinstance(least, int | float) and not isinstance(least, bool) else 0
        case "boolean":
            return True
        case "null":
            return None
        case "object":
            return {}
        case _:
            return _FORMATS.get(str(found.get("format")), _GAP)


def _said(found: Mapping[str, Any], root: Json) -> str:
    if "const" in found:
        return json.dumps(found["const"], ensure_ascii=False)
    if isinstance(choices := found.get("enum"), list):
        shown = [json.dumps(choice, ensure_ascii=False) for choice in choices[:_MOST_CHOICES]]
        return " or ".join([*shown, *(["…"] if len(choices) > _MOST_CHOICES else [])])
    if branches := _branches(found):
        return " or ".join(dict.fromkeys(_said(_resolved(branch, root), root) for branch in branches[:_MOST_CHOICES]))
    kind = found.get("type")
    form = found.get("format")
    said = _TYPES.get(kind, "a value") if isinstance(kind, str) else "a value"
    return f"{said} ({form})" if isinstance(form, str) and form in _FORMATS else said


def _branches(found: Mapping[str, Any]) -> list[Json]:
    """What a value may be instead; null comes last, since it says the least."""
    for keyword in ("anyOf", "oneOf"):
        branches = found.get(keyword)
        if isinstance(branches, list) and branches:
            return sorted(branches, key=lambda branch: isinstance(branch, Mapping) and branch.get("type") == "null")
    return []


def _resolved(schema: Json, root: Json) -> Mapping[str, Any]:
    """A schema behind its references, none of which leads out of the contract."""
    for _ in range(8):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        definitions = root.get("$defs") if isinstance(root, Mapping) else None
        name = reference.removeprefix("#/$defs/")
        schema = definitions.get(name) if isinstance(definitions, Mapping) else None
    return {}
