"""What people decide at gates. Sections 5.4 and 5.5 of the specification."""

from __future__ import annotations

from dataclasses import replace

from gatework.plan.plan import Approval, Call, Question, Work
from gatework.run.state import Receipt
from gatework.verify import calls, gates, people
from gatework.verify.entries import says
from gatework.verify.onward import arrive, attempt, back_to, counted, hold, passed_over, undoing
from gatework.verify.refusal import Refused, must
from gatework.verify.state import Done, Ending, Gate, State
from gatework.verify.values import Disclosed
from gatework.verify.ways import another_round
from gatework.verify.work import inputs

_NO = ("reject", "abort")


def decided(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A person decided."""
    gate, action = state.gate, receipt.action
    if state.phase != "gate" or gate is None:
        raise Refused("order", "Somebody decided, and nothing waited for that.")
    must(receipt.gate == gate.id, "evidence", "The decision is of another gate.")
    must(receipt.evidence == gate.evidence, "evidence", "The decision is on other evidence than was shown.")
    may = action in gates.ACTIONS[gate.kind] or (action == "override" and gates.overriding(state, gate) is not None)
    must(may, "order", "That cannot be decided at such a gate.")
    plain = action == "override" or not receipt.how.keys() & {"guards", "skipped"}
    must(plain, "order", "What is no override passes over guards.")
    must(action == "edit" or receipt.node == gate.node, "order", "The decision is of another node.")
    must(says(receipt, "inputs", "output", "label", "gate", "evidence", "action", "by", "identity", "reason"), "order",
         "The decision says more than it may.")  # fmt: skip
    by = gates.asked_of(state, gate, action)
    _who(gate, receipt, by.identity)
    match action:
        case "approve":
            return _approve(known, state, gate, receipt, by.quorum)
        case "edit":
            return _edit(known, state, receipt)
        case "answer":
            return _answer(known, state, receipt)
        case "override":
            return _override(known, state, gate, receipt, by.quorum)
        case _:
            pass
    must(not receipt.output and not receipt.label and not receipt.inputs, "order", "The decision gives a value.")
    must(receipt.how.get("place", gate.node) == gate.node, "order", "The decision names another place.")
    if action == "retry":
        return _retry(state, gate)
    if action == "reject" and gate.kind == "call":
        return calls.refused(replace(state, phase="calls", gate=None))
    how = "rejected" if action == "reject" else "aborted"
    return _leave(state, Ending(action=how, node=gate.node, by=receipt.by, reason=receipt.reason))


def _who(gate: Gate, receipt: Receipt, needed: str) -> None:
    """Raise `Refused` unless it is known surely enough who decided, and they may."""
    must(receipt.identity in people.LEVELS, "identity", "It is not said how surely it is known who decided.")
    named = bool(people.plain(receipt.by))
    must(named is (receipt.identity != "none"), "identity", "Who decided is not named, or their name shows nothing.")
    if receipt.action in _NO and people.surely(needed, "claimed"):
        needed = "claimed"
    must(people.surely(receipt.identity, needed), "identity", "It is not known as surely as the plan asks who decided.")
    how = receipt.how
    if receipt.identity == "signed":
        must("signed" in how, "identity", "A signed decision has no signature.")
    if receipt.action not in ("approve", "override"):
        must("approvals" not in how and "quorum" not in how, "quorum", "What is no approval is counted as one.")
        return
    must("" not in map(people.plain, gate.not_by), "identity", "Nobody may decide that here, and somebody did.")
    kept_off = {people.plain(name) for name in gate.not_by}
    names = {people.plain(receipt.by), people.plain(str(how.get("principal", "")))} - {""}
    must(names.isdisjoint(kept_off), "identity", "Somebody decided who is kept off.")
    voted = {people.plain(name) for name in gate.votes}
    must(not named or people.plain(receipt.by) not in voted, "quorum", "Somebody is counted twice.")


def _approve(known: Disclosed, state: State, gate: Gate, receipt: Receipt, quorum: int) -> State:
    must("place" not in receipt.how, "order", "An approval names a place.")
    votes = _votes(gate, receipt, quorum)
    if len(votes) < quorum:
        return replace(state, gate=replace(gate, votes=votes))
    by = tuple(name for name in votes if name)
    node = state.plan.steps[state.at]
    if isinstance(node, Approval):
        value = state.held[node.value.node]
        _gives(receipt, value.digest, str(node.label))
        known.contract(node.contract, value.digest)
        return hold(state, value.digest, by=by)
    assert isinstance(node, Work)
    if gate.kind == "call":
        _gives(receipt, "", "")
        return calls.going_on(replace(state, let_call=state.pending[0].call))
    if gate.candidate:
        _gives(receipt, gate.candidate, str(node.label))
        return hold(replace(state, gate=None), gate.candidate, by=by)
    _lets_in(known, state, receipt)
    return attempt(replace(state, let_in=receipt.inputs, let_in_by=()), fresh=True)


def _votes(gate: Gate, receipt: Receipt, quorum: int) -> tuple[str, ...]:
    """Who has voted at a gate, this one included. Raises `Refused` unless they are counted one by one."""
    votes, how = (*gate.votes, receipt.by), receipt.how
    counted_ = (how.get("approvals"), how.get("quorum")) == ((len(votes), quorum) if quorum > 1 else (None, None))
    must(counted_, "quorum", "The approvals are not counted one by one, or another number is needed.")
    early = len(votes) < quorum and bool(receipt.output or receipt.label or receipt.inputs)
    must(not early, "quorum", "Something was decided before there were enough approvals.")
    return votes


def _override(known: Disclosed, state: State, gate: Gate, receipt: Receipt, quorum: int) -> State:
    """Work is let past what stopped it."""
    node, how = state.plan.steps[state.at], receipt.how
    assert isinstance(node, Work)
    must(bool(receipt.reason.strip()), "order", "An override gives no reason.")
    must(how.get("place", node.name) == node.name, "order", "An override names another place.")
    needed = people.to_edit(state.plan, state.at)
    sure = people.surely(receipt.identity, needed)
    must(sure, "distinct", "It is not known as surely as the plan asks who overrode.")
    against = [{name: getattr(one, name) for name in ("guard", "on", "verdict", "reason")} for one in gate.against]
    must(how.get("guards", []) == against, "guards", "An override does not say which verdicts it passes over.")
    skips = how.get("skipped") is True
    must(skips or "skipped" not in how, "format", "What is not so is left out.")
    votes = _votes(gate, receipt, quorum)
    if len(votes) < quorum:
        return replace(state, gate=replace(gate, votes=votes))
    by, state = votes, replace(state, gate=None, overridden=state.overridden.then([node.name]))
    if skips:
        must(quorum == 1, "quorum", "A value was given by one where several must see it.")
        must(bool(receipt.output) and receipt.label == node.label and not receipt.inputs, "order", "No value is given.")
        _may_edit(state, state.at, node.name)
        known.contract(node.contract, receipt.output)
        state = replace(state, edited="", editor=(), let_in="", let_in_by=())
        if node.effects:
            state = _written(state, node.name)
        return hold(state, receipt.output, over=by)
    if gate.candidate:
        _gives(receipt, gate.candidate, str(node.label))
        return hold(state, gate.candidate, over=by)
    must(gate.before, "order", "An override lets nothing on.")
    _lets_in(known, state, receipt)
    return attempt(replace(state, let_in=receipt.inputs, let_in_by=by), fresh=True)


def _written(state: State, place: str) -> State:
    """What a person writes for an effect says that it has happened."""
    return replace(state, acts={**state.acts, f"by hand: {place}": Done(node=place, tool="")})


def _lets_in(known: Disclosed, state: State, receipt: Receipt) -> None:
    """Raise `Refused` unless the inputs that are let in are those that the guards looked at."""
    node = state.plan.steps[state.at]
    assert isinstance(node, Work)
    own = inputs(known, state, node)
    same = bool(receipt.inputs) if own is None else receipt.inputs == own
    must(same and not receipt.output and not receipt.label, "order", "Other inputs were let in than were asked about.")


def _gives(receipt: Receipt, output: str, label: str) -> None:
    given = (receipt.output, receipt.label, receipt.inputs)
    must(given == (output, label, ""), "order", "Another value was approved than was asked about.")


def _retry(state: State, gate: Gate) -> State:
    node = state.plan.steps[state.at]
    state = replace(state, edited="", editor=(), gate=None)
    match node:
        case Work() if gate.kind == "spent":
            return another_round(state, node)
        case Work():
            again = gate.call.key if gate.call is not None and gate.kind == "unknown" else ""
            return attempt(state, fresh=True, let_again=again)
        case Call() if state.ending:
            return undoing(state)
        case Call():
            return call_again(state)
        case _:
            return arrive(state, state.at)


def call_again(state: State) -> State:
    """Once more those child runs that gave nothing."""
    kept = {number: branch for number, branch in state.branches.items() if branch.output}
    return counted(replace(state, phase="at", gate=None, branches=kept, running=frozenset()))


def _leave(state: State, how: Ending) -> State:
    """The run ends; an undo in which somebody says so is left, and the others go on."""
    state = replace(state, gate=None, running=frozenset(), edited="", editor=())
    if state.ending:
        return undoing(replace(state, undoable=state.undoable[:-1]))
    return replace(state, phase="end", ends=how, pending=())


def _answer(known: Disclosed, state: State, receipt: Receipt) -> State:
    node = state.plan.steps[state.at]
    assert isinstance(node, Question)
    must(receipt.how.get("place", node.name) == node.name, "order", "The answer names another place.")
    must(bool(receipt.output) and not receipt.inputs and receipt.label == node.label, "order", "There is no answer.")
    known.contract(node.contract, receipt.output)
    return hold(replace(state, gate=None), receipt.output, by=(receipt.by,) if receipt.by else ())


# -- a value by hand -------------------------------------------------------------------------------


def _edit(known: Disclosed, state: State, receipt: Receipt) -> State:
    plan, place = state.plan, receipt.node
    must(receipt.how.get("place", place) == place, "order", "The edit names another place.")
    must(bool(receipt.output) and not receipt.inputs and not receipt.label, "order", "An edit gives no value.")
    position = -1 if place in plan.starts else plan.index.get(place, len(plan.steps))
    must(position <= state.at, "order", "A value was edited that there is not yet.")
    _may_edit(state, position, place)
    needed = people.to_edit(plan, position)
    must(people.surely(receipt.identity, needed), "distinct", "It is not known as surely as the plan asks who edited.")
    who = (receipt.by,) if receipt.by else ()
    known.contract(plan.contract(place), receipt.output)
    if position < 0:
        held = replace(state.held[place], digest=receipt.output, by_hand=True, editor=who)
        state = back_to(state, 0)
        return arrive(replace(state, held={**state.held, place: held}), 0)
    node = plan.steps[position]
    assert isinstance(node, Work | Call)
    state = replace(
        back_to(state, position),
        let_in="",
        let_in_by=(),
        edited=receipt.output,
        editor=who,
        branches={},
        running=frozenset(),
        gate=None,
        pending=(),
    )
    if node.effects:
        state = _written(state, place)
    if isinstance(node, Call):
        return hold(counted(state), receipt.output)
    if not node.guards:
        return hold(state, receipt.output)
    return attempt(state)


def _may_edit(state: State, position: int, place: str) -> None:
    """Raise `Refused` where the value of a place cannot be given by hand."""
    plan = state.plan
    node = plan.steps[position] if position >= 0 else None
    givable = node is None or isinstance(node, Work) or (isinstance(node, Call) and node.kind != "parallel")
    must(givable, "order", "Such a node has no value that could be edited.")
    if state.ending:
        must(position == state.at and isinstance(node, Work), "order", "The run is being undone.")
    must(node is None or not passed_over(state, node), "order", "A value was edited in a way that was not taken.")
    acted = {done.node for done in state.acts.values() if done.happened}
    here = place in acted and position < state.at
    behind = any(later.name in acted for later in plan.nodes[position + 1 :])
    must(not here and not behind, "effects", "A value was edited on which an effect depends that has happened.")
