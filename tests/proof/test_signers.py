"""Recorded certificates that everybody signed: keys of others and of other times, decisions forged and replayed.

`make test` takes a sample; with GATEWORK_SEARCH=1 every key, every decision and every signature.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest

from gatework.signing.roster import People
from gatework.values import canonical
from gatework.verify.policy import Policy, unmet
from gatework.verify.whole import check, read
from tests.proof import recorded
from tests.proof.both import agreed
from tests.proof.forging import LESS_SURE, exchanged, forged, one_for_two
from tests.proof.recorded import EARLY, LATE, decisions, every_entry
from tests.proof.repairing import repaired
from tests.proof.tampering import Record, Tampered, anew, sampled, tallied

pytestmark = pytest.mark.slow

each = pytest.mark.parametrize("name", recorded.NAMES)
PEOPLE = recorded.people()
DECISIONS = Policy(signed=("decisions",))

OF_OTHERS = {
    "worker": ("checks", "desk", "Ada", "bystander", EARLY[1], LATE[1]),
    "person": ("machine", "checks", "desk", "bystander", EARLY[0], LATE[0], "stranger"),
    "exporter": ("machine", "checks", "Ada", "bystander", EARLY[0]),
}
"""In whose place whose keys are. An exporter's key may have begun later, and one of a stranger's shows nothing."""


def signatures(said: Any, role: str) -> int:
    """How many signatures of a role a certificate has."""
    of_people = [one for one in decisions(said) if "signed" in one.get("how", {})]
    every = sum("signed" in entry["receipt"].get("how", {}) for entry in every_entry(said))
    return {"person": len(of_people), "worker": every - len(of_people)}.get(role, 1)


@each
def test_keys_of_others_are_refused(name: str, record_property: Record) -> None:
    """A worker's key for a decision, an exporter's for an attempt, one of a wrong time, one of nobody."""
    own = recorded.signed(name)
    cases = [(role, who) for role, those in OF_OTHERS.items() if signatures(own, role) for who in those]
    with tallied(f"{name}, keys of others", record_property) as codes:
        for role, who in sampled(cases, name, 0.1):
            in_place: dict[str, Any] = {role: who}
            code = agreed(canonical.dumps(recorded.signed(name, **in_place)), PEOPLE)
            codes[code] += 1
            assert code == "signature", f"{who} as {role}: {code or 'accepted'}"


def unsealed(name: str) -> Any:
    """A certificate that everybody signed but an exporter, so that it is not the end of the ledger that tells."""
    return {**recorded.signed(name), "signatures": []}


@each
def test_decisions_are_neither_forged_nor_replayed(name: str, record_property: Record) -> None:
    """Of another gate, run, evidence, action or name, one for two, counted twice: no signature is of it.

    Where a plan asks for no signature somebody may say that it was less sure; who demands signed decisions is told.
    """
    said = unsealed(name)
    others = [unsealed(other) for other in recorded.NAMES if other != name]
    with tallied(f"{name}, decisions", record_property) as codes:
        for one in sampled(_each_once(forged(said, others), one_for_two(said)), name, 0.02):
            data = anew(one)
            if data is None or data == canonical.dumps(said):
                continue
            code = agreed(data, PEOPLE)
            codes[code] += 1
            if not code and one.how == LESS_SURE:
                assert [*unmet(DECISIONS, check(read(data), People.of(PEOPLE.encode(), "people.toml")))]
                continue
            assert code, f"{one.where}, {one.how}: accepted"


def _each_once(*every: Iterable[Tampered]) -> list[Tampered]:
    return [one for those in every for one in those]


@each
def test_signatures_are_of_what_they_stand_at(name: str, record_property: Record) -> None:
    """That of one attempt, call or decision in the place of another, with its key or with its own."""
    said = unsealed(name)
    with tallied(f"{name}, signatures exchanged", record_property) as codes:
        for one in sampled(exchanged(said), name, 0.005):
            data = anew(one)
            assert data is not None
            code = agreed(data, PEOPLE)
            codes[code] += 1
            assert code == "signature", f"{one.where}, {one.how}: {code or 'accepted'}"


def calls_of(entries: list[Any]) -> Iterable[tuple[int, int]]:
    """Where attempts that gave an output made calls before, from the first that it asked for up to the output."""
    begins: dict[tuple[str, int], int] = {}
    for number, entry in enumerate(entries):
        receipt = entry["receipt"]
        attempt = receipt.get("node", ""), receipt.get("attempt", 0)
        if receipt["kind"] == "suspended":
            begins.setdefault(attempt, number)
        elif receipt["kind"] == "output" and attempt in begins:
            yield begins[attempt], number


@pytest.mark.parametrize("name", ["agent", "by_rule", "in_doubt", "let_on"])
def test_calls_that_an_attempt_made_are_not_left_out(name: str) -> None:
    """Its worker signed how many answers it had been given: without the receipts of these no signature is of it."""
    said = unsealed(name)
    found = 0
    for run, one in enumerate(said["runs"]):
        for begin, end in calls_of(one["entries"]):
            less = copy.deepcopy(said)
            del less["runs"][run]["entries"][begin:end]
            assert agreed(canonical.dumps(repaired(less)), PEOPLE) == "signature"
            found += 1
    assert found
