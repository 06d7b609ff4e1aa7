"""The library: every plan that a worker knows, those of its code and those of its lock files, with their code."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatework.define.guard import Guard
from gatework.define.stage import Definition
from gatework.define.tool import Tool
from gatework.define.workflow import Workflow
from gatework.errors import ContractError, PlanError
from gatework.perform.judging import isolated
from gatework.perform.perform import Code
from gatework.plan.plan import GuardUse, Node, Plan, ToolUse, Work
from gatework.releases import fitting, lock, pieces
from gatework.releases.code import Codes
from gatework.releases.fitting import Unfit
from gatework.releases.lock import Locked
from gatework.run.journal import Call, key_of
from gatework.values.canonical import Json
from gatework.values.schema import Schema


@dataclass(frozen=True, kw_only=True)
class Known:
    """A plan with the code to run it, or the reason why this deploy cannot."""

    plan: Plan
    code: Mapping[str, Code]
    """By the name of what a node runs."""
    unfit: tuple[Unfit, ...] = ()
    """Why runs on this plan have to wait for another deploy; empty where they need not."""
    locked: Locked | None = None
    """The plan as its lock file has it; None where it is not released, and for a part of another."""

    @property
    def problem(self) -> str:
        """The first reason for which runs on this plan have to wait for another deploy; empty where they need not."""
        more = len(self.unfit) - 1
        return f"{self.unfit[0].reason}{f', and {more} more' if more > 0 else ''}" if self.unfit else ""

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
        self._codes = Codes()
        self._digests: dict[tuple[str, str, str], str] = {}
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
        for part in fitting.parts(known.plan):
            others = self._plans.get(part.name, ())
            if all(part.digest != other.plan.digest for other in others):
                held = Known(plan=part, code=known.code, unfit=known.unfit)
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

    def read_code(self) -> None:
        """Read the sources of all that is known, as they are now, so that no later edit counts as what runs here."""
        for name in self.names:
            for known in self.plans(name):
                pieces.coded(_pieces(known), self._codes)
                for runs in known.code:
                    self.attempt_code(known, runs)
        self._codes.forget()

    def attempt_code(self, known: Known, runs: str) -> str:
        """The digest of the code of what a node runs, with its guards and tools; empty where it is not to be had."""
        key = (known.plan.name, known.plan.digest, runs)
        if key not in self._digests:
            code = known.code[runs]
            self._digests[key] = pieces.attempt(
                runs, code.guards.values(), code.tools.values(), self._codes, definition=code.definition
            )
        return self._digests[key]

    def tool_code(self, tool: Tool[..., Any]) -> str:
        """The digest of the code of a tool; empty where it is not to be had."""
        return pieces.call(tool, self._codes)

    def recoded(self, known: Known) -> Mapping[str, tuple[str, str]]:
        """The code of a released plan that is another than at its release → its digest then, and now."""
        if known.locked is None:
            return {}
        return lock.differing(known.locked.digests, pieces.coded(_pieces(known), self._codes))

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


def _pieces(known: Known) -> pieces.Pieces:
    """The code of a plan, piece by piece."""
    found: dict[str, Definition | Guard[Any, Any] | Tool[..., Any]] = {}
    for name, code in known.code.items():
        found[f"stage:{name}"] = code.definition
        found.update({f"guard:{guard}": code.guards[guard] for guard in code.guards})
        found.update({f"tool:{tool}": code.tools[tool] for tool in code.tools})
    return dict(sorted(found.items()))


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
    locked_file = lock.released(workflow)
    released = locked_file.plans if locked_file else ()
    own = next((locked for locked in released if locked.digest == workflow.plan.digest), None)
    yield Known(plan=workflow.plan, code=current, locked=own)
    for locked in reversed(released):
        if locked.digest == workflow.plan.digest:
            continue
        code, unfit = fitting.code(locked, definitions)
        yield Known(plan=locked.plan, code={} if unfit else code, unfit=unfit, locked=locked)
