"""A released plan is run with the tools that it granted, and with no others of their names."""

from __future__ import annotations

import pytest

from gatework.releases import lock
from gatework.releases.library import Library
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

CHECKED = """\
def long_enough(letter: Letter{asks}) -> Verdict: ...

@stage(long_enough, attempts={attempts})
async def work({reads}) -> Endorsed[{made}]: ...

@workflow
def plan({reads}) -> Endorsed[{made}]:
    return work({given})
"""
CHECKED_USUAL = {"asks": "", "attempts": "1", "reads": "owed: Endorsed[Owed]", "made": "Letter", "given": "owed"}

CONTRACTS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "the same": ({}, {}, ""),
    "another result": (
        {"asks": ", owed: Owed"},
        {"asks": ", owed: Owed", "made": "Longer"},
        "work gives another type than when the plan was sealed (the field pages is new (required, a whole number))",
    ),
    "another input": (
        {},
        {"reads": "owed: Endorsed[Owing]"},
        "work takes other inputs than when the plan was sealed (owed: the field since is new (required, text))",
    ),
    "another name of an input": (
        {},
        {"reads": "debt: Endorsed[Owed]", "given": "debt"},
        "work takes other inputs than when the plan was sealed (owed is gone; debt is new)",
    ),
    "a guard that asks for more": (
        {},
        {"asks": ", owed: Owed"},
        "the guard long_enough asks for owed, which the plan does not hand it",
    ),
    "a guard that asks for less": ({"asks": ", owed: Owed"}, {}, "the guard long_enough takes owed no more"),
}
MODELS = """
class Longer(Letter):
    pages: int

class Owing(Owed):
    since: str

"""


@pytest.mark.parametrize("case", CONTRACTS)
def test_released_plan_waits_where_a_contract_is_another_and_says_which(case: str, defining: Definitions) -> None:
    """The node, and what is another there in words; a guard must be one that can be asked as the plan has it."""
    then, now, problem = CONTRACTS[case]
    released = defining.load(MODELS + CHECKED.format(**{**CHECKED_USUAL, **then})).plan
    assert lock.write(released)
    deployed = defining.load(MODELS + CHECKED.format(**{**CHECKED_USUAL, "attempts": "2", **now})).plan
    known = Library([deployed]).find("plan", released.plan.digest)
    assert known is not None
    assert [(one.node, one.reason) for one in known.unfit] == ([("work", problem)] if problem else [])
    assert known.problem == problem


def test_library_says_of_a_released_plan_which_code_is_another(defining: Definitions) -> None:
    """The newest plan and earlier ones, each against what was recorded at its own release."""
    first = defining.load(CHECKED.format(**CHECKED_USUAL)).plan
    assert lock.write(first)
    second = defining.load(CHECKED.format(**{**CHECKED_USUAL, "attempts": "2"}).replace("...", "return Pass()", 1)).plan
    assert lock.write(second, weaken=True)
    library = Library([second])
    new, old = library.plans("plan")
    assert library.recoded(new) == {}
    assert list(library.recoded(old)) == ["guard:long_enough"]
    assert library.attempt_code(new, "work") == library.attempt_code(old, "work") != ""
    assert library.attempt_code(new, "work") != Library([first]).attempt_code(Library([first]).plans("plan")[0], "work")


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
