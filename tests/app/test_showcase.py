"""The parts of the demo that decide and judge, without a server."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.payments import pay_back
from gatework.errors import ConfigError, DecisionError
from gatework.run.state import ALLOWED, GateKind
from gatework.temporal.page.progress import Waiting
from showcase import report, reviewers
from showcase.cases import CHOSEN, all_cases, chosen

OWED = {"order": "GW-1023", "amount": "249.00"}


def waiting(kind: GateKind, **shown: Any) -> Waiting:
    return Waiting(
        gate=1,
        kind=kind,
        node="agreed",
        role="finance",
        number="4821",
        evidence="0" * 64,
        reasons=(),
        allowed=ALLOWED[kind],
        place="owed",
        expires="",
        shown=shown,
    )


def scripted(name: str, asked: Waiting, earlier: int = 0) -> str:
    (case,) = chosen([name])
    return reviewers.scripted(case, asked, earlier).action


def test_script_approves_exactly_what_is_owed() -> None:
    """The right order and the right amount of a clean mail, by the evidence that is shown."""
    assert scripted("0023", waiting("approval", owed=OWED)) == "approve"
    assert scripted("0023", waiting("approval", owed={**OWED, "amount": "249"})) == "approve"


@pytest.mark.parametrize(
    "shown",
    [
        {"owed": {**OWED, "amount": "249.01"}},
        {"owed": {**OWED, "order": "GW-1024"}},
        {"owed": {"amount": "a lot"}},
        {"owed": "GW-1023"},
        {"claim": OWED},
        {},
    ],
)
def test_script_rejects_any_other_evidence(shown: dict[str, Any]) -> None:
    """What it cannot recognise it does not approve."""
    assert scripted("0023", waiting("approval", **shown)) == "reject"


def test_script_never_approves_for_a_mail_that_is_not_clean() -> None:
    """Whatever is shown: hostile, broken and undue mails are rejected where a person is asked."""
    for case in all_cases():
        if case.kind != "clean":
            due = case.at_most
            owed = {"order": due.order, "amount": str(due.amount)} if due else OWED
            assert reviewers.scripted(case, waiting("approval", owed=owed), 0).action == "reject"
            assert reviewers.scripted(case, waiting("escalated", owed=owed), 0).action == "reject"
            assert reviewers.scripted(case, waiting("exhausted"), 0).action == "abort"


def test_script_tries_again_once_and_then_gives_up() -> None:
    """A clean mail whose attempts are spent gets one more round; a block is never argued with."""
    assert scripted("0023", waiting("exhausted")) == "retry"
    assert scripted("0023", waiting("exhausted"), earlier=1) == "abort"
    assert scripted("0023", waiting("blocked")) == "abort"


@pytest.mark.parametrize(
    ("line", "action"),
    [("4821", "approve"), ("approve 4821", "approve"), ("REJECT too much", "reject"), ('edit {"a": 1}', "edit")],
)
def test_typed_line_is_a_decision(line: str, action: str) -> None:
    """Words as the prompt offers them, in any case; four digits alone approve."""
    assert reviewers.typed(line, waiting("approval")).action == action


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Type approve 4821"),
        ("yes", "Type approve 4821"),
        ("retry", "does not answer this"),
        ("reject", "Say why"),
        ("abort  ", "Say why"),
        ("edit", "JSON"),
        ("edit {bad", "JSON"),
    ],
)
def test_typed_line_that_is_no_decision_is_refused_with_what_to_type(line: str, said: str) -> None:
    """Nothing is sent."""
    with pytest.raises(DecisionError, match=said):
        reviewers.typed(line, waiting("approval"))


def test_mails_are_chosen_by_number_name_or_part_of_it() -> None:
    """A dozen of every kind where none is named, and no mail twice."""
    assert [case.name for case in chosen()] == list(CHOSEN)
    assert {case.kind for case in chosen()} == {"clean", "hostile", "broken", "refused-by-records"}
    assert [case.number for case in chosen(["23", "0023-espresso-machine.eml", "mails/0038-skip-the-review.eml"])] == [
        "0023",
        "0038",
    ]
    assert [case.number for case in chosen(["espresso"])] == ["0023"]
    assert len(chosen(count=3)) == 3
    assert len(chosen(every=True)) == len(list((Path(__file__).parents[2] / "mails").glob("*.eml")))
    for wrong in ("kettle", "nothing", ""):
        with pytest.raises(ConfigError, match="name them as in"):
            chosen([wrong])


def test_payment_that_no_mail_allows_is_found(shop: Path, outbox: Path) -> None:
    """The judge reads the database, not the runs."""
    del shop, outbox
    pay_back("right", "GW-1023", Decimal("249.00"))
    assert report.wrong_payments(report.books()) == []
    pay_back("too much", "GW-1049", Decimal("240.00"))
    (found,) = report.wrong_payments(report.books())
    assert "GW-1049" in found
