"""Sealed values, and the events that a run of a plan takes."""

from __future__ import annotations

from collections.abc import Iterable

from gatework.plan.labels import Label
from gatework.plan.plan import GuardUse, Identity, Plan, Work
from gatework.run.budget import Spent
from gatework.run.events import (
    Acted,
    ActedOutcome,
    Action,
    Begun,
    Cancelled,
    Decided,
    Elapsed,
    Expired,
    Failed,
    FailureKind,
    Finished,
    Given,
    OutcomeKind,
    Returned,
    Stopped,
    Suspended,
)
from gatework.run.held import Held
from gatework.run.journal import Call, Entry
from gatework.run.state import Act, Gate, Run, Spawn, Wait
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.verdict import Word

SALT = bytes(range(16))


def sealed(data: Json, salt: bytes = SALT) -> Sealed:
    """A sealed value; with one salt, the same data has the same digest."""
    return Sealed.of(data, salt)


def arguments(data: Json) -> str:
    """The digest of the arguments of a call in a run that started from a value with the one salt."""
    return sealed(data, bytes.fromhex(canonical.digest("arguments", SALT.hex())[:32])).digest


def begun(plan: Plan, data: Json = "start") -> Begun:
    """A run starts, with the same data for each of its inputs."""
    return begun_from(plan, sealed(data))


def begun_from(plan: Plan, start: Sealed) -> Begun:
    """A run starts, with the same value for each of its inputs."""
    return Begun(plan=plan.digest, inputs={one.name: Held(sealed=start, label=one.label) for one in plan.inputs})


def finished(plan: Plan, run: Run, data: Json = None, *words: Word, spent: Spent | None = None) -> Finished:
    """The attempt that is due gives an output; each guard passes it, or says the words given, in order.

    The guards on inputs, where they are asked, have passed. The output is the person's value where one is due for its
    guards, and else `data`, by default the node's name.
    """
    node = plan.node(run.node)
    guards = node.guards if isinstance(node, Work) else ()
    output = run.edited or sealed(run.node if data is None else data)
    return Finished(
        plan=run.plan,
        node=run.node,
        attempt=run.attempt,
        inputs=run.inputs_digest,
        contract=plan.contract(run.node),
        output=output,
        verdicts=_given(guards, output.digest, words),
        before=_given(_before(plan, run), run.inputs_digest, ()),
        spent=spent or Spent(),
    )


def suspended(
    plan: Plan, run: Run, *calls: Call, entries: Iterable[Entry] = (), spent: Spent | None = None
) -> Suspended:
    """The attempt that is due waits for these calls, or goes on with these entries; each tool called is in `spent`."""
    came = tuple(entries)
    called = [*(call.tool for call in calls), *(entry.tool for entry in came if entry.outcome == "done")]
    return Suspended(
        plan=run.plan,
        node=run.node,
        attempt=run.attempt,
        inputs=run.inputs_digest,
        turn=len(run.journal),
        entries=came,
        calls=calls,
        before=_given(_before(plan, run), run.inputs_digest, ()),
        spent=spent or Spent(tool_calls={tool: called.count(tool) for tool in called}),
    )


def call(
    node: str,
    tool: str = "refund",
    *,
    order: Json = 7,
    amount: Json = 10,
    effect: bool = True,
    by_model: bool = False,
    number: int = 0,
) -> Call:
    """A call of a tool made here. An effect has one key for a node and an order; `number` tells calls apart."""
    arguments = {"order": order, "amount": amount}
    return Call(
        id=canonical.digest("call", [node, tool, arguments, number]),
        tool=tool,
        arguments=arguments,
        key=canonical.digest("effect", ["lineage", node, tool, order]) if effect else "",
        by_model=by_model,
    )


def answered(text: str = "an answer") -> Entry:
    """A model answered."""
    return Entry(kind="model", id=canonical.digest("question", text), outcome="answered", data=sealed(text))


def called(node: str, tool: str, result: Json = "found", *, number: int = 0) -> Entry:
    """A tool that runs with its stage gave a result."""
    id_ = call(node, tool, effect=False, number=number).id
    return Entry(kind="tool", id=id_, outcome="done", data=sealed(result), tool=tool)


def refused(node: str, tool: str, reason: str = "not granted", *, number: int = 0) -> Entry:
    """A model was told that it may not call a tool."""
    id_ = call(node, tool, effect=False, number=number).id
    return Entry(kind="tool", id=id_, outcome="refused", reason=reason, tool=tool)


def acted(act: Act, outcome: ActedOutcome = "done", result: Json = "receipt", *, reason: str = "") -> Acted:
    """The call that is due comes to an end; `result` counts where it gave one."""
    given = outcome in ("done", "found")
    return Acted(
        plan=act.plan,
        node=act.node,
        attempt=act.attempt,
        call=act.call.id,
        outcome=outcome,
        result=sealed(result) if given else None,
        reason=reason or ("" if given else f"{act.call.tool}: {outcome}"),
    )


def stopped(plan: Plan, run: Run, *words: Word) -> Stopped:
    """A guard does not let the attempt that is due run on its inputs; each says its word, in order."""
    return Stopped(
        plan=run.plan,
        node=run.node,
        attempt=run.attempt,
        inputs=run.inputs_digest,
        verdicts=_given(_before(plan, run), run.inputs_digest, words),
    )


def _before(plan: Plan, run: Run) -> tuple[GuardUse, ...]:
    node = plan.node(run.node)
    return node.before if isinstance(node, Work) and run.edited is None and not run.let_in else ()


def _given(uses: tuple[GuardUse, ...], on: str, words: tuple[Word, ...]) -> tuple[Given, ...]:
    passes: Word = "pass"
    return tuple(
        Given(guard=use.name, on=on, verdict=word, reason="" if word == "pass" else f"{use.name}: {word}")
        for use, word in zip(uses, words or (passes,) * len(uses), strict=True)
    )


def failed(run: Run, failure: FailureKind = "error", *, reason: str = "", spent: Spent | None = None) -> Failed:
    """The attempt that is due gives no output."""
    return Failed(
        plan=run.plan,
        node=run.node,
        attempt=run.attempt,
        inputs=run.inputs_digest,
        failure=failure,
        reason=reason or f"{run.node}: {failure}",
        spent=spent or Spent(),
    )


def elapsed(wait: Wait) -> Elapsed:
    """The time of a pause is over."""
    return Elapsed(plan=wait.plan, node=wait.node, attempt=wait.attempt)


def returned(
    spawn: Spawn,
    child: int,
    data: Json = None,
    outcome: OutcomeKind = "completed",
    *,
    label: Label = Label.UNTRUSTED,
    private: bool = False,
    by_hand: bool = False,
    by: Iterable[str] = (),
    editor: Iterable[str] = (),
    reason: str = "",
    spent: Spent | None = None,
    acted: bool = False,
) -> Returned:
    """A child run ended; where it completed it gave `data`, by default its number."""
    output = Held(
        sealed=sealed(child if data is None else data),
        label=label,
        private=private,
        by_hand=by_hand,
        by=tuple(by),
        editor=tuple(editor),
    )
    return Returned(
        plan=spawn.plan,
        node=spawn.node,
        attempt=spawn.attempt,
        child=child,
        outcome=outcome,
        output=output if outcome == "completed" else None,
        reason=reason,
        spent=spent or Spent(),
        acted=acted,
        run=f"run-{child}",
        ledger=canonical.digest("ledger", child),
    )


def decided(
    gate: Gate,
    action: Action,
    *,
    number: str | None = None,
    note: str = "",
    place: str = "",
    value: Sealed | None = None,
    by: str = "someone",
    identity: Identity | None = None,
    member: bool | None = None,
) -> Decided:
    """A person decides at a gate, with the number on the panel unless another is given.

    They are known as surely as the gate asks, and are in its role, unless told otherwise.
    """
    needed = gate.asked(action).identity
    asked: Identity = "claimed" if needed == "none" else needed
    surely: Identity = asked if by else "none"
    return Decided(
        action=action,
        number=gate.number if number is None else number,
        by=by,
        identity=surely if identity is None else identity,
        member=True if member is None and identity is None and surely in ("authenticated", "signed") else member,
        note=note,
        place=place,
        value=value,
    )


def expired(gate: Gate) -> Expired:
    """Nobody answered a gate in time."""
    return Expired(gate=gate.id)


def cancelled() -> Cancelled:
    """Someone cancels the run."""
    return Cancelled(reason="cancelled")
