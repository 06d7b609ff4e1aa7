"""Text of others as Markdown that is only text: escaped on a line, or as it is in a fence longer than any in it.

Two programs render the panel: the UI's own server by gomarkdown with its common extensions, and Temporal Cloud by
micromark with GitHub's tables. What is written here means the same to both.
"""

from __future__ import annotations

import functools
import re
import unicodedata

WIDTH = 54
"""Longest line in a fence, in columns: the UI does not wrap there, and what is out of sight is not seen."""
_MARKS_ON_ONE = 4
"""Accents on one letter; no script needs more."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""What looks like nothing, and is no space to Unicode."""
_WIDE = 0x2E80
"""From here on a letter takes two columns."""


def cleaned(text: str) -> str:
    """Text without what moves, hides or covers other text: controls, direction marks, blanks, heaps of accents."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    text = text.replace("\r\n", "\n")
    # By each character once, however often it stands there: a text may be long, and a query has 2 s.
    there = set(text)
    if marks := "".join(c for c in there if unicodedata.category(c) in ("Mn", "Me")):
        heap = rf"[{re.escape(marks)}]{{{_MARKS_ON_ONE + 1},}}"
        text = re.sub(heap, lambda found: found[0][:_MARKS_ON_ONE].ljust(len(found[0]), "\ufffd"), text)
    return text.translate({ord(c): shown for c in there if (shown := _shown(c)) != c})


def _shown(c: str) -> str:
    """What stands for a character."""
    if c in "\n\r\x0b\x0c\x85\u2028\u2029":
        return "\n"
    if c == "\t":
        return " "
    return "\ufffd" if unicodedata.category(c)[0] == "C" or c in _BLANK else c


@functools.lru_cache(maxsize=1024)  # most of what is drawn again is names
def on_one_line(text: str) -> str:
    """Text on one line in which nothing is Markdown or HTML."""
    return _escaped(" ".join(cleaned(text).split()))


def _escaped(line: str) -> str:
    """By the escapes that the UI's renderer knows; it shows others."""
    escaped = re.sub(r"([!#&(-+\-.:<>\[-`{-~])", r"\\\1", line)
    return re.sub(r"\$|(?<=\d)/", lambda found: f"&#{ord(found[0])};", escaped)  # formulas, and ½ for 1/2


def lines_of(text: str) -> list[str]:
    """Text as lines that fit into a fence."""
    return [part for line in cleaned(text).split("\n") for part in _wrapped(re.sub(r"\s{4,}", "   ", line))]


def fenced(lines: list[str]) -> str:
    """Lines in a fence that is longer than any run of backticks in them."""
    # The UI puts its own words in the place of these three, before it reads any Markdown.
    text = re.sub(r"\{(?=(?:namespace|workflowId|runId)\})", "{ ", "\n".join(lines))
    ticks = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}text\n{text}\n{fence}"


def _wrapped(line: str) -> list[str]:
    """A line in parts that are no wider than a fence, broken between words where there are any."""
    if line.isascii() and len(line) <= WIDTH:
        return [line.rstrip()]
    parts, rest = [], line
    while rest:
        end = _fitting(rest)
        space = rest.rfind(" ", 0, end + 1) if end < len(rest) else end
        end = space if space > 0 else end
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip() if end < len(rest) else ""
    return parts or [""]


def _fitting(text: str) -> int:
    """How many letters from the start fit into a line; at least one."""
    columns = 0
    for position, c in enumerate(text[:WIDTH]):
        columns += 2 if ord(c) >= _WIDE else 1
        if columns > WIDTH:
            return max(position, 1)
    return min(len(text), WIDTH)
