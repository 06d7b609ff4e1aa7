"""What the tests of briefs are made of: transcripts, passages, and parts of the workflow as plans of their own."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from activities.briefs import compose, criticise, draft_brief, revise
from activities.evidence import Brief, Claim, Draft, Evidence, Findings, Passage, Request, Transcript
from activities.passages import passage, quote
from activities.press import Published, publish
from gatework import Collected, Document, Endorsed, Untrusted, approve, role, stage, workflow

QUESTION = "Is the old house warm?"
TEXTS = {
    "a.txt": "The old house is warm. It has 12 rooms.\nNobody sleeps in the cellar of the house.",
    "b.txt": "An old house is never warm enough for a cat. Cats sleep elsewhere.",
    "c.txt": "The stove of the house burns wood since 1911.",
}
DIGESTS = {name: f"{number:064x}" for number, name in enumerate(TEXTS, 1)}
REQUEST = Request(
    question=QUESTION,
    documents=[
        Document(sha256=digest, size_bytes=1, media_type="text/plain", name=name)
        for name, digest in [*DIGESTS.items(), ("lost.pdf", "f" * 64)]
    ],
)


def transcript(name: str = "a.txt", text: str = "") -> Transcript:
    text = text or TEXTS[name]
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]
    return Transcript(name=name, digest=DIGESTS[name], unit="line", starts=starts, text=text)


def quoted(sentence: str, name: str = "a.txt", **changes: Any) -> Passage:
    """A passage of a transcript; with something about it changed."""
    found = transcript(name)
    start = found.text.index(sentence)
    return passage(found, start, start + len(sentence)).model_copy(update=changes)


WARM = quoted("The old house is warm.")
ROOMS = quoted("It has 12 rooms.")
CAT = quoted("An old house is never warm enough for a cat.", "b.txt")
STOVE = quoted("The stove of the house burns wood since 1911.", "c.txt")
FOUND = Collected[Findings](
    values=[
        Findings(transcript=transcript("a.txt"), passages=[WARM]),
        Findings(transcript=transcript("b.txt"), passages=[CAT]),
        Findings(transcript=transcript("c.txt"), passages=[STOVE]),
    ],
    failed=[],
)
EVIDENCE = Evidence(passages=[WARM, CAT, STOVE], read=list(TEXTS), left_out=["lost.pdf"])


def claim(sentence: str, *cites: int) -> Claim:
    return Claim(sentence=sentence, cites=list(cites) or [1])


GOOD = Draft(
    claims=[claim("The house is warm, as old as it is.", 1), claim("The stove of 1911 still burns wood.", 3)],
    remarks=[],
)
BRIEF = Brief(
    name="is-the-old-house-warm",
    question=QUESTION,
    title=QUESTION,
    claims=[claim("The house is warm, as old as it is.", 1), claim("The stove of 1911 still burns wood.", 2)],
    passages=[WARM, STOVE],
    read=list(TEXTS),
    left_out=["lost.pdf"],
)


class Given(BaseModel):
    """What the stages of a brief are given one by one."""

    transcript: Transcript = transcript()
    found: Collected[Findings] = FOUND
    evidence: Evidence = EVIDENCE
    request: Request = REQUEST


@stage()
async def one(given: Untrusted[Given]) -> Untrusted[Transcript]:
    return Untrusted(given.value.transcript)


@stage()
async def what_was_found(given: Untrusted[Given]) -> Untrusted[Collected[Findings]]:
    return Untrusted(given.value.found)


@stage()
async def what_they_say(given: Untrusted[Given]) -> Untrusted[Evidence]:
    return Untrusted(given.value.evidence)


@stage()
async def what_is_asked(given: Untrusted[Given]) -> Untrusted[Request]:
    return Untrusted(given.value.request)


@workflow
def quoting(given: Untrusted[Given]) -> Untrusted[Findings]:
    transcript = one(given)
    request = what_is_asked(given)
    return quote(transcript, request)


@workflow
def writing(given: Untrusted[Given]) -> Endorsed[Published]:
    found = what_was_found(given)
    evidence = what_they_say(given)
    request = what_is_asked(given)
    first = draft_brief(evidence, request)
    seen = criticise(first, evidence, request)
    second = revise(seen, evidence, request)
    brief = compose(second, evidence, found, request)
    agreed = approve(brief, by=role("editor"))
    return publish(agreed)
