"""Rehearsals: a workflow with its real stages, endorsers, guards and tools, run in memory, without Temporal.

Its child runs are rehearsals of their own, which run one after the other, in order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from gatework.define.ending import Ending
from gatework.define.workflow import Workflow
from gatework.errors import ContractError, DecisionError, OrderError
from gatework.machine.returning import name_of
from gatework.models.question import Model
from gatework.perform.acting import act
from gatework.perform.judging import Judges, isolated, joined
from gatework.perform.perform import perform
from gatework.plan.plan import Approval, Call, Join, Loop, Plan, Work
from gatework.proof.ledger import Entry
from gatework.releases.library import Known, Library
from gatework.run.events import Acted, Action, Begun, Event, Expired, Failed, FailureKind, Finished
from gatework.run.held import Held
from gatework.run.state import Act, Due, Gate, Outcome, Run, State, Step, Wait
from gatework.testing.driver import Driver
from gatework.threads import Threads
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.contract import Contract, contract
from gatework.values.store import Store

I = TypeVar("I")  # noqa: E741  # the input
O = TypeVar("O")  # noqa: E741  # the output
T = TypeVar("T")


async def rehearse(
    workflow: Workflow[I, O],
    data: I,
    *,
    model: Model | None = None,
    lineage: str = "rehearsal",
    seed: int = 0,
    store: Store | None = None,
    pauses: bool = True,
) -> Rehearsal[O]:
    """Run a workflow from an input until people must decide, or to its end.

    `data` is what the workflow's parameter holds, without its label. `model` is what `ask` reaches. `lineage` stands
    for the run in the keys of its effects. `store` is where documents lie. The time of a pause passes at once; with
    `pauses=False` it passes with `elapse`. Raises `ContractError` where the input breaks its contract.
    """
    rehearsal = Rehearsal(workflow, model=model, lineage=lineage, seed=seed, store=store, pauses=pauses)
    rehearsal.begin(data)
    await rehearsal.go_on()
    return rehearsal


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a run has in common with its child runs."""

    library: Library
    contracts: Mapping[str, Contract[Any]]
    """By their digests."""
    model: Callable[[], Model] | None
    store: Callable[[], Store] | None
    seed: int
    pauses: bool


class Rehearsal(Generic[O]):
    """One run of a workflow, in memory. `rehearse` makes one and runs it until people must decide.

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
        pauses: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        library = Library([workflow])
        plans = [known.plan for name in library.names for known in library.plans(name)]
        setting = Setting(
            library=library,
            contracts=_contracts(workflow, library),
            model=_giving(model),
            store=_giving(store),
            seed=seed,
            pauses=pauses,
        )
        self._take_part(setting, library.plans(workflow.name)[0], Driver(workflow.plan, plans=plans, clock=clock))
        self._lineage = lineage

    def _take_part(self, setting: Setting, known: Known, driver: Driver) -> None:
        self.driver = driver
        """The machine's side of the run: its state, its events, its ledger."""
        self._setting = setting
        self._known = known
        self._above: Rehearsal[Any] | None = None
        self._children: dict[str, Rehearsal[Any]] = {}

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
        """What the run waits for: an attempt, a person, child runs, or nothing more."""
        return self.driver.due

    @property
    def gate(self) -> Gate:
        """The gate that waits. Raises `AssertionError` where none does, and says which child runs have one."""
        elsewhere = ", ".join(run.name for run in self.waiting if run is not self)
        assert not elsewhere, f"no person is asked by {self.name} itself, but by its child runs: {elsewhere}"
        return self.driver.gate

    @property
    def name(self) -> str:
        """The workflow of the run; of a child run, where it was started: `brief.found[3]`."""
        if self._above is None:
            return self.plan.name
        node, _, number = self.driver.id.split("/")
        return f"{self._above.name}.{node}[{number}]"

    def child(self, node: str, number: int = 0) -> Rehearsal[Any]:
        """A child run of a node, by its number from 0; the latest, where it was run once more.

        A decision in it goes on with the run that started it, too. Raises `AssertionError` where there is none.
        """
        return self._rehearsed(self.driver.child(node, number))

    @property
    def waiting(self) -> tuple[Rehearsal[Any], ...]:
        """The runs that wait for a person: this one, or child runs of it, however deep."""
        below = [run for child in self._live for run in child.waiting]
        return (*((self,) if self.state.gate else ()), *below)

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
        result: O = self.values[self.plan.result]
        return result

    @property
    def values(self) -> Mapping[str, Any]:
        """Every value that the run holds, by the name of its node, as Python values without their labels."""
        return {name: self._read(name, held.sealed.data) for name, held in self.state.values.items()}

    # -- going on ----------------------------------------------------------------------------------

    def begin(self, data: Any) -> Step:
        """Start from an input. Raises `ContractError` where it breaks its contract."""
        start = self._sealed(self.plan.input.name, data)
        held = Held(sealed=start, label=self.plan.input.label)
        return self.driver.take(Begun(plan=self.plan.digest, inputs={self.plan.input.name: held}))

    async def go_on(self) -> Due:
        """Perform what is due, in child runs too, until people must decide or the run has ended; what it waits for.

        Once a child run has ended, the run that started it goes on.
        """
        await self._on()
        if self.outcome is not None and self._above is not None:
            await self._above.go_on()
        return self.due

    async def _on(self) -> None:
        while True:
            before = self.state
            for child in self._live:
                await child._on()
                if self.state is not before:
                    break  # what it came to was taken; others are to be under way now, or none
            else:
                if isinstance(self.due, Run | Act):
                    await self.once()
                elif isinstance(self.due, Wait) and self._setting.pauses:
                    self.driver.elapse()
                else:
                    return

    @property
    def _live(self) -> list[Rehearsal[Any]]:
        """Child runs that have not ended, in the order in which they began."""
        return [self._rehearsed(child) for child in self.driver.children if child.outcome is None]

    def _rehearsed(self, child: Driver) -> Rehearsal[Any]:
        known = self._children.get(child.id)
        if known is None:
            known = self._children[child.id] = type(self).__new__(type(self))
            found = self._setting.library.find(child.plan.name, child.plan.digest)
            assert found is not None
            known._take_part(self._setting, found, child)
            name, _, number = child.id.split("/")
            node = self.plan.node(name)
            assert isinstance(node, Call)
            known._above, known._lineage = self, f"{self._lineage}/{name_of(node, int(number))}"
        return known

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
        return await self._decide("edit", number, by=by, place=place, value=self._fitting(place, value))

    async def answer(self, value: Any, *, by: str = "", note: str = "") -> Due:
        """Give the value that the gate asks for, and go on. Raises `DecisionError` where it breaks its contract."""
        gate = self.state.gate
        if gate is None:
            raise DecisionError("Nothing waits for a decision now.")
        return await self._decide("answer", "", by=by, note=note, value=self._fitting(gate.node, value))

    async def abort(self, note: str = "", *, by: str = "") -> Due:
        """End the run, once what can be undone is undone."""
        return await self._decide("abort", None, by=by, note=note)

    async def expire(self) -> Due:
        """Nobody answers the gate in time."""
        self.driver.take(Expired(gate=self.gate.id))
        return await self.go_on()

    async def elapse(self) -> Due:
        """The time of a pause passes, where it does not by itself."""
        self.driver.elapse()
        return await self.go_on()

    async def cancel(self) -> Due:
        """Someone cancels the run: its child runs are cancelled with it, and what can be undone is undone."""
        self.driver.cancel()
        return await self.go_on()

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
        due, setting = self.due, self._setting
        assert isinstance(due, Run | Act), f"nothing is due to be performed, but {due}"
        node = self.plan.node(due.node)
        assert isinstance(node, Work)
        code = self._known.code[node.runs]
        if isinstance(due, Act):
            use = node.tool(due.call.tool)
            assert use is not None  # the machine asks for no call that the plan does not grant
            return await act(use, code.tools[use.name], due, store=setting.store)
        event = await perform(
            due,
            self.plan,
            code,
            lineage=self._lineage,
            model=setting.model,
            seed=setting.seed,
            store=setting.store,
        )
        if not isinstance(event, Finished):
            return event
        judges = Judges(due, node, code.definition.declared, code.guards, Threads(), setting.store)
        return joined(node, event, [await judges.one(use, event.output) for use in isolated(node)])

    # -- values ------------------------------------------------------------------------------------

    def _read(self, place: str, data: Json) -> Any:
        known = self._contract(place)
        return known.read(canonical.dumps(data)) if known else data

    def _contract(self, place: str) -> Contract[Any] | None:
        """The contract of a place with its Python type; None where no type is known.

        Two types may have one digest, so it is looked for first where the value is made.
        """
        node = self.plan.node(place) if place in self.plan.index else None
        match node:
            case Work(kind="until"):
                return self._contract(node.reads[0].node)
            case Work():
                return self._known.code[node.runs].definition.declared.result.contract
            case Approval():
                return self._contract(node.value.node)
            case Join():
                return self._contract(node.options[0].node)
            case Loop():
                return self._contract(node.start.node)
            case _:
                return self._setting.contracts.get(self.plan.contract(place))

    def _fitting(self, place: str, value: Any) -> Sealed:
        try:
            return self._sealed(place, value)
        except (ContractError, KeyError) as error:
            raise DecisionError(f"The value does not fit {place}: {error}.") from None

    def _sealed(self, place: str, value: Any) -> Sealed:
        known = self._contract(place) or contract(type(value))
        data: Json = canonical.loads(known.write(value))
        self._known.check(place, data)
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


def _giving(one: T | None) -> Callable[[], T] | None:
    return None if one is None else lambda: one


def _contracts(workflow: Workflow[Any, Any], library: Library) -> Mapping[str, Contract[Any]]:
    """The contracts of Python types that stand at the boundaries of a workflow and of what it starts, by digest."""
    declared = [one.declared for one in library.definitions.values() if not isinstance(one, Ending)]
    found = [param.contract for one in declared for param in (*one.params.values(), one.result)]
    return {one.digest: one for one in (*found, workflow.output, workflow.input)}
