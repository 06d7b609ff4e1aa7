"""The limits of grants: whether the arguments of calls kept to what the plan lets them be. Section 5.3.

Looked at where the arguments are disclosed, and what their limits name. Nothing passes here because it cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from gatework.plan.expr import Compare, Comparison, Const, ExprError, Ref, holds, resolve
from gatework.plan.plan import Limit, ToolUse, Work
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.values.canonical import Json
from gatework.verify.refusal import must
from gatework.verify.state import State
from gatework.verify.values import Disclosed

WITHHELD = "limits of calls whose arguments, or what limits them, are withheld"
WITHIN = "limits of calls that ran with their stage, whose arguments no receipt names as a value"

RESPELLED = "limits of arguments that are disclosed in another spelling than that of their limits"

_DECIMAL = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,4})?")
_EXACT = Context(prec=250)
_SIGNS: Mapping[str, Comparison] = {"is": "eq", "one_of": "eq", "at_most": "le", "at_least": "ge"}


def keep(known: Disclosed, state: State, receipt: Receipt) -> None:
    """Raise `Refused` where a call that an attempt asked for breaks a limit of its tool.

    `state` is the one in which the attempt asked, whose values are those that limits name.
    """
    node = state.here
    if not isinstance(node, Work):
        return
    if receipt.kind == "suspended":
        for call in receipt.how["calls"]:
            use = node.tool(call["tool"])
            assert use is not None
            _call(known, state, use, call["arguments"])
    elif receipt.kind in ("output", "refused", "failed"):
        for call in receipt.how.get("tools", ()):
            use = node.tool(str(call.get("tool", "")))
            if use is not None and not use.apart and use.limits:
                known.unchecked(WITHIN)


def _call(known: Disclosed, state: State, use: ToolUse, digest: str) -> None:
    known.contract(use.arguments, digest)
    needed = {digest, *(state.held[ref.node].digest for ref in use.reads if ref.node in state.held)}
    if use.limits and not all(map(known.has, needed)):
        known.unchecked(WITHHELD)
    if not known.has(digest):
        return
    arguments = known.data(digest)
    for limit in use.limits:
        there = isinstance(arguments, dict) and limit.argument in arguments
        must(there, "limits", "A call lacks an argument that the plan limits.")
        assert isinstance(arguments, dict)
        if isinstance(limit.value, Ref):
            held = state.held.get(limit.value.node)
            must(held is not None, "limits", "A call is limited by a value that holds no receipt.")
            assert held is not None
            if not known.has(held.digest):
                continue
        kept = _kept(known, state, limit, arguments[limit.argument])
        if kept is None:
            known.unchecked(RESPELLED)
        must(kept is not False, "limits", "A call has an argument that the plan does not let it have.")


def _kept(known: Disclosed, state: State, limit: Limit, given: Json) -> bool | None:
    """Whether an argument keeps to a limit; None where that cannot be said of the spelling in which it is disclosed."""
    try:
        allowed = resolve(limit.value, lambda name: known.data(state.held[name].digest))
    except ExprError:
        return False
    match limit.rule:
        case "is":
            return _same(limit, given, allowed)
        case "one_of":
            found = [_same(limit, given, one) for one in allowed] if isinstance(allowed, list) else []
            return True if True in found else None if None in found else False
        case "at_most" | "at_least":
            return limit.kind in ("number", "time") and _compares(limit, given, allowed)
        case "matches":
            return isinstance(given, str) and isinstance(allowed, str) and _fits(allowed, given)


def _same(limit: Limit, given: Json, allowed: Json) -> bool | None:
    if limit.kind is None or given is None or allowed is None:
        one, other = _spelled(given), _spelled(allowed)
        return canonical.alike(given, allowed) or (None if canonical.alike(one, other) else False)
    if _compares(limit, given, allowed):
        return True
    return None if limit.kind == "text" and given == _spelled(allowed) else False


def _spelled(data: Json) -> Json:
    """With every text that may be a decimal written in one way, as arguments are where their contract says so."""
    match data:
        case str() if _DECIMAL.fullmatch(data):
            number = _EXACT.normalize(Decimal(data))
            return str(number if number else Decimal(0))
        case list():
            return [_spelled(item) for item in data]
        case dict():
            return {name: _spelled(item) for name, item in data.items()}
        case _:
            return data


def _compares(limit: Limit, given: Json, allowed: Json) -> bool:
    if limit.kind is None:
        return False
    try:
        return holds(Compare(_SIGNS[limit.rule], Const(given), Const(allowed), limit.kind), lambda _: None)
    except ExprError:
        return False


def _fits(pattern: str, text: str) -> bool:
    try:
        return bool(_matcher(pattern).isinstance_python(text))
    except SchemaError:
        return False


@lru_cache(maxsize=64)
def _matcher(pattern: str) -> SchemaValidator:
    # It matches in linear time, whatever somebody has written into a plan. `a)|(?:b` alone is no pattern, and raises.
    SchemaValidator(core_schema.str_schema(pattern=pattern))
    return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z"))
