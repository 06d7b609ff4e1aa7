"""Rehearsals: a workflow with its real stages, endorsers, guards and tools, run in memory, without Temporal."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from gatework import canonical
from gatework.acting import act
from gatework.canonical import Json, Sealed
from gatework.contract import Contract
from gatework.errors import ContractError, DecisionError, OrderError
from gatework.events import Acted, Action, Begun, Cancelled, Event, Expired, Failed, FailureKind, Finished
from gatework.held import Held
from gatework.judging import Judges, isolated, joined
from gatework.ledger import Entry
from gatework.models.question import Model
from gatework.perform import Code, perform
from gatework.plan import Approval, Plan, Work
from gatework.state import Act, Due, Gate, Outcome, Run, State, Step
from gatework.store import Store
from gatework.testing.driver import Driver
from gatework.threads import Threads
from gatework.workflow import Workflow

I = TypeVar("I")  # noqa: E741  # the input
O = TypeVar("O")  # noqa: E741  # the output


async def rehearse(
    workflow: Workflow[I, O],
    data: I,
    *,
    model: Model | None = None,
    lineage: str = "rehearsal",
    seed: int = 0,
    store: Store | None = None,
) -> Rehearsal[O]:
    """Run a workflow from an input to its first gate, or to its end.

    `data` is what the workflow's parameter holds, without its label. `model` is what `ask` reaches. `lineage` stands
    for the run in the keys of its effects. `store` is where documents lie. Raises `ContractError` where the input
    breaks its contract.
    """
    rehearsal = Rehearsal(workflow, model=model, lineage=lineage, seed=seed, store=store)
    rehearsal.begin(data)
    await rehearsal.go_on()
    return rehearsal


class Rehearsal(Generic[O]):
    """One run of a workflow, in memory. `rehearse` makes one and runs it to its first gate.

    A decision that the machine refuses raises `DecisionError` and changes nothing.
    """

    def __init__(
        self,
        workflow: Workflow[Any, O],
        *,
        model: Model | None = None,
        lineage: str = "rehearsal",
        seed: int = 0,
        store: Store | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.workflow = workflow
        self.driver = Driver(workflow.plan, clock=clock)
        """The machine's side of the run: its state, its events, its ledger."""
        self._model = model
        self._lineage = lineage
        self._seed = seed
        self._store: Callable[[], Store] | None = None if store is None else lambda kept=store: kept

    # -- where the run stands ----------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """The plan of the workflow."""
        return self.driver.plan

    @property
    def state(self) -> State:
        """All that the run knows."""
        return self.driver.state

    @property
    def due(self) -> Due:
        """What the run waits for: an attempt, a person, or nothing more."""
        return self.driver.due

    @property
    def gate(self) -> Gate:
        """The gate that waits. Raises `AssertionError` where none does."""
        return self.driver.gate

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it goes on."""
        return self.driver.outcome

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """The receipts so far, chained."""
        return self.driver.ledger

    @property
    def result(self) -> O:
        """What the run gives, without its label. Raises `AssertionError` unless it completed."""
        kind = self.outcome.kind if self.outcome else "not over"
        assert kind == "completed", f"there is no result: the run is {kind}"
        return self.workflow.output.read(canonical.dumps(self.driver.data(self.plan.result)))

    @property
    def values(self) -> Mapping[str, Any]:
        """Every value that the run holds, by the name of its node, as Python values without their labels."""
        held = self.state.values.items()
        return {name: self._contract(name).read(canonical.dumps(value.sealed.data)) for name, value in held}

    # -- going on ----------------------------------------------------------------------------------

    def begin(self, data: Any) -> Step:
        """Start from an input. Raises `ContractError` where it breaks its contract."""
        start = self._sealed(self.plan.input.name, data)
        held = Held(sealed=start, label=self.plan.input.label)
        return self.driver.take(Begun(plan=self.plan.digest, inputs={self.plan.input.name: held}))

    async def go_on(self) -> Due:
        """Perform what is due until the run waits for a person or has ended; what it then waits for."""
        while isinstance(self.due, Run | Act):
            await self.once()
        return self.due

    async def once(self) -> Event:
        """Perform the one attempt, or the one call of a tool, that is due; what came of it."""
        return self.deliver(await self._performed())

    async def lose(self, *, performed: bool = False) -> Event:
        """The worker dies during the attempt or the call that is due: before it did anything, or with it `performed`.

        Nobody can tell the two apart, so an effect is then in doubt.
        """
        if performed:
            await self._performed()
        return self.deliver(self._lost("error", "the worker died"))

    def deliver(self, event: Event) -> Event:
        """Hand the machine an event; one that it refuses counts as an attempt or a call that failed, as on Temporal.

        Gives back the event that was accepted.
        """
        try:
            self.driver.take(event)
        except OrderError as error:
            event = self._lost("refused", error.message)
            self.driver.take(event)
        return event

    # -- a person ----------------------------------------------------------------------------------

    async def approve(self, *, number: str | None = None, by: str = "", note: str = "") -> Due:
        """Approve what the gate shows, with its number unless another is given, and go on."""
        return await self._decide("approve", number, by=by, note=note)

    async def reject(self, note: str = "", *, number: str | None = None, by: str = "") -> Due:
        """Refuse: an approval, and the run ends; a call, and its stage is told."""
        return await self._decide("reject", number, by=by, note=note)

    async def retry(self, note: str = "", *, number: str | None = None, by: str = "") -> Due:
        """Run the stage again, with a note for the model, and go on."""
        return await self._decide("retry", number, by=by, note=note)

    async def edit(self, value: Any, *, place: str = "", number: str | None = None, by: str = "") -> Due:
        """Give the value of a place, by default the one that the gate is about, and go on.

        Raises `DecisionError` where there is no such place, or the value breaks its contract.
        """
        gate = self.state.gate
        if gate is None:
            raise DecisionError("Nothing waits for a decision now.")
        place = place or gate.place
        try:
            replacement = self._sealed(place, value)
        except (ContractError, KeyError) as error:
            raise DecisionError(f"The value does not fit {place}: {error}.") from None
        return await self._decide("edit", number, by=by, place=place, value=replacement)

    async def abort(self, note: str = "", *, by: str = "") -> Due:
        """End the run."""
        return await self._decide("abort", None, by=by, note=note)

    def expire(self) -> Due:
        """Nobody answers the gate in time."""
        self.driver.take(Expired(gate=self.gate.id))
        return self.due

    def cancel(self) -> Due:
        """Someone cancels the run."""
        self.driver.take(Cancelled(reason="cancelled"))
        return self.due

    # -- inside ------------------------------------------------------------------------------------

    async def _decide(
        self,
        action: Action,
        number: str | None,
        *,
        by: str,
        note: str = "",
        place: str = "",
        value: Sealed | None = None,
    ) -> Due:
        gate = self.state.gate
        if gate is None:
            raise DecisionError("Nothing waits for a decision now.")
        self.driver.decide(action, number=number, by=by, note=note, place=place, value=value)
        return await self.go_on()

    async def _performed(self) -> Event:
        due, model = self.due, self._model
        assert isinstance(due, Run | Act), f"nothing is due to be performed, but {due}"
        node = self.plan.nodes[self.plan.index[due.node]]
        assert isinstance(node, Work)
        definition = self.workflow.definitions[node.runs]
        code = Code(
            definition=definition,
            guards={guard.name: guard for guard in definition.checks},
            tools={tool.name: tool for tool in definition.tools},
        )
        if isinstance(due, Act):
            use = node.tool(due.call.tool)
            assert use is not None  # the machine asks for no call that the plan does not grant
            return await act(use, code.tools[use.name], due, store=self._store)
        reach = None if model is None else lambda: model
        event = await perform(
            due, self.plan, code, lineage=self._lineage, model=reach, seed=self._seed, store=self._store
        )
        if not isinstance(event, Finished):
            return event
        judges = Judges(due, node, definition.declared, code.guards, Threads(), self._store)
        return joined(node, event, [await judges.one(use, event.output) for use in isolated(node)])

    def _contract(self, place: str) -> Contract[Any]:
        if place == self.plan.input.name:
            return self.workflow.input
        node = self.plan.node(place)
        if isinstance(node, Approval):
            return self._contract(node.value.node)
        assert isinstance(node, Work)
        return self.workflow.definitions[node.runs].declared.result.contract

    def _sealed(self, place: str, value: Any) -> Sealed:
        data: Json = canonical.loads(self._contract(place).write(value))
        return Sealed.of(data, os.urandom(16))

    def _lost(self, failure: FailureKind, reason: str) -> Event:
        """What is due came to nothing that can be taken. Of an effect that leaves a doubt."""
        due = self.due
        if isinstance(due, Act):
            return Acted(
                plan=due.plan, node=due.node, attempt=due.attempt, call=due.call.id, outcome="unknown", reason=reason
            )
        run = self.driver.run
        return Failed(
            plan=run.plan,
            node=run.node,
            attempt=run.attempt,
            inputs=run.inputs_digest,
            failure=failure,
            reason=reason,
        )
