"""Plans, and what changed in them, as text for a terminal. No name in them can forge anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatework.define.guard import TIMEOUT
from gatework.plan.changes import Bearing, Change, words
from gatework.plan.expr import Const, Ref
from gatework.plan.labels import Label
from gatework.plan.plan import (
    DEFAULT_BUDGET,
    Approval,
    Call,
    Choice,
    GuardUse,
    Join,
    Loop,
    Node,
    Part,
    Pause,
    Plan,
    Question,
    Work,
)
from gatework.run import course

LABELS = {Label.PLAIN: "dim", Label.UNTRUSTED: "red", Label.ENDORSED: "green", Label.APPROVED: "blue"}
BEARINGS = {
    Bearing.WEAKENS: "bold red",
    Bearing.UNCLEAR: "yellow",
    Bearing.STRENGTHENS: "green",
    Bearing.NEITHER: "dim",
}
_USUAL = Work(name="", runs="", params=(), label=Label.PLAIN, contract="")
"""A stage that says nothing of its limits."""
_GUARD_SECONDS = TIMEOUT.total_seconds()
_INDENT = 5
_STEP = 3
"""How much further what stands inside something is indented."""
_DEEPEST = 6


def plan_view(plan: Plan, about: str = "") -> RenderableType:
    """A plan as a reviewer reads it: node by node, with everything that holds it."""
    parts: list[RenderableType] = [Text.assemble((plan.name, "bold"), "  plan ", plan.digest[:12])]
    parts += [Text(words.plain(about, 300))] if about else []
    parts.append(Text())
    parts += _rows(plan, 0)
    parts += [Text(), _pairs([("gives", words.name(plan.result))])]
    if plan.budget:
        parts.append(_pairs([("budget", ", ".join(words.spent(plan.budget)))]))
    if plan.acknowledged:
        parts.append(_pairs([("unused", words.names(plan.acknowledged))]))
    parts.append(Text(_usual(), style="dim"))
    return Group(*parts)


def _rows(plan: Plan, indent: int) -> Iterator[RenderableType]:
    """The nodes of a plan: what stands in a way or a loop is indented, and so is the plan of child runs."""
    for start in plan.inputs:
        yield _heading("", start.name, start.label, "what a run starts from", plan, indent)
    deep, numbers = course.depths(plan), {node.name: number for number, node in enumerate(plan.nodes, start=1)}
    arm = None
    for node in plan.nodes:
        depth = indent + deep[node.name]
        if node.arm is not None and node.arm != arm:
            yield _indented(Text(words.inside(plan.nodes, node.arm), style="italic cyan"), depth, _INDENT)
        arm = node.arm
        yield _heading(str(numbers[node.name]), node.name, plan.label(node.name), _call(node), plan, depth)
        if details := list(_details(node)):
            yield _indented(_pairs(details), depth, _INDENT)
        for part in _parts(plan, node):
            yield _indented(Text(f"each run of {words.name(part.name)}", style="italic cyan"), depth + 1, _INDENT)
            yield from _rows(part, depth + 1)
    for undo in plan.undos:
        undone = words.names(node.name for node in plan.nodes if isinstance(node, Work) and node.undo == undo.name)
        yield _indented(Text(f"undoes {undone} where a run does not complete", style="italic cyan"), indent, _INDENT)
        yield _heading("", undo.name, undo.label, _call(undo), plan, indent)
        if details := list(_details(undo)):
            yield _indented(_pairs(details), indent, _INDENT)


def _parts(plan: Plan, node: Node) -> Iterator[Plan]:
    """The plans of child runs that are written in this one."""
    names = dict.fromkeys(child.workflow for child in node.children) if isinstance(node, Call) else {}
    yield from (plan.parts[name] for name in names if name in plan.parts and name != plan.name)


def _indented(shown: RenderableType, depth: int, by: int) -> RenderableType:
    return Padding(shown, (0, 0, 0, by + _STEP * min(depth, _DEEPEST)), expand=False)


def changes_view(changes: Iterable[Change]) -> RenderableType:
    """What changed, a line each, the bearing first."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for change in changes:
        table.add_row(Text(change.bearing, style=BEARINGS[change.bearing]), Text(change.what))
    return Padding(table, (0, 0, 0, 2), expand=False)


def moved_view(moved: Mapping[str, tuple[str, str]]) -> RenderableType:
    """Which functions of a plan have moved."""
    return lines_view(moves(moved))


def lines_view(lines: Iterable[str]) -> RenderableType:
    """Sentences, a line each."""
    return Group(*[Padding(Text(said), (0, 0, 0, 2), expand=False) for said in lines])


def moves(moved: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """The sentences on functions that have moved."""
    for key, (was, now) in moved.items():
        kind, _, name = key.partition(":")
        place = f"is at {words.name(now)}" if now else "is nowhere"
        yield f"{kind} {words.name(name)} {place}, it was {'at ' + words.name(was) if was else 'not recorded'}"


def _heading(number: str, name: str, label: Label, said: str, plan: Plan, depth: int) -> RenderableType:
    width = max(len(node) for node in (*plan.starts, *plan.index))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(width=max(2, len(str(len(plan.nodes)))), justify="right", no_wrap=True)
    table.add_column(width=min(width, 24), overflow="fold")
    table.add_column(width=max(map(len, Label)), no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(number, style="dim"), Text(name, style="bold"), Text(label, style=LABELS[label]), Text(said))
    return _indented(table, depth, 0)


def _pairs(pairs: Sequence[tuple[str, str]]) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(width=7, style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, said in pairs:
        table.add_row(name, Text(said))
    return table


def _call(node: Node) -> str:
    """A node as the plan's function calls it."""
    if isinstance(node, Approval):
        return f"approve({words.field(node.value)})"
    if not isinstance(node, Work):
        return _control(node)
    inputs = ", ".join(
        words.field(param.source)
        if isinstance(param.source, Ref)
        else f"{words.name(param.name)}={words.value(_data(param.source))}"
        for param in node.params
    )
    return (
        f"endorse({inputs}, by={words.name(node.runs)})"
        if node.kind == "endorse"
        else f"{words.name(node.runs)}({inputs})"
    )


def _control(node: Node) -> str:
    """What chooses, goes round, waits or starts child runs, as the plan's function calls it."""
    match node:
        case Question():
            return f"ask_person({words.value(node.prompt)})"
        case Pause():
            return f"pause({words.time(node.seconds)})"
        case Choice(when=None):
            on = f"{words.field(node.on)}.{words.name(node.tag)}" if node.on else ""
            return f"choose({on})"
        case Choice():
            return f"when({words.condition(node.when)})" if node.when else "when()"
        case Join():
            return (
                f"what {words.name(node.choice)} comes to: {words.listed(list(map(words.field, node.options)), 'or')}"
            )
        case Loop():
            return f"repeat(…, {words.field(node.start)})"
        case Part():
            return f"what run {node.child + 1} of {words.name(node.call)} gives"
        case Call():
            runs = words.names(dict.fromkeys(child.workflow for child in node.children))
            items = f", {words.field(node.items)}" if node.items else ""
            return f"{node.kind}({runs}{items})" if node.kind != "call" else f"{runs}(…)"
        case _:
            return node.kind


def _data(source: Const) -> object:
    return source.data


def _details(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, Approval):
        yield "by", f"{words.by(node.by)}, within {words.time(node.expires_seconds)}"
        yield "when", words.condition(node.when) if node.when else "always"
        yield "shows", words.names(dict.fromkeys(ref.node for ref in node.reads))
        if node.click:
            yield "click", "is enough; the number on the panel is not asked for"
        return
    if not isinstance(node, Work):
        yield from _control_details(node)
        return
    if node.until is not None:
        spent = "the last is taken as it is" if node.until.spent == "accept" else "a person is asked"
        yield "until", f"{words.name(node.runs)}; after {words.count(node.until.rounds, 'round')} {spent}"
    if node.undo:
        yield "undo", words.name(node.undo)
    if node.before:
        yield "before", ", ".join(map(_guard, node.before))
    if node.guards and node.until is None:
        yield "guards", ", ".join(map(_guard, node.guards))
    for tool in node.tools:
        yield tool.kind, ", ".join((words.name(tool.name), *words.tool(tool)))
    if node.queue:
        yield "queue", words.name(node.queue)
    limits = list(_limits(node))
    if limits:
        yield "limits", ", ".join(limits)
    if (node.operator, node.expires_seconds, node.override) != (_USUAL.operator, _USUAL.expires_seconds, None):
        override = f"; {words.by(node.override)} may override it" if node.override else ""
        yield "asks", f"{words.by(node.operator)} where it waits, for {words.time(node.expires_seconds)}{override}"


def _control_details(node: Node) -> Iterator[tuple[str, str]]:
    match node:
        case Question():
            yield "by", f"{words.by(node.by)}, within {words.time(node.expires_seconds)}"
            if node.otherwise:
                yield "then", words.by(node.otherwise)
            if node.show:
                yield "shows", words.names(dict.fromkeys(ref.node for ref in node.show))
        case Choice():
            ways = [words.way(node, way) for way in range(len(node.ways) or 2)]
            yield "ways", words.listed(ways)
        case Call():
            if node.kind == "each":
                yield "most", f"{words.count(node.at_most, 'run')} at once"
            fails = {"ask": "a person is asked", "collect": "it is written down", "stop": "the others are stopped"}
            yield "fails", fails[node.failed]
            if node.effects:
                yield "effects", words.names(dict.fromkeys(child.workflow for child in node.effects))
            for child in node.children:
                yield "plan", f"{words.plain(child.plan[:12])} of {words.name(child.workflow)}"
        case _:
            pass


def _guard(use: GuardUse) -> str:
    """A guard, with the inputs that it looks at besides the output."""
    seen = ", ".join(
        words.name(a) if a == b else f"{words.name(a)}={words.name(b)}" for a, b in sorted(use.binds.items())
    )
    time = "" if use.timeout_seconds == _GUARD_SECONDS else f" in {words.time(use.timeout_seconds)}"
    where = f" on {words.name(use.queue)}" if use.queue else ""
    return words.name(use.name) + (f"({seen})" if seen else "") + time + where


def _limits(node: Work) -> Iterator[str]:
    if node.attempts != _USUAL.attempts:
        yield words.count(node.attempts, "attempt")
    if node.timeout_seconds != _USUAL.timeout_seconds:
        yield f"{words.time(node.timeout_seconds)} each"
    if node.budget:
        yield from words.spent(node.budget)


def _usual() -> str:
    return (
        f"Unless said otherwise: {words.count(_USUAL.attempts, 'attempt')} of {words.time(_USUAL.timeout_seconds)}, "
        f"{words.spending(DEFAULT_BUDGET)} each; {_USUAL.operator.role} is asked where it waits, "
        f"for {words.time(_USUAL.expires_seconds)}; a guard has {words.time(_GUARD_SECONDS)}."
    )
