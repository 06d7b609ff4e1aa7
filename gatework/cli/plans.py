"""Plans, as code and as released: `plan show`, `lock`, `check` and `history`. None of them needs a server."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from gatework.cli.output import AsJson, clean, console, dump
from gatework.cli.pictures import Svg, draw
from gatework.cli.project import workflows_named
from gatework.cli.session import REFUSED, USAGE, UsageError, fail
from gatework.plan.changes import Change, changes, weakens, words
from gatework.releases import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gatework.define.workflow import Workflow
    from gatework.plan.plan import Plan
    from gatework.releases.library import Known

app = typer.Typer(help="Look at plans, compare them, and release them.", no_args_is_help=True)

Targets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[WORKFLOW]...", help="Which workflows; all in `workflows/` if left out."),
]
Weaken = Annotated[bool, typer.Option("--weaken", help="It is meant that this weakens a plan.")]


@app.command()
def show(
    targets: Targets = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart, of one workflow.")] = False,
    svg: Svg = None,
    as_json: AsJson = False,
) -> None:
    """Show plans: order, labels, guards, effects, who approves what on which evidence."""
    found = workflows_named(targets or [])
    if as_json:
        coded = zip(found, _code(found), strict=True)
        dump([{"workflow": w.name, "digest": w.plan.digest, "plan": w.plan.data, **code} for w, code in coded])
    elif mermaid or svg is not None:
        if len(found) != 1:
            raise UsageError(f"A picture shows one plan; name one of {', '.join(w.name for w in found)}.")
        draw(found[0].plan, None, mermaid=mermaid, svg=svg)
    else:
        from gatework.cli.planview import plan_view

        screen = console()
        for i, workflow in enumerate(found):
            about = (workflow.__doc__ or "").strip().partition("\n")[0]
            screen.print(*([Text()] if i else []), plan_view(workflow.plan, about))


@app.command("lock")
def lock_(targets: Targets = None, weaken: Weaken = False, as_json: AsJson = False) -> None:
    """Release the plans of the code: add them to their lock files, where runs in flight find them after later deploys.

    Says first what changes. A change that weakens a plan is released with --weaken only, and the lock file says so.
    """
    found = _standings(targets)
    refused = [workflow.name for workflow, standing in found if standing.weakens and not weaken]
    if as_json:
        dump([{**_data(w, s), "written": not (refused or s.recorded)} for w, s in found])
    for workflow, standing in found:
        if not as_json:
            _tell(workflow, standing)
        if not refused and not standing.recorded:
            lock.write(workflow, weaken=weaken)
            if not as_json:
                what = "has its code recorded" if standing.released else "is released"
                _say(f"{workflow.name}: plan {workflow.plan.digest[:12]} {what} in {_place(workflow)}.")
    if refused:
        raise fail(
            f"Nothing is written: the change weakens {_and(refused)}, or cannot be told not to; "
            "where that is meant, use `gatework plan lock --weaken`.",
            REFUSED,
        )


@app.command()
def check(
    targets: Targets = None,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="FILE|DIGEST",
            help="Compare with another lock file's newest plan (- reads it from the input), or with a released plan; "
            "exit code 1 where the code's plan is weaker.",
        ),
    ] = "",
    weaken: Annotated[bool, typer.Option("--weaken", help="With --against: weaker is meant; exit code 0.")] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Exit code 1 also where the code of a released plan is not the recorded one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether the lock files hold the plans of the code, and what changed; exit code 1 where one does not.

    Says too which released plans this code can no longer run, and where the code of stages, guards and tools is another
    than when their plan was released.
    """
    if weaken and not against:
        raise UsageError("--weaken belongs to --against; a plan of the code is released with `gatework plan lock`.")
    if against:
        workflow, older = _other(against, workflows_named(targets or []))
        found = changes(older, workflow.plan)
        _compare(workflow, older, found, as_json=as_json)
        if weakens(found) and not weaken:
            raise typer.Exit(REFUSED)
        return
    standings = _standings(targets)
    unfit = _unfit([workflow for workflow, _ in standings])
    if as_json:
        dump([{**_data(w, s), "unfit": [_unfit_data(known) for known in unfit[w.name]]} for w, s in standings])
    else:
        for workflow, standing in standings:
            _tell(workflow, standing)
            for known in unfit[workflow.name]:
                _tell_unfit(workflow, known)
            if not standing.released:
                flag = " --weaken" if standing.weakens else ""
                _say(f"Release it with `gatework plan lock{flag}`.")
            elif not standing.recorded:
                _say("Record the code with `gatework plan lock`.")
    if not all(standing.recorded if code else standing.released for _, standing in standings):
        raise typer.Exit(REFUSED)


@app.command()
def history(
    name: Annotated[str, typer.Argument(metavar="WORKFLOW", help="A name in `workflows/`, or MODULE:WORKFLOW.")],
    as_json: AsJson = False,
) -> None:
    """Show the released plans of a workflow, oldest first, with what changed from one to the next."""
    (workflow,) = workflows_named([name])
    held = lock.released(workflow)
    steps: list[dict[str, Any]] = []
    before: Plan | None = None
    for locked in held.plans if held else ():
        found = changes(before, locked.plan) if before else ()
        meant = before is not None and locked.weakens == before.digest
        steps.append({"plan": locked.digest, "released": True, "meant": meant, "changes": found})
        before = locked.plan
    if before is None or before.digest != workflow.plan.digest:
        found = changes(before, workflow.plan) if before else ()
        steps.append({"plan": workflow.plan.digest, "released": False, "meant": False, "changes": found})
    if as_json:
        listed = [
            {
                "plan": step["plan"],
                "released": step["released"],
                "weakening_meant": step["meant"],
                "changes": _listed(step["changes"]),
            }
            for step in steps
        ]
        dump({"workflow": workflow.name, "lock": str(lock.path_of(workflow)), "plans": listed})
        return
    from gatework.cli.planview import changes_view

    screen = console()
    for i, step in enumerate(steps):
        note = "" if step["released"] else ", of the code and not released"
        note += ", the first" if i == 0 else ", released in the knowledge that it weakens" if step["meant"] else ""
        screen.print(Text.assemble((workflow.name, "bold"), f" plan {step['plan'][:12]}{note}"))
        if step["changes"]:
            screen.print(changes_view(step["changes"]))


def _standings(targets: list[str] | None) -> list[tuple[Workflow[Any, Any], lock.Standing]]:
    from gatework.releases.code import Codes

    codes = Codes()
    return [(workflow, lock.standing(workflow, codes=codes)) for workflow in workflows_named(targets or [])]


def _code(workflows: Sequence[Workflow[Any, Any]]) -> Iterator[dict[str, Any]]:
    """Where the code of each workflow is, and its digest."""
    from gatework.releases.code import Codes
    from gatework.releases.library import Library
    from gatework.releases.pieces import coded, pieces, places

    library, codes = Library(workflows), Codes()
    for workflow in workflows:
        of = pieces(workflow.definitions.values())
        found, now = coded(of, codes), library.plans(workflow.name)[0]
        yield {
            "code": {
                key: {"at": place, "digest": found[key].digest, "unknown": found[key].problem}
                for key, place in places(of).items()
            },
            "attempts": {runs: library.attempt_code(now, runs) for runs in sorted(now.code)},
        }


def _unfit(workflows: Sequence[Workflow[Any, Any]]) -> dict[str, list[Known]]:
    """The released plans of each that this code can no longer run."""
    from gatework.releases.library import Library

    library = Library(workflows)
    return {workflow.name: [one for one in library.plans(workflow.name) if one.unfit] for workflow in workflows}


def _unfit_data(known: Known) -> dict[str, Any]:
    return {
        "plan": known.plan.digest,
        "nodes": [{"node": one.node, "reason": one.reason} for one in known.unfit],
    }


def _tell_unfit(workflow: Workflow[Any, Any], known: Known) -> None:
    from gatework.cli.planview import lines_view

    digest = known.plan.digest[:12]
    _say(f"{workflow.name}: plan {digest} of {_place(workflow)} can no longer run on this code; runs on it would wait:")
    console().print(lines_view(f"{words.name(one.node)}: {words.plain(one.reason, 400)}" for one in known.unfit))


def _tell_code(standing: lock.Standing) -> None:
    """What the code is that runs a released plan, where it is not what the lock file says."""
    from gatework.cli.planview import lines_view

    unknown = [(key, one.problem) for key, one in standing.coded.items() if not one.digest]
    if standing.recoded:
        _say("The code is another than at that release:")
        console().print(
            lines_view(
                f"{words.plain(key.replace(':', ' ', 1))} is {now[:12]}, it was {was[:12]}"
                for key, (was, now) in standing.recoded.items()
            )
        )
    elif standing.released and not standing.recorded:
        _say("The lock file does not say what all of its code was.")
    if unknown:
        _say("Of this code there is no digest:")
        console().print(lines_view(f"{words.plain(key.replace(':', ' ', 1))}: {why}" for key, why in unknown))


def _other(given: str, workflows: Sequence[Workflow[Any, Any]]) -> tuple[Workflow[Any, Any], Plan]:
    """What --against names: an earlier plan, and the workflow that it is of."""
    if given != "-" and re.fullmatch(r"[0-9a-f]{6,64}", given) and not Path(given).exists():
        held = [(w, lock.released(w)) for w in workflows]
        found = [(w, p.plan) for w, one in held for p in (one.plans if one else ()) if p.digest.startswith(given)]
        if len(found) != 1:
            many = "More than one released plan begins" if found else "No released plan begins"
            raise UsageError(f"{many} with {given}; `gatework plan history WORKFLOW` lists them.")
        return found[0]
    try:
        data = sys.stdin.buffer.read(lock.MAX_LOCK_BYTES + 1) if given == "-" else Path(given).read_bytes()
    except OSError as error:
        raise fail(f"The lock file {given} cannot be read: {error.strerror}.", USAGE) from None
    name = "the input" if given == "-" else Path(given).name
    other = lock.parse(data, name)
    if not other.plans:
        raise UsageError(f"The lock file {name} holds no plan.")
    named = [w for w in workflows if w.name == other.workflow]
    if len(named) != 1:
        raise UsageError(f"{name} is the lock file of {other.workflow}, which is not among the workflows here.")
    return named[0], other.plans[-1].plan


def _compare(workflow: Workflow[Any, Any], older: Plan, found: Sequence[Change], *, as_json: bool) -> None:
    if as_json:
        dump(
            {
                "workflow": workflow.name,
                "plan": workflow.plan.digest,
                "against": older.digest,
                "weakens": weakens(found),
                "changes": _listed(found),
            }
        )
        return
    _said_changes(f"{workflow.name}: plan {workflow.plan.digest[:12]} against {older.digest[:12]}", found)


def _tell(workflow: Workflow[Any, Any], standing: lock.Standing) -> None:
    """Where a plan stands to its lock file, in words."""
    from gatework.cli.planview import moved_view

    name, digest, newest = workflow.name, workflow.plan.digest[:12], standing.newest
    if newest is None:
        _say(f"{name}: plan {digest} is the first, and not released.")
    elif standing.changes:
        head = f"{name}: the code has plan {digest}, {_place(workflow)} {newest.digest[:12]}"
        _said_changes(head, standing.changes)
    elif standing.moved:
        _say(f"{name}: plan {digest} is released, but its functions have moved since.")
        console().print(moved_view(standing.moved))
    elif not standing.unmarked:
        _say(f"{name}: plan {digest} is released.")
    _tell_code(standing)
    if standing.unmarked:
        _say(f"{name}: a plan in {_place(workflow)} is weaker than the one before it, and the file does not say so.")


def _said_changes(head: str, found: Sequence[Change]) -> None:
    from gatework.cli.planview import changes_view

    if not found:
        _say(f"{head}: the same.")
        return
    certain = any(change.weakens and change.bearing == "weakens" for change in found)
    verdict = "weaker" if certain else "weaker or not, that cannot be told" if weakens(found) else "not weaker"
    _say(f"{head}: {verdict}.")
    console().print(changes_view(found))


def _data(workflow: Workflow[Any, Any], standing: lock.Standing) -> dict[str, Any]:
    return {
        "workflow": workflow.name,
        "plan": workflow.plan.digest,
        "newest": standing.newest.digest if standing.newest else None,
        "released": standing.released,
        "weakens": standing.weakens,
        "changes": _listed(standing.changes),
        "moved": _pairs(standing.moved),
        "recorded": standing.recorded,
        "recoded": _pairs(standing.recoded),
        "unknown": {key: one.problem for key, one in standing.coded.items() if not one.digest},
    }


def _pairs(changed: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    return {key: {"was": was, "now": now} for key, (was, now) in changed.items()}


def _listed(found: Sequence[Change]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(change) for change in found]


def _place(workflow: Workflow[Any, Any]) -> str:
    return lock.path_of(workflow).name


def _say(line: str) -> None:
    console().print(Text(clean(line)))


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
