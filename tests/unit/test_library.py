"""A released plan is run with the tools that it granted, and with no others of their names."""

from __future__ import annotations

import pytest

from gatework import lock
from gatework.library import Library
from tests.unit.defining import Definitions

SOURCE = """\
@{decorator}
async def look({takes}) -> {gives}: ...

@stage(tools=[look{limits}]{more})
async def work({reads}) -> {made}[Letter]: ...

@workflow
def plan({reads}) -> {made}[Letter]:
    return work(owed)
"""
USUAL = {
    "decorator": "tool", "takes": "order: str", "gives": "str", "limits": "", "more": "", "made": "Endorsed",
    "reads": "owed: Endorsed[Owed]",
}  # fmt: skip
EFFECT = {"decorator": "effect(once='order')", "takes": "key: IdempotencyKey, order: str"}
PROBED = {"decorator": "effect(once='order', probe=find)"}

NOW: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "limits of another plan": ({}, {"limits": ".only(order='A')"}, ""),
    "another time": ({}, {"decorator": "tool(timeout=timedelta(seconds=5))"}, ""),
    "another approver": ({}, {"decorator": "tool(approve_calls=role('ops'))"}, ""),
    "a mark less": ({"decorator": "tool(private=True)"}, {}, ""),
    "outside text": (
        {"made": "Untrusted", "reads": "owed: Untrusted[Owed]"},
        {"decorator": "tool(untrusted=True)", "made": "Untrusted", "reads": "owed: Untrusted[Owed]"},
        "look is untrusted, which it was not",
    ),
    "what must not leave": ({}, {"decorator": "tool(private=True)"}, "look is private, which it was not"),
    "a way out": ({}, {"decorator": "tool(egress=True)"}, "look is egress, which it was not"),
    "other arguments": ({}, {"takes": "order: str, more: int = 3"}, "another contract of its arguments"),
    "another result": ({}, {"gives": "int"}, "another contract of its result"),
    "an effect": ({}, EFFECT, "another kind"),
    "another business key": (
        {**EFFECT, "takes": "key: IdempotencyKey, order: str, mail: str"},
        {"decorator": "effect(once='mail')", "takes": "key: IdempotencyKey, order: str, mail: str"},
        "another business key",
    ),
    "no probe": ({**EFFECT, **PROBED}, EFFECT, "has no probe any more"),
}  # fmt: skip

PROBE = "async def find(key: IdempotencyKey) -> str | None: ...\n"


@pytest.mark.parametrize("case", NOW)
def test_released_plan_waits_where_its_tool_is_another_now(case: str, defining: Definitions) -> None:
    """What it takes, gives, is keyed by and is marked as must be what was sealed; its limits are the plan's own."""
    then, now, problem = NOW[case]
    released = defining.load(PROBE + SOURCE.format(**{**USUAL, **then})).plan
    assert lock.write(released)
    deployed = defining.load(PROBE + SOURCE.format(**{**USUAL, **now, "more": ", attempts=2"})).plan
    known = Library([deployed]).find("plan", released.plan.digest)
    assert known is not None
    if problem:
        assert problem in known.problem
    else:
        assert known.problem == ""
        assert known.plan.nodes == released.plan.nodes
