"""Control flow in plans: what each construct writes, and what of it is refused, by line, with what to write instead."""

from __future__ import annotations

import pytest

from gatework.plan.faults import faults
from gatework.plan.labels import Label
from gatework.plan.plan import Call, Choice, Join, Loop, Part, Pause, Plan, Question, Work
from tests.unit.defining import Definitions

KIT = """\
class Refund(BaseModel):
    kind: Literal["refund"] = "refund"
    order: str

class Inquiry(BaseModel):
    kind: Literal["inquiry", "question"] = "inquiry"
    about: str

class Thanks(BaseModel):
    kind: Literal["thanks"] = "thanks"

class Bare(BaseModel):
    text: str

class Answer(BaseModel):
    yes: bool

def fine(letter: Letter) -> Verdict: return Pass()
def known(owed: Owed) -> Verdict: return Pass()
def beside(letter: Letter, mail: Mail) -> Verdict: return Pass()

async def find(refund: Refund) -> Owed: ...
async def held(letter: Letter) -> Owed: ...

@stage()
async def sort(mail: Untrusted[Mail]) -> Untrusted[Refund | Inquiry]: ...
@stage()
async def tell_apart(mail: Untrusted[Mail]) -> Untrusted[Refund | Bare]: ...
@stage()
async def answer(inquiry: Untrusted[Inquiry]) -> Untrusted[Letter]: ...
@stage()
async def refuse(refund: Untrusted[Refund]) -> Untrusted[Letter]: ...
@stage()
async def revise(letter: Untrusted[Letter]) -> Untrusted[Letter]: ...
@stage()
async def mend(letter: Untrusted[Letter], mail: Untrusted[Mail]) -> Untrusted[Letter]: ...
@stage()
async def polish(letter: Endorsed[Letter]) -> Endorsed[Letter]: ...
@stage()
async def open_all(mail: Untrusted[Mail]) -> Untrusted[list[Letter]]: ...
@stage()
async def ours(owed: Endorsed[Owed]) -> Endorsed[list[Letter]]: ...
@stage()
async def pick(letters: Untrusted[list[Letter]]) -> Untrusted[Letter]: ...
@stage()
async def pick_good(letters: Untrusted[Collected[Letter]]) -> Untrusted[Letter]: ...
@stage()
async def file(letter: Untrusted[Letter], other: Untrusted[Letter]) -> Untrusted[Letter]: ...

@workflow
def inner(letter: Untrusted[Letter]) -> Untrusted[Letter]:
    return revise(letter)

@workflow
def bought(owed: Endorsed[Owed]) -> Endorsed[Receipt]:
    return pay(approve(owed, by=role("finance")))

"""

OWED = "owed = endorse(extract(mail), by=look_up)\n"


def plan(defining: Definitions, body: str, *, gives: str = "Untrusted[Letter]") -> Plan:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"{KIT}@workflow\ndef plan(mail: Untrusted[Mail]) -> {gives}:\n{lines}"
    found: Plan = defining.load(source).plan.plan
    assert list(faults(found)) == []
    return found


def refused(defining: Definitions, body: str, problem: str, fix: str, *, gives: str = "Untrusted[Letter]") -> None:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    defining.refused(f"{KIT}@workflow\ndef plan(mail: Untrusted[Mail]) -> {gives}:\n{lines}", problem, fix)


def told(of: Plan) -> list[str]:
    """Each node: its kind, its name, and the ways inside which it stands."""
    return [
        f"{node.kind} {node.name}" + (f" in {node.arm.choice} {node.arm.way}" if node.arm else "") for node in of.steps
    ]


def test_choice_by_type_has_its_ways_and_their_join(defining: Definitions) -> None:
    """The narrowed value is the same value; what outside text picked is outside text."""
    found = plan(
        defining,
        "request = sort(mail)\n"
        "reply = choose(request, case(Inquiry, answer), case(Refund, lambda refund: refuse(refund)))\n"
        "return reply",
    )
    assert told(found) == [
        "stage request",
        "choose choose_reply",
        "stage answer in choose_reply 0",
        "stage refuse in choose_reply 1",
        "join reply",
    ]
    choice, way, join = found.nodes[1], found.nodes[3], found.nodes[4]
    assert isinstance(choice, Choice)
    assert (choice.tag, choice.ways) == ("kind", (("inquiry", "question"), ("refund",)))
    assert isinstance(way, Work)
    assert [ref.node for ref in way.reads] == ["request"]
    assert isinstance(join, Join)
    assert ([ref.node for ref in join.options], join.label) == (["answer", "refuse"], Label.UNTRUSTED)


def test_ways_of_several_statements_are_functions_of_the_plan(defining: Definitions) -> None:
    """They see the values of the plan around them, and may hold ways of their own."""
    found = plan(
        defining,
        "request = sort(mail)\n"
        "def settle(refund: Untrusted[Refund]):\n"
        "    owed = endorse(refund, by=find)\n"
        "    when(owed.value.amount > 500, lambda: draft(owed))\n"
        "    letter = when(owed.value.gift, lambda: refuse(refund), lambda: mend(refuse.as_('no')(refund), mail))\n"
        "    return letter\n"
        "return choose(request, case(Refund, settle), case(Inquiry, lambda it: answer(it)))",
    )
    assert told(found) == [
        "stage request",
        "choose choose_request",
        "endorse owed in choose_request 0",
        "when when_owed in choose_request 0",
        "stage draft in when_owed 0",
        "when when_letter in choose_request 0",
        "stage refuse in when_letter 0",
        "stage no in when_letter 1",
        "stage mend in when_letter 1",
        "join letter in choose_request 0",
        "stage answer in choose_request 1",
        "join choose_request_gave",
    ]
    assert found.acknowledged == ("draft",)


def test_loop_begins_with_its_variable_and_ends_with_its_guard(defining: Definitions) -> None:
    """A stage by itself is a body; a lambda may use what stands around the loop."""
    found = plan(
        defining,
        "letter = pick(open_all(mail))\n"
        "good = repeat(lambda text: mend(text, mail), letter, until=fine, rounds=3, operator=role('editor'))\n"
        "return repeat(revise, good, until=fine, rounds=1, spent='accept')",
    )
    assert told(found)[2:] == [
        "loop good_so_far",
        "stage mend",
        "until good",
        "loop repeat_good_so_far",
        "stage revise",
        "until repeat_good",
    ]
    loop, body, end, last = found.nodes[2], found.nodes[3], found.nodes[4], found.nodes[7]
    assert isinstance(loop, Loop)
    assert isinstance(body, Work)
    assert isinstance(end, Work)
    assert isinstance(last, Work)
    assert [ref.node for ref in body.reads] == ["good_so_far", "mail"]
    assert end.until is not None
    assert (end.runs, end.until.rounds, end.until.spent, end.operator.role) == ("fine", 3, "ask", "editor")
    assert last.until is not None
    assert last.until.spent == "accept"


def test_question_and_pause_are_nodes(defining: Definitions) -> None:
    """An answer is approved; a pause gives nothing, and needs no variable."""
    found = plan(
        defining,
        "pause(timedelta(days=3))\nletter = pick(open_all(mail))\npause(timedelta(seconds=1))\n"
        "said = ask_person(Answer, ' Publish? ', by=role('editor'), show=[letter], within=timedelta(days=2), "
        "otherwise=role('chief'))\n"
        "return when(said.value.yes, lambda: letter, lambda: revise(letter))",
    )
    first, second, asked = found.nodes[0], found.nodes[3], found.nodes[4]
    assert isinstance(first, Pause)
    assert (first.name, first.seconds, second.name) == ("pause", 259200.0, "pause_2")
    assert isinstance(asked, Question)
    assert (asked.prompt, asked.label, [by.role for by in asked.asks]) == (
        "Publish?", Label.APPROVED, ["editor", "chief"],
    )  # fmt: skip
    assert [ref.node for ref in asked.show] == ["letter"]


def test_each_runs_a_plan_of_its_own_for_each_item(defining: Definitions) -> None:
    """What it uses of the plan around it is what its runs start from, with label and contract."""
    found = plan(
        defining,
        "letters = open_all(mail)\n"
        "found = each(lambda letter: mend(letter, mail), letters, at_most=3)\n"
        "alone = each(revise, letters, failed='stop')\n"
        "theirs = each(inner, letters, failed='collect')\n"
        "return file(file.as_('one')(pick(found), pick.as_('two')(alone)), pick_good(theirs))",
    )
    call, stage, other = (found.node(name) for name in ("found", "alone", "theirs"))
    assert isinstance(call, Call)
    assert isinstance(stage, Call)
    assert isinstance(other, Call)
    assert (call.kind, call.at_most, call.failed, call.item, call.label) == (
        "each", 3, "ask", "letter", Label.UNTRUSTED,
    )  # fmt: skip
    part = found.parts["plan.found"]
    assert [start.name for start in part.inputs] == ["letter", "mail"]
    assert [node.name for node in part.nodes] == ["mend"]
    assert call.children[0].plan == part.digest
    assert found.contracts[part.inputs[1].contract] == part.contracts[part.inputs[1].contract]
    assert [node.name for node in found.parts["plan.alone"].nodes] == ["revise"]
    assert (other.children[0].workflow, other.failed) == ("inner", "collect")
    assert sorted(found.parts) == ["plan.alone", "plan.found"]


def test_branches_side_by_side_give_a_value_each(defining: Definitions) -> None:
    """Each is named by the variable it is assigned to; one that nobody wants by its number."""
    found = plan(
        defining,
        f"{OWED}letters = open_all(mail)\n"
        "first, _, clean = parallel(lambda: pick(letters), lambda: pick.as_('x')(letters), lambda: draft(owed))\n"
        "_ = clean\nreturn file(first, when(clean.value.body == 'a', lambda: pick.as_('y')(letters), "
        "lambda: pick.as_('z')(letters)))",
    )
    parts = [node for node in found.nodes if isinstance(node, Part)]
    assert [(node.name, node.child, node.label) for node in parts] == [
        ("first", 0, Label.UNTRUSTED),
        ("parallel_first_2", 1, Label.UNTRUSTED),
        ("clean", 2, Label.ENDORSED),
    ]
    assert sorted(found.parts) == ["plan.clean", "plan.first", "plan.parallel_first_2"]
    assert [start.name for start in found.parts["plan.clean"].inputs] == ["owed"]


def test_call_of_a_workflow_is_a_node(defining: Definitions) -> None:
    """It knows the plan by its digest, and what that plan may do."""
    found = plan(defining, f"{OWED}receipt = bought(owed)\nreturn receipt", gives="Endorsed[Receipt]")
    call = found.node("receipt")
    assert isinstance(call, Call)
    assert (call.kind, call.children[0].workflow, call.children[0].effects) == ("call", "bought", True)
    assert call.label is Label.ENDORSED


def test_constructs_nest_in_every_combination(defining: Definitions) -> None:
    """A branch in a loop in a list in a child: values from outside reach the innermost part through all around it."""
    found = plan(
        defining,
        f"{OWED}letters = open_all(mail)\n"
        "def work(letter):\n"
        "    def round(text):\n"
        "        better = each(lambda one: mend(one, mail), open_all.as_('again')(mail))\n"
        "        best = when(owed.value.gift, lambda: pick.as_('a')(better), lambda: inner(text))\n"
        "        return best\n"
        "    return repeat(round, letter, until=fine, rounds=2)\n"
        "done = each(work, letters)\nreturn pick(done)",
    )
    part = found.parts["plan.done"]
    assert [start.name for start in part.inputs] == ["letter", "mail", "owed"]
    innermost = part.parts["plan.done.better"]
    assert [start.name for start in innermost.inputs] == ["one", "mail"]
    assert told(part) == [
        "loop repeat_letter_so_far",
        "stage again",
        "each better",
        "when when_best",
        "stage a in when_best 0",
        "call inner in when_best 1",
        "join best",
        "until repeat_letter",
    ]


def test_what_is_private_is_so_in_parts(defining: Definitions) -> None:
    """A part knows which of the values that it starts from must not leave."""
    source = (
        "@tool(private=True)\nasync def diary(order: str) -> Letter: ...\n"
        "@stage(tools=[diary])\nasync def recall(owed: Endorsed[Owed]) -> Endorsed[Letter]: ...\n"
        "@stage()\nasync def join(one: Untrusted[Letter], kept: Endorsed[Letter]) -> Untrusted[Letter]: ...\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Letter]:\n"
        f"    {OWED}    kept = recall(owed)\n"
        "    return pick(each(lambda one: join(one, kept), open_all(mail)))\n"
    )
    found: Plan = defining.load(KIT + source).plan.plan
    (part,) = found.parts.values()
    assert [(start.name, start.private) for start in part.inputs] == [("one", False), ("kept", True)]
    assert list(faults(found)) == []


def test_undo_is_kept_beside_the_nodes(defining: Definitions) -> None:
    """It takes what the stage gave, and inputs of it by their names."""
    source = (
        "@stage()\nasync def take_back(sent: Endorsed[Sent], letter: Endorsed[Letter], why: str = 'x') -> "
        "Endorsed[Sent]: ...\n"
        "@stage(undo=take_back)\n"
        "async def post(letter: Endorsed[Letter], owed: Endorsed[Owed]) -> Endorsed[Sent]: ...\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Endorsed[Sent]:\n"
        f"    {OWED}    _ = post(draft(owed), owed)\n"
        "    return post.as_('last')(draft.as_('b')(owed), owed)\n"
    )
    found: Plan = defining.load(KIT + source).plan.plan
    assert [(undo.name, undo.runs, [ref.node for ref in undo.reads]) for undo in found.undos] == [
        ("undo_post", "take_back", ["post", "draft"]),
        ("undo_last", "take_back", ["last", "b"]),
    ]
    assert found.acknowledged == ("post",)
    assert list(faults(found)) == []


LETTERS = "letters = open_all(mail)\n"
LETTER = f"{LETTERS}letter = pick(letters)\n"

REFUSED = {
    "a case is missing": (
        "return choose(sort(mail), case(Refund, refuse))  # here",
        "no case for Inquiry",
        "for each model",
    ),
    "a case is there twice": (
        "return choose(sort(mail), case(Refund, refuse), case(Refund, refuse.as_('b')))  # here",
        "two cases for Refund",
        "for each model",
    ),
    "a case that is never taken": (
        "return choose(sort(mail), case(Refund, refuse), case(Thanks, refuse))  # here",
        "Thanks is no model that sort may be",
        "Refund or Inquiry",
    ),
    "models that nothing tells apart": (
        "return choose(tell_apart(mail), case(Refund, refuse), case(Bare, refuse))  # here",
        "nothing tells Refund or Bare apart",
        "Literal",
    ),
    "a choice by what is one model": (
        "return choose(mail, case(Mail, lambda it: pick(open_all(it))))  # here",
        "Mail is not one of several",
        "union",
    ),
    "a way that is no case": ("return choose(sort(mail), refuse, answer)  # here", "no case", r"case\(Type"),
    "ways of two types": (
        f"{OWED}x = when(owed.value.gift, lambda: draft(owed), lambda: pay(owed))  # here\nreturn x",
        "asks for approved|give Letter or Receipt",
        "",
    ),
    "a way that gives nothing beside one that does": (
        f"{OWED}def none():\n    _ = draft(owed)\n"
        "x = when(owed.value.gift, none, lambda: draft.as_('b')(owed))  # here\nreturn x",
        "some ways .* nothing",
        "every way",
    ),
    "a way that does nothing": (
        f"{OWED}when(owed.value.gift, lambda: owed)  # here\nreturn owed",
        "does nothing",
        "stage",
    ),
    "a way that gives back what it was handed": (
        "x = choose(sort(mail), case(Refund, lambda it: it), case(Inquiry, lambda it: it))  # here\nreturn x",
        "give Refund or Inquiry|gives back",
        "",
    ),
    "a way that is a helper": (
        f"{OWED}x = when(owed.value.gift, parts.note, lambda: draft(owed))  # here\nreturn x",
        "",
        "",
    ),
    "a way from another module": (
        f"{OWED}x = when(owed.value.gift, look_up, lambda: draft(owed))  # here\nreturn x",
        "first way is not written in the plan",
        "lambda",
    ),
    "a way of a builtin": (
        f"{OWED}x = when(owed.value.gift, print, lambda: draft(owed))  # here\nreturn x",
        "not written in the plan",
        "lambda",
    ),
    "a lambda that takes more than it is given": (
        f"{OWED}x = when(owed.value.gift, lambda it: draft(it), lambda: draft(owed))  # here\nreturn x",
        "takes one value and is given nothing",
        "as many",
    ),
    "a constant condition": (f"{OWED}when(True, lambda: draft(owed))  # here\nreturn owed", "is a constant", "Compare"),
    "a loop of another type": (
        f"{OWED}x = repeat(lambda it: extract.as_('b')(it), mail, until=fine, rounds=2)  # here\nreturn x",
        "takes Untrusted.Mail. and gives Untrusted.Claim",
        "what it takes",
    ),
    "a loop that does nothing": (
        f"{LETTER}x = repeat(lambda it: it, letter, until=fine, rounds=2)  # here\nreturn x",
        "does nothing",
        "stage",
    ),
    "a loop without rounds": (
        f"{LETTER}x = repeat(revise, letter, until=fine, rounds=0)  # here\nreturn x",
        "goes 0 rounds",
        "from 1",
    ),
    "a loop until a guard of another type": (
        f"{LETTER}x = repeat(revise, letter, until=known, rounds=2)  # here\nreturn x",
        "looks at Owed",
        "that type",
    ),
    "a loop until a guard that looks at more": (
        f"{LETTER}x = repeat(revise, letter, until=beside, rounds=2)  # here\nreturn x",
        "asks for mail",
        "Name an input",
    ),
    "a loop that ends somehow": (
        f"{LETTER}x = repeat(revise, letter, until=fine, rounds=2, spent='drop')  # here\nreturn x",
        "'drop'",
        "accept",
    ),
    "a list that is none": ("return pick(each(revise, mail))  # here", "goes over Untrusted.Mail", "labelled list"),
    "a list of Python": (
        f"{LETTER}return pick(each(revise, [letter]))  # here",
        "not a value of the plan",
        "stage gave",
    ),
    "a field that is a list": (
        f"{OWED}return each(revise, owed.value.tags)  # here",
        "without the label of its value",
        "Pass owed",
    ),
    "items of another type": (
        f"{LETTERS}return each(answer, letters)  # here",
        "is a Inquiry and gets inquiry",
        "type",
    ),
    "items with another label": (
        f"{LETTERS}return each(polish, letters)  # here",
        "asks for endorsed letter",
        "endorse",
    ),
    "nothing at once": (f"{LETTERS}return pick(each(revise, letters, at_most=0))  # here", "0 under way", "from 1"),
    "a failure that nobody hears of": (
        f"{LETTERS}return pick(each(revise, letters, failed='ignore'))  # here",
        "'ignore'",
        "collect",
    ),
    "what is left out taken for all": (
        f"{LETTERS}return pick(each(revise, letters, failed='collect'))  # here",
        "a list.*and gets",
        "that type",
    ),
    "a body that gives back its item": (
        f"{LETTERS}return pick(each(lambda it: it, letters))  # here",
        "gives back what it was handed",
        "stage",
    ),
    "a branch alone": (
        "x, = parallel(lambda: extract(mail))  # here\nreturn x",
        "nothing side by side",
        "two branches",
    ),
    "a branch too many": (
        f"{OWED}one, two = parallel(lambda: draft(owed), lambda: draft(owed), lambda: draft(owed))  # here\nreturn two",
        "3 values, which are assigned to 2 names",
        "a name for each",
    ),
    "branches that nobody tells apart": (
        f"{OWED}both = parallel(lambda: draft(owed), lambda: draft(owed))  # here\nreturn both",
        "0 names",
        "a name for each",
    ),
    "a stage unpacked": ("one, two = extract(mail)  # here\nreturn one", "unpacked", "parallel"),
    "a workflow of another type": ("return inner(mail)  # here", "starts from a Letter and gets a Mail", "that type"),
    "a workflow with another label": (
        f"{OWED}return inner(draft(owed))  # here",
        "untrusted data and gets endorsed",
        "that label",
    ),
    "a workflow that calls itself": ("return plan(mail)  # here", "plan calls itself", "repeat"),
    "a question of nobody": ("x = ask_person(Answer, 'Go?', by='editor')  # here\nreturn x", "who answers", "role"),
    "a question of several": (
        "x = ask_person(Answer, 'Go?', by=role('editor', quorum=2))  # here\nreturn x",
        "2 of editor",
        "approve",
    ),
    "no question": ("x = ask_person(Answer, ' ', by=role('editor'))  # here\nreturn x", "asks nothing", "sentence"),
    "an answer that is no contract": (
        "x = ask_person(bytes, 'Go?', by=role('editor'))  # here\nreturn x",
        "no contract: bytes",
        "model",
    ),
    "a pause of no time": ("pause(timedelta())  # here\nreturn extract(mail)", "waits no time", "timedelta"),
    "a call of a function of the plan": (
        "def way(it):\n    return extract(it)\nreturn way(mail)  # here",
        "`way` is called with a value",
        "stages",
    ),
    "a function of the plan handed to a helper": (
        "def way():\n    return extract(mail)\nx = copy.copy(way)  # here\nreturn extract(mail)",
        "is called with a value",
        "stages",
    ),
    "a lambda kept for later": (
        f"{OWED}way = lambda: draft(owed)  # here\nreturn when(owed.value.gift, way, way)",
        "a lambda",
        "where it stands",
    ),
    "a lambda handed to a helper": (
        "x = sorted(['a'], key=lambda it: it)  # here\nreturn extract(mail)",
        "a lambda",
        "where it stands",
    ),
    "a helper in a way": (
        f"{OWED}x = when(owed.value.gift, lambda: copy.copy(owed), lambda: owed)  # here\nreturn x",
        "`copy.copy` is called with a value",
        "stages",
    ),
    "an `if` in a function of the plan": (
        f"{OWED}def way():\n    if owed:  # here\n        pass\n    return draft(owed)\n"
        "return when(owed.value.gift, way, way)",
        "an `if`",
        "when",
    ),
    "a value that is one only later": (
        "x = 'a'\ndef way():\n    return copy.copy(x)  # here\nx = extract(mail)\n"
        "return when(mail.value.text == 'a', way, lambda: x)",
        "`copy.copy` is called with a value",
        "stages",
    ),
    "a stage's name for a parameter": (
        f"{OWED}x = when(owed.value.gift, lambda: draft(owed), lambda: draft(owed))\n"
        "return choose(sort(mail), case(Refund, lambda refuse: refuse(refuse)), case(Inquiry, answer))  # here",
        "`refuse` is called|two nodes",
        "",
    ),
    "a default in a lambda": (
        f"{OWED}return when(owed.value.gift, lambda it=owed: draft(it), lambda: draft(owed))  # here",
        "more than plain parameters",
        "without a default",
    ),
    "a decorated function of the plan": (
        "@functools.cache\ndef way():  # here\n    return extract(mail)\nreturn extract.as_('b')(mail)",
        "is decorated",
        "by themselves",
    ),
    "an async function of the plan": (
        "async def way():  # here\n    return extract(mail)\nreturn extract(mail)",
        "a definition",
        "top of the module",
    ),
    "one function for two ways": (
        f"{OWED}def way():\n    letter = draft(owed)  # here\n    return letter\n"
        "return when(owed.value.gift, way, way)",
        "two nodes are named letter",
        "Rename",
    ),
    "a name of the plan around a part": (
        f"{OWED}{LETTERS}return pick(each(lambda it: mend(it, fetch.as_('owed')()), letters))  # here",
        "two nodes are named owed",
        "as_",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_construct_cannot_be_given_is_refused(case: str, defining: Definitions) -> None:
    """At import, so that no plan stands that a run could not follow."""
    body, problem, fix = REFUSED[case]
    refused(defining, body, problem, fix)


def test_workflows_of_one_name_are_not_called_in_one_plan(defining: Definitions) -> None:
    """The type of a child run says which workflow it is."""
    defining.refused(
        KIT + "def made():\n    @workflow\n    def inner(letter: Untrusted[Letter]) -> Untrusted[Letter]:\n"
        "        return mend.as_('z')(letter, fetch())\n    return inner\nother = made()\n"
        "@workflow\ndef plan(mail: Untrusted[Mail]) -> Untrusted[Letter]:\n"
        "    letter = inner(pick(open_all(mail)))\n    return other(letter)  # here\n",
        "two workflows named inner",
        "a name of its own",
    )
