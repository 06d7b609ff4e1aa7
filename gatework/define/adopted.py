"""Functions that were there before their stage: existing Temporal activities, and functions that know no labels."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar, overload

from gatework.define.signature import MISSING, caller, read
from gatework.errors import PlanError
from gatework.plan.labels import Endorsed, Label, Labelled, Untrusted, members, split
from gatework.values.contract import name_of
from gatework.values.verdict import Block

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
R = TypeVar("R")


Caller = Callable[[Callable[[], object]], Awaitable[object]]
CALLER: ContextVar[Caller] = ContextVar("gatework_caller")
"""How functions of stages that are not async are called; a driver sets it where they need more than a thread."""


async def on_a_thread(function: Callable[[], object]) -> object:
    """Call a function that is not async on a thread of its own, with the context variables of its caller."""
    caller = CALLER.get(None)
    if caller is not None:
        return await caller(function)
    from gatework.threads import Threads  # with asyncio, which a definition can do without

    context = copy_context()
    return await Threads().call(lambda: context.run(function))


def is_activity(function: object) -> bool:
    """Whether a function is declared an activity of Temporal's, which is then free not to be async."""
    # Temporal's own mark; nothing here imports Temporal.
    return hasattr(_innermost(function), "__temporal_activity_definition")


def is_adopted(function: object) -> bool:
    """Whether a stage of this function stands elsewhere than the function itself."""
    return hasattr(function, "__wrapped__") or is_activity(function)


def awaitable(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """The function, or where it is an activity that is not async, one that runs it on a thread."""
    if inspect.iscoroutinefunction(function) or not is_activity(function):
        return function

    async def run(*args: Any, **kwargs: Any) -> Any:
        return await on_a_thread(functools.partial(function, *args, **kwargs))

    return _like(function, run, function.__annotations__, inspect.signature(function))


@overload
def labelled(
    function: Callable[[A], Awaitable[R | Block]], label: type[Untrusted[Any]], /
) -> Callable[[Untrusted[A]], Awaitable[Untrusted[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A], Awaitable[R | Block]], label: type[Endorsed[Any]], /
) -> Callable[[Endorsed[A]], Awaitable[Endorsed[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B], Awaitable[R | Block]], label: type[Untrusted[Any]], /
) -> Callable[[Untrusted[A], Untrusted[B]], Awaitable[Untrusted[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B], Awaitable[R | Block]], label: type[Endorsed[Any]], /
) -> Callable[[Endorsed[A], Endorsed[B]], Awaitable[Endorsed[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B, C], Awaitable[R | Block]], label: type[Untrusted[Any]], /
) -> Callable[[Untrusted[A], Untrusted[B], Untrusted[C]], Awaitable[Untrusted[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B, C], Awaitable[R | Block]], label: type[Endorsed[Any]], /
) -> Callable[[Endorsed[A], Endorsed[B], Endorsed[C]], Awaitable[Endorsed[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A], R | Block], label: type[Untrusted[Any]], /
) -> Callable[[Untrusted[A]], Awaitable[Untrusted[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A], R | Block], label: type[Endorsed[Any]], /
) -> Callable[[Endorsed[A]], Awaitable[Endorsed[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B], R | Block], label: type[Untrusted[Any]], /
) -> Callable[[Untrusted[A], Untrusted[B]], Awaitable[Untrusted[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B], R | Block], label: type[Endorsed[Any]], /
) -> Callable[[Endorsed[A], Endorsed[B]], Awaitable[Endorsed[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B, C], R | Block], label: type[Untrusted[Any]], /
) -> Callable[[Untrusted[A], Untrusted[B], Untrusted[C]], Awaitable[Untrusted[R] | Block]]: ...
@overload
def labelled(
    function: Callable[[A, B, C], R | Block], label: type[Endorsed[Any]], /
) -> Callable[[Endorsed[A], Endorsed[B], Endorsed[C]], Awaitable[Endorsed[R] | Block]]: ...
def labelled(function: Callable[..., Any], label: type[Labelled[Any]], /) -> Any:
    """A function that knows no labels, over labelled values: it takes and gives values of one label.

    `Untrusted` makes its output untrusted, whatever it does; `Endorsed` takes endorsed and approved values only. So a
    label is neither lost nor won by it. Parameters with a default stay plain, for constants of the plan. A function
    that is not async runs on a thread. Raises `PlanError` at import.
    """
    declared = read(function, "the function", contracts=False)
    if label not in (Untrusted, Endorsed):
        raise PlanError(
            f"{declared.name} is labelled with {name_of(label)}.",
            fix="Use Untrusted or Endorsed; only approve(…) makes Approved.",
            where=caller(),
        )
    values = (*declared.params.values(), declared.result)
    if any(one.label is not Label.PLAIN for one in values) or any(
        split(member)[0] is not Label.PLAIN for member in members(declared.result.type)
    ):
        raise PlanError(f"{declared.name} has labels of its own.", fix="Give it to stage() as it is.", where=caller())
    wrapped = {name for name, param in declared.params.items() if param.default is MISSING}
    over_any: Any = label
    gives: Any = over_any[_union(member for member in members(declared.result.type) if member is not Block)]
    if Block in members(declared.result.type):
        gives = gives | Block
    hints = {name: over_any[one.type] if name in wrapped else one.type for name, one in declared.params.items()}
    signature = inspect.signature(function)

    async def over(*args: Any, **kwargs: Any) -> Any:
        given = {}
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in wrapped and not isinstance(value, label):
                raise TypeError(f"{name} of {declared.name} must be {label.__name__}(…)")
            given[name] = value.value if name in wrapped else value
        plain = function(**given) if inspect.iscoroutinefunction(function) else None
        output = await (plain if plain is not None else on_a_thread(functools.partial(function, **given)))
        return output if isinstance(output, Block) else label(output)

    return _like(function, over, {**hints, "return": gives}, signature)


def _union(types: Any) -> Any:
    found: Any = None
    for one in types:
        found = one if found is None else found | one
    return found


def _like(
    function: Callable[..., Any], made: Any, annotations: dict[str, Any], signature: inspect.Signature
) -> Callable[..., Awaitable[Any]]:
    """A function made from another, which goes by its name and place."""
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(made, attribute, getattr(function, attribute))
    made.__annotations__ = annotations
    made.__signature__ = signature
    made.__wrapped__ = function
    result: Callable[..., Awaitable[Any]] = made
    return result


def _innermost(function: Any) -> Any:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


__all__ = ["awaitable", "is_activity", "is_adopted", "labelled"]
