"""Where runs stand: `runs` lists them, `show` shows one with what it asks."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatework.cli import render
from gatework.cli.decide import Run
from gatework.cli.session import connected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gatework.canonical import Json
    from gatework.ledger import Entry
    from gatework.temporal.operate import Client, Listed, Operated
    from gatework.temporal.progress import Progress

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (runs, show):
        app.command()(command)


def runs(
    all_: Annotated[
        bool, typer.Option("--all", help="Also those that run by themselves, and those that ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the runs that wait for a person."""

    async def command(client: Client) -> Sequence[Listed]:
        from gatework.temporal import operate

        return await operate.runs(client, ended=all_)

    found = [run for run in connected(command) if all_ or run.status in ("waiting", "unknown")]
    if as_json:
        _dump([dataclasses.asdict(run) for run in found])
        return
    console = Console(highlight=False)
    if not found:
        console.print("No run." if all_ else "No run waits for a person.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True)
    for column in ("workflow", "state", "asks", "number"):
        table.add_column(column, overflow="fold")
    for run in found:
        asks = f"{run.waiting.role}: {render.asked(run.waiting)}" if run.waiting else ""
        number = run.waiting.number if run.waiting and "approve" in run.waiting.allowed else ""
        table.add_row(
            *(Text(render.clean(cell)) for cell in (run.id, run.workflow)),
            Text(run.status, style=render.STYLES.get(run.status, "")),
            Text(asks),
            Text(number),
        )
    console.print(table)


def show(run: Run, as_json: AsJson = False) -> None:
    """Show where a run stands, what it asks and on what evidence."""

    async def command(client: Client) -> tuple[Operated, Progress, Sequence[Entry], Mapping[str, Json]]:
        from gatework.temporal.operate import answered, find_run, progress_of

        found = await find_run(client, run)
        return found, await progress_of(found), await answered(found.ledger()), await answered(found.values())

    found, progress, ledger, values = connected(command)
    if as_json:
        entries = [dataclasses.asdict(entry) for entry in ledger]
        _dump({"id": found.id, "state": dataclasses.asdict(progress), "ledger": entries, "values": dict(values)})
        return
    console = Console(highlight=False)
    console.print(render.standing(found.id, progress))
    console.print(render.incidents(ledger, values))
    if progress.waiting is not None:
        console.print(render.question(progress.waiting))
        for typed in render.commands(found.id, progress.waiting):
            console.print(Text(f"  {typed}"), soft_wrap=True)


def _dump(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
