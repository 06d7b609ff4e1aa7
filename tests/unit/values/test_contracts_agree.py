"""A contract and its sealed schema agree: what Python writes or reads, the schema alone takes as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import UUID4, AnyUrl, BaseModel, Field, create_model

from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.contract import Contract
from gatework.values.schema import Schema


class Inner(BaseModel):
    name: str


class Colour(Enum):
    RED = "red"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**53) + 1, 2**53 - 1)),
    (str, TEXT),
    (bool, st.booleans()),
    (float, st.floats(-1e15, 1e15)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (date, st.dates()),
    (datetime, st.datetimes() | st.datetimes(timezones=st.timezones())),
    (timedelta, st.timedeltas(timedelta(-(10**6)), timedelta(10**6))),
    (UUID, st.uuids()),
    (Literal["a", 3], st.sampled_from(["a", 3])),
    (Colour, st.sampled_from(Colour)),
    (Inner, st.builds(Inner, name=TEXT)),
    (Annotated[int, Field(ge=0, lt=10)], st.integers(0, 9)),
    (
        Annotated[str, Field(min_length=1, max_length=3, pattern="^[a-z]+$")],
        st.from_regex("[a-z]{1,3}", fullmatch=True),
    ),
    (Annotated[Decimal, Field(gt=0, decimal_places=2)], st.decimals("0.01", "10000", places=2)),
]
SPOILT: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, 1.0, 3, -1, 1.5, 10, "", "a", "A", "3", "1.0", "abcd", "2026-01-02", "true", [], {}, [1],
     ["a"], {"name": "a"}, {"name": 1}, {"name": "a", "x": 1}, "P1D", "red", "2026-01-02T03:04:05"],
)  # fmt: skip


LIST: Any = list
DICT: Any = dict
TUPLE: Any = tuple


@st.composite
def fields(draw: st.DrawFn) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type with a strategy for its values, inside of a container or not."""
    kind, values = draw(st.sampled_from(TYPES))
    match draw(st.sampled_from(["plain", "optional", "list", "dict", "union", "pair"])):
        case "optional":
            return kind | None, values | st.none()
        case "list":
            return LIST[kind], st.lists(values, max_size=3)
        case "dict":
            return DICT[str, kind], st.dictionaries(TEXT, values, max_size=3)
        case "union":
            other, more = draw(st.sampled_from(TYPES))
            return kind | other, values | more
        case "pair":
            other, more = draw(st.sampled_from(TYPES))
            return TUPLE[kind, other], st.tuples(values, more)
        case _:
            return kind, values


@st.composite
def models(draw: st.DrawFn) -> tuple[Contract[Any], Any]:
    """The contract of a model of one to three fields, and a value of it."""
    drawn = draw(st.lists(fields(), min_size=1, max_size=3))
    model = create_model("Drawn", **{f"f{i}": (kind, ...) for i, (kind, _) in enumerate(drawn)})  # type: ignore[call-overload]
    values = {f"f{i}": draw(strategy) for i, (_, strategy) in enumerate(drawn)}
    try:
        return Contract(model), model.model_validate(values, strict=True)
    except ValueError:  # a value of one type in a union that another one takes otherwise
        return Contract(model), None


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(models())
def test_what_a_contract_writes_reads_back_and_keeps_to_the_schema(drawn: tuple[Contract[Any], Any]) -> None:
    """Output → bytes → model → bytes is the same, and the schema alone would have taken it too."""
    sealed, value = drawn
    if value is None:
        return
    try:
        data = sealed.write(value)
    except ContractError:
        return  # a member of a union that comes back as another one
    assert sealed.read(data) == value
    assert sealed.accept(data) == data
    Schema(sealed.schema).check(canonical.loads(data))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(models(), st.data())
def test_what_a_contract_reads_its_schema_accepts(drawn: tuple[Contract[Any], Any], data: st.DataObject) -> None:
    """However a value is spoilt: what Python reads, the schema takes; never the other way round."""
    sealed, value = drawn
    names = list(sealed.schema["properties"])
    whole = json.loads(value.model_dump_json()) if value is not None else dict.fromkeys(names, 1)
    for name in data.draw(st.lists(st.sampled_from([*names, "unknown"]), max_size=2)):
        whole[name] = data.draw(SPOILT)
    if data.draw(st.booleans()):
        whole.pop(data.draw(st.sampled_from(names)), None)
    text = json.dumps(whole).encode()
    try:
        sealed.read(text)
    except ContractError:
        return
    Schema(sealed.schema).check(canonical.loads(text))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(models(), st.data())
def test_compiled_check_agrees_with_the_one_that_explains(
    drawn: tuple[Contract[Any], Any], data: st.DataObject
) -> None:
    """The fast check lets nothing through that the other refuses, and refuses nothing that the other takes."""
    sealed, value = drawn
    whole = json.loads(value.model_dump_json()) if value is not None else {}
    for name in data.draw(st.lists(st.sampled_from([*sealed.schema["properties"], "unknown"]), max_size=3)):
        whole[name] = data.draw(SPOILT)
    agree(sealed.schema, whole)


@pytest.mark.parametrize("name", ["date", "date-time", "time", "ipv4", "ipv6", "uuid", "email", "uri", "regex"])
@pytest.mark.parametrize(
    "text",
    [
        "", "2026-01-31", "20260131", "2026-W05-6", "2026-02-30", "2026-01-31T10:00:00Z", "2026-01-31 10:00",
        "10:00:00", "25:00", "127.0.0.1", "127.1", "::1", "fe80::1%eth0", "12345678-1234-1234-1234-1234567890AB",
        "12345678123412341234123456789012", "{12345678-1234-1234-1234-123456789012}", "a@b", "(", "\x00",
        "1" * 5000,
    ],
)  # fmt: skip
def test_formats_mean_the_same_to_both_checks(name: str, text: str) -> None:
    """A format is checked by one function, and those that none is for are remarks."""
    agree({"type": "string", "format": name}, text)
    agree({"properties": {"format": {"format": name}}, "additionalProperties": False}, {"format": text})


def agree(document: Any, value: Any) -> None:
    schema = Schema(document)
    explained = next(schema._validator.iter_errors(value), None)
    assert schema._compiled.is_valid(value) == (explained is None)


@pytest.mark.parametrize(
    "pattern", [r"^\w+$", r"^\W$", r"^[^\w]$", r"^\d+$", r"^\D$", r"^\S+$", r"^\s$", r"\bA\b", "(?i)^k$"]
)
@pytest.mark.parametrize("text", ["a", "3", "é", "\u0663", " ", "\u00a0", "a\u0085", "éA", "\u212a"])
def test_a_pattern_means_the_same_to_a_contract_and_its_schema(pattern: str, text: str) -> None:
    """Letters, digits and spaces are those of all writing systems to both: a name such as José passes both or none."""
    sealed: Contract[str] = Contract(Annotated[str, Field(pattern=pattern)])
    assert _takes(lambda: sealed.read(canonical.dumps(text))) == _takes(lambda: Schema(sealed.schema).check(text))


FORMATS: list[Any] = [
    *(date, datetime, timedelta, UUID, UUID4, AnyUrl),
    *(IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network),
]
WRITTEN = [
    *("", "x", "a b", "1", "2026-01-02", "2026-02-30", "2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "03:04:05"),
    *("P1D", "-PT1.5S", "P", "1 day", "12:00:00", "00000000-0000-0000-0000-000000000000"),
    *(
        "6f1c8f0e-3f0b-4c58-9d0c-0d6a5f0f8e11",
        "6F1C8F0E3F0B4C589D0C0D6A5F0F8E11",
        "http://a/b?c",
        "mailto:a@b",
        "http://",
    ),
    *("10.0.0.1", "10.0.0.0/8", "10.0.0.1/8", "::1", "fe80::1%eth0", "2001:db8::/32", "2001:db8::1/32", "1.2.3"),
]


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("kind", FORMATS, ids=str)
def test_a_format_means_the_same_to_a_contract_and_its_schema(kind: Any, text: str) -> None:
    """What a person edits is refused at once where the stage that reads it would refuse it, and only there."""
    sealed: Contract[Any] = Contract(kind)
    assert _takes(lambda: sealed.read(canonical.dumps(text))) == _takes(lambda: Schema(sealed.schema).check(text))


def _takes(check: Callable[[], object]) -> bool:
    try:
        check()
    except ContractError:
        return False
    return True
