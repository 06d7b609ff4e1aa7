"""Keys of people and machines: Ed25519, as text in the list of people, and as files that only their owner can read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gatework import files
from gatework.errors import ConfigError

# The library is loaded where it is used: it takes longer than all of Gatework's own names together.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_FILE_BYTES = 16_384
"""Largest file that is read as a private key."""

_KEY = re.compile(r"ed25519:([A-Za-z0-9+/]{43}=)")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What tells whose a signature is."""

    data: bytes
    """32 bytes, as RFC 8032 writes a point."""

    @classmethod
    def read(cls, text: str) -> PublicKey:
        """The key in a text `ed25519:BASE64`. Raises `ValueError` with what is wrong with it."""
        found = _KEY.fullmatch(text)
        data = exact(found[1]) if found else None
        if data is None:
            raise ValueError("is no key; `gatework keys show FILE` writes one: ed25519: and 44 letters of base64")
        if why := _unfit(data):
            raise ValueError(why)
        return cls(data)

    @property
    def id(self) -> str:
        """16 hex digits that stand for the key."""
        return hashlib.sha256(b"gatework/1/key\n" + self.data).hexdigest()[:16]

    def __str__(self) -> str:
        return f"ed25519:{base64.b64encode(self.data).decode()}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether a signature of a message is by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.data).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def exact(text: str) -> bytes | None:
    """The bytes in base64; None where the same bytes are not written like this alone."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


# -- points that are no keys -----------------------------------------------------------------------

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""The y of two of the four points of order 8; that of the others is its negative."""

_SMALL = {0, 1, _P - 1, _Y8, _P - _Y8}
"""The y of each of the eight points of small order, which no other point has."""


def _unfit(data: bytes) -> str:
    """Why 32 bytes are no key of a person, in words; empty where they may be one.

    For a point of small order anyone can make a signature that holds for a part of all messages, or for all of them.
    The library that verifies takes such keys, and keys that are no points, without a word (both are in the tests).
    """
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    # x² = (y² - 1) / (dy² + 1) has a root exactly where the product of the two has one; the divisor is never zero.
    product = (y * y - 1) * (_D * y * y + 1) % _P
    on_curve = product == 0 or pow(product, (_P - 1) // 2, _P) == 1
    if y >= _P or not on_curve or (product == 0 and sign):
        return "is no point of the curve"
    return "is a key for which anyone can sign" if y in _SMALL else ""


# -- private keys ----------------------------------------------------------------------------------


class Signer(Protocol):
    """What signs with an Ed25519 key: a `PrivateKey`, or whatever a key service is reached by."""

    @property
    def public(self) -> PublicKey:
        """The public half of its key, always the same."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """The signature of a message, 64 bytes as RFC 8032 says. Any thread may call it, and it may raise anything."""
        ...


def signature_of(signer: Signer, message: bytes) -> bytes:
    """The signature of a message, looked at. Raises `ConfigError`, which repeats nothing of what the signer said."""
    signature: Any
    try:
        key, signature = signer.public, signer.sign(message)
    except Exception as error:  # what reaches a key service may break in any way
        raise ConfigError(f"What signs broke with {type(error).__name__}.") from error
    if not isinstance(signature, bytes) or not key.verifies(signature, message):
        raise ConfigError(f"What signs gave no signature of the key {key.id}; give it the key that it names.")
    return signature


class PrivateKey:
    """What a person signs with. Nothing writes it but `write`."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def made(cls) -> PrivateKey:
        """A new one."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path, passphrase: Callable[[], str]) -> PrivateKey:
        """The key in a file, which nobody but its owner may be able to read.

        `passphrase` is asked where the file needs one. Raises `ConfigError`.
        """
        return cls.of(_read_alone(path), str(path), passphrase)

    @classmethod
    def of(cls, data: bytes, where: str, passphrase: Callable[[], str]) -> PrivateKey:
        """The key in PEM, as its file has it; `where` it is from, for errors. Raises `ConfigError`."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        sealed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in data
        word = passphrase().encode() if sealed else None
        try:
            key = load_pem_private_key(data, word)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            why = ", or its passphrase is another" if sealed else " as `gatework keys new` writes one"
            raise ConfigError(f"The private key {where} is none{why}.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"The private key {where} is of another kind; `gatework keys new NAME` makes one that fits."
            )
        return cls(key)

    def write(self, path: Path, passphrase: str = "") -> None:
        """Write the key into a new file that only its owner can read. Raises `ConfigError`."""
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            KeySerializationEncryption,
            NoEncryption,
            PrivateFormat,
        )

        sealing: KeySerializationEncryption = (
            BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        )
        data = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing)
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise ConfigError(f"{path} is there already; name another file, a key is never written over.") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {os.strerror(error.errno or 0)}.") from None
        with open(opened, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return self._key.sign(message)


def _read_alone(path: Path) -> bytes:
    """What a private key's file holds. Raises `ConfigError` where others could read it, too."""

    def fit(about: os.stat_result) -> str:
        alone = not about.st_mode & 0o077 and about.st_uid in (os.geteuid(), 0)
        return "" if alone else "can be read by others than you: run `chmod 600` on it, if it is yours alone"

    return files.read(path, "The private key", max_bytes=MAX_FILE_BYTES, fit=fit)[0]
