"""`gatework notify`: how people are told that a run waits, and whether that works."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Annotated

import typer

from gatework.cli.output import AsJson, clean, dump, say
from gatework.cli.serve import PANEL
from gatework.cli.session import REFUSED, fail, ran
from gatework.errors import ConfigError

if TYPE_CHECKING:
    from gatework.notify import Hook

_MOST_HEARD = 2_000
"""How much is shown of what a command writes to its standard error."""


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(notify)


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send one message, and say what came of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how people are told that a run waits for them, as GATEWORK_NOTIFY has it here.

    Workers tell; set the variable for them. With --test one message of the type `test` is sent as a worker would send
    it. Exit code 1 where it is not delivered.
    """
    from gatework.notify import HOOK, NotDelivered, hook

    to = hook()
    if to is None:
        raise ConfigError(
            f"Nobody is told that a run waits: {HOOK} is not set; set it to a command or an https address."
        )
    about = {"hook": to.said, "signed": bool(to.keys)}
    if not test:
        signed = "messages are signed" if to.keys else "messages are not signed"
        dump(about) if as_json else say(f"{HOOK} is {to.said}; {signed}. `gatework notify --test` sends one.")
        return
    began = time.monotonic()
    with tempfile.TemporaryFile() as heard:
        try:
            id = ran(_sent(to, heard))
            failed = ""
        except NotDelivered as error:
            id, failed = "", error.message
        seconds = time.monotonic() - began
        heard.seek(0)
        words = clean(heard.read(_MOST_HEARD).decode("utf-8", "replace")).strip()
    if as_json:
        dump(
            {**about, "delivered": not failed, "seconds": round(seconds, 3), "reason": failed, "id": id, "said": words}
        )
        if failed:
            raise typer.Exit(REFUSED)
        return
    if words:
        say(words)
    if failed:
        raise fail(f"Not delivered: {failed}.", REFUSED)
    say(f"Delivered in {seconds:.2f} s to {to.said}, as {id}.")


async def _sent(to: Hook, heard: IO[bytes]) -> str:
    """Send one message as a worker would; its id. Raises `NotDelivered`."""
    from gatework.notice import TEST, Notice, Where, message
    from gatework.notify import deliver

    now = datetime.now(UTC)
    id = f"msg_test_{os.urandom(12).hex()}"
    notice = Notice(
        plan="0" * 64,
        gate=1,
        asks="approval",
        stage="test",
        position=1,
        stages=1,
        role="nobody",
        quorum=1,
        identity="none",
        handed_on=False,
        opened=now.isoformat(timespec="seconds"),
        expires=(now + timedelta(hours=1)).isoformat(timespec="seconds"),
    )
    where = Where(namespace="default", workflow="test", run="test", run_id="test", page="", waiting="")
    await deliver(to, id, message(notice, where, id=id, kind=TEST), int(now.timestamp()), heard=heard)
    return id
