"""Where runs stand: `runs` lists them, `show` shows one with what it asks."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from gatework.cli import render
from gatework.cli.decide import Run
from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.pictures import Svg, draw
from gatework.cli.project import workflows_named
from gatework.cli.run import PANEL
from gatework.cli.session import REFUSED, connected, fail
from gatework.picture.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from gatework.plan.plan import Plan
    from gatework.proof.ledger import Entry
    from gatework.temporal.client.operate import Client, Listed, Operated
    from gatework.temporal.client.parentage import Children
    from gatework.temporal.page.progress import Progress, Waiting
    from gatework.values.canonical import Json

All = Annotated[
    bool, typer.Option("--all", help="Also those that run by themselves, child runs among them, and those that ended.")
]
OfWorkflow = Annotated[str, typer.Option("--workflow", metavar="NAME", help="Only those of this workflow.")]
OfPlan = Annotated[
    str, typer.Option("--plan", metavar="DIGEST", help="Only those held to this plan, by the beginning of its digest.")
]

OfRole = Annotated[
    str, typer.Option("--role", metavar="ROLE", help="Only those that this role may answer, or override.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (runs, show):
        app.command(rich_help_panel=PANEL)(command)


def runs(
    all_: All = False,
    role: OfRole = "",
    workflow: OfWorkflow = "",
    plan: OfPlan = "",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many runs are looked at.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List the runs that wait for a person.

    With --role those that one of it may answer, and those that need others and that it may override.

    With --plan also those that run by themselves, with --all also those that ended.
    """
    waiting = bool(role) or not (all_ or plan)

    async def command(client: Client) -> tuple[Sequence[Listed], bool, str]:
        from gatework.temporal.client import operate

        found, more = await operate.runs(
            client, ended=all_, waiting=waiting, role=role, workflow=workflow, plan=plan, limit=limit
        )
        return found, more, await operate.waiting_page(client, role) if found and waiting and not as_json else ""

    found, more, page = connected(command)
    if more:  # among which one may wait
        note = (
            f"Only {limit} runs were looked at, and there are more; name a --workflow or --plan, or a higher --limit."
        )
        console(stderr=True).print(note, style="yellow", soft_wrap=True)
    if as_json:
        dump([dataclasses.asdict(run) for run in found])
        return
    screen = console()
    if not found:
        if waiting:
            screen.print("No run waits for a person" + (f" of the role {clean(role)}." if role else "."))
        else:
            screen.print("No such run.")
        return
    screen.print(_table(found, screen))
    if any(run.overridden is None for run in found):
        unsaid = "The server was not told of all of these whether anything was overridden; `gatework show` says it."
        console(stderr=True).print(unsaid, style="dim", soft_wrap=True)
    if page and screen.is_terminal:
        screen.print(Text(f"In the UI: {page}", style="dim"), soft_wrap=True)


def _table(found: Sequence[Listed], screen: Console) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold", max_width=max(screen.width // 2 - 4, 12))
    table.add_column("workflow", no_wrap=True, overflow="ellipsis")
    table.add_column("plan", no_wrap=True)
    table.add_column("state", overflow="fold")
    if any(run.waiting and "approve" in run.waiting.allowed for run in found):
        table.add_column("number", no_wrap=True)
    for run in found:
        row = [
            Text(clean(run.id)),
            Text(clean(run.workflow)),
            Text(run.plan[:8], style="dim"),
            Text.assemble(("OVERRIDDEN ", "bold red"), _stands(run)) if run.overridden else _stands(run),
        ]
        if len(table.columns) > len(row):
            row.append(
                Text(_number(run.waiting) if run.waiting and "approve" in run.waiting.allowed else "", style="bold")
            )
        table.add_row(*row)
    return table


def _number(waiting: Waiting) -> str:
    """What `approve` takes; of more evidence than a panel holds only `show` says it."""
    return "see show" if waiting.cut else waiting.number


def _stands(run: Listed) -> Text:
    if run.waiting is not None:
        may = f" ({run.overrides} may override)" if run.overrides else ""
        return Text(f"{run.waiting.role}: {render.asked(run.waiting)}{may}", style=render.STYLES["waiting"])
    if run.status == "unknown":
        return Text(f"{clean(run.needs)}: " if run.needs else "", style=render.STYLES["waiting"]).append(
            "no worker answers", style=render.STYLES["unknown"]
        )
    if run.status == "running":
        return Text("running", style=render.STYLES["running"])
    return render.ending(run.status, render.one_line(run.reason, 100))


def show(
    run: Run,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart of its plan.")] = False,
    svg: Svg = None,
    code: Annotated[
        list[str] | None,
        typer.Option(
            "--code", metavar="MODULE:WORKFLOW", help="With a picture: the workflow, where it is not in `workflows/`."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a run stands, what it asks and on what evidence, and its child runs.

    With --svg or --mermaid as a picture of its plan: what was taken, how often, and how long it took.
    """

    async def command(client: Client) -> tuple[Operated, Progress, Sequence[Entry], Mapping[str, Json], Children]:
        from gatework.temporal.client.operate import answered, find_run, progress_of, whole
        from gatework.temporal.client.parentage import children_of

        found = await find_run(client, run)
        progress = await answered(whole(found, await progress_of(found)))
        children = await children_of(client, found.id)
        return found, progress, await answered(found.ledger()), await answered(found.values()), children

    found, progress, ledger, values, children = connected(command)
    if mermaid or svg is not None:
        plan = _plan_of(found, progress, code)
        facts = facts_of(
            plan,
            ledger,
            progress.statuses,
            run=found.id,
            outcome=progress.status,
            overrides=progress.overrides,
        )
        draw(plan, facts, mermaid=mermaid, svg=svg)
        return
    if as_json:
        from gatework.proof.deploys import code_changes

        entries = [dataclasses.asdict(entry) for entry in ledger]
        listed = [dataclasses.asdict(child) for child in children.runs]
        dump(
            {
                "id": found.id,
                "state": dataclasses.asdict(progress),
                "ledger": entries,
                "values": dict(values),
                "children": listed,
                "code_changes": [dataclasses.asdict(change) for change in code_changes(ledger)],
            }
        )
        return
    screen = console()
    screen.print(render.standing(found.id, progress))
    for line in render.deploys(ledger):
        screen.print(line, soft_wrap=True)
    if children.runs:
        screen.print(_children(children))
        if children.page and screen.is_terminal:
            screen.print(Text(f"  In the UI: {children.page}", style="dim"), soft_wrap=True)
    screen.print(render.incidents(ledger, values))
    if progress.waiting is not None:
        screen.print(render.question(progress.waiting))
        if said := render.meaning(progress.waiting):
            screen.print(Text(said))
        for typed in render.commands(found.id, progress.waiting):
            screen.print(Text(f"  {typed}"), soft_wrap=True)


def _plan_of(found: Operated, progress: Progress, code: list[str] | None) -> Plan:
    """The plan that a run is held to, from the project or its lock files."""
    from gatework.releases.library import Library

    known = Library(workflows_named(code or [])).find(progress.workflow, progress.plan) if progress.plan else None
    if known is None:
        raise fail(
            f"The plan {clean(progress.plan[:12])} of {clean(progress.workflow)} is neither in this project nor in its "
            "lock files; draw the run where it is, or name the workflow with --code.",
            REFUSED,
        )
    return known.plan


_MOST_CHILDREN = 20


def _children(children: Children) -> Table:
    """The child runs of a run: how many stand how, then those that have not completed."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    counts = Counter(child.stands for child in children.runs)
    count = f"{len(children.runs)} child run{'' if len(children.runs) == 1 else 's'}"
    count = f"more than {count}" if children.more else count
    said = ", ".join(f"{many} {clean(stands)}" for stands, many in counts.most_common())
    table.add_row(Text(f"  {count}: {said}", style="bold"))
    left = [child for child in children.runs if child.status != "completed"]
    for child in left[:_MOST_CHILDREN]:
        style = "bold yellow" if child.needs else render.STYLES.get(child.status, "red")
        table.add_row(Text.assemble("  ", clean(child.id), "  ", (clean(child.stands), style)))
    if len(left) > _MOST_CHILDREN:
        table.add_row(Text(f"  and {len(left) - _MOST_CHILDREN} more", style="dim"))
    return table
