"""The sides of `overhead.py`: the job as a plan, beside those written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from by_hand import Bare, Floor, Separate
from work import Work, done, has_text, is_positive, separate_guards, separate_stage, separate_validate, whole_stage

from gatework import stage, workflow

FLOOR, BARE, SEPARATE, GATEWORK = "floor", "bare", "separate", "gatework"


@stage(is_positive, has_text)
async def step(work: Work) -> Work:
    return done(work)


@workflow
def gatework(work: Work) -> Work:
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

    return GateworkPlugin(gatework)


def sides() -> dict[str, tuple[Sequence[type], Sequence[Any]]]:
    """Workflows and activities that each side's worker serves; the plugin brings those of Gatework."""
    return {
        FLOOR: ([Floor], [whole_stage]),
        BARE: ([Bare], [whole_stage]),
        SEPARATE: ([Separate], [separate_stage, separate_validate, separate_guards]),
        GATEWORK: ([], []),
    }
