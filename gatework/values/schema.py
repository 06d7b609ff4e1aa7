"""Sealed JSON Schemas (2020-12): what checks a JSON value where the Python type behind it is not at hand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

from pydantic_core import SchemaError, SchemaValidator, core_schema

from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.canonical import MAX_VALUES, Json
from gatework.values.spelling import DECIMAL

_ANNOTATIONS = {"title", "description", "examples", "default", "deprecated", "$comment"}
_VALUES = {"const", "enum"}
_NAMED_SCHEMAS = {"properties", "$defs", "patternProperties", "dependentSchemas"}
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
"""Keywords whose schemas look at the same value again."""
_ELSEWHERE = {"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$schema"}
"""Keywords after which a reference may mean something else than it says."""


@dataclass(frozen=True)
class Schema:
    """A sealed JSON Schema that checks JSON values without the Python type behind it."""

    document: Mapping[str, Json]

    @functools.cached_property
    def _compiled(self) -> Any:
        return _compile(dict(self.document))

    @functools.cached_property
    def _validator(self) -> Any:
        return _checker()(dict(self.document))

    def check(self, value: Json) -> None:
        """Raise `ContractError` with the first field that breaks the schema."""
        canonical.check(value, max_values=MAX_VALUES)
        try:
            if self._compiled.is_valid(value):
                return
            # Compiled, it says yes or no; the other, a hundred times slower, knows what to say.
            error = next(self._validator.iter_errors(value), None)
            found = _explained(error, self.names) if error else ContractError("breaks the contract")
        except Exception:  # noqa: BLE001  # a schema of another making; in a workflow this must not stick
            raise ContractError("the sealed schema cannot be read; seal the plan again") from None
        raise found

    def faults(self) -> Iterator[str]:
        """Why this schema says nothing of a value, or cannot be checked in a time that is known beforehand."""
        demanded: Any
        if _refers_elsewhere(self.document):
            yield "its schema refers to more than its own definitions"
        for keyword, demanded in (("", self.document), *_keywords(self.document)):
            if {} in (demanded.values() if keyword in _NAMED_SCHEMAS else (demanded,)):
                yield "some of it may be anything; name its type"
            if keyword == "patternProperties":
                yield "keys that follow a pattern cannot be sealed; use a list of models"
            if keyword == "pattern":
                try:
                    _matcher(demanded)
                except SchemaError:
                    yield f"the pattern {demanded} looks around or back; write one without"

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The names of all properties: a key that is not among them is a value from outside."""
        return frozenset(
            name
            for key, item in _keywords(self.document)
            if key == "properties" and isinstance(item, dict)
            for name in item
        )


def _is_uuid(version: int, text: str) -> bool:
    return str(UUID(text)) == text.lower() and UUID(text).version == version


_DURATION = SchemaValidator(core_schema.timedelta_schema())
_URL = SchemaValidator(core_schema.url_schema(strict=True))
_FORMATS: Mapping[str, Callable[[str], object]] = {
    # Where Python reads more than the one form that the format allows, that form is asked for.
    "date": lambda text: date.fromisoformat(text).isoformat() == text,
    "date-time": lambda text: len(text) > len("2026-01-02") and datetime.fromisoformat(text),
    "duration": lambda text: text.lstrip("+-").startswith("P") and _DURATION.isinstance_python(text),
    "time": time.fromisoformat,
    "ipv4": IPv4Address,
    "ipv4interface": IPv4Interface,
    "ipv4network": IPv4Network,
    "ipv6": lambda text: "%" not in text and IPv6Address(text),
    "ipv6interface": lambda text: "%" not in text and IPv6Interface(text),
    "ipv6network": lambda text: "%" not in text and IPv6Network(text),
    "uri": _URL.isinstance_python,
    "uuid": lambda text: str(UUID(text)) == text.lower(),
    **{f"uuid{version}": functools.partial(_is_uuid, version) for version in (1, 3, 4, 5, 6, 7, 8)},
}
"""The formats that are checked, each by what reads it; others are remarks."""


def _compile(document: Json) -> Any:
    """A compiled validator. As the other, it can neither hang nor reach the network, and knows the same formats."""
    import jsonschema_rs

    if _refers_elsewhere(document) or _turns_in_place(document):
        raise ValueError("a schema that refers elsewhere, or to itself without looking any deeper, says nothing")
    keywords: dict[str, Any] = {"pattern": _Pattern}
    return jsonschema_rs.Draft202012Validator(
        _with_our_formats(document),
        validate_formats=True,
        formats={name: functools.partial(_parses, name) for name in _FORMATS},
        keywords=keywords,
        offline=True,
    )


def _refers_elsewhere(document: Json) -> bool:
    """Whether some reference goes where `_turns_in_place` does not follow; one that turns there accepts anything."""
    return any(
        keyword in _ELSEWHERE or (keyword == "$ref" and _referred(document, item) is None)
        for keyword, item in _keywords(document)
    )


def _turns_in_place(document: Json) -> bool:
    """Whether some schema in a document leads back to itself at one and the same value."""
    entered: set[int] = set()
    left: set[int] = set()

    def turns(schema: Json) -> bool:
        if isinstance(schema, list):
            return any(map(turns, schema))
        if not isinstance(schema, dict) or id(schema) in left:
            return False
        if id(schema) in entered:
            return True
        entered.add(id(schema))
        named = schema.get("dependentSchemas")
        inside = [schema.get(keyword) for keyword in _IN_PLACE]
        inside += [*(named.values() if isinstance(named, dict) else ()), _referred(document, schema.get("$ref"))]
        found = any(map(turns, inside))
        left.add(id(schema))
        return found

    return any(map(turns, [document, *document.get("$defs", {}).values()]))


def _referred(document: Json, reference: Json) -> Json:
    """What a reference within the document stands for; None for others, which nobody resolves."""
    if reference == "#":
        return document
    head, _, name = str(reference).rpartition("/")
    plain = head == "#/$defs" and not set(name) & set("~%")
    return document.get("$defs", {}).get(name) if plain else None


def _with_our_formats(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_with_our_formats(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _with_our_formats(member) for name, member in item.items()}
        if key in _NAMED_SCHEMAS and isinstance(item, dict)
        else item
        if key in _VALUES
        else _with_our_formats(item)
        for key, item in schema.items()
        if key != "format" or item in _FORMATS
    }


@functools.cache
def _checker() -> Any:
    """A validator that can neither hang nor reach the network, nor differ from one worker to the next."""
    # 60 ms to import, and needed only where no Python type is at hand.
    from jsonschema import Draft202012Validator, FormatChecker, validators
    from referencing import Registry

    formats = FormatChecker(formats=())
    for name in _FORMATS:
        formats.checks(name)(functools.partial(_parses, name))
    extended = validators.extend(Draft202012Validator, {"pattern": _matches})  # type: ignore[no-untyped-call]
    return functools.partial(extended, registry=Registry(), format_checker=formats)


def _parses(name: str, instance: Json) -> bool:
    if not isinstance(instance, str):
        return True
    try:
        return bool(_FORMATS[name](instance))
    except ValueError:
        return False


@functools.cache
def _matcher(pattern: str) -> SchemaValidator:
    # The engine behind pydantic matches in linear time; Python's own may take for ever on a hostile text.
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


class _Pattern:
    """The keyword `pattern`, by the same engine as in the Python type.

    The validator's own knows letters, digits and spaces of ASCII only, and so takes and refuses other texts.
    """

    def __init__(self, _parent: Json, pattern: str, _path: object) -> None:
        self._matcher = _matcher(pattern)

    def validate(self, instance: Json) -> None:
        if isinstance(instance, str) and not self._matcher.isinstance_python(instance):
            raise ValueError


def _matches(_validator: Any, pattern: str, instance: Json, _schema: Json) -> Iterator[Any]:
    if isinstance(instance, str) and not _matcher(pattern).isinstance_python(instance):
        from jsonschema import ValidationError

        yield ValidationError("no match")


def sealed_schema(schema: Json, *, prose: bool = False) -> Json:
    """A schema in which every object is closed; without the prose of docstrings and titles, unless asked for."""
    if isinstance(schema, list):
        return [sealed_schema(item, prose=prose) for item in schema]
    if not isinstance(schema, dict):
        return schema
    sealed: dict[str, Json] = {}
    for key, item in schema.items():
        if key in _NAMED_SCHEMAS and isinstance(item, dict):
            sealed[key] = {name: sealed_schema(member, prose=prose) for name, member in item.items()}
        elif key in _VALUES or (prose and key in _ANNOTATIONS):
            sealed[key] = item
        elif key not in _ANNOTATIONS:
            sealed[key] = sealed_schema(item, prose=prose)
    if "properties" in sealed and "additionalProperties" not in sealed:
        sealed["additionalProperties"] = False
    return sealed


def has_zones(schema: Json) -> bool:
    """Whether it holds addresses into which Python reads a zone, `fe80::1%…`, which is any text and in no format."""
    return any(keyword == "format" and str(item).startswith("ipv6") for keyword, item in _keywords(schema))


def path_of(loc: Iterable[int | str], names: Collection[str]) -> str:
    """A dotted path, of the names that are no values from outside."""
    return ".".join(str(part) for part in loc if isinstance(part, int) or part in names)


def _explained(error: Any, names: Collection[str]) -> ContractError:
    return ContractError(_say(error), field=path_of(error.absolute_path, names))


def _say(error: Any) -> str:
    demanded = error.validator_value
    if error.validator in ("type", "pattern") and error.schema.get("pattern") == DECIMAL:
        return 'must be a number in quotation marks, such as "12.50"'
    match error.validator:
        case "required":
            missing = [name for name in demanded if name not in error.instance]
            return f"the field {missing[0]} is missing"
        case "additionalProperties":
            return "a field that the contract does not know"
        case "type":
            return f"must be {demanded if isinstance(demanded, str) else ' or '.join(demanded)}"
        case "enum" | "const":
            return "must be one of the values that the contract lists"
        case "pattern" | "format":
            return f"must match the {error.validator} {demanded}"
        case "anyOf" | "oneOf":
            return "matches none of the forms that the contract allows"
        case _:
            return (
                f"must keep to {error.validator} {demanded}"
                if isinstance(demanded, int | float | str)
                else (f"breaks the contract's {error.validator}")
            )


def _keywords(schema: Json) -> Iterator[tuple[str, Json]]:
    """Every keyword of a schema and of those inside it, with its value."""
    if isinstance(schema, list):
        for item in schema:
            yield from _keywords(item)
    elif isinstance(schema, dict):
        for key, item in schema.items():
            yield key, item
            if key not in _VALUES:
                yield from _keywords(list(item.values()) if key in _NAMED_SCHEMAS and isinstance(item, dict) else item)
