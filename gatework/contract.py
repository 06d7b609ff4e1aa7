"""Contracts: what a boundary accepts, as strict JSON and as a sealed JSON Schema (2020-12).

`Contract` checks with the Python type; `Schema` checks the same bytes with the sealed schema alone,
where no Python type is at hand: in the workflow, in updates, for plans of another deploy.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from enum import Enum
from typing import Any, Generic, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

import pydantic
from pydantic import BaseModel, PydanticInvalidForJsonSchema, PydanticUserError, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from gatework import canonical
from gatework.canonical import Json
from gatework.errors import ContractError

T = TypeVar("T")

_ANNOTATIONS = {"title", "description", "examples", "default", "deprecated", "$comment"}
_NAMED_SCHEMAS = {"properties", "$defs", "patternProperties", "dependentSchemas"}
_SECRET = (pydantic.SecretStr, pydantic.SecretBytes)


class Contract(Generic[T]):
    """The contract of a Python type: its sealed schema, and strict reading and writing.

    Raises `TypeError` where values of the type cannot come back from JSON as they were, saying why.
    """

    def __init__(self, annotation: Any) -> None:
        for problem in _unfaithful(annotation, frozenset()):
            raise TypeError(problem)
        self.annotation = annotation
        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(annotation)
            raw = self._adapter.json_schema(mode="serialization", schema_generator=_Generator)
        except (PydanticUserError, PydanticInvalidForJsonSchema) as error:
            raise TypeError(f"{name_of(annotation)} has no JSON Schema: {str(error).splitlines()[0]}") from None
        self.schema: Mapping[str, Json] = sealed_schema(raw)
        self.described: Mapping[str, Json] = sealed_schema(raw, prose=True)
        """The same schema with titles and descriptions, for a model that is to fill it."""
        self.digest = canonical.digest("contract", self.schema)

    def read(self, data: bytes) -> T:
        """The value in JSON bytes. Raises `ContractError`; nothing is coerced, nothing ignored."""
        canonical.loads(data)
        try:
            return self._adapter.validate_json(data, strict=True, extra="forbid")
        except ValidationError as error:
            raise first_error(error) from None

    def write(self, value: T) -> bytes:
        """The canonical bytes of a value, which read back as the same value, else `ContractError`."""
        try:
            # A model that was built around its own checks is caught by reading it back.
            raw = self._adapter.dump_json(value, warnings="error")
        except (pydantic.ValidationError, ValueError, TypeError, RecursionError):
            # The message of a serialisation error carries the value, so it stays behind.
            raise ContractError(f"not a valid {name_of(self.annotation)}") from None
        data = canonical.dumps(canonical.loads(raw))
        again = self.read(data)
        if again != value or type(again) is not type(value):
            raise ContractError(f"a {name_of(self.annotation)} that does not come back from JSON as it was")
        return data

    def accept(self, data: bytes) -> bytes:
        """The canonical bytes of a value that came from outside as JSON."""
        return self.write(self.read(data))


class _Generator(GenerateJsonSchema):
    """pydantic's own, but for a decimal it says what text a decimal is."""

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"}


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
        import jsonschema  # 60 ms to import, and needed only where no Python type is at hand

        return jsonschema.Draft202012Validator(
            dict(self.document), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )

    def check(self, value: Json) -> None:
        """Raise `ContractError` with the first field that breaks the schema."""
        canonical.check(value)
        errors = sorted(
            self._validator.iter_errors(value), key=lambda e: (list(map(str, e.absolute_path)), e.validator)
        )
        if errors:
            raise ContractError(_say(errors[0]), field=self._field(errors[0]))

    def _field(self, error: Any) -> str:
        # Only names that the schema knows: a key of the data is a value from outside.
        return ".".join(str(part) for part in error.absolute_path if isinstance(part, int) or part in self._names)

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(_property_names(self.document))


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
        elif key in ("const", "enum") or (prose and key in _ANNOTATIONS):
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


def first_error(error: ValidationError) -> ContractError:
    """The first of pydantic's complaints, without the values that it quotes."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    found = details[0]
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if found["type"] == "extra_forbidden":
        # The name of an unknown field is text from outside.
        return ContractError(f"a field that the contract does not know{more}", field=_path(found["loc"][:-1]))
    # Messages of a model's own validators may quote the value, so only pydantic's own are repeated.
    own = found["type"] in ("value_error", "assertion_error")
    reason = "refused by the model's own validator" if own else found["msg"]
    return ContractError(f"{reason[0].lower()}{reason[1:]}{more}", field=_path(found["loc"]))


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if isinstance(part, int) or part.isidentifier())


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


def _property_names(schema: Json) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _property_names(item)
    elif isinstance(schema, Mapping):
        for key, item in schema.items():
            if key == "properties":
                yield from item
            yield from _property_names(item)


def _unfaithful(annotation: Any, seen: frozenset[Any]) -> Iterator[str]:
    """Reasons why values of a type do not survive output → bytes → model → bytes."""
    if annotation is Any or annotation is object:
        yield "Any says nothing about a value; name its type"
        return
    if get_origin(annotation) is Literal:
        return
    for inner in get_args(annotation):
        if not isinstance(inner, type | types.UnionType) and get_origin(inner) is None:
            continue  # metadata of Annotated, the ... of tuples
        yield from _unfaithful(inner, seen)
    if not isinstance(annotation, type):
        return
    if issubclass(annotation, _SECRET):
        yield f"{annotation.__name__} is written as asterisks; pass the name of a secret instead"
    if issubclass(annotation, bytes | bytearray):
        yield "bytes are not JSON; use a str holding base64"
    if issubclass(annotation, complex) or annotation is set or get_origin(annotation) is set:
        yield f"{annotation.__name__} has no order or form in JSON; use list or str"
    if annotation in seen:
        return
    if issubclass(annotation, BaseModel):
        yield from _unfaithful_model(annotation, seen | {annotation})
    elif is_dataclass(annotation):
        for name, hint in get_type_hints(annotation).items():
            for problem in _unfaithful(hint, seen | {annotation}):
                yield f"{name_of(annotation)}.{name}: {problem}"
    elif issubclass(annotation, Enum):
        for member in annotation:
            if not isinstance(member.value, str | int | bool):
                yield f"{annotation.__name__}.{member.name} is not a string or integer"


def _unfaithful_model(model: type[BaseModel], seen: frozenset[Any]) -> Iterator[str]:
    name = model.__name__
    if model.model_config.get("extra") == "allow":
        yield f"{name} allows unknown fields; remove extra='allow'"
    for computed in cast(Any, model).__pydantic_decorators__.computed_fields:
        yield f"{name}.{computed} is computed, and so unknown when it is read back; make it a field or compute it in a stage"
    for field_name, info in model.model_fields.items():
        if info.exclude:
            yield f"{name}.{field_name} is excluded from its JSON and would be lost; remove exclude"
        if info.alias or info.validation_alias or info.serialization_alias:
            yield f"{name}.{field_name} has an alias, so it is written and read under different names; remove it"
        for problem in _unfaithful(info.annotation, seen):
            yield problem if problem.startswith(name) else f"{name}.{field_name}: {problem}"
