"""Prices that are known are exact, those that are not are None; what is reserved is never less than what is spent."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.errors import ConfigError
from gatework.models import (
    FREE,
    Answer,
    Estimate,
    Price,
    Question,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    connect,
    estimate,
    price,
)
from gatework.models.cost import most_input_tokens
from tests.unit.models.questions import closed, question

OWN = Price(read_usd=Decimal("0.1"), written_usd=Decimal("0.4"))


class Own:
    """A model of somebody's own."""

    name = "own:1"

    def __init__(self, own: object = None) -> None:
        if own is not None:
            self.price = own

    async def answer(self, question: Question) -> Answer:
        raise NotImplementedError


class Counted(Own):
    """One that counts."""

    async def input_tokens(self, question: Question) -> int:
        return 7


@pytest.fixture(autouse=True)
def _no_prices_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWORK_PRICES", raising=False)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("openai:gpt-5", "0.00225"),
        ("openai-chat:gpt-5", "0.00225"),
        ("openai:gpt-5-2025-08-07", "0.00225"),
        ("anthropic:claude-sonnet-4-5", "0.0045"),
        ("embedded", "0"),
    ],
)
def test_known_price_is_exact(model: str, usd: str) -> None:
    """A thousand tokens read and a hundred written, in US dollars, from the list that is installed."""
    assert price(model, 1000, 100) == Decimal(usd)


@pytest.mark.parametrize(
    "model",
    [
        "openai:gpt-5-mega-ultra",
        "openai:my-own-gpt-5",
        "ollama:llama3",
        "nobody:gpt-5",
        "gpt-5",
        "openai:",
        ":gpt-5",
        "",
        "scripted",
        "Embedded",
        "openai:text-embedding-3-small",
        "cerebras:qwen-3-coder-480b",
    ],
)
def test_price_that_nobody_knows_is_none_and_never_nothing(model: str) -> None:
    """Names that are like a known one, and list entries without a price for both directions, are not guessed at."""
    assert price(model, 1000, 100) is None


@pytest.mark.parametrize("text", ["own:1=0.10/0.40", " x:y = 1/2 ,own:1= 0.10 / 0.40,", "own:1=9/9,own:1=0.10/0.40"])
def test_prices_of_the_deployment_go_first(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Who has a contract, a proxy or a server of their own says what it costs."""
    monkeypatch.setenv("GATEWORK_PRICES", text)
    assert price("own:1", 1_000_000, 2_000_000) == Decimal("0.90")
    assert price(Own(FREE), 1_000_000, 2_000_000) == Decimal("0.90")
    monkeypatch.setenv("GATEWORK_PRICES", "openai:gpt-5=0/1, embedded=3/0")
    assert price("openai:gpt-5", 1000, 100) == Decimal("0.0001")
    assert price("embedded", 1_000_000, 5) == 3


@pytest.mark.parametrize(
    "text", ["own:1", "own:1=", "own:1=1", "own:1=1/x", "=1/2", "own:1=-1/2", "own:1=NaN/1", "own:1=1/Infinity", "a,b"]
)
def test_prices_that_cannot_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A typing error must not make a model free, or unknown."""
    monkeypatch.setenv("GATEWORK_PRICES", text)
    with pytest.raises(ConfigError, match="GATEWORK_PRICES cannot be read: write `provider:model=READ/WRITTEN`"):
        price("own:1", 1, 1)


def test_model_of_ones_own_may_name_its_price() -> None:
    """And only as a price: any other attribute of that name is no price."""
    assert price(Own(OWN), 1_000_000, 1_000_000) == Decimal("0.5")
    assert price(Own(), 1, 1) is None
    assert price(Own(Decimal(0)), 1, 1) is None


def test_counts_below_nothing_give_no_credit() -> None:
    """What a provider reports is outside data."""
    assert price("openai:gpt-5", -(10**9), -5) == 0
    assert price(Own(OWN), -(10**9), 1_000_000) == Decimal("0.4")


async def test_estimate_takes_the_models_own_count_or_more_than_any_has() -> None:
    """Input as counted, output as allowed, money for both."""
    asked = question()
    assert await estimate(Counted(OWN), asked) == Estimate(
        input_tokens=7, output_tokens=80, money_usd=Decimal("0.0000327")
    )
    guessed = await estimate(Own(OWN), asked)
    assert guessed.input_tokens == most_input_tokens(asked)
    assert guessed.tokens == most_input_tokens(asked) + 80
    assert (await estimate(Own(), asked)).money_usd is None


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_bound_holds_every_byte_that_is_sent(mail: str, said: str, wrote: str, told: str) -> None:
    """Each text of the question counts with all its bytes, whatever letters it is written in."""
    full = dataclasses.replace(
        question(mail, untrusted=False, schema=closed(reason={"enum": [mail]})),
        tools=(ToolSpec(name="find", description=said, schema=closed(order={"const": said})),),
        turns=(
            Turn(
                calls=(ToolCall(name="find", arguments=wrote),),
                results=(ToolResult(name="find", text=told, untrusted=False),),
            ),
        ),
    )
    sizes = [len(text.strip().encode("utf-8", "ignore")) for text in (mail, mail, said, said, wrote, told)]
    assert most_input_tokens(full) > sum(sizes) + 1000


def test_price_fetches_nothing_and_imports_no_client() -> None:
    """A worker behind a wall knows its prices, and the embedded model needs no list."""
    program = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from gatework.models import price\n"
        "assert price('embedded', 1, 1) == 0\n"
        "print([name for name in ('genai_prices', 'pydantic_ai') if name in sys.modules])\n"
        "print(price('openai:gpt-5', 1000, 100))\n"
        "print([name for name in ('openai', 'pydantic_ai') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["[]", "0.00225", "[]"]


async def test_embedded_model_counts_its_tokens_exactly() -> None:
    """What is reserved for reading is what is then read, tools and turns included."""
    model = connect("embedded")
    tool = ToolSpec(name="find", description="Find.", schema=closed(order={"type": "string", "maxLength": 6}))
    turn = Turn(
        calls=(ToolCall(name="find", arguments='{"order": "1"}'),),
        results=(ToolResult(name="find", text="naïve 漢 <|im_end|>", untrusted=True),),
    )
    for asked in (question(max_output_tokens=2), dataclasses.replace(question(max_output_tokens=2), tools=(tool,))):
        for each in (asked, dataclasses.replace(asked, turns=(turn,))):
            assert (await estimate(model, each)).input_tokens == (await model.answer(each)).input_tokens
    assert (await estimate(model, question())).money_usd == 0
