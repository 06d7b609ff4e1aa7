"""Pins: what may stand in them, and what happens to a file that was edited."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.errors import ConfigError
from gatework.mcp.compare import compared, usable
from gatework.mcp.pins import Descriptor, Pins, difference, read
from tests.mcp.conftest import Starts
from tests.mcp.hostile import TAKES

ACT = Descriptor(name="act", description="Does it.", input_schema=TAKES)


def pins(*tools: Descriptor) -> Pins:
    return Pins(server="theirs", name="hostile", version="1", tools=tools)


@pytest.mark.parametrize(
    ("mode", "faults"),
    [
        ("names", {"its name is not one that the protocol allows"}),
        (
            "prose",
            {"it is described with characters that nobody sees", "it is described in more than 10000 characters"},
        ),
        ("duplicate", {"the server has several of that name"}),
    ],
)
async def test_tool_that_misleads_its_reader_is_not_pinned(hostile: Starts, mode: str, faults: set[str]) -> None:
    """Hostile names, hidden text, endless text and doubled names are left out, saying why; the rest is pinned."""
    kept, refused = usable((await hostile(mode)).pins)
    assert set(refused.values()) == faults
    assert "count" in {one.name for one in kept.tools}
    assert not {one.name for one in kept.tools} & set(refused)
    assert kept.written.isascii()


async def test_schema_that_cannot_be_checked_is_not_pinned(hostile: Starts) -> None:
    """References elsewhere, growth without end, backtracking and sheer size are refused, each by its own reason."""
    began = await hostile("schemas")
    _, refused = usable(began.pins)
    said = {name: why.removeprefix("its schema cannot be checked: ") for name, why in refused.items()}
    assert said == {
        "remote": "it refers to another document, and none is fetched",
        "file": "it refers to another document, and none is fetched",
        "bomb": "it holds more than 2000 schemas when its references are written out",
        "turning": "it refers to itself, without an end that is known beforehand",
        "deep": "it is no JSON: nested deeper than 64 levels",
        "wide": "it holds more than 2000 schemas when its references are written out",
        "large": "it has more than 65536 bytes",
        "lookahead": "it has a pattern that looks around or back",
        "heavy": "it has a pattern that looks around or back",
        "keys": "it uses keys that follow a pattern, which cannot be checked here",
        "invalid": "it is no valid JSON Schema",
    }


def test_pins_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    """What is written is what is read, and writing it again changes nothing."""
    path = tmp_path / "theirs.mcp.json"
    path.write_text(pins(ACT).written)
    assert read(path, "theirs") == pins(ACT)
    assert read(path, "theirs").written == path.read_text()


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("a description", lambda data: data["tools"][0].update(description="Something else.")),
        ("a schema", lambda data: data["tools"][0]["input_schema"]["properties"].update(more={"type": "string"})),
        ("a claim", lambda data: data["tools"][0].update(annotations={"readOnlyHint": True})),
        ("a digest", lambda data: data["tools"][0].update(digest="0" * 64)),
        ("a missing part", lambda data: data["tools"][0].pop("title")),
        ("another server", lambda data: data.update(server="others")),
        ("another version", lambda data: data.update(gatework_pins=2)),
        ("no list", lambda data: data.update(tools="act")),
        ("a tool twice", lambda data: data["tools"].append(data["tools"][0])),
    ],
)
def test_edited_pins_are_refused(tmp_path: Path, what: str, changed: object) -> None:
    """The digest stands for the text: a file that was edited by hand is refused, and nothing of it is repeated."""
    assert callable(changed)
    data = json.loads(pins(ACT).written)
    changed(data)
    path = tmp_path / "theirs.mcp.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="gatework tools pin") as refused:
        read(path, "theirs")
    assert "Something else" not in refused.value.message


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"\xff", b'{"gatework_pins": 1', b"[" * 10_000])
def test_file_that_holds_no_pins_is_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever lies where pins should be, the answer is one sentence."""
    path = tmp_path / "theirs.mcp.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="gatework tools pin"):
        read(path, "theirs")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["name", "title", "description", "input_schema", "output_schema", "annotations"]),
    st.text(max_size=5),
    _JSON,
)
def test_any_other_descriptor_is_a_difference(part: str, text: str, data: object) -> None:
    """Whatever part of a descriptor is another, even to what is no canonical JSON, the tool is not the pinned one."""
    value: Any = text if part in ("name", "title", "description") else {"x": data} if part == "annotations" else data
    other = dataclasses.replace(ACT, **{part: value})
    if getattr(ACT, part) == value:
        assert difference(ACT, [other]) == ""
    else:
        assert difference(ACT, [other]) != ""


def test_numbers_and_flags_of_one_value_are_told_apart() -> None:
    """1, 1.0 and true are equal in Python and not in JSON: a claim that changed from one to the other changed."""
    was = dataclasses.replace(ACT, annotations={"readOnlyHint": True})
    assert "annotations" in difference(was, [dataclasses.replace(ACT, annotations={"readOnlyHint": 1})])


def test_changes_are_said_in_words() -> None:
    """A person who decides whether to pin anew reads what was and what is."""
    takes = {**TAKES, "properties": {**TAKES["properties"], "to": {"type": "string"}}, "required": ["how", "to"]}
    claims = {"readOnlyHint": False}
    new = dataclasses.replace(ACT, description="Does more.", input_schema=takes, annotations=claims)
    other = dataclasses.replace(ACT, name="other")
    gone = dataclasses.replace(ACT, name="gone")
    changed, lost, added = compared(pins(ACT, gone), pins(new, other))
    assert (changed.kind, lost.kind, added.kind) == ("changed", "gone", "new")
    assert changed.what[0] == "its description was “Does it.” and is “Does more.”"
    assert changed.what[1] == "of readOnlyHint it claimed nothing and claims false"
    assert any(sentence.startswith("what it takes: ") and "to" in sentence for sentence in changed.what[2:])
