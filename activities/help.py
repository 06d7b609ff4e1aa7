"""Our help pages: Markdown files in `help/`, searched by words and read by name."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from gatework import Block, tool

_WORD = re.compile(r"[^\W\d_]{3,}")
_MOST_HITS = 3
_LARGEST_BYTES = 20_000


class Article(BaseModel):
    """A page of our help."""

    name: str
    title: str
    text: str
    """Its paragraphs, each on one line."""


class Hit(BaseModel):
    """A page that a search found."""

    name: str
    title: str


@tool
async def search_help(words: str) -> list[Hit]:
    """Find help pages by English words; the best first."""
    return await asyncio.to_thread(found, words)


@tool
async def read_article(name: str) -> Article | Block:
    """Read one help page, by the name that search_help gave."""
    return await asyncio.to_thread(article, name) or Block("Our help has no page of that name.")


def help_path() -> Path:
    """Where the pages are: `GATEWORK_HELP`, or `help` in the project."""
    return Path(os.environ.get("GATEWORK_HELP") or Path(__file__).parent.parent / "help")


def article(name: str) -> Article | None:
    """The page of a name; None where there is none."""
    # Looked up among the pages that are there, so that no name is ever a path.
    path = _pages().get(name)
    return None if path is None else _read(path)


def found(words: str) -> list[Hit]:
    """The pages that hold the most of these words, their titles counting double."""
    wanted = set(_stems(words))
    scored: list[tuple[int, Article]] = []
    for path in _pages().values():
        page = _read(path)
        score = 2 * len(wanted & set(_stems(page.title))) + len(wanted & set(_stems(page.text)))
        if score:
            scored.append((score, page))
    scored.sort(key=lambda each: -each[0])
    return [Hit(name=page.name, title=page.title) for _, page in scored[:_MOST_HITS]]


def _pages() -> Mapping[str, Path]:
    return {path.stem: path for path in sorted(help_path().glob("*.md")) if path.is_file() and not path.is_symlink()}


def _read(path: Path) -> Article:
    with path.open("rb") as file:
        text = file.read(_LARGEST_BYTES).decode("utf-8", "ignore")
    heading, _, body = text.partition("\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", body)]
    return Article(name=path.stem, title=heading.lstrip("# ").strip(), text="\n".join(filter(None, paragraphs)))


def _stems(text: str) -> list[str]:
    """Words cut to their first five letters, so that `delivered` finds `delivery`."""
    return [word[:5] for word in _WORD.findall(text.casefold())]
