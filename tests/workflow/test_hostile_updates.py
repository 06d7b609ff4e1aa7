"""Hostile data in updates: one clear refusal each, and a run that goes on as if nothing had come."""

from __future__ import annotations

import pytest

from gatework.temporal import Execution
from tests.workflow.deployment import Deployed, Deployments, count, events, outside_payloads, payload, refused, waiting
from tests.workflow.plans import Note, Paper, signed

MARK = "MARKER-OF-THE-VALUE"

HOSTILE: dict[str, bytes] = {
    "megabyte of text": b'"' + MARK.encode() * 50_000 + b'"',
    "just below the limit": b'"' + b"x" * 1_048_000 + b'"',
    "above the limit": b'"' + b"x" * 1_900_000 + b'"',
    "deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "nesting without an end": b"[" * 500_000,
    "many values": b"[" + b"1," * 500_000 + b"1]",
    "wide object": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
    "duplicate keys": b'{"number": 1234, "number": 4321}',
    "NaN": b'{"number": NaN}',
    "infinity": b'{"number": Infinity}',
    "overflowing number": b'{"number": 1e999}',
    "huge integer": b"9" * 10_000,
    "integer beyond 2^53": b"9007199254740993",
    "lone surrogate": rb'{"note": "\ud800"}',
    "invalid UTF-8": b'{"note": "\xff\xfe"}',
    "encoded surrogate": b'{"note": "\xed\xa0\x80"}',
    "byte order mark": b"\xef\xbb\xbf1234",
    "UTF-16": "1234".encode("utf-16"),
    "nothing": b"",
    "null bytes": b"\x00\x00",
    "control characters": rb'{"note": "\u0000\u001b[2J", "number": 1234}',
    "direction marks": rb'{"by": "\u202eeve", "number": 1234}',
    "two values": b"1234 1234",
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00",
    "unknown field": b'{"number": 1234, "force": true}',
    "number as object": b'{"number": {"$gt": 0}}',
    "note as list": b'{"note": ["' + MARK.encode() + b'"]}',
    "long note": b'{"note": "' + MARK.encode() * 200 + b'"}',
    "long name": b'{"number": 1234, "by": "' + MARK.encode() * 20 + b'"}',
    "true": b"true",
    "list": b"[1234]",
}
ENCODINGS = [
    b"",
    b"json/protobuf",
    b"binary/plain",
    b"binary/protobuf",
    b"\xff\xfe",
    MARK.encode(),
    b"binary/encrypted",
]


async def _unmoved(deployed: Deployed, run: Execution[Paper], before: int) -> None:
    assert len(await events(run)) == before
    assert (await run.state()).status == "waiting"
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    assert MARK not in await outside_payloads(run)
    await run.approve((await waiting(run)).number)
    await run.result()


@pytest.mark.parametrize("action", ["approve", "reject", "retry", "edit", "abort"])
async def test_hostile_data_is_refused_and_changes_nothing(deployments: Deployments, action: str) -> None:
    """Whatever an update carries, it is refused in a sentence, or it is a decision; the run is never stuck."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    before = len(await events(run))
    for name, data in HOSTILE.items():
        outcome = await deployed.update_raw(run, action, payload(data))
        assert outcome.HasField("failure"), name
        refused(outcome, MARK)
    await _unmoved(deployed, run, before)


async def test_hostile_encodings_and_numbers_of_arguments_are_refused(deployments: Deployments) -> None:
    """A payload that claims another encoding, and more payloads than one, are refused like any other."""
    deployed = await deployments.serve(signed)
    run, _ = await deployed.gate(signed, Note(text="a"))
    before = len(await events(run))
    sent = [[payload(MARK.encode(), encoding)] for encoding in ENCODINGS]
    sent += [[payload(b"1234")] * many for many in (2, 3, 50)]
    sent += [[payload(b"\xff"), payload(b"1234", encoding)] for encoding in ENCODINGS]
    for payloads in sent:
        for action in ("approve", "edit"):
            refused(await deployed.update_raw(run, action, *payloads), MARK)
    await _unmoved(deployed, run, before)


async def test_signals_and_unknown_queries_change_nothing(deployments: Deployments) -> None:
    """A run of ours takes no signals; one that comes all the same neither decides nor sticks."""
    deployed = await deployments.serve(signed)
    run, asked = await deployed.gate(signed, Note(text="a"))
    for name in ("approve", "anything", "__temporal_internal"):
        await run.handle.signal(name, MARK)
    with pytest.raises(Exception, match="nothing"):
        await run.handle.query("nothing-of-that-name")
    assert await count(run, "WORKFLOW_TASK_FAILED") == 0
    await run.approve(asked.number)
    await run.result()
