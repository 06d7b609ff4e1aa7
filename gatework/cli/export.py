"""Proof to take along: `export` writes the certificate of a run, `redact` takes values out of one."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.completion import run_ids
from gatework.cli.keys import signer_of
from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.project import workflows_named
from gatework.cli.render import one_line
from gatework.cli.session import REFUSED, UsageError, connected, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatework.proof.certificate import Certificate
    from gatework.temporal.client.exporting import Exported
    from gatework.temporal.client.operate import Client

PANEL = "Proof"

STDOUT = Path("-")

Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (export, redact):
        app.command(rich_help_panel=PANEL)(command)


def export(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.", autocompletion=run_ids),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; RUN.certificate.json here, - for stdout."),
    ] = None,
    digests_only: Annotated[bool, typer.Option("--digests-only", help="Disclose no values.")] = False,
    also: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME", help="Disclose the values of this input or node, private or not."),
    ] = None,
    never: Annotated[
        list[str] | None, typer.Option("--without", metavar="NAME", help="Withhold the values of this input or node.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="Sign with this private key: FILE, env:NAME or call:MODULE:FUNCTION, as a worker's; several may.",
        ),
    ] = None,
    force: Force = False,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="MODULE:WORKFLOW", help="The workflow, where it is not in `workflows/`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the certificate of a run, which anybody can verify: plans, receipts, child runs, values.

    It is made from the server's history and the plans of the project, without a worker. Values that are private stay
    behind, and stand in it by their digests. With --json what was written is said as JSON.
    """
    from gatework.proof.certificate import written
    from gatework.releases.library import Library
    from gatework.signing import attest
    from gatework.temporal.client.exporting import Disclosure, exported

    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # what concerns the reader is said in a sentence
    if as_json and output == STDOUT:
        raise UsageError("The certificate goes to standard output, where --json would say what was written; name FILE.")
    if output is not None and output != STDOUT:
        _must_be_free(output, force)
    keys = [signer_of(source) for source in key or ()]
    library = Library(workflows_named(code or []))
    disclosure = Disclosure(values=not digests_only, also=also or (), never=never or ())

    async def command(client: Client) -> tuple[str, Exported]:
        from gatework.temporal.client.operate import find_run

        found = await find_run(client, run)
        with _shown() as progress:
            return found.id, await exported(client, library, found, disclosure, progress=progress)

    id_, found = connected(command)
    certificate = attest.signed(found.certificate, keys) if keys else found.certificate
    data = written(certificate)
    place = output or Path(_name_of(id_))
    _write(data, place, force)
    _tell(_Told(id_, place, len(data), certificate, found), as_json)


def redact(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate.")],
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Inputs and nodes, or digests of values.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write, - for stdout; in place of FILE."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take values out of a certificate: all that it proves still holds, signatures too.

    What would let them be guessed is taken out with them. Reasons and names that people gave stand in the receipts, and
    stay.
    """
    from gatework.files import read as read_file
    from gatework.proof.certificate import MAX_BYTES, names_disclosed, read, standing_under, without, written

    if as_json and output == STDOUT:
        raise UsageError("The certificate goes to standard output, where --json would say what was written; name FILE.")
    data, _ = read_file(file, "The certificate", max_bytes=MAX_BYTES, fit=lambda _about: "")
    certificate = read(data)
    gone: set[str] = set()
    for name in names:
        digests = {name} & certificate.values.keys() or standing_under(certificate, [name])
        if not digests:
            has = _listed(names_disclosed(certificate))
            raise fail(f"No input, node or value of the certificate is named {clean(name, 80)}; it has {has}.", REFUSED)
        gone |= digests
    left = without(certificate, gone)
    place = output or file
    _write(written(left), place, force=output is None or output.resolve() == file.resolve())
    taken = len(certificate.values) - len(left.values)
    if as_json:
        dump({"file": str(place), "taken_out": taken, "values": len(left.values)})
        return
    screen = console(stderr=place == STDOUT)
    screen.print(f"{_values(taken)} taken out, {len(left.values)} left in {clean(str(place))}.", soft_wrap=True)


_MOST_NAMES = 20


def _listed(names: Sequence[str]) -> str:
    """Names of a file that anybody may have written, as many as one reads."""
    from gatework.plan.changes import words

    shown = [one_line(name, 60) for name in names[:_MOST_NAMES]]
    more = [f"{len(names) - len(shown)} more"] if len(names) > len(shown) else []
    return words.listed([*shown, *more]) or "no values"


# -- what is said ----------------------------------------------------------------------------------


@contextmanager
def _shown() -> Generator[Callable[[int, int], None]]:
    """A line on a terminal that says how far an export with many child runs is; nothing elsewhere."""
    screen = console(stderr=True)
    if not screen.is_terminal or screen.is_dumb_terminal:
        yield lambda _had, _left: None
        return
    with screen.status("Reading the history of the run …") as status:
        yield lambda had, left: status.update(f"Reading the histories of its child runs: {had - 1}, {left} to go …")


@dataclass(frozen=True)
class _Told:
    run: str
    file: Path
    size_bytes: int
    certificate: Certificate
    found: Exported


def _tell(told: _Told, as_json: bool) -> None:
    certificate, found = told.certificate, told.found
    top = certificate.runs[0]
    signers = [signature.key for signature in certificate.signatures]
    cut = sum(len(run.superseded) for run in certificate.runs)
    if as_json:
        dump(
            {
                "file": str(told.file),
                "bytes": told.size_bytes,
                "run": told.run,
                "run_id": top.run_id,
                "workflow": top.workflow,
                "outcome": found.ended,
                "open": found.open,
                "entries": len(top.entries),
                "head": top.entries[-1].digest,
                "child_runs": len(certificate.runs) - 1,
                "superseded": cut,
                "values": len(certificate.values),
                "withheld": found.withheld,
                "left_out": list(found.left_out),
                "keys": signers,
            }
        )
        return
    screen = console(stderr=told.file == STDOUT)
    ends = f"it {_ENDED.get(found.ended, f'was {found.ended}')}" if found.ended else "the server ended it"
    state = "it has not ended: this is what stands so far" if found.open else ends
    screen.print(f"{clean(told.run)}: {len(top.entries)} receipts, {state}.", soft_wrap=True)
    if len(certificate.runs) > 1:
        screen.print(f"  {_count(len(certificate.runs) - 1, 'child run')} with it.")
    if cut:
        screen.print(f"  {_count(cut, 'end')} that a reset cut off: kept beside it.")
    withheld = f", {found.withheld} withheld" if found.withheld else ""
    screen.print(f"  {_values(len(certificate.values))} disclosed{withheld}.")
    for sentence in found.left_out:
        screen.print(f"  Not in it: {clean(sentence)}", style="yellow", soft_wrap=True)
    if signers:
        screen.print(f"  Signed by {', '.join(signers)}.", soft_wrap=True)
    if told.file != STDOUT:
        where = clean(str(told.file))
        screen.print(f"Written to {where}, {told.size_bytes:,} bytes. `gatework verify {where}`", soft_wrap=True)


_ENDED = {"completed": "completed", "failed": "failed", "expired": "expired"}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _values(number: int) -> str:
    return _count(number, "value")


# -- the file --------------------------------------------------------------------------------------


def _name_of(run: str) -> str:
    """The name of a file for a run, whose id may be anybody's text: no folder, nothing hidden, no option."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", run).strip(".-")[:100]
    return f"{plain or 'run'}.certificate.json"


def _must_be_free(file: Path, force: bool) -> None:
    if not force and os.path.lexists(file):
        raise fail(f"{clean(str(file))} is there already; name another with --output, or add --force.", REFUSED)


def _write(data: bytes, file: Path, force: bool) -> None:
    """Write a file as a whole, or not at all; over one that is there only with `force`."""
    if file == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    _must_be_free(file, force)
    draft = ""
    try:
        opened, draft = tempfile.mkstemp(prefix=".gatework-", dir=file.parent)
        with os.fdopen(opened, "wb") as stream:
            stream.write(data)
        if force:
            os.replace(draft, file)
        else:
            os.link(draft, file)  # of two that write at once, one is refused
    except FileExistsError:
        _must_be_free(file, force)
    except OSError as error:
        raise fail(f"{clean(str(file))} cannot be written: {os.strerror(error.errno or 0)}.", REFUSED) from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)
