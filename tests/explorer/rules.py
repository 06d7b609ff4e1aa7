"""What must be true of every transition, judged from the plan, the states around it and its receipts alone.

Nothing of `gatework.machine` is used here: labels, rules of approvals and what a person touched are worked out anew.
"""

from __future__ import annotations

from dataclasses import replace

from gatework.plan.expr import Compare, Const
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Node, Plan, ToolUse, Work
from gatework.run.budget import Spent
from gatework.run.events import Acted, Decided, Event, Expired, Failed, Finished, Suspended
from gatework.run.held import Held
from gatework.run.state import Act, Done, Due, Gate, Outcome, Receipt, Run, State
from tests.explorer.events import EDITOR, happened, may, overrides, touched

FINAL = ("done", "found")
"""Outcomes of an effect that are known for ever."""


class Broken(AssertionError):
    """A rule that does not hold."""


class Rules:
    """The rules for one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.names = [plan.input.name, *(node.name for node in plan.nodes)]
        self.nodes = {node.name: node for node in plan.nodes}
        self.labels = self._labels()
        self.private = self._private()
        self._evidence: dict[str, object] = {}
        self._shown: dict[str, str] = {}

    def transition(
        self, before: State, was: Due | None, event: Event, after: State, due: Due, receipts: tuple[Receipt, ...]
    ) -> None:
        """Judge one accepted event. Raises `Broken`."""
        _hold(bool(receipts), "what is accepted leaves a receipt")
        self._values(before, was, event, after, receipts)
        self._order(after, due)
        self._attempts(before, was, event, after, due)
        self._let_in(before, was, event, after, due)
        self._recorded_effects(before, was, event, after)
        self._effects(before, event, after, due)
        self._calls(before, was, event, after, due, receipts)
        self._journal(before, was, event, after, due)
        self._budget(before, event, after, due)
        self._gates(before, after, due)
        self._people(before, event, after, due)
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
            _hold(held.private is (name in self.private), f"{name} is private where something private had a hand in it")
            node = self.nodes.get(name)
            if isinstance(node, Approval):
                _hold(
                    held.sealed == after.values[node.value.node].sealed,
                    "an approval stands for the value it was given for",
                )
                _hold(not held.by_hand, "an approval is not by hand")
            if before.values.get(name) is not held:
                mine = [
                    receipt
                    for receipt in receipts
                    if (receipt.node, receipt.output) == (name, held.sealed.digest) and receipt.kind != "ended"
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
                elif event.action == "override":
                    assert isinstance(was, Gate)
                    let = event.value if event.value is not None else was.candidate
                    _hold(was.node == name and held.sealed == let, "what is overridden is what was shown, or given")
                    _hold(held.by_hand and not held.by, "what is overridden is by hand, and approved by nobody")
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
            for param, ref in zip(node.params, node.reads, strict=False):
                _hold(due.inputs[param.name] == after.values[ref.node].sealed, "inputs are the values that are held")
            limits = {
                limit.value.node for use in node.tools for limit in use.limits if not isinstance(limit.value, Const)
            }
            held = {name: after.values[name].sealed for name in limits}
            _hold(due.limits == held, "an attempt is given the values that its limits refer to")
            if any(use.kind == "effect" for use in node.tools):
                labels = {self.labels[ref.node] for ref in node.reads}
                _hold(Label.UNTRUSTED not in labels, "untrusted data reaches no effect")
                _hold(bool(labels & {Label.ENDORSED, Label.APPROVED}), "an effect runs on what someone vouched for")
        elif isinstance(due, Act):
            ahead = self.names[: self.names.index(due.node)]
            _hold(list(after.values) == ahead, "a call is due after all that is ahead of its node, and before the rest")
        elif isinstance(due, Gate):
            _hold(bool(due.role and due.reasons and due.evidence and may(due)), "a gate says who is asked, and why")
            _hold(due.node in self.nodes and due.expires_seconds > 0, "a gate says where it is, and until when")

    def _attempts(self, before: State, was: Due | None, event: Event, after: State, due: Due) -> None:
        for name, number in before.attempts.items():
            _hold(after.attempts.get(name, 0) >= number, "attempts are never forgotten")
        goes_on = isinstance(event, Suspended | Acted) or (isinstance(was, Gate) and was.kind == "call")
        if isinstance(due, Run) and due != was and goes_on:
            _hold(after.attempts == before.attempts, "an attempt that goes on is the same")
        elif isinstance(due, Run) and due != was:
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
        for key, done in before.acts.items():
            now = after.acts.get(key)
            _hold(now is not None, "no effect is forgotten")
            assert now is not None
            _hold((now.node, now.tool) == (done.node, done.tool), "a record stays that of its effect")
            if done.outcome in FINAL:
                _hold(now == done, "what has happened is known for ever")
            if happened_(done) and not happened_(now):
                _hold(self._known_not(was, event, done), "an effect has not happened only where that is known")
        changed = {key for key, done in after.acts.items() if done != before.acts.get(key)}
        answered = {was.call.key} if isinstance(was, Act) and isinstance(event, Acted) else set()
        asked = {after.pending[0].key} if after.pending and after.gate is None else set()
        written = set()
        if isinstance(event, Decided) and event.action == "edit":
            place = self.nodes.get(_place(self.plan, before.gate, event))
            if isinstance(place, Work) and any(use.kind == "effect" for use in place.tools):
                written = {f"by hand: {place.name}"}
                _hold(written <= set(after.acts), "what a person writes down of an effect is recorded")
        if isinstance(event, Decided) and event.action == "override" and event.value is not None:
            assert before.gate is not None
            skipped = self.nodes[before.gate.node]
            if isinstance(skipped, Work) and any(use.kind == "effect" for use in skipped.tools):
                written = {f"by hand: {skipped.name}"}
                _hold(written <= set(after.acts), "an effect that is skipped counts as done")
        _hold(changed <= answered | asked | written, "a record is of what was asked for, answered or written down")
        if isinstance(was, Act) and isinstance(event, Acted) and was.call.key and event.outcome in FINAL:
            now = after.acts[was.call.key]
            _hold((now.outcome, now.result) == (event.outcome, event.result), "what an effect came to is recorded")

    def _known_not(self, was: Due | None, event: Event, done: Done) -> bool:
        """Whether an event says that an effect which was asked for is known not to have happened."""
        if not (isinstance(was, Act) and isinstance(event, Acted)):
            return False
        if done.outcome == "asked":
            return event.outcome in ("refused", "failed")
        return event.outcome == "refused" and self._use(was).probe

    def _effects(self, before: State, event: Event, after: State, due: Due) -> None:
        done = happened(before)
        for position, name in enumerate(self.names[1:], start=1):
            node = self.nodes[name]
            if not (isinstance(node, Work) and name in done):
                continue
            for ahead in self.names[:position]:
                same = after.values.get(ahead) is before.values.get(ahead)
                _hold(same, "nothing that an effect came of is changed")
            held = before.values.get(name)
            _hold(held is None or after.values.get(name) is held, "the record of an effect stays")
        if before.edited is not None and isinstance(due, Run) and due.edited is None and after.at == before.at:
            node = self.nodes[due.node]
            assert isinstance(node, Work)
            if not all(use.probe for use in node.tools if use.kind == "effect"):
                said = isinstance(event, Decided) and event.action in ("retry", "approve") and event.number
                _hold(bool(said), "what a person wrote down is done anew only if a person says so")

    # -- calls -------------------------------------------------------------------------------------

    def _calls(
        self, before: State, was: Due | None, event: Event, after: State, due: Due, receipts: tuple[Receipt, ...]
    ) -> None:
        """A call is due only within its grant, with leave where the plan asks for it, and an effect only once."""
        asked = [receipt for receipt in receipts if receipt.kind == "acting"]
        _hold(len(asked) == isinstance(due, Act), "a call leaves a receipt before it is due")
        if not isinstance(due, Act):
            return
        call, use = due.call, self._use(due)
        node = self.nodes[due.node]
        assert isinstance(node, Work)
        same = isinstance(was, Act) and was.call == call and after.attempts == before.attempts
        _hold(due.attempt == after.attempts[due.node], "a call is of the attempt that is under way")
        _hold(use.kind == "effect" or bool(use.approver or use.queue), "only what runs apart is called apart")
        for limit in use.limits:
            assert not isinstance(limit.value, Const)
            most = after.values[limit.value.node].sealed.data["n"]
            _hold(call.arguments[limit.argument] <= most, "a call keeps to its limits")
        if use.approver and not same:
            gate = before.gate
            let = isinstance(event, Decided) and event.action == "approve" and bool(event.number)
            _hold(bool(let and gate and gate.kind == "call"), "a call that needs leave is due when a person gives it")
            assert gate is not None
            _hold(gate.call == call and gate.by == use.approver, "leave is for the call that was shown")
        _hold(bool(call.key) is (use.kind == "effect"), "an effect has a key, and nothing else has")
        if call.key:
            self._once(before, was, event, after, due, use)

    def _once(self, before: State, was: Due | None, event: Event, after: State, due: Act, use: ToolUse) -> None:
        key = due.call.key
        earlier, now = before.acts.get(key), after.acts[key]
        _hold((now.node, now.tool) == (due.node, use.name), "a key is of one node and one tool")
        _hold(now.outcome in ("asked", "unknown"), "an effect is recorded before it is due")
        answered = isinstance(was, Act) and was.call.key == key and isinstance(event, Acted)
        if earlier is None or not happened_(earlier) or (answered and self._known_not(was, event, earlier)):
            _hold(not due.again and now.outcome == "asked", "an effect that is known not to have happened is new")
            return
        _hold(now.arguments == earlier.arguments, "an effect is never done again with other arguments")
        _hold(earlier.outcome == "unknown" or answered, "an effect is done once")
        _hold(now.outcome == "unknown", "an effect in doubt stays in doubt")
        let = before.let_again == key
        _hold(due.again is use.probe, "a probe is asked where there is one")
        _hold(use.probe or let, "an effect in doubt is done again only after its probe, or if a person says so")
        _hold(after.let_again == "", "a person says so for once")

    def _journal(self, before: State, was: Due | None, event: Event, after: State, due: Due) -> None:
        """What an attempt was answered is what was asked, and is its own."""
        if after.let_again and after.let_again != before.let_again:
            gate = before.gate
            said = isinstance(event, Decided) and event.action == "retry" and gate is not None
            _hold(
                bool(said and gate and gate.kind == "unknown" and gate.call), "only a retry lets an effect happen again"
            )
            assert gate is not None
            assert gate.call is not None
            _hold(gate.call.key == after.let_again, "a retry lets the effect happen again that was shown")
            sure = isinstance(event, Decided) and (event.number or self._use_of(gate.node, gate.call.tool).probe)
            _hold(bool(sure), "a retry that may repeat an effect has the number")
        if after.let_call:
            _hold(isinstance(due, Act) and due.call.id == after.let_call, "leave is for the call that is due")
        if isinstance(due, Gate) and due.kind == "call":
            _hold(bool(after.pending) and due.call == after.pending[0], "leave is asked for the call that comes next")
            _hold(due.by == self._use_of(due.node, after.pending[0].tool).approver, "leave is the approver's to give")
        elif isinstance(due, Gate | Outcome):
            _hold(not after.journal and not after.pending, "an attempt that has ended leaves nothing")
        began = isinstance(due, Run) and not (isinstance(event, Suspended | Acted) or isinstance(was, Gate))
        if began:
            _hold(not after.journal and not after.pending, "an attempt begins with nothing")
        if not after.journal and not after.pending:
            return
        # The attempt goes on.
        _hold(after.at == before.at and after.attempts == before.attempts, "answers are of one attempt")
        came = after.journal[len(before.journal) :]
        _hold(after.journal[: len(before.journal)] == before.journal, "answers stay as they were given")
        calls = list(before.pending)
        if isinstance(event, Suspended):
            _hold(came[: len(event.entries)] == event.entries, "what a worker was answered is kept")
            came = came[len(event.entries) :]
            calls = list(event.calls)
        _hold(
            [call.id for call in calls] == [e.id for e in came] + [call.id for call in after.pending], "in their order"
        )
        for entry, call in zip(came, calls, strict=False):
            _hold(entry.tool == call.tool, "an answer is that of its call")
            if isinstance(was, Act) and isinstance(event, Acted) and entry.id == was.call.id:
                _hold(
                    (entry.outcome, entry.data) == (event.outcome, event.result), "an answer is what the call came to"
                )
            elif entry.outcome == "found":
                record = after.acts[call.key]
                _hold(record.outcome in FINAL and record.result == entry.data, "what was found is on record")
                _hold(
                    record == before.acts.get(call.key) or isinstance(event, Acted), "a record is no answer to itself"
                )
            else:
                refused = isinstance(event, Decided) and event.action == "reject" and entry.outcome == "refused"
                _hold(refused and call.by_model, "only a person refuses a call of a model")

    def _budget(self, before: State, event: Event, after: State, due: Due) -> None:
        """Everything that is spent is counted, and nobody is given more than is left."""
        for name in self.nodes:
            was, now = before.spent.get(name, Spent()), after.spent.get(name, Spent())
            spent = event.spent if isinstance(event, Finished | Failed | Suspended) and event.node == name else Spent()
            _hold(now.model_calls == was.model_calls + spent.model_calls, "every model call is counted")
            for tool in {**was.tool_calls, **now.tool_calls}:
                asked = spent.tool_calls.get(tool, 0)
                counted = was.tool_calls.get(tool, 0) + asked
                _hold(now.tool_calls.get(tool, 0) == counted, "every call is counted")
        if isinstance(event, Suspended):
            for call in event.calls:
                _hold(event.spent.tool_calls.get(call.tool, 0) >= 1, "what is asked for is spent")
        if after.renewed != before.renewed:
            person = isinstance(event, Decided) and event.action in ("retry", "approve", "edit")
            _hold(person or after.at != before.at, "only a person gives a stage its budget anew")
        if not isinstance(due, Run | Act):
            return
        node = self.nodes[due.node]
        assert isinstance(node, Work)
        if node.budget is None or node.budget.model_calls is None:
            return
        spent = after.spent.get(due.node, Spent())
        used = spent.model_calls - after.renewed.model_calls
        most = node.budget.tool_calls["refund"]
        calls = spent.tool_calls.get("refund", 0) - after.renewed.tool_calls.get("refund", 0)
        _hold(calls <= most, "no more calls are made than the budget has")
        if isinstance(due, Run) and due.edited is None:
            _hold(
                due.allowance.model_calls == max(0, node.budget.model_calls - used), "an attempt is given what is left"
            )
            _hold(due.allowance.tool_calls == {"refund": most - calls}, "an attempt is given the calls that are left")
            new = due.attempt != before.attempts.get(due.node, 0)
            _hold(not new or used < node.budget.model_calls, "an attempt with nothing left to spend is not begun")

    def _use(self, act: Act) -> ToolUse:
        return self._use_of(act.node, act.call.tool)

    def _use_of(self, name: str, tool: str) -> ToolUse:
        node = self.nodes[name]
        assert isinstance(node, Work)
        granted = [use for use in node.tools if use.name == tool]
        _hold(len(granted) == 1, "only what the plan grants is called")
        return granted[0]

    # -- people ------------------------------------------------------------------------------------

    def _gates(self, before: State, after: State, due: Due) -> None:
        _hold(after.gates >= before.gates, "gates are counted")
        if isinstance(due, Gate):
            new = before.gate is None or due.id != before.gate.id
            if new:
                _hold(due.id == after.gates == before.gates + 1, "the number of a gate is never used again")
            for name, digest in due.shown.items():
                if due.call is not None and name == f"{due.call.tool}()":
                    _hold(
                        digest == self._shown.setdefault(repr(due.call.arguments), digest), "arguments have one digest"
                    )
                    continue
                held = after.values[name].sealed if name in after.values else due.candidate
                _hold(held is not None and held.digest == digest, "a gate shows what is held, or waits")
            _hold((due.kind == "call") <= (due.call is not None), "a gate of a call shows it")
            _hold(due.call is None or f"{due.call.tool}()" in due.shown, "a gate of a call shows its arguments")
            what = (due.id, due.node, tuple(due.shown.items()), due.reasons, due.call and (due.kind, due.call))
            _hold(self._evidence.setdefault(due.evidence, what) == what, "one digest stands for one evidence")

    def _decision(self, before: State, event: Decided, after: State) -> None:
        gate = before.gate
        assert gate is not None
        by = overrides(self.plan, gate)
        if event.action == "override":
            _hold(by is not None and bool(event.note.strip()), "an override is the plan's to allow, and has a reason")
            _hold(event.number in (gate.number, gate.full_number), "an override is on what was shown")
            _hold(bool(event.by), "whoever overrides says who they are")
            _hold(event.by.casefold() not in [vote.by for vote in gate.votes], "nobody overrides twice")
            if by is not None and by.quorum > 1:
                _hold(event.value is None, "what several override is what they saw")
                _hold(event.by != EDITOR or before.edited is None, "nobody overrides for their own value")
            if not self._short(gate, event):
                told = after.overrides[len(before.overrides) :]
                _hold([one.node for one in told] == [gate.node], "an override is told of for as long as the run")
            else:
                assert after.gate is not None
                left = replace(after, gate=replace(after.gate, votes=gate.votes))
                _hold(left == before, "an override that is not enough changes nothing else")
        else:
            _hold(event.action in may(gate), "a decision answers a gate that allows it")
            _hold(after.overrides == before.overrides, "nothing else is an override")
        _hold(
            event.number in ("", gate.number, gate.full_number) and event.evidence in ("", gate.evidence),
            "a decision is on what was shown",
        )
        if event.action == "approve" and not event.number:
            node = self.nodes[gate.node]
            clicked = isinstance(node, Approval) and node.click and gate.id == 1
            _hold(clicked, "a bare approval counts at the first gate only, where the plan says click")
        _hold(after.gate is None or after.gate.id != gate.id or self._short(gate, event), "a decision answers its gate")

    def _people(self, before: State, event: Event, after: State, due: Due) -> None:
        """Whoever decides is asked, approves once, and not what they edited; votes are for one gate."""
        gate = before.gate
        decides = isinstance(event, Decided)
        if isinstance(event, Decided) and gate is not None:
            _hold(event.member is not False, "nobody decides who is not in the role")
            _hold(bool(event.by) is (event.identity != "none"), "a name and how it is known come together")
            _hold(bool(event.by) or gate.by.identity == "none", "whoever has to say who they are does")
            if event.action == "edit":
                place = self.names.index(_place(self.plan, gate, event))
                several = [n for n in map(self.nodes.get, self.names[max(place, 1) :]) if _tells_apart(n)]
                _hold(bool(event.by or not several), "whoever edits what several are to approve says who they are")
        if isinstance(event, Decided) and gate is not None and event.action == "approve":
            voted = [vote.by.casefold() for vote in gate.votes]
            _hold(event.by.casefold() not in voted or gate.by.quorum == 1, "nobody approves twice")
            if _tells_apart(self.nodes[gate.node]):
                edited = any(held.by_hand for held in before.values.values())
                _hold(not (edited and event.by.strip().casefold() == EDITOR), "nobody approves what they edited")
            if self._short(gate, event):
                _hold(
                    after.gate is not None and after.gate.votes[:-1] == gate.votes, "an approval is added to the rest"
                )
                assert after.gate is not None
                _hold(after.gate.votes[-1].by == event.by, "a vote is of whoever gave it")
                _hold(
                    replace(after, gate=replace(after.gate, votes=gate.votes)) == before,
                    "an approval that is not enough changes nothing else",
                )
            else:
                _hold(after.gate is None or after.gate.id != gate.id, "enough approvals answer the gate")
                held = after.values.get(gate.node)
                if held is not None and isinstance(self.nodes[gate.node], Approval):
                    wanted = (*(vote.by for vote in gate.votes), *([event.by] if event.by else []))
                    _hold(held.by == wanted, "an approval knows everyone who gave it")
                    _hold(len(gate.votes) + 1 == gate.by.quorum, "an approval is given by as many as the plan says")
        if isinstance(due, Gate):
            same = gate is not None and gate.id == due.id
            if not (same and decides):
                _hold(
                    not due.votes or (same and gate is not None and due.votes == gate.votes), "votes are for one gate"
                )
            node = self.nodes[due.node]
            if isinstance(node, Approval):
                _hold(due.by == (node.otherwise if due.handed_on else node.by), "those are asked whom the plan names")
            late = isinstance(event, Expired) and gate is not None and gate.node == due.node and not gate.handed_on
            _hold(
                due.handed_on is (bool(gate and gate.handed_on) if same else late),
                "a gate is handed on when time is up",
            )
        if isinstance(event, Expired):
            assert gate is not None
            node = self.nodes[gate.node]
            onward = isinstance(node, Approval) and node.otherwise is not None and not gate.handed_on
            _hold(isinstance(due, Gate if onward else Outcome), "time is up once for each who is asked")

    def _short(self, gate: Gate, event: Decided) -> bool:
        """Whether a decision is an approval, or an override, of several, that is not enough."""
        if event.action == "override":
            by = overrides(self.plan, gate)
            return by is not None and len(gate.votes) + 1 < by.quorum
        return event.action == "approve" and len(gate.votes) + 1 < gate.by.quorum

    def _private(self) -> set[str]:
        found: set[str] = set()
        for node in self.plan.nodes:
            read = {ref.node for ref in node.reads}
            if isinstance(node, Approval):
                private = node.value.node in found
            else:
                assert isinstance(node, Work)
                private = bool(read & found) or any(use.private for use in node.tools)
            found |= {node.name} if private else set()
        return found

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


def _tells_apart(node: Node | None) -> bool:
    return isinstance(node, Approval) and node.by.quorum > 1


def happened_(done: Done) -> bool:
    return done.outcome not in ("refused", "failed")


def _place(plan: Plan, gate: Gate | None, event: Decided) -> str:
    assert gate is not None
    node = next(node for node in plan.nodes if node.name == gate.node)
    return event.place or (gate.place if gate.before else node.value.node if isinstance(node, Approval) else node.name)


def _hold(holds: bool, rule: str) -> None:
    if not holds:
        raise Broken(f"This does not hold: {rule}.")
