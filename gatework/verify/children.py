"""Child runs, as the run that started them says. Section 5.6 of the specification."""

from __future__ import annotations

from dataclasses import replace

from gatework.plan.plan import Call, Child, Part
from gatework.run.state import Receipt
from gatework.values import canonical
from gatework.values.canonical import Json, Sealed
from gatework.verify.account import lent_in
from gatework.verify.entries import says
from gatework.verify.onward import arrive, hold_as, undoing, with_hands
from gatework.verify.refusal import must
from gatework.verify.state import Ask, Branch, Done, Held, State, Undoable
from gatework.verify.values import Disclosed
from gatework.verify.work import given

MOST = 20_000
"""Most child runs of one node."""

OUTCOMES = ("completed", "rejected", "aborted", "expired", "cancelled", "failed", "undone")


def _here(state: State, receipt: Receipt) -> Call:
    """The call at the position. Raises `Refused` unless the receipt is of it."""
    node = state.here
    must(state.phase == "at" and isinstance(node, Call), "order", "No child runs are due.")
    assert isinstance(node, Call)
    must(receipt.node == node.name, "order", "The receipt is of another node than the one that is due.")
    return node


def child_of(node: Call, number: int) -> Child:
    """What the plan says of a child run by its number."""
    return node.children[0] if node.kind == "each" else node.children[number]


def _many(known: Disclosed, state: State, node: Call) -> int | None:
    """How many child runs a node has; None where a withheld value leaves it unknown."""
    if node.items is None:
        return len(node.children)
    digest = state.held[node.items.node].digest
    if not known.has(digest):
        return None
    items = known.data(digest)
    must(isinstance(items, list) and len(items) <= MOST, "order", "What is to be a list is none, or too long.")
    return len(items)


def stopping(state: State, node: Call) -> bool:
    """Whether a child run gave nothing, and so no other is started."""
    return node.failed == "stop" and any(not branch.output for branch in state.branches.values())


def called(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A child run is to be under way."""
    node = _here(state, receipt)
    must(says(receipt, "attempt", "shown") and not state.ending, "order", "It says more than it may.")
    number = receipt.how.get("child")
    must(isinstance(number, int) and number >= 0, "order", "There is no such child run.")
    assert isinstance(number, int)
    many = _many(known, state, node)
    must(number < (MOST if many is None else many), "order", "More child runs are started than there are.")
    child = child_of(node, number)
    of_plan = (receipt.how.get("workflow"), receipt.how.get("plan")) == (child.workflow, child.plan)
    must(of_plan, "order", "A child run is of another plan than the plan says.")
    must(receipt.attempt == state.attempts[node.name], "order", "The number of the attempt is not the one that is due.")
    fresh = number not in state.running and number not in state.branches
    must(fresh, "order", "A child run is started that is under way, or has come to something.")
    must(len(state.running) < node.at_most, "order", "More child runs are under way than the plan lets be.")
    must(not stopping(state, node), "order", "A child run is started after one that gave nothing.")
    inputs = {param.name: given(known, state, param) for param in child.params}
    if node.item:
        assert node.items is not None
        inputs[node.item] = _item(known, state.held[node.items.node].digest, number)
    must(inputs.keys() == receipt.shown.keys(), "order", "A child run was given other inputs than the plan says.")
    same = all(digest is None or receipt.shown[name] == digest for name, digest in inputs.items())
    must(same, "order", "A child run was given other inputs than those that hold a receipt.")
    if None in inputs.values():
        known.unchecked("inputs of child runs that are parts of withheld values")
    for param in child.params:
        known.contract(param.contract, receipt.shown[param.name])
    lent = state.reserved.to(number, lent_in(receipt.how))
    return replace(state, running=state.running | {number}, lent=lent)


def _item(known: Disclosed, items: str, number: int) -> str | None:
    if not known.has(items):
        return None
    salt = canonical.digest("item", [known.salt(items), number])[:32]
    return Sealed.of(known.data(items)[number], bytes.fromhex(salt)).digest


def returned(known: Disclosed, state: State, receipt: Receipt) -> State:
    """A child run came to something."""
    node = _here(state, receipt)
    must(says(receipt, "attempt", "output", "label", "action", "reason"), "order", "It says more than it may.")
    number = receipt.how.get("child")
    must(isinstance(number, int) and number in state.running, "order", "No such child run is under way.")
    assert isinstance(number, int)
    must(receipt.attempt == state.attempts[node.name], "order", "The number of the attempt is not the one that is due.")
    must(receipt.action in OUTCOMES, "order", "A child run came to what there is not.")
    completed = receipt.action == "completed"
    must(bool(receipt.output) is completed and bool(receipt.label) is completed, "order",
         "A child run gave a value and did not complete, or the other way round.")  # fmt: skip
    # One that the server ended said nothing, neither which run it was.
    run, ledger = receipt.how.get("run", ""), receipt.how.get("ledger", "")
    told = bool(run) is bool(ledger) and (bool(run) or not completed)
    must(told, "order", "A child run that completed is not named, or it is named by half.")
    if state.ending:
        if receipt.action != "undone":
            return replace(state, phase="ask", ask=Ask(kinds=("failed",)), running=frozenset())
        return undoing(replace(state, undoable=state.undoable[:-1]))
    acts, undoable = state.acts, state.undoable
    if receipt.how.get("acted") is True:
        acts = {**acts, act(node, number): Done(node=node.name, tool="")}
    if receipt.how.get("undoable") is True:
        must(completed, "order", "A child run can be undone, and did not complete.")
        undoable = (*undoable, Undoable(undo=node.name, child=number))
    name = node.name if node.kind == "call" else f"{node.name}/{number + 1}"
    inner = [f"{name} {one}" for one in receipt.how.get("overridden", ())]
    branch = Branch(
        outcome=receipt.action,
        output=receipt.output,
        label=receipt.label,
        reason=receipt.reason,
        held=known.gave.get(str(run)),
    )
    return replace(
        state,
        acts=acts,
        undoable=undoable,
        running=state.running - {number},
        lent=state.reserved.back(number),
        overridden=state.overridden.then(inner, receipt.how.get("more", 0)),
        branches={**state.branches, number: branch},
    )


def act(node: Call, number: int) -> str:
    """Under what name it is known that a child run changed the outside world: no key of an effect."""
    return f"run: {node.name} {number}"


def in_doubt(state: State) -> dict[str, Done]:
    """What has been done, or may have been, where the child runs that are under way are left alone."""
    acts = dict(state.acts)
    node = state.here
    for number in sorted(state.running) if isinstance(node, Call) else ():
        assert isinstance(node, Call)
        if child_of(node, number).effects:
            acts.setdefault(act(node, number), Done(node=node.name, tool="", outcome="unknown"))
    return acts


_COVERS = {
    "untrusted": ("untrusted",),
    "plain": ("plain", "untrusted"),
    "endorsed": ("endorsed", "untrusted"),
    "approved": ("approved", "endorsed", "untrusted"),
}
"""Label of a value → under what labels it may be given on: those that say no more of it."""


def gathered(known: Disclosed, state: State, receipt: Receipt) -> State:
    """All child runs have come to something, and this is what they gave together."""
    node = _here(state, receipt)
    must(says(receipt, "output", "label") and not state.ending, "order", "It says more than it may.")
    must(not state.running, "order", "A child run is still under way.")
    many = _many(known, state, node)
    numbers = sorted(state.branches)
    whole = numbers == list(range(len(numbers) if many is None else many))
    must(whole, "order", "Not all child runs have come to something.")
    failed = [number for number in numbers if not state.branches[number].output]
    must(not failed or node.failed == "collect", "order", "A child run gave nothing, and no person was asked.")
    if many is None:
        known.unchecked("the number of child runs over withheld lists")
    if node.kind == "parallel":
        must(not receipt.output and not receipt.label, "order", "Runs side by side give no value together.")
        return arrive_behind(state, node)
    labels = {branch.label for branch in state.branches.values() if branch.output}
    covered = all(node.label in _COVERS.get(label, ()) for label in labels)
    must(covered, "order", "A child run gave what is known too little of.")
    must(bool(receipt.output) and receipt.label == node.label, "order", "The value has not the label of the plan.")
    if node.kind == "call":
        must(receipt.output == state.branches[0].output, "order", "The value is not what the child run gave.")
    else:
        own = _together(known, state, node)
        must(own in (None, receipt.output), "order", "The value is not what the child runs gave together.")
        if own is None:
            known.unchecked("lists that were gathered of withheld values")
    known.contract(node.contract, receipt.output)
    hands = [branch.held for branch in state.branches.values()]
    return hold_as(state, node, with_hands(Held(digest=receipt.output, label=str(node.label)), hands))


def arrive_behind(state: State, node: Call) -> State:
    """The state at the parts of runs side by side."""
    return arrive(replace(state, marks={**state.marks, node.name: 1}), state.at + 1)


def _together(known: Disclosed, state: State, node: Call) -> str | None:
    """The digest of the list that all child runs gave; None where some of it is withheld."""
    assert node.items is not None
    items = state.held[node.items.node].digest
    gave = [branch.output for _, branch in sorted(state.branches.items()) if branch.output]
    if not all(map(known.has, (items, *gave))):
        return None
    data: Json = [known.data(digest) for digest in gave]
    if node.failed == "collect":
        outside = node.label == "untrusted"
        data = {
            "values": data,
            "failed": [
                {"index": number, "reason": (outside and branch.reason) or branch.outcome}
                for number, branch in sorted(state.branches.items())
                if not branch.output
            ],
        }
    salt = canonical.digest("gathered", [known.salt(items), *map(known.salt, gave)])
    return Sealed.of(data, bytes.fromhex(salt)[:16]).digest


def part_label(node: Part, branch: Branch) -> bool:
    """Whether a part may give on what a child run gave."""
    return node.label in _COVERS.get(branch.label, ())
