"""The values of a research brief, from the question to what is published, and where sentences stand in a text."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from activities.mail_text import sentences
from gatework import Document

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a document's content."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
"""Name of a document, as whoever handed it in gave it, on one line."""
Unit = Literal["page", "line", "paragraph"]

MAX_DOCUMENTS = 40
MAX_CHARACTERS = 40_000
"""Of one document's text."""
MOST_OF_A_DOCUMENT = 3
"""Passages that are taken from one document."""
MOST_PASSAGES = 12
"""Passages on which a brief rests."""
MOST_CLAIMS = 8


class Request(BaseModel):
    """What a brief is wanted on."""

    question: str = Field(min_length=10, max_length=300)
    documents: list[Document] = Field(min_length=1, max_length=MAX_DOCUMENTS)


class Transcript(BaseModel):
    """A document as plain text: what a reader of it sees."""

    name: Name
    digest: Digest
    """Of the document, not of the text."""
    unit: Unit
    """What people count in such a document."""
    starts: list[int]
    """Where each page, line or paragraph begins in the text; the first is number 1."""
    text: str = Field(max_length=MAX_CHARACTERS)
    """Each paragraph on one line."""

    def place(self, offset: int) -> int:
        """The number of the page, line or paragraph in which a character of the text stands."""
        return bisect.bisect_right(self.starts, offset)


class Passage(BaseModel):
    """A passage of a document, word for word."""

    document: Name
    digest: Digest
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    """The quotation is `text[start:end]` of the transcript."""
    unit: Unit
    place: int
    """Number of the page, line or paragraph in which it begins."""
    quotation: str = Field(min_length=1, max_length=1_000)


class Findings(BaseModel):
    """What a document says about the question, in its own words. Nothing is an answer, too."""

    transcript: Transcript
    passages: list[Passage] = Field(max_length=MOST_OF_A_DOCUMENT)


class Evidence(BaseModel):
    """What all documents say; a brief can rest on it. A passage's number is its place in the list, from 1."""

    kind: Literal["evidence"] = "evidence"
    passages: list[Passage] = Field(min_length=1, max_length=MOST_PASSAGES)
    read: list[Name]
    """Documents that were read, and could be quoted."""
    left_out: list[Name]
    """Documents that could not be read, or whose quotations were refused."""


class Silence(BaseModel):
    """The documents say too little about the question for a brief to rest on."""

    kind: Literal["silence"] = "silence"
    passages: list[Passage] = Field(max_length=MOST_PASSAGES)
    read: list[Name]
    left_out: list[Name]


_UNMARKED = r"\\`*_<>\[\]{}|#~^\""
"""What no sentence of ours holds: the marks of Markdown, of HTML and of JSON."""
_CAPITAL = "[A-ZÀ-ÖØ-ÞΑ-ΩА-Я0-9]"
SENTENCE = rf"^{_CAPITAL}[^{_UNMARKED}]{{10,240}}[.!?]$"
ONE_SENTENCE = rf"^[A-ZÀ-ÖØ-ÞΑ-ΩА-Я](?:[^{_UNMARKED}:.?!]|[0-9][.:][0-9]){{10,160}}[.]$"
"""The same, and one alone: a small model goes on as long as it may."""


class Claim(BaseModel):
    """A sentence of a brief, and the passages that it rests on."""

    sentence: str = Field(pattern=SENTENCE)
    cites: list[Annotated[int, Field(ge=1, le=MOST_PASSAGES)]] = Field(min_length=1, max_length=3)
    """Numbers of passages."""


Fault = Literal["not what the quotation says", "not about the question", "the same as another", "badly written"]


class Remark(BaseModel):
    """What a critic has against a sentence of a draft. A closed list: no words of a document travel in it."""

    claim: int = Field(ge=1, le=MOST_CLAIMS)
    """Number of the sentence, from 1."""
    fault: Fault


class Draft(BaseModel):
    """A brief that is being written."""

    claims: list[Claim] = Field(max_length=MOST_CLAIMS)
    remarks: list[Remark] = Field(max_length=MOST_CLAIMS)
    """What is still to be mended."""


class Brief(BaseModel):
    """A brief as it is published, with everything that it rests on."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    """What its file is called."""
    question: str = Field(max_length=300)
    title: str = Field(max_length=300)
    """The question, unless an editor finds a better one."""
    claims: list[Claim] = Field(min_length=1, max_length=MOST_CLAIMS)
    passages: list[Passage] = Field(min_length=1, max_length=MOST_PASSAGES)
    """Those that are cited, in the order in which they are; a claim's numbers count in this list."""
    read: list[Name]
    left_out: list[Name]


class Note(BaseModel):
    """What an editor has readers told where the documents say too little."""

    title: str = Field(min_length=3, max_length=120)
    text: str = Field(min_length=3, max_length=2_000)


_LEAD = re.compile(r"(?:> |[-*•–] |[0-9]{1,2}[.)] )+")
_WHOLE = re.compile(r"""["'“‘„«(]?[A-ZÀ-ÖØ-ÞΑ-ΩА-Я0-9].*[.!?…]["'”’»)]*""")


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the whole sentences of a text stand: half of one can say the opposite."""
    at = 0
    for line in text.split("\n"):
        cursor = at
        for sentence in sentences(line):
            start = text.index(sentence, cursor)
            cursor = start + len(sentence)
            if lead := _LEAD.match(sentence):
                start += lead.end()
            if _WHOLE.fullmatch(text, start, cursor):
                yield start, cursor
        at += len(line) + 1
