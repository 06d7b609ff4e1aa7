"""Lock files: the plans that a workflow has had, beside its source, in the order in which they were released.

Runs in flight finish on the plan that they started with; the lock file is where a later deploy finds it.
"""

from __future__ import annotations

import inspect
import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from gatework.define.workflow import Workflow
from gatework.errors import ConfigError, ContractError, PlanError
from gatework.plan.changes import Change, changes, weakens
from gatework.plan.faults import faults
from gatework.plan.plan import Plan
from gatework.releases.code import Coded, Codes
from gatework.releases.pieces import coded as coded_in
from gatework.releases.pieces import pieces, places
from gatework.values import canonical, wire

MAX_LOCK_BYTES = 64 * 1024 * 1024

_PLACE = re.compile(r"\w+(\.\w+)*:(\w+\.|<locals>\.)*[\w-]+")
"""Module and name of a function; nothing that the import of a module would read otherwise."""

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Locked:
    """One released plan."""

    digest: str
    plan: Plan
    code: Mapping[str, str]
    """`stage:extract`, `guard:quotes`, `tool:pay` → `module:name` of the function, where a later deploy may find it."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """The digest that the code of each had at its release, as in `code`; what is not to be had is not in it."""
    weakens: str = ""
    """Digest of the plan before, where this one was released in the knowledge that it weakens that one."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock file."""

    workflow: str
    plans: tuple[Locked, ...] = ()
    """Oldest first."""
    format: Literal[1] = 1

    @property
    def unmarked(self) -> bool:
        """Whether some plan weakens the one before, and was not released as one that does."""
        # Not the newest alone: a plan that weakens nothing could else be put behind one that does.
        return any(
            later.weakens != before.digest and weakens(changes(before.plan, later.plan))
            for before, later in itertools.pairwise(self.plans)
        )


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where the plan of the code stands to its lock file."""

    newest: Locked | None
    """The newest released plan; None where none is."""
    changes: tuple[Change, ...] = ()
    """From that plan to the code's."""
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Functions of the same plan that have moved, as in `Locked.code` → where they were, where they are."""
    coded: Mapping[str, Coded] = field(default_factory=dict)
    """What is known of the code of each function of the code's plan, as in `Locked.code`."""
    unmarked: bool = False
    """Whether some released plan weakens the one before, and was not released as one that does."""

    @property
    def recoded(self) -> Mapping[str, tuple[str, str]]:
        """Functions whose code is another than at the release of the newest plan → its digest then, and now."""
        then = self.newest.digests if self.newest else {}
        return differing(then, self.coded)

    @property
    def weakens(self) -> bool:
        """Whether releasing the code's plan has to be meant."""
        return weakens(self.changes) or self.unmarked

    @property
    def released(self) -> bool:
        """Whether there is nothing to release."""
        return self.newest is not None and not (self.changes or self.moved or self.unmarked)

    @property
    def recorded(self) -> bool:
        """Whether, besides, the lock file says of the code what it is."""
        return self.released and self.newest is not None and dict(self.newest.digests) == _digests(self.coded)


def differing(then: Mapping[str, str], now: Mapping[str, Coded]) -> Mapping[str, tuple[str, str]]:
    """The functions whose code is known to have been another. Of what is not to be had nothing is known."""
    pairs = {key: (then.get(key, ""), coded.digest) for key, coded in now.items()}
    return {key: pair for key, pair in pairs.items() if all(pair) and pair[0] != pair[1]}


def path_of(workflow: Workflow[Any, Any]) -> Path:
    """Where the lock file of a workflow lies: beside its source."""
    return Path(inspect.getsourcefile(workflow.function) or ".").with_name(f"{workflow.name}.lock.json")


def read(path: Path) -> Lock | None:
    """The lock file, or None where there is none. Raises `ConfigError` where it has been tampered with."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return parse(data, path.name)


def parse(data: bytes, name: str) -> Lock:
    """The lock file in these bytes, which go by a name. Raises `ConfigError` where it has been tampered with."""
    try:
        canonical.loads(data, max_bytes=MAX_LOCK_BYTES)
        lock: Lock = wire.decode(Lock, data, what="lock file", max_bytes=MAX_LOCK_BYTES)
    except ContractError as error:
        raise ConfigError(f"{name}: {error}; take it from version control, or make it anew.") from None
    for locked in lock.plans:
        if locked.plan.digest != locked.digest:
            raise ConfigError(f"{name}: the plan {locked.digest[:12]} has been changed; take it from version control.")
        for _node, problem, _fix in faults(locked.plan):
            raise ConfigError(f"{name}: the plan {locked.digest[:12]} breaks a rule: {problem}")
        if locked.plan.name != lock.workflow:
            raise ConfigError(f"{name}: the plan {locked.digest[:12]} is of another workflow, {locked.plan.name}.")
        for key, place in locked.code.items():
            if not _PLACE.fullmatch(place) or re.split("[:.]", place)[-1] != key.partition(":")[2]:
                raise ConfigError(f"{name}: {key} of the plan {locked.digest[:12]} stands for other code, {place}.")
        for key, digest in locked.digests.items():
            if key not in locked.code or not _DIGEST.fullmatch(digest):
                raise ConfigError(f"{name}: the plan {locked.digest[:12]} has a digest of code that can be none.")
    return lock


def released(workflow: Workflow[Any, Any], path: Path | None = None) -> Lock | None:
    """The lock file of a workflow, or None where there is none. Raises `ConfigError` as `read` does."""
    path = path or path_of(workflow)
    lock = read(path)
    if lock is not None and lock.workflow != workflow.name:
        raise ConfigError(f"{path.name}: it is the lock file of another workflow, {lock.workflow}.")
    return lock


def standing(workflow: Workflow[Any, Any], path: Path | None = None, *, codes: Codes | None = None) -> Standing:
    """Where the plan of the code stands to its lock file. Raises `ConfigError` as `read` does.

    `codes` has read what other workflows share with this one.
    """
    lock = released(workflow, path)
    of = pieces(workflow.definitions.values())
    coded = coded_in(of, codes or Codes())
    if lock is None or not lock.plans:
        return Standing(newest=None, coded=coded)
    newest = lock.plans[-1]
    if newest.digest != workflow.plan.digest:
        found = changes(newest.plan, workflow.plan)
        return Standing(newest=newest, changes=found, coded=coded, unmarked=lock.unmarked)
    now = places(of)
    moved = {
        name: (newest.code.get(name, ""), now.get(name, ""))
        for name in sorted({*newest.code, *now})
        if newest.code.get(name) != now.get(name)
    }
    return Standing(newest=newest, moved=moved, coded=coded, unmarked=lock.unmarked)


def write(workflow: Workflow[Any, Any], path: Path | None = None, *, weaken: bool = False) -> bool:
    """Add the workflow's plan to its lock file as the newest, with what its code is. False where all is there already.

    Raises `PlanError` where that weakens the plan, or where it cannot be told that it does not, unless `weaken` says
    that it is meant; then the lock file says so too.
    """
    path = path or path_of(workflow)
    found = standing(workflow, path)
    if found.recorded:
        return False
    if found.weakens and not weaken:
        what = next(
            (change.what for change in found.changes if change.weakens), "a released plan weakens the one before"
        )
        raise PlanError(
            f"releasing {workflow.name} weakens its plan: {what}.",
            fix="Release it with `gatework plan lock --weaken` where that is meant.",
            where=workflow.where,
        )
    lock = released(workflow, path) or Lock(workflow=workflow.name)
    digest = workflow.plan.digest
    earlier = [locked for locked in lock.plans if locked.digest != digest]
    code = places(pieces(workflow.definitions.values()))
    plans = _marked([*earlier, Locked(digest=digest, plan=workflow.plan, code=code, digests=_digests(found.coded))])
    text = json.dumps(json.loads(wire.encode(Lock(workflow=workflow.name, plans=plans))), indent=1)
    draft = path.with_suffix(".tmp")
    draft.write_text(text + "\n", encoding="utf-8")
    os.replace(draft, path)
    return True


def _digests(coded: Mapping[str, Coded]) -> dict[str, str]:
    return {key: one.digest for key, one in coded.items() if one.digest}


def _marked(plans: Sequence[Locked]) -> tuple[Locked, ...]:
    """Released plans, each with its mark where it weakens the one that is now before it."""
    marks = [
        before.digest if weakens(changes(before.plan, later.plan)) else ""
        for before, later in itertools.pairwise(plans)
    ]
    return tuple(replace(locked, weakens=mark) for locked, mark in zip(plans, ["", *marks], strict=True))
