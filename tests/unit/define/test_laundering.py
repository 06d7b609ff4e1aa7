"""Every way that tools, limits and grants offer to lose a label or the mark of what is private; each is refused.

Ways that need no tool, such as casts, copies, closures and helpers, are in test_definitions_labels.py.
"""

from __future__ import annotations

import pytest

from gatework.plan.faults import faults
from gatework.plan.flow import private_nodes
from tests.unit.defining import Definitions

TOOLBOX = """\
class Note(BaseModel):
    order: str
    body: str

class Kept(BaseModel):
    note: Note
    notes: list[Note]
    choices: list[str]

@tool(untrusted=True)
async def web(order: str) -> Note: ...
@tool(private=True)
async def diary(order: str) -> Note: ...
@tool(egress=True)
async def post(to: str, body: str = "") -> str: ...
@tool(untrusted=True, egress=True)
async def search(query: str) -> str: ...

@stage(tools=[web])
async def browse(owed: Endorsed[Owed]) -> Untrusted[Note]: ...
@stage(tools=[diary])
async def recall(owed: Endorsed[Owed]) -> Endorsed[Note]: ...
@stage(tools=[diary])
async def keep(owed: Endorsed[Owed]) -> Endorsed[Kept]: ...
@stage(tools=[diary])
async def remember(mail: Untrusted[Mail]) -> Untrusted[Note]: ...
@stage(tools=[post])
async def reply(mail: Untrusted[Mail], note: Endorsed[Note]) -> Untrusted[Letter]: ...
@stage(tools=[post])
async def report(note: Endorsed[Note]) -> Endorsed[Letter]: ...
@stage(tools=[post])
async def forward(note: Untrusted[Note]) -> Untrusted[Letter]: ...
@stage()
async def shorten(note: Endorsed[Note]) -> Endorsed[Letter]: ...
@stage(tools=[post])
async def mail_out(mail: Untrusted[Mail], letter: Endorsed[Letter]) -> Untrusted[Letter]: ...
async def known(note: Note) -> Owed: ...
async def filed(note: Note) -> Letter: ...

"""

RECORDS = "claim = extract(mail)\nowed = endorse(claim, by=look_up)\n"
STEERED = r"outside text could make \w+ send what is private \(\w+\) through \w+"
PIN = "Pin .* with .*only|two stages"

DECLARED = {
    # A stage says what it likes of what its tools gave it.
    "outside text from a tool, returned endorsed": (
        "@stage(tools=[web])  # here\nasync def work(owed: Endorsed[Owed]) -> Endorsed[Note]: ...",
        "holds web, which gives outside text", r"Return Untrusted\[…\]",
    ),
    "outside text from a tool, returned plain": (
        "@stage(tools=[web])  # here\nasync def work(order: str) -> Note: ...",
        "holds web, which gives outside text", r"Return Untrusted\[…\]",
    ),
    "outside text from a tool, returned approved": (
        "@stage(tools=[web])  # here\nasync def work(owed: Approved[Owed]) -> Approved[Note]: ...",
        "returns Approved", r"Only approve\(…\)",
    ),
    "outside text from a limited tool": (
        "@stage(tools=[web.only(order='A-1')])  # here\nasync def work(owed: Endorsed[Owed]) -> Endorsed[Note]: ...",
        "holds web, which gives outside text", r"Return Untrusted\[…\]",
    ),
    "outside text as the key of an effect": (
        "@stage(tools=[web, refund_order])  # here\nasync def work(owed: Approved[Owed]) -> Untrusted[Receipt]: ...",
        "holds the effect refund_order beside web", "two stages",
    ),
    "outside text in an effect limited to one order": (
        "@stage(tools=[refund_order.only(order='A-1', amount=Decimal(3))])  # here\n"
        "async def work(mail: Untrusted[Mail]) -> Untrusted[Receipt]: ...",
        "holds an effect and takes untrusted data", "Endorsed or Approved",
    ),
    "a label that a tool takes off": (
        "@tool  # here\nasync def clean(mail: Untrusted[Mail]) -> Mail: ...", "takes or gives labels", "plain values"
    ),
    "a label that a tool puts on": (
        "@tool  # here\nasync def vouch(text: str) -> Endorsed[Mail]: ...", "takes or gives labels", "plain values"
    ),
    "a labelled value inside of a list": (
        "@tool  # here\nasync def clean(mails: list[Untrusted[Mail]]) -> str: ...", "no contract|labels", "JSON|plain"
    ),
    "a tool that takes anything": (
        "@tool  # here\nasync def clean(value: Any) -> str: ...", "value is no contract: Any", "JSON"
    ),
    "a tool generic over what it takes": (
        "X = TypeVar('X')\n@tool  # here\nasync def clean(value: X) -> X: ...", "value is no contract", "JSON"
    ),
    "a tool of objects": (
        "@tool  # here\nasync def clean(value: object) -> str: ...", "value is no contract", "JSON"
    ),
    "an endorser that is a tool": (
        "by = tool(known)\n@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Owed]:\n"
        "    note = remember(mail)\n    return endorse(note, by=by)\n# here", "no usable name|no plain function", "def"
    ),
    "an effect that reads outside text": (
        "from gatework.define.tool import Effect\nEffect(refund_order.interface, once='order', untrusted=True)\n# here",
        "gives back outside text", "tool of its own",
    ),
    "a stage that is a tool": ("@stage(tools=[browse])  # here\nasync def work(text: str) -> Note: ...",
        "given a tool that is none", "@tool"),
    "a subclass that says that it has no marks": (
        "from gatework.define.tool import Tool\nclass Clean(Tool):\n    untrusted = False\n"
        "@stage(tools=[Clean(web.interface, untrusted=True)])  # here\n"
        "async def work(owed: Endorsed[Owed]) -> Endorsed[Note]: ...",
        "holds web, which gives outside text", r"Return Untrusted\[…\]",
    ),
}  # fmt: skip

PLANNED = {
    # What is private stays so through whatever is made of it.
    "private value to a stage that outside text steers": (
        RECORDS + "return reply(mail, recall(owed))  # here", STEERED, PIN
    ),
    "private value through another stage": (
        RECORDS + "return mail_out(mail, shorten(recall(owed)))  # here", STEERED, PIN
    ),
    "private value approved": (
        "note = remember(mail)\nagreed = approve(note, by=role('f'))\nreturn reply(mail, agreed)  # here", STEERED, PIN
    ),
    "private value endorsed": (
        "letter = endorse(remember(mail), by=filed)\nreturn mail_out(mail, letter)  # here", STEERED, PIN
    ),
    "private value that is untrusted itself": ("return forward(remember(mail))  # here", STEERED, PIN),
    "stage called again under another name": (
        RECORDS + "_ = recall.as_('one')(owed)\nreturn reply(mail, recall.as_('two')(owed))  # here", STEERED, PIN
    ),
    "private value in a value that the stage does not look at": (
        RECORDS + "kept = keep(owed)\nnote = recall(owed)\nreturn reply.limited(post.only(to='a'))(mail, note)  # here",
        STEERED, "Pin body with post.only",
    ),
    "one argument pinned and one to a bound": (
        RECORDS + "return reply.limited(post.only(to='a', body=matches('[a-z ]*')))(mail, recall(owed))  # here",
        STEERED, "Pin body with post.only",
    ),
    "arguments out of two choices": (
        RECORDS + "return reply.limited(post.only(to=one_of('a', 'b'), body='x'))(mail, recall(owed))  # here",
        STEERED, "Pin to with post.only",
    ),
    "arguments out of a list of the plan": (
        RECORDS + "kept = keep(owed)\n"
        "return reply.limited(post.only(to=one_of(kept.value.choices), body='x'))(mail, recall(owed))  # here",
        STEERED, "Pin to with post.only",
    ),
    "another tool pinned": (
        RECORDS + "return both.limited(search.only(query='x'))(mail, recall(owed))  # here", STEERED, "Pin to, body"
    ),
    # A limit is told to whoever is held to it, and by refusals.
    "private value as a limit": (
        RECORDS + "note = recall(owed)\n_ = mail_out.limited(post.only(to=note.value.order))"
        "(mail, draft(owed))  # here\nreturn extract.as_('b')(mail)", STEERED, "Pin body",
    ),
    # Limits never come from outside.
    "limit by outside text": (
        RECORDS + "agreed = approve(owed, by=role('f'))\n"
        "return pay.limited(refund_order.only(order=claim.value.order))(agreed)  # here",
        "limited by the untrusted claim.order", "endorsed or approved",
    ),
    "limit by outside text from a tool": (
        RECORDS + "seen = browse(owed)\nagreed = approve(owed, by=role('f'))\n"
        "return pay.limited(refund_order.only(order=seen.value.order))(agreed)  # here",
        "limited by the untrusted seen.order", "endorsed or approved",
    ),
    "limit by outside text under a name": (
        RECORDS + "order = claim.value.order\nmost = at_most(claim.value.amount)  \n"
        "agreed = approve(owed, by=role('f'))\ngrant = refund_order.only(order=order, amount=most)  # here\n"
        "return pay.limited(grant)(agreed)",
        "limited by the untrusted claim.order", "endorsed or approved",
    ),
    "limit by a labelled value as a whole": (
        RECORDS + "agreed = approve(owed, by=role('f'))\n"
        "return pay.limited(refund_order.only(order=agreed))(agreed)  # here", "agreed is labelled", "agreed.value"
    ),
    "limit replaced by assignment": (
        RECORDS + "agreed = approve(owed, by=role('f'))\ngrant = refund_order.only(order=agreed.value.order)\n"
        "grant.limits = ()  # here\nreturn pay.limited(grant)(agreed)", "an assignment to something else", "a name"
    ),
    "limit computed by a helper": (
        RECORDS + "agreed = approve(owed, by=role('f'))\n"
        "return pay.limited(refund_order.only(order=helper(claim)))(agreed)  # here",
        "`helper` is called with a value", "calls stages",
    ),
    # What a tool of outside text made is outside text.
    "outside text from a tool to an effect": (
        RECORDS + "seen = browse(owed)\nreturn pay(seen)  # here", "is a Owed and gets seen", "of that type"
    ),
    "outside text from a tool as endorsed": (
        RECORDS + "seen = browse(owed)\nreturn shorten(seen)  # here",
        "asks for endorsed note and gets untrusted", "endorse",
    ),
    "field of outside text from a tool as plain": (
        RECORDS + "seen = browse(owed)\n_ = note(seen.value.body)  # here\nreturn seen",
        "still untrusted", "seen itself",
    ),
    "outside text from a tool decides on an approval": (
        RECORDS + "seen = browse(owed)\nagreed = approve(owed, by=role('f'), when=seen.value.order == 'A')  # here\n"
        "return pay(agreed)", "untrusted seen.order decides", "endorsed",
    ),
    # A tool is no part of a plan's language.
    "a tool called by the plan": (
        "return web(mail.value.text)  # here", "`web` is called with a value", "calls stages"
    ),
    "a tool's function called by the plan": (
        "return web.function(mail)  # here", "`web.function` is called with a value", "calls stages"
    ),
    "a grant called by the plan": (
        "return web.only(order='A')(mail)  # here", "is called with a value of the plan", "calls stages"
    ),
    "a stage's grants taken for its limits": (
        RECORDS + "agreed = approve(owed, by=role('f'))\n_ = pay.limited(claim)(agreed)  # here\nreturn agreed",
        "no grant", "tool.only",
    ),
    "a stage copied with other tools": (
        RECORDS + "return reply._copy('x', ())(mail, recall(owed))  # here", "is called with a value", "calls stages"
    ),
}  # fmt: skip

HELPERS = """\
def helper(value): return "A-1"

@stage(tools=[search, post])
async def both(mail: Untrusted[Mail], note: Endorsed[Note]) -> Untrusted[Letter]: ...

"""


@pytest.mark.parametrize("case", DECLARED)
def test_label_is_not_lost_where_tools_and_stages_are_declared(case: str, defining: Definitions) -> None:
    """A tool knows no labels, and a stage is no better than the worst of what it reads."""
    source, problem, fix = DECLARED[case]
    if source.endswith("\n# here"):
        source = source.removesuffix("\n# here")
        with pytest.raises(Exception, match=problem):
            defining.load(TOOLBOX + source)
        return
    defining.refused(TOOLBOX + source, problem, fix)


@pytest.mark.parametrize("case", PLANNED)
def test_label_or_mark_is_not_lost_in_a_plan(case: str, defining: Definitions) -> None:
    """Named by line, with what to write instead."""
    body, problem, fix = PLANNED[case]
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    plan = f"@workflow\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Letter]:\n{lines}"
    defining.refused(TOOLBOX + HELPERS + plan, problem, fix)


FINE = {
    "nothing private": RECORDS + "return mail_out(mail, draft(owed))",
    "nothing from outside": RECORDS + "note = recall(owed)\nreturn report(note)",
    "every argument pinned": (
        RECORDS + "note = recall(owed)\nreturn reply.limited(post.only(to=owed.value.order, body='Seen.'))(mail, note)"
    ),
    "pinned to what is private by the plan itself": (
        RECORDS + "note = recall(owed)\n"
        "return reply.limited(post.only(to=owed.value.order, body=note.value.body))(mail, note)"
    ),
    "pinned to one choice": (
        RECORDS + "return reply.limited(post.only(to=one_of('a')).only(body='b'))(mail, recall(owed))"
    ),
    "approved by a person first": "note = remember(mail)\nagreed = approve(note, by=role('f'))\nreturn report(agreed)",
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_fine_is_accepted(case: str, defining: Definitions) -> None:
    """The rules stand in nobody's way where outside text steers nothing, or nothing private is read."""
    lines = "".join(f"    {line}\n" for line in FINE[case].splitlines())
    gives = "Endorsed[Letter]" if "report(" in FINE[case] else "Untrusted[Letter]"
    plan = f"@workflow\ndef plan(mail: Untrusted[Mail]) -> {gives}:\n{lines}"
    assert not any(faults(defining.load(TOOLBOX + HELPERS + plan).plan.plan))


def test_private_is_for_ever(defining: Definitions) -> None:
    """A person who approves a value, and an endorser that looks it up, do not make it fit to leave."""
    plan = defining.load(
        TOOLBOX
        + """\
@workflow
def plan(mail: Untrusted[Mail]) -> Endorsed[Letter]:
    note = remember(mail)
    agreed = approve(note, by=role("f"))
    letter = endorse(note, by=filed)
    other = endorse(extract(mail), by=look_up)
    _ = draft.as_("clean")(other)
    _ = shorten.as_("short")(agreed)
    return letter
"""
    ).plan.plan
    assert private_nodes(plan) == {"note", "agreed", "letter", "short"}


def test_value_of_another_plan_limits_nothing(defining: Definitions) -> None:
    """A grant that was made while another plan was traced names values that this one does not have."""
    defining.refused(
        TOOLBOX
        + """\
KEPT = []

@workflow
def first(owed: Endorsed[Owed]) -> Endorsed[Receipt]:
    agreed = approve(owed, by=role("f"))
    grant = refund_order.only(order=agreed.value.order)
    _ = KEPT.append(grant)  # here
    return pay.limited(grant)(agreed)
""",
        r"`KEPT.append` is called with a value",
        "calls stages",
    )
