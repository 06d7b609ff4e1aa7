"""The console script `gatework`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gatework.cli import (
    decide,
    documents,
    export,
    keys,
    logs,
    look,
    migrate,
    notify,
    plans,
    resume,
    run,
    serve,
    setup,
    sign,
    tools,
    verify,
)
from gatework.cli.output import say
from gatework.cli.session import ended
from gatework.temporal.transport.connection import PIPE_CLOSED, leave


class _Commands(TyperGroup):
    """Every command ends the same way, whatever came of it."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        typed = list(sys.argv[1:] if args is None else args)
        main = super().main
        if not standalone_mode:
            return main(typed, prog_name, complete_var, False, windows_expand_args, **extra)
        ended(
            lambda: main(typed, prog_name or "gatework", complete_var, False, windows_expand_args, **extra),
            as_json="--json" in typed,
        )

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of which typer would make exit code 1
            raise typer.Exit(PIPE_CLOSED) from None


class _Program(typer.Typer):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit as ended:
            leave(ended.code)


app = _Program(
    name="gatework",
    cls=_Commands,
    help="Runs the tasks of AI agents as explicit staged workflows on Temporal.",
    epilog="The server is where TEMPORAL_ADDRESS or a profile in temporal.toml says, localhost:7233 otherwise. "
    "Exit codes: 0 done, 1 refused or a run did not complete, 2 wrong usage, 3 no server, worker or project, "
    "4 a certificate that holds and is not what was demanded, 130 stopped by Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        say(version("gatework"))
        raise typer.Exit


@app.callback()
def _options(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del show


serve.add_to(app)
setup.add_to(app)
notify.add_to(app)
run.add_to(app)
look.add_to(app)
logs.add_to(app)
decide.add_to(app)
sign.add_to(app)
migrate.add_to(app)
resume.add_to(app)
verify.add_to(app)
export.add_to(app)
app.add_typer(plans.app, name="plan", rich_help_panel="Plans")
app.add_typer(documents.app, name="documents", rich_help_panel="Runs")
app.add_typer(keys.app, name="keys", rich_help_panel="Decide")
app.add_typer(tools.app, name="tools", rich_help_panel="Plans")
