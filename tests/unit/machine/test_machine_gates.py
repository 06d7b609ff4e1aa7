"""Gates: who is asked, on what evidence, what may be answered, and which answers count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.plan.expr import AnyOf, Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By
from gatework.run.events import Action, Decided, Event, Expired
from gatework.run.state import ALLOWED, Gate, GateKind, Outcome
from gatework.testing import Driver
from gatework.testing.factories import approve, call, decided, effect, expired, finished, plan_of, sealed, stage
from gatework.testing.paths import loop, question, until
from gatework.values.canonical import Sealed, digest

LARGE = Compare("gt", Ref("owed"), Const(100), "number")
ALWAYS = plan_of(
    stage("owed"), stage("letter", "owed"), approve("agreed", "owed", show=["letter"]), stage("pay", "agreed")
)
RULED = plan_of(
    stage("owed"), stage("risk", "owed"), approve("agreed", "owed", when=LARGE, show=["risk"]), start=Label.ENDORSED
)

LOOSE = Gate(id=1, kind="approval", node="a", by=By(role="r"), place="a", evidence="", shown={}, expires_seconds=1)


def refused(driver: Driver, event: Event, match: str, error: type[Exception] = DecisionError) -> None:
    """The event is refused with this reason, and nothing has changed."""
    before = driver.state
    with pytest.raises(error, match=match) as caught:
        driver.take(event)
    assert type(caught.value) is error
    assert driver.state is before


def asked(kind: GateKind) -> Driver:
    """A run that waits at a gate of a kind."""
    plan = plan_of(effect("pay", guards=["g"]), approve("agreed", "pay"), start=Label.ENDORSED)
    driver = Driver(plan).begin()
    match kind:
        case "approval":
            return driver.suspend(call("pay")).ended().finish()
        case "escalated":
            return driver.finish("x", "escalate")
        case "call":
            plan = plan_of(effect("pay", approver="ops"), approve("agreed", "pay"), start=Label.ENDORSED)
            return Driver(plan).begin().suspend(call("pay"))
        case "unknown":
            return driver.suspend(call("pay")).ended("unknown")
        case "question":
            return Driver(plan_of(question("pay"))).begin()
        case "spent":
            plan = plan_of(loop("text", "start"), stage("draft", "text"), until("pay", "text", "draft", rounds=1))
            return Driver(plan).begin().finish().finish(None, "retry")
        case "blocked":
            return driver.fail("block")
        case "failed":
            return driver.fail("error")
        case "exhausted":
            return driver.fail("timeout")


KINDS: tuple[GateKind, ...] = get_args(GateKind)
ACTIONS: tuple[Action, ...] = get_args(Action)

# -- when a person is asked ------------------------------------------------------------------------


def test_approval_without_a_rule_asks_always_and_shows_what_it_reads() -> None:
    """An approval shows the value and what the plan shows with it, each by its digest."""
    driver = Driver(ALWAYS).begin().finish(500).finish("Dear …")
    gate = driver.gate
    assert (gate.id, gate.kind, gate.node, gate.role) == (1, "approval", "agreed", "finance")
    assert gate.reasons == ("the plan asks always",)
    assert gate.shown == {"owed": sealed(500).digest, "letter": sealed("Dear …").digest}
    assert gate.expires_seconds == 604_800
    assert gate.candidate is None
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.gate, receipt.evidence, receipt.action) == ("asked", 1, gate.evidence, "approval")
    assert (receipt.node, receipt.shown, receipt.reason) == ("agreed", gate.shown, "the plan asks always")


def test_approval_whose_rule_holds_asks_with_the_rule_as_its_reason() -> None:
    """A rule that holds asks a person, who is shown what the rule looked at."""
    gate = Driver(RULED).begin().finish(101).finish("low").gate
    assert gate.reasons == ("owed > 100",)
    assert gate.shown == {"owed": sealed(101).digest, "risk": sealed("low").digest}


def test_approval_whose_rule_does_not_hold_is_given_by_the_plan_and_recorded() -> None:
    """An automatic approval holds the same value under the label of the approval, and says by which rule."""
    driver = Driver(RULED).begin().finish(100).finish("low")
    assert driver.state.gates == 0
    held = driver.state.values["agreed"]
    assert (held.sealed, held.label, held.by_hand) == (sealed(100), Label.APPROVED, False)
    receipt = driver.ledger[-2].receipt
    assert (receipt.kind, receipt.node, receipt.action) == ("approved", "agreed", "auto")
    assert (receipt.output, receipt.label) == (sealed(100).digest, "approved")
    assert receipt.reason == "no person is asked unless owed > 100"


@pytest.mark.parametrize("amount", ["a lot", [None], [1], {"amount": 1}, True])
def test_approval_whose_rule_has_no_answer_asks_a_person(amount: Any) -> None:
    """A rule that cannot be evaluated never approves."""
    plan = plan_of(stage("owed"), stage("risk", "owed"), approve("agreed", "owed", when=LARGE), start=Label.ENDORSED)
    driver = Driver(plan).begin().finish(amount).finish()
    assert driver.gate.reasons == ("the rule cannot be answered: a value that is no number",)


def test_approvals_in_a_row_are_passed_by_their_rules_to_the_end() -> None:
    """One event may lead past several approvals; each leaves its receipt."""
    second = Compare("eq", Ref("risk"), Const("high"), "text")
    plan = plan_of(
        stage("owed"),
        stage("risk", "owed"),
        approve("one", "owed", when=LARGE),
        approve("two", "risk", when=AnyOf((second, LARGE))),
        start=Label.ENDORSED,
    )
    driver = Driver(plan).begin().finish(1).finish("low")
    assert [entry.receipt.kind for entry in driver.ledger[-3:]] == ["approved", "approved", "ended"]
    assert driver.outcome == Outcome(kind="completed", node="two")
    assert Driver(plan).begin().finish(1).finish("high").gate.node == "two"


def test_gate_of_work_names_the_operator_that_the_plan_names() -> None:
    """Who is asked when a stage fails is the plan's to say; the click of an approval is not the stage's."""
    gate = Driver(plan_of(stage("first", operator="support"))).begin().fail().gate
    assert (gate.role, gate.click, gate.shown) == ("support", False, {"start": sealed("start").digest})


def test_evidence_covers_plan_gate_node_values_and_reasons() -> None:
    """The digest of the evidence is over everything that is shown."""
    gate = Driver(RULED).begin().finish(101).finish("low").gate
    assert gate.evidence == digest(
        "gate",
        {
            "kind": "asked",
            "plan": RULED.digest,
            "gate": 1,
            "node": "agreed",
            "action": "approval",
            "shown": dict(gate.shown),
            "reason": "owed > 100",
        },
    )


# -- what may be answered --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_action_counts_only_at_gates_that_allow_it(kind: GateKind, action: Action) -> None:
    """What blocks is never approved; what asks for approval is never run again."""
    driver = asked(kind)
    event = decided(driver.gate, action, value=sealed("by hand"), place="pay" if kind != "approval" else "start")
    if action not in ALLOWED[kind]:
        refused(driver, event, f"^{action} does not answer this; send ")
    elif (kind, action) == ("approval", "edit"):
        refused(driver, event, "effect")
    else:
        driver.take(event)


def test_allowed_actions_are_these() -> None:
    """Nobody approves past a block, a failure or a doubt; every gate may be edited or given up."""
    decisions = ("approve", "reject", "edit", "abort")
    repairs = ("retry", "edit", "abort")
    assert {
        "question": ("answer", "abort"),
        "spent": ("approve", "reject", "retry", "edit", "abort"),
        "approval": decisions,
        "call": ("approve", "reject", "abort"),
        "escalated": decisions,
        "blocked": repairs,
        "exhausted": repairs,
        "failed": repairs,
        "unknown": repairs,
    } == ALLOWED


def test_refusal_of_an_action_names_the_ones_that_answer() -> None:
    """A person is told what to send instead."""
    driver = asked("approval")
    refused(driver, decided(driver.gate, "retry"), "send approve, reject, edit or abort.$")


def test_action_that_is_none_is_refused() -> None:
    """A word that is no action answers nothing."""
    driver = asked("approval")
    refused(driver, replace(decided(driver.gate, "approve"), action="waive"), "does not answer")  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ACTIONS)
def test_decision_where_nobody_was_asked_is_refused(action: Action) -> None:
    """While a stage runs there is nothing to decide."""
    driver = Driver(ALWAYS).begin()
    refused(driver, Decided(action=action, number="1000", value=sealed(1)), "Nothing waits")


@pytest.mark.parametrize("action", ACTIONS)
def test_decision_with_another_number_is_refused(action: Action) -> None:
    """A number that is not the one on the panel was read somewhere else, whatever is decided with it."""
    kinds: tuple[GateKind, ...] = ("approval", "blocked", "question")
    if action == "override":
        driver = Driver(plan_of(stage("pay", override=By(role="head", identity="claimed")))).begin().fail("block")
    else:
        driver = asked(next(kind for kind in kinds if action in ALLOWED[kind]))
    wrong = str(int(driver.gate.number) - 1)
    refused(driver, decided(driver.gate, action, number=wrong, value=sealed(1)), "not the number on the panel")


@pytest.mark.parametrize("kind", ["approval", "call", "escalated", "spent"])
def test_approve_without_the_number_is_refused(kind: GateKind) -> None:
    """Approving needs the number, for it shows that the evidence was seen; the digest of it is no substitute."""
    driver = asked(kind)
    bare = decided(driver.gate, "approve", number="")
    refused(driver, bare, "four digits")
    refused(driver, replace(bare, evidence=driver.gate.evidence), "four digits")


def test_retry_of_an_effect_in_doubt_without_the_number_is_refused() -> None:
    """A second click must not become a second payment."""
    driver = asked("unknown")
    refused(driver, decided(driver.gate, "retry", number=""), "may happen twice")
    assert driver.decide("retry").run.attempt == 2


@pytest.mark.parametrize("kind", ["blocked", "exhausted", "failed"])
def test_retry_and_abort_need_no_number_where_nothing_is_in_doubt(kind: GateKind) -> None:
    """What lets nothing on may be sent without the number."""
    assert asked(kind).decide("retry", number="").run.attempt == 2
    outcome = asked(kind).decide("abort", number="").outcome
    assert outcome is not None


@pytest.mark.parametrize("action", ["approve", "reject", "edit", "abort"])
def test_decision_on_other_evidence_is_refused(action: Action) -> None:
    """A program's decision names the evidence that it looked at."""
    driver = asked("escalated")
    event = decided(driver.gate, action, value=sealed(1))
    refused(driver, replace(event, evidence="0" * 64), "evidence has changed")
    driver.take(replace(event, evidence=driver.gate.evidence))


def test_decision_answers_one_gate_only() -> None:
    """An approval is used once: sent again, it answers neither the run nor the next gate."""
    plan = plan_of(stage("a"), approve("one", "a"), stage("b", "start"), approve("two", "b"))
    driver = Driver(plan).begin().finish()
    first = replace(decided(driver.gate, "approve"), evidence=driver.gate.evidence)
    driver.take(first)
    refused(driver, first, "Nothing waits")
    driver.finish()
    assert driver.gate.node == "two"
    refused(driver, first, "not the number")
    refused(driver, replace(first, number=driver.gate.number), "evidence has changed")


def test_numbers_of_ten_gates_in_a_row_differ_whatever_their_evidence() -> None:
    """A number read at one gate never fits one of the nine around it."""
    for value in range(200):
        evidence = digest("test", value)
        gates = [replace(LOOSE, id=i, evidence=evidence) for i in range(1, 11)]
        assert len({gate.number for gate in gates}) == 10


def test_number_has_four_digits_of_which_three_come_of_the_evidence() -> None:
    """Four digits without a leading zero, another for other evidence."""
    numbers = [
        Gate(
            id=27,
            kind="approval",
            node="a",
            by=By(role="r"),
            place="a",
            evidence=f"{i:012x}{0:052x}",
            shown={},
            expires_seconds=1,
        ).number
        for i in range(900)
    ]
    assert numbers == [f"{digits}7" for digits in range(100, 1_000)]
    again = Gate(
        id=7,
        kind="approval",
        node="a",
        by=By(role="r"),
        place="a",
        evidence=f"{900:012x}{1:052x}",
        shown={},
        expires_seconds=1,
    )
    assert (again.number, again.click, again.before) == ("1007", False, False)


def test_click_approves_the_first_gate_of_a_run_without_the_number() -> None:
    """Where the plan says so, a run's first gate takes a bare approval: its evidence cannot have been another."""
    driver = Driver(plan_of(stage("a"), approve("one", "a", click=True))).begin().finish()
    assert driver.gate.click
    assert driver.decide("approve", number="").outcome == Outcome(kind="completed", node="one")


def test_click_does_not_approve_a_later_gate() -> None:
    """A second click meant for the first gate, or one for evidence that was edited since, approves nothing unseen."""
    plan = plan_of(stage("a"), approve("one", "a", click=True), stage("b", "one"), approve("two", "b", click=True))
    driver = Driver(plan).begin().finish().decide("approve", number="").finish()
    assert not driver.gate.click
    refused(driver, decided(driver.gate, "approve", number=""), "four digits")
    edited = Driver(plan).begin().finish().edit("other")
    assert edited.gate.node == "one"
    refused(edited, decided(edited.gate, "approve", number=""), "four digits")


# -- what an answer does ---------------------------------------------------------------------------


def test_approve_holds_exactly_the_value_that_was_shown() -> None:
    """An approval gives on the value itself, under the approval's label, to what reads it."""
    driver = Driver(ALWAYS).begin().finish(500).finish()
    gate = driver.gate
    (receipt,) = driver.take(replace(decided(gate, "approve", note="fine"), value=sealed("forged"))).receipts
    held = driver.state.values["agreed"]
    assert (held.sealed, held.label, held.by_hand) == (sealed(500), Label.APPROVED, False)
    assert driver.run.inputs == {"p0": sealed(500)}
    assert driver.state.gate is None
    assert (receipt.kind, receipt.node, receipt.gate, receipt.evidence) == ("decided", "agreed", 1, gate.evidence)
    assert (receipt.action, receipt.by, receipt.reason) == ("approve", "someone", "fine")
    assert (receipt.output, receipt.label) == (sealed(500).digest, "approved")


def test_approve_lets_on_the_output_that_a_guard_escalated() -> None:
    """An escalated output is held as it was shown, under the label of its stage and not as approved."""
    driver = Driver(plan_of(stage("a", guards=["g"]), stage("b", "a"))).begin().finish("odd", "escalate")
    assert driver.gate.candidate == sealed("odd")
    (receipt,) = driver.take(decided(driver.gate, "approve")).receipts
    assert (receipt.output, receipt.label) == (sealed("odd").digest, "untrusted")
    held = driver.state.values["a"]
    assert (held.sealed, held.label, held.by_hand) == (sealed("odd"), Label.UNTRUSTED, False)
    assert driver.run.node == "b"


@pytest.mark.parametrize(("action", "kind"), [("reject", "rejected"), ("abort", "aborted")])
def test_reject_and_abort_end_the_run_with_their_reason(action: Action, kind: Any) -> None:
    """A run that a person ends says who ended it, where and why, and takes nothing more."""
    driver = asked("approval")
    gate = driver.gate
    receipts = driver.take(decided(gate, action, note="no")).receipts
    assert driver.due == Outcome(kind=kind, node="agreed", reason="no", by="someone")
    assert driver.state.gate is None
    assert [(receipt.kind, receipt.action) for receipt in receipts] == [("decided", action), ("ended", kind)]
    assert (receipts[0].output, receipts[0].label) == ("", "")
    assert (receipts[1].by, receipts[1].reason, receipts[1].node) == ("someone", "no", "agreed")
    refused(driver, decided(gate, "approve"), f"has ended \\({kind}\\)")


def test_retry_runs_the_node_again_with_its_reasons_and_the_note() -> None:
    """A new round begins, and the model is told all that was said, the last reasons and the person's note included."""
    plan = plan_of(stage("a", guards=["g"], attempts=2))
    driver = Driver(plan).begin().finish("x", "retry").finish("y", "retry").decide("retry", note="shorter")
    assert (driver.run.attempt, driver.run.feedback) == (3, ("g: retry", "g: retry", "shorter"))
    assert driver.state.limit == 4
    assert driver.state.gate is None
    assert driver.finish("z", "retry").run.attempt == 4


def test_retry_without_a_note_adds_nothing_to_what_the_model_is_told() -> None:
    """An empty note is no feedback; what broke in the code is not the model's to know."""
    driver = Driver(plan_of(stage("a"))).begin().fail("error").decide("retry")
    assert driver.run.feedback == ()


def test_retry_after_a_refused_edit_runs_the_stage_itself() -> None:
    """Retrying lets the stage work again; the person's value is gone."""
    driver = Driver(plan_of(stage("a", guards=["g"]))).begin().fail().edit("by hand").finish(None, "block")
    assert driver.gate.kind == "blocked"
    run = driver.decide("retry").run
    assert (run.edited, run.attempt) == (None, 3)
    assert not driver.finish("own").state.values["a"].by_hand


# -- time and cancellation -------------------------------------------------------------------------


def test_gate_that_expires_ends_the_run() -> None:
    """A gate that nobody answers counts as refused."""
    driver = asked("approval")
    (receipt,) = driver.take(expired(driver.gate)).receipts
    assert driver.due == Outcome(kind="expired", node="agreed", reason="nobody of finance answered in time")
    assert (receipt.kind, receipt.action) == ("ended", "expired")


def test_expiry_of_a_gate_that_does_not_wait_is_refused() -> None:
    """A timer of an older gate, or of one that was answered, ends nothing."""
    driver = asked("blocked")
    old = expired(driver.gate)
    driver.decide("retry")
    refused(driver, old, "does not wait", OrderError)
    driver.fail()
    assert driver.gate.id == 2
    for event in (old, Expired(gate=0), Expired(gate=3)):
        refused(driver, event, "does not wait", OrderError)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_cancellation_ends_a_run_wherever_it_is(kind: GateKind | None) -> None:
    """Cancelling needs no gate and passes every one."""
    driver = asked(kind) if kind else Driver(ALWAYS).begin()
    (receipt,) = driver.cancel().ledger[-1:]
    assert driver.due == Outcome(kind="cancelled", reason="cancelled")
    assert (receipt.receipt.kind, receipt.receipt.action) == ("ended", "cancelled")


def test_value_that_was_approved_is_the_sealed_one() -> None:
    """The approved value keeps its salt and digest: the ledger shows that it is the one that was shown."""
    own = Sealed.of(500, b"another salt")
    driver = Driver(ALWAYS).begin()
    driver.take(replace(finished(ALWAYS, driver.run), output=own))
    driver.finish().decide("approve")
    assert driver.state.values["agreed"].sealed is own
