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
class ToolSpec:
    """A tool that the model may ask for; whether a call then happens is for the cell to say."""

    name: str
    """As the plan grants it. Providers that take fewer letters are sent a stand-in, and the answer has this name."""
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of the arguments: one object."""
    untrusted: bool = False
    """True where another program wrote description and schema, as an MCP server does: its words are then shown as a
    quotation, on one line each and no longer than a few sentences, and never as ours."""


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call that the model asks for, as it wrote it: the name may be that of no tool, the arguments no JSON."""

    name: str
    arguments: str
    """JSON text of one object, if the model kept to the schema."""


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What the model is told of one call."""

    name: str
    """The name in the call."""
    text: str
    untrusted: bool
    """True if the text is outside data; it is then fenced and marked like any other, whatever else is true of it."""
    refused: bool = False
    """True if the call was not made; the text says why, in our own words."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One answer of the model that asked for calls, and what it was told."""

    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    """One for each call, in the same order."""

    def __post_init__(self) -> None:
        if not self.calls or [call.name for call in self.calls] != [result.name for result in self.results]:
            raise ValueError("A turn holds one result for each of its calls, in the same order.")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request to a model: for one JSON value, or for calls of the tools that it is offered."""

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
    tools: tuple[ToolSpec, ...] = ()
    turns: tuple[Turn, ...] = ()
    """What was asked for and told before, oldest first; the same question otherwise."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model wrote, unparsed: the caller validates it against the schema, whatever a model promises."""

    text: str
    """The answer; empty where the model asks for calls instead."""
    input_tokens: int
    output_tokens: int
    model: str
    """The model that answered, as it names itself."""
    calls: tuple[ToolCall, ...] = ()
    """What it asks for before it answers; empty where it answered. No call was checked."""


class Model(Protocol):
    """Anything that answers questions."""

    @property
    def name(self) -> str:
        """The model as a person would configure it, such as `embedded` or `openai:gpt-5`."""
        ...

    async def answer(self, question: Question) -> Answer:
        """Make exactly one request. Raises `ModelError`, whose message holds nothing of the question."""
        ...
