"""The rules of nodes at which people decide or answer, and of conditions."""

from __future__ import annotations

from collections.abc import Iterator

from gatework.plan import titles
from gatework.plan.expr import Compare, Condition, parts, refs, render
from gatework.plan.faults.structure import Fault
from gatework.plan.labels import Label
from gatework.plan.plan import MAX_QUORUM, Approval, By, Node, Plan, Question, Work, is_role
from gatework.values.canonical import Json


def approval_faults(plan: Plan, node: Approval) -> Iterator[Fault]:
    """What is wrong with an approval."""
    label = plan.label(node.value.node)
    if node.value.path or any(ref.path for ref in node.show):
        yield node.name, f"{node.name} is about a part of a value.", "Approve and show whole values."
    yield from by_faults(node, "who decides", node.by, apart=node.tells_apart)
    if node.otherwise is not None:
        yield from by_faults(node, "who decides otherwise", node.otherwise, apart=node.tells_apart)
    for ref in node.not_by:
        if plan.label(ref.node) is Label.UNTRUSTED:
            yield node.name, f"the untrusted {render(ref)} says who may not approve.", "Use endorsed values."
        source = plan.node(ref.node) if ref.node in plan.index and not ref.path else None
        if isinstance(source, Approval):
            if any(by.identity == "none" for by in source.asks):
                fix = f"Give the role of {ref.node} identity='claimed' or more."
                yield node.name, f"nobody has to say who approves {ref.node}.", fix
        elif ref.node in plan.starts and not ref.path and plan.label(ref.node) is Label.APPROVED:
            continue  # the plan around this part says who approved it, and how surely that is known
        elif not ref.path and not _is_text(plan, ref.node):
            yield node.name, f"{render(ref)} names nobody.", "Use a text, or an approved value."
    try:
        named = titles.fields(node.title)
    except ValueError as error:
        yield node.name, f"the title of {node.name} {error}.", "Write it as in 'pay {amount}'."
    else:
        for name in sorted(set(named) - set(_fields(plan.contracts.get(node.contract)))):
            yield node.name, f"the title of {node.name} names {name}, which the value lacks.", "Name a field of it."
    if label is Label.APPROVED:
        yield node.name, f"{node.value.node} is approved already.", "Pass the approved value on."
    if label is Label.PLAIN:
        yield node.name, f"{node.value.node} has no label to approve.", "Approve an untrusted or endorsed value."
    if node.label is not Label.APPROVED or node.contract != plan.contract(node.value.node):
        yield node.name, f"{node.name} does not approve what it gives on.", "Seal the plan again."
    if node.when is None:
        return
    if label is Label.UNTRUSTED:
        yield node.name, "an untrusted value decides on its own approval.", "Endorse it first, or drop when=."
    if why := constant(node.when):
        yield node.name, why, "Compare a value of the plan."
    for ref in refs(node.when):
        if plan.label(ref.node) is Label.UNTRUSTED:
            yield node.name, f"the untrusted {render(ref)} decides whether a person is asked.", "Use endorsed values."


def question_faults(node: Question) -> Iterator[Fault]:
    """What is wrong with a question."""
    if not node.prompt.strip():
        yield node.name, f"{node.name} asks nothing.", "Write the question in a sentence."
    if any(ref.path for ref in node.show):
        yield node.name, f"{node.name} shows a part of a value.", "Show whole values."
    if node.label is not Label.APPROVED:
        yield node.name, f"{node.name} calls an answer {node.label}.", "Seal the plan again."
    for by in node.asks:
        yield from by_faults(node, "who answers", by)
        if by.quorum != 1:
            yield node.name, f"{node.name} asks several for one answer.", "Ask one, and let approve(…) ask several."


def by_faults(node: Node, what: str, by: By, *, apart: bool = False) -> Iterator[Fault]:
    """What is wrong with who answers at a node. `apart`: people are told from each other, as by a quorum."""
    if not is_role(by.role):
        yield node.name, f"{node.name} does not say {what}.", "Name a role."
    elif not 1 <= by.quorum <= MAX_QUORUM:
        problem = f"the quorum of {by.role} at {node.name} is {by.quorum}."
        yield node.name, problem, f"Use a number from 1 to {MAX_QUORUM}."
    elif by.identity == "none" and (by.quorum > 1 or apart):
        problem = f"{node.name} tells people of {by.role} from each other, and nobody has to say who they are."
        yield node.name, problem, "Leave identity= out, or use identity='claimed'."


def override_faults(node: Work) -> Iterator[Fault]:
    """What is wrong with who may override a node: nobody does so without a name."""
    by = node.override
    if by is not None and by.identity == "none" and is_role(by.role):
        problem = f"{by.role} may override {node.name}, and nobody has to say who they are."
        yield node.name, problem, "Leave identity= out, or use identity='claimed'."
    elif by is not None:
        yield from by_faults(node, "who may override it", by)


def _fields(schema: Json) -> tuple[str, ...]:
    named = schema.get("properties") if isinstance(schema, dict) else None
    return tuple(named) if isinstance(named, dict) else ()


def _is_text(plan: Plan, name: str) -> bool:
    schema = plan.contracts.get(plan.contract(name))
    return isinstance(schema, dict) and schema.get("type") == "string"


def constant(condition: Condition) -> str:
    """Why a condition, or some part of it, is the same whatever the values are; empty where it is not."""
    same = any(
        not any(True for _ in refs(part)) or (isinstance(part, Compare) and part.left == part.right)
        for part in parts(condition)
    )
    return f"the condition {render(condition)} is a constant." if same else ""
