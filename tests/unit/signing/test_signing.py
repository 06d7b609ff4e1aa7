"""Signatures of decisions: good for the one decision that was signed, and for nothing that is in the least another."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gatework.errors import DecisionError
from gatework.signing.keys import PrivateKey, PublicKey
from gatework.signing.signing import Signature, Statement, salt_of, sign, verify

KEY = PrivateKey.made()
OTHER = PrivateKey.made()
STATEMENT = Statement(
    run="default/refund-1/9f",
    plan="d" * 64,
    gate=2,
    evidence="e" * 64,
    action="edit",
    by="ana",
    note="checked",
    place="owed",
    value="f" * 64,
)
SIGNATURE = sign(KEY, STATEMENT, salt="0" * 32)
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group that Ed25519 signs in, RFC 8032, section 5.1."""


def altered(**fields: Any) -> Statement:
    """The statement with other fields."""
    return dataclasses.replace(STATEMENT, **fields)


def test_statement_signed_by_the_key_holds() -> None:
    """A signature holds for the statement that was signed, and the key that signed it."""
    assert verify(KEY.public, Signature.read(str(SIGNATURE)), STATEMENT)
    assert not verify(OTHER.public, SIGNATURE, STATEMENT)


def test_signed_bytes_are_those_of_a_dsse_envelope() -> None:
    """What is signed can be put into a DSSE envelope as it is: the pre-authentication encoding of its version 1."""
    predicate = (
        b'{"action":"edit","by":"ana","evidence":"' + b"e" * 64 + b'","gate":2,"output":"' + b"f" * 64 + b'",'
        b'"place":"owed","reason":"checked"}'
    )
    subject = b'[{"digest":{"gateworkPlan1":"' + b"d" * 64 + b'"},"name":"default/refund-1/9f"}]'
    payload = (
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":' + predicate + b',"predicateType":'
        b'"urn:gatework:decision:1","subject":' + subject + b"}"
    )
    assert STATEMENT.signed() == b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
CHANGED = {field.name: st.integers(0, 99) if field.name == "gate" else texts for field in dataclasses.fields(Statement)}


@pytest.mark.parametrize("field", sorted(CHANGED))
@given(data=st.data())
def test_statement_changed_in_any_field_is_refused(field: str, data: st.DataObject) -> None:
    """A signature is of another decision as soon as one field of what it states is another."""
    was = getattr(STATEMENT, field)
    changed = altered(**{field: data.draw(CHANGED[field].filter(lambda value: value != was))})
    assert not verify(KEY.public, SIGNATURE, changed)


@given(st.lists(texts, min_size=5, max_size=5), st.lists(texts, min_size=5, max_size=5))
def test_statements_of_other_fields_are_other_bytes(one: list[str], other: list[str]) -> None:
    """No text can be moved from one field into the next: other fields are other bytes."""
    names = ("run", "plan", "by", "note", "place")
    first = altered(**dict(zip(names, one, strict=True)))
    second = altered(**dict(zip(names, other, strict=True)))
    assert (first.signed() == second.signed()) is (one == other)


@given(st.integers(0, 64 * 8 - 1))
def test_signature_with_any_other_bit_is_refused(bit: int) -> None:
    """No bit of a signature can be another."""
    number = int.from_bytes(SIGNATURE.data, "little") ^ (1 << bit)
    assert not verify(KEY.public, dataclasses.replace(SIGNATURE, data=number.to_bytes(64, "little")), STATEMENT)


def test_signature_beyond_the_order_is_refused() -> None:
    """RFC 8032 has one signature where the sum of S and the order would be another: the library refuses that."""
    beyond = (int.from_bytes(SIGNATURE.data[32:], "little") + ORDER).to_bytes(32, "little")
    assert not verify(KEY.public, dataclasses.replace(SIGNATURE, data=SIGNATURE.data[:32] + beyond), STATEMENT)


def test_signature_under_the_id_of_another_key_is_refused() -> None:
    """The id that a signature names is that of the key that made it."""
    assert not verify(KEY.public, dataclasses.replace(SIGNATURE, key=OTHER.public.id), STATEMENT)


@given(st.one_of(st.text(max_size=300), st.from_regex(r"ed25519:[0-9a-f]{15,17}:[A-Za-z0-9+/=_-]{86,90}(:.*)?")))
def test_text_read_as_a_signature_is_written_the_same(text: str) -> None:
    """A text is a signature in the one way in which it is written, or none."""
    with suppress(DecisionError):
        assert str(Signature.read(text)) == text


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text.replace("ed25519", "rsa"),
        lambda text: text.replace("ed25519", "ED25519"),
        lambda text: text.replace("=", "", 1),
        lambda text: text.replace("==", "=", 1),
        lambda text: f"{text}\n",
        lambda text: f" {text}",
        lambda text: text.upper(),
        lambda text: f"{text}:{'0' * 32}",
        lambda text: re.sub(r":[0-9a-f]{16}:", ":", text),
        lambda text: text.replace("ed25519:", "ed25519:٠", 1),
        lambda text: text * 10_000,
    ],
)
def test_signature_written_otherwise_is_refused(changed: Callable[[str], str]) -> None:
    """Other algorithms, letters, lengths and endings are no signature."""
    with pytest.raises(DecisionError):
        Signature.read(changed(str(SIGNATURE)))


def test_base64_with_bits_left_over_is_refused() -> None:
    """Base64 whose last letter holds bits that count for nothing is not another way to write a signature."""
    text = str(sign(KEY, STATEMENT))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = letters[letters.index(text[-3]) ^ 1]
    other = f"{text[:-3]}{last}=="
    assert base64.b64decode(other.split(":")[2]) == base64.b64decode(text.split(":")[2])
    with pytest.raises(DecisionError):
        Signature.read(other)


def test_proof_keeps_no_salt() -> None:
    """The receipt keeps key and signature; with the salt short values could be guessed from it."""
    assert set(SIGNATURE.proof["signed"]) == {"key", "signature"}
    assert SIGNATURE.salt not in str(SIGNATURE.proof)
    assert salt_of(str(SIGNATURE)) == bytes(16)
    assert salt_of("") == b""


# -- public keys -----------------------------------------------------------------------------------

_P = 2**255 - 19
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""The y of a point of order 8, from libsodium's list of points of small order."""

SMALL = [(y | sign << 255).to_bytes(32, "little") for y in (0, 1, _P - 1, _P, _P + 1, _Y8, _P - _Y8) for sign in (0, 1)]
"""All ways to write a point of small order, also those that are not canonical."""


def key_text(data: bytes) -> str:
    """Bytes as a key in the list of people."""
    return f"ed25519:{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("data", SMALL, ids=lambda data: data.hex()[:8])
def test_point_of_small_order_is_no_key(data: bytes) -> None:
    """A point of small order is no key of anybody."""
    with pytest.raises(ValueError, match=r"anyone can sign|no point of the curve"):
        PublicKey.read(key_text(data))


def test_points_of_small_order_are_those_whose_eightfold_is_neutral() -> None:
    """The eight ways to write such a point that are canonical are found by their y alone."""
    refused = []
    for data in SMALL:
        with pytest.raises(ValueError, match=r"is a key|is no point") as raised:
            PublicKey.read(key_text(data))
        refused.append(str(raised.value))
    assert refused.count("is a key for which anyone can sign") == 8


def test_library_takes_a_key_for_which_anyone_can_sign() -> None:
    """The library verifies under the neutral point whatever anybody made up: why such keys are refused here."""
    neutral = (1).to_bytes(32, "little")
    base_point = bytes.fromhex("58" + "66" * 31)
    Ed25519PublicKey.from_public_bytes(neutral).verify(base_point + (1).to_bytes(32, "little"), b"any message at all")
    assert PublicKey(neutral).verifies(base_point + (1).to_bytes(32, "little"), b"another")


def test_bytes_that_are_no_point_are_no_key() -> None:
    """The library takes bytes that are no point of the curve, and so we look."""
    number = next(y for y in range(2, 99) if not _is_key(y.to_bytes(32, "little")))
    Ed25519PublicKey.from_public_bytes(number.to_bytes(32, "little"))
    with pytest.raises(ValueError, match="no point of the curve"):
        PublicKey.read(key_text(number.to_bytes(32, "little")))


def _is_key(data: bytes) -> bool:
    try:
        return bool(PublicKey.read(key_text(data)))
    except ValueError:
        return False


@given(st.binary(min_size=32, max_size=32))
def test_key_that_the_library_makes_is_a_key(seed: bytes) -> None:
    """Every key that can be made is taken, and written the same again."""
    made = PrivateKey(Ed25519PrivateKey.from_private_bytes(seed)).public
    assert PublicKey.read(str(made)) == made
    assert re.fullmatch(r"[0-9a-f]{16}", made.id)


@pytest.mark.parametrize(
    "text",
    ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43 + "=", str(KEY.public) + "\n", str(KEY.public)[:-1]],
    ids=["empty", "nothing", "too short", "another kind", "a line end more", "a character less"],
)
def test_text_that_is_no_key_is_refused(text: str) -> None:
    """What is not written as a key is none."""
    with pytest.raises(ValueError, match="is no key"):
        PublicKey.read(text)
