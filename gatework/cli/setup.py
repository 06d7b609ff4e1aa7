"""`gatework setup`: makes a server ready for a project, and says what it found."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from gatework import models
from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.project import root_of, workflows_named
from gatework.cli.serve import PANEL, Queue
from gatework.cli.session import REFUSED, ran
from gatework.define.workflow import Workflow
from gatework.errors import GateworkError
from gatework.plan.plan import Work
from gatework.releases import lock
from gatework.values.document import passes_documents

if TYPE_CHECKING:
    from gatework.temporal.client.operate import Client
    from gatework.temporal.worker.checks import Found

MARKS = {"ok": ("✔", "green"), "done": ("✚", "green"), "note": ("!", "yellow"), "missing": ("✖", "red"),
         "skipped": ("–", "dim")}  # fmt: skip


@dataclass
class Ground:
    """What the checks look at; what one finds, those after it use."""

    queue: str
    retention: timedelta | None
    client: Client | None = None
    workflows: Sequence[Workflow[Any, Any]] = field(default_factory=tuple)


Check = Callable[[Ground], "Awaitable[Found | None]"]
"""Looks at one thing; None where it cannot look, since what it stands on is missing."""


async def _server(ground: Ground) -> Found | None:
    from gatework.temporal.worker import checks

    ground.client, found = await checks.server()
    return found


async def _namespace(ground: Ground) -> Found | None:
    from gatework.temporal.worker import checks

    return await checks.namespace(ground.client, ground.retention) if ground.client else None


async def _search(ground: Ground) -> Found | None:
    from gatework.temporal.worker import checks

    return await checks.search_attributes(ground.client) if ground.client else None


async def _plans(ground: Ground) -> Found | None:
    from gatework.temporal.worker.checks import Found

    if root_of(Path.cwd()) is None:
        return None
    ground.workflows = workflows_named([])
    loose = [workflow.name for workflow in ground.workflows if not _locked(workflow)]
    if loose:
        todo = "run `gatework plan lock`, or a later deploy will not find the plans of runs in flight"
        return Found(mark="missing", said=f"not locked as they are in the code: {', '.join(loose)}", todo=todo)
    return Found(mark="ok", said=f"locked: {', '.join(workflow.name for workflow in ground.workflows)}")


def _locked(workflow: Workflow[Any, Any]) -> bool:
    found = lock.released(workflow)
    return found is not None and bool(found.plans) and found.plans[-1].digest == workflow.plan.digest


async def _worker(ground: Ground) -> Found | None:
    from gatework.releases.library import Library
    from gatework.temporal.worker import checks

    if ground.client is None:
        return None
    return await checks.worker(ground.client, ground.queue, Library(ground.workflows).queues)


async def _in_flight(ground: Ground) -> Found | None:
    from gatework.releases.library import Library
    from gatework.temporal.worker import checks

    if ground.client is None or not ground.workflows:
        return None
    library = Library(ground.workflows)
    plans = {name: {k.plan.digest: k.problem for k in library.plans(name)} for name in library.names}
    return await checks.in_flight(ground.client, ground.queue, plans)


async def _model(ground: Ground) -> Found | None:
    from gatework.temporal.worker.checks import Found

    asked = any(isinstance(node, Work) and node.budget for workflow in ground.workflows for node in workflow.plan.nodes)
    try:
        return Found(mark="ok", said=f"{models.ready()} can be asked (it was not)")
    except GateworkError as error:
        return Found(mark="missing" if asked else "note", said=error.message)


async def _people(ground: Ground) -> Found | None:
    from gatework.cli.people import listed

    if not ground.workflows and "GATEWORK_PEOPLE" not in os.environ:
        return None
    return listed(ground.workflows, datetime.now(UTC))


async def _notify(ground: Ground) -> Found | None:
    from gatework.temporal.worker import checks

    return await checks.hook(ground.client)


async def _store(ground: Ground) -> Found | None:
    from gatework.temporal.worker import checks

    passing = [workflow.name for workflow in ground.workflows if passes_documents(workflow.plan.contracts)]
    return await checks.store(passing)


CHECKS: Sequence[tuple[str, Check]] = (
    ("server", _server),
    ("namespace", _namespace),
    ("search", _search),
    ("plans", _plans),
    ("worker", _worker),
    ("runs in flight", _in_flight),
    ("model", _model),
    ("people", _people),
    ("notify", _notify),
    ("store", _store),
)
"""In this order. One more is a function above and a line here."""


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(setup)


def setup(
    retention: Annotated[
        int | None,
        typer.Option(min=1, metavar="DAYS", help="How long ended runs are kept; 30 days in a namespace made here."),
    ] = None,
    queue: Queue = "",
    as_json: AsJson = False,
) -> None:
    """Make the server ready for this project, and say what is missing.

    Exit code 1 where something needed is missing. It can be run as often as one likes.
    """
    from gatework.temporal.transport.connection import task_queue

    ground = Ground(queue or task_queue(), timedelta(days=retention) if retention else None)
    found = ran(_shown(ground, as_json=as_json))
    if as_json:
        dump(found)
    if any(check["mark"] == "missing" for check in found):
        raise typer.Exit(REFUSED)


async def _shown(ground: Ground, *, as_json: bool) -> Sequence[dict[str, str]]:
    """Look at everything, each shown as it is found."""
    told = []
    screen = console()
    async for name, mark, said, todo in _looked(ground):
        told.append({"check": name, "mark": mark, "said": said, "todo": todo})
        if not as_json:
            sign, style = MARKS[mark]
            table = Table.grid(padding=(0, 1))
            table.add_column(width=1)
            table.add_column(width=max(len(name) for name, _ in CHECKS))
            table.add_column(overflow="fold")
            text = Text(clean(said), style="dim" if mark == "skipped" else "")
            table.add_row(Text(sign, style=style), name, text.append(f"\n{clean(todo)}", style) if todo else text)
            screen.print(table)
    return told


async def _looked(ground: Ground) -> AsyncGenerator[tuple[str, str, str, str]]:
    from gatework.temporal.client.operate import explained

    for name, check in CHECKS:
        try:
            found = await check(ground)
        except GateworkError as error:
            yield name, "missing", error.message, ""
            continue
        except Exception as error:
            known = explained(error, ground.client)
            if known is None:
                raise
            yield name, "missing", known.message, ""
            continue
        if found is None:
            yield name, "skipped", "not looked at: what it needs is missing", ""
        else:
            yield name, found.mark, found.said, found.todo
