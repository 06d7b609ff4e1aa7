"""People at gates: how many must approve, who may not, how surely it must be known who they are, and who is asked next.

How names are told from each other is in test_identity.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from gatework.errors import DecisionError
from gatework.machine.migration import move
from gatework.plan.expr import Compare, Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import By, Identity, Plan
from gatework.proof.ledger import Entry
from gatework.run.events import Action, Decided, Migrated
from gatework.run.held import Held
from gatework.run.state import ALLOWED, GateKind, Receipt, Vote
from gatework.testing import Driver
from gatework.testing.factories import (
    approve,
    call,
    decided,
    effect,
    endorse,
    expired,
    plan_of,
    sealed,
    stage,
)
from gatework.testing.paths import loop, question, until

LEVELS: tuple[Identity, ...] = get_args(Identity)
BOARD = By(role="board", identity="claimed")
NOES: tuple[Action, ...] = ("reject", "abort")
NAMED = {level: "" if level == "none" else "Ana" for level in LEVELS}


def by(role: str = "finance", quorum: int = 2, identity: Identity = "claimed") -> By:
    return By(role=role, quorum=quorum, identity=identity)


def plan(who: By | str = by(), **more: Any) -> Plan:  # noqa: B008  # frozen
    """A value that is approved, and something made of it."""
    return plan_of(
        stage("owed"), approve("agreed", "owed", role=who, **more), stage("pay", "agreed"), start=Label.ENDORSED
    )


def asked(who: By | str = by(), **more: Any) -> Driver:  # noqa: B008
    """A run that waits at the approval of that plan."""
    return Driver(plan(who, **more)).begin().finish({"amount": 1, "clerk": "Cy"})


def decisions(driver: Driver) -> list[Receipt]:
    return [entry.receipt for entry in driver.ledger if entry.receipt.kind == "decided"]


def refused(driver: Driver, match: str, action: Action = "approve", **how: Any) -> None:
    """A decision at the gate that waits is refused with this reason; state and ledger stay."""
    state, ledger = driver.state, driver.ledger
    with pytest.raises(DecisionError, match=match) as caught:
        driver.decide(action, **how)
    assert caught.value.message.count("\n") == 0
    assert (driver.state, driver.ledger) == (state, ledger)


# -- quorum ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("quorum", [2, 3, 9])
def test_quorum_lets_nothing_on_until_so_many_people_approved(quorum: int) -> None:
    """Each approval of a quorum is counted and recorded at the same gate; the last one lets the value on, once."""
    driver = asked(by(quorum=quorum))
    gate = driver.gate
    names = [f"person {number}" for number in range(quorum)]
    for number, name in enumerate(names[:-1], start=1):
        before = driver.state
        driver.decide("approve", by=name, identity="claimed")
        votes = tuple(Vote(by=name, identity="claimed") for name in names[:number])
        assert driver.gate == replace(gate, votes=votes)
        assert driver.state == replace(before, gate=driver.gate)
        assert (driver.gate.number, driver.gate.evidence) == (gate.number, gate.evidence)
        receipt = decisions(driver)[-1]
        assert receipt.how == {"approvals": number, "quorum": quorum}
        assert (receipt.gate, receipt.by, receipt.identity, receipt.output) == (1, name, "claimed", "")
    driver.decide("approve", by=names[-1], identity="claimed")
    held = driver.state.values["agreed"]
    assert (held.by, held.label, held.by_hand, held.editor) == (tuple(names), Label.APPROVED, False, ())
    receipt = decisions(driver)[-1]
    assert (receipt.how, receipt.output) == ({"approvals": quorum, "quorum": quorum}, held.sealed.digest)
    assert receipt.label == "approved"
    assert len(decisions(driver)) == quorum
    assert driver.run.node == "pay"


def test_one_person_is_no_quorum_however_they_write_their_name() -> None:
    """Whoever has approved is refused as long as their approval stands, in a sentence that says who is needed."""
    driver = asked(by(quorum=3)).decide("approve", by="José  Meier")
    for name in ("José  Meier", "josé meier", "JOSÉ MEIER", " Jose\u0301 Meier ", "Ｊosé\u00a0Meier"):
        refused(driver, "You have approved this already; another of finance must", by=name)
    driver.decide("approve", by="Jose Meier")
    refused(driver, "approved this already", by="jose meier")
    refused(driver, "approved this already", by="JOSÉ MEIER")
    assert len(driver.gate.votes) == 2


def test_single_approval_is_no_vote() -> None:
    """Where one is enough, the receipt counts nothing, and a name is remembered with what was approved."""
    driver = asked("finance").decide("approve", by="Ana")
    (receipt,) = decisions(driver)
    assert (receipt.how, receipt.by, receipt.identity) == ({}, "Ana", "claimed")
    assert driver.state.values["agreed"].by == ("Ana",)
    nameless = asked("finance").decide("approve", by="")
    assert nameless.state.values["agreed"].by == ()
    assert decisions(nameless)[0].identity == "none"


def test_one_of_a_quorum_says_no_for_all() -> None:
    """A quorum is for approvals: a single person rejects, aborts or edits, whoever has approved."""
    for action, kind in (("reject", "rejected"), ("abort", "aborted")):
        driver = asked().decide("approve", by="Ana").decide(action, by="Ana", note="Not ours.")  # type: ignore[arg-type]
        assert driver.outcome is not None
        assert (driver.outcome.kind, driver.outcome.by, driver.outcome.reason) == (kind, "Ana", "Not ours.")
        assert decisions(driver)[-1].how == {}
        assert driver.ledger[-1].receipt.by == "Ana"
    assert asked().decide("approve", by="Ana").decide("edit", by="Ana", value=sealed(2)).gate.id == 2


def test_votes_say_how_surely_each_is_known_and_receipts_show_how() -> None:
    """Each approval of a quorum has its own identity and proof, which stand beside its count in its receipt."""
    driver = asked(by(identity="authenticated"))
    for name, identity, proof in (
        ("ana", "signed", {"signature": "ed25519:…"}),
        ("ben", "authenticated", {"principal": "ben@example.org", "approvals": 7}),
    ):
        event = decided(driver.gate, "approve", by=name, identity=identity, member=True)  # type: ignore[arg-type]
        driver.take(replace(event, proof=proof))
    first, second = decisions(driver)
    assert (first.identity, first.how) == ("signed", {"signature": "ed25519:…", "approvals": 1, "quorum": 2})
    # What is counted is never what a proof says.
    assert second.how == {"principal": "ben@example.org", "approvals": 2, "quorum": 2}
    assert driver.state.values["agreed"].by == ("ana", "ben")


def test_expired_quorum_says_that_some_have_approved() -> None:
    """A run that ends because too few approved in time does not say that nobody did."""
    some = asked().decide("approve", by="Ana").expire()
    none = asked().expire()
    assert some.outcome is not None
    assert none.outcome is not None
    assert (some.outcome.kind, some.outcome.reason) == ("expired", "not enough of finance answered in time")
    assert none.outcome.reason == "nobody of finance answered in time"
    assert (some.outcome.by, none.outcome.by) == ("", "")


def test_click_counts_once_for_each_person() -> None:
    """Where the plan takes a click, a quorum still takes one from each person."""
    driver = asked(click=True).decide("approve", by="Ana", number="")
    refused(driver, "approved this already", by="Ana", number="")
    assert driver.decide("approve", by="Ben", number="").run.node == "pay"


# -- how surely ------------------------------------------------------------------------------------


def waiting(kind: GateKind, who: By) -> Driver:
    """A run that waits at a gate of a kind, which asks those people."""
    work = plan_of(effect("pay", guards=["g"], attempts=1), approve("agreed", "pay", role=who), start=Label.ENDORSED)
    work = replace(work, nodes=(replace(work.nodes[0], operator=who), work.nodes[1]))  # type: ignore[arg-type]
    driver = Driver(work).begin()
    match kind:
        case "approval":
            return driver.finish("x")
        case "call":
            return (
                Driver(plan_of(effect("pay", approver=who), approve("agreed", "pay"), start=Label.ENDORSED))
                .begin()
                .suspend(call("pay"))
            )
        case "escalated":
            return driver.finish("x", "escalate")
        case "question":
            return Driver(plan_of(question("pay", role=who))).begin()
        case "spent":
            end = until("pay", "text", "draft", rounds=1, operator=who)
            plan = plan_of(loop("text", "start"), stage("draft", "text"), end)
            return Driver(plan).begin().finish().finish(None, "retry")
        case "blocked":
            return driver.fail("block")
        case "failed":
            return driver.fail("error")
        case "exhausted":
            return driver.fail("timeout")
        case "unknown":
            return driver.suspend(call("pay")).ended("unknown")


@pytest.mark.parametrize("kind", get_args(GateKind))
@pytest.mark.parametrize("needed", LEVELS)
def test_decision_needs_an_identity_as_sure_as_the_plan_asks_and_a_no_only_a_claim(
    kind: GateKind, needed: Identity
) -> None:
    """Every action at every kind of gate, by people known in each way: less than is asked is refused; whoever says no
    needs to be known as claimed at the most; a list of people must have confirmed what is more than a claim."""
    for action in ALLOWED[kind]:
        for given in LEVELS:
            for member in (True, None):
                driver = waiting(kind, by(quorum=1, identity=needed))
                assert driver.gate.kind == kind
                lowest = {"reject": 1, "abort": 1}.get(action, 3)
                asks = min(LEVELS.index(needed), lowest)
                enough = LEVELS.index(given) >= asks and (asks < 2 or member is True)
                name = "" if given == "none" else "Ana"
                event = Decided(
                    action=action,
                    number=driver.gate.number,
                    by=name,
                    identity=given,
                    member=member,
                    value=sealed("new") if action in ("edit", "answer") else None,
                )
                if not enough:
                    state = driver.state
                    with pytest.raises(DecisionError) as caught:
                        driver.take(event)
                    assert driver.state is state
                    sentence = caught.value.message
                    if LEVELS.index(given) >= asks:
                        assert "No list of people says who is in the role finance" in sentence
                    else:
                        said = {
                            1: "Say who you are",
                            2: "It must be sure here who decides",
                            3: "takes a signed decision",
                        }
                        assert said[asks] in sentence
                    continue
                receipt = driver.take(event).receipts[0]
                assert (receipt.action, receipt.by, receipt.identity) == (action, name, given)


@pytest.mark.parametrize("action", get_args(Action))
def test_refusal_of_the_nameless_shows_what_this_action_takes(action: Action) -> None:
    """What a person is told to type is what the update takes."""
    kinds: tuple[GateKind, ...] = ("approval", "failed", "question")
    if action == "override":
        driver = Driver(plan_of(stage("pay", override=by(quorum=1)))).begin().fail("error")
    else:
        driver = waiting(next(kind for kind in kinds if action in ALLOWED[kind]), by(quorum=1))
    with pytest.raises(DecisionError, match="Say who you are") as caught:
        driver.decide(action, by="", value=sealed("x") if action == "edit" else None)
    shown = caught.value.message
    assert ('"4821 your name"' in shown) is (action == "approve")
    assert ('"value": …' in shown) is (action in ("edit", "answer"))
    assert '"by": "your name"' in shown


@pytest.mark.parametrize("action", ["approve", "reject", "edit", "abort"])
@pytest.mark.parametrize("needed", LEVELS)
def test_whoever_the_list_does_not_have_in_the_role_decides_nothing(action: Action, needed: Identity) -> None:
    """A list of people that says no keeps somebody from every decision, even where nobody has to say who they are."""
    for given in LEVELS[1:]:
        driver = waiting("approval", by(quorum=1, identity=needed))
        value = sealed("x") if action == "edit" else None
        refused(
            driver,
            "By the list of people you are not in the role finance",
            action,
            by="Eve",
            identity=given,
            member=False,
            value=value,
        )


@pytest.mark.parametrize(("name", "identity"), [("Ana", "none"), ("", "claimed"), ("", "signed"), (" \n", "claimed")])
def test_identity_without_a_name_or_a_name_without_one_is_refused(name: str, identity: Identity) -> None:
    """Somebody is known by a name or not at all."""
    for action in ALLOWED["approval"]:
        driver = asked("finance")
        value = sealed("x") if action == "edit" else None
        refused(driver, "or leave the name out", action, by=name, identity=identity, member=True, value=value)


# -- who may not -----------------------------------------------------------------------------------


def test_whom_a_text_of_the_plan_names_may_not_approve_and_may_do_all_else() -> None:
    """`not_by` holds off from approving, in every spelling; it holds nobody off from saying no, or from correcting."""
    driver = asked(by(quorum=1), not_by=[Ref("owed", ("clerk",))])
    assert driver.gate.not_by == ("Cy",)
    for name in ("Cy", "cy", " CY "):
        refused(driver, "You may not approve this: it is your own", by=name)
    assert driver.decide("approve", by="Ana").run.node == "pay"
    for action in NOES:
        stopped = asked(by(quorum=1), not_by=[Ref("owed", ("clerk",))]).decide(action, by="Cy")
        assert stopped.outcome is not None
    corrected = asked(by(quorum=1), not_by=[Ref("owed", ("clerk",))])
    corrected.decide("edit", by="Cy", value=sealed({"clerk": "Di"}))
    assert set(corrected.gate.not_by) == {"Di", "Cy"}


def test_several_may_not_approve() -> None:
    """Everyone whom `not_by` names is held off: by a whole text, by a field, by an approval; a quorum is of others."""
    run = plan_of(
        stage("clerk"),
        stage("owed", "clerk"),
        approve("first", "clerk", role=by("ops")),
        approve("agreed", "owed", role=by(), not_by=["clerk", Ref("owed", ("by",)), "first"]),
        stage("pay", "first", "agreed"),
        start=Label.ENDORSED,
    )
    driver = Driver(run).begin().finish("Cy").finish({"by": "Di"})
    driver.decide("approve", by="Ana").decide("approve", by="Ben")
    assert driver.gate.not_by == ("Cy", "Di", "Ana", "Ben")
    for name in ("cy", "di", "ana", "ben"):
        refused(driver, "your own, or you have approved what it stands on", by=name)
    assert driver.decide("approve", by="Eve").decide("approve", by="Flo").run.node == "pay"


def test_approval_that_a_rule_gave_holds_nobody_off() -> None:
    """Where nobody approved, nobody is held off as an approver."""
    rule = Compare("gt", Ref("owed"), Const(100), "number")
    run = plan_of(
        stage("owed"),
        stage("letter", "owed"),
        approve("first", "owed", role=by("ops", 1), when=rule),
        approve("agreed", "letter", role=by(quorum=1), not_by=["first"]),
        stage("pay", "first", "agreed"),
        start=Label.ENDORSED,
    )
    driver = Driver(run).begin().finish(3).finish("Dear …")
    assert driver.state.values["first"].by == ()
    assert driver.gate.not_by == ()


@pytest.mark.parametrize("clerk", ["", "  ", "\u200b", "\u3164", None, 7, ["Cy"], {"name": "Cy"}, True])
def test_nobody_approves_where_it_is_not_known_who_may_not(clerk: Any) -> None:
    """A value that is to name somebody and does not keeps everybody off, until a person has corrected it."""
    driver = Driver(plan(by(quorum=1), not_by=[Ref("owed", ("clerk",))])).begin().finish({"clerk": clerk})
    refused(driver, "It is not known who may not approve this, so nobody can", by="Ana")
    driver.decide("edit", by="Ben", value=sealed({"clerk": "Cy"}))
    assert driver.gate.not_by == ("Cy", "Ben")
    assert driver.decide("approve", by="Ana").run.node == "pay"


@pytest.mark.parametrize("owed", [{}, {"amount": 1}, "Cy", None, []])
def test_nobody_approves_where_what_names_somebody_is_missing(owed: Any) -> None:
    """The same where there is no such field at all."""
    driver = Driver(plan(by(quorum=1), not_by=[Ref("owed", ("clerk",))])).begin().finish(owed)
    refused(driver, "not known who may not approve", by="Ana")
    assert driver.decide("abort", by="Ana").outcome is not None


# -- editors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{"role": by()}, {"role": by(quorum=1), "not_by": ["clerk"]}])
@pytest.mark.parametrize("place", ["start", "clerk", "owed", "other"])
def test_whoever_edited_a_value_that_stands_may_not_approve(more: dict[str, Any], place: str) -> None:
    """Where people are told from each other nobody approves what rests on their own value, wherever they put it."""
    run = plan_of(
        stage("clerk"),
        stage("owed", "clerk"),
        stage("other", "owed"),
        approve("agreed", "owed", **more),
        stage("pay", "agreed"),
        start=Label.ENDORSED,
    )
    driver = Driver(run).begin().finish("Cy").finish(1).finish(2)
    driver.decide("edit", by="Ana", place=place, value=sealed("Di"))
    while driver.state.gate is None:
        driver.finish("Di")
    assert "Ana" in driver.gate.not_by
    assert driver.state.values[place] == Held(sealed=sealed("Di"), label=Label.ENDORSED, by_hand=True, editor=("Ana",))
    refused(driver, "You may not approve this", by="ana")
    driver.decide("approve", by="Ben")
    assert (driver.state.gate is None) is (more["role"].quorum == 1)


def test_editor_whose_value_was_replaced_may_approve_again() -> None:
    """Only values that stand hold their editors off: one that was corrected again, or dropped, holds nobody off."""
    driver = asked().decide("edit", by="Ana", value=sealed(2))
    assert driver.gate.not_by == ("Ana",)
    driver.decide("edit", by="Ben", value=sealed(3))
    assert driver.gate.not_by == ("Ben",)
    driver.decide("edit", by="Cy", place="start", value=sealed("anew")).finish(4)
    assert driver.gate.not_by == ("Cy",)
    assert driver.decide("approve", by="Ana").decide("approve", by="Ben").run.node == "pay"


def test_one_person_decides_alone_where_nobody_is_told_apart() -> None:
    """Without quorum and `not_by` a person may correct a value and approve it: the plan asks for no second one."""
    driver = asked("finance").decide("edit", by="Ana", value=sealed(2))
    assert driver.gate.not_by == ()
    assert driver.decide("approve", by="Ana").run.node == "pay"


@pytest.mark.parametrize(("who", "then"), [(by(), BOARD), (by(quorum=1), by("board")), (by(), by("board"))])
@pytest.mark.parametrize("needed", LEVELS[1:])
def test_nobody_edits_unknown_what_others_are_to_approve(who: By, then: By, needed: Identity) -> None:
    """An edit on which an approval of several people will rest needs a name as sure as theirs; others do not."""
    for first, second in ((who, replace(then, identity=needed)), (replace(who, identity=needed), then)):
        run = plan_of(
            stage("owed"),
            approve("agreed", "owed", role=first, otherwise=second),
            stage("pay", "agreed"),
            start=Label.ENDORSED,
        )
        waits = Driver(run).begin().fail()
        assert waits.gate.by.identity == "none"
        how: dict[str, Any] = {"value": sealed(2), "place": "owed"}
        for given in LEVELS[: LEVELS.index(needed)]:
            refused(waits, "Say who|be sure here|a signed", "edit", by=NAMED[given], identity=given, **how)
        waits.decide("edit", by="Ana", identity=needed, **how)
        assert waits.gate.not_by == ("Ana",)
        # What comes after the approval is nobody's to approve.
        later = Driver(run).begin().finish(1)
        for name in ("Ben", "Cy")[: first.quorum]:
            later.decide("approve", by=name)
        later.fail()
        later.decide("edit", by="", value=sealed("paid"))
        assert later.outcome is not None


def test_nobody_approves_what_a_nameless_person_edited_before_the_run_was_moved() -> None:
    """A plan that tells nobody apart lets anybody edit; on one that does, that edit holds everyone off."""
    here, there = plan("finance"), plan(by())
    driver = Driver(here).begin().fail().decide("edit", by="", value=sealed(2))
    step = move(here, there, driver.state, Migrated(plan=here.digest, to=there.digest))
    moved = Driver(there)
    moved.state = step.state
    refused(moved, "not known who may not approve", by="Ana")
    moved.decide("edit", by="Ben", value=sealed(3)).decide("approve", by="Ana").decide("approve", by="Cy")
    assert moved.run.node == "pay"


# -- votes are on what was seen --------------------------------------------------------------------


def test_edit_voids_the_votes() -> None:
    """What was approved by one and then corrected is approved anew by all."""
    driver = asked().decide("approve", by="Ana")
    number = driver.gate.number
    driver.decide("edit", by="Ben", value=sealed(2))
    assert (driver.gate.id, driver.gate.votes) == (2, ())
    refused(driver, "not the number on the panel", by="Cy", number=number)
    driver.decide("approve", by="Ana")
    assert driver.state.gate is not None
    assert driver.decide("approve", by="Cy").run.node == "pay"


def test_new_attempt_voids_the_votes_on_the_last() -> None:
    """Votes on an output that a guard sent to people are void where another output comes of it."""
    run = plan_of(stage("owed", guards=["g"], operator=by("ops")), start=Label.ENDORSED)
    driver = Driver(run).begin().finish("one", "escalate").decide("approve", by="Ana")
    driver.decide("edit", by="Ben", value=sealed("two")).finish("two", "escalate")
    assert (driver.gate.kind, driver.gate.votes, driver.gate.id) == ("escalated", (), 2)
    # A retry comes by a gate of another kind, since an escalation takes none.
    refused(driver, "does not answer this", "retry", by="Ana")
    driver.decide("edit", by="Ben", value=sealed("three")).finish("three", "block")
    blocked = driver.state
    driver.decide("retry", by="Ana")
    assert (blocked.editor, driver.state.editor) == (("Ben",), ())
    driver.finish("four", "escalate")
    assert (driver.gate.votes, driver.gate.not_by) == ((), ())
    assert driver.decide("approve", by="Ana").decide("approve", by="Ben").outcome is not None


def test_move_to_another_plan_voids_the_votes() -> None:
    """A run that is moved asks everyone anew, even where the approval itself is the same in both plans."""
    here = plan()
    there = plan_of(
        stage("owed"), approve("agreed", "owed", role=by()), stage("pay", "agreed", attempts=7), start=Label.ENDORSED
    )
    driver = asked().decide("approve", by="Ana")
    step = move(here, there, driver.state, Migrated(plan=here.digest, to=there.digest))
    gate = step.state.gate
    assert gate is not None
    assert (gate.votes, gate.id) == ((), 2)
    assert gate.evidence != driver.gate.evidence


# -- another role, once the time is up -------------------------------------------------------------


def test_gate_that_expires_is_handed_on_once() -> None:
    """Whoever is asked otherwise is asked at a new gate, with a new number, by a receipt that says why, for as long
    again; when that time is up too, the run ends."""
    driver = asked(by(), otherwise=BOARD)
    first = driver.gate
    assert not first.handed_on
    driver.expire()
    second = driver.gate
    assert (second.id, second.by, second.handed_on, second.votes) == (2, BOARD, True, ())
    assert (second.node, second.kind, second.shown) == (first.node, first.kind, first.shown)
    assert second.expires_seconds == first.expires_seconds
    assert second.number not in (first.number, first.full_number)
    assert second.reasons == ("the plan asks always", "nobody of finance answered in time")
    receipt = driver.ledger[-1].receipt
    assert (receipt.kind, receipt.gate, receipt.node, receipt.action) == ("asked", 2, "agreed", "approval")
    assert receipt.reason == "the plan asks always; nobody of finance answered in time"
    with pytest.raises(Exception, match="does not wait"):
        driver.take(expired(first))
    refused(driver, "not the number on the panel", by="Ana", number=first.number)
    assert driver.decide("approve", by="Dora").state.values["agreed"].by == ("Dora",)
    ended = asked(by(), otherwise=BOARD).expire().expire()
    assert ended.outcome is not None
    assert (ended.outcome.kind, ended.outcome.reason) == ("expired", "nobody of board answered in time")


def test_votes_do_not_go_along_when_a_gate_is_handed_on() -> None:
    """Approvals of those who were asked first count nothing with those who are asked next."""
    driver = asked(by(), otherwise=by("board")).decide("approve", by="Ana").expire()
    assert not driver.gate.votes
    assert driver.gate.reasons[-1] == "not enough of finance answered in time"
    driver.decide("approve", by="Ben")
    assert [vote.by for vote in driver.gate.votes] == ["Ben"]
    driver.decide("approve", by="Ana")  # by name they may be in both roles
    assert driver.state.values["agreed"].by == ("Ben", "Ana")


def test_role_and_identity_are_those_of_whoever_is_asked_now() -> None:
    """After a gate was handed on, the other role's quorum, identity and name are what counts."""
    driver = asked(by(quorum=1), not_by=[Ref("owed", ("clerk",))], otherwise=by("board", 2, "signed")).expire()
    refused(driver, "takes a signed decision", by="Ana", identity="claimed")
    refused(driver, "not in the role board", by="Ana", identity="signed", member=False)
    refused(driver, "You may not approve this", by="Cy", identity="signed", member=True)
    driver.decide("approve", by="Ana").decide("approve", by="Ben")
    assert driver.run.node == "pay"


def test_edit_after_a_gate_was_handed_on_asks_the_first_role_again() -> None:
    """A corrected value is a new question: those who are asked first are asked first, and their time begins anew."""
    driver = asked(by(), otherwise=BOARD).expire().decide("edit", by="Dora", value=sealed(2))
    assert (driver.gate.by, driver.gate.handed_on, driver.gate.id) == (by(), False, 3)
    assert driver.expire().gate.by == BOARD
    refused(driver, "You may not approve this", by="Dora")


def test_editor_is_held_off_by_those_who_are_asked_next() -> None:
    """Where any of those asked in turn are several, whoever edited approves with none of them."""
    for who, then in ((by(), by("board", 1)), (by(quorum=1), by("board"))):
        driver = asked(who, otherwise=then).decide("edit", by="Ana", value=sealed(2))
        refused(driver, "You may not approve this", by="Ana")
        refused(driver.expire(), "You may not approve this", by="Ana")


def test_stage_that_waits_is_not_handed_on() -> None:
    """Only approvals name somebody else: a stage whose operator does not answer ends the run."""
    driver = Driver(plan(by(), otherwise=BOARD)).begin().fail().expire()
    assert driver.outcome is not None
    assert driver.outcome.kind == "expired"


# -- other gates -----------------------------------------------------------------------------------


def test_call_that_needs_two_is_made_once_after_both() -> None:
    """A quorum at a call gate: nothing is called on the first approval; a no of one is a no."""
    run = plan_of(effect("pay", approver=by("ops")), approve("agreed", "pay"), start=Label.ENDORSED)
    driver = Driver(run).begin().suspend(call("pay")).decide("approve", by="Ana")
    assert driver.gate.kind == "call"
    assert (driver.gate.votes, driver.state.let_call) == ((Vote(by="Ana", identity="claimed"),), "")
    assert driver.state.pending
    refused(driver, "approved this already; another of ops", by="ana")
    driver.decide("approve", by="Ben")
    assert driver.act.call == call("pay")
    assert [receipt.how for receipt in decisions(driver)] == [
        {"approvals": 1, "quorum": 2},
        {"approvals": 2, "quorum": 2},
    ]
    asked_by_a_model = call("pay", by_model=True)
    no = Driver(run).begin().suspend(asked_by_a_model).decide("approve", by="Ana").decide("reject", by="Ana")
    assert no.run.node == "pay"
    assert no.run.journal[-1].outcome == "refused"


def test_second_call_asks_everyone_anew() -> None:
    """Leave is for one call: approvals of the first do not count for the next."""
    run = plan_of(effect("pay", approver=by("ops")), approve("agreed", "pay"), start=Label.ENDORSED)
    two = (call("pay"), call("pay", number=1, order=8))
    driver = Driver(run).begin().suspend(*two)
    driver.decide("approve", by="Ana").decide("approve", by="Ben").ended()
    assert (driver.gate.kind, driver.gate.votes, driver.gate.id) == ("call", (), 2)


def test_output_that_a_guard_escalates_needs_the_quorum_of_its_operator() -> None:
    """A quorum at a stage's escalation lets the output on after both, who are known with it; they are no editors."""
    run = plan_of(
        stage("owed", guards=["g"], operator=by("ops")),
        approve("agreed", "owed", role=by()),
        stage("pay", "agreed"),
        start=Label.ENDORSED,
    )
    driver = Driver(run).begin().finish("odd", "escalate").decide("approve", by="Ana")
    assert "owed" not in driver.state.values
    driver.decide("approve", by="Ben")
    held = driver.state.values["owed"]
    assert (held.by, held.editor, held.by_hand) == (("Ana", "Ben"), (), False)
    assert driver.gate.not_by == ()


def test_editor_is_none_of_the_quorum_that_lets_their_value_past_a_guard() -> None:
    """Where a guard sends a person's value to several people, whoever gave it is none of them; nor later."""
    run = plan_of(
        stage("owed", guards=["g"], operator=by("ops")),
        approve("agreed", "owed", role=by()),
        stage("pay", "agreed"),
        start=Label.ENDORSED,
    )
    driver = Driver(run).begin().fail().decide("edit", by="Eve", value=sealed("own")).finish("own", "escalate")
    assert driver.gate.not_by == ("Eve",)
    refused(driver, "You may not approve this", by="EVE")
    driver.decide("approve", by="Ana").decide("approve", by="Ben")
    held = driver.state.values["owed"]
    assert (held.by_hand, held.by, held.editor) == (True, ("Ana", "Ben"), ("Eve",))
    # Those who let it past the guard did not write it: they may be asked about it again.
    assert driver.gate.not_by == ("Eve",)
    refused(driver, "You may not approve this", by="Eve")


def test_one_person_lets_their_own_value_past_a_guard_where_one_is_asked() -> None:
    """Where one person answers for a stage, whoever edited its value may approve it there."""
    run = plan_of(stage("owed", guards=["g"], operator=by("ops", 1)), start=Label.ENDORSED)
    driver = Driver(run).begin().fail().decide("edit", by="Eve", value=sealed("own")).finish("own", "escalate")
    assert driver.gate.not_by == ()
    assert driver.decide("approve", by="Eve").outcome is not None


def test_nobody_of_a_quorum_approves_a_nameless_value_at_its_stage() -> None:
    """A value of which nobody knows who gave it is let past a guard by none of several people."""
    run = plan_of(stage("owed", guards=["g"], operator=by("ops")), start=Label.ENDORSED)
    driver = Driver(run).begin().fail().decide("edit", by="Eve", value=sealed("own"))
    driver.state = replace(driver.state, editor=())
    refused(driver.finish("own", "escalate"), "not known who may not approve", by="Ana")


def test_text_of_an_approved_value_names_whom_it_names() -> None:
    """A field of an approved value holds off whom it names, and not whoever approved the value."""
    run = plan_of(
        stage("owed"),
        approve("first", "owed", role=by("ops", 1)),
        stage("letter", "first"),
        approve("agreed", "letter", role=by(quorum=1), not_by=[Ref("first", ("clerk",))]),
        stage("pay", "agreed"),
        start=Label.ENDORSED,
    )
    driver = Driver(run).begin().finish({"clerk": "Cy"}).decide("approve", by="Ana").finish()
    assert driver.gate.not_by == ("Cy",)
    assert driver.decide("approve", by="Ana").run.node == "pay"


def test_editor_is_none_of_the_quorum_at_a_call() -> None:
    """Whoever edited what a stage works on is none of those who let its calls happen."""
    run = plan_of(stage("owed"), effect("pay", "owed", approver=by("ops")), start=Label.ENDORSED)
    driver = Driver(run).begin().fail().decide("edit", by="Ana", value=sealed(2)).suspend(call("pay"))
    assert driver.gate.not_by == ("Ana",)
    refused(driver, "You may not approve this", by="Ana")


def test_inputs_are_let_in_by_the_quorum_of_the_operator() -> None:
    """A guard on inputs that escalates to several people lets the stage run only after all of them."""
    run = plan_of(stage("owed"), endorse("known", "owed"), effect("pay", "known", before=["b"]), start=Label.UNTRUSTED)
    run = replace(run, nodes=(*run.nodes[:2], replace(run.nodes[2], operator=by("ops"))))  # type: ignore[arg-type]
    driver = Driver(run).begin().finish().finish().stop("escalate").decide("approve", by="Ana")
    assert driver.state.let_in == ""
    driver.decide("approve", by="Ben")
    assert driver.run.let_in


def test_gate_that_takes_no_approval_names_nobody_who_may_not() -> None:
    """A retry or an edit is one person's, whoever edited before; nobody is shown as held off from it."""
    run = plan_of(stage("owed"), stage("pay", "owed", operator=by("ops")), start=Label.ENDORSED)
    driver = Driver(run).begin().fail().decide("edit", by="Ana", value=sealed(2)).fail()
    assert driver.gate.not_by == ()
    assert driver.decide("retry", by="Ana").run.node == "pay"


# -- numbers ---------------------------------------------------------------------------------------


def test_either_number_of_a_gate_is_taken() -> None:
    """The number beside the whole of the evidence counts as that on the panel does, from different people."""
    driver = asked()
    panel, full = driver.gate.number, driver.gate.full_number
    assert panel != full
    assert len(full) == 4
    driver.decide("approve", by="Ana", number=full)
    assert driver.gate.number == panel
    assert driver.decide("approve", by="Ben", number=panel).run.node == "pay"
    for action in NOES:
        assert asked().decide(action, number=asked().gate.full_number).outcome is not None


def test_no_vote_without_a_number_or_on_other_evidence() -> None:
    """What one approval needs, each of several needs."""
    driver = asked().decide("approve", by="Ana")
    refused(driver, "Send the four digits", by="Ben", number="")
    wrong = next(f"{n}" for n in range(1000, 9999) if f"{n}" not in (driver.gate.number, driver.gate.full_number))
    refused(driver, "not the number on the panel", by="Ben", number=wrong)
    event = replace(decided(driver.gate, "approve", by="Ben"), evidence="0" * 64)
    with pytest.raises(DecisionError, match="evidence has changed"):
        driver.take(event)


def test_receipts_of_people_are_data_of_the_ledger() -> None:
    """Names, identities and counts go into the chain as they were taken."""
    driver = asked().decide("approve", by="Ana").decide("approve", by="Ben")
    chained: list[Entry] = [entry for entry in driver.ledger if entry.receipt.kind == "decided"]
    assert [(e.receipt.by, json.dumps(dict(e.receipt.how))) for e in chained] == [
        ("Ana", '{"approvals": 1, "quorum": 2}'),
        ("Ben", '{"approvals": 2, "quorum": 2}'),
    ]
