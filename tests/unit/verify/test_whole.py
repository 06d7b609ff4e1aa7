"""Certificates as a whole: real ones hold, and forged ones are refused for the right reason, at the right place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from gatework.plan.labels import Label
from gatework.plan.plan import Work
from gatework.proof.certificate import Certificate, written
from gatework.run.events import Given
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.values.canonical import Sealed
from gatework.verify import whole
from gatework.verify.refusal import Refused
from tests.unit.verify.forging import FOLDER, Change, changed, dropped, first, forged, kept, rechained, twice

NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))


def refusal(certificate: Certificate) -> Refused:
    """Why a certificate is refused."""
    with pytest.raises(Refused) as refused:
        whole.check(certificate)
    return refused.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("disclosed", [True, False])
def test_certificates_of_real_runs_hold_whether_or_not_their_values_are_disclosed(name: str, disclosed: bool) -> None:
    """What the digests prove, they prove without the values; what could not be checked then is said."""
    certificate = kept(name) if disclosed else replace(kept(name), values={})
    checked = whole.check(whole.read(written(certificate)))
    assert len(checked.runs) == len(certificate.runs)
    assert checked.known.checked > 0 if disclosed else checked.known.checked == 0


def _drops_a_guard(receipts: list[Receipt]) -> list[Receipt]:
    place = first(receipts, "output", "letter")
    receipts[place] = replace(receipts[place], verdicts=receipts[place].verdicts[1:])
    return receipts


def _turns_a_verdict(receipts: list[Receipt]) -> list[Receipt]:
    place = next(n for n, one in enumerate(receipts) if any(given.verdict == "block" for given in one.verdicts))
    passed = tuple(replace(given, verdict="pass") for given in receipts[place].verdicts)
    receipts[place] = replace(receipts[place], verdicts=passed)
    return receipts


def _votes_twice(receipts: list[Receipt]) -> list[Receipt]:
    votes = [n for n, one in enumerate(receipts) if one.action == "approve"]
    receipts[votes[1]] = replace(receipts[votes[1]], by=receipts[votes[0]].by)
    return receipts


def _editor_approves(receipts: list[Receipt]) -> list[Receipt]:
    vote = next(n for n, one in enumerate(receipts) if one.action == "approve")
    receipts[vote] = replace(receipts[vote], by="ADA")
    return receipts


def _approves_by_rule(receipts: list[Receipt]) -> list[Receipt]:
    place = max(n for n, one in enumerate(receipts) if one.kind == "asked")
    value = next(one.output for one in receipts[place:] if one.kind == "decided" and one.output)
    rule = Receipt(kind="approved", node="agreed", action="auto", output=value, label=Label.APPROVED)
    votes = sum(one.kind == "decided" for one in receipts[place:])
    return [*receipts[:place], rule, *receipts[place + 1 + votes :]]


def _recalls_without_arguments(receipts: list[Receipt]) -> list[Receipt]:
    place = first(receipts, "acted")
    how = {name: value for name, value in receipts[place].how.items() if name != "arguments"}
    receipts[place] = replace(receipts[place], how=how)
    return receipts


def _keeps_nobody_off(receipts: list[Receipt]) -> list[Receipt]:
    place = max(n for n, one in enumerate(receipts) if one.kind == "asked")
    how = {name: value for name, value in receipts[place].how.items() if name != "not_by"}
    asked = replace(receipts[place], how=how, evidence="")
    said = {name: value for name, value in asdict(asked).items() if value}
    evidence = canonical.digest("gate", {"plan": receipts[0].how["plan"], **said})
    shown = receipts[place].evidence
    receipts[place] = replace(asked, evidence=evidence)
    return [replace(one, evidence=evidence) if one.evidence == shown else one for one in receipts]


def _shows_less(receipts: list[Receipt]) -> list[Receipt]:
    place = first(receipts, "asked", "agreed")
    shown = dict(list(receipts[place].shown.items())[:-1])
    receipts[place] = replace(receipts[place], shown=shown)
    return receipts


def _moves_a_verdict(receipts: list[Receipt]) -> list[Receipt]:
    place = first(receipts, "output", "letter")
    moved = tuple(Given(guard=g.guard, on="ab" * 32, verdict="pass") for g in receipts[place].verdicts)
    receipts[place] = replace(receipts[place], verdicts=moved)
    return receipts


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("by_rule", dropped("output", "past"), "order"),
        ("by_rule", dropped("output", "letter"), "order"),
        ("by_rule", twice("output", "letter"), "order"),
        ("by_rule", dropped("approved"), "order"),
        ("by_rule", changed("output", "past", attempt=2), "order"),
        ("by_rule", changed("output", "past", inputs="ab" * 32), "order"),
        ("by_rule", changed("output", "past", label="approved"), "order"),
        ("by_rule", changed("ended", action="rejected"), "order"),
        ("by_rule", changed("ended", output="ab" * 32), "order"),
        ("by_rule", dropped("acting"), "effects"),
        ("by_rule", twice("acting"), "effects"),
        ("by_rule", twice("suspended"), "order"),
        ("by_rule", _drops_a_guard, "guards"),
        ("by_rule", _moves_a_verdict, "guards"),
        ("guarded", _turns_a_verdict, "guards"),
        ("guarded", dropped("decided"), "order"),
        ("guarded", changed("decided", gate=7), "evidence"),
        ("edited", changed("decided", evidence="ab" * 32), "evidence"),
        ("edited", changed("asked", evidence="ab" * 32), "evidence"),
        ("edited", changed("asked", reason="Nothing to see."), "evidence"),
        ("edited", _shows_less, "evidence"),
        ("edited", _votes_twice, "quorum"),
        ("edited", _editor_approves, "identity"),
        ("edited", _keeps_nobody_off, "distinct"),
        ("edited", changed("decided", by=""), "identity"),
        ("edited", changed("decided", identity="none"), "identity"),
        ("edited", changed("decided", identity="signed"), "identity"),
        ("edited", _approves_by_rule, "rule"),
        ("undone", dropped("undoing"), "order"),
        ("undone", changed("undoing", how={"undo": []}), "order"),
        ("gone_on", changed("resumed", action="completed"), "order"),
        ("moved", changed("migrated", shown={"from": "ab" * 32, "to": "cd" * 32}), "order"),
        ("rejected", dropped("decided"), "order"),
        ("reset", _recalls_without_arguments, "format"),
        ("waits", twice("asked"), "order"),
        ("agent", dropped("decided"), "order"),
        ("errand", dropped("called"), "order"),
        ("errand", dropped("returned"), "order"),
        ("errand", changed("chose", action="7"), "order"),
    ],
)  # fmt: skip
def test_forged_certificates_are_refused_though_their_chain_holds(name: str, change: Change, why: str) -> None:
    """A chain proves nothing of what is in it: each receipt must be one that the plan admits in its place."""
    if name == "errand" and why == "order" and change.__qualname__.startswith("changed"):
        certificate = forged(kept(name), change, run=1)
        why = "rule"
    else:
        certificate = forged(kept(name), change)
    found = refusal(certificate)
    assert found.why == why, found.message
    assert found.place.run >= 0


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(kind="output", node="undo_receipt", attempt=1, inputs="ab" * 32, output="ab" * 32, label="endorsed"),
        Receipt(kind="failed", node="undo_receipt", attempt=1, inputs="ab" * 32, action="error"),
        Receipt(kind="suspended", node="undo_receipt", attempt=1, inputs="ab" * 32),
        Receipt(kind="asked", node="undo_receipt", gate=1, action="failed", evidence="ab" * 32),
        Receipt(kind="undoing", action="cancelled", how={"undo": ["undo_receipt"]}),
        Receipt(kind="resumed", node="wrap_up", action="cancelled", how={"run": "another"}),
    ],
    ids=lambda receipt: receipt.kind,
)
def test_behind_the_last_node_nothing_comes_but_the_end(receipt: Receipt) -> None:
    """Where a plan has undos none is due there; nor is there anything left to cancel, to ask or to go on with."""
    found = refusal(forged(kept("by_rule"), lambda receipts: [*receipts[:-1], receipt]))
    assert found.why == "order"


def _other_value(certificate: Certificate) -> Certificate:
    digest, value = next(iter(certificate.values.items()))
    return replace(certificate, values={**certificate.values, digest: replace(value, data="other")})


def _stray_value(certificate: Certificate) -> Certificate:
    value = replace(next(iter(certificate.values.values())), data="nobody asked for this")
    return replace(certificate, values={**certificate.values, value.digest: value})


def _no_plan(certificate: Certificate) -> Certificate:
    return replace(certificate, plans={})


def _other_plan(certificate: Certificate) -> Certificate:
    return replace(certificate, plans={digest: replace(plan, name="x") for digest, plan in certificate.plans.items()})


def _plan_without_guards(certificate: Certificate) -> Certificate:
    plans = {}
    for digest, plan in certificate.plans.items():
        nodes = tuple(replace(node, guards=()) if isinstance(node, Work) else node for node in plan.nodes)
        plans[digest] = replace(plan, nodes=nodes)
    return replace(certificate, plans=plans)


def _plan_against_labels(certificate: Certificate) -> Certificate:
    """A plan under its own digest, in which outside text reaches an effect."""
    [plan] = certificate.plans.values()
    nodes = tuple(
        replace(node, params=tuple(replace(param, label=Label.UNTRUSTED) for param in node.params))
        if isinstance(node, Work) and node.effects
        else node
        for node in plan.nodes
    )
    other = replace(plan, nodes=nodes)
    return replace(certificate, plans={other.digest: other, plan.digest: plan})


def _breaks_contract(certificate: Certificate) -> Certificate:
    """A letter that is a number, under its own digest, everywhere where the letter is named."""
    [run] = certificate.runs
    letter = next(entry.receipt.output for entry in run.entries if entry.receipt.node == "letter")
    other = Sealed.of(7, bytes(16))
    place = next(n for n, entry in enumerate(run.entries) if entry.receipt.node == "letter")
    receipts = [entry.receipt for entry in run.entries][: place + 1]
    verdicts = tuple(replace(one, on=other.digest) if one.on == letter else one for one in receipts[place].verdicts)
    receipts[place] = replace(receipts[place], output=other.digest, verdicts=verdicts)
    values = {digest: value for digest, value in certificate.values.items() if digest != letter}
    value = replace(certificate.values[letter], data=7, salt=other.salt)
    ledger = replace(run, entries=rechained(receipts, run.entries[0].at))
    return replace(certificate, runs=(ledger,), values={**values, other.digest: value})


def _chain_broken(certificate: Certificate) -> Certificate:
    [run] = certificate.runs
    entries = [*run.entries]
    entries[2] = replace(entries[2], receipt=replace(entries[2].receipt, reason="!"))
    return replace(certificate, runs=(replace(run, entries=tuple(entries)),))


def _without_beginning(certificate: Certificate) -> Certificate:
    [run] = certificate.runs
    return replace(certificate, runs=(replace(run, entries=run.entries[1:]),))


def _run_twice(certificate: Certificate) -> Certificate:
    return replace(certificate, runs=(*certificate.runs, *certificate.runs))


def _stranger(certificate: Certificate) -> Certificate:
    [run] = certificate.runs
    return replace(certificate, runs=(run, replace(run, run_id="another")))


def _cut_off_of_nothing(certificate: Certificate) -> Certificate:
    [run] = kept("reset").runs
    cut = replace(run.superseded[1], entries=run.superseded[1].entries[3:])
    return replace(certificate, runs=(replace(run, superseded=(cut,)),), plans=kept("reset").plans, values={})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_other_value, "value"),
        (_stray_value, "stray"),
        (_no_plan, "plan"),
        (_other_plan, "plan"),
        (_plan_without_guards, "plan"),
        (_plan_against_labels, "faults"),
        (_breaks_contract, "contract"),
        (_chain_broken, "chain"),
        (_without_beginning, "chain"),
        (_run_twice, "child"),
        (_stranger, "child"),
        (_cut_off_of_nothing, "superseded"),
    ],
)
def test_forged_files_are_refused(change: Callable[[Certificate], Certificate], why: str) -> None:
    """Plans, values, runs and chains are those that they say they are."""
    assert refusal(change(kept("by_rule"))).why == why


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("returned", {"output": "ab" * 32}),
        ("returned", {"label": "approved"}),
        ("returned", {"action": "failed", "output": "", "label": ""}),
    ],
)
def test_a_child_run_that_is_another_than_is_said_is_refused(part: str, changes: dict[str, Any]) -> None:
    """What a run says of its child runs, their own ledgers must say as well."""
    found = refusal(forged(kept("errand"), changed(part, **changes)))
    assert found.why in ("child", "order")


@pytest.mark.parametrize("said", ["acted", "undoable"])
def test_what_a_child_run_did_outside_is_not_hidden(said: str) -> None:
    """Who went on as if nothing had happened there would do it again, or leave it as it is."""
    whole = kept("errand")
    how = next(entry.receipt.how for entry in whole.runs[0].entries if entry.receipt.kind == "returned")
    assert how[said] is True
    hidden = {member: value for member, value in how.items() if member != said}
    assert refusal(forged(whole, changed("returned", how=hidden))).why == "child"
