"""Conditions over values of the plan, as data."""

from __future__ import annotations

from typing import cast

from gatework.define import trace
from gatework.errors import PlanError
from gatework.plan import expr


def present(value: object) -> bool:
    """Whether an optional value of the plan is there."""
    return cast(bool, trace.TracedCondition(expr.Present(trace.reference(value, "what present asks about"))))


def all_of(*conditions: bool) -> bool:
    """Every condition holds."""
    return cast(bool, trace.TracedCondition(expr.All(_parts("all_of", conditions))))


def any_of(*conditions: bool) -> bool:
    """At least one condition holds."""
    return cast(bool, trace.TracedCondition(expr.AnyOf(_parts("any_of", conditions))))


def not_(condition: bool) -> bool:
    """The condition does not hold."""
    return cast(bool, trace.TracedCondition(expr.Not(trace.condition(condition, "what not_ turns round"))))


def _parts(name: str, conditions: tuple[bool, ...]) -> tuple[expr.Condition, ...]:
    if not conditions:
        raise PlanError(f"{name} of nothing.", fix="Give it conditions.", where=trace.required(name).here()[0])
    return tuple(trace.condition(condition, f"a part of {name}") for condition in conditions)
