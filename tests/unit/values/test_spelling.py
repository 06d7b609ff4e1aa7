"""One spelling: what a contract lets be written in several ways is one value, and nothing else is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gatework.values.canonical import MAX_DEPTH
from gatework.values.contract import contract
from gatework.values.spelling import DECIMAL, spelled


class Part(BaseModel):
    price: Decimal


class Everything(BaseModel):
    amount: Decimal
    perhaps: Decimal | None
    text: str
    either: Decimal | str
    many: list[Decimal]
    named: dict[str, Decimal]
    part: Part
    parts: list[Part] | None
    pair: tuple[Decimal, str]


SCHEMA = contract(Everything).schema


def test_decimals_are_written_in_one_way_wherever_they_stand() -> None:
    """Zeros at the end, exponents, signs of zero; in fields, lists, objects, tuples and parts."""
    data = {
        "amount": "12.50",
        "perhaps": "1e2",
        "many": ["0.10", "-0", "0.0", "007"],
        "named": {"a": "100"},
        "part": {"price": "-1.0"},
        "parts": [{"price": "3.30"}],
        "pair": ["1.0", "1.0"],
    }
    assert spelled(SCHEMA, data) == {
        "amount": "12.5",
        "perhaps": "1E+2",
        "many": ["0.1", "0", "0", "7"],
        "named": {"a": "1E+2"},
        "part": {"price": "-1"},
        "parts": [{"price": "3.3"}],
        "pair": ["1", "1.0"],
    }


@pytest.mark.parametrize(
    "data",
    [
        {"text": "12.50"},
        {"either": "12.50"},
        {"perhaps": None, "parts": None},
        {"unknown": "1.0"},
        {"many": {"a": "1.0"}},
        {"amount": ["1.0"], "part": "1.0"},
        {"amount": 1.5, "part": True},
        ["1.0"],
        "1.0",
        {"pair": ["1", "1.0", "1.0"]},
    ],
)
def test_text_of_which_it_is_not_known_that_it_is_a_decimal_stays_as_it_is(data: Any) -> None:
    """A text may look like a number and be none: two account numbers are two."""
    assert spelled(SCHEMA, data) == data


@pytest.mark.parametrize("schema", [None, True, {}, {"$ref": "#/$defs/none"}, {"$ref": 5}, {"$ref": "#"}, []])
def test_schema_that_says_nothing_changes_nothing(schema: Any) -> None:
    """Not even one that refers to itself."""
    assert spelled(schema, {"amount": "1.0"}) == {"amount": "1.0"}


def test_schema_that_refers_to_itself_ends() -> None:
    """Whoever wrote it."""
    turning = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}
    assert spelled(turning, {"amount": "1.0"}) == {"amount": "1.0"}
    nested = {"type": "object", "properties": {"in": {"$ref": "#"}, "n": {"type": "string", "pattern": DECIMAL}}}
    assert spelled(nested, {"in": {"in": {"n": "1.0"}}}) == {"in": {"in": {"n": "1"}}}


@pytest.mark.parametrize("choice", ["anyOf", "oneOf"])
def test_choice_of_which_one_is_meant_says_what_a_text_is(choice: str) -> None:
    """However the contract of a tool from elsewhere writes it."""
    decimal = {"type": "string", "pattern": DECIMAL}
    assert spelled({choice: [decimal, {"type": "null"}]}, "1.0") == "1"
    assert spelled({choice: [decimal, {"type": "string"}]}, "1.0") == "1.0"


@pytest.mark.parametrize(("refs", "found"), [(4 * MAX_DEPTH - 1, "1"), (4 * MAX_DEPTH, "1.0")])
def test_references_are_followed_four_times_as_deep_as_json_goes(refs: int, found: str) -> None:
    """And not one further."""
    chain = {f"r{n}": {"$ref": f"#/$defs/r{n + 1}"} for n in range(1, refs)}
    schema = {"$ref": "#/$defs/r1", "$defs": {**chain, f"r{refs}": {"type": "string", "pattern": DECIMAL}}}
    assert spelled(schema, "1.0") == found


@pytest.mark.parametrize("text", ["1e99999999999999999999", "-1e-99999999999999999999", "1" * 5_000])
def test_number_beyond_reason_keeps_its_value(text: str) -> None:
    """Nothing is rounded, and nothing written out."""
    (found,) = spelled(contract(list[Decimal]).schema, [text])
    assert len(found) <= len(text) + 5
    assert found == text or Decimal(found) == Decimal(text)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_two_spellings_are_one_exactly_where_the_numbers_are(one: Decimal, other: Decimal) -> None:
    """No two numbers fall together."""
    schema = contract(list[Decimal]).schema
    same = spelled(schema, [str(one)]) == spelled(schema, [str(other)])
    assert same == (one == other)
    assert spelled(schema, [str(one)]) == spelled(schema, [f"{one:f}"])
