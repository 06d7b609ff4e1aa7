"""What others make of our signatures: libraries of the field, which have no code in common with us, read them."""

from __future__ import annotations

import base64
import json

import in_toto_attestation.v1.statement_pb2 as statement_pb  # pyright: ignore[reportMissingImports]
import pytest
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement  # pyright: ignore[reportMissingImports]
from securesystemslib.dsse import Envelope  # pyright: ignore[reportMissingImports]
from securesystemslib.exceptions import VerificationError  # pyright: ignore[reportMissingImports]
from securesystemslib.signer import SSlibKey  # pyright: ignore[reportMissingImports, reportPrivateImportUsage]

from gatework.signing import attest, dsse
from gatework.signing.keys import PublicKey
from gatework.values import canonical, wire
from tests import attested
from tests.unit.signing.test_attest import GUARD, PLAN, RUN, STRANGER, WORKER, begun, entries, exported, looked, take


def test_certificate_is_signed_as_an_envelope_that_others_verify() -> None:
    """securesystemslib, which has no code in common with us, verifies our envelopes as DSSE says."""
    certificate = attest.signed(exported(), [WORKER, GUARD])
    payload = base64.b64encode(canonical.dumps(attest.of_certificate(certificate))).decode()
    signatures = [{"keyid": one.key, "sig": one.signature} for one in certificate.signatures]
    read = Envelope.from_dict({"payload": payload, "payloadType": dsse.PAYLOAD_TYPE, "signatures": signatures})
    assert len(read.verify([theirs(WORKER.public), theirs(GUARD.public)], 2)) == 2
    assert json.loads(read.payload) == attest.of_certificate(exported())
    with pytest.raises(VerificationError):
        read.verify([theirs(WORKER.public), theirs(STRANGER.public)], 2)


@pytest.mark.parametrize("statement", ["certificate", "attempt", "verdict"])
def test_statement_is_one_that_the_bindings_of_in_toto_read(statement: str) -> None:
    """Our statements are in-toto Statements v1: the bindings of the framework validate them, and lose nothing."""
    driver = take(begun(), looked)
    entry = next(one for one in entries(driver) if one["receipt"]["kind"] == "output")
    said = {
        "certificate": attest.of_certificate(exported()),
        "attempt": attested.of_entry(entry, run=RUN, plan=wire.data(PLAN), digest=PLAN.digest),
        "verdict": attested.of_verdict(entry["receipt"]["verdicts"][-1], entry["receipt"], run=RUN, digest=PLAN.digest),
    }[statement]
    parsed = json_format.Parse(canonical.dumps(said), statement_pb.Statement())  # pyright: ignore[reportAttributeAccessIssue]
    Statement.copy_from_pb(parsed).validate()
    assert canonical.dumps(json_format.MessageToDict(parsed)) == canonical.dumps(said)


def theirs(key: PublicKey) -> SSlibKey:
    """The key as securesystemslib has it."""
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.data.hex()})
