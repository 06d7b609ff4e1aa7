"""Moving a run to another plan of its workflow, as somebody asks for it: whether it may be, and what it changes."""

from __future__ import annotations

from gatework.errors import DecisionError
from gatework.machine import migration
from gatework.plan.plan import Work
from gatework.releases.library import Known, Library
from gatework.run.events import Migrated
from gatework.run.state import State
from gatework.temporal.workflow import decisions
from gatework.temporal.workflow.pin import UnknownPlan, unfit
from gatework.values.canonical import Json


def asked(library: Library, known: Known, state: State, data: bytes | None) -> Migrated:
    """The move that somebody asks for, once nothing speaks against it.

    Raises `ContractError` and `DecisionError`, each a sentence for that person.
    """
    event, to = _event(library, known, data)
    if why := unfit(to):
        raise DecisionError(why)
    migration.move(known.plan, to.plan, state, event)
    return event


def taken(library: Library, known: Known, state: State, data: bytes | None) -> Migrated:
    """The move that somebody asked for and that was not refused, also where another deploy replays it."""
    try:
        return _event(library, known, data)[0]
    except DecisionError as error:
        raise UnknownPlan(error.message) from None


def _event(library: Library, known: Known, data: bytes | None) -> tuple[Migrated, Known]:
    wanted = decisions.move(data)
    if not wanted.to:
        raise DecisionError(f"Name the plan that the run is to go on with. Send: {decisions.MIGRATE}")
    to = _target(library, known.plan.name, wanted.to)
    event = Migrated(plan=known.plan.digest, to=to.plan.digest, by=wanted.by, note=wanted.note)
    return event, to


def preview(library: Library, known: Known, state: State, data: bytes | None) -> Json:
    """What moving a run would change, as JSON, and why it would be refused, if it would."""
    # Which many a run never needs.
    from gatework.plan.changes import changes

    to = _target(library, known.plan.name, decisions.move(data).to)
    refused = unfit(to)
    try:
        migration.move(known.plan, to.plan, state, Migrated(plan=known.plan.digest, to=to.plan.digest))
    except DecisionError as error:
        refused = error.message
    kept = migration.kept(known.plan, to.plan, state)
    done = set(kept)
    return {
        "from": known.plan.digest,
        "to": to.plan.digest,
        "kept": list(kept),
        "again": [node.name for node in to.plan.nodes if node.name not in done and node.name in state.attempts],
        "void": [
            node.name
            for node in known.plan.nodes
            if not isinstance(node, Work) and node.name in state.values and node.name not in done
        ],
        "changes": [
            {"where": change.where, "what": change.what, "weakens": change.weakens}
            for change in changes(known.plan, to.plan)
        ],
        "refused": refused,
    }


def _target(library: Library, name: str, digits: str) -> Known:
    plans = library.plans(name)
    found = [known for known in plans if known.plan.digest.startswith(digits)] if digits else plans[:1]
    if len(found) != 1:
        many = "more than one plan" if found else "no plan"
        raise DecisionError(f"This deploy has {many} of {name} that begins with {digits}; see `gatework plan show`.")
    return found[0]


def target(library: Library, name: str, event: Migrated) -> Known:
    """The plan of a move that was taken. Raises `UnknownPlan` where this deploy does not know it any more."""
    found = library.find(name, event.to)
    if found is None:
        raise UnknownPlan(f"Plan {event.to[:12]} of {name} is not in this deploy; deploy it again.")
    return found
