"""What is let on: plans in order, inputs by their labels, what may be spent, verdicts of guards, approvals by a rule.

Pure, as the machine is, which asks here and does what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import get_args

from gatework.errors import ContractError, OrderError
from gatework.machine.hands import by_hand
from gatework.plan.expr import Const, ExprError, holds, refs, render, resolve
from gatework.plan.faults import structure_faults
from gatework.plan.flow import is_private, leak, reads_outside, steering, vouched
from gatework.plan.labels import Label, combined
from gatework.plan.plan import (
    DEFAULT_BUDGET,
    Approval,
    Budget,
    Call,
    GuardUse,
    Node,
    Param,
    Plan,
    Work,
)
from gatework.run.budget import Spent, left, minus, plus, smaller, times, total, unsound, used_up
from gatework.run.changed import changed
from gatework.run.events import Acted, Failed, Finished, Given, Signed, Stopped
from gatework.run.held import Held
from gatework.run.state import Run, State
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.values.verdict import Word

MAX_EVIDENCE_DEPTH = 32
"""Deepest nesting of what is said of how a result came about."""

_WORDS: tuple[Word, ...] = get_args(Word)

_KEY_ID = re.compile(r"[0-9a-f]{16}")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{85}[AQgw]==")
"""64 bytes in base64, as they are written and not otherwise."""


def check_order(plan: Plan) -> None:
    """Raise `OrderError` unless the nodes of a plan stand in order, and each reads only what is there before it."""
    for name, problem, _ in structure_faults(plan):
        raise OrderError(f"The plan is out of order at {name}: {problem}")


def admitted(plan: Plan, node: Work, state: State) -> Mapping[str, Sealed]:
    """The inputs of a node, after a look at what is known of each value. Raises `OrderError`."""
    inputs = {}
    labels = set()
    for param in node.params:
        sealed, label = read(param, state)
        if not label.meets(param.label):
            raise OrderError(f"{node.name} asks for {param.label} {param.name} and would get {label}.")
        labels.add(label)
        inputs[param.name] = sealed
    untrusted = Label.UNTRUSTED in labels
    known = {*labels, Label.UNTRUSTED} if reads_outside(node.tools) else labels
    if node.effects and (Label.UNTRUSTED in known or not labels & {Label.ENDORSED, Label.APPROVED}):
        raise OrderError(f"{node.name} holds an effect and may not run on {one_of(sorted(known))} data.")
    if node.label is Label.APPROVED or not _may_give(node, combined(known)):
        raise OrderError(f"{node.name} makes its output of {combined(known)} data and may not call it {node.label}.")
    for use in node.tools:
        for ref in use.reads:
            if state.values[ref.node].label is Label.UNTRUSTED:
                raise OrderError(f"{use.name} of {node.name} may not be limited by the untrusted {ref.node}.")
    steers = steering(plan, node)
    hidden = _Private(state.values)
    private = any(ref.node in hidden for ref in (*node.reads, *steers))
    steered = check_steering(plan, node, state)
    if found := leak(node.tools, plan.contracts, outside=untrusted or steered, private=private):
        raise OrderError(f"Outside text could make {node.name} send what is private through {found[0].name}.")
    return inputs


def check_steering(plan: Plan, node: Work | Call, state: State) -> bool:
    """Whether outside text picked the way in which a node stands. Raises `OrderError` where it would pick an effect."""
    steered = any(state.values[ref.node].label is Label.UNTRUSTED for ref in steering(plan, node))
    if node.effects and steered and not vouched(plan, node):
        raise OrderError(f"{node.name} holds an effect that outside text would pick, and nobody vouches for it there.")
    return steered


def _may_give(node: Work, made: Label) -> bool:
    """Whether a node may give its output the label that the plan says, where its inputs and tools make it `made`."""
    if node.kind == "endorse":
        return node.label is Label.ENDORSED and not node.tools
    return made in (Label.PLAIN, node.label)


def private(plan: Plan, node: Node, state: State) -> bool:
    """Whether something that must not leave has a hand in what a node gives."""
    return is_private(plan, node, _Private(state.values))


class _Private(Set[str]):
    """The names of the values that must not leave: of a long plan few are asked for, and no set is made of all."""

    def __init__(self, values: Mapping[str, Held]) -> None:
        self._values = values

    def __contains__(self, name: object) -> bool:
        return name in self._values and self._values[str(name)].private

    def __iter__(self) -> Iterator[str]:
        return (name for name, held in self._values.items() if held.private)

    def __len__(self) -> int:
        return sum(1 for _ in self)


# -- what may be spent -----------------------------------------------------------------------------


def allowance(plan: Plan, node: Work, state: State) -> Budget:
    """What the attempt that is due may spend: the smaller of what is left to its stage and to the run."""
    spent = minus(state.spent.get(node.name, Spent()), state.renewed)
    of_stage = left(node.budget or times(DEFAULT_BUDGET, node.attempts), spent)
    of_run = run_budget(plan, state)
    return smaller(of_stage, left(of_run, total(state.spent.values()))) if of_run else of_stage


def run_budget(plan: Plan, state: State) -> Budget | None:
    """What the run may spend over all its stages; None where nothing limits it, as while it is being undone."""
    if state.ending is not None:
        return None
    if plan.budget is None or state.allowance is None:
        return plan.budget or state.allowance
    return smaller(plan.budget, state.allowance)


def unaffordable(plan: Plan, node: Work, state: State) -> str:
    """Why another attempt of a node has nothing to spend, in a sentence; empty where it has."""
    spent = state.spent.get(node.name, Spent())
    gone = used_up(allowance(plan, node, state), spent)
    if not gone:
        return ""
    limit = run_budget(plan, state)
    of_run = used_up(left(limit, total(state.spent.values())), spent) if limit else ()
    whose = "the run" if of_run else node.name
    return f"the budget of {whose} has no {one_of(of_run or gone)} left"


# -- inputs, verdicts, rules -----------------------------------------------------------------------


def read(param: Param, state: State) -> tuple[Sealed, Label]:
    """What an input of a node is given, and its label. Raises `OrderError` where there is no such field."""
    if isinstance(param.source, Const):
        return Sealed.of(param.source.data, b""), Label.PLAIN
    held = state.values[param.source.node]
    if not param.source.path:
        return held.sealed, held.label
    try:
        data = resolve(param.source, lambda name: state.values[name].sealed.data)
    except ExprError as error:
        raise OrderError(error.message) from None
    # Not the salt of the whole: where a field is shown to somebody, the others stay as hidden as they were.
    salt = canonical.digest("field", [held.sealed.salt, *param.source.path])[:32]
    return Sealed.of(data, bytes.fromhex(salt)), held.label


def asked_before(node: Work, run: Run) -> tuple[GuardUse, ...]:
    """The guards that look at the inputs first: none where the stage does not work, or a person let these inputs in."""
    return () if run.let_in or run.edited is not None else node.before


def said_by(
    node: Work, guards: tuple[GuardUse, ...], verdicts: tuple[Given, ...], on: str, what: str
) -> dict[Word, tuple[str, ...]]:
    """The reasons of verdicts by their word; `OrderError` unless they are one of each guard, on this digest."""
    if tuple(given.guard for given in verdicts) != tuple(use.name for use in guards):
        raise OrderError(f"Not every guard of {node.name} gave one verdict, in the order of the plan.")
    if any(given.on != on for given in verdicts):
        raise OrderError(f"A guard of {node.name} gave its verdict on another {what}.")
    if any(given.verdict not in _WORDS for given in verdicts):
        raise OrderError(f"A guard of {node.name} answered with no verdict.")
    for use, given in zip(guards, verdicts, strict=True):
        if given.signed is not None and not use.queue:
            raise OrderError(f"A guard of {node.name} signed its verdict, and has no workers of its own.")
        check_signed(node, given.signed)
    return {word: tuple(given.reason for given in verdicts if given.verdict == word) for word in _WORDS}


def check_let_run(node: Work, run: Run, before: tuple[Given, ...]) -> None:
    """Raise `OrderError` unless each guard on inputs that is asked passed those of the attempt."""
    said = said_by(node, asked_before(node, run), before, run.inputs_digest, "input")
    if said["block"] or said["retry"] or said["escalate"]:
        raise OrderError(f"A guard did not let {node.name} run on these inputs, and it ran.")


def check_within(node: Work, allowed: Budget, spent: Spent) -> None:
    """Raise `OrderError` where an attempt made more calls than it was allowed; what they cost, nobody knows before."""
    calls = allowed.model_calls is not None and spent.model_calls > allowed.model_calls
    if calls or any(many > allowed.tool_calls.get(tool, many) for tool, many in spent.tool_calls.items()):
        raise OrderError(f"{node.name} says that it made more calls than its budget has.")


def charged(state: State, node: Work | Call, spent: Spent) -> State:
    """The state with what an attempt, or a child run, spent. Raises `OrderError` where that cannot have been spent."""
    if unsound(spent) or (isinstance(node, Work) and any(node.tool(name) is None for name in spent.tool_calls)):
        raise OrderError(f"{node.name} says that it spent what cannot be spent.")
    so_far = state.spent.get(node.name, Spent())
    return changed(state, spent={**state.spent, node.name: plus(so_far, spent)})


def check_evidence(node: Work, event: Finished | Failed) -> None:
    """Raise `OrderError` unless a receipt, in which it lies deeper than in the event, can hold the evidence."""
    try:
        canonical.check(event.evidence, max_depth=MAX_EVIDENCE_DEPTH)
    except ContractError as error:
        raise OrderError(f"What is said of how the result of {node.name} came about is {error.reason}.") from None
    if "signed" in event.evidence:  # it would stand in the receipt where a signature does
        raise OrderError(f"What is said of how the result of {node.name} came about has a member of another use.")


def check_signed(node: Work, signed: Signed | None) -> None:
    """Raise `OrderError` where what should be a signature is none. Whose it is, whoever verifies the ledger finds."""
    if signed is not None and not (_KEY_ID.fullmatch(signed.key) and _SIGNATURE.fullmatch(signed.signature)):
        raise OrderError(f"A result of {node.name} bears what is no signature.")


def proof_of(node: Work, signed: Signed | None) -> dict[str, Json]:
    """What a receipt keeps of the signature of a result, as its member `signed`. Raises `OrderError`."""
    check_signed(node, signed)
    return {} if signed is None else {"signed": {"key": signed.key, "signature": signed.signature}}


def code_of(event: Stopped | Acted) -> dict[str, Json]:
    """What a receipt says of the code that a worker ran; nothing where what it says is no digest."""
    return {"code": event.code} if re.fullmatch("[0-9a-f]{64}", event.code) else {}


def reason_to_ask(plan: Plan, node: Approval, state: State) -> str:
    """Why a person is asked at an approval; empty where the plan's own rule approves."""
    if node.when is None:
        return "the plan asks always"
    if any(state.values[ref.node].label is Label.UNTRUSTED for ref in (node.value, *refs(node.when))):
        return "outside text has no say in whether a person is asked"
    given = by_hand(plan, state)
    if any(ref.node in given for ref in (node.value, *refs(node.when))):
        return "a person changed what the rule looks at"
    try:
        asks = holds(node.when, lambda name: state.values[name].sealed.data)
    except ExprError as error:
        return f"the rule cannot be answered: {error.message}"
    return render(node.when) if asks else ""


def one_of(words: Sequence[str]) -> str:
    """Words as alternatives: `retry, edit or abort`; for no label at all, `plain`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "plain"
