"""Copies of what a run knows: as `dataclasses.replace` makes them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from gatework.errors import OrderError
from gatework.machine import machine
from gatework.run.changed import changed
from gatework.run.events import Given
from gatework.run.state import Run, State
from gatework.testing.driver import Driver
from gatework.testing.factories import plan_of, stage

PLAN = plan_of(stage("first"), stage("second", "first"))
OTHER = plan_of(stage("first"), name="other")


def test_copy_is_what_replace_makes() -> None:
    """The fields that are named have their new value, all others the old, and the original is as it was."""
    state = Driver(PLAN).begin().state
    before = replace(state)
    news: dict[str, Any] = {"at": 1, "feedback": ("no",), "values": {}}
    assert changed(state, **news) == replace(state, **news)
    assert state == before
    given = Given(guard="is_paid", on="", verdict="pass", reason="")
    assert changed(given, on="0" * 64) == replace(given, on="0" * 64) != given


def test_what_was_computed_from_the_original_is_not_copied() -> None:
    """What was due before is not due after."""
    state = Driver(PLAN).begin().state
    due = machine.due(PLAN, state)
    assert isinstance(due, Run)
    assert machine.due(PLAN, state) is due
    copy = changed(state, attempts={"first": 2})
    assert vars(copy).keys() == {field.name for field in fields(State)}
    again = machine.due(PLAN, copy)
    assert isinstance(again, Run)
    assert (due.attempt, again.attempt) == (1, 2)


def test_field_that_there_is_not_is_refused() -> None:
    """A name that is spelled wrong changes nothing unseen."""
    wrong: dict[str, Any] = {"feedbak": ()}
    with pytest.raises(TypeError):
        changed(State(plan="0" * 64), **wrong)
    with pytest.raises(TypeError):
        changed(Given(guard="is_paid", on="", verdict="pass", reason=""), **wrong)


def test_what_is_due_is_that_of_the_plan_that_is_asked_for() -> None:
    """Another plan of the same digest is asked anew, and one of another digest is refused."""
    state = Driver(PLAN).begin().state
    due = machine.due(PLAN, state)
    again = replace(PLAN)
    assert machine.due(again, state) == due
    with pytest.raises(OrderError, match="another plan"):
        machine.due(OTHER, state)
