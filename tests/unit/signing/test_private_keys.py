"""Private keys: in files that only their owner can read, as Ed25519 and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load

from gatework.errors import ConfigError
from gatework.signing.keys import MAX_FILE_BYTES, PrivateKey


def never() -> NoReturn:
    """A passphrase that nobody may be asked for."""
    raise AssertionError("nobody is asked")


def test_key_in_a_file_is_the_same_key(tmp_path: Path) -> None:
    """A key is written as PKCS 8 into a new file that only its owner can read."""
    key = PrivateKey.made()
    key.write(tmp_path / "ana.pem")
    assert stat.S_IMODE((tmp_path / "ana.pem").stat().st_mode) == 0o600
    assert (tmp_path / "ana.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert PrivateKey.read(tmp_path / "ana.pem", never).public == key.public


def test_key_with_a_passphrase_needs_it(tmp_path: Path) -> None:
    """A passphrase seals the file; another one opens nothing, and none is asked where none is needed."""
    file = tmp_path / "ana.pem"
    key = PrivateKey.made()
    key.write(file, "correct horse")
    assert b"ENCRYPTED" in file.read_bytes()
    assert PrivateKey.read(file, lambda: "correct horse").public == key.public
    for word in ("wrong", "", "correct horse "):
        with pytest.raises(ConfigError, match="or its passphrase is another"):
            PrivateKey.read(file, lambda word=word: word)  # type: ignore[misc]
    with pytest.raises(TypeError):
        load(file.read_bytes(), None)


def test_key_is_never_written_over(tmp_path: Path) -> None:
    """A file that is there stays as it is, also where a link leads to it, or to nothing."""
    file = tmp_path / "ana.pem"
    file.write_text("kept")
    (tmp_path / "link.pem").symlink_to(file)
    (tmp_path / "dangling.pem").symlink_to(tmp_path / "elsewhere")
    for taken in ("ana.pem", "link.pem", "dangling.pem"):
        with pytest.raises(ConfigError, match="is there already"):
            PrivateKey.made().write(tmp_path / taken)
    assert file.read_text() == "kept"
    assert not (tmp_path / "elsewhere").exists()


def test_key_into_no_folder_is_refused(tmp_path: Path) -> None:
    """Where nothing can be written, a sentence says so."""
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        PrivateKey.made().write(tmp_path / "no" / "ana.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644, 0o777])
def test_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A private key that others could have read is none any more."""
    file = tmp_path / "ana.pem"
    PrivateKey.made().write(file)
    file.chmod(mode)
    with pytest.raises(ConfigError, match="can be read by others"):
        PrivateKey.read(file, never)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A file of another user is theirs to read and to change."""
    file = tmp_path / "ana.pem"
    PrivateKey.made().write(file)
    os.chown(file, 12345, 12345)
    with pytest.raises(ConfigError, match="can be read by others"):
        PrivateKey.read(file, never)


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Only Ed25519 signs decisions."""
    others: tuple[Any, ...] = (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
    )
    for number, key in enumerate(others):
        file = tmp_path / f"{number}.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.chmod(0o600)
        with pytest.raises(ConfigError, match="of another kind"):
            PrivateKey.read(file, never)


@pytest.mark.parametrize("data", [b"", b"\0" * 99, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_file_that_holds_no_key_is_refused(tmp_path: Path, data: bytes) -> None:
    """What is no key is refused in a sentence that repeats nothing of it."""
    file = tmp_path / "ana.pem"
    file.write_bytes(data)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="is none as"):
        PrivateKey.read(file, never)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe, a folder, a huge file and nothing at all are refused at once."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    (tmp_path / "huge").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    (tmp_path / "huge").chmod(0o600)
    for name, says in (("pipe", "is no file"), ("folder", "is no file"), ("huge", "is larger than")):
        with pytest.raises(ConfigError, match=says):
            PrivateKey.read(tmp_path / name, never)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        PrivateKey.read(tmp_path / "nothing", never)


def test_key_shows_nothing_of_itself() -> None:
    """What prints a key by mistake prints no key."""
    key = PrivateKey.made()
    assert repr(key).startswith("<gatework.signing.keys.PrivateKey object")
    assert not hasattr(key, "__dict__")
