"""What a signature is over: the envelope of DSSE (https://github.com/secure-systems-lab/dsse), version 1.

The type of a payload is signed with it, so that a signature of one use is never one of another. Where a verifier can
make the payload of what it has already, only the signature is kept, and no envelope.
"""

from __future__ import annotations


def encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding."""
    type_ = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(type_), type_, len(payload), payload)
