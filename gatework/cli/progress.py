"""Progress as it happens: a picture that changes on a terminal, a line for each change elsewhere, JSON for programs."""

from __future__ import annotations

import dataclasses
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gatework.cli import render
from gatework.cli.output import clean, console, dump

if TYPE_CHECKING:
    from gatework.temporal.client.watching import Seen
    from gatework.temporal.page.standing import NodeProgress

SILENT = {
    "worker": "no worker answers; `gatework worker` starts one",
    "server": "the server does not answer",
}
_KEPT = 5
"""How many runs that have ended stay in the picture of all."""


class View(ABC):
    """Something that shows what is seen of runs, inside its block."""

    def __enter__(self) -> View:
        return self

    def __exit__(self, *raised: object) -> None:
        return None

    @abstractmethod
    def show(self, seen: Seen) -> None:
        """Show what is new."""


def view(*, as_json: bool, one: bool, stderr: bool = False) -> View:
    """The view that fits where the output goes."""
    if as_json:
        return Objects()
    screen = console(stderr=stderr)
    if not screen.is_terminal or screen.is_dumb_terminal:
        return Lines(screen, one=one)
    return Picture(screen, one=one)


class Objects(View):
    """One JSON object on a line for each change."""

    def show(self, seen: Seen) -> None:
        dump({"at": _now().isoformat(timespec="milliseconds"), **fields(seen)}, lines=True)


def fields(seen: Seen) -> dict[str, Any]:
    """What is seen of a run, for programs; the evidence of a question is `gatework show`'s."""
    found = dataclasses.asdict(seen)
    progress = found.pop("progress") or {}
    waiting = progress.get("waiting")
    if waiting:
        for values in ("shown", "left_out", "title", "guards"):
            del waiting[values]
    stages = [{name: value for name, value in node.items() if name != "result"} for node in progress.get("nodes", ())]
    found |= {"plan": progress.get("plan", ""), "stages": stages, "waiting": waiting}
    found["overrides"] = progress.get("overrides", ())
    return found


class Lines(View):
    """One line for each change."""

    def __init__(self, screen: Console, *, one: bool) -> None:
        self._screen = screen
        self._one = one
        self._before: dict[str, Seen] = {}

    def show(self, seen: Seen) -> None:
        for line in changes(self._before.get(seen.id), seen):
            head = _now().astimezone().strftime("%H:%M:%S ") + ("" if self._one else f"{clean(seen.id)} ")
            self._screen.print(Text(head, style="dim") + line, soft_wrap=True)
        self._before[seen.id] = seen


def changes(before: Seen | None, now: Seen) -> Iterator[Text]:
    """What has happened between two looks, in words."""
    if now.silent != (before.silent if before else ""):
        said = SILENT[now.silent] if now.silent else "answered again"
        yield Text(f"… {said}", style="yellow")
    known = len(before.progress.overrides) if before and before.progress else 0
    yield from render.overridden(now.progress.overrides[known:] if now.progress else ())
    old = {node.name: node for node in before.progress.nodes} if before and before.progress else {}
    for node in now.progress.nodes if now.progress else ():
        earlier = old.get(node.name)
        if node.status in ("ahead", "skipped") or (
            earlier and (earlier.status, earlier.attempts) == (node.status, node.attempts)
        ):
            continue
        if node.status != "waiting":
            yield Text.assemble(
                (render.MARKS[node.status], render.STYLES[node.status]), " ", node.name, _attempts(node)
            )
    asked = now.progress.waiting if now.progress and not now.ended else None
    earlier_asked = before.progress.waiting if before and before.progress else None
    if asked and (earlier_asked is None or earlier_asked.gate != asked.gate):
        style = render.STYLES["waiting"]
        yield Text.assemble(
            ("?", style),
            f" {asked.role}: {render.asked(asked)}  ",
            (render.commands(now.id, asked, whole=False)[0], "dim"),
        )
    note = now.progress.note if now.progress else ""
    if note and note != (before.progress.note if before and before.progress else ""):
        yield Text(f"! {render.one_line(note, 300)}", style="yellow")
    if now.ended:
        yield render.ending(now.status, now.reason)


def _attempts(node: NodeProgress) -> str:
    return f", attempt {node.attempts}" if node.attempts > 1 else ""


class Picture(View):
    """A picture of all that is seen, drawn anew with each change."""

    def __init__(self, screen: Console, *, one: bool) -> None:
        self._one = one
        self._screen = screen
        self._seen: dict[str, Seen] = {}
        self._live = Live(
            console=screen, refresh_per_second=8, get_renderable=self._drawn, vertical_overflow="ellipsis"
        )

    def __enter__(self) -> Picture:
        self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def show(self, seen: Seen) -> None:
        # The one that changed last goes to the end, so that those that have ended long ago can be left out.
        self._seen.pop(seen.id, None)
        self._seen[seen.id] = seen
        ended = [id for id, run in self._seen.items() if run.ended]
        for id in ended[:-_KEPT] if not self._one else ():
            del self._seen[id]
        self._live.refresh()

    def _drawn(self) -> RenderableType:
        if not self._seen:
            return Spinner("dots", Text("looking for runs", style="dim"), style="cyan")
        return _one(next(iter(self._seen.values()))) if self._one else self._all()

    def _all(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
        table.add_column("run", no_wrap=True)
        table.add_column("workflow", overflow="ellipsis", no_wrap=True)
        table.add_column("done", no_wrap=True)
        table.add_column("now", overflow="fold")
        room = max(self._screen.height - 3, 3)
        runs = sorted(self._seen.values(), key=lambda run: (run.ended, run.status != "waiting", run.id))
        for run in runs[:room]:
            table.add_row(
                Text(render.middle(clean(run.id), max(self._screen.width // 3, 16))),
                Text(clean(run.workflow)),
                _done(run),
                _marked(run),
            )
        more = len(runs) - room
        return Group(table, Text(f"and {more} more", style="dim")) if more > 0 else table


def _one(seen: Seen) -> RenderableType:
    parts: list[RenderableType] = []
    if seen.progress is None:
        head = Text.assemble((clean(seen.workflow), "bold"), " ", clean(seen.id))
        if seen.ended:
            parts.append(Text.assemble(head, " ", render.ending(seen.status, seen.reason)))
        else:
            parts.append(Spinner("dots", head, style="cyan"))
    else:
        parts.append(
            render.standing(seen.id, seen.progress, status=seen.status, reason=seen.reason, live=not seen.ended)
        )
    if seen.silent and not seen.ended:
        parts.append(Text(f"  … {SILENT[seen.silent]}", style="yellow"))
    asked = seen.progress.waiting if seen.progress and not seen.ended else None
    if asked is not None:
        parts.append(Text(f"\n{asked.role}: {render.asked(asked)}", style=render.STYLES["waiting"]))
        typed = [f"gatework show {shlex.quote(clean(seen.id))}", *render.commands(seen.id, asked, whole=False)]
        parts += [Padding(Text(command, style="dim"), (0, 0, 0, 2)) for command in dict.fromkeys(typed)]
    return Group(*parts)


def _done(run: Seen) -> Text:
    nodes = run.progress.nodes if run.progress else ()
    return Text(f"{sum(node.status == 'done' for node in nodes)}/{len(nodes)}" if nodes else "", style="dim")


def _marked(run: Seen) -> RenderableType:
    """Where a run is, behind what is first in every report: that something was overridden in it."""
    if not (run.progress and run.progress.overrides):
        return _at(run)
    row = Table.grid(padding=(0, 1))
    row.add_row(Text("OVERRIDDEN", style="bold red"), _at(run))
    return row


def _at(run: Seen) -> RenderableType:
    if run.ended:
        return render.ending(run.status, run.reason)
    if run.silent:
        return Text(f"… {SILENT[run.silent]}", style="yellow")
    asked = run.progress.waiting if run.progress else None
    if asked is not None:
        number = f"  {asked.number}" if "approve" in asked.allowed and not asked.cut else ""
        return Text(f"? {asked.role}: {render.asked(asked)}{number}", style=render.STYLES["waiting"])
    for node in run.progress.nodes if run.progress else ():
        if node.status == "running" and run.progress and run.progress.note:
            return Text(f"! {render.one_line(run.progress.note, 300)}", style="yellow")
        if node.status == "running":
            return Spinner("dots", Text(f"{node.name}{_attempts(node)}"), style="cyan")
    return Text("running", style=render.STYLES["running"])


def _now() -> datetime:
    return datetime.now(UTC)
