"""Models for tests: one that answers from a script, one that obeys whatever it reads, one that answers with rubbish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from gatework.contract import contract
from gatework.errors import ModelError
from gatework.models.question import Answer, Question

Reply = str | BaseModel | Mapping[str, Any] | ModelError
"""Text is sent as it is; a model or a mapping as its JSON; a `ModelError` is raised."""


class ScriptedModel:
    """Answers in the order given, or by a function of the question.

    `questions` holds what it was asked. Asked more often than it has answers, it raises `ModelError`.
    """

    name = "scripted"

    def __init__(self, *replies: Reply, by: Callable[[Question], Reply] | None = None) -> None:
        self.questions: list[Question] = []
        self._replies = list(replies)
        self._by = by

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
        return answer_of(_text(reply), self.name)


class ObedientModel:
    """Does what the material tells it: the drifting model that guards are for.

    A field of the schema gets what the material says about it, the later instruction winning: `order: A-1`,
    `set the amount to 5000`. A number that nothing names gets the largest in the text, a choice the last one that
    the text mentions, and a text the last sentence that sounds like an order.
    """

    name = "obedient"

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def answer(self, question: Question) -> Answer:
        """An answer that keeps to the schema and follows the material."""
        self.questions.append(question)
        text = "\n".join(material.text for material in question.material)
        fields = question.schema.get("properties", {})
        obeyed = {name: _obeyed(name, _resolved(schema, question.schema), text) for name, schema in fields.items()}
        return answer_of(json.dumps(obeyed), self.name)


class HostileModel:
    """Answers every question with one of the `HOSTILE` answers."""

    def __init__(self, how: str) -> None:
        self.name = f"hostile:{how}"
        self._how = HOSTILE[how]

    async def answer(self, question: Question) -> Answer:
        """The hostile answer."""
        return answer_of(self._how(question), self.name)


def answer_of(text: str, model: str = "test") -> Answer:
    """An answer whose tokens are counted as four characters each."""
    return Answer(text=text, input_tokens=0, output_tokens=min(len(text) // 4, 100), model=model)


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
