"""Guards of a brief: every sentence rests on quotations, and every quotation stands in its document.

They hold whoever wrote: a model that drafts, one that revises, an editor who corrects what is put before them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from activities.evidence import Brief, Claim, Draft, Evidence, Findings, Passage, Request, sentence_spans
from activities.mail_text import one_line
from gatework import Collected, Pass, Retry, Verdict
from guards.instructions import gives_orders, mixes_alphabets
from guards.passages import is_whole, misquotes

LEAST_CLAIMS = 2
"""Sentences of a brief."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")
_LINK = re.compile(r"://|\bwww\.|@|\bmailto:|\bjavascript:", re.IGNORECASE)
_LEAST_SHARED = 1 / 3
"""Of the longer words of a sentence, those that its quotations hold as well."""
_LONGEST = 60
"""Words of a sentence."""

# -- of a draft -----------------------------------------------------------------------------------------


def says_enough(text: Draft) -> Verdict:
    """A brief is more than a sentence, and says nothing twice."""
    sentences = {claim.sentence for claim in text.claims}
    if len(sentences) == len(text.claims) >= LEAST_CLAIMS:
        return Pass("The draft says something.")
    return Retry("Write sentences that are carried by their quotations, each once.")


def cites_what_there_is(text: Draft, evidence: Evidence) -> Verdict:
    """The numbers of quotations are those of quotations that there are, each once in a sentence."""
    for number, claim in enumerate(text.claims, 1):
        if len(set(claim.cites)) < len(claim.cites) or any(cited > len(evidence.passages) for cited in claim.cites):
            return Retry(f"Sentence {number} cites a quotation that there is not, or one twice.")
    return Pass("Every sentence cites quotations that there are.")


def is_carried_by_its_quotations(text: Draft, evidence: Evidence) -> Verdict:
    """No sentence has a fault that can be seen without understanding it; see `fault`."""
    return _carried(text.claims, evidence.passages)


def nothing_to_mend(text: Draft) -> Verdict:
    """The critic has no remark on the draft."""
    if not text.remarks:
        return Pass("The critic has nothing against it.")
    said = "; ".join(f"sentence {remark.claim} is {remark.fault}" for remark in text.remarks)
    return Retry(f"The critic says: {said}.")


def leaves_the_text_alone(text: Draft, draft: Draft) -> Verdict:
    """A critic remarks, and changes nothing."""
    if text.claims == draft.claims:
        return Pass("The critic changed nothing.")
    return Retry("Change nothing in the draft.")


def remarks_on_what_there_is(text: Draft) -> Verdict:
    """Remarks are on sentences that there are, one on each."""
    numbers = [remark.claim for remark in text.remarks]
    if len(set(numbers)) == len(numbers) and all(number <= len(text.claims) for number in numbers):
        return Pass("Every remark is on a sentence.")
    return Retry("Remark on sentences that there are, once on each.")


# -- of a brief -----------------------------------------------------------------------------------------


def quotes_its_documents(brief: Brief, found: Collected[Findings]) -> Verdict:
    """Every quotation is whole sentences of one of the documents, word for word at its place, and gives no orders."""
    known = {findings.transcript.digest: findings.transcript for findings in found.values}
    for number, passage in enumerate(brief.passages, 1):
        transcript = known.get(passage.digest)
        if transcript is None:
            return Retry(f"Quotation {number} is of a document that was not read.")
        if fault := misquotes(passage, transcript):
            return Retry(f"Quotation {number} {fault}.")
        if not is_whole(passage, list(sentence_spans(transcript.text))):
            return Retry(f"Quotation {number} is no whole sentence.")
        if gives_orders(passage.quotation) or mixes_alphabets(passage.quotation):
            return Retry(f"Quotation {number} gives orders to its reader.")
    return Pass("Every quotation stands in its document word for word.")


def cites_every_quotation(brief: Brief) -> Verdict:
    """Every sentence cites quotations of the brief, and every quotation is cited."""
    cited = {number for claim in brief.claims for number in claim.cites}
    once = all(len(set(claim.cites)) == len(claim.cites) for claim in brief.claims)
    if once and cited == set(range(1, len(brief.passages) + 1)):
        return Pass("Sentences and quotations belong together.")
    return Retry("Cite each quotation of the brief, no other, and none twice in a sentence.")


def is_carried_by_its_own(brief: Brief) -> Verdict:
    """What is asked of the sentences of a draft holds of those of the brief, edited or not; and of its title."""
    if why := _unplain(brief.title):
        return Retry(f"The title {why}.")
    return _carried(brief.claims, brief.passages)


def answers_what_was_asked(brief: Brief, request: Request, evidence: Evidence) -> Verdict:
    """The brief gives the question as it was asked, and all documents, read and left out."""
    if brief.question != one_line(request.question, 300):
        return Retry("Give the question as it was asked.")
    if (brief.read, brief.left_out) != (evidence.read, evidence.left_out):
        return Retry("Name all documents that were read, and those that were left out.")
    return Pass("The brief says what was asked and what was read.")


# -- what both are asked ------------------------------------------------------------------------------


def fault(claim: Claim, passages: Sequence[Passage]) -> str:
    """What is wrong with a sentence as one that rests on its quotations; empty where nothing can be seen.

    Its figures stand in them, and so does a third of its longer words. This catches an invented figure and a sentence
    about something else. It is no proof that the sentence follows from what it cites: that is for the editor.
    """
    quoted = "\n".join(passages[number - 1].quotation for number in claim.cites if number <= len(passages))
    if not set(_NUMBER.findall(claim.sentence)) <= set(_NUMBER.findall(quoted)):
        return "holds a figure that its quotations do not hold"
    words = _stems(claim.sentence)
    if not words or len(words & _stems(quoted)) < _LEAST_SHARED * len(words):
        return "says something else than the quotations that it cites"
    return _unplain(claim.sentence)


def _carried(claims: Sequence[Claim], passages: Sequence[Passage]) -> Verdict:
    for number, claim in enumerate(claims, 1):
        if why := fault(claim, passages):
            return Retry(f"Sentence {number} {why}.")
    return Pass("Every sentence is carried by its quotations.")


def _unplain(text: str) -> str:
    """Why a text is no plain line; empty where it is one."""
    if not text.strip() or not text.isprintable() or len(text.split()) > _LONGEST or "  " in text:
        return "is no plain sentence"
    if _LINK.search(text):
        return "leads elsewhere: write no link and no address"
    if mixes_alphabets(text) or gives_orders(text):
        return "gives orders to its reader"
    words = re.findall(r"\w+", text.casefold())
    groups = list(zip(*(words[start:] for start in range(4)), strict=False))
    # As they do where a model has lost its thread.
    return "repeats itself" if len(set(groups)) < len(groups) else ""


def _stems(text: str) -> set[str]:
    return {word[:5] for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())}
