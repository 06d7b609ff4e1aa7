"""Calls that attempts ask for, and effects that happen once. Section 5.3 of the specification."""

from __future__ import annotations

from dataclasses import replace

from gatework.plan.plan import ToolUse, Work
from gatework.proof.shape import is_digest
from gatework.run.state import Receipt
from gatework.values.canonical import Json
from gatework.verify.entries import says
from gatework.verify.onward import settled
from gatework.verify.refusal import Code, Refused, must
from gatework.verify.state import Ask, Call, Done, State
from gatework.verify.values import Disclosed
from gatework.verify.work import answered, asked_before, given_value, said

TRIES = 3
"""How often a call is made before a person is asked."""

Next = str | Ask
"""What comes of the call that is due: `record`, `send`, or a person is asked."""


def suspended(known: Disclosed, state: State, receipt: Receipt) -> State:
    """An attempt was answered, and asks for calls."""
    node = answered(known, state, receipt)
    must(says(receipt, "attempt", "inputs", "verdicts"), "order", "It says more than it may.")
    must(given_value(known, state, node) is None, "order", "An attempt works where a person gave its value.")
    said(asked_before(state, node), receipt.verdicts, receipt.inputs, every="pass")
    how = receipt.how
    must({"entries", "calls"} <= how.keys(), "format", "It does not say what was answered, and what is asked.")
    must(bool(how["entries"] or how["calls"]), "turn", "An attempt stands still and asks for nothing.")
    for one in how["entries"]:
        _entry(node, one)
    asked = tuple(_call(node, state, one) for one in how["calls"])
    ids = [call.call for call in asked]
    must(len({*ids} - state.answered) == len(ids), "effects", "An attempt asks for one thing twice.")
    tools: dict[str, str] = {}
    for call in asked:
        same = not call.key or tools.setdefault(call.key, call.tool) == call.tool
        must(same, "effects", "Two effects are called under one key.")
    return going_on(replace(state, phase="works", pending=asked, told=state.told + len(how["entries"])))


def _entry(node: Work, data: Json) -> None:
    """Raise `Refused` unless an attempt may have been answered so."""
    use = node.tool(data["tool"])
    if data["kind"] == "model":
        sound = data["outcome"] == "answered" and data["digest"] and not data["tool"]
    elif data["outcome"] == "refused":
        sound = data["kind"] == "tool" and not data["digest"] and (use is not None or not data["tool"])
    else:
        outcome = "done" if data["digest"] else "failed"
        sound = data["kind"] == "tool" and data["outcome"] == outcome and use is not None and not use.apart
    must(bool(sound), "order", "An attempt was answered by what the plan does not let it ask.")


def _call(node: Work, state: State, data: Json) -> Call:
    """A call. Raises `Refused` unless the plan grants it, and its key is of this effect."""
    must(is_digest(data["call"]) and is_digest(data["arguments"]), "format", "A call names no digests.")
    call = Call(**data)
    use = node.tool(call.tool)
    must(use is not None and use.apart, "order", "A call is of a tool that the plan does not grant.")
    assert use is not None
    must(is_digest(call.key) if use.kind == "effect" else call.key == "", "effects", "An effect has a key, none other.")
    before = state.acts.get(call.key)
    same = before is None or (before.node, before.tool) == (node.name, use.name)
    must(same, "effects", "A call has the key of another effect.")
    return call


# -- the call that is due --------------------------------------------------------------------------


def going_on(state: State) -> State:
    """The state in which the first pending call is due; without one the attempt runs on."""
    return replace(state, phase="calls" if state.pending else "works", ask=None, gate=None)


def use_of(state: State, tool: str) -> ToolUse:
    """How the work at the position may use a tool."""
    node = state.plan.steps[state.at]
    use = node.tool(tool) if isinstance(node, Work) else None
    if use is None:
        raise Refused("order", "A call is of a tool that the plan does not grant.")
    return use


def due(state: State) -> Next:
    """What comes of the first pending call."""
    return _next(state, state.pending[0])


def _next(state: State, call: Call) -> Next:
    use, done = use_of(state, call.tool), state.acts.get(call.key)
    if done is not None and done.result and done.arguments == call.arguments:
        return "record"
    if done is not None and done.happened:
        if done.arguments != call.arguments:
            return Ask(kinds=("blocked",), call=call)
        if not use.probe and state.let_again != call.key:
            return Ask(kinds=("unknown",), call=call)
    if use.approver and state.let_call != call.call:
        return Ask(kinds=("call",), call=call)
    return "send"


def _named(state: State, receipt: Receipt) -> Call:
    """The call of a receipt. Raises `Refused` unless it is the first that is pending."""
    must(state.phase in ("calls", "sent"), _out_of_turn(state, receipt, "order"), "No call is due.")
    call = state.pending[0]
    name = state.plan.steps[state.at].name
    must((receipt.node, receipt.attempt) == (name, state.attempts[name]), "order", "The call is of another attempt.")
    data = {"tool": call.tool, "key": call.key, "call": call.call, "arguments": call.arguments}
    same = {member: receipt.how.get(member) for member in data} == data
    same = same and receipt.how.get("by_model") is call.by_model
    must(same, _out_of_turn(state, receipt, "effects"), "Another call is due.")
    return call


def _out_of_turn(state: State, receipt: Receipt, otherwise: Code) -> Code:
    """The code for a call that is not due: `turn` where nothing but its turn keeps it from being made."""
    named = next((call for call in state.pending if call.call == receipt.how.get("call")), None)
    asks = state.phase == "ask" and state.ask is not None and state.ask.call is not None
    does = "send" if receipt.kind == "acting" else "record" if receipt.how.get("recorded") is True else ""
    waits = named is not None and (asks or state.phase == "calls")
    return "turn" if waits and named is not None and _next(state, named) == does else otherwise


def acting(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A call is to be made."""
    must(says(receipt, "attempt", "action"), "order", "It says more than it may.")
    call = _named(state, receipt)
    must(state.phase == "calls", "effects", "A call is made while it is under way.")
    must(due(state) == "send", "effects", "A call is made that was made before, or that a person must let happen.")
    done, acts = state.acts.get(call.key), state.acts
    doubtful = bool(call.key) and done is not None and done.happened
    if call.key:
        name = state.plan.steps[state.at].name
        outcome = "unknown" if doubtful else "asked"
        acts = {**acts, call.key: Done(node=name, tool=call.tool, arguments=call.arguments, outcome=outcome)}
    again = doubtful and use_of(state, call.tool).probe
    must(receipt.action == ("call again" if again else "call"), "order", "It does not say whether it was made before.")
    let_again = "" if state.let_again == call.key else state.let_again
    return replace(state, phase="sent", acts=acts, let_again=let_again, ask=None, gate=None)


def acted(known: Disclosed, state: State, receipt: Receipt) -> State:
    """What became of a call."""
    must(says(receipt, "attempt", "action", "output", "reason"), "order", "It says more than it may.")
    given = receipt.action in ("done", "found")
    must(given or receipt.action in ("refused", "failed", "unknown"), "order", "A call came to what there is not.")
    must(bool(receipt.output) is given, "order", "What a call gave is missing, or it gave nothing.")
    if "run" in receipt.how:
        return _recalled(state, receipt)
    call = _named(state, receipt)
    use = use_of(state, call.tool)
    known.contract(use.result, receipt.output)
    if receipt.how.get("recorded") is True:
        recorded = state.phase == "calls" and due(state) == "record" and receipt.action == "found"
        done = state.acts.get(call.key)
        must(recorded and done is not None and receipt.output == done.result and not receipt.reason, "effects",
             "The record of an effect answers what it does not know.")  # fmt: skip
        return _answered(state)
    must("recorded" not in receipt.how, "format", "What is not so is left out.")
    must(state.phase == "sent", "effects", "A call came to something, and was not made.")
    must(receipt.action != "found" or use.probe, "effects", "An effect was found that cannot be asked for.")
    doubtful = False
    if call.key:
        before = state.acts[call.key]
        known_now = given or before.outcome == "asked" or (receipt.action == "refused" and use.probe)
        outcome = receipt.action if known_now else "unknown"
        doubtful = outcome == "unknown"
        state = replace(state, acts={**state.acts, call.key: replace(before, outcome=outcome, result=receipt.output)})
    if given:
        return _answered(state)
    if receipt.action == "refused":
        return refused(state)
    state = replace(state, tried=state.tried + 1)
    if state.tried < TRIES and (use.probe or not doubtful):
        return going_on(state)
    return replace(state, phase="ask", ask=Ask(kinds=("unknown" if doubtful else "failed",), call=call))


def refused(state: State) -> State:
    """The pending call is not made: a model is told so; code that asked for it goes no further."""
    call = state.pending[0]
    if not call.by_model:
        return replace(state, phase="ask", ask=Ask(kinds=("blocked",), call=call))
    return _answered(state)


def _answered(state: State) -> State:
    call, *others = state.pending
    answers = state.answered | {call.call}
    return going_on(replace(state, pending=tuple(others), answered=answers, let_call="", tried=0, gate=None))


def _recalled(state: State, receipt: Receipt) -> State:
    """What an earlier run of this lineage did that this one has forgotten."""
    how = receipt.how
    plain = not receipt.attempt and not receipt.reason and how.get("recorded") is True
    must(plain and receipt.action in ("found", "unknown"), "effects", "What is recalled says more than it may.")
    must(settled(state), "turn", "Nothing is recalled here.")
    named = is_digest(how.get("key")) and is_digest(how.get("call"))
    must(named and {"tool", "arguments", "by_model"} <= how.keys(), "format", "What is recalled names no effect.")
    before = state.acts.get(how["key"])
    must(before is None or not before.happened, "effects", "What is recalled was known.")
    done = Done(
        node=receipt.node,
        tool=how["tool"],
        arguments=how["arguments"],
        outcome=receipt.action,
        result=receipt.output,
    )
    return replace(state, acts={**state.acts, how["key"]: done})
