"""What can be sent to a run of a plan with ways, loops and child runs, in each state: what it must take, and not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import get_args

from gatework.plan.expr import Ref
from gatework.plan.plan import Approval, Call, Choice, Join, Loop, Node, Part, Pause, Plan, Question, Work
from gatework.run.budget import Spent
from gatework.run.events import (
    Action,
    Cancelled,
    Decided,
    Elapsed,
    Event,
    Expired,
    OutcomeKind,
    Returned,
)
from gatework.run.state import ALLOWED, Act, Due, Gate, Outcome, Run, Spawn, State, Wait
from gatework.testing.factories import (
    acted,
    begun,
    call,
    decided,
    elapsed,
    failed,
    finished,
    returned,
    sealed,
    suspended,
)
from gatework.values.canonical import Json
from gatework.values.verdict import Word

ACTIONS: tuple[Action, ...] = get_args(Action)
WORDS: tuple[Word, ...] = ("pass", "retry", "block", "escalate")
OTHER = sealed("other")
FORGED = replace(OTHER, data="forged")


def arms(plan: Plan, node: Node) -> list[tuple[str, int]]:
    """The ways inside which a node stands, the innermost first."""
    found, arm = [], node.arm
    while arm is not None:
        found.append((arm.choice, arm.way))
        arm = plan.node(arm.choice).arm
    return found


def passed_over(plan: Plan, state: State, node: Node) -> bool:
    """Whether some choice around a node took another way than that in which it stands."""
    return any(state.marks.get(choice) != way for choice, way in arms(plan, node))


class Menu:
    """The events for one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.other = replace(plan, name="another").digest
        self.places = [plan.input.name, *(node.name for node in plan.nodes)]
        self._numbers, self._kinds, self._lists = set(), set(), set()
        for node in plan.nodes:
            if isinstance(node, Choice) and node.on is not None:
                self._kinds.add(node.on.node)
            elif isinstance(node, Choice):
                self._numbers |= {ref.node for ref in node.reads}
            elif isinstance(node, Call) and node.items is not None:
                self._lists.add(node.items.node)

    def data(self, name: str) -> list[Json]:
        """What a node may give: of what decides something, one value for each way that it may go."""
        if name in self._numbers:
            return [{"n": 1}, {"n": 500}]
        if name in self._kinds:
            return [{"kind": "one"}, {"kind": "two"}]
        if name in self._lists:
            return [[], ["a", "b", "c"]]
        return [{"v": name}]

    # -- honest ------------------------------------------------------------------------------------

    def honest(self, state: State, due: Due) -> Iterator[Event]:
        """Every event that must be taken."""
        if isinstance(due, Outcome):
            return
        if state.ending is None:
            yield from self._cancellations(state, due)
        match due:
            case Run():
                yield from self._results(state, due)
            case Act():
                yield from (acted(due, outcome) for outcome in ("done", "refused", "unknown"))
            case Wait():
                yield elapsed(due)
            case Spawn():
                yield from self.returns(state, due)
            case Gate():
                yield from self._decisions(state, due)

    def _cancellations(self, state: State, due: Due) -> Iterator[Cancelled]:
        yield Cancelled()
        if state.running and state.gate is None:
            spawn = self.spawn(state)
            ends: list[OutcomeKind] = ["cancelled", "completed"]
            for kinds in product(ends, repeat=len(state.running)):
                came = zip(sorted(state.running), kinds, strict=True)
                yield Cancelled(returned=tuple(self._returned(spawn, child, kind) for child, kind in came))

    def spawn(self, state: State) -> Spawn:
        """What the call at hand asks for, whether its runs are to go on or to stop."""
        node = self.plan.steps[state.at]
        return Spawn(plan=state.plan, node=node.name, attempt=state.attempts[node.name], runs=())

    def under_way(self, state: State) -> list[int]:
        """The child runs that may come to something."""
        return [state.undoable[-1].child] if state.ending is not None else sorted(state.running)

    def returns(self, state: State, due: Spawn) -> Iterator[Returned]:
        """What the child runs may come to: the first and the last of those that are under way."""
        under_way = self.under_way(state)
        kinds: tuple[OutcomeKind, ...] = ("completed", "aborted")
        if state.ending is not None:
            kinds = ("undone", "aborted")
        for child in dict.fromkeys((under_way[0], under_way[-1])):
            for kind in kinds:
                yield self._returned(due, child, kind, spent=kind == "aborted" and bool(state.running))

    def _returned(self, due: Spawn, child: int, kind: OutcomeKind, *, spent: bool = False) -> Returned:
        node = self.plan.node(due.node)
        assert isinstance(node, Call)
        acts = bool(node.effects)
        used = Spent(model_calls=1) if spent else Spent()
        event = returned(due, child, {"v": f"{node.name}/{child}"}, kind, acted=acts, spent=used)
        return replace(event, undoable=acts and kind == "completed", reason="" if event.output else f"it {kind}")

    def _results(self, state: State, run: Run) -> Iterator[Event]:
        node = self.plan.node(run.node)
        assert isinstance(node, Work)
        for data in self.data(run.node) if run.edited is None else [None]:
            words_of_one: list[tuple[Word, ...]] = [(word,) for word in WORDS] if node.guards else [()]
            for words in words_of_one:
                yield finished(self.plan, run, data, *words)
        yield failed(run, "error")
        if node.until is None:
            yield failed(run, "contract")
        calls = sum(entry.kind == "tool" for entry in run.journal)
        if node.effects and run.edited is None and not calls:
            yield suspended(self.plan, run, call(node.name))

    def _decisions(self, state: State, gate: Gate) -> Iterator[Event]:
        yield Expired(gate=gate.id)
        for action in ALLOWED[gate.kind]:
            if action == "edit":
                for place in self.places if state.ending is None else [gate.node]:
                    if self.editable(state, place):
                        for data in self.data(place)[-1:]:
                            yield decided(gate, "edit", place=place, value=sealed(data))
            elif action == "answer":
                yield decided(gate, "answer", value=sealed({"v": "answer"}))
            else:
                yield decided(gate, action)

    def editable(self, state: State, place: str) -> bool:
        """Whether a person may give a value: of work or a call that has come, or is due, and of which nothing came."""
        done = {done.node for done in state.acts.values() if done.outcome not in ("refused", "failed")}
        if state.ending is not None:
            return place == self.plan.steps[state.at].name and not isinstance(self.plan.steps[state.at], Call)
        position = self.places.index(place) - 1
        if position >= 0:
            node = self.plan.nodes[position]
            given = isinstance(node, Work) or (isinstance(node, Call) and node.kind != "parallel")
            if not given or position > state.at or passed_over(self.plan, state, node):
                return False
            if node.name in done and position < state.at:
                return False
        return not any(node.name in done for node in self.plan.nodes[position + 1 :])

    # -- hostile -----------------------------------------------------------------------------------

    def hostile(self, state: State, due: Due, past: Sequence[Event]) -> Iterator[Event]:
        """Events that must be refused."""
        yield begun(self.plan)
        yield Expired(gate=state.gates + 1)
        yield from (event for event in past if isinstance(event, Returned | Elapsed) and not self._again(event, due))
        for node in self.plan.steps:
            attempt = state.attempts.get(node.name, 0)
            if isinstance(node, Pause) and not (isinstance(due, Wait) and due.node == node.name):
                yield Elapsed(plan=state.plan, node=node.name, attempt=attempt)
            if isinstance(node, Call) and not (self.waits_for_runs(state) and self.plan.steps[state.at] is node):
                spawn = Spawn(plan=state.plan, node=node.name, attempt=attempt, runs=())
                yield returned(spawn, 0)
                yield returned(spawn, 0, outcome="failed")
            if isinstance(node, Work) and not (isinstance(due, Run) and due.node == node.name):
                run = Run(plan=state.plan, node=node.name, attempt=attempt, inputs={})
                yield failed(run)
                yield finished(self.plan, run, "x")
        match due:
            case Wait():
                good = elapsed(due)
                yield replace(good, attempt=good.attempt + 1)
                yield replace(good, plan=self.other)
            case Spawn():
                yield from self._forged_returns(state, due)
            case Gate():
                yield from self._forged_decisions(state, due)
            case Outcome():
                yield Cancelled()
            case Run():
                yield replace(finished(self.plan, due, "x"), attempt=due.attempt + 1)
                yield replace(finished(self.plan, due, "x"), inputs="0" * 64)
            case _:
                pass
        if not isinstance(due, Gate):
            yield from (Decided(action=action, number="1000", value=OTHER) for action in ACTIONS)

    def _again(self, event: Returned | Elapsed, due: Due) -> bool:
        """Whether an event of before answers what is due now."""
        if isinstance(event, Elapsed):
            return isinstance(due, Wait) and event == elapsed(due)
        same = isinstance(due, Spawn) and (event.node, event.attempt) == (due.node, due.attempt)
        return same and isinstance(due, Spawn) and event.child in {run.child for run in due.runs}

    def waits_for_runs(self, state: State) -> bool:
        """Whether child runs may come to something now."""
        return state.gate is None and state.outcome is None and isinstance(self.plan.steps[state.at], Call)

    def _forged_returns(self, state: State, due: Spawn) -> Iterator[Event]:
        child = self.under_way(state)[0]
        good = returned(due, child, "x")
        if state.ending is None:
            yield replace(good, output=None)
            assert good.output is not None
            yield replace(good, outcome="aborted")
            yield replace(good, output=replace(good.output, sealed=FORGED))
            yield replace(good, spent=Spent(model_calls=-1))
        yield replace(good, child=99)
        yield replace(good, child=-1)
        yield replace(good, attempt=good.attempt - 1)
        yield replace(good, attempt=good.attempt + 1)
        yield replace(good, plan=self.other)
        yield from (replace(good, node=node.name) for node in self.plan.steps if node.name != due.node)
        yield from (replace(good, child=n) for n in state.branches if n not in self.under_way(state))
        if state.ending is None:
            yield Cancelled(returned=(replace(good, child=99),))
            yield Cancelled(returned=(good, good))

    def _forged_decisions(self, state: State, gate: Gate) -> Iterator[Event]:
        stale = f"{int(gate.number) + (1 if gate.number[-1] == '0' else -1)}"
        for action in ACTIONS:
            event = decided(gate, action, value=OTHER, place=gate.node if action == "answer" else "")
            if action not in ALLOWED[gate.kind]:
                yield event
                continue
            yield replace(event, number=stale)
            yield replace(event, evidence="0" * 64)
            if action in ("edit", "answer"):
                yield replace(event, value=None)
                yield replace(event, value=FORGED)
                yield replace(event, place="nowhere")
            if action == "edit":
                for place in self.places:
                    if not self.editable(state, place):
                        yield replace(event, place=place)
        if "approve" in ALLOWED[gate.kind]:
            yield Decided(action="approve")


def sources(plan: Plan, state: State, node: Node) -> set[str]:
    """What a value is made of: what its node reads, and what picked it."""
    read = {ref.node for ref in node.reads}
    match node:
        case Join():
            way = state.marks[node.choice]
            decided: tuple[Ref, ...] = plan.node(node.choice).reads
            return {node.options[way].node, *(ref.node for ref in decided)}
        case Loop() | Pause() | Choice():
            return read if isinstance(node, Loop) else set()
        case Part():
            return {ref.node for ref in plan.node(node.call).reads}
        case Approval() | Question() | Work() | Call():
            return read
