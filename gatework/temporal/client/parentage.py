"""Runs and the runs that started them: what the server knows of child runs, without asking any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecution

from gatework.temporal.client.operate import ended_as
from gatework.temporal.transport import pages, search

MOST_CHILDREN = 1_000
"""How many child runs of one run are looked at."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """A child run in a list."""

    id: str
    workflow: str
    status: str
    """As in `Listed`; `running` also where it waits for a person."""
    needs: str = ""
    """The role that a person must have who is needed, if the server was told."""

    @property
    def stands(self) -> str:
        """How it stands, in words."""
        return f"waiting for {self.needs}" if self.needs else self.status.replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class Children:
    """The child runs of a run, those that were started last first."""

    runs: Sequence[Child]
    more: bool = False
    """Whether there are more than were looked at."""
    page: str = ""
    """Where the UI lists them; empty where that is not known."""


def is_child(run: WorkflowExecution) -> bool:
    """Whether another run started a run."""
    return bool(run.parent_id)


async def children_of(client: Client, id: str) -> Children:
    """The child runs of a run, as the server lists them."""
    query = search.children(id)
    found = [run async for run in client.list_workflows(query, limit=MOST_CHILDREN + 1)]
    runs = [await _child(client, run) for run in found[:MOST_CHILDREN]]
    # One that went on as a new run is listed with each of its legs.
    kept = [child for child in runs if child.status != "continued_as_new"]
    page = pages.children(await pages.ui_of(client), client.namespace, id) if kept else ""
    return Children(runs=kept, more=len(found) > MOST_CHILDREN, page=page)


async def _child(client: Client, run: WorkflowExecution) -> Child:
    status, _ = await ended_as(client, run)
    needs = next(iter(map(str, run.search_attributes.get(search.NEEDS, ()))), "") if status == "running" else ""
    return Child(id=run.id, workflow=run.workflow_type, status=status, needs=needs)
