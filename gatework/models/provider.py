"""Any provider's model through pydantic-ai: one request, one JSON answer or calls of tools, nothing decided here.

pydantic-ai's agents, with their own retries on invalid output and their own calling of tools, are not used: an answer
that breaks the contract is a new attempt of the stage, seen, counted and bounded by the plan, and a call that the
model asks for is the cell's to judge. Failed connections are Temporal's to retry.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gatework.errors import ConfigError, ModelError
from gatework.models.prompt import Messages, messages, transcript
from gatework.models.question import Answer, Question, ToolCall

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
    from pydantic_ai.models import Model as Connection
    from pydantic_ai.models import ModelRequestParameters

_INSTALL = "pip install 'gatework[models]'"
_OTHER_LETTERS = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 64
"""What every provider takes as the name of a tool: these letters, this many."""


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
        from pydantic_ai.settings import ModelSettings

        if question.tools and not connection.profile.get("supports_tools", True):
            raise ModelError(f"{self.name}: this model cannot call tools: take another, or ask without tools.")
        asked = messages(question)
        names = _Names(asked, question.schema_name)
        settings = ModelSettings(
            max_tokens=question.max_output_tokens,
            temperature=question.temperature,
            seed=question.seed % 2**31,
            max_retries=0,
        )
        try:
            response = await model_request(
                connection,
                _conversation(asked, names),
                model_settings=settings,
                model_request_parameters=_parameters(connection, question, asked, names),
            )
        except exceptions.ModelAPIError as error:
            cause, retryable = _cause(error)
            raise ModelError(f"{self.name}: {cause}", retryable=retryable) from None
        except (exceptions.AgentRunError, exceptions.UserError) as error:
            raise ModelError(
                f"{self.name}: the request could not be made ({type(error).__name__}).",
                retryable=isinstance(error, exceptions.UnexpectedModelBehavior),
            ) from None
        text, calls = _said(response, names)
        return Answer(
            text=text,
            calls=calls,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            model=response.model_name or self.name,
        )


class _Names:
    """The names of tools as the provider is given them, and back."""

    def __init__(self, asked: Messages, schema_name: str) -> None:
        self._sent: dict[str, str] = {}
        called = (call.name for exchange in asked.exchanges for call in exchange.calls)
        for name in (*(tool.name for tool in asked.tools), *called):
            if name not in self._sent:
                self._sent[name] = _unlike(name, self._sent.values())
        self._back = {sent: name for name, sent in self._sent.items()}
        self.answer = _unlike(schema_name, self._back)
        """The tool through which the answer comes where a provider has no structured output."""

    def sent(self, name: str) -> str:
        return self._sent[name]

    def back(self, name: str) -> str:
        """The tool that the provider's name stands for; a name that stands for none comes back as it is."""
        return self._back.get(name, name)


def _unlike(name: str, taken: Iterable[str]) -> str:
    """The name in letters that every provider takes, and unlike those taken."""
    plain = _OTHER_LETTERS.sub("_", name)[:_LONGEST_NAME] or "_"
    others, candidate, number = set(taken), plain, 1
    while candidate in others:
        number += 1
        candidate = f"{plain[: _LONGEST_NAME - len(f'_{number}')]}_{number}"
    return candidate


def _conversation(asked: Messages, names: _Names) -> list[ModelMessage]:
    """The messages as pydantic-ai has them; nothing in them is drawn at random."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart

    if asked.exchanges and not asked.tools:  # some providers take no calls in a request that offers no tools
        user = "\n\n".join(part for part in (asked.user, transcript(asked)) if part)
        return [ModelRequest.user_text_prompt(user, instructions=asked.system)]
    said: list[ModelMessage] = [ModelRequest.user_text_prompt(asked.user, instructions=asked.system)]
    for turn, exchange in enumerate(asked.exchanges):
        # Nine letters and digits, which is what the strictest provider asks of an id.
        ids = [f"c{turn:04d}{number:04d}" for number in range(len(exchange.calls))]
        sent = [(names.sent(call.name), call.arguments, id) for call, id in zip(exchange.calls, ids, strict=True)]
        said.append(ModelResponse(parts=[ToolCallPart(name, arguments, id) for name, arguments, id in sent]))
        told = zip(sent, exchange.told, strict=True)
        said.append(
            ModelRequest(
                parts=[ToolReturnPart(name, text, id) for (name, _, id), text in told], instructions=asked.system
            )
        )
    return said


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


def _parameters(connection: Connection, question: Question, asked: Messages, names: _Names) -> ModelRequestParameters:
    """The schema as the provider takes it: natively, else as a tool, else in words; the tools beside it."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    tools = [
        ToolDefinition(
            name=names.sent(tool.name),
            description=tool.description or None,
            parameters_json_schema=_copied(tool.schema),
        )
        for tool in asked.tools
    ]
    schema = _copied(question.schema)
    described = OutputObjectDefinition(json_schema=schema, name=question.schema_name)
    if connection.profile.get("supports_json_schema_output", False):
        return ModelRequestParameters(output_mode="native", output_object=described, function_tools=tools)
    if connection.profile.get("supports_tools", True):
        answer = ToolDefinition(name=names.answer, parameters_json_schema=schema, kind="output")
        return ModelRequestParameters(
            output_mode="tool", output_tools=[answer], function_tools=tools, allow_text_output=False
        )
    return ModelRequestParameters(output_mode="prompted", output_object=described)


def _copied(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy, which providers' adapters may change."""
    copy: dict[str, Any] = json.loads(json.dumps(schema))
    return copy


def _said(response: ModelResponse, names: _Names) -> tuple[str, tuple[ToolCall, ...]]:
    """The answer as the model wrote it, or the calls that it asks for.

    Where it did both, it answered without knowing what its calls would come to: the calls count, and it is asked
    again.
    """
    from pydantic_ai.messages import TextPart, ToolCallPart

    parts = [part for part in response.parts if isinstance(part, ToolCallPart)]
    if calls := [part for part in parts if part.tool_name != names.answer]:
        return "", tuple(ToolCall(name=names.back(part.tool_name), arguments=_arguments(part)) for part in calls)
    if len(parts) > 1:
        raise ModelError("The model gave several answers where one was asked for.", retryable=True)
    text = (
        _arguments(parts[0])
        if parts
        else "".join(part.content for part in response.parts if isinstance(part, TextPart))
    )
    if not text.strip():
        raise ModelError("The model gave an empty answer.", retryable=True)
    return text, ()


def _arguments(part: ToolCallPart) -> str:
    """As the model wrote them, JSON or not; some servers write nothing for no arguments."""
    if isinstance(part.args, str) and part.args.strip():
        return part.args
    return json.dumps(part.args or {}, ensure_ascii=False)


_RETRYABLE = frozenset((408, 409, 425, 429))
"""Answers that are about the moment and not about the request, beside those from 500 on."""


def _cause(error: Any) -> tuple[str, bool]:
    """What went wrong, in our words, since a provider's message may quote the prompt; and whether to try again."""
    exceptions = import_module("pydantic_ai.exceptions")
    for kind, cause, retryable in (
        ("ModelAuthenticationError", "the provider refused the key: check the variable that holds it.", False),
        ("ModelNotFoundError", "the provider has no such model, or its base URL is wrong.", False),
        ("ModelContextWindowExceededError", "the text is too long for this model.", False),
        ("ModelQuotaExceededError", "the account's quota or credit is used up.", False),
        ("ModelRateLimitError", "the provider's rate limit is reached: wait, or ask for a higher one.", True),
        ("ModelTimeoutError", "the provider did not answer in time.", True),
        ("ModelRequestTimeout", "the provider did not answer in time.", True),
        ("ModelConnectionError", "the provider cannot be reached: check the network and the base URL.", True),
        ("ModelUnavailableError", "the provider is overloaded or down: try again later.", True),
        ("ModelServerError", "the provider failed on its side: try again later.", True),
        ("ModelRequestRejectedError", "the provider refused the request: this model may lack what it asks for.", False),
    ):
        if isinstance(error, getattr(exceptions, kind)):
            return cause, retryable
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return "the request to the provider failed.", True
    return f"the provider answered with status {status}.", status >= 500 or status in _RETRYABLE
