"""What a signature is over: a statement, in the envelope of DSSE.

A statement is an in-toto Statement (https://github.com/in-toto/attestation, version 1) about a run that is held to a
plan. Its bytes are encoded as DSSE (https://github.com/secure-systems-lab/dsse, version 1) says, with their type, so
that a signature of one use is never one of another. Who has the ledger makes the statement of what stands there, byte
for byte: only the signature is kept, and no envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gatework.values import canonical
from gatework.values.canonical import Json

PAYLOAD_TYPE = "application/vnd.in-toto+json"

What = Literal["attempt", "verdict", "decision", "certificate"]


def statement(what: What, run: str, plan: str, predicate: Mapping[str, Json]) -> Json:
    """What somebody says of a run, named by its lineage, and the digest of the plan that it is held to.

    Of the predicate, what says nothing is left out, as it is in receipts.
    """
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": run, "digest": {"gateworkPlan1": plan}}],
        "predicateType": f"urn:gatework:{what}:1",
        "predicate": {name: value for name, value in predicate.items() if value not in ("", 0, [], {})},
    }


def encoded(statement: Json) -> bytes:
    """The bytes that are signed for a statement: DSSE's pre-authentication encoding."""
    payload, type_ = canonical.dumps(statement), PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(type_), type_, len(payload), payload)
