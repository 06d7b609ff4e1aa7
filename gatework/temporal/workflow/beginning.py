"""How a run comes to its state: from its input, from the run that it continues, resumes or takes back, or that starts
it as a child.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from temporalio import workflow
from temporalio.common import RawValue

from gatework.errors import ContractError, DecisionError, OrderError, ResumeError
from gatework.machine import machine
from gatework.plan.plan import Pause
from gatework.proof.ledger import Entry, handed_on
from gatework.releases.library import Known
from gatework.run.budget import Spent, total
from gatework.run.events import Begun
from gatework.run.held import Held
from gatework.run.state import State
from gatework.temporal.transport.payloads import application_error, data_of
from gatework.temporal.transport.salting import salt_of
from gatework.temporal.transport.storing import most_of_input
from gatework.temporal.workflow import resuming
from gatework.temporal.workflow.answering import Answering
from gatework.temporal.workflow.children import Start, start_in
from gatework.temporal.workflow.pin import UnknownPlan, begun, begun_as_child, continued
from gatework.values import canonical, wire
from gatework.values.canonical import Sealed


@dataclass(frozen=True, kw_only=True)
class Pausing:
    """The pause that is due, and when it began."""

    node: str
    attempt: int
    since: str
    """As UTC in ISO 8601."""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a run hands to the run that continues it."""

    state: State
    ledger: tuple[Entry, ...]
    expires: str
    """When the open gate expires, as UTC in ISO 8601; empty without one."""
    secret: str
    """As in `Beginning`."""
    lineage: str = ""
    """That of the run that was resumed, before this one or further back, or which the parent gave to its child; empty
    where there is none."""
    again: bool = False
    """Whether there may have been other runs of its lineage: its child runs look for what theirs did."""
    pausing: Pausing | None = None
    child: bool = False
    """Whether another run of ours is told what this one comes to."""
    before: Spent | None = None
    """What had been spent when a child run took over from an earlier one; None where it did not."""


class Beginning(Answering):
    """A run that begins. Whatever it was started with is believed only as far as the server vouches for it."""

    def __init__(self) -> None:
        super().__init__()
        self._again = False
        """As in `Carried`."""
        self._hears = False
        """Whether this run has still to hear what earlier runs of its id did, for no other reason than that it may be
        the child of a run that goes on."""
        self._pausing: Pausing | None = None
        self._before: Spent | None = None

    async def _begun(self, inputs: tuple[object, ...]) -> None:
        """Come to the state from which to go on. Raises `ContractError`, which ends the run."""
        # The clock of a workflow task is another where the task is done again; that of the start is the same.
        started = workflow.info().workflow_start_time
        if (wanted := resuming.requested(inputs)) is not None:
            await self._take_over(wanted)
            return
        given = self._given(inputs)
        if self._continues:
            self._go_on(given)
        elif (start := start_in(inputs[0])) is not None:
            self._child = True
            await self._begin_as_child(start, started)
        elif "." in self.name:
            raise ContractError("it is a part of another workflow, whose runs start it; start that one")
        else:
            # Where Temporal starts a run again, what was decided in the one before must not hold.
            secret = salt_of(*inputs) if workflow.info().attempt == 1 else ""
            self._begin(given, *await begun(self.library, self.name, secret=secret), started)

    def _given(self, inputs: tuple[object, ...]) -> bytes:
        """The one JSON value that the run was started with. Raises `ContractError`."""
        if len(inputs) != 1 or not isinstance(inputs[0], RawValue):
            raise ContractError(f"start it with one JSON value; {len(inputs)} were given")
        if workflow.info().cron_schedule:
            raise ContractError("started with a cron string; use a Schedule")
        return data_of(inputs[0]) or b""

    @property
    def _was_reset(self) -> bool:
        """Whether this run goes on where another was cut off. Says nothing at a replay."""
        info = workflow.info()
        return info.run_id != info.original_execution_run_id

    @property
    def _continues(self) -> bool:
        """Whether the run before handed its state on to this one.

        A caller who sends such a state is not believed: the server alone names the run that is continued, and it
        names one for a retry and for a cron run, too, whose input is still the caller's.
        """
        info = workflow.info()
        return info.continued_run_id is not None and info.attempt == 1

    def _begin(self, given: bytes, known: Known, secret: str, at: datetime) -> None:
        value = canonical.loads(
            given, max_bytes=most_of_input(len(given), self.stores), max_values=canonical.MAX_VALUES
        )
        known.check(known.plan.input.name, value)
        self._known, self._state, self._secret = known, machine.new(known.plan), secret
        start = known.plan.input
        held = Held(sealed=Sealed.of(value, self._salt("input")), label=start.label)
        self._take(Begun(plan=known.plan.digest, inputs={start.name: held}, run=self._lineage), at)

    async def _begin_as_child(self, start: Start, at: datetime) -> None:
        """Begin with what the run that started this one holds, on the plan that its own plan names."""
        if workflow.info().attempt != 1:
            raise ContractError("a child run is started anew by the run that calls it, and not by a retry policy")
        known, secret = await begun_as_child(self.library, self.name, start.plan, secret=start.secret)
        self._first, self._again = start.lineage, start.again
        self._hears = start.again
        if start.undoes:
            await self._take_back(start, secret)
            return
        for name, held in start.inputs.items():
            if name in known.plan.starts:
                known.check(name, held.sealed.data)
        self._known, self._state, self._secret = known, machine.new(known.plan), secret
        event = Begun(
            plan=start.plan, inputs=start.inputs, asks=start.asks, allowance=start.allowance, run=self._lineage
        )
        try:
            self._take(event, at)
        except OrderError as error:
            raise ContractError(error.message.rstrip(".")) from None

    async def _take_back(self, start: Start, secret: str) -> None:
        """Undo what an earlier run of this child did, which had completed."""
        parent = workflow.info().parent
        assert parent is not None  # as `start_in` has found
        request = resuming.Request(run=start.undoes)
        taken = await resuming.taken(self.name, resuming.Wanted(request=request, input=b""), of=parent.workflow_id)
        self._before = total(taken.state.spent.values())
        self._carry(self._all_of(taken, secret))
        try:
            self._accept(resuming.taken_back(self._now[0], taken), workflow.now())
        except DecisionError as error:
            raise application_error(ResumeError(error.message)) from None

    async def _take_over(self, wanted: resuming.Wanted) -> None:
        """Go on where a run ended, as a worker finds it in the server's history of it."""
        taken = await resuming.taken(self.name, wanted)
        self._again = True
        self._first = taken.lineage
        self._carry(self._all_of(taken, taken.secret))
        try:
            self._accept(resuming.went_on(self._now[0], taken), workflow.now())
        except DecisionError as error:  # which the worker was to look for
            raise application_error(ResumeError(error.message)) from None

    def _all_of(self, taken: resuming.Taken, secret: str) -> Carried:
        return Carried(
            state=taken.state,
            ledger=taken.ledger,
            expires="",
            secret=secret,
            lineage=self._first,
            again=self._again,
            child=self._child,
            before=self._before,
        )

    # -- from run to run ---------------------------------------------------------------------------

    def _go_on(self, given: bytes) -> None:
        try:
            carried: Carried = wire.decode(Carried, given, what="carried state")
        except ContractError as error:
            raise UnknownPlan(f"This deploy cannot read what the run before handed on: {error.reason}.") from None
        self._carry(carried)

    def _carry(self, carried: Carried) -> None:
        self._known = continued(self.library, self.name, carried.state.plan)
        self._state, self._ledger, self._secret = carried.state, carried.ledger, carried.secret
        self._first, self._again, self._child = carried.lineage, carried.again, carried.child
        self._pausing, self._before = carried.pausing, carried.before
        self._expires = datetime.fromisoformat(carried.expires) if carried.expires else None
        # A gate may have been opened just before: a second click is not for it here, either.
        self._opened = workflow.info().workflow_start_time if carried.state.gate else None

    def _carried(self, state: State, ledger: Sequence[Entry]) -> bytes:
        node = self._known.plan.steps[state.at] if self._known and state.plan == self._known.plan.digest else None
        return wire.encode(
            Carried(
                state=state,
                ledger=handed_on(ledger),
                expires=self._expires.isoformat() if self._expires else "",
                secret=self._secret,
                lineage=self._first,
                again=self._again,
                child=self._child,
                pausing=self._pausing if isinstance(node, Pause) else None,
                before=self._before,
            )
        )
