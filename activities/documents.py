"""Documents: each read into the text that its reader sees."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path, PurePath

from pydantic import BaseModel, Field

from activities import html_text
from activities.evidence import MAX_CHARACTERS, Request, Transcript, Unit
from activities.mail_text import composed, one_line, plain
from gatework import Block, Document, Untrusted, stage

MAX_BYTES = 10_000_000
"""Largest document that is read."""
_PDF_SECONDS = 60
_PDF_OUTPUT_BYTES = 5_000_000
_PDF_TEXT = Path(__file__).with_name("pdf_text.py")
_KINDS: dict[str, Unit] = {".html": "paragraph", ".htm": "paragraph", ".pdf": "page", ".txt": "line", ".md": "line"}
_BULLET = re.compile(r"[-*•–] |[0-9]{1,2}[.)] |#|>")


@stage(timeout=timedelta(minutes=1))
async def gather(request: Untrusted[Request]) -> Untrusted[list[Document]]:
    """The documents to read: each content once, however often it was handed in."""
    return Untrusted(list({document.sha256: document for document in reversed(request.value.documents)}.values())[::-1])


@stage(attempts=2, timeout=timedelta(minutes=2))
async def transcribe(document: Untrusted[Document]) -> Untrusted[Transcript] | Block:
    """Make text of a document: what a reader of it sees, and nothing that only a program does."""
    named = document.value
    if named.size_bytes > MAX_BYTES:
        return Block("The document is larger than ten megabytes.")
    found = await asyncio.to_thread(transcript, named.name, named.sha256, await named.read())
    return found if isinstance(found, Block) else Untrusted(found)


def transcript(name: str, digest: str, data: bytes) -> Transcript | Block:
    """The text of a document, or why it cannot be read. Never raises because of what it holds."""
    unit = _KINDS.get(PurePath(name).suffix.lower())
    if unit is None:
        return Block("The document is neither PDF nor HTML nor text, by its name.")
    parts = _pdf(data) if unit == "page" else _markup(data) if unit == "paragraph" else _lines(data)
    if isinstance(parts, Block):
        return parts
    # Before they are composed, which takes quadratic time where somebody means harm.
    if sum(len(piece) for pieces in parts for piece in pieces) > MAX_CHARACTERS:
        return Block(f"The text of the document is longer than {MAX_CHARACTERS:,} characters.")
    text, starts = _joined(parts)
    if not any(character.isalnum() for character in text):
        return Block("The document holds no text that a reader sees.")
    return Transcript(name=one_line(name, 200) or "unnamed", digest=digest, unit=unit, starts=starts, text=text)


def _joined(units: list[list[str]]) -> tuple[str, list[int]]:
    """Pages, lines or paragraphs as one text, with where each begins. What is one paragraph stays on one line.

    A unit is a list of pieces, each on a line of its own; one that begins with a space goes on where the last ended.
    """
    text, starts = "", []
    for pieces in units:
        start: int | None = None
        for piece in pieces:
            shown = composed(" ".join(piece.split()))
            if not shown:
                continue
            if text:
                text += " " if piece.startswith(" ") else "\n"
            start = len(text) if start is None else start
            text += shown
        starts.append(len(text) if start is None else start)
    return text, starts


def _markup(data: bytes) -> list[list[str]] | Block:
    try:
        text = html_text.text_of(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Block("The document is not encoded in UTF-8.")
    except html_text.TooTangled as refusal:
        return Block(str(refusal))
    return [[line] for line in plain(text).split("\n") if line.strip()]


def _lines(data: bytes) -> list[list[str]] | Block:
    """The lines of a text as they stand in the file, paragraphs that were broken at a margin joined."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Block("The document is not encoded in UTF-8.")
    # Only what ends a line for an editor, so that the numbers are those that it shows.
    lines = [" ".join(plain(line).split()) for line in re.split(r"\r\n|\r|\n", text)]
    units: list[list[str]] = []
    before = ""
    for line in lines:
        goes_on = bool(before) and not _BULLET.match(line)
        units.append([f" {line}" if line and goes_on else line])
        before = line
    return units


class _Said(BaseModel):
    """What `pdf_text.py` writes."""

    pages: list[list[str]] = Field(default=[])
    refused: str = ""


def _pdf(data: bytes) -> list[list[str]] | Block:
    """The pages of a PDF, read by a process that has nothing but the file."""
    command = [sys.executable, "-I", str(_PDF_TEXT)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_PDF_SECONDS, env={}, check=False)
    except subprocess.TimeoutExpired:
        return Block("Reading the PDF took too long.")
    try:
        said = None if done.returncode else _Said.model_validate_json(done.stdout[: _PDF_OUTPUT_BYTES + 1], strict=True)
    except ValueError:
        said = None
    if said is None:
        return Block("The PDF could not be read: it asks for too much, or is damaged.")
    if said.refused:
        return Block(said.refused)
    return [[plain(paragraph) for paragraph in page] for page in said.pages]
