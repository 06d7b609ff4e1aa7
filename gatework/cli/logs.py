"""The story of a run: `logs` tells it from its history, in order, whether a worker runs or not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.completion import run_ids
from gatework.cli.output import AsJson, dump
from gatework.cli.project import workflows_named
from gatework.cli.run import PANEL
from gatework.cli.session import connected
from gatework.cli.tell import Printed
from gatework.errors import GateworkError

if TYPE_CHECKING:
    from gatework.releases.library import Library
    from gatework.temporal.client.operate import Client
    from gatework.temporal.client.story import Story


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(logs)


def logs(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.", autocompletion=run_ids),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="MODULE:WORKFLOW", help="The workflow, where it is not in `workflows/`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of a run: attempts, verdicts, waits, decisions, effects, its end. Needs no worker.

    With --json one event a line, with the names and fields of the worker's log; docs/logs.md lists them.
    """
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # what concerns the reader is said in a sentence

    async def command(client: Client) -> None:
        from gatework.temporal.client.operate import find_run
        from gatework.temporal.client.story import Teller

        found = await find_run(client, run)
        library, missing = _library(code)
        teller = Teller(client=client, library=library, missing=missing)
        printed = Lines() if as_json else Printed()
        if not follow:
            printed.show(await teller.story(found))
            return
        async for story in teller.following(found):
            printed.show(story)

    connected(command)


def _library(code: list[str] | None) -> tuple[Library | None, str]:
    """The plans of the project; or why there are none. What was typed must be there, what was not need not."""
    from gatework.releases.library import Library

    try:
        return Library(workflows_named(code or [])), ""
    except GateworkError as error:
        if code:
            raise
        return None, error.message


class Lines:
    """One JSON object a line."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    def show(self, story: Story) -> None:
        """Print what is new."""
        from gatework.logs.text import safe_value

        for told in story.events:
            if told.key in self._printed:
                continue
            self._printed.add(told.key)
            event = told.event
            head = {"time": event.at, "level": logging.getLevelName(event.level).lower(), "event": event.name}
            fields = {**told.about, **event.fields}
            dump({**head, **{name: safe_value(value) for name, value in fields.items()}}, lines=True)
