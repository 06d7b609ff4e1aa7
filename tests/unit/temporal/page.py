"""A page as a browser would read it: what a renderer of Markdown made of a panel, without the browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from gatework.temporal.page.markdown import cleaned
from gatework.temporal.page.panel import cut
from gatework.temporal.page.progress import Progress
from tests.unit.temporal.panels import LINK, numbered

TAGS = {"h3", "p", "strong", "code", "pre", "ul", "li", "blockquote", "a", "table", "thead", "tbody", "tr", "th", "td"}
"""All that a panel is made of."""
STRONG = re.compile(
    r"OVERRIDDEN|More Actions → Send an Update|\d of \d|[a-z_][a-z_0-9]{0,39}(\(\))?…?"
    r"|Not all of the evidence fits here: under Queries, run evidence .*|These are not all of the arguments\."
)


@dataclass
class Page(HTMLParser):
    """The elements of a page, with the text that is read in each."""

    html: str
    tags: set[str] = field(default_factory=set)
    headings: list[str] = field(default_factory=list)
    strong: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    items: list[list[str]] = field(default_factory=list)
    """Of each entry of a list, its words in code."""
    lists: int = 0
    rows: list[list[str]] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        new: dict[str, list[str]] = {"h3": self.headings, "strong": self.strong, "pre": self.fences}
        if tag in new:
            new[tag].append("")
        elif tag == "a":
            self.links.append(dict(attrs).get("href") or "")
        elif tag == "ul":
            self.lists += 1
        elif tag == "li":
            self.items.append([])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "code" and "li" in self._open:
            self.items[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "pre" in self._open:
            self.fences[-1] += data
            return
        if "h3" in self._open:
            self.headings[-1] += data
        if "strong" in self._open:
            self.strong[-1] += data
        if "td" in self._open or "th" in self._open:
            self.rows[-1][-1] += data
        if "li" in self._open and "code" in self._open:
            self.items[-1][-1] += data


def honest(page: Page, progress: Progress) -> None:
    """What must be read on the page of a run that waits: nothing but what the panel itself says asks for anything."""
    waits = progress.waiting
    assert waits is not None
    assert page.tags <= TAGS, page.tags - TAGS
    (heading,) = page.headings
    stage = r"stage \d+ of (at most )?\d+"
    asked = rf"(approve|answer) {stage}, .+" if waits.title else rf".+, {stage}"
    assert re.fullmatch(rf"NEEDS YOU \(finance\): {asked}", heading, re.DOTALL), heading
    assert page.lists == 1
    assert [code[0] for code in page.items] == list(waits.allowed)
    assert page.links == [LINK]
    whole = not cut(progress)
    assert page.strong.count(waits.number) == (whole and numbered(waits))
    for strong in page.strong:
        assert strong == waits.number or STRONG.fullmatch(strong), strong
    said = "Not all of the evidence fits here" in page.text
    assert said is not whole
    assert len({len(row) for row in page.rows}) <= 2
    for row in page.rows:
        assert len(row) in (2, 3, 4), row


def read_whole(page: Page, fields: Mapping[str, str]) -> None:
    """Every name and text of the fields of a value can be read, letter for letter."""
    cells = [(_letters(name), _letters(text)) for name, text in (row for row in page.rows if len(row) == 2)]
    fences = [_letters(text) for text in page.fences]
    for name, text in fields.items():
        seen = _letters(cleaned(name)), _letters(cleaned(text))
        assert seen in cells or seen[1] in fences, seen


def _letters(text: str) -> str:
    """A text without its blanks, in which all quotation marks are alike: the UI's server bends them."""
    return re.sub("[“”„]", '"', re.sub("[‘’‚]", "'", "".join(text.split())))
