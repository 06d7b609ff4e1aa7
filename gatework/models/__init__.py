"""The model layer: the only part of Gatework that knows a model library.

Importing it imports none; `connect` does, for the model that is asked for.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from gatework.errors import ConfigError
from gatework.models.cost import FREE, Estimate, Price, estimate, price
from gatework.models.question import Answer, Material, Model, Question, ToolCall, ToolResult, ToolSpec, Turn

if TYPE_CHECKING:
    from gatework.models.embedded import Embedded
    from gatework.models.provider import Provider

__all__ = [
    "FREE",
    "Answer",
    "Estimate",
    "Material",
    "Model",
    "Price",
    "Question",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Turn",
    "connect",
    "estimate",
    "price",
    "ready",
]

DEFAULT = "embedded"


def connect(spec: str | None = None) -> Model:
    """The model that `spec` names: `embedded`, or `provider:model` such as `openai:gpt-5` or `anthropic:claude-…`.

    Without a spec the environment variable GATEWORK_MODEL decides, and without that it is the embedded model. A key
    and a base URL come from the provider's own variables, such as OPENAI_API_KEY and OPENAI_BASE_URL. The same spec
    gives the same model, so that weights are loaded once. For a server of your own that speaks OpenAI's protocol use
    `openai-chat:model`: such servers often take a schema there and ignore it in the newer protocol of `openai:`.
    Raises `ConfigError` for a spec that names no model.
    """
    return _connected(_spec(spec))


def ready(spec: str | None = None) -> str:
    """The name of the model, once it is known that it could be asked: packages, weights, key, prices. No call is made.

    Raises `ConfigError` that says what is missing.
    """
    model = _connected(_spec(spec))
    model.check()
    price(model, 0, 0)
    return model.name


def _spec(spec: str | None) -> str:
    return (spec if spec is not None else os.environ.get("GATEWORK_MODEL", "")).strip() or DEFAULT


@cache
def _connected(spec: str) -> Embedded | Provider:
    if spec == DEFAULT:
        from gatework.models.embedded import Embedded

        return Embedded()
    provider, colon, model = spec.partition(":")
    if not (provider and colon and model):
        raise ConfigError(
            f"GATEWORK_MODEL names no model: {spec!r}. Use `embedded`, or `provider:model` such as `openai:gpt-5`."
        )
    from gatework.models.provider import Provider

    return Provider.named(spec)
