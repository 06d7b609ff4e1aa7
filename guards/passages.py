"""Guards of passages: a quotation stands in its document word for word, where it says that it does.

They go by the document's text alone, whoever chose the passage: a model, a stage, a person who edits.
"""

from __future__ import annotations

from collections.abc import Sequence

from activities.evidence import Findings, Passage, Transcript, sentence_spans
from gatework import Pass, Retry, Verdict
from guards.instructions import gives_orders, mixes_alphabets


def are_words_of_the_document(findings: Findings, transcript: Transcript) -> Verdict:
    """Each quotation is the document's text between its offsets, and names this document and the place in it."""
    if findings.transcript != transcript:
        return Retry("Change nothing in the document.")
    for number, passage in enumerate(findings.passages, 1):
        if fault := misquotes(passage, transcript):
            return Retry(f"Quotation {number} {fault}.")
    return Pass("Every quotation stands in the document word for word.")


def are_whole_sentences(findings: Findings, transcript: Transcript) -> Verdict:
    """A quotation begins where a sentence begins and ends where one ends: half of one can say the opposite."""
    spans = list(sentence_spans(transcript.text))
    for number, passage in enumerate(findings.passages, 1):
        if not is_whole(passage, spans):
            return Retry(f"Quotation {number} is no whole sentence.")
    return Pass("Every quotation is a whole sentence.")


def speak_to_no_machine(findings: Findings) -> Verdict:
    """No quotation gives orders to whoever reads it.

    A list of words, so no proof: it catches what is planted plainly. What comes through all the same is a quotation
    like any other, which is printed as one and is read by the editor before anything is published.
    """
    for number, passage in enumerate(findings.passages, 1):
        if gives_orders(passage.quotation) or mixes_alphabets(passage.quotation):
            return Retry(f"Quotation {number} gives orders to its reader: choose one that answers the question.")
    return Pass("No quotation gives orders.")


def say_something(findings: Findings) -> Verdict:
    """Quotations differ, and do not lie upon each other."""
    taken: list[tuple[int, int]] = []
    for passage in findings.passages:
        if any(passage.start < end and start < passage.end for start, end in taken):
            return Retry("Choose each sentence once.")
        taken.append((passage.start, passage.end))
    return Pass("The quotations differ.")


def misquotes(passage: Passage, transcript: Transcript) -> str:
    """What is wrong with a passage as one of a document; empty where nothing is."""
    if (passage.document, passage.digest) != (transcript.name, transcript.digest):
        return "is said to stand in another document"
    if not 0 <= passage.start < passage.end <= len(transcript.text):
        return "has no place in the document"
    if not passage.quotation.strip() or transcript.text[passage.start : passage.end] != passage.quotation:
        return "is not what stands at its place in the document"
    if (passage.unit, passage.place) != (transcript.unit, transcript.place(passage.start)):
        return "stands elsewhere in the document than it says"
    return ""


def is_whole(passage: Passage, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a passage is one or more whole sentences of a paragraph."""
    begins, ends = {start for start, _ in spans}, {end for _, end in spans}
    return passage.start in begins and passage.end in ends and "\n" not in passage.quotation
