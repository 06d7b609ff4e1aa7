"""The panel: a run's current details in the Temporal UI, as Markdown that no value can forge.

It travels in a URL, so it stays under 4 KB; where not all fits, every part is cut alike and says so, and the query
`state` has the rest. The arguments of a call that a person is asked about are cut last, and say so where they stand.
What a value holds goes into table cells, escaped, or into a fence longer than any run of backticks in it.
"""

from __future__ import annotations

import functools
import json
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from gatework.canonical import Json
from gatework.temporal.progress import NodeProgress, Progress, Waiting, asked, called

T = TypeVar("T")

MAX_BYTES = 3_600

_SIZES = ((600, 40), (300, 40), (160, 40), (80, 24), (40, 12), (20, 6), (12, 3))
"""Longest text in characters and most entries of a list, down to those with which every panel fits."""
_CELL = 160
"""From here on a text gets a fence of its own, and its lines are kept."""
_NAME = 40
_LINES = 16
_WIDTH = 60
"""Longest line in a fence, in characters: the UI does not wrap there, and what is out of sight is not seen."""
_MARKS_ON_ONE = 4
"""Accents on one letter; no script needs more."""
_MARKS = {"done": "✔", "running": "▶", "waiting": "▶", "ahead": "–"}
_PAD = "\u2003"
"""Tables of the UI have no padding."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""What looks like nothing, and is no space to Unicode."""
_MORE = "*Cut to fit: the query `state` shows it all.*"

_LET_IN = "`approve` with **{number}**: {node} runs on exactly these inputs"
_RETRY_IN_DOUBT = "`retry` with **{number}**, once you know that it did not happen"
"""At a gate of an effect in doubt; a plain retry, sent twice, could repeat it."""

_CALL = {
    "approve": "`approve` with **{number}**: {tool} is called once, with exactly the arguments below",
    "reject": (
        '`reject` with the reason in double quotes, `"…"`: the call is not made, {node} is told so, '
        "and the run does not end"
    ),
    "abort": "`abort` to end the run without the call",
}
_NOT_ALL = "**These are not all of the arguments: read them in the query `state`, or with `gatework show`.**"

_HOW = {
    "approve": "`approve` with **{number}**",
    "reject": '`reject` with the reason in double quotes, `"…"`',
    "retry": '`retry` with nothing, or with a note for the model, `"…"`',
    "edit": "`edit` with a corrected {place} as JSON",
    "abort": "`abort` to end the run",
}


def panel(progress: Progress) -> str:
    """The panel of a run, at most `MAX_BYTES` bytes of UTF-8. Its first line says what is needed of whom."""
    text = ""
    for size, of_call in _sizes():
        text = _Page(*size, of_call).written(progress)  # the smallest is shown where none fits
        if len(text.encode()) <= MAX_BYTES:
            break
    return text


def _sizes() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """How much to show, of what there is and of the arguments of a call: those are cut once all else is."""
    yield from ((size, _SIZES[0]) for size in _SIZES)
    yield from ((_SIZES[-1], of_call) for of_call in _SIZES[1:])


class _Page:
    """The panel with texts of at most `longest` characters and lists of at most `most` entries."""

    def __init__(self, longest: int, most: int, of_call: tuple[int, int] = _SIZES[0]) -> None:
        self._longest = longest
        self._most = most
        self._of_call = of_call
        self._cut = False

    def written(self, progress: Progress) -> str:
        parts = [self._head(progress)]
        if progress.waiting is not None:
            parts += [self._how(progress.waiting), *self._evidence(progress.waiting)]
        parts.append(self._table(progress.nodes))
        return "\n\n".join([*parts, _MORE] if self._cut else parts)

    def _head(self, progress: Progress) -> str:
        total, waiting = len(progress.nodes), progress.waiting
        note = f"\n\n> {self._inline(progress.note)}" if progress.note else ""
        if waiting is None:
            done = sum(node.status == "done" for node in progress.nodes)
            reason = f": {self._inline(progress.reason)}" if progress.reason else ""
            return f"### {progress.status.capitalize()}{reason}\n{done} of {total} stages done.{note}"
        position = next(i for i, node in enumerate(progress.nodes, start=1) if node.name == waiting.node)
        return f"### NEEDS YOU ({_name(waiting.role)}): {asked(waiting, _name)}, stage {position} of {total}{note}"

    def _how(self, waiting: Waiting) -> str:
        until = waiting.expires.replace("T", " ").replace("+00:00", " UTC")
        known = {**_HOW, "retry": _RETRY_IN_DOUBT} if waiting.kind == "unknown" else _HOW
        known = {**known, "approve": _LET_IN} if waiting.before else known
        known = {**known, **_CALL} if waiting.kind == "call" else known
        names = {"place": _name(waiting.place), "node": _name(waiting.node), "tool": _name(waiting.tool)}
        ways = [known[update].format(number=waiting.number, **names) for update in waiting.allowed]
        reasons = [f"> {self._inline(reason)}" for reason in self._first(waiting.reasons)]
        # Without the empty line the renderer sees no list.
        lines = [f"**More Actions → Send an Update**, until {until}", "", *(f"- {way}" for way in ways)]
        return "\n".join([*lines, "", "\n>\n".join(reasons)] if reasons else lines)

    def _evidence(self, waiting: Waiting) -> Iterable[str]:
        for name, value in self._first(list(waiting.shown.items())):
            if waiting.tool and name == called(waiting.tool):
                yield from self._arguments(name, value)
            else:
                yield self._value(_name(name), value)
        if waiting.left_out:
            self._cut = True
            yield f"Too large to show: {', '.join(map(_name, self._first(waiting.left_out)))}."

    def _arguments(self, name: str, value: Json) -> Iterable[str]:
        page = _Page(*self._of_call)
        yield page._value(_name(name), value)
        if page._cut:
            self._cut = True
            yield _NOT_ALL

    def _value(self, shown: str, value: Json) -> str:
        if not isinstance(value, dict):
            return f"**{shown}**\n\n{self._fence(_text(value))}"
        rows, fences = [], []
        for name, item in self._first(list(value.items())):
            text = _text(item)
            if len(text) > _CELL or "\n" in text:
                fences.append(f"**{shown}** {_name(name)}\n\n{self._fence(text)}")
            else:
                rows.append(f"| {_name(name)}{_PAD} | {self._inline(text)}{_PAD} |")
        table = "\n".join([f"| {shown}{_PAD} | {_PAD} |", "|:---|:---|", *rows]) if rows or not fences else ""
        return "\n\n".join(filter(None, [table, *fences]))

    def _table(self, nodes: Sequence[NodeProgress]) -> str:
        rows = [
            f"| {_MARKS[node.status]}{_PAD} | {_name(node.name)}{_PAD} | {_state(node)}{_PAD} "
            f"| {node.attempts or ''}{_PAD} |"
            for node in self._first(nodes)
        ]
        return "\n".join([f"| {_PAD} | stage{_PAD} | state{_PAD} | attempts{_PAD} |", "|---|:---|:---|:---|", *rows])

    def _first(self, items: Sequence[T]) -> Sequence[T]:
        self._cut = self._cut or len(items) > self._most
        return items[: self._most]

    def _inline(self, text: str) -> str:
        """Text on one line in which nothing is Markdown or HTML."""
        looked_at = text[: 4 * self._longest]
        return _escaped(self._shortened(" ".join(_clean(looked_at).split()), whole=looked_at == text))

    def _fence(self, text: str) -> str:
        looked_at = text[: 4 * self._longest]
        lines = [part for line in _clean(looked_at).split("\n") for part in _wrapped(re.sub(r"\s{4,}", "   ", line))]
        whole = looked_at == text and len(lines) <= _LINES
        clean = self._shortened("\n".join(lines[:_LINES]), whole=whole)
        ticks = max((len(run) for run in re.findall(r"`+", clean)), default=0)
        fence = "`" * max(3, ticks + 1)
        return f"{fence}text\n{clean}\n{fence}"

    def _shortened(self, text: str, *, whole: bool) -> str:
        """The text, with a mark at its end where it is not the whole."""
        if whole and len(text) <= self._longest:
            return text
        self._cut = True
        return f"{text[: self._longest]}… (cut)"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH) or [""]


def _state(node: NodeProgress) -> str:
    by_hand = ", by a person" if node.by_hand else ""
    return f"{node.status}{by_hand}" + (f", {_name(node.calling)}" if node.calling else "")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(name: str) -> str:
    """A name of the plan or of a field: an identifier as a rule, but a mapping's keys are outside text."""
    return _shown_name(name[:_NAME]) + ("…" if len(name) > _NAME else "")


@functools.lru_cache(maxsize=1024)  # the panel is written at every step, and most of it is names
def _shown_name(name: str) -> str:
    return _escaped(" ".join(_clean(name).split()))


def _escaped(line: str) -> str:
    """Text in which nothing is Markdown or HTML, by the escapes that the UI's renderer knows; it shows others."""
    escaped = re.sub(r"([!#&(-+\-.:<>\[-`{-~])", r"\\\1", line)
    return re.sub(r"\$|(?<=\d)/", lambda found: f"&#{ord(found[0])};", escaped)  # formulas, and ½ for 1/2


def _clean(text: str) -> str:
    """Text without what moves, hides or covers other text: controls, direction marks, blanks, heaps of accents."""
    clean, marks = [], 0
    for c in text.replace("\r\n", "\n"):
        category = unicodedata.category(c)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if c in "\n\r\x0b\x0c\x85\u2028\u2029":
            clean.append("\n")
        elif c == "\t":
            clean.append(" ")
        elif category[0] == "C" or c in _BLANK or marks > _MARKS_ON_ONE:
            clean.append("\ufffd")
        else:
            clean.append(c)
    return "".join(clean)
