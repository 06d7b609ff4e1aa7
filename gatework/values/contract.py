"""Contracts: what a boundary accepts, as strict JSON and as a sealed JSON Schema (2020-12).

`Contract` checks with the Python type; `Schema` checks the same values with the sealed schema alone,
where no Python type is at hand: in the workflow, in updates, for plans of another deploy.
"""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import PydanticInvalidForJsonSchema, PydanticUserError, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError, core_schema

from gatework.errors import ContractError
from gatework.values import canonical, faithful
from gatework.values.canonical import MAX_VALUE_BYTES, MAX_VALUES, Json
from gatework.values.schema import Schema, has_zones, path_of, sealed_schema
from gatework.values.spelling import DECIMAL

T = TypeVar("T")

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
        self._has_zones = has_zones(self.schema)
        for problem in self._sealed.faults():
            raise TypeError(f"{name_of(annotation)}: {problem}")

    def read(self, data: bytes, *, max_bytes: int = MAX_VALUE_BYTES) -> T:
        """The value in JSON bytes. Raises `ContractError`; nothing is coerced, nothing ignored or filled in."""
        _must_fit(data, max_bytes)
        given = canonical.loads(data, max_bytes=max_bytes, max_values=MAX_VALUES)
        value = self.copy(data)
        # What comes back as it was has broken nothing. Where it does not, the sealed schema decides whether that is
        # another way of writing the same (a time in UTC) or a value that was bent to fit (a decimal as a number).
        if self._has_zones or not canonical.alike(json.loads(self._dumped(value).decode()), given):
            self._sealed.check(given)
        return value

    def copy(self, data: bytes) -> T:
        """One more value from bytes that this contract has read or written before; without the checks of `read`."""
        try:
            return self._adapter.validate_json(data, strict=True, extra="forbid")
        except ValidationError as error:
            raise first_error(error, self._sealed.names) from None

    def write(self, value: T, *, max_bytes: int = MAX_VALUE_BYTES) -> bytes:
        """The canonical bytes of a value, which read back as the same value, else `ContractError`."""
        dumped = self._dumped(value)
        _must_fit(dumped, max_bytes)
        data = canonical.canonical(dumped, max_bytes=max_bytes, max_values=MAX_VALUES)
        # A model that was built around its own checks is caught by reading it back.
        again = self.copy(data)
        if again != value or type(again) is not type(value) or self._dumped(again) != dumped:
            raise ContractError(f"a {name_of(self.annotation)} that does not come back from JSON as it was")
        if self._has_zones:
            self._sealed.check(json.loads(data))
        return data

    def accept(self, data: bytes, *, max_bytes: int = MAX_VALUE_BYTES) -> bytes:
        """The canonical bytes of a value that came from outside as JSON."""
        return self.write(self.read(data, max_bytes=max_bytes), max_bytes=max_bytes)

    def _dumped(self, value: T) -> bytes:
        try:
            return self._adapter.dump_json(value, warnings="error")
        except Exception:  # noqa: BLE001  # what a value holds may break in any way, and says so with the value
            raise ContractError(f"not a valid {name_of(self.annotation)}") from None


class Proven:
    """Values that one process has found to keep to a contract, by their digest; `read` would say so again.

    For values whose digest has just been found to be that of their data. What gives a contract another meaning, its
    Python type, is code, which does not change in a process; what the type itself refuses, each `copy` refuses again.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._known: dict[tuple[Contract[Any], str], None] = {}

    def knows(self, contract: Contract[Any], digest: str) -> bool:
        """Whether the value of this digest was read or written under the contract."""
        return (contract, digest) in self._known

    def add(self, contract: Contract[Any], digest: str) -> None:
        """Remember that it was; of very many, the last."""
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[contract, digest] = None


def _must_fit(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        more = ", or set GATEWORK_STORE" if max_bytes == MAX_VALUE_BYTES else ""
        raise ContractError(
            f"{len(data)} bytes are more than the {max_bytes} that a value may have; pass a Document{more}"
        )


class JsonContract:
    """The contract of JSON values without a Python type, by a JSON Schema from elsewhere; as strict as `Contract`.

    Raises `TypeError` where the schema says nothing of a value, or cannot be checked in a time known beforehand.
    """

    def __init__(self, document: Mapping[str, Json]) -> None:
        self.schema: Mapping[str, Json] = sealed_schema(dict(document))
        self.described: Mapping[str, Json] = sealed_schema(dict(document), prose=True)
        try:
            self.digest = canonical.digest("contract", self.schema)
            self._sealed = Schema(self.schema)
            problem = next(self._sealed.faults(), "")
        except (ContractError, RecursionError):
            problem = "it is no JSON Schema"
        if problem:
            raise TypeError(problem)

    def read(self, data: bytes) -> Json:
        """The value in JSON bytes. Raises `ContractError`."""
        value = canonical.loads(data, max_values=MAX_VALUES)
        self._sealed.check(value)
        return value

    def copy(self, data: bytes) -> Json:
        """One more value from bytes that this contract has read or written before."""
        return json.loads(data)

    def write(self, value: Json) -> bytes:
        """The canonical bytes of a value. Raises `ContractError`."""
        self._sealed.check(value)
        return canonical.dumps(value)

    def accept(self, data: bytes) -> bytes:
        """The canonical bytes of a value that came from outside as JSON."""
        return canonical.dumps(self.read(data))


class _Generator(GenerateJsonSchema):
    """pydantic's own, but it says what text a decimal is, and that fields with a default are written out too."""

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": DECIMAL}

    def field_is_required(self, field: Any, total: bool) -> bool:
        # Defaults are code, which changes from one deploy to the next; what a run holds does not.
        return field["type"] != "typed-dict-field" or bool(field.get("required", total))


@functools.cache
def _built(annotation: Any) -> Contract[Any]:
    return Contract(annotation)


def contract(annotation: Any) -> Contract[Any]:
    """The contract of a type; building one takes about a millisecond, so each is built once."""
    return _built(annotation)


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
        return ContractError(f"a field that the contract does not know{more}", field=path_of(found["loc"][:-1], names))
    own = found["msg"] if found["type"] in _OWN_WORDS else "refused by the model's own validator"
    reason = _QUOTES.get(found["type"], own)
    return ContractError(f"{reason[0].lower()}{reason[1:]}{more}", field=path_of(found["loc"], names))
