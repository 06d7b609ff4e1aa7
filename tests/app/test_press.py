"""The press: one file for each key, complete, under a name that leads nowhere, whoever is killed or races."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from activities.press import Published, briefs_path, find_published, publish_text, put, recorded
from gatework import Block, IdempotencyKey


def test_text_is_a_file_of_its_own(tmp_path: Path) -> None:
    """Named after what it is about, and the key; complete, and nothing beside it."""
    published = put(tmp_path, "key", "warm-houses", "# Wärme\n")
    assert isinstance(published, Published)
    assert (tmp_path / published.file).read_text(encoding="utf-8") == "# Wärme\n"
    assert published.file.startswith("warm-houses-")
    assert published.digest == hashlib.sha256("# Wärme\n".encode()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [published.file]


def test_same_key_publishes_nothing_more(tmp_path: Path) -> None:
    """It gives what is there."""
    first = put(tmp_path, "key", "warm-houses", "Warm.")
    assert put(tmp_path, "key", "warm-houses", "Warm.") == first == recorded(tmp_path, "key")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("name", "text"), [("warm-houses", "Cold."), ("cold-houses", "Warm.")])
def test_same_key_for_something_else_is_refused(tmp_path: Path, name: str, text: str) -> None:
    """What is there stays."""
    put(tmp_path, "key", "warm-houses", "Warm.")
    assert put(tmp_path, "key", name, text) == Block("Another text was published under this key.")
    [path] = tmp_path.iterdir()
    assert path.read_text() == "Warm."


def test_other_key_is_another_file(tmp_path: Path) -> None:
    """Two briefs on one question do not replace each other."""
    put(tmp_path, "key", "warm-houses", "Warm.")
    put(tmp_path, "other", "warm-houses", "Warmer.")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "name",
    ["", "../warm", "a/b", "/etc/passwd", ".hidden", "Warm", "warm--houses", "-warm", "w\x00", "w\n", "w" * 61, "*"],
)
def test_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written."""
    folder = tmp_path / "briefs"
    assert isinstance(put(folder, "key", name, "Warm."), Block)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("key", "text"), [("", "Warm."), ("key", ""), ("key", " \n"), ("key", "x" * 200_001)])
def test_text_without_key_or_words_is_refused(tmp_path: Path, key: str, text: str) -> None:
    """Or one without end."""
    assert isinstance(put(tmp_path, key, "warm-houses", text), Block)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["*", "[a-z]", "../x", "\udc80", "k" * 10_000])
def test_key_is_never_part_of_a_path(tmp_path: Path, key: str) -> None:
    """Whatever it holds."""
    put(tmp_path, "key", "warm-houses", "Warm.")
    assert recorded(tmp_path, key) is None
    assert isinstance(put(tmp_path, key, "warm-houses", "Cold."), Published)
    assert recorded(tmp_path, key) != recorded(tmp_path, "key")


def test_many_at_once_publish_one_text(tmp_path: Path) -> None:
    """The first is there, and all are told of it."""
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda _: put(tmp_path, "key", "warm-houses", "Warm."), range(40)))
    assert given == [given[0]] * 40
    assert len(list(tmp_path.iterdir())) == 1


def test_draft_of_a_worker_that_died_is_no_publication(tmp_path: Path) -> None:
    """A file that is not finished has another name, and is not found."""
    published = put(tmp_path, "key", "warm-houses", "Warm.")
    assert isinstance(published, Published)
    (tmp_path / published.file).rename(tmp_path / f".{published.file}.123.abc")
    assert recorded(tmp_path, "key") is None
    assert put(tmp_path, "key", "warm-houses", "Warm.") == published


async def test_probe_finds_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing before."""
    monkeypatch.setenv("GATEWORK_BRIEFS", str(tmp_path / "briefs"))
    key = IdempotencyKey("key")
    assert await find_published(key) is None
    published = await publish_text.function(key, "warm-houses", "Warm.")
    assert await find_published(key) == published
    assert briefs_path() == tmp_path / "briefs"
