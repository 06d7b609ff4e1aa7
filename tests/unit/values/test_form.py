"""What an answer looks like: an example that keeps to the contract, and what each field takes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from gatework.values.contract import Contract
from gatework.values.form import example, legend
from gatework.values.schema import Schema


class Line(BaseModel):
    text: str
    count: int = 1


class Decision(BaseModel):
    verdict: Literal["publish", "drop"]
    why: str
    on: date | None = None
    sure: bool
    amount: Decimal
    lines: list[Line]


def schema(kind: type[Any]) -> Any:
    return Contract(kind).schema


def test_example_keeps_to_the_contract() -> None:
    """What stands there can be typed as it is, but for the words of one's own."""
    made = example(schema(Decision))
    assert list(made) == ["verdict", "why", "on", "sure", "amount", "lines"]
    assert made["verdict"] == "publish"
    assert made["lines"] == [{"text": "…", "count": 0}]
    Schema(schema(Decision)).check({**made, "amount": "1.50"})


def test_legend_says_what_each_field_takes() -> None:
    """Choices, kinds, and what may be left out."""
    said = dict(legend(schema(Decision)))
    assert said["verdict"] == '"publish" or "drop"'
    assert said["sure"] == "true or false"
    assert said["on"] == "text (date) or null"
    assert said["why"] == "text"
    loose = {"type": "object", "properties": {"note": {"type": "string"}}}
    assert dict(legend(loose)) == {"note": "text; may be left out"}


@pytest.mark.parametrize("kind", [bool, str, list[int], int | None, Literal["yes", "no"]])
def test_answer_that_is_no_object_has_one_line(kind: Any) -> None:
    """A bare value has no name to say."""
    Schema(schema(kind)).check(example(schema(kind)))
    [(name, said)] = legend(schema(kind))
    assert name == ""
    assert said


@pytest.mark.parametrize(
    "document",
    [{}, True, None, [], {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, {"anyOf": "x"}, {"enum": []},
     {"type": ["string", "null"]}, {"type": "object", "properties": 7, "required": ["a"]}, {"$ref": 3}],
)  # fmt: skip
def test_schema_of_any_form_has_an_example(document: Any) -> None:
    """A contract may come from a lock file that somebody wrote: nothing here goes round for ever or breaks."""
    example(document)
    list(legend(document))
