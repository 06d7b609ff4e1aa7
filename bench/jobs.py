"""The job of `overhead.py`, three times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from gatework import Pass, Retry, Verdict, stage
    from gatework import workflow as plan

FLOOR, SEPARATE, GATEWORK = "floor", "separate", "gatework_job"


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
async def floor_stage(work: Work) -> Work:
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


@workflow.defn(name=FLOOR, sandboxed=False)
class Floor:
    @workflow.run
    async def run(self, work: Work) -> Work:
        for _ in range(10):
            work = await workflow.execute_activity(floor_stage, work, start_to_close_timeout=timedelta(minutes=1))
        return work


@workflow.defn(name=SEPARATE, sandboxed=False)
class Separate:
    @workflow.run
    async def run(self, work: Work) -> Work:
        limit = timedelta(minutes=1)
        for _ in range(10):
            work = await workflow.execute_activity(separate_stage, work, start_to_close_timeout=limit)
            assert await workflow.execute_activity(separate_validate, work, start_to_close_timeout=limit)
            assert await workflow.execute_activity(separate_guards, work, start_to_close_timeout=limit)
        return work


@stage(is_positive, has_text)
async def step(work: Work) -> Work:
    return done(work)


@plan
def gatework_job(work: Work) -> Work:
    one = step(work)
    two = step(one)
    three = step(two)
    four = step(three)
    five = step(four)
    six = step(five)
    seven = step(six)
    eight = step(seven)
    nine = step(eight)
    return step(nine)


def plugin() -> Any:
    from gatework.temporal import GateworkPlugin

    return GateworkPlugin(gatework_job)


def sides() -> dict[str, tuple[Sequence[type], Sequence[Any]]]:
    """Workflows and activities that each side's worker serves; the plugin brings those of Gatework."""
    return {
        FLOOR: ([Floor], [floor_stage]),
        SEPARATE: ([Separate], [separate_stage, separate_validate, separate_guards]),
        GATEWORK: ([], []),
    }
