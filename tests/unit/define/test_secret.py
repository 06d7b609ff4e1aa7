"""Secrets: declared by name, read on the worker, and shown by nothing that writes, copies or compares them."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import cast

import pytest

from gatework import PlanError, Secret, secret
from gatework.define.secret import MASK, MAX_SECRET_BYTES, SecretUse, masked, resolved, shows
from gatework.errors import ConfigError
from gatework.values.canonical import Json

TEXT = "s3cr3t-t0ken"


def test_secret_declared_is_a_name_alone() -> None:
    """What a tool declares knows no text, whatever the environment holds when it is imported."""
    declared = cast(object, secret("BANK_TOKEN"))
    assert declared == SecretUse("BANK_TOKEN")


@pytest.mark.parametrize("name", ["", "a b", "A-B", "1A", "A\n", "A" * 101, "PÄSS", "A=B", "../A"])
def test_secret_with_a_name_that_no_variable_has_is_refused(name: str) -> None:
    """A name is also part of a sentence that people read."""
    with pytest.raises(PlanError, match="no name of a secret"):
        secret(name)


def test_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `reveal` gives its text."""
    monkeypatch.setenv("BANK_TOKEN", TEXT)
    found = resolved("BANK_TOKEN")
    assert found.reveal() == TEXT
    assert TEXT not in f"{found} {found!r} {found.name} {[found]}"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_secret_is_read_from_the_file_that_a_variable_names(
    ending: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the last newline, which editors add."""
    (tmp_path / "token").write_bytes((TEXT + ending).encode())
    monkeypatch.setenv("BANK_TOKEN_FILE", str(tmp_path / "token"))
    assert resolved("BANK_TOKEN").reveal() == TEXT


def test_secret_that_is_missing_empty_or_given_twice_is_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before anything happens, with its name and what to set; never with a path or a text."""
    monkeypatch.delenv("BANK_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="BANK_TOKEN is not set; set it, or BANK_TOKEN_FILE"):
        resolved("BANK_TOKEN")
    monkeypatch.setenv("BANK_TOKEN", " \n")
    with pytest.raises(ConfigError, match="BANK_TOKEN is empty"):
        resolved("BANK_TOKEN")
    monkeypatch.setenv("BANK_TOKEN", TEXT)
    monkeypatch.setenv("BANK_TOKEN_FILE", str(tmp_path))
    with pytest.raises(ConfigError, match="given twice") as caught:
        resolved("BANK_TOKEN")
    assert TEXT not in str(caught.value)
    monkeypatch.delenv("BANK_TOKEN")
    for data in (None, b"\xff\xfe", b"x" * (MAX_SECRET_BYTES + 1)):
        path = tmp_path / "token"
        if data is not None:
            path.write_bytes(data)
        monkeypatch.setenv("BANK_TOKEN_FILE", str(path))
        with pytest.raises(ConfigError, match="file of the secret BANK_TOKEN") as caught:
            resolved("BANK_TOKEN")
        assert str(tmp_path) not in str(caught.value)
        assert caught.value.__cause__ is None


def test_secret_is_neither_copied_nor_written_down() -> None:
    """Whatever would carry it further refuses."""
    held = Secret("BANK_TOKEN", TEXT)
    for carry in (copy.copy, copy.deepcopy, pickle.dumps, json.dumps):
        with pytest.raises(TypeError) as caught:
            carry(held)
        assert TEXT not in str(caught.value)
    assert not hasattr(held, "__dict__")


def test_secret_in_a_text_is_masked_and_in_a_value_is_found() -> None:
    """In every text of a value, and in the names of its members; the longer of two secrets first."""
    held = (Secret("A", TEXT), Secret("B", TEXT + "-more"))
    assert masked(f"refused: {TEXT}-more, {TEXT}", held) == f"refused: {MASK}, {MASK}"
    showing: list[Json] = [TEXT, f"a {TEXT} b", [1, [TEXT]], {"a": {"b": TEXT}}, {TEXT: 1}, {"a": [{f"x{TEXT}": None}]}]
    for value in showing:
        assert shows(value, held)
    harmless: list[Json] = ["token", None, True, 3, [1, "a"], {"a": {"b": "s3cr3t"}}]
    for value in harmless:
        assert not shows(value, held)
    assert not shows(TEXT, ())


@pytest.mark.parametrize("text", ["Bearer c0ffee00c0ffee", "c0ffee00c0ffee\n", " c0ffee00c0ffee "])
def test_secret_is_found_as_it_travels_in_a_header(text: str) -> None:
    """Without its scheme and the blanks around it; of a pass phrase of two words, no short one is looked for."""
    held = (Secret("MAIL_TOKEN", text),)
    assert shows({"said": "you are c0ffee00c0ffee"}, held)
    assert "c0ffee" not in masked("you are c0ffee00c0ffee", held)
    assert not shows("open the door", (Secret("MAIL_TOKEN", "open door"),))
