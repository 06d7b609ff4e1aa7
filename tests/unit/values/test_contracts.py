"""Contracts: nothing is coerced, nothing ignored, nothing repeated, and no value takes long to refuse."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.contract import contract
from gatework.values.schema import Schema
from tests.unit.hostile import MARK, VALID, WRONG_BYTES, WRONG_FIELDS, with_

LAX = ConfigDict(extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=False)
"""A model that forgives everything; its contract does not."""


class Inner(BaseModel):
    model_config = LAX
    name: str


class Cat(BaseModel):
    model_config = LAX
    kind: Literal["cat"]
    name: str


class Dog(BaseModel):
    model_config = LAX
    kind: Literal["dog"]
    name: str


class Everything(BaseModel):
    model_config = LAX
    number: int
    text: str
    flag: bool
    rate: float
    money: Decimal
    items: list[int]
    pair: tuple[int, str]
    level: Literal["low", "high"]
    day: date
    at: datetime
    id: UUID
    inner: Inner
    variant: Annotated[Cat | Dog, Field(discriminator="kind")]
    counts: dict[str, int]
    maybe: int | None = None
    one: Literal[1]


CONTRACT = contract(Everything)
SCHEMA = Schema(CONTRACT.schema)

BOUNDARIES: dict[str, Callable[[bytes], object]] = {
    "read": CONTRACT.read,
    "accept": CONTRACT.accept,
    "schema": lambda data: SCHEMA.check(canonical.loads(data)),
}

ONLY_PYTHON_REFUSES = {"whole float for an integer"}
"""What the schema lets through and the contract does not. (Its canonical form, 7, is what is sealed.)"""


def refusal(boundary: str, data: bytes) -> ContractError:
    """The error at a boundary: prompt, short, and without anything of the data."""
    began = time.process_time()
    with pytest.raises(ContractError) as caught:
        BOUNDARIES[boundary](data)
    assert time.process_time() - began < 3
    located = caught.value.at("output of extract")
    text = "".join(traceback.format_exception(caught.value)) + str(located) + repr(located)
    assert MARK not in text
    assert "output of extract" in str(located)
    assert len(str(located)) < 300
    return caught.value


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_valid_value_is_accepted(boundary: str) -> None:
    """The value that all of the tests below spoil in one place."""
    BOUNDARIES[boundary](json.dumps(VALID).encode())


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_wrong_field_is_refused_by_name(case: str, boundary: str) -> None:
    """The error names the field that is wrong, in names of the contract alone."""
    data, field = WRONG_FIELDS[case]
    if boundary == "schema" and case in ONLY_PYTHON_REFUSES:
        BOUNDARIES[boundary](data)
        return
    error = refusal(boundary, data)
    assert error.field.startswith(field), error.field
    assert error.reason


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", WRONG_BYTES)
def test_wrong_bytes_are_refused(case: str, boundary: str) -> None:
    """Whatever they are, the answer is one sentence, and soon."""
    refusal(boundary, WRONG_BYTES[case]())


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        (with_(at="2026-01-02T03:04:05+00:00"), "2026-01-02T03:04:05Z"),
        (with_(at="2026-01-02T03:04:05.000Z"), "2026-01-02T03:04:05Z"),
        (with_(id="00000000000040008000000000000000"), "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_same_value_written_otherwise_is_accepted(given_: bytes, written: str) -> None:
    """A time in UTC is a time in UTC; what is kept is the canonical form."""
    if b"0000000000004000" in given_:
        refusal("accept", given_)  # but an identifier has one form
    else:
        assert written in CONTRACT.accept(given_).decode()


# -- values made in Python ---------------------------------------------------------------------------


class Sub(Inner):
    more: int = 3


class Private(BaseModel):
    a: int
    _kept: int = PrivateAttr(default=0)


class Holder(BaseModel):
    inner: Inner


@dataclass
class Point:
    x: int


class Colour(Enum):
    RED = "red"


class Sly(str):
    __slots__ = ()


def private(kept: int) -> Private:
    value = Private(a=1)
    value._kept = kept  # pyright: ignore[reportPrivateUsage]
    return value


def endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


WRONG_VALUES: list[tuple[Any, Any]] = [
    (int, "7"),
    (int, 7.0),
    (int, None),
    (int, 2**60),
    (str, 7),
    (str, b"bytes"),
    (str, f"{MARK}\ud800"),
    (str, MARK * 200_000),
    (bool, 1),
    (float, float("nan")),
    (float, float("inf")),
    (float, 1e20),
    (Decimal, 1.5),
    (Decimal, Decimal("NaN")),
    (Decimal, Decimal("Infinity")),
    (list[int], (1, 2)),
    (list[int], ["7"]),
    (list[int], range(3)),
    (list[list[int]], endless()),
    (tuple[int, ...], [1]),
    (dict[str, int], {1: 1}),
    (dict[str, int], {MARK: MARK}),
    (Inner, {"name": MARK}),
    (Inner, Sub(name=MARK)),
    (Inner, Inner.model_construct(name=7)),
    (Inner, Inner.model_construct()),
    (Inner, Cat(kind="cat", name=MARK)),
    (Holder, Holder.model_construct(inner=Sub(name=MARK))),
    (Holder, Holder.model_construct(inner={"name": MARK})),
    (Private, private(3)),
    (Inner | None, MARK),
    (Literal["a"], MARK),
    (Colour, "red"),
    (Point, {"x": 1}),
    (date, datetime(2026, 1, 2)),  # noqa: DTZ001
    (datetime, MARK),
    (UUID, MARK),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), WRONG_VALUES, ids=lambda value: repr(value)[:40])
def test_python_value_that_does_not_come_back_is_refused(annotation: Any, value: Any) -> None:
    """What a stage returns is written only where it reads back as the same."""
    with pytest.raises(ContractError) as caught:
        contract(annotation).write(value)
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_object_that_breaks_while_it_is_written_is_refused() -> None:
    """Whatever a value's own code raises stays behind."""

    class Breaking(BaseModel):
        a: int

        def __eq__(self, other: object) -> bool:
            return True

    value = Breaking.model_construct(a=object())
    with pytest.raises(ContractError, match="not a valid Breaking"):
        contract(Breaking).write(value)


def test_own_validator_does_not_leak() -> None:
    """A model's own complaint may quote the value, so it is replaced."""

    class Strict(BaseModel):
        a: str
        b: Annotated[str, AfterValidator(lambda value: value.index("\0"))] = ""

        @field_validator("a")
        @classmethod
        def never(cls, value: str) -> str:
            raise ValueError(f"{value} is not liked")

    with pytest.raises(ContractError, match=r"field a: refused by the model's own validator \(and 1 more\)") as caught:
        contract(Strict).read(json.dumps({"a": MARK, "b": MARK}).encode())
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_validator_that_bends_a_value_is_noticed() -> None:
    """A value that changes whenever it is read is never the same twice."""

    class Growing(BaseModel):
        a: Annotated[str, AfterValidator(lambda value: value + "!")]

    with pytest.raises(ContractError, match="does not come back"):
        contract(Growing).write(Growing(a="x"))


@pytest.mark.parametrize("given", [99.5, "ninety", "12,50", ""])
def test_what_is_no_decimal_is_said_without_a_pattern(given: object) -> None:
    """Whoever edits an amount is told how to write it, and not the expression that it is held against."""

    class Bill(BaseModel):
        amount: Decimal

    with pytest.raises(ContractError) as caught:
        Schema(contract(Bill).schema).check({"amount": given})
    assert str(caught.value) == 'field amount: must be a number in quotation marks, such as "12.50"'


def test_backtracking_pattern_takes_no_time() -> None:
    """Patterns match in linear time on both sides, in the workflow too."""

    class Slow(BaseModel):
        a: str = Field(pattern=r"^(a+)+$")

    sealed = contract(Slow)
    data = json.dumps({"a": "a" * 100_000 + "b"}).encode()
    began = time.process_time()
    with pytest.raises(ContractError, match="field a"):
        sealed.read(data)
    with pytest.raises(ContractError, match="field a: must match the pattern"):
        Schema(sealed.schema).check(json.loads(data))
    assert time.process_time() - began < 1
    with pytest.raises(ContractError, match="pattern"):  # where Python's own engine lets a line end pass
        Schema(sealed.schema).check({"a": "a\n"})


@pytest.mark.parametrize(
    "document",
    [
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "#"},
        {"$ref": "#/$defs/gone"},
        {"$id": "http://a/b", "$ref": "b"},
        {"$dynamicAnchor": "x", "$dynamicRef": "#x"},
        {"$ref": "#/$defs/ab", "$defs": {"ab": {"$ref": "#/$defs/a%62"}}},
        {"properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}}},
        {"type": "nonsense"},
        {"type": 7},
        {"pattern": "(?=a)"},
        {"properties": 7},
        {"minimum": "a"},
    ],
    ids=str,
)
def test_schema_of_another_making_is_refused_and_fetches_nothing(document: Any) -> None:
    """A lock file's schema can break a run with a clear error, and do nothing else."""
    began = time.process_time()
    told = [refused_by(Schema(document), value) for value in ({"a": 1}, "a", 7)]
    assert any("seal the plan again" in said for said in told)
    assert told[0], "it has accepted an object"
    assert time.process_time() - began < 2


def refused_by(schema: Schema, value: Any) -> str:
    try:
        schema.check(value)
    except ContractError as error:
        return str(error)
    return ""


class Either(BaseModel):
    number: Decimal | float


def test_value_that_comes_back_as_another_type_is_refused() -> None:
    """Zero as a float is written as 0, which a union reads as the decimal "0": equal, and not the same."""
    with pytest.raises(ContractError, match="does not come back"):
        contract(Either).write(Either(number=0.0))


def test_zone_of_an_address_is_refused_wherever_it_comes_from() -> None:
    """To Python any text after a % is part of an address, line ends and markup too; to the format of JSON none is."""
    sealed = contract(IPv6Address)
    for refused in (
        lambda: sealed.read(b'"fe80::1%<b>"'),
        lambda: sealed.write(IPv6Address("fe80::1%<b>")),
        lambda: Schema(sealed.schema).check("fe80::1%<b>"),
    ):
        with pytest.raises(ContractError, match="format"):
            refused()
    assert sealed.read(b'"fe80::1"') == IPv6Address("fe80::1")
