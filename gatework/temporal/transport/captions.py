"""Captions: the short texts that the UI shows beside runs, activities and timers. They are part of no decision.

They are plain text of the plan and of the code, never of a value: they are not encrypted in every setting, and a list
is no place for what came from outside.
"""

from __future__ import annotations

import inspect
from typing import Any

from gatework.define.workflow import Workflow
from gatework.plan.plan import Call, Plan
from gatework.run.state import ChildRun

SUMMARY_BYTES = 380
DETAILS_BYTES = 8_000
"""What every server takes, with what Temporal writes around it; some take more."""

STOPPING = (
    "Cancel stops the run at the next moment it can and records what may have happened. "
    "Terminate stops it at once: nothing runs, nothing is recorded, and an effect may have happened unseen."
)
"""What a person should know before they stop a run, beside the buttons that do."""


def at_stage(plan: Plan, node: str, what: str = "") -> str:
    """What an activity or a timer is for, on the timeline: `stage 5/8 agreed, waits for finance`."""
    told = f"stage {plan.index[node] + 1}/{len(plan.nodes)} {node}"
    return _cut(f"{told}, {what}" if what else told, SUMMARY_BYTES)


def child(plan: Plan, node: Call, run: ChildRun) -> str:
    """What a child run is for: `run 3 of stage 2/5 found of brief`."""
    which = "takes back what it did for" if run.undoes else "for"
    told = f"run {run.child + 1} " if node.kind != "call" else ""
    return _cut(f"{run.workflow}, {told}{which} {at_stage(plan, node.name)} of {plan.name}", SUMMARY_BYTES)


def summary(workflow: Workflow[Any, Any]) -> str:
    """What a run is for: the first line of the workflow's docstring, else its name."""
    first, _, _ = inspect.cleandoc(workflow.__doc__ or "").partition("\n")
    return _cut(first or workflow.name, SUMMARY_BYTES)


def details(workflow: Workflow[Any, Any]) -> str:
    """What there is to know of each run of a workflow, as Markdown: the rest of its docstring, and how to stop it."""
    _, _, rest = inspect.cleandoc(workflow.__doc__ or "").partition("\n")
    return "\n\n".join(filter(None, [_cut(rest.strip(), DETAILS_BYTES), STOPPING]))


def _cut(text: str, most: int) -> str:
    data = text.encode()
    return text if len(data) <= most else f"{data[: most - 3].decode(errors='ignore')}…"
