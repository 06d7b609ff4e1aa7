"""Effects happen once: asked for again they are answered by the record; in doubt they are looked up, or a person is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine.calls import CALL_TRIES
from gatework.plan.labels import Label
from gatework.plan.plan import Plan
from gatework.run.events import ActedOutcome
from gatework.run.journal import Call
from gatework.run.state import Act, Done, by_hand
from gatework.testing import Driver
from gatework.testing.factories import acted, answered, arguments, call, decided, effect, plan_of, sealed, stage, tool
from gatework.values.canonical import digest

DECIMAL = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"}


def paying(*, probe: bool = False, guards: tuple[str, ...] = (), attempts: int = 3, approver: str = "") -> Plan:
    return plan_of(
        effect("pay", probe=probe, guards=guards, attempts=attempts, approver=approver), start=Label.ENDORSED
    )


def called(plan: Plan, *calls: Call) -> Driver:
    """A run whose first call is due."""
    return Driver(plan).begin().suspend(*(calls or (call("pay"),)))


def outcomes(driver: Driver) -> list[str]:
    return [done.outcome for done in driver.state.acts.values()]


# -- once ------------------------------------------------------------------------------------------


def test_effect_is_recorded_as_asked_for_before_it_is_due() -> None:
    """Its intent is in the state and in the ledger, with key and arguments by digest, before anything is sent."""
    driver = called(paying())
    asked = call("pay")
    assert driver.due == Act(plan=driver.plan.digest, node="pay", attempt=1, call=asked)
    named = driver.state.acts[asked.key].arguments
    assert driver.state.acts == {asked.key: Done(node="pay", tool="refund", arguments=named, outcome="asked")}
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.node, receipt.attempt, receipt.action) == ("acting", "pay", 1, "call")
    assert (receipt.output, receipt.reason) == ("", "")
    assert receipt.how == {"tool": "refund", "key": asked.key, "call": asked.id, "arguments": named, "by_model": False}


def test_digest_of_arguments_is_salted_with_what_no_receipt_shows() -> None:
    """An order and an amount could be guessed from a digest without a salt."""
    driver = called(paying())
    (done,) = driver.state.acts.values()
    assert done.arguments == arguments(call("pay").arguments)
    # Nor with that of the input, which whoever is shown the arguments would have, too.
    assert done.arguments != sealed(call("pay").arguments).digest
    assert done.arguments != replace(sealed(0), digest=digest("value", call("pay").arguments)).digest


def test_effect_that_was_done_is_answered_by_its_record() -> None:
    """What the tool gave is handed out each time, in whatever attempt, and nothing is done again."""
    driver = called(paying(guards=("g",))).ended("done", "receipt 7").finish("x", "retry")
    assert (driver.run.attempt, driver.run.journal) == (2, ())
    again = call("pay", number=5, by_model=True)
    driver.suspend(again)
    (entry,) = driver.run.journal
    assert (entry.kind, entry.id, entry.tool, entry.outcome) == ("tool", again.id, "refund", "found")
    assert (entry.data, entry.reason) == (sealed("receipt 7"), "")
    assert driver.ledger[-2].receipt.kind == "suspended"
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.action, receipt.output) == ("acted", "found", sealed("receipt 7").digest)
    assert (receipt.node, receipt.attempt, receipt.how["key"], receipt.how["recorded"]) == ("pay", 2, again.key, True)
    (done,) = driver.state.acts.values()
    assert (done.outcome, done.result) == ("done", sealed("receipt 7"))


def test_effect_that_was_done_is_not_let_again_by_a_person() -> None:
    """Where the record answers, no approver is asked: nothing happens."""
    driver = called(paying(approver="ops", guards=("g",))).decide("approve").ended().finish("x", "retry")
    driver.suspend(call("pay"))
    assert [entry.outcome for entry in driver.run.journal] == ["found"]


def test_effect_that_was_done_with_other_arguments_stops_and_asks() -> None:
    """One business key is one effect: the reason names the tool and the key's argument, and no value."""
    driver = called(paying(guards=("g",))).ended().finish("x", "retry").suspend(call("pay", amount=11))
    gate = driver.gate
    assert (gate.kind, gate.node, gate.role, gate.call) == ("blocked", "pay", "operator", call("pay", amount=11))
    assert gate.reasons == ("refund was called before for the same order with other arguments",)
    assert (driver.state.journal, driver.state.pending) == ((), ())
    assert outcomes(driver) == ["done"]
    driver.decide("retry", number="")
    assert driver.run.attempt == 3


@pytest.mark.parametrize("outcome", ["done", "unknown"])
def test_second_call_of_an_attempt_under_the_same_key_is_one_effect(outcome: ActedOutcome) -> None:
    """Two calls side by side that mean one effect are done once, or stop where that is not known."""
    driver = called(paying(), call("pay"), call("pay", number=1)).ended(outcome)
    if outcome == "done":
        assert [entry.outcome for entry in driver.run.journal] == ["done", "found"]
    else:
        assert driver.gate.kind == "unknown"


def test_arguments_that_mean_the_same_are_the_same() -> None:
    """A decimal with and without zeros at its end is one amount; another amount is another."""
    schema = {"type": "object", "properties": {"order": {}, "amount": DECIMAL}, "additionalProperties": False}
    named = digest("contract", schema)
    use = replace(tool(), arguments=named)
    plan = plan_of(stage("pay", tools=[use], guards=["g"], attempts=3), start=Label.ENDORSED)
    plan = replace(plan, contracts={**plan.contracts, named: schema})
    driver = called(plan, call("pay", amount="12.50")).ended().finish("x", "retry")
    again = replace(call("pay", amount="12.5"), id="1" * 64)
    assert [entry.outcome for entry in driver.suspend(again).run.journal] == ["found"]
    driver.fail("contract").suspend(call("pay", amount="12.51"))
    assert driver.gate.kind == "blocked"


def test_effects_of_other_keys_are_other_effects() -> None:
    """Each business key has its own record."""
    driver = called(paying(), call("pay", order=1), call("pay", order=2)).ended().ended()
    assert outcomes(driver) == ["done", "done"]
    assert [entry.outcome for entry in driver.run.journal] == ["done", "done"]


# -- known not to have happened --------------------------------------------------------------------


def test_effect_that_failed_and_did_not_happen_is_called_again_and_then_a_person_is_asked() -> None:
    """What is known not to have happened may be tried again, so many times."""
    driver = called(paying())
    for _ in range(CALL_TRIES - 1):
        driver.ended("failed")
        assert (driver.act.again, outcomes(driver)) == (False, ["asked"])
        assert driver.ledger[-1].receipt.action == "call"
    driver.ended("failed", reason="the bank is closed")
    assert (driver.gate.kind, driver.gate.reasons) == ("failed", ("the bank is closed",))
    assert driver.gate.call == call("pay")
    assert outcomes(driver) == ["failed"]
    driver.decide("retry", number="").suspend(call("pay")).ended("failed")
    assert driver.act.call == call("pay")


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_effect_that_did_not_happen_may_be_asked_for_with_other_arguments(outcome: ActedOutcome) -> None:
    """A record of nothing binds nothing: the tool that said no to one amount may take another."""
    driver = called(paying(), call("pay", by_model=True)).ended(outcome)
    while not driver.state.gate and outcome == "failed":
        driver.ended(outcome)
    if outcome == "failed":
        driver.decide("retry")
    driver.suspend(call("pay", amount=5))
    assert (driver.act.call.arguments, driver.act.again) == ({"order": 7, "amount": 5}, False)
    assert driver.ended().state.acts[call("pay").key].outcome == "done"


# -- in doubt --------------------------------------------------------------------------------------


def test_effect_in_doubt_that_cannot_be_asked_about_waits_for_a_person_at_once() -> None:
    """It is not sent again; the gate shows the call, and says what the tool said."""
    driver = called(paying()).ended("unknown", reason="the line went dead")
    gate = driver.gate
    assert (gate.kind, gate.role, gate.reasons) == ("unknown", "operator", ("the line went dead",))
    assert gate.call == call("pay")
    assert gate.shown["refund()"] == driver.state.acts[call("pay").key].arguments
    assert (driver.state.pending, driver.state.journal, driver.state.tried) == ((), (), 0)
    assert outcomes(driver) == ["unknown"]


def test_effect_in_doubt_is_sent_again_when_a_person_says_so_and_only_once() -> None:
    """A person who has looked may say that it is to be done again; that lets one call of this effect on."""
    driver = called(paying()).ended("unknown")
    with pytest.raises(DecisionError, match="may happen twice"):
        driver.decide("retry", number="")
    driver.decide("retry")
    assert (driver.run.attempt, driver.state.let_again) == (2, call("pay").key)
    driver.suspend(call("pay"))
    assert (driver.act.again, driver.state.let_again, outcomes(driver)) == (False, "", ["unknown"])
    driver.ended("unknown")
    assert driver.gate.kind == "unknown"


def test_leave_to_send_again_is_for_that_effect_with_those_arguments() -> None:
    """Other arguments stop at a gate, and the leave is gone with it."""
    driver = called(paying()).ended("unknown").decide("retry").suspend(call("pay", amount=9))
    assert (driver.gate.kind, driver.state.let_again) == ("blocked", "")
    driver.decide("retry").suspend(call("pay"))
    assert driver.gate.kind == "unknown"
    assert driver.gate.reasons == ("nobody knows whether refund has happened for this order, and it cannot be asked",)


def test_leave_to_send_again_ends_with_the_attempt() -> None:
    """An attempt that fails before it calls leaves nothing to the next."""
    driver = called(paying()).ended("unknown").decide("retry").fail("timeout")
    assert (driver.run.attempt, driver.state.let_again) == (3, "")
    gate = driver.suspend(call("pay")).gate
    assert (gate.kind, gate.call) == ("unknown", call("pay"))
    assert driver.decide("retry").state.let_again == call("pay").key


def test_leave_at_another_gate_sends_nothing_again() -> None:
    """A retry where nothing is in doubt says nothing of an effect."""
    driver = called(paying()).ended("unknown").decide("retry").fail("error").decide("retry")
    assert driver.state.let_again == ""
    assert driver.suspend(call("pay")).gate.kind == "unknown"


def test_effect_in_doubt_with_a_probe_is_asked_about_and_then_a_person_is() -> None:
    """The probe decides; where it cannot, so many times, a person does, whose retry needs no number then."""
    driver = called(paying(probe=True))
    assert not called(paying(probe=True)).act.again
    for _ in range(CALL_TRIES - 1):
        driver.ended("unknown")
        assert (driver.act.again, outcomes(driver)) == (True, ["unknown"])
        assert driver.ledger[-1].receipt.action == "call again"
    driver.ended("unknown")
    assert (driver.gate.kind, driver.gate.call) == ("unknown", call("pay"))
    driver.decide("retry", number="").suspend(call("pay"))
    assert driver.act.again
    driver.ended("found", "receipt 3")
    assert (driver.run.journal[0].outcome, driver.run.journal[0].data) == ("found", sealed("receipt 3"))
    assert outcomes(driver) == ["found"]


@pytest.mark.parametrize("probe", [True, False])
@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_effect_stays_in_doubt_when_a_later_call_of_it_comes_to_nothing(probe: bool, outcome: ActedOutcome) -> None:
    """A call that failed says nothing of an earlier one; a tool's no says something only once the probe was asked."""
    driver = called(paying(probe=probe), call("pay", by_model=True)).ended("unknown")
    if not probe:
        driver.decide("retry").suspend(call("pay", by_model=True))
    driver.ended(outcome)
    assert outcomes(driver) == ["refused" if probe and outcome == "refused" else "unknown"]
    if outcome == "refused":
        assert driver.run.journal[0].outcome == "refused"
    else:
        assert driver.act.again if probe else driver.gate.kind == "unknown"


def test_effect_in_doubt_is_asked_about_with_the_same_leave_of_the_approver() -> None:
    """It is the same call; a new attempt needs leave anew."""
    driver = called(paying(probe=True, approver="ops")).decide("approve").ended("unknown")
    assert driver.act.again
    driver.ended("unknown").ended("unknown").decide("retry").suspend(call("pay"))
    assert driver.gate.kind == "call"
    assert driver.decide("approve").act.again


def test_effect_that_was_asked_for_and_never_answered_counts_as_in_doubt() -> None:
    """Even in a state that no event led to, an effect that may be under way is not sent a second time."""
    for probe in (True, False):
        driver = called(paying(probe=probe))
        driver.state = replace(driver.state, pending=())
        driver.suspend(call("pay"), entries=[answered()])
        if probe:
            assert driver.act.again
        else:
            assert driver.gate.kind == "unknown"


# -- what a person writes down ---------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["contract", "refused", "timeout", "error", "block"])
def test_record_that_a_person_wrote_is_in_doubt_when_its_guards_fail(failure: Any) -> None:
    """Where a person gave the record of an effect, running the stage anew could do it again; the gate says so."""
    driver = called(paying(guards=("g",))).ended("unknown").edit("paid by phone")
    assert driver.state.acts[by_hand("pay")] == Done(node="pay", tool="", arguments="", outcome="done")
    assert driver.fail(failure).gate.kind == "unknown"
    with pytest.raises(DecisionError, match="may happen twice"):
        driver.decide("retry", number="")
    assert driver.decide("retry").state.let_again == ""


@pytest.mark.parametrize("word", ["retry", "block"])
@pytest.mark.parametrize("probe", [True, False])
def test_record_that_a_person_wrote_is_in_doubt_when_a_guard_refuses_it(word: Any, probe: bool) -> None:
    """With a probe the stage would look first, so that nothing is in doubt."""
    driver = Driver(paying(guards=("g",), probe=probe)).begin().fail("error").edit("paid by phone").finish(None, word)
    kind = "unknown" if not probe else "exhausted" if word == "retry" else "blocked"
    assert (driver.gate.kind, driver.gate.candidate) == (kind, sealed("paid by phone"))
    assert driver.gate.reasons == (f"g: {word}",)


@pytest.mark.parametrize(("word", "kind"), [("block", "blocked"), ("escalate", "escalated")])
def test_output_of_a_stage_whose_effect_is_known_is_in_no_doubt(word: Any, kind: str) -> None:
    """What the stage makes of an effect that was done is an output like any other."""
    driver = called(paying(guards=("g",))).ended().finish("odd", word)
    assert (driver.gate.kind, driver.gate.candidate) == (kind, sealed("odd"))


# -- what a worker says of it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        ("done", {"result": None}),
        ("found", {"result": None}),
        ("done", {"result": replace(sealed(1), data=2)}),
        ("found", {"result": replace(sealed(1), digest="0" * 64)}),
        ("refused", {"result": sealed(1)}),
        ("failed", {"result": sealed(1)}),
        ("unknown", {"result": sealed(1)}),
        ("done", {"plan": "0" * 64}),
        ("done", {"node": "other"}),
        ("done", {"attempt": 2}),
        ("done", {"attempt": 0}),
        ("done", {"call": "0" * 64}),
        ("done", {"call": call("pay", number=1).id}),
    ],
)
def test_result_that_is_none_of_the_call_that_is_due_is_refused(outcome: Any, changes: dict[str, Any]) -> None:
    """It names the call, it is sealed, and it comes only with an outcome that has one."""
    driver = called(paying(probe=True), call("pay"), call("pay", number=1))
    before = driver.state
    with pytest.raises(OrderError):
        driver.take(replace(acted(driver.act, outcome), **changes))
    assert driver.state is before


def test_tool_without_a_probe_finds_nothing() -> None:
    """Only who can be asked can say that it happened before."""
    driver = called(paying())
    with pytest.raises(OrderError, match="came to found"):
        driver.ended("found")


def test_result_is_taken_once() -> None:
    """A doubled result answers no other call, and none where no call is due."""
    driver = called(paying(), call("pay", order=1), call("pay", order=2))
    first = acted(driver.act)
    driver.take(first)
    with pytest.raises(OrderError, match="another call; one of refund is due"):
        driver.take(first)
    driver.ended()
    with pytest.raises(OrderError, match="No call of a tool is due"):
        driver.take(first)
    driver.fail("error")
    with pytest.raises(OrderError, match="No call of a tool is due"):
        driver.take(first)


def test_receipt_of_a_call_says_what_became_of_it() -> None:
    """By digests, with the reason in our words."""
    driver = called(paying()).ended("done", "receipt 7")
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.node, receipt.attempt, receipt.action) == ("acted", "pay", 1, "done")
    assert (receipt.output, receipt.reason) == (sealed("receipt 7").digest, "")
    assert receipt.how == driver.ledger[-2].receipt.how
    refused = called(paying(), call("pay", by_model=True)).ended("refused", reason="not today").ledger[-1].receipt
    assert (refused.action, refused.output, refused.reason) == ("refused", "", "not today")
    assert refused.how["by_model"] is True


def test_call_that_ended_without_a_word_gives_a_gate_a_reason_all_the_same() -> None:
    """A gate always says why."""
    driver = called(paying())
    driver.take(replace(acted(driver.act, "unknown"), reason=""))
    assert driver.gate.reasons == ("refund said no more than unknown",)


def test_gate_about_a_call_binds_it_to_its_evidence() -> None:
    """What is shown is the call: its tool, key, arguments, attempt and id, so another call has another number."""
    gates = []
    for plan, asked in (
        (paying(), call("pay")),
        (paying(), call("pay", amount=11)),
        (paying(), call("pay", order=8)),
        (paying(), call("pay", number=1)),
    ):
        gates.append(called(plan, asked).ended("unknown").gate)
    later = Driver(paying()).begin().fail("timeout").suspend(call("pay")).ended("unknown").gate
    assert len({gate.evidence for gate in (*gates, later)}) == 5
    driver = called(paying()).ended("unknown")
    seen = {
        "plan": driver.plan.digest,
        "gate": 1,
        "node": "pay",
        "kind": "asked",
        "action": "unknown",
        "reason": "refund: unknown",
        "shown": dict(driver.gate.shown),
        "how": {"tool": "refund", "key": call("pay").key, "call": call("pay").id},
        "attempt": 1,
    }
    assert driver.gate.evidence == digest("gate", seen)


def test_decision_for_a_gate_about_a_call_counts_there_alone() -> None:
    """Numbers and evidence of one doubt answer no other."""
    driver = called(paying()).ended("unknown")
    first = replace(decided(driver.gate, "retry"), evidence=driver.gate.evidence)
    driver.take(first)
    driver.suspend(call("pay")).ended("unknown")
    with pytest.raises(DecisionError):
        driver.take(first)


def test_tool_of_another_stage_has_records_of_its_own() -> None:
    """A key is of one node and one tool: who sends another's is refused."""
    plan = plan_of(effect("pay"), effect("again", "pay"), start=Label.ENDORSED)
    driver = called(plan).ended().finish()
    with pytest.raises(OrderError, match="refund of again has the key of another effect"):
        driver.suspend(replace(call("again"), key=call("pay").key))
    other = plan_of(stage("pay", tools=[tool(), tool("other")]), start=Label.ENDORSED)
    driver = called(other).ended()
    with pytest.raises(OrderError, match="other of pay has the key of another effect"):
        driver.suspend(replace(call("pay", "other"), key=call("pay").key))
