"""The values of a run with their salts, picked up while its history is replayed, and which of them must not leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gatework.machine.admission import private
from gatework.machine.gates import arguments_of
from gatework.plan.plan import Plan, Work
from gatework.run.events import Acted, Begun, Cancelled, Decided, Event, Finished, Returned, Suspended
from gatework.run.held import Held
from gatework.run.journal import Call, Entry
from gatework.run.state import Done, State
from gatework.values.canonical import Sealed


@dataclass(kw_only=True)
class Seen:
    """A value that a run has had."""

    sealed: Sealed
    places: set[str] = field(default_factory=set)
    """The inputs and nodes that had it, gave it, or were answered it."""
    private: bool = False
    """Whether something that must not leave had a hand in it anywhere."""


class Gathering:
    """Sees the values of runs. What is in a receipt by its digest alone is found here."""

    def __init__(self) -> None:
        self.values: dict[str, Seen] = {}
        """By their digests."""
        self._last: tuple[Mapping[str, Held], Mapping[str, Done]] = ({}, {})

    @property
    def places(self) -> set[str]:
        """All inputs and nodes of which there are values."""
        return {place for seen in self.values.values() for place in seen.places}

    def event(self, plan: Plan, state: State, event: Event) -> None:
        """What an event brings to a run that stands there."""
        match event:
            case Begun():
                for name, held in event.inputs.items():
                    self._held(name, held)
            case Finished():
                self._made(plan, state, event.node, event.output)
            case Suspended():
                self._asked(plan, state, event.node, event.entries, event.calls)
            case Acted():
                tool = state.pending[0].tool if state.pending else ""
                self._made(plan, state, event.node, event.result, tool)
            case Returned():
                self._returned(plan, state, event)
            case Cancelled():
                for returned in event.returned:
                    self._returned(plan, state, returned)
            case Decided():
                place = event.place or (state.gate.place if event.action == "edit" and state.gate else "")
                self._made(plan, state, place or plan.steps[state.at].name, event.value)
            case _:
                pass

    def state(self, plan: Plan, state: State) -> None:
        """What a run holds. What it held the last time is not looked at again."""
        values, acts = self._last
        for name, held in state.values.items() if state.values is not values else ():
            if held is not values.get(name):
                self._held(name, held)
        for key, done in state.acts.items() if state.acts is not acts else ():
            if done is not acts.get(key):
                self._made(plan, state, done.node, done.result, done.tool)
        self._last = state.values, state.acts

    def handed_on(self, plan: Plan, state: State) -> None:
        """All that a run begins with that goes on where another was."""
        self.state(plan, state)
        at = plan.steps[state.at].name if state.at < len(plan.steps) else plan.result
        self._made(plan, state, at, state.edited)
        self._asked(plan, state, at, state.journal, state.pending)
        for branch in state.branches.values():
            if branch.held is not None:
                self._held(at, branch.held)
        for work in state.undoable:
            for name, held in work.values.items():
                self._held(name, held)

    def _asked(self, plan: Plan, state: State, name: str, entries: Iterable[Entry], calls: Iterable[Call]) -> None:
        for entry in entries:
            self._made(plan, state, name, entry.data, entry.tool)
        for call in calls:
            self._made(plan, state, name, arguments_of(plan, state, call), call.tool)

    def _returned(self, plan: Plan, state: State, event: Returned) -> None:
        if event.output is not None:
            self._held(event.node, event.output)
            self._made(plan, state, event.node, event.output.sealed)

    def _held(self, name: str, held: Held) -> None:
        self._add(name, held.sealed, hidden=held.private)

    def _made(self, plan: Plan, state: State, name: str, sealed: Sealed | None, tool: str = "") -> None:
        """A value that a node makes, or is answered, from what the run holds."""
        if sealed is None:
            return
        held, hidden = state.values.get(name), False
        if name in plan.index:
            node = plan.node(name)
            use = node.tool(tool) if isinstance(node, Work) else None
            hidden = private(plan, node, state) or (use is not None and use.private)
        elif name in plan.starts:
            hidden = plan.starts[name].private or (held is not None and held.private)
        self._add(name, sealed, hidden=hidden)

    def _add(self, name: str, sealed: Sealed, *, hidden: bool) -> None:
        seen = self.values.setdefault(sealed.digest, Seen(sealed=sealed))
        seen.places.add(name)
        if hidden:
            seen.private = True
