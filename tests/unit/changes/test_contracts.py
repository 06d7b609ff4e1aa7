"""Which of two contracts accepts more: said field by field, and true of every value."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from gatework.errors import ContractError
from gatework.plan.changes.bearing import Bearing
from gatework.plan.changes.contracts import at, differences
from gatework.values.canonical import Json
from gatework.values.contract import contract
from gatework.values.schema import Schema


class City(BaseModel):
    name: str


class Town(BaseModel):
    name: Annotated[str, Field(max_length=9)]


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Tree(BaseModel):
    leaf: int
    branches: list[Tree]


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


def sealed(annotation: Any) -> Json:
    """The sealed schema of a model whose one field is of this type."""
    return contract(create_model("Model", a=(annotation, ...))).schema


WIDER: list[tuple[Any, Any, str, str]] = [
    (int, float, "the field a may be any number, it was a whole number", "the field a must be a whole number"),
    (int, int | None, "the field a may also be null", "the field a may no longer be null"),
    (int | None, int | str | None, "the field a may also be text", "may no longer be text"),
    (Literal["x"], Literal["x", "y"], 'the field a may also be "y"', 'the field a may no longer be "y"'),
    (Literal["x", "y"], str, 'the field a may be text, it was "x" or "y"', 'the field a must be "x" or "y"'),
    (Literal[1], Literal[1, "y"], 'may also be "y"', 'may no longer be "y"'),
    (
        Annotated[int, Field(le=100)],
        Annotated[int, Field(le=500)],
        "the field a must be at most 500, it had to be at most 100",
        "the field a must be at most 100, it had to be at most 500",
    ),
    (Annotated[int, Field(gt=0)], int, "has one limit fewer, it had to be more than 0", "must be more than 0"),
    (
        Annotated[str, Field(min_length=3)],
        Annotated[str, Field(min_length=1)],
        "at least 1 characters long",
        "at least 3 characters long",
    ),
    (
        Annotated[str, Field(pattern="^GW")],
        str,
        'the field a need match no pattern, it had to match "^GW"',
        'the field a must match the pattern "^GW", it had to match none',
    ),
    (Annotated[list[int], Field(max_length=2)], list[int], "it had to be at most 2 long", "at most 2 long"),
    (list[int], list[float], "the field a[] may be any number", "the field a[] must be a whole number"),
    (dict[str, int], dict[str, float], "the field a.* may be any number", "the field a.* must be a whole number"),
    (Town, City, "the field a.name has one limit fewer", "the field a.name must be at most 9 characters long"),
    (list[Town], list[City], "the field a[].name has one limit fewer", "must be at most 9 characters long"),
    (Cat, Pet, "the field a may also be", "the field a may no longer be"),
]


@pytest.mark.parametrize(("narrow", "wide", "said", "back"), WIDER)
def test_contract_that_accepts_more_weakens_and_the_change_back_strengthens(
    narrow: Any, wide: Any, said: str, back: str
) -> None:
    """Each with the field and what it may be now."""
    ((forth, weaker),) = differences(sealed(narrow), sealed(wide))
    assert said in forth
    assert weaker is Bearing.WEAKENS
    ((again, stronger),) = differences(sealed(wide), sealed(narrow))
    assert back in again
    assert stronger is Bearing.STRENGTHENS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (int, str, "the field a may be text, it was a whole number"),
        (int, Decimal, "the field a may be text, it was a whole number"),
        (City, Cat, "the field a.kind is new (required, "),
        (City, Cat, "the field a.name is gone (text)"),
        (Annotated[str, Field(pattern="^A")], Annotated[str, Field(pattern="^B")], 'must match the pattern "^B"'),
        (Annotated[str, Field(pattern="^A")], Literal["B"], 'the field a must be "B"'),
        (tuple[int, int], tuple[int, int, int], "the field a has items of other forms"),
    ],
)
def test_contract_that_accepts_something_else_is_unclear(old: Any, new: Any, said: str) -> None:
    """What was accepted is refused, and what was refused accepted."""
    found = differences(sealed(old), sealed(new))
    assert any(said in words and bearing is Bearing.UNCLEAR for words, bearing in found), found


def test_contract_fields_that_come_or_go() -> None:
    """An optional field more accepts more; a field that may be left out accepts more."""
    base: Json = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    more = copy.deepcopy(base)
    more["properties"]["b"] = {"type": "integer"}
    left_out = {**base, "required": []}
    assert differences(base, more) == [("the field b is new (optional, a whole number)", Bearing.WEAKENS)]
    assert differences(more, base) == [("the field b is gone (a whole number)", Bearing.STRENGTHENS)]
    assert differences(base, left_out) == [("the field a may be left out", Bearing.WEAKENS)]
    assert differences(left_out, base) == [("the field a must be there", Bearing.STRENGTHENS)]
    opened = {**base, "additionalProperties": True}
    assert differences(base, opened) == [("the field * may be anything", Bearing.WEAKENS)]


def test_contract_of_a_type_that_holds_itself_is_compared() -> None:
    """A tree is compared once, however deep."""
    tree = contract(Tree).schema
    broad = copy.deepcopy(tree)
    broad["$defs"]["Tree"]["properties"]["leaf"] = {"type": "number"}
    assert differences(tree, tree) == []
    assert differences(tree, broad) == [
        ("the field leaf may be any number, it was a whole number", Bearing.WEAKENS),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"$ref": "#/$defs/gone"},
        {"$ref": "#/$defs/loop", "$defs": {"loop": {"$ref": "#/$defs/loop"}}},
        {"$ref": "elsewhere.json"},
        {"anyOf": [{"$ref": "#/$defs/a"}] * 2, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 2}}},
        {"not": {"type": "string"}},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"enum": "not a list"},
        {"type": "object", "properties": {"a": True}},
        {"type": "string", "if": {"minLength": 1}},
        True,
        [],
        7,
    ],
)
def test_contract_that_cannot_be_followed_is_unclear(broken: Any) -> None:
    """What is not followed is never called the same, narrower, or fine; and it ends soon."""
    for old, new in ((broken, {"type": "string"}), ({"type": "string"}, broken)):
        assert any(bearing in (Bearing.UNCLEAR, Bearing.WEAKENS) for _, bearing in differences(old, new)), (old, new)


def test_contract_names_cannot_break_out_of_a_sentence() -> None:
    """Names of fields and values come from a file that somebody may have written by hand."""
    evil = "a: fine\n\x1b[2Jnothing changed"
    old = {"type": "object", "properties": {}}
    new = {"type": "object", "properties": {evil: {"enum": [evil, "x"]}}}
    for words, _ in differences(old, new):
        assert not {"\n", "\x1b"} & set(words)
        assert '"a: fine' in words


def test_contract_field_is_found_with_what_may_be_missing() -> None:
    """A condition's path: whether it may end early, and whether the value may be null."""

    class Friend(BaseModel):
        name: str
        level: Literal["low", "high"]

    class Owed(BaseModel):
        friend: Friend
        perhaps: Friend | None
        paid: int | None

    schema = contract(Owed).schema
    found, missing, null = at(schema, ("friend", "level"))
    assert (found["enum"], missing, null) == (["low", "high"], False, False)
    assert at(schema, ("perhaps", "name"))[1:] == (True, False)
    assert at(schema, ("paid",)) == ({"type": "integer"}, False, True)
    assert at(schema, ("nothing", "there")) == ({}, True, True)


# -- against values --------------------------------------------------------------------------------

scalars: st.SearchStrategy[Json] = st.sampled_from([None, True, False, -1, 0, 1, 2, 5, 1.5, "", "a", "ab", "abc", "b"])
values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=5,
)


def _object(properties: dict[str, Json], required: list[str], more: Json) -> Json:
    schema = {"type": "object", "properties": properties, "required": [n for n in required if n in properties]}
    return schema if more is None else {**schema, "additionalProperties": more}


def _with(base: Json, **keywords: Json) -> Json:
    return {**base, **{name: value for name, value in keywords.items() if value is not None}}


bound = st.none() | st.integers(0, 2)
leaf = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.just({"$ref": "#/$defs/X"}),
    st.builds(
        lambda t, lo, hi, ex: _with({"type": t}, minimum=lo, maximum=hi, exclusiveMinimum=ex),
        st.sampled_from(["integer", "number"]), bound, bound, bound,
    ),
    st.builds(
        lambda lo, hi, p: _with({"type": "string"}, minLength=lo, maxLength=hi, pattern=p),
        bound, bound, st.sampled_from([None, "^a", "b$"]),
    ),
    st.builds(lambda items: {"enum": items}, st.lists(scalars, min_size=1, max_size=3)),
    st.builds(lambda item: {"const": item}, scalars),
    st.builds(lambda kinds: {"type": kinds}, st.lists(st.sampled_from(["string", "integer", "null"]), min_size=1)),
)  # fmt: skip
schemas: st.SearchStrategy[Json] = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(
            lambda items, lo, hi, u: _with({"type": "array", "items": items}, minItems=lo, maxItems=hi, uniqueItems=u),
            inner, bound, bound, st.sampled_from([None, True]),
        ),
        st.builds(
            _object, st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            st.lists(st.sampled_from(["a", "b"]), unique=True), st.one_of(st.just(False), st.none(), inner),
        ),
        st.builds(lambda forms: {"anyOf": forms}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda forms: {"oneOf": forms}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=4,
)  # fmt: skip


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Json, Json]:
    """Two schemas: of one another's making, or alike in all but a part."""
    old, shared = draw(schemas), draw(leaf)
    new = draw(schemas)
    wrap = draw(st.sampled_from(["none", "property", "items", "anyOf"]))
    documents = []
    for inner in (old, new):
        whole = {
            "none": inner,
            "property": _object({"a": inner, "b": shared}, ["a"], False),
            "items": {"type": "array", "items": inner},
            "anyOf": {"anyOf": [inner, shared]},
        }[wrap]
        documents.append({**copy.deepcopy(whole), "$defs": {"X": draw(leaf.filter(lambda s: "$ref" not in s))}})
    return documents[0], documents[1]


@settings(max_examples=400, deadline=None)
@given(pair=pairs(), data=st.data())
def test_contract_verdict_holds_of_every_value(pair: tuple[Json, Json], data: st.DataObject) -> None:
    """Never called narrower, or the same, where it accepts what was refused; and the other way round."""
    old, new = pair
    bearings = {bearing for _, bearing in differences(old, new)}
    for _ in range(12):
        value = data.draw(values)
        was, now = _accepts(old, value), _accepts(new, value)
        if now and not was:
            assert bearings & {Bearing.WEAKENS, Bearing.UNCLEAR}, (value, bearings)
        if was and not now:
            assert bearings & {Bearing.STRENGTHENS, Bearing.UNCLEAR}, (value, bearings)


def _accepts(schema: Json, value: Json) -> bool:
    try:
        Schema(schema).check(value)
    except ContractError:
        return False
    return True
