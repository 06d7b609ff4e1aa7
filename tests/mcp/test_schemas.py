"""Schemas of other programs: what they accept is what they say, and never more than can be checked."""

from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatework.errors import ContractError
from gatework.mcp.schemas import SchemaError, arguments_of, check, contract_of
from gatework.values.canonical import Json
from gatework.values.contract import JsonContract

ENTRY: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "size": {"type": ["integer", "null"]}},
}


def accepts(schema: Json, value: Json) -> bool:
    try:
        check(contract_of(schema), value)
    except ContractError:
        return False
    return True


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/entry", "$defs": {"entry": ENTRY}},
        {"$ref": "#/definitions/entry", "definitions": {"entry": ENTRY}},
        {"$schema": "http://json-schema.org/draft-07/schema#", **ENTRY},
        {**ENTRY, "properties": {**ENTRY["properties"], "size": {"$ref": "#/properties/again"}, "again": True}},
        {"anyOf": [ENTRY, {"type": "string"}]},
        {"allOf": [{"type": "object"}, ENTRY]},
    ],
)
def test_ways_of_writing_a_schema_are_understood(schema: dict[str, Any]) -> None:
    """Definitions, references into the document and compositions mean here what they mean in JSON Schema."""
    assert accepts(schema, {"name": "a", "size": 1})
    assert not accepts(schema, {"name": 1})


def test_object_is_closed_where_it_can_be() -> None:
    """A member that no schema names is refused, unless it is allowed out loud or parts add to each other."""
    assert not accepts(ENTRY, {"name": "a", "more": 1})
    assert not accepts({"type": "array", "items": ENTRY}, [{"more": 1}])
    assert not accepts({"anyOf": [ENTRY, {"type": "null"}]}, {"more": 1})
    assert accepts({**ENTRY, "additionalProperties": True}, {"more": 1})
    assert accepts({"allOf": [ENTRY, {"type": "object", "properties": {"more": {"type": "integer"}}}]}, {"more": 1})


def test_arguments_are_closed_whatever_their_schema_says() -> None:
    """An argument that nobody described is one that no limit can be put on."""
    assert arguments_of({**ENTRY, "additionalProperties": True})["additionalProperties"] is False
    assert arguments_of({"type": "object"}) == {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string"}, "its arguments are no object"),
        ({"type": "object", "anyOf": [{"required": ["a"]}]}, "its arguments are put together from several schemas"),
        ({"type": "object", "properties": {"a": {"items": [{"type": "string"}]}}}, "stands where a schema should be"),
        ({"type": "object", "properties": {"a": {"$dynamicRef": "#x"}}}, "references that move"),
        ({"type": "object", "properties": {"a": {"$id": "http://a/b", "type": "string"}}}, "another document"),
        ({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}, "refers to what is not in it"),
        ({"type": "object", "properties": {"a": {"$ref": "#name"}}}, "refers to a name"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/b", "minLength": 1}}}, "adds to what it refers to"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": 1}}}, "is no text"),
        ({"type": "object", "properties": []}, "where properties should be"),
        ({"type": "object", "$schema": "http://json-schema.org/draft-04/schema#"}, "is not JSON Schema as of draft 6"),
        ([], "it is no JSON object"),
        (None, "it is no JSON object"),
    ],
)
def test_schema_that_is_not_understood_is_refused(schema: Json, why: str) -> None:
    """What cannot be checked is refused by name, and never passed over."""
    with pytest.raises(SchemaError, match=why):
        arguments_of(schema)


def test_long_chain_of_references_is_refused() -> None:
    """A chain that would use up the stack ends before it does."""
    steps = {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(1_500)}
    with pytest.raises(SchemaError, match="lead too far"):
        arguments_of({"type": "object", "properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": steps})


def test_prose_stays_for_the_model_and_out_of_the_contract() -> None:
    """Descriptions of arguments are what a model reads; the digest of the contract is without them."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": "Words."}}}
    contract = JsonContract(arguments_of(schema))
    assert contract.described["properties"]["a"]["description"] == "Words."
    assert "description" not in contract.schema["properties"]["a"]


def test_empty_schema_is_anything_said_out_loud() -> None:
    """A server's `{}` accepts any JSON, and is a contract nevertheless."""
    schema = {"type": "object", "properties": {"a": {}, "b": True, "c": {"description": "Whatever."}}}
    JsonContract(arguments_of(schema))
    for value in (None, 1, "x", [1], {"x": 1}):
        assert accepts(schema, {"a": value, "b": value, "c": value})


def test_check_is_bounded_whatever_schema_and_value() -> None:
    """A large value under many alternatives is refused, rather than checked for minutes."""
    many = {"type": "array", "items": {"anyOf": [{"type": "string", "pattern": f"^a{i}$"} for i in range(900)]}}
    began = time.process_time()
    with pytest.raises(ContractError, match="more than"):
        check(contract_of(many), ["b"] * 49_000)
    assert time.process_time() - began < 2


_LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "null"},
        {"enum": ["a", 1]},
        {"type": "string", "pattern": "^a+$"},
        {"const": "a"},
        {},
    ]
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.lists(inner, min_size=1, max_size=2).map(lambda some: {"anyOf": some})
        | st.lists(inner, min_size=1, max_size=2).map(lambda some: {"allOf": some})
        | inner.map(lambda one: {"not": one})
        | st.fixed_dictionaries({"if": inner, "then": inner})
        | inner.map(lambda one: {"type": "array", "contains": one, "maxContains": 1})
        | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2).map(
            lambda named: {"type": "object", "properties": named}
        )
    ),
    max_leaves=6,
)
_VALUES = st.recursive(
    st.sampled_from(["a", "aa", "b", 1, 2, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyzw"), inner, max_size=2),
    max_leaves=5,
)


_OBJECTS = {"type": "array", "items": {"type": "object", "properties": {}}}


@example({"not": _OBJECTS}, [{"x": 1}])
@example(
    {"not": {"anyOf": [{"not": _OBJECTS}, {"type": "object", "properties": {"x": {"not": _OBJECTS}}}]}}, [{"x": 1}]
)
@example({"if": _OBJECTS, "then": {"type": "null"}}, [{"x": 1}])
@example({"type": "array", "contains": _OBJECTS, "maxContains": 1}, [[{"x": 1}], []])
@given(_SCHEMAS, _VALUES)
@settings(max_examples=300, deadline=None)
def test_contract_accepts_nothing_that_its_schema_refuses(schema: dict[str, Any], value: Json) -> None:
    """Rewriting a schema may make it stricter, and never laxer; inside of `not`, where closing would open, neither."""
    try:
        contract = contract_of(schema)
    except SchemaError:
        return
    try:
        check(contract, value)
    except ContractError:
        return
    assert jsonschema.Draft202012Validator(schema).is_valid(value)
