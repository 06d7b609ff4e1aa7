"""What a run says of itself to the server: the mark of an override comes first, whatever else there is to say."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from gatework.run.events import OutcomeKind, Overridden
from gatework.run.state import Outcome
from gatework.temporal.transport.search import LONGEST
from gatework.temporal.workflow.saying import said
from gatework.testing import Driver
from gatework.testing.factories import plan_of, stage

PLAN = plan_of(stage("owed"), stage("letter", "owed"))
ONE = Overridden(node="all/3 owed", gate=1, lets="output", guards=(), by=("Hana",), identity="claimed", reason="Why")


@pytest.mark.parametrize("kind", get_args(OutcomeKind))
def test_end_of_a_run_is_said_behind_what_was_overridden(kind: OutcomeKind) -> None:
    """Whatever the end; where it did not complete the stage stands there, too."""
    state = Driver(PLAN).begin().finish().state
    ended = replace(state, outcome=Outcome(kind=kind, node="letter"))
    stage = "" if kind == "completed" else "letter"
    assert said(PLAN, ended)[1:] == (kind, stage, "")
    marked = replace(ended, overrides=(ONE,))
    assert said(PLAN, marked)[2] == f"overridden: all/3 owed{stage and '; letter'}"


def test_run_that_waits_says_first_what_was_overridden() -> None:
    """The last of several, and in what a Keyword holds."""
    gate = Driver(PLAN).begin().fail("block").state
    assert said(PLAN, gate)[1:] == ("waiting", "owed", "operator")
    marked = replace(gate, overrides=(replace(ONE, node="first"), ONE))
    assert said(PLAN, marked)[1:] == ("waiting", "overridden: all/3 owed; owed", "operator")
    long = said(PLAN, replace(gate, overrides=(replace(ONE, node="n" * 300),)))[2]
    assert (long[:13], len(long)) == ("overridden: n", LONGEST)
