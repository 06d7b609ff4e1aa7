"""The panel: a run's current details in the Temporal UI, as Markdown that no value can forge.

It travels in a URL, so it stays under 4 KB. Where not all fits, the table of stages is cut first, then what is shown
beside the value to decide on, that value last. Then it shows no number, and names the query `evidence`, which has all
and the number for it. What a value holds goes into table cells, escaped, or into a fence.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from gatework.machine import overrides
from gatework.temporal.page.instructions import instructions
from gatework.temporal.page.markdown import fenced, lines_of, on_one_line
from gatework.temporal.page.progress import Progress, Said, Waiting, asked, called
from gatework.temporal.page.standing import NodeProgress
from gatework.values.canonical import Json

T = TypeVar("T")

MAX_BYTES = 3_600
MAX_ENCODED_BYTES = 7_600
"""As a part of a URL; what stands between a browser and the UI may take no more than 8 KB, as nginx does."""

_CELL = 160
"""From here on a text gets a fence of its own, and its lines are kept."""
_WORD = 28
"""So does one with a longer word: a cell does not break it, and what is out of sight is not seen."""
_NAME = 40
_WORD_OF_NAME = 20
_LINES = 16
"""Most lines of a text that is cut."""
_MARKS = {"done": "✔", "running": "▶", "waiting": "▶", "skipped": " ", "ahead": "–"}
_VERDICTS = {"pass": "✔", "retry": "sends it back", "block": "blocks", "escalate": "asks"}
_KNOWN = {"none": "nobody said who", "claimed": "as claimed", "authenticated": "authenticated", "signed": "signed"}
_INDENT = "·\u00a0"
_UNCOUNTED = ("choose", "when", "loop", "until", "undo")
_ENDING = {"cancelled": "cancelled", "aborted": "aborted", "rejected": "rejected", "expired": "not answered in time"}
_PAD = "\u2003"
"""Tables of the UI have no padding."""
_CUT = "**Not all of the evidence fits here: under Queries, run `evidence` for all of it, with the number at its end.**"
_NOT_ALL = "**These are not all of the arguments.**"


@dataclass(frozen=True, kw_only=True)
class _Size:
    """How much is shown."""

    longest: int
    """Longest text of the value to decide on, in characters; of all else no more than `beside`."""
    beside: int
    most: int = 40
    """Most entries of a list."""
    lines: int = _LINES
    table: int = 3
    """How much of the table of stages: 0 all, 1 and 2 less of the results, 3 no table."""


_STEPS = (1_500, 1_000, 600, 300, 160, 80, 40, 20, 12)
_SIZES = (
    *(_Size(longest=MAX_BYTES, beside=MAX_BYTES, most=200, lines=200, table=table) for table in range(4)),
    *(_Size(longest=MAX_BYTES, beside=step, most=max(3, min(40, step // 2)), table=2) for step in _STEPS),
    *(_Size(longest=step, beside=12, most=max(3, min(40, step // 2))) for step in _STEPS),
    _Size(longest=12, beside=12, most=0),
)
"""What fits with the first four is whole. With the last one everything fits."""


def panel(progress: Progress) -> str:
    """The panel of a run, at most `MAX_BYTES` bytes of UTF-8. Its first line says what is needed of whom."""
    return _drawn(progress)[0]


def cut(progress: Progress) -> bool:
    """Whether the panel of a run that waits does not hold all that is decided on, and so shows no number."""
    return progress.waiting is not None and not _drawn(progress)[1]


def _drawn(progress: Progress) -> tuple[str, bool]:
    """The panel, and whether all that is decided on is on it."""
    values = tuple(_values(progress.waiting)) if progress.waiting else ()
    text = ""
    for size in _SIZES:
        page = _Page(progress, values, size)
        if page.hopeless:
            continue
        text = page.written()
        if _fits(text):
            return text, page.whole
    return text, False


def _fits(text: str) -> bool:
    return len(text.encode()) <= MAX_BYTES and len(quote(text, safe="-_.!~*'()")) <= MAX_ENCODED_BYTES


# -- what is shown, value by value -----------------------------------------------------------------

_MOST_OVERRIDES = 3
_MOST_ROWS = 201
"""More than ever fit."""
_DEEP = 4


@dataclass(frozen=True, kw_only=True)
class _Value:
    """A value as rows of a name and a text."""

    name: str
    rows: tuple[tuple[tuple[str, ...], str], ...]
    """The path of names in the value, and the text there; the path is empty for a value that is no object."""


def _values(waiting: Waiting) -> Iterator[_Value]:
    for name, value in waiting.shown.items():
        yield _Value(name=name, rows=tuple(itertools.islice(_rows(value), _MOST_ROWS)))


def _rows(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The texts in a value, with the names that lead there; lists of objects are counted from 1."""
    if isinstance(value, dict) and value and len(path) < _DEEP:
        for name, item in value.items():
            yield from _rows(item, (*path, name))
    elif isinstance(value, list) and value and len(path) < _DEEP and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value, start=1):
            yield from _rows(item, (*path, str(number)))
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- the page --------------------------------------------------------------------------------------


class _Page:
    """The panel at one size."""

    def __init__(self, progress: Progress, values: Sequence[_Value], size: _Size) -> None:
        self._progress = progress
        self._values = values
        self._size = size
        self.whole = True
        """Whether nothing that is decided on was cut, as far as it has been written."""

    @property
    def hopeless(self) -> bool:
        """Whether it cannot fit, to be seen without writing it."""
        shown = 0
        for position, value in enumerate(self._values[: self._size.most]):
            longest = min(self._longest(position), self._size.lines * 30)
            shown += sum(min(len(text), longest) for _, text in value.rows[: self._size.most])
        return shown > MAX_BYTES or (self._size.table < 3 and 20 * len(self._progress.nodes) > MAX_BYTES)

    def written(self) -> str:
        progress, waiting = self._progress, self._progress.waiting
        if waiting is None:
            parts = [self._standing()]
        else:
            evidence = [*self._reasons(waiting), *self._evidence(waiting), *self._guards(waiting)]
            self.whole = self.whole and not waiting.cut
            parts = [self._head(waiting), self._how(waiting), *([] if self.whole else [_CUT]), *evidence]
        link = f"[{on_one_line(progress.linked)}]({progress.link})" if progress.link else ""
        parts += [self._undoing(), *self._ruled(), self._under_way(), self._table(progress.shown), link]
        return "\n\n".join(filter(None, [*self._overridden(), *parts]))

    def _overridden(self) -> Iterator[str]:
        """What people let past what had stopped it: before all else."""
        several = self._progress.overrides
        most = _MOST_OVERRIDES if self._size.beside >= 40 else 1
        for one in several[-most:]:
            yield f"**OVERRIDDEN** {overrides.said(one, self._of_override)}"
        if len(several) > most:
            yield f"**OVERRIDDEN** {len(several) - most} more before; `gatework show` has all."

    def _of_override(self, text: str, longest: int) -> str:
        return _shortened(text, min(longest, max(self._size.beside, 20)))

    def _standing(self) -> str:
        progress = self._progress
        reason = f": {self._beside(progress.reason)}" if progress.reason else ""
        status = "Undoing" if progress.undoing else progress.status.capitalize()
        head = f"### {status}{reason}\n{self._done()}"
        return f"{head}{self._note()}"

    def _done(self) -> str:
        """How far the run is; nobody counts what only says where it goes."""
        counted = [node for node in self._progress.shown if node.kind not in _UNCOUNTED]
        done = sum(node.status == "done" for node in counted)
        place = self._progress.stage
        most = "at most " if "at most" in place else ""
        total = place.rpartition(" ")[2] if place else str(len(counted))
        return f"{done} of {most}{total} stages done."

    def _head(self, waiting: Waiting) -> str:
        stage = waiting.stage or f"stage of {len(self._progress.nodes)}"
        title = self._beside(waiting.title, max(self._size.beside, 80))
        verb = "answer" if waiting.kind == "question" else "approve"
        said = f"{verb} {stage}, {title}" if title else f"{asked(waiting, _name)}, {stage}"
        return f"### NEEDS YOU ({_name(waiting.role)}): {said}{self._note()}"

    def _note(self) -> str:
        return f"\n\n> {self._beside(self._progress.note)}" if self._progress.note else ""

    # -- how to answer

    def _how(self, waiting: Waiting) -> str:
        until = waiting.expires[:16].replace("T", " ")
        then = f"{_name(waiting.otherwise)} is asked" if waiting.otherwise else "the run ends"
        # Without the empty line the renderer sees no list.
        lines = [f"**More Actions → Send an Update**, until {until} UTC, then {then}:", ""]
        undoing = self._progress.undoing is not None
        lines += [f"- {way}" for way in instructions(waiting, _name, whole=self.whole, undoing=undoing)]
        who = " ".join(self._who(waiting))
        parts = ["\n".join(lines), *([self._form(waiting)] if waiting.kind == "question" else []), who]
        return "\n\n".join(filter(None, parts))

    def _form(self, waiting: Waiting) -> str:
        """What an answer looks like: an example, and what each field takes."""
        named: Json = {"value": waiting.example, "by": "your name"}
        answer = named if waiting.identity == "claimed" else waiting.example
        text = json.dumps(answer, ensure_ascii=False, indent=1)
        takes = [
            (f"{_name(name)}: " if name else "") + _shortened(said, 80)
            for name, said in list(waiting.fields.items())[: self._size.most]
        ]
        lines = [line for each in text.split("\n")[: self._size.lines * 2] for line in lines_of(each)]
        return f"{'; '.join(takes)}. An answer looks like this:\n\n{fenced(lines)}"

    def _who(self, waiting: Waiting) -> Iterator[str]:
        """Who has approved, and who may not."""
        if waiting.handed_on:
            yield "Those who were asked first did not answer in time."
        if waiting.quorum > 1:
            votes = waiting.votes[: self._size.most]
            given = ", ".join(f"{self._beside(vote.by, 40)} ({_KNOWN[vote.identity]})" for vote in votes)
            yield f"**{len(waiting.votes)} of {waiting.quorum}** have approved{': ' if given else ''}{given}."
        if waiting.override is not None and waiting.override.quorum > 1:
            given = ", ".join(f"{self._beside(v.by, 40)} ({_KNOWN[v.identity]})" for v in waiting.votes)
            done = f"**{len(waiting.votes)} of {waiting.override.quorum}** have overridden it"
            yield f"{done}{': ' if given else ''}{given}."
        if waiting.not_by:
            names = [self._beside(name, 40) for name in waiting.not_by[: self._size.most]]
            names += ["others"] if len(waiting.not_by) > len(names) else []
            yield f"Not to be {'overridden' if waiting.override else 'approved'} by {', '.join(names)}."

    # -- on what evidence

    def _reasons(self, waiting: Waiting) -> Iterator[str]:
        """Why a person is asked, with the guard that said so where one did."""
        by = {said.reason: said for said in reversed(waiting.guards) if said.verdict != "pass"}
        lines = []
        for reason in self._first([why for why in waiting.reasons if why != waiting.title]):
            said = by.get(reason)
            who = f"{_name(said.guard)} {_VERDICTS[said.verdict]}: " if said else ""
            lines.append(who + self._inline(reason, self._size.longest))
        if waiting.kind == "approval":
            yield from (f"Asked because: {line}" for line in lines)
        elif lines:
            yield "\n>\n".join(f"> {line}" for line in lines)

    def _evidence(self, waiting: Waiting) -> Iterator[str]:
        """The values, in order: what fits into cells in one table, each longer text where its value ends."""
        table: list[str] = []
        for position, value in enumerate(self._first(self._values)):
            rows, fences, whole = self._value(value, self._longest(position))
            what = "what you approve" if position == 0 and "approve" in waiting.allowed else ""
            if rows:
                table += [f"| {_PAD} | |"] if table else []
                head = f"| **{self._named(value.name)}**{_PAD} | {what} |"
                table += [head, *rows] if table else [head, "|:---|:---|", *rows]
            if waiting.tool and value.name == called(waiting.tool) and not whole:
                fences.insert(0, _NOT_ALL)
            if fences:
                yield "\n".join(table)
                table = []
            yield from fences
        yield "\n".join(table)
        if waiting.left_out:
            self.whole = False
            yield f"Too large to show: {', '.join(map(_name, waiting.left_out[: self._size.most]))}."

    def _value(self, value: _Value, longest: int) -> tuple[list[str], list[str], bool]:
        """Its rows of the table, its texts that are too long for one, and whether that is all of it."""
        before, self.whole = self.whole, True
        rows, fences = [], []
        for path, text in self._first(value.rows):
            name = " › ".join(map(self._named, path))
            if _is_cell(path, text):
                rows.append(f"| {name}{_PAD} | {self._inline(text, longest)} |")
            else:
                fences.append(f"**{self._named(value.name)}** {name}\n\n{self._fence(text, longest)}")
        whole, self.whole = self.whole, self.whole and before
        return rows, fences, whole

    def _guards(self, waiting: Waiting) -> Iterator[str]:
        """What the guards said, in a line; what stands as a reason is not said again."""
        of: dict[str, list[str]] = {}
        for said in waiting.guards:
            if said.verdict == "pass" or said.reason not in waiting.reasons:
                of.setdefault(said.of, []).append(self._guard(said))
        told = [
            f"{_name(name)}: {', '.join(guards[: self._size.most])}"
            for name, guards in list(of.items())[: self._size.most]
        ]
        if told:
            yield f"Guards: {'; '.join(told)}"

    def _guard(self, said: Said) -> str:
        reason = f", “{self._beside(said.reason)}”" if said.verdict != "pass" else ""
        return f"{_name(said.guard)} {_VERDICTS[said.verdict]}{reason}"

    # -- the rest

    def _ruled(self) -> Iterator[str]:
        """What was approved by rule."""
        ruled = self._progress.automatic[: self._size.most]
        if ruled:
            yield "; ".join(f"{_name(one.node)} was approved by rule: {self._beside(one.rule)}" for one in ruled)

    def _undoing(self) -> str:
        """Why the run is ending, and what is still to be undone."""
        undoing = self._progress.undoing
        if undoing is None:
            return ""
        by = f" by {self._beside(undoing.by, 40)}" if undoing.by else ""
        at = f" at {_name(undoing.node)}" if undoing.node else ""
        why = f": {self._beside(undoing.reason)}" if undoing.reason else ""
        left = ", ".join(map(_name, undoing.left[: self._size.most]))
        ended = _ENDING.get(undoing.outcome, "ended")
        return f"The run was {ended}{at}{by}{why}. Before it ends, this is undone in turn: {left}."

    def _under_way(self) -> str:
        """What became of child runs so far, or until when a pause lasts."""
        at = next((node for node in self._progress.shown if node.status in ("running", "waiting")), None)
        if at is None:
            return ""
        if at.kind == "pause" and self._progress.until:
            return f"{_name(at.name)} waits until {self._progress.until[:16].replace('T', ' ')} UTC."
        if at.children is None:
            return ""
        runs = at.children
        to_come = runs.total - runs.completed - runs.failed - runs.running
        counts = {"done": runs.completed, "under way": runs.running, "failed": runs.failed, "to come": to_come}
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        link = self._progress.children_link
        listed = f" [Look at them, and at those that wait for somebody]({link})." if link else ""
        many = f"{runs.total} child run{'' if runs.total == 1 else 's'}"
        return f"{_name(at.name)} has {many}: {said or 'none'}.{listed}"

    def _table(self, nodes: Sequence[NodeProgress]) -> str:
        if self._size.table == 3:
            counts = {status: sum(node.status == status for node in nodes) for status in _MARKS}
            return f"Stages: {', '.join(f'{count} {status}' for status, count in counts.items() if count)}."
        room = (40, 20, 0)[self._size.table]
        head = f"| stage{_PAD} | {_PAD} | attempt{_PAD} |" + (" result |" if room else "")
        rows = [
            f"| {_INDENT * min(node.depth, 4)}{_name(node.name)}{_PAD} "
            f"| {_MARKS[node.status]}\u00a0{_state(node)}{_PAD} "
            f"| {node.attempts or ''}{_PAD} |" + (f" {self._beside(node.result, room)} |" if room else "")
            for node in nodes
        ]
        return "\n".join([head, "|:---|:---|:---|" + (":---|" if room else ""), *rows])

    # -- texts

    def _longest(self, position: int) -> int:
        """How many characters of the texts of one of the values; what is decided on comes first."""
        return self._size.longest if position == 0 else min(self._size.longest, self._size.beside)

    def _first(self, items: Sequence[T]) -> Sequence[T]:
        """The entries of a list that is decided on."""
        self.whole = self.whole and len(items) <= self._size.most
        return items[: self._size.most]

    def _named(self, name: str) -> str:
        """A name that is decided on, too."""
        self.whole = self.whole and len(name) <= _NAME
        return _name(name)

    def _inline(self, text: str, longest: int) -> str:
        """What is decided on, on one line."""
        self.whole = self.whole and len(text) <= longest
        return _shortened(text, longest)

    def _beside(self, text: str, longest: int = 300) -> str:
        """What is told beside it, on one line."""
        return _shortened(text, min(longest, max(self._size.beside, 40)))

    def _fence(self, text: str, longest: int) -> str:
        lines = lines_of(text[:longest])
        if len(text) > longest or len(lines) > self._size.lines:
            self.whole = False
            lines = [*lines[: self._size.lines], "… (cut)"]
        return fenced(lines)


def _shortened(text: str, longest: int) -> str:
    return on_one_line(text[:longest]) + ("…" if len(text) > longest else "")


def _is_cell(path: Iterable[str], text: str) -> bool:
    """Whether a text fits beside its name, with no word that is too long to be seen."""
    names = [word for name in path for word in name[:_NAME].split()]
    return (
        len(text) <= _CELL
        and len(text.splitlines()) < 2
        and all(len(word) <= _WORD for word in text.split())
        and all(len(word) <= _WORD_OF_NAME for word in names)
    )


def _state(node: NodeProgress) -> str:
    by_hand = ", overridden" if node.overridden else ", by a person" if node.by_hand else ""
    round = f", round {node.round}" if node.round > 1 else ""
    return f"{node.status}{by_hand}{round}" + (f", {_name(node.calling)}" if node.calling else "")


def _name(name: str) -> str:
    """A name of the plan or of a field: an identifier as a rule, but a mapping's keys are outside text."""
    return on_one_line(name[:_NAME]) + ("…" if len(name) > _NAME else "")
