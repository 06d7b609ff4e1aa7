"""Moving a run to another plan: `gatework migrate` shows what that changes, asks, and does it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from gatework.cli.decide import By, Run, name_of
from gatework.cli.output import AsJson, clean, console, dump, say
from gatework.cli.session import REFUSED, USAGE, connected, fail
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from gatework.temporal.client.operate import Client, Operated


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Decide")(migrate)


def migrate(
    run: Run,
    to: Annotated[
        str,
        typer.Option("--to", metavar="DIGEST", help="The plan, by twelve or more of its digits; the worker's newest."),
    ] = "",
    by: By = None,
    note: Annotated[str, typer.Option("--note", metavar="WHY", help="Why; it is recorded.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move a run to another plan of its workflow, such as the newest.

    Values are kept as far as both plans are the same; what differs, and all that follows it, runs anew. Refused where
    that would do an effect again that has happened, or may have.
    """

    async def looked(client: Client) -> Json:
        from gatework.temporal.client.operate import answered, find_run

        return dict(await answered((await find_run(client, run)).move(to)))

    told = connected(looked)
    if not as_json and told["from"] != told["to"]:
        _show(run, told)
    elif as_json and (dry_run or told["refused"]):
        dump({"said": "", **told})
    if told["refused"]:
        raise fail(clean(told["refused"]), REFUSED)
    if dry_run:
        return
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise fail("Nothing was moved: add --yes to do it, or --dry-run to look only.", USAGE)
        if not typer.confirm("Move it?", default=False):
            raise fail("Nothing was moved.", REFUSED)

    async def sent(client: Client) -> tuple[Operated, str]:
        from gatework.temporal.client.operate import answered, find_run

        found = await find_run(client, run)
        # By its whole digest: the plan that was shown, whatever was deployed meanwhile.
        return found, await answered(found.migrate(told["to"], by=name_of(by), note=note))

    found, said = connected(sent)
    if as_json:
        dump({"id": found.id, "said": said, **told})
    else:
        say(clean(said))


def _show(run: str, told: Json) -> None:
    screen = console()
    screen.print(
        Text.assemble((clean(run), "bold"), f" from plan {told['from'][:12]} to ", (told["to"][:12], "bold")),
        soft_wrap=True,
    )
    rows = (
        ("kept", ", ".join(told["kept"]) or "nothing but the input", ""),
        ("runs again", ", ".join(told["again"]), ""),
        ("void", ", ".join(f"approval {name}" for name in told["void"]), "yellow"),
    )
    for head, text, style in rows:
        if text:
            screen.print(Text.assemble(f"  {head:<11}", (clean(text), style)), soft_wrap=True)
    for change in told["changes"]:
        mark = ("  may weaken", "bold red") if change["weakens"] else ("", "")
        screen.print(Text.assemble("  changes    ", clean(change["what"]), mark), soft_wrap=True)
