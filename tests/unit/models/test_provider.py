"""Providers through pydantic-ai: one request each, the raw JSON back, and errors that leak nothing.

The last tests go over HTTP to llama.cpp's own server, which speaks OpenAI's protocol, with the embedded weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from pydantic_ai import exceptions
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.profiles import ModelProfile

from gatework.errors import ConfigError, ModelError
from gatework.models import Question, embedded
from gatework.models.provider import Provider
from tests.unit.models.questions import MAIL, closed, question

KEY = "a-key-for-tests"


class Double:
    """A provider's stand-in that remembers what it was asked and says what it is told to."""

    def __init__(self, *says: TextPart | ToolCallPart | Exception, profile: ModelProfile | None = None) -> None:
        self.requests: list[tuple[list[ModelMessage], AgentInfo]] = []
        self._says = says
        self.model = Provider("double:1", lambda: FunctionModel(self._answer, profile=profile))

    def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.requests.append((messages, info))
        for part in self._says:
            if isinstance(part, Exception):
                raise part
        return ModelResponse(parts=[part for part in self._says if not isinstance(part, Exception)])


async def test_schema_goes_natively_where_the_provider_can() -> None:
    """The schema travels as the provider's own structured output, and the answer comes back unparsed."""
    double = Double(TextPart('{"order": "204817"}'), profile=ModelProfile(supports_json_schema_output=True))
    asked = question(seed=2**40 + 3, temperature=0.4)
    answer = await double.model.answer(asked)
    assert answer.text == '{"order": "204817"}'
    assert answer.output_tokens > 0
    [(messages, info)] = double.requests
    parameters = info.model_request_parameters
    assert parameters is not None
    assert parameters.output_mode == "native"
    assert parameters.output_object is not None
    assert (parameters.output_object.json_schema, parameters.output_object.name) == (dict(asked.schema), "Claim")
    settings = info.model_settings
    assert settings is not None
    assert (settings.get("max_tokens"), settings.get("temperature"), settings.get("max_retries")) == (80, 0.4, 0)
    assert settings.get("seed") == 3
    request = messages[0]
    assert isinstance(request, ModelRequest)
    assert (request.instructions or "").startswith("Copy the order number.")
    [part] = request.parts
    assert isinstance(part, UserPromptPart)
    assert MAIL in str(part.content)


async def test_schema_goes_as_a_tool_elsewhere() -> None:
    """A provider without structured output fills the arguments of the one tool it is given."""
    double = Double(
        ToolCallPart("Claim", {"order": "204817"}),
        profile=ModelProfile(supports_json_schema_output=False, supports_tools=True),
    )
    answer = await double.model.answer(question())
    assert json.loads(answer.text) == {"order": "204817"}
    [(_, info)] = double.requests
    assert [tool.name for tool in info.output_tools] == ["Claim"]
    assert not info.allow_text_output


async def test_schema_goes_in_words_as_a_last_resort() -> None:
    """A model with neither is told the schema."""
    double = Double(
        TextPart('{"order": "1"}'), profile=ModelProfile(supports_json_schema_output=False, supports_tools=False)
    )
    await double.model.answer(question())
    [(_, info)] = double.requests
    assert '"order"' in (info.instructions or "")


@pytest.mark.parametrize("said", ["not JSON", '{"order": 1}', '{"order": "1", "more": 2}', '{"order": "1"'])
async def test_invalid_answer_is_handed_on_and_not_asked_again(said: str) -> None:
    """Whether an answer keeps its contract is for the engine to say, in an attempt that is counted."""
    double = Double(TextPart(said))
    assert (await double.model.answer(question())).text == said
    assert len(double.requests) == 1


@pytest.mark.parametrize(
    "said", [(), (TextPart("  \n"),), (ToolCallPart("Claim", {"order": "1"}), ToolCallPart("Claim", {"order": "2"}))]
)
async def test_no_answer_and_two_answers_are_errors(said: tuple[TextPart | ToolCallPart, ...]) -> None:
    """There is nothing to choose an answer by."""
    with pytest.raises(ModelError):
        await Double(*said).model.answer(question())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (exceptions.ModelHTTPError(500, "m", {"echo": MAIL}), "status 500"),
        (exceptions.ModelRateLimitError("m", MAIL), "rate limit"),
        (exceptions.ModelAuthenticationError("m", MAIL), "refused the key"),
        (exceptions.ModelConnectionError("m", MAIL), "cannot be reached"),
        (exceptions.ModelAPIError("m", MAIL), "the request to the provider failed"),
        (exceptions.UnexpectedModelBehavior(MAIL, MAIL), "could not be made"),
        (exceptions.UserError(MAIL), "could not be made"),
    ],
)
async def test_error_of_a_provider_leaks_nothing(error: Exception, says: str) -> None:
    """Providers quote the prompt in their errors; ours enter a workflow's history."""
    with pytest.raises(ModelError, match=says) as caught:
        await Double(error).model.answer(question())
    assert caught.value.message.startswith("double:1: ")
    assert MAIL not in caught.value.message
    assert caught.value.__cause__ is None


async def test_pydantic_ais_own_test_model_fills_the_schema() -> None:
    """A model made by others, which answers through the tool."""
    answer = await Provider("test", TestModel).answer(question(schema=closed(sure={"type": "boolean"})))
    assert json.loads(answer.text) == {"sure": False}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("openai:gpt-5", "GATEWORK_MODEL=openai:gpt-5: Set the `OPENAI_API_KEY` environment variable."),
        ("nobody:model", "GATEWORK_MODEL=nobody:model: Unknown model: nobody:model."),
        ("groq:llama", "run `pip install 'pydantic-ai-slim[groq]'`."),
    ],
)
async def test_provider_without_key_name_or_library_says_so(
    monkeypatch: pytest.MonkeyPatch, spec: str, says: str
) -> None:
    """Each is for the operator to mend, so each names what to do."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        await Provider.named(spec).answer(question())
    assert caught.value.message.endswith(says)


# -- over HTTP ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Any:
    """llama.cpp's OpenAI-compatible server on a free port of the loopback."""
    llama = import_module("xllamacpp")  # a compiled module, which type checkers cannot see into
    parameters = llama.CommonParams()
    parameters.model.path = str(embedded.weights())
    parameters.n_ctx = 1024
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1  # several wait for each other, computing
    parameters.verbosity = 0
    parameters.api_keys = [KEY]
    return llama.Server(parameters)


@pytest.fixture
def configured(server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Provider]:
    """A model configured as an operator does it: a spec, and two variables of the environment."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.listening_address}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return lambda: Provider.named("openai-chat:gpt-4o")


def order(number: str = "204817") -> Question:
    return question(schema=closed(order={"type": "string", "enum": ["117203", number]}))


async def test_request_goes_to_the_configured_server(configured: Callable[[], Provider]) -> None:
    """`openai-chat:…` with a base URL reaches any server that speaks the protocol, schema and all."""
    answer = await configured().answer(order())
    assert json.loads(answer.text) == {"order": "204817"}
    assert answer.input_tokens > 50
    assert answer.output_tokens > 5


async def test_wrong_key_is_named(configured: Callable[[], Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    """A real 401 becomes one sentence."""
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with pytest.raises(ModelError, match="refused the key"):
        await configured().answer(order())


async def test_text_too_long_is_refused_by_a_real_server(configured: Callable[[], Provider]) -> None:
    """A real 400 becomes one sentence, without the text."""
    with pytest.raises(ModelError, match=r"too long|refused the request") as caught:
        await configured().answer(question("word " * 3000))
    assert "word word" not in caught.value.message


async def test_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on port 9 of the loopback."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelError, match="cannot be reached"):
        await Provider.named("openai-chat:gpt-4o").answer(order())
