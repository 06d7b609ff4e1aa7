"""Passages: what a document says about a question, chosen by a model among its sentences and never written by it."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import BaseModel

from activities.evidence import (
    MOST_PASSAGES,
    Evidence,
    Findings,
    Passage,
    Request,
    Silence,
    Transcript,
    sentence_spans,
)
from activities.mail_text import one_line
from gatework import Budget, Collected, Untrusted, ask, stage
from guards.passages import (
    are_whole_sentences,
    are_words_of_the_document,
    say_something,
    speak_to_no_machine,
)

__all__ = ["Evidence", "Findings", "Passage", "Silence", "quote", "weigh"]

QUOTE = (
    "Which sentences of the document answer the question best? Copy up to three, the best first, each once. "
    "Leave empty what is not needed; all three where no sentence answers."
)

MOST_OFFERED = 12
"""Sentences of a document among which the model chooses, so that a long document costs no more than a short one."""
LEAST_PASSAGES, LEAST_DOCUMENTS = 3, 2
"""What a brief has to rest on."""

_WORD = re.compile(r"[^\W_]{3,}")
_COMMON = frozenset(
    "about all also and any are been but can could did does for from had has have her him his how into its just like "
    "may more most much not one only other our out over she should some than that the their them then there these they "
    "this those too very was were what when where which who why will with would you your first done".split()
)


class Page(BaseModel):
    """What the model is shown of a document."""

    question: str
    sentences: list[str]


class Reading(BaseModel):
    """The sentences that answer, as they stand in the document."""

    first: str
    second: str
    third: str


@stage(
    are_words_of_the_document,
    are_whole_sentences,
    speak_to_no_machine,
    say_something,
    attempts=3,
    timeout=timedelta(minutes=5),
    budget=Budget(model_calls=6, tokens=30_000),
)
async def quote(transcript: Untrusted[Transcript], request: Untrusted[Request]) -> Untrusted[Findings]:
    """Let the model choose the sentences of a document that answer the question.

    Code finds the sentences that share words with it, and where they stand; a model can choose badly, and invent
    nothing. A document that has none is not asked about. The guards look at what came of it, without believing any
    of this.
    """
    text, question = transcript.value.text, request.value.question
    offered = candidates(text, question)
    if not offered:
        return Untrusted(Findings(transcript=transcript.value, passages=[]))
    sentences = list(offered)
    reading = await ask(
        Reading,
        instructions=QUOTE,
        about=Untrusted(Page(question=question, sentences=sentences)),
        one_of={"first": ["", *sentences], "second": ["", *sentences], "third": ["", *sentences]},
        max_output_tokens=600,
    )
    chosen = dict.fromkeys(filter(None, (reading.value.first, reading.value.second, reading.value.third)))
    passages = [passage(transcript.value, *offered[sentence]) for sentence in chosen]
    return Untrusted(Findings(transcript=transcript.value, passages=passages))


@stage(timeout=timedelta(minutes=1))
async def weigh(found: Untrusted[Collected[Findings]], request: Untrusted[Request]) -> Untrusted[Evidence | Silence]:
    """Put together what the documents say, each sentence once; or find that it is too little to write on."""
    return Untrusted(weighed(found.value.values, request.value))


def candidates(text: str, question: str) -> dict[str, tuple[int, int]]:
    """The sentences of a text that share most words with a question, with where they stand, in their order."""
    wanted = stems(question)
    scored: list[tuple[int, int, int]] = []
    for start, end in sentence_spans(text):
        words = stems(text[start:end])
        if len(_WORD.findall(text[start:end])) >= 4 and (shared := len(wanted & words)):
            scored.append((-shared, start, end))
    best = sorted(scored)[:MOST_OFFERED]
    offered: dict[str, tuple[int, int]] = {}
    for _, start, end in sorted(best, key=lambda each: each[1]):
        offered.setdefault(text[start:end], (start, end))
    return offered


def passage(transcript: Transcript, start: int, end: int) -> Passage:
    """A passage of a document."""
    return Passage(
        document=transcript.name,
        digest=transcript.digest,
        start=start,
        end=end,
        unit=transcript.unit,
        place=transcript.place(start),
        quotation=transcript.text[start:end],
    )


def weighed(found: list[Findings], request: Request) -> Evidence | Silence:
    """The first passage of each document, then the second of each, so that no document crowds out another.

    Among those of one rank the passages come first that share most words with the question.
    """
    wanted = stems(request.question)
    once: dict[str, Passage] = {}
    for rank in range(max((len(each.passages) for each in found), default=0)):
        level = [one for findings in found for one in findings.passages[rank : rank + 1]]
        for one in sorted(level, key=lambda each: -len(wanted & stems(each.quotation))):
            once.setdefault(one.quotation, one)
    passages = list(once.values())[:MOST_PASSAGES]
    read = [findings.transcript.name for findings in found]
    known = {findings.transcript.digest for findings in found}
    left_out = [one_line(document.name, 200) for document in request.documents if document.sha256 not in known]
    if len(passages) < LEAST_PASSAGES or len({one.digest for one in passages}) < LEAST_DOCUMENTS:
        return Silence(passages=passages, read=read, left_out=left_out)
    return Evidence(passages=passages, read=read, left_out=left_out)


def stems(text: str) -> set[str]:
    """Words that carry meaning, cut to their first five letters, so that `heating` finds `heated`."""
    return {word[:5] for word in _WORD.findall(text.casefold()) if word not in _COMMON}
