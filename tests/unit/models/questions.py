"""Factories of questions for the tests of the model layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatework.models import Material, Question

MAIL = "Hello, my order 204817 (a kettle for 45.90 EUR) arrived broken. I want my money back."
ORDER = {"type": "string", "pattern": "^[0-9]{6}$"}


def closed(**members: Any) -> dict[str, Any]:
    """A schema as the engine makes it: closed, all members required."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def question(
    text: str = MAIL,
    *,
    schema: Mapping[str, Any] | None = None,
    instructions: str = "Copy the order number.",
    untrusted: bool = True,
    feedback: tuple[str, ...] = (),
    max_output_tokens: int = 80,
    seed: int = 1,
    temperature: float = 0.0,
) -> Question:
    """A question about one text; every part can be changed."""
    return Question(
        instructions=instructions,
        material=(Material(name="mail", text=text, untrusted=untrusted),),
        schema=schema or closed(order=ORDER),
        schema_name="Claim",
        feedback=feedback,
        max_output_tokens=max_output_tokens,
        seed=seed,
        temperature=temperature,
    )
