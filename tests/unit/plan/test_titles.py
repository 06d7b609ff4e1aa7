"""Titles of approvals: fields of the value in a sentence, and nothing else, whatever title and value hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.plan import titles

WORDS = st.text(max_size=8)


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("", []),
        ("pay", []),
        ("pay {amount}", ["amount"]),
        ("pay {amount} {currency} to {to_whom}, {amount} in all", ["amount", "currency", "to_whom", "amount"]),
        ("{{amount}}", []),
        ("{{{amount}}}", ["amount"]),
        ("a" * 120, []),
    ],
)
def test_title_names_fields(title: str, named: list[str]) -> None:
    """What stands in braces is a field of the value."""
    assert titles.fields(title) == named


@pytest.mark.parametrize(
    ("title", "wrong"),
    [
        ("a" * 121, "at most 120"),
        ("pay\n{amount}", "printable"),
        ("pay \x1b[2J", "printable"),
        ("pay \u202e{amount}", "printable"),
        ("pay {amount", "without its pair"),
        ("pay amount}", "without its pair"),
        ("pay {", "without its pair"),
        ("{}", "name a field"),
        ("{0}", "name a field"),
        ("{a.b}", "name a field"),
        ("{a.__class__.__mro__}", "name a field"),
        ("{a[0]}", "name a field"),
        ("{a[__globals__]}", "name a field"),
        ("{a!r}", "formats"),
        ("{a!s}", "formats"),
        ("{a:>1000000000}", "formats"),
        ("{a:{b}}", "formats"),
        ("{a b}", "name a field"),
        ("{ a}", "name a field"),
        ("{amount:}!{x!}", "without its pair|formats"),
    ],
)
def test_title_that_is_more_than_words_and_fields_is_refused(title: str, wrong: str) -> None:
    """Attributes, items, positions, conversions and formats have no place in a title."""
    with pytest.raises(ValueError, match=wrong):
        titles.fields(title)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"amount": 7}, "pay 7!"),
        ({"amount": "7.50"}, "pay 7.50!"),
        ({"amount": None}, "pay null!"),
        ({"amount": True}, "pay true!"),
        ({"amount": {"é": [1]}}, 'pay {"é": [1]}!'),
        ({"amount": "{other}", "other": "x"}, "pay {other}!"),
        ({"amount": "{0.__class__}"}, "pay {0.__class__}!"),
        ({}, "pay null!"),
        ("no object", "pay null!"),
        (None, "pay null!"),
        ([{"amount": 7}], "pay null!"),
    ],
)
def test_title_is_filled_with_what_the_value_holds(value: Any, said: str) -> None:
    """A field is written as text or as JSON, once; braces in it are text; what is not there is null."""
    assert titles.filled("pay {amount}!", value) == said


@given(WORDS, WORDS, st.recursive(st.none() | st.integers() | WORDS, lambda inner: st.lists(inner, max_size=3)))
def test_every_part_of_a_title_is_made_fit_and_nothing_beside(before: str, after: str, item: Any) -> None:
    """Words and fields go through `shown`, each whole, in their order; nothing of the value comes past it."""
    seen: list[str] = []

    def shown(part: str) -> str:
        seen.append(part)
        return f"<{len(seen)}>"

    def braced(words: str) -> str:
        return words.replace("{", "{{").replace("}", "}}")

    said = titles.filled(f"{braced(before)}{{a}}{braced(after)}", {"a": item, "b": "unseen"}, shown)
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    assert said == "".join(f"<{number}>" for number in range(1, len(seen) + 1))
    assert "".join(seen) == before + text + after
    assert text in seen


@given(st.text("{}ab.[]!:0 ", max_size=12))
def test_title_that_is_taken_can_be_filled(title: str) -> None:
    """No title that passes the check fails later, or shows more than the fields that it names."""
    try:
        named = titles.fields(title)
    except ValueError:
        return
    assert all(name.isidentifier() for name in named)
    said = titles.filled(title, dict.fromkeys(named, "§"))
    assert said.count("§") == len(named)
