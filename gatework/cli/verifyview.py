"""The report of `gatework verify` for people: overrides first, the verdict last. No text in it can forge anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gatework.cli.output import clean
from gatework.cli.render import DECIDED, STYLES, known, one_line
from gatework.values.canonical import Json

Said = Mapping[str, Json]

_PROVEN, _CONSISTENT, _OPEN = ("✔", "green"), ("·", "default"), ("○", "yellow")
_MOST = 60
"""Most rows of one table; the whole is in the JSON."""


def report_view(said: Said) -> RenderableType:
    """A report as it is read: what was overridden, what is proven, what rests on whose word, the verdict."""
    if said["verdict"] == "refused":
        return Group(_verdict(said), Text(f"  {said['refused']['code']}", style="dim"))
    several = any(one["run"] > 1 for one in (*said["stages"], *said["decisions"]))
    parts: list[RenderableType] = [_head(said["run"])]
    unseen = [one for one in said["children"] if (one["overridden"] or one["more"]) and not one["there"]]
    if said["overrides"] or unseen:
        parts.append(_overrides(said["overrides"], unseen, several))
    parts += _section("edited by hand", [_decision(one, several) for one in said["edits"]])
    parts += _section("work", [_stage(one, several) for one in said["stages"] if not one["leg"]])
    parts += _section("approved", [*(_decision(one, several) for one in said["approvals"]), *_by_rule(said, several)])
    parts += _section("decided besides", [_decision(one, several) for one in _besides(said)])
    parts += _section("spent", [*_spent(said, several)])
    parts += _section("effects", [_effect(one, several) for one in said["effects"]])
    parts += _section("child runs", [_child(one, several) for one in said["children"]])
    parts += _section("a deploy came in between", [_recoded(one, several) for one in said["code_changes"]])
    parts += _section("moved or resumed", [_move(one) for one in said["moves"]])
    parts += _section("cut off by a reset", [_cut(one, said) for one in said["superseded"]])
    if said["exporters"]:
        parts += _section("the certificate", [[Text(*_PROVEN), Text("signed"), _names(said["exporters"])]])
    parts += _lines("rests on", said["rests_on"], "")
    parts += _lines("not checked", said["not_checked"], "yellow")
    parts += _lines("not met", said["unmet"], "red")
    return Group(*parts, Text(), _verdict(said))


def _besides(said: Said) -> list[Said]:
    """The decisions that no other section has."""
    shown = [(one["run"], one["leg"], one["entry"]) for one in (*said["overrides"], *said["edits"], *said["approvals"])]
    return [one for one in said["decisions"] if (one["run"], one["leg"], one["entry"]) not in shown and not one["leg"]]


def _head(run: Said) -> RenderableType:
    ended = run["outcome"] or "has not ended"
    title = Text.assemble((clean(run["workflow"], 60), "bold"), "  ", clean(run["id"], 80), "  ")
    title.append(ended, style=STYLES.get(ended, "yellow"))
    since, until = (run[name][:19].replace("T", " ") for name in ("from", "until"))
    about = f"plan {run['plan'][:12]}  {run['entries']} entries  {since} to {until} UTC"
    return Group(title, Text(about, style="dim"))


def _verdict(said: Said) -> Text:
    mark, style = {"holds": ("✔", "bold green"), "unmet": ("✖", "bold red")}.get(said["verdict"], ("✖", "bold red"))
    return Text(f"{mark} {clean(said['sentence'], 1_000)}", style=style)


def _overrides(overrides: Sequence[Said], unseen: Sequence[Said], several: bool) -> RenderableType:
    """What was overridden; of child runs whose ledger is not in the file, as far as the run that started them says."""
    lines, gates = [], [[*same] for _, same in groupby(overrides, lambda one: (one["run"], one["leg"], one["gate"]))]
    for votes in gates:
        one = votes[-1]
        past = " and ".join(clean(name, 60) for name in one["guards"]) or "what stopped it"
        what = "skipped, and given a value by hand" if one["skipped"] else f"let on past {past}"
        was = "was" if one["approvals"] == one["quorum"] else f"is not yet ({one['approvals']} of {one['quorum']})"
        who = " and ".join(_who(vote) for vote in votes)
        why = "; ".join(dict.fromkeys(one_line(vote["note"], 300) for vote in votes))
        lines.append(Text.assemble((_node(one, several), "bold"), f" {was} {what}, by {who}: {why}"))
    for one in unseen:
        nodes = " and ".join(clean(name, 60) for name in one["overridden"]) or "what is not named"
        place = f"run {one['child']} of {clean(one['node'], 60)}"
        more = f", and {one['more']} more before," if one["more"] else ""
        told = f"{more} was overridden in {place}, whose ledger is not in the file"
        lines.append(Text.assemble((nodes, "bold"), told))
    many = sum(votes[-1]["approvals"] == votes[-1]["quorum"] for votes in gates) + sum(
        len(one["overridden"]) + one["more"] for one in unseen
    )
    title = Text(f"{many} overridden", style="bold")
    return Padding(
        Panel(Group(*lines), title=title, title_align="left", border_style="red", padding=(0, 1)), (1, 0, 0, 0)
    )


def _section(title: str, rows: Iterable[Sequence[RenderableType]]) -> Iterator[RenderableType]:
    rows = list(rows)
    if not rows:
        return
    yield Text(f"\n{title}", style="bold")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for column in range(len(rows[0])):
        # Marks and names stay whole on a narrow terminal; what is said of them goes on in the next line.
        table.add_column(no_wrap=column < 2, overflow="ellipsis" if column < 2 else "fold")
    for mark, *row in rows[:_MOST]:
        # Indented here: a table inside a padding is measured too narrow, and breaks its lines.
        table.add_row(Text.assemble("  ", mark) if isinstance(mark, Text) else mark, *row)
    yield table
    if len(rows) > _MOST:
        yield Text(f"  and {len(rows) - _MOST} more, with --json", style="dim")


def _lines(title: str, lines: Sequence[str], style: str) -> Iterator[RenderableType]:
    if not lines:
        return
    yield Text(f"\n{title}", style=f"bold {style}".strip())
    for line in lines:
        yield Padding(Text(clean(line, 400)), (0, 0, 0, 2), expand=False)


def _node(one: Said, several: bool) -> str:
    return f"{one['run']}/{clean(one['node'], 60)}" if several else clean(one["node"], 60)


def _names(names: Sequence[str]) -> Text:
    return Text(f"by {' and '.join(clean(name, 60) for name in names)}")


def _stage(one: Said, several: bool) -> list[RenderableType]:
    attempts = one["attempts"]
    done = [f"{attempts} attempt{'s' if attempts > 1 else ''}"] if attempts else []
    done += [f"{one['passed']} passed"] if one["passed"] else []
    done += [f"{one['against']} against"] if one["against"] else []
    if one["proven"]:
        how = _names(one["signers"])
    elif one["signers"]:
        how = Text(f"{one['unsigned']} of {attempts} unsigned", style="dim")
    else:
        how = Text("consistent", style="dim")
    if one["guards"]:
        how.append(f", guards {_names(one['guards'])}", style="dim")
    mark = _PROVEN if one["proven"] else _CONSISTENT
    return [Text(*mark), Text(_node(one, several)), Text(one["kind"], style="dim"), Text(", ".join(done)), how]


def _who(one: Said) -> str:
    name = clean(one["by"], 60) or "nobody in particular"
    if one["proven"]:
        return f"{name}, whose key signed it"
    if one["signed"]:
        return f"{name} (signed, by a key that was not checked)"
    return f"{name} ({known(one['identity'])})" if one["by"] else name


def _decision(one: Said, several: bool) -> list[RenderableType]:
    mark = _PROVEN if one["proven"] else _CONSISTENT
    off = ", who is not in that role by your list" if one["member"] is False and one["by"] else ""
    who = Text(f"{DECIDED.get(one['action'], clean(one['action'], 20))} by {_who(one)}{off}")
    role = Text(clean(one["role"], 60), style="dim")
    note = Text(one_line(one["note"], 120), style="dim")
    return [Text(*mark), Text(_node(one, several)), role, who, note]


def _by_rule(said: Said, several: bool) -> Iterator[list[RenderableType]]:
    for one in said["by_rule"]:
        why = Text(one_line(one["reason"], 160))
        yield [Text(*_CONSISTENT), Text(_node(one, several)), Text("the plan", style="dim"), why, Text()]


def _spent(said: Said, several: bool) -> Iterator[list[RenderableType]]:
    """What the run spent, with its child runs, and each stage that asked a model, or called a tool."""
    for run in said["spent"][:1]:
        # Which tools were called stands at the stages, unless the run as a whole may call them so often.
        budget = _less(run["budget"], run["given"])
        limited = budget.get("tool_calls", {})
        tools = {name: many for name, many in run["spent"].get("tool_calls", {}).items() if name in limited}
        whole = {**run["spent"], "tool_calls": tools}
        yield [Text(*_CONSISTENT), Text("the run"), Text(_amounts(whole, budget, ""))]
    for run in said["spent"]:
        for one in run["nodes"]:
            if one["budget"] and one["spent"].keys() - {"seconds"}:
                name = _node({"run": run["run"], "node": one["node"]}, several)
                yield [Text(*_CONSISTENT), Text(name), Text(_amounts(one["spent"], one["budget"], " for each start"))]


def _less(budget: Said, given: Said) -> Said:
    """What a run may spend: of each part the less of what its plan lets it, and of what it was given."""
    own, lent = ({name: part for name, part in one.items() if name != "tool_calls"} for one in (budget, given))
    return {**_least(own, lent), "tool_calls": _least(budget.get("tool_calls", {}), given.get("tool_calls", {}))}


def _least(one: Said, other: Said) -> Said:
    both = one.keys() & other.keys()
    return {**one, **other, **{name: min(one[name], other[name], key=lambda part: Decimal(str(part))) for name in both}}


def _amounts(spent: Said, budget: Said, renewed: str) -> str:
    """`3 of 4 model calls, $0.02 of $0.25, 2 of 3 calls of fetch, 1.2 s`. `renewed`: where a budget is given again."""
    tools, most = spent.get("tool_calls", {}), budget.get("tool_calls", {})
    pairs = [
        (spent.get("model_calls"), budget.get("model_calls"), "", " model call"),
        (spent.get("tokens"), budget.get("tokens"), "", " token"),
        (spent.get("money"), budget.get("money"), "$", ""),
        *((many, most.get(tool), "", f" call of {clean(tool, 60)}") for tool, many in tools.items()),
        (spent.get("seconds"), budget.get("seconds"), "", " s"),
    ]
    return ", ".join(_amount(spent, most, mark, what, renewed) for spent, most, mark, what in pairs if spent)


def _amount(spent: Json, most: Json, mark: str, what: str, renewed: str) -> str:
    def words(number: Json) -> str:
        return mark + (clean(number, 50) if isinstance(number, str) else f"{number:,}")

    what = what.replace(" call", " calls").replace(" token", " tokens") if spent != 1 or most is not None else what
    if most is None:
        return f"{words(spent)}{what}"
    beyond = Decimal(str(spent)) > Decimal(str(most))
    return f"{words(spent)} of {words(most)}{what}" + (renewed or " (beyond it)" if beyond else "")


def _effect(one: Said, several: bool) -> list[RenderableType]:
    mark = _PROVEN if one["signers"] else _OPEN if one["outcome"] in ("unknown", "asked") else _CONSISTENT
    more = [f"sent {one['sent']} times"] if one["sent"] > 1 else []
    more += [f"let by {clean(one['let_by'], 60)}"] if one["let_by"] else []
    more += ["asked for by a model"] if one["by_model"] else []
    more += ["outside text had a hand in it"] if one["untrusted"] else []
    named = Text(f"{clean(one['tool'], 60)} {one['key'][:12]}")
    return [Text(*mark), Text(_node(one, several)), named, Text(one["outcome"]), Text(", ".join(more), style="dim")]


def _child(one: Said, several: bool) -> list[RenderableType]:
    mark = _CONSISTENT if one["number"] else _OPEN
    named = Text(f"{_node(one, several)} {one['child']}")
    here = Text(f"run {one['number']}") if one["number"] else Text("not here", style="yellow")
    ended = Text(one["outcome"] or "under way", style="" if one["outcome"] else "yellow")
    return [Text(*mark), named, here, ended, Text(clean(one["id"], 60), style="dim")]


def _move(one: Said) -> list[RenderableType]:
    what = "moved to another plan" if one["kind"] == "migrated" else f"resumed at {clean(one['node'], 60) or 'its end'}"
    by = f" by {clean(one['by'], 60)} (as claimed)" if one["by"] else ""
    note = Text(one_line(one["reason"], 120), style="dim")
    return [Text(*_CONSISTENT), Text(f"run {one['run']}, entry {one['entry']}"), Text(f"{what}{by}"), note]


def _recoded(one: Said, several: bool) -> list[RenderableType]:
    tool = f" ({clean(one['tool'], 60)})" if one["tool"] else ""
    return [
        Text(*_CONSISTENT),
        Text(f"{_node(one, several)}{tool}"),
        Text(f"other code from attempt {one['attempt']} on"),
    ]


def _cut(one: Said, said: Said) -> list[RenderableType]:
    every = (*said["stages"], *said["decisions"])
    here = [each for each in every if (each["run"], each["leg"]) == (one["run"], one["leg"])]
    attempts, decisions = sum(each.get("attempts", 0) for each in here), sum("action" in each for each in here)
    held = f"{one['entries']} entries after entry {one['after']}: {attempts} attempts, {decisions} decisions"
    return [Text(*_CONSISTENT), Text(f"run {one['run']}"), Text(held), Text(clean(one["run_id"], 60), style="dim")]
