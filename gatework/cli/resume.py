"""Resuming a run that has ended: `gatework resume` shows what is taken over, asks, and starts the run that goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from gatework.cli.decide import By, Note, Run, name_of
from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.render import ending
from gatework.cli.session import REFUSED, USAGE, connected, fail
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from gatework.temporal.client.operate import Client, Operated
    from gatework.temporal.client.restarting import Ended


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Decide")(resume)


def resume(
    run: Run,
    place: Annotated[
        str, typer.Option("--from", metavar="STAGE", help="Where it goes on; where it ended, if left out.")
    ] = "",
    by: By = None,
    note: Note = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be taken over, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Resume a run that failed, timed out, expired, or was terminated, cancelled or aborted.

    A new run of the same id, on the same plan, takes over the values of the stages before, as a worker finds them in
    the server's history, and runs the rest. Refused where that would do an effect again that has happened, or may have.
    """

    async def looked(client: Client) -> tuple[Ended, dict[str, Json]]:
        from gatework.temporal.client.restarting import look

        found = await look(client, run, place)
        head = {"id": found.run.id, "run_id": found.run.described.run_id, "status": found.status}
        return found, {**head, **found.told}

    found, told = connected(looked)
    if not as_json:
        _show(found, told)
    elif dry_run or told["refused"]:
        dump(told)
    if told["refused"]:
        raise fail(clean(told["refused"]), REFUSED)
    if dry_run:
        return
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise fail("Nothing was resumed: add --yes to do it, or --dry-run to look only.", USAGE)
        if not typer.confirm("Resume it?", default=False):
            raise fail("Nothing was resumed.", REFUSED)

    async def started(client: Client) -> tuple[Operated, str, str]:
        from gatework.temporal.client.operate import progress_of
        from gatework.temporal.client.restarting import look, resumed
        from gatework.temporal.transport.pages import page, ui_of

        # Looked at anew: whatever has happened meanwhile.
        now = await look(client, told["id"], place)
        new = await resumed(client, now, by=name_of(by), note=note)
        link = page(await ui_of(client), client.namespace, new.id, new.described.run_id)
        return new, link, next((node.name for node in (await progress_of(new)).nodes if node.status != "done"), "")

    new, link, at = connected(started)
    if as_json:
        dump({**told, "resumed_as": new.described.run_id, "link": link})
        return
    screen = console()
    screen.print(Text.assemble((clean(new.id), "bold"), f" goes on{f' at {clean(at)}' if at else ''}"), soft_wrap=True)
    if link:
        screen.print(Text(f"  {link}", style="dim"), soft_wrap=True)


def _show(found: Ended, told: dict[str, Json]) -> None:
    screen = console()
    ended = Text.assemble((clean(told["id"]), "bold"), " ", ending(found.status, found.reason))
    screen.print(ended, soft_wrap=True)
    rows = (
        ("goes on at", "" if told["refused"] else told["from"], ""),
        ("kept", ", ".join(told["kept"]) or ("" if told["refused"] else "nothing but the input"), ""),
        ("runs again", ", ".join(told["again"]), ""),
        ("void", ", ".join(f"approval {name}" for name in told["void"]), "yellow"),
        ("note", told["note"], "yellow"),
    )
    for head, text, style in rows:
        if text:
            screen.print(Text.assemble(f"  {head:<11}", (clean(text), style)), soft_wrap=True)
