"""Factories: plans, sealed values and events, made with as few words as a test needs.

Every node made here has a contract of its own that any JSON value keeps to, and labels are worked out as tracing
does, so `plan_of(stage("read", "start"), approve("agreed", "read"))` is a plan without faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gatework.plan.expr import Condition, Const, Ref
from gatework.plan.labels import Label, combined
from gatework.plan.plan import (
    OPERATOR,
    Approval,
    Budget,
    By,
    Choice,
    GuardUse,
    Identity,
    Input,
    Limit,
    Node,
    Param,
    Pause,
    Plan,
    ToolUse,
    Work,
)
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

START = "start"
"""What a run of a plan made here starts from."""

CONSTANT = "constant"
"""What the contract of constants is named by."""

SALT = bytes(range(16))

ARGUMENTS: Json = {
    "type": "object",
    "properties": {"order": {}, "amount": {}},
    "required": ["order"],
    "additionalProperties": False,
}
"""The contract of what every tool made here is called with."""

RESULT: Json = {"$comment": "any JSON, as a tool gives it"}


@dataclass(frozen=True)
class Value:
    """What is known of a value of the plan before its nodes are made."""

    label: Label
    contract: str


Known = Mapping[str, Value]
Draft = Callable[[Known], Node]
"""A node that still has to learn the labels and contracts of what it reads."""

Undo = Callable[[Known], Work]
"""A stage that undoes another."""


def sealed(data: Json, salt: bytes = SALT) -> Sealed:
    """A sealed value; with one salt, the same data has the same digest."""
    return Sealed.of(data, salt)


def arguments(data: Json) -> str:
    """The digest of the arguments of a call in a run that started from a value with the one salt."""
    return sealed(data, bytes.fromhex(canonical.digest("arguments", SALT.hex())[:32])).digest


# -- plans -----------------------------------------------------------------------------------------


def plan_of(
    *drafts: Draft,
    start: Label = Label.UNTRUSTED,
    name: str = "plan",
    result: str = "",
    budget: Budget | None = None,
    private: bool = False,
    undos: Iterable[Undo] = (),
) -> Plan:
    """A plan of these nodes, in this order. Its result is the last one's output unless named."""
    known = {START: Value(start, contract_of(START))}
    nodes: list[Node] = []
    for draft in drafts:
        made = draft(known)
        nodes.append(made)
        known[made.name] = _value_of(made, known)
    undone = tuple(undo(known) for undo in undos)
    named = (START, CONSTANT, *(node.name for node in (*nodes, *undone)))
    schemas = (*map(_schema, named), ARGUMENTS, RESULT)
    return Plan(
        name=name,
        inputs=(Input(name=START, label=start, contract=contract_of(START), private=private),),
        nodes=tuple(nodes),
        undos=undone,
        result=result or nodes[-1].name,
        contracts={canonical.digest("contract", schema): schema for schema in schemas},
        budget=budget,
        acknowledged=tuple(node.name for node in nodes),
    )


def _value_of(node: Node, known: Known) -> Value:
    """What is known of what a node gives; of a choice, which gives nothing, whether outside text decides it."""
    match node:
        case Choice():
            outside = any(known[ref.node].label is Label.UNTRUSTED for ref in node.reads)
            return Value(Label.UNTRUSTED if outside else Label.PLAIN, "")
        case Pause():
            return Value(Label.PLAIN, "")
        case _:
            return Value(node.label, node.contract)


def stage(
    name: str,
    *reads: str | Ref | Const,
    before: Iterable[str] = (),
    guards: Iterable[str] = (),
    tools: Iterable[ToolUse] = (),
    attempts: int = 1,
    budget: Budget | None = None,
    operator: By | str = OPERATOR,
    override: By | None = None,
    kind: Literal["stage", "endorse"] = "stage",
    like: str = "",
    undo: str = "",
) -> Undo:
    """A stage that reads earlier values, by name, or constants. Without any it reads what the run starts from.

    `like` names a value whose contract the output keeps to; `undo` names what undoes the stage.
    """

    uses = tuple(tools)

    def draft(known: Known) -> Work:
        params = tuple(param_of(position, read, known) for position, read in enumerate(reads or (START,)))
        return Work(
            name=name,
            runs=f"do_{name}",
            params=params,
            label=Label.ENDORSED if kind == "endorse" else _label(params, uses),
            contract=known[like].contract if like else contract_of(name),
            before=tuple(GuardUse(name=guard, binds={"it": "p0"}, timeout_seconds=1.0) for guard in before),
            guards=tuple(GuardUse(name=guard, binds={}, timeout_seconds=1.0) for guard in guards),
            tools=uses,
            attempts=attempts,
            budget=budget,
            operator=by_of(operator),
            override=override,
            undo=undo,
            kind=kind,
        )

    return draft


def endorse(name: str, claim: str) -> Undo:
    """An endorser that looks up what an untrusted value claims."""
    return stage(name, claim, kind="endorse")


def effect(
    name: str,
    *reads: str,
    probe: bool = False,
    before: Iterable[str] = (),
    guards: Iterable[str] = (),
    attempts: int = 1,
    approver: By | str | None = None,
    limits: Iterable[Limit] = (),
    undo: str = "",
) -> Undo:
    """A stage that holds one effect, with or without a probe."""
    use = tool(probe=probe, approver=approver, limits=limits)
    return stage(name, *reads, before=before, tools=[use], guards=guards, attempts=attempts, undo=undo)


def tool(
    name: str = "refund",
    *,
    kind: Literal["tool", "effect"] = "effect",
    probe: bool = False,
    approver: By | str | None = None,
    queue: str = "",
    limits: Iterable[Limit] = (),
    untrusted: bool = False,
    private: bool = False,
    egress: bool = False,
) -> ToolUse:
    """The use of a tool at a node: of an effect unless told otherwise. It takes an `order` and an `amount`."""
    return ToolUse(
        name=name,
        kind=kind,
        arguments=canonical.digest("contract", ARGUMENTS),
        result=canonical.digest("contract", RESULT),
        limits=tuple(limits),
        once="order" if kind == "effect" else "",
        probe=probe,
        untrusted=untrusted,
        private=private,
        egress=egress,
        approver=by_of(approver) if approver else None,
        queue=queue,
    )


def limit(argument: str, rule: Literal["is", "at_most", "at_least"], value: Json | Ref) -> Limit:
    """A limit on a number, by a constant or a value of the plan."""
    return Limit(argument=argument, rule=rule, value=value if isinstance(value, Ref) else Const(value), kind="number")


def approve(
    name: str,
    value: str,
    *,
    when: Condition | None = None,
    show: Iterable[str] = (),
    role: By | str = "finance",
    not_by: Iterable[str | Ref] = (),
    otherwise: By | str | None = None,
    title: str = "",
    click: bool = False,
) -> Draft:
    """An approval of an earlier value."""

    def draft(known: Known) -> Approval:
        return Approval(
            name=name,
            value=Ref(value),
            contract=known[value].contract,
            by=by_of(role),
            not_by=tuple(Ref(who) if isinstance(who, str) else who for who in not_by),
            when=when,
            show=tuple(Ref(shown) for shown in show),
            title=title,
            otherwise=by_of(otherwise) if otherwise else None,
            click=click,
        )

    return draft


def by_of(who: By | str) -> By:
    """Who may answer, by the name of their role or as it is."""
    return By(role=who) if isinstance(who, str) else who


def _label(params: Iterable[Param], tools: Iterable[ToolUse]) -> Label:
    outside = [Label.UNTRUSTED for use in tools if use.untrusted]
    return combined([*(param.label for param in params), *outside])


def param_of(position: int, read: str | Ref | Const, known: Known) -> Param:
    """An input of a node, named by its position."""
    source = Ref(read) if isinstance(read, str) else read
    value = Value(Label.PLAIN, contract_of(CONSTANT)) if isinstance(source, Const) else known[source.node]
    return Param(name=f"p{position}", label=value.label, contract=value.contract, source=source)


def contract_of(name: str) -> str:
    """The digest of the contract that a node made here has."""
    return canonical.digest("contract", _schema(name))


def _schema(name: str) -> Json:
    return {"$comment": f"any JSON, as {name}"}


# -- events ----------------------------------------------------------------------------------------


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
