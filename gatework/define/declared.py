"""The rules that hold of a stage or endorser by itself: labels of what it takes and gives, tools, limits."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel

from gatework.define.signature import MISSING, Declared, Signature, accepts, must_be_async, read
from gatework.define.tool import Granted, Tool
from gatework.errors import PlanError
from gatework.plan.faults import budget_fault
from gatework.plan.labels import Label, combined
from gatework.plan.plan import QUEUE_FIX, Budget, is_queue
from gatework.values.contract import name_of

TIMEOUT = timedelta(minutes=1)
"""How long one attempt of a stage may take unless it says otherwise."""

EXPIRY = timedelta(days=7)
"""How long a run waits for a person unless the plan says otherwise."""


def grants(given: Iterable[object], name: str, place: str) -> tuple[Granted, ...]:
    """What is written in `tools=`, each with its limits. Raises `PlanError`."""
    found = []
    for one in given:
        if not isinstance(one, Tool | Granted):
            raise PlanError(f"{name} is given a tool that is none.", fix="Use @tool or @effect(once=…).", where=place)
        found.append(one if isinstance(one, Granted) else Granted(one))
    return tuple(found)


def stage_signature(function: Callable[..., Awaitable[Any]], tools: Sequence[object]) -> Signature:
    """A stage's signature, once the rules of labels hold of it and of its tools. Raises `PlanError`."""
    declared = read(function, "the stage")
    name, place = declared.name, declared.where
    must_be_async(function, declared)
    held = [granted.tool for granted in grants(tools, name, place)]
    labels = {param.name: param.label for param in declared.params.values()}
    given = declared.result.label
    wanted = combined(labels.values())
    if given is Label.APPROVED:
        raise PlanError(f"{name} returns Approved.", fix="Only approve(…) makes that.", where=place)
    if wanted is not Label.PLAIN and given is not wanted and not any(tool.untrusted for tool in held):
        raise PlanError(
            f"{name} takes {wanted} data and returns {given}.",
            fix=f"Return {wanted.capitalize()}[…]: labels are contagious.",
            where=place,
        )
    for param in declared.params.values():
        if param.label is not Label.PLAIN and param.default is not MISSING:
            raise PlanError(f"{name}: {param.name} has a default.", fix="Remove it.", where=place)
    outside = next((tool for tool in held if tool.untrusted), None)
    if outside is not None and given is not Label.UNTRUSTED:
        raise PlanError(
            f"{name} holds {outside.name}, which gives outside text, and returns {given}.",
            fix="Return Untrusted[…]: what it makes of outside text is no better.",
            where=place,
        )
    effect = next((tool for tool in held if tool.kind == "effect"), None)
    if effect is None:
        return declared
    if Label.UNTRUSTED in labels.values():
        raise PlanError(
            f"{name} holds an effect and takes untrusted data.", fix="Take Endorsed or Approved.", where=place
        )
    if outside is not None:
        raise PlanError(
            f"{name} holds the effect {effect.name} beside {outside.name}, which gives outside text.",
            fix="Call them in two stages, with endorse(…) or approve(…) between.",
            where=place,
        )
    if not {Label.ENDORSED, Label.APPROVED} & set(labels.values()):
        raise PlanError(
            f"{name} holds an effect without any labelled input.",
            fix="Take what it acts on as Endorsed or Approved.",
            where=place,
        )
    return declared


def check_undo(stage: Signature, undo: Signature) -> None:
    """Raise `PlanError` unless a stage undoes another: it takes its output first, and then inputs of it by name."""
    place, name = undo.where, undo.name
    if not undo.params:
        raise PlanError(f"{name} undoes {stage.name} and takes nothing.", fix="Take its output.", where=place)
    for number, declared in enumerate(undo.params.values()):
        given = stage.result if number == 0 else stage.params.get(declared.name)
        what = "the output" if number == 0 else f"the input {declared.name}"
        if given is None:
            if declared.default is MISSING:
                problem = f"{name} takes {declared.name}, and {stage.name}, which it undoes, has no such input."
                raise PlanError(problem, fix="Take the output first, then inputs by their names.", where=place)
        elif not accepts(declared.type, given.type) or not given.label.meets(declared.label):
            raise PlanError(
                f"{name} takes {what} of {stage.name} as {_annotated(declared)}, and it is {_annotated(given)}.",
                fix="Give both the same type and label.",
                where=place,
            )


def _annotated(declared: Declared) -> str:
    name = name_of(declared.type)
    return name if declared.label is Label.PLAIN else f"{declared.label.capitalize()}[{name}]"


def check_limits(
    name: str, place: str, attempts: int, timeout: timedelta, expires: timedelta, on: str, budget: Budget | None = None
) -> None:
    """Raise `PlanError` where a stage would work or wait for no time, or on no task queue."""
    if attempts < 1 or min(timeout, expires) <= timedelta():
        raise PlanError(
            f"{name}: attempts are at least one, timeout and expires longer than nothing.",
            fix="Correct them.",
            where=place,
        )
    if budget is not None and (why := budget_fault(budget)):
        raise PlanError(f"{name}: its budget {why}.", fix="Correct it.", where=place)
    if on and not is_queue(on):
        raise PlanError(f"{name} runs on {on!r}, which is no name of a task queue.", fix=QUEUE_FIX, where=place)


def holds(annotation: Any, claim: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether values of a type hold a claim as it was made: are one, or have one inside."""
    if annotation in seen:
        return False
    if annotation == claim:
        return True
    inner = list(get_args(annotation))
    if inspect.isclass(claim) and issubclass(claim, BaseModel):
        # Simple types, such as the str of an order's number, are in every model; they are filled anew.
        inner += [field.annotation for field in getattr(annotation, "model_fields", {}).values()]
    return any(holds(part, claim, (*seen, annotation)) for part in inner)
