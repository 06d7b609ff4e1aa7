"""Resuming a run that has ended: what is taken over, what is void, what is refused, from every state of small plans."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Hashable
from dataclasses import replace
from itertools import islice
from typing import Any, get_args

import pytest

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.machine.resumption import outlook, resume, shed
from gatework.plan.plan import Approval, By, Plan, Work
from gatework.run.events import ActedOutcome, Resumed
from gatework.run.state import Due, Gate, Outcome, Run, State, Step
from gatework.testing import Driver
from gatework.testing.factories import approve, call, effect, endorse, plan_of, stage
from gatework.values import wire
from tests.explorer.events import Menu, beginnings, happened
from tests.explorer.rules import Rules
from tests.explorer.search import _key as key_of
from tests.explorer.shapes import KINDS, plans

PLAN = plan_of(
    stage("read"), endorse("owed", "read"), approve("agreed", "owed"), effect("pay", "agreed"), stage("tell", "pay")
)
OLD = "0193e1a0-7c1e-7b2e-8f6d-1a2b3c4d5e6f"


def asked(plan: Plan, place: str = "", **fields: Any) -> Resumed:
    return Resumed(plan=plan.digest, run=OLD, ended="terminated", place=place, **fields)


def resumed(driver: Driver, place: str = "", **fields: Any) -> Driver:
    """The run that goes on where another ended."""
    step = resume(driver.plan, driver.state, asked(driver.plan, place, **fields))
    assert outlook(driver.plan, driver.state, place).place == step.receipts[0].node
    again = Driver(driver.plan)
    again.state = step.state
    again.receipts = step.receipts  # type: ignore[attr-defined]
    return again


def refused(driver: Driver, match: str, place: str = "", event: Resumed | None = None) -> None:
    """The resumption is refused with this sentence, and so is a look at it."""
    before = repr(driver.state)
    with pytest.raises(DecisionError, match=match):
        resume(driver.plan, driver.state, event or asked(driver.plan, place))
    if event is None:
        for look in (outlook, shed):
            with pytest.raises(DecisionError, match=match):
                look(driver.plan, driver.state, place)
    assert repr(driver.state) == before


def at_approval() -> Driver:
    return Driver(PLAN).begin("mail").finish("read").finish("owed")


def paying(**changes: Any) -> Driver:
    plan = replace(PLAN, nodes=(*PLAN.nodes[:3], replace(PLAN.nodes[3], **changes), PLAN.nodes[4]))
    return Driver(plan).begin("mail").finish("read").finish("owed").decide("approve")


# -- what is taken over ----------------------------------------------------------------------------


def test_run_goes_on_where_it_ended_with_all_that_came_before() -> None:
    """Values and approvals before the stage are kept as they were; the stage runs as a new attempt."""
    driver = paying()
    again = resumed(driver)
    assert (again.run.node, again.run.attempt) == ("pay", 2)
    assert again.state.values == driver.state.values


@pytest.mark.parametrize("end", ["cancel", "expire", "abort"])
def test_run_that_the_machine_ended_goes_on_as_if_it_had_not(end: str) -> None:
    """Cancelled, expired and aborted runs wait where they waited, at a gate that nobody has answered."""
    driver = at_approval()
    before = driver.gate
    driver.decide("abort") if end == "abort" else getattr(driver, end)()
    again = resumed(driver)
    assert (again.gate.node, again.gate.id) == (before.node, before.id + 1)
    assert (again.gate.evidence, again.gate.number) != (before.evidence, before.number)
    with pytest.raises(DecisionError, match="not the number"):
        again.decide("approve", number=before.number)


def test_approval_after_the_stage_is_void() -> None:
    """Who approved what is computed anew is asked again."""
    driver = paying()
    again = resumed(driver, "read")
    assert set(again.state.values) == {"start"}
    assert outlook(driver.plan, driver.state, "read").void == ("agreed",)
    assert again.finish("other").finish("owed anew").gate.node == "agreed"


def test_votes_of_a_quorum_that_was_not_complete_are_void() -> None:
    """Half of an approval is none: both are asked again, and either may be the first."""
    plan = plan_of(stage("work"), approve("agreed", "work", role=By(role="boss", quorum=2, identity="claimed")))
    driver = Driver(plan).begin().finish().decide("approve", by="ana").cancel()
    again = resumed(driver)
    assert again.gate.votes == ()
    assert again.decide("approve", by="bo").outcome is None
    assert again.decide("approve", by="ana").outcome == Outcome(kind="completed", node="agreed")


def test_numbers_and_what_was_spent_count_on() -> None:
    """No number of an attempt or a gate is used again; a stage has its budget anew, and the run has not."""
    driver = at_approval().cancel()
    again = resumed(driver, "read")
    assert (again.run.attempt, again.state.gates) == (2, driver.state.gates)
    assert again.state.spent == driver.state.spent


def test_what_belonged_to_the_attempt_is_forgotten() -> None:
    """Feedback, answers, inputs that were let in, leave for a call and leave to do an effect again."""
    plan = plan_of(stage("one"), stage("work", "one", before=["g"], guards=["k"], attempts=3))
    driver = Driver(plan).begin().finish().stop("escalate").decide("approve").finish("x", "retry")
    assert driver.state.let_in
    assert driver.state.feedback
    run = resumed(driver).run
    assert (run.let_in, run.feedback, run.journal) == (False, (), ())


def test_persons_value_that_its_guards_have_not_seen_is_looked_at_first() -> None:
    """It is not forgotten: what it says of an effect would be done once more."""
    guarded = plan_of(stage("g", guards=["k"])).nodes[0]
    assert isinstance(guarded, Work)
    driver = paying(guards=guarded.guards)
    driver.suspend(call("pay")).ended("unknown").edit("paid by hand", "pay")
    assert driver.run.edited is not None
    again = resumed(driver)
    assert again.run.edited == driver.run.edited
    assert again.finish("paid by hand").state.values["pay"].by_hand


def test_resumption_leaves_a_receipt_that_links_to_the_run_before() -> None:
    """Which run, how it ended, what was kept, who and why."""
    again = resumed(at_approval(), by="Ada", note="The disk was full.")
    receipt = again.receipts[0]  # type: ignore[attr-defined]
    assert (receipt.kind, receipt.node, receipt.action) == ("resumed", "agreed", "terminated")
    assert (receipt.by, receipt.reason) == ("Ada", "The disk was full.")
    assert receipt.how == {"run": OLD}


# -- effects ---------------------------------------------------------------------------------------


def test_effect_that_happened_is_never_gone_back_behind() -> None:
    """Neither at its stage nor before it, once the run has gone on; after it the run may be resumed."""
    paid = paying().suspend(call("pay")).ended().finish("paid")
    for place in ("read", "owed", "agreed", "pay"):
        refused(paid, "The effect of pay has happened, or may have.*from tell", place)
    assert resumed(paid, "tell").run.node == "tell"
    assert resumed(paid).state.acts == paid.state.acts


@pytest.mark.parametrize("outcome", [None, *get_args(ActedOutcome)])
@pytest.mark.parametrize("probe", [True, False])
def test_effect_of_the_stage_at_which_the_run_ended_is_answered_looked_up_or_asked_about(
    outcome: Any, probe: bool
) -> None:
    """Done: the record answers. Unanswered or in doubt: the probe is asked, or a person. Known not to be: it is new."""
    plan = plan_of(stage("read"), endorse("owed", "read"), effect("pay", "owed", probe=probe))
    driver = Driver(plan).begin().finish().finish().suspend(call("pay"))
    if outcome == "found" and not probe:
        return
    if outcome:
        driver.ended(outcome)
    [record] = driver.state.acts.values()
    doubtful = record.outcome in ("asked", "unknown")  # a call that failed is made again at once
    if outcome != "refused":
        refused(driver, "The effect of pay has happened, or may have", "owed")
    again = resumed(driver).suspend(call("pay", number=1))
    if outcome in ("done", "found"):
        assert (again.run.journal[0].outcome, again.run.journal[0].data) == ("found", driver.run.journal[0].data)
    elif doubtful and probe:
        assert again.act.again
    elif doubtful:
        assert again.gate.kind == "unknown"
    else:
        assert not again.act.again


def test_effect_asked_for_with_other_arguments_asks_a_person() -> None:
    """The same key with another amount is not sent: a person sees it."""
    driver = paying().suspend(call("pay")).ended("done")
    again = resumed(driver).suspend(call("pay", amount=7, number=1))
    assert again.gate.kind == "blocked"


def test_record_that_a_person_wrote_is_an_effect_that_happened() -> None:
    """What a person says has been done is not done again by going back."""
    driver = paying().fail().edit("paid at the counter", "pay")
    assert driver.run.node == "tell"
    refused(driver, "The effect of pay has happened", "pay")
    assert resumed(driver).run.node == "tell"


# -- what is refused -------------------------------------------------------------------------------


def test_run_that_completed_was_rejected_or_never_began_is_not_resumed() -> None:
    """Nothing is left to do, a person said no, or there is nothing to take over."""
    refused(Driver(PLAN), "ended before it began")
    refused(at_approval().decide("reject"), "a person said no, and that stands")
    refused(paying().suspend(call("pay")).ended().finish().finish(), "nothing to resume")


def test_place_that_is_none_or_lies_ahead_is_refused() -> None:
    """A name is never repeated that the plan does not have."""
    for place in ("start", "nowhere", "\x1b[31m", "read\n"):
        refused(at_approval(), r"no stage of that name; the plan has read, owed, agreed, pay, tell\.", place)
    refused(at_approval(), "did not come as far as tell; resume it from agreed", "tell")


def test_state_or_request_of_another_plan_is_refused() -> None:
    """A run goes on with the plan that it was held to."""
    driver = at_approval()
    refused(driver, "another plan", event=replace(asked(PLAN), plan="0" * 64))
    driver.state = replace(driver.state, plan="0" * 64)
    refused(driver, "another plan")


# -- every state of every small plan, from every place ---------------------------------------------


def _judge(plan: Plan, before: State, place: str, step: Step) -> None:
    """What must be true of a resumption, worked out without the code that makes it."""
    after, names = step.state, [node.name for node in plan.nodes]
    position = names.index(place) if place else before.at
    assert position <= before.at
    for name in ("start", *names[:position]):
        assert after.values[name] == before.values[name]
    for name in names[position:]:
        # What the plan's own rule approves on the way is no value of the run before.
        node = plan.nodes[plan.index[name]]
        assert name not in after.values or (isinstance(node, Approval) and node.when is not None)
    assert after.plan == plan.digest
    assert after.gates >= before.gates
    assert all(after.attempts[name] >= number for name, number in before.attempts.items())
    assert after.spent == before.spent
    assert set(after.acts) == set(before.acts)
    for key, done in before.acts.items():
        assert after.acts[key] == (replace(done, outcome="unknown") if done.outcome == "asked" else done)
    acted = {names.index(name) for name in happened(before)}
    assert all(at < position or at == position == before.at for at in acted)
    assert (after.let_in, after.feedback) == ("", ())
    assert after.edited == (before.edited if position == before.at else None)
    assert (after.journal, after.pending, after.let_call, after.let_again, after.tried) == ((), (), "", "", 0)
    for name, held in after.values.items():
        assert held.label is plan.label(name)
    assert step.receipts[0].kind == "resumed"
    due = machine.due(plan, after)
    if isinstance(due, Gate):
        assert due.id > before.gates
        assert not due.votes
    elif isinstance(due, Run):
        assert due.attempt > before.attempts.get(due.node, 0)
        node = plan.nodes[plan.index[due.node]]
        assert isinstance(node, Work)
    else:
        # Only what a rule approves needs no stage and no person.
        assert isinstance(due, Outcome)
        assert due.kind == "completed"


def _ended(state: State) -> Hashable:
    """What tells states apart that have ended: what a resumption may take over."""
    assert state.outcome is not None
    values = tuple((name, held.sealed.digest, held.by_hand) for name, held in state.values.items())
    acts = tuple((key, done.outcome, done.arguments) for key, done in sorted(state.acts.items()))
    edited = state.edited.digest if state.edited else ""
    return state.outcome.kind, state.at, values, acts, edited, state.gates > 0, tuple(sorted(state.attempts))


class _Walk:
    """A walk through every state of a plan, resumptions among the ways from one to the next."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.menu, self.rules = plan, Menu(plan, calls=1), Rules(plan)
        self.seen: set[Hashable] = set()
        self.waiting: deque[tuple[State, Due, bool]] = deque()
        self.made = self.turned_down = self.judged = 0

    def arrive(self, state: State, due: Due, resumed_: bool) -> None:
        key = _ended(state) if state.outcome else key_of(self.plan, state, exact=False)
        if key not in self.seen:
            self.seen.add(key)
            self.waiting.append((state, due, resumed_))

    def walk(self) -> None:
        fresh = machine.new(self.plan)
        for beginning in beginnings(self.menu):
            state = machine.step(self.plan, fresh, beginning).state
            self.arrive(state, machine.due(self.plan, state), False)
        while self.waiting:
            state, due, resumed_ = self.waiting.popleft()
            self._resumptions(state)
            for event in self.menu.honest(state, due):
                step = machine.step(self.plan, state, event)
                after = machine.due(self.plan, step.state)
                self.rules.transition(state, due, event, step.state, after, step.receipts)
                self.judged += resumed_
                self.arrive(step.state, after, resumed_)
            if resumed_ and self.made % 11 == 0:
                for event in self.menu.hostile(state, due, ()):
                    with pytest.raises((OrderError, DecisionError)):
                        machine.step(self.plan, state, event)

    def _resumptions(self, state: State) -> None:
        for place in ("", *(node.name for node in self.plan.nodes)):
            try:
                step = resume(self.plan, state, asked(self.plan, place))
            except DecisionError:
                self.turned_down += 1
                self._rightly(state, place)
                continue
            self.made += 1
            _judge(self.plan, state, place, step)
            less = shed(self.plan, state, place)
            assert resume(self.plan, less, asked(self.plan, place)) == step
            assert wire.decode(State, wire.encode(less), what="state") == less
            self.arrive(step.state, machine.due(self.plan, step.state), True)

    def _rightly(self, state: State, place: str) -> None:
        """A resumption is refused only for a reason."""
        position = self.plan.index[place] if place else state.at
        lost = any(
            self.plan.index[name] >= position and not self.plan.index[name] == position == state.at
            for name in happened(state)
        )
        ended = state.outcome is not None and state.outcome.kind in ("completed", "rejected")
        assert ended or position > state.at or lost


@pytest.mark.slow
@pytest.mark.parametrize("start", "UE")
def test_every_resumption_from_every_state_keeps_the_rules(start: str) -> None:
    """Ended at any moment, resumed from any stage, again and again: it goes on by the rules of the machine, or not."""
    made = turned_down = judged = 0
    # Pairs with effects that have a probe, or with approvals by rule, are for `make search`; so is half of the others
    # that begin with an endorsed value.
    everything = bool(os.environ.get("GATEWORK_SEARCH"))
    pairs = (2, "sepaw", 1) if everything else (2, "sea", 2 if start == "E" else 1)
    for size, kinds, apart in ((1, KINDS, 1), pairs):
        for word, plan in islice(plans(size, wired=False, inputs=start, kinds=kinds), 0, None, apart):
            walk = _Walk(plan)
            try:
                walk.walk()
            except Exception as error:
                error.add_note(f"in plan {word}")
                raise
            made, turned_down, judged = made + walk.made, turned_down + walk.turned_down, judged + walk.judged
    assert made > 500
    assert turned_down > 200
    assert judged > 500
