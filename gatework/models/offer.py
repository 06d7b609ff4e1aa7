"""Tools as a model is shown them: what other programs say of theirs is quoted, and cannot pass for our words.

The description and the schema of a tool from elsewhere (an MCP server's, say) are written by its author, and have been
used to give models orders: in the description, but also in the names of arguments, in their defaults and choices
("tool poisoning"). So of such a schema only the keywords that say what an argument may be are kept, with names that
are names; prose is kept on one line, short and in quotation marks. What is dropped here is still checked: the contract
of the tool is sealed in the plan, and calls are held against that.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from gatework.models.question import ToolSpec

LONGEST_DESCRIPTION: Final = 600
"""Letters of another program's description that a model is shown."""
_LONGEST_REMARK: Final = 160
"""The same, of one argument."""
_LONGEST_CHOICE: Final = 80
_LARGEST_SCHEMA_BYTES: Final = 8_000
_DEEPEST: Final = 12
_QUOTED: Final = 'The program that offers this tool says of it: "{}"'

_NAME: Final = re.compile(r"[A-Za-z_$][\w.$-]{0,63}", re.ASCII)
_REFERENCE: Final = re.compile(r"#(/[\w.$-]{1,64}){0,4}", re.ASCII)
_FORMAT: Final = re.compile(r"[a-z-]{1,32}")
_TYPES: Final = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
_NUMBERS: Final = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems minProperties"
    " maxProperties uniqueItems".split()
)
_ONE: Final = frozenset(("items", "additionalProperties", "contains", "propertyNames", "not"))
_SEVERAL: Final = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_NAMED: Final = frozenset(("properties", "$defs", "definitions"))


def offered(spec: ToolSpec) -> ToolSpec:
    """A tool as a model is shown it: ours as it is, another program's as a quotation."""
    if not spec.untrusted:
        return spec
    said = quotable(spec.description, LONGEST_DESCRIPTION)
    return replace(spec, description=_QUOTED.format(said) if said else "", schema=_schema(spec.schema))


def quotable(text: str, longest: int) -> str:
    """Text from elsewhere on one line, without quotation marks and without what no reader sees."""
    plain = " ".join("".join(map(_letter, text[: longest * 4])).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def _letter(letter: str) -> str:
    if letter in '"“”„‟«»＂`':
        return "'"
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cs", "Co", "Cn") else letter


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    for prose in (True, False):
        kept = _kept(schema, _DEEPEST, prose=prose)
        if isinstance(kept, dict) and len(json.dumps(kept)) <= _LARGEST_SCHEMA_BYTES:
            return {"type": "object"} | kept
    return {"type": "object"}


def _kept(schema: Any, depth: int, *, prose: bool) -> Any:
    """What may be shown of a schema; deeper than `depth` it admits anything."""
    if not isinstance(schema, Mapping):
        return schema is not False
    if depth == 0:
        return True
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, Mapping):
            kept[keyword] = {
                name: _kept(member, depth - 1, prose=prose)
                for name, member in value.items()
                if isinstance(name, str) and _NAME.fullmatch(name)
            }
        elif keyword in _ONE:
            kept[keyword] = _kept(value, depth - 1, prose=prose)
        elif keyword in _SEVERAL and isinstance(value, list | tuple) and value:
            kept[keyword] = [_kept(each, depth - 1, prose=prose) for each in value]
        elif keyword == "description" and isinstance(value, str) and prose:
            kept[keyword] = f'"{quotable(value, _LONGEST_REMARK)}"'
        elif _is_plain(keyword, value):
            kept[keyword] = value
        elif keyword == "required" and isinstance(value, list | tuple):
            kept[keyword] = [name for name in value if isinstance(name, str) and _NAME.fullmatch(name)]
        elif keyword == "enum" and isinstance(value, list | tuple) and any(_is_choice(each) for each in value):
            kept[keyword] = [each for each in value if _is_choice(each)]
    return kept


def _is_plain(keyword: str, value: Any) -> bool:
    """Whether a keyword says what a value may be, in a form that leaves no room for a sentence."""
    match keyword:
        case "type":
            kinds = value if isinstance(value, list) else [value]
            return all(isinstance(kind, str) and kind in _TYPES for kind in kinds)
        case "$ref":
            return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
        case "format":
            return isinstance(value, str) and _FORMAT.fullmatch(value) is not None
        case "default":
            return not isinstance(value, str) and _is_choice(value)
        case "const":
            return _is_choice(value)
        case _:
            return keyword in _NUMBERS and value is not None and not isinstance(value, str) and _is_choice(value)


def _is_choice(value: Any) -> bool:
    if isinstance(value, str):
        return value == quotable(value, _LONGEST_CHOICE)
    return value is None or (isinstance(value, bool | int | float) and math.isfinite(value))
