"""Effects happen once: in doubt they are looked up, or a person is asked."""

from __future__ import annotations

import pytest

from gatework.events import FailureKind
from gatework.labels import Label
from gatework.plan import Plan
from gatework.testing import Driver
from gatework.testing.factories import effect, plan_of


def paying(*, probe: bool, guards: tuple[str, ...] = (), attempts: int = 3) -> Plan:
    return plan_of(effect("pay", probe=probe, guards=guards, attempts=attempts), start=Label.ENDORSED)


SENT: list[FailureKind] = ["contract", "refused", "timeout", "error", "block", "unknown"]


@pytest.mark.parametrize("failure", SENT)
def test_effect_that_was_sent_and_cannot_be_asked_about_waits_for_a_person(failure: FailureKind) -> None:
    """Whatever went wrong after an effect without a probe was sent, it is not done again unless a person says so."""
    driver = Driver(paying(probe=False)).begin().fail(failure, sent=True)
    assert driver.gate.kind == "unknown"


@pytest.mark.parametrize("failure", ["contract", "timeout"])
def test_effect_that_was_not_sent_is_tried_again(failure: FailureKind) -> None:
    """An attempt that ended before anything was sent costs nothing but an attempt."""
    driver = Driver(paying(probe=False)).begin().fail(failure)
    assert driver.run.attempt == 2


@pytest.mark.parametrize("failure", ["refused", "unknown"])
def test_effect_whose_result_was_not_taken_is_in_doubt(failure: FailureKind) -> None:
    """A result that the machine refused may still have paid: it counts as sent, whoever reports it."""
    driver = Driver(paying(probe=False)).begin().fail(failure, sent=False)
    assert driver.gate.kind == "unknown"


@pytest.mark.parametrize("failure", ["contract", "refused", "timeout", "unknown"])
def test_effect_with_a_probe_is_tried_again_as_often_as_the_plan_says(failure: FailureKind) -> None:
    """An effect that can be asked about looks before it acts, so it may be tried again."""
    driver = Driver(paying(probe=True, attempts=2)).begin().fail(failure, sent=True)
    assert driver.run.attempt == 2
    assert driver.fail(failure, sent=True).gate.kind == "exhausted"


@pytest.mark.parametrize(("failure", "kind"), [("error", "failed"), ("block", "blocked")])
def test_effect_with_a_probe_that_broke_is_not_in_doubt(failure: FailureKind, kind: str) -> None:
    """An effect that can be asked about is never in doubt; a person only says whether to go on."""
    assert Driver(paying(probe=True)).begin().fail(failure, sent=True).gate.kind == kind


@pytest.mark.parametrize("failure", SENT)
def test_effect_recorded_by_a_person_stays_in_doubt_when_its_guards_fail(failure: FailureKind) -> None:
    """Where a person gave the record of an effect, running the stage anew would do it again; the gate says so."""
    driver = Driver(paying(probe=False, guards=("g",))).begin().fail("unknown").edit("paid by phone")
    assert driver.fail(failure).gate.kind == "unknown"


@pytest.mark.parametrize("word", ["retry", "block"])
def test_effect_whose_guard_refuses_its_output_is_in_doubt(word: str) -> None:
    """A guard looks at an output after the effect: asking the stage again would do it twice."""
    driver = Driver(paying(probe=False, guards=("g",))).begin()
    assert driver.finish("paid", word).gate.kind == "unknown"  # type: ignore[arg-type]


def test_effect_with_a_probe_whose_guard_says_retry_is_tried_again() -> None:
    """With a probe, the second attempt finds the effect of the first."""
    driver = Driver(paying(probe=True, guards=("g",))).begin().finish("paid", "retry")
    assert (driver.run.attempt, driver.run.feedback) == (2, ("g: retry",))


def test_effect_in_doubt_is_run_again_only_when_a_person_says_retry() -> None:
    """A person who has looked may say that it is to be done again."""
    driver = Driver(paying(probe=False)).begin().fail("unknown").decide("retry")
    assert driver.run.attempt == 2


def test_gate_of_an_effect_in_doubt_shows_the_output_that_a_guard_sent_back() -> None:
    """Who is asked whether it happened sees what the stage said of it."""
    plan = plan_of(effect("pay", guards=["g"], attempts=2), start=Label.ENDORSED)
    driver = Driver(plan).begin().finish("receipt 7", "retry")
    assert driver.gate.kind == "unknown"
    assert driver.gate.candidate is not None
    assert driver.gate.candidate.data == "receipt 7"
    assert driver.gate.shown["pay"] == driver.gate.candidate.digest
