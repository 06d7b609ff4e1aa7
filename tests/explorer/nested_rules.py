"""What must be true of every transition of a run with ways, loops and child runs, judged without the machine's help."""

from __future__ import annotations

from gatework.plan.expr import Compare, Const
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Call, Choice, Join, Loop, Node, Part, Pause, Plan, Question, Work
from gatework.run.events import Cancelled, Decided, Elapsed, Event, Expired, Returned
from gatework.run.state import Act, Due, Gate, Outcome, Receipt, Run, Spawn, State, Wait
from tests.explorer.nested_events import passed_over, sources
from tests.explorer.rules import Broken

Receipts = tuple[Receipt, ...]

GIVES: dict[type, set[str]] = {
    Work: {"output", "decided"},
    Approval: {"decided", "approved"},
    Question: {"decided"},
    Join: {"joined"},
    Loop: {"round"},
    Call: {"gathered", "decided"},
    Part: {"joined"},
}
"""Kind of node → the receipts for which it holds a value."""


class Rules:
    """The rules for one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def transition(
        self, before: State, was: Due | None, event: Event, after: State, due: Due, receipts: Receipts
    ) -> None:
        """Judge one accepted event. Raises `Broken`."""
        _hold(bool(receipts) or isinstance(was, Spawn), "what is accepted leaves a receipt")
        self._order(after, due)
        self._ways(before, after, receipts)
        self._values(before, event, after, receipts)
        self._dropped(before, event, after, receipts)
        self._children(before, event, after, due, receipts)
        self._budget(before, event, after)
        self._undone(before, was, event, after, due)
        _hold(after.gates >= before.gates, "gates are counted")
        for name, number in before.attempts.items():
            _hold(after.attempts[name] >= number, "the number of an attempt is never used again")
        if isinstance(due, Outcome):
            self._ended(after, due)

    # -- order, ways -------------------------------------------------------------------------------

    def _come(self, state: State, node: Node) -> bool:
        return node.name in state.values or node.name in state.marks

    def _order(self, state: State, due: Due) -> None:
        if isinstance(due, Outcome) or state.ending is not None:
            return
        here = self.plan.index[due.node]
        node = self.plan.nodes[here]
        _hold(not passed_over(self.plan, state, node), "nothing is due in a way that was not taken")
        _hold(not self._come(state, node), "what is due has come to nothing yet")
        for ahead in self.plan.nodes[:here]:
            settled = self._come(state, ahead) or passed_over(self.plan, state, ahead)
            _hold(settled, f"{due.node} is due after all that is ahead of it")
        for later in self.plan.nodes[here:]:
            _hold(not self._come(state, later), "nothing is held of what comes later")
        for other in self.plan.undos:
            _hold(not self._come(state, other), "nothing is undone while the run goes on")
        if isinstance(due, Run) and isinstance(node, Work):
            given = {
                param.name: state.values[ref.node].sealed for param, ref in zip(node.params, node.reads, strict=False)
            }
            _hold(dict(due.inputs) == given, "inputs are the values that are held")
            if node.effects:
                labels = {state.values[ref.node].label for ref in node.reads}
                _hold(Label.UNTRUSTED not in labels, "untrusted data reaches no effect")
        if isinstance(due, Wait):
            _hold(isinstance(node, Pause) and due.seconds == node.seconds, "a pause waits for as long as the plan says")

    def _ways(self, before: State, after: State, receipts: Receipts) -> None:
        for node in self.plan.nodes:
            # What an undo looks at is there again once a run ends.
            if passed_over(self.plan, after, node) and after.ending is None:
                _hold(not self._come(after, node), "what stands in a way that was not taken is nowhere")
            if not isinstance(node, Choice) or node.name not in after.marks:
                continue
            _hold(after.marks[node.name] == self._way(node, after), "a choice takes the way that its value says")
            fresh = [receipt for receipt in receipts if receipt.kind == "chose" and receipt.node == node.name]
            if before.marks.get(node.name) != after.marks[node.name]:
                _hold([r.action for r in fresh] == [str(after.marks[node.name])], "a choice leaves a receipt")

    def _way(self, node: Choice, state: State) -> int:
        if node.on is not None:
            tag = state.values[node.on.node].sealed.data["kind"]
            return next(way for way, tags in enumerate(node.ways) if tag in tags)
        assert isinstance(node.when, Compare)
        left, right = node.when.left, node.when.right
        assert not isinstance(left, Const)
        assert isinstance(right, Const)
        return 0 if state.values[left.node].sealed.data["n"] > right.data else 1

    # -- values ------------------------------------------------------------------------------------

    def _values(self, before: State, event: Event, after: State, receipts: Receipts) -> None:
        for name, held in after.values.items():
            if before.values.get(name) is held or name in self.plan.starts:
                continue
            if after.ending is not None and any(
                held is kept for one in before.undoable for kept in one.values.values()
            ):
                continue
            node = self.plan.node(name)
            mine = [
                r for r in receipts if r.node == name and r.output == held.sealed.digest and r.kind in GIVES[type(node)]
            ]
            _hold(len(mine) == 1, f"{name} is held for one receipt")
            _hold(held.label is self.plan.label(name) and held.sealed.intact, "a value has the label of the plan")
            self._given(node, event, after)
        for name, mark in after.marks.items():
            node = self.plan.node(name)
            if before.marks.get(name) == mark:
                continue
            kind = {Choice: "chose", Loop: "round", Pause: "waited", Call: "gathered"}[type(node)]
            _hold(
                sum(r.node == name and r.kind == kind for r in receipts) == 1, "what comes of a node leaves a receipt"
            )
            if isinstance(node, Pause):
                _hold(isinstance(event, Elapsed), "a pause is over when its time is")

    def _given(self, node: Node, event: Event, after: State) -> None:
        held = after.values[node.name]
        match node:
            case Join():
                taken = node.options[after.marks[node.choice]].node
                _hold(held.sealed is after.values[taken].sealed, "a join gives what the way gave that was taken")
            case Approval():
                _hold(
                    held.sealed is after.values[node.value.node].sealed, "an approval is for the value that was shown"
                )
            case Question():
                answered = isinstance(event, Decided) and event.action == "answer" and event.value == held.sealed
                _hold(answered, "a question has what a person answered")
            case Loop() if after.marks[node.name] == 1:
                _hold(held.sealed is after.values[node.start.node].sealed, "the first round starts from what is given")
            case Work() if node.until and not held.by_hand:
                _hold(held.sealed == after.values[node.reads[0].node].sealed, "a loop gives what its last round gave")
            case _:
                pass

    def _dropped(self, before: State, event: Event, after: State, receipts: Receipts) -> None:
        """Only an edit and another round drop anything, and nothing stays that was computed from it."""
        if after.ending is not None:
            return
        changed = {name for name in before.values if after.values.get(name) is not before.values[name]}
        changed |= {name for name in before.marks if after.marks.get(name) != before.marks[name]}
        if not changed:
            return
        edited = isinstance(event, Decided) and event.action == "edit"
        rounds = [n for n in before.marks if n in after.marks and after.marks[n] > before.marks[n] and self._is_loop(n)]
        if not edited:
            _hold(len(rounds) == 1, "only an edit and another round drop anything")
            self._round(rounds[0], before, after, changed)
        for node in self.plan.nodes:
            kept = node.name in before.values and after.values.get(node.name) is before.values[node.name]
            if kept and not (isinstance(node, Loop) and after.marks[node.name] > 1):
                _hold(
                    changed.isdisjoint(sources(self.plan, after, node)), f"{node.name} is not made of what was dropped"
                )

    def _is_loop(self, name: str) -> bool:
        return isinstance(self.plan.node(name), Loop)

    def _round(self, loop: str, before: State, after: State, changed: set[str]) -> None:
        end = next(n for n in self.plan.nodes if isinstance(n, Work) and n.until and n.until.loop == loop)
        inside = {node.name for node in self.plan.nodes[self.plan.index[loop] : self.plan.index[end.name] + 1]}
        _hold(changed <= inside, "another round leaves what is outside of its loop")
        _hold(after.marks[loop] == before.marks[loop] + 1, "rounds are counted")
        gave = before.values[end.reads[0].node].sealed
        _hold(after.values[loop].sealed is gave, "a round starts from what the last one gave")
        assert end.until is not None
        if end.until.spent == "accept":
            _hold(after.marks[loop] <= end.until.rounds, "there are no more rounds than the plan says")

    # -- child runs --------------------------------------------------------------------------------

    def _children(self, before: State, event: Event, after: State, due: Due, receipts: Receipts) -> None:
        if isinstance(due, Spawn) and after.ending is None:
            node = self.plan.node(due.node)
            assert isinstance(node, Call)
            numbers = [run.child for run in due.runs]
            _hold(len(after.running) <= node.at_most, "no more child runs are under way than may be")
            _hold(numbers == sorted(set(numbers)) and set(numbers) <= set(after.running), "each child run is one")
            _hold(not set(numbers) & set(after.branches), "what has come to something is not under way")
            stops = node.failed == "stop" and any(b.held is None for b in after.branches.values())
            _hold(not (stops and numbers), "where the first failure stops, nothing goes on after it")
            _hold(stops or bool(numbers), "child runs are waited for that are under way")
            for run in due.runs:
                items = after.values[node.items.node].sealed.data if node.items else []
                for param in node.children[0 if node.items else run.child].params:
                    value = run.inputs[param.name].sealed
                    item = items[run.child] if param.name == node.item else None
                    source = param.source
                    assert not isinstance(source, Const)
                    wanted = item if param.name == node.item else after.values[source.node].sealed.data
                    _hold(value.data == wanted and value.intact, "a child run starts from what is held")
        for receipt in receipts:
            if receipt.kind == "called":
                _hold(receipt.how["child"] in after.running, "a child run that is called is under way")
            if receipt.kind == "gathered" and receipt.output:
                self._gathered(before, event, after, receipt.node)
        if isinstance(event, Returned) and after.ending is None and before.ending is None:
            here = (after.at, after.attempts) == (before.at, before.attempts)
            _hold(event.child in before.running, "a child run comes to something that is under way")
            _hold(not (here and event.child in after.running), "a child run comes to one thing")
            for number, branch in after.branches.items():
                _hold(
                    branch is before.branches.get(number) or number == event.child, "what a run came to stays its own"
                )
            came = after.branches.get(event.child)
            said = event.outcome, event.output
            _hold(came is None or not here or (came.outcome, came.held) == said, "a run came to what it says")

    def _gathered(self, before: State, event: Event, after: State, name: str) -> None:
        node = self.plan.node(name)
        assert isinstance(node, Call)
        gave = {n: b.held.sealed.data for n, b in before.branches.items() if b.held}
        if isinstance(event, Returned) and event.node == name and event.output:
            gave[event.child] = event.output.sealed.data
        in_order = [gave[n] for n in sorted(gave)] if before.at == self.plan.index[name] else []
        data = after.values[name].sealed.data
        if node.kind == "call":
            _hold([data] == in_order, "a call gives what its run gave")
            return
        many = len(after.values[node.items.node].sealed.data) if node.items else 0
        if node.failed == "collect":
            _hold(data["values"] == in_order, "what runs gave stands in the order of the items")
            _hold(len(data["values"]) + len(data["failed"]) == many, "each item came to a value, or to a failure")
        else:
            _hold(data == in_order and len(data) == many, "what runs gave stands in the order of the items")

    def _budget(self, before: State, event: Event, after: State) -> None:
        assert self.plan.budget is not None
        most = self.plan.budget.model_calls or 0
        spent = sum(one.model_calls for one in after.spent.values())
        aside = sum(room.model_calls or 0 for room in after.running.values())
        _hold(spent + aside <= most, "what is spent and set aside is no more than the budget")
        told = event.returned if isinstance(event, Cancelled) else (event,) if isinstance(event, Returned) else ()
        was = sum(one.model_calls for one in before.spent.values())
        _hold(spent == was + sum(one.spent.model_calls for one in told), "what child runs spent is counted")

    # -- the end -----------------------------------------------------------------------------------

    def _undone(self, before: State, was: Due | None, event: Event, after: State, due: Due) -> None:
        log, now = before.undoable, after.undoable
        if before.ending is None:
            told = event.returned if isinstance(event, Cancelled) else (event,) if isinstance(event, Returned) else ()
            done = [(one.node, one.child) for one in told if one.undoable and one.output]
            new = now[len(log) :] if len(now) >= len(log) else ()
            if after.ending is None:
                _hold(now[: len(log)] == log, "what was done stays to be undone")
                _hold([(o.undo, o.child) for o in new if o.run] == done, "a child run is undone by itself")
                works = [one for one in new if not one.run]
                held = {
                    n.undo for n in self.plan.nodes if isinstance(n, Work) and n.undo and self._new(before, after, n)
                }
                _hold({one.undo for one in works} == held and len(works) == len(held), "what was done can be undone")
                for one in works:
                    for name, value in one.values.items():
                        _hold(after.values[name] is value, "an undo looks at what there was when it was done")
                return
            _hold(now[: len(log)] == log and len(now) == len(log) + len(done), "an end undoes all that was done")
        else:
            _hold(after.ending == before.ending, "how a run ends stays as it was said")
            _hold(now in (log, log[:-1]), "one thing is undone at a time, the last one first")
            if now != log:
                left = isinstance(event, Decided) and event.action in ("abort", "reject")
                back = isinstance(event, Returned) and event.outcome == "undone"
                name = log[-1].undo
                came = after.values.get(name) is not before.values.get(name) or isinstance(due, Outcome)
                _hold(left or back or isinstance(event, Expired) or came, "an undo is over when it is done or left")
        if after.ending is not None and not isinstance(due, Outcome):
            _hold(bool(now) and due.node == now[-1].undo, "the last thing that was done is undone first")
            if isinstance(due, Run):
                node = self.plan.node(due.node)
                assert isinstance(node, Work)
                for param, ref in zip(node.params, node.reads, strict=True):
                    _hold(due.inputs[param.name] == now[-1].values[ref.node].sealed, "an undo takes what there was")
            if isinstance(due, Spawn):
                _hold([run.undoes for run in due.runs] == [now[-1].run], "a child run takes itself back")

    def _new(self, before: State, after: State, node: Node) -> bool:
        return node.name in after.values and after.values[node.name] is not before.values.get(node.name)

    def _ended(self, state: State, due: Outcome) -> None:
        if due.kind == "completed":
            for node in self.plan.nodes:
                settled = self._come(state, node) or passed_over(self.plan, state, node)
                _hold(settled, "a run completes when nothing is left to do")
            _hold(self.plan.result in state.values, "a run completes with its result")
        else:
            _hold(not state.undoable, "a run has ended when all is undone that can be")
            _hold(state.ending in (None, due), "a run ends as it was said before it was undone")


def waits(due: Due) -> bool:
    """Whether a run waits for somebody or something, as it must unless it has ended."""
    return isinstance(due, Run | Act | Wait | Spawn | Gate)


def _hold(holds: bool, rule: str) -> None:
    if not holds:
        raise Broken(f"This does not hold: {rule}.")
