"""The library: every plan that a worker knows, those of its code and those of its lock files, with their code."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatework import lock
from gatework.canonical import Json
from gatework.errors import ContractError, PlanError
from gatework.guard import Guard, as_guard
from gatework.journal import Call, key_of
from gatework.judging import isolated
from gatework.lock import Locked
from gatework.perform import Code
from gatework.plan import GuardUse, Node, Plan, ToolUse, Work
from gatework.schema import Schema
from gatework.stage import Definition, Ending, Endorser, Stage
from gatework.tool import Tool
from gatework.workflow import Workflow


@dataclass(frozen=True, kw_only=True)
class Known:
    """A plan with the code to run it, or the reason why this deploy cannot."""

    plan: Plan
    code: Mapping[str, Code]
    """By the name of what a node runs."""
    problem: str = ""
    """Why runs on this plan have to wait for another deploy; empty where they need not."""

    @functools.cached_property
    def _schemas(self) -> Mapping[str, Schema]:
        return {digest: Schema(document) for digest, document in self.plan.contracts.items()}

    def check(self, place: str, value: Json) -> None:
        """Raise `ContractError` unless a value keeps to the sealed contract of the input, or of a node's output."""
        self._schemas[self.plan.contract(place)].check(value)

    def check_contract(self, digest: str, value: Json) -> None:
        """Raise `ContractError` unless a value keeps to a sealed contract of the plan."""
        self._schemas[digest].check(value)

    def check_call(self, node: Work, call: Call) -> ToolUse:
        """How the plan grants a call to a node. Raises `ContractError` unless it is one that the plan knows."""
        use = node.tool(call.tool)
        if use is None:
            raise ContractError(f"a call of a tool that {node.name} does not hold")
        self.check_contract(use.arguments, call.arguments)
        return use

    def tool(self, name: str, call: Call, lineage: str) -> tuple[ToolUse, Tool[..., Any]]:
        """A tool with how the plan grants it to a node. Raises `ContractError` as `check_call` does.

        The key of an effect must be the one that a run of this lineage has for it. A workflow cannot hold a worker to
        that: where its history is replayed, its namespace is another.
        """
        node = self._node(name)
        if not isinstance(node, Work):
            raise ContractError("a call for a stage that the plan does not have")
        use = self.check_call(node, call)
        if call.key != key_of(use, call.arguments, node=name, lineage=lineage):
            raise ContractError(f"a call of {use.name} under a key that is not its own")
        return use, self.code[node.runs].tools[call.tool]

    def guard(self, name: str, guard: str) -> tuple[Work, GuardUse]:
        """An isolated guard of a node. Raises `ContractError` where the plan has none such there."""
        node = self._node(name)
        for use in isolated(node) if isinstance(node, Work) else ():
            if use.name == guard and isinstance(node, Work):
                return node, use
        raise ContractError("a verdict of a guard that the plan does not have there")

    def _node(self, name: str) -> Node | None:
        return self.plan.node(name) if name in self.plan.index else None

    def runs(self, name: str) -> tuple[str, str]:
        """What a node runs, and on which task queue; empty where there is no such node, or a person decides there."""
        node = self._node(name)
        return (node.runs, node.queue) if isinstance(node, Work) else ("", "")


class Library:
    """The plans of some workflows. Raises `PlanError` where two definitions share a name."""

    def __init__(self, workflows: Iterable[Workflow[Any, Any]]) -> None:
        self._plans: dict[str, tuple[Known, ...]] = {}
        self.workflows: dict[str, Workflow[Any, Any]] = {}
        definitions: dict[str, Definition] = {}
        for workflow in _called(workflows):
            if workflow.name in self.workflows:
                raise PlanError(
                    f"two workflows are named {workflow.name}: at {self.workflows[workflow.name].where} and at "
                    f"{workflow.where}.",
                    fix="Rename one of them.",
                )
            self.workflows[workflow.name] = workflow
            for name, definition in workflow.definitions.items():
                known = definitions.setdefault(name, definition)
                if known.function is not definition.function:
                    raise PlanError(
                        f"two definitions are named {name}: at {known.declared.where} and at "
                        f"{definition.declared.where}.",
                        fix="Rename one of them.",
                    )
        for workflow in self.workflows.values():
            plans = tuple(_known(workflow, definitions))
            self._plans[workflow.name] = plans
            for one in plans:
                self._know_parts(one)

    def _know_parts(self, known: Known) -> None:
        """The parts of a plan run as workflows of their own, on the code of that plan."""
        for part in _parts(known.plan):
            others = self._plans.get(part.name, ())
            if all(part.digest != other.plan.digest for other in others):
                held = Known(plan=part, code=known.code, problem=known.problem)
                self._plans[part.name] = (*others, held)

    @property
    def names(self) -> tuple[str, ...]:
        """The workflows of which runs are served: those that are given, those that they call, and parts of both."""
        return tuple(self._plans)

    def plans(self, name: str) -> tuple[Known, ...]:
        """The plans of a workflow, newest first."""
        return self._plans[name]

    def find(self, name: str, digest: str) -> Known | None:
        """A plan of a workflow by its digest."""
        return next((known for known in self._plans.get(name, ()) if known.plan.digest == digest), None)

    def served(self, queue: str) -> Mapping[str, Definition]:
        """What a worker of a task queue runs, by name: stages that are `on` it; elsewhere, those that are `on` none."""
        wanted = queue if queue in self.queues else ""
        runs = {node.runs for node in self._work if node.queue == wanted}
        return {name: definition for name, definition in self.definitions.items() if name in runs}

    @property
    def tools(self) -> frozenset[str]:
        """The tools that run apart, as activities of their own."""
        return frozenset(use.name for use in self._apart)

    def tools_served(self, queue: str) -> Sequence[str]:
        """The tools that a worker of a task queue runs: those `on` it; elsewhere, those that are `on` none."""
        wanted = queue if queue in self.queues else ""
        return sorted({use.name for use in self._apart if use.queue == wanted})

    @property
    def guards(self) -> frozenset[str]:
        """The guards that are isolated, as activities of their own."""
        return frozenset(use.name for use in self._isolated)

    def guards_served(self, queue: str) -> Sequence[str]:
        """The guards that a worker of a task queue runs."""
        return sorted({use.name for use in self._isolated if use.queue == queue})

    @functools.cached_property
    def queues(self) -> frozenset[str]:
        """The task queues that stages, tools and guards of known plans name by `on=`."""
        names = [node.queue for node in self._work]
        names += [use.queue for use in self._apart]
        names += [use.queue for use in self._isolated]
        return frozenset(filter(None, names))

    @functools.cached_property
    def _isolated(self) -> tuple[GuardUse, ...]:
        return tuple(use for node in self._work for use in isolated(node))

    @functools.cached_property
    def _apart(self) -> tuple[ToolUse, ...]:
        return tuple(use for node in self._work for use in node.tools if use.apart)

    @functools.cached_property
    def _work(self) -> tuple[Work, ...]:
        nodes = (node for plans in self._plans.values() for known in plans for node in known.plan.steps)
        return tuple(node for node in nodes if isinstance(node, Work))

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Everything that a node of a known plan can run, by name."""
        return {
            name: code.definition
            for plans in self._plans.values()
            for known in reversed(plans)
            for name, code in known.code.items()
        }


def _called(workflows: Iterable[Workflow[Any, Any]]) -> Iterable[Workflow[Any, Any]]:
    """These workflows, and those that they call."""
    given = list(workflows)
    names = [workflow.name for workflow in given]
    found: dict[int, Workflow[Any, Any]] = {}
    for workflow in given:
        if id(workflow) not in found or names.count(workflow.name) > 1:
            yield workflow
        found[id(workflow)] = workflow
    waiting = [called for workflow in given for called in workflow.calls.values()]
    while waiting:
        workflow = waiting.pop(0)
        if id(workflow) not in found:
            found[id(workflow)] = workflow
            yield workflow
            waiting += workflow.calls.values()


def _parts(plan: Plan) -> Iterable[Plan]:
    """The parts of a plan, and theirs."""
    for part in plan.parts.values():
        yield part
        yield from _parts(part)


def _known(workflow: Workflow[Any, Any], definitions: Mapping[str, Definition]) -> Iterable[Known]:
    """The plan of the code first, then the locked ones from the newest to the oldest."""
    current = {
        name: Code(
            definition=definition,
            guards={guard.name: guard for guard in definition.checks},
            tools={tool.name: tool for tool in definition.tools},
        )
        for name, definition in workflow.definitions.items()
    }
    yield Known(plan=workflow.plan, code=current)
    locked_file = lock.released(workflow)
    for locked in reversed(locked_file.plans if locked_file else ()):
        if locked.digest == workflow.plan.digest:
            continue
        try:
            yield Known(plan=locked.plan, code=_code(locked, definitions))
        except _Unfit as unfit:
            yield Known(plan=locked.plan, code={}, problem=str(unfit))


class _Unfit(Exception):
    """This deploy's code cannot run a locked plan."""


def _code(locked: Locked, definitions: Mapping[str, Definition]) -> Mapping[str, Code]:
    """The code for a locked plan, which must keep to the contracts sealed in it."""
    code = {}
    steps = (node for plan in (locked.plan, *_parts(locked.plan)) for node in plan.steps)
    for node in steps:
        if not isinstance(node, Work):
            continue
        definition = definitions.get(node.runs) or _imported(locked, node)
        declared = definition.declared
        try:
            contracts = {name: param.contract.digest for name, param in declared.params.items()}
        except TypeError:
            raise _Unfit(f"{node.runs} looks at more than one type") from None
        if contracts != {param.name: param.contract for param in node.params}:
            raise _Unfit(f"{node.runs} takes other inputs than when the plan was sealed")
        if declared.result.contract.digest != node.contract:
            raise _Unfit(f"{node.runs} gives another type than when the plan was sealed")
        guards = {guard.name: guard for guard in definition.checks}
        tools = {tool.name: tool for tool in definition.tools}
        code[node.runs] = Code(
            definition=definition,
            guards={use.name: guards.get(use.name) or _guard(locked, use.name) for use in (*node.before, *node.guards)},
            tools={use.name: _fit(tools.get(use.name) or _tool(locked, use.name), use) for use in node.tools},
        )
    return code


def _imported(locked: Locked, node: Work) -> Definition:
    if node.kind == "until":
        guard = _guard(locked, node.runs)
        return Ending(guard, guard.output.type)
    found = _declared(locked, node.runs) or _find(locked, f"stage:{node.runs}")
    if node.kind == "endorse" and not isinstance(found, Stage):
        return Endorser(found)
    if not isinstance(found, Stage):
        raise _Unfit(f"{node.runs} is no stage any more")
    return found


def _declared(locked: Locked, name: str) -> Stage[Any, Any] | None:
    """The stage of that name in the module where the lock file says that it was declared, by whatever variable."""
    module, _, _ = locked.code.get(f"stage:{name}", "").partition(":")
    try:
        found = vars(importlib.import_module(module)).values() if module else ()
    except ImportError:
        return None
    return next((one for one in found if isinstance(one, Stage) and one.adopted and one.name == name), None)


def _guard(locked: Locked, name: str) -> Guard[Any, Any]:
    return as_guard(_find(locked, f"guard:{name}"))


def _tool(locked: Locked, name: str) -> Tool[Any, Any]:
    """The tool of that name: the one that was declared in its module, by whatever variable, or stands at its place."""
    module = locked.code.get(f"tool:{name}", "").partition(":")[0]
    try:
        inside = vars(importlib.import_module(module)).values() if module else ()
    except ImportError:
        inside = ()
    found = next((one for one in inside if isinstance(one, Tool) and one.name == name), None)
    found = found or _find(locked, f"tool:{name}")
    if not isinstance(found, Tool):
        raise _Unfit(f"{name} is no tool any more")
    return found


def _fit(tool: Tool[Any, Any], use: ToolUse) -> Tool[Any, Any]:
    """The tool, once it is the one that the plan grants."""
    now = tool.use
    for what in ("kind", "arguments", "result", "once", "descriptor"):
        if getattr(now, what) != getattr(use, what):
            raise _Unfit(f"{use.name} has another {_TOLD.get(what, what)} than when the plan was sealed")
    for flag in ("untrusted", "private", "egress"):
        # What it was not known to do then, the plan has no rule against.
        if getattr(now, flag) and not getattr(use, flag):
            raise _Unfit(f"{use.name} is {flag}, which it was not when the plan was sealed")
    if use.probe and not now.probe:
        raise _Unfit(f"{use.name} has no probe any more")
    return tool


_TOLD = {"arguments": "contract of its arguments", "result": "contract of its result", "once": "business key"}


def _find(locked: Locked, key: str) -> Any:
    path = locked.code.get(key, "")
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        raise _Unfit(f"{key.replace(':', ' ')} is gone (it was {path or 'never recorded'})") from None
    return found
