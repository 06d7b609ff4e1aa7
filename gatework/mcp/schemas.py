"""Schemas that another program wrote, made into contracts that can be checked in a time known beforehand.

A server may say anything of its tools. What is kept here refers to nothing outside of itself, cannot grow without end,
matches texts in linear time only, and closes every object that can be closed. Descriptions stay, for the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.schema import Schema

MAX_SCHEMA_BYTES = 65_536
"""Largest schema as it was written."""
MAX_NODES = 2_000
"""Most schemas inside one, counted after references were written out."""
MAX_PATTERN = 1_000
"""Longest pattern, in characters."""
MAX_WORK = 4_000_000
"""Most schemas in a contract times values in what is checked, so that a check ends within seconds at the very worst."""

ANYTHING: Mapping[str, Json] = {"type": ["null", "boolean", "number", "string", "array", "object"]}
"""What an empty schema means, said out loud."""

_PROSE = ("title", "description", "default", "examples", "deprecated")
_PLAIN = frozenset(
    "type enum const minItems maxItems uniqueItems minContains maxContains minLength maxLength format minimum maximum "
    "exclusiveMinimum exclusiveMaximum multipleOf minProperties maxProperties required dependentRequired".split()
)
"""Keywords that hold no schema."""
_ONE = ("additionalProperties", "items", "contains", "propertyNames")
_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
"""Keywords whose schemas look at the value itself again."""
_REFUSED = {
    "patternProperties": "keys that follow a pattern",
    "unevaluatedProperties": "unevaluatedProperties",
    "unevaluatedItems": "unevaluatedItems",
    "dependencies": "dependencies of an old draft",
    "additionalItems": "additionalItems of an old draft",
    "dependentSchemas": "dependentSchemas",
    "$dynamicRef": "references that move",
    "$recursiveRef": "references that move",
    "$anchor": "names for references",
    "$dynamicAnchor": "names for references",
}
"""Keywords that would change what is accepted, and are not checked here."""
_DRAFTS = re.compile(r"https?://json-schema\.org/(draft/20(19-09|20-12)|draft-0[67])/schema#?")


class SchemaError(Exception):
    """A schema that cannot be a contract; its text is a clause that says why, in our words."""


def contract_of(written: Json) -> dict[str, Json]:
    """The contract of values that keep to a schema of another program. Raises `SchemaError`."""
    try:
        size = len(canonical.dumps(written))
    except ContractError as error:
        raise SchemaError(f"it is no JSON: {error.reason}") from None
    if size > MAX_SCHEMA_BYTES:
        raise SchemaError(f"it has more than {MAX_SCHEMA_BYTES} bytes")
    if not isinstance(written, dict):
        raise SchemaError("it is no JSON object")
    if not _DRAFTS.fullmatch(str(written.get("$schema", "https://json-schema.org/draft/2020-12/schema"))):
        raise SchemaError("it is written in a language that is not JSON Schema as of draft 6 or later")
    found = _Rewriting(written).of(written, closing=True, within=())
    import jsonschema_rs  # 20 ms, which whoever declares no such tool need not wait for

    if not jsonschema_rs.meta.is_valid(found):
        raise SchemaError("it is no valid JSON Schema")
    fault = next(Schema(found).faults(), "")
    if fault:
        # The reasons of our own contracts may repeat a pattern, which here is text of another program.
        raise SchemaError("it has a pattern that looks around or back" if "pattern" in fault else "it says too little")
    return found


def arguments_of(written: Json) -> dict[str, Json]:
    """The contract of the arguments of a tool: one object, closed. Raises `SchemaError`."""
    found = contract_of(written)
    if found.get("type") != "object":
        raise SchemaError("its arguments are no object")
    if any(keyword in found for keyword in _SAME_VALUE):
        # Limits are put on arguments that are named once, and a closed object refuses what other parts would add.
        raise SchemaError("its arguments are put together from several schemas")
    return {"properties": {}, **found, "additionalProperties": False}


def nodes(schema: Json) -> int:
    """How many schemas there are in a contract."""
    if isinstance(schema, list):
        return sum(map(nodes, schema))
    if not isinstance(schema, dict):
        return 0
    inside = (schema.get(keyword) for keyword in (*_ONE, *_SAME_VALUE, "prefixItems"))
    return 1 + sum(map(nodes, inside)) + sum(nodes(member) for member in schema.get("properties", {}).values())


def check(contract: Mapping[str, Json], value: Json) -> None:
    """Raise `ContractError` unless a value keeps to a contract; within a bounded time, whatever the two are."""
    canonical.check(value, max_values=max(1_000, MAX_WORK // max(1, nodes(dict(contract)))))
    Schema(contract).check(value)


class _Rewriting:
    def __init__(self, document: Mapping[str, Json]) -> None:
        self._document = document
        self._nodes = 0
        self._turned = 0
        """Inside of how many schemas we are of which the contract accepts the more, the less they accept."""

    def of(self, schema: Json, *, closing: bool, within: tuple[str, ...]) -> dict[str, Json]:
        """A schema written out. `closing` says whether an object may be closed; `within` are the references entered."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise SchemaError(f"it holds more than {MAX_NODES} schemas when its references are written out")
        if schema is True:
            return dict(ANYTHING)
        if not isinstance(schema, dict):
            raise SchemaError("something in it stands where a schema should be")
        for keyword, what in _REFUSED.items():
            if keyword in schema:
                raise SchemaError(f"it uses {what}, which cannot be checked here")
        if schema is not self._document and ("$id" in schema or "$schema" in schema):
            raise SchemaError("it holds another document with an address of its own")
        if "$ref" in schema:
            return self._referred(schema, closing, within)
        found = {keyword: schema[keyword] for keyword in (*_PROSE, *_PLAIN) if keyword in schema}
        if "pattern" in schema:
            found["pattern"] = _pattern(schema["pattern"])
        together = any(keyword in schema for keyword in _SAME_VALUE)
        self._same_value(schema, found, within, closing and "properties" not in schema)
        self._members(schema, found, within, closing and not together)
        self._items(schema, found, within)
        return found if set(found) - set(_PROSE) else {**found, **ANYTHING}

    def _same_value(self, schema: Json, found: dict[str, Json], within: tuple[str, ...], closing: bool) -> None:
        for keyword in _SAME_VALUE:
            if keyword not in schema:
                continue
            inside = schema[keyword]
            # Of alternatives each is whole; where all must hold, each would refuse what the others add.
            alone = closing and keyword in ("anyOf", "oneOf")
            if keyword in ("allOf", "anyOf", "oneOf"):
                if not isinstance(inside, list) or not inside:
                    raise SchemaError("something in it stands where a list of schemas should be")
                found[keyword] = [self.of(one, closing=alone, within=within) for one in inside]
            else:
                found[keyword] = self._inside(inside, turned=keyword in ("not", "if"), closing=False, within=within)

    def _inside(self, schema: Json, *, turned: bool, closing: bool, within: tuple[str, ...]) -> dict[str, Json]:
        """A schema of which nothing is closed at any depth where that would open what it stands in."""
        self._turned += turned
        found = self.of(schema, closing=closing, within=within)
        self._turned -= turned
        return found

    def _members(self, schema: Json, found: dict[str, Json], within: tuple[str, ...], closing: bool) -> None:
        closing = closing and not self._turned
        others = schema.get("additionalProperties")
        if "propertyNames" in schema:
            found["propertyNames"] = self.of(schema["propertyNames"], closing=True, within=within)
        if "properties" in schema:
            named = schema["properties"]
            if not isinstance(named, dict):
                raise SchemaError("something in it stands where properties should be")
            found["properties"] = {name: self.of(one, closing=True, within=within) for name, one in named.items()}
            # Said out loud, so that nothing closes it later on.
            found["additionalProperties"] = others is None and not closing
        if isinstance(others, bool):
            found["additionalProperties"] = others
        elif others is not None:
            found["additionalProperties"] = self.of(others, closing=True, within=within)

    def _items(self, schema: Json, found: dict[str, Json], within: tuple[str, ...]) -> None:
        for keyword in ("items", "contains"):
            if schema.get(keyword) is False:
                found[keyword] = False
            elif keyword in schema:
                turned = keyword == "contains" and "maxContains" in schema
                found[keyword] = self._inside(schema[keyword], turned=turned, closing=True, within=within)
        if "prefixItems" in schema:
            first = schema["prefixItems"]
            if not isinstance(first, list):
                raise SchemaError("something in it stands where a list of schemas should be")
            found["prefixItems"] = [self.of(one, closing=True, within=within) for one in first]

    def _referred(self, schema: Mapping[str, Json], closing: bool, within: tuple[str, ...]) -> dict[str, Json]:
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaError("it refers to another document, and none is fetched")
        if reference in within:
            raise SchemaError("it refers to itself, without an end that is known beforehand")
        if len(within) >= canonical.MAX_DEPTH:
            raise SchemaError("its references lead too far")
        if set(schema) - {"$ref", "$defs", "definitions", "$schema", "$id", "$comment", *_PROSE}:
            raise SchemaError("it adds to what it refers to")
        found = self.of(self._at(reference), closing=closing, within=(*within, reference))
        return {**found, **{keyword: schema[keyword] for keyword in _PROSE if keyword in schema}}

    def _at(self, reference: str) -> Any:
        """What a JSON Pointer (RFC 6901) into the document stands for."""
        place: Any = self._document
        path = reference[1:].split("/")
        if path.pop(0):
            raise SchemaError("it refers to a name for references")
        for step in path:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and key.isascii() and key.isdigit() and int(key) < len(place):
                place = place[int(key)]
            elif isinstance(place, dict) and key in place:
                place = place[key]
            else:
                raise SchemaError("it refers to what is not in it")
        return place


def _pattern(pattern: Json) -> str:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise SchemaError(f"it has a pattern that is no text of at most {MAX_PATTERN} characters")
    return pattern
