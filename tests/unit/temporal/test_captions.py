"""Captions: what the UI shows beside runs and steps, of the plan alone and never longer than a server takes."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

from gatework.temporal.transport import captions
from tests.workflow.plans import signed


def test_step_is_named_by_its_place_in_the_plan() -> None:
    """The number of its stage, how many there are, its name, and what it does."""
    assert captions.at_stage(signed.plan, "agreed", "waits for boss") == "stage 2/3 agreed, waits for boss"
    assert captions.at_stage(signed.plan, "file") == "stage 3/3 file"


def test_name_that_is_too_long_is_cut_between_two_letters() -> None:
    """A server that refuses long texts would hold up the run."""
    node = dataclasses.replace(signed.plan.nodes[0], name="é" * 500)
    plan = dataclasses.replace(signed.plan, nodes=(node,))
    text = captions.at_stage(plan, node.name)
    assert len(text.encode()) <= captions.SUMMARY_BYTES
    assert text.endswith("é…")


def test_run_is_described_by_the_docstring_of_its_workflow() -> None:
    """Its first line is the summary, the rest the details; how to stop a run is always among them."""
    assert captions.summary(signed) == "One stage, one approval, one stage."
    assert captions.details(signed) == captions.STOPPING

    def told(doc: str | None) -> tuple[str, str]:
        workflow: Any = SimpleNamespace(__doc__=doc, name="letter")
        return captions.summary(workflow), captions.details(workflow)

    assert told(None) == ("letter", captions.STOPPING)
    assert told("  ") == ("letter", captions.STOPPING)
    assert told("\n    Pay.\n\n    Only once.\n    Twice is too much.\n    ") == (
        "Pay.",
        f"Only once.\nTwice is too much.\n\n{captions.STOPPING}",
    )
    summary, details = told("é" * 1_000 + "\n" + "x" * 100_000)
    assert len(summary.encode()) <= captions.SUMMARY_BYTES
    assert len(details.encode()) <= captions.DETAILS_BYTES + len(captions.STOPPING) + 2
