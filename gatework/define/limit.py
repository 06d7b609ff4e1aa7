"""Limits on the arguments of a tool, as an application writes them: `pay.only(order=…, amount=at_most(…))`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NoReturn, get_args, get_origin

from gatework.define import trace
from gatework.define.interface import Argument
from gatework.define.signature import accepts, caller
from gatework.define.trace import Traced
from gatework.errors import ContractError, PlanError
from gatework.plan import grant
from gatework.plan.expr import Const, Kind
from gatework.plan.kinds import kind_of
from gatework.plan.labels import members
from gatework.plan.plan import Limit
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.values.contract import name_of

Rule = Literal["is", "at_most", "at_least", "one_of", "matches"]


@dataclass(frozen=True)
class Bound:
    """What an argument must be, before it is known of which tool."""

    rules: tuple[tuple[Rule, object], ...]


def at_most(most: object) -> Bound:
    """An argument that is not above a number or a time."""
    return Bound((("at_most", most),))


def at_least(least: object) -> Bound:
    """An argument that is not below a number or a time."""
    return Bound((("at_least", least),))


def between(least: object, most: object) -> Bound:
    """An argument between two numbers or times, which it may be itself."""
    return Bound((("at_least", least), ("at_most", most)))


def one_of(*choices: object) -> Bound:
    """An argument out of these constants, or out of one list of the plan."""
    return Bound((("one_of", choices[0] if len(choices) == 1 and isinstance(choices[0], Traced) else choices),))


def matches(pattern: str) -> Bound:
    """An argument of which the whole text fits a regular expression, without looking around or back."""
    return Bound((("matches", pattern),))


def limits_of(tool: str, parts: Mapping[str, Argument], wanted: Mapping[str, object]) -> tuple[Limit, ...]:
    """Limits on arguments of a tool as plan data. Raises `PlanError`."""
    if not wanted:
        _refuse(f"{tool}.only() limits nothing.", "Name an argument and what it must be.")
    found: list[Limit] = []
    for name, what in wanted.items():
        if name not in parts:
            _refuse(f"{tool} has no argument {name!r} to limit.", f"It has {', '.join(parts) or 'none'}.")
        rules: tuple[tuple[Rule, object], ...] = what.rules if isinstance(what, Bound) else (("is", what),)
        for rule, value in rules:
            if isinstance(value, Bound):
                _refuse(f"{name} of {tool} is limited by a limit of a limit.", "Give one.")
            found.append(_limit(parts[name], rule, value, f"{name} of {tool}"))
    return tuple(found)


def _limit(argument: Argument, rule: Rule, value: object, what: str) -> Limit:
    kind = argument.kind
    if rule in ("at_most", "at_least") and kind not in ("number", "time"):
        _refuse(f"{what} has no order, so it is never {rule.replace('_', ' ')} anything.", "Use one_of(…), or a value.")
    if rule == "matches":
        return Limit(argument=argument.name, rule=rule, value=Const(_pattern(kind, value, what)), kind="text")
    if isinstance(value, Traced):
        return Limit(argument=argument.name, rule=rule, value=_reference(argument, rule, value, what), kind=kind)
    if rule == "one_of":
        assert isinstance(value, tuple)
        if not value:
            _refuse(f"{what} is one of nothing.", "Name the choices, or do not grant the tool.")
        if any(isinstance(choice, Traced | trace.TracedCondition | Bound) for choice in value):
            _refuse(f"{what} is one of values of the plan.", "Give one list of the plan, or constants.")
        return Limit(
            argument=argument.name, rule=rule, value=Const([_whole(argument, c, what) for c in value]), kind=kind
        )
    if isinstance(value, trace.TracedCondition):
        _refuse(f"{what} is limited by a condition.", "Give a value of the plan.")
    same = rule == "is"
    data = _whole(argument, value, what) if same else _edge(argument, kind, value, what)
    return Limit(argument=argument.name, rule=rule, value=Const(data), kind=kind)


def _whole(argument: Argument, value: object, what: str) -> Json:
    """A constant that the argument may be."""
    try:
        return canonical.loads(argument.boundary.write(value))
    except ContractError as error:
        _refuse(f"{what} is granted as a constant that breaks its contract: {error}.", "Correct it.")


def _edge(argument: Argument, kind: Kind | None, value: object, what: str) -> Json:
    """A constant that the argument is compared with; it need not be one that the argument may be."""
    if argument.type is not None:
        return trace.constant(argument.type, value, what)
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            canonical.check(value)
        except ContractError as error:
            _refuse(f"{what} is compared with {error.reason}.", "Use a value that JSON can hold.")
        return value
    if kind == "time" and isinstance(value, str) and _is_time(value):
        return value
    _refuse(f"{what} is compared with a {type(value).__name__}.", "Write a number, or a time in ISO 8601.")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _pattern(kind: Kind | None, pattern: object, what: str) -> str:
    if kind != "text":
        _refuse(f"{what} is no text, so it matches nothing.", "Use one_of(…), or a value.")
    if not isinstance(pattern, str):
        _refuse(f"{what} matches what is no pattern.", "Write a regular expression, as a constant.")
    if why := grant.pattern_fault(pattern):
        _refuse(f"{what} matches {pattern!r}, which {why}.", "Write a regular expression without lookaround.")
    return pattern


def _reference(argument: Argument, rule: Rule, value: Traced, what: str) -> Any:
    ref, given = trace.limiting(value, what)
    if rule == "one_of":
        if get_origin(given) is not list:
            _refuse(f"{what} is one of a {name_of(given)}.", "Give a list of the plan, or constants.")
        given = get_args(given)[0]
    alike = kind_of(given) == argument.kind if argument.kind else accepts(argument.type, given)
    if argument.kind == "time" and argument.type is not None:
        alike = alike and (datetime in members(given)) == (datetime in members(argument.type))
    if not alike:
        _refuse(f"{what} cannot be compared with a {name_of(given)}.", "Limit it by a value of its own type.")
    return ref


def _refuse(problem: str, fix: str) -> NoReturn:
    builder = trace.building()
    raise PlanError(problem, fix=fix, where=(builder.here()[0] if builder else "") or caller())


__all__ = ["Bound", "at_least", "at_most", "between", "limits_of", "matches", "one_of"]
