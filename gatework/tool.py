"""Effects: typed functions that change the outside world, callable only by a stage that holds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, NewType, ParamSpec, TypeVar, overload

from gatework import cell, signature
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
        if any(d.label is not Label.PLAIN for d in (*self.arguments.values(), self.declared.result)):
            raise PlanError(
                f"the effect {self.name} takes or gives labels.",
                fix="Effects get plain values; the stage that calls them keeps the labels.",
                where=place,
            )
        if probe is not None:
            asked = signature.read(probe, "the probe")
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


class _EffectOf:
    """What `effect(…)` gives: a decorator that keeps the types of arguments and result."""

    def __init__(self, once: str, probe: Any) -> None:
        self._once = once
        self._probe = probe

    @overload
    def __call__(self, function: Callable[Concatenate[IdempotencyKey, P], Awaitable[R | Block]], /) -> Effect[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[IdempotencyKey, P], Awaitable[R]], /) -> Effect[P, R]: ...
    def __call__(self, function: Any, /) -> Any:
        return Effect(function, once=self._once, probe=self._probe)


def effect(*, once: str, probe: Callable[[IdempotencyKey], Awaitable[Any]] | None = None) -> _EffectOf:
    """Declare an effect.

    `once` names the argument that is its business key: with the run's lineage and the node it makes the key
    that the outside system sees again at every further try. `probe` asks that system what became of a key:
    the recorded result, or None where it is known not to have happened. Without a probe, an effect whose
    outcome is unknown waits for a person.
    """
    return _EffectOf(once, probe)
