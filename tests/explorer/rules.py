"""What must be true of every transition, judged from the plan, the states around it and its receipts alone.

Nothing of `gatework.machine` is used here: labels, rules of approvals and what a person touched are worked out anew.
"""

from __future__ import annotations

from gatework.events import Decided, Event, Failed, Finished
from gatework.expr import Compare, Const
from gatework.labels import Label
from gatework.plan import Approval, Plan, Work
from gatework.state import Due, Gate, Held, Outcome, Receipt, Run, State
from tests.explorer.events import may, touched


class Broken(AssertionError):
    """A rule that does not hold."""


class Rules:
    """The rules for one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.names = [plan.input.name, *(node.name for node in plan.nodes)]
        self.nodes = {node.name: node for node in plan.nodes}
        self.labels = self._labels()
        self._evidence: dict[str, object] = {}

    def transition(
        self, before: State, was: Due | None, event: Event, after: State, due: Due, receipts: tuple[Receipt, ...]
    ) -> None:
        """Judge one accepted event. Raises `Broken`."""
        _hold(bool(receipts), "what is accepted leaves a receipt")
        self._values(before, was, event, after, receipts)
        self._order(after, due)
        self._attempts(before, was, after, due)
        self._let_in(before, was, event, after, due)
        self._recorded_effects(before, was, event, after)
        self._effects(before, was, event, after, due)
        self._gates(before, after, due)
        if isinstance(event, Decided):
            self._decision(before, event, after)
        if isinstance(due, Outcome) and due.kind == "completed":
            _hold(set(after.values) == set(self.names), "a run completes with a receipt for every node")

    # -- rules -------------------------------------------------------------------------------------

    def _values(
        self, before: State, was: Due | None, event: Event, after: State, receipts: tuple[Receipt, ...]
    ) -> None:
        for name, held in after.values.items():
            _hold(held.label is self.labels[name], f"{name} holds the label that the plan gives it")
            node = self.nodes.get(name)
            if isinstance(node, Approval):
                _hold(
                    held.sealed == after.values[node.value.node].sealed,
                    "an approval stands for the value it was given for",
                )
                _hold(not held.by_hand, "an approval is not by hand")
            if before.values.get(name) is not held:
                mine = [
                    receipt for receipt in receipts if receipt.node == name and receipt.output == held.sealed.digest
                ]
                _hold(len(mine) == 1, f"{name} is held for one receipt")
                self._justified(name, held, mine[0], was, event, after)
        dropped = [name for name in before.values if name not in after.values]
        if dropped:
            _hold(isinstance(event, Decided) and event.action == "edit", "only an edit drops a value")
        if isinstance(event, Decided) and event.action == "edit":
            place = self.names.index(_place(self.plan, before.gate, event))
            for position, name in enumerate(self.names):
                same = name in after.values and after.values[name] is before.values.get(name)
                if position < place:
                    _hold(same, "an edit leaves what came before it")
                else:
                    _hold(not same, "an edit leaves nothing that came after it, and no approval")

    def _justified(self, name: str, held: Held, receipt: Receipt, was: Due | None, event: Event, after: State) -> None:
        node = self.nodes.get(name)
        match receipt.kind:
            case "begun":
                _hold(node is None and not held.by_hand, "a run begins with its input")
            case "output":
                assert isinstance(node, Work)
                assert isinstance(event, Finished)
                said = [(v.guard, v.on, v.verdict) for v in event.verdicts]
                wanted = [(use.name, held.sealed.digest, "pass") for use in node.guards]
                _hold(said == wanted, "an output is held when every guard passed exactly it")
                _hold(isinstance(was, Run) and was.node == name, "an output is held of the node that was due")
                assert isinstance(was, Run)
                self._ran_on(node, was, event)
            case "approved":
                assert isinstance(node, Approval)
                self._rule_gave(node, after)
            case "decided":
                assert isinstance(event, Decided)
                if event.action == "edit":
                    guarded = isinstance(node, Work) and node.guards
                    _hold(not guarded, "a person's value is held only after the guards looked at it")
                    _hold(held.by_hand and held.sealed == event.value, "a person's value is known as one")
                else:
                    _hold(event.action == "approve", "only an approval holds what waited")
                    assert isinstance(was, Gate)
                    shown = was.candidate if isinstance(node, Work) else held.sealed
                    _hold(was.node == name and held.sealed == shown, "what is approved is what was shown")
            case _:
                raise Broken(f"{receipt.kind} holds no value")
        if isinstance(node, Work) and held.by_hand:
            _hold(touched(held.sealed), "by hand is what a person gave")
        given = isinstance(event, Decided) and event.action == "edit" and name == receipt.node
        if isinstance(was, Run) and was.node == name and was.edited is not None:
            given = True
        if given and isinstance(node, Work):
            _hold(held.by_hand, "what a person gave is by hand")

    def _ran_on(self, node: Work, was: Run, event: Finished) -> None:
        """A stage worked only on inputs that every guard on them passed, or that a person let in."""
        said = [(v.guard, v.on, v.verdict) for v in event.before]
        passed = [(use.name, was.inputs_digest, "pass") for use in node.before]
        if was.edited is None and not was.let_in:
            _hold(said == passed, "a stage works when every guard on its inputs passed exactly these")
        else:
            _hold(not said, "nobody is asked about inputs that a person let in, or that are not worked on")

    def _rule_gave(self, node: Approval, after: State) -> None:
        """The rule of an approval gave it: it does not hold, of values in which no person had a hand."""
        rule = node.when
        assert isinstance(rule, Compare)
        left, right = rule.left, rule.right
        assert not isinstance(left, Const)
        assert isinstance(right, Const)
        looked_at = after.values[left.node].sealed
        _hold(looked_at.data["n"] <= right.data, "a rule gives an approval only where it does not hold")
        for name in (left.node, node.value.node):
            sealed = after.values[name].sealed
            approved = self.labels[name] is Label.APPROVED
            _hold(approved or not touched(sealed), "a rule gives no approval that rests on a person's value")

    def _order(self, after: State, due: Due) -> None:
        """Every state waits for an attempt whose predecessors hold receipts, for a person, or for nothing more."""
        if isinstance(due, Run):
            ahead = self.names[: self.names.index(due.node)]
            _hold(all(name in after.values for name in ahead), f"{due.node} starts after all that is ahead of it")
            _hold(list(after.values) == ahead, "nothing is held of what comes later")
            node = self.nodes[due.node]
            assert isinstance(node, Work)
            for param, ref in zip(node.params, node.reads, strict=True):
                _hold(due.inputs[param.name] == after.values[ref.node].sealed, "inputs are the values that are held")
            if node.tools:
                labels = {self.labels[ref.node] for ref in node.reads}
                _hold(Label.UNTRUSTED not in labels, "untrusted data reaches no effect")
                _hold(bool(labels & {Label.ENDORSED, Label.APPROVED}), "an effect runs on what someone vouched for")
        elif isinstance(due, Gate):
            _hold(bool(due.role and due.reasons and due.evidence and may(due)), "a gate says who is asked, and why")
            _hold(due.node in self.nodes and due.expires_seconds > 0, "a gate says where it is, and until when")

    def _attempts(self, before: State, was: Due | None, after: State, due: Due) -> None:
        for name, number in before.attempts.items():
            _hold(after.attempts.get(name, 0) >= number, "attempts are never forgotten")
        if isinstance(due, Run) and due != was:
            now = before.attempts.get(due.node, 0) + 1
            _hold(due.attempt == after.attempts[due.node] == now, "the number of an attempt is never used again")

    def _let_in(self, before: State, was: Due | None, event: Event, after: State, due: Due) -> None:
        """What a person let in is let in at that node, on exactly what was shown, until anything of it changes."""
        if isinstance(due, Run):
            _hold(due.let_in is (after.let_in == due.inputs_digest), "an attempt says whether its inputs were let in")
        if not after.let_in or (after.let_in == before.let_in and after.at == before.at):
            edited = isinstance(event, Decided) and event.action == "edit"
            _hold(not after.let_in or not edited, "an edit voids what was let in")
            return
        gate = before.gate
        approved = isinstance(event, Decided) and event.action == "approve" and event.number
        _hold(bool(approved and gate and gate.before and gate.kind == "escalated"), "only an approval lets inputs in")
        assert gate is not None
        _hold(isinstance(due, Run) and due.node == gate.node and due.let_in, "what is let in is run at once")

    def _recorded_effects(self, before: State, was: Due | None, event: Event, after: State) -> None:
        """What may have reached the outside world is known for ever, and nothing else is."""
        for name, sent in before.effects.items():
            _hold(after.effects.get(name) in (sent, True), "an effect is not forgotten")
        changed = {name for name in after.effects if after.effects[name] != before.effects.get(name)}
        acted: dict[str, bool] = {}
        if isinstance(event, Finished | Failed) and isinstance(was, Run):
            node = self.nodes[event.node]
            sure = isinstance(event, Finished) or event.sent or event.failure in ("refused", "unknown")
            if isinstance(node, Work) and node.tools:
                acted[event.node] = sure or was.edited is not None or before.effects.get(event.node, False)
        if isinstance(event, Decided) and event.action == "edit":
            place = _place(self.plan, before.gate, event)
            node_ = self.nodes.get(place)
            if isinstance(node_, Work) and node_.tools:
                acted[place] = True
        _hold(changed <= set(acted), "an effect is recorded of a node that acted")
        _hold(all(after.effects.get(name) is sent for name, sent in acted.items()), "each effect is recorded")

    def _effects(self, before: State, was: Due | None, event: Event, after: State, due: Due) -> None:
        for position, name in enumerate(self.names[1:], start=1):
            node = self.nodes[name]
            if not (isinstance(node, Work) and node.tools and name in before.effects):
                continue
            for ahead in self.names[:position]:
                same = after.values.get(ahead) is before.values.get(ahead)
                _hold(same, "nothing that an effect was started on is changed")
            held = before.values.get(name)
            _hold(held is None or after.values.get(name) is held, "the record of an effect stays")
            if (
                isinstance(due, Run)
                and due.node == name
                and due.edited is None
                and not all(t.probe for t in node.tools)
            ):
                said = isinstance(event, Decided) and event.action in ("retry", "approve")
                unsent = isinstance(event, Failed) and not event.sent and event.failure in ("contract", "timeout")
                again = isinstance(was, Run) and was.edited is None and unsent
                _hold(said or again, "an effect that may have been sent is done again only if a person says so")

    def _gates(self, before: State, after: State, due: Due) -> None:
        _hold(after.gates >= before.gates, "gates are counted")
        if isinstance(due, Gate):
            new = before.gate is None or due.id != before.gate.id
            if new:
                _hold(due.id == after.gates == before.gates + 1, "the number of a gate is never used again")
            for name, digest in due.shown.items():
                held = after.values[name].sealed if name in after.values else due.candidate
                _hold(held is not None and held.digest == digest, "a gate shows what is held, or waits")
            what = (due.id, due.node, tuple(due.shown.items()), due.reasons)
            _hold(self._evidence.setdefault(due.evidence, what) == what, "one digest stands for one evidence")

    def _decision(self, before: State, event: Decided, after: State) -> None:
        gate = before.gate
        _hold(gate is not None and event.action in may(gate), "a decision answers a gate that allows it")
        assert gate is not None
        _hold(
            event.number in ("", gate.number) and event.evidence in ("", gate.evidence),
            "a decision is on what was shown",
        )
        if event.action == "approve" and not event.number:
            node = self.nodes[gate.node]
            clicked = isinstance(node, Approval) and node.click and gate.id == 1
            _hold(clicked, "a bare approval counts at the first gate only, where the plan says click")
        _hold(after.gate is None or after.gate.id != gate.id, "a decision answers its gate once")

    # -- the plan, worked out anew -----------------------------------------------------------------

    def _labels(self) -> dict[str, Label]:
        labels = {self.plan.input.name: self.plan.input.label}
        for node in self.plan.nodes:
            if isinstance(node, Approval):
                labels[node.name] = Label.APPROVED
            elif node.kind == "endorse":
                labels[node.name] = Label.ENDORSED
            else:
                reads = {labels[ref.node] for ref in node.reads}
                untrusted = Label.UNTRUSTED in reads
                labels[node.name] = (
                    Label.UNTRUSTED if untrusted else Label.ENDORSED if reads - {Label.PLAIN} else Label.PLAIN
                )
        return labels


def _place(plan: Plan, gate: Gate | None, event: Decided) -> str:
    assert gate is not None
    node = next(node for node in plan.nodes if node.name == gate.node)
    return event.place or (gate.place if gate.before else node.value.node if isinstance(node, Approval) else node.name)


def _hold(holds: bool, rule: str) -> None:
    if not holds:
        raise Broken(f"This does not hold: {rule}.")
