"""The console script `gatework`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer

from gatework.cli import decide, look, plans
from gatework.temporal.connect import leave


class _Program(typer.Typer):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit as ended:
            leave(ended.code)


app = _Program(
    name="gatework",
    help="Runs the tasks of AI agents as explicit staged workflows on Temporal.",
    epilog="The server is where TEMPORAL_ADDRESS or a profile in temporal.toml says, localhost:7233 otherwise. "
    "Exit codes: 1 refused, 2 wrong usage, 3 no server, worker or project.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("gatework"))
        raise typer.Exit


@app.callback()
def _options(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del show


look.add_to(app)
decide.add_to(app)
app.add_typer(plans.app, name="plan")
