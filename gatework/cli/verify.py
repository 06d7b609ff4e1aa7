"""`gatework verify`: whether a certificate holds, offline, without a server, a worker or a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatework.cli.output import AsJson, console, dump
from gatework.cli.session import REFUSED, UNMET, UsageError

if TYPE_CHECKING:
    from gatework.signing.roster import People
    from gatework.verify.policy import Policy


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Proof")(verify)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The certificate, as `gatework export` writes one.")],
    people: Annotated[
        Path | None, typer.Option("--people", metavar="FILE", help="The list of people and machines with their keys.")
    ] = None,
    lock: Annotated[
        list[Path] | None,
        typer.Option("--lock", metavar="FILE", help="A lock file: the plan is one that was released. May be repeated."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="Demands in TOML, beside those typed here.")
    ] = None,
    outcome: Annotated[str, typer.Option("--outcome", metavar="HOW", help="The run ended so: completed, …")] = "",
    approved_by: Annotated[
        list[str] | None, typer.Option("--approved-by", metavar="ROLE", help="Somebody of that role approved.")
    ] = None,
    no_override: Annotated[bool, typer.Option("--no-override", help="Nothing was overridden.")] = False,
    no_edit: Annotated[bool, typer.Option("--no-edit", help="No value was given by hand.")] = False,
    no_untrusted_effect: Annotated[
        bool, typer.Option("--no-untrusted-effect", help="Outside text had no hand in work that made an effect.")
    ] = False,
    signed: Annotated[
        list[str] | None,
        typer.Option("--signed", metavar="WHAT", help="All decisions, all attempts, or the certificate are signed."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check all of a certificate, and say what is proven, what rests on whose word, and what could not be checked.

    Nothing but the file is read, and what is named here. Exit codes: 0 it holds, 1 it does not, 4 it holds and does not
    meet what is demanded of it.
    """
    from gatework import files
    from gatework.proof.certificate import MAX_BYTES
    from gatework.verify import report, whole
    from gatework.verify.policy import unmet
    from gatework.verify.refusal import Refused

    demands = _policy(policy, lock or [], {
        "outcome": outcome, "approved_by": approved_by or [], "no_override": no_override, "no_edit": no_edit,
        "no_untrusted_effect": no_untrusted_effect, "signed": signed or [],
    })  # fmt: skip
    known = _people(people)
    data, _ = files.read(file, "The certificate", max_bytes=MAX_BYTES, fit=lambda _: "")
    try:
        checked = whole.check(whole.read(data), known)
    except Refused as refused:
        said = report.refused(refused)
    else:
        said = report.report(checked, list(unmet(demands, checked)), demands.many)
    if as_json:
        dump(said)
    else:
        from gatework.cli.verifyview import report_view

        console().print(report_view(said))
    raise typer.Exit({"holds": 0, "refused": REFUSED, "unmet": UNMET}[said["verdict"]])


def _people(path: Path | None) -> People | None:
    from gatework.signing.roster import People

    return People.read(path) if path is not None else None


def _policy(path: Path | None, locks: list[Path], typed: dict[str, object]) -> Policy:
    """What is demanded, by the file and by what was typed."""
    from gatework.errors import ConfigError
    from gatework.verify.policy import Policy

    said = Policy.read(path) if path is not None else Policy()
    try:
        more = Policy.of({name: value for name, value in typed.items() if value}, "What is demanded")
    except ConfigError as error:
        raise UsageError(error.message) from None
    return said.and_(more, _released(locks))


def _released(paths: list[Path]) -> frozenset[str]:
    """The digests of the plans in lock files. They are read by none of the code that trusts them."""
    from gatework.releases.lock import read

    digests: set[str] = set()
    for path in paths:
        found = read(path)
        if found is None:
            raise UsageError(f"There is no lock file {path}.")
        digests |= {locked.digest for locked in found.plans}
    return frozenset(digests)
