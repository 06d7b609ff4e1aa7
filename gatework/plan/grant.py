"""Grants: whether a call of a tool keeps to the limits that the plan puts on its arguments. Pure, as the machine is.

Nothing here fails open: a limit that cannot be looked up, compared or read refuses the call. Regular expressions are
matched in linear time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from gatework.plan.expr import Compare, Comparison, Const, ExprError, Lookup, holds, resolve
from gatework.plan.plan import Limit, ToolUse
from gatework.values import canonical
from gatework.values.canonical import Json

MAX_PATTERN = 1_000
"""Longest regular expression, in characters."""

_MAX_SHOWN = 200
"""Longest constant that is repeated in a refusal, in characters."""

_ORDERED = ("number", "time")
"""The kinds of values of which one can be above another."""

_SIGNS: Mapping[str, Comparison] = {"is": "eq", "at_most": "le", "at_least": "ge"}


def refusal(use: ToolUse, arguments: Mapping[str, Json], lookup: Lookup) -> str:
    """Why the plan does not let a stage call a tool with these arguments, in a sentence; empty where it does.

    `arguments` keep to the tool's contract. `lookup` gives the values of the plan that limits refer to. The sentence
    names the argument and the limit, and repeats neither the argument nor a value of the plan.
    """
    for limit in use.limits:
        if limit.argument not in arguments:
            return f"{use.name} is granted only with {limit.argument} {_words(limit)}, and the call names none"
        try:
            allowed = resolve(limit.value, lookup)
        except ExprError as error:
            return f"the limit of {use.name} on {limit.argument} cannot be looked up: {error.message}"
        if not _kept(limit, arguments[limit.argument], allowed, exactly=use.egress):
            return f"{use.name} is granted only with {limit.argument} {_words(limit)}"
    return ""


def _kept(limit: Limit, given: Json, allowed: Json, *, exactly: bool) -> bool:
    # How many noughts stand behind 12.50 is a message, too, where it can be read outside.
    same = _same if not exactly else _written_alike
    rule: str = limit.rule
    match rule:
        case "is":
            return same(limit, given, allowed)
        case "one_of":
            return isinstance(allowed, list) and any(same(limit, given, choice) for choice in allowed)
        case "at_most" | "at_least":
            return limit.kind in _ORDERED and _compared(limit, given, allowed)
        case "matches":
            return isinstance(given, str) and isinstance(allowed, str) and _fits(allowed, given)
        case _:  # of a later format; who cannot read it must not be stopped by it, and lets nothing through
            return False


def _same(limit: Limit, given: Json, choice: Json) -> bool:
    if given is None or choice is None or limit.kind is None:
        return canonical.alike(given, choice)
    return _compared(limit, given, choice)


def _written_alike(_limit: Limit, given: Json, choice: Json) -> bool:
    return canonical.alike(given, choice)


def _compared(limit: Limit, given: Json, allowed: Json) -> bool:
    if limit.kind is None:
        return False
    sign = _SIGNS.get(limit.rule, "eq")
    try:
        return holds(Compare(sign, Const(given), Const(allowed), limit.kind), lambda _: None)
    except ExprError:  # a value of another kind, a number that is none, a time with a zone beside one without
        return False


# -- patterns --------------------------------------------------------------------------------------


def pattern_fault(pattern: str) -> str:
    """Why a text is no regular expression that an argument can be held against; empty where it is one."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    try:
        _matcher(pattern)
    except SchemaError:
        return "cannot be read, or looks around or back"
    return ""


def _fits(pattern: str, text: str) -> bool:
    try:
        return bool(_matcher(pattern).isinstance_python(text))
    except SchemaError:
        return False


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    # The engine of the contracts, which matches in linear time. A pattern that is none by itself, such as `a)|(?:b`,
    # must not become one by what is put around it to hold it against the whole text.
    SchemaValidator(core_schema.str_schema(pattern=pattern))
    return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z"))


# -- what a limit may say --------------------------------------------------------------------------


def fault(limit: Limit) -> str:
    """What is wrong with a limit by itself; empty where it says something that can be held against an argument."""
    ordered = limit.rule in ("at_most", "at_least")
    if ordered and limit.kind not in _ORDERED:
        return "orders what has no order"
    if not isinstance(limit.value, Const):
        return "matches a value of the plan" if limit.rule == "matches" else ""
    data = limit.value.data
    if limit.rule == "matches":
        return "matches what is no text" if not isinstance(data, str) else pattern_fault(data)
    if limit.rule == "one_of" and not (isinstance(data, list) and data):
        return "is one of nothing"
    for choice in data if limit.rule == "one_of" else [data]:
        if choice is None and not ordered:
            continue
        if limit.kind is not None and not _compared_to_itself(limit, choice):
            return f"compares with what is no {limit.kind}"
    return ""


def _compared_to_itself(limit: Limit, data: Json) -> bool:
    return _compared(Limit(argument="", rule="is", value=Const(data), kind=limit.kind), data, data)


def pins(limits: tuple[Limit, ...], argument: str) -> bool:
    """Whether limits leave an argument no choice: it is one constant, or one value of the plan."""
    return any(limit.argument == argument and _single(limit) for limit in limits)


def _single(limit: Limit) -> bool:
    if limit.rule == "one_of":
        return isinstance(limit.value, Const) and isinstance(limit.value.data, list) and len(limit.value.data) == 1
    return limit.rule == "is"


# -- words -----------------------------------------------------------------------------------------


def _words(limit: Limit) -> str:
    """A limit as the model is told it: constants in full, values of the plan by their name."""
    value = limit.value
    what = _shown(value.data) if isinstance(value, Const) else ".".join((value.node, *value.path))
    return {
        "is": f"equal to {what}",
        "at_most": f"of at most {what}",
        "at_least": f"of at least {what}",
        "one_of": f"out of {what}",
        "matches": f"that fits the pattern {what}",
    }.get(limit.rule, "within a limit that this version does not know")


def _shown(data: Json) -> str:
    text = canonical.dumps(data).decode()
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


__all__ = ["fault", "pattern_fault", "pins", "refusal"]
