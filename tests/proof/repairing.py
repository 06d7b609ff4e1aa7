"""An attacker who can hash: whatever was changed in a certificate, every digest that nobody signed is computed anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gatework.proof import ledger
from gatework.values import canonical
from gatework.values.canonical import Json


def repaired(said: Json) -> Any:
    """The same with every digest computed anew that nobody signed: of plans, values, gates, entries, ledgers of child
    runs. Raises where there is something that cannot be hashed.
    """
    said = renamed(said, {})  # a copy, in which what stands in two places is two things
    new = _plans(said)
    values = said["values"].items()
    new |= {name: canonical.digest("value", one["data"], salt=bytes.fromhex(one["salt"])) for name, one in values}
    said["values"] = {new[name]: value for name, value in said["values"].items()}
    for run in reversed(said["runs"]):  # child runs stand behind those that name the ends of their ledgers
        chain = _Chain(new)
        chain.through(run["entries"], None)
        for cut in run["superseded"]:
            chain.through(cut["entries"], chain.where(cut["entries"][0], run["entries"]))
    return said


def _plans(said: Any) -> dict[str, str]:
    """What each plan is named by then; plans that name others are changed with them."""
    plans, new = said["plans"], dict[str, str]()
    for _ in range(len(plans) + 1):
        found = {name: canonical.digest("plan", renamed(plan, new)) for name, plan in plans.items()}
        if found == new:
            break
        new = found
    said["plans"] = {new[name]: renamed(plan, new) for name, plan in plans.items()}
    return new


@dataclass(frozen=True)
class _After:
    """Where the chain stands behind an entry."""

    digest: str = ledger.GENESIS
    sequence: int = 0
    plan: str = ""


@dataclass
class _Chain:
    """The chain of one run, and of what was cut off of it."""

    new: dict[str, str]
    """What each digest is now."""
    known: dict[str, _After] = field(default_factory=dict)
    """By what the digest of an entry was."""

    def through(self, entries: Any, after: _After | None) -> None:
        after = after or _After()
        for entry in entries:
            receipt = entry["receipt"] = renamed(entry["receipt"], self.new)
            plan = _plan_of(receipt, after.plan)
            if receipt["kind"] == "asked":
                was, receipt["evidence"] = receipt["evidence"], _evidence(receipt, plan)
                self.new[was] = receipt["evidence"]
            was = entry["digest"]
            entry |= {"sequence": after.sequence + 1, "before": after.digest}
            whole = {name: item for name, item in entry.items() if name != "digest"}
            entry["digest"] = self.new[was] = canonical.digest("entry", whole)
            after = self.known[was] = _After(entry["digest"], entry["sequence"], plan)

    def where(self, first: Any, kept: Any) -> _After | None:
        """Behind what something was cut off: the entry that it names, else that of the same number."""
        number = first["sequence"] - 1
        there = {after.sequence: after for after in self.known.values()} if 0 < number <= len(kept) else {}
        return self.known.get(first["before"]) or there.get(number)


def _plan_of(receipt: Any, plan: str) -> str:
    """The digest of the plan to which a run is held behind a receipt."""
    match receipt["kind"]:
        case "begun":
            return str(receipt.get("how", {}).get("plan", plan))
        case "migrated":
            return str(receipt.get("shown", {}).get("to", plan))
        case _:
            return plan


def renamed(value: Json, new: dict[str, str]) -> Any:
    """A JSON value in which some texts are others."""
    match value:
        case str():
            return new.get(value, value)
        case list():
            return [renamed(item, new) for item in value]
        case dict():
            return {name: renamed(item, new) for name, item in value.items()}
        case _:
            return value


def _evidence(receipt: Json, plan: str) -> str:
    said = {name: item for name, item in receipt.items() if name != "evidence"}
    return canonical.digest("gate", {"plan": plan, **said})
