"""A person's decisions, from approve to abort, sent as the same updates that the UI sends."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.completion import run_ids
from gatework.cli.output import AsJson, clean, dump, say
from gatework.cli.session import USAGE, connected, fail
from gatework.errors import ContractError
from gatework.values import canonical
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from gatework.run.events import Action
    from gatework.temporal.client.operate import Client, Operated

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.", autocompletion=run_ids)
]
Why = Annotated[str, typer.Argument(metavar="WHY", help="The reason; it is recorded.")]
By = Annotated[
    str | None, typer.Option("--by", help="Who decides, your login name if left out; a claim, unless signed.")
]
Note = Annotated[str, typer.Option("--note", help="Why; it is recorded.")]
Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Sign with this private key, after a look at what is decided on."),
]
Yes = Annotated[bool, typer.Option("--yes", help="With --key: do not ask before signing.")]
Place = Annotated[str, typer.Option("--place", help="What to correct, if not what the run asks about.")]
Number = Annotated[str, typer.Option("--number", help="The number shown, to decide on exactly what was shown.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (approve, reject, answer, retry, edit, override, abort):
        app.command(rich_help_panel="Decide")(command)


def approve(
    run: Run,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The four digits that `gatework show` shows.")],
    by: By = None,
    note: Note = "",
    key: Key = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Approve what a run shows under this number."""
    _send(run, "approve", {"number": number, "by": name_of(by), "note": note}, key, yes, as_json)


def reject(
    run: Run,
    why: Why,
    by: By = None,
    number: Number = "",
    key: Key = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say no: to an approval, and the run ends; to a call, which is not made, and the run does not end."""
    _send(run, "reject", {"number": number, "by": name_of(by), "note": why}, key, yes, as_json)


def answer(
    run: Run,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The answer; - reads it from the input.")],
    by: By = None,
    note: Note = "",
    number: Number = "",
    key: Key = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Answer what a run asks, with a value of the form that `gatework show` shows."""
    fields = {"value": corrected(value), "by": name_of(by), "note": note, "number": number}
    _send(run, "answer", fields, key, yes, as_json)


def retry(
    run: Run,
    note: Annotated[str, typer.Argument(metavar="[NOTE]", help="What the model should know.")] = "",
    by: By = None,
    number: Number = "",
    key: Key = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run the stage that waits again, with a note for the model."""
    _send(run, "retry", {"number": number, "by": name_of(by), "note": note}, key, yes, as_json)


def edit(
    run: Run,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The corrected value; - reads it from the input.")],
    place: Place = "",
    by: By = None,
    note: Note = "",
    number: Number = "",
    key: Key = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Replace a value; everything computed from the old one runs again."""
    fields = {"value": corrected(value), "place": place, "by": name_of(by), "note": note, "number": number}
    _send(run, "edit", fields, key, yes, as_json)


def override(
    run: Run,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The four digits that `gatework show` shows.")],
    why: Annotated[str, typer.Argument(metavar="WHY", help="The reason; every report of the run shows it.")],
    value: Annotated[
        str, typer.Option("--value", metavar="JSON", help="Skip the stage: go on with this; - reads it from the input.")
    ] = "",
    by: By = None,
    key: Key = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let a run go on past what stopped it, where its plan names who may; every report of the run shows it first."""
    fields: dict[str, Json] = {"number": number, "by": name_of(by), "note": why}
    _send(run, "override", {**fields, **({"value": corrected(value)} if value else {})}, key, yes, as_json)


def abort(run: Run, why: Why, by: By = None, key: Key = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """End a run that waits."""
    _send(run, "abort", {"by": name_of(by), "note": why}, key, yes, as_json)


def corrected(typed: str) -> Json:
    """The value that somebody typed as JSON, or that stands in the input where they typed `-`."""
    try:
        return canonical.loads(sys.stdin.buffer.read() if typed == "-" else typed.encode("utf-8", "surrogateescape"))
    except ContractError as error:
        raise fail(f"The value cannot be read: {error}. Give JSON with single quotes around it.", USAGE) from None


def _send(run: str, action: Action, fields: Mapping[str, Json], key: Path | None, yes: bool, as_json: bool) -> None:
    from gatework.cli.keys import private

    private_key = private(key) if key is not None else None

    async def command(client: Client) -> tuple[Operated, str]:
        from gatework.cli.sign import signed
        from gatework.temporal.client.operate import answered, find_run

        found = await find_run(client, run)
        sent = fields if private_key is None else await signed(found, action, fields, private_key, yes=yes)
        return found, await answered(found.decide(action, sent))

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
