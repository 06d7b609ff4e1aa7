"""The in-memory driver: a machine, its state, and the ledger of what it accepted; nothing is performed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from gatework import machine
from gatework.budget import Spent
from gatework.canonical import Json, Sealed
from gatework.events import ActedOutcome, Action, Event, FailureKind, OutcomeKind
from gatework.journal import Call
from gatework.journal import Entry as Answer
from gatework.labels import Label
from gatework.ledger import Entry, extended
from gatework.plan import Identity, Plan
from gatework.state import Act, Due, Gate, Outcome, Run, Spawn, State, Step, Wait
from gatework.testing import factories
from gatework.verdict import Word


class Driver:
    """A run of a plan as the machine sees it. Each step changes it in place; a refused event changes nothing."""

    def __init__(self, plan: Plan, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.plan = plan
        self.state: State = machine.new(plan)
        self.ledger: tuple[Entry, ...] = ()
        self.events: list[Event] = []
        """What the machine accepted, oldest first."""
        self._clock = clock

    def take(self, event: Event) -> Step:
        """Hand the machine an event. Raises `OrderError` or `DecisionError` where it refuses."""
        step = machine.step(self.plan, self.state, event)
        self.state = step.state
        self.ledger = extended(self.ledger, step.receipts, self._clock())
        self.events.append(event)
        return step

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

    def elapse(self) -> Driver:
        """The time passes that is to pass."""
        self.take(factories.elapsed(self.wait))
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
        """A child run that is under way ends."""
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

    def cancel(self) -> Driver:
        """Someone cancels the run."""
        self.take(factories.cancelled())
        return self
