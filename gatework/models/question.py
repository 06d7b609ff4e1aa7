"""What a stage asks a model, and what comes back: plain values, known to the engine and to every model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Material:
    """A text that the model reads to answer: a customer's mail, a record of our own."""

    name: str
    """What the text is, in the words of the plan: the name of the stage's input. Never outside text."""
    text: str
    untrusted: bool
    """True if outside text had a hand in it; it is then fenced in the prompt and marked as data."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request to a model for one JSON value."""

    instructions: str
    material: tuple[Material, ...]
    schema: Mapping[str, Any]
    """JSON Schema (2020-12) of the answer, closed: every object says `additionalProperties: false`."""
    schema_name: str
    feedback: tuple[str, ...]
    """Why earlier answers were refused, oldest first: our own sentences, never outside text."""
    max_output_tokens: int
    seed: int
    temperature: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model wrote, unparsed: the caller validates it against the schema, whatever a model promises."""

    text: str
    input_tokens: int
    output_tokens: int
    model: str
    """The model that answered, as it names itself."""


class Model(Protocol):
    """Anything that answers questions."""

    @property
    def name(self) -> str:
        """The model as a person would configure it, such as `embedded` or `openai:gpt-5`."""
        ...

    async def answer(self, question: Question) -> Answer:
        """Make exactly one request. Raises `ModelError`, whose message holds nothing of the question."""
        ...
