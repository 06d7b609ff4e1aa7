"""Reading what a function declares: its parameters and result, with types and labels resolved."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, get_type_hints

from gatework.errors import PlanError
from gatework.plan.labels import Label, members, split
from gatework.values.contract import Contract, contract, name_of
from gatework.values.verdict import Block

MISSING: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Declared:
    """One parameter, or the result, as declared."""

    name: str
    label: Label
    type: Any
    """The Python type without its label."""
    default: Any = MISSING

    @property
    def contract(self) -> Contract[Any]:
        return contract(self.type)


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives."""

    name: str
    where: str
    """`file:line` of the definition."""
    params: Mapping[str, Declared]
    result: Declared
    """The result without the `Block` that a refusal would be."""
    signature: inspect.Signature


def where(function: Callable[..., Any]) -> str:
    """`file:line` of a function, the file relative to the working directory where it lies below it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
    return f"{shown_path(code.co_filename)}:{code.co_firstlineno}"


def calling_module() -> str:
    """The module outside of the engine that called into it."""
    return str(_outside().f_globals.get("__name__", ""))


def caller() -> str:
    """`file:line` of the code outside of the engine that called into it."""
    frame = _outside()
    return f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"


def _outside() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "gatework":
        frame = frame.f_back
    return frame


def shown_path(path: str) -> str:
    """A path as a reader knows it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def read(
    function: Callable[..., Any], what: str, *, contracts: bool = True, beside: tuple[type, ...] = ()
) -> Signature:
    """The signature of a stage, guard, endorser or tool. Raises `PlanError` where it is not fully declared.

    `contracts` says whether its values cross a boundary; those of a guard do not, and its result stays whole.
    Parameters of the types `beside` are passed by the engine itself, and cross none.
    """
    place = where(function)
    name = getattr(function, "__name__", "")
    if not name.isidentifier() or name.startswith("_"):
        raise PlanError(f"{what} has no usable name.", fix="Define it with def and a public name.", where=place)
    if inspect.ismethod(function) or "<locals>.<lambda>" in getattr(function, "__qualname__", ""):
        raise PlanError(f"{what} {name} is not a plain function.", fix="Move it to the top of a module.", where=place)
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise PlanError(
            f"{what} {name}: {error}.", fix="Import or define it above, not only for type checkers.", where=place
        ) from None
    signature = inspect.signature(function)
    params = {}
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PlanError(f"{what} {name} takes {parameter}.", fix="Name each input.", where=place)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise PlanError(f"{what} {name}: {parameter.name} has no name to callers.", fix="Drop the /.", where=place)
        if parameter.name not in hints:
            raise PlanError(f"{what} {name}: {parameter.name} has no type.", fix="Annotate it.", where=place)
        label, inner = split(hints[parameter.name])
        params[parameter.name] = Declared(parameter.name, label, inner, parameter.default)
    if "return" not in hints:
        raise PlanError(f"{what} {name} does not say what it returns.", fix="Annotate its result.", where=place)
    label, inner = _result(hints["return"], what, name, place) if contracts else split(hints["return"])
    read_ = Signature(name, place, params, Declared("output", label, inner), signature)
    if contracts:
        crossing = [param for param in params.values() if param.type not in beside]
        for declared in (*crossing, read_.result):
            try:
                _ = declared.contract
            except TypeError as error:
                raise PlanError(
                    f"{what} {name}: {declared.name} is no contract: {error}.",
                    fix="Give it a type that JSON can carry.",
                    where=place,
                ) from None
    return read_


def must_be_async(function: Callable[..., Any], declared: Signature) -> None:
    """Raise `PlanError` unless the function is awaited to do its work."""
    if not inspect.iscoroutinefunction(function):
        raise PlanError(f"{declared.name} is not async.", fix="Define it with `async def`.", where=declared.where)


def _result(annotation: Any, what: str, name: str, place: str) -> tuple[Label, Any]:
    outputs = [member for member in members(annotation) if member is not Block]
    labels = {split(member)[0] for member in outputs}
    if len(outputs) == 1:
        return split(outputs[0])
    if not outputs or labels != {Label.PLAIN}:
        raise PlanError(
            f"{what} {name} returns {name_of(annotation)}.", fix="Return one type, labelled as a whole.", where=place
        )
    without: Any = outputs[0]
    for member in outputs[1:]:
        without = without | member
    return Label.PLAIN, without


def accepts(asked: Any, given: Any) -> bool:
    """Whether a value of type `given` may be passed where `asked` is declared."""
    return asked == given or asked is Any or given in members(asked)
