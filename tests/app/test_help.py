"""Our help: pages are found by words, read by name, and nothing else is ever read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activities.answers import PAGE_NAME
from activities.help import article, found, read_article, search_help
from gatework import Block

ROOT = Path(__file__).parents[2]
EXPECTED = json.loads((ROOT / "mails" / "inquiries" / "expected.json").read_text(encoding="utf-8"))
PAGES = sorted(path.stem for path in (ROOT / "help").glob("*.md"))


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A help of its own, one folder below what must not be read."""
    (tmp_path / "secret.md").write_text("# Secret\n\nNot for customers.\n")
    folder = tmp_path / "help"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "draft.md").write_text("# Draft\n\nNot yet.\n")
    (folder / "page.md").write_text("# Page\n\nOne line\ngoes on.\n\nAnother.\n")
    monkeypatch.setenv("GATEWORK_HELP", str(folder))
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_page_that_ships_has_a_title_and_sentences(name: str) -> None:
    """And a name that the grant of `look_up` lets through."""
    import re

    page = article(name)
    assert page is not None
    assert page.title
    assert len(page.text) > 100
    assert re.fullmatch(PAGE_NAME, name)


@pytest.mark.parametrize("name", [name for name, each in EXPECTED.items() if each["kind"] == "clean"])
def test_quotation_that_is_expected_stands_in_its_page(name: str) -> None:
    """The expectations of the mails are true of the pages."""
    page = article(EXPECTED[name]["article"])
    assert page is not None
    assert EXPECTED[name]["quotation"] in page.text


def test_paragraphs_are_lines(pages: Path) -> None:
    """So that a sentence can be quoted whole."""
    page = article("page")
    assert page is not None
    assert (page.title, page.text) == ("Page", "One line goes on.\nAnother.")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/", "../secret", "../secret.md", "inner/draft", "draft", "page.md", "page/../page", "./page"),
        *("page\x00", "page\n", "PAGE", " page", "page ", "%2e%2e/secret", "..\\secret", "/etc/passwd", "p" * 10_000),
    ],
)
async def test_name_of_no_page_reads_nothing(pages: Path, name: str) -> None:
    """A name is looked up among the pages, so it is never a path."""
    assert article(name) is None
    assert isinstance(await read_article.function(name), Block)


def test_link_out_of_the_folder_is_no_page(pages: Path) -> None:
    """Whoever may write a page may not publish what lies elsewhere."""
    (pages / "linked.md").symlink_to(pages.parent / "secret.md")
    assert article("linked") is None
    assert found("Secret customers") == []


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("When will my parcel be delivered?", "delivery-times"),
        ("limescale in the kettle", "kettles"),
        ("send back return", "returns"),
        ("gift wrapping", "gift-wrapping"),
        ("voucher code", "vouchers"),
    ],
)
async def test_search_gives_the_best_page_first(words: str, first: str) -> None:
    """Titles count double."""
    hits = await search_help.function(words)
    assert hits[0].name == first
    assert len(hits) <= 3


@pytest.mark.parametrize("words", ["", "zzzzzz", "a b c", "1234", "\x00", "ключ"])
def test_search_that_finds_nothing_says_so(words: str) -> None:
    """No page is better than any page."""
    assert found(words) == []
