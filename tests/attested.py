"""A verifier of what machines signed, from section 7 of `docs/spec/ledger.md`: it shares no code with the engine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.answers import Answers

Keys = Mapping[str, str]
"""Role → the key that is in it, as the list of people writes it."""


def keyid(key: str) -> str:
    return hashlib.sha256(b"gatework/1/key\n" + base64.b64decode(key.removeprefix("ed25519:"))).hexdigest()[:16]


def verifies(key: str, signature: str, payload: Any) -> bool:
    """Whether a signature is by this key and over this statement."""
    data = rfc8785.dumps(payload)
    message = b" ".join([b"DSSEv1 28 application/vnd.in-toto+json", b"%d" % len(data), data])
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("ed25519:")))
        public.verify(base64.b64decode(signature, validate=True), message)
    except InvalidSignature:
        return False
    return True


def statement(type_: str, run: str, digest: str, predicate: Mapping[str, Any]) -> Any:
    said = {name: value for name, value in predicate.items() if value not in ("", 0, [], {}) and name != "signed"}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": run, "digest": {"gateworkPlan1": digest}}],
        "predicateType": f"urn:gatework:{type_}:1",
        "predicate": said,
    }


def of_entry(entry: Any, *, run: str, plan: Any, digest: str, answers: int = 0) -> Any:
    """What the worker of an entry signed: `plan` as data, and its digest; how many `answers` the attempt had had."""
    receipt = entry["receipt"]
    steps = {step["name"]: step for step in (*plan["nodes"], *plan["undos"])}
    own = [guard["name"] for guard in steps[receipt["node"]]["guards"] if guard["queue"]]
    said = {**receipt, **receipt.get("how", {}), "how": "", "label": "", "arguments": ""}
    if receipt["kind"] == "suspended":
        said["calls"] = [{n: v for n, v in call.items() if n != "arguments"} for call in said["calls"]]
    if receipt["kind"] == "output":
        said |= {"action": "", "reason": ""}
    verdicts = [given for given in receipt.get("verdicts", []) if given["guard"] not in own]
    return statement("attempt", run, digest, {**said, "verdicts": verdicts, "at": entry["at"], "answers": answers})


def decided(entry: Any, *, run: str, plan: str, keys: Mapping[str, str]) -> str:
    """Who signed a decision, by their names' keys; `nobody` where it was not who the entry says, or something else."""
    receipt = entry["receipt"]
    names = ("gate", "evidence", "action", "by", "reason")
    gives = receipt["action"] in ("edit", "answer")
    said = {name: receipt.get(name, "") for name in names} | {"place": receipt["how"].get("place", "")}
    payload = statement("decision", run, plan, said | {"output": receipt["output"] if gives else ""})
    by, signed = receipt["by"], receipt["how"]["signed"]
    holds = signed["key"] == keyid(keys[by]) and verifies(keys[by], signed["signature"], payload)
    return by if holds else "nobody"


def of_verdict(given: Any, receipt: Any, *, run: str, digest: str) -> Any:
    """What the worker of an isolated guard signed."""
    return statement(
        "verdict", run, digest, {**given, **{name: receipt[name] for name in ("node", "attempt", "inputs")}}
    )


def found(entries: Sequence[Any], *, run: str, plan: Any, digest: str, keys: Keys) -> list[str]:
    """What is signed in a ledger and by whom, such as `output owed: worker`; who is not in the role, or did not sign
    this, is `nobody`.
    """
    said, answers = [], Answers()
    for entry in entries:
        receipt = entry["receipt"]
        many, answers = 0 if receipt["kind"] == "acted" else answers.many, answers.after(receipt)
        if signed := receipt.get("how", {}).get("signed"):
            payload = of_entry(entry, run=run, plan=plan, digest=digest, answers=many)
            said.append(f"{receipt['kind']} {receipt['node']}: {_who('worker', signed, payload, keys)}")
        for given in receipt.get("verdicts", []):
            if signed := given.get("signed"):
                payload = of_verdict(given, receipt, run=run, digest=digest)
                said.append(f"verdict {given['guard']}: {_who('guard', signed, payload, keys)}")
    return said


def _who(role: str, signed: Any, payload: Any, keys: Keys) -> str:
    key = keys[role]
    return role if signed["key"] == keyid(key) and verifies(key, signed["signature"], payload) else "nobody"
