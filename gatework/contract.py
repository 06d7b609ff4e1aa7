"""Contracts: what a boundary accepts, as strict JSON and as a sealed JSON Schema (2020-12).

`Contract` checks with the Python type; `Schema` checks the same bytes with the sealed schema alone,
where no Python type is at hand: in the workflow, in updates, for plans of another deploy.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import PydanticInvalidForJsonSchema, PydanticUserError, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError, SchemaValidator, core_schema

from gatework import canonical, faithful
from gatework.canonical import MAX_VALUES, Json
from gatework.errors import ContractError

T = TypeVar("T")

_ANNOTATIONS = {"title", "description", "examples", "default", "deprecated", "$comment"}
_VALUES = {"const", "enum"}
_NAMED_SCHEMAS = {"properties", "$defs", "patternProperties", "dependentSchemas"}
_OWN_WORDS = frozenset(get_args(core_schema.ErrorType)) - {"value_error", "assertion_error"}
"""Complaints in pydantic's words. Those of a model's own validators may quote the value."""
_QUOTES = {
    "union_tag_invalid": "names none of the variants that the contract allows",
    "uuid_parsing": "must be a UUID",
    "timezone_offset": "must have the time zone that the contract asks for",
}
"""Complaints in pydantic's words which repeat some of the value, and what is said in their place."""


class Contract(Generic[T]):
    """The contract of a Python type: its sealed schema, and strict reading and writing.

    Raises `TypeError` where values of the type cannot come back from JSON as they were, saying why.
    """

    def __init__(self, annotation: Any) -> None:
        for problem in faithful.faults(annotation):
            raise TypeError(problem)
        self.annotation = annotation
        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(annotation)
            raw = self._adapter.json_schema(mode="serialization", schema_generator=_Generator)
        except (PydanticUserError, PydanticInvalidForJsonSchema, SchemaError) as error:
            said = str(error).strip().splitlines()[-1 if isinstance(error, SchemaError) else 0]
            raise TypeError(f"{name_of(annotation)} has no JSON Schema: {said}") from None
        self.schema: Mapping[str, Json] = sealed_schema(raw)
        self.described: Mapping[str, Json] = sealed_schema(raw, prose=True)
        """The same schema with titles and descriptions, for a model that is to fill it."""
        self.digest = canonical.digest("contract", self.schema)
        self._sealed = Schema(self.schema)
        for problem in self._sealed.faults():
            raise TypeError(f"{name_of(annotation)}: {problem}")

    def read(self, data: bytes) -> T:
        """The value in JSON bytes. Raises `ContractError`; nothing is coerced, nothing ignored or filled in."""
        given = canonical.loads(data, max_values=MAX_VALUES)
        try:
            value = self._adapter.validate_json(data, strict=True, extra="forbid")
        except ValidationError as error:
            raise first_error(error, self._sealed.names) from None
        # What comes back as it was has broken nothing. Where it does not, the sealed schema decides whether that is
        # another way of writing the same (a time in UTC) or a value that was bent to fit (a decimal as a number).
        if not _same(canonical.loads(self._dumped(value)), given):
            self._sealed.check(given)
        return value

    def write(self, value: T) -> bytes:
        """The canonical bytes of a value, which read back as the same value, else `ContractError`."""
        data = canonical.dumps(canonical.loads(self._dumped(value)))
        # A model that was built around its own checks is caught by reading it back.
        again = self.read(data)
        if again != value or type(again) is not type(value):
            raise ContractError(f"a {name_of(self.annotation)} that does not come back from JSON as it was")
        return data

    def accept(self, data: bytes) -> bytes:
        """The canonical bytes of a value that came from outside as JSON."""
        return self.write(self.read(data))

    def _dumped(self, value: T) -> bytes:
        try:
            return self._adapter.dump_json(value, warnings="error")
        except Exception:  # noqa: BLE001  # what a value holds may break in any way, and says so with the value
            raise ContractError(f"not a valid {name_of(self.annotation)}") from None


class _Generator(GenerateJsonSchema):
    """pydantic's own, but it says what text a decimal is, and that fields with a default are written out too."""

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"}

    def field_is_required(self, field: Any, total: bool) -> bool:
        # Defaults are code, which changes from one deploy to the next; what a run holds does not.
        return field["type"] != "typed-dict-field" or bool(field.get("required", total))


@functools.cache
def _built(annotation: Any) -> Contract[Any]:
    return Contract(annotation)


def contract(annotation: Any) -> Contract[Any]:
    """The contract of a type; building one takes about a millisecond, so each is built once."""
    return _built(annotation)


@dataclass(frozen=True)
class Schema:
    """A sealed JSON Schema that checks JSON values without the Python type behind it."""

    document: Mapping[str, Json]

    @functools.cached_property
    def _validator(self) -> Any:
        return _checker()(dict(self.document))

    def check(self, value: Json) -> None:
        """Raise `ContractError` with the first field that breaks the schema."""
        canonical.check(value, max_values=MAX_VALUES)
        try:
            error = next(self._validator.iter_errors(value), None)
            found = error and ContractError(_say(error), field=_path(error.absolute_path, self.names))
        except Exception:  # noqa: BLE001  # a schema of another making; in a workflow this must not stick
            raise ContractError("the sealed schema cannot be read; seal the plan again") from None
        if found:
            raise found

    def faults(self) -> Iterator[str]:
        """Why this schema says nothing of a value, or cannot be checked in a time that is known beforehand."""
        demanded: Any
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


@functools.cache
def _checker() -> Any:
    """A validator that can neither hang nor reach the network, nor differ from one worker to the next."""
    # 60 ms to import, and needed only where no Python type is at hand.
    from jsonschema import Draft202012Validator, FormatChecker, validators
    from referencing import Registry

    formats = FormatChecker(formats=("date", "ipv4", "ipv6", "uuid"))
    for name, parse in (("date-time", datetime.fromisoformat), ("time", time.fromisoformat)):
        formats.checks(name, raises=ValueError)(functools.partial(_parses, parse))
    extended = validators.extend(Draft202012Validator, {"pattern": _matches})  # type: ignore[no-untyped-call]
    return functools.partial(extended, registry=Registry(), format_checker=formats)


def _parses(parse: Callable[[str], object], instance: Json) -> bool:
    return not isinstance(instance, str) or parse(instance) is not None


@functools.cache
def _matcher(pattern: str) -> SchemaValidator:
    # The engine behind pydantic matches in linear time; Python's own may take for ever on a hostile text.
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


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


def name_of(annotation: Any) -> str:
    """A type's name as its author writes it."""
    if get_origin(annotation) is not None or isinstance(annotation, types.UnionType):
        return str(annotation).replace("typing.", "")
    return str(getattr(annotation, "__name__", annotation))


def first_error(error: ValidationError, names: Collection[str] = ()) -> ContractError:
    """The first of pydantic's complaints, without the values that it quotes. The path keeps to known `names`."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    found = details[0]
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if found["type"] == "extra_forbidden":
        # The name of an unknown field is text from outside.
        return ContractError(f"a field that the contract does not know{more}", field=_path(found["loc"][:-1], names))
    own = found["msg"] if found["type"] in _OWN_WORDS else "refused by the model's own validator"
    reason = _QUOTES.get(found["type"], own)
    return ContractError(f"{reason[0].lower()}{reason[1:]}{more}", field=_path(found["loc"], names))


def _path(loc: Iterable[int | str], names: Collection[str]) -> str:
    return ".".join(str(part) for part in loc if isinstance(part, int) or part in names)


def _same(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same, where Python's own `==` takes 1 for true."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(_same(item, other[key]) for key, item in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _say(error: Any) -> str:
    demanded = error.validator_value
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
            return f"must match the {error.validator} {demanded!r}"
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
