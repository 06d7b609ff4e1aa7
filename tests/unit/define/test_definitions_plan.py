"""What a plan says as a whole: names, constants, conditions, and that nothing is left lying about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gatework.plan.expr import Const, render
from gatework.plan.faults import faults
from gatework.plan.plan import Approval, Plan, Work
from gatework.values import wire
from tests.unit.defining import Definitions

OWED = "claim = extract(mail)\nowed = endorse(claim, by=look_up)\n"
END = "agreed = approve(owed, by=role('finance'))\nreturn send(draft(owed), pay(agreed))\n"

CONDITIONS = {
    "owed.value.amount > 100": "owed.amount > 100",
    "100 < owed.value.amount": "owed.amount > 100",
    "Decimal('1.50') >= owed.value.amount": "owed.amount <= 1.50",
    "owed.value.amount == Decimal('1e3')": "owed.amount == 1E+3",
    "owed.value.paid < owed.value.amount": "owed.paid < owed.amount",
    "owed.value.paid > 3": "owed.paid > 3",
    "owed.value.items != 3": "owed.items != 3",
    "owed.value.weight <= 1.5": "owed.weight <= 1.5",
    "owed.value.items < owed.value.weight": "owed.items < owed.weight",
    "owed.value.gift": "owed.gift == True",
    "owed.value.gift == False": "owed.gift == False",
    "owed.value.level != 'low'": "owed.level != 'low'",
    "owed.value.kind == Kind.NEW": "owed.kind == 'new'",
    "owed.value.kind == 'used'": "owed.kind == 'used'",
    "owed.value.order >= 'B'": "owed.order >= 'B'",
    "owed.value.due < date(2026, 1, 2)": "owed.due < 2026-01-02",
    "owed.value.seen > datetime(2026, 1, 2, tzinfo=UTC)": "owed.seen > 2026-01-02T00:00:00+00:00",
    "owed.value.customer.vip": "owed.customer.vip == True",
    "owed.value.value > 3": "owed.value > 3",
    "present(owed.value.friend)": "present(owed.friend)",
    "not_(present(owed.value.paid))": "not (present(owed.paid))",
    "any_of(owed.value.gift, all_of(owed.value.items > 1, owed.value.items < 9))": (
        "owed.gift == True or (owed.items > 1 and owed.items < 9)"
    ),
}

NO_CONDITIONS = {
    "True": "when= is a constant",
    "1 > 2": "when= is a constant",
    "Decimal(3) < 4": "when= is a constant",
    "'x'": "when= is a constant",
    "all_of()": "all_of of nothing",
    "any_of()": "any_of of nothing",
    "all_of(True)": "a part of all_of is a constant",
    "any_of(owed.value.gift, False)": "a part of any_of is a constant",
    "not_(True)": "what not_ turns round is a constant",
    "present(3)": "what present asks about is not a value",
    "owed.value.items == owed.value.items": "is a constant",
    "any_of(owed.value.gift, owed.value.items != owed.value.items)": "is a constant",
    "owed": "when= is a constant",
    "owed.value": "when= is a constant",
    "owed.value.items": "when= is a constant",
    "owed.value.customer > 3": "a Customer, which a plan cannot compare",
    "owed.value.tags == 'a'": r"a list\[str\], which a plan cannot compare",
    "owed.value.gift > False": "a bool, which a plan cannot compare",
    "owed.value.paid == None": "compared with None",
    "owed.value.friend == None": "compared with None",
    "owed.value.items > 'a'": "compared with a str",
    "owed.value.items > True": "compared with a bool",
    "owed.value.order > 3": "compared with a int",
    "owed.value.amount > 1.5": "compared with a float",
    "owed.value.paid > 1.5": "compared with a float",
    "owed.value.amount > Decimal('NaN')": "not finite",
    "owed.value.amount < Decimal('Infinity')": "not finite",
    "owed.value.weight < float('inf')": "not finite",
    "owed.value.items < 2**60": "whole number beyond",
    "owed.value.level == 'lo'": "is never 'lo'",
    "owed.value.kind == 'old'": "is never 'old'",
    "owed.value.order > owed.value.items": "different kinds",
    "owed.value.due < datetime(2026, 1, 2)": "a date",
    "owed.value.seen > date(2026, 1, 2)": "a datetime",
    "owed.value.friend.vip": "cannot look for vip",
    "owed.value.names.root": "cannot look for root",
    "owed.value.price > 3": "Owed has no field price",
    "owed.value.order.length > 3": "cannot look for length",
    "owed.value.gift == (owed.value.items > 3)": "",
    "(owed.value.items > 3) == (owed.value.items < 9)": "not known while the plan is traced",
}


@pytest.mark.parametrize("written", CONDITIONS)
def test_condition_is_sealed_as_data(written: str, defining: Definitions) -> None:
    """What a person reads in the plan is what was written."""
    plan = defining.plan(
        f"{OWED}agreed = approve(owed, by=role('f'), when={written})\nreturn send(draft(owed), pay(agreed))"
    )
    approval = plan.plan.nodes[plan.plan.index["agreed"]]
    assert isinstance(approval, Approval)
    assert approval.when is not None
    assert render(approval.when) == CONDITIONS[written]


@pytest.mark.parametrize("written", NO_CONDITIONS)
def test_condition_that_says_nothing_is_refused(written: str, defining: Definitions) -> None:
    """A condition compares values of the plan with values of their kind, and is no constant."""
    body = f"{OWED}agreed = approve(owed, by=role('f'), when={written})  # here\nreturn send(draft(owed), pay(agreed))"
    defining.refused_in_plan(body, NO_CONDITIONS[written], ".")


CONSTANTS = {
    "draft(owed)": {"tone": "warm", "style": {"warmth": 5}},
    "draft(owed, tone='cool')": {"tone": "cool", "style": {"warmth": 5}},
    "draft(style=Tone(), owed=owed)": {"tone": "warm", "style": {"warmth": 3}},
    "draft(owed, 'x', Tone(warmth=1))": {"tone": "x", "style": {"warmth": 1}},
    "draft(owed, f'{1 + 1} words')": {"tone": "2 words", "style": {"warmth": 5}},
    "audit(owed, note('a'), [1, 2])": {"limits": [1, 2], "note": None},
    "audit(owed, note=None, limits=list(range(3)), letter=Letter(body='b'))": {
        "limits": [0, 1, 2], "note": None, "letter": {"body": "b"},
    },
}  # fmt: skip


@pytest.mark.parametrize("call", CONSTANTS)
def test_constant_is_sealed_as_json(call: str, defining: Definitions) -> None:
    """Keywords, defaults and values of models alike."""
    plan = defining.plan(
        f"{OWED}last = {call}\nreturn last", gives=f"Endorsed[{'Sent' if 'audit' in call else 'Letter'}]"
    )
    node = plan.plan.nodes[-1]
    assert isinstance(node, Work)
    constants = {param.name: param.source.data for param in node.params if isinstance(param.source, Const)}
    assert constants == CONSTANTS[call]


@pytest.mark.parametrize(
    ("call", "problem", "fix"),
    [
        ("draft()", "missing a required argument: 'owed'", "Pass its inputs"),
        ("draft(owed, voice='x')", "unexpected keyword argument 'voice'", "Pass its inputs"),
        ("draft(owed, owed=owed)", "multiple values for argument 'owed'", "Pass its inputs"),
        ("draft(owed, 3)", "tone of draft gets a constant that breaks its contract", "Correct"),
        ("draft(owed, None)", "tone of draft gets a constant that breaks its contract", "Correct"),
        ("draft(owed, '\\ud800')", "tone of draft gets a constant that breaks", "Correct"),
        ("audit(owed, note('a'), [2**60])", "beyond 2", "Correct"),
        ("audit(owed, note('a'), (1, 2))", "limits of audit", "Correct"),
        ("draft(owed, style={'warmth': 3})", "style of draft", "Correct"),
        ("draft(owed, style=Tone.model_construct(warmth='x'))", "style of draft", "Correct"),
        ("draft(owed, note('a'))", "tone of draft is a str and gets note, a Letter", "of that type"),
        ("draft(mail)", "owed of draft is a Owed and gets mail, a Mail", "of that type"),
    ],
)  # fmt: skip
def test_input_that_breaks_its_contract_is_refused(call: str, problem: str, fix: str, defining: Definitions) -> None:
    """What a plan passes is checked when the plan is read."""
    defining.refused_in_plan(f"{OWED}last = {call}  # here\nreturn last", problem, fix)


@pytest.mark.parametrize(
    ("body", "problem", "fix"),
    [
        ("extract(mail)  # here\n", "nothing uses the output of this call", "_ = extract"),
        ("extra = extract.as_('extra')(mail)  # here\n", "nothing uses the output of extra", "_ = extra"),
        ("extra = draft(owed, 'x')  # here\n", "nothing uses the output of extra", "_ = extra"),
        ("claim = merge(claim, claim)  # here\n", "two nodes are named claim", "as_"),
        ("mail = extract(mail)  # here\n", "two nodes are named mail", "as_"),
        ("x = extract.as_('owed')(mail)  # here\n", "two nodes are named owed", "as_"),
        ("x = merge(extract(mail), extract(mail))  # here\n", "two nodes are named extract", "as_"),
    ],
)
def test_name_or_output_out_of_place_is_refused(body: str, problem: str, fix: str, defining: Definitions) -> None:
    """Each output is used or acknowledged, and each node has a name of its own."""
    defining.refused_in_plan(f"{OWED}{body}{END}", problem, fix)


def test_shown_value_is_used(defining: Definitions) -> None:
    """What a person is shown serves its purpose; so does what decides whether a person is asked."""
    plan = defining.plan(
        f"{OWED}letter = draft(owed)\nextra = endorse(extract.as_('b')(mail), by=look_up_customer)\n"
        "agreed = approve(owed, by=role('f'), show=[letter], when=extra.value.vip)\nreturn pay(agreed)",
        gives="Endorsed[Receipt]",
    )
    assert plan.plan.acknowledged == ()


@pytest.mark.parametrize(
    ("takes", "body", "gives", "problem", "fix"),
    [
        (
            "mail: Untrusted[Mail]",
            "return extract(mail)  # here",
            "Endorsed[Claim]",
            "another value",
            r"Untrusted\[Claim\]",
        ),
        (
            "mail: Untrusted[Mail]",
            "return extract(mail)  # here",
            "Untrusted[Mail]",
            "another value",
            r"Untrusted\[Claim\]",
        ),
        ("mail: Untrusted[Mail]", "return extract(mail)  # here", "Claim", "another value", r"Untrusted\[Claim\]"),
        ("mail: Untrusted[Mail]", "return extract(mail).value  # here", "Claim", "without the label", "extract itself"),
        ("mail: Untrusted[Mail]", "return [extract(mail)]  # here", "Claim", "not a value of the plan", "a stage gave"),
        ("mail: Untrusted[Mail]", "return 3  # here", "int", "not a value of the plan", "a stage gave"),
    ],
)
def test_result_that_is_not_as_declared_is_refused(
    takes: str, body: str, gives: str, problem: str, fix: str, defining: Definitions
) -> None:
    """A plan gives what it says."""
    defining.refused_in_plan(body, problem, fix, takes=takes, gives=gives)


@pytest.mark.parametrize(
    ("takes", "problem", "fix"),
    [
        ("", "takes 0 inputs", "Take one"),
        ("mail: Untrusted[Mail], sneaky: str = 'x'", "takes 2 inputs", "Take one"),
        ("mail: Approved[Mail]", "nobody has approved", "Untrusted or Endorsed"),
        ("mail", "mail has no type", "Annotate"),
        ("*mail: Mail", r"takes \*mail", "Name each"),
        ("mail: bytes", "mail is no contract: bytes", "JSON"),
    ],
)
def test_input_of_a_plan_is_one_declared_value(takes: str, problem: str, fix: str, defining: Definitions) -> None:
    """A run starts from one value, which nobody can have approved yet."""
    body = f"@workflow  # here\ndef plan({takes}) -> Untrusted[Mail]:\n    found = fetch()\n    return found\n"
    defining.refused(body, problem, fix)


TWICE = {
    "two stages": (
        "def make():\n    @stage()\n    async def extract(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...\n"
        "    return extract\nother = make()\n",
        "claim = merge(extract(mail), other.as_('b')(mail))  # here",
        "two definitions are named extract: at .*parts.py:",
    ),
    "two stages of one function": (
        "other = stage()(extract.function)\n",
        "claim = merge(extract(mail), other.as_('b')(mail))  # here",
        "two definitions are named extract",
    ),
    "a stage and an endorser": (
        "async def extract_(claim: Claim) -> Owed: ...\nextract_.__name__ = 'extract'\n",
        "owed = endorse(extract(mail), by=extract_)  # here",
        "two definitions are named extract",
    ),
    "two guards": (
        "def make():\n    def quotes(claim: Claim) -> Verdict: ...\n    return quotes\n"
        "@stage(make())\nasync def read(mail: Untrusted[Mail]) -> Untrusted[Claim]: ...\n",
        "claim = merge(extract(mail), read(mail))  # here",
        "two definitions are named the guard quotes",
    ),
    "two effects": (
        "@effect(once='order')\nasync def refund_order(key: IdempotencyKey, order: str) -> Receipt: ...\n"
        "@stage(tools=[refund_order])\nasync def pay_all(owed: Approved[Owed]) -> Endorsed[Receipt]: ...\n",
        "agreed = approve(endorse(extract(mail), by=look_up), by=role('f'))\n    _ = pay(agreed)\n"
        "    _ = pay_all(agreed)  # here",
        "two definitions are named the effect refund_order",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_two_definitions_of_one_name_are_refused(case: str, defining: Definitions) -> None:
    """A name in a receipt stands for one piece of code."""
    definitions, call, problem = TWICE[case]
    source = (
        f"{definitions}@workflow\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Claim]:\n    {call}\n    return claim\n"
    )
    defining.refused(source, problem, "Rename")


BASE = """\
class M(BaseModel):
    {model}

def check(m: M, mail: Mail) -> Verdict: ...
def check2(m: M) -> Verdict: ...

@stage({options})
async def work(mail: {label}[Mail]) -> {label}[M]{block}: ...

@workflow
def plan(mail: {label}[Mail]) -> {label}[M]:
    {docstring}
    m = work(mail)
    {more}
    return m
"""
SAME: dict[str, Any] = {
    "model": "a: int", "options": "check", "label": "Endorsed", "block": "", "docstring": "''", "more": "pass",
}  # fmt: skip


def digest(defining: Definitions, **changes: str) -> str:
    module = defining.load(BASE.format(**{**SAME, **changes}))
    plan: Plan = module.plan.plan
    return plan.digest


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "'''What it is.'''\n    a: int"},
        {"model": "a: int = Field(title='T', description='D', examples=[3], deprecated=True)"},
        {"model": "model_config = ConfigDict(title='T', json_schema_extra={'$comment': 'c'})\n    a: int"},
        {"model": "a: int = 3"},
        {"block": " | Block"},
        {"docstring": "'''What the plan is for.'''"},
    ],
)
def test_digest_of_a_plan_is_stable_over_prose(changes: dict[str, str], defining: Definitions) -> None:
    """Words for readers strand no run."""
    assert digest(defining, **changes) == digest(defining)


DEMANDS: list[dict[str, str]] = [
    {"model": "a: str"},
    {"model": "b: int"},
    {"model": "a: int\n    b: int = 1"},
    {"model": "a: int = Field(gt=0)"},
    {"model": "a: int | None"},
    {"options": ""},
    {"options": "check2"},
    {"options": "check, check2"},
    {"options": "check2, check"},
    {"options": "guard(check).on(mail='mail'), attempts=1, timeout=timedelta(seconds=5)"},
    {"options": "guard(timeout=timedelta(seconds=5))(check)"},
    {"options": "check, attempts=2"},
    {"options": "check, timeout=timedelta(seconds=61)"},
    {"options": "check, budget=Budget(model_calls=1, tokens=1)"},
    {"options": "check, operator=role('finance')"},
    {"options": "check, expires=timedelta(days=8)"},
    {"options": "check, tools=[refund_order]"},
    {"label": "Untrusted"},
    {"more": "_ = work.as_('again')(mail)"},
    {"more": "_ = approve(m, by=role('f'))"},
    {"more": "_ = approve(m, by=role('g'))"},
    {"more": "_ = approve(m, by=role('f'), click=True)"},
    {"more": "_ = approve(m, by=role('f'), show=[m])"},
    {"more": "_ = approve(m, by=role('f'), when=m.value.a > 3)"},
    {"more": "_ = approve(m, by=role('f'), when=m.value.a > 4)"},
    {"more": "_ = approve(m, by=role('f'), within=timedelta(1))"},
]


def test_digest_of_a_plan_changes_with_what_it_demands(defining: Definitions) -> None:
    """A run is held to exactly its plan: every two of these differ."""
    digests = [digest(defining), *(digest(defining, **changes) for changes in DEMANDS)]
    assert len(set(digests)) == len(DEMANDS) + 1


def test_plan_survives_the_wire(defining: Definitions) -> None:
    """What a lock file holds is the plan, to the digest."""
    plan = defining.plan(f"{OWED}_ = audit(owed, note('a'), [1], None)\n{END}").plan
    read: Plan = wire.decode(Plan, wire.encode(plan), what="plan")
    assert read == plan
    assert read.digest == plan.digest
    assert list(faults(read)) == []


def test_decimal_constants_keep_their_scale(defining: Definitions) -> None:
    """Money is compared as the decimals that were written."""
    assert Decimal("1.50") == Decimal("1.5")
    one = defining.plan(
        f"{OWED}agreed = approve(owed, by=role('f'), when=owed.value.amount > Decimal('1.50'))\nreturn pay(agreed)",
        gives="Endorsed[Receipt]",
    )
    assert '"1.50"' in wire.encode(one.plan).decode()
