"""The rules of runs that a plan starts: their plans, what they are given, and what is made of what they give."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatework.plan.expr import Ref
from gatework.plan.facts import facts_of
from gatework.plan.faults.structure import AGAIN, Fault
from gatework.plan.flow import label_of_items, sees_outside
from gatework.plan.labels import Label
from gatework.plan.plan import Approval, Call, Child, Part, Plan

_DIGEST = re.compile(r"[0-9a-f]{64}")


def call_faults(plan: Plan, node: Call, private: set[str]) -> Iterator[Fault]:
    """What is wrong with a node that starts runs, where the values of the nodes `private` must not leave."""
    shapes = {
        "call": len(node.children) == 1 and node.items is None and not node.item and node.failed == "ask",
        "each": len(node.children) == 1 and node.items is not None and not node.items.path,
        "parallel": len(node.children) > 1 and node.items is None and not node.item and node.failed != "collect",
    }
    if not shapes[node.kind] or (node.kind == "parallel") is not (node.contract == ""):
        yield node.name, f"{node.name} does not start runs as such a node does.", AGAIN
        return
    for child in node.children:
        yield from _child_faults(plan, node, child, private)
    if node.kind == "each":
        yield from _each_faults(plan, node)
    elif node.kind == "call" and next(iter(node.children)).workflow in plan.parts:
        yield node.name, f"{node.name} calls a part of the plan.", AGAIN


def part_faults(plan: Plan, node: Part) -> Iterator[Fault]:
    """What is wrong with what one of the runs side by side gave."""
    call = plan.node(node.call)
    assert isinstance(call, Call)
    part = plan.parts.get(call.children[node.child].workflow)
    if part is None or (part.label(part.result), part.contract(part.result)) != (node.label, node.contract):
        yield node.name, f"{node.name} gives another value than its branch.", AGAIN


def _child_faults(plan: Plan, node: Call, child: Child, private: set[str]) -> Iterator[Fault]:
    if not _DIGEST.fullmatch(child.plan):
        yield node.name, f"{node.name} does not say to which plan its runs are held.", AGAIN
    for param in child.params:
        label = plan.label(param.source.node) if isinstance(param.source, Ref) else Label.PLAIN
        if not label.meets(param.label):
            problem = f"{child.workflow} starts from {param.label} {param.name} and gets {label}."
            yield node.name, problem, "Pass a value with that label."
    part = plan.parts.get(child.workflow)
    if part is None:
        if not child.workflow.isidentifier() or len(child.params) != 1 or node.kind == "parallel":
            yield node.name, f"{node.name} starts runs of {child.workflow!r}, which is no workflow.", AGAIN
        if child.workflow == plan.name.partition(".")[0]:
            yield node.name, f"{child.workflow} calls itself.", "Use repeat(…), or call another workflow."
        return
    if child.plan != part.digest:
        yield node.name, f"{node.name} holds its runs to another plan than {part.name}.", AGAIN
    facts = facts_of(part)
    if (child.effects, child.private, child.identity) != (facts.effects, facts.private, facts.identity):
        yield node.name, f"{node.name} says of {part.name} what does not hold.", AGAIN
    given = {param.name: param for param in child.params}
    if [*given] != [*part.starts] or len(given) != len(child.params):
        yield node.name, f"{node.name} does not give {part.name} what it starts from.", AGAIN
        return
    for start in part.inputs:
        param = given[start.name]
        kept = isinstance(param.source, Ref) and param.source.node in private
        if (param.label, param.contract, kept) != (start.label, start.contract, start.private):
            yield node.name, f"{part.name} takes {start.name} for what it is not.", AGAIN
    yield from _named_faults(plan, node, child, part)


def _named_faults(plan: Plan, node: Call, child: Child, part: Plan) -> Iterator[Fault]:
    """Whom an approval in a part keeps off, who approved a value of the plan around it, must be known by name."""
    inside = [ref.node for other in part.nodes if isinstance(other, Approval) for ref in other.not_by if not ref.path]
    sources = {param.name: param.source for param in child.params}
    for name in inside:
        source = sources.get(name)
        approval = plan.node(source.node) if isinstance(source, Ref) and source.node in plan.index else None
        if isinstance(approval, Approval) and any(by.identity == "none" for by in approval.asks):
            fix = f"Give the role of {approval.name} identity='claimed' or more."
            yield node.name, f"nobody has to say who approves {approval.name}.", fix


def _each_faults(plan: Plan, node: Call) -> Iterator[Fault]:
    assert node.items is not None
    child = node.children[0]
    items = plan.label(node.items.node)
    source = next((param.source for param in child.params if param.name == node.item), None)
    if source != node.items:
        yield node.name, f"{node.name} does not hand its runs one item each.", AGAIN
    part = plan.parts.get(child.workflow)
    if items is Label.PLAIN:
        yield node.name, f"{node.name} goes over a list without a label.", "Label it."
    # What another workflow gives is known when its run has ended, which the machine holds to the label here.
    given = part.label(part.result) if part is not None else node.label
    outside = part is None or sees_outside(part)
    label = label_of_items(given, items, collected=node.failed == "collect", outside=outside)
    if label is not node.label:
        problem = f"{node.name} gives {node.label} data, and is {label or 'of no label'}."
        yield node.name, problem, "Labels are contagious; keep them."


def parts_faults(plan: Plan) -> Iterator[Fault]:
    """What is wrong with the parts of a plan by themselves."""
    started = {child.workflow for node in plan.nodes if isinstance(node, Call) for child in node.children}
    for name, part in plan.parts.items():
        root, _, own = name.rpartition(".")
        if part.name != name or root != plan.name or not own.isidentifier():
            yield plan.name, f"{name!r} is no name of a part of {plan.name}.", AGAIN
        if name not in started:
            yield plan.name, f"nothing starts {name}.", AGAIN
        if part.budget is not None:
            yield plan.name, f"{name} has a budget of its own.", AGAIN
