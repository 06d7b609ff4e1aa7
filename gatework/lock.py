"""Lock files: the plans that a workflow has had, beside its source, in the order in which they were released.

Runs in flight finish on the plan that they started with; the lock file is where a later deploy finds it.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gatework import canonical, wire
from gatework.errors import ConfigError, ContractError
from gatework.plan import Plan, faults
from gatework.workflow import Workflow

MAX_LOCK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Locked:
    """One released plan."""

    digest: str
    plan: Plan
    code: Mapping[str, str]
    """`stage:extract`, `guard:quotes`, `tool:pay` → `module:name` of the function, where a later deploy may find it."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock file."""

    workflow: str
    plans: tuple[Locked, ...] = ()
    """Oldest first."""
    format: Literal[1] = 1


def path_of(workflow: Workflow[Any, Any]) -> Path:
    """Where the lock file of a workflow lies: beside its source."""
    return Path(inspect.getsourcefile(workflow.function) or ".").with_name(f"{workflow.name}.lock.json")


def read(path: Path) -> Lock | None:
    """The lock file, or None where there is none. Raises `ConfigError` where it has been tampered with."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        canonical.loads(data, max_bytes=MAX_LOCK_BYTES)
        lock: Lock = wire.decode(Lock, data, what="lock file", max_bytes=MAX_LOCK_BYTES)
    except ContractError as error:
        raise ConfigError(f"{path.name}: {error}; take it from version control, or make it anew.") from None
    for locked in lock.plans:
        if locked.plan.digest != locked.digest:
            raise ConfigError(
                f"{path.name}: the plan {locked.digest[:12]} has been changed; take it from version control."
            )
        for _node, problem, _fix in faults(locked.plan):
            raise ConfigError(f"{path.name}: the plan {locked.digest[:12]} breaks a rule: {problem}")
        if locked.plan.name != lock.workflow:
            raise ConfigError(f"{path.name}: the plan {locked.digest[:12]} is of another workflow, {locked.plan.name}.")
        for name, place in locked.code.items():
            if re.split("[:.]", place)[-1] != name.partition(":")[2]:
                raise ConfigError(
                    f"{path.name}: {name} of the plan {locked.digest[:12]} stands for other code, {place}."
                )
    return lock


def released(workflow: Workflow[Any, Any], path: Path | None = None) -> Lock | None:
    """The lock file of a workflow, or None where there is none. Raises `ConfigError` as `read` does."""
    path = path or path_of(workflow)
    lock = read(path)
    if lock is not None and lock.workflow != workflow.name:
        raise ConfigError(f"{path.name}: it is the lock file of another workflow, {lock.workflow}.")
    return lock


def write(workflow: Workflow[Any, Any], path: Path | None = None) -> bool:
    """Add the workflow's plan to its lock file as the newest. False where it is the newest already."""
    path = path or path_of(workflow)
    lock = released(workflow, path) or Lock(workflow=workflow.name)
    entry = Locked(digest=workflow.plan.digest, plan=workflow.plan, code=paths(workflow))
    if lock.plans and lock.plans[-1] == entry:
        return False
    earlier = tuple(locked for locked in lock.plans if locked.digest != entry.digest)
    text = json.dumps(json.loads(wire.encode(Lock(workflow=workflow.name, plans=(*earlier, entry)))), indent=1)
    draft = path.with_suffix(".tmp")
    draft.write_text(text + "\n", encoding="utf-8")
    os.replace(draft, path)
    return True


def paths(workflow: Workflow[Any, Any]) -> Mapping[str, str]:
    """Where the functions of a workflow's nodes, guards and tools are defined."""
    found = {}
    for definition in workflow.definitions.values():
        found[f"stage:{definition.name}"] = _path(definition.function)
        found.update({f"guard:{guard.name}": _path(guard.function) for guard in definition.checks})
        found.update({f"tool:{tool.name}": _path(tool.function) for tool in definition.tools})
    return dict(sorted(found.items()))


def _path(function: Any) -> str:
    return f"{function.__module__}:{function.__qualname__}"
