"""Signatures in a certificate, held against the reader's own list of keys. Section 7 of the specification."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime

from gatework.errors import ContractError
from gatework.plan.plan import Work
from gatework.proof.certificate import Certificate, Envelope
from gatework.proof.ledger import Entry
from gatework.run.state import Receipt
from gatework.signing.roster import Key, People
from gatework.values import canonical, wire
from gatework.values.canonical import Json
from gatework.verify.refusal import Refused, must
from gatework.verify.state import State

STATEMENT_TYPE = "application/vnd.in-toto+json"
DECISION_TYPE = "application/vnd.gatework.decision+json"


class Keys:
    """The keys of a list, by their ids."""

    def __init__(self, people: People | None) -> None:
        self.people = people
        self._keys: dict[str, tuple[str, frozenset[str], Key]] = {}
        for name, person in people.persons.items() if people else ():
            for id_, key in person.keys.items():
                must(id_ not in self._keys, "signature", "Two on the list of keys have the same key.")
                self._keys[id_] = name, person.roles, key

    def of(self, key: str) -> tuple[str, frozenset[str], Key]:
        """Whose key it is, in which roles. Raises `Refused` where the list has no such key."""
        must(key in self._keys, "signature", "The certificate is signed with a key that the list does not have.")
        return self._keys[key]

    def signer(self, key: str, signature: str, role: str, message: bytes, entry: Entry, owner: str = "") -> str:
        """Who signed; empty where the list does not say. Raises `Refused` where they did not, or could not."""
        if key not in self._keys:
            stranger = not owner or self.people is None or owner not in self.people.persons
            must(stranger, "signature", "A decision is signed with a key that the list has not under that name.")
            return ""
        name, roles, held = self._keys[key]
        must(not owner or owner == name, "signature", "A decision is signed with the key of somebody else.")
        must(role in roles, "signature", "A signature is by somebody who is not in the role that it takes.")
        must(held.holds(_time(entry)), "signature", "A key did not hold when it signed.")
        must(held.public.verifies(_bytes(signature), message), "signature", "A signature is not of what stands there.")
        return name


def _time(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.at)


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("signature", "A signature is not in base64.") from None
    must(base64.b64encode(data).decode() == text, "signature", "A signature is not in base64 as it is written.")
    return data


def encoded(payload_type: str, payload: Json) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of a payload."""
    try:
        data = canonical.dumps(payload)
    except ContractError:
        raise Refused("signature", "What is signed is no JSON.") from None
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(data), data)


# -- decisions -------------------------------------------------------------------------------------


def decision(keys: Keys, state: State, entry: Entry, role: str) -> str:
    """Who signed a decision; empty where nobody did, or the list does not say."""
    receipt, how = entry.receipt, entry.receipt.how
    if receipt.identity != "signed":
        return ""
    value = receipt.output if receipt.action in ("edit", "answer") or how.get("skipped") is True else ""
    payload = {
        "type": "gatework.decision/1",
        "run": state.lineage,
        "workflow": state.plan.name,
        "gate": receipt.gate,
        "evidence": receipt.evidence,
        "action": receipt.action,
        "by": receipt.by,
        "note": receipt.reason,
        "place": how.get("place", ""),
        "value": value,
    }
    message = encoded(DECISION_TYPE, payload)
    return keys.signer(how["key"], how["signature"], role, message, entry, owner=receipt.by)


# -- attempts and verdicts -------------------------------------------------------------------------


def attempt(keys: Keys, state: State, entry: Entry) -> str:
    """Which worker signed an attempt or a call; empty where none did, or the list does not say."""
    receipt = entry.receipt
    signed = receipt.how.get("signed")
    if signed is None:
        return ""
    must(receipt.how.get("recorded") is not True, "signature", "What nobody did is signed.")
    node = state.plan.steps[state.at]
    isolated = {use.name for use in (*node.before, *node.guards) if use.queue} if isinstance(node, Work) else set()
    said = wire.data(receipt)
    how = {name: value for name, value in receipt.how.items() if name != "signed"}
    if receipt.kind == "suspended":
        how["calls"] = [_without(call, "arguments") for call in how["calls"]]
    if receipt.kind == "acted":
        how = _without(how, "arguments")
    predicate: dict[str, Json] = {
        "run": state.lineage,
        "plan": state.plan.digest,
        **{name: said[name] for name in ("kind", "node", "attempt", "inputs", "output", "action", "reason")},
        "verdicts": [one for one in said["verdicts"] if one["guard"] not in isolated],
        "how": how,
        "at": entry.at,
    }
    if receipt.kind == "output":  # of which only the machine knows what comes of it
        predicate |= {"action": "", "reason": ""}
    message = _statement(receipt.node, _subject(receipt), "urn:gatework:attempt:1", predicate)
    return keys.signer(signed["key"], signed["signature"], "worker", message, entry)


def _subject(receipt: Receipt) -> Mapping[str, str]:
    if receipt.output:
        return {"gateworkValue1": receipt.output}
    if receipt.kind == "acted":
        return {"gateworkCall1": receipt.how["call"]}
    return {"gateworkInputs1": receipt.inputs}


def verdicts(keys: Keys, state: State, entry: Entry) -> Iterator[tuple[str, str]]:
    """The guards whose verdicts are signed, each with who signed; empty where the list does not say."""
    receipt, node = entry.receipt, state.plan.steps[state.at] if state.at < len(state.plan.steps) else None
    for given in wire.data(receipt)["verdicts"]:
        signed = given.pop("signed", None)
        if signed is None:
            continue
        uses = (*node.before, *node.guards) if isinstance(node, Work) else ()
        isolated = any(use.name == given["guard"] and use.queue for use in uses)
        must(isolated, "signature", "A verdict is signed by a guard that has no workers of its own.")
        predicate = {
            "run": state.lineage,
            "plan": state.plan.digest,
            "node": receipt.node,
            "attempt": receipt.attempt,
            "inputs": receipt.inputs,
            **given,
        }
        message = _statement(receipt.node, {"gateworkValue1": given["on"]}, "urn:gatework:verdict:1", predicate)
        yield given["guard"], keys.signer(signed["key"], signed["signature"], "guard", message, entry)


def _statement(name: str, digest: Mapping[str, str], type_: str, predicate: Mapping[str, Json]) -> bytes:
    said = {member: value for member, value in predicate.items() if value not in ("", 0, [], {})}
    return encoded(STATEMENT_TYPE, _in_toto(name, digest, type_, said))


def _in_toto(name: str, digest: Mapping[str, str], type_: str, predicate: Mapping[str, Json]) -> Json:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": dict(digest)}],
        "predicateType": type_,
        "predicate": predicate,
    }


def _without(said: Mapping[str, Json], member: str) -> dict[str, Json]:
    return {name: value for name, value in said.items() if name != member}


# -- the certificate -------------------------------------------------------------------------------


def certificate(keys: Keys, given: Certificate, state: State) -> tuple[str, ...]:
    """Who signed a certificate, whose first run stands in a state at its end. Raises `Refused`."""
    entries = given.runs[0].entries
    predicate = {
        "plan": state.plan.digest,
        "entries": len(entries),
        "outcome": state.outcome,
        "superseded": [cut.entries[-1].digest for run in given.runs for cut in run.superseded],
    }
    digest = {"gateworkEntry1": entries[-1].digest}
    payload = _in_toto(state.lineage, digest, "urn:gatework:certificate:1", predicate)
    message = encoded(STATEMENT_TYPE, payload)
    return tuple(name for one in given.signatures for name in _envelope(keys, one, payload, message, entries[-1]))


def _envelope(keys: Keys, envelope: Envelope, payload: Json, message: bytes, last: Entry) -> Iterator[str]:
    same = envelope.payloadType == STATEMENT_TYPE and _bytes(envelope.payload) == canonical.dumps(payload)
    must(same, "signature", "The certificate is signed as another than it is.")
    for one in envelope.signatures:
        if keys.people is None:
            continue
        name, roles, held = keys.of(one.keyid)
        must("exporter" in roles, "signature", "The certificate is signed by somebody who exports none.")
        ended = held.until is not None and held.until <= _time(last)
        must(not ended, "signature", "The key that signed the certificate had ended before its last entry.")
        good = held.public.verifies(_bytes(one.sig), message)
        must(good, "signature", "A signature of the certificate is not of what stands there.")
        yield name
