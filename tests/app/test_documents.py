"""Documents: read as their reader sees them, whatever they hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from activities import documents
from activities.documents import transcribe, transcript
from activities.evidence import MAX_CHARACTERS, Transcript, sentence_spans
from documents.make_pdfs import Page, main, pdf
from gatework import Block, Document, Untrusted

FOLDER = Path(__file__).parents[2] / "documents" / "heat-pumps"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER.parent / "expected.json").read_text(encoding="utf-8"))


def named(*kinds: str) -> list[str]:
    return [name for name, expected in EXPECTED.items() if expected["kind"] in kinds]


def read(name: str, data: bytes | None = None) -> Transcript | Block:
    """A document that ships, or one of other content."""
    return transcript(name, "0" * 64, (FOLDER / name).read_bytes() if data is None else data)


def readable(name: str, data: bytes | None = None) -> Transcript:
    found = read(name, data)
    assert isinstance(found, Transcript), found
    return found


# -- those that ship ------------------------------------------------------------------------------------


def test_expectations_cover_every_document() -> None:
    """And nothing else."""
    assert {path.name for path in FOLDER.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", named("clean", "hostile"))
def test_document_says_what_is_expected_in_whole_sentences(name: str) -> None:
    """A brief may quote any of them."""
    document = readable(name)
    sentences = {document.text[start:end] for start, end in sentence_spans(document.text)}
    assert sentences >= set(EXPECTED[name]["answers"])


@pytest.mark.parametrize("name", named("hostile"))
def test_text_that_no_reader_sees_is_left_out(name: str) -> None:
    """Each of it stands in the file, or in its PDF's drawing; none in the text."""
    for hidden in EXPECTED[name].get("hidden", []):
        assert hidden not in readable(name).text
        assert hidden.encode() in re.sub(rb"\) Tj ET\nBT [^(]*\(", b" ", (FOLDER / name).read_bytes())


@pytest.mark.parametrize("name", named("hostile"))
def test_planted_text_that_a_reader_sees_is_there(name: str) -> None:
    """Reading does not judge: what to think of it is for guards and people."""
    for planted in EXPECTED[name].get("planted", []):
        assert planted in readable(name).text


@pytest.mark.parametrize("name", named("broken"))
def test_broken_document_is_refused_with_its_reason(name: str) -> None:
    """The others go on without it."""
    assert read(name) == Block(EXPECTED[name]["refusal"])


def test_pdfs_are_what_their_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes each time."""
    monkeypatch.setattr("documents.make_pdfs.FOLDER", tmp_path)
    main()
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in FOLDER.glob("*.pdf")}


# -- reading --------------------------------------------------------------------------------------------


def test_lines_of_a_text_are_those_of_its_file() -> None:
    """A paragraph that was broken at a margin is one, and every word of it knows its line."""
    lines = b"Title", b"", b"First words", b"of a paragraph.", b"- one", b"- two", b"and more", b"", b"End.", b""
    document = readable("a.txt", b"\r\n".join(lines))
    assert document.text == "Title\nFirst words of a paragraph.\n- one\n- two and more\nEnd."
    expected = {"Title": 1, "First": 3, "of a": 4, "one": 5, "more": 7, "End": 9}
    assert {word: document.place(document.text.index(word)) for word in expected} == expected


@pytest.mark.parametrize("name", [name for name in named("clean", "hostile") if name.endswith(".txt")])
def test_every_word_of_a_text_stands_in_its_line(name: str) -> None:
    """By the file itself, not by what reading made of it."""
    document = readable(name)
    lines = (FOLDER / name).read_text(encoding="utf-8").split("\n")
    for found in re.finditer(r"\S+", document.text):
        assert found[0] in lines[document.place(found.start()) - 1].split()


def test_page_of_a_pdf_is_known() -> None:
    """Of each passage."""
    document = readable("radiators.pdf")
    assert document.unit == "page"
    assert document.place(document.text.index("Makers state")) == 1
    assert document.place(document.text.index("Underfloor")) == 2


def test_invisible_characters_are_left_out() -> None:
    """They could hide orders in a quotation, or turn its direction."""
    text = "Heat\u200b pumps\u202e work\U000e0041\U000e0042 well\u00ad.\ufeff\x1b[2J\x07\n"
    document = readable("a\u202e\x1b[2J`.txt", text.encode())
    assert (document.name, document.text) == ("a[2J`.txt", "Heat pumps work well.[2J")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"\xff\xfe\x00", "The document is not encoded in UTF-8."),
        ("a.html", b"<p>caf\xe9</p>", "The document is not encoded in UTF-8."),
        ("a.html", b"<div>" * 400 + b"x", "The HTML is nested too deeply."),
        ("a.html", b"x" * 600_000, "The HTML is too long."),
        ("a.txt", b"", "The document holds no text that a reader sees."),
        ("a.txt", b" \n-\n", "The document holds no text that a reader sees."),
        ("a.html", b"<p hidden>Nobody sees this.</p>", "The document holds no text that a reader sees."),
        ("a.txt", b"word " * 20_000, f"The text of the document is longer than {MAX_CHARACTERS:,} characters."),
        ("a.docx", b"A sentence.", "The document is neither PDF nor HTML nor text, by its name."),
        ("pdf", b"A sentence.", "The document is neither PDF nor HTML nor text, by its name."),
        ("a.pdf", b"%PDF-1.4 and no more", "The PDF is damaged, or needs a password."),
        ("a.pdf", b"<p>No PDF.</p>", "The PDF is damaged, or needs a password."),
        ("a.pdf", pdf([Page()]), "The document holds no text that a reader sees."),
        ("a.pdf", pdf([Page() for _ in range(61)]), "The PDF has more than 60 pages."),
    ],
    ids=lambda each: each[:60] if isinstance(each, str) else "",
)
def test_document_that_cannot_be_read_says_why(name: str, data: bytes, why: str) -> None:
    """In a sentence that repeats nothing of it."""
    assert read(name, data) == Block(why)


def test_combining_marks_do_not_hold_up_a_worker() -> None:
    """Composing them takes quadratic time, so a long run of them is refused before."""
    refused = read("a.txt", ("a" + "\u0301\u0316" * 1_000_000).encode())
    assert isinstance(refused, Block)
    assert "longer than" in refused.reason


async def test_document_that_is_too_large_is_not_even_fetched() -> None:
    """By the size that it goes by; the store gives no more than that."""
    large = Document(sha256="0" * 64, size_bytes=10_000_001, media_type="text/plain", name="a.txt")
    assert await transcribe.function(Untrusted(large)) == Block("The document is larger than ten megabytes.")


# -- the process that reads PDFs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import time; time.sleep(60)", "Reading the PDF took too long."),
        ("import sys; sys.exit(3)", "The PDF could not be read: it asks for too much, or is damaged."),
        ("import os; os.abort()", "The PDF could not be read: it asks for too much, or is damaged."),
        ("print('[' * 6_000_000)", "The PDF could not be read: it asks for too much, or is damaged."),
        ("print('no JSON')", "The PDF could not be read: it asks for too much, or is damaged."),
        ("print('{\"pages\": [[1]]}')", "The PDF could not be read: it asks for too much, or is damaged."),
    ],
)
def test_pdf_reader_that_fails_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    """It hangs, dies, or is made to say something else: the document is refused, and the worker goes on."""
    script = tmp_path / "reader.py"
    script.write_text(program)
    monkeypatch.setattr(documents, "_PDF_TEXT", script)
    monkeypatch.setattr(documents, "_PDF_SECONDS", 2)
    assert read("a.pdf", pdf([Page()])) == Block(why)


def test_pdf_reader_knows_nothing_of_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials in its environment."""
    monkeypatch.setenv("BANK_TOKEN", "secret")
    script = tmp_path / "reader.py"
    script.write_text("import json, os; print(json.dumps({'pages': [[' '.join(os.environ) + ' seen']]}))")
    monkeypatch.setattr(documents, "_PDF_TEXT", script)
    assert "BANK_TOKEN" not in readable("a.pdf", pdf([Page()])).text
