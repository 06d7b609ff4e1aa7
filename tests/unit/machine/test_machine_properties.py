"""The machine on larger plans: random plans of five to twelve nodes, random events, the rules of the search."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gatework.errors import DecisionError, OrderError
from gatework.machine import machine
from gatework.plan.expr import Ref
from gatework.plan.faults import faults
from gatework.plan.labels import Label
from gatework.plan.plan import Plan
from gatework.proof.ledger import Entry, broken_at, extended
from gatework.run.events import Cancelled, Decided, Event, Expired
from gatework.run.state import Due, Gate, Outcome, Receipt, Run, State
from gatework.testing.factories import START, Draft, plan_of
from gatework.values import wire
from tests.explorer.events import Menu, beginnings, forged_beginnings
from tests.explorer.rules import Rules
from tests.explorer.shapes import KINDS, draft

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@st.composite
def large_plans(draw: st.DrawFn) -> Plan:
    """A plan without faults of five to twelve nodes, each reading any earlier value."""
    start = draw(st.sampled_from([Label.UNTRUSTED, Label.ENDORSED]))
    drafts: list[Draft] = []
    size = draw(st.integers(5, 12))
    while len(drafts) < size:
        read = draw(st.integers(max(0, len(drafts) - 3), len(drafts)))
        fitting = [
            letter
            for letter in KINDS
            if not any(faults(plan_of(*drafts, draft(letter, len(drafts), read), start=start)))
        ]
        drafts.append(draft(draw(st.sampled_from(fitting)), len(drafts), read))
    return plan_of(*drafts, start=start)


class Execution(RuleBasedStateMachine):
    """A run of a random plan: it takes every honest event, refuses every hostile one, and keeps the rules."""

    @initialize(plan=large_plans(), data=st.data())
    def begin(self, plan: Plan, data: st.DataObject) -> None:
        self.plan = plan
        self.menu = Menu(plan)
        self.judge = Rules(plan)
        self.state: State = machine.new(plan)
        self.due: Due | None = None
        self.taken: list[Event] = []
        self.receipts: list[Receipt] = []
        self.ledger: tuple[Entry, ...] = ()
        for event in forged_beginnings(self.menu):
            self.refuse(event)
        self.take(data.draw(st.sampled_from(list(beginnings(self.menu)))))

    def take(self, event: Event) -> None:
        """An honest event is taken and keeps the rules."""
        step = machine.step(self.plan, self.state, event)
        due = machine.due(self.plan, step.state)
        self.judge.transition(self.state, self.due, event, step.state, due, step.receipts)
        self.state, self.due = step.state, due
        self.taken.append(event)
        self.receipts.extend(step.receipts)
        self.ledger = extended(self.ledger, step.receipts, NOON + timedelta(seconds=len(self.taken)))

    def refuse(self, event: Event) -> None:
        """A hostile event is refused, and the state is the one that it was."""
        before = repr(self.state)
        try:
            machine.step(self.plan, self.state, event)
        except (OrderError, DecisionError):
            assert repr(self.state) == before
            return
        raise AssertionError(f"the machine took {event}")

    @property
    def runs(self) -> bool:
        return isinstance(self.due, Run)

    @rule()
    @precondition(lambda self: isinstance(self.due, Run))
    def pass_on(self) -> None:
        """Most attempts pass, or no run would come far."""
        assert self.due is not None
        assert not isinstance(self.due, Outcome)
        passing = [
            event
            for event in self.menu.honest(self.state, self.due)
            if event.kind == "finished" and all(given.verdict == "pass" for given in event.verdicts)
        ]
        self.take(passing[-1])

    @rule(data=st.data())
    @precondition(lambda self: isinstance(self.due, Run | Gate))
    def honest(self, data: st.DataObject) -> None:
        """Anything else that may happen, save what ends the run."""
        assert self.due is not None
        events = [
            event
            for event in self.menu.honest(self.state, self.due)
            if not isinstance(event, Cancelled | Expired)
            and not (isinstance(event, Decided) and event.action in ("reject", "abort"))
        ]
        self.take(data.draw(st.sampled_from(events)))

    @rule(data=st.data())
    @precondition(lambda self: isinstance(self.due, Gate))
    def approve_or_retry(self, data: st.DataObject) -> None:
        """A person who lets the run go on."""
        assert self.due is not None
        events = [
            event
            for event in self.menu.honest(self.state, self.due)
            if isinstance(event, Decided) and event.action in ("approve", "retry")
        ]
        self.take(data.draw(st.sampled_from(events)))

    @rule(data=st.data())
    @precondition(lambda self: len(self.taken) > 12 and not isinstance(self.due, Outcome))
    def end(self, data: st.DataObject) -> None:
        """Cancellation, expiry, rejection, abortion."""
        assert self.due is not None
        events = [
            event
            for event in self.menu.honest(self.state, self.due)
            if isinstance(event, Cancelled | Expired)
            or (isinstance(event, Decided) and event.action in ("reject", "abort"))
        ]
        self.take(data.draw(st.sampled_from(events)))

    @rule()
    def hostile(self) -> None:
        """Everything hostile at once, everything that was ever taken included."""
        assert self.due is not None
        for event in self.menu.hostile(self.state, self.due, self.taken[-12:]):
            self.refuse(event)

    @rule()
    def carried(self) -> None:
        """A state that went over the wire, as at continue-as-new, is the same state."""
        again: State = wire.decode(State, wire.encode(self.state), what="state")
        assert again == self.state
        self.state = again
        if self.due is not None:
            assert machine.due(self.plan, again) == self.due

    @invariant()
    def ledger_is_whole(self) -> None:
        """The receipts are chained; a ledger with one changed, left out or moved is not."""
        ledger: tuple[Entry, ...] = getattr(self, "ledger", ())
        assert broken_at(ledger) is None
        if len(ledger) > 2:
            at = len(ledger) // 2
            changed = replace(ledger[at], receipt=replace(ledger[at].receipt, by="another"))
            assert broken_at((*ledger[:at], changed, *ledger[at + 1 :])) == at + 1
            assert broken_at((*ledger[:at], *ledger[at + 1 :])) == at + 1
            assert broken_at((ledger[1], ledger[0], *ledger[2:])) == 1

    def teardown(self) -> None:
        """The events that were taken, taken again from the beginning, give the same state and receipts."""
        if not getattr(self, "taken", None):
            return
        state = machine.new(self.plan)
        receipts: list[Receipt] = []
        for event in self.taken:
            step = machine.step(self.plan, state, event)
            state = step.state
            receipts.extend(step.receipts)
        assert state == self.state
        assert receipts == self.receipts
        assert [entry.receipt for entry in self.ledger] == receipts


TestExecution = Execution.TestCase
TestExecution.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@given(plan=large_plans())
@settings(max_examples=50, deadline=None)
def test_plan_without_faults_completes_when_everything_passes(plan: Plan) -> None:
    """Every plan has a way to its end: pass, pass, approve, and never more than one attempt of each node."""
    menu = Menu(plan)
    state = machine.step(plan, machine.new(plan), next(beginnings(menu))).state
    for _ in range(2 * len(plan.nodes)):  # a quorum of two takes two approvals
        due = machine.due(plan, state)
        if isinstance(due, Outcome):
            break
        wanted = "approve" if isinstance(due, Gate) else "finished"
        state = machine.step(
            plan, state, next(e for e in menu.honest(state, due) if wanted in (e.kind, getattr(e, "action", "")))
        ).state
    assert machine.due(plan, state) == Outcome(kind="completed", node=plan.result)
    assert set(state.attempts.values()) <= {1}


@given(plan=large_plans(), data=st.data())
@settings(max_examples=50, deadline=None)
def test_plan_with_two_nodes_exchanged_begins_only_where_nothing_reads_ahead(plan: Plan, data: st.DataObject) -> None:
    """Whatever the order of its nodes, a plan begins only if each reads what comes before it."""
    j = data.draw(st.integers(1, len(plan.nodes) - 1))
    i = data.draw(st.integers(0, j - 1))
    nodes = list(plan.nodes)
    nodes[i], nodes[j] = nodes[j], nodes[i]
    exchanged = replace(plan, nodes=tuple(nodes))
    known = [START, *(node.name for node in nodes)]
    ordered = all(ref.node in known[: k + 1] for k, node in enumerate(nodes) for ref in _reads(node))
    event = replace(next(beginnings(Menu(plan))), plan=exchanged.digest)
    try:
        machine.step(exchanged, machine.new(exchanged), event)
    except OrderError:
        assert not ordered
    else:
        assert ordered


def _reads(node: object) -> tuple[Ref, ...]:
    reads: tuple[Ref, ...] = getattr(node, "reads", ())
    return reads
