"""Runs from their start to their end: `run` starts one, `watch` shows one or all while they go on."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from gatework.cli.attach import attached
from gatework.cli.completion import run_ids
from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.progress import view
from gatework.cli.project import workflows_named
from gatework.cli.serve import Queue
from gatework.cli.session import REFUSED, USAGE, connected, fail
from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.canonical import MAX_STORED_VALUE_BYTES, MAX_VALUE_BYTES
from gatework.values.contract import Contract, name_of
from gatework.values.store import VARIABLE

if TYPE_CHECKING:
    from gatework.define.workflow import Workflow
    from gatework.temporal.client.operate import Client, Operated
    from gatework.temporal.client.watching import Seen
    from gatework.values.canonical import Json

PANEL = "Runs"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (run, watch):
        app.command(rich_help_panel=PANEL)(command)


def run(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="A name in `workflows/`, or MODULE:WORKFLOW.")],
    given: Annotated[
        str,
        typer.Argument(metavar="JSON|@FILE|-", help="What the run starts from: JSON, a file of it, or the input."),
    ] = "",
    id: Annotated[
        str,
        typer.Option(
            "--id",
            metavar="ID",
            help="The run's id, where its workflow has no key; a run that has it is found, not started.",
        ),
    ] = "",
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            metavar="FIELD=PATH",
            help="A file for a field that is a document, or a folder of them; they go into GATEWORK_STORE.",
        ),
    ] = None,
    queue: Queue = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show the stages, and end with the result as JSON.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run, or find the one of this id or business key.

    With --wait it is followed to its end: exit code 0 where it completed, 1 where it did not.
    """
    (found,) = workflows_named([workflow])
    data = _accepted(found, attached(found, _read(given), files or ()))

    async def command(client: Client) -> bool:
        return await _run(client, found, data, id=id, queue=queue, wait=wait, as_json=as_json)

    if not connected(command):
        raise typer.Exit(REFUSED)


def _read(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read(MAX_STORED_VALUE_BYTES + 1)
    if not given.startswith("@"):
        return given.encode("utf-8", "surrogateescape")
    try:
        with Path(given[1:]).open("rb") as file:
            return file.read(MAX_STORED_VALUE_BYTES + 1)
    except OSError as error:
        raise fail(f"The file {given[1:]} cannot be read: {error.strerror}.", USAGE) from None


def _accepted(workflow: Workflow[Any, Any], data: bytes) -> bytes:
    """The input in its canonical form, before anything is started."""
    wanted = f"{workflow.name} starts from {_shape(workflow.input)}"
    most = MAX_STORED_VALUE_BYTES if os.environ.get(VARIABLE) else MAX_VALUE_BYTES
    if not data.strip():
        raise fail(f"{wanted}; give it as JSON, as @FILE, or - for the input.", USAGE)
    try:
        canonical.loads(data, max_bytes=MAX_STORED_VALUE_BYTES)
    except ContractError as error:
        raise fail(f"The input cannot be read: {error}; {wanted}, given as JSON in single quotes.", USAGE) from None
    try:
        return workflow.input.accept(data, max_bytes=most)
    except ContractError as error:
        raise fail(f"The input is refused: {error}; {wanted}.", REFUSED) from None


def _shape(contract: Contract[Any]) -> str:
    """What a contract asks for, in a few words."""
    fields = contract.schema.get("properties")
    return f"{{{', '.join(fields)}}}" if fields else f"a {name_of(contract.annotation)}"


async def _run(
    client: Client, workflow: Workflow[Any, Any], data: bytes, *, id: str, queue: str, wait: bool, as_json: bool
) -> bool:
    from gatework.temporal.client.operate import start_run
    from gatework.temporal.transport.pages import page, ui_of

    run, started = await start_run(client, workflow, data, id=id, queue=queue)
    run_id = run.described.run_id
    link = page(await ui_of(client), client.namespace, run.id, run_id)
    about = {"id": run.id, "run_id": run_id, "workflow": workflow.name, "started": started, "link": link}
    if not as_json:
        # The result alone goes to standard output, so that it can be piped on.
        screen = console(stderr=wait)
        said = "started" if started else "found: it is there already, so nothing was started"
        screen.print(Text.assemble((clean(run.id), "bold"), f" {said}"), soft_wrap=True)
        if link:
            screen.print(Text(f"  {link}", style="dim"), soft_wrap=True)
        elif not wait:
            screen.print(Text(f"  gatework watch {shlex.quote(clean(run.id))}", style="dim"), soft_wrap=True)
    if not wait:
        if as_json:
            dump(about)
        return True
    seen = await _watched(client, run, quiet=as_json)
    result: Json = await run.result() if seen.status == "completed" else None
    if as_json:
        dump({**about, "status": seen.status, "reason": seen.reason, "result": result})
    elif seen.status == "completed":
        dump(result)
    return seen.status == "completed"


async def _watched(client: Client, run: Operated, *, quiet: bool) -> Seen:
    """Show a run on standard error until it has ended, unless nothing is to be shown; what is known then."""
    from gatework.temporal.client.watching import watched

    last: Seen | None = None
    with nullcontext() if quiet else view(as_json=False, one=True, stderr=True) as shown:
        async for seen in watched(client, run):
            last = seen
            if shown is not None:
                shown.show(seen)
    assert last is not None
    return last


def watch(
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="Id of the run, or the beginning of it; all that run if left out.",
            autocompletion=run_ids,
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show progress as it happens, of one run or of all.

    One run is shown until it ends: exit code 0 where it completed, 1 where it did not. All are shown until Ctrl-C.
    """

    async def one(client: Client) -> str:
        from gatework.temporal.client.operate import find_run
        from gatework.temporal.client.watching import watched

        status = ""
        found = await find_run(client, run)
        with view(as_json=as_json, one=True) as shown:
            async for seen in watched(client, found):
                shown.show(seen)
                status = seen.status
        return status

    async def every(client: Client) -> str:
        from gatework.temporal.client.watching import watched_all

        with view(as_json=as_json, one=False) as shown:
            async with aclosing(watched_all(client)) as moments:
                async for seen in moments:
                    shown.show(seen)
        return ""

    if run:
        if connected(one) != "completed":
            raise typer.Exit(REFUSED)
        return
    try:
        connected(every)
    except KeyboardInterrupt:  # the only end it has
        raise typer.Exit from None
