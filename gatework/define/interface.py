"""What a tool takes and gives: a Python function read strictly, or the JSON Schemas of another program.

The arguments of a call are one closed JSON object. Whoever calls may leave out what has a default; what is checked,
recorded and compared always holds every argument.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from typing_extensions import TypedDict

from gatework.define.secret import Secret, SecretUse
from gatework.define.signature import MISSING, Declared, caller, calling_module, must_be_async, read
from gatework.errors import ContractError, PlanError
from gatework.plan.expr import Kind
from gatework.plan.kinds import kind_of
from gatework.plan.labels import Label
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.contract import Contract, JsonContract, contract

Boundary = Contract[Any] | JsonContract
"""What checks a value on its way in or out."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""What a model, a task type and a task queue can all be told."""


@dataclass(frozen=True)
class Argument:
    """One argument of a tool, as limits on it are compared."""

    name: str
    kind: Kind | None
    """How it is compared; None for what is only ever the same or not."""
    boundary: Boundary
    """The contract of the argument alone."""
    type: Any = None
    """Its Python type; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a tool takes and gives, and what does it."""

    name: str
    where: str
    """`file:line` of its definition."""
    home: str
    """The module in which it was declared."""
    place: str
    """`module:name` of its function, where a later deploy may find it; empty where it has none of its own."""
    description: str
    """What it does, as a model is told it."""
    function: Callable[..., Awaitable[Any]]
    """Does it, called with the arguments by their names; that of an effect with its key before them."""
    arguments: Boundary
    result: Boundary
    parts: Mapping[str, Argument]
    defaults: Mapping[str, Json] = field(default_factory=dict)
    """Argument → what it is where a caller leaves it out."""
    secrets: Mapping[str, SecretUse] = field(default_factory=dict)
    """Parameter of the function → the secret that it is passed."""
    signature: inspect.Signature | None = None
    """How Python code calls it; None where it passes every argument by its name."""
    returns: Any = None
    """Python type of the result; None where it is JSON."""

    @property
    def asked(self) -> Mapping[str, Json]:
        """The JSON Schema by which a model is told what to pass: with prose; what has a default may be left out."""
        described = dict(self.arguments.described)
        properties = {
            name: {**part, "default": self.defaults[name]} if name in self.defaults else part
            for name, part in described.get("properties", {}).items()
        }
        required = [name for name in described.get("required", ()) if name not in self.defaults]
        return {**described, "properties": properties, "required": required}

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Json:
        """The arguments of a call from Python as JSON. Raises `ContractError`."""
        given = dict(kwargs)
        if self.signature is not None:
            try:
                found = self.signature.bind(*args, **kwargs)
            except TypeError:
                # Python's words repeat the names of unknown arguments, which may come from outside.
                taken = ", ".join(self.parts) or "none"
                raise ContractError(f"takes other arguments: {taken}", boundary=f"call of {self.name}") from None
            found.apply_defaults()
            given = dict(found.arguments)
        elif args:
            raise ContractError("takes its arguments by their names", boundary=f"call of {self.name}")
        try:
            # One by one, too: inside of an object, True passes for 1.
            for name, value in given.items():
                if name in self.parts:
                    self.parts[name].boundary.write(value)
            return canonical.loads(self.arguments.write(given))
        except ContractError as error:
            raise error.at(f"arguments of {self.name}") from None

    def admitted(self, data: Json) -> Json:
        """The arguments of a call that was made as JSON, with defaults filled in. Raises `ContractError`."""
        try:
            whole = {**self.defaults, **data} if isinstance(data, dict) else data
            return canonical.loads(self.arguments.accept(canonical.dumps(whole)))
        except ContractError as error:
            raise error.at(f"arguments of {self.name}") from None

    def values(self, data: Json) -> Mapping[str, Any]:
        """The arguments as Python values, fresh ones each time."""
        return cast("Mapping[str, Any]", self.arguments.copy(canonical.dumps(data)))

    def written(self, result: object) -> Json:
        """A result as JSON. Raises `ContractError`."""
        try:
            return canonical.loads(self.result.write(result))
        except ContractError as error:
            raise error.at(f"result of {self.name}") from None

    def value(self, result: Json) -> Any:
        """A result as a Python value. Raises `ContractError`."""
        try:
            return self.result.read(canonical.dumps(result))
        except ContractError as error:
            raise error.at(f"result of {self.name}") from None


def of_function(function: Callable[..., Awaitable[Any]], what: str, *, name: str = "", key: Any = None) -> Interface:
    """The interface of an async function with typed parameters. Raises `PlanError`.

    `key` is the type of the first parameter of an effect, which its callers do not pass.
    """
    declared = read(function, what, beside=(Secret,))
    must_be_async(function, declared)
    place = declared.where
    params = dict(declared.params)
    if key is not None:
        first = next(iter(params.values()), None)
        if first is None or first.type is not key:
            raise PlanError(
                f"{what} {declared.name} does not take its key.",
                fix=f"Make `key: {key.__name__}` the first.",
                where=place,
            )
        del params[first.name]
    secrets = _secrets(what, declared.name, params, declared.signature, place)
    taken = {param.name: param for param in params.values() if param.name not in secrets}
    for param in taken.values():
        if key is not None and param.type is key:
            raise PlanError(f"{what} {declared.name} takes two keys.", fix="Take one, as the first.", where=place)
    if any(one.label is not Label.PLAIN for one in (*taken.values(), declared.result)):
        raise PlanError(
            f"{what} {declared.name} takes or gives labels.",
            fix="Tools get plain values; the stage that calls them keeps the labels.",
            where=place,
        )
    kept = [parameter for parameter in declared.signature.parameters.values() if parameter.name in taken]
    hints = {param.name: param.type for param in taken.values()}
    return Interface(
        name=_named(name or declared.name, place),
        where=place,
        home=calling_module(),
        place=f"{function.__module__}:{function.__qualname__}",
        description=inspect.getdoc(function) or "",
        function=function,
        # As a dictionary: in a model, names such as `copy` or `schema` stand for something else.
        arguments=contract(TypedDict(declared.name, hints)),  # type: ignore[operator]
        result=declared.result.contract,
        parts={name: Argument(name, kind_of(one.type), one.contract, one.type) for name, one in taken.items()},
        defaults={name: _default(one, what, declared.name, place) for name, one in taken.items() if _has_default(one)},
        secrets=secrets,
        signature=inspect.Signature(kept),
        returns=declared.result.type,
    )


def of_schemas(
    name: str,
    call: Callable[..., Awaitable[Any]],
    *,
    arguments: Mapping[str, Json],
    result: Mapping[str, Json],
    description: str = "",
) -> Interface:
    """The interface of a tool of another program, by the JSON Schemas of its arguments and result.

    `call` gets the arguments as one JSON object and gives the result as JSON; that of an effect gets its key first.
    Raises `PlanError` where a schema says nothing that can be held against a value.
    """
    if arguments.get("type") != "object":
        raise PlanError(f"the arguments of {name!r} are no object.", fix="Describe them as one.", where=caller())
    # Closed whatever it says: an argument that nobody has described is none that limits could be put on.
    closed = {"properties": {}, **arguments, "additionalProperties": False}
    boundaries = []
    for what, schema in (("arguments", closed), ("result", result)):
        try:
            boundaries.append(JsonContract(schema))
        except TypeError as error:
            raise PlanError(
                f"the {what} of {name!r} cannot be sealed: {error}.",
                fix="Describe them by a schema of your own.",
                where=caller(),
            ) from None
    taken, given = boundaries

    async def function(*key: Any, **values: Json) -> Any:
        return await call(*key, values)

    return Interface(
        name=_named(name, caller()),
        where=caller(),
        home=calling_module(),
        place="",
        description=description,
        function=function,
        arguments=taken,
        result=given,
        parts={part: _argument(part, schema, taken.schema) for part, schema in taken.schema["properties"].items()},
    )


def _argument(name: str, schema: Json, whole: Mapping[str, Json]) -> Argument:
    alone = {**schema, "$defs": whole["$defs"]} if "$defs" in whole and isinstance(schema, dict) else schema
    types = schema.get("type") if isinstance(schema, dict) else None
    named = [types] if isinstance(types, str) else [one for one in types or () if one != "null"]
    kinds: set[Kind | None] = {_KINDS.get(one) for one in named}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind == "text" and schema.get("format") in ("date", "date-time"):
        kind = "time"
    return Argument(name, kind, JsonContract(alone))


_KINDS: Mapping[str, Kind] = {"string": "text", "boolean": "flag", "integer": "number", "number": "number"}


def _named(name: str, place: str) -> str:
    if not _NAME.fullmatch(name):
        raise PlanError(f"{name!r} is no name of a tool.", fix="Use up to 64 letters, digits, _ and -.", where=place)
    return name


def _secrets(
    what: str, name: str, params: Mapping[str, Declared], signature: inspect.Signature, place: str
) -> Mapping[str, SecretUse]:
    found = {}
    for param in params.values():
        if (param.type is Secret) != isinstance(param.default, SecretUse):
            raise PlanError(
                f"{what} {name}: {param.name} is half a secret.",
                fix=f'Write `*, {param.name}: Secret = secret("NAME")`.',
                where=place,
            )
        if isinstance(param.default, SecretUse):
            if signature.parameters[param.name].kind is not inspect.Parameter.KEYWORD_ONLY:
                raise PlanError(
                    f"{what} {name}: the secret {param.name} could be passed as an argument.",
                    fix=f'Put it behind a star: `*, {param.name}: Secret = secret("NAME")`.',
                    where=place,
                )
            found[param.name] = param.default
    return found


def _has_default(param: Declared) -> bool:
    return param.default is not MISSING


def _default(param: Declared, what: str, name: str, place: str) -> Json:
    try:
        return canonical.loads(param.contract.write(param.default))
    except ContractError as error:
        raise PlanError(
            f"{what} {name}: the default of {param.name} breaks its contract: {error}.", fix="Correct it.", where=place
        ) from None


__all__ = ["Argument", "Boundary", "Interface", "of_function", "of_schemas"]
