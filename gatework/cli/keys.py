"""Keys of people: `gatework keys new` makes one, `gatework keys show` says what the list of people needs of it."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.output import AsJson, clean, dump, say
from gatework.cli.session import USAGE, UsageError, fail

if TYPE_CHECKING:
    from gatework.keys import PrivateKey, PublicKey

PASSPHRASE = "GATEWORK_KEY_PASSPHRASE"  # noqa: S105  # a name, and no passphrase

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file that `gatework keys new` wrote.")]

app = typer.Typer(no_args_is_help=True, help="Keys with which people sign their decisions.")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key: the name that their decisions bear.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where the private key is written; ~/.config/gatework/NAME.pem."),
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="ROLE", help="A role, for the entry that is printed.")
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help=f"Ask for a passphrase; {PASSPHRASE} is taken where it is set.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print the entry for the list of people.

    The private key stays in a file that only you can read, and is sent nowhere.
    """
    from gatework.keys import PrivateKey
    from gatework.plan import is_role
    from gatework.roster import name_fault

    if why := name_fault(name):
        raise UsageError(f"NAME {why}.")
    if wrong := [one for one in role or () if not is_role(one)]:
        raise UsageError(f"{clean(wrong[0], 60)} is no name of a role; use letters, digits, - and _.")
    word = os.environ.get(PASSPHRASE, "") or (_asked_twice() if passphrase else "")
    file = out or _place(name)
    key = PrivateKey.made()
    key.write(file, word)
    since = datetime.now(UTC).date().isoformat()
    if as_json:
        dump({"name": name, "file": str(file), "key": str(key.public), "id": key.public.id, "from": since})
        return
    sealed = "with a passphrase" if word else "without a passphrase"
    sys.stderr.write(clean(f"The private key is in {file}, {sealed}. Only you can read it; keep it so.\n"))
    sys.stderr.write("This goes into the list of people, which GATEWORK_PEOPLE names to the workers:\n\n")
    sys.stderr.flush()
    say(_entry(name, role or [], key.public, since))


@app.command()
def show(file: KeyFile, as_json: AsJson = False) -> None:
    """Show the public half of a key, which the list of people holds."""
    key = private(file).public
    if as_json:
        dump({"key": str(key), "id": key.id})
    else:
        say(f"{key}\nid {key.id}")


def private(file: Path) -> PrivateKey:
    """The private key in a file; a passphrase comes from the environment, or is asked for where somebody can answer."""
    from gatework.keys import PrivateKey

    return PrivateKey.read(file.expanduser(), _asked)


def _asked() -> str:
    word = os.environ.get(PASSPHRASE, "")
    if word:
        return word
    if not sys.stdin.isatty():
        raise fail(f"The key has a passphrase; set {PASSPHRASE}, or run this where you can type it.", USAGE)
    return _typed("Passphrase of the key: ")


def _asked_twice() -> str:
    if not sys.stdin.isatty():
        raise fail(f"There is nobody here to type a passphrase; set {PASSPHRASE}.", USAGE)
    word = _typed("Passphrase: ")
    if not word:
        raise fail("An empty passphrase protects nothing; leave --passphrase out to do without.", USAGE)
    if word != _typed("The same again: "):
        raise fail("The two are not the same; nothing was made.", USAGE)
    return word


def _typed(question: str) -> str:
    from getpass import getpass

    return getpass(question, stream=sys.stderr)


def _place(name: str) -> Path:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gatework"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise fail(
            f"{folder} cannot be made ({os.strerror(error.errno or 0)}); name a file with --out.", USAGE
        ) from None
    return folder / f"{re.sub('[^0-9A-Za-z_.-]', '-', name).lstrip('.') or 'key'}.pem"


def _entry(name: str, roles: list[str], key: PublicKey, since: str) -> str:
    table = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
    return f'[{table}]\nroles = {json.dumps(roles)}\n\n[[{table}.keys]]\nkey = "{key}"\nfrom = {since}\n'
