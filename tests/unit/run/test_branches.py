"""What child runs came to, held as bytes where there are very many of them."""

from __future__ import annotations

import struct
import tracemalloc
from base64 import b64encode
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.errors import ContractError
from gatework.plan.labels import Label
from gatework.run import branches
from gatework.run.branches import Branch, Branches, failed, only, with_one
from gatework.run.held import Held
from gatework.run.state import State
from gatework.values import canonical, wire
from gatework.values.canonical import Sealed

MANY = 1_000
MOST_LIVE_BYTES = 180
"""What may be held of a child run, whose value is 30 bytes of JSON."""


def came(number: int, data: object = None, **known: object) -> Branch:
    sealed = Sealed.of({"number": number, "text": "item"} if data is None else data, bytes([number % 256]) * 16)
    return Branch(outcome="completed", held=Held(sealed=sealed, label=Label.UNTRUSTED, **known))  # type: ignore[arg-type]


def many(number: int = MANY) -> Mapping[int, Branch]:
    return only((n, came(n)) for n in range(number))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
held = st.builds(
    Held,
    sealed=st.builds(Sealed.of, json_values, st.binary(min_size=16, max_size=16))
    | st.builds(Sealed, json_values, st.text(max_size=40), st.text(max_size=70)),
    label=st.sampled_from(Label),
    by_hand=st.booleans(),
    private=st.booleans(),
    by=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    editor=st.lists(st.text(max_size=3), max_size=2).map(tuple),
)
came_to = st.builds(Branch, outcome=st.just("completed"), held=held, reason=st.text(max_size=9)) | st.builds(
    Branch, outcome=st.sampled_from(["failed", "aborted"]), reason=st.text(max_size=30)
)


@given(came=st.lists(st.tuples(st.integers(0, 20), came_to, st.booleans()), max_size=20))
def test_held_as_bytes_they_are_what_they_are_as_objects(came: list[tuple[int, Branch, bool]]) -> None:
    """Whatever came in, in whatever order, also where two steps went on from the same one; and what is read is it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branches, "FEW", 0)
        closely: Mapping[int, Branch] = {}
        plainly: dict[int, Branch] = {}
        seen = []
        for number, branch, again in came:
            if again:
                with_one(closely, number + 1, branch)  # of a step that was not taken
            seen.append((closely, plainly))
            closely = with_one(closely, number, branch)
            plainly = {**{n: b for n, b in plainly.items() if n != number}, number: branch}
        for held, wanted in (*seen, (closely, plainly)):
            assert list(held.items()) == list(wanted.items())
            assert failed(held) == sum(branch.held is None for branch in wanted.values())
            assert [number in held for number in range(22)] == [number in wanted for number in range(22)]
        state = State(plan="p", branches=closely)
        read = wire.decode(State, wire.encode(state), what="state")
        assert read.branches == plainly
        assert list(read.branches) == list(plainly)
        assert isinstance(read.branches, Branches) == bool(plainly)


def test_few_are_held_and_handed_on_as_they_are() -> None:
    """A run of an earlier version reads what one with few child runs hands on, and the other way round."""
    few = many(branches.FEW)
    assert type(few) is dict
    assert wire.data(State(plan="p", branches=few))["branches"]["7"]["outcome"] == "completed"
    more = with_one(few, branches.FEW, came(branches.FEW))
    assert isinstance(more, Branches)
    assert dict(more) == {**few, branches.FEW: came(branches.FEW)}


def test_one_of_very_many_takes_little_beside_its_value() -> None:
    """Of a thousand at most 180 bytes each are held, and handed on, with the value; as objects five times that."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        closely = many()
        live = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert live / MANY < MOST_LIVE_BYTES
    assert len(wire.encode(State(plan="p", branches=closely))) / MANY < MOST_LIVE_BYTES


def test_one_more_of_very_many_copies_none_of_the_others() -> None:
    """A step costs the same at the last of ten thousand as at the first: what came before is shared."""
    first = many()
    second = with_one(first, MANY, came(MANY))
    assert isinstance(first, Branches)
    assert isinstance(second, Branches)
    assert second._log is first._log
    other = with_one(first, MANY + 1, came(MANY + 1))
    assert isinstance(other, Branches)
    assert other._log is not first._log
    assert (len(first), len(second), len(other)) == (MANY, MANY + 1, MANY + 1)
    assert MANY not in first
    assert MANY not in other


FAILED, GAVE = {"outcome": "failed"}, {"outcome": "completed", "label": "untrusted"}


def head(number: int = 0, kind: int = 0, size: int = 0, seal: int = 0) -> bytes:
    return struct.pack("<III", number, kind, size) + bytes(seal)


@pytest.mark.parametrize(
    ("kinds", "heads", "texts"),
    [
        ([FAILED], head()[:11], ""),
        ([FAILED], head() + head(1)[:3], ""),
        ([], head(), ""),
        ([FAILED], head(kind=1), ""),
        ([FAILED], head(size=1), ""),
        ([FAILED], head(size=1), "ab"),
        ([FAILED], b"", "a"),
        ([FAILED], head(2**20), ""),
        ([FAILED], head(3) + head(3), ""),
        ([GAVE], head(size=1), "1"),
        ([GAVE], head(size=1, seal=47), "1"),
        ([GAVE, GAVE], b"", ""),
        ([{"outcome": "perhaps"}], b"", ""),
        ([{**FAILED, "more": 1}], b"", ""),
    ],
)
def test_bytes_that_are_none_of_ours_are_refused(kinds: object, heads: bytes, texts: str) -> None:
    """Cut off, out of bounds, twice the same child run, a number beyond all, a text of nobody: refused when read."""
    with pytest.raises(ContractError):
        read(kinds, b64encode(heads).decode(), texts)


def test_text_that_is_no_value_is_refused_when_it_is_looked_at() -> None:
    """What can be read says how many there are, and each is read by itself."""
    closely = read([GAVE], b64encode(head(size=3, seal=48) + head(1, size=1, seal=48)).decode(), "[1,2")
    assert isinstance(closely, Branches)
    assert list(closely) == [0, 1]
    assert closely[1].held is not None
    with pytest.raises(ContractError, match="was not written by Gatework"):
        closely[0]
    with pytest.raises(ContractError):
        read([GAVE], "no base64!", "")


def read(kinds: object, heads: str, texts: str) -> Mapping[int, Branch]:
    state = {**wire.data(State(plan="p")), "branches": {"kinds": kinds, "heads": heads, "texts": texts}}
    found: State = wire.decode(State, canonical.dumps(state), what="state")
    return found.branches
