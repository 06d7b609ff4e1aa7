"""A person's decisions: approve, reject, retry, edit and abort, sent as the same updates that the UI sends."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gatework import canonical
from gatework.cli.completion import run_ids
from gatework.cli.output import AsJson, clean, dump, say
from gatework.cli.session import USAGE, connected, fail
from gatework.errors import ContractError

if TYPE_CHECKING:
    from gatework.temporal.operate import Client, Operated

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.", autocompletion=run_ids)
]
Why = Annotated[str, typer.Argument(metavar="WHY", help="The reason; it is recorded.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides; your login name if left out. Recorded as claimed.")]
Note = Annotated[str, typer.Option("--note", help="Why; it is recorded.")]
Number = Annotated[str, typer.Option("--number", help="The number shown, to decide on exactly what was shown.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (approve, reject, retry, edit, abort):
        app.command(rich_help_panel="Decide")(command)


def approve(
    run: Run,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The four digits that `gatework show` shows.")],
    by: By = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Approve what a run shows under this number."""
    _send(run, lambda found: found.approve(number, by=name_of(by), note=note), as_json)


def reject(run: Run, why: Why, by: By = None, number: Number = "", as_json: AsJson = False) -> None:
    """Say no: to an approval, and the run ends; to a call, which is not made, and the run does not end."""
    _send(run, lambda found: found.reject(why, by=name_of(by), number=number), as_json)


def retry(
    run: Run,
    note: Annotated[str, typer.Argument(metavar="[NOTE]", help="What the model should know.")] = "",
    by: By = None,
    number: Number = "",
    as_json: AsJson = False,
) -> None:
    """Run the stage that waits again, with a note for the model."""
    _send(run, lambda found: found.retry(note, by=name_of(by), number=number), as_json)


def edit(
    run: Run,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The corrected value; - reads it from the input.")],
    place: Annotated[str, typer.Option("--place", help="What to correct, if not what the run asks about.")] = "",
    by: By = None,
    note: Note = "",
    number: Number = "",
    as_json: AsJson = False,
) -> None:
    """Replace a value; everything computed from the old one runs again."""
    try:
        data = canonical.loads(sys.stdin.buffer.read() if value == "-" else value.encode("utf-8", "surrogateescape"))
    except ContractError as error:
        raise fail(f"The value cannot be read: {error}. Give it as JSON, in single quotes.", USAGE) from None
    _send(run, lambda found: found.edit(data, place=place, by=name_of(by), note=note, number=number), as_json)


def abort(run: Run, why: Why, by: By = None, as_json: AsJson = False) -> None:
    """End a run that waits."""
    _send(run, lambda found: found.abort(why, by=name_of(by)), as_json)


def _send(run: str, decision: Callable[[Operated], Awaitable[str]], as_json: bool) -> None:
    async def command(client: Client) -> tuple[Operated, str]:
        from gatework.temporal.operate import answered, find_run

        found = await find_run(client, run)
        return found, await answered(decision(found))

    found, said = connected(command)
    if as_json:
        dump({"id": found.id, "run_id": found.described.run_id, "said": said})
    else:
        say(clean(said))


def name_of(by: str | None) -> str:
    """Who decides, as a claim: what was given, else the login name."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return ""
