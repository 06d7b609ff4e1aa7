"""Signing decisions: what is decided on is shown whole, then the key signs this decision on this evidence alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.padding import Padding
from rich.text import Text

from gatework.cli.decide import By, Key, Note, Number, Place, Run, Yes, corrected, name_of
from gatework.cli.keys import private
from gatework.cli.output import clean, console, dump
from gatework.cli.session import REFUSED, USAGE, UsageError, connected, fail
from gatework.errors import DecisionError
from gatework.values import canonical
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from gatework.run.events import Action
    from gatework.signing.keys import PrivateKey
    from gatework.temporal.client.operate import Client, Operated
    from gatework.temporal.page.progress import Progress, Waiting


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Decide")(sign)


def sign(
    run: Run,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="approve, reject, retry, edit, answer, override or abort.")
    ],
    what: Annotated[
        str, typer.Argument(metavar="[WHAT]", help="What that command takes: the number, WHY, NOTE or JSON.")
    ] = "",
    key: Key = None,
    by: By = None,
    note: Note = "",
    number: Number = "",
    place: Place = "",
    value: Annotated[
        str, typer.Option("--value", metavar="JSON", help="With override: skip the stage, and go on with this.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Sign a decision, and print it as the one line to paste into the update of that name in the Temporal UI.

    Nothing is sent. What is decided on is shown first, all of it.
    """
    from gatework.run.events import Action

    if action not in get_args(Action):
        raise UsageError("ACTION is approve, reject, retry, edit, answer, override or abort.")
    if key is None:
        raise UsageError("Name your private key with --key FILE; `gatework keys new NAME` makes one.")
    fields: dict[str, Json] = {"by": name_of(by), "note": note, "number": number, "place": place}
    match action:
        case "approve":
            fields["number"] = what or number
        case "edit" | "answer":
            fields["value"] = corrected(what)
        case "override":
            fields["number"], fields["value"] = what or number, corrected(value) if value else None
        case _:
            fields["note"] = what or note
    private_key = private(key)

    async def command(client: Client) -> Mapping[str, Json]:
        from gatework.temporal.client.operate import find_run

        return await signed(await find_run(client, run), action, fields, private_key, yes=yes)  # type: ignore[arg-type]

    dump(connected(command), lines=True)


async def signed(
    found: Operated, action: Action, fields: Mapping[str, Json], key: PrivateKey, *, yes: bool
) -> Mapping[str, Json]:
    """The fields of an update with its signature, once whoever signs has seen what it is about and agrees.

    Raises `DecisionError` where the run does not wait for this, `UsageError` where nobody can be asked.
    """
    from gatework.temporal.client.operate import answered, progress_of, whole

    progress = await answered(whole(found, await progress_of(found)))
    waiting = progress.waiting
    if waiting is None:
        raise DecisionError("Nothing waits for a decision now.")
    if action not in waiting.allowed:
        raise DecisionError(f"{action} does not answer this; send {', '.join(waiting.allowed)}.")
    typed = str(fields.get("number") or "").strip()
    if typed and typed not in (waiting.number, full_number(waiting)):
        raise DecisionError("That is not the number of what waits now; look again with `gatework show`.")
    sent = {name: value.strip() if isinstance(value, str) else value for name, value in fields.items()}
    sent = {name: value for name, value in sent.items() if value not in ("", None)} | {"evidence": waiting.evidence}
    if not sent.get("by"):
        raise UsageError("Say who you are with --by NAME, as the list of people has it.")
    if action == "edit":
        sent.setdefault("place", waiting.place)
    if typed or action in ("approve", "override"):
        sent["number"] = int(full_number(waiting))
    _show(found.id, action, sent, progress, waiting)
    _ask(action, str(sent["by"]), yes=yes)
    return {**sent, "signature": _signature(action, sent, progress, waiting, key)}


def full_number(waiting: Waiting) -> str:
    """The number beside the whole of the evidence, which is shown here."""
    from gatework.run.state import digits

    return digits(waiting.gate, waiting.evidence, 1)


def _signature(action: Action, sent: Mapping[str, Json], progress: Progress, waiting: Waiting, key: PrivateKey) -> str:
    from gatework.signing.signing import Statement
    from gatework.signing.signing import sign as signature_of

    salt, value = "", ""
    if "value" in sent:
        sealed = canonical.Sealed.of(sent["value"], os.urandom(16))
        salt, value = sealed.salt, sealed.digest
    statement = Statement(
        run=progress.lineage,
        plan=progress.plan,
        gate=waiting.gate,
        evidence=waiting.evidence,
        action=action,
        by=str(sent["by"]),
        note=str(sent.get("note", "")),
        place=str(sent.get("place", "")),
        value=value,
    )
    return str(signature_of(key, statement, salt=salt))


def _show(run: str, action: Action, sent: Mapping[str, Json], progress: Progress, waiting: Waiting) -> None:
    """All that is decided on, on standard error: what is printed on standard output goes into the UI."""
    from gatework.cli import render

    screen = console(stderr=True)
    head = Text.assemble((progress.workflow, "bold"), " ", clean(run), f": {render.asked(waiting)}")
    screen.print(head, soft_wrap=True)
    for reason in waiting.reasons:
        screen.print(Text(f"  {clean(reason)}", style="yellow"), soft_wrap=True)
    for name, value in waiting.shown.items():
        screen.print(Text(clean(name), style="bold"))
        screen.print(Padding(_whole(value), (0, 0, 0, 2)))
    most, did = (waiting.override.quorum, "overridden") if waiting.override else (waiting.quorum, "approved")
    for vote in waiting.votes:
        screen.print(Text(f"{clean(vote.by, 120)} has {did} it ({vote.identity}); {most} must."))
    screen.print(Text.assemble("You ", (action, "bold"), " this as ", (clean(str(sent["by"]), 120), "bold"), "."))
    for name in ("note", "place"):
        if name in sent:
            screen.print(Text(f"  {name}: {clean(str(sent[name]))}"))
    if "value" in sent:
        screen.print(Text("  value:"))
        screen.print(Padding(_whole(sent["value"]), (0, 0, 0, 4)))


def _whole(value: Any) -> Text:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return Text(clean(text, len(text)))


def _ask(action: str, by: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise fail("Nothing was signed: add --yes once you have seen what you sign.", USAGE)
    if not typer.confirm(f"Sign {action} as {clean(by, 120)}?", default=False, err=True):
        raise fail("Nothing was signed.", REFUSED)
