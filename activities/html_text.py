"""HTML of a mail or a page as the text that its reader sees.

The tokens are read here rather than by `html.parser`: that of Python 3.11.7 needs half a minute for 200 KB of
`<!--`, and minutes for `<a <a <a`, so a mail could hold up a worker. Every step here is linear in its input.
What a reader would not see is left out; in doubt text counts as hidden, since a claim that is missing stops with
a clear message, and an instruction that only a model can see does harm.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gatework import GateworkError

MAX_CHARACTERS = 500_000
"""Longest HTML that is read; a mail of one megabyte is mostly attachments, a page of that size mostly scripts."""
_MAX_DEPTH = 256
_MAX_HIDING_RULES = 50
_MAX_SELECTOR = 200

# Possessive all through: what one part has taken it never gives back, so a tag is read in linear time.
# An open quotation runs to the end, where the tag then fails, as in a browser.
_ATTRIBUTE = r"""([^\s/>][^\s/>=]*+)(?:\s*+=\s*+("[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+))?+"""
_TAG = re.compile(rf"<(/?)([a-zA-Z][^\s/>]*+)((?:[\s/]++|(?:{_ATTRIBUTE}))*+)>")
_ATTRIBUTES = re.compile(_ATTRIBUTE)

_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_RAW = frozenset("script style title textarea xmp iframe noembed noframes plaintext".split())
_UNSEEN = frozenset("template object applet audio video canvas svg math select datalist map".split())
_PARAGRAPH = frozenset("p h1 h2 h3 h4 h5 h6 blockquote table ul ol dl pre".split())
_LINE = frozenset(
    "div tr li dt dd section article header footer address center form fieldset body html hr br main nav aside".split()
)
_CELL = frozenset("td th caption".split())
_BLOCKS = _PARAGRAPH | _LINE | _CELL
_SCOPES = frozenset("td th caption table html template object applet".split())
_CLOSED_BY_THE_NEXT = frozenset("p li td th tr dt dd option".split())

_ZERO = r"(?:0+(?:\.0\d*)?|\.0\d*)(?![\d.])"
_HIDING = re.compile(
    r"(?:^|;)(?:"
    r"display:none|visibility:(?:hidden|collapse)|mso-hide:all|content-visibility:hidden"
    rf"|(?:opacity|zoom|font|font-size|(?:max-)?height|(?:max-)?width):{_ZERO}|font(?:-size)?:[01](?:\.\d+)?(?:px|pt)"
    r"|text-indent:-\d{3,}|(?:left|right|top|bottom|margin-left):-\d{3,}"
    rf"|clip:rect\(|clip-path:|transform:scale\(0|color:transparent|color:rgba\([^;)]*,{_ZERO}\)"
    r")"
)
_COLOUR = re.compile(r"(?:^|;)color:([^;!]{1,40})")
_BACKGROUND = re.compile(r"(?:^|;)background(?:-color)?:([^;!]{1,40})")
_NAMED = {"white": "#ffffff", "black": "#000000", "snow": "#fffafa", "ivory": "#fffff0", "whitesmoke": "#f5f5f5"}
_WHITE = (255, 255, 255)
_ALMOST = 24
"""Distance of two colours, summed over red, green and blue, below which text on the other cannot be read."""

_Colour = tuple[int, int, int]


class TooTangled(GateworkError):
    """HTML that is too long, too deep or too full of rules to be read."""


@dataclass(frozen=True)
class _Tag:
    name: str
    closing: bool
    attributes: Mapping[str, str]
    css: str = ""
    """The contents of a `style` element."""


@dataclass(frozen=True)
class _Rule:
    """A rule of a style sheet that hides what it matches: an element that has all of this."""

    name: str
    ids: frozenset[str]
    classes: frozenset[str]
    attributes: frozenset[str]

    def matches(self, tag: _Tag, ids: frozenset[str], classes: frozenset[str]) -> bool:
        return (
            self.name in ("", tag.name)
            and self.ids <= ids
            and self.classes <= classes
            and self.attributes <= tag.attributes.keys()
        )


@dataclass(frozen=True)
class _Open:
    """An element that is open."""

    name: str
    hidden: bool
    background: _Colour


@dataclass
class _Page:
    """Lines of text as they come about."""

    lines: list[str] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    quotes: int = 0
    """How many quotations are open; their lines are marked as in plain text."""

    def write(self, text: str) -> None:
        self.current.append(text)

    def end_line(self) -> None:
        line = " ".join("".join(self.current).split())
        self.current.clear()
        if line:
            self.lines.append("> " + line if self.quotes else line)

    def end_paragraph(self) -> None:
        self.end_line()
        if self.lines and self.lines[-1]:
            self.lines.append("")


def text_of(document: str) -> str:
    """The text that a reader of the HTML sees, a line for each line, quotations marked with `> `.

    Raises `TooTangled`.
    """
    if len(document) > MAX_CHARACTERS:
        raise TooTangled("The HTML is too long.")
    tokens = list(_tokens(document))
    rules = [rule for token in tokens if isinstance(token, _Tag) for rule in _hiding_rules(token.css)]
    if len(rules) > _MAX_HIDING_RULES:
        raise TooTangled("The HTML hides too much by its style sheet.")
    page = _Page()
    stack = [_Open("", hidden=False, background=_WHITE)]
    for token in tokens:
        if isinstance(token, str):
            if not stack[-1].hidden:
                page.write(token)
        elif token.closing:
            _close(stack, token.name, page)
        else:
            _open(stack, token, rules, page)
    page.end_line()
    return "\n".join(page.lines)


def _tokens(document: str) -> Iterator[_Tag | str]:
    """Tags and the text between them; comments, declarations and the insides of scripts are left out."""
    at, end = 0, len(document)
    while at < end:
        start = document.find("<", at)
        if start < 0:
            yield _characters(document[at:])
            return
        if start > at:
            yield _characters(document[at:start])
        following = document[start + 1 : start + 3]
        if following[:1] in ("!", "?") or (following[:1] == "/" and not following[1:].isalpha()):
            at = _after_comment(document, start)
            continue
        if not (following[:1].isalpha() or following[:1] == "/"):
            yield "<"
            at = start + 1
            continue
        found = _TAG.match(document, start)
        if found is None:
            return  # a tag that never ends swallows the rest, as in a browser
        name, closing, at = found[2].lower(), bool(found[1]), found.end()
        css = ""
        if name in _RAW and not closing:
            ending = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(document, at)
            inside = document[at : ending.start() if ending else end]
            at = ending.start() if ending else end
            css = inside if name == "style" else ""
        yield _Tag(name, closing, {} if closing else _attributes(found[3]), css)


def _after_comment(document: str, start: int) -> int:
    """Where a comment or declaration that begins at `start` ends."""
    if document.startswith("<!--", start):
        # `<!-->` and `<!--->` are comments that end at once.
        for short in ("<!-->", "<!--->"):
            if document.startswith(short, start):
                return start + len(short)
        ending = re.compile(r"--!?>").search(document, start + 4)
        return ending.end() if ending else len(document)
    ending_at = document.find(">", start)
    return ending_at + 1 if ending_at >= 0 else len(document)


def _attributes(text: str) -> dict[str, str]:
    """Attributes by name in lower case; of two of one name the first counts."""
    attributes: dict[str, str] = {}
    for found in _ATTRIBUTES.finditer(text):
        value = found[2] or ""
        attributes.setdefault(found[1].lower(), _characters(value.strip("\"'")))
    return attributes


def _characters(text: str) -> str:
    """Text with its character references resolved."""
    # More digits than any character has: int() would refuse them, or take its time.
    return html.unescape(re.sub(r"&#[xX]?[0-9a-fA-F]{8,};?", "", text)) if "&" in text else text


def _open(stack: list[_Open], tag: _Tag, rules: list[_Rule], page: _Page) -> None:
    if tag.name in _CLOSED_BY_THE_NEXT and stack[-1].name == tag.name:
        _close(stack, tag.name, page)
    _break(tag.name, page)
    if tag.name in _VOID or tag.name in _RAW:
        return
    if len(stack) > _MAX_DEPTH:
        raise TooTangled("The HTML is nested too deeply.")
    style = _compact(tag.attributes.get("style", ""))
    outer = stack[-1]
    background = _colour(_first(_BACKGROUND, style) or tag.attributes.get("bgcolor", "")) or outer.background
    colour = _colour(_first(_COLOUR, style) or (tag.attributes.get("color", "") if tag.name == "font" else ""))
    ids = frozenset(tag.attributes.get("id", "").split())
    classes = frozenset(tag.attributes.get("class", "").split())
    hidden = (
        outer.hidden
        or tag.name in _UNSEEN
        or "hidden" in tag.attributes
        or _HIDING.search(style) is not None
        or (colour is not None and _distance(colour, background) < _ALMOST)
        or any(rule.matches(tag, ids, classes) for rule in rules)
    )
    stack.append(_Open(tag.name, hidden, background))
    if tag.name == "blockquote":
        page.quotes += 1


def _close(stack: list[_Open], name: str, page: _Page) -> None:
    """Close the nearest open element of this name, if it is in scope, and all that is open inside of it."""
    for depth in range(len(stack) - 1, 0, -1):
        inner = stack[depth].name
        if inner == name:
            if "blockquote" in (closed := [element.name for element in stack[depth:]]):
                page.end_line()
                page.quotes -= closed.count("blockquote")
            del stack[depth:]
            _break(name, page)
            return
        # Else a stray end tag inside of something hidden would end the hiding.
        if (inner in _SCOPES and name not in _SCOPES | {"tr", "tbody", "thead", "tfoot"}) or (
            inner in _BLOCKS and name not in _BLOCKS
        ):
            return


def _break(name: str, page: _Page) -> None:
    if name in _PARAGRAPH:
        page.end_paragraph()
    elif name in _LINE:
        page.end_line()
    elif name in _CELL:
        page.write(" ")


def _hiding_rules(css: str) -> Iterator[_Rule]:
    """The rules of a style sheet that hide something, whatever the screen they are meant for."""
    for part in _without_comments(css).split("}"):
        head, _, declarations = part.rpartition("{")
        if not _HIDING.search(_compact(declarations)):
            continue
        for selector in head.rpartition("{")[2].split(","):
            last = re.split(r"[\s>+~]+", selector.strip())[-1]
            if len(last) > _MAX_SELECTOR:
                raise TooTangled("The HTML hides too much by its style sheet.")
            if "::" in last or ":before" in last or ":after" in last:
                continue
            # Of a condition such as :not(…) it is taken that it holds.
            bare = re.sub(r":[\w-]+(?:\([^)]*\))?|\[[^\]]*\]", "", last)
            name = re.match(r"[a-zA-Z][\w-]*", bare)
            yield _Rule(
                name[0].lower() if name else "",
                frozenset(re.findall(r"#([\w-]+)", bare)),
                frozenset(re.findall(r"\.([\w-]+)", bare)),
                frozenset(found.lower() for found in re.findall(r"\[([\w-]+)", last)),
            )


def _without_comments(css: str) -> str:
    kept = []
    at = 0
    while (start := css.find("/*", at)) >= 0:
        kept.append(css[at:start])
        ending = css.find("*/", start + 2)
        at = ending + 2 if ending >= 0 else len(css)
    return "".join([*kept, css[at:]])


def _compact(style: str) -> str:
    """Declarations as they are compared: lower case, escapes resolved, no comments and no spaces."""
    plain = re.sub(
        r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))",
        lambda found: found[2] or chr(min(int(found[1], 16), 0x10FFFF)),
        _without_comments(style),
        flags=re.DOTALL,
    )
    return "".join(plain.lower().split())


def _first(pattern: re.Pattern[str], style: str) -> str:
    # The last of several declarations wins.
    found = pattern.findall(style)
    return found[-1] if found else ""


def _colour(text: str) -> _Colour | None:
    value = _NAMED.get(text.strip().lower(), text.strip().lower())
    if re.fullmatch(r"#[0-9a-f]{3}", value):
        value = "#" + "".join(2 * digit for digit in value[1:])
    if re.fullmatch(r"#[0-9a-f]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if found := re.match(r"rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})", value):
        return int(found[1]), int(found[2]), int(found[3])
    return None


def _distance(one: _Colour, other: _Colour) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
