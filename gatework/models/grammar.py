"""JSON Schema as a GBNF grammar, llama.cpp's language for what a model may write next.

The grammar admits JSON on one line, with the members of an object in the order of the schema, those that it requires
first. It is a help to the model, never the check: it may be narrower than the schema (a string has no escapes but the
common ones) or wider (a range, a pattern with look-around), and what was written is validated afterwards.
llama.cpp's own conversion admits runs of white space, in which a small model loses itself, and its faster sibling
llguidance costs about 90 ms a token on two cores (measured), against 12.

See https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from gatework.errors import ModelError
from gatework.models.regular import gbnf

LONGEST_REPETITION = 500
"""llama.cpp unrolls `x{0,n}` and refuses large n; a longer string is cut to this, a longer minimum is dropped."""

_LONG_PART = 60
_LONGEST_CALL = 20_000
"""Letters of a grammar beyond which the arguments of a call may be any object."""

_SHARED = {
    "char": r'[^"\\\x7F\x00-\x1F] | [\\] ["\\nrt]',
    "string": r'"\"" char* "\""',
    "integer": r'"-"? ("0" | [1-9] [0-9]{0,14})',
    "number": r'integer ("." [0-9]{1,9})?',
    "boolean": r'"true" | "false"',
    "null": r'"null"',
    "array": r'"[" (value (", " value)*)? "]"',
    "object": r'"{" (string ": " value (", " string ": " value)*)? "}"',
    "value": r"object | array | string | number | boolean | null",
}
_FORMATS = {
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "time": "[0-9]{2}:[0-9]{2}:[0-9]{2}",
    "date-time": "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "duration": "P[0-9]{1,4}DT[0-9]{1,2}H[0-9]{1,2}M[0-9]{1,2}S",
}


def grammar(schema: Mapping[str, Any], calls: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """The grammar of one JSON value that fits `schema`, or of one of the `calls`.

    `calls` maps what a call begins with, up to its arguments, to the schema of these; `}` ends it. Raises `ModelError`
    for an answer's schema that admits nothing; arguments whose schema a grammar cannot follow may be any object.
    """
    rules = dict(_SHARED)
    choices = [_Schema(schema, rules, "def").body()]
    for number, (beginning, arguments) in enumerate((calls or {}).items()):
        own: dict[str, str] = {}
        try:
            body = _Schema({"type": "object", **arguments}, own, f"call-{number}", loops=False).body()
        except (ModelError, TypeError, ValueError, AttributeError, RecursionError):  # a schema that others wrote
            body, own = "object", {}
        if len(body) + sum(map(len, own.values())) > _LONGEST_CALL:
            body, own = "object", {}
        rules |= own
        choices.append(f'{_text(beginning)} {body} "}}"')
    rules["root"] = choices[0] if len(choices) == 1 else _one_of(choices)
    return "".join(f"{name} ::= {body}\n" for name, body in rules.items())


class _Schema:
    """One schema, whose definitions and other long parts become rules of their own.

    llama.cpp prints a grammar that it refuses, hangs over `x{5,3}`, and refuses long repetitions of long parts. So
    nothing of the kind may come out of a schema that others wrote: without `loops` a definition that refers to itself
    admits any value there.
    """

    def __init__(self, schema: Mapping[str, Any], rules: dict[str, str], prefix: str, *, loops: bool = True) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        self._rules = rules
        self._prefix = prefix
        self._loops = loops
        self._being_written: list[str] = []

    def body(self) -> str:
        return self._value(self._schema)

    def _rule(self, body: str) -> str:
        """A part as a rule of its own, unless it is a short one: written once, and repeated as one."""
        if len(body) < _LONG_PART and not any(repeats in body for repeats in "{(*"):
            return body
        name = f"{self._prefix}-part-{len(self._rules)}"
        self._rules[name] = body
        return name

    def _value(self, schema: Any) -> str:
        """The right-hand side for one schema; always safe to put into a sequence."""
        if schema is True:
            return "value"
        if not isinstance(schema, Mapping):
            raise ModelError("The answer's schema admits no value: it contains `false`.")
        if "$ref" in schema:
            return self._reference(str(schema["$ref"]))
        if "const" in schema:
            return _literal(schema["const"])
        if "enum" in schema:
            return _one_of([_literal(choice) for choice in schema["enum"]])
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return _one_of([self._value(choice) for choice in schema[keyword]])
        if "allOf" in schema:
            merged = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                merged |= part
            return self._value(merged)
        kinds = schema.get("type", "value")
        if isinstance(kinds, list):
            return _one_of([self._typed(str(kind), schema) for kind in kinds])
        return self._typed(str(kinds), schema)

    def _typed(self, kind: str, schema: Mapping[str, Any]) -> str:
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return _string(schema)
            case "integer" | "number" if schema.get("minimum", schema.get("exclusiveMinimum", -1)) >= 0:
                whole = '("0" | [1-9] [0-9]{0,14})'
                return whole if kind == "integer" else f'{whole} ("." [0-9]{{1,9}})?'
            case "integer" | "number" | "boolean" | "null" | "value":
                return kind
            case _:
                raise ModelError(f"The answer's schema has a type that JSON does not know: {kind}.")

    def _object(self, schema: Mapping[str, Any]) -> str:
        members: Mapping[str, Any] = schema.get("properties", {})
        if members:
            pairs = {name: f"{_text(_json(name) + ': ')} {self._value(member)}" for name, member in members.items()}
            return f'"{{" {self._members(pairs, set(schema.get("required", ())))} "}}"'
        other = schema.get("additionalProperties", True)
        if other is False:
            return '"{}"'
        pair = self._rule(f'string ": " {self._value(other)}')
        return f'"{{" ({pair} (", " {pair})*)? "}}"'

    def _array(self, schema: Mapping[str, Any]) -> str:
        if fixed := schema.get("prefixItems"):
            return '"[" ' + ' ", " '.join(self._value(item) for item in fixed) + ' "]"'
        item = self._rule(self._value(schema.get("items", True)))
        least, most = _bounds(schema, "minItems", "maxItems")
        if most == 0:
            return '"[]"'
        more = f'(", " {item}){{{max(least - 1, 0)},{"" if most is None else most - 1}}}'
        return f'"[" {item} {more} "]"' if least else f'"[" ({item} {more})? "]"'

    def _reference(self, target: str) -> str:
        name = target.removeprefix("#/$defs/")
        if name not in self._definitions:
            raise ModelError("The answer's schema refers to a definition that it does not contain.")
        rule = f"{self._prefix}-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
        rule += f"-{list(self._definitions).index(name)}"
        if rule in self._being_written and not self._loops:
            return "value"
        if rule not in self._rules:
            self._rules[rule] = "value"  # stands in while a definition that refers to itself is being written
            self._being_written.append(rule)
            self._rules[rule] = self._value(self._definitions[name])
            self._being_written.pop()
        return rule

    def _members(self, pairs: Mapping[str, str], required: Collection[str]) -> str:
        """The members of an object with commas between them: those required, then any of the others."""
        needed = [pair for name, pair in pairs.items() if name in required]
        others = [self._rule(pair) for name, pair in pairs.items() if name not in required]
        more = [f'(", " {pair})?' for pair in others]
        if needed:
            return " ".join([' ", " '.join(needed), *more])
        tails = [""]
        for pair in reversed(more):
            tails.insert(0, self._rule(f"{pair} {tails[0]}".strip()))
        return f"({' | '.join(f'{pair} {tail}'.strip() for pair, tail in zip(others, tails[1:], strict=True))})?"


def _string(schema: Mapping[str, Any]) -> str:
    pattern = schema.get("pattern", _FORMATS.get(schema.get("format", "")))
    body = None
    if pattern is not None:
        body = gbnf(pattern if "pattern" in schema else f"^{pattern}$")
    if body is None:
        least, most = _bounds(schema, "minLength", "maxLength")
        body = "char*" if most is None and not least else f"char{{{least},{'' if most is None else most}}}"
    return rf'"\"" {body} "\""'


def _bounds(schema: Mapping[str, Any], least: str, most: str) -> tuple[int, int | None]:
    """Bounds that llama.cpp takes: a minimum beyond it is dropped, as is a maximum below the minimum."""
    low = int(schema.get(least, 0))
    low = low if 0 <= low <= LONGEST_REPETITION else 0
    high = min(int(schema[most]), LONGEST_REPETITION) if most in schema else None
    return low, high if high is None or high >= low else None


def _one_of(choices: list[str]) -> str:
    if not choices:
        raise ModelError("The answer's schema admits no value: it offers an empty list of choices.")
    return f"({' | '.join(choices)})"


def _literal(value: Any) -> str:
    return _text(_json(value))


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # A lone surrogate has no UTF-8 form, so it is written as JSON's escape; the contract refuses it afterwards.
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _text(text: str) -> str:
    """`text` as a GBNF literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"'
        + "".join(f"\\x{ord(each):02X}" if ord(each) < 0x20 or ord(each) == 0x7F else each for each in escaped)
        + '"'
    )
