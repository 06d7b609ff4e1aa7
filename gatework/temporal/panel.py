"""The panel: a run's current details in the Temporal UI, as Markdown that no value can forge.

It travels in a URL, so it stays under 4 KB; the query `state` has the rest. What a value holds goes into
table cells, escaped, or into a fence longer than any run of backticks in it.
"""

from __future__ import annotations

import json
import re
import unicodedata

from gatework.canonical import Json
from gatework.temporal.progress import NodeProgress, Progress, Waiting

MAX_BYTES = 3_600
_CELL = 160
_TEXT = 600
_MARKS = {"done": "✔", "running": "▶", "waiting": "▶", "ahead": "–"}
_PAD = "\u2003"
"""Tables of the UI have no padding."""

_ASKS = {
    "approval": "approve {node}",
    "escalated": "a guard asks about {node}",
    "blocked": "{node} is blocked",
    "exhausted": "{node} has used up its attempts",
    "failed": "{node} has failed",
    "unknown": "the effect of {node} is in doubt",
}


def panel(progress: Progress) -> str:
    """The panel of a run, at most `MAX_BYTES` bytes of UTF-8."""
    head = _head(progress)
    table = _table(progress.nodes)
    if progress.waiting is None:
        return _fit([head, table])
    waiting = progress.waiting
    return _fit([head, _how(waiting), *_evidence(waiting), table])


def _head(progress: Progress) -> str:
    total = len(progress.nodes)
    if progress.waiting is None:
        done = sum(node.status == "done" for node in progress.nodes)
        reason = f": {_inline(progress.reason)}" if progress.reason else ""
        return f"### {progress.status.capitalize()}{reason}\n{done} of {total} stages done."
    waiting = progress.waiting
    position = next(i for i, node in enumerate(progress.nodes, start=1) if node.name == waiting.node)
    asked = _ASKS[waiting.kind].format(node=waiting.node)
    return f"### NEEDS YOU ({waiting.role}): {asked}, stage {position} of {total}"


def _how(waiting: Waiting) -> str:
    lines = ["**More Actions → Send an Update**, until " + waiting.expires.replace("T", " ").replace("+00:00", " UTC")]
    for update in waiting.allowed:
        lines.append({
            "approve": f"- `approve` with **{waiting.number}**",
            "reject": '- `reject` with the reason in double quotes, `"…"`',
            "retry": '- `retry` with nothing, or with a note for the model, `"…"`',
            "edit": f"- `edit` with a corrected `{waiting.place}` as JSON",
            "abort": "- `abort` to end the run",
        }[update])  # fmt: skip
    lines.extend(f"> {_inline(reason)}" for reason in waiting.reasons)
    return "\n".join(lines)


def _evidence(waiting: Waiting) -> list[str]:
    return [f"**{name}**\n\n{_value(value)}" for name, value in waiting.shown.items()]


def _value(value: Json) -> str:
    if not isinstance(value, dict):
        return _fence(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    short, long = [], []
    for name, item in value.items():
        text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        if len(text) > _CELL or "\n" in text:
            long.append(f"{name}:\n{_fence(text)}")
        else:
            short.append(f"| {name}{_PAD} | {_cell(text)}{_PAD} |")
    table = "\n".join([f"| field{_PAD} | value{_PAD} |", "|---|---|", *short]) if short else ""
    return "\n\n".join(filter(None, [table, *long]))


def _table(nodes: tuple[NodeProgress, ...]) -> str:
    rows = [
        f"| {_MARKS[node.status]}{_PAD} | {node.name}{_PAD} | {_state(node)}{_PAD} | {node.attempts or ''}{_PAD} |"
        for node in nodes
    ]
    return "\n".join([f"| {_PAD} | stage{_PAD} | state{_PAD} | attempts{_PAD} |", "|---|---|---|---|", *rows])


def _state(node: NodeProgress) -> str:
    return f"{node.status}, by a person" if node.by_hand else node.status


def _fit(parts: list[str]) -> str:
    """The parts that fit, in order; where one is left out, the panel says so."""
    more = "\n\n*More than fits here: the query `state` shows it all.*"
    text = ""
    for part in parts:
        longer = f"{text}\n\n{part}" if text else part
        if len(longer.encode()) > MAX_BYTES - len(more.encode()):
            return text + more
        text = longer
    return text


def _clean(text: str) -> str:
    """Text without what moves or hides other text: controls, direction marks, unassigned characters."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def _inline(text: str) -> str:
    """Text on one line in which nothing is Markdown or HTML."""
    line = " ".join(_clean(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~&:@/])", r"\\\1", line)


def _cell(text: str) -> str:
    return _inline(text)


def _fence(text: str) -> str:
    clean = _clean(text)
    if len(clean) > _TEXT:
        clean = f"{clean[:_TEXT]}… ({len(text)} characters)"
    ticks = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}text\n{clean}\n{fence}"
