"""Names, values and times of a plan as parts of a sentence. All of them are data, and none can break out of it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from gatework.plan.expr import All, AnyOf, Compare, Condition, Const, Not, Present, Ref, render
from gatework.plan.plan import Arm, Budget, By, Choice, Limit, Node, ToolUse
from gatework.values.canonical import Json

MAX_SHOWN = 120
"""Longest value or condition in a sentence, in characters."""

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def plain(text: str, limit: int = MAX_SHOWN) -> str:
    """Text on one line, without what moves, hides or recolours other text."""
    kept = "".join(c if c == " " or unicodedata.category(c)[0] not in "CZ" else "\ufffd" for c in text[: limit + 1])
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def name(text: str) -> str:
    """A name as it is written, in quotation marks where it is none and could be taken for words of the sentence."""
    return text if re.fullmatch(r"[\w.:\-]{1,80}", text) else value(text)


def value(data: Json) -> str:
    """A JSON value as JSON."""
    return plain(json.dumps(data, ensure_ascii=False, sort_keys=True))


def field(ref: Ref) -> str:
    """A reference as `owed.amount`."""
    return ".".join(map(name, (ref.node, *ref.path)))


def condition(data: Condition) -> str:
    """A condition as a person would write it."""
    return plain(render(_tame(data)))


def _tame(data: Any) -> Any:
    """The same condition, with names in quotation marks where they are none."""
    if isinstance(data, Ref):
        return Ref(name(data.node), tuple(map(name, data.path)))
    if isinstance(data, Const):
        # Numbers and times are written without quotation marks, where they are numbers and times.
        loose = isinstance(data.data, str) and not re.fullmatch(r"[\w.:+\-]{1,80}", data.data)
        return Const(value(data.data)) if loose else data
    if isinstance(data, tuple):
        return tuple(map(_tame, data))
    if isinstance(data, Compare) and data.kind == "text":
        # Text is written in quotation marks anyway.
        left, right = (side if isinstance(side, Const) else _tame(side) for side in (data.left, data.right))
        return replace(data, left=left, right=right)
    if isinstance(data, Compare | Present | All | AnyOf | Not):
        return replace(data, **{f.name: _tame(getattr(data, f.name)) for f in fields(data) if f.name != "op"})
    return data


def by(data: By) -> str:
    """Who answers, as `finance` or `two of finance (signed)`."""
    many = f"{_NUMBERS[data.quorum]} of " if data.quorum in _NUMBERS else f"{data.quorum} of " * (data.quorum != 1)
    surely = f" ({data.identity})" if data.identity != "none" else ""
    return f"{many}{name(data.role)}{surely}"


def instead(old: By, new: By, task: str, otherwise: str) -> str:
    """That it takes more or fewer people of a role, or known otherwise, for a `task` such as `to decide at agreed`.

    `otherwise` says that those of one role took the place of those of another.
    """
    return f"it takes {by(new)} {task}, it took {by(old)}" if old.role == new.role else otherwise


_NUMBERS = {2: "two", 3: "three", 4: "four"}


def limit(data: Limit) -> str:
    """A limit on an argument as `amount at most owed.amount`."""
    given = data.value
    what = value(given.data) if isinstance(given, Const) else field(given)
    return f"{name(data.argument)} {_RULES.get(data.rule, data.rule)} {what}"


_RULES = {
    "is": "=",
    "at_most": "at most",
    "at_least": "at least",
    "one_of": "one of",
    "matches": "matching",
}


def tool(use: ToolUse) -> tuple[str, ...]:
    """What a plan says of a tool besides its name, a phrase each."""
    said = []
    if use.kind == "effect":
        said += [f"once for each {name(use.once)}", "with a probe" if use.probe else "without a probe"]
    said += ["gives outside text"] if use.untrusted else []
    said += ["gives what must not leave"] if use.private else []
    said += ["can carry data out"] if use.egress else []
    said += [f"{by(use.approver)} approves each call"] if use.approver else []
    said += [f"on the task queue {name(use.queue)}"] if use.queue else []
    said += [f"pinned to {use.descriptor[:12]} of another program"] if use.descriptor else []
    said += [limit(one) for one in use.limits]
    return tuple(said)


def way(choice: Choice, number: int) -> str:
    """One of the ways of a choice: the tags that lead there, or `then` and `otherwise`."""
    if choice.kind == "when":
        return {0: "then", 1: "otherwise"}.get(number, f"way {number + 1}")
    tags = dict(enumerate(choice.ways)).get(number, ())
    return listed([name(tag) for tag in tags], "or") or f"way {number + 1}"


def inside(nodes: Iterable[Node], arm: Arm) -> str:
    """Where a node stands that stands in a way: `in the way refund of decision`."""
    choice = next((node for node in nodes if isinstance(node, Choice) and node.name == arm.choice), None)
    what = way(choice, arm.way) if choice else f"way {arm.way + 1}"
    return f"in the way {what} of {name(arm.choice)}"


def spending(budget: Budget) -> str:
    """What a budget allows."""
    return listed(spent(budget)) or "without any limit"


def spent(budget: Budget) -> list[str]:
    """The limits of a budget, a phrase each."""
    said = [count(budget.model_calls, "model call")] if budget.model_calls is not None else []
    said += [count(budget.tokens, "token")] if budget.tokens is not None else []
    said += [f"{name(budget.money)} dollars"] if budget.money is not None else []
    said += [f"{count(calls, 'call')} of {name(tool)}" for tool, calls in sorted(budget.tool_calls.items())]
    said += [f"{time(budget.seconds)} of work"] if budget.seconds is not None else []
    said += [f"{count(budget.output_bytes, 'byte')} of output"] if budget.output_bytes is not None else []
    return said


def names(items: Iterable[str]) -> str:
    """`a, b and c`."""
    return listed([name(item) for item in items])


def listed(items: Sequence[str], word: str = "and") -> str:
    """`a, b and c`, of phrases."""
    return f"{', '.join(items[:-1])} {word} {items[-1]}" if len(items) > 1 else "".join(items)


def time(seconds: float) -> str:
    """`24 hours`, `90 seconds`."""
    span = timedelta(seconds=seconds) if seconds < timedelta.max.total_seconds() else timedelta.max
    for unit, size in _UNITS:
        if span >= size and span % size == timedelta() and (unit != "day" or span > size):
            return count(span // size, unit)
    return count(seconds, "second")


def count(number: float, noun: str) -> str:
    """`1 attempt`, `3 attempts`, `10,000 tokens`."""
    written = f"{number:,}" if isinstance(number, int) else f"{number:,.12g}"
    return f"{written} {noun}{'' if number == 1 else 's'}"
