"""The certificates that were recorded from runs on a server, as they are, and signed by everybody who can sign.

Nobody signed when they were recorded: the keys are those of `making`, and who decided is known by a signature then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from gatework.values import canonical
from tests.proof import making
from tests.proof.record import FOLDER
from tests.proof.repairing import renamed, repaired

NAMES = tuple(sorted(file.stem for file in FOLDER.glob("*.json")))

MACHINES = {"machine": ["worker"], "checks": ["guard"], "desk": ["exporter"]}
EARLY, LATE = ("early", "early_machine"), ("late", "late_machine")
"""Whose keys had ended before the first entry, and those whose had not begun by the last."""


@cache
def _text(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def whole(name: str) -> Any:
    """A certificate as JSON, to do with as one likes."""
    return json.loads(_text(name))


def every_entry(said: Any) -> list[Any]:
    """All entries of all runs, with those that were cut off."""
    legs = [leg for run in said["runs"] for leg in (run, *run["superseded"])]
    return [entry for leg in legs for entry in leg["entries"]]


def decisions(said: Any) -> list[Any]:
    """The receipts of all decisions."""
    return [entry["receipt"] for entry in every_entry(said) if entry["receipt"]["kind"] == "decided"]


@cache
def _signed(name: str) -> bytes:
    said = whole(name)
    said["runs"] = renamed(said["runs"], _one_name())
    for receipt in decisions(said):
        if receipt.get("by"):
            receipt["identity"] = "signed"
    return canonical.dumps(making.signed(repaired(said)))


@cache
def _one_name() -> dict[str, str]:
    """Names that differ in their case alone: on a list they are the same."""
    names = {str(one["by"]) for name in NAMES for one in decisions(whole(name)) if one.get("by")}
    return {name: name.casefold() for name in names if name.casefold() in names}


def signed(name: str, **who: Any) -> Any:
    """The same, signed by everybody who can; by somebody else in their place where one is named."""
    said = json.loads(_signed(name))
    return making.signed(said, **who) if who else said


@cache
def people() -> str:
    """Whose keys held when they were recorded, as TOML: whoever decided in any of them, a bystander, machines, and
    those of another time.
    """
    every = [whole(name) for name in NAMES]
    times = sorted(datetime.fromisoformat(entry["at"]) for said in every for entry in every_entry(said))
    asked = sorted(set().union(*(_roles(said["plans"]) for said in every)))
    names = {str(one["by"]) for said in every for one in decisions(said) if one.get("by")}
    roles = {_one_name().get(name, name): asked for name in sorted(names)}
    roles |= {"bystander": ["nobody_asks"], **MACHINES}
    roles |= {who: [*asked, "exporter"] for who in (EARLY[0], LATE[0])}
    roles |= {who: ["worker", "guard"] for who in (EARLY[1], LATE[1])}
    day = timedelta(days=1)
    first, last = times[0].date(), times[-1].date() + day
    spans = dict.fromkeys(roles, (first, last))
    spans |= dict.fromkeys(EARLY, (first - day, first)) | dict.fromkeys(LATE, (last, last + day))
    return making.listed(roles, {who: (str(since), str(until)) for who, (since, until) in spans.items()})


def _roles(value: Any) -> set[str]:
    """Everybody whom plans ask."""
    if isinstance(value, list):
        return set().union(*map(_roles, value))
    if not isinstance(value, dict):
        return set()
    own = {value["role"]} if value.keys() == {"role", "quorum", "identity"} else set()
    return own.union(*map(_roles, value.values()))


def others_of(name: str, *, signed: bool = False) -> Iterator[tuple[str, Any]]:
    """The other certificates, each as what it is to this one."""
    own = whole(name)["plans"].keys()
    for other in NAMES:
        if other != name:
            said = json.loads(_signed(other)) if signed else whole(other)
            yield "another run" if said["plans"].keys() == own else "another plan", said
