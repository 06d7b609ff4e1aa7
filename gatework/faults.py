"""What must hold of every plan, whether it was traced from a function or read from a lock file."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from gatework import canonical, grant, titles
from gatework.canonical import Json
from gatework.expr import Compare, Condition, Ref, parts, refs, render
from gatework.flow import arguments, is_private, leak, reads_outside
from gatework.gates import waits
from gatework.labels import Label, combined
from gatework.plan import (
    MAX_QUORUM,
    QUEUE_FIX,
    Approval,
    Budget,
    By,
    Call,
    Node,
    Pause,
    Plan,
    ToolUse,
    Work,
    is_queue,
    is_role,
)

Fault = tuple[str, str, str]
"""Node, what is wrong there, what to do."""


def faults(plan: Plan) -> Iterator[Fault]:
    """What is wrong with a plan, as (node, problem, fix); nothing where it keeps every rule."""
    known = set(plan.starts)
    used: set[str] = {plan.result}
    private = {start.name for start in plan.inputs if start.private}
    tools: dict[str, ToolUse] = {}
    for name in (*plan.name.split("."), *plan.starts, *plan.index):
        if not name.isidentifier():
            yield name, f"{name!r} is no name.", "Use letters, digits and _."
    if "." not in plan.name:
        # A part starts from what the plan around it gives, which knows who approved it.
        for start in plan.inputs:
            if start.label is Label.APPROVED:
                yield start.name, "nobody has approved what a run starts from.", "Label it Untrusted or Endorsed."
    for node in plan.steps:
        if node.name in known:
            yield node.name, f"two nodes are named {node.name}.", "Rename the variable, or use stage.as_('other')(…)."
        for ref in node.reads:
            if ref.node not in known:
                yield node.name, f"{node.name} uses {ref.node}, which does not come before it.", "Order the calls."
            used.add(ref.node)
        if known.issuperset(ref.node for ref in node.reads):
            yield from _label_faults(plan, node, private)
            if is_private(plan, node, private):
                private.add(node.name)
        yield from _number_faults(node)
        if isinstance(node, Work):
            yield from _grant_faults(plan, node, tools)
        known.add(node.name)
    if plan.result not in plan.index:
        yield plan.result, "the result is not the output of a stage.", "Return what a stage gave."
    for node in plan.nodes:
        if node.name not in used and node.name not in plan.acknowledged:
            yield (
                node.name,
                f"nothing uses the output of {node.name}.",
                f"Use it, return it, or write `_ = {node.name}(…)` to say that it is meant so.",
            )
    sealed = {start.contract for start in plan.inputs} | {plan.contract(node.name) for node in plan.steps} - {""}
    for node in plan.steps:
        if isinstance(node, Call):
            sealed.update(param.contract for child in node.children for param in child.params)
        if isinstance(node, Work):
            sealed.update(param.contract for param in node.params)
            sealed.update(digest for use in node.tools for digest in (use.arguments, use.result))
    yield from _budget_faults(plan.name, plan.name, plan.budget, tools)
    for digest in sorted(sealed - set(plan.contracts)):
        yield plan.name, f"the contract {digest[:12]} is not in the plan.", "Seal the plan again."
    for digest, schema in plan.contracts.items():
        if canonical.digest("contract", schema) != digest:
            yield plan.name, f"the contract {digest[:12]} has another digest.", "Seal the plan again."


def _label_faults(plan: Plan, node: Node, private: set[str]) -> Iterator[Fault]:
    if isinstance(node, Approval):
        yield from _approval_faults(plan, node)
        return
    if not isinstance(node, Work):
        return
    labels = []
    for param in node.params:
        label = plan.label(param.source.node) if isinstance(param.source, Ref) else Label.PLAIN
        labels.append(label)
        if not label.meets(param.label):
            yield node.name, f"{node.runs} asks for {param.label} {param.name} and gets {label}.", _way_up(param.label)
    made = combined([*labels, Label.UNTRUSTED] if reads_outside(node.tools) else labels)
    if node.kind == "endorse":
        if labels != [Label.UNTRUSTED] or node.label is not Label.ENDORSED:
            yield node.name, f"{node.name} endorses what is not untrusted.", "Endorse one untrusted value."
        if node.tools:
            yield node.name, f"the endorser {node.runs} holds tools.", "Let it look at our own records only."
    elif made not in (Label.PLAIN, node.label):
        yield node.name, f"{node.runs} makes {node.label} of {made}.", "Labels are contagious; keep them."
    elif node.label is Label.APPROVED:
        yield node.name, f"{node.runs} approves by itself.", "Only approve(…) makes Approved."
    if node.effects:
        if Label.UNTRUSTED in labels:
            yield node.name, f"{node.runs} holds an effect and reads untrusted data.", "Endorse or approve it first."
        if reads_outside(node.tools):
            yield node.name, f"{node.runs} holds an effect beside a tool that gives outside text.", "Use two stages."
        if not {Label.ENDORSED, Label.APPROVED} & set(labels):
            yield node.name, f"{node.runs} holds an effect without any labelled input.", "Pass it what was endorsed."
    for use in node.tools:
        for ref in use.reads:
            if plan.label(ref.node) is Label.UNTRUSTED:
                yield (
                    node.name,
                    f"{use.name} of {node.runs} is limited by the untrusted {render(ref)}.",
                    "Use a value that was endorsed or approved.",
                )
    yield from _leaks(plan, node, labels, private)


def _leaks(plan: Plan, node: Work, labels: list[Label], private: set[str]) -> Iterator[Fault]:
    read = [ref.node for ref in node.reads if ref.node in private]
    found = leak(node.tools, plan.contracts, outside=Label.UNTRUSTED in labels, private=bool(read))
    if found is not None:
        use, loose = found
        source = read[0] if read else next(tool.name for tool in node.tools if tool.private)
        yield (
            node.name,
            f"outside text could make {node.runs} send what is private ({source}) through {use.name}.",
            f"Pin {', '.join(loose)} with {use.name}.only(…) to a constant or a value of the plan, or use two stages.",
        )


def _grant_faults(plan: Plan, node: Work, tools: dict[str, ToolUse]) -> Iterator[Fault]:
    """Tools that are not what they are elsewhere in the plan, and limits that limit nothing."""
    for use in node.tools:
        known = tools.setdefault(use.name, dataclasses.replace(use, limits=()))
        if known != dataclasses.replace(use, limits=()):
            yield node.name, f"{use.name} is another tool elsewhere in the plan.", "Give each tool a name of its own."
        if not _TOOL.fullmatch(use.name):
            yield node.name, f"{use.name!r} is no name of a tool.", "Use up to 64 letters, digits, _ and -."
        taken = arguments(use, plan.contracts)
        if use.kind == "effect" and use.once not in taken:
            yield node.name, f"{use.name} has no argument that is its business key.", "Name one in once=."
        if use.kind != "effect" and (use.once or use.probe):
            yield node.name, f"{use.name} is no effect and has a key or a probe.", "Declare it with @effect(once=…)."
        if use.approver:
            yield from _by_faults(node, f"who approves calls of {use.name}", use.approver)
        if not is_queue(use.queue or "ours"):
            yield node.name, f"{use.name} runs on a task queue without a usable name.", QUEUE_FIX
        for limit in use.limits:
            if limit.argument not in taken:
                yield node.name, f"{use.name} has no argument {limit.argument} to limit.", f"It has {', '.join(taken)}."
            if why := grant.fault(limit):
                yield node.name, f"the limit of {use.name} on {limit.argument} {why}.", "Correct the limit."
    yield from _budget_faults(node.name, node.runs, node.budget, {use.name: use for use in node.tools})


def _budget_faults(where: str, name: str, budget: Budget | None, tools: Mapping[str, ToolUse]) -> Iterator[Fault]:
    if budget is None:
        return
    if why := budget_fault(budget):
        yield where, f"the budget of {name} {why}.", "Correct it."
    for tool in sorted(budget.tool_calls.keys() - tools.keys()):
        yield where, f"the budget of {name} counts calls of {tool}, which it does not hold.", "Name a tool it holds."


_TOOL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def budget_fault(budget: Budget) -> str:
    """What is wrong with a budget by itself; empty where every part of it is a limit that lets something through."""
    for name in ("model_calls", "tokens", "output_bytes"):
        if not _is_count(getattr(budget, name)):
            return f"has {name} that are not a whole number above zero"
    for tool, calls in budget.tool_calls.items():
        if not _is_count(calls):
            return f"counts calls of {tool} that are not a whole number above zero"
    if budget.seconds is not None and not (_is_number(budget.seconds) and 0 < budget.seconds < math.inf):
        return "has seconds that are not a number above zero"
    money: object = budget.money
    if money is not None and not (isinstance(money, str) and _MONEY.fullmatch(money) and Decimal(money) > 0):
        return "has money that is not dollars above zero as text, such as '0.25'"
    return ""


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_faults(node: Node) -> Iterator[Fault]:
    """Numbers that would let a node run or wait for no time or for ever, and names that do not say which."""
    limits = [node.seconds if isinstance(node, Pause) else waits(node)]
    if isinstance(node, Work):
        yield from _by_faults(node, "who answers when it waits", node.operator)
        guards = (*node.before, *node.guards)
        limits += [node.attempts, node.timeout_seconds, *(use.timeout_seconds for use in guards)]
        limits += [use.timeout_seconds for use in node.tools]
        inputs = [param.name for param in node.params]
        for names in (inputs, *([use.name for use in uses] for uses in (node.before, node.guards, node.tools))):
            for twice in sorted({name for name in names if names.count(name) > 1}):
                yield node.name, f"{node.runs} names {twice} twice.", "Name it once."
        for use in guards:
            for lacking in sorted(set(use.binds.values()) - set(inputs)):
                yield node.name, f"the guard {use.name} asks for {lacking}, which {node.runs} lacks.", "Name an input."
        for use in node.before:
            if not use.binds:
                yield node.name, f"the guard {use.name} looks at no input of {node.runs}.", "Let it take an input."
            if use.queue:
                yield node.name, f"the guard {use.name} of inputs is isolated.", "Isolate guards on outputs alone."
        if not all(is_queue(queue or "ours") for queue in (node.queue, *(use.queue for use in guards))):
            yield node.name, f"{node.name} runs on a task queue without a usable name.", QUEUE_FIX
    if not all(0 < limit < math.inf for limit in limits):
        yield node.name, f"{node.name} has a limit that is none.", "Give attempts and times above zero."


def _approval_faults(plan: Plan, node: Approval) -> Iterator[Fault]:
    label = plan.label(node.value.node)
    if node.value.path or any(ref.path for ref in node.show):
        yield node.name, f"{node.name} is about a part of a value.", "Approve and show whole values."
    yield from _by_faults(node, "who decides", node.by, apart=node.tells_apart)
    if node.otherwise is not None:
        yield from _by_faults(node, "who decides otherwise", node.otherwise, apart=node.tells_apart)
    for ref in node.not_by:
        if plan.label(ref.node) is Label.UNTRUSTED:
            yield node.name, f"the untrusted {render(ref)} says who may not approve.", "Use endorsed values."
        source = plan.node(ref.node) if ref.node in plan.index and not ref.path else None
        if isinstance(source, Approval):
            if any(by.identity == "none" for by in source.asks):
                fix = f"Give the role of {ref.node} identity='claimed' or more."
                yield node.name, f"nobody has to say who approves {ref.node}.", fix
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
    if any(_constant(part) for part in parts(node.when)):
        yield node.name, f"the condition {render(node.when)} is a constant.", "Compare a value of the plan."
    for ref in refs(node.when):
        if plan.label(ref.node) is Label.UNTRUSTED:
            yield node.name, f"the untrusted {render(ref)} decides whether a person is asked.", "Use endorsed values."


def _by_faults(node: Node, what: str, by: By, *, apart: bool = False) -> Iterator[Fault]:
    """What is wrong with who answers at a node. `apart`: people are told from each other, as by a quorum."""
    if not is_role(by.role):
        yield node.name, f"{node.name} does not say {what}.", "Name a role."
    elif not 1 <= by.quorum <= MAX_QUORUM:
        problem = f"the quorum of {by.role} at {node.name} is {by.quorum}."
        yield node.name, problem, f"Use a number from 1 to {MAX_QUORUM}."
    elif by.identity == "none" and (by.quorum > 1 or apart):
        problem = f"{node.name} tells people of {by.role} from each other, and nobody has to say who they are."
        yield node.name, problem, "Leave identity= out, or use identity='claimed'."


def _fields(schema: Json) -> tuple[str, ...]:
    named = schema.get("properties") if isinstance(schema, dict) else None
    return tuple(named) if isinstance(named, dict) else ()


def _is_text(plan: Plan, name: str) -> bool:
    schema = plan.contracts.get(plan.contract(name))
    return isinstance(schema, dict) and schema.get("type") == "string"


def _constant(part: Condition) -> bool:
    """Whether a part of a condition is the same whatever the values are."""
    return not any(True for _ in refs(part)) or (isinstance(part, Compare) and part.left == part.right)


def _way_up(demanded: Label) -> str:
    return {
        Label.ENDORSED: "Use endorse(…, by=…), or approve(…).",
        Label.APPROVED: "Use approve(…, by=role(…)).",
        Label.PLAIN: "Declare the parameter with the label; a label cannot be taken off.",
        Label.UNTRUSTED: "Pass the untrusted value itself.",
    }[demanded]


__all__ = ["Fault", "budget_fault", "faults"]
