"""A grammar lets a model write only what its schema admits, as far as a grammar can say."""

from __future__ import annotations

from typing import Any

import pytest

from gatework.errors import ModelError
from gatework.models.grammar import LONGEST_REPETITION, grammar
from gatework.models.regular import gbnf
from tests.unit.models.questions import closed


def rule(schema: dict[str, Any], name: str = "root") -> str:
    rules = dict(line.split(" ::= ", 1) for line in grammar(schema).splitlines())
    return rules[name]


def test_members_are_written_in_order_on_one_line() -> None:
    """No white space to get lost in, no member left out, none added."""
    body = rule(closed(order={"enum": ["1", "2"]}, sure={"type": "boolean"}))
    assert body == r'"{" "\"order\": "' + r' ("\"1\"" | "\"2\"") ", " "\"sure\": " boolean "}"'


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"const": 'a"b\\c'}, r'"\"a\\\"b\\\\c\""'),
        ({"enum": ["naïve\n漢", None, 3]}, r'("\"naïve\\n漢\"" | "null" | "3")'),
        ({"type": ["integer", "null"]}, "(integer | null)"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, r'("\"" char* "\"" | null)'),
        ({"type": "string", "maxLength": 9}, r'"\"" char{0,9} "\""'),
        ({"type": "string", "minLength": 2}, r'"\"" char{2,} "\""'),
        ({"type": "string", "maxLength": 10**6}, rf'"\"" char{{0,{LONGEST_REPETITION}}} "\""'),
        ({"type": "string", "pattern": "^[0-9]{6}$"}, r'"\"" ([0-9]{6}) "\""'),
        ({"type": "string", "pattern": "^(?!x)y$"}, r'"\"" char* "\""'),
        ({"type": "string", "format": "date"}, r'"\"" ([0-9]{4} [\x2D] [0-9]{2} [\x2D] [0-9]{2}) "\""'),
        ({"type": "integer", "minimum": 0}, '("0" | [1-9] [0-9]{0,14})'),
        ({"type": "array", "items": {"type": "null"}}, '"[" (null (", " null){0,})? "]"'),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 3}, '"[" null (", " null){1,2} "]"'),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 0}, '"[]"'),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}]}, '"[" null ", " "1" "]"'),
        (
            {"type": "object", "additionalProperties": {"const": 1}},
            '"{" (string ": " "1" (", " string ": " "1")*)? "}"',
        ),
        ({"type": "object", "additionalProperties": False}, '"{}"'),
        ({"allOf": [{"type": "string"}], "maxLength": 3}, r'"\"" char{0,3} "\""'),
        ({}, "value"),
    ],
)
def test_schema_becomes_rule(schema: dict[str, Any], body: str) -> None:
    """Each keyword that pydantic writes has its rule, and what a grammar cannot say is left to the validation."""
    assert rule(schema) == body


def test_references_become_rules_even_when_they_go_round() -> None:
    """A definition is written once; one that refers to itself does not loop."""
    node = closed(value={"type": "integer"}, next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})
    schema = {"$defs": {"Node": node}, "$ref": "#/$defs/Node"}
    assert rule(schema) == "def-Node-0"
    assert "(def-Node-0 | null)" in rule(schema, "def-Node-0")


def test_lone_surrogate_in_a_choice_is_escaped() -> None:
    """A grammar is UTF-8, and a choice may come from outside."""
    grammar({"enum": ["\ud800x"]}).encode()


@pytest.mark.parametrize(
    "schema",
    [{"enum": []}, {"anyOf": []}, closed(x=False), {"$ref": "#/$defs/Gone"}, {"type": "tuple"}],
)
def test_schema_that_admits_nothing_is_refused(schema: dict[str, Any]) -> None:
    """A model is not asked for what cannot be."""
    with pytest.raises(ModelError, match=r"^The answer's schema"):
        grammar(schema)


@pytest.mark.parametrize(
    ("pattern", "body"),
    [
        ("^a+b?$", "([a]+ [b]?)"),
        (r"^\d{2,3}$", "([0-9]{2,3})"),
        ("a", "char* ([a]) char*"),
        ("^(?:ab|c)*?$", "(([a] [b] | [c])*)"),
        (r"^[\w.-]$", r"([\x2D-\x2E0-9A-Z\x5Fa-z])"),
        ("^[ -~]$", r"([\x20-\x21\x23-\x5B\x5D-\x7E])"),
        (r"^\.$", r"([\x2E])"),
        ("^$", '("")'),
    ],
)
def test_pattern_becomes_rule(pattern: str, body: str) -> None:
    """What the two languages share is converted; characters that JSON would escape are left out."""
    assert gbnf(pattern) == body


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?=a)b$",
        r"^(a)\1$",
        r"\bword",
        "^a|b$",
        '^"$',
        "^a{1,9999}$",
        "^[[:alpha:]]$",
        "^(a$",
        "a)",
        "*",
        "^[z-a]$",
        "[",
    ],
)
def test_pattern_that_a_grammar_cannot_say_is_left_to_the_validation(pattern: str) -> None:
    """Better any string, and a strict check afterwards, than a wrong rule."""
    assert gbnf(pattern) is None


def optional(*required: str, **members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(required)}


NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (optional("a", a=NULL), r'"{" "\"a\": " null "}"'),
        (optional("a", b=NULL, a=NULL), r'"{" "\"a\": " null (", " "\"b\": " null)? "}"'),
        (optional(a=NULL), r'"{" ("\"a\": " null)? "}"'),
        (optional(a=NULL, b=NULL), r'"{" ("\"a\": " null def-part-9 | "\"b\": " null)? "}"'),
    ],
)
def test_member_that_is_not_required_may_be_left_out(schema: dict[str, Any], body: str) -> None:
    """Tools of others have many optional arguments, of which some exclude each other."""
    assert rule(schema) == body
    assert "def-part-9" not in body or rule(schema, "def-part-9") == r'(", " "\"b\": " null)?'


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"type": "string", "minLength": 5, "maxLength": 3}, r'"\"" char{5,} "\""'),
        ({"type": "string", "minLength": -5, "maxLength": -3}, r'"\"" char* "\""'),
        ({"type": "array", "items": {"type": "null"}, "minItems": 5, "maxItems": 3}, '"[" null (", " null){4,} "]"'),
        ({"type": "array", "items": {"type": "null"}, "maxItems": -1}, '"[" (null (", " null){0,})? "]"'),
    ],
)
def test_bounds_that_contradict_each_other_are_left_to_the_validation(schema: dict[str, Any], body: str) -> None:
    """llama.cpp hangs over the one and prints what it refuses of the other."""
    assert rule(schema) == body


def test_nested_lists_are_written_once() -> None:
    """A grammar that doubled with each level would be refused, and take its schema into the worker's output."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        schema = {"type": "array", "items": schema, "maxItems": 500}
    assert len(grammar(schema)) < 5_000


def test_arguments_that_go_round_admit_any_value_there() -> None:
    """A definition that begins with itself is one that llama.cpp refuses; those of others do not go round at all."""
    node = {"$ref": "#/$defs/A"}
    for definition in (node, {"anyOf": [node, {"type": "null"}]}, closed(next=node)):
        schema = {"$defs": {"A": definition}, "properties": {"a": node}, "required": ["a"]}
        rules = dict(line.split(" ::= ", 1) for line in grammar(closed(), {"{call ": schema}).splitlines())
        assert "call-0-A-0" in rules["root"]
        assert "call-0-A-0" not in rules["call-0-A-0"]


def test_call_is_one_of_the_choices_beside_the_answer() -> None:
    """Either the whole answer or one whole call, each with definitions of its own."""
    node = {"$defs": {"N": closed(v={"type": "integer"})}, "$ref": "#/$defs/N"}
    text = grammar(node, {"{call a ": node, "{call b ": closed()})
    rules = dict(line.split(" ::= ", 1) for line in text.splitlines())
    assert rules["root"] == '(def-N-0 | "{call a " call-0-N-0 "}" | "{call b " "{}" "}")'
    assert rules["def-N-0"] == rules["call-0-N-0"]


def test_arguments_that_would_take_a_huge_grammar_may_be_any_object() -> None:
    """The time to read it grows with it."""
    many = {"properties": {f"argument_{number}": {"type": "string"} for number in range(500)}}
    assert len(grammar(closed(), {"{call ": many})) < 1_000


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": []},
        {"$ref": "#/definitions/N"},
        {"type": 7},
        {"allOf": [7]},
        {"maxItems": "x", "type": "array"},
    ],
    ids=str,
)
def test_arguments_that_a_grammar_cannot_follow_may_be_any_object(schema: dict[str, Any]) -> None:
    """Another program's schema is not ours to mend, and its contract is checked afterwards."""
    assert '"{call " object "}"' in grammar(closed(), {"{call ": schema})
