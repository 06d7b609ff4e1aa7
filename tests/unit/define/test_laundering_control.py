"""Every way that control flow offers to lose a label, or to let outside text pick; each is refused."""

from __future__ import annotations

import pytest

from gatework.plan.faults import faults
from gatework.plan.labels import Label
from gatework.plan.plan import Plan
from tests.unit.define.test_definitions_control import KIT
from tests.unit.defining import Definitions

MORE = """\
@stage(tools=[refund_order])
async def pay_known(owed: Endorsed[Owed]) -> Endorsed[Receipt]: ...
@tool(private=True)
async def diary(order: str) -> Letter: ...
@tool(egress=True)
async def post(to: str) -> str: ...
@stage(tools=[diary])
async def recall(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...
@stage(tools=[post])
async def forward(letter: Endorsed[Letter]) -> Endorsed[Letter]: ...
@stage(tools=[post])
async def reply(mail: Untrusted[Letter], kept: Endorsed[Letter]) -> Untrusted[Letter]: ...
@stage()
async def gather(letters: Endorsed[list[Letter]]) -> Endorsed[Letter]: ...
@stage()
async def gather_good(letters: Endorsed[Collected[Letter]]) -> Endorsed[Letter]: ...
@stage()
async def only_approved(letters: Approved[list[Owed]]) -> Endorsed[Letter]: ...
@stage()
async def plainly(text: str = "a") -> Letter: ...
@workflow
def outside(owed: Endorsed[Owed]) -> Untrusted[Letter]:
    return pick(open_all(fetch()))

"""

RECORDS = "claim = extract(mail)\nowed = endorse(claim, by=look_up)\n"
OWED = f"request = sort(mail)\n{RECORDS}"
NEEDS = "asks for endorsed .* and gets untrusted"
PICKED = "holds an effect that outside text would pick"

REFUSED = {
    # What a choice gives.
    "endorsed ways that outside text picks": (
        OWED
        + "x = choose(request, case(Refund, lambda _: draft(owed)), case(Inquiry, lambda _: draft.as_('b')(owed)))\n"
        "return polish(x)  # here",
        NEEDS,
    ),
    "approved ways that outside text picks": (
        OWED + "def one():\n    a = approve(owed, by=role('f'))\n    return a\n"
        "def two():\n    b = approve(owed, by=role('g'))\n    return b\n"
        "x = when(claim.value.amount > 5, one, two)\nreturn pay(x)  # here",
        "asks for approved owed and gets untrusted",
    ),
    "untrusted beside endorsed": (
        OWED + "x = when(owed.value.gift, lambda: draft(owed), lambda: pick(open_all(mail)))\nreturn polish(x)  # here",
        NEEDS,
    ),
    "plain beside endorsed": (
        OWED + "x = when(owed.value.gift, lambda: draft(owed), lambda: plainly())  # here\nreturn polish(x)",
        "give endorsed and plain data",
    ),
    "endorsed beside approved, as approved": (
        OWED + "x = when(owed.value.gift, lambda: approve(owed, by=role('f')), lambda: owed)\nreturn pay(x)  # here",
        "asks for approved owed and gets endorsed",
    ),
    "a narrowed value, as endorsed": (
        OWED + "x = choose(request, case(Refund, lambda it: polish(it)), case(Inquiry, answer))  # here\nreturn x",
        "is a Letter and gets request|asks for endorsed",
    ),
    # What a loop carries.
    "untrusted round, as endorsed": (
        OWED + "x = repeat(revise, pick(open_all(mail)), until=fine, rounds=2)\nreturn polish(x)  # here",
        NEEDS,
    ),
    "endorsed start, untrusted round": (
        OWED + "x = repeat(lambda it: outside(owed), draft(owed), until=fine, rounds=2)  # here\nreturn polish(x)",
        "takes Endorsed.Letter. and gives Untrusted.Letter",
    ),
    "approval kept by a loop": (
        OWED + "a = approve(draft(owed), by=role('f'))\nx = repeat(polish, a, until=fine, rounds=2)\n"
        "return only_approved(x)  # here",
        "is a list.*and gets",
    ),
    # What a part is handed, and what lists hold.
    "captured outside text, as endorsed": (
        OWED + "text = pick(open_all(mail))\nreturn gather(each(lambda one: polish(text), ours(owed)))  # here",
        NEEDS,
    ),
    "an untrusted item, as endorsed": ("return gather(each(polish, open_all(mail)))  # here", NEEDS),
    "a list of what is untrusted, as endorsed": (
        OWED + "many = each(revise, open_all(mail))\nreturn gather(many)  # here",
        NEEDS,
    ),
    "reasons beside what is endorsed": (
        OWED + "many = each(lambda it: draft(endorse(it, by=held)), open_all(mail), failed='collect')\n"
        "return gather_good(many)  # here",
        NEEDS,
    ),
    "a list of approved values, as approved": (
        OWED + "x = each(lambda it: approve(endorse(it, by=held), by=role('f')), open_all(mail))\n"
        "return only_approved(x)  # here",
        "asks for approved letters and gets endorsed",
    ),
    # What children give.
    "what a child read outside, as endorsed": (OWED + "x = outside(owed)\nreturn polish(x)  # here", NEEDS),
    "what a branch read outside, as endorsed": (
        OWED + "x, y = parallel(lambda: outside(owed), lambda: draft(owed))\n_ = polish.as_('b')(y)\n"
        "return polish(x)  # here",
        NEEDS,
    ),
    # What people say.
    "outside text that says who may not approve, in a way": (
        OWED + "def way():\n    a = approve(owed, by=role('f'), not_by=claim.value.order)  # here\n    return a\n"
        "when(owed.value.gift, way)\nreturn draft(owed)",
        "untrusted claim.order",
    ),
    # Steering.
    "an effect that outside text picks": (
        OWED + "when(claim.value.amount > 5, lambda: pay_known(owed))  # here\nreturn draft(owed)",
        PICKED,
    ),
    "an effect in a way by type": (
        OWED + "def way(refund):\n    return pay_known(owed)  # here\n"
        "x = choose(request, case(Refund, way), case(Inquiry, lambda _: pay_known.as_('b')(owed)))\nreturn x",
        PICKED,
    ),
    "an effect in a way inside another": (
        OWED + "def way():\n    when(owed.value.gift, lambda: pay_known(owed))  # here\n"
        "when(claim.value.amount > 5, way)\nreturn draft(owed)",
        PICKED,
    ),
    "an effect approved outside of the way": (
        OWED
        + "a = approve(owed, by=role('f'))\nwhen(claim.value.amount > 5, lambda: pay(a))  # here\nreturn draft(owed)",
        PICKED,
    ),
    "an effect in a workflow that outside text picks": (
        OWED + "when(claim.value.amount > 5, lambda: bought(owed))  # here\nreturn draft(owed)",
        PICKED,
    ),
    "an effect in a part that outside text picks": (
        OWED + "letters = ours(owed)\n"
        "when(claim.value.amount > 5, lambda: each(lambda it: pay_known(owed), letters))  # here\nreturn draft(owed)",
        PICKED,
    ),
    "an effect for each thing that outside text lists": (
        OWED + "_ = each(lambda it: pay_known(owed), open_all(mail))  # here\nreturn draft(owed)",
        PICKED,
    ),
    "an approval avoided by another way": (
        OWED
        + "def asked():\n    return pay(approve(endorse(extract.as_('c')(mail), by=look_up_again), by=role('f')))\n"
        "def quick():\n    mine = endorse(extract.as_('b')(mail), by=look_up)\n    return pay_known(mine)  # here\n"
        "x = when(claim.value.amount > 5, asked, quick)\nreturn x",
        PICKED,
    ),
    "one of two things vouched for": (
        OWED + "def way():\n    again = endorse(extract.as_('b')(mail), by=look_up_again)\n"
        "    either = when(owed.value.gift, lambda: again, lambda: owed)\n    return pay_known(either)  # here\n"
        "when(claim.value.amount > 5, way)\nreturn draft(owed)",
        PICKED,
    ),
    # What is private.
    "private value in a part that outside text steers": (
        OWED + "kept = recall(owed)\nreturn pick(each(lambda it: reply(it, kept), open_all(mail)))  # here",
        r"outside text could make \w+ send what is private",
    ),
    "private value sent where outside text says so": (
        OWED + "kept = recall(owed)\nwhen(claim.value.amount > 5, lambda: forward(kept))  # here\nreturn draft(owed)",
        r"outside text could make \w+ send what is private",
    ),
}

LOOKS = """\
async def look_up_again(claim: Claim) -> Owed: ...

"""


@pytest.mark.parametrize("case", REFUSED)
def test_label_is_not_lost_in_control_flow(case: str, defining: Definitions) -> None:
    """What comes from outside is outside text whichever way it takes, and picks no effect by itself."""
    body, problem = REFUSED[case]
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    gives = "Endorsed[Receipt]" if "pay" in body.splitlines()[-1] else "Endorsed[Letter]"
    source = f"{KIT}{MORE}{LOOKS}@workflow\ndef plan(mail: Untrusted[Mail]) -> {gives}:\n{lines}"
    defining.refused(source, problem, "")


FINE = {
    "our records vouch in the way": (
        RECORDS
        + "def way():\n    again = endorse(extract.as_('b')(mail), by=look_up_again)\n    return pay_known(again)\n"
        "when(claim.value.amount > 5, way)\nreturn draft(owed)"
    ),
    "a person vouches in the way": (
        RECORDS + "when(claim.value.amount > 5, lambda: pay(approve(owed, by=role('f'))))\nreturn draft(owed)"
    ),
    "a person vouches for a part in the way": (
        RECORDS + "letters = ours(owed)\ndef way():\n    a = approve(owed, by=role('f'))\n"
        "    return each(lambda it: pay(a), letters)\nwhen(claim.value.amount > 5, way)\nreturn draft(owed)"
    ),
    "each vouches for itself": (
        RECORDS + "_ = each(lambda it: pay_known(endorse(it, by=held)), open_all(mail))\nreturn draft(owed)"
    ),
    "trusted values decide": (RECORDS + "when(owed.value.amount > 5, lambda: pay_known(owed))\nreturn draft(owed)"),
    "reasons of what sees nothing from outside": (
        RECORDS + "letters = ours(owed)\nreturn gather_good(each(polish, letters, failed='collect'))"
    ),
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_vouched_for_is_accepted(case: str, defining: Definitions) -> None:
    """The rules stand in nobody's way where somebody vouches for what is done."""
    lines = "".join(f"    {line}\n" for line in FINE[case].splitlines())
    source = f"{KIT}{MORE}{LOOKS}@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Letter]:\n{lines}"
    found: Plan = defining.load(source).plan.plan
    assert list(faults(found)) == []


def test_answer_of_a_person_is_approved_and_what_is_made_of_it_is_not(defining: Definitions) -> None:
    """Approval is never inherited, by whatever way it came."""
    found: Plan = defining.load(
        KIT + "@stage()\nasync def note_of(said: Endorsed[Answer]) -> Endorsed[Letter]: ...\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Letter]:\n"
        "    said = ask_person(Answer, 'Go?', by=role('f'), show=[mail])\n"
        "    return note_of(said)\n"
    ).plan.plan
    assert [found.label(node.name) for node in found.nodes] == [Label.APPROVED, Label.ENDORSED]
