"""`gatework documents`: what is stored comes out as it went in, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gatework.cli.main import app

CONTENT = b"seven \x00 zebras"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder := tmp_path / "store").mkdir()
    monkeypatch.setenv("GATEWORK_STORE", str(folder))
    return folder


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["documents", *arguments])


def test_file_goes_in_and_comes_out_and_is_erased(store: Path, tmp_path: Path) -> None:
    """Byte for byte, by the digest that `put` prints."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    told = typed("put", str(tmp_path / "a.bin"))
    assert json.loads(told.stdout)["sha256"] == DIGEST
    assert typed("get", DIGEST).stdout_bytes == CONTENT
    out = tmp_path / "out.bin"
    assert typed("get", DIGEST, "--out", str(out)).exit_code == 0
    assert out.read_bytes() == CONTENT
    assert typed("erase", DIGEST).exit_code == 0
    assert typed("erase", DIGEST).exit_code == 1
    told = typed("get", DIGEST)
    assert told.exit_code == 1
    assert "it was erased, or was put into another store" in told.stderr


def test_content_that_was_changed_is_not_written_out(store: Path, tmp_path: Path) -> None:
    """Not even the part that was right."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    typed("put", str(tmp_path / "a.bin"))
    with (store / "documents" / DIGEST[:2] / DIGEST).open("ab") as file:
        file.write(b"!")
    told = typed("get", DIGEST, "--out", str(tmp_path / "out.bin"))
    assert told.exit_code == 1
    assert "is not what was put there" in told.stderr
    assert not (tmp_path / "out.bin").exists()
    assert typed("get", DIGEST).stdout_bytes == b""


def test_what_is_typed_wrong_is_told_and_overwrites_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest that is none, a file that is there, a store that is not set."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    typed("put", str(tmp_path / "a.bin"))
    for arguments, code, words in (
        (("get", "../../etc/passwd"), 2, "no digest"),
        (("erase", DIGEST[:12]), 2, "no digest"),
        (("get", DIGEST, "--out", str(tmp_path / "a.bin")), 2, "cannot be written: File exists"),
        (("put", str(tmp_path / "none")), 1, "The file none cannot be read"),
    ):
        told = typed(*arguments)
        assert told.exit_code == code, told.output
        assert words in told.stderr
    monkeypatch.delenv("GATEWORK_STORE")
    told = typed("get", DIGEST)
    assert (told.exit_code, "set GATEWORK_STORE" in told.stderr) == (3, True)
