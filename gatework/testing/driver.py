"""The in-memory driver: a machine, its state, and the ledger of what it accepted; nothing is performed here.

Its child runs are drivers of their own. They begin when they are to be under way, and what one comes to is taken as
soon as it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gatework.machine import children, machine, resumption
from gatework.machine.returning import Report, report, returned
from gatework.plan.labels import Label
from gatework.plan.plan import Call as Node
from gatework.plan.plan import Identity, Plan
from gatework.proof.ledger import Entry, extended
from gatework.run.budget import Spent, total
from gatework.run.events import (
    Acted,
    ActedOutcome,
    Action,
    Begun,
    Cancelled,
    Event,
    FailureKind,
    OutcomeKind,
    Recalled,
    Remembered,
    Resumed,
    Returned,
    Suspended,
)
from gatework.run.journal import Call
from gatework.run.journal import Entry as Answer
from gatework.run.state import Act, ChildRun, Due, Gate, Outcome, Run, Spawn, State, Step, Wait
from gatework.testing import factories
from gatework.values.canonical import Json, Sealed
from gatework.values.verdict import Word


class Driver:
    """A run of a plan as the machine sees it. Each step changes it in place; a refused event changes nothing.

    `plans` are those of workflows that the plan calls. What it calls and is not told of is not driven here: a test
    hands over what came of it with `take`.
    """

    def __init__(
        self, plan: Plan, *, plans: Iterable[Plan] = (), clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.plan = plan
        self.state: State = machine.new(plan)
        self.ledger: tuple[Entry, ...] = ()
        self.events: list[Event] = []
        """What the machine accepted, oldest first."""
        self.id = ""
        """What names a child run among those of the run that started it."""
        self._plans = {one.digest: one for given in (plan, *plans) for one in _with_parts(given)}
        self._clock = clock
        self._passed = timedelta()
        self._children: dict[str, Driver] = {}
        """Child runs by their ids, in the order in which they began."""
        self._over: Callable[[], None] | None = None
        """Tells the run that started this one that it has ended; None once that is told, or nobody listens."""
        self._before: Spent | None = None
        """What had been spent when the run took over from an earlier one."""
        self._cancelled: Cancelled | None = None
        """What is taken once its child runs have ended, which are cancelled with it."""

    def take(self, event: Event) -> Step:
        """Hand the machine an event. Raises `OrderError` or `DecisionError` where it refuses."""
        step = machine.step(self.plan, self.state, event)
        self.events.append(event)
        self._accept(step)
        return step

    def _accept(self, step: Step) -> None:
        self.state = step.state
        self.ledger = extended(self.ledger, step.receipts, self._clock() + self._passed)
        self._have_under_way()
        if self.outcome is not None and self._over is not None:
            over, self._over = self._over, None
            over()

    # -- child runs --------------------------------------------------------------------------------

    @property
    def children(self) -> tuple[Driver, ...]:
        """Every child run so far, in the order in which they began; what was run once more is there twice."""
        return tuple(self._children.values())

    def child(self, node: str, number: int = 0) -> Driver:
        """A child run of a node, by its number from 0: the latest. Raises `AssertionError` where there was none."""
        found = [run for id_, run in self._children.items() if id_.split("/")[::2] == [node, str(number)]]
        assert found, f"{node} has no run {number}; there are {', '.join(self._children) or 'none'}"
        return found[-1]

    def _have_under_way(self) -> None:
        """Begin the child runs that are to be under way, and cancel those that are not to be any more."""
        due = self.due if self._calls else None
        wanted = {_id(due, run): run for run in due.runs} if isinstance(due, Spawn) else {}
        for id_, child in list(self._children.items()):
            if child._over is not None and id_ not in wanted:
                if not self._hears(child):
                    child._over = None
                child._cancel_with_its_parent("another child run failed")
        for id_, run in wanted.items():
            # What one comes to as it begins is taken at once, and others may be to be under way then.
            if run.plan in self._plans and id_ not in self._children and due == self.due:
                assert isinstance(due, Spawn)
                self._begin_child(id_, due, run)

    @property
    def _calls(self) -> bool:
        """Whether the run is where child runs are under way."""
        waits = self.state.gate is None and self.state.outcome is None and self.state.begun
        return waits and isinstance(self.plan.steps[self.state.at], Node)

    def _hears(self, child: Driver) -> bool:
        """Whether what a child run comes to still matters."""
        if not self._calls:
            return False
        node = self.plan.steps[self.state.at].name
        return any(_named(node, self.state.attempts[node], n) == child.id for n in children.under_way(self.state))

    def _begin_child(self, id_: str, due: Spawn, run: ChildRun) -> None:
        child = Driver(self._plans[run.plan], plans=self._plans.values(), clock=lambda: self._clock() + self._passed)
        child.id = id_
        earlier = [one for one in self.children if one.id.split("/")[::2] == id_.split("/")[::2]]
        child._over = lambda: self._returned(returned(due, run.child, child._report()))
        self._children[id_] = child
        if run.undoes:
            child._undo(self._children[run.undoes])
            return
        child.take(Begun(plan=run.plan, inputs=run.inputs, asks=run.asks, allowance=run.allowance))
        if (effects := _remembered(earlier)) and child.outcome is None:
            child._accept(resumption.recall(child.plan, child.state, Recalled(plan=run.plan, effects=effects)))

    def _report(self) -> Report:
        return report(self.plan, self.state, self.ledger, run=self.id, before=self._before)

    def _returned(self, event: Returned) -> None:
        """A child run has ended: take what it came to, or keep it for the moment at which the run is cancelled."""
        if self._cancelled is None:
            self.take(event)
            return
        self._cancelled = replace(self._cancelled, returned=(*self._cancelled.returned, event))
        self._cancel_alone()

    def _cancel_with_its_parent(self, reason: str) -> None:
        # What ends already, ends as it does.
        if self.outcome is None and self.state.ending is None and self._cancelled is None:
            self.cancel(reason)

    def _cancel_alone(self) -> None:
        """Cancel the run once all its child runs have ended."""
        cancelled = self._cancelled
        if cancelled is not None and all(child._over is None for child in self._children.values()):
            self._cancelled = None
            self.take(cancelled)

    def _undo(self, earlier: Driver) -> None:
        """Take back what an earlier run did that had completed."""
        self.ledger, self._children = earlier.ledger, dict(earlier._children)
        self._before = total(earlier.state.spent.values())
        event = Resumed(plan=self.plan.digest, run=earlier.id, ended="completed")
        self._accept(resumption.undo(self.plan, earlier.state, event))

    # -- where the run stands ----------------------------------------------------------------------

    @property
    def due(self) -> Due:
        """What the run waits for."""
        return machine.due(self.plan, self.state)

    @property
    def run(self) -> Run:
        """The attempt that is due. Raises `AssertionError` where none is."""
        due = self.due
        assert isinstance(due, Run), f"no attempt is due, but {due}"
        return due

    @property
    def act(self) -> Act:
        """The call that is due. Raises `AssertionError` where none is."""
        due = self.due
        assert isinstance(due, Act), f"no call is due, but {due}"
        return due

    @property
    def gate(self) -> Gate:
        """The gate that waits. Raises `AssertionError` where none does."""
        due = self.due
        assert isinstance(due, Gate), f"no person is asked, but due is {due}"
        return due

    @property
    def wait(self) -> Wait:
        """The time that is to pass. Raises `AssertionError` where none is."""
        due = self.due
        assert isinstance(due, Wait), f"no time is to pass, but due is {due}"
        return due

    @property
    def spawn(self) -> Spawn:
        """The child runs that are to be under way. Raises `AssertionError` where none are."""
        due = self.due
        assert isinstance(due, Spawn), f"no child runs are under way, but due is {due}"
        return due

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it goes on."""
        return self.state.outcome

    def data(self, name: str) -> Json:
        """The JSON data of a value that is held. Raises `KeyError`."""
        return self.state.values[name].sealed.data

    # -- what may happen ---------------------------------------------------------------------------

    def begin(self, data: Json = "start") -> Driver:
        """The run starts."""
        self.take(factories.begun(self.plan, data))
        return self

    def finish(self, data: Json = None, *words: Word, spent: Spent | None = None) -> Driver:
        """The attempt that is due gives an output; guards pass it, or say the words given."""
        self.take(factories.finished(self.plan, self.run, data, *words, spent=spent))
        return self

    def suspend(self, *calls: Call, entries: Iterable[Answer] = (), spent: Spent | None = None) -> Driver:
        """The attempt that is due waits for these calls, or has these answers to be kept."""
        self.take(factories.suspended(self.plan, self.run, *calls, entries=entries, spent=spent))
        return self

    def ended(self, outcome: ActedOutcome = "done", result: Json = "receipt", *, reason: str = "") -> Driver:
        """The call that is due comes to an end."""
        self.take(factories.acted(self.act, outcome, result, reason=reason))
        return self

    def returned(
        self,
        child: int,
        data: Json = None,
        outcome: OutcomeKind = "completed",
        *,
        label: Label = Label.UNTRUSTED,
        reason: str = "",
        spent: Spent | None = None,
        acted: bool = False,
    ) -> Driver:
        """A child run that is under way ends, where the test says what came of it."""
        event = factories.returned(
            self.spawn, child, data, outcome, label=label, reason=reason, spent=spent, acted=acted
        )
        self.take(event)
        return self

    def stop(self, *words: Word) -> Driver:
        """A guard does not let the attempt that is due run on its inputs."""
        self.take(factories.stopped(self.plan, self.run, *words))
        return self

    def fail(self, failure: FailureKind = "error", *, spent: Spent | None = None) -> Driver:
        """The attempt that is due gives no output."""
        self.take(factories.failed(self.run, failure, spent=spent))
        return self

    def elapse(self) -> Driver:
        """The time passes for which the run waits; by so much the ledger's clock is ahead from then on."""
        due = self.wait
        self._passed += timedelta(seconds=due.seconds)
        self.take(factories.elapsed(due))
        return self

    def decide(
        self,
        action: Action,
        *,
        number: str | None = None,
        note: str = "",
        place: str = "",
        value: Sealed | None = None,
        by: str = "someone",
        identity: Identity | None = None,
        member: bool | None = None,
    ) -> Driver:
        """A person answers the gate that waits, with its number unless another is given."""
        self.take(
            factories.decided(
                self.gate,
                action,
                number=number,
                note=note,
                place=place,
                value=value,
                by=by,
                identity=identity,
                member=member,
            )
        )
        return self

    def edit(self, data: Json, place: str = "") -> Driver:
        """A person gives a value."""
        return self.decide("edit", place=place, value=factories.sealed(data))

    def answer(self, data: Json, *, by: str = "someone") -> Driver:
        """A person gives the value that is asked for."""
        return self.decide("answer", value=factories.sealed(data), by=by)

    def expire(self) -> Driver:
        """Nobody answers the gate that waits."""
        self.take(factories.expired(self.gate))
        return self

    def cancel(self, reason: str = "cancelled") -> Driver:
        """Someone cancels the run. Its child runs are cancelled with it, and it ends once each of them has."""
        self._cancelled = replace(factories.cancelled(), reason=reason)
        for child in self.children:
            if child._over is not None:
                child._cancel_with_its_parent("the run has gone on, or is ending")
        self._cancel_alone()
        return self


def _with_parts(plan: Plan) -> Iterator[Plan]:
    """A plan with all that are written in it."""
    yield plan
    for part in plan.parts.values():
        yield from _with_parts(part)


def _id(due: Spawn, run: ChildRun) -> str:
    return _named(due.node, due.attempt, run.child)


def _named(node: str, attempt: int, number: int) -> str:
    """What names a child run."""
    return f"{node}/{attempt}/{number}"


def _remembered(earlier: Iterable[Driver]) -> tuple[Remembered, ...]:
    """The effects for which runs asked, save those that are known not to have happened."""
    found: dict[str, Remembered] = {}
    for run in earlier:
        asked = {call.id: call for event in run.events if isinstance(event, Suspended) for call in event.calls}
        for event in run.events:
            if not isinstance(event, Acted) or not (key := asked[event.call].key):
                continue
            if event.outcome not in ("refused", "failed") and (key not in found or found[key].result is None):
                call = asked[event.call]
                found[key] = Remembered(node=event.node, call=call, result=event.result, run=run.id)
    return tuple(found.values())
