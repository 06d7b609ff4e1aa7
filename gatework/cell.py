"""The cell: what one running stage can reach, and the record of what it reached for.

A stage's function sees it only through `ask` and the effects it calls; both find it in a context variable.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gatework import canonical
from gatework.canonical import Json
from gatework.errors import BudgetError, ConfigError, GateworkError, GrantError
from gatework.plan import DEFAULT_BUDGET, Work
from gatework.verdict import Block, short

if TYPE_CHECKING:
    from gatework.models.question import Answer, Model, Question
    from gatework.tool import Effect, Tool

_current: ContextVar[Cell] = ContextVar("gatework_cell")


class Refusal(GateworkError):
    """An effect refused with a `Block`; the stage that called it stops with the same reason."""

    code = "block"


@dataclass
class Cell:
    """What one attempt of a node may do, and what it did."""

    node: Work
    lineage: str
    """What names the run across retries, continue-as-new and reset."""
    attempt: int
    inputs: Mapping[str, object] = field(default_factory=dict)
    """The labelled values that the stage was called with, by parameter."""
    feedback: tuple[str, ...] = ()
    model_source: Callable[[], Model] | None = None
    """Gives what `ask` reaches; called only when a stage asks."""
    seed: int = 0
    granted: Mapping[str, Tool[Any, Any]] = field(default_factory=dict)
    calls: list[Json] = field(default_factory=list)
    """Each model call: model, digests of question and answer, tokens."""
    effects: list[Json] = field(default_factory=list)
    """Each effect: tool, key, digest of its arguments, what became of it."""
    model_calls: int = 0
    tokens: int = 0
    closed: bool = False
    keys: set[str] = field(default_factory=set)
    """Keys of the effects that were called for."""

    @contextmanager
    def entered(self) -> Generator[Cell]:
        """Run a stage's function inside this cell, which closes behind it: what it left running reaches nothing."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)
            self.closed = True

    @property
    def in_doubt(self) -> bool:
        """Whether an effect was begun and did not say what became of it."""
        return any(entry["outcome"] == "unknown" for entry in self.effects)

    @property
    def sent(self) -> bool:
        """Whether an effect has reached the outside world, or may have."""
        return any(entry["outcome"] in ("unknown", "done", "found") for entry in self.effects)

    @property
    def evidence(self) -> dict[str, Json]:
        """How the output came about, for the receipt."""
        evidence: dict[str, Json] = {}
        if self.calls:
            evidence["calls"] = list(self.calls)
        if self.effects:
            evidence["effects"] = list(self.effects)
        return evidence

    # -- the model ---------------------------------------------------------------------------------

    async def answer(self, question: Question) -> Answer:
        """The model's answer to a question, within the budget."""
        self._must_be_open()
        if self.model_source is None:
            raise ConfigError(f"{self.node.name} asks a model, and the worker has none; set GATEWORK_MODEL.")
        self._reserve(question.max_output_tokens)
        answer = await self.model_source().answer(question)
        self._settle(question.max_output_tokens, answer.input_tokens + answer.output_tokens)
        self.calls.append(
            {
                "model": answer.model,
                "seed": question.seed,
                "temperature": question.temperature,
                "question": canonical.digest("question", asdict(question)),
                "answer": canonical.digest("answer", answer.text.encode("utf-8", "backslashreplace").decode()),
                "input_tokens": answer.input_tokens,
                "output_tokens": answer.output_tokens,
            }
        )
        return answer

    def _reserve(self, tokens: int) -> None:
        budget = self.node.budget or DEFAULT_BUDGET
        if self.model_calls + 1 > budget.model_calls:
            raise BudgetError(f"{self.node.name} has made the {budget.model_calls} model calls of its budget.")
        if self.tokens + tokens > budget.tokens:
            raise BudgetError(f"{self.node.name} has no room for {tokens} tokens in its budget of {budget.tokens}.")
        self.model_calls += 1
        self.tokens += tokens

    def _settle(self, reserved: int, spent: int) -> None:
        self.tokens += max(spent, 0) - reserved

    # -- effects -----------------------------------------------------------------------------------

    async def call(self, tool: Tool[Any, Any], data: Json) -> Json:
        """Call a tool with arguments as JSON. An effect is done under its key, and asked about first if it can be."""
        from gatework.tool import Effect

        self._must_be_open()
        if self.granted.get(tool.name) is not tool:
            raise GrantError(f"{self.node.name} does not hold {tool.name}; the plan grants it {self._holdings}.")
        if not isinstance(tool, Effect):
            result = await tool.run(data)
            if isinstance(result, Block):
                raise Refusal(short(result.reason))
            return result
        key = canonical.digest("effect", [self.lineage, self.node.name, tool.name, data[tool.once]])
        record = {
            "tool": tool.name,
            "key": key,
            "arguments": canonical.digest("arguments", data),
            "outcome": "unknown",
        }
        if key in self.keys:
            raise GrantError(f"{self.node.name} calls {tool.name} twice for one {tool.once}.")
        self.keys.add(key)
        self._say("intended", record)
        if tool.probe is not None:
            found = await tool.probed(key)
            if found is not None:
                _must_agree(tool, data, found)
                self.effects.append({**record, "outcome": "found"})
                self._say("found", record)
                return found
        self.effects.append(record)
        try:
            result = await tool.run(data, key)
        except BaseException:
            self._say("unknown", record)
            raise
        if isinstance(result, Block):
            record["outcome"] = "refused"
            self._say("refused", record)
            raise Refusal(short(result.reason))
        record["outcome"] = "done"
        self._say("done", record)
        return result

    def _say(self, outcome: str, record: Mapping[str, Json]) -> None:
        """Log what becomes of an effect at once: should the worker die, nothing else will know."""
        from gatework.logs.emit import say  # with the words for all events, which definitions do not need
        from gatework.logs.story import short_digest

        digests = {"key": short_digest(record["key"]), "digest": short_digest(record["arguments"])}
        say(
            f"effect.{outcome}",
            {"stage": self.node.name, "attempt": self.attempt, "tool": str(record["tool"]), **digests},
        )

    def _must_be_open(self) -> None:
        if self.closed:
            raise GrantError(f"{self.node.name} has ended; nothing it left running may reach further.")

    @property
    def _holdings(self) -> str:
        return ", ".join(sorted(self.granted)) or "no tool"


def _must_agree(effect: Effect[Any, Any], data: Mapping[str, Json], known: Json) -> None:
    """Refuse a recorded result that names another argument than the call: the key was used for something else."""
    for name, value in data.items():
        if isinstance(known, dict) and name in known and known[name] != value:
            raise Refusal(f"{effect.name} was done before with another {name} for the same {effect.once}")


def current() -> Cell:
    """The cell of the stage that is running. Raises `GrantError` outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise GrantError("ask and effects work only inside a stage that an execution runs.") from None
