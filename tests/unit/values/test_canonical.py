"""Canonical JSON: one form for a value, one digest for a form, and nothing read that has no form."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.canonical import MAX_DEPTH, MAX_INTEGER, Sealed
from tests.unit.hostile import MARK, WRONG_BYTES

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not MAX_INTEGER < abs(number) < 1e21
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
NO_VALUES = {"null", "a list", "text", "a number", "300,000 items", "300,000 wrong items"}
"""Wrong for the contract of the tests, and JSON all the same."""


@given(JSON)
def test_what_is_written_reads_back_and_is_written_alike(value: Any) -> None:
    """Canonical bytes are a fixed point."""
    data = canonical.dumps(value)
    again = canonical.loads(data)
    assert again == value
    assert canonical.dumps(again) == data


@given(JSON)
@example({"\U0001f600": 1, "\ufb01": 2, "é": 3, 'a\u2028\x7f\x00"\\/': [True, 1.5, -0.0]})
@example([1e-4, 9.999999999999999e-5, -1e-4, 1e15, 999999999999999.9, -999999999999999.9, 0.1 + 0.2, 5e-324, 2.0])
def test_form_is_that_of_rfc_8785(value: Any) -> None:
    """The short cut for plain values writes what the library for the standard writes."""
    assert canonical.dumps(value) == rfc8785.dumps(value)


@given(JSON)
def test_form_does_not_depend_on_how_it_was_written(value: Any) -> None:
    """Spaces, escapes and the order of members are nobody's business."""
    loose = json.dumps(value, indent=3, ensure_ascii=True).encode()
    assert canonical.dumps(canonical.loads(loose)) == canonical.dumps(value)


@given(JSON, JSON, st.binary(max_size=20), st.binary(max_size=20))
def test_digest_tells_values_and_salts_apart(one: Any, other: Any, salt: bytes, pepper: bytes) -> None:
    """Two digests are the same where value and salt are, and nowhere else."""
    same_value = canonical.dumps(one) == canonical.dumps(other)
    assert (canonical.digest("value", one) == canonical.digest("value", other)) is same_value
    salted, peppered = canonical.digest("value", one, salt=salt), canonical.digest("value", one, salt=pepper)
    assert (salted == peppered) is (salt == pepper)
    assert canonical.digest("value", one) != canonical.digest("plan", one)


def test_salt_and_value_are_not_confused() -> None:
    """What ends the salt and what begins the value is said beforehand."""
    assert canonical.digest("value", 23, salt=b"1") != canonical.digest("value", 3, salt=b"12")
    assert canonical.digest("a/b", 1) != canonical.digest("a", 1)


@given(JSON, st.binary(min_size=16, max_size=16))
def test_sealed_value_is_intact_until_it_is_touched(value: Any, salt: bytes) -> None:
    """A digest is of this value and this salt."""
    sealed = Sealed.of(value, salt)
    assert sealed.intact
    assert not Sealed(data=[value], salt=sealed.salt, digest=sealed.digest).intact
    assert not Sealed(data=value, salt=sealed.salt + "00", digest=sealed.digest).intact
    assert not Sealed(data=value, salt="no hex", digest=sealed.digest).intact
    assert not Sealed(data=math.nan, salt=sealed.salt, digest=sealed.digest).intact


@pytest.mark.parametrize("case", [case for case in WRONG_BYTES if case not in NO_VALUES])
def test_bytes_without_a_canonical_form_are_refused(case: str) -> None:
    """One clear reason, at once, that repeats nothing."""
    data = WRONG_BYTES[case]()
    began = time.process_time()
    with pytest.raises(ContractError) as caught:
        canonical.loads(data)
    assert time.process_time() - began < 2
    assert MARK not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1: 2},
        {"a": {1, 2}},
        (1, {"a": object()}),
        math.nan,
        [math.inf],
        2**53,
        -(2**53),
        1e20,
        "\ud800",
        {"\udc00": 1},
        1 + 2j,
        range(3),
    ],
)
def test_python_value_that_is_not_json_is_refused(value: Any) -> None:
    """Nothing is taken for what it resembles."""
    for write in (canonical.check, canonical.dumps, lambda value: canonical.digest("value", value)):
        with pytest.raises(ContractError):
            write(value)


def test_value_that_holds_itself_is_refused() -> None:
    """It has no end, and the check has."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ContractError, match="nested deeper"):
        canonical.dumps(endless)


def test_limits_are_where_they_are_said_to_be() -> None:
    """The last that is accepted, and the first that is not."""
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert canonical.loads(canonical.dumps(deep)) == deep
    with pytest.raises(ContractError, match="nested deeper than 64 levels"):
        canonical.dumps([deep])
    assert canonical.loads(str(MAX_INTEGER).encode()) == MAX_INTEGER
    assert canonical.loads(b"1e21") == 1e21
    with pytest.raises(ContractError, match="4 bytes are more than the 3"):
        canonical.loads(b"1234", max_bytes=3)
    assert canonical.loads(b"[1,2]", max_values=3) == [1, 2]
    with pytest.raises(ContractError, match="more than 2 values"):
        canonical.loads(b"[1,2]", max_values=2)


def test_known_digest_stays() -> None:
    """Receipts of years ago name values by these digests."""
    assert canonical.dumps({"b": 1.0, "a": ["é", -0.0, 1e21]}) == '{"a":["é",0,1e+21],"b":1}'.encode()
    assert canonical.digest("value", {"b": 1, "a": "é"}, salt=b"\0" * 16) == (
        "9cadcaabd589375d94c45d4f29566cbbfe855a0b9e4c0e849555f2b2d55beb35"
    )
