"""Plans, as code and as released: `plan show`, `plan lock`, `plan check`. None of them needs a server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatework import lock
from gatework.cli.project import workflows_named
from gatework.cli.session import REFUSED, explained
from gatework.expr import Ref, render
from gatework.plan import Approval, Node, Work
from gatework.workflow import Workflow

app = typer.Typer(help="Look at plans, and release them.", no_args_is_help=True)

Targets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODULE:WORKFLOW]...", help="Which workflows; all in `workflows/` if left out."),
]


@app.command()
def show(targets: Targets = None) -> None:
    """Show the stages of a plan: labels, guards, effects, who approves."""
    console = Console(highlight=False)
    for workflow in _named(targets):
        plan = workflow.plan
        about = (workflow.__doc__ or "").strip().partition("\n")[0]
        console.print(Text.assemble((plan.name, "bold"), f" {plan.digest[:12]}  {about}"))
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("", "node", "from", "label", "checked and bounded by"):
            table.add_column(column, overflow="fold")
        table.add_row("", plan.input.name, "", plan.input.label, "", style="dim")
        for position, node in enumerate(plan.nodes, start=1):
            table.add_row(str(position), node.name, _sources(node), node.label, Text("\n".join(_bounds(node))))
        console.print(table)


@app.command("lock")
def lock_(targets: Targets = None) -> None:
    """Release the plans: add them to their lock files, so that runs in flight find them after later deploys."""
    for workflow in _named(targets):
        with explained():
            written = lock.write(workflow)
        path = lock.path_of(workflow).name
        said = "added to" if written else "is the newest already in"
        typer.echo(f"{workflow.name}: plan {workflow.plan.digest[:12]} {said} {path}")


@app.command()
def check(targets: Targets = None) -> None:
    """Say whether the lock files hold the plans of the code; exit code 1 where one does not."""
    stale = False
    for workflow in _named(targets):
        with explained():
            found = lock.read(lock.path_of(workflow))
        problem = _difference(workflow, found)
        stale = stale or bool(problem)
        typer.echo(f"{workflow.name}: {problem or f'plan {workflow.plan.digest[:12]} is locked'}")
    if stale:
        raise typer.Exit(REFUSED)


def _named(targets: list[str] | None) -> list[Workflow[Any, Any]]:
    with explained():
        return workflows_named(targets or [])


def _difference(workflow: Workflow[Any, Any], found: lock.Lock | None) -> str:
    digest = workflow.plan.digest[:12]
    if found is None or not found.plans:
        return f"plan {digest} is not locked; run `gatework plan lock`"
    newest = found.plans[-1]
    if newest.digest != workflow.plan.digest:
        return f"the code has plan {digest}, the lock {newest.digest[:12]}; run `gatework plan lock` to release it"
    if newest.code != lock.paths(workflow):
        return f"plan {digest} is locked, but its functions have moved; run `gatework plan lock`"
    return ""


def _sources(node: Node) -> str:
    if isinstance(node, Approval):
        return ", ".join(render(ref) for ref in dict.fromkeys((node.value, *node.show)))
    return ", ".join(
        render(param.source) if isinstance(param.source, Ref) else f"{param.name}=…" for param in node.params
    )


def _bounds(node: Node) -> list[str]:
    if isinstance(node, Approval):
        rule = f" when {render(node.when)}" if node.when else " always"
        return [f"{node.role} approves{rule}, within {_time(node.expires_seconds)}"]
    return list(_work_bounds(node))


def _work_bounds(node: Work) -> list[str]:
    lines = [f"our own records: {node.runs}"] if node.kind == "endorse" else []
    lines += [f"guard {guard.name}" for guard in node.guards]
    lines += [f"effect {tool.name}, once for each {tool.once}" for tool in node.tools]
    if node.attempts > 1:
        lines.append(f"{node.attempts} attempts")
    if node.budget:
        lines.append(f"{node.budget.model_calls} model calls, {node.budget.tokens} tokens")
    return lines


def _time(seconds: float) -> str:
    days = timedelta(seconds=seconds) / timedelta(days=1)
    return f"{days:g} days" if days > 1 else f"{seconds / 3600:g} hours"
