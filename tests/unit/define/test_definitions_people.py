"""Who decides, as a plan says it: roles, quorum, identity, who may not, who is asked next, and the title."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from gatework import PlanError, approve
from gatework.plan.expr import Ref
from gatework.plan.plan import Approval, By, Work
from tests.unit.defining import Definitions

HEAD = """
class Case(BaseModel):
    amount: Decimal
    clerk: str
    clerk_id: OrderId
    desk: Literal["a", "b"]
    mail: Annotated[str, Field(max_length=50)]
    deputy: str | None
    helpers: list[str]

class Told(BaseModel):
    clerk: str

@stage()
async def open_case(mail: Untrusted[Mail]) -> Untrusted[Told]: ...
async def known(told: Told) -> Case: ...
@stage()
async def name(case: Endorsed[Case]) -> Endorsed[str]: ...
@stage()
async def close(case: Approved[Case]) -> Endorsed[Letter]: ...

@workflow
def plan(mail: Untrusted[Mail]) -> Endorsed[Letter]:
    told = open_case(mail)
    case = endorse(told, by=known)
"""


def written(line: str) -> str:
    """A plan in which a case is approved by that call."""
    return f"{HEAD}    {line}\n    return close(agreed)\n"


def approval(defining: Definitions, line: str) -> Approval:
    node: Approval = next(n for n in defining.load(written(line)).plan.plan.nodes if n.name == "agreed")
    return node


ROOT = Path(__file__).parents[3]

ROLES = {
    "nobody": ("role('f', quorum=0)", "the quorum of f is 0", "a number from 1 to 9"),
    "fewer than nobody": ("role('f', quorum=-1)", "the quorum of f is -1", "a number from 1 to 9"),
    "too many": ("role('f', quorum=10)", "the quorum of f is 10", "a number from 1 to 9"),
    "a flag": ("role('f', quorum=True)", "the quorum of f is True", "a number from 1 to 9"),
    "a broken number": ("role('f', quorum=2.0)", r"the quorum of f is 2\.0", "a number from 1 to 9"),
    "a text": ("role('f', quorum='2')", "the quorum of f is '2'", "a number from 1 to 9"),
    "nothing": ("role('f', quorum=None)", "the quorum of f is None", "a number from 1 to 9"),
    "an unknown identity": (
        "role('f', identity='trusted')",
        "'trusted' is no kind of identity",
        "none, claimed, authenticated, signed",
    ),
    "an identity that is no text": ("role('f', identity=2)", "2 is no kind of identity", "Use one of none"),
    "a quorum of nobody in particular": (
        "role('f', quorum=2, identity='none')",
        "f has a quorum, and nobody has to say who they are",
        "identity='claimed'",
    ),
    "no name": ("role('')", "'' is no name of a role", "Use letters"),
    "marks alone": ("role('-_-')", "no name of a role", "Use letters"),
}

APPROVALS = {
    "a constant that may not": ("not_by='Ana'", "what not_by names is not a value of the plan", "Pass a field"),
    "a constant among others": ("not_by=[case.value.clerk, 'Ana']", "not a value of the plan", "Pass a field"),
    "an untrusted name": (
        "not_by=told.value.clerk",
        r"the untrusted told\.clerk says who may not approve",
        "Use endorsed values",
    ),
    "an untrusted name among others": (
        "not_by=(case.value.clerk, told.value.clerk)",
        r"the untrusted told\.clerk says who",
        "Use endorsed values",
    ),
    "a number that may not": ("not_by=case.value.amount", r"case\.amount names nobody", "a text that is always there"),
    "a name that may be missing": ("not_by=case.value.deputy", r"case\.deputy names nobody", "always there"),
    "a list of names": ("not_by=case.value.helpers", r"case\.helpers names nobody", "always there"),
    "a model that may not": ("not_by=case", "case names nobody", "or an approved value"),
    "an untrusted model": ("not_by=told", "told names nobody", "or an approved value"),
    "nobody in particular, who are told apart": (
        "not_by=case.value.clerk",
        "agreed tells people of f from each other, and nobody has to say who they are",
        "identity='claimed'",
        "role('f', identity='none')",
    ),
    "nobody in particular in place of several": (
        "otherwise=role('board', identity='none')",
        "agreed tells people of board from each other, and nobody has to say who they are",
        "identity='claimed'",
        "role('f', quorum=2)",
    ),
    "nobody in particular before several": (
        "otherwise=role('board', quorum=2)",
        "agreed tells people of f from each other, and nobody has to say",
        "identity='claimed'",
        "role('f', identity='none')",
    ),
    "otherwise a text": ("otherwise='board'", "does not say who decides otherwise", r"otherwise=role\('…'\)"),
    "a title that is no text": ("title=7", "the title of an approval is no text", "pay {amount}"),
    "a title without its pair": ("title='pay {amount'", "the title of agreed has a brace without", "pay {amount}"),
    "a title that looks around": (
        "title='pay {amount.__class__}'",
        "the title of agreed formats what stands in braces",
        "pay {amount}",
    ),
    "a title that formats": ("title='pay {amount:>99999}'", "formats what stands in braces", "pay {amount}"),
    "a title of another value": (
        "title='pay {price} {amount} {currency}'",
        "the title of agreed names currency, which the value lacks",
        "Name a field of it",
    ),
    "a title that no line takes": ("title='pay\\n{amount}'", "is not printable text of at most 120", "pay {amount}"),
    "a title too long": ("title='x' * 121", "is not printable text of at most 120", "pay {amount}"),
    "a title of a value": ("title=case.value.clerk", "the title of an approval is no text", "pay {amount}"),
}


@pytest.mark.parametrize("case", ROLES)
def test_role_that_says_nothing_is_refused(case: str, defining: Definitions) -> None:
    """A role names people, how many of them, and how surely they must be known, or it is refused where it stands."""
    call, problem, fix = ROLES[case]
    defining.refused(f"{call}  # here", problem, fix)


@pytest.mark.parametrize("case", APPROVALS)
def test_approval_that_does_not_say_who_is_refused(case: str, defining: Definitions) -> None:
    """Who may not approve, who is asked next and what is asked are sealed in the plan, or it is refused."""
    argument, problem, fix, *who = APPROVALS[case]
    by = who[0] if who else "role('f')"
    defining.refused(written(f"agreed = approve(case, by={by}, {argument})  # here"), problem, fix)


def test_approver_whom_nobody_knows_holds_nobody_off(defining: Definitions) -> None:
    """Whoever approved a value can be held off only where they had to say who they are; or whoever did otherwise."""
    for first in ("role('f')", "role('f', identity='signed'), otherwise=role('g')"):
        source = HEAD.replace(
            "    case = endorse(told, by=known)\n",
            f"    case = endorse(told, by=known)\n    first = approve(case, by={first})\n    _ = close(first)\n",
        )
        line = (
            "    agreed = approve(close.as_('again')(first), by=role('g'), not_by=first)  # here\n    return agreed\n"
        )
        defining.refused(source + line, "nobody has to say who approves first", "role of first identity='claimed'")


IDENTITIES: dict[str, tuple[str, By, By | None]] = {
    "one": ("by=role('f')", By(role="f"), None),
    "one who is known": ("by=role('f', identity='claimed')", By(role="f", identity="claimed"), None),
    "two": ("by=role('f', quorum=2)", By(role="f", quorum=2, identity="authenticated"), None),
    "two by their word": (
        "by=role('f', quorum=2, identity='claimed')",
        By(role="f", quorum=2, identity="claimed"),
        None,
    ),
    "another": ("by=role('f'), not_by=case.value.clerk", By(role="f", identity="authenticated"), None),
    "another by their word": (
        "by=role('f', identity='claimed'), not_by=case.value.clerk",
        By(role="f", identity="claimed"),
        None,
    ),
    "one, else one": ("by=role('f'), otherwise=role('g')", By(role="f"), By(role="g")),
    "two, else one": (
        "by=role('f', quorum=2, identity='signed'), otherwise=role('g')",
        By(role="f", quorum=2, identity="signed"),
        By(role="g", identity="authenticated"),
    ),
    "one, else two": (
        "by=role('f'), otherwise=role('g', quorum=2)",
        By(role="f", identity="authenticated"),
        By(role="g", quorum=2, identity="authenticated"),
    ),
    "another, else another": (
        "by=role('f'), otherwise=role('g', identity='claimed'), not_by=[case.value.clerk]",
        By(role="f", identity="authenticated"),
        By(role="g", identity="claimed"),
    ),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_people_who_are_told_apart_are_authenticated_unless_the_plan_says_otherwise(
    case: str, defining: Definitions
) -> None:
    """Left out, the identity is `authenticated` where anybody who is asked is told from somebody else, else `none`."""
    arguments, first, second = IDENTITIES[case]
    node = approval(defining, f"agreed = approve(case, {arguments})")
    assert (node.by, node.otherwise) == (first, second)
    assert node.asks == ((first,) if second is None else (first, second))
    assert node.tells_apart is any(by.identity == "authenticated" or by.quorum > 1 or node.not_by for by in node.asks)


@pytest.mark.parametrize("field", ["clerk", "clerk_id", "desk", "mail"])
def test_every_text_can_name_somebody(field: str, defining: Definitions) -> None:
    """A field that is a text under a name of its own, out of a list, or of some form, is a text."""
    node = approval(defining, f"agreed = approve(case, by=role('f'), not_by=case.value.{field})")
    assert node.not_by == (Ref("case", (field,)),)


def test_several_may_not_approve_and_are_shown(defining: Definitions) -> None:
    """`not_by` takes one or several, of texts and approved values, and what it looks at is part of the evidence."""
    source = HEAD + (
        "    clerk = name(case)\n"
        "    first = approve(clerk, by=role('g', identity='claimed'))\n"
        "    agreed = approve(case, by=role('f'), not_by=[clerk, case.value.clerk, first])\n"
        "    return close(agreed)\n"
    )
    node: Approval = next(n for n in defining.load(source).plan.plan.nodes if n.name == "agreed")
    assert node.not_by == (Ref("clerk"), Ref("case", ("clerk",)), Ref("first"))
    assert {ref.node for ref in node.reads} == {"case", "clerk", "first"}
    assert approval(defining, "agreed = approve(case, by=role('f'), not_by=[])").not_by == ()


def test_title_is_sealed_as_it_is_written(defining: Definitions) -> None:
    """A title names fields of the approved value, and stands in the plan with its braces."""
    node = approval(defining, "agreed = approve(case, by=role('f'), title='pay {amount} {{sic}} to {clerk}')")
    assert node.title == "pay {amount} {{sic}} to {clerk}"


def test_stages_and_tools_say_who_decides_too(defining: Definitions) -> None:
    """A quorum and an identity can be asked of whoever answers for a stage, or lets a call happen."""
    source = (
        "@tool(approve_calls=role('f', quorum=3, identity='claimed'))\n"
        "async def look(order: str) -> str: ...\n"
        "@stage(operator=role('ops', quorum=2), tools=[look])\n"
        "async def work(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...\n"
        "@workflow\n"
        "def plan(owed: Endorsed[Owed]) -> Endorsed[Letter]:\n"
        "    return work(owed)\n"
    )
    (node,) = defining.load(source).plan.plan.nodes
    assert isinstance(node, Work)
    assert node.operator == By(role="ops", quorum=2, identity="authenticated")
    assert node.tools[0].approver == By(role="f", quorum=3, identity="claimed")


OVERRIDES = """
async def look(claim: Claim) -> Owed: ...
@stage(override=role("head", quorum=2))
async def read(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...
def right(owed: Owed) -> Verdict: ...
@stage()
async def mend(owed: Endorsed[Owed]) -> Endorsed[Owed]: ...
@stage()
async def write(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@workflow
def plan(mail: Untrusted[Mail]) -> Endorsed[Letter]:
    claim = read(mail)
    owed = endorse(claim, by=look, override=role("head", identity="signed"))
    better = repeat(mend, owed, until=right, rounds=2, override=role("head", identity="claimed"))
    return write(better)
"""


def test_stages_endorsers_and_loops_say_who_may_override(defining: Definitions) -> None:
    """Nobody may unless the plan says who; and whoever may is known as surely as a server vouches, or as it says."""
    plan = defining.load(OVERRIDES).plan.plan
    by = {node.name: node.override for node in plan.nodes if isinstance(node, Work)}
    assert by == {
        "claim": By(role="head", quorum=2, identity="authenticated"),
        "owed": By(role="head", identity="signed"),
        "mend": None,
        "better": By(role="head", identity="claimed"),
        "write": None,
    }


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("'head'", "override= names no role"),
        ("role('head', identity='none')", "head may override claim, and nobody has to say who they are"),
    ],
)
def test_override_by_nobody_is_refused(defining: Definitions, override: str, problem: str) -> None:
    """Who may override is a role, and somebody of it has to say who they are."""
    with pytest.raises(PlanError, match=problem.replace("(", "\\(")):
        defining.load(OVERRIDES.replace('role("head", quorum=2)', override))


def test_example_in_the_docs_is_a_plan(defining: Definitions) -> None:
    """What docs/workflows.md shows of approvals is taken as it stands there."""
    section = (ROOT / "docs" / "workflows.md").read_text().split("\n## Approvals\n")[1]
    example = section.split("```python\n")[1].split("```")[0]
    source = """
class Order(BaseModel):
    order: str
    amount: Decimal
    currency: str
    entered_by: str

async def owed_by_our_records(claim: Claim) -> Order: ...

@stage(tools=[refund_order])
async def pay(owed: Approved[Order]) -> Endorsed[Receipt]: ...

"""
    plan = defining.load(source + example).refund.plan
    node: Approval = next(n for n in plan.nodes if n.name == "agreed")
    assert node.asks == (
        By(role="finance", quorum=2, identity="authenticated"),
        By(role="board", identity="signed"),
    )
    documented = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section.split("\n## ")[0], re.MULTILINE)
    names = {name for cell in documented for name in re.findall(r"\w+", cell)}
    assert names == set(inspect.signature(approve).parameters) - {"value"}
