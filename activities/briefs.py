"""Briefs: what a model writes on quotations, what a critic has against it, and the brief as it would be published."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field

from activities.evidence import (
    MOST_CLAIMS,
    ONE_SENTENCE,
    Brief,
    Claim,
    Draft,
    Evidence,
    Fault,
    Findings,
    Passage,
    Remark,
    Request,
)
from activities.mail_text import one_line
from activities.passages import stems
from gatework import Budget, Collected, Untrusted, ask, role, stage
from guards.briefs import (
    LEAST_CLAIMS,
    answers_what_was_asked,
    cites_every_quotation,
    cites_what_there_is,
    fault,
    is_carried_by_its_own,
    is_carried_by_its_quotations,
    leaves_the_text_alone,
    quotes_its_documents,
    remarks_on_what_there_is,
    says_enough,
)

__all__ = ["Brief", "Draft", "compose", "criticise", "draft_brief", "name_of", "revise"]

WRITE = "Say in one plain sentence of your own what the quotation says about the question, and nothing else."
REVISE = (
    "A critic has a remark on the sentence that was written on a quotation. Say anew, in one plain sentence of your "
    "own, what the quotation says about the question, and nothing else."
)
CRITICISE = "Compare the sentence with the quotation that it was written on, and with the question. Is it well, or not?"

_BUDGET = Budget(model_calls=4 * MOST_CLAIMS, tokens=60_000)


class Task(BaseModel):
    """What the model is shown when it writes a sentence."""

    question: str
    quotation: str


class Work(BaseModel):
    """What the model is shown of a sentence that was written."""

    question: str
    quotation: str
    sentence: str
    remark: str = ""


class Sentence(BaseModel):
    """A sentence that the model writes."""

    sentence: str = Field(pattern=ONE_SENTENCE)


class Opinion(BaseModel):
    """What the critic says of a sentence. A word of a short list, so that no words of a document travel in it."""

    opinion: Literal["well", Fault]


@stage(
    says_enough,
    cites_what_there_is,
    is_carried_by_its_quotations,
    attempts=3,
    timeout=timedelta(minutes=10),
    budget=_BUDGET,
)
async def draft_brief(evidence: Untrusted[Evidence], request: Untrusted[Request]) -> Untrusted[Draft]:
    """Let the model write a sentence on each quotation; what its quotation does not carry is left out.

    A sentence is written on one quotation alone, so a document that gives orders has no hold on what is written on
    the others.
    """
    passages = evidence.value.passages
    claims: list[Claim] = []
    for number, passage in enumerate(passages[:MOST_CLAIMS], 1):
        task = Task(question=request.value.question, quotation=passage.quotation)
        claims += await _written(WRITE, task, [number], passages)
    return Untrusted(Draft(claims=_each_once(claims), remarks=[]))


@stage(
    says_enough,
    cites_what_there_is,
    is_carried_by_its_quotations,
    attempts=3,
    timeout=timedelta(minutes=10),
    budget=_BUDGET,
)
async def revise(
    text: Untrusted[Draft], evidence: Untrusted[Evidence], request: Untrusted[Request]
) -> Untrusted[Draft]:
    """Let the model write anew what was remarked on. What cannot be mended is left out, while enough is left."""
    passages, faults = evidence.value.passages, {remark.claim: remark.fault for remark in text.value.remarks}
    claims: list[Claim] = []
    for number, claim in enumerate(text.value.claims, 1):
        if number not in faults:
            claims.append(claim)
        elif faults[number] != "the same as another":
            work = _work(claim, passages, request.value, faults[number])
            claims += await _written(REVISE, work, claim.cites, passages)
    claims = _each_once(claims)
    # Else the critic would have talked the brief out of existence.
    return Untrusted(Draft(claims=claims if len(claims) >= LEAST_CLAIMS else text.value.claims, remarks=[]))


@stage(
    leaves_the_text_alone,
    remarks_on_what_there_is,
    attempts=2,
    timeout=timedelta(minutes=10),
    budget=_BUDGET,
)
async def criticise(
    draft: Untrusted[Draft], evidence: Untrusted[Evidence], request: Untrusted[Request]
) -> Untrusted[Draft]:
    """Remark on the sentences that should be written anew: what code sees by itself, and what the model sees."""
    remarks = {remark.claim: remark for remark in repetitions(draft.value)}
    for number, claim in enumerate(draft.value.claims, 1):
        if number in remarks:
            continue
        work = _work(claim, evidence.value.passages, request.value)
        said = await ask(Opinion, instructions=CRITICISE, about=Untrusted(work), max_output_tokens=40)
        if said.value.opinion != "well":
            remarks[number] = Remark(claim=number, fault=said.value.opinion)
    ordered = [remarks[number] for number in sorted(remarks)]
    return Untrusted(Draft(claims=draft.value.claims, remarks=ordered))


@stage(
    quotes_its_documents,
    cites_every_quotation,
    is_carried_by_its_own,
    answers_what_was_asked,
    timeout=timedelta(minutes=1),
    operator=role("editor"),
)
async def compose(
    text: Untrusted[Draft],
    evidence: Untrusted[Evidence],
    found: Untrusted[Collected[Findings]],
    request: Untrusted[Request],
) -> Untrusted[Brief]:
    """Put the brief together with the passages that it cites, numbered as they come."""
    return Untrusted(composed(text.value, evidence.value, request.value))


def composed(text: Draft, evidence: Evidence, request: Request) -> Brief:
    """The brief of a draft."""
    order = list(dict.fromkeys(number for claim in text.claims for number in claim.cites))
    return Brief(
        name=name_of(request.question),
        question=one_line(request.question, 300),
        title=one_line(request.question, 300),
        claims=[
            Claim(sentence=claim.sentence, cites=[order.index(number) + 1 for number in dict.fromkeys(claim.cites)])
            for claim in text.claims
        ],
        passages=[evidence.passages[number - 1] for number in order],
        read=evidence.read,
        left_out=evidence.left_out,
    )


def repetitions(text: Draft) -> list[Remark]:
    """Remarks on sentences that hold nothing but the words of one before them."""
    before: list[set[str]] = []
    remarks = []
    for number, claim in enumerate(text.claims, 1):
        words = stems(claim.sentence)
        if any(words <= earlier for earlier in before):
            remarks.append(Remark(claim=number, fault="the same as another"))
        before.append(words)
    return remarks


def name_of(question: str) -> str:
    """What the file of a brief on a question is called: words of the question, in plain letters."""
    plain = unicodedata.normalize("NFKD", question).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    name = ""
    for word in words:
        if len(name) + len(word) >= 60:
            break
        name = f"{name}-{word}" if name else word
    return name or "brief"


async def _written(instructions: str, about: Task | Work, cites: list[int], passages: Sequence[Passage]) -> list[Claim]:
    """The sentence that the model writes; none where it repeats the question, or its quotations do not carry it."""
    said = await ask(Sentence, instructions=instructions, about=Untrusted(about), max_output_tokens=120)
    claim = Claim(sentence=said.value.sentence, cites=cites)
    echo = stems(claim.sentence) <= stems(about.question)
    return [] if echo or fault(claim, passages) else [claim]


def _each_once(claims: list[Claim]) -> list[Claim]:
    return list({claim.sentence: claim for claim in reversed(claims)}.values())[::-1]


def _work(claim: Claim, passages: Sequence[Passage], request: Request, remark: str = "") -> Work:
    quotation = "\n".join(passages[number - 1].quotation for number in claim.cites)
    return Work(question=request.question, quotation=quotation, sentence=claim.sentence, remark=remark)
