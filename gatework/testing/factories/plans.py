"""Plans, made node by node."""

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
    Input,
    Limit,
    Node,
    Param,
    Pause,
    Plan,
    ToolUse,
    Work,
)
from gatework.values import canonical
from gatework.values.canonical import Json

START = "start"
"""What a run of a plan made here starts from."""

CONSTANT = "constant"
"""What the contract of constants is named by."""

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
