"""What a run says of itself to the server, so that it can be found: its search attributes, set in the workflow."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from gatework.plan.plan import Plan
from gatework.run.state import State
from gatework.temporal.transport.search import LONGEST, NAMES, OVERRIDDEN, keyword

Said = tuple[str, str, str, str]
"""The values of `NAMES`; empty for one that is absent."""


def said(plan: Plan, state: State) -> Said:
    """What a run says: what it waits for, and how it ended, and not each stage in between."""
    gate, outcome = state.gate if state.outcome is None else None, state.outcome
    status = outcome.kind if outcome else "waiting" if gate else "running"
    stage = gate.node if gate else ""
    if outcome and outcome.kind != "completed":
        stage = outcome.node or plan.steps[min(state.at, len(plan.steps) - 1)].name
    if state.overrides:
        # First, also where the run waits or has not ended well: what is cut off at the end is the other.
        stage = f"{OVERRIDDEN}{state.overrides[-1].node}{f'; {stage}' if stage else ''}"
    digest = f" {plan.digest[:12]}"
    return plan.name[: LONGEST - len(digest)] + digest, status, keyword(stage), keyword(gate.role if gate else "")


class Saying:
    """What one run has told the server, and whether it may.

    Whether it may depends on the worker, and a run may come to another worker at any moment. So the answer is a marker
    in its history, looked for at its beginning and, where it was no, again at each gate: a run that began before the
    attributes were registered can be found from its next gate on.
    """

    def __init__(self, findable_in: Container[str]) -> None:
        self._findable_in = findable_in
        self._looks = 0
        self._told: Said | None = None
        self.findable = False
        """Whether the run has search attributes."""

    def look(self) -> None:
        """Look whether the run may have them, unless that is known. Comes before anything else that a run does.

        A marker that follows a local activity in the same task is not found at a replay.
        """
        if not self.findable:
            self._looks += 1
            here = workflow.unsafe.is_replaying() or workflow.info().namespace in self._findable_in
            self.findable = here and workflow.patched(f"gatework-search-{self._looks}")

    def say(self, plan: Plan, state: State) -> None:
        """Tell the server what has changed, all of it as one event."""
        if state.gate is not None and (state.attempts or state.gates > 1):  # the run's first task is over
            self.look()
        if self.findable and (now := said(plan, state)) != self._told:
            workflow.upsert_search_attributes(_updates(self._told, now))
            self._told = now


def _updates(before: Said | None, now: Said) -> list[SearchAttributeUpdate[Any]]:
    """What has changed. At first all of it: a run that goes on as new has those of the one before."""
    old = before or (None,) * len(NAMES)
    changed = [(name, value) for name, value, was in zip(NAMES, now, old, strict=True) if value != was]
    keys = [(SearchAttributeKey.for_keyword(name), value) for name, value in changed]
    return [key.value_set(value) if value else key.value_unset() for key, value in keys]
