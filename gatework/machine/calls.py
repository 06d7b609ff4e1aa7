"""What an attempt may call, and what becomes of it. Pure, as the machine is, which hands the events on.

Every effect, and every tool that somebody must let or that has workers of its own, is called apart from the attempt
that asks for it: the attempt is suspended, the call is made due (`Act`), and the attempt goes on with the answer in its
journal. The worker that asks is not believed: whether the plan grants the call is looked at here again.

1. A call is made only where the plan grants the tool to the node, its limits admit the arguments, the budget has room
   for it, and, where the plan names an approver, a person let exactly this call happen.
2. What an effect did under a key is done once in a run. Asked for again with the same arguments, it is answered by the
   record; with others, a person is asked.
3. An effect whose outcome nobody knows is sent again only where its probe is asked first, or a person says so. It
   stays in doubt until it is known to be done, or its probe and then the tool itself said no.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from gatework.errors import ContractError, OrderError
from gatework.machine.admission import allowance, code_of, proof_of
from gatework.machine.gates import digest_of, granted
from gatework.machine.onward import ask
from gatework.plan.grant import refusal
from gatework.plan.plan import Plan, Work
from gatework.run.budget import told
from gatework.run.changed import changed
from gatework.run.events import Acted, Suspended
from gatework.run.journal import Call, Entry
from gatework.run.state import Act, Done, Receipt, State, Step
from gatework.values import canonical
from gatework.values.canonical import Json

CALL_TRIES = 3
"""How often a call that failed, or whose outcome is asked for, is made before a person is asked."""

MAX_ENTRIES = 256
"""Most answers that one attempt is given."""

MAX_JOURNAL_BYTES = 500_000
"""Largest journal, its pending calls included: it is handed to a worker each time that the attempt goes on."""

_DIGEST = re.compile(r"[0-9a-f]{64}")

# -- an attempt asks -------------------------------------------------------------------------------


def suspend(plan: Plan, state: State, node: Work, event: Suspended) -> Step:
    """Take what an attempt was answered and asks for. Raises `OrderError` where the plan does not let it."""
    if event.turn != len(state.journal):
        raise OrderError(f"{node.name} was suspended in turn {event.turn}; turn {len(state.journal)} is due.")
    if not event.entries and not event.calls:
        raise OrderError(f"{node.name} was suspended and asks for nothing.")
    ids = [*(entry.id for entry in (*state.journal, *event.entries)), *(call.id for call in event.calls)]
    if len(set(ids)) < len(ids) or not all(_DIGEST.fullmatch(one) for one in ids):
        raise OrderError(f"{node.name} asks for one thing twice, or for something without an id.")
    for entry in event.entries:
        _check_entry(node, entry)
    tools: dict[str, str] = {}
    for call in event.calls:
        _check_call(plan, state, node, call)
        if call.key and tools.setdefault(call.key, call.tool) != call.tool:
            raise OrderError(f"{node.name} calls two effects under one key.")
    _check_room(plan, state, node, event)
    journal = (*state.journal, *event.entries)
    receipt = Receipt(
        kind="suspended",
        node=node.name,
        attempt=event.attempt,
        inputs=event.inputs,
        verdicts=event.before,
        how={
            "entries": [entry_data(node, entry) for entry in event.entries],
            "calls": [_call_data(plan, state, call) for call in event.calls],
            **told(event.spent),
            **proof_of(node, event.signed),
        },
    )
    return go_on(plan, changed(state, journal=journal, pending=event.calls), node, (receipt,))


def _check_entry(node: Work, entry: Entry) -> None:
    use = node.tool(entry.tool)
    if entry.kind == "model":
        sound = entry.outcome == "answered" and entry.data is not None and not entry.tool
    elif entry.outcome == "refused":  # of whatever the model made up
        sound = entry.data is None
    else:
        given = entry.data is not None
        sound = entry.outcome == ("done" if given else "failed") and use is not None and not use.apart
    if not sound or (entry.data is not None and not entry.data.intact):
        raise OrderError(f"{node.name} was answered by nothing that the plan lets it ask.")


def _check_call(plan: Plan, state: State, node: Work, call: Call) -> None:
    use = node.tool(call.tool)
    if use is None or not use.apart:
        raise OrderError(f"{node.name} asks for a call that the plan does not grant it.")
    try:
        canonical.check(call.arguments, max_values=canonical.MAX_VALUES)
    except ContractError as error:
        raise OrderError(f"The arguments of {use.name} are no JSON: {error.reason}.") from None
    if not isinstance(call.arguments, dict):
        raise OrderError(f"The arguments of {use.name} are no object.")
    if why := refusal(use, call.arguments, lambda name: state.values[name].sealed.data):
        raise OrderError(f"{node.name} asks for a call outside its grant: {why}.")
    if use.kind == "tool" and call.key:
        raise OrderError(f"{use.name} is no effect, and has a key.")
    if use.kind == "effect" and not _DIGEST.fullmatch(call.key):
        raise OrderError(f"{use.name} is an effect, and has no key.")
    before = state.acts.get(call.key)
    if before is not None and (before.node, before.tool) != (node.name, use.name):
        raise OrderError(f"{use.name} of {node.name} has the key of another effect.")


def _check_room(plan: Plan, state: State, node: Work, event: Suspended) -> None:
    """Raise `OrderError` unless each call is in what was spent, and the budget has room for what is asked for."""
    asked = Counter(call.tool for call in event.calls)
    called = asked + Counter(entry.tool for entry in event.entries if entry.outcome == "done")
    room = allowance(plan, node, state).tool_calls
    for tool, calls in called.items():
        if event.spent.tool_calls.get(tool, 0) < calls:
            raise OrderError(f"{node.name} called {tool} more often than it says.")
        if tool in asked and calls > room.get(tool, calls):
            raise OrderError(f"{node.name} asks for more calls of {tool} than its budget has.")


# -- a call is due, or answered --------------------------------------------------------------------


def go_on(plan: Plan, state: State, node: Work, receipts: tuple[Receipt, ...]) -> Step:
    """The attempt at `at` goes on: its next call is due, a person is asked about it, or the stage runs again."""
    state, receipts = _from_record(plan, state, node, receipts)
    if _too_long(state):
        most = f"{MAX_ENTRIES} answers of {MAX_JOURNAL_BYTES} bytes together"
        reason = f"{node.name} was answered more than one attempt can keep, {most}; have it ask for less"
        return ask(plan, state, node, "failed", (reason,), receipts)
    if not state.pending:
        return Step(state=state, receipts=receipts)
    call = state.pending[0]
    use = granted(node, call.tool)
    arguments = digest_of(plan, state, call)
    done = state.acts.get(call.key)
    if done is not None and done.happened:
        if done.arguments != arguments:
            reason = f"{use.name} was called before for the same {use.once} with other arguments"
            return ask(plan, state, node, "blocked", (reason,), receipts, call=call)
        if not use.probe and state.let_again != call.key:
            reason = f"nobody knows whether {use.name} has happened for this {use.once}, and it cannot be asked"
            return ask(plan, state, node, "unknown", (reason,), receipts, call=call)
    if use.approver and state.let_call != call.id:
        reason = f"the plan asks {use.approver.role} before each call of {use.name}"
        return ask(plan, state, node, "call", (reason,), receipts, call=call)
    acts = state.acts
    if call.key:
        doubtful = done is not None and done.happened
        asked = Done(node=node.name, tool=use.name, arguments=arguments, outcome="unknown" if doubtful else "asked")
        acts = {**acts, call.key: asked}
    # What a person let be sent again is this effect, whatever the attempt calls before it.
    let_again = "" if state.let_again == call.key else state.let_again
    sent = changed(state, acts=acts, let_again=let_again, gate=None)
    again = " again" if due(plan, sent, node).again else ""
    return Step(state=sent, receipts=(*receipts, _receipt("acting", plan, state, node, call, action=f"call{again}")))


def _from_record(
    plan: Plan, state: State, node: Work, receipts: tuple[Receipt, ...]
) -> tuple[State, tuple[Receipt, ...]]:
    """Answer the calls that are due, up to the first that is not the same as one that was done."""
    while state.pending:
        call = state.pending[0]
        done = state.acts.get(call.key)
        if done is None or done.result is None or done.arguments != digest_of(plan, state, call):
            break
        receipt = _receipt("acted", plan, state, node, call, action="found", output=done.result.digest)
        receipts = (*receipts, replace(receipt, how={**receipt.how, "recorded": True}))
        state = _answered(state, call, Entry(kind="tool", id=call.id, outcome="found", data=done.result))
    return state, receipts


def due(plan: Plan, state: State, node: Work) -> Act:
    """The call that is due."""
    call = state.pending[0]
    done = state.acts.get(call.key)
    return Act(
        plan=state.plan,
        node=node.name,
        attempt=state.attempts[node.name],
        call=call,
        again=done is not None and done.outcome == "unknown" and granted(node, call.tool).probe,
    )


def act(plan: Plan, state: State, node: Work, event: Acted) -> Step:
    """Take what became of the call that is due. Raises `OrderError` where it is none of what may become of it."""
    call = state.pending[0]
    use = granted(node, call.tool)
    given = event.outcome in ("done", "found")
    if (event.result is not None) is not given or (event.outcome == "found" and not use.probe):
        raise OrderError(f"{use.name} came to {event.outcome} in a way that it cannot.")
    if event.result is not None and not event.result.intact:
        raise OrderError(f"The digest of the result of {use.name} is not that of its data.")
    receipt = _receipt(
        "acted",
        plan,
        state,
        node,
        call,
        action=event.outcome,
        output=event.result.digest if event.result else "",
        reason=event.reason,
    )
    receipt = replace(receipt, how={**receipt.how, **code_of(event), **proof_of(node, event.signed)})
    doubtful = False
    if call.key:
        before = state.acts[call.key]
        # A tool may say no because it has happened, and a call that failed tells nothing of the one before.
        known = given or before.outcome == "asked" or (event.outcome == "refused" and use.probe)
        outcome = event.outcome if known else "unknown"
        doubtful = outcome == "unknown"
        state = changed(state, acts={**state.acts, call.key: replace(before, outcome=outcome, result=event.result)})
    if given:
        how: Literal["done", "found"] = "done" if event.outcome == "done" else "found"
        answer = Entry(kind="tool", id=call.id, outcome=how, data=event.result)
        return go_on(plan, _answered(state, call, answer), node, (receipt,))
    reason = event.reason or f"{use.name} said no more than {event.outcome}"
    if event.outcome == "refused":
        # What is said of outside text may be outside text: a model is told so, and no person in our name.
        said = f"{use.name} said no" if use.untrusted and not call.by_model else reason
        return refuse(plan, state, node, said, (receipt,))
    state = changed(state, tried=state.tried + 1)
    if state.tried < CALL_TRIES and (use.probe or not doubtful):
        return go_on(plan, state, node, (receipt,))
    return ask(plan, state, node, "unknown" if doubtful else "failed", (reason,), (receipt,), call=call)


def let(plan: Plan, state: State, node: Work, receipt: Receipt) -> Step:
    """A person lets the pending call happen."""
    return go_on(plan, changed(state, let_call=state.pending[0].id), node, (receipt,))


def refuse(plan: Plan, state: State, node: Work, reason: str, receipts: tuple[Receipt, ...]) -> Step:
    """The pending call is not made: a model is told so, and code that asked for it goes no further."""
    call = state.pending[0]
    if not call.by_model:
        return ask(plan, state, node, "blocked", (reason,), receipts, call=call)
    told = Entry(kind="tool", id=call.id, outcome="refused", reason=reason)
    return go_on(plan, _answered(state, call, told), node, receipts)


def _answered(state: State, call: Call, entry: Entry) -> State:
    """The pending call has its answer; what a person let happen was that call alone."""
    journal = (*state.journal, replace(entry, tool=call.tool))
    return changed(state, journal=journal, pending=state.pending[1:], let_call="", tried=0, gate=None)


# -- inside ----------------------------------------------------------------------------------------


def _too_long(state: State) -> bool:
    data: Iterable[Json] = (
        *([entry.reason, entry.data.data if entry.data else None] for entry in state.journal),
        *(call.arguments for call in state.pending),
    )
    return (
        len(state.journal) + len(state.pending) > MAX_ENTRIES
        or sum(len(canonical.dumps(item)) for item in data) > MAX_JOURNAL_BYTES
    )


def _receipt(
    kind: Literal["acting", "acted"],
    plan: Plan,
    state: State,
    node: Work,
    call: Call,
    *,
    action: str,
    output: str = "",
    reason: str = "",
) -> Receipt:
    return Receipt(
        kind=kind,
        node=node.name,
        attempt=state.attempts[node.name],
        action=action,
        output=output,
        reason=reason,
        how=_call_data(plan, state, call),
    )


def _call_data(plan: Plan, state: State, call: Call) -> dict[str, Json]:
    return {
        "tool": call.tool,
        "key": call.key,
        "call": call.id,
        "arguments": digest_of(plan, state, call),
        "by_model": call.by_model,
    }


def entry_data(node: Work, entry: Entry) -> dict[str, Json]:
    """An entry by its digest. A name that the plan does not grant may be anything that a model wrote."""
    known = entry.tool if node.tool(entry.tool) else ""
    digest = entry.data.digest if entry.data else ""
    return {"kind": entry.kind, "tool": known, "outcome": entry.outcome, "digest": digest}
