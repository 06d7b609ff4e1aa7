"""`gatework worker`: serves the workflows of the project."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.dev import PANEL
from gatework.cli.output import say
from gatework.cli.project import workflows_named
from gatework.cli.run import Queue

if TYPE_CHECKING:
    from gatework.temporal.operate import Client


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(rich_help_panel=PANEL)(worker)


def worker(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORKFLOW]...", help="Which workflows; all in `workflows/` if left out."),
    ] = None,
    queue: Queue = "",
) -> None:
    """Serve the workflows of the project.

    Ctrl-C or SIGTERM ends it once the stages that run have ended; Ctrl-C again stops them.
    """
    from gatework.temporal.logs import configure_logs
    from gatework.temporal.serving import serve

    configure_logs()
    workflows = workflows_named(targets or [])

    def ready(client: Client, name: str) -> None:
        names = ", ".join(workflow.name for workflow in workflows)
        at = client.service_client.config.target_host
        say(f"Serving {names} on the task queue {name} at {at}.")

    asyncio.run(serve(*workflows, task_queue=queue, ready=ready))
