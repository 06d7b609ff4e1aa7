"""Signatures are held against the reader's list: what a key there signed is proven, what it did not sign is refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gatework.proof import ledger
from gatework.proof.certificate import Certificate
from gatework.proof.ledger import Entry
from gatework.signing import attest, dsse
from gatework.signing.keys import PrivateKey
from gatework.signing.roster import People
from gatework.signing.signing import Statement
from gatework.verify import report, whole
from gatework.verify.policy import Policy, unmet
from gatework.verify.refusal import Refused
from tests.answers import Answers
from tests.unit.verify.forging import kept

KEYS = {name: PrivateKey.made() for name in ("Ada", "Ben", "Cleo", "mill", "clerk")}
ROLES = {"Ada": "finance", "Ben": "finance", "Cleo": "finance", "mill": "worker", "clerk": "exporter"}


def people(**changes: str) -> People:
    """The list: everybody's role and key, but for what a test changes, as lines of their tables."""
    said = ""
    for name, key in KEYS.items():
        lines = f'roles = ["{ROLES[name]}"]\n\n[[{name}.keys]]\nkey = "{key.public}"\n'
        said += f"[{name}]\n{changes.get(name, lines)}\n"
    return People.of(said.encode(), "people.toml")


def signed(certificate: Certificate, *, worker: str = "mill", run: str = "") -> Certificate:
    """A certificate whose attempts and decisions are signed: each by whoever made it."""
    [one] = certificate.runs
    entries: list[Entry] = []
    plan, answers = "", Answers()
    for entry in one.entries:
        receipt = entry.receipt
        if receipt.kind == "begun":
            plan, run = receipt.how["plan"], run or receipt.how["run"]
        if receipt.kind in ("output", "acted", "suspended", "refused", "failed", "stopped"):
            said = ledger.data(entry)["receipt"]
            many = 0 if receipt.kind == "acted" else answers.many
            statement = dsse.encoded(attest.attempt(said, run=run, plan=plan, at=entry.at, answers=many))
            receipt = replace(receipt, how={**receipt.how, "signed": _proof(worker, statement)})
        if receipt.kind == "decided":
            value = receipt.output if receipt.action == "edit" else ""
            decision = Statement(
                run=run,
                plan=plan,
                gate=receipt.gate,
                evidence=receipt.evidence,
                action=receipt.action,  # type: ignore[arg-type]
                by=receipt.by,
                note=receipt.reason,
                place=receipt.how.get("place", ""),
                value=value,
            )
            how = {**receipt.how, "signed": _proof(receipt.by, decision.signed())}
            receipt = replace(receipt, identity="signed", how=how)
        answers = answers.after(ledger.data(entry)["receipt"])
        entries.append(Entry.after(entries[-1] if entries else None, receipt, datetime.fromisoformat(entry.at)))
    return replace(certificate, runs=(replace(one, entries=tuple(entries)),))


def _proof(name: str, message: bytes) -> dict[str, str]:
    key = KEYS[name]
    return {"key": key.public.id, "signature": base64.b64encode(key.sign(message)).decode()}


def test_what_keys_of_the_list_signed_is_proven_by_whose_they_are() -> None:
    """Attempts by workers, decisions by people, the certificate by who exports it; the report names each."""
    certificate = attest.signed(signed(kept("edited")), [KEYS["clerk"]])
    checked = whole.check(certificate, people())
    said = report.report(checked)
    assert all(stage["proven"] for stage in said["stages"])
    assert {name for stage in said["stages"] for name in stage["signers"]} == {"mill"}
    assert [(one["by"], one["signer"]) for one in said["decisions"]] == [
        (name, name) for name in ("Ada", "Ben", "Cleo")
    ]
    assert said["exporters"] == ["clerk"]
    assert said["rests_on"] == ["That the code behind a stage or a guard does what its name says: whoever deployed it."]
    assert list(unmet(Policy(signed=("decisions", "attempts", "certificate")), checked)) == []


@pytest.mark.parametrize("listed", [None, People({})])
def test_without_their_keys_signatures_show_nothing(listed: People | None) -> None:
    """A signature proves nothing by itself: whose key it is, only the reader's list says."""
    checked = whole.check(signed(kept("edited")), listed)
    said = report.report(checked)
    assert not any(stage["proven"] for stage in said["stages"])
    assert not any(one["proven"] for one in said["decisions"])
    assert len(list(unmet(Policy(signed=("decisions", "attempts", "certificate")), checked))) == 3


def _key(name: str, more: str = "") -> str:
    return f'\n[[{name}.keys]]\nkey = "{KEYS[name].public}"\n{more}'


@pytest.mark.parametrize(
    ("listed", "what"),
    [
        ({"Ben": 'roles = ["marketing"]\n' + _key("Ben")}, "not in the role"),
        ({"Ben": 'roles = ["finance"]\n' + _key("Ben", "until = 2026-01-01\n")}, "did not hold"),
        ({"Ben": 'roles = ["finance"]\n' + _key("Ben", "from = 2999-01-01\n")}, "did not hold"),
        ({"Ben": 'roles = ["finance"]\n'}, "not under that name"),
        ({"mill": 'roles = ["guard"]\n' + _key("mill")}, "not in the role"),
        ({"mill": 'roles = ["worker"]\n' + _key("mill", "until = 2026-01-01\n")}, "did not hold"),
    ],
)
def test_a_key_that_may_not_sign_is_refused(listed: dict[str, str], what: str) -> None:
    """In the role that is asked, at the time of the entry, under the name that decided."""
    with pytest.raises(Refused, match=what) as refused:
        whole.check(signed(kept("edited")), people(**listed))
    assert refused.value.why == "signature"


def _swapped(certificate: Certificate) -> Certificate:
    """Somebody's decision, under the signature of another."""
    keys = {"Ben": KEYS["Cleo"], "Cleo": KEYS["Ben"]}
    before = dict(KEYS)
    try:
        KEYS.update(keys)
        return signed(certificate)
    finally:
        KEYS.update(before)


def _of_another_run(certificate: Certificate) -> Certificate:
    return signed(certificate, run="another")


def _by_a_person(certificate: Certificate) -> Certificate:
    return signed(certificate, worker="Ada")


@pytest.mark.parametrize("change", [_swapped, _of_another_run, _by_a_person])
def test_a_signature_of_something_else_is_refused(change: Any) -> None:
    """Of another person, another run, or by somebody who is no worker."""
    with pytest.raises(Refused) as refused:
        whole.check(change(kept("edited")), people())
    assert refused.value.why == "signature"


def test_a_certificate_that_was_cut_short_after_it_was_signed_is_refused() -> None:
    """Who exports it signs where the ledger ends."""
    certificate = attest.signed(kept("edited"), [KEYS["clerk"]])
    [run] = certificate.runs
    shorter = replace(certificate, runs=(replace(run, entries=run.entries[:-1]),))
    with pytest.raises(Refused, match="not of what stands there") as refused:
        whole.check(shorter, people())
    assert refused.value.why == "signature"
    assert not whole.check(shorter, None).exporters, "whose signature it is, a list alone can say"
