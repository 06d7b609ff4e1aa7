"""`gatework worker` serves the workflows of the project; `gatework dev` brings all that they need with it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.output import clean, say
from gatework.cli.project import PACKAGE, root_of, workflows_named
from gatework.cli.session import Failure, ran
from gatework.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gatework.temporal.client.operate import Client
    from gatework.temporal.worker.concerned import Concern

PANEL = "Develop and serve"
FOLDER = ".gatework"
"""Where a project's server keeps its file and its log."""
Queue = Annotated[
    str, typer.Option("--queue", metavar="QUEUE", help="The task queue; GATEWORK_TASK_QUEUE or `gatework` if left out.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (dev, worker):
        app.command(rich_help_panel=PANEL)(command)


def dev(
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64535,
            metavar="PORT",
            help="Temporal's port, the UI's is 1000 above; 7233, or the next that is free, if left out.",
        ),
    ] = None,
    database: Annotated[
        Path | None, typer.Option("--db", metavar="FILE", help=f"The server's file; {FOLDER}/temporal.db if left out.")
    ] = None,
    queue: Queue = "",
) -> None:
    """Run it all: a server, its UI, and a worker that starts again when code changes."""
    from gatework.cli.dev import Development

    root = root_of(Path.cwd().resolve())
    if root is None:
        raise ConfigError(f"There is no folder `{PACKAGE}` here or above; go to your project and try again.")
    file = (database or _folder(root) / "temporal.db").absolute()
    number = ran(Development(root, file, port=port, queue=queue).run())
    if number not in (None, signal.SIGINT):
        raise Failure("", 128 + number)


def _folder(root: Path) -> Path:
    """The project's own folder for what is no code; version control leaves it alone."""
    folder = root / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}. Name another file with --db.") from None
    return folder


def worker(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORKFLOW]...", help="Which workflows; all in `workflows/` if left out."),
    ] = None,
    queue: Queue = "",
) -> None:
    """Serve the workflows of the project.

    Without --queue also the task queues that stages name by `on=`; with it, that queue alone.
    Ctrl-C or SIGTERM ends it once the stages that run have ended; Ctrl-C again stops them.
    """
    from gatework.temporal.worker.logs import configure_logs
    from gatework.temporal.worker.serving import serve

    configure_logs()
    workflows = workflows_named(targets or [])

    def ready(client: Client, queues: Sequence[str]) -> None:
        names = ", ".join(workflow.name for workflow in workflows)
        many = f"task queue{'s' if queues[1:] else ''} {', '.join(queues)}"
        say(f"Serving {names} on the {many} at {client.service_client.config.target_host}.")

    def concerned(concern: Concern) -> None:
        for line in concern_lines(concern):
            say(clean(line))

    ran(serve(*workflows, task_queue=queue, ready=ready, concerned=concerned))


def concern_lines(concern: Concern) -> Iterator[str]:
    """What a deploy means for the runs of a plan, for whoever watches the worker start."""
    yield f"{'•' if concern.kind == 'recoded' else '✖'} {concern.said}"
    if concern.kind == "unfit":
        yield from (f"    {why}" for why in concern.why)
    if concern.runs:
        more = ", …" if (concern.count or 0) > len(concern.runs) else ""
        yield f"  Runs: {', '.join(concern.runs)}{more}"
    if concern.count != 0:
        yield f"  All of them: {concern.page or concern.query}"
    if concern.kind == "unfit":
        yield "  Deploy the code that can beside this, or move each run to a later plan with `gatework migrate RUN`."
    if concern.kind == "missing":
        yield "  Bring the plan back with its lock file, or deploy the code that has it beside this."
