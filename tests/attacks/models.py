"""Models that want something: they ask for calls until they may ask no more, and only then answer, if at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gatework.models.cost import FREE
from gatework.models.question import Answer, Question, ToolCall, ToolResult

Wish = tuple[str, Mapping[str, Any] | str]
"""A tool and its arguments; text is sent as it is."""


class Wanting:
    """Asks for batches of calls in the stages named, each once, then answers as it is told to.

    `wishes` gives the batches for a question by the name of its schema: all calls of a batch are in one answer.
    """

    name = "wanting"
    price = FREE

    def __init__(
        self,
        answers: Mapping[str, Any],
        wishes: Mapping[str, Sequence[Sequence[Wish]]] = {},  # never changed
        *,
        output_tokens: int = 10,
    ) -> None:
        self.questions: list[Question] = []
        self._answers = answers
        self._wishes = dict(wishes)
        self._output_tokens = output_tokens

    async def input_tokens(self, question: Question) -> int:
        return 10

    async def answer(self, question: Question) -> Answer:
        self.questions.append(question)
        batches = self._wishes.get(question.schema_name, ())
        asked = len(question.turns)
        if asked < len(batches):
            return self._said(calls=batches[asked])
        return self._said(text=json.dumps(self._answers[question.schema_name]))

    def wish(self, schema_name: str, batches: Sequence[Sequence[Wish]]) -> None:
        """Ask for other calls from now on."""
        self._wishes[schema_name] = batches

    def told(self, schema_name: str) -> list[ToolResult]:
        """What it was told of its calls in a stage, at the latest."""
        asked = [question for question in self.questions if question.schema_name == schema_name]
        return [result for turn in asked[-1].turns for result in turn.results] if asked else []

    def _said(self, text: str = "", calls: Sequence[Wish] = ()) -> Answer:
        return Answer(
            text=text,
            input_tokens=10,
            output_tokens=self._output_tokens,
            model=self.name,
            calls=tuple(
                ToolCall(name=name, arguments=given if isinstance(given, str) else json.dumps(given))
                for name, given in calls
            ),
        )
