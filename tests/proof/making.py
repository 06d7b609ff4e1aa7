"""Certificates made in memory, and the signatures of everybody who can sign."""

from __future__ import annotations

import base64
import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gatework.plan.plan import By, Call, Plan, Work
from gatework.proof import certificate as certificates
from gatework.proof import ledger
from gatework.run.events import Begun
from gatework.run.held import Held
from gatework.signing import attest
from gatework.signing.keys import PublicKey
from gatework.signing.signing import Statement
from gatework.testing import factories
from gatework.testing.driver import Driver
from gatework.testing.factories import approve, call, effect, endorse, plan_of, stage
from gatework.testing.paths import child_run, choose, join, loop, pause, question, until, way
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from tests.answers import Answers
from tests.proof.repairing import repaired

LINEAGE = "lineage"
SIGNED = By(role="finance", identity="signed")
TWO = By(role="finance", quorum=2, identity="signed")
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)

ROLES = {
    "ana": ["finance", "operator"],
    "ben": ["finance"],
    "mallory": ["support"],
    "machine": ["worker"],
    "checks": ["guard"],
    "desk": ["exporter"],
    "retired": ["finance", "exporter"],
    "replaced": ["worker", "guard"],
}
"""Who is on the list, in which roles. The keys of the last two have expired; `stranger` is not on it."""


def private(name: str) -> Ed25519PrivateKey:
    """The key of somebody: the same each time."""
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def public(name: str) -> PublicKey:
    return PublicKey(private(name).public_key().public_bytes_raw())


def people() -> str:
    """The list, as TOML."""
    until_ = {name: "2026-01-31" if name in ("retired", "replaced") else "2027-01-01" for name in ROLES}
    return listed(ROLES, {name: ("2026-01-01", day) for name, day in until_.items()})


def listed(roles: Mapping[str, Sequence[str]], held: Mapping[str, tuple[str, str]]) -> str:
    """A list of people and machines, each with one key: their roles, and from when until when the key holds."""
    return "\n".join(
        f'[{name}]\nroles = {[*those]}\n[[{name}.keys]]\nkey = "{public(name)}"\n'
        f"from = {held[name][0]}\nuntil = {held[name][1]}\n"
        for name, those in roles.items()
    )


# -- plans -----------------------------------------------------------------------------------------


def apart(plan: Plan, node: str, guard: str) -> Plan:
    """The plan, with one guard asked apart, on a queue of its own."""
    made = []
    for one in plan.nodes:
        if isinstance(one, Work) and one.name == node:
            guards = tuple(dataclasses.replace(use, queue="checks") if use.name == guard else use for use in one.guards)
            one = dataclasses.replace(one, guards=guards)
        made.append(one)
    return dataclasses.replace(plan, nodes=tuple(made))


PAYS = apart(
    plan_of(
        stage("read", before=["fit"], guards=["kind", "short"], attempts=2),
        endorse("owed", "read"),
        effect("pay", "owed", approver=SIGNED, guards=["paid"]),
        approve("agreed", "pay", role=TWO, show=["read"]),
        stage("close", "agreed"),
        name="pays",
    ),
    "pay",
    "paid",
)
"""One after the other: guards on both sides, an effect that somebody lets happen, an approval by two."""

CHILD = plan_of(stage("look"), name="child")


def calling(plan: Plan, child: Plan) -> Plan:
    """The plan, whose calls are all of another that takes one value."""
    made = []
    for one in plan.nodes:
        if isinstance(one, Call):
            params = tuple(dataclasses.replace(param, name=child.input.name) for param in one.children[0].params)
            children = tuple(
                dataclasses.replace(each, workflow=child.name, plan=child.digest, params=params)
                for each in one.children
            )
            one = dataclasses.replace(one, children=children)
        made.append(one)
    return dataclasses.replace(plan, nodes=tuple(made))


GOES = calling(
    plan_of(
        stage("sort"),
        choose("pick", "sort", "one", "two"),
        *way("pick", 0, stage("left", "sort", undo="unleft")),
        *way("pick", 1, stage("right", "sort", like="left")),
        join("either", "pick", "left", "right"),
        loop("again", "either"),
        stage("better", "again", like="either"),
        until("enough", "again", "better", rounds=2),
        pause("night"),
        child_run("sub", "enough"),
        question("said", "sub"),
        stage("last", "said", "sub"),
        undos=[stage("unleft", "left")],
        name="goes",
    ),
    CHILD,
)
"""Ways, a loop, a pause, a child run, a question, and what undoes a stage."""


# -- runs ------------------------------------------------------------------------------------------


def _salted(plan: Plan, data: Json) -> Begun:
    start = factories.sealed(data)
    return Begun(
        plan=plan.digest, inputs={one.name: Held(sealed=start, label=one.label) for one in plan.inputs}, run=LINEAGE
    )


def paid(lineage: str = LINEAGE, amount: int = 10) -> Driver:
    """A run of `PAYS`, with one attempt more than was needed."""
    run = Driver(PAYS, clock=lambda: AT)
    run.take(dataclasses.replace(_salted(PAYS, {"text": "a mail"}), run=lineage))
    run.finish({"claim": 1}, "pass", "retry").finish({"claim": 2}).finish({"owed": amount})
    run.suspend(call("pay", amount=amount), entries=[factories.answered()])
    run.decide("approve", by="ana", note="it is owed")
    run.ended("done", {"receipt": 7}).finish({"paid": True}, "pass")
    run.decide("approve", by="ana").decide("approve", by="ben")
    return run.finish({"closed": True})


def gone(*, ends: str = "completed") -> Driver:
    """A run of `GOES`, by the first way and through two rounds."""
    run = Driver(GOES, plans=[CHILD], clock=lambda: AT)
    run.take(_salted(GOES, {"text": "a mail"}))
    run.finish({"kind": "one"}).finish({"v": 1})
    run.finish({"v": 2}).finish(None, "retry").finish({"v": 3}).finish(None, "pass").elapse()
    run.child("sub").finish({"seen": True})
    run.answer({"answer": "yes"}, by="ana")
    if ends != "completed":
        run.fail("error").decide("abort", by="ana")
    return run.finish({"done": True})


# -- certificates ----------------------------------------------------------------------------------


def _sealeds(value: object) -> Iterator[Sealed]:
    match value:
        case Sealed():
            yield value
        case dict():
            for item in value.values():
                yield from _sealeds(item)
        case list() | tuple():
            for item in value:
                yield from _sealeds(item)
        case _ if dataclasses.is_dataclass(value):
            for one in dataclasses.fields(value):
                yield from _sealeds(getattr(value, one.name))
        case _:
            pass


def certificate(run: Driver) -> Any:
    """What a run of the driver left, as a certificate without a signature."""
    said: Any = {"format": "gatework.certificate/1", "plans": {}, "runs": [], "values": {}, "signatures": []}

    def add(one: Driver, run_id: str) -> None:
        said["plans"][one.plan.digest] = copy.deepcopy(one.plan.data)
        entries = [ledger.data(entry) for entry in one.ledger]
        said["runs"].append({"run_id": run_id, "workflow": one.plan.name, "entries": entries, "superseded": []})
        for held in _sealeds([one.events, list(one.state.values.values())]):
            said["values"][held.digest] = {"data": held.data, "salt": held.salt}
        for child in one.children:
            add(child, child.id)

    add(run, "run")
    named = canonical.dumps(said["runs"]).decode()
    said["values"] = {digest: value for digest, value in said["values"].items() if digest in named}
    # The driver names no lineage for child runs; a server does.
    for child in said["runs"][1:]:
        for entry in child["entries"]:
            if entry["receipt"]["kind"] == "begun":
                entry["receipt"]["how"]["run"] = f"{LINEAGE}/{child['run_id']}"
    return repaired(said)


def signature(name: str, statement: Json) -> Any:
    text = canonical.dumps(statement)
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(text), text)
    return {"key": public(name).id, "signature": base64.b64encode(private(name).sign(message)).decode()}


ATTEMPTS = ("output", "stopped", "refused", "failed", "suspended", "acted")


def signed(
    said: Json, *, worker: str = "machine", guard: str = "checks", person: str = "", exporter: str = "desk"
) -> Any:
    """The certificate signed by everybody who can; by somebody else in their place where one is named."""
    said = copy.deepcopy(said)
    said["signatures"] = []
    for run in said["runs"]:
        place, answers = ("", ""), Answers()
        places = dict[str, tuple[tuple[str, str], Answers]]()
        for entry in (*run["entries"], *(entry for cut in run["superseded"] for entry in cut["entries"])):
            receipt = entry["receipt"]
            # What was cut off is held to the plan that the run had there.
            place, answers = places.get(entry["before"], (place, answers))
            if receipt["kind"] == "begun":
                place = receipt["how"]["run"], receipt["how"]["plan"]
            place = (place[0], receipt["shown"]["to"]) if receipt["kind"] == "migrated" else place
            _sign(entry, place, _queued(said["plans"][place[1]]), answers.many, worker, guard, person)
            places[entry["digest"]] = place, answers.after(receipt)
    return exported(repaired(said), exporter)


def _queued(plan: Json) -> set[str]:
    """The guards that are asked apart."""
    uses = [use for node in plan["nodes"] for use in (*node.get("before", ()), *node.get("guards", ()))]
    return {use["name"] for use in uses if use["queue"]}


def _sign(
    entry: Any, place: tuple[str, str], queued: set[str], answers: int, worker: str, guard: str, person: str
) -> None:
    """Sign what one entry says. `place` is the lineage of the run, and the plan to which it is held there."""
    (run, plan), receipt = place, entry["receipt"]
    for one in receipt.get("verdicts", ()):
        one.pop("signed", None)
        if one["guard"] in queued:
            of = {"node": receipt["node"], "attempt": receipt["attempt"], "inputs": receipt["inputs"]}
            one["signed"] = signature(guard, attest.verdict(one, run=run, plan=plan, **of))
    how = receipt.setdefault("how", {})
    how.pop("signed", None)
    if receipt["kind"] in ATTEMPTS and "recorded" not in how:
        many = 0 if receipt["kind"] == "acted" else answers
        said = attest.attempt(receipt, run=run, plan=plan, at=entry["at"], isolated=queued, answers=many)
        how["signed"] = signature(worker, said)
    if receipt.get("identity") == "signed":
        how["signed"] = signature(person or receipt["by"], decision(receipt, run, plan))
    if not how:
        del receipt["how"]


def decision(receipt: Json, lineage: str, plan: str) -> Json:
    """What somebody signs who decides."""
    gives = receipt["action"] in ("edit", "answer") or receipt.get("how", {}).get("skipped")
    statement = Statement(
        run=lineage,
        plan=plan,
        note=receipt.get("reason", ""),
        place=receipt.get("how", {}).get("place", ""),
        value=receipt["output"] if gives else "",
        **{name: receipt.get(name, "") for name in ("gate", "evidence", "action", "by")},
    )
    return statement.data


def exported(said: Json, exporter: str = "desk") -> Any:
    """The certificate with the signature of who exported it, in place of any."""
    payload = attest.of_certificate(certificates.read(canonical.dumps({**said, "signatures": []})))
    return {**said, "signatures": [signature(exporter, payload)]}


def bare(said: Json) -> Any:
    """The certificate without signatures but those of decisions, which say who decided."""
    said = copy.deepcopy(said)
    said["signatures"] = []
    for run in said["runs"]:
        for entry in run["entries"]:
            for one in (*entry["receipt"].get("verdicts", ()), entry["receipt"].get("how", {})):
                if entry["receipt"]["kind"] != "decided":
                    one.pop("signed", None)
            if entry["receipt"].get("how") == {}:
                del entry["receipt"]["how"]
    return repaired(said)
