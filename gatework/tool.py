"""Effects: typed functions that change the outside world, callable only by a stage that holds them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Annotated, Any, Concatenate, Generic, NewType, ParamSpec, TypeVar, get_args, get_origin
from uuid import UUID

from gatework import cell, signature
from gatework.contract import name_of
from gatework.errors import PlanError
from gatework.labels import Label
from gatework.plan import ToolUse
from gatework.verdict import Block

P = ParamSpec("P")
R = TypeVar("R")

IdempotencyKey = NewType("IdempotencyKey", str)
"""What names one effect for ever: 64 hex digits of the run's lineage, the node and the business key."""


class Effect(Generic[P, R]):
    """A function that changes the outside world, called without its key by a stage that was granted it."""

    def __init__(self, function: Callable[..., Awaitable[Any]], *, once: str, probe: Any) -> None:
        self.function = function
        self.once = once
        self.probe = probe
        self.declared = signature.read(function, "the effect")
        self.name = self.declared.name
        signature.must_be_async(function, self.declared)
        names = list(self.declared.params)
        place = self.declared.where
        if not names or self.declared.params[names[0]].type is not IdempotencyKey:
            raise PlanError(
                f"the effect {self.name} does not take its key.",
                fix="Make `key: IdempotencyKey` the first.",
                where=place,
            )
        self.key = names[0]
        self.arguments = {name: self.declared.params[name] for name in names[1:]}
        if once not in self.arguments:
            raise PlanError(
                f"the effect {self.name} has no argument {once!r} to be its business key.",
                fix="Name an argument in once=.",
                where=place,
            )
        if not _names_one_thing(self.arguments[once].type):
            raise PlanError(
                f"the effect {self.name} has {once} as its business key, a {name_of(self.arguments[once].type)}.",
                fix="Use a str, int or UUID: two ways of writing one key would be two effects.",
                where=place,
            )
        if any(d.label is not Label.PLAIN for d in (*self.arguments.values(), self.declared.result)):
            raise PlanError(
                f"the effect {self.name} takes or gives labels.",
                fix="Effects get plain values; the stage that calls them keeps the labels.",
                where=place,
            )
        if probe is not None:
            asked = signature.read(probe, "the probe")
            signature.must_be_async(probe, asked)
            if [d.type for d in asked.params.values()] != [IdempotencyKey] or not signature.accepts(
                asked.result.type, self.declared.result.type
            ):
                raise PlanError(
                    f"the probe {asked.name} cannot answer for {self.name}.",
                    fix="Write `async def probe(key: IdempotencyKey) -> Result | None`.",
                    where=asked.where,
                )

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do it, once. Raises `GrantError` where the running stage does not hold this effect."""
        bound = self.declared.signature.bind("", *args, **kwargs)
        bound.apply_defaults()
        arguments = {name: bound.arguments[name] for name in self.arguments}
        result: R = await cell.current().perform(self, arguments)
        return result

    @property
    def use(self) -> ToolUse:
        return ToolUse(name=self.name, once=self.once, probe=self.probe is not None)


def _names_one_thing(annotation: Any) -> bool:
    annotation = getattr(annotation, "__supertype__", annotation)
    if get_origin(annotation) is Annotated:
        return _names_one_thing(get_args(annotation)[0])
    return annotation in (str, int, UUID) or (inspect.isclass(annotation) and issubclass(annotation, Enum))


class _EffectOf:
    """What `effect(…)` gives: a decorator that keeps the types of arguments and result."""

    def __init__(self, once: str, probe: Any) -> None:
        self._once = once
        self._probe = probe

    def __call__(self, function: Callable[Concatenate[IdempotencyKey, P], Awaitable[R | Block]], /) -> Effect[P, R]:
        return Effect(function, once=self._once, probe=self._probe)


def effect(*, once: str, probe: Callable[[IdempotencyKey], Awaitable[Any]] | None = None) -> _EffectOf:
    """Declare an effect.

    `once` names the argument that is its business key: with the run's lineage and the node it makes the key
    that the outside system sees again at every further try. `probe` asks that system what became of a key:
    the recorded result, or None where it is known not to have happened. A recorded result that has a field named
    as an argument must agree with the call, or the stage blocks. Without a probe, an effect whose
    outcome is unknown waits for a person.
    """
    return _EffectOf(once, probe)
