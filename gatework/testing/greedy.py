"""A model that wants everything: for tests that a stage can reach no more than it was granted, however it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gatework.models.cost import FREE
from gatework.models.question import Answer, Question, ToolCall, ToolSpec
from gatework.testing.models import answer_of, tool_call

COVETED: Final = (
    "pay",
    "refund_order",
    "transfer_money",
    "send_mail",
    "run_command",
    "read_text_file",
    "write_file",
    "fetch_url",
    "approve",
    "__class__",
)
"""Names of tools that are worth having, for a model that was not offered them."""

EXTREMES: Final[Sequence[Any]] = (
    None, True, 0, -1, 1, 10**6, 10**400, 0.1, -0.0, 1e308, "", " ", "0", "-1", "1e9", "999999999.99", "NaN",
    "Infinity", "true", "*", "%", "..", "../../etc/passwd", "/etc/passwd", "file:///etc/passwd",
    "http://169.254.169.254/", "mallory@example.net", "A-1\nA-2", "A-1\x00", "A‑1", "\u202eA-1", "$(id)",
    "'; DROP TABLE orders; --", "x" * 100_000, [], {}, [[]], {"$ref": "#"}, ["a"] * 10_000,
)  # fmt: skip
"""Values for an argument that are of the wrong type, beyond any limit, or something else to whoever runs the tool."""


class GreedyModel:
    """Asks for calls and never answers.

    It goes through the `ways`, by name those of `GREEDY` and by default all of them, over and over. Each question gets
    all the calls of the next way, or with `at_once` so many at a time: a stage ends after a few calls that it refused,
    so a test that wants each one judged asks for one at a time, attempt after attempt, until `passes` is 1. `also`
    names tools that exist in the deployment and are not offered to the stage; `values` gives arguments to try first.
    `calls` holds all that it asked for.
    """

    price = FREE

    def __init__(
        self,
        *ways: str,
        also: Sequence[str] = (),
        values: Mapping[str, Sequence[Any]] | None = None,
        at_once: int | None = None,
    ) -> None:
        self.name = f"greedy:{','.join(ways)}" if ways else "greedy"
        self.questions: list[Question] = []
        self.calls: list[ToolCall] = []
        self.passes = 0
        """How often it has asked for everything."""
        self._ways = ways or tuple(GREEDY)
        self._next = 0
        self._left: list[ToolCall] = []
        self._also = (*also, *COVETED)
        self._values = values or {}
        self._at_once = at_once

    async def input_tokens(self, question: Question) -> int:
        """Nothing, as its answers say."""
        return 0

    async def answer(self, question: Question) -> Answer:
        """The next calls that it should not have."""
        self.questions.append(question)
        if not self._left:
            way = GREEDY[self._ways[self._next]]
            self._left = way(question, self._also, self._values) or [tool_call(self._also[0])]
            self._next = (self._next + 1) % len(self._ways)
        size = self._at_once or len(self._left)
        calls, self._left = self._left[:size], self._left[size:]
        self.passes += not self._left and self._next == 0
        self.calls += calls
        return answer_of(calls, self.name)


Values = Mapping[str, Sequence[Any]]
Way = Callable[[Question, Sequence[str], Values], list[ToolCall]]


def fitting(tool: ToolSpec, values: Values | None = None) -> dict[str, Any]:
    """Arguments of the right JSON types for a tool, which may still break its finer rules."""
    members = tool.schema.get("properties", {})
    return {name: next(iter((values or {}).get(name, ())), _plain(schema)) for name, schema in members.items()}


def _plain(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return "x"
    if choices := [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]:
        return choices[0]
    if "anyOf" in schema:
        return _plain(schema["anyOf"][0])
    text = "1" if "[0-9]+" in schema.get("pattern", "") else "x"
    kinds: dict[str, Any] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}
    return kinds.get(str(schema.get("type")), text)


def _each(question: Question, values: Values, arguments: Callable[[dict[str, Any]], list[Any]]) -> list[ToolCall]:
    return [
        ToolCall(name=tool.name, arguments=_written(each))
        for tool in question.tools
        for each in arguments(fitting(tool, values))
    ]


def _written(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)


def _every_tool(question: Question, _: Sequence[str], values: Values) -> list[ToolCall]:
    return _each(question, values, lambda fits: [fits])


def _not_offered(question: Question, also: Sequence[str], values: Values) -> list[ToolCall]:
    offered = {tool.name for tool in question.tools}
    wanted = fitting(question.tools[0], values) if question.tools else {}
    return [tool_call(name, **wanted) for name in also if name not in offered]


def _names_alike(question: Question, _: Sequence[str], values: Values) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for tool in question.tools:
        name, arguments = tool.name, json.dumps(fitting(tool, values), default=str)
        for other in (
            name.upper(), f" {name}", f"{name}\n", f"{name}\x00", f"{name}\u200b", f"./{name}", f"{name}.__call__",
            name.replace("a", "а").replace("e", "е"), "", "*", "\ud800", name * 1000,
        ):  # fmt: skip
            calls.append(ToolCall(name=other, arguments=arguments))
    return calls


def _outside_limits(question: Question, _: Sequence[str], values: Values) -> list[ToolCall]:
    def extremes(fits: dict[str, Any]) -> list[Any]:
        return [fits | {name: value} for name in fits for value in (*values.get(name, ()), *EXTREMES)]

    return _each(question, values, extremes)


def _malformed(question: Question, _: Sequence[str], values: Values) -> list[ToolCall]:
    def broken(fits: dict[str, Any]) -> list[Any]:
        text = json.dumps(fits, default=str)
        missing = dict(list(fits.items())[1:])
        return [
            "", " ", "null", "[]", "7", "not JSON", text[:-1], text * 2, f"[{text}]", json.dumps(text), missing,
            fits | {"approved": True, "key": "0" * 64}, fits | {"__proto__": {}}, text[:-1] + ", " + text[1:],
            "{" + f'"a": {"[" * 100_000}{"]" * 100_000}' + "}", '{"a": NaN}', '{"\ud800": "\udfff"}', "\ufeff" + text,
        ]  # fmt: skip

    return _each(question, values, broken)


def _huge(question: Question, _: Sequence[str], values: Values) -> list[ToolCall]:
    return _each(question, values, lambda fits: [fits | {next(iter(fits), "a"): "x" * 5_000_000}])


def _flood(question: Question, _: Sequence[str], values: Values) -> list[ToolCall]:
    return _every_tool(question, (), values) * 1000


GREEDY: Final[Mapping[str, Way]] = {
    "every tool": _every_tool,
    "not offered": _not_offered,
    "names alike": _names_alike,
    "outside limits": _outside_limits,
    "malformed": _malformed,
    "huge": _huge,
    "flood": _flood,
}
"""Name → the calls that a greedy model asks for in one answer.

`every tool`: each one offered, once, as its schema wants. `not offered`: those it was not given. `names alike`:
spellings of a granted name that are not it. `outside limits`: each argument of each tool with values beyond any limit.
`malformed`: arguments that are no JSON, no object, too few, too many, twice. `huge`: megabytes. `flood`: each tool a
thousand times in one answer.
"""
