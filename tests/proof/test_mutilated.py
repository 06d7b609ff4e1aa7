"""Bytes are mutilated: certificates, redacted ones, statements and signatures, lock files. Nothing breaks or passes.

`make test` takes a sample; with GATEWORK_SEARCH=1 thousands of each.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import ConfigError
from gatework.proof.certificate import CertificateError, read, without, written
from gatework.releases import lock
from gatework.signing import attest, dsse
from gatework.values import canonical
from tests.answers import Answers
from tests.proof import making, recorded
from tests.proof.both import agreed
from tests.proof.forging import receipts
from tests.proof.mutants import mutants
from tests.proof.tampering import EVERY, Record, replaced, tallied

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MANY = 3_000 if EVERY else 25
PEOPLE = recorded.people()


def redacted(name: str) -> bytes:
    """A certificate that everybody signed, and half of whose values were taken out."""
    whole = read(canonical.dumps(recorded.signed(name)))
    return written(without(whole, [*whole.values][::2])).removesuffix(b"\n")


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "paid": (lambda: canonical.dumps(making.signed(making.certificate(making.paid()))), making.people()),
    "gone": (lambda: canonical.dumps(making.signed(making.certificate(making.gone()))), making.people()),
    "recorded": (lambda: canonical.dumps(recorded.signed("reset")), PEOPLE),
    "redacted": (lambda: redacted("edited"), PEOPLE),
    "redacted with child runs": (lambda: redacted("under_way"), PEOPLE),
}


@pytest.mark.parametrize("which", FILES)
def test_mutilated_certificates_are_refused_with_a_code(which: str, record_property: Record) -> None:
    """Whatever is done to the bytes: never a crash, and never accepted unless an id of the server alone was changed."""
    made, people = FILES[which]
    data = made()
    assert agreed(data, people) == ""
    with tallied(f"{which}, bytes", record_property) as codes:
        for mutant in mutants(data, which, MANY):
            if mutant.removesuffix(b"\n") == data:
                continue
            code = agreed(mutant, people)
            codes[code] += 1
            assert code or nameless(mutant) == nameless(data), mutant


def nameless(data: bytes) -> Any:
    """What a certificate says, without the ids of the server, and who exported it: a key of nobody shows nothing."""
    said = json.loads(data)
    for run in said["runs"]:
        for one in (run, *run["superseded"]):
            one.pop("run_id")
    return {**said, "signatures": []}


def test_what_can_be_redacted_of_a_mutilated_certificate_is_one(record_property: Record) -> None:
    """Whoever takes values out of a file that somebody mutilated has a certificate left, or a sentence."""
    data = canonical.dumps(recorded.signed("edited"))
    with tallied("redacted after", record_property) as codes:
        for mutant in mutants(data, "redacted after", MANY):
            try:
                whole = read(mutant)
                written(without(whole, [*whole.values][:3]))
            except CertificateError as error:
                codes[error.fault] += 1
                found = error.message
            else:
                codes["redacted"] += 1
                found = ""
            assert found.isprintable()


# -- statements and envelopes ----------------------------------------------------------------------


def statements() -> Iterator[tuple[str, bytes, bytes]]:
    """Each statement that is signed in a recorded certificate, or over it: by whom, its bytes, the signature."""
    said = recorded.signed("edited")
    of = read(canonical.dumps({**said, "signatures": []}))
    [own] = said["signatures"]
    yield "desk", canonical.dumps(attest.of_certificate(of)), base64.b64decode(own["signature"])
    begun = said["runs"][0]["entries"][0]["receipt"]["how"]
    answers = Answers()
    for (_, _, _, number, _), receipt in receipts(said):
        before, answers = 0 if receipt["kind"] == "acted" else answers.many, answers.after(receipt)
        signed = receipt.get("how", {}).get("signed")
        at = said["runs"][0]["entries"][number]["at"]
        if signed and receipt["kind"] == "decided":
            statement = making.decision(receipt, begun["run"], begun["plan"])
        elif signed:
            statement = attest.attempt(receipt, run=begun["run"], plan=begun["plan"], at=at, answers=before)
        else:
            continue
        who = str(receipt["by"]) if receipt["kind"] == "decided" else "machine"
        yield who, canonical.dumps(statement), base64.b64decode(signed["signature"])


def test_a_signature_is_of_no_other_statement(record_property: Record) -> None:
    """Neither mutilated statements nor mutilated signatures verify, of any kind, in the envelope of DSSE."""
    with tallied("statements", record_property) as codes:
        for who, text, signature in statements():
            key = making.public(who)
            assert key.verifies(signature, dsse.encoded(json.loads(text)))
            for mutant in mutants(text, who, MANY // 5):
                if mutant != text:
                    message = b"DSSEv1 28 %s %d %s" % (dsse.PAYLOAD_TYPE.encode(), len(mutant), mutant)
                    codes["statement"] += 1
                    assert not key.verifies(signature, message)
            for mutant in mutants(signature, who, MANY // 5):
                if mutant != signature:
                    codes["signature"] += 1
                    assert not key.verifies(mutant, dsse.encoded(json.loads(text)))


def test_mutilated_signatures_in_a_certificate_are_refused(record_property: Record) -> None:
    """In the file as well: another base64 of the same bytes, more or less of them, another type."""
    said = recorded.signed("edited")
    places = [(*path, "how", "signed") for path, one in receipts(said) if "signed" in one.get("how", {})]
    with tallied("signatures", record_property) as codes:
        for path in (*places[:: 1 if EVERY else 4], ("signatures", 0)):
            own: Any = said
            for step in path:
                own = own[step]
            text = own["signature"]
            others = (
                text.rstrip("="),
                text + "=",
                text + "\n",
                text[:-4] + "AAA=",
                text.swapcase(),
                "",
                "A" * 88,
                7,
                None,
            )
            for other in (*others, text[:-3] + chr(ord(text[-3]) + 1) + text[-2:]):
                data = canonical.dumps(replaced(said, (*path, "signature"), other))
                code = agreed(data, PEOPLE)
                codes[code] += 1
                assert code, (path, other)


# -- lock files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["refund", "inquiry"])
def test_mutilated_lock_files_release_no_other_plan(name: str, record_property: Record) -> None:
    """A plan that is read from one is one that was released, or the file is refused in a sentence."""
    file = ROOT / "workflows" / f"{name}.lock.json"
    data = file.read_bytes()
    released = {one.digest for one in lock.parse(data, file.name).plans}
    with tallied(f"{file.name}, bytes", record_property) as codes:
        for mutant in mutants(data, name, MANY):
            try:
                found = {one.digest for one in lock.parse(mutant, file.name).plans}
            except ConfigError as error:
                codes["refused"] += 1
                found, said = set(), error.message
            else:
                codes["read"] += 1
                said = ""
            assert found <= released
            assert said.isprintable()
