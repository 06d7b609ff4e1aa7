"""All rules of a plan, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from gatework.plan.faults.children import parts_faults
from gatework.plan.faults.labels import label_faults
from gatework.plan.faults.numbers import budget_faults, grant_faults, number_faults
from gatework.plan.faults.structure import Fault, gives, structure_faults
from gatework.plan.flow import is_private
from gatework.plan.labels import Label
from gatework.plan.plan import Call, Plan, ToolUse, Work
from gatework.values import canonical


def faults(plan: Plan) -> Iterator[Fault]:
    """What is wrong with a plan, as (node, problem, fix); nothing where it keeps every rule."""
    if not all(name.isidentifier() for name in plan.name.split(".")):
        yield plan.name, f"{plan.name!r} is no name.", "Use letters, digits and _."
    for name in (*plan.starts, *plan.index):
        if not name.isidentifier():
            yield name, f"{name!r} is no name.", "Use letters, digits and _."
    if "." not in plan.name:
        # A part starts from what the plan around it gives, which knows who approved it.
        for start in plan.inputs:
            if start.label is Label.APPROVED:
                yield start.name, "nobody has approved what a run starts from.", "Label it Untrusted or Endorsed."
        if len(plan.inputs) != 1:
            yield plan.name, f"{plan.name} starts from {len(plan.inputs)} values.", "Take one, a model with all of it."
    broken = False
    for fault in structure_faults(plan):
        broken = True
        yield fault
    if broken:
        return  # nothing else that is said of it would make sense
    for name, part in plan.parts.items():
        for node_, problem, fix in faults(part):
            broken = True
            yield f"{name}/{node_}" if "/" not in node_ else node_, problem, fix
    yield from parts_faults(plan)
    if broken:
        return
    used = {plan.result, *(ref.node for node in plan.nodes for ref in node.reads)}
    private = {start.name for start in plan.inputs if start.private}
    tools: dict[str, ToolUse] = {}
    for node in plan.steps:
        yield from label_faults(plan, node, private)
        if is_private(plan, node, private):
            private.add(node.name)
        yield from number_faults(node)
        if isinstance(node, Work):
            yield from grant_faults(plan, node, tools)
    for node in plan.nodes:
        if gives(node) and node.name not in used and node.name not in plan.acknowledged:
            yield (
                node.name,
                f"nothing uses the output of {node.name}.",
                f"Use it, return it, or write `_ = {node.name}(…)` to say that it is meant so.",
            )
    yield from budget_faults(plan.name, plan.name, plan.budget, tools)
    sealed = {start.contract for start in plan.inputs} | {plan.contract(node.name) for node in plan.steps} - {""}
    for node in plan.steps:
        if isinstance(node, Call):
            sealed.update(param.contract for child in node.children for param in child.params)
        if isinstance(node, Work):
            sealed.update(param.contract for param in node.params)
            sealed.update(digest for use in node.tools for digest in (use.arguments, use.result))
    for digest in sorted(sealed - set(plan.contracts)):
        yield plan.name, f"the contract {digest[:12]} is not in the plan.", "Seal the plan again."
    for digest, schema in plan.contracts.items():
        if canonical.digest("contract", schema) != digest:
            yield plan.name, f"the contract {digest[:12]} has another digest.", "Seal the plan again."
