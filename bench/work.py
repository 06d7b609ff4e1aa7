"""The work of `overhead.py`: a model of 1 KB, two guards, a body that does nothing else, and the activities by hand."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from gatework import Pass, Retry, Verdict


class Work(BaseModel):
    number: int
    text: str
    tags: list[str]

    @staticmethod
    def sample() -> Work:
        return Work(number=1, text="x" * 900, tags=["a", "b", "c"])


def is_positive(work: Work) -> Verdict:
    return Pass() if work.number > 0 else Retry("The number is positive.")


def has_text(work: Work) -> Verdict:
    return Pass() if work.text else Retry("There is text.")


def done(work: Work) -> Work:
    return work.model_copy(update={"number": work.number + 1})


@activity.defn
async def whole_stage(work: Work) -> Work:
    out = done(work)
    if not (is_positive(out).word == "pass" and has_text(out).word == "pass"):
        raise ValueError("guard")
    return out


@activity.defn
async def separate_stage(work: Work) -> Work:
    return done(work)


@activity.defn
async def separate_validate(work: Work) -> bool:
    Work.model_validate_json(work.model_dump_json(), strict=True)
    return True


@activity.defn
async def separate_guards(work: Work) -> bool:
    return is_positive(work).word == "pass" and has_text(work).word == "pass"
