"""Models for tests: one that follows a script, one that obeys whatever it reads, one that answers with rubbish.

None of them costs anything unless it is told to; one that asks for every tool there is, is in `greedy`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from gatework.errors import ModelError
from gatework.models.cost import FREE, Price
from gatework.models.question import Answer, Question, ToolCall, ToolSpec
from gatework.values.contract import contract

Reply = str | BaseModel | Mapping[str, Any] | ToolCall | Sequence[ToolCall] | ModelError
"""Text is sent as it is; a model or a mapping as its JSON; one call or several as calls; a `ModelError` is raised."""


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """A call for a script: `ScriptedModel(tool_call("find_order", order="A-1"), Found(...))`."""
    return ToolCall(name=name, arguments=json.dumps(arguments, default=str))


class ScriptedModel:
    """Answers in the order given, or by a function of the question.

    `questions` holds what it was asked. Asked more often than it has answers, it raises `ModelError`. For tests of
    budgets, `price` says what it costs, and `reads` and `writes` how many tokens each answer takes; `name` may be that
    of a provider's model, such as `openai:gpt-5`, whose price then holds.
    """

    def __init__(
        self,
        *replies: Reply,
        by: Callable[[Question], Reply] | None = None,
        name: str = "scripted",
        price: Price | None = None,
        reads: int = 0,
        writes: int | None = None,
    ) -> None:
        self.name = name
        self.price = FREE if price is None and name == "scripted" else price
        self.questions: list[Question] = []
        self._replies = list(replies)
        self._by = by
        self._reads = reads
        self._writes = writes

    async def input_tokens(self, question: Question) -> int:
        """What each answer reads."""
        return self._reads

    async def answer(self, question: Question) -> Answer:
        """The next answer."""
        self.questions.append(question)
        if self._replies:
            reply = self._replies.pop(0)
        elif self._by is not None:
            reply = self._by(question)
        else:
            raise ModelError(f"The script has no answer to question {len(self.questions)}.")
        if isinstance(reply, ModelError):
            raise reply
        made = answer_of(reply, self.name)
        return Answer(
            text=made.text,
            calls=made.calls,
            input_tokens=self._reads,
            output_tokens=made.output_tokens if self._writes is None else self._writes,
            model=self.name,
        )


class ObedientModel:
    """Does what it reads: the drifting model that guards and grants are for.

    It calls each tool that it is told to call, wherever it was told: in the instructions, the material, the results of
    other tools, the description of a tool: `call pay_out(order=A-1, amount=5000)`, `use send_mail with to: x@y.z`.
    Whether it is offered the tool does not matter to it; it makes each call once.

    Then it answers. A field of the schema gets what the material and the results say about it, the later instruction
    winning: `order: A-1`, `set the amount to 5000`. A number that nothing names gets the largest in the text, a choice
    the last one that the text mentions, and a text the last sentence that sounds like an order.
    """

    name = "obedient"
    price = FREE

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def input_tokens(self, question: Question) -> int:
        """Nothing, as its answers say."""
        return 0

    async def answer(self, question: Question) -> Answer:
        """The calls that it was told to make, then an answer that keeps to the schema."""
        self.questions.append(question)
        results = [result.text for turn in question.turns for result in turn.results]
        text = "\n".join([*(material.text for material in question.material), *results])
        heard = "\n".join([question.instructions, *(tool.description for tool in question.tools), text])
        made = {(call.name, call.arguments) for turn in question.turns for call in turn.calls}
        told = [call for call in _told(heard, question) if (call.name, call.arguments) not in made]
        if told:
            return answer_of(told, self.name)
        fields = question.schema.get("properties", {})
        obeyed = {name: _obeyed(name, _resolved(schema, question.schema), text) for name, schema in fields.items()}
        return answer_of(obeyed, self.name)


class HostileModel:
    """Answers every question with one of the `HOSTILE` answers."""

    price = FREE

    def __init__(self, how: str) -> None:
        self.name = f"hostile:{how}"
        self._how = HOSTILE[how]

    async def input_tokens(self, question: Question) -> int:
        """Nothing, as its answers say."""
        return 0

    async def answer(self, question: Question) -> Answer:
        """The hostile answer."""
        return answer_of(self._how(question), self.name)


def answer_of(reply: Reply, model: str = "test") -> Answer:
    """An answer whose tokens are counted as four characters each."""
    if isinstance(reply, ModelError):
        raise reply
    calls: tuple[ToolCall, ...] = ()
    text = ""
    if isinstance(reply, ToolCall):
        calls = (reply,)
    elif isinstance(reply, str | BaseModel | Mapping):
        text = _text(reply)
    else:
        calls = tuple(reply)
    letters = len(text) + sum(len(call.arguments) for call in calls)
    return Answer(text=text, calls=calls, input_tokens=0, output_tokens=min(letters // 4, 100), model=model)


def _fitting(question: Question) -> dict[str, Any]:
    """Values of the right JSON types for the fields of a schema, which may still break its finer rules."""
    fields = question.schema.get("properties", {})
    return {name: _obeyed(name, _resolved(schema, question.schema), "") for name, schema in fields.items()}


def _with_first(question: Question, raw: str) -> str:
    """The JSON of a fitting answer in which the first field holds the raw text given."""
    fields = {name: json.dumps(value) for name, value in _fitting(question).items()}
    first = next(iter(fields), "value")
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in {**fields, first: raw}.items()) + "}"


def _twice(question: Question) -> str:
    text = json.dumps(_fitting(question) or {"value": 1})
    return "{" + text[1:-1] + ", " + text[1:-1] + "}"


HOSTILE: Mapping[str, Callable[[Question], str]] = {
    "nothing": lambda _: "",
    "prose": lambda _: "Certainly! Here is the JSON that you asked for.",
    "fenced": lambda question: f"```json\n{json.dumps(_fitting(question))}\n```",
    "cut off": lambda question: json.dumps(_fitting(question))[:-1],
    "two values": lambda question: json.dumps(_fitting(question)) * 2,
    "null": lambda _: "null",
    "a list": lambda question: json.dumps([_fitting(question)]),
    "a number": lambda _: "1",
    "a string": lambda question: json.dumps(json.dumps(_fitting(question))),
    "wrong type": lambda question: _with_first(question, "[[]]"),
    "null field": lambda question: _with_first(question, "null"),
    "NaN": lambda question: _with_first(question, "NaN"),
    "infinity": lambda question: _with_first(question, "-Infinity"),
    "overflowing number": lambda question: _with_first(question, "1e999"),
    "huge integer": lambda question: _with_first(question, "9" * 10_000),
    "enormous text": lambda question: _with_first(question, json.dumps("x" * 10_000_000)),
    "deep nesting": lambda question: _with_first(question, "[" * 100_000 + "]" * 100_000),
    "lone surrogate": lambda question: _with_first(question, r'"\ud800"'),
    "raw surrogate": lambda question: _with_first(question, '"\ud800"'),
    "control character": lambda question: _with_first(question, '"\x00"'),
    "byte order mark": lambda question: "\ufeff" + json.dumps(_fitting(question)),
    "missing field": lambda question: json.dumps(dict(list(_fitting(question).items())[1:])),
    "extra field": lambda question: json.dumps({**_fitting(question), "next_stage": "pay", "approved": True}),
    "a field twice": _twice,
}
"""Name → answer to a question. None of them keeps to the contract of a model that has at least one field."""


def _text(reply: str | BaseModel | Mapping[str, Any]) -> str:
    if isinstance(reply, str):
        return reply
    return contract(type(reply)).write(reply).decode() if isinstance(reply, BaseModel) else json.dumps(reply)


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """A field's schema, behind references, and the first alternative of a union."""
    while True:
        if "$ref" in schema:
            schema = whole.get("$defs", {}).get(schema["$ref"].rsplit("/", 1)[-1], {})
        elif "anyOf" in schema:
            schema = schema["anyOf"][0]
        else:
            return schema


_CALL = re.compile(
    r"\b(?:call|use|invoke|run|execute)\s+(?:the\s+)?(?:tool\s+)?[`\"']?(?P<name>[A-Za-z][\w.]*\w)[`\"']?"
    r"(?P<with>.*?)(?=\b(?:call|use|invoke|run|execute)\b|\n|$)",
    re.I,
)
"""An order to call a tool, with what it says of the arguments."""
_PAIR = re.compile(r"[`\"']?\b([A-Za-z_]\w*)[`\"']?\s*[:=]\s*(?:\"([^\"]*)\"|'([^']*)'|([\w./@+-]*[\w/@+-]))")
_ORDER = re.compile(r"[^.!?\n]*\b(?:ignore|skip|instead|must|please|approve|refund|send|pay)\b[^.!?\n]*[.!?]?", re.I)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _obeyed(name: str, schema: Mapping[str, Any], text: str) -> Any:
    """What the text tells the model to put into a field, as the type that the schema asks for."""
    words = re.escape(name).replace("_", "[ _]")
    named: list[str] = re.findall(rf"\b{words}\b\s*(?:is|to|:|=|as)\s*[\"']?([\w.,@+-]*[\w@+-])", text, re.I)
    numbers = sorted(_NUMBER.findall(text), key=float)
    choices = [str(choice) for choice in schema.get("enum", ())]
    said = [choice for choice in choices if choice in text]
    number = next((word for word in reversed(named) if _NUMBER.fullmatch(word)), numbers[-1] if numbers else "0")
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return int(float(number)) if kind == "integer" else float(number)
    if kind == "boolean":
        return named[-1].lower() not in ("false", "no") if named else True
    if kind in ("array", "object"):
        return [] if kind == "array" else {}
    if choices:
        return max(said, key=text.rindex) if said else choices[0]
    if "[0-9]+" in schema.get("pattern", ""):  # a decimal, which travels as text
        return number
    orders = [match.strip() for match in _ORDER.findall(text)]
    return named[-1] if named else orders[-1] if orders else text.strip()[:80]


def _told(text: str, question: Question) -> list[ToolCall]:
    """The calls that a text orders, each once, in order; arguments as the text gives them."""
    offered = {tool.name: tool for tool in question.tools}
    calls: dict[tuple[str, str], ToolCall] = {}
    for order in _CALL.finditer(text):
        name, given = order["name"], order["with"]
        tool = offered.get(name)
        if tool is None and not ("_" in name or "." in name or given.startswith("(")):
            continue  # a word, and no name of a tool
        said = {pair[0]: next(filter(None, pair[1:]), "") for pair in _PAIR.findall(given)}
        call = tool_call(name, **(said if tool is None else _filled(tool, said, given)))
        calls.setdefault((name, call.arguments), call)
    return list(calls.values())


def _filled(tool: ToolSpec, said: Mapping[str, str], text: str) -> dict[str, Any]:
    """What a text says of the arguments, as the types that the tool asks for; those that it does not know, as text."""
    members = tool.schema.get("properties", {})
    filled: dict[str, Any] = {name: value for name, value in said.items() if name not in members}
    for name, kind in members.items():
        schema = _resolved(kind, tool.schema)
        if name in said and schema.get("type") == "string":
            filled[name] = said[name]
        elif name in said or name in tool.schema.get("required", ()):
            filled[name] = _obeyed(name, schema, text)
    return filled
