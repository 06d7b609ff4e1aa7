"""A verifier of what machines signed, from section 7 of `docs/spec/ledger.md`: it shares no code with the engine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Keys = Mapping[str, str]
"""Role → the key that is in it, as the list of people writes it."""


def keyid(key: str) -> str:
    return hashlib.sha256(b"gatework/1/key\n" + base64.b64decode(key.removeprefix("ed25519:"))).hexdigest()[:16]


def verifies(key: str, signature: str, payload: Any, type_: bytes = b"application/vnd.in-toto+json") -> bool:
    """Whether a signature is by this key and over this statement."""
    data = rfc8785.dumps(payload)
    message = b" ".join([b"DSSEv1", b"%d" % len(type_), type_, b"%d" % len(data), data])
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("ed25519:")))
        public.verify(base64.b64decode(signature, validate=True), message)
    except InvalidSignature:
        return False
    return True


def statement(node: str, digest: Mapping[str, str], type_: str, predicate: Mapping[str, Any]) -> Any:
    said = {name: value for name, value in predicate.items() if value not in ("", 0, [], {})}
    subject = [{"name": node, "digest": digest}]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": f"urn:gatework:{type_}:1",
        "predicate": said,
    }


def of_entry(entry: Any, *, run: str, plan: Any, digest: str) -> Any:
    """What the worker of an entry signed: `plan` as data, and its digest."""
    receipt = entry["receipt"]
    steps = {step["name"]: step for step in (*plan["nodes"], *plan["undos"])}
    own = [guard["name"] for guard in steps[receipt["node"]]["guards"] if guard["queue"]]
    how = {name: value for name, value in receipt.get("how", {}).items() if name not in ("signed", "recorded")}
    if receipt["kind"] == "suspended":
        how["calls"] = [{n: v for n, v in call.items() if n != "arguments"} for call in how["calls"]]
    if receipt["kind"] == "acted":
        del how["arguments"]
    subject = {"gateworkInputs1": receipt.get("inputs", "")}
    if receipt["kind"] == "acted":
        subject = {"gateworkCall1": how["call"]}
    if receipt.get("output"):
        subject = {"gateworkValue1": receipt["output"]}
    named = ("kind", "node", "attempt", "inputs", "output", "action", "reason")
    predicate = {name: receipt.get(name, "") for name in named}
    if receipt["kind"] == "output":
        predicate |= {"action": "", "reason": ""}
    verdicts = [given for given in receipt.get("verdicts", []) if given["guard"] not in own]
    more = {"run": run, "plan": digest, "verdicts": verdicts, "how": how, "at": entry["at"]}
    return statement(receipt["node"], subject, "attempt", {**predicate, **more})


def decided(entry: Any, *, run: str, workflow: str, keys: Mapping[str, str]) -> str:
    """Who signed a decision, by their names' keys; `nobody` where it was not who the entry says, or something else."""
    receipt = entry["receipt"]
    payload = {
        "type": "gatework.decision/1",
        "run": run,
        "workflow": workflow,
        **{name: receipt[name] for name in ("gate", "evidence", "action", "by")},
        "note": receipt.get("reason", ""),
        "place": receipt["how"].get("place", ""),
        "value": receipt.get("output", "") if receipt["action"] in ("edit", "answer") else "",
    }
    by, how = receipt["by"], receipt["how"]
    type_ = b"application/vnd.gatework.decision+json"
    holds = how["key"] == keyid(keys[by]) and verifies(keys[by], how["signature"], payload, type_)
    return by if holds else "nobody"


def of_verdict(given: Any, receipt: Any, *, run: str, digest: str) -> Any:
    """What the worker of an isolated guard signed."""
    said = {name: value for name, value in given.items() if name != "signed"}
    of = {"run": run, "plan": digest, **{name: receipt[name] for name in ("node", "attempt", "inputs")}}
    return statement(receipt["node"], {"gateworkValue1": given["on"]}, "verdict", {**of, **said})


def found(entries: Sequence[Any], *, run: str, plan: Any, digest: str, keys: Keys) -> list[str]:
    """What is signed in a ledger and by whom, such as `output owed: worker`; who is not in the role, or did not sign
    this, is `nobody`.
    """
    said = []
    for entry in entries:
        receipt = entry["receipt"]
        if signed := receipt.get("how", {}).get("signed"):
            payload = of_entry(entry, run=run, plan=plan, digest=digest)
            said.append(f"{receipt['kind']} {receipt['node']}: {_who('worker', signed, payload, keys)}")
        for given in receipt.get("verdicts", []):
            if signed := given.get("signed"):
                payload = of_verdict(given, receipt, run=run, digest=digest)
                said.append(f"verdict {given['guard']}: {_who('guard', signed, payload, keys)}")
    return said


def _who(role: str, signed: Any, payload: Any, keys: Keys) -> str:
    key = keys[role]
    return role if signed["key"] == keyid(key) and verifies(key, signed["signature"], payload) else "nobody"
