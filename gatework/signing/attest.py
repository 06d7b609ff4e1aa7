"""What machines sign: attempts, verdicts of isolated guards, and whole ledgers, as statements of in-toto.

A statement (https://github.com/in-toto/attestation, Statement v1) is not kept: who has the ledger makes it again from
the receipt, byte for byte, and only the signature lies beside it. So what is signed can be nothing but what is written
down. `docs/spec/ledger.md` says in section 7 what each statement holds.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from gatework.errors import ContractError
from gatework.machine.admission import code_of
from gatework.machine.calls import entry_data
from gatework.plan.plan import Plan, Work
from gatework.proof.certificate import Certificate
from gatework.proof.ledger import moment, written
from gatework.run.budget import told
from gatework.run.events import REFUSED, Acted, Failed, Finished, Given, Result, Signed, Stopped, Suspended
from gatework.run.journal import Call
from gatework.signing import dsse
from gatework.signing.keys import Signer, signature_of
from gatework.values import wire
from gatework.values.canonical import Json

Said = Mapping[str, Json]
"""A receipt as JSON: of its members those that say something, as the ledger has them."""


def _said(members: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value not in ("", 0, [], {})}


# -- attempts and verdicts -------------------------------------------------------------------------


def attempt(said: Said, *, run: str, plan: str, at: str, isolated: Collection[str] = (), answers: int = 0) -> Json:
    """The statement of an attempt, or of a call that was made, from its receipt.

    `run` is the lineage, `plan` the digest of the plan that the run was held to, `at` the time of the entry.
    `isolated` names the guards of the node that have a task queue of their own, whose workers answer for themselves.
    `answers`: how many the attempt had been given before, so that none of the receipts that say so can be left out.
    """
    hidden = ("label", "how", *(("action", "reason") if said["kind"] == "output" else ()))
    predicate = {name: value for name, value in said.items() if name not in hidden}
    # The digest of arguments has a salt that no worker of a stage knows; a call is named by its id, which is of them.
    predicate |= {name: value for name, value in said.get("how", {}).items() if name not in ("signed", "arguments")}
    if said["kind"] == "suspended":
        calls = said.get("how", {}).get("calls", ())
        predicate["calls"] = [{name: call[name] for name in call if name != "arguments"} for call in calls]
    predicate["verdicts"] = [given for given in said.get("verdicts", []) if given["guard"] not in isolated]
    return dsse.statement("attempt", run, plan, {**predicate, "at": at, "answers": answers})


def verdict(given: Mapping[str, Json], *, run: str, plan: str, node: str, attempt: int, inputs: str) -> Json:
    """The statement of an isolated guard's verdict, from the receipt of the attempt that it looked at."""
    said = {name: given[name] for name in ("guard", "on", "verdict", "reason")}
    return dsse.statement("verdict", run, plan, {"node": node, "attempt": attempt, "inputs": inputs, **said})


# -- the same, from what a worker is about to say --------------------------------------------------


def of_result(event: Result, plan: Plan, *, run: str, answers: int = 0) -> Json:
    """The statement of what came of an attempt, which had so many `answers` in its journal when it was started.

    Raises `ContractError` where no receipt could hold it.
    """
    node = plan.node(event.node)
    assert isinstance(node, Work)
    return attempt(_receipt(event, node), run=run, plan=event.plan, at=_at(event.ended_ms), answers=answers)


def of_call(event: Acted, call: Call, *, run: str) -> Json:
    """The statement of what became of a call. Raises `ContractError` as `of_result` does."""
    said = _said(
        {
            "kind": "acted",
            "node": event.node,
            "attempt": event.attempt,
            "output": event.result.digest if event.result else "",
            "action": event.outcome,
            "reason": event.reason,
            "how": {**_call(call), **code_of(event)},
        }
    )
    return attempt(said, run=run, plan=event.plan, at=_at(event.ended_ms))


def of_verdict(given: Given, *, run: str, plan: str, node: str, attempt: int, inputs: str) -> Json:
    """The statement of a verdict."""
    return verdict(wire.data(given), run=run, plan=plan, node=node, attempt=attempt, inputs=inputs)


def _receipt(event: Result, node: Work) -> Said:
    """What the machine's receipt of a result says, but for what only the machine does."""
    said: dict[str, Json] = {"node": event.node, "attempt": event.attempt, "inputs": event.inputs}
    match event:
        case Finished():
            said |= {"kind": "output", "output": event.output.digest, "how": {**event.evidence, **told(event.spent)}}
            said["verdicts"] = [wire.data(given) for given in (*event.before, *event.verdicts)]
        case Stopped():
            said |= {"kind": "stopped", "verdicts": [wire.data(given) for given in event.verdicts]}
            said["how"] = code_of(event)
        case Failed():
            said |= {"kind": "refused" if event.failure in REFUSED else "failed", "action": event.failure}
            said |= {"reason": event.reason, "how": {**event.evidence, **told(event.spent)}}
        case Suspended():
            said |= {"kind": "suspended", "verdicts": [wire.data(given) for given in event.before]}
            said["how"] = {
                "entries": [entry_data(node, entry) for entry in event.entries],
                "calls": [_call(call) for call in event.calls],
                **told(event.spent),
            }
        case _:
            assert_never(event)
    return _said(said)


def _call(call: Call) -> dict[str, Json]:
    return {"tool": call.tool, "key": call.key, "call": call.id, "by_model": call.by_model}


def _at(ended_ms: int) -> str:
    at = moment(ended_ms)
    if at is None:
        raise ContractError("ended at a time that no calendar has")
    return written(at)


# -- certificates ----------------------------------------------------------------------------------


def of_certificate(certificate: Certificate) -> Json:
    """The statement of who exports a certificate: that the ledger of its first run ends where this one does, and that
    no more has been cut off. Who drops entries at an end would have to sign anew.
    """
    entries = certificate.runs[0].entries
    plan = run = ""
    for receipt in (entry.receipt for entry in entries):
        if receipt.kind == "begun":
            plan, run = receipt.how["plan"], receipt.how["run"]
        elif receipt.kind == "migrated":
            plan = receipt.shown["to"]
    last = entries[-1]
    predicate = {
        "ledger": last.digest,
        "entries": len(entries),
        "outcome": last.receipt.action if last.receipt.kind == "ended" else "",
        "superseded": [cut.entries[-1].digest for each in certificate.runs for cut in each.superseded],
    }
    return dsse.statement("certificate", run, plan, predicate)


def signed(certificate: Certificate, signers: Sequence[Signer]) -> Certificate:
    """A certificate that all signers have signed, too. Raises `ConfigError` where one does not."""
    message = dsse.encoded(of_certificate(certificate))
    more = (
        Signed(key=signer.public.id, signature=base64.b64encode(signature_of(signer, message)).decode())
        for signer in signers
    )
    return replace(certificate, signatures=(*certificate.signatures, *more))
