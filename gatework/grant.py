"""Grants: whether a call of a tool keeps to the limits that the plan puts on its arguments. Pure, as the machine is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from gatework import canonical
from gatework.canonical import Json
from gatework.expr import Compare, Comparison, Const, ExprError, Lookup, holds, resolve
from gatework.plan import Limit, ToolUse

_SIGNS: Mapping[str, Comparison] = {"is": "eq", "at_most": "le", "at_least": "ge"}


def refusal(use: ToolUse, arguments: Mapping[str, Json], lookup: Lookup) -> str:
    """Why the plan does not let a stage call a tool with these arguments, in a sentence; empty where it does.

    `arguments` keep to the tool's contract. `lookup` gives the values of the plan that limits refer to. The sentence
    names the argument and the limit, and repeats neither the argument nor a value of the plan.
    """
    for limit in use.limits:
        if limit.argument not in arguments:
            return f"{use.name} is granted with a limit on {limit.argument}, which the call lacks"
        try:
            kept = _kept(limit, arguments[limit.argument], lookup)
        except ExprError as error:
            return f"the limit of {use.name} on {limit.argument} cannot be looked up: {error.message}"
        if not kept:
            return f"{use.name} is granted only with {limit.argument} {_words(limit)}"
    return ""


def _kept(limit: Limit, given: Json, lookup: Lookup) -> bool:
    allowed = resolve(limit.value, lookup)
    if limit.rule == "one_of":
        return isinstance(allowed, list) and any(_same(limit, given, choice) for choice in allowed)
    if limit.rule == "matches":
        return isinstance(given, str) and isinstance(allowed, str) and _pattern(allowed).fullmatch(given) is not None
    if limit.kind is None:
        return limit.rule == "is" and canonical.alike(given, allowed)
    return holds(Compare(_SIGNS[limit.rule], Const(given), Const(allowed), limit.kind), lookup)


def _same(limit: Limit, given: Json, choice: Json) -> bool:
    if limit.kind is None:
        return canonical.alike(given, choice)
    return holds(Compare("eq", Const(given), Const(choice), limit.kind), lambda _: None)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _words(limit: Limit) -> str:
    """A limit as the model is told it: constants in full, values of the plan by their name."""
    value = limit.value
    what = canonical.dumps(value.data).decode() if isinstance(value, Const) else ".".join((value.node, *value.path))
    return {
        "is": f"equal to {what}",
        "at_most": f"of at most {what}",
        "at_least": f"of at least {what}",
        "one_of": f"out of {what}",
        "matches": f"that fits the pattern {what}",
    }[limit.rule]
