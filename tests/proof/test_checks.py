"""Each check of Gatework's verifier is the first that refuses some certificate: none is there for nothing."""

from __future__ import annotations

from collections import defaultdict

import pytest

from gatework.signing.roster import People
from gatework.values import canonical
from gatework.verify import whole
from gatework.verify.refusal import Refused
from gatework.verify.whole import check, read
from tests.proof import recorded
from tests.proof.both import agreed
from tests.proof.checks import Row, checks, met, rows

READ = "what was read from a file is JSON; this is for a certificate that code made"
FAULTS = "a plan that lets it come so far is refused as such: whole._plan"
ELSEWHERE = {
    "calls.use_of: A call is of a tool that the plan does not grant.": "it is held to the plan before: calls._call",
    "entries.chained: An entry holds what is no JSON.": READ,
    "limits._call: A call is limited by a value that holds no receipt.": FAULTS,
    "signatures.Keys.signer: A key did not hold when it signed.": "test_signers.py",
    "signatures.encoded: What is signed is no JSON.": READ,
    "walk._begun: The inputs of the run are of several runs.": FAULTS,
    "walk._begun: The plan starts from nothing.": FAULTS,
    "ways.approved: Outside text had a say in whether a person is asked.": FAULTS,
    "ways.joined: The way gave nothing.": "a way is passed when its last node holds a value",
    "whole.check: f'A certificate holds at most {MAX_RUNS} runs.'": "below",
    "work.given: An attempt was given a value that holds no receipt.": FAULTS,
    "work.inputs: An attempt was given a field that there is not.": FAULTS,
}
"""Check → why no certificate meets it, or what tests it."""

PEOPLE = recorded.people()
ROWS: defaultdict[str, list[Row]] = defaultdict(list)
for _row in rows():
    ROWS[_row.of].append(_row)


def test_certificate_of_very_many_runs_is_refused_before_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take for ever is not begun."""
    monkeypatch.setattr(whole, "MAX_RUNS", 5)
    with pytest.raises(Refused, match="at most 5 runs") as refused:
        check(read(canonical.dumps(recorded.whole("errand"))))
    assert refused.value.why == "format"


def test_each_check_is_met() -> None:
    """By a row of the table, or by a test that is named here. A new check asks for one."""
    names = [one.name for one in checks()]
    assert len({*names}) == len(names), "two checks of one function say the same"
    table = [row.check for row in rows()]
    assert sorted([*table, *ELSEWHERE]) == sorted(names)


@pytest.mark.parametrize("of", sorted(ROWS))
def test_a_check_is_the_first_that_refuses_its_row(of: str) -> None:
    """Whoever deletes a check sees its row accepted, or refused by another; the second verifier agrees."""
    people = People.of(PEOPLE.encode(), "people.toml")
    for row in ROWS[of]:
        assert met(row.data, people) == row.check
        assert agreed(row.data, PEOPLE), row.check
