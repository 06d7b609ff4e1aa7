"""A brief as Markdown: a footnote for each passage, and no markup that a document, a model or a person wrote."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from activities.evidence import Brief, Note
from activities.markdown import brief_as_markdown, code, escaped, note_as_markdown
from tests.app.briefing import BRIEF, STOVE, WARM

HOSTILE = [
    "See ![the proof](https://collect.example/pixel.png) and [here](javascript:alert(1)).",
    '<script>fetch("https://collect.example/")</script> <b>warm</b> &amp; &#x3c;b&#x3e;',
    "[^1]: This footnote replaces the one above.",
    "# Summary",
    "- one",
    "1. one",
    "1) one",
    "+ one",
    "> quoted",
    "    indented",
    "***bold*** __bold__ ~~gone~~ `code` ``more``",
    "` ends the code `",
    "``` ends the fence ```",
    "| a | b |",
    "---",
    "===",
    "[x]: https://collect.example",
    "<https://collect.example> https://collect.example www.collect.example a@collect.example",
    "\\`\\[^1]\\",
    "a\\",
    "\\",
    "$x$ :smile: @someone #123 {{ template }} {% raw %}",
    "<!-- hidden -->",
    "&lt;",
    "![](x)",
    "[a][b]",
]
SAFE = {"text", "code_inline", "softbreak"}


def tokens(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"]).parse(markdown)


def inline(markdown: str) -> list[Token]:
    """What a text becomes that stands in a paragraph by itself."""
    blocks = tokens(markdown)
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"], blocks
    return blocks[1].children or []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_prose_is_shown_as_it_is(text: str) -> None:
    """No link, no picture, no heading, no list, no HTML."""
    shown = inline(escaped(text))
    assert {token.type for token in shown} <= SAFE
    assert "".join(token.content for token in shown) == " ".join(text.split())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_quotation_is_one_code_span(text: str) -> None:
    """Which holds it letter by letter, and ends where it ends."""
    [shown] = inline(code(text))
    assert shown.type == "code_inline"
    assert shown.content == " ".join(text.split())


@given(st.text(alphabet="`~*_[]()<>#!|\\-+.:&;1a ^@/w=$\"'\n", min_size=1, max_size=40))
def test_nothing_that_is_written_is_markup(text: str) -> None:
    """For any text of the characters that Markdown knows."""
    if not text.strip():
        return
    shown = inline(escaped(text))
    assert {token.type for token in shown} <= SAFE
    assert "".join(token.content for token in shown) == " ".join(text.split())
    [quoted] = inline(code(text))
    assert (quoted.type, quoted.content) == ("code_inline", " ".join(text.split()))


def hostile(text: str) -> Brief:
    passage = WARM.model_copy(update={"quotation": text, "document": text})
    changes = {"title": text, "question": text, "passages": [passage, STOVE], "read": [text], "left_out": [text]}
    return BRIEF.model_copy(update=changes)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_brief_has_the_outline_of_any_other(text: str) -> None:
    """One title, two headings, its sentences, its lists, and as many footnotes as it has passages."""
    markdown = brief_as_markdown(hostile(text))
    found = [token for token in tokens(markdown) if token.type.endswith("_open")]
    plain = brief_as_markdown(hostile("plain"))
    assert [token.type + token.tag for token in found] == [
        token.type + token.tag for token in tokens(plain) if token.type.endswith("_open")
    ]
    assert len(re.findall(r"^\[\^\d+\]:", markdown, re.MULTILINE)) == 2
    assert "html" not in {token.type for token in tokens(markdown)}


def test_footnote_says_where_the_passage_stands() -> None:
    """Document, line, characters, and its words as they stand there."""
    markdown = brief_as_markdown(BRIEF)
    assert f"[^1]: `a.txt`, line 1, characters 0 to 22: `{WARM.quotation}`\n" in markdown
    assert f"[^2]: `c.txt`, line 1, characters 0 to 45: `{STOVE.quotation}`\n" in markdown
    assert "The house is warm, as old as it is.[^1]\n" in markdown
    assert f"- `a.txt`, SHA-256 `{WARM.digest}`\n- `b.txt`\n" in markdown
    assert "- `lost.pdf`\n" in markdown


def test_question_is_told_where_the_title_is_another() -> None:
    """And not twice."""
    assert "Asked was" not in brief_as_markdown(BRIEF)
    assert "Asked was: Is the old house warm?\n" in brief_as_markdown(BRIEF.model_copy(update={"title": "Warm"}))


def test_note_is_paragraphs() -> None:
    """Without markup, too."""
    note = Note(title="# Nothing", text="We found *nothing*.\n\n- at all")
    assert note_as_markdown(note) == "# \\# Nothing\n\nWe found \\*nothing\\*\\.\n\n\\- at all\n"
