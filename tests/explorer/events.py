"""What can be sent to a run in each state: the honest events, which it must take, and the hostile, which it must not.

Which is which is worked out here from the plan and the state alone, without the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, get_args

from gatework.plan.expr import refs
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, By, Plan, ToolUse, Work
from gatework.run.budget import Spent
from gatework.run.events import (
    Acted,
    ActedOutcome,
    Action,
    Begun,
    Cancelled,
    Decided,
    Event,
    Expired,
    FailureKind,
    Finished,
    Given,
    Stopped,
    Suspended,
)
from gatework.run.journal import Call
from gatework.run.state import Act, Due, Gate, Outcome, Run, State
from gatework.testing.factories import (
    acted,
    answered,
    begun,
    begun_from,
    call,
    called,
    decided,
    failed,
    finished,
    sealed,
    stopped,
    suspended,
)
from gatework.values.canonical import Sealed
from gatework.values.verdict import Word

SMALL, LARGE = 1, 500
FAILURES: tuple[FailureKind, ...] = get_args(FailureKind)
ACTIONS: tuple[Action, ...] = get_args(Action)
DECISIONS: frozenset[Action] = frozenset({"approve", "reject", "edit", "abort"})
LEAVES: frozenset[Action] = frozenset({"approve", "reject", "abort"})
REPAIRS: frozenset[Action] = frozenset({"retry", "edit", "abort"})
VERDICTS: dict[int, list[tuple[Word, ...]]] = {
    0: [()],
    1: [("pass",), ("retry",), ("block",), ("escalate",)],
    2: [("pass", "pass"), ("escalate", "pass"), ("retry", "escalate"), ("retry", "block"), ("block", "pass")],
}

STOPS: list[tuple[Word, ...]] = [("escalate", "pass"), ("pass", "retry"), ("escalate", "block")]
"""What two guards on inputs say that do not let a stage run."""


@cache
def value(n: int, hand: bool) -> Sealed:
    """A value that says whether a person had a hand in it: the search's own record, which the machine never reads."""
    return sealed({"hand": hand, "n": n})


EDITOR, VOTERS = "ana", ("ana", "ben", "cy")
"""Whoever edits, and those who approve where they say who they are."""

OTHER = sealed("other")
FORGED = replace(OTHER, data="forged")


def touched(sealed_: Sealed) -> bool:
    """Whether a person gave a value, or a stage made it of one that a person gave."""
    return isinstance(sealed_.data, dict) and bool(sealed_.data["hand"])


def may(gate: Gate) -> frozenset[Action]:
    """What a person may do at a gate."""
    if gate.kind == "call":
        return LEAVES
    return DECISIONS if gate.kind in ("approval", "escalated") else REPAIRS


def overrides(plan: Plan, gate: Gate) -> By | None:
    """Who may override at a gate, by the plan."""
    node = next(node for node in plan.nodes if node.name == gate.node)
    stopped = gate.kind in ("blocked", "exhausted", "failed", "unknown")
    return node.override if isinstance(node, Work) and stopped else None


def said(name: str, **more: Any) -> Decided:
    """A decision by somebody who says who they are, or by nobody in particular."""
    return Decided(by=name, identity="claimed" if name else "none", **more)


def happened(state: State) -> set[str]:
    """The nodes of which an effect has changed the outside world, or may have."""
    return {done.node for done in state.acts.values() if done.outcome in ("asked", "done", "found", "unknown")}


MINE, OTHERS = 1, 0
"""Amounts of a call: the one, and another within every limit."""


class Menu:
    """The events for one plan.

    An honest attempt makes up to so many `calls`, so that there is an end to what can be reached. With one, it asks at
    once, and with other arguments only where there is a record to ask against.
    """

    def __init__(self, plan: Plan, *, calls: int = 2) -> None:
        self.plan = plan
        self.calls = calls
        self.other = replace(plan, name="another plan").digest
        self._ruled = {
            ref.node for node in plan.nodes if isinstance(node, Approval) and node.when for ref in refs(node.when)
        }

    def amounts(self, name: str) -> tuple[int, ...]:
        """The amounts that a value takes: two where a rule tells them apart."""
        return (SMALL, LARGE) if name in self._ruled else (SMALL,)

    # -- honest ------------------------------------------------------------------------------------

    def honest(self, state: State, due: Due) -> Iterator[Event]:
        """Every event that must be taken."""
        if isinstance(due, Outcome):
            return
        yield Cancelled()
        if isinstance(due, Run):
            yield from self._results(state, due)
            return
        if isinstance(due, Act):
            yield from (acted(due, outcome) for outcome in self.outcomes(due))
            return
        assert isinstance(due, Gate)
        yield Expired(gate=due.id)
        numbered = due.number
        name = "" if due.by.identity == "none" else VOTERS[-1]
        for action in sorted(may(due) - {"edit"}):
            if action == "approve":
                yield from self._approvals(state, due)
                continue
            yield said(name, action=action, number=numbered)
            if action in ("reject", "abort") or (action == "retry" and not self.in_doubt(due)):
                yield said(name, action=action)
        if due.kind == "approval" and due.id == 1 and self._approval(due).click:
            yield Decided(action="approve")
        yield from self._overrides(state, due)
        for place in self._places(state) if "edit" in may(due) else ():
            if self.editable(state, place):
                for amount in self.amounts(place):
                    yield said(EDITOR, action="edit", number=numbered, place=place, value=value(amount, True))

    def _overrides(self, state: State, gate: Gate) -> Iterator[Decided]:
        """What lets an output on that is in question; and, where one alone may override, a value in place of it."""
        by = overrides(self.plan, gate)
        if by is None:
            return
        for name in self.approvers(state, gate) if by.quorum > 1 else (EDITOR,):
            if gate.candidate is not None and not (by.quorum > 1 and state.edited is not None and name == EDITOR):
                yield said(name, action="override", number=gate.number, note="known")
        if by.quorum == 1 and self.editable(state, gate.node):
            for amount in self.amounts(gate.node):
                given = value(amount, True)
                yield said(EDITOR, action="override", number=gate.full_number, note="known", value=given)

    def _approvals(self, state: State, gate: Gate) -> Iterator[Decided]:
        """Everyone who may approve, by either number; where nobody needs to say who they are, somebody."""
        if gate.by.identity == "none":
            yield Decided(action="approve", number=gate.number)
            return
        for name in self.approvers(state, gate):
            yield said(name, action="approve", number=gate.full_number if gate.votes else gate.number)

    def approvers(self, state: State, gate: Gate) -> list[str]:
        """Who may approve where people say who they are: nobody twice, and nobody what they edited."""
        edited = any(held.by_hand for held in state.values.values())
        return [
            name for name in VOTERS if not (edited and name == EDITOR) and all(vote.by != name for vote in gate.votes)
        ]

    def told_apart(self, place: str) -> bool:
        """Whether people are told from each other at an approval that may rest on the value of a place."""
        after = self.plan.nodes[self.plan.index.get(place, 0) :]
        return any(isinstance(node, Approval) and node.by.quorum > 1 for node in after)

    def _results(self, state: State, run: Run) -> Iterator[Event]:
        node = self._work(run.node)
        if node.before and run.edited is None and not run.let_in:
            for words in STOPS:
                yield stopped(self.plan, run, *words)
        hand = any(touched(sealed_) and not self._vouched(name) for name, sealed_ in self._read(state, node))
        for amount in (SMALL,) if run.edited else self.amounts(run.node):
            for words in VERDICTS[len(node.guards)]:
                event = finished(self.plan, run, "", *words)
                if run.edited is None:
                    # What a guard turned down is held only where a person overrides it, and then by their hand.
                    turned_down = node.override is not None and not {"block", "retry"}.isdisjoint(words)
                    output = value(amount, (hand or turned_down) and node.kind == "stage")
                    verdicts = tuple(replace(given, on=output.digest) for given in event.verdicts)
                    event = replace(event, output=output, verdicts=verdicts)
                yield event
        for failure in FAILURES:
            yield failed(run, failure)
        if run.allowance.model_calls and node.budget is not None and run.edited is None:
            yield failed(run, "contract", spent=Spent(model_calls=run.allowance.model_calls))
        if run.edited is None:
            yield from self._suspensions(state, run, node)

    def _suspensions(self, state: State, run: Run, node: Work) -> Iterator[Suspended]:
        """An attempt that stands still: with an answer to keep, with a call, with the same call twice."""
        calls = sum(entry.kind == "tool" for entry in run.journal)
        if not node.tools or calls >= self.calls:
            return
        few = self.calls == 1
        if run.journal == () and run.allowance.model_calls and not few:
            spent = Spent(model_calls=1)
            yield suspended(self.plan, run, entries=[answered()], spent=spent if node.budget else None)
        for use in node.tools:
            if not use.apart:
                yield suspended(self.plan, run, entries=[called(node.name, use.name, number=calls)])
                continue
            left = run.allowance.tool_calls.get(use.name, self.calls)
            one = self.call(node, use, MINE, calls)
            if left >= 1:
                yield suspended(self.plan, run, one)
                if not few or node.name in happened(state):
                    yield suspended(self.plan, run, self.call(node, use, OTHERS, calls))
            if left >= self.calls and not calls and not few:
                yield suspended(self.plan, run, one, self.call(node, use, MINE, calls + 1))

    def call(self, node: Work, use: ToolUse, amount: int, number: int) -> Call:
        """A call of a tool; a model makes those of effects that can be asked about, or that an approver lets happen."""
        by_model = use.probe or bool(use.approver)
        return call(
            node.name, use.name, order=7, amount=amount, effect=use.kind == "effect", by_model=by_model, number=number
        )

    def outcomes(self, act: Act) -> tuple[ActedOutcome, ...]:
        """What may become of a call."""
        use = self.use(act)
        found: tuple[ActedOutcome, ...] = ("found",) if use.probe else ()
        return ("done", *found, "refused", "failed", "unknown")

    def use(self, act: Act) -> ToolUse:
        """How the plan grants the call that is due."""
        return next(use for use in self._work(act.node).tools if use.name == act.call.tool)

    def in_doubt(self, gate: Gate) -> bool:
        """Whether a retry at a gate needs the number: an effect may happen twice, and no probe would tell."""
        if gate.kind != "unknown":
            return False
        tools = self._work(gate.node).tools
        return gate.call is None or not any(use.name == gate.call.tool and use.probe for use in tools)

    def _places(self, state: State) -> list[str]:
        return [self.plan.input.name, *(node.name for node in self.plan.nodes)]

    def editable(self, state: State, place: str) -> bool:
        """Whether a person may replace a value: it is there or due, it is no approval, and no effect came of it."""
        position = self._places(state).index(place) - 1
        if position > state.at:
            return False
        nodes = self.plan.nodes
        done = happened(state)
        if position >= 0:
            node = nodes[position]
            if isinstance(node, Approval) or (node.name in done and position < state.at):
                return False
        return not any(node.name in done for node in nodes[position + 1 :])

    # -- hostile -----------------------------------------------------------------------------------

    def hostile(self, state: State, due: Due, past: Sequence[Event]) -> Iterator[Event]:
        """Events that must be refused: forged, stale, out of order, and for what is not due."""
        # A retry may be sent without the number where no effect is in doubt, and then counts at any such gate.
        # A call that is due once more may end as it ended before.
        yield from (
            event
            for event in past
            if not (isinstance(event, Decided) and not event.number)
            and not (isinstance(event, Acted) and isinstance(due, Act) and event.call == due.call.id)
        )
        yield begun(self.plan)
        for gate in range(state.gates + 2):
            if not (isinstance(due, Gate) and due.id == gate):
                yield Expired(gate=gate)
        if isinstance(due, Run):
            yield from self._forged_results(due)
            yield from self._forged_suspensions(state, due)
            yield from self._results_of_calls(state)
            yield from (Decided(action=action, number="1000", value=OTHER) for action in ACTIONS)
        elif isinstance(due, Act):
            yield from self._forged_outcomes(due)
            yield from self._results_at_gate(state)
            yield from (Decided(action=action, number="1000", value=OTHER) for action in ACTIONS)
        elif isinstance(due, Gate):
            yield from self._results_at_gate(state)
            yield from self._results_of_calls(state)
            yield from self._forged_decisions(state, due)
        else:
            yield Cancelled()
            yield from (Decided(action=action, number="1000", value=OTHER) for action in ACTIONS)

    def _forged_results(self, run: Run) -> Iterator[Event]:
        node = self._work(run.node)
        good = finished(self.plan, run)
        if run.edited is None:
            output = value(SMALL, False)
            good = replace(good, output=output, verdicts=tuple(replace(v, on=output.digest) for v in good.verdicts))
        wrong: list[dict[str, Any]] = [
            {"plan": self.other},
            {"attempt": run.attempt - 1},
            {"attempt": run.attempt + 1},
            {"inputs": "0" * 64},
            *({"node": other.name} for other in self.plan.nodes if other.name != run.node),
        ]
        for changes in wrong:
            yield replace(good, **changes)
            yield replace(failed(run, "timeout"), **changes)
        yield replace(good, contract=self.plan.input.contract)
        yield replace(good, output=replace(good.output, data="forged"))
        if run.edited is not None:
            yield replace(good, output=OTHER, verdicts=tuple(replace(v, on=OTHER.digest) for v in good.verdicts))
        yield from self._forged_verdicts(good)
        if not node.guards:
            stray = finished(self.plan, run).output
            yield replace(good, verdicts=(_given("g", stray),))
        if node.before:
            yield from self._forged_admissions(run, good)
        else:
            yield replace(good, before=(_given("b", good.output),))
            yield Stopped(plan=run.plan, node=run.node, attempt=run.attempt, inputs=run.inputs_digest, verdicts=())

    def _forged_admissions(self, run: Run, good: Finished) -> Iterator[Event]:
        """Results of work that the guards on inputs did not let run, or were not asked about."""
        let_run = replace(run, let_in=False, edited=None)
        asked = finished(self.plan, let_run).before
        stops = [stopped(self.plan, let_run, *words) for words in STOPS]
        yield from (replace(good, before=stop.verdicts) for stop in stops)
        yield stopped(self.plan, let_run)
        if run.let_in or run.edited is not None:
            yield replace(good, before=asked)
            yield from stops
            return
        yield replace(good, before=())
        for i in range(len(asked)):
            others = (*asked[:i], replace(asked[i], on="0" * 64), *asked[i + 1 :])
            yield replace(good, before=others)
            yield replace(good, before=asked[:i] + asked[i + 1 :])
            yield replace(good, before=(*asked[:i], replace(asked[i], guard="k"), *asked[i + 1 :]))
        yield replace(good, before=asked[::-1])
        yield replace(stops[0], verdicts=stops[0].verdicts[::-1])
        yield replace(stops[0], verdicts=tuple(replace(given, on=good.output.digest) for given in stops[0].verdicts))
        for changes in ({"plan": self.other}, {"attempt": run.attempt + 1}, {"inputs": "0" * 64}):
            yield replace(stops[0], **changes)

    def _forged_verdicts(self, good: Finished) -> Iterator[Event]:
        given = good.verdicts
        for i in range(len(given)):
            yield replace(good, verdicts=given[:i] + given[i + 1 :])
            yield replace(good, verdicts=(*given, given[i]))
            yield replace(good, verdicts=(*given[:i], replace(given[i], on=OTHER.digest), *given[i + 1 :]))
            yield replace(good, verdicts=(*given[:i], replace(given[i], guard="k"), *given[i + 1 :]))
            word: Any = "approve"
            yield replace(good, verdicts=(*given[:i], replace(given[i], verdict=word), *given[i + 1 :]))
        if len(given) > 1:
            yield replace(good, verdicts=given[::-1])
            yield replace(good, verdicts=(given[0],) * len(given))

    def _forged_suspensions(self, state: State, run: Run) -> Iterator[Event]:
        """Suspensions of another turn, with calls that the plan does not let happen, with answers that nobody gave."""
        node = self._work(run.node)
        turn = len(run.journal)
        number = turn + 10
        good = suspended(self.plan, run, entries=[answered("kept")])
        yield from (replace(good, turn=wrong) for wrong in (turn - 1, turn + 1))
        yield replace(good, entries=())
        if run.edited is not None:
            yield good
        wrong: list[dict[str, Any]] = [
            {"plan": self.other},
            {"attempt": run.attempt - 1},
            {"attempt": run.attempt + 1},
            {"inputs": "0" * 64},
            {"spent": Spent(model_calls=-1)},
            *({"node": other.name} for other in self.plan.nodes if other.name != run.node),
        ]
        yield from (replace(good, **changes) for changes in wrong)
        if node.before and not run.let_in:
            yield replace(good, before=())
        made_up = call(node.name, "send_money", number=number)
        yield suspended(self.plan, run, made_up)
        yield suspended(self.plan, run, entries=[called(node.name, "send_money", number=number)])
        yield suspended(self.plan, run, entries=[answered("kept"), answered("kept")])
        yield suspended(self.plan, run, entries=[replace(answered("kept"), data=FORGED)])
        yield from (suspended(self.plan, run, entries=[entry]) for entry in run.journal[:1])
        for use in node.tools:
            one = self.call(node, use, MINE, number)
            if not use.apart:
                yield suspended(self.plan, run, one)
                yield suspended(self.plan, run, entries=[called(node.name, use.name, number=number)], spent=Spent())
                continue
            yield suspended(self.plan, run, one, spent=Spent())
            yield suspended(self.plan, run, one, one)
            yield suspended(self.plan, run, replace(one, id="mine"))
            yield suspended(self.plan, run, replace(one, key="" if one.key else "0" * 64))
            yield suspended(self.plan, run, entries=[called(node.name, use.name, number=number)])
            for entry in run.journal:
                if entry.tool == use.name:
                    yield suspended(self.plan, run, replace(one, id=entry.id))
            for key, done in state.acts.items():
                if done.node != node.name:
                    yield suspended(self.plan, run, replace(one, key=key))
            if use.limits:
                yield suspended(self.plan, run, self.call(node, use, LARGE + 1, number))
                yield suspended(self.plan, run, one, self.call(node, use, LARGE + 1, number + 1))
                yield suspended(self.plan, run, *(self.call(node, use, MINE, number + more) for more in range(3)))

    def _forged_outcomes(self, act: Act) -> Iterator[Event]:
        """Ends of a call that it cannot come to, or that are those of another call."""
        good = acted(act)
        wrong: list[dict[str, Any]] = [
            {"plan": self.other},
            {"attempt": act.attempt - 1},
            {"attempt": act.attempt + 1},
            {"call": "0" * 64},
            {"result": None},
            {"result": FORGED},
            {"outcome": "refused"},
            {"outcome": "failed"},
            {"outcome": "unknown"},
            *({"node": other.name} for other in self.plan.nodes if other.name != act.node),
        ]
        yield from (replace(good, **changes) for changes in wrong)
        if not self.use(act).probe:
            yield acted(act, "found")

    def _results_of_calls(self, state: State) -> Iterator[Event]:
        """Ends of calls where none is due: of those that wait for leave, of those that might be asked for."""
        for node in self.plan.nodes:
            if isinstance(node, Work):
                for use in node.tools:
                    asked = (self.call(node, use, MINE, 0), *state.pending)
                    for one in asked:
                        attempt = state.attempts.get(node.name, 0)
                        yield acted(Act(plan=state.plan, node=node.name, attempt=attempt, call=one))

    def _results_at_gate(self, state: State) -> Iterator[Event]:
        """Results as they would be if the gate, or the call, were not there."""
        for node in self.plan.nodes:
            if isinstance(node, Work):
                attempt = state.attempts.get(node.name, 0)
                run = Run(plan=state.plan, node=node.name, attempt=attempt, inputs={}, journal=state.journal)
                if state.at < len(self.plan.nodes) and self.plan.nodes[state.at] is node:
                    run = replace(run, inputs=self._inputs(state, node))
                yield finished(self.plan, run)
                yield failed(run)
                yield suspended(self.plan, run, entries=[answered("kept")])
                if node.before:
                    yield stopped(self.plan, run, "block", "pass")

    def _forged_decisions(self, state: State, gate: Gate) -> Iterator[Event]:
        stale = f"{int(gate.number) + (1 if gate.number[-1] == '0' else -1)}"
        allowed = may(gate)
        place = next((name for name in self._places(state) if self.editable(state, name)), self.plan.input.name)
        for action in ACTIONS:
            event = decided(gate, action, value=OTHER, place=place)
            if action not in allowed:
                yield event
                continue
            yield replace(event, number=stale)
            yield replace(event, evidence="0" * 64)
            yield replace(event, member=False)
            yield replace(event, by="")
            yield replace(event, identity="none")
            if gate.by.identity != "none":
                yield replace(event, by="", identity="none")
        if "approve" in allowed and not (gate.kind == "approval" and gate.id == 1 and self._approval(gate).click):
            yield Decided(action="approve")
            yield Decided(action="approve", evidence=gate.evidence)
        if self.in_doubt(gate):
            yield Decided(action="retry")
        yield from self._forged_overrides(state, gate, stale)
        if gate.by.identity != "none":
            good = self.approvers(state, gate)
            for name in VOTERS:
                if name not in good:
                    yield said(name, action="approve", number=gate.number)
                    yield said(f" {name.upper()}\u200b", action="approve", number=gate.full_number)
        if "edit" in allowed:
            for name in self._places(state):
                if self.editable(state, name) and self.told_apart(name):
                    yield Decided(action="edit", number=gate.number, place=name, value=value(SMALL, True))
        for name in self._places(state):
            if not self.editable(state, name):
                yield decided(gate, "edit", place=name, value=OTHER)
        yield decided(gate, "edit", place="nowhere", value=OTHER)
        yield decided(gate, "edit", place=place)
        yield decided(gate, "edit", place=place, value=FORGED)

    def _forged_overrides(self, state: State, gate: Gate, stale: str) -> Iterator[Decided]:
        by = overrides(self.plan, gate)
        good = said(VOTERS[-1], action="override", number=gate.number, note="known")
        if by is None:
            yield good
            yield replace(good, value=OTHER)
            return
        good = replace(good, value=value(SMALL, True)) if gate.candidate is None else good
        yield from (replace(good, note=note) for note in ("", " "))
        yield from (replace(good, number=number) for number in ("", stale))
        yield from (replace(good, evidence="0" * 64), replace(good, member=False), replace(good, value=FORGED))
        yield from (replace(good, by="", identity="none"), replace(good, by=""), replace(good, identity="none"))
        yield from (replace(good, place=name) for name in self._places(state) if name != gate.node)
        if gate.candidate is None:
            yield replace(good, value=None)
        if by.quorum > 1:
            yield replace(good, value=value(SMALL, True))
            yield from (replace(good, by=f" {vote.by.upper()}\u200b") for vote in gate.votes)
            if state.edited is not None:
                yield replace(good, by=EDITOR)

    # -- the plan ----------------------------------------------------------------------------------

    def _work(self, name: str) -> Work:
        node = next(node for node in self.plan.nodes if node.name == name)
        assert isinstance(node, Work)
        return node

    def _approval(self, gate: Gate) -> Approval:
        node = next(node for node in self.plan.nodes if node.name == gate.node)
        assert isinstance(node, Approval)
        return node

    def _vouched(self, name: str) -> bool:
        return self.plan.label(name) is Label.APPROVED

    def _inputs(self, state: State, node: Work) -> dict[str, Sealed]:
        return {
            param.name: state.values[ref.node].sealed
            for param, ref in zip(node.params, node.reads, strict=False)
            if ref.node in state.values
        }

    def _read(self, state: State, node: Work) -> list[tuple[str, Sealed]]:
        return [(ref.node, state.values[ref.node].sealed) for ref in node.reads]


def beginnings(menu: Menu) -> Iterator[Begun]:
    """The ways in which a run may begin."""
    for amount in menu.amounts(menu.plan.input.name):
        yield begun_from(menu.plan, value(amount, False))


def forged_beginnings(menu: Menu) -> Iterator[Event]:
    """Events that must not begin a run."""
    start = value(SMALL, False)
    yield replace(begun_from(menu.plan, start), plan=menu.other)
    yield begun_from(menu.plan, FORGED)
    yield Cancelled()
    yield Expired(gate=0)
    yield from (Decided(action=action, value=OTHER) for action in ACTIONS)
    for node in menu.plan.nodes:
        run = Run(plan=menu.plan.digest, node=node.name, attempt=0, inputs={})
        if isinstance(node, Work):
            yield finished(menu.plan, run)
            yield failed(run)
            yield suspended(menu.plan, run, entries=[answered()])
            yield from (
                acted(Act(plan=run.plan, node=node.name, attempt=0, call=menu.call(node, use, MINE, 0)))
                for use in node.tools
            )


def _given(guard: str, on: Sealed) -> Given:
    return Given(guard=guard, on=on.digest, verdict="pass")
