"""Runs as text for a terminal. No value can forge anything: all of it is shown as text, without control characters."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gatework.cli.output import clean
from gatework.values.canonical import Json

if TYPE_CHECKING:
    from gatework.proof.ledger import Entry
    from gatework.run.events import Overridden
    from gatework.run.state import Receipt
    from gatework.temporal.page.progress import Progress, Said, Waiting
    from gatework.temporal.page.standing import NodeProgress

MARKS = {"done": "✔", "running": "▶", "waiting": "?", "skipped": " ", "ahead": "·"}
STYLES = {
    "done": "green",
    "completed": "green",
    "running": "cyan",
    "waiting": "bold yellow",
    "skipped": "dim",
    "ahead": "dim",
    "rejected": "red",
    "aborted": "red",
    "expired": "red",
    "cancelled": "red",
    "failed": "red",
    "terminated": "red",
    "timed_out": "red",
    "unknown": "yellow",
}
DECIDED = {
    "approve": "approved",
    "reject": "rejected",
    "retry": "sent to run again",
    "edit": "given another value",
    "answer": "answered",
    "override": "override given",
    "abort": "run aborted",
}
"""What a person's decision did to a stage."""
_FAILED = {"block": "refused", "contract": "broke its contract", "error": "failed", "timeout": "was too late"}


def one_line(value: Json, limit: int = 120) -> str:
    """A value on one line, its text fields in quotation marks."""
    if isinstance(value, dict):
        text = ", ".join(f"{name} {one_line(item, limit)}" for name, item in value.items())
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(clean(text, 4 * limit).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def middle(text: str, width: int) -> str:
    """Text cut in its middle: ids that begin alike mostly differ at their end."""
    return text if len(text) <= width else f"{text[: width - width // 2 - 1]}…{text[len(text) - width // 2 :]}"


def asked(waiting: Waiting) -> str:
    """What a run asks, in a few words."""
    from gatework.temporal.page.progress import asked

    return f"{asked(waiting)}{'?' if waiting.kind == 'approval' else ''}"


def standing(
    name: str, progress: Progress, *, status: str = "", reason: str = "", live: bool = False
) -> RenderableType:
    """Where a run stands, stage by stage; how it ended, where the server knows that better than the run does."""
    ended, why = status or progress.status, reason or progress.reason
    head = Text.assemble((clean(progress.workflow), "bold"), " ", clean(name), " ")
    head.append(ending(ended, why) if ended not in ("running", "waiting") else Text(ended, style=STYLES[ended]))
    table = Table(box=None, pad_edge=False, show_header=False)
    for node in progress.nodes:
        mark: RenderableType = Text(MARKS[node.status], style=STYLES[node.status])
        if live and node.status == "running":
            mark = Spinner("dots", style=STYLES["running"])
        table.add_row(mark, node.name, _state(node), Text(clean(node.result, 60), style="dim"))
    more = [
        Text(f"  {clean(ruled.node, 60)} was approved by rule: {one_line(ruled.rule, 300)}", style="dim")
        for ruled in progress.automatic
    ]
    if progress.note and not progress.reason:
        more.append(Text(f"  ! {one_line(progress.note, 300)}", style="yellow"))
    return Group(*overridden(progress.overrides), head, Padding(table, (0, 0, 0, 2)), *more)


def overridden(overrides: Sequence[Overridden]) -> Iterator[Text]:
    """What people let past what had stopped it, a line each: what stands first in every report."""
    from gatework.machine.overrides import said

    for one in overrides:
        yield Text(f"OVERRIDDEN {one_line(said(one, one_line), 600)}", style="bold red")


_MOST_CHANGES = 5


def deploys(ledger: Iterable[Entry]) -> Iterator[Text]:
    """That stages of one run ran on two codes: one line, or none."""
    from gatework.proof.deploys import code_changes

    changes = code_changes(ledger)
    if not changes:
        return
    said = []
    for change in changes[:_MOST_CHANGES]:
        tool = f" ({one_line(change.tool, 60)})" if change.tool else ""
        said.append(f"{one_line(change.node, 60)}{tool} from attempt {change.attempt} on")
    more = [f"{len(changes) - len(said)} more"] if len(changes) > len(said) else []
    yield Text(f"A deploy came in between; other code ran: {', '.join([*said, *more])}.", style="yellow")


def ending(status: str, reason: str = "") -> Text:
    """How a run ended, on one line."""
    said = Text(f"{'■ ' if status == 'completed' else '✖ '}{status.replace('_', ' ')}", style=STYLES.get(status, "red"))
    # A run that failed says in a sentence of its own what stands here already.
    rest = one_line(reason.removeprefix(f"The run was {status}").removeprefix("The run expired").rstrip("."), 300)
    if rest:
        said.append(f"{'' if rest.startswith(('by ', 'at ')) else ':'} {rest.removeprefix(': ')}", style="default")
    return said


def _state(node: NodeProgress) -> Text:
    said = [node.status, *(["by a person"] if node.by_hand and not node.overridden else [])]
    said += [f"{node.attempts} attempts"] if node.attempts > 1 else []
    said += [f"to call {clean(node.calling, 60)}"] if node.calling else []
    state = Text(", ".join(said), style=STYLES[node.status])
    return state.append(", overridden", style="bold red") if node.overridden else state


def incidents(ledger: Sequence[Entry], values: Mapping[str, Json]) -> RenderableType:
    """What did not pass, and what people decided."""
    lines = [Padding(line, (0, 0, 0, 2)) for entry in ledger for line in incident(entry.receipt, values)]
    return Group(*lines)


def incident(receipt: Receipt, values: Mapping[str, Json]) -> Iterable[Text]:
    """The lines that tell of one receipt; none where all went as it should."""
    against = [given for given in receipt.verdicts if given.verdict != "pass"]
    if receipt.kind == "output" and against:
        said = one_line(values.get(receipt.output, ""), 300) or "what is not kept any more"
        yield Text.assemble((f"{receipt.node} attempt {receipt.attempt}", "bold"), f" gave {said}")
        for given in against:
            yield Text.assemble("  guard ", (given.guard, "bold"), f": {given.verdict}. ", one_line(given.reason, 300))
    elif receipt.kind in ("refused", "failed"):
        what = _FAILED.get(receipt.action, receipt.action)
        yield Text.assemble(
            (f"{receipt.node} attempt {receipt.attempt}", "bold"), f" {what}: {one_line(receipt.reason, 300)}"
        )
    elif receipt.kind == "decided":
        by = f" by {one_line(receipt.by)} ({known(receipt.identity)})" if receipt.by else ""
        note = f": {one_line(receipt.reason, 300)}" if receipt.reason else ""
        did = (f" {DECIDED.get(receipt.action, receipt.action)}", "bold red" if receipt.action == "override" else "")
        yield Text.assemble((receipt.node, "bold"), did, by, note)
    elif receipt.kind == "resumed":
        by = f" by {one_line(receipt.by)} (as claimed)" if receipt.by else ""
        run, ended = one_line(str(receipt.how.get("run", "")), 40), receipt.action.replace("_", " ")
        note = f": {one_line(receipt.reason, 300)}" if receipt.reason else ""
        yield Text.assemble((receipt.node, "bold"), f" resumed{by} from the {ended} run {run}", note)


def question(waiting: Waiting, title: str = "") -> RenderableType:
    """What a person is asked, with the evidence, of which nothing is cut: a number stands beside it."""
    parts: list[RenderableType] = [Text(one_line(why, len(why)), style="yellow") for why in waiting.reasons]
    parts += [_shown(name, value) for name, value in waiting.shown.items()]
    parts += [_said(said) for said in waiting.guards if said.reason not in waiting.reasons or said.verdict == "pass"]
    parts += [Text(line) for line in _who(waiting)]
    heading = Text(f"{title or 'waits for'} {waiting.role}: {asked(waiting)}")
    return Panel(Group(*parts), title=heading, title_align="left", border_style="yellow", padding=(0, 1))


def known(identity: str) -> str:
    """How surely it is known who somebody is, in words."""
    return "as claimed" if identity in ("", "claimed") else one_line(identity, 20)


def _said(said: Said) -> Text:
    """What a guard said of a value that is shown."""
    reason = f". {one_line(said.reason, 300)}" if said.reason else ""
    guard = (f"{one_line(said.guard, 60)} of {one_line(said.of, 60)}", "dim")
    return Text.assemble("guard ", guard, f": {said.verdict}{reason}")


def _who(waiting: Waiting) -> Iterator[str]:
    """Who has approved and who may not, and what follows where nobody answers."""
    if waiting.handed_on:
        yield "Those who were asked first did not answer in time."
    if waiting.quorum > 1:
        given = ", ".join(f"{one_line(vote.by, 60)} ({known(vote.identity)})" for vote in waiting.votes)
        yield f"{len(waiting.votes)} of {waiting.quorum} have approved{': ' if given else ''}{given}."
    if waiting.override is not None:
        role, many = one_line(waiting.override.role, 60), waiting.override.quorum
        given = ", ".join(f"{one_line(vote.by, 60)} ({known(vote.identity)})" for vote in waiting.votes)
        so_far = f" {len(waiting.votes)} of {many} have{f': {given}' if given else ''}." if many > 1 else ""
        yield f"{role} may override what stopped it.{so_far}"
    if waiting.not_by:
        done = "overridden" if waiting.override else "approved"
        yield f"Not to be {done} by {', '.join(one_line(name, 60) for name in waiting.not_by)}."
    if waiting.expires:
        then = f"{one_line(waiting.otherwise, 60)} is asked" if waiting.otherwise else "the run ends"
        yield f"Until {one_line(waiting.expires[:16].replace('T', ' '))} UTC, then {then}."


def _shown(name: str, value: Json) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(style="dim", overflow="fold", max_width=40)
    table.add_column(overflow="fold")
    fields = value if isinstance(value, dict) else {"": value}
    for field, item in fields.items():
        text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        table.add_row(Text(clean(field, len(field))), Text(clean(text, len(text))))
    return Group(Text(name, style="bold"), Padding(table, (0, 0, 0, 2)))


def meaning(waiting: Waiting) -> str:
    """What the decisions about a call do, which are not those about a value; empty where nothing needs saying."""
    if waiting.kind != "call":
        return ""
    tool, node = one_line(waiting.tool, 60), one_line(waiting.node, 60)
    return (
        f"approve: {tool} is called once, with exactly these arguments. "
        f"reject: it is not called, {node} is told so, and the run does not end. abort: the run ends without it."
    )


def _override(waiting: Waiting, run: str, number: str) -> str:
    if waiting.override is None:
        return ""
    signed = " --key FILE" if waiting.override.identity in ("authenticated", "signed") else ""
    value = f" --value {shlex.quote(f'JSON of {waiting.node}')}" if waiting.override.lets == "value" else ""
    return f"override {run} {number} 'WHY'{value}{signed}"


def commands(name: str, waiting: Waiting, program: str = "gatework", *, whole: bool = True) -> Sequence[str]:
    """The commands that answer, as they can be typed. Without the `whole` evidence beside them only `show` has a number
    where that is more than a panel holds.
    """
    run, number = shlex.quote(clean(name)), shlex.quote(clean(waiting.number))
    signed = " --key FILE" if waiting.identity in ("authenticated", "signed") else ""
    typed = {
        "approve": f"approve {run} {number}{signed}",
        "reject": f"reject {run} 'WHY'",
        "retry": f"retry {run} "
        + (f"--number {number}" if waiting.kind == "unknown" else "'NOTE FOR THE MODEL'")
        + signed,
        "edit": f"edit {run} {shlex.quote(f'JSON of {waiting.place}')}{signed}",
        "override": _override(waiting, run, number),
        "abort": f"abort {run} 'WHY'",
    }
    if waiting.cut and not whole:
        typed |= {"approve": f"show {run}", "override": f"show {run}"} | (
            {"retry": f"show {run}"} if waiting.kind == "unknown" else {}
        )
    return list(dict.fromkeys(f"{program} {typed[action]}" for action in waiting.allowed))
