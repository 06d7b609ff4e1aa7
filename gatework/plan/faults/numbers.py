"""The rules of grants, budgets, times and counts: nothing that limits nothing, and nothing without an end."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from gatework.plan import grant
from gatework.plan.faults.people import by_faults, override_faults
from gatework.plan.faults.structure import Fault
from gatework.plan.flow import arguments
from gatework.plan.plan import QUEUE_FIX, Approval, Budget, Call, Node, Pause, Plan, Question, ToolUse, Work, is_queue


def grant_faults(plan: Plan, node: Work, tools: dict[str, ToolUse]) -> Iterator[Fault]:
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
            yield from by_faults(node, f"who approves calls of {use.name}", use.approver)
        if not is_queue(use.queue or "ours"):
            yield node.name, f"{use.name} runs on a task queue without a usable name.", QUEUE_FIX
        for limit in use.limits:
            if limit.argument not in taken:
                yield node.name, f"{use.name} has no argument {limit.argument} to limit.", f"It has {', '.join(taken)}."
            if why := grant.fault(limit):
                yield node.name, f"the limit of {use.name} on {limit.argument} {why}.", "Correct the limit."
    yield from budget_faults(node.name, node.runs, node.budget, {use.name: use for use in node.tools})


def budget_faults(where: str, name: str, budget: Budget | None, tools: Mapping[str, ToolUse]) -> Iterator[Fault]:
    """What is wrong with a budget, of a node or of the plan."""
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


def number_faults(node: Node) -> Iterator[Fault]:
    """Numbers that would let a node run or wait for no time or for ever, and names that do not say which."""
    limits: list[float] = [node.seconds] if isinstance(node, Pause) else []
    if isinstance(node, Work | Approval | Question | Call):
        limits.append(node.expires_seconds)
    if isinstance(node, Work):
        yield from by_faults(node, "who answers when it waits", node.operator)
        yield from override_faults(node)
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
    if isinstance(node, Call):
        yield from by_faults(node, "who answers when it waits", node.operator)
        limits.append(node.at_most)
    if not all(0 < limit < math.inf for limit in limits):
        yield node.name, f"{node.name} has a limit that is none.", "Give attempts and times above zero."
