"""Whether the code of this deploy can run a released plan: it must keep to every contract that is sealed there."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatework.define.ending import Ending
from gatework.define.endorser import Endorser
from gatework.define.guard import Guard, as_guard
from gatework.define.signature import MISSING
from gatework.define.stage import Definition, Stage
from gatework.define.tool import Tool
from gatework.perform.perform import Code
from gatework.plan.changes import words
from gatework.plan.changes.contracts import differences
from gatework.plan.plan import GuardUse, Plan, ToolUse, Work
from gatework.releases.lock import Locked
from gatework.values.contract import Contract

SAID = 2
"""How many differences of one contract are said."""


@dataclass(frozen=True)
class Unfit:
    """Why this code cannot run a node of a released plan."""

    node: str
    reason: str


class _Unfit(Exception):
    """The reason, in words."""


def parts(plan: Plan) -> Iterable[Plan]:
    """The parts of a plan, and theirs."""
    for part in plan.parts.values():
        yield part
        yield from parts(part)


def code(locked: Locked, definitions: Mapping[str, Definition]) -> tuple[Mapping[str, Code], tuple[Unfit, ...]]:
    """The code for a released plan, and why it does not keep to what is sealed in that plan, each reason once."""
    found: dict[str, Code] = {}
    unfit: dict[str, Unfit] = {}
    for plan in (locked.plan, *parts(locked.plan)):
        for node in plan.steps:
            if isinstance(node, Work):
                try:
                    found[node.runs] = _of(node, plan, locked, definitions)
                except _Unfit as error:
                    unfit.setdefault(str(error), Unfit(node.name, str(error)))
    return found, tuple(unfit.values())


def _of(node: Work, plan: Plan, locked: Locked, definitions: Mapping[str, Definition]) -> Code:
    definition = definitions.get(node.runs) or _imported(locked, node)
    declared = definition.declared
    try:
        contracts = {name: param.contract for name, param in declared.params.items()}
    except TypeError:
        raise _Unfit(f"{node.runs} looks at more than one type") from None
    sealed = {param.name: param.contract for param in node.params}
    if {name: contract.digest for name, contract in contracts.items()} != sealed:
        said = [f"{words.name(name)} is gone" for name in sealed if name not in contracts]
        said += [f"{words.name(name)} is new" for name in contracts if name not in sealed]
        said += [
            f"{words.name(name)}: {difference}"
            for name, contract in contracts.items()
            if name in sealed
            for difference in _differences(plan, sealed[name], contract)
        ]
        raise _Unfit(f"{node.runs} takes other inputs than when the plan was sealed{_in_brief(said)}")
    if declared.result.contract.digest != node.contract:
        said = _differences(plan, node.contract, declared.result.contract)
        raise _Unfit(f"{node.runs} gives another type than when the plan was sealed{_in_brief(said)}")
    guards = {guard.name: guard for guard in definition.checks}
    tools = {tool.name: tool for tool in definition.tools}
    return Code(
        definition=definition,
        guards={
            **{use.name: _fit_guard(guards.get(use.name) or _guard(locked, use.name), use, 0) for use in node.before},
            **{use.name: _fit_guard(guards.get(use.name) or _guard(locked, use.name), use, 1) for use in node.guards},
        },
        tools={use.name: _fit(tools.get(use.name) or _tool(locked, use.name), use) for use in node.tools},
    )


def _differences(plan: Plan, sealed: str, contract: Contract[Any]) -> list[str]:
    """What a contract says otherwise than the one that is sealed; empty where they are the same."""
    if contract.digest == sealed:
        return []
    return [said for said, _ in differences(plan.contracts.get(sealed), contract.schema)]


def _in_brief(said: Sequence[str]) -> str:
    more = f", and {len(said) - SAID} more" if len(said) > SAID else ""
    return f" ({'; '.join(said[:SAID])}{more})" if said else ""


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


def _fit_guard(guard: Guard[Any, Any], use: GuardUse, given: int) -> Guard[Any, Any]:
    """The guard, once it can be called as the plan has it, besides with what it is given first."""
    params = list(guard.declared.params.values())[given:]
    if gone := use.binds.keys() - {param.name for param in params}:
        raise _Unfit(f"the guard {use.name} takes {words.name(min(gone))} no more")
    for param in params:
        if param.default is MISSING and param.name not in use.binds:
            raise _Unfit(f"the guard {use.name} asks for {param.name}, which the plan does not hand it")
    return guard


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
