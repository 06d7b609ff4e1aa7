"""`gatework documents`: files into the store, out of it, and out of the world."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gatework.cli.output import AsJson, dump, say
from gatework.cli.session import REFUSED, USAGE, fail, ran

Digest = Annotated[
    str, typer.Argument(metavar="SHA256", help="What names the content: the `sha256` of its document, 64 digits.")
]

app = typer.Typer(no_args_is_help=True, help="Files in the store that GATEWORK_STORE names.")


@app.command()
def put(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")]) -> None:
    """Store a file, and print the document that names it, as JSON."""
    from gatework.temporal.transport.storing import documents

    dump(ran(documents().put(file)).model_dump())


@app.command()
def get(
    sha256: Digest,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A file that is not there yet; standard output if left out."),
    ] = None,
) -> None:
    """Write out content, once it is known to be what it was."""
    from gatework.temporal.transport.storing import documents

    with ran(documents().fetch(_digest(sha256))) as content:
        if out is None:
            shutil.copyfileobj(content, sys.stdout.buffer)
            return
        try:
            with out.open("xb") as file:
                shutil.copyfileobj(content, file)
        except OSError as error:
            raise fail(f"The file {out} cannot be written: {error.strerror}.", USAGE) from None


@app.command()
def erase(sha256: Digest, as_json: AsJson = False) -> None:
    """Remove content for ever. Values and receipts that name it stay, and whoever reads it is told.

    Exit code 1 where it was not there.
    """
    from gatework.temporal.transport.storing import documents

    erased = ran(documents().erase(_digest(sha256)))
    if as_json:
        dump({"sha256": sha256, "erased": erased})
    else:
        say(f"{sha256[:12]} is erased." if erased else f"{sha256[:12]} was not in the store.")
    if not erased:
        raise typer.Exit(REFUSED)


def _digest(typed: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", typed):
        return typed
    raise fail("That is no digest: give the 64 hex digits of the document's sha256.", USAGE)
