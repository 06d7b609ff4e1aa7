"""Signatures in a certificate, held against the reader's own list of keys. Section 7 of the specification."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime

from gatework.errors import ContractError
from gatework.plan.plan import Work
from gatework.proof.certificate import Certificate
from gatework.proof.ledger import Entry
from gatework.signing.roster import Key, People
from gatework.values import canonical, wire
from gatework.values.canonical import Json
from gatework.verify.refusal import Refused, must
from gatework.verify.state import State

STATEMENT_TYPE = "application/vnd.in-toto+json"


class Keys:
    """The keys of a list, by their ids."""

    def __init__(self, people: People | None) -> None:
        self.people = people
        self._keys: dict[str, tuple[str, frozenset[str], Key]] = {}
        for name, person in people.persons.items() if people else ():
            for id_, key in person.keys.items():
                self._keys[id_] = name, person.roles, key

    def signer(self, signed: Mapping[str, str], role: str, message: bytes, entry: Entry, owner: str = "") -> str:
        """Who signed; empty where the list does not say. Raises `Refused` where they did not, or could not."""
        if signed["key"] not in self._keys:
            stranger = not owner or self.people is None or owner not in self.people.persons
            must(stranger, "signature", "A decision is signed with a key that the list has not under that name.")
            return ""
        name, roles, held = self._keys[signed["key"]]
        must(not owner or owner == name, "signature", "A decision is signed with the key of somebody else.")
        must(role in roles, "signature", "A signature is by somebody who is not in the role that it takes.")
        # Who exports a run does so when it has happened, with a key that may be newer.
        begun = held.since is None or held.since <= _time(entry) or role == "exporter"
        holds = begun and (held.until is None or _time(entry) < held.until)
        must(holds, "signature", "A key did not hold when it signed.")
        good = held.public.verifies(base64.b64decode(signed["signature"]), message)
        must(good, "signature", "A signature is not of what stands there.")
        return name


def _time(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.at)


def encoded(what: str, state: State, predicate: Mapping[str, Json]) -> bytes:
    """What is signed: a statement of a run that is held to a plan, in DSSE's pre-authentication encoding."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": state.lineage, "digest": {"gateworkPlan1": state.plan.digest}}],
        "predicateType": f"urn:gatework:{what}:1",
        "predicate": {member: value for member, value in predicate.items() if value not in ("", 0, [], {})},
    }
    try:
        data = canonical.dumps(statement)
    except ContractError:
        raise Refused("signature", "What is signed is no JSON.") from None
    return b"DSSEv1 %d %s %d %s" % (len(STATEMENT_TYPE), STATEMENT_TYPE.encode(), len(data), data)


# -- decisions -------------------------------------------------------------------------------------


def decision(keys: Keys, state: State, entry: Entry, role: str) -> str:
    """Who signed a decision; empty where nobody did, or the list does not say."""
    receipt, how = entry.receipt, entry.receipt.how
    must(("signed" in how) is (receipt.identity == "signed"), "identity", "What is not a signed decision is signed.")
    if receipt.identity != "signed":
        return ""
    gives = receipt.action in ("edit", "answer") or how.get("skipped") is True
    said = {
        **{name: getattr(receipt, name) for name in ("gate", "evidence", "action", "by", "reason")},
        "place": how.get("place", ""),
        "output": receipt.output if gives else "",
    }
    return keys.signer(how["signed"], role, encoded("decision", state, said), entry, owner=receipt.by)


# -- attempts and verdicts -------------------------------------------------------------------------


def attempt(keys: Keys, state: State, entry: Entry) -> str:
    """Which worker signed an attempt or a call; empty where none did, or the list does not say."""
    receipt = entry.receipt
    signed = receipt.how.get("signed")
    if signed is None:
        return ""
    node = state.here
    isolated = {use.name for use in (*node.before, *node.guards) if use.queue} if isinstance(node, Work) else set()
    said = {name: value for name, value in wire.data(receipt).items() if name not in ("label", "how")}
    if receipt.kind == "output":  # of which only the machine knows what comes of it
        said |= {"action": "", "reason": ""}
    said |= _without(receipt.how, "signed", "arguments")
    if receipt.kind == "suspended":
        said["calls"] = [_without(call, "arguments") for call in receipt.how["calls"]]
    said["verdicts"] = [one for one in said["verdicts"] if one["guard"] not in isolated]
    if receipt.kind != "acted":
        said["answers"] = state.told + len(state.answered)
    return keys.signer(signed, "worker", encoded("attempt", state, {**said, "at": entry.at}), entry)


def verdicts(keys: Keys, state: State, entry: Entry) -> Iterator[tuple[str, str]]:
    """The guards whose verdicts are signed, each with who signed; empty where the list does not say."""
    receipt, node = entry.receipt, state.here
    before: Iterable[Mapping[str, Json]] = receipt.how.get("before", ())
    for given in (*wire.data(receipt)["verdicts"], *before):
        signed = given.get("signed")
        if signed is None:
            continue
        uses = (*node.before, *node.guards) if isinstance(node, Work) else ()
        isolated = any(use.name == given["guard"] and use.queue for use in uses)
        must(isolated, "signature", "A verdict is signed by a guard that has no workers of its own.")
        said = {name: getattr(receipt, name) for name in ("node", "attempt", "inputs")} | _without(given, "signed")
        yield str(given["guard"]), keys.signer(signed, "guard", encoded("verdict", state, said), entry)


def _without(said: Mapping[str, Json], *members: str) -> dict[str, Json]:
    return {name: value for name, value in said.items() if name not in members}


# -- the certificate -------------------------------------------------------------------------------


def certificate(keys: Keys, given: Certificate, state: State) -> tuple[str, ...]:
    """Who signed a certificate, whose first run stands in a state at its end. Raises `Refused`."""
    last = given.runs[0].entries[-1]
    said = {
        "ledger": last.digest,
        "entries": last.sequence,
        "outcome": state.outcome,
        "superseded": [cut.entries[-1].digest for run in given.runs for cut in run.superseded],
    }
    message = encoded("certificate", state, said)
    names = [keys.signer(asdict(one), "exporter", message, last) for one in given.signatures]
    return tuple(name for name in names if name)
