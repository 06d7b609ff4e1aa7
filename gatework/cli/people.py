"""What `gatework setup` says of the list of people: whether it can be read, and whether the plans can be answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gatework.define.workflow import Workflow
from gatework.machine.admission import one_of
from gatework.machine.identity import surely
from gatework.plan.plan import Approval, By, Call, Plan, Question, Work
from gatework.signing.roster import People, Person, Roster

if TYPE_CHECKING:
    from gatework.temporal.worker.checks import Found

SOON = timedelta(days=30)
"""How long before a key ends a word is said of it."""


def listed(workflows: Sequence[Workflow[Any, Any]], now: datetime) -> Found:
    """Whether the list of people has whom the plans ask. Raises `ConfigError` where it is none."""
    from gatework.temporal.worker.checks import Found

    roster = Roster.of_environment()
    asked = {by for workflow in workflows for by in _asked(workflow.plan)}
    certain = sorted({by.role for by in asked if surely(by.identity, "authenticated")})
    if roster is None and not certain:
        return Found(mark="ok", said="no plan asks who somebody is beyond their word; GATEWORK_PEOPLE names no list")
    if roster is None:
        todo = "set GATEWORK_PEOPLE to a list of people here and for the workers; docs/identity.md says how"
        return Found(mark="missing", said=f"there is no list, and it must be sure who {one_of(certain)} is", todo=todo)
    people = roster.people()
    if short := sorted(set(_short(people, asked, now))):
        return Found(mark="missing", said="; ".join(short), todo="put them on the list, or nobody can approve there")
    said = f"{len(people.persons)} on the list that GATEWORK_PEOPLE names here"
    if ending := sorted(name for name, person in people.persons.items() if _ends_soon(person, now)):
        todo = f"make them new ones with `gatework keys new`: {', '.join(ending)}"
        return Found(mark="note", said=f"{said}; keys end within {SOON.days} days", todo=todo)
    return Found(mark="ok", said=said)


def _asked(plan: Plan) -> Iterable[By]:
    for node in plan.steps:
        match node:
            case Approval() | Question():
                yield from node.asks
            case Work():
                yield from (node.operator, *(use.approver for use in node.tools if use.approver is not None))
                yield from (node.override,) if node.override else ()
            case Call():
                yield node.operator
            case _:
                pass


def _short(people: People, asked: Iterable[By], now: datetime) -> Iterable[str]:
    """What cannot be answered, in words. A role that takes anybody's word is only looked at where a list has it."""
    for by in asked:
        members = [person for person in people.persons.values() if by.role in person.roles]
        if len(members) < by.quorum and (by.quorum > 1 or surely(by.identity, "claimed")):
            yield f"{by.role} needs {by.quorum} and has {len(members)}"
        elif by.identity == "signed":
            able = [person for person in members if _can_sign(person, now)]
            if len(able) < by.quorum:
                yield f"{by.role} needs {by.quorum} with a key that holds and has {len(able)}"


def _can_sign(person: Person, at: datetime) -> bool:
    return any(key.holds(at) for key in person.keys.values())


def _ends_soon(person: Person, now: datetime) -> bool:
    """Whether somebody who has a key now has none in a while."""
    return _can_sign(person, now) and not _can_sign(person, now + SOON)
