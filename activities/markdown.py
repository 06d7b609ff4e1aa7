"""A brief as Markdown, with a footnote for each passage. Nothing that a document, a model or a person wrote is markup.

Quotations are code spans, in which no renderer looks for markup, links or HTML, and which hold them letter by letter:
a passage can be searched for in the file as it stands in its document. Prose is escaped.
"""

from __future__ import annotations

import re

from activities.evidence import Brief, Claim, Note, Passage

_MARK = re.compile(
    r"(?<=[^\W_])-(?=[^\W_])"  # a hyphen in a word
    r"|(?<=[^\W\d_])[.](?=\s|$)|[:](?=\s)"  # what ends a sentence or goes before a list, and is no part of an address
    r"|[,;'?!%]"
    r"|([!-/:-@\[-`{-~])"
)
"""ASCII punctuation; the group holds what Markdown may read as markup."""


def brief_as_markdown(brief: Brief) -> str:
    """The brief: its sentences, what was read, and the passages."""
    claims = "\n\n".join(_claim(claim) for claim in brief.claims)
    digests = {passage.document: f", SHA-256 {code(passage.digest)}" for passage in brief.passages}
    read = "\n".join(f"- {code(name)}{digests.get(name, '')}" for name in brief.read)
    left_out = "\n".join(f"- {code(name)}" for name in brief.left_out)
    notes = "\n\n".join(_footnote(number, passage) for number, passage in enumerate(brief.passages, 1))
    asked = [f"Asked was: {escaped(brief.question)}"] if brief.question != brief.title else []
    parts = [f"# {escaped(brief.title)}", *asked, claims, f"## Documents read\n\n{read}"]
    if left_out:
        parts.append(
            f"## Documents left out\n\nThey could not be read, or what was quoted of them was refused.\n\n{left_out}"
        )
    return "\n\n".join([*parts, notes]) + "\n"


def note_as_markdown(note: Note) -> str:
    """What an editor wrote, as plain paragraphs."""
    paragraphs = [escaped(paragraph) for paragraph in note.text.split("\n") if paragraph.strip()]
    return "\n\n".join([f"# {escaped(note.title)}", *paragraphs]) + "\n"


def escaped(text: str) -> str:
    """Text on one line that Markdown shows as it is."""
    return _MARK.sub(lambda found: f"\\{found[1]}" if found[1] else found[0], " ".join(text.split()))


def code(text: str) -> str:
    """Text on one line as a code span: between more backticks than follow each other in it."""
    line = " ".join(text.split())
    marks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{pad}{line}{pad}{marks}"


def _claim(claim: Claim) -> str:
    return escaped(claim.sentence) + "".join(f"[^{number}]" for number in claim.cites)


def _footnote(number: int, passage: Passage) -> str:
    where = f"{passage.unit} {passage.place}, characters {passage.start} to {passage.end}"
    return f"[^{number}]: {code(passage.document)}, {where}: {code(passage.quotation)}"
