"""Any provider's model through pydantic-ai: one request, one JSON answer, nothing decided here.

pydantic-ai's agents, with their own retries on invalid output, are not used: an answer that breaks the contract is a
new attempt of the stage, seen, counted and bounded by the plan. Failed connections are Temporal's to retry.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gatework.errors import ConfigError, ModelError
from gatework.models.prompt import messages
from gatework.models.question import Answer, Question

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model as Connection
    from pydantic_ai.models import ModelRequestParameters

_INSTALL = "pip install 'gatework[models]'"


@dataclass
class Provider:
    """A model behind pydantic-ai."""

    name: str
    connect: Callable[[], Connection] = field(repr=False)
    """Makes the connection, at the first question and in a thread: the imports alone take seconds."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def named(cls, spec: str) -> Provider:
        """The model that pydantic-ai knows as `spec`; its first question finds out whether it does, and has the key."""
        if find_spec("pydantic_ai") is None:
            raise ConfigError(f"The library that speaks to providers is not installed: run `{_INSTALL}`.")
        return cls(spec, lambda: _inferred(spec))

    @cached_property
    def _connection(self) -> Connection:
        return self.connect()

    def _connected(self) -> Connection:
        with self._lock:
            return self._connection

    def check(self) -> None:
        """Raise `ConfigError` for a provider that pydantic-ai does not know, or one without its key; asks nothing."""
        self._connected()

    async def answer(self, question: Question) -> Answer:
        """Make one request. Raises `ModelError` without a word of the question or of the provider's reply.

        Raises `ConfigError` for a provider that pydantic-ai does not know, or one without its key.
        """
        connection = await asyncio.to_thread(self._connected)
        from pydantic_ai import exceptions
        from pydantic_ai.direct import model_request
        from pydantic_ai.messages import ModelRequest
        from pydantic_ai.settings import ModelSettings

        asked = messages(question)
        settings = ModelSettings(
            max_tokens=question.max_output_tokens,
            temperature=question.temperature,
            seed=question.seed % 2**31,
            max_retries=0,
        )
        try:
            response = await model_request(
                connection,
                [ModelRequest.user_text_prompt(asked.user, instructions=asked.system)],
                model_settings=settings,
                model_request_parameters=_parameters(connection, question),
            )
        except exceptions.ModelAPIError as error:
            raise ModelError(f"{self.name}: {_cause(error)}") from None
        except (exceptions.AgentRunError, exceptions.UserError) as error:
            raise ModelError(f"{self.name}: the request could not be made ({type(error).__name__}).") from None
        return Answer(
            text=_json(response),
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            model=response.model_name or self.name,
        )


def _inferred(spec: str) -> Connection:
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    try:
        return infer_model(spec)
    except ImportError:
        raise ConfigError(
            f"The client library of {spec.partition(':')[0]} is not installed: run "
            f"`pip install 'pydantic-ai-slim[{spec.partition(':')[0]}]'`."
        ) from None
    except UserError as error:
        # Its message names a variable or the spec, nothing of a question; what follows is for programmers.
        raise ConfigError(f"GATEWORK_MODEL={spec}: {error.message.partition(' or pass ')[0].rstrip('.')}.") from None


def _parameters(connection: Connection, question: Question) -> ModelRequestParameters:
    """The schema as the provider takes it: natively, else as the only tool, else in words."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    schema: dict[str, Any] = json.loads(json.dumps(question.schema))  # a copy, which providers' adapters may change
    described = OutputObjectDefinition(json_schema=schema, name=question.schema_name)
    if connection.profile.get("supports_json_schema_output", False):
        return ModelRequestParameters(output_mode="native", output_object=described)
    if connection.profile.get("supports_tools", True):
        tool = ToolDefinition(name=question.schema_name, parameters_json_schema=schema, kind="output")
        return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)
    return ModelRequestParameters(output_mode="prompted", output_object=described)


def _json(response: ModelResponse) -> str:
    """The answer as the model wrote it: the arguments of the tool, or the text."""
    from pydantic_ai.messages import TextPart, ToolCallPart

    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    if len(calls) > 1:
        raise ModelError("The model gave several answers where one was asked for.")
    text = (
        calls[0].args_as_json_str()
        if calls
        else "".join(part.content for part in response.parts if isinstance(part, TextPart))
    )
    if not text.strip():
        raise ModelError("The model gave an empty answer.")
    return text


def _cause(error: Any) -> str:
    """What went wrong, in our words: a provider's message may quote the prompt."""
    exceptions = import_module("pydantic_ai.exceptions")
    for kind, cause in (
        ("ModelAuthenticationError", "the provider refused the key: check the variable that holds it."),
        ("ModelNotFoundError", "the provider has no such model, or its base URL is wrong."),
        ("ModelContextWindowExceededError", "the text is too long for this model."),
        ("ModelQuotaExceededError", "the account's quota or credit is used up."),
        ("ModelRateLimitError", "the provider's rate limit is reached: wait, or ask for a higher one."),
        ("ModelTimeoutError", "the provider did not answer in time."),
        ("ModelRequestTimeout", "the provider did not answer in time."),
        ("ModelConnectionError", "the provider cannot be reached: check the network and the base URL."),
        ("ModelUnavailableError", "the provider is overloaded or down: try again later."),
        ("ModelServerError", "the provider failed on its side: try again later."),
        ("ModelRequestRejectedError", "the provider refused the request: this model may lack what it asks for."),
    ):
        if isinstance(error, getattr(exceptions, kind)):
            return cause
    status = getattr(error, "status_code", None)
    return f"the provider answered with status {status}." if status else "the request to the provider failed."
