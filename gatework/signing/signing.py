"""Signed decisions: what is signed, and how it is written. Ed25519 over the envelope of DSSE.

What is signed names the run, the gate, the digest of the evidence and everything that is recorded of the decision, so a
signature is good for that one decision and no other. It is an in-toto statement, as the payload of a DSSE envelope
(`dsse.py`), so that it can be put into one later as it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gatework.errors import DecisionError
from gatework.run.events import Action, Decided
from gatework.run.state import Gate
from gatework.signing import dsse
from gatework.signing.keys import PrivateKey, PublicKey, exact
from gatework.values.canonical import Json

_SIGNATURE = re.compile(r"ed25519:([0-9a-f]{16}):([A-Za-z0-9+/]{86}==)(?::([0-9a-f]{32}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What somebody says by their signature: that they decide this, on this evidence."""

    run: str
    """The lineage of the run, which no other run has."""
    plan: str
    """Digest of the plan that it is held to."""
    gate: int
    evidence: str
    """Digest of what was shown."""
    action: Action
    by: str
    note: str = ""
    place: str = ""
    value: str = ""
    """For `edit` and `answer`: the salted digest of the value, as the receipt has it."""

    @property
    def data(self) -> Json:
        """The statement as JSON, by the names that a receipt has for it."""
        said = {
            "gate": self.gate,
            "evidence": self.evidence,
            "action": self.action,
            "by": self.by,
            "reason": self.note,
            "place": self.place,
            "output": self.value,
        }
        return dsse.statement("decision", self.run, self.plan, said)

    def signed(self) -> bytes:
        """The bytes that are signed."""
        return dsse.encoded(self.data)


def statement(run: str, plan: str, gate: Gate, event: Decided) -> Statement:
    """The statement of a decision at a gate: what its signature must be over. Takes nothing of what a sender claims of
    gate or evidence.
    """
    return Statement(
        run=run,
        plan=plan,
        gate=gate.id,
        evidence=gate.evidence,
        action=event.action,
        by=event.by,
        note=event.note,
        place=event.place,
        value=event.value.digest if event.value is not None else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as it is sent: `ed25519:KEY:BASE64`, and for an `edit` or an `answer` a salt more."""

    key: str
    """Id of the key."""
    data: bytes
    salt: str = ""
    """For `edit` and `answer`: the salt of the value, 16 bytes as hex, with which its digest was signed."""

    @classmethod
    def read(cls, text: str) -> Signature:
        """The signature in a text. Raises `DecisionError`."""
        found = _SIGNATURE.fullmatch(text)
        data = exact(found[2]) if found else None
        if found is None or data is None:
            raise DecisionError("That is no signature as `gatework sign` writes one; paste all of what it printed.")
        return cls(key=found[1], data=data, salt=found[3] or "")

    def __str__(self) -> str:
        salt = f":{self.salt}" if self.salt else ""
        return f"ed25519:{self.key}:{base64.b64encode(self.data).decode()}{salt}"

    @property
    def proof(self) -> Mapping[str, Json]:
        """What a receipt keeps of it. Without the salt, which would let short values be guessed."""
        return {"signed": {"key": self.key, "signature": base64.b64encode(self.data).decode()}}


def sign(key: PrivateKey, statement: Statement, *, salt: str = "") -> Signature:
    """The signature of a statement; with the salt of its value, where it has one."""
    return Signature(key=key.public.id, data=key.sign(statement.signed()), salt=salt)


def verify(key: PublicKey, signature: Signature, statement: Statement) -> bool:
    """Whether a signature is by this key and over exactly this statement."""
    return signature.key == key.id and key.verifies(signature.data, statement.signed())


def salt_of(signature: str) -> bytes:
    """The salt of the value of a signed `edit` or `answer`, with which it is to be sealed; empty where none is sent.

    Raises `DecisionError`.
    """
    return bytes.fromhex(Signature.read(signature).salt) if signature else b""
