"""Which Python types come back from JSON as they were; what to write instead of those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import is_dataclass
from enum import Enum
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretBytes, SecretStr

_BARE = (list, tuple, dict)


def faults(annotation: Any) -> Iterator[str]:
    """Reasons why values of a type do not survive output → bytes → model → bytes, each with what to do."""
    return _faults(annotation, frozenset())


def _faults(annotation: Any, seen: frozenset[Any]) -> Iterator[str]:
    if isinstance(annotation, TypeVar):
        annotation = annotation.__bound__ or Any
    # NewType, and aliases made with `type`.
    inner = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    if inner is not None and not isinstance(annotation, type):
        yield from _faults(inner, seen)
    origin = get_origin(annotation)
    if annotation is Any or annotation is object:
        yield "Any says nothing about a value; name its type"
    elif origin is Literal:
        return
    elif origin is Annotated:
        yield from _metadata_faults(annotation.__metadata__)
        yield from _faults(get_args(annotation)[0], seen)
    elif isinstance(annotation, UnionType | GenericAlias) or origin is not None:
        yield from _class_faults(origin, seen)
        for argument in get_args(annotation):
            if argument is not ...:
                yield from _faults(argument, seen)
    elif annotation in _BARE:
        yield f"{annotation.__name__} does not say what it holds; write {annotation.__name__}[…]"
    else:
        yield from _class_faults(annotation, seen)


def _class_faults(kind: Any, seen: frozenset[Any]) -> Iterator[str]:
    if not isinstance(kind, type) or kind in seen or kind is NoneType:
        return
    if issubclass(kind, SecretStr | SecretBytes):
        yield f"{kind.__name__} is written as asterisks; pass the name of a secret instead"
    elif issubclass(kind, bytes | bytearray | memoryview):
        yield "bytes are not JSON; use a str holding base64"
    elif issubclass(kind, complex | Set):
        yield f"{kind.__name__} has no order or form in JSON; use list or str"
    elif issubclass(kind, BaseModel):
        yield from _model_faults(kind, seen | {kind})
    elif is_dataclass(kind):
        for name, hint in get_type_hints(kind, include_extras=True).items():
            for problem in _faults(hint, seen | {kind}):
                yield f"{kind.__name__}.{name}: {problem}"
    elif issubclass(kind, Enum):
        for member in kind:
            if not isinstance(member.value, str | int | bool):
                yield f"{kind.__name__}.{member.name} is not a string or integer; give it such a value"


def _model_faults(model: type[BaseModel], seen: frozenset[Any]) -> Iterator[str]:
    name = model.__name__
    decorators = cast(Any, model).__pydantic_decorators__
    if model.model_config.get("extra") == "allow":
        yield f"{name} allows unknown fields; remove extra='allow'"
    for computed in decorators.computed_fields:
        yield f"{name}.{computed} is computed, and so unknown when it is read back; make it a field"
    for serializer in (*decorators.field_serializers, *decorators.model_serializers):
        yield f"{name}.{serializer} writes something else than it holds; remove the serializer"
    for field_name, info in model.model_fields.items():
        field = f"{name}.{field_name}"
        if info.exclude or info.exclude_if:
            yield f"{field} is excluded from its JSON and would be lost; remove exclude"
        if info.alias or info.validation_alias or info.serialization_alias:
            yield f"{field} has an alias, so it is written and read under different names; remove it"
        for problem in (*_metadata_faults(info.metadata), *_faults(info.annotation, seen)):
            yield problem if problem.startswith(f"{name}.") else f"{field}: {problem}"


def _metadata_faults(metadata: Sequence[Any]) -> Iterator[str]:
    if not metadata:
        return
    from pydantic import PlainSerializer, WrapSerializer  # a tenth of what importing all of gatework takes

    for item in metadata:
        if isinstance(item, PlainSerializer | WrapSerializer):
            yield "a serializer writes something else than the value; remove it"
