"""What an answer costs, and what a question may cost at most before it is asked.

Prices of providers are those of the package `genai-prices`, from the data that it ships: nothing is fetched. A price
that nobody knows is None and never 0. What comes out is the list price for reading and writing, without the rebates
that a provider may give for what it remembers or does overnight, so the bill is that or less.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, Protocol, runtime_checkable

from gatework.errors import ConfigError
from gatework.models.prompt import messages
from gatework.models.question import Model, Question

VARIABLE: Final = "GATEWORK_PRICES"
_MILLION: Final = Decimal(1_000_000)
_EACH_MESSAGE_TOKENS: Final = 32
"""More than any provider puts around a message, a call, a result or a tool."""
_UNSEEN_TOKENS: Final = 250
"""More than any provider puts before a request for a schema."""
_UNSEEN_WITH_TOOLS_TOKENS: Final = 750
"""And before one with tools, for which Anthropic names 346."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a model costs, in US dollars for a million tokens."""

    read_usd: Decimal
    written_usd: Decimal

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        """US dollars for one answer."""
        return (self.read_usd * input_tokens + self.written_usd * output_tokens) / _MILLION


FREE: Final = Price(read_usd=Decimal(0), written_usd=Decimal(0))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The most that one question can cost."""

    input_tokens: int
    output_tokens: int
    money_usd: Decimal | None
    """None where nobody knows the price of the model."""

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.input_tokens + self.output_tokens


@runtime_checkable
class Counting(Protocol):
    """A model that can say how long a question is in its own tokens."""

    async def input_tokens(self, question: Question) -> int:
        """Tokens that it would read: exactly, or more."""
        ...


def price(model: Model | str, input_tokens: int, output_tokens: int) -> Decimal | None:
    """US dollars for one answer; None where nobody knows.

    `model` is a model, or its name, such as `openai:gpt-5`. The deployment's own prices in GATEWORK_PRICES go first,
    then those that a model of your own names in an attribute `price` (a `Price`), then those of the provider. Raises
    `ConfigError` for a GATEWORK_PRICES that cannot be read.
    """
    name = model if isinstance(model, str) else model.name
    read, written = max(input_tokens, 0), max(output_tokens, 0)
    own = _own_prices(os.environ.get(VARIABLE, "")).get(name) or getattr(model, "price", None)
    if name == "embedded" and own is None:
        own = FREE
    return own.of(read, written) if isinstance(own, Price) else _list_price(name, read, written)


async def estimate(model: Model, question: Question) -> Estimate:
    """The most that a question can cost a model, to be reserved before it is asked."""
    counted = await model.input_tokens(question) if isinstance(model, Counting) else most_input_tokens(question)
    return Estimate(
        input_tokens=counted,
        output_tokens=question.max_output_tokens,
        money_usd=price(model, counted, question.max_output_tokens),
    )


def most_input_tokens(question: Question) -> int:
    """More tokens than any model reads for a question: no token is shorter than a byte.

    English has about four bytes a token, so this is three or four times what is read in the end.
    """
    asked = messages(question)
    texts = [asked.system, asked.user, _text(question.schema)]
    texts += [text for tool in asked.tools for text in (tool.name, tool.description, _text(tool.schema))]
    texts += [text for turn in asked.exchanges for call in turn.calls for text in (call.name, call.arguments)]
    texts += [text for turn in asked.exchanges for text in turn.told]
    unseen = _UNSEEN_TOKENS + (_UNSEEN_WITH_TOOLS_TOKENS if asked.tools else 0)
    return sum(len(text.encode()) for text in texts) + len(texts) * _EACH_MESSAGE_TOKENS + unseen


def _text(schema: Any) -> str:
    return json.dumps(schema)


@lru_cache(maxsize=8)
def _own_prices(text: str) -> dict[str, Price]:
    """`openai-chat:llama-3=0.10/0.40, …`: US dollars for a million tokens read, and for a million written."""
    prices: dict[str, Price] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        name, _, said = entry.rpartition("=")
        read, _, written = said.partition("/")
        try:
            found = Price(read_usd=Decimal(read.strip()), written_usd=Decimal(written.strip()))
        except InvalidOperation:
            found = None
        if not name.strip() or found is None or not _is_amount(found.read_usd) or not _is_amount(found.written_usd):
            raise ConfigError(
                f"{VARIABLE} cannot be read: write `provider:model=READ/WRITTEN`, US dollars for a million tokens "
                "read and written, such as `openai-chat:llama-3=0.10/0.40`, with commas between models."
            )
        prices[name.strip()] = found
    return prices


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and amount >= 0


def _list_price(name: str, input_tokens: int, output_tokens: int) -> Decimal | None:
    provider, colon, model = name.partition(":")
    if not (provider and colon and model):
        return None
    try:
        from genai_prices import Usage, calc_price

        found = calc_price(Usage(input_tokens=input_tokens, output_tokens=output_tokens), model, provider_id=provider)
    except (ImportError, LookupError, ValueError):
        return None
    # A list that lacks one of the two counts it as nothing, and what is nowhere priced is not for free.
    known = (getattr(found.model_price, unit, None) for unit in ("input_mtok", "output_mtok"))
    return None if None in known else found.total_price
