"""A story on a terminal: when, where, and what happened, at 80 columns."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from gatework.cli.output import console
from gatework.cli.render import DECIDED, STYLES, deploys, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from gatework.logs.vocabulary import LogEvent, Value
    from gatework.temporal.client.story import Story

_TIME = 9
_MOST_PLACE = 22

_MARKS = {
    "output.accepted": ("✔", "green"),
    "output.refused": ("✖", "yellow"),
    "output.escalated": ("?", "bold yellow"),
    "stage.started": ("▶", "cyan"),
    "stage.refused": ("✖", "yellow"),
    "stage.stopped": ("✖", "yellow"),
    "stage.failed": ("✖", "red"),
    "stage.retried": ("↻", "yellow"),
    "try.failed": ("✖", "yellow"),
    "call.refused": ("✖", "yellow"),
    "call.failed": ("✖", "yellow"),
    "effect.done": ("$", "green"),
    "effect.found": ("$", "green"),
    "effect.refused": ("$", "yellow"),
    "effect.failed": ("$", "yellow"),
    "effect.unknown": ("$", "bold red"),
    "approval.by_rule": ("✔", "green"),
    "way.taken": ("◆", "cyan"),
    "round.begun": ("↻", "cyan"),
    "child.started": ("▷", "cyan"),
    "child.ended": ("◁", "green"),
    "children.gathered": ("✔", "green"),
    "run.undoing": ("↺", "yellow"),
    "gate.opened": ("?", "bold yellow"),
    "notice.delivered": ("✉", "green"),
    "notice.failed": ("✉", "yellow"),
    "notice.given_up": ("✉", "dim"),
    "decision.taken": ("!", "bold"),
    "stage.overridden": ("!", "bold red"),
    "run.stuck": ("✖", "bold red"),
    "run.migrated": ("!", "bold"),
    "run.resumed": ("↻", "bold"),
    "run.reset": ("↺", "yellow"),
    "run.cancel_requested": ("!", "yellow"),
}
_LET = {
    "output": "its output goes on",
    "inputs": "it runs on its inputs",
    "value": "it was skipped, for a value by hand",
}
_SAYS = {
    "run.begun": "began with an input that keeps to its contract",
    "stage.started": "started{tried}",
    "try.failed": "try {try} failed: {reason}",
    "output.accepted": "accepted{checked}{spent}",
    "output.escalated": "a guard wants a person to look: {reason}",
    "stage.refused": "the stage refused: {reason}",
    "stage.stopped": "not run on these inputs: {reason}",
    "stage.retried": "runs again as attempt {attempt}, told why",
    "stage.suspended": "stands still{waiting}",
    "call.asked": "asks for a call of {tool}",
    "call.done": "{tool} gave its result",
    "call.refused": "a call{of} was refused{because}",
    "call.failed": "{tool} failed{because}",
    "effect.done": "effect {tool} done",
    "effect.found": "effect {tool} was done before, and not again",
    "effect.refused": "effect {tool} was refused",
    "effect.failed": "effect {tool} did not happen",
    "approval.by_rule": "approved by the rule of the plan: {reason}",
    "way.taken": "takes the way {way}{because}",
    "value.joined": "gives on what was given",
    "round.begun": "round {round}",
    "pause.ended": "the pause is over",
    "child.started": "run {child} of {child_workflow} is to be under way",
    "children.gathered": "all its runs have ended",
    "run.undoing": "is to end {outcome}{who}{note}{because}; first is undone: {undoes}",
    "notice.delivered": "{told} told",
    "notice.failed": "{told} not told on try {try}: {reason}",
    "notice.given_up": "{told} not told: {reason}",
    "run.migrated": "moved from plan {from_plan} to {to_plan}{who}{note}",
    "run.resumed": "resumed{where}{who} as a new run, after it {had}{note}",
    "run.continued": "goes on as a new run",
    "run.reset": "was reset to an earlier point{why}; what followed there does not count",
    "run.stuck": "cannot go on: {reason}",
    "run.cancel_requested": "cancellation was asked for{who}{note}",
}
_ASKS = {
    "approval": "to approve it",
    "question": "to answer it",
    "spent": "because its rounds are spent",
    "escalated": "to look at what a guard escalated",
    "blocked": "because it was blocked",
    "exhausted": "because its attempts are spent",
    "failed": "because it failed",
    "unknown": "because its effect is in doubt",
}


_HAD = {
    "failed": "had failed",
    "timed_out": "had timed out",
    "expired": "had expired",
    "terminated": "was terminated",
    "cancelled": "was cancelled",
    "aborted": "was aborted",
}


class Printed:
    """Prints stories, each time what is new."""

    def __init__(self) -> None:
        self._screen = console()
        self._printed: set[str] = set()
        self._begun = False
        self._deploys = ""
        """What was said of the code that ran, said again only where there is more to say."""
        self._under_way: set[tuple[Value | None, Value | None]] = set()
        """Stage and attempt of what was started and has come to nothing yet: it goes on after it stood still."""

    def show(self, story: Story) -> None:
        """Print what is new."""
        if not self._begun:
            self._head(story)
        for line in deploys(story.ledger):
            if line.plain != self._deploys:
                self._screen.print(line, soft_wrap=True)
                self._deploys = line.plain
        width = max((len(_place(told.event)) for told in story.events), default=0)
        for told in story.events:
            if told.key in self._printed or told.event.level <= logging.DEBUG:
                continue
            self._printed.add(told.key)
            goes_on = self._goes_on(told.event)
            line = _line(told.event, story.started, min(width, _MOST_PLACE), self._screen, goes_on=goes_on)
            self._screen.print(line, soft_wrap=True)

    def _goes_on(self, event: LogEvent) -> bool:
        """Whether a stage that stood still is run again with its journal: the same attempt, and no new start."""
        attempt = (event.fields.get("stage"), event.fields.get("attempt"))
        if event.name in ("try.failed", "run.reset"):
            self._under_way.clear()
        if event.name != "stage.started":
            return False
        known = attempt in self._under_way
        self._under_way.add(attempt)
        return known

    def _head(self, story: Story) -> None:
        self._begun = True
        plan = f"plan {story.plan[:12]}, " if story.plan else ""
        started = story.started.strftime("%Y-%m-%d %H:%M:%S")
        head = Text.assemble(one_line(story.workflow), " ", (one_line(story.id, 300), "bold"))
        self._screen.print(head, soft_wrap=True)
        self._screen.print(Text(f"{plan}started {started} UTC", style="dim"))
        if story.asked:
            said = f"Told by a worker, since the history could not be read here: {one_line(story.asked, 300)}"
            self._screen.print(Text(said, style="yellow"))
        for told in story.events:
            if told.event.name == "stage.overridden":
                place = one_line(str(told.event.fields.get("stage", "")), 60)
                self._screen.print(Text(f"{words(told.event)} ({place})", style="bold red"))
            elif inner := _inner(told.event):
                self._screen.print(Text(inner, style="bold red"))
        if story.forgotten:
            self._screen.print(Text("The server has forgotten the beginning.", style="yellow"))


def _line(event: LogEvent, started: datetime, width: int, screen: Console, *, goes_on: bool = False) -> Text:
    mark, style = _MARKS.get(event.name, ("·", "dim"))
    said = Text("goes on with what it was told" if goes_on else words(event))
    if event.name == "child.ended" and event.level > logging.INFO:
        style = "yellow"
    if event.name == "run.ended":
        outcome = str(event.fields.get("outcome"))
        mark, style = ("■" if outcome == "completed" else "✖"), STYLES.get(outcome, "red")
        said.stylize(style)
    head = Text.assemble(
        (since(event.at, started).rjust(_TIME), "dim"), (f" {mark} ", style), (_place(event).ljust(width), "bold"), " "
    )
    lines = said.wrap(screen, max(screen.width - head.cell_len, 20), overflow="fold")
    for line in lines:
        line.rstrip()
    indent = Text(" " * head.cell_len)
    return Text("\n").join(Text.assemble(indent if number else head, line) for number, line in enumerate(lines))


def _place(event: LogEvent) -> str:
    """Where: the stage, and the attempt where it is not the first."""
    stage, attempt = event.fields.get("stage", ""), event.fields.get("attempt", 1)
    if event.name.startswith("run."):
        return ""
    number = f" {attempt}" if isinstance(attempt, int) and attempt > 1 and event.name != "stage.retried" else ""
    return one_line(str(stage), _MOST_PLACE) + number


def _inner(event: LogEvent) -> str:
    """What people overrode in a child run, in words; empty where that is not what happened."""
    nodes = event.fields.get("overridden")
    if event.name != "child.ended" or not nodes:
        return ""
    stage, child = (one_line(str(event.fields.get(name, "")), 60) for name in ("stage", "child"))
    before = event.fields.get("overridden_before")
    more = f", and {one_line(str(before), 20)} more before" if before else ""
    named = f"{one_line(_plain(nodes), 300)}{more}"
    return f"OVERRIDDEN in run {child} of {stage}: {named}; `gatework logs` of that run says more."


def since(at: str, started: datetime) -> str:
    """How long after the start, in two units at most."""
    try:
        seconds = (datetime.fromisoformat(at) - started).total_seconds()
    except ValueError:
        return ""
    if seconds < 60:
        return f"+{max(seconds, 0):.2f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 60:
        return f"+{minutes} m {int(seconds % 60)} s"
    return f"+{hours} h {minutes % 60} m" if hours < 24 else f"+{days} d {hours % 24} h"


def words(event: LogEvent) -> str:
    """What happened, in words; text of others in it is on one line."""
    fields = {name: one_line(_plain(value), 300) for name, value in event.fields.items()}
    match event.name:
        case "verdict.given":
            return f"guard {fields['guard']} says {fields['verdict']}{_after(': ', fields, 'reason')}"
        case "output.refused":
            return _refused(fields)
        case "stage.failed":
            what = "too late" if fields["why"] == "timeout" else "failed"
            return f"{what}: {fields.get('reason', '')}"
        case "effect.unknown":
            return f"nobody knows whether {fields.get('tool', 'its effect')} happened"
        case "gate.opened":
            return _opened(fields, _tool_of(event))
        case "child.ended":
            why = _after(": ", fields, "reason") if fields["outcome"] != "completed" else ""
            return f"run {fields.get('child', '')} {fields['outcome'].replace('_', ' ')}{why}"
        case "decision.taken":
            did = DECIDED.get(fields["action"], fields["action"])
            return f"{did}{_who(fields)}{_after(': ', fields, 'note')}"
        case "stage.overridden":
            past = f" past {fields['past']}" if fields.get("past") else " past what stopped it"
            return f"OVERRIDDEN: {_LET.get(fields['lets'], '')}{past}{_who(fields)}{_after(': ', fields, 'note')}"
        case "run.ended":
            if fields["outcome"] in ("rejected", "aborted"):  # the decision stands one line above
                return fields["outcome"]
            why = _after(": ", fields, "note") or _after(": ", fields, "reason")
            return f"{fields['outcome'].replace('_', ' ')}{_who(fields)}{why}"
        case _:
            more = {
                "tried": f" on try {fields['try']}" if fields.get("try", "1") != "1" else "",
                "checked": _checked(fields),
                "spent": f", {fields['tokens']} tokens" if "tokens" in fields else "",
                "why": _after(" (", fields, "reason", ")"),
                "where": _after(" from ", fields, "stage"),
                "had": _HAD.get(fields.get("outcome", ""), "had ended"),
                "because": _after(": ", fields, "reason"),
                "of": _after(" of ", fields, "tool"),
                "waiting": _after(" for ", fields, "calls", " calls") if fields.get("calls") != "0" else "",
                "who": _who(fields),
                "told": fields.get("role") or "people",
                "note": _after(": ", fields, "note"),
            }
            return _SAYS[event.name].format_map(_Known({**fields, **more}))


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ", ".join(value)


def _after(mark: str, fields: Mapping[str, str], name: str, end: str = "") -> str:
    return f"{mark}{fields[name]}{end}" if fields.get(name) else ""


def _who(fields: Mapping[str, str]) -> str:
    if not fields.get("by"):
        return ""
    known = " (as claimed)" if fields.get("identity") == "claimed" else f" ({fields.get('identity', '')})"
    return f" by {fields['by']}{known}"


def _checked(fields: Mapping[str, str]) -> str:
    number = fields.get("guards", "0")
    return "" if number == "0" else ", its guard passed" if number == "1" else f", {number} guards passed"


def _refused(fields: Mapping[str, str]) -> str:
    reason = fields.get("reason", "")
    match fields["why"]:
        case "guard":
            return "blocked by its guards" if fields.get("verdict") == "block" else "sent back by its guards"
        case "contract":
            return f"broke its contract: {reason}"
        case _:
            return f"not taken: {reason}"


def _tool_of(event: LogEvent) -> str:
    """The tool whose call is asked about: its arguments are shown under its name and `()`."""
    shown = event.fields.get("shown", ())
    names = [str(each).partition(":")[0] for each in shown] if isinstance(shown, tuple) else []
    return next((one_line(name[:-2], 120) for name in names if name.endswith("()")), "")


def _opened(fields: Mapping[str, str], tool: str) -> str:
    role = fields.get("role") or "a person"
    until = fields.get("until", "").replace("T", " ").replace("+00:00", " UTC")
    # Why it was blocked, or given up, stands one line above; a failure may be of the machine's own finding.
    why = _after(": ", fields, "reason") if fields["asks"] == "failed" else ""
    asks = f"to let it call {tool or 'a tool'}" if fields["asks"] == "call" else _ASKS.get(fields["asks"], "")
    return f"waits for {role}{f' until {until}' if until else ''} {asks}{why}"
