"""Keys of people and machines: `gatework keys new` makes one, `gatework keys show` says what the list needs of it, and
`gatework keys check` whether a worker could sign with the one that it is given.
"""

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
from gatework.cli.project import enter
from gatework.cli.session import USAGE, UsageError, fail

if TYPE_CHECKING:
    from gatework.signing.keys import PrivateKey, PublicKey, Signer

PASSPHRASE = "GATEWORK_KEY_PASSPHRASE"  # noqa: S105  # a name, and no passphrase

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file that `gatework keys new` wrote.")]

app = typer.Typer(no_args_is_help=True, help="Keys with which people sign their decisions, and workers what they do.")


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
    from gatework.plan.plan import is_role
    from gatework.signing.keys import PrivateKey
    from gatework.signing.roster import name_fault

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


@app.command()
def check(as_json: AsJson = False) -> None:
    """Sign with the key that GATEWORK_WORKER_KEY names, as a worker would, and look for it in the list of people.

    Exits with 1 where a worker could not sign, or nobody could tell whose the signatures are.
    """
    from gatework.signing.keys import signature_of
    from gatework.signing.roster import Roster
    from gatework.signing.signer import VARIABLE, of_environment

    if os.environ.get(VARIABLE, "").startswith("call:"):
        enter()  # a function of the project, as the worker imports it
    signer = of_environment()
    if signer is None:
        raise fail(f"{VARIABLE} is not set, so the worker signs nothing; set it to file:PATH of a key.", USAGE)
    signature_of(signer, b"gatework/1/ready\n")
    key = signer.public
    roster = Roster.of_environment()
    found = roster.people().owner(key.id) if roster is not None else None
    now = datetime.now(UTC)
    name, roles, holds = (found[0], sorted(found[1].roles), found[2].holds(now)) if found else ("", [], False)
    if as_json:
        dump({"key": str(key), "id": key.id, "name": name, "roles": roles, "holds": holds})
    else:
        say(f"{key}\nid {key.id}\n{_known(roster is not None, name, roles, holds)}")
    if roster is not None and not (holds and {"worker", "guard"} & set(roles)):
        raise typer.Exit(1)


def _known(listed: bool, name: str, roles: list[str], holds: bool) -> str:
    """What the list of people says of a machine's key, in a sentence."""
    if not listed:
        return "GATEWORK_PEOPLE names no list of people, so nothing is known of whose it is."
    if not name:
        return "The list of people does not have it; put it there in the role worker, or guard."
    if not holds:
        return f"The list of people has it as {clean(name, 120)}, and it does not hold now."
    if not {"worker", "guard"} & set(roles):
        return f"The list of people has it as {clean(name, 120)}, and neither in the role worker nor in guard."
    return f"The list of people has it as {clean(name, 120)}: {', '.join(roles)}."


def private(file: Path) -> PrivateKey:
    """The private key in a file; a passphrase comes from the environment, or is asked for where somebody can answer."""
    from gatework.signing.keys import PrivateKey

    return PrivateKey.read(file.expanduser(), _asked)


def signer_of(source: str) -> Signer:
    """The key that an option names: a file, or anything that GATEWORK_WORKER_KEY may name."""
    from gatework.signing.signer import had_from

    form, colon, _ = source.partition(":")
    if not (colon and form in ("file", "env", "call")):
        return private(Path(source))
    if form == "call":
        enter()
    return had_from(source, "--key", _asked)


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
